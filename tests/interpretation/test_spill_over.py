import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.interpretation.spill_over import spill_over


def cortex(spilled=0.0, seed=0):
    """Cells on a grid of 10 µm; a share of each cell's transcripts is counted in one of those beside it."""
    rng = np.random.default_rng(seed)
    points = np.stack(np.meshgrid(np.arange(24.0), np.arange(24.0)), axis=-1).reshape(-1, 2) * 10
    kind = rng.integers(0, 2, len(points))
    rate = np.exp(rng.normal(1.5, 0.8, (len(points), 12))) * np.where(kind, 2.0, 1.0)[:, None]
    near = np.linalg.norm(points[:, None] - points[None], axis=2)
    beside = ((near > 0) & (near < 11)).astype(float)
    given = rate * spilled
    read = rate - given + beside.T @ (given / beside.sum(axis=1)[:, None])
    counts = rng.poisson(read).astype(np.float32)
    entities = pd.DataFrame({"cell_type": np.where(kind, "a", "b"), "section": "one"}).rename(index=str)
    features = np.array([f"G{i}" for i in range(12)], dtype=object)
    about = {"coordinates": {"unit": "um"}}
    return Measurement(counts, features, entities, "counts", coordinates=points, provenance=about)


def test_transcripts_that_were_spilled_are_found_next_door_and_not_farther():
    found = spill_over(cortex(spilled=0.3), within=11.0, shuffles=10)
    assert found.neighbors == pytest.approx(3.83, abs=0.05)
    assert (found.table["z"] > 3).mean() > 0.8
    assert found.table["same"].mean() > found.table["ring"].mean() + 0.02
    assert found.same_share > 0.7
    assert "11 µm" in found.note
    assert found.to_json()["genes"][0]["explained"] == found.table["explained"].max()


def test_without_spill_over_nothing_is_above_the_shuffle():
    found = spill_over(cortex(), within=11.0, shuffles=20)
    assert found.table["explained"].mean() < 0.02
    assert (found.table["z"].abs() > 4).mean() < 0.2


def test_both_explain_no_less_than_each():
    table = spill_over(cortex(spilled=0.3), within=11.0, shuffles=2).table
    assert (table["explained"] >= table[["same", "total"]].max(axis=1) - 1e-9).all()
    assert table["explained"].between(0, 1).all()


def test_what_has_no_micrometers_is_refused():
    cells = cortex()
    with pytest.raises(DataError, match="array"):
        spill_over(cells.replace(provenance={"coordinates": {"unit": "array"}}))
    with pytest.raises(DataError, match="there are none"):
        spill_over(cells.replace(coordinates=None))
    with pytest.raises(DataError, match="Look farther"):
        spill_over(cells, within=5.0)
