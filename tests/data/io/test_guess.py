"""Suggested schemas: each convention is recognized, every line has its evidence, and nothing is decided."""

import inspect
import tomllib

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

import aivc
from aivc.core.errors import AIVCError, DataError, UnavailableError
from aivc.data.io.check import check
from aivc.data.io.guess import guess
from aivc.data.io.schema import Schema

GENES = ["TP53", "MYC", "JUN", "ACTB"]
TUPLES = ["[('DMSO_TF', 0.0, 'uM')]", "[('Imatinib', 5.0, 'uM')]"]


def made(folder, obs, values=None, genes=GENES, **more):
    n = len(next(iter(obs.values())))
    counts = np.random.default_rng(0).poisson(3.0, (n, len(genes))) + 1.0 if values is None else values
    frame = pd.DataFrame(obs, index=[f"c{i}" for i in range(n)])
    adata = anndata.AnnData(sparse.csr_matrix(counts), frame, pd.DataFrame(index=genes))
    for name, layer in more.items():
        adata.layers[name] = layer
    adata.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


CONVENTIONS = {
    "scPerturb": (
        {"perturbation": ["control", "A_B", "A", "B"], "nperts": [0, 2, 1, 1], "perturbation_type": "CRISPRi",
         "cell_line": "K562"},
        {"perturbation": "perturbation", "control": "control", "kind": "crispri", "separator": "_",
         "context": "cell_line"},
    ),
    "pertpy": (
        {"perturbation": ["NT", "Perturbed", "Perturbed"], "gene_target": ["NT", "JAK2", "STAT1"], "replicate": "r1"},
        {"perturbation": "gene_target", "control": "NT"},
    ),
    "GEARS": (
        {"condition": ["ctrl", "TP53+ctrl", "TP53+JUN"], "cell_type": "A549"},
        {"perturbation": "condition", "control": "ctrl", "separator": "+", "context": "cell_type"},
    ),
    "cell-eval and Virtual Cell Challenge": (
        {"target_gene": ["non-targeting", "TP53", "NEGR1"], "guide_id": ["a", "b", "c"], "batch": ["b1", "b2", "b1"]},
        {"perturbation": "target_gene", "control": "non-targeting", "batch": "batch"},
    ),
    "State": (
        {"gene": ["non-targeting", "TP53", "JUN"], "gem_group": [1, 2, 3], "cell_line": "rpe1"},
        {"perturbation": "gene", "control": "non-targeting", "batch": "gem_group", "context": "cell_line"},
    ),
    "sci-Plex": (
        {"product_name": ["Vehicle", "Trametinib", "SRT1720"], "dose": [0.0, 10.0, 100.0], "cell_type": "MCF7"},
        {"perturbation": "product_name", "control": "Vehicle", "kind": "drug", "context": "cell_type"},
    ),
    "Tahoe-100M": (
        {"drug": ["DMSO_TF", "Imatinib", "Bortezomib"], "cell_line": "CVCL_0459", "plate": ["p1", "p1", "p2"]},
        {"perturbation": "drug", "control": "DMSO_TF", "kind": "drug", "context": "cell_line", "batch": "plate"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVENTIONS)
def test_conventions_are_recognized_with_their_evidence(name, tmp_path):
    obs, wanted = CONVENTIONS[name]
    found = guess(made(tmp_path, obs))
    said = found.to_json()
    assert said["convention"] == found.convention == name
    assert said["schema"] == {"units": "counts", "species": "human", **wanted}
    assert all(line.evidence for line in found.lines)
    label = next(line for line in found.lines if line.field == "perturbation")
    assert repr(wanted["perturbation"]) in label.evidence
    assert repr(obs[wanted["perturbation"]][1]) in label.evidence
    assert tomllib.loads(found.to_toml()) == said["schema"]


def test_once_completed_it_reads_the_file(tmp_path):
    path = made(tmp_path, CONVENTIONS["GEARS"][0])
    said = guess(path).to_json()
    assert said["open"] == ["kind"]
    text = guess(path).to_toml()
    assert '# kind = "ko"  # complete this line' in text
    (tmp_path / "s.toml").write_text(text.replace('# kind = "ko"  # complete this line', 'kind = "crispra"'))
    cells = aivc.read(path, Schema.from_toml(tmp_path / "s.toml"))
    assert cells.perturbations.tolist() == ["control", "crispra:TP53", "crispra:JUN + crispra:TP53"]


def test_it_decides_nothing_the_file_does_not_say(tmp_path):
    path = made(tmp_path, CONVENTIONS["sci-Plex"][0])
    found = guess(path)
    assert set(found.to_json()["open"]) == {"dose", "dose_unit"}
    (tmp_path / "s.toml").write_text(found.to_toml())
    assert check(path, Schema.from_toml(tmp_path / "s.toml")).problems == ()
    unsaid = made(tmp_path, {"well": ["A1", "A2"]})
    assert "perturbation" in guess(unsaid).to_json()["open"]


def test_units_dose_and_hours_are_read_where_they_are_stated(tmp_path):
    obs = {"perturbation": ["control", "x", "y"], "perturbation_type": "drug", "dose_value": [0, 1, 2]}
    obs |= {"dose_unit": "uM", "hours": [24, 24, 48], "donor_id": ["d1", "d2", "d1"]}
    said = guess(made(tmp_path, obs)).to_json()["schema"]
    assert (said["kind"], said["dose"], said["dose_unit"], said["hours"]) == (
        "drug",
        "dose_value",
        "dose_unit",
        "hours",
    )
    assert said["donor"] == "donor_id"
    by_name = {"drug": ["DMSO", "x", "y"], "dose_nM": [0, 1, 2], "cell_line": "A"}
    assert guess(made(tmp_path, by_name)).to_json()["schema"]["dose_unit"] == {"value": "nM"}


def test_values_say_counts_a_logarithm_or_nothing(tmp_path):
    obs = {"target_gene": ["non-targeting", "TP53", "JUN"]}
    counts = np.random.default_rng(1).poisson(5.0, (3, 4)) + 1.0
    log = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    first = guess(made(tmp_path, obs, log)).lines[0]
    assert (first.value, first.sure) == ("log1p_cp10k", True)
    assert "sums to 10000" in first.evidence
    beside = guess(made(tmp_path, obs, log, counts=sparse.csr_matrix(counts))).to_json()["schema"]
    assert (beside["units"], beside["layer"]) == ("counts", "counts")
    unsaid = guess(made(tmp_path, obs, log - log.mean(axis=0))).lines[0]
    assert (unsaid.field, unsaid.sure) == ("units", False)


def test_tuples_of_drugs_are_read_by_a_rule(tmp_path):
    found = guess(made(tmp_path, {"drugname_drugconc": TUPLES, "cell_line": "c"}))
    assert found.convention == "State, drugs in tuples"
    said = found.to_json()["schema"]
    assert (said["perturbation"], said["labels"], said["kind"]) == ("drugname_drugconc", "drug-tuple", "drug")
    assert "control" not in found.to_json()["open"]
    assert found.to_json()["schema"]["context"] == "cell_line"


def test_cell_ranger_folders_hold_no_labels(tmp_path):
    mmwrite(tmp_path / "matrix.mtx", sparse.csr_matrix(np.array([[1, 0], [3, 5], [0, 2]])))
    (tmp_path / "features.tsv").write_text("".join(f"ENSG{i}\t{g}\tGene Expression\n" for i, g in enumerate(GENES[:3])))
    (tmp_path / "barcodes.tsv").write_text("AAA-1\nCCC-1\n")
    found = guess(tmp_path)
    assert (found.convention, found.to_json()["schema"]) == ("Cell Ranger", {"units": "counts", "species": "human"})
    assert set(found.to_json()["open"]) == {"perturbation", "metadata"}


def test_ensembl_ids_and_mouse_symbols(tmp_path):
    adata = anndata.AnnData(np.eye(2) * 3, pd.DataFrame({"gene": ["NT", "A"]}, index=["a", "b"]))
    adata.var = pd.DataFrame({"gene_symbol": ["TP53", "MYC"]}, index=["ENSG1", "ENSG2"])
    said = guess(adata).to_json()["schema"]
    assert (said["features"], said["species"]) == ("gene_symbol", "human")
    adata.var = pd.DataFrame(index=["Trp53", "Myc"])
    assert guess(adata).to_json()["schema"]["species"] == "mouse"


def test_labels_that_are_texts_already_need_no_kind(tmp_path):
    said = guess(made(tmp_path, {"perturbation": ["control", "ko:TP53", "drug:x@1uM"]})).to_json()
    assert (said["schema"]["control"], said["open"]) == ("control", [])
    assert "kind" not in said["schema"]


def test_hostile_labels_stay_in_comments(tmp_path):
    evil = "x\nunits = 'z'"
    text = guess(made(tmp_path, {"perturbation": ["control", evil, evil]})).to_toml()
    assert tomllib.loads(text)["units"] == "counts"


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UnavailableError, match="Check the path"):
        guess(tmp_path / "none.h5ad")


@pytest.mark.parametrize("data", [3, None, np.eye(2)])
def test_what_is_no_file_and_no_anndata_is_refused(data):
    with pytest.raises(DataError, match=f"got {type(data).__name__}. Give the path of a file"):
        # Unwrapped, as a user has it: the types of arguments are checked in tests alone.
        inspect.unwrap(guess)(data)


@pytest.mark.parametrize("name", ["screen.h5ad", "screen.h5", "screen.csv", "screen.zarr"])
@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_a_truncated_file_is_refused_and_left_as_it_is(tmp_path, name, kept):
    whole, path = tmp_path / "whole.h5ad", tmp_path / name
    obs = pd.DataFrame({"gene": ["NT", "TP53"]}, index=["a", "b"])
    anndata.AnnData(np.eye(2), obs, pd.DataFrame(index=["TP53", "MYC"])).write_h5ad(whole)
    path.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(AIVCError, match="screen"):
        guess(path)
    assert len(path.read_bytes()) == kept


TOTALS = [(1e4, "log1p_cp10k"), (10_003.0, "log1p_cp10k"), (4873.0, "log1p_cp4873")]


@pytest.mark.parametrize(("total", "units"), TOTALS)
def test_the_total_behind_a_logarithm_is_read_from_the_values(total, units):
    counts = np.random.default_rng(0).poisson(3, (20, 30)) + 1.0
    values = np.log1p(counts / counts.sum(axis=1, keepdims=True) * total).astype(np.float32)
    assert guess(anndata.AnnData(values)).to_json()["schema"]["units"] == units


def test_a_total_that_nobody_uses_is_no_evidence():
    assert "units" in guess(anndata.AnnData(np.eye(3))).to_json()["open"]


def test_a_column_of_any_name_is_found_by_its_controls(tmp_path):
    labels = ["NTC_1", "NTC_2", "STAT1_g1", "STAT1_g2", "JAK2_g1", "unassigned"] * 2
    lanes = ["lane1"] * 6 + ["lane2"] * 6
    path = made(tmp_path, {"my sgRNA": labels, "lane": lanes, "line": "THP-1", "quality": range(12)})
    found = guess(path)
    said = found.to_json()
    assert said["schema"]["perturbation"] == "my sgRNA"
    assert said["schema"]["control"] == ["NTC_1", "NTC_2"]
    assert (said["schema"]["labels"], said["schema"]["context"], said["schema"]["batch"]) == ("guide", "line", "lane")
    assert said["open"] == ["exclude", "kind"]
    assert "did they cut" in next(line.evidence for line in found.lines if line.field == "kind")


def test_where_no_column_stands_out_all_are_shown(tmp_path):
    path = made(tmp_path, {"well": ["A1", "A2", "A3"], "dye": ["x", "y", "z"]})
    (asked,) = [line for line in guess(path).lines if line.field == "perturbation"]
    assert not asked.sure
    assert "'well': 3 values, such as 'A1'" in asked.evidence
    assert "'dye'" in asked.evidence


def test_labels_with_doses_ask_whether_these_were_drugs(tmp_path):
    labels = ["DMSO", "Imatinib_0.5", "Imatinib_2", "Imatinib_10", "JQ1_0.5", "JQ1_2", "JQ1_10", "10 uM Nutlin-3a"]
    (kind,) = [line for line in guess(made(tmp_path, {"condition": labels})).lines if line.field == "kind"]
    assert (kind.value, kind.sure) == ("drug", False)
    assert "doses" in kind.evidence


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_header_alone_is_no_data(tmp_path, name):
    (tmp_path / name).write_text("gene,TP53,MYC\n".replace(",", "," if name.endswith("csv") else "\t"))
    with pytest.raises(DataError, match=rf"{name} holds no rows"):
        guess(tmp_path / name)
