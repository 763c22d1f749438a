"""From cells with days to fates: places that users look in, drivers beside a shuffle, and refusals."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.cli import main
from aivc.core.errors import DataError, UnknownNameError
from aivc.experiments.fate import fate
from aivc.experiments.fate_drivers import fate_drivers

COLUMNS = {
    "units": "counts", "perturbation": "none", "control": "none", "species": "none", "time": "day", "times": "stated",
    "clone": "obsm:X_clone",
}  # fmt: skip


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    clones, each = 20, 4
    side_n = np.repeat(np.tile([0, 1], clones // 2), each)
    n, genes = len(side_n), 30
    rate_nf = np.full((2 * n, genes), 6.0)
    rate_nf[:n, 0] *= np.where(side_n == 1, 3.0, 0.5)
    for shift in range(1, 6):
        rate_nf[n:, shift] *= np.where(side_n == 1, 4.0, 0.3)
    obs = pd.DataFrame(
        {"day": np.repeat(["d2", "d4"], n), "state": ["young"] * n + ["right" if s else "left" for s in side_n],
         "none": "none"},
        index=[f"cell{i}" for i in range(2 * n)],
    )  # fmt: skip
    held = np.tile(np.repeat(np.eye(clones), each, axis=0), (2, 1))
    made = anndata.AnnData(rng.poisson(rate_nf).astype(float), obs, pd.DataFrame(index=[f"g{i}" for i in range(genes)]))
    made.obsm["X_clone"] = held
    made.obsm["X_pca"] = np.log1p(made.X)[:, :8]
    return made


@pytest.fixture(scope="module")
def found(cells):
    return fate(cells, {"state": ["left", "right"]}, states="obsm:X_pca", draws=6, **COLUMNS)


def test_fates_lie_where_users_look(found):
    made = found.to_anndata()
    np.testing.assert_allclose(made.obsm["lineages_fwd"].sum(axis=1), 1)
    assert made.uns["lineages_fwd_names"].tolist() == ["left", "right"]
    assert made.obs["term_states_fwd"].isna().sum() == 80
    assert (made.obsm["fate_low"] <= made.obsm["lineages_fwd"]).all()
    assert (made.obsm["lineages_fwd"] <= made.obsm["fate_high"]).all()
    assert "20 clones left out" in found.note
    assert made.obs["fate_calibrated"].tolist() == [True] * 80 + [False] * 80
    assert set(found.to_json()["mean_by_hours"]) == {"48", "96"}


def test_the_gene_that_drives_a_fate_is_named_and_no_other(found):
    table = fate_drivers(found, "right", shuffles=100)
    assert table["feature"].iloc[0] == "g0"
    assert table["p"].iloc[0] < 0.05
    assert (table["p"].iloc[5:] > 0.05).mean() > 0.9
    with pytest.raises(UnknownNameError, match="up"):
        fate_drivers(found, "up")
    with pytest.raises(DataError, match="before the last time"):
        fate_drivers(found, "right", hours=96.0)


def test_what_is_not_there_is_refused(cells):
    for terminal, name in (({"kind": ["left"]}, "kind"), ({"state": ["young"]}, "young"), ("nothing", "nothing")):
        with pytest.raises(UnknownNameError, match=name):
            fate(cells, terminal, states="obsm:X_pca", **COLUMNS)
    with pytest.raises(UnknownNameError, match="X_umap"):
        fate(cells, "state", states="obsm:X_umap", **COLUMNS)
    timeless = {name: value for name, value in COLUMNS.items() if name not in ("time", "times")}
    with pytest.raises(DataError, match="of several times"):
        fate(cells, "state", **timeless)
    with pytest.raises(DataError, match="between 0 and 1"):
        fate(cells, "state", states="obsm:X_pca", level=90.0, draws=2, **COLUMNS)


def test_without_clones_no_interval_is_called_calibrated(cells):
    without = {name: value for name, value in COLUMNS.items() if name != "clone"}
    said = fate(cells, "state", states="obsm:X_pca", draws=2, **without)
    assert not said.calibrated.any()
    assert "intervals are not calibrated" in said.note
    assert said.to_json()["calibrated"] == 0.0


def test_the_command_writes_what_python_does(cells, tmp_path, capsys):
    own = cells.copy()
    own.layers["more"], own.uns["own"] = own.X + 1, "kept"
    own.write_h5ad(tmp_path / "cells.h5ad")
    lines = [f"{name} = {json.dumps(value)}" for name, value in COLUMNS.items()]
    (tmp_path / "cells.toml").write_text("\n".join(lines))
    words = ["fate", str(tmp_path / "cells.h5ad"), "--schema", str(tmp_path / "cells.toml")]
    words += ["--terminal", "state=left,right", "--states", "obsm:X_pca", "--draws", "2", "--drivers", "right"]
    words += ["--figure", str(tmp_path / "f.png"), "--json", "--out", str(tmp_path / "f.h5ad")]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["drivers"][0]["feature"] == "g0"
    made = anndata.read_h5ad(tmp_path / "f.h5ad")
    assert made.obsm["lineages_fwd"].shape == (160, 2)
    assert made.obs["term_states_fwd"].isna().sum() == 80
    assert (set(made.layers), made.uns["own"], "X_pca" in made.obsm) == ({"more"}, "kept", True)
    assert said["files"]["figure"] == str(tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 5000
    assert main([*words[:-1], str(tmp_path / "g.h5ad")]) == 1  # the figure is there
    (tmp_path / "f.png").unlink()
    assert main([*words[:-1], str(tmp_path / "g.h5ad"), "--terminal", "state=up"]) == 1
    again = ["fate", str(tmp_path / "f.h5ad"), *words[2:-1], str(tmp_path / "g.h5ad")]
    capsys.readouterr()
    assert main(again) == 1
    assert "columns term_states_fwd" in json.loads(capsys.readouterr().out)["error"]["message"]
