"""Fates that were put into early cells are found in clones never shown, and nothing of their last cells is seen."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.time.clonal_fate import OWN, PERMUTED, ClonalFate, principal

CLONES = 16
SETTINGS = {"dataset": "made-up", "early": 96.0, "last": 144.0, "fates": ["M", "N"], "kinds": ["M", "N"]}
SETTINGS |= {"undifferentiated": "u", "genes": 6, "axes": 3, "resamples": 100}
SETTINGS["rows"] = "".join(str(i % 2) + "..." for i in range(CLONES))


def clones():
    """Clones with one early cell and three last ones; the first two genes say early what the last cells become."""
    rng, fate = np.random.default_rng(0), np.array(["M", "N"])[np.arange(CLONES) // 2 % 2]
    kind = np.array([[("u"), f, f, f] for f in fate], dtype=object).ravel()
    rate = rng.normal(1.5, 0.1, (4 * CLONES, 6))
    rate[:, 0] += np.repeat(fate == "M", 4)
    rate[:, 1] += np.repeat(fate == "N", 4)
    entities = pd.DataFrame(
        {"time": np.tile([96.0, 144.0, 144.0, 144.0], CLONES), "cell_type": kind,
         "clone": np.repeat([f"clone{i}" for i in range(CLONES)], 4)},
        index=[f"cell{i}" for i in range(4 * CLONES)],
    )  # fmt: skip
    return Measurement(np.exp(rate), np.array([f"G{i}" for i in range(6)], dtype=object), entities, "arbitrary")


def asked(protocol, cells, method):
    protocol.require(SETTINGS, [method])
    return {row.metric: row for row in protocol.run({"made-up": cells}, SETTINGS, method, 0)}


@pytest.fixture(scope="module")
def judged():
    """The cells as they are, asked once by the method itself."""
    protocol = ClonalFate()
    return protocol, asked(protocol, clones(), "cell-fates")


def test_a_fate_that_early_cells_show_is_found(judged):
    protocol, said = judged
    found = {method: asked(protocol, clones(), method) for method in ("cell-fates:shuffled", OWN, PERMUTED)}
    found["cell-fates"] = said
    for metric in ("auroc_primary", "auroc_secondary", "auroc_primary_undifferentiated"):
        assert found["cell-fates"][metric].value == 1.0
        assert found["cell-fates:shuffled"][metric].value < 0.9
        assert found[OWN][metric].value == 0.5
        assert found[PERMUTED][metric].low < 0.5 < found[PERMUTED][metric].high < 1.0


def test_last_cells_of_clones_asked_about_are_not_seen(judged):
    cells, first = clones(), np.arange(0, 4 * CLONES, 8)
    theirs = np.isin(cells.entities["clone"], cells.entities["clone"].iloc[first]) & (cells.times == 144.0)
    changed = cells.dense().copy()
    changed[theirs] *= 3
    again = ClonalFate()
    asked(again, cells.replace(values=changed), "cell-fates")
    before, after = (each._scores["cell-fates"][first] for each in (judged[0], again))
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_axes_are_those_of_the_cells_kept():
    values, kept = clones().dense(), np.arange(40)
    other = values.copy()
    other[40:] = 0
    np.testing.assert_allclose(principal(values, kept, 4, 2)[:40], principal(other, kept, 4, 2)[:40])


def test_what_cannot_be_asked_is_refused():
    for method in ("moon", "linear-expression", "own-label:shuffled"):
        with pytest.raises(UnknownNameError):
            ClonalFate().require(SETTINGS, [method])
    with pytest.raises(IntegrityError, match="genes"):
        ClonalFate().require({key: value for key, value in SETTINGS.items() if key != "genes"}, [OWN])
    for rows in ("0", SETTINGS["rows"].replace("0.", ".0")):
        with pytest.raises(IntegrityError):
            ClonalFate().run({"made-up": clones()}, SETTINGS | {"rows": rows}, OWN, 0)
