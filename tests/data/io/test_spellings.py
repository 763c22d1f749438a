import anndata
import numpy as np
import pandas as pd
import pytest

from aivc import Schema, check
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.label_checks import named
from aivc.data.io.spellings import spelling_key, spelling_notes, spelling_problems


def screen(**obs):
    table = pd.DataFrame(obs)
    table.index = [f"c{i}" for i in range(len(table))]
    return anndata.AnnData(np.ones((len(table), 2), dtype=np.float32), table, pd.DataFrame(index=["STAT1", "MYC"]))


def schema(**fields):
    return Schema(
        **{"units": "counts", "perturbation": "p", "control": "DMSO", "kind": "drug", "species": "none"} | fields
    )


@pytest.mark.parametrize(
    "names", [("MCF7", "MCF-7", "mcf7", "MCF 7"), ("HL-60", "HL60"), ("T cell", "t-cell", "T_cell")]
)
def test_spellings_of_one_name_share_a_key(names):
    assert len({spelling_key(name) for name in names}) == 1


@pytest.mark.parametrize(
    "names", [("CD4+", "CD4-"), ("CD4+ T", "CD4- T"), ("1-0", "10"), ("A549", "A54"), ("1.0", "10")]
)
def test_different_names_do_not(names):
    assert len({spelling_key(name) for name in names}) == len(names)


@pytest.mark.parametrize("other", ["MCF-7", "mcf7", "MCF 7"])
def test_a_cell_line_in_two_spellings_is_a_problem_with_its_remedy(other):
    cells = screen(p=["DMSO", "A", "DMSO", "A"], line=["MCF7", "MCF7", other, other])
    found = check(cells, schema(context="line")).problems
    assert len(found) == 1
    assert "'MCF7'" in found[0]
    assert ".replace({" in found[0]
    # What the remedy says is what helps.
    names = {"obs": cells.obs.copy()}
    exec(found[0].split("Use one: ")[1].removesuffix("."), names)
    cells.obs = names["obs"]
    assert check(cells, schema(context="line")).problems == ()


def test_targets_in_two_spellings_are_a_problem():
    found = check(screen(p=["DMSO", "Trametinib", "trametinib"]), schema()).problems
    assert len(found) == 1
    assert "'Trametinib', 'trametinib'" in found[0]
    found = check(screen(p=["NT", "JAK2", "Jak2", "HLA-A", "HLAA"]), schema(kind="ko", control="NT")).problems
    assert len(found) == 1
    assert "'JAK2', 'Jak2'" in found[0]


def test_salts_of_one_compound_are_noted():
    report = check(screen(p=["DMSO", "Topotecan", "Topotecan hydrochloride", "B"]), schema())
    assert report.problems == ()
    assert any("'Topotecan', 'Topotecan hydrochloride' are one compound" in note for note in report.notes)


@pytest.mark.parametrize("units", [("uM", "\u00b5M"), ("uM", "\u03bcM"), ("\u00b5M", "\u03bcM"), ("uM", "um")])
def test_one_dose_in_two_spellings_is_one_condition_with_a_note(units):
    cells = screen(p=["DMSO", "A", "A"], dose=[0.0, 1.0, 1.0], unit=["uM", *units])
    given = schema(dose="dose", dose_unit="unit")
    assert set(as_measurement(cells, given).entities["perturbation"]) == {"control", "drug:A@1uM"}
    report = check(cells, given)
    assert report.problems == ()
    assert any("one dose has one name" in note for note in report.notes)


def test_one_dose_in_two_units_is_one_condition_with_a_note():
    cells = screen(p=["DMSO", "A", "A", "A"], dose=[0.0, 1.0, 1000.0, 0.001], unit=["uM", "uM", "nM", "mM"])
    given = schema(dose="dose", dose_unit="unit")
    assert set(as_measurement(cells, given).entities["perturbation"]) == {"control", "drug:A@1uM"}
    assert any("1 mM is 1000 uM" in note for note in check(cells, given).notes)


def test_labels_with_doses_are_named_in_one_unit_too():
    cells = screen(p=["DMSO", "A 1000 nM", "1 uM A", "A_1\u00b5M"])
    given = schema(labels="dose-in-label")
    assert set(as_measurement(cells, given).entities["perturbation"]) == {"control", "drug:A@1uM"}
    assert any("Doses in nM" in note for note in check(cells, given).notes)


def test_nothing_is_said_where_nothing_is_spelled_twice():
    raw = screen(p=["DMSO", "A"]).obs
    assert spelling_problems(raw, [], schema()) == spelling_notes(raw, [], schema()) == []


def test_a_space_of_no_width_makes_no_other_gene():
    raw = pd.DataFrame({"target": ["NT", "JAK2", "\u200bJAK2"]})
    schema = Schema(units="counts", perturbation="target", control="NT", kind="ko")
    (problem,) = spelling_problems(raw, named(raw, np.array(list("abc"), dtype=object), schema), schema)
    assert "'\\u200bJAK2'" in problem
