"""Cells of a file in order: the root's direction, what measured times say of it, and no root pooled with none."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnitsError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.experiments.cell_order import KEY, ROOT_FREE_KEY, cell_order

COLUMNS = {
    "units": "counts", "perturbation": "none", "control": "none", "species": "none", "cell_type": "kind",
    "time": "day", "time_unit": "d",
}  # fmt: skip


@pytest.fixture(scope="module")
def cells():
    """Cells along a line, read on three days; young ones express more genes."""
    rng = np.random.default_rng(0)
    n = 90
    true_n = np.sort(rng.uniform(0, 1, n))
    rate_nf = np.exp(2 * np.outer(true_n, rng.normal(size=40))) * np.linspace(1.5, 0.4, n)[:, None]
    obs = pd.DataFrame(
        {"kind": np.where(true_n < 0.3, "young", np.where(true_n < 0.7, "middle", "old")), "none": "none",
         "day": np.repeat([1.0, 2.0, 3.0], n // 3)},
        index=[f"c{i}" for i in range(n)],
    )  # fmt: skip
    made = anndata.AnnData(rng.poisson(rate_nf).astype(float), obs, pd.DataFrame(index=[f"g{i}" for i in range(40)]))
    made.obsm["X_line"] = np.column_stack([4 * true_n, 0.05 * rng.normal(size=n)])
    return made


def test_cells_come_in_the_order_of_their_root(cells):
    found = cell_order(cells, "young", states="obsm:X_line", **COLUMNS)
    assert np.corrcoef(found.time, cells.obsm["X_line"][:, 0])[0, 1] > 0.95
    assert found.later > 0.9
    assert found.by_label["label"].tolist() == ["young", "middle", "old"]
    assert [word in " ".join(found.notes) for word in ("kind=young", "0.29", "runs against")] == [False, True, False]
    assert "cell_type=young" in found.root
    made = found.to_anndata()
    assert made.obs[KEY].between(0, 1).all()
    assert (made.obs[f"{KEY}_spread"] < 0.29).all()
    assert "diffusion" in made.uns["aivc_order"]["how"]


def test_a_root_at_the_wrong_end_is_seen_by_the_times(cells):
    found = cell_order(cells, {"kind": "old"}, states="obsm:X_line", **COLUMNS)
    assert found.later < 0.1
    assert "runs against the measured times" in found.notes[-1]


def test_the_root_lies_among_untreated_cells_of_the_earliest_times(cells):
    made = cells.copy()
    made.obs["kind"] = "young"
    made.obs["none"] = ["none"] * 4 + ["drug"] * 26 + ["none"] * 60
    given = {**COLUMNS, "perturbation": "none", "kind": "drug"}
    found = cell_order(made, "young", states="obsm:X_line", **given)
    # Four of the first day are too few for five roots, so the second day may stand for it, too.
    assert set(found.roots) <= {f"c{i}" for i in [*range(4), *range(30, 60)]}
    said = " ".join(found.notes)
    for text in ("26 of 90 cells are treated", "Untreated cells stand", "Cells of 24 to 48 h"):
        assert text in said
    made.obs["none"] = ["drug"] * 30 + ["none"] * 60
    assert "Cells of 48 h" in " ".join(cell_order(made, "young", states="obsm:X_line", **given).notes)
    made.obs.loc[made.obs["none"] == "drug", "kind"] = "old"
    assert "treated cells stand for it" in " ".join(cell_order(made, "old", states="obsm:X_line", **given).notes)


def test_without_a_root_the_order_has_another_name(cells):
    found = cell_order(cells, None, **COLUMNS)
    assert (found.key, found.root) == (ROOT_FREE_KEY, "")
    assert list(found.table()) == [ROOT_FREE_KEY]
    assert "ran backwards" in found.notes[0]
    assert "Only 40 features" in found.notes[1]
    assert found.later > 0.6


def test_a_root_that_is_not_there_is_refused_before_work(cells):
    for root, name in (("stem", "stem"), ({"stage": "young"}, "stage"), (["nobody"], "nobody")):
        with pytest.raises(UnknownNameError, match=name):
            cell_order(cells, root, states="no-such-encoder", **COLUMNS)
    untyped = {name: value for name, value in COLUMNS.items() if name != "cell_type"}
    with pytest.raises(DataError, match="--root COLUMN=young"):
        cell_order(cells, "young", **untyped)
    with pytest.raises(DataError, match="label of one column"):
        cell_order(cells, {"kind": "young", "day": "1"}, **COLUMNS)


def test_states_of_other_cells_and_scaled_values_are_refused():
    frame = pd.DataFrame({"cell_type": ["a"] * 4}, index=[f"c{i}" for i in range(4)])
    cells = Measurement(np.ones((4, 2)), np.array(["A", "B"]), frame, "arbitrary")
    ur = UR(np.ones((4, 2)), Space("made-up", Scale.CELLULAR, 2, "0"), frame.iloc[::-1])
    with pytest.raises(DataError, match="of other cells"):
        cell_order(cells, "a", states=ur)
    with pytest.raises(UnitsError, match="not scaled values"):
        cell_order(cells, None)
