import dataclasses

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.core.registry import DECODERS
from aivc.core.virtual_cell import VirtualCell
from aivc.data.priors.memberships import memberships
from aivc.experiments.cell_states import cell_states
from aivc.experiments.series import TABLES, Series, SeriesTables
from aivc.experiments.simulate import simulate
from tiny_series import blocked, both, developing


@pytest.fixture(scope="module")
def labelled():
    """The cell with a decoder of labels."""
    cells = developing()[0]
    states = both().encode(cells)
    labels = DECODERS.load("cell-labels").fit(states, memberships(cells.entities, "cell_type"))
    return VirtualCell([*both().encoders.values()], {**both().instruments, "type": labels}, both().card, both().starts)


def test_mass_is_kept_in_every_table():
    tables = blocked().tables
    for growth in tables.growth.itertuples():
        shares = tables.states[tables.states["step"] == growth.step]["share"]
        assert shares.sum() == pytest.approx(1.0)
        if growth.step:
            flows = tables.flows[tables.flows["step"] == growth.step]
            assert flows["arrives"].sum() == pytest.approx(growth.mass)
            assert flows["leaves"].sum() == pytest.approx(tables.growth["mass"].iloc[growth.step - 1])
    arriving = tables.flows[tables.flows["step"] == 2].groupby("target")["arrives"].sum()
    leaving = tables.flows[tables.flows["step"] == 3].groupby("source")["leaves"].sum()
    pd.testing.assert_series_equal(arriving, leaving, check_names=False)
    assert tables.fates.groupby("start")["share"].sum().to_numpy() == pytest.approx(1.0)


def test_intervals_hold_the_mean_and_have_width():
    states = blocked().tables.states
    assert ((states["low"] <= states["share"] + 1e-9) & (states["share"] <= states["high"] + 1e-9)).mean() > 0.9
    assert (states["high"] > states["low"]).any()
    growth = blocked().tables.growth
    np.testing.assert_allclose(growth["low"], growth["high"])  # counts are declared, and the same for every cell


def test_states_are_labels_where_the_cell_reads_them(labelled):
    series = simulate(labelled, "culture", "wait 72h", cells=50)
    assert (series.states.by, set(series.states.names)) == ("type", {"progenitor", "left", "right"})
    shares = series.tables.states.set_index(["step", "state"])["share"]
    assert shares[0, "progenitor"] > 0.9
    assert min(shares[1, "left"], shares[1, "right"]) > 0.2
    assert set(series.readings[0].features) == set(developing()[0].features)


def test_clusters_come_in_the_order_of_time():
    states = cell_states(both(), [d for m in blocked().moments for d in m.draws])
    assert states.by == ""
    mean = [np.mean([i for i, c in enumerate(states.codes) for k in c if k == j]) for j in range(len(states.names))]
    assert mean == sorted(mean)
    start = blocked().moments[0].draws[0]
    one = cell_states(both(), [dataclasses.replace(start, values=0 * start.values)])
    assert one.names == ("cluster 1",)


def test_a_file_holds_the_series_and_gives_the_tables_back(tmp_path):
    blocked().to_anndata().write_h5ad(tmp_path / "series.h5ad")
    read = anndata.read_h5ad(tmp_path / "series.h5ad")
    assert read.shape == (4 * 50, 30)
    assert list(read.obs.columns) == ["time", "step", "mass", "cell", "state", "draw", "perturbation", "context"]
    assert read.obs.groupby("step")["time"].first().tolist() == [0.0, 24.0, 48.0, 72.0]
    assert read.obs.groupby("step")["mass"].mean().to_numpy() == pytest.approx(blocked().tables.growth["mass"])
    assert read.obs.groupby("cell", observed=True)["step"].nunique().eq(4).all()
    assert read.obsm["X_aivc"].shape[0] == len(read)
    assert (read.varm["low"] <= read.varm["high"] + 1e-9).all()
    assert read.uns["aivc"]["schedule"] == blocked().about["schedule"]
    tables = SeriesTables.read(tmp_path / "series.h5ad")
    for name in TABLES:
        ours = getattr(blocked().tables, name)
        pd.testing.assert_frame_equal(
            getattr(tables, name)[ours.columns].reset_index(drop=True), ours, check_dtype=False
        )
    assert list(tables.about["assumptions"]) == blocked().about["assumptions"]


def test_row_and_draw_of_a_cell_stay_the_same_over_time():
    made = blocked().to_anndata()
    assert (made.obs.groupby("cell")["draw"].nunique() == 1).all()
    first, last = blocked().moments[0], blocked().moments[-1]
    np.testing.assert_allclose(made.obsm["X_aivc"][:50], first.draws[0].values, rtol=1e-5)
    np.testing.assert_allclose(made.obsm["X_aivc"][-49], last.draws[1].values[1], rtol=1e-5)


def test_other_files_and_empty_series_are_refused(tmp_path):
    (tmp_path / "no.h5ad").write_bytes(b"no")
    with pytest.raises(IntegrityError, match="aivc simulate"):
        SeriesTables.read(tmp_path / "no.h5ad")
    made = blocked().to_anndata()
    made.uns["aivc"]["growth"] = made.uns["aivc"]["growth"].drop(columns="mass")
    made.write_h5ad(tmp_path / "less.h5ad")
    with pytest.raises(IntegrityError, match="lacks mass"):
        SeriesTables.read(tmp_path / "less.h5ad")
    with pytest.raises(DataError, match="one step"):
        dataclasses.replace(blocked(), moments=blocked().moments[:1])
    assert "3 steps from 0 h to 72 h" in repr(blocked())
    assert isinstance(blocked(), Series)
