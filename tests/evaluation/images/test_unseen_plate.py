"""Made-up crops whose light follows the dose: it is told on a plate not trained on, and shuffled doses tell nothing."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.images.dose_regression import DosedCells, dose_order, dose_scores, dose_weights
from aivc.evaluation.images.unseen_plate import UnseenPlate, chosen_states, encoded, intensities

DOSES = {"one": (0.0, 5.0, 50.0), "two": (0.0, 50.0), "three": (0.0, 5.0, 50.0)}
SETTINGS = {
    "dataset": "made-up",
    "rows": 192,
    "plates": ["one", "two"],
    "dose": 5.0,
    "penalties": [1.0, 10.0],
    "options": {"": {"dim": [6]}, "intensities": {"dim": [4], "clip": [30.0]}},
    "reader": "morphology",
    "permutations": 10,
    "resamples": 10,
}


@pytest.fixture(scope="module")
def crops():
    """The second channel becomes patchier with the log dose; each plate has a lamp of its own."""
    draw, rows, images = np.random.default_rng(0), [], []
    for plate, lamp in (("one", 1.0), ("two", 1.4), ("three", 0.8)):
        for dose in DOSES[plate]:
            for i in range(24):
                grain = 1 + 0.6 * np.log1p(dose)
                flat, patchy = draw.normal(100, 4, (16, 16)), draw.normal(100, 4 * grain, (16, 16))
                images.append(lamp * np.stack([flat, patchy]))
                rows.append((dose, "control" if not dose else f"drug:X@{dose:g}uM", plate, f"{plate} {i % 6}"))
    frame = pd.DataFrame(rows, columns=["concentration_uM", "perturbation", "batch", "field"]).assign(context="A")
    channels = np.array(["DNA", "Actin"], dtype=object)
    return Measurement(np.array(images), channels, frame.rename(index=str), "intensity", modality="image")


@pytest.fixture(scope="module")
def found(crops):
    protocol, methods = UnseenPlate(), ("morphology", "morphology:shuffled", "intensities")
    protocol.require(SETTINGS, methods)
    rows = [row for method in methods for row in protocol.run({"made-up": crops}, SETTINGS, method, 0)]
    return {(row.method, row.fold, row.metric): row for row in rows}


def test_the_dose_is_told_on_a_plate_not_trained_on(found):
    own, shuffled = (found[method, "", "auroc_5uM"] for method in ("morphology", "morphology:shuffled"))
    assert own.value > 0.95
    assert 0.2 < shuffled.value < 0.8
    assert own.low <= own.value <= own.high
    assert shuffled.low < 0.5 < shuffled.high
    assert found["morphology", "one", "dose_order"].value > 0.6
    assert "chosen at dose order" in found["morphology", "one", "dose_order"].note
    # Standard deviation of a channel is what was changed here.
    assert found["intensities", "", "auroc_5uM"].value > 0.95


def test_a_plate_without_the_dose_is_no_power_and_not_a_number(found):
    for metric in ("auroc_5uM", "dose_order"):
        row = found["morphology", "two", metric]
        assert row.value is None
        assert "no such cells" in row.note
    assert found["morphology", "", "auroc_5uM"].value == found["morphology", "one", "auroc_5uM"].value
    assert found["morphology", "two", "auroc"].value > 0.95


def test_no_answer_depends_on_treated_cells_that_are_asked_about(crops):
    about, table = DosedCells.of(crops, "one"), intensities(crops)
    other = np.where(about.hidden[:, None], 7.0, table.dense())
    kept = ~about.hidden
    states = [encoded(each, about, "morphology", {"dim": 4}) for each in (table, table.replace(values=other))]
    np.testing.assert_allclose(states[0][kept], states[1][kept])
    changed = DosedCells(np.where(about.hidden, 1e6, about.dose), about.field, about.test)
    one, two = (chosen_states(table, each, SETTINGS, "morphology") for each in (about, changed))
    assert (one.penalty, one.validated) == (two.penalty, two.validated)


def test_the_regression_orders_doses_it_was_given():
    draw = np.random.default_rng(1)
    dose_n = np.repeat([0.0, 1.0, 10.0, 100.0], 20)
    z_nd = np.c_[np.log1p(dose_n), draw.normal(size=len(dose_n))]
    rows_n = np.arange(len(dose_n)) % 2 == 0
    said_n = dose_scores(z_nd, dose_weights(z_nd, dose_n, rows_n, 1e-6))
    np.testing.assert_allclose(said_n, np.log1p(dose_n), atol=1e-3)
    assert dose_order(said_n, dose_n, ~rows_n & (dose_n > 0)) > 0.9


def test_six_numbers_are_means_and_deviations(crops):
    table = intensities(crops)
    np.testing.assert_allclose(table.dense()[:, 2], np.asarray(crops.values)[:, 0].std(axis=(1, 2)), rtol=1e-4)
    assert list(table.features) == ["mean DNA", "mean Actin", "sd DNA", "sd Actin"]


def test_what_cannot_be_asked_is_refused(crops):
    with pytest.raises(UnknownNameError):
        UnseenPlate().require(SETTINGS, ["moon"])
    with pytest.raises(SpaceError, match="does not encode cells"):
        UnseenPlate().require(SETTINGS, ["shells"])
    with pytest.raises(IntegrityError, match="lack penalties"):
        UnseenPlate().require({key: value for key, value in SETTINGS.items() if key != "penalties"}, [])
    with pytest.raises(IntegrityError, match="frozen on 3 cells"):
        UnseenPlate().run({"made-up": crops}, SETTINGS | {"rows": 3}, "morphology", 0)
