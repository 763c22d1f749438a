import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError
from aivc.core.perturbation import Perturbation
from aivc.data import catalog
from aivc.data.datasets import gdsc, rank_scores, replogle2022
from aivc.data.datasets.r_files import read_r
from aivc.data.tissue.graph import copies

HERE = os.environ.get("AIVC_DATA", "")
needs_data = pytest.mark.skipif(not Path(HERE or "none").is_dir(), reason="AIVC_DATA names no folder of datasets")

# Those whose tables take seconds to read.
LARGE = ("crispr-screens", "imc-pancreas", "her2st")


def _medians(measurement, feature):
    column = np.log2(measurement.select([feature]).dense()[:, 0])
    return {text: np.median(column[measurement.perturbations == text]) for text in set(measurement.perturbations)}


@pytest.mark.parametrize(
    ("drug", "feature", "change"),
    [
        ("drug:U0126", "p44/42", -2.46),
        ("drug:U0126", "pmek", 3.83),
        ("drug:psitectorigenin", "PIP2", -4.52),
        ("drug:LY294002", "PIP3", -0.32),
    ],
)
def test_sachs_blocks_show_the_known_effects_of_their_inhibitors(drug, feature, change):
    medians = _medians(catalog.load("sachs2005"), feature)
    assert medians[drug] - medians["control"] == pytest.approx(change, abs=0.01)


def test_sachs_declares_what_it_is():
    measurement = catalog.load("sachs2005")
    assert measurement.dense().shape == (7466, 11)
    assert (measurement.units, measurement.modality) == ("intensity", "phospho")
    assert (measurement.perturbations == "control").sum() == 853
    unstimulated = measurement.entities["stimulation"] == "none"
    assert set(measurement.perturbations[unstimulated]) == {"drug:PMA", "drug:b2cAMP"}


def test_rank_scores_hide_what_is_hidden_and_mark_what_was_not_tested(tmp_path):
    file = tmp_path / "scores.npz"
    score = np.array([[[1.5, np.nan], [2, 1]], [[-1, 0.5], [np.nan, np.nan]]], dtype=np.float16)
    np.savez(
        file,
        contexts=np.array(["a", "b"]),
        perturbations=np.array(["x+y ", "z"]),
        genes=np.array(["G1", "G2"]),
        score=score,
        visible=np.array([[True, False], [True, True]]),
    )
    measurement = rank_scores.convert({"scores": file})
    assert measurement.entities.index.tolist() == ["a | drug:x%2By", "b | drug:x%2By"]
    assert measurement.values.tolist() == [[1.5, 0], [-1, 0.5]]
    assert measurement.observed.tolist() == [[True, False], [True, True]]


def test_ranks_become_scores_that_grow_with_the_rise(tmp_path):
    file = tmp_path / "ranks.npz"
    np.savez(
        file,
        perturbations=np.array(["A", "B"]),
        genes=np.array(["G1", "G2", "G3"]),
        rank_k562=np.array([[1, 1000, 0], [0, 2, 1]], dtype=np.uint16),
        rank_rpe1=np.array([[0, 0, 1], [7, 7, 7]], dtype=np.uint16),
        rpe1_visible=np.array([True, False]),
        n_sig_up_k562_rpe1=np.array([[3, 4], [5, -1]]),
    )
    measurement = replogle2022.convert({"ranks": file})
    assert measurement.entities.index.tolist() == ["K562 | crispri:A", "K562 | crispri:B", "RPE1 | crispri:A"]
    np.testing.assert_allclose(measurement.values, [[1, 0.001, 0], [0, 0.999, 1], [0, 0, 1]], atol=1e-6)
    assert measurement.entities["significant_up"].tolist() == [3, 5, 4]


def test_a_file_that_r_did_not_save_is_refused(tmp_path):
    file = tmp_path / "not.rda"
    file.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(IntegrityError, match="Fetch it again"):
        read_r(file)


@needs_data
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in LARGE else ())
        for name in catalog.names()
        if catalog.entry(name).converter
    ],
)
def test_perturbations_parse_and_units_are_declared(name):
    measurement = catalog.load(name)
    texts = sorted(set(measurement.perturbations))
    assert all(str(Perturbation.parse(text)) == text for text in texts[:: len(texts) // 500 + 1])
    assert np.isfinite(measurement.block(0, 50).sum())
    assert (measurement.modality == "effect") is (measurement.units in ("score", "normal_score"))


@needs_data
def test_papalexi_equals_the_published_cells():
    ours = catalog.load("papalexi2021")
    theirs = anndata.read_h5ad(Path(HERE) / "A/papalexi2021_thp1_eccite_299genes.h5ad")
    assert ours.entities.index.tolist() == theirs.obs_names.tolist()
    assert ours.features.tolist() == theirs.var_names.tolist()
    assert (ours.values != theirs.X).nnz == 0
    target = ["control" if item == "non-targeting" else f"ko:{item}" for item in theirs.obs["target"]]
    assert ours.perturbations.tolist() == target
    assert ours.entities["guide"].tolist() == theirs.obs["guide"].tolist()
    assert ours.entities["batch"].tolist() == theirs.obs["bio_rep"].tolist()


@needs_data
@pytest.mark.parametrize("name", ["kang2018", "kang2018-labelled"])
def test_kang_equals_the_prepared_cells(name):
    ours = catalog.load(name)
    theirs = anndata.read_h5ad(Path(HERE) / "B/kang2018_pbmc_ifnb_2000cells_9015genes.h5ad")
    assert ours.entities.index.tolist() == theirs.obs_names.tolist()
    assert ours.features.tolist() == theirs.var_names.tolist()
    assert (ours.values != theirs.X).nnz == 0
    stimulated = ["ligand:IFNB1" if item == "stim" else "control" for item in theirs.obs["condition"]]
    assert ours.perturbations.tolist() == stimulated


@needs_data
def test_osmfish_equals_the_prepared_cells():
    ours = catalog.load("osmfish")
    theirs = anndata.read_h5ad(Path(HERE) / "E/codeluppi2018_osmFISH_mouse_cortex.h5ad")
    assert ours.entities.index.tolist() == theirs.obs_names.tolist()
    assert ours.features.tolist() == theirs.var_names.tolist()
    np.testing.assert_array_equal(ours.dense(), np.asarray(theirs.X.todense()))
    np.testing.assert_allclose(ours.coordinates, theirs.obsm["spatial"] * 0.065, rtol=1e-5)
    assert ours.entities["valid"].sum() == 4839
    sizes = theirs.obs["size_um2"] / theirs.obs["size_pix"]
    np.testing.assert_allclose(np.sqrt(sizes), ours.provenance["coordinates"]["um_per_pixel"], rtol=1e-3)
    valid = ours.take(ours.entities["valid"].to_numpy())
    assert copies(valid, within=2).sum() == 540


@needs_data
def test_only_visible_contexts_become_rows():
    assert len(catalog.load("op3")) == 310
    replogle = catalog.load("replogle2022")
    assert (replogle.contexts == "RPE1").sum() == 435


def test_gdsc_keeps_one_assay_of_each_drug(tmp_path):
    rows = [
        # dataset, line, drug id, drug, value
        ("GDSC2", "L1", 1, "Slow", 1.0), ("GDSC2", "L2", 1, "Slow", 2.0), ("GDSC2", "L3", 1, "Slow", 3.0),
        ("GDSC2", "L1", 2, "Slow", 7.0), ("GDSC2", "L4", 2, "Slow", 8.0),
        ("GDSC1", "L1", 3, "Other", 4.0), ("GDSC1", "L2", 3, "Other", 4.5), ("GDSC2", "L1", 4, "Other", 5.0),
        ("GDSC2", "L1", 5, "Same (50 uM)", 6.0), ("GDSC2", "L2", 5, "Same (50 uM)", 6.5),
        ("GDSC2", "L1", 6, "Same", 9.0),
        ("GDSC2", "L2", 7, "Void", np.nan),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["DATASET", "CELL_LINE_NAME", "DRUG_ID", "DRUG_NAME", "LN_IC50"])
    table = table.assign(TCGA_DESC="SKCM", PUTATIVE_TARGET=None, PATHWAY_NAME="Other")
    table.to_parquet(tmp_path / "responses.parquet")
    measurement = gdsc.convert({"responses": tmp_path / "responses.parquet"})
    assert dict(zip(measurement.entities.index, measurement.values[:, 0].tolist(), strict=True)) == {
        "L1 | drug:Slow": 1.0, "L2 | drug:Slow": 2.0, "L3 | drug:Slow": 3.0,
        "L1 | drug:Other": 5.0,
        "L1 | drug:Same": 6.0, "L2 | drug:Same": 6.5,
    }  # fmt: skip
    assert set(measurement.entities["tissue"]) == {"SKCM"}
    assert set(measurement.entities["target"]) == {""}


@needs_data
def test_gdsc_holds_what_it_says():
    measurement = catalog.load("gdsc")
    assert measurement.values.shape == (143740, 1)
    assert (len(set(measurement.contexts)), len(set(measurement.perturbations))) == (682, 245)
    # BRAF inhibitors kill melanoma more than other tissues: the sign of the score is right.
    rows = measurement.perturbations == "drug:Dabrafenib"
    skin = measurement.entities["tissue"].to_numpy() == "SKCM"
    values = measurement.values[:, 0]
    assert np.median(values[rows & skin]) < np.median(values[rows & ~skin]) - 1
    assert "Sanger" in catalog.entry("gdsc").licence
    assert not catalog.entry("gdsc").redistribute


@needs_data
def test_bbbc021_profiles_and_cells_say_drugs_doses_and_plates():
    profiles = catalog.load("bbbc021-profiles")
    assert profiles.values.shape == (521, 516)
    assert (profiles.perturbations == "control").sum() == 330
    assert len(set(profiles.perturbations)) == 67
    cells = catalog.load("bbbc021-cells")
    assert cells.values.shape == (1348, 3, 64, 64)
    assert not cells.in_memory
    assert cells.entities["batch"].nunique() == 4
    assert (cells.perturbations == "drug:cyclohexamide@5uM").sum() == 108


@needs_data
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("nf1-cell-painting", (3, 5, 904, 1224)),
        ("ht29-colon", (1, 3, 512, 512)),
        ("histone-movies", (42, 1, 264, 542)),
    ],
)
def test_images_come_with_their_channels(name, shape):
    pytest.importorskip("tifffile")
    images = catalog.load(name)
    assert images.values.shape == shape
    assert (images.units, images.modality) == ("intensity", "image")
    if name == "nf1-cell-painting":
        assert set(np.unique(images.values[:, 3:])) == {0, 1}
