"""Patients' cells from the shell: the table that is written, and what is refused first."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.cli import main
from aivc.data.synthetic import synthetic_screen
from aivc.data.synthetic_disease import synthetic_disease
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe

SCHEMA = (
    'units = "counts"\nperturbation = { value = "control" }\nspecies = "none"\ndonor = "person"\ncontext = "kind"\n'
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reverse")
    screen, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=60, seed=0)
    fit(screen, "additive", recipe=Recipe(dim=6, members=2, inner_folds=0)).save(folder / "cell")
    cells, _ = synthetic_disease(screen, truth, patients=3, cells=12)
    obs = cells.entities.rename(columns={"donor": "person", "context": "kind"})[["person", "kind", "disease"]]
    made = anndata.AnnData(np.asarray(cells.values), obs, pd.DataFrame(index=list(map(str, cells.features))))
    made.write_h5ad(folder / "people.h5ad")
    (folder / "people.toml").write_text(SCHEMA)
    (folder / "asked.txt").write_text("G0002\nG0003\n")
    return folder


def run(place, *words):
    given = [
        "reverse",
        place / "cell",
        place / "people.h5ad",
        "--schema",
        place / "people.toml",
        "--healthy",
        "healthy",
    ]
    return main([str(word) for word in [*given, *words]])


def test_writes_what_carries_patients_back(place, capsys):
    out = place / "found.csv"
    assert run(place, "--sick", "sick", "--perturbations", place / "asked.txt", "--out", out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rows"][0]["perturbation"] == "ko:G0003"
    assert len(said["patients"]) == 3
    written = pd.read_csv(out)
    assert written["perturbation"].tolist() == [row["perturbation"] for row in said["rows"]]


def test_refuses_values_that_no_cell_has_and_other_endings(place, capsys):
    assert run(place, "--sick", "ill", "--out", place / "other.csv") == 1
    assert "'ill'" in capsys.readouterr().err
    assert run(place, "--sick", "sick", "--out", place / "other.txt") == 1
    assert ".csv or .parquet" in capsys.readouterr().err
