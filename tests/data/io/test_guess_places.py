"""Suggestions for twenty known screens, and for what lies beside or within a file."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.data.io.guess import guess
from known_screens import SCREENS, wrong


@pytest.mark.parametrize("name", SCREENS)
def test_known_screens_get_the_right_schema(name, tmp_path):
    assert wrong(name, tmp_path) == []


def test_a_screen_that_is_suggested_wrongly_is_seen(monkeypatch, tmp_path):
    screen = SCREENS["State"]
    monkeypatch.setitem(SCREENS, "State", screen._replace(schema={**screen.schema, "control": "other"}))
    assert wrong("State", tmp_path) == ["control: 'non-targeting', not 'other'"]


def test_a_table_that_describes_other_cells_is_not_named(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text(",G1,G2\na,1,2\nb,3,4\n")
    (tmp_path / "cells.csv").write_text("cell,condition\nx,ctrl\ny,TP53\n")
    (tmp_path / "broken.csv").write_bytes(b"\xff\xfe\xff")
    assert "metadata" not in guess(path).to_json()["schema"]
    (tmp_path / "cells.csv").write_text("cell,condition\na,ctrl\nb,TP53\n")
    said = guess(path).to_json()["schema"]
    assert (said["metadata"], said["perturbation"], said["control"]) == ("cells.csv", "condition", "ctrl")


@pytest.mark.parametrize("scale", [1, 7])
def test_guides_of_an_anndata_in_memory(scale):
    adata = anndata.AnnData(np.eye(3) + 1, pd.DataFrame(index=list("abc")), pd.DataFrame(index=["TP53", "MYC", "JUN"]))
    adata.obsm["X_pca"] = np.eye(3)
    adata.obsm["sgRNA"] = sparse.csr_matrix(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]]) * scale)
    adata.uns["sgRNA_names"] = np.array(["A+1", "B-1", "NT-1"])
    said = guess(adata).to_json()
    assert (said["schema"]["perturbation"], said["schema"]["separator"]) == ("sgRNA", "|")
    assert ("guide_threshold" in said["open"]) == (scale > 1)
    assert {"control", "kind", "exclude"} <= set(said["open"])
    assert all(line["evidence"] for line in said["lines"])


def test_nothing_is_confirmed_by_itself(tmp_path):
    text = str(guess(SCREENS["10x h5"].write(tmp_path)))
    assert text.startswith("# Suggested for screen.h5, from what it holds. Confirm every line before use.")
    assert "# guide_threshold = 5  # complete this line" in text


def test_of_several_samples_the_first_is_looked_at_and_it_is_asked_which(tmp_path):
    for prefix in ("GSM1_A_", "GSM2_B_"):
        folder = tmp_path / prefix
        folder.mkdir()
        for file in SCREENS["Cell Ranger"].write(folder).glob("*.*"):
            file.rename(tmp_path / (file.name if file.suffix == ".csv" else prefix + file.name))
        for inside in (folder / "filtered_feature_bc_matrix", folder):
            inside.rmdir()
    said = guess(tmp_path).to_json()
    assert "prefix" in said["open"]
    assert said["schema"]["metadata"] == "protospacer_calls_per_cell.csv"
    line = next(line for line in said["lines"] if line["field"] == "prefix")
    assert "GSM1_A_, GSM2_B_" in line["evidence"]
    assert said["notes"] == []
