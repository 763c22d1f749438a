"""The challenge of 2026: every number is the one its own evaluator gives, and what it cannot score is undefined."""

import json

import numpy as np
import pytest
from scipy import sparse

from aivc.core.errors import ScoreError
from aivc.evaluation.metrics import vcc2026 as metrics_vcc2026
from aivc.evaluation.metrics.differential import Control
from aivc.evaluation.metrics.profiles import metric, profile
from aivc.evaluation.metrics.raw_cells import raw_counts
from aivc.evaluation.metrics.vcc2026 import SIX, add_up, challenge_scores
from parity_screen import FIXTURES, genes, inputs, parity_panel
from tiny_panels import panel

NAMES = {
    "vcc26-pds": "pds_cosine",
    "vcc26-fidelity": "de_wilcoxon_direction_fidelity_yield_raw",
    "vcc26-reach": "de_wilcoxon_direction_reach_raw",
    "vcc26-jaccard": "de_wilcoxon_sig_jaccard",
    "vcc26-lfc-nmae": "de_wilcoxon_lfc_nmae",
}


@pytest.fixture(scope="module")
def screen():
    return inputs()


@pytest.fixture(scope="module")
def theirs():
    return json.loads((FIXTURES / "parity_cell_eval2.json").read_text())


@pytest.mark.parametrize("prediction", ["predicted", "flat"])
def test_every_question_scores_as_in_the_challenge(screen, theirs, prediction):
    found = parity_panel(screen, prediction)
    for ours, other in NAMES.items():
        said = np.array(theirs[prediction]["rows"][other], dtype=float)
        value = metric(ours).compute(found)
        assert value == pytest.approx(said, rel=0, abs=1e-6, nan_ok=True), ours
        assert np.nanmean(value) == pytest.approx(theirs[prediction]["mean"][other], abs=1e-6)


@pytest.mark.parametrize("prediction", ["predicted", "flat"])
def test_shares_of_the_error_average_to_the_ratio_of_the_challenge(screen, theirs, prediction):
    said = theirs[prediction]
    numerator, denominator = (
        np.array(said["rows"][key]) for key in ("expr_mse_unbiased_capped", "expr_distance_unbiased")
    )
    value = metric("vcc26-mse").compute(parity_panel(screen, prediction))
    assert value == pytest.approx(12 * numerator / denominator.sum(), rel=0, abs=1e-6)
    assert value.mean() == pytest.approx(said["mean"]["expr_mse_unbiased_capped_norm"], abs=1e-6)


def test_predictions_that_hardly_differ_get_no_credit_for_the_scatter_of_their_cells(screen):
    scattered = np.mean(metric("vcc26-mse").compute(parity_panel(screen, "flat")))
    pinned = {**screen, "flat": np.tile(screen["flat"][:1], (12, 1, 1))}
    # The same cells for every perturbation: all of their scatter cancels, so none of it is forgiven.
    assert np.mean(metric("vcc26-mse").compute(parity_panel(pinned, "flat"))) > scattered


@pytest.mark.parametrize(("prediction", "side"), [("predicted", "pred"), ("predicted", "real"), ("flat", "pred")])
def test_tables_hold_the_same_p_values_and_fold_changes(screen, prediction, side):
    control = Control.of(screen["controls"], genes(240), units="counts")
    with np.load(FIXTURES / "parity_tables.npz") as stored:
        said = {key: stored[f"{prediction}_{side}_{key}"] for key in ("p_value", "p_adj", "log2_fold_change")}
    for i, cells in enumerate(screen["measured" if side == "real" else prediction]):
        table = control.differential(cells)
        assert table.p == pytest.approx(said["p_value"][i], rel=1e-6, abs=0, nan_ok=True)
        assert table.p_adj == pytest.approx(said["p_adj"][i], rel=1e-6, abs=0, nan_ok=True)
        assert table.lfc == pytest.approx(said["log2_fold_change"][i], rel=0, abs=1e-6, nan_ok=True)


def test_scores_are_those_of_the_challenge(theirs):
    ends = {each["metric"]: (each["baseline"], each["replicate"]) for each in theirs["scores"]}
    low, high = ({name: pair[i] for name, pair in ends.items()} for i in range(2))
    assert len(theirs["scores"]) == 54
    for each in theirs["scores"]:
        value = float("nan") if each["value"] is None else each["value"]
        found = challenge_scores({**high, each["metric"]: value}, low, high)
        assert found[each["metric"]] == pytest.approx(each["score"], abs=1e-6), each
        assert found["mean"] == pytest.approx((5 + each["score"]) / 6, abs=1e-6)


def test_without_a_scale_there_is_no_score():
    low = dict.fromkeys(SIX, 0.5)
    with pytest.raises(ScoreError, match="must be better than that of the baseline"):
        challenge_scores(low, low, low)
    with pytest.raises(ScoreError, match="missing for the baseline and the replicate"):
        challenge_scores(low, {}, {})


def test_a_perfect_prediction_scores_best(screen):
    found = parity_panel({**screen, "same": screen["measured"]}, "same")
    for name, best in (("vcc26-pds", 1), ("vcc26-reach", 1), ("vcc26-jaccard", 1), ("vcc26-lfc-nmae", 0)):
        known = metric(name).compute(found)
        assert known[np.isfinite(known)] == pytest.approx(best, abs=1e-9), name
    assert np.mean(metric("vcc26-mse").compute(found)) <= 0


def test_a_prediction_of_control_is_no_skill(screen):
    controls = np.tile(screen["controls"], (12, 1, 1))
    found = parity_panel({**screen, "none": controls}, "none")
    assert np.mean(metric("vcc26-pds").compute(found)) == pytest.approx(0.5)
    assert np.mean(metric("vcc26-mse").compute(found)) == pytest.approx(1.0, abs=0.1)
    assert np.nanmean(metric("vcc26-fidelity").compute(found)) == pytest.approx(0.0, abs=0.05)


def test_without_cells_everything_is_undefined(screen):
    nothing = panel(np.eye(3), np.eye(3))
    for each in profile("vcc2026"):
        assert np.isnan(each.compute(nothing)).all()
    whole = parity_panel(screen, "predicted")
    gone = type(whole)(**{**vars(whole), "population": (None, *whole.population[1:])})
    scored = type(whole)(**{**vars(whole), "units": "log_intensity"})
    for each in profile("vcc2026"):
        assert np.isnan(each.compute(gone)[0])
        assert np.isfinite(each.compute(gone)[1])
        assert np.isnan(each.compute(scored)).all()


def test_one_pass_over_the_cells_serves_all_six(screen, monkeypatch):
    calls = []
    real = metrics_vcc2026._six
    monkeypatch.setattr(metrics_vcc2026, "_six", lambda panel: calls.append(panel) or real(panel))
    found = parity_panel(screen, "predicted")
    first = [each.compute(found) for each in profile("vcc2026")]
    first[0][:] = -1
    assert (profile("vcc2026")[0].compute(found) >= 0).all()
    assert len(calls) == 1


def test_unknown_depths_count_as_equal_ones(screen):
    known = parity_panel(screen, "predicted")
    changes = {f"{side}_depth": (None,) * 12 for side in ("population", "cells", "controls")}
    blind = type(known)(**{**vars(known), **changes})
    for name in ("vcc26-pds", "vcc26-jaccard"):
        assert np.mean(metric(name).compute(blind)) == pytest.approx(np.mean(metric(name).compute(known)), abs=0.1)


def test_contexts_are_scored_apart(screen):
    one = parity_panel(screen, "predicted")
    fields = {
        name: value for name, value in vars(one).items() if name not in ("features", "units", "stated", "targeted")
    }
    double = {
        name: value * 2 if isinstance(value, tuple) else np.concatenate([value, value])
        for name, value in fields.items()
        if name != "questions"
    }
    labels = one.questions.loc[np.r_[0:12, 0:12]].assign(context=["A"] * 12 + ["B"] * 12).reset_index(drop=True)
    both = type(one)(**{**vars(one), **double, "questions": labels})
    for each in profile("vcc2026"):
        assert each.compute(both) == pytest.approx(np.tile(each.compute(one), 2), nan_ok=True)


def test_leaving_out_one_cell_gives_the_variance_of_the_mean():
    rng = np.random.default_rng(0)
    draws = [sparse.csr_matrix(rng.poisson(3.0, (40, 25)).astype(float)) for _ in range(400)]
    found = [add_up(each) for each in draws]
    spread = np.var([each.profile for each in found], axis=0, ddof=1).sum()
    assert np.mean([each.noise for each in found]) == pytest.approx(spread, rel=0.1)
    one = sparse.csr_matrix([[1.0, 2.0]])
    assert add_up(one).noise == 0.0


def test_counts_come_back_from_logarithms_exactly():
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.lognormal(0, 2, 200), (30, 200)).astype(float)
    depth = counts.sum(axis=1)
    logs = np.log1p(counts * (193.0 / depth[:, None])).astype(np.float32)
    for form in (np.asarray, sparse.csr_matrix):
        assert (raw_counts(form(logs), depth, "log1p_cp193").toarray() == counts).all()
    assert raw_counts(np.array([[-1.0, 2.0], [0.0, -3.0]]), None, "log1p_cp10").shape == (1, 2)
