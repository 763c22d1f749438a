import numpy as np
import pandas as pd
import pytest

from aivc.core.effects import Effects
from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.combined import fit_combined
from aivc.instruments.manipulators.context_means import context_means
from aivc.instruments.manipulators.contrast import UNTOLD_SHARE
from aivc.instruments.manipulators.effect_v1 import EffectV1
from aivc.instruments.manipulators.elsewhere import UNTOLD_SCALE, believed, fit_elsewhere, means_elsewhere
from aivc.instruments.manipulators.left_out import left_out_residuals
from aivc.testing import check_manipulator

DIM = 6
SPACE = Space("test", Scale.CELLULAR, DIM, "0123456789abcdef")


def states(shifts, contexts=("A", "B", "C")):
    """A table of effects: ``shifts`` maps (context, text) to a displacement; each context has its control at zero."""
    keys = [(context, CONTROL) for context in contexts] + list(shifts)
    values = np.vstack([np.zeros((len(contexts), DIM)), *[shifts[key][None] for key in shifts]])
    table = pd.DataFrame({"context": [c for c, _ in keys], "perturbation": [t for _, t in keys]}, dtype=object)
    return UR(values, SPACE, table.set_axis([str(i) for i in range(len(table))], axis=0))


def turned_world(perturbations=40, noise=0.1, seed=0):
    """Deviations of one context are those of the others, turned: shrinking cannot say so, a map can."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    mean = {context: rng.normal(size=DIM) for context in "ABC"}
    own = rng.normal(size=(perturbations, DIM))
    shifts = {}
    for p in range(perturbations):
        for context in "ABC":
            body = own[p] @ turn if context == "C" else own[p]
            shifts[context, f"ko:G{p}"] = mean[context] + body + noise * rng.normal(size=DIM)
    return shifts


def left_out(shifts, context="C", count=10):
    return {key: shift for key, shift in shifts.items() if key[0] == context and int(key[1][4:]) < count}


def error(manipulator, asked):
    found = [manipulator.tell(Perturbation.parse(text), context).shift for context, text in asked]
    return float(((np.array(found) - np.array(list(asked.values()))) ** 2).mean())


def test_it_keeps_the_contract_of_a_manipulator():
    check_manipulator(EffectV1)


def test_what_an_effect_elsewhere_means_here_is_learned_and_not_only_shrunk():
    shifts = turned_world()
    asked = left_out(shifts)
    fitted = EffectV1.fit(states({key: shift for key, shift in shifts.items() if key not in asked}))
    plain = float(np.mean([((shift - fitted.defaults[2]) ** 2).mean() for shift in asked.values()]))
    assert error(fitted, asked) < 0.2 * plain
    told = fitted.tell(Perturbation.parse("ko:G0"), "C")
    assert (told.evidence, told.applicability) == ("elsewhere", Applicability.IN)


def test_the_variance_is_the_error_that_was_left_on_perturbations_left_out():
    shifts = turned_world(perturbations=120, noise=0.5)
    asked = left_out(shifts, count=40)
    fitted = EffectV1.fit(states({key: shift for key, shift in shifts.items() if key not in asked}))
    assert fitted.doubt[2].mean() == pytest.approx(error(fitted, asked), rel=0.3)


def test_effects_that_share_nothing_across_contexts_get_the_mean_effect():
    rng = np.random.default_rng(0)
    shifts = {(context, f"ko:G{p}"): rng.normal(size=DIM) + 2 for p in range(60) for context in "ABC"}
    fitted = EffectV1.fit(states(shifts))
    moved = [fitted.tell(Perturbation.parse(f"ko:G{p}"), "D").shift - fitted.default for p in range(60)]
    assert np.abs(moved).max() < 0.4


def far_world(size, perturbations=40, seed=0):
    """Effects that two contexts share, around a mean effect that all perturbations share."""
    rng = np.random.default_rng(seed)
    mean, own = size * rng.normal(size=DIM), rng.normal(size=(perturbations, DIM))
    noise = 0.7 * rng.normal(size=(perturbations, 2, DIM))
    pairs = [(p, c) for p in range(perturbations) for c in range(2)]
    return {("AB"[c], f"ko:G{p}"): mean + own[p] + noise[p, c] for p, c in pairs}


def told_apart(manipulator, asked):
    """Share of the other truths at a wider angle than the right one, and the squared error."""
    said = np.array([manipulator.tell(Perturbation.parse(text), context).shift for context, text in asked])
    true = np.array(list(asked.values()))
    like = (said @ true.T) / np.linalg.norm(true, axis=1)
    return (like < np.diag(like)[:, None]).mean(), ((said - true) ** 2).mean()


def test_part_of_the_mean_effect_gives_way_so_that_answers_are_told_apart():
    shifts = far_world(2.0, perturbations=120)
    asked = {("B", f"ko:G{p}"): shifts["B", f"ko:G{p}"] for p in range(40)}
    table = states({key: shift for key, shift in shifts.items() if key not in asked}, contexts=("A", "B"))
    whole, chosen = EffectV1.fit(table, share=1.0), EffectV1.fit(table)
    assert chosen.carried[2] < 1
    (apart, error), (apart_whole, error_whole) = told_apart(chosen, asked), told_apart(whole, asked)
    assert apart > apart_whole + 0.015
    assert error < 1.2 * error_whole


def test_a_mean_effect_that_says_nearly_all_is_kept():
    assert EffectV1.fit(states(far_world(10.0), contexts=("A", "B"))).carried[2] == 1
    # One perturbation is all of the mean effect.
    alone = {(context, "drug:X@1uM"): np.ones(DIM) for context in "AB"}
    fitted = EffectV1.fit(states(alone, contexts=("A", "B", "C")))
    np.testing.assert_allclose(fitted.tell(Perturbation.parse("drug:X@1uM"), "C").shift, np.ones(DIM))


@pytest.mark.parametrize("both", [0, 8, 25])
def test_too_few_perturbations_in_two_contexts_leave_the_share_as_it_is_stated(both):
    shifts = far_world(1.0)
    only = {key: shift for key, shift in shifts.items() if key[0] == "A" or int(key[1][4:]) < both}
    assert EffectV1.fit(states(only, contexts=("A", "B"))).carried[2] == UNTOLD_SHARE


def test_a_share_of_the_mean_effect_is_between_none_and_all():
    with pytest.raises(DataError, match="0 to 1 or None"):
        EffectV1.fit(states(turned_world()), share=1.5)


def test_a_context_that_saw_only_strong_perturbations_gets_no_larger_mean_effect_than_is_its_due():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(60, DIM))
    own *= np.where(np.arange(60) < 12, 4.0, 1.0)[:, None]
    own[:12] += 3.0
    codes = np.append(np.arange(60), np.arange(12))
    places = np.repeat([0, 1], [60, 12])
    rows = 1.0 + own[codes] + 0.1 * rng.normal(size=(72, DIM))
    plain, found = rows[places == 1].mean(axis=0), context_means(rows, codes, places, 2)
    true = 1.0 + own.mean(axis=0)
    assert np.abs(found[1] - true).mean() < 0.65 * np.abs(plain - true).mean()
    np.testing.assert_allclose(found[0], rows[:60].mean(axis=0), atol=0.3)


def test_contexts_that_saw_the_same_or_nothing_alike_keep_their_plain_means():
    rows = np.random.default_rng(0).normal(size=(20, DIM))
    places = np.repeat([0, 1], 10)
    plain = np.array([rows[:10].mean(axis=0), rows[10:].mean(axis=0)])
    for codes in (np.tile(np.arange(10), 2), np.arange(20)):
        np.testing.assert_allclose(context_means(rows, codes, places, 2), plain, atol=1e-6)


def test_a_measured_effect_is_looked_up_in_its_own_context():
    shifts = turned_world()
    fitted = EffectV1.fit(states(shifts))
    for context in "AC":
        told = fitted.tell(Perturbation.parse("ko:G3"), context)
        np.testing.assert_allclose(told.shift, shifts[context, "ko:G3"])
        assert told.evidence == "measured"
        assert not told.variance.any()


def test_one_context_alone_tells_no_scale_so_the_stated_one_is_used():
    shifts = {key: shift for key, shift in turned_world().items() if key[0] == "A"}
    fitted = EffectV1.fit(states(shifts, contexts=("A", "B")))
    told = fitted.tell(Perturbation.parse("ko:G0"), "B")
    wanted = UNTOLD_SHARE * fitted.default + UNTOLD_SCALE * (shifts["A", "ko:G0"] - fitted.defaults[0])
    np.testing.assert_allclose(told.shift, wanted)
    assert told.applicability == Applicability.EDGE


def test_nothing_is_known_of_a_stranger():
    fitted = EffectV1.fit(states(turned_world()))
    told = fitted.tell(Perturbation.parse("ko:NEVER"), "A")
    np.testing.assert_allclose(told.shift, fitted.defaults[0])
    assert (told.evidence, told.applicability) == ("mean", Applicability.OUT)
    prediction = fitted.manipulate(states({}).take(np.array([0])), Perturbation.parse("ko:NEVER"))
    assert len(prediction.draws) == 8
    np.testing.assert_allclose(prediction.mean, fitted.defaults[0], atol=1e-9)


def pairs_world(factor, seed=0):
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(12, DIM))
    shifts = {("A", f"oe:G{i}"): own[i] for i in range(12)}
    for i in range(12):
        for j in range(i + 1, 12):
            shifts["A", f"oe:G{i} + oe:G{j}"] = factor * (own[i] + own[j]) + 0.05 * rng.normal(size=DIM)
    return shifts


@pytest.mark.parametrize("factor", [1.0, 0.6])
def test_pairs_are_sums_and_corrected_where_sums_are_wrong(factor):
    shifts = {str(key[1]): value for key, value in pairs_world(factor).items()}
    asked = {text: shifts.pop(text) for text in ("oe:G0 + oe:G1", "oe:G2 + oe:G7", "oe:G10 + oe:G11")}
    fitted = EffectV1.fit(states({("A", text): value for text, value in shifts.items()}, contexts=("A",)))
    for text, shift in asked.items():
        told = fitted.tell(Perturbation.parse(text), "A")
        assert told.evidence == "parts"
        assert np.abs(told.shift - shift).max() < 0.35


def test_a_correction_is_left_out_where_sums_are_right():
    names = [text for _, text in pairs_world(1.0)]
    rows = np.array(list(pairs_world(1.0).values()))
    seen = Effects(rows, np.array(names, dtype=object), np.full(len(rows), "A", dtype=object), np.ones(len(rows)))
    found = fit_combined(seen, 0)
    sums = [rows[i] + rows[j] for i in range(12) for j in range(i + 1, 12)]
    assert np.abs(np.column_stack([sums, np.ones(len(sums))]) @ found.weights).max() < 0.15
    assert found.variance.mean() < 0.01


def test_a_pair_without_any_pair_in_training_is_the_sum_of_what_is_told_of_its_parts():
    shifts = turned_world()
    fitted = EffectV1.fit(states(shifts))
    told = fitted.tell(Perturbation.parse("ko:G1 + ko:G2"), "A")
    np.testing.assert_allclose(told.shift, shifts["A", "ko:G1"] + shifts["A", "ko:G2"])


def test_a_pair_in_another_context_is_made_of_what_its_parts_do_there():
    shifts = {("A", "oe:X"): np.ones(DIM), ("A", "oe:Y"): np.ones(DIM), ("A", "oe:P"): np.ones(DIM)}
    shifts |= {("B", text): -shift for (_, text), shift in shifts.items()}
    shifts |= {("A", "oe:P + oe:Q"): 2 * np.ones(DIM)}
    fitted = EffectV1.fit(states(shifts, contexts=("A", "B")))
    told = fitted.tell(Perturbation.parse("oe:X + oe:Y"), "B")
    np.testing.assert_allclose(told.shift, -2 * np.ones(DIM))
    assert told.applicability == Applicability.EDGE
    assert (told.variance > 0).all()


def test_what_few_perturbations_cannot_tell_is_not_told_as_sure():
    alone = EffectV1.fit(states({("A", "ko:G0"): 3 * np.ones(DIM)}, contexts=("A",)))
    assert (alone.tell(Perturbation.parse("ko:NEVER"), "A").variance >= 9).all()
    apart = {("A", "ko:G0"): np.ones(DIM), ("B", "ko:G1"): -np.ones(DIM)}
    crossed = EffectV1.fit(states(apart, contexts=("A", "B"))).tell(Perturbation.parse("ko:G0"), "B")
    assert (crossed.variance > 0.5).all()


def test_a_context_never_seen_is_as_unsure_as_contexts_differ():
    rng = np.random.default_rng(0)
    shifts = {(c, f"ko:G{p}"): m + 0.1 * rng.normal(size=DIM) for c, m in (("A", 5.0), ("B", -5.0)) for p in range(20)}
    fitted = EffectV1.fit(states(shifts, contexts=("A", "B", "C")))
    told = fitted.tell(Perturbation.parse("ko:G3"), "C")
    assert (told.variance > 25).all()
    assert (fitted.tell(Perturbation.parse("ko:NEVER"), "A").variance < 1).all()


def test_a_library_is_told_as_one_by_one():
    shifts = turned_world()
    asked = left_out(shifts, count=3)
    fitted = EffectV1.fit(states({key: shift for key, shift in shifts.items() if key not in asked}))
    library = [Perturbation.parse(text) for text in ("ko:G0", "ko:G20", "ko:NEVER", "ko:G1 + ko:G20")]
    shift_pcd, variance_pcd = fitted.effects(library, ["C", "A", "elsewhere"])
    for p, perturbation in enumerate(library):
        for c, context in enumerate(["C", "A", "elsewhere"]):
            told = fitted.tell(perturbation, context)
            np.testing.assert_allclose(shift_pcd[p, c], told.shift, atol=1e-12)
            np.testing.assert_allclose(variance_pcd[p, c], told.variance, atol=1e-12)


def dosed_world(half=3.0, slope=2.0, seed=0):
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(8, DIM))
    shifts = {}
    for i in range(8):
        for dose in (0.1, 1.0, 10.0, 100.0):
            top = 1 / (1 + (half / dose) ** slope)
            shifts["A", f"drug:D{i}@{dose:g}uM"] = top * own[i] + 0.02 * rng.normal(size=DIM)
    return shifts, own


def test_a_dose_between_others_lies_on_the_curve_through_them():
    shifts, own = dosed_world()
    fitted = EffectV1.fit(states(shifts, contexts=("A",)))
    for dose in (0.3, 5.0, 30.0):
        told = fitted.tell(Perturbation.parse(f"drug:D2@{dose:g}uM"), "A")
        wanted = own[2] / (1 + (3.0 / dose) ** 2)
        assert told.evidence == "dose"
        assert told.applicability == Applicability.IN
        assert np.abs(told.shift - wanted).max() < 0.12 * np.abs(own[2]).max()


def test_a_dose_series_never_falls_and_beyond_it_is_the_edge():
    shifts, _ = dosed_world()
    fitted = EffectV1.fit(states(shifts, contexts=("A",)))
    told = [fitted.tell(Perturbation.parse(f"drug:D1@{dose:g}uM"), "A") for dose in np.geomspace(11, 1000, 9)]
    assert (np.diff([np.linalg.norm(each.shift) for each in told]) >= -0.05).all()
    assert told[-1].applicability == Applicability.EDGE


def test_no_dose_does_nothing_and_control_is_control():
    fitted = EffectV1.fit(states(dosed_world()[0], contexts=("A",)))
    for text in ("drug:D1@0uM", "control"):
        told = fitted.tell(Perturbation.parse(text), "A")
        assert not told.shift.any()
        assert told.evidence == "nothing"


def test_a_dose_is_one_dose_however_it_is_written():
    rng = np.random.default_rng(0)
    shifts = {("A", f"drug:D{i}@1uM"): rng.normal(size=DIM) for i in range(8)}
    shifts |= {("B", f"drug:D{i}@1000nM"): shift + 1 for i, (_, shift) in enumerate(list(shifts.items())[1:])}
    shifts["A", "drug:D1@1uM + drug:D2@2uM"] = 5 * np.ones(DIM)
    fitted = EffectV1.fit(states(shifts, contexts=("A", "B")))
    for text in ("drug:D3@1uM", "drug:D3@0.001mM"):
        np.testing.assert_allclose(fitted.tell(Perturbation.parse(text), "B").shift, shifts["B", "drug:D3@1000nM"])
    pair = fitted.tell(Perturbation.parse("drug:D1@1000nM + drug:D2@2000nM"), "A")
    np.testing.assert_allclose(pair.shift, 5 * np.ones(DIM))
    assert fitted.tell(Perturbation.parse("drug:D7@1000nM"), "B").evidence == "elsewhere"


def test_rows_of_no_dose_and_no_time_are_no_effects():
    shifts = {("A", f"drug:D{i}@{dose}uM"): (2.0 + i) * dose * np.ones(DIM) for i in range(4) for dose in (0, 1)}
    fitted = EffectV1.fit(states(shifts, contexts=("A",)))
    np.testing.assert_allclose(fitted.default, 3.5 * np.ones(DIM))
    asked = [Perturbation.parse(text) for text in ("drug:D1@0uM", "drug:D1@1uM for 0h", "ko:X for 0h")]
    shift_pcd, variance_pcd = fitted.effects(asked, ["A", "B"])
    assert not shift_pcd.any()
    assert not variance_pcd.any()
    assert [fitted.tell(each, "B").evidence for each in asked] == ["nothing"] * 3


def test_a_time_of_zero_that_was_measured_is_where_a_line_begins():
    shifts = {("A", "ko:X for 0h"): np.ones(DIM), ("A", "ko:X for 24h"): 4 * np.ones(DIM)}
    fitted = EffectV1.fit(states(shifts, contexts=("A",)))
    np.testing.assert_allclose(fitted.tell(Perturbation.parse("ko:X for 8h"), "A").shift, 2 * np.ones(DIM))
    np.testing.assert_allclose(fitted.tell(Perturbation.parse("ko:X for 0h"), "A").shift, np.ones(DIM))


def test_relatives_that_cannot_answer_a_library_are_refused():
    parts = UR(np.eye(4), Space("m", Scale.MOLECULAR, 4, "t"), pd.DataFrame(index=[f"G{i}" for i in range(4)]))
    with pytest.raises(DataError, match="Choose kernel-priors"):
        EffectV1.fit(states(turned_world()), parts=parts, relatives="mean-effect")


def test_another_unit_is_another_series():
    fitted = EffectV1.fit(states(dosed_world()[0], contexts=("A",)))
    assert fitted.tell(Perturbation.parse("drug:D1@5mg"), "A").evidence == "mean"


def test_a_dose_is_the_same_in_nanomolar():
    fitted = EffectV1.fit(states(dosed_world()[0], contexts=("A",)))
    near, same = (fitted.tell(Perturbation.parse(f"drug:D1@{dose}"), "A") for dose in ("5000nM", "5uM"))
    np.testing.assert_allclose(near.shift, same.shift)
    assert near.evidence == "dose"
    measured, again = (fitted.tell(Perturbation.parse(f"drug:D1@{dose}"), "A") for dose in ("10uM", "10000nM"))
    np.testing.assert_allclose(again.shift, measured.shift)
    assert not again.variance.any()


def timed_world():
    """A drug at two doses, and a knock-out, each after 6 and 24 hours; effects of strangers make a mean effect."""
    rng = np.random.default_rng(0)
    shifts = {("A", f"ko:G{i} for 24h"): rng.normal(size=DIM) for i in range(6)}
    for hours, grown in ((6, 1.0), (24, 4.0)):
        shifts["A", f"ko:X for {hours}h"] = grown * np.ones(DIM)
        for dose, strong in ((1, 1.0), (100, 2.0)):
            shifts["A", f"drug:D@{dose}uM for {hours}h"] = strong * grown * np.arange(1.0, DIM + 1)
    return states(shifts, contexts=("A",))


def test_an_effect_at_a_time_between_two_lies_between_theirs():
    fitted = EffectV1.fit(timed_world())
    told = fitted.tell(Perturbation.parse("ko:X for 12h"), "A")
    assert (told.evidence, told.applicability) == ("time", Applicability.IN)
    np.testing.assert_allclose(told.shift, 2.0 * np.ones(DIM))
    assert (told.variance > 0).all()
    early, late = (fitted.tell(Perturbation.parse(f"ko:X for {hours}h"), "A") for hours in (3, 96))
    np.testing.assert_allclose(early.shift, 0.5 * np.ones(DIM))
    np.testing.assert_allclose(late.shift, 4.0 * np.ones(DIM))
    assert early.applicability == late.applicability == Applicability.EDGE
    assert (late.variance > told.variance).all()


def test_dose_and_time_may_both_be_new():
    fitted = EffectV1.fit(timed_world())
    ends = [fitted.tell(Perturbation.parse(f"drug:D@10uM for {hours}h"), "A") for hours in (6, 24)]
    told = fitted.tell(Perturbation.parse("drug:D@10000nM for 15h"), "A")
    assert {each.evidence for each in ends} == {"dose"}
    np.testing.assert_allclose(told.shift, (ends[0].shift + ends[1].shift) / 2)
    assert told.shift[0] > 1.0


def test_hours_that_are_not_stated_are_those_there_are_and_of_two_none_is_chosen():
    fitted = EffectV1.fit(timed_world())
    told = fitted.tell(Perturbation.parse("ko:G3"), "A")
    np.testing.assert_allclose(told.shift, fitted.tell(Perturbation.parse("ko:G3 for 24h"), "A").shift)
    assert (told.evidence, told.applicability) == ("time", Applicability.EDGE)
    assert fitted.tell(Perturbation.parse("ko:X"), "A").evidence == "mean"
    # No dose says nothing of a dose.
    assert fitted.tell(Perturbation.parse("drug:D for 12h"), "A").evidence == "mean"


def test_what_is_told_of_doses_and_times_is_the_sum_of_its_pieces_alone_and_in_a_library():
    fitted = EffectV1.fit(timed_world())
    asked = [Perturbation.parse(text) for text in ("ko:X for 12h", "drug:D@10uM for 12h", "drug:D@5uM for 6h", "ko:G3")]
    shift_pcd, variance_pcd = fitted.effects(asked, ["A", "B"])
    for p, perturbation in enumerate(asked):
        for c, context in enumerate("AB"):
            told = fitted.tell(perturbation, context)
            np.testing.assert_allclose(shift_pcd[p, c], told.shift)
            np.testing.assert_allclose(variance_pcd[p, c], told.variance)
            said = np.sum([piece.shift for piece in fitted.attribute(perturbation, context)], axis=0)
            np.testing.assert_allclose(said, told.shift, atol=1e-12)


def test_means_elsewhere_leave_the_row_itself_out():
    mean_rd, others_r = means_elsewhere(np.array([[1.0], [3.0], [8.0]]), np.array([1.0, 1.0, 3.0]), ["p", "p", "q"])
    assert mean_rd.ravel().tolist() == [3.0, 1.0, 0.0]
    assert others_r.tolist() == [1.0, 1.0, 0.0]


def test_what_is_believed_grows_with_the_contexts_it_was_seen_in():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(80, DIM))
    rows = [(true[p] + 2.0 * rng.normal(size=DIM), f"ko:G{p}", c) for p in range(80) for c in range(2 + 4 * (p % 2))]
    texts = [text for _, text, _ in rows]
    found = fit_elsewhere(
        np.array([row for row, _, _ in rows]),
        np.ones(len(rows)),
        texts,
        texts,
        np.array([c for _, _, c in rows]),
        np.ones(DIM),
        np.zeros((6, DIM)),
    )
    one, five = believed(found.scale, found.patience, np.array([1.0, 5.0]))
    assert 0 < one < five < 1


def test_residuals_left_out_are_those_of_a_refit():
    rng = np.random.default_rng(0)
    x_pm, y_pd, families = rng.normal(size=(12, 4)), rng.normal(size=(12, 3)), [f"f{i // 2}" for i in range(12)]
    left, strength, _ = np.linalg.svd(x_pm, full_matrices=False)
    kept = strength**2 / (strength**2 + 2.0)
    found = left_out_residuals(left, kept, y_pd - left @ (kept[:, None] * (left.T @ y_pd)), families)
    for family in sorted(set(families)):
        out = np.array([each == family for each in families])
        w = np.linalg.solve(x_pm[~out].T @ x_pm[~out] + 2.0 * np.eye(4), x_pm[~out].T @ y_pd[~out])
        np.testing.assert_allclose(found[out], y_pd[out] - x_pm[out] @ w, atol=1e-7)
