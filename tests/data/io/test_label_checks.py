import anndata
import numpy as np
import pandas as pd
import pytest

from aivc import Measurement, Perturbation, Schema, Split, check, guess, read
from aivc.core.errors import DataError
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.label_checks import label_notes, label_problems, measured_notes, named
from aivc.data.names.compound_names import family_of

DOSES = (0.05, 0.5, 5.0)
DRUGS = ("Trametinib", "JQ1", "Dacinostat")
GUIDES = ["NT", *(f"{gene}g{i}" for gene in ("STAT1", "CEBPA", "JAK2") for i in (1, 2, 3))]
TUPLES = ["[('DMSO_TF', 0.0, 'uM')]", *(f"[('{drug}', {dose}, 'uM')]" for drug in DRUGS for dose in DOSES)]


def screen(labels, **obs):
    table = pd.DataFrame({"p": labels, **obs}, index=[f"c{i}" for i in range(len(labels))])
    return anndata.AnnData(np.ones((len(labels), 2), dtype=np.float32), table, pd.DataFrame(index=["STAT1", "MYC"]))


def schema(**fields):
    return Schema(**{"units": "counts", "perturbation": "p", "control": "NT", "kind": "ko", "species": "none"} | fields)


def problems(texts, **fields):
    return check(screen(texts), schema(**fields)).problems


@pytest.mark.parametrize(
    ("labels", "fields", "line"),
    [
        (GUIDES, {}, 'labels = "guide"'),
        (["NT", "X_posctrl", "sgY-1"], {}, 'labels = "guide"'),
        (TUPLES, {"control": TUPLES[0], "kind": "drug"}, 'labels = "drug-tuple"'),
        (["NT", "0.2 uM A", "5 uM A"], {"kind": "drug"}, 'labels = "dose-in-label"'),
        (["NT", "A_0.2", "A_0.5"], {"kind": "drug"}, 'dose_unit = { value = "uM" }'),
        (["NT", "JAK2+NT", "NT+MYC"], {}, 'separator = "+"'),
        (["NT", "JQ1_24h", "JQ1_72h"], {"kind": "drug"}, 'labels = "hours-in-label"'),
        (["NT", "A|B"], {}, 'separator = "|"'),
        (["control", "ko:JAK2_g1", "ko:JAK2_g2"], {"kind": None, "control": "control"}, 'labels = "guide"'),
    ],
)
def test_a_form_without_its_rule_is_a_problem_with_the_line_to_add(labels, fields, line):
    found = problems(labels, **fields)
    assert len(found) == 1
    assert line in found[0]
    assert 'add labels = "whole"' in found[0]
    assert problems(labels, **fields, labels="whole") == ()
    with pytest.raises(DataError, match="Add the line"):
        as_measurement(screen(labels), schema(**fields))


@pytest.mark.parametrize(
    ("labels", "fields", "families"),
    [
        (GUIDES, {"labels": "guide"}, {"STAT1", "CEBPA", "JAK2"}),
        (TUPLES, {"labels": "drug-tuple", "control": "DMSO_TF", "kind": "drug"}, {"trametinib", "jq1", "dacinostat"}),
        (["NT", "JAK2 (clone 1)", "JAK2 (clone 2)"], {"labels": r"(?P<target>\w+) \(clone \d\)"}, {"JAK2"}),
        (
            ["NT", "A hydrochloride_0.2", "A_10", "B_10"],
            {"labels": "dose-in-label", "kind": "drug", "dose_unit": "unit"},
            {"a", "b"},
        ),
    ],
)
def test_a_declared_rule_keeps_guides_and_doses_on_one_side(labels, fields, families):
    cells = screen([label for label in labels for _ in range(3)], unit="uM")
    assert check(cells, schema(**fields)).problems == ()
    measured = as_measurement(cells, schema(**fields))
    texts = set(measured.entities["perturbation"]) - {"control"}
    assert {family_of(Perturbation.parse(text)) for text in texts} == families
    if len(families) < 2:
        return
    for fold in Split.parse(f"unseen-perturbation:{len(families)}", measured, seed=0).folds:
        tested, trained = (
            {family_of(Perturbation.parse(text)) for text in measured.perturbations[rows]} - {"control"}
            for rows in (fold.tested(measured), fold.trained(measured))
        )
        assert tested
        assert not tested & trained


def test_what_became_of_labels_is_noted():
    notes = check(screen(["NT", "STAT1_1", "STAT1_2", "plain"]), schema(labels="guide")).notes
    assert any("'STAT1_1' is STAT1" in note for note in notes)
    rule = r"(?P<target>\w+)_\d"
    notes = check(screen(["NT", "STAT1_1", "plain"]), schema(labels=rule)).notes
    assert any("1 of 2 labels do not follow" in note and "'plain'" in note for note in notes)


def test_two_guides_of_one_gene_are_one_agent_with_a_note():
    labels = ["NT|NT", "JAK2|JAK2", "JAK2|NT", "JAK2|MYC"]
    report = check(screen(labels), schema(separator="|"))
    assert report.problems == ()
    assert any("counts as one agent: 'JAK2|JAK2'" in note for note in report.notes)
    measured = as_measurement(screen(labels), schema(separator="|"))
    assert list(measured.entities["perturbation"]) == ["control", "ko:JAK2", "ko:JAK2", "ko:JAK2 + ko:MYC"]


@pytest.mark.parametrize(
    ("label", "separator", "kind"),
    [
        ("(+)-JQ1", "+", "drug"), ("2i (LIF+MEKi+GSK3i)", "+", "drug"), ("A+", "+", "drug"), ("HLA-DRA", "-", "ko"),
        ("MYC-HLA-DRA", "-", "ko"), ("NKX2-1", "-", "ko"), ("BI_2536", "_", "drug"),
    ],
)  # fmt: skip
def test_a_separator_inside_a_name_is_a_problem_and_quotes_help(label, separator, kind):
    found = problems(["NT", label], kind=kind, separator=separator)
    assert len(found) == 1
    assert "double quotes" in found[0]
    quoted = as_measurement(screen(["NT", f'"{label}"{separator}A']), schema(kind=kind, separator=separator))
    assert set(quoted.entities["perturbation"]) == {"control", str(Perturbation.parse(f'{kind}:"{label}" + {kind}:A'))}


def test_the_first_splits_are_shown():
    report = check(screen(["ctrl", "JAK2+ctrl", "ctrl+MYC", "JAK2+MYC"]), schema(control="ctrl", separator="+"))
    assert report.problems == ()
    assert any("splits 3 of 3 labels: 'JAK2+ctrl' into 'JAK2'" in note for note in report.notes)
    unused = check(screen(["NT", "A"]), schema(separator="+")).notes
    assert any("stands in no label" in note for note in unused)


def test_a_measurement_without_schema_gets_a_note():
    table = pd.DataFrame({"perturbation": ["control", "ko:JAK2_g1", "ko:JAK2_g2"]}, index=["a", "b", "c"])
    measured = Measurement(np.ones((3, 2)), np.array(["A", "B"]), table, units="counts")
    assert any("guides of a gene" in note for note in check(measured, species="none").notes)
    assert measured_notes(["control", "ko:JAK2", "drug:x@1uM"]) == []


def test_labels_that_cannot_be_understood_are_left_to_others():
    raw = screen(["NT", "(+)-A", ""]).obs
    found = named(raw, raw.index.to_numpy(dtype=object), schema(separator="+"))
    assert found == []
    assert label_problems(found, schema(separator="+")) == label_notes(found, schema(separator="+")) == []


def test_what_is_guessed_is_read_without_a_problem(tmp_path):
    for labels, column in ((TUPLES, "drugname_drugconc"), (["ctrl", "JAK2+ctrl", "JAK2+MYC"], "condition")):
        cells = screen(labels).copy()
        cells.obs = cells.obs.rename(columns={"p": column})
        cells.write_h5ad(tmp_path / "x.h5ad")
        said = guess(tmp_path / "x.h5ad").to_json()["schema"]
        suggested = Schema.from_json({"kind": "ko", **said, "units": "counts", "species": "none"})
        measured = read(tmp_path / "x.h5ad", suggested)
        assert (measured.entities["perturbation"] == "control").sum() == 1
    assert suggested.separator == "+"


def test_a_screen_of_one_perturbation_says_what_cannot_be_learned():
    notes = check(screen(["NT", "NT", "STAT1", "STAT1"]), schema()).notes
    assert any("ko:STAT1 is the only perturbation" in note and "cannot be calibrated" in note for note in notes)
    assert not any("only perturbation" in note for note in check(screen(["NT", "STAT1", "MYC"]), schema()).notes)


def _problems_of(texts, **fields):
    schema = Schema(**{"units": "counts", "perturbation": "target", "control": "NT", "kind": "crispri", **fields})
    raw = pd.DataFrame({"target": ["NT", *texts]})
    return label_problems(named(raw, np.array([f"c{i}" for i in range(len(raw))], dtype=object), schema), schema)


def test_the_strand_in_the_name_of_a_guide_joins_nothing():
    labels = ["STAT1_+_1234.23-P1P2", "STAT1_-_1250.23-P1P2", "JAK2_+_99.23-P1P2"]
    (problem,) = _problems_of(labels)
    assert 'labels = "guide"' in problem
    assert _problems_of(labels, labels="guide") == []


def test_a_second_sign_that_joins_is_a_problem():
    (problem,) = _problems_of(["JAK2+MYC", "JAK2|STAT1"], separator="+")
    assert "also joined by '|'" in problem
    assert "'JAK2|STAT1'" in problem


def test_hours_in_labels_are_hours_of_controls_too():
    labels = ["DMSO_24h", "DMSO_72h", "JQ1_24h", "JQ1_1uM_3d", "BRD4i"]
    said = schema(control="DMSO", kind="drug", labels="hours-in-label")
    made = as_measurement(screen([*labels, *labels]), said)
    texts = made.perturbations.tolist()[:5]
    assert texts == ["control", "control", "drug:JQ1 for 24h", "drug:JQ1@1uM for 72h", "drug:BRD4i"]
    assert made.entities["hours"].tolist()[:2] == [24, 72]
    assert set(made.entities["matched:hours"][:4]) == {"24", "72"}
    assert family_of(Perturbation.parse("drug:JQ1_24h")) == family_of(Perturbation.parse("drug:JQ1 low"))


def test_two_durations_of_one_label_are_a_problem():
    found = problems(["DMSO", "A_24h+B_6h"], control="DMSO", kind="drug", labels="hours-in-label", separator="+")
    assert any("says 2 durations (6 h, 24 h)" in text for text in found)


def test_levels_declared_whole_stay_apart_and_together_in_splits():
    labels = ["NT", "NT", *["JQ1 low", "JQ1 high"] * 2]
    (problem,) = problems(labels, kind="drug")
    assert "2 labels read like a name and a dose in words: 'JQ1 high', 'JQ1 low'" in problem
    assert 'add labels = "whole"' in problem
    made = as_measurement(screen(labels), schema(kind="drug", labels="whole"))
    low, high = sorted(set(map(str, made.perturbations)) - {"control"})
    assert low != high
    assert family_of(Perturbation.parse(low)) == family_of(Perturbation.parse(high))


def test_wells_are_no_names():
    wells = check(screen(["NT", "A01", "A02", "B03"]), schema(kind="drug")).notes
    assert any("All 3 labels read like wells" in text for text in wells)
    assert not any("wells" in text for text in check(screen(["NT", "A01", "A02", "JQ1"]), schema(kind="drug")).notes)
