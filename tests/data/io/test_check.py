"""The check: every problem at once, with its remedy, and nothing loaded whole."""

import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, SchemaError
from aivc.core.measurement import Measurement
from aivc.data.io import check as checking
from aivc.data.io.check import check
from aivc.data.io.schema import Schema
from aivc.data.names.gene_files import GeneNames

TABLE = GeneNames("human", frozenset({"TP53", "MARCHF8", "JAK2"}), {"MARCH8": frozenset({"MARCHF8"})}, {}, {})
SCREEN = Schema(units="counts", perturbation="target", control="NT", kind="ko", context="line")
PAPALEXI = Path(os.environ.get("AIVC_DATA", "/nowhere"), "A/papalexi2021_thp1_eccite_299genes.h5ad")


@pytest.fixture(autouse=True)
def _genes(monkeypatch, request):
    if "real" not in request.node.name:
        monkeypatch.setattr(checking, "gene_table", lambda species: TABLE)


def measured(values_nf, perturbations=("control", "control", "ko:JAK2", "ko:JAK2"), units="counts", **more):
    entities = pd.DataFrame({"perturbation": list(perturbations), "context": "A"}, index=list("abcd"))
    values = np.asarray(values_nf, dtype=np.float64)
    features = np.array(["TP53", "JAK2", "MARCH8"][: values.shape[1]], dtype=object)
    return Measurement(more.pop("values", values), features, more.pop("entities", entities), units, **more)


SOUND = [[1, 2, 0], [3, 0, 1], [0, 1, 0], [2, 2, 2]]


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_sound_data_pass(kind):
    report = check(measured(SOUND, values=kind(np.array(SOUND, dtype=float))))
    report.raise_if_any()
    assert report.problems == ()
    assert (report.cells, report.features, report.perturbations, report.contexts, report.controls) == (4, 3, 1, 1, 2)
    assert "MARCH8 is now MARCHF8" in str(report)
    assert report.to_json()["groups"] == 2


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_every_fault_of_the_numbers_is_reported_with_its_place(kind):
    values = np.array([[1, -2, 0], [3, 0.5, 1], [0, np.nan, 0], [0, 0, 0]])
    report = check(measured(values, values=kind(values)))
    with pytest.raises(DataError) as caught:
        report.raise_if_any()
    answer = "\n".join(caught.value.problems)
    for part in ("first -2 in a", "first 0.5 in b", "first nan in c", "1 entities are zero everywhere: d"):
        assert part in answer
    assert len(report.problems) == 4


def test_impossible_logs():
    assert "cannot exceed 9.21" in check(measured([[200, 1], [1, 1], [1, 1], [1, 1]], units="log1p_cp10k")).problems[0]
    assert "first -1 in a" in check(measured([[-1, 1], [1, 1], [1, 1], [1, 1]], units="log1p_cp10k")).problems[0]
    assert check(measured([[9.2, 1], [1, 1], [1, 1], [1, 1]], units="log1p_cp10k")).problems == ()


def test_controls_groups_and_labels():
    entities = pd.DataFrame(
        {"perturbation": ["control", "ko:JAK2", "ko:JAK2", "ko:JAK"], "context": ["A", "A", "B", None]},
        index=list("abcd"),
    )
    report = check(measured(SOUND, entities=entities))
    assert any("1 of 2 contexts have no control: B" in text for text in report.problems)
    assert any("1 of 4 entities have no context" in text for text in report.problems)
    assert any("Groups of fewer than 2 cells (4)" in text for text in report.notes)
    assert any("1 of 2 targets are no known human genes: JAK." in text for text in report.notes)
    pooled = check(measured(SOUND, entities=entities.assign(cells=50, context="A")))
    assert not any("fewer than 2" in text for text in pooled.notes)
    none = check(measured(SOUND, ["ko:JAK2"] * 4))
    assert none.problems == ("No entity is a control. Label the unperturbed ones control.",)
    assert "kind:target" in check(measured(SOUND, ["control", "control", "JAK2", "JAK2"])).problems[0]


def test_effects_need_no_control_and_may_be_negative():
    report = check(measured([[-1.5, 2], [0, 0], [1, 1], [1, 1]], ["ko:TP53", "ko:JAK2", "ko:A", "ko:B"], "log2fc"))
    assert report.problems == ()
    assert "1 entities have no effect on any feature: b." in report.notes
    observed = np.ones((4, 2), dtype=bool)
    observed[1] = False
    blind = check(measured([[-1.5, 2], [0, 0], [1, 1], [1, 1]], units="log2fc", observed=observed))
    assert "1 entities were measured on no feature: b." in blind.notes
    assert not any("no effect" in text for text in blind.notes)


def test_names_that_are_no_genes():
    foreign = measured(SOUND).replace(features=np.array(["x", "y", "z"], dtype=object))
    assert "Only 0 % of features are known human genes" in check(foreign).problems[0]
    assert check(foreign, species="none").problems == ()
    assert check(foreign.replace(modality="protein")).problems == ()


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_a_file_tells_structure_and_numbers_together(tmp_path):
    obs = pd.DataFrame({"target": ["ctrl", "JAK2", "JAK2", None], "line": "A"}, index=list("abcd"))
    values = sparse.csr_matrix(np.array(SOUND, dtype=np.float32) - 0.25)
    data = anndata.AnnData(values, obs, pd.DataFrame(index=["TP53", "JAK2", "TP53"]))
    data.write_h5ad(tmp_path / "x.h5ad")
    answer = "\n".join(check(tmp_path / "x.h5ad", SCREEN).problems)
    for part in (
        "Did you mean 'ctrl'?",
        "entities have no perturbation",
        "Features stand twice: TP53",
        "negative",
        "fractional",
    ):
        assert part in answer


def test_a_file_that_cannot_be_opened_is_a_problem_and_not_a_crash(tmp_path):
    (tmp_path / "x.h5ad").write_bytes(b"nothing")
    assert "Fetch or export it again" in check(tmp_path / "x.h5ad", SCREEN).problems[0]
    with pytest.raises(SchemaError, match=r"check\(data, schema\)"):
        check(tmp_path / "x.h5ad")


def test_values_on_disk_are_never_asked_for_whole():
    class Disk:
        shape = (20_000, 2)
        asked = 0

        def rows(self, start, stop):
            Disk.asked = max(Disk.asked, stop - start)
            block = np.ones((stop - start, 2))
            block[:, 0] -= 2 * (np.arange(start, stop) == 19_999)
            return sparse.csr_matrix(block)

    entities = pd.DataFrame({"perturbation": "control"}, index=[f"c{i}" for i in range(20_000)])
    report = check(Measurement(Disk(), np.array(["TP53", "JAK2"], dtype=object), entities, "counts"))
    assert report.problems == (
        "1 values are negative, first -1 in c19999, though counts never are. Correct units or layer.",
    )
    assert Disk.asked < 10_000


@pytest.mark.skipif(not PAPALEXI.is_file(), reason="AIVC_DATA does not name a folder with the Papalexi screen")
def test_real_screen_passes():
    schema = Schema(units="counts", perturbation="target", control="non-targeting", kind="ko", batch="bio_rep")
    report = check(PAPALEXI, schema)
    assert report.problems == ()
    assert any("SEPT2 is now SEPTIN2" in text for text in report.notes)


def _small(values, names, **fields):
    obs = pd.DataFrame({"target": ["NT", "NT", "JAK2", "JAK2"]}, index=list("abcd"))
    made = anndata.AnnData(np.asarray(values, dtype=np.float32), obs, pd.DataFrame(index=names))
    schema = Schema(**{"units": "counts", "perturbation": "target", "control": "NT", "kind": "ko", **fields})
    return check(made, schema)


def test_counts_that_rounding_left_below_zero_are_read_as_zero():
    report = _small([[1, -1e-5], [2, 1], [1, 1], [3, 0]], ["A", "B"], species="none")
    assert report.problems == ()
    assert any("by as little as rounding" in note for note in report.notes)


def test_features_that_are_numbered_are_no_genes():
    assert any("are their places" in text for text in _small(np.ones((4, 6)), [str(i) for i in range(6)]).problems)


def test_values_that_are_all_zero_are_asked_for_where_they_lie():
    (problem,) = [text for text in _small(np.zeros((4, 2)), ["A", "B"], species="none").problems if "zero" in text]
    assert "layer" in problem
