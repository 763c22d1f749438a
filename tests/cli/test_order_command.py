"""Orders and cycles from the shell: where they are written, what is said of them, and what is refused first."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.cli import main
from aivc.experiments.cell_cycle import G2M_PHASE, S_PHASE

SCHEMA = """units = "counts"
perturbation = { value = "control" }
species = "human"
cell_type = "kind"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("order")
    rng = np.random.default_rng(0)
    n = 60
    true_n, angle_n = np.linspace(0, 1, n), rng.uniform(0, 2 * np.pi, n)
    names = [*S_PHASE[:10], *G2M_PHASE[:10], *(f"GENE{i}" for i in range(60))]
    rate_nf = np.full((n, len(names)), 5.0)
    rate_nf[:, :10] *= np.exp(np.cos(angle_n))[:, None]
    rate_nf[:, 10:20] *= np.exp(np.sin(angle_n))[:, None]
    obs = pd.DataFrame({"kind": np.where(true_n < 0.4, "stem", "grown")}, index=[f"c{i}" for i in range(n)])
    made = anndata.AnnData(rng.poisson(rate_nf).astype(float), obs, pd.DataFrame(index=names))
    made.obsm["X_line"] = np.column_stack([4 * true_n, 0.05 * rng.normal(size=n)])
    made.write_h5ad(folder / "cells.h5ad")
    (folder / "cells.toml").write_text(SCHEMA)
    return folder


def run(place, capsys, command, *words):
    given = [command, place / "cells.h5ad", "--schema", place / "cells.toml", *words]
    code = main([str(word) for word in given])
    out, err = capsys.readouterr()
    return code, out, " ".join(err.split())


def test_an_order_lies_where_cellrank_looks(place, capsys):
    words = ("--root", "stem", "--states", "obsm:X_line", "--out", place / "ordered.h5ad")
    code, out, _ = run(place, capsys, "order", *words)
    assert code == 0
    for said in ("cell_type=stem", "places at random", "PseudotimeKernel", "dpt_pseudotime_spread"):
        assert said in out
    made = anndata.read_h5ad(place / "ordered.h5ad")
    assert np.corrcoef(made.obs["dpt_pseudotime"], made.obsm["X_line"][:, 0])[0, 1] > 0.95
    assert len(made.uns["aivc_order"]["root_cells"]) == 5
    code, _, err = run(place, capsys, "order", *words)
    assert (code, "exists" in err) == (1, True)


def test_an_order_without_a_root_has_another_name(place, capsys):
    code, out, _ = run(place, capsys, "order", "--root-free", "--out", place / "free.h5ad", "--json")
    said = json.loads(out)
    assert (code, said["columns"], said["root"], said["later"]) == (0, ["root_free_pseudotime"], "", None)
    assert "ran backwards" in said["notes"][0]


def test_a_cycle_is_an_angle_with_scores(place, capsys):
    code, out, _ = run(place, capsys, "cycle", "--out", place / "cycle.h5ad", "--json")
    said = json.loads(out)
    assert (code, said["seen"], said["genes"]) == (0, True, {"S": 10, "G2/M": 10})
    made = anndata.read_h5ad(place / "cycle.h5ad")
    assert made.obs["cell_cycle_angle"].between(0, 2 * np.pi).all()
    assert "X_line" in made.obsm
    code, _, err = main_on(place / "cycle.h5ad", place, capsys)
    assert (code, "S_score" in err) == (1, True)


def main_on(path, place, capsys):
    code = main(["cycle", str(path), "--schema", str(place / "cells.toml"), "--out", str(place / "again.h5ad")])
    out, err = capsys.readouterr()
    return code, out, err


def test_mistakes_are_refused_before_work(place, capsys):
    for words, wanted, code in (
        (("--root", "stem", "--out", place / "x.csv"), "Choose this ending", 1),
        (("--root", "stm", "--out", place / "x.h5ad"), "stem", 1),
        (("--root", "stage=stem", "--out", place / "x.h5ad"), "stage", 1),
        (("--root", "stem", "--key", "kind", "--out", place / "x.h5ad"), "another name (--key)", 1),
        (("--root", "stem", "--root-free", "--out", place / "x.h5ad"), "not allowed with", 2),
        (("--out", place / "x.h5ad"), "--root", 2),
    ):
        got, _, err = run(place, capsys, "order", *words)
        assert (got, wanted in err) == (code, True), err
    assert not (place / "x.h5ad").exists()
