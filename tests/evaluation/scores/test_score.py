"""Two files of cells go in, a score per perturbation comes out, or every reason why not."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import ControlError, DataError, UnitsError
from aivc.core.measurement import Measurement
from aivc.data.streaming.normalize import normalize
from aivc.evaluation.metrics.profiles import profile
from aivc.evaluation.protocol.forecast import Forecast
from aivc.evaluation.scores.score import score_populations
from parity_screen import genes, inputs, parity_panel

METRICS = profile("vcc2026")


def cells(screen, which: str, *, controls: bool = True, contexts=("A",)) -> Measurement:
    p, n, f = screen[which].shape
    blocks, labels = [], []
    for context in contexts:
        kept = screen["controls"] if controls else screen["controls"][:0]
        blocks += [kept, screen[which].reshape(-1, f)]
        texts = ["control"] * len(kept) + [f"ko:{g}" for g in genes(f)[:p] for _ in range(n)]
        labels += [(text, context) for text in texts]
    table = pd.DataFrame(labels, columns=["perturbation", "context"])
    table.index = pd.Index([f"c{i}" for i in range(len(table))])
    return Measurement(sparse.csr_matrix(np.concatenate(blocks)), genes(f), table, "counts")


@pytest.fixture(scope="module")
def screen():
    return inputs()


@pytest.fixture(scope="module")
def measured(screen):
    return cells(screen, "measured")


@pytest.fixture(scope="module")
def expected(screen):
    return np.array([each.compute(parity_panel(screen, "predicted")) for each in METRICS]).T


def values(table: pd.DataFrame) -> np.ndarray:
    return table[[each.name for each in METRICS]].to_numpy()


def test_a_file_scores_what_its_cells_do(screen, measured, expected):
    table = score_populations(cells(screen, "predicted"), measured, METRICS)
    assert list(table["perturbation"]) == [f"ko:G{i:03}" for i in range(12)]
    assert set(table["predicted_cells"]) == set(table["measured_cells"]) == {60}
    assert values(table) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_neither_order_nor_form_nor_controls_of_the_prediction_matter(screen, measured, expected):
    predicted = cells(screen, "predicted", controls=False)
    rng = np.random.default_rng(0)
    mixed = predicted.take(rng.permutation(len(predicted))).select(rng.permutation(predicted.features))
    dense = mixed.replace(values=mixed.values.toarray())
    for each in (predicted, mixed, dense):
        assert values(score_populations(each, measured, METRICS)) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_the_prediction_may_be_normalized_already(screen, measured, expected):
    predicted = normalize(cells(screen, "predicted"), "log1p_cp10k")
    table = score_populations(predicted, measured, METRICS)
    # Without depths, cells weigh the same when they are summed; ranks of their shares do not change.
    assert table["vcc26-jaccard"].to_numpy() == pytest.approx(expected[:, 4], abs=0.05)
    with pytest.raises(UnitsError, match="log1p_cp10k"):
        score_populations(predicted, normalize(measured, "log1p_cp5k"), METRICS)


def test_other_profiles_are_scored_too(screen, measured):
    table = score_populations(cells(screen, "measured"), measured, (*profile("vcc2025"), *profile("systema")))
    assert table["vcc25-mae"].to_numpy() == pytest.approx(0, abs=1e-12)
    for name in ("vcc25-pds", "pearson-systema", "centroid-accuracy"):
        assert table[name].to_numpy() == pytest.approx(1), name


def test_contexts_are_scored_apart(screen, expected):
    two = {side: cells(screen, side, contexts=("A", "B")) for side in ("measured", "predicted")}
    table = score_populations(two["predicted"], two["measured"], METRICS)
    assert list(table["context"]) == ["A"] * 12 + ["B"] * 12
    assert values(table) == pytest.approx(np.tile(expected, (2, 1)), abs=1e-9, nan_ok=True)


def test_what_is_missing_is_listed(screen, measured):
    predicted = cells(screen, "predicted")
    few = predicted.take(~np.isin(predicted.perturbations, ["ko:G003", "ko:G005"]))
    other = few.replace(entities=few.entities.replace({"ko:G007": "ko:G099"}))
    with pytest.raises(DataError) as refused:
        score_populations(other, measured, METRICS)
    assert "3 measured, but not predicted: ko:G003 in A, ko:G005 in A, ko:G007 in A" in str(refused.value)
    assert "1 predicted, but not measured: ko:G099 in A" in str(refused.value)
    assert len(score_populations(other, measured, METRICS[:1], shared_only=True)) == 9


def test_a_prediction_of_something_else_is_refused_even_where_only_shared_ones_count(screen, measured):
    other_contexts = cells(screen, "predicted", contexts=("B",))
    with pytest.raises(DataError, match="ko:G000 in A"):
        score_populations(other_contexts, measured, METRICS, shared_only=True)


def test_other_genes_are_refused_by_name(screen, measured):
    predicted = cells(screen, "predicted")
    renamed = predicted.replace(features=np.array([*predicted.features[:-1], "NEW"], dtype=object))
    with pytest.raises(DataError, match=r"not predicted: G239.*\n.*not measured: NEW"):
        score_populations(renamed, measured, METRICS)


def test_real_controls_are_needed(screen, measured):
    with pytest.raises(ControlError, match="the measured file has none in A"):
        score_populations(cells(screen, "predicted"), cells(screen, "measured", controls=False), METRICS)


def test_effects_are_not_cells(measured):
    table = measured.replace(units="log2fc")
    with pytest.raises(UnitsError, match="the predicted values are effects"):
        score_populations(table, measured, METRICS)


def test_a_single_cell_is_no_population(screen, measured):
    predicted = cells(screen, "predicted")
    rows = np.flatnonzero(predicted.perturbations == "ko:G004")[1:]
    with pytest.raises(DataError, match="1 have fewer than 2 cells on one side: ko:G004 in A"):
        score_populations(predicted.take(np.setdiff1d(np.arange(len(predicted)), rows)), measured, METRICS)


def test_intervals_beside_cells_are_scored(screen, measured):
    units = "log1p_cp500"
    real, predicted = (normalize(cells(screen, which), units) for which in ("measured", "predicted"))
    values = np.zeros(predicted.values.shape)
    for text in set(predicted.perturbations):
        rows = np.flatnonzero(predicted.perturbations == text)
        values[rows] = predicted.take(rows).dense().mean(axis=0)
    low, high = (predicted.replace(values=values + step) for step in (-9.0, 9.0))
    metrics = [metric for metric in profile("calibration") if metric.name in ("coverage90", "coverage80", "width90")]
    found = score_populations(Forecast(predicted, low, high), real, metrics)
    assert found["coverage90"].tolist() == [1.0] * 12
    assert found["width90"].to_numpy() == pytest.approx(18.0)
    assert found["coverage80"].isna().all()
    none = score_populations(predicted, real, metrics)
    assert none["coverage90"].isna().all()
    with pytest.raises(DataError, match="12 of 12 answers lie apart"):
        score_populations(Forecast(predicted, high, high), real, metrics)
    counted = cells(screen, "predicted")
    with pytest.raises(UnitsError, match=r"intervals in counts, and means are scored in log1p_cp500"):
        score_populations(Forecast(counted, counted, counted), real, metrics)
