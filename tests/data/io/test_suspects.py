"""Labels that read like controls or like no label, and the lines that say what they are."""

import tomllib

import numpy as np
import pytest

from aivc.data.io.schema import Constant, Schema
from aivc.data.io.suspects import blanks_as_text, reads_as_control, reads_as_nothing, suspects

SCREEN = Schema(units="counts", perturbation="target", control="NT", kind="crispri")


def _words(text):
    return text.split()


NOTHING = _words(
    "nan NaN NA N/A n/a none None NULL null unassigned Unknown multiplet Doublet doublets negative Negative ambiguous "
    "<NA> #N/A NaT - ? undetermined unmapped no_guide 0 0.0 rest other others Other no True FALSE yes"
)
CONTROLS = _words(
    "DMSO dmso DMSO_TF vehicle Vehicle untreated Untreated PBS mock Mock NTC ntc non-targeting Non-Targeting "
    "non_targeting NonTargeting non-targeting_0042 safe-targeting AAVS1 sgAAVS1 AAVS1_2 scramble scrambled_3 "
    "luciferase Luciferase_1 LacZ lacZ_2 GFP eGFP sgGFP RFP mCherry ctrl CTRL0003 Ctrl control Control control_7 "
    "NegCtrl neg_ctrl_3 NT-1 NTC-12 INTERGENIC216151 NO_SITE_4 ONE_INTERGENIC_SITE_17 unperturbed unstimulated "
    "water EtOH wild-type WT DMSO_control empty-vector "
)
SPACED = ["Non Targeting", "negative control", "vehicle control", "safe targeting", "empty vector"]
NAMES = _words(
    "TP53 WT1 NT5E NT5C2 NTRK1 NANOG NAT1 NONO SCRIB SCR7 NEGR1 MOCOS GFPT1 LUC7L MED1 CTRL-positive positive_control "
    "REST Rest 10 UNC13A EVI1 PBSN NAB2 VEHICLE1X H11D NULL1 WTAP Trametinib NTF3 AAVS1P NCOR1 NCL IRF1 Imatinib ROSA"
)


@pytest.mark.parametrize("label", NOTHING)
def test_words_for_no_label(label):
    assert reads_as_nothing(label)


@pytest.mark.parametrize("label", [*CONTROLS, *SPACED])
def test_words_for_controls(label):
    assert reads_as_control(label)


@pytest.mark.parametrize("label", NAMES)
def test_names_of_genes_and_drugs_are_neither(label):
    assert not reads_as_nothing(label)
    assert not reads_as_control(label)


def listed(labels, schema=SCREEN, translated=None):
    texts = [f"crispri:{label}" if label != "NT" else "control" for label in labels]
    return suspects(np.array(labels, dtype=object), np.array(translated or texts, dtype=object), schema)


def line_of(problem, field):
    """The line of a schema that a problem says to add."""
    start = problem.index(f"{field} = [")
    return tomllib.loads(problem[start : problem.index("]", start) + 1])[field]


def test_each_kind_is_one_problem_with_counts_and_lines_that_can_be_copied():
    nothing, control = listed(["NT", "nan", "nan", "JAK2", "DMSO", 'say "GFP"', "GFP"])
    assert "2 of 7 entities have labels that read like no label: 'nan' (2)." in nothing
    assert line_of(nothing, "exclude") == ["nan"]
    assert "2 of 7 entities" in control
    assert line_of(control, "control") == ["NT", "DMSO", "GFP"]
    assert line_of(control, "keep") == ["DMSO", "GFP"]


@pytest.mark.parametrize("field", ["control", "keep"])
def test_what_is_declared_is_not_listed(field):
    declared = {**vars(SCREEN), field: (*getattr(SCREEN, field), "GFP", "none")}
    assert listed(["NT", "GFP", "none"], Schema(**declared)) == []


def test_parts_of_combinations_and_of_texts_are_looked_at():
    pairs = Schema(**{**vars(SCREEN), "separator": "+"})
    assert "'JAK2+ctrl' (1)" in listed(["NT", "JAK2+ctrl"], pairs)[0]
    assert listed(["NT", "JAK2+NT"], pairs, ["control", "crispri:JAK2"]) == []
    texts = Schema(units="counts", perturbation="target", control="control")
    assert "'drug:DMSO' (1)" in listed(["control", "drug:DMSO"], texts, ["control", "drug:DMSO"])[0]
    assert "'ko:nan' (1)" in listed(["control", "ko:nan"], texts, ["control", "ko:nan"])[0]


def test_what_nobody_labelled_is_not_looked_at():
    assert listed(["control"], Schema(units="counts", perturbation=Constant("control")), ["control"]) == []


def test_long_lists_are_shown_in_part():
    [problem] = listed(["NT", *(f"non-targeting_{i:03d}" for i in range(40))])
    assert "and 20 more" in problem
    assert "non-targeting_039" not in problem


def test_contexts_donors_and_batches_that_are_words_for_nothing():
    schema = Schema(**{**vars(SCREEN), "donor": "d", "batch": "b", "context": "c"})
    columns = {
        "donor": np.array(["nan", "P1"], dtype=object),
        "batch": np.array(["unknown", "1"], dtype=object),
        "context": np.array(["None", ""], dtype=object),
    }
    context, donor = blanks_as_text(columns, schema)
    assert "1 of 2 entities have a donor that reads like none: 'nan' (1)" in donor
    assert line_of(context, "exclude") == ["None"]
    assert blanks_as_text(columns, Schema(**{**vars(schema), "keep": ("nan", "None")})) == []


@pytest.mark.parametrize(
    "label",
    ["TBD", "n.d.", "\\N", "#REF!", "multi-guide", "2+ guides", "NaN_NaN", "nan|nan", "doublet_high_conf", "sgNone",
     "-1", "low quality", "ambiguous_guide", "none detected"],
)  # fmt: skip
def test_more_words_for_no_label(label):
    assert reads_as_nothing(label)


@pytest.mark.parametrize(
    "label",
    ["PBS 24h", "0.1% DMSO", "DMSO 0.1%", "Vehicle (DMSO)", "unstimulated 24h", "siCtrl", "shScramble", "shLuc", "siNT",
     "sgNTC-17", "neg_control_001", "g-NTC-3", "HS_NTC_4", "ROSA26-2", "safe_12", "ChrSafe_3", "untargeted_5", "IgG",
     "no cytokine", "NonTargeting|NonTargeting", "mock-infected", "Cas9-only-1", "NONTARG3", "non-targeting+NT_2"],
)  # fmt: skip
def test_more_words_for_controls(label):
    assert reads_as_control(label)


@pytest.mark.parametrize("label", ["SCRG1", "SIN3A", "SHH", "SAFB", "BAD", "NT5C", "REST", "IGF1", "JAK2|NT", "DNMT1"])
def test_genes_with_such_letters_are_neither(label):
    assert not reads_as_nothing(label)
    assert not reads_as_control(label)


def test_many_numbered_short_names_are_controls_and_one_is_a_name():
    many = ["main", "SCR1", "SCR2", "SCR3", "SCR4", "JAK2"]
    schema = Schema(units="counts", perturbation="target", control="main", kind="crispri")
    assert line_of(listed(many, schema)[0], "control") == ["main", "SCR1", "SCR2", "SCR3", "SCR4"]
    assert listed(["main", "SCR1", "JAK2"], schema) == []


def test_of_a_combination_the_part_is_named_as_the_control():
    schema = Schema(units="counts", perturbation="target", control="NT", kind="ko", separator="_")
    (problem,) = listed(["NT", "JAK2_ctrl"], schema, ["control", "ko:JAK2 + ko:ctrl"])
    assert line_of(problem, "control") == ["NT", "ctrl"]
    assert line_of(problem, "exclude") == ["JAK2_ctrl"]


def test_a_guide_of_the_declared_control_is_no_suspect():
    schema = Schema(
        units="counts", perturbation="target", control="non-targeting", kind="ko", separator="|", labels="guide"
    )
    assert listed(["JAK2_1|non-targeting_1"], schema, ["ko:JAK2"]) == []


def test_neurotrophin_is_a_ligand_and_numbered_guides_are_controls():
    ligands = Schema(**{**vars(SCREEN), "kind": "ligand"})
    labels = ["NT", "NT-3", "NT-4", "BDNF"]
    assert listed(labels, ligands, ["control", "ligand:NT-3", "ligand:NT-4", "ligand:BDNF"]) == []
    assert "'NT-3' (1)" in listed(labels)[0]
    assert "'NT-7' (1)" in listed(["NT", "NT-7"], ligands, ["control", "ligand:NT-7"])[0]
