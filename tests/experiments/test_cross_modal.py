"""Two made-up screens of the same compounds: what they share is found, and what they do not is not."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.experiments.cross_modal import (
    Seen,
    Shared,
    _answers,
    cross_modal,
    joint_mechanisms,
    joint_states,
    shared,
    states_of,
)

COUNT = 11


def screen(effects, noise=0.3, plates=4, seed=0, spell="drug:c{}@1uM"):
    """States on plates with a shift and controls of their own; a well of every compound on each."""
    rng, rows, values = np.random.default_rng(seed), [], []
    for plate in range(plates):
        shift = rng.normal(size=effects.shape[1])
        for name, effect in [("control", 0.0 * effects[0])] * 4 + [(spell.format(i), e) for i, e in enumerate(effects)]:
            rows.append((name, "line", f"P{plate}"))
            values.append(shift + effect + noise * rng.normal(size=effects.shape[1]))
    entities = pd.DataFrame(rows, columns=["perturbation", "context", "batch"])
    return UR(np.array(values), Space("made-up", Scale.CELLULAR, effects.shape[1], "x"), entities)


def two(common=True, noise=0.3, count=COUNT):
    """Two factors of each compound, read by two screens; or each screen reads factors of its own."""
    rng = np.random.default_rng(1)
    z_ck, other_ck = rng.normal(size=(2, count, 2))
    rna = screen(z_ck @ rng.normal(size=(2, 30)), noise)
    return shared(rna, screen((z_ck if common else other_ck) @ rng.normal(size=(2, 8)), noise, seed=2))


def test_what_two_screens_share_is_foretold_both_ways():
    found = cross_modal(two(), permutations=24).set_index(["question", "metric"])
    for question in ("images from RNA", "RNA from images"):
        assert found["value"][question, "cosine"] > 0.8
        assert found["value"][question, "retrieval"] > 0.85
        assert found["null"][question, "retrieval"] == pytest.approx(0.5, abs=0.1)
        assert found["p"][question, "retrieval"] < 0.05
        assert 0.9 < found["ceiling"][question, "cosine"] <= 1.0
        assert found["low"][question, "cosine"] <= found["value"][question, "cosine"] <= 1.0


def test_what_they_do_not_share_is_not():
    found = cross_modal(two(common=False), permutations=24).set_index(["question", "metric"])
    assert (found["p"] > 0.05).all()
    assert found["value"]["images from RNA", "retrieval"] < 0.75


def test_an_answer_does_not_depend_on_what_the_compound_did():
    both = two(count=9)
    changed = both.images.effects.copy()
    changed[3] *= -2.0
    other = Shared(both.compounds, both.rna, Seen(changed, both.images.halves))
    before, after = (cross_modal(each, permutations=1).iloc[0] for each in (both, other))
    # Of nine cosines the own one turns around or so, and all others have another training compound.
    assert before["value"] != after["value"]
    gram = both.rna.effects @ both.rna.effects.T
    said = [_answers(gram, (each.images.effects @ each.images.effects.T)[None], [3]) for each in (both, other)]
    np.testing.assert_allclose(*said)
    assert said[0][0, 0, 3] == 0.0
    assert said[0].sum() == pytest.approx(0.0)


def test_few_shared_compounds_have_no_power():
    both = two(count=5)
    assert both.no_power == "no power: too few compounds are shared to tell anything (5, and 8 are the fewest)"
    for found in (cross_modal(both), joint_mechanisms(both, {"c1": "A", "c2": "A"})):
        assert found["value"].isna().all()
        assert set(found["note"]) == {both.no_power}


def test_compounds_meet_by_name_whatever_is_written_and_at_higher_doses():
    rng = np.random.default_rng(0)
    effect = rng.normal(size=(1, 4))
    rna = screen(effect, 0.0, spell="drug:taxol@1uM")
    high = screen(3 * effect, 0.0, spell="drug:Paclitaxel@10uM")
    low = screen(effect, 0.0, spell="drug:Paclitaxel@0.1uM")
    values, entities = np.r_[high.values, low.values], pd.concat([high.entities, low.entities], ignore_index=True)
    both = shared(rna, UR(values, high.space, entities))
    assert both.compounds.tolist() == ["paclitaxel"]
    np.testing.assert_allclose(both.images.effects, 3 * effect)
    with pytest.raises(DataError, match="share no compound"):
        shared(rna, screen(effect, spell="drug:colchicine@1uM"))


def test_an_effect_that_was_not_repeated_has_no_ceiling():
    rng = np.random.default_rng(0)
    ur = screen(rng.normal(size=(3, 4)), plates=1)
    assert shared(ur, ur).rna.ceiling() is None
    noise = screen(np.zeros((12, 6)), 1.0)
    assert shared(noise, noise).rna.ceiling() < 0.7


def test_a_table_of_effects_is_its_own_state():
    entities = pd.DataFrame({"perturbation": ["drug:A", "drug:B"], "context": "line"}, index=["a", "b"])
    table = Measurement(np.eye(2), np.array(["G1", "G2"], dtype=object), entities, "normal_score", modality="effect")
    both = shared(states_of(table), states_of(table))
    np.testing.assert_allclose(both.rna.effects, np.eye(2))


@pytest.mark.slow
def test_a_joint_state_names_mechanisms_that_either_screen_knows_in_part():
    # Four mechanisms; RNA tells two groups of them apart, images the other two ways.
    rng, kind = np.random.default_rng(3), np.repeat(np.arange(4), 2)
    factor_kc = np.stack([kind % 2 * 2.0 - 1, kind // 2 * 2.0 - 1]) + 0.1 * rng.normal(size=(2, 8))
    effects = [np.outer(z, rng.normal(size=6)) + 0.1 * rng.normal(size=(8, 6)) for z in factor_kc]
    seen = [Seen(each, np.stack([each, each])) for each in effects]
    both = Shared(np.array([f"c{i}" for i in range(8)], dtype=object), *seen)
    found = joint_mechanisms(both, {f"c{i}": str(k) for i, k in enumerate(kind)}, dim=2, permutations=50)
    value = found.set_index("read")["value"]
    assert value["joint"] == 1.0
    assert max(value["rna"], value["images"]) < 0.9
    assert value["gain"] == pytest.approx(value["joint"] - max(value["rna"], value["images"]))
    assert found.set_index("read")["p"]["joint"] < 0.05
    assert joint_states(both, dim=2).values.shape == (8, 2)
    assert set(joint_mechanisms(both, {})["note"]) == {"no power: no two compounds share a mechanism"}
