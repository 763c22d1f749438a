"""Every planted leak is found, and clean splits pass."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import SplitError, UnavailableError
from aivc.core.measurement import CONTROL, Measurement
from aivc.data import catalog
from aivc.data.names.compound_names import compound
from aivc.data.splits import folds as ask
from aivc.data.splits.split import CONTROL_SCORE, CONTROL_TRAIN, SCORE, TRAIN, Fold, Split
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.leakage.leaks import check_split


@pytest.fixture(scope="module")
def cells() -> Measurement:
    return synthetic_screen(perturbations=6, features=60, cells=12, controls=24, contexts=3, donors=3, combos=3)[0]


def labelled(cells: Measurement, **columns) -> Measurement:
    return cells.replace(entities=cells.entities.assign(**columns))


def renamed(cells: Measurement, names: dict[str, str]) -> Measurement:
    text = cells.entities["perturbation"].astype(object)
    return labelled(cells, perturbation=text.replace(names))


def singles(cells: Measurement) -> Measurement:
    return cells.take(~cells.entities["perturbation"].str.contains("+", regex=False).to_numpy())


def one_fold(column: str, *values: str, kind: str = "given", held: dict | None = None) -> Split:
    return Split(kind, 0, (Fold({column: values}, held or {column: values}),), notes={})


def kinds(report, severity: str = "leak") -> set[str]:
    return {found.kind for found in report.findings if found.severity == severity}


def with_copy(cells: Measurement, source: int, target: int) -> Measurement:
    """Row ``target`` holds what row ``source`` holds, under its own name and labels."""
    values = cells.values.tolil()
    values[target] = values[source]
    return cells.replace(values=values.tocsr())


def row(cells: Measurement, split: Split, role: str) -> int:
    return int(np.flatnonzero(split.roles(cells, 0) == role)[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda c: ask.unseen_perturbation(c, folds=2),
        lambda c: ask.unseen_context(c),
        lambda c: ask.unseen_donor(c),
        lambda c: ask.unseen_donor(c, column="batch"),
        lambda c: ask.unseen_both(c, folds=2),
        lambda c: ask.unseen_pair(c, folds=3),
        lambda c: ask.hidden_combination(c, share=0.5),
        *[lambda c, seen=seen: ask.unseen_combination(c, seen=seen, folds=1) for seen in (0, 1, 2)],
    ],
)
def test_clean_splits_pass(cells, make):
    report = check_split(cells, make(cells))
    assert report.leaks == ()
    report.raise_if_any()
    assert report.to_json()["clean"] is True


def test_higher_doses_are_no_leak_where_they_are_the_question():
    cells, _ = synthetic_screen(perturbations=4, features=60, cells=12, controls=24, doses=(1.0, 10.0))
    assert check_split(cells, ask.extrapolate(cells, along="dose", above=2.0)).leaks == ()


@pytest.mark.parametrize("other", ["crispri:G0001", "ko:G0001 for 48h", "ko:G0001/up", "drug:G0001@3uM"])
def test_planted_1_the_tested_target_in_another_dose_kind_or_direction(cells, other):
    planted = renamed(singles(cells), {"ko:G0002": other})
    report = check_split(planted, one_fold("perturbation", "ko:G0001"))
    assert kinds(report) == {"family"}
    with pytest.raises(SplitError, match=r"fold 0: ko:G0001 is tested.*Hold out all perturbations of a target"):
        report.raise_if_any()


def test_planted_1_another_dose_of_the_pair_asked_about():
    cells, _ = synthetic_screen(perturbations=4, features=60, cells=12, controls=24, contexts=2, doses=(1.0, 10.0))
    text = sorted(set(cells.perturbations) - {CONTROL})[0]
    pair = f"{cells.contexts[0]} | {text}"
    assert kinds(check_split(cells, one_fold("pair", pair))) == {"family"}


def test_planted_2_control_cells_in_both_pools(cells):
    split = one_fold("perturbation", "ko:G0001")
    given, kept = row(singles(cells), split, CONTROL_TRAIN), row(singles(cells), split, CONTROL_SCORE)
    report = check_split(with_copy(singles(cells), given, kept), split)
    assert kinds(report) == {"shared-controls"}
    with pytest.raises(SplitError, match="under other names: c"):
        report.raise_if_any()


def test_planted_2_a_list_without_pools_is_reported(cells):
    report = check_split(singles(cells), Split.from_json({"folds": [["G0001"]]}, singles(cells)))
    assert report.leaks == ()
    assert kinds(report, "note") == {"shared-controls"}


def test_planted_2_a_list_with_overlapping_pools_is_refused_at_the_door(cells):
    control = list(cells.entities.index[cells.perturbations == CONTROL])
    plain = {"folds": [["G0001"]], "control_half_A": control[:9], "control_half_B": control[8:]}
    with pytest.raises(SplitError, match="Make them disjoint"):
        Split.from_json(plain, cells)


def test_planted_3_duplicate_cells_under_new_names(cells):
    split, cells = one_fold("perturbation", "ko:G0001"), singles(cells)
    report = check_split(with_copy(cells, row(cells, split, SCORE), row(cells, split, TRAIN)), split)
    assert kinds(report) == {"duplicate-cells"}


def test_planted_3_duplicate_cells_in_another_dataset(cells):
    split, cells = one_fold("perturbation", "ko:G0001"), singles(cells)
    scored = row(cells, split, SCORE)
    order = np.random.default_rng(0).permutation(len(cells.features))
    other = cells.take(np.array([scored])).select(cells.features[order])
    other = other.replace(
        entities=other.entities.set_axis(["other"], axis=0), values=other.values.toarray().astype(np.float64)
    )
    report = check_split(cells, split, others={"atlas": other})
    assert kinds(report) == {"duplicate-cells"}
    assert cells.entities.index[scored] in report.leaks[0].sentence
    fresh = synthetic_screen(perturbations=6, features=60, cells=12, controls=24, seed=9)[0]
    assert check_split(cells, split, others={"atlas": fresh}).leaks == ()


def test_planted_4_the_tested_donor_in_training(cells):
    donor = cells.entities["donor"].iloc[0]
    fold = Fold({"donor": (donor,), "perturbation": ("ko:G0001",)}, {"perturbation": ("ko:G0001",)})
    report = check_split(singles(cells), Split("unseen-donor", 0, (fold,)))
    assert kinds(report) == {"donor"}
    assert check_split(singles(cells), Split("given", 0, (fold,))).leaks == ()
    assert kinds(check_split(singles(cells), Split("given", 0, (fold,))), "note") >= {"donor"}


def test_planted_5_perturbed_cells_of_the_tested_context_in_training(cells):
    context = cells.contexts[0]
    fold = Fold({"context": (context,), "perturbation": ("ko:G0001",)}, {"perturbation": ("ko:G0001",)})
    report = check_split(singles(cells), Split("unseen-context", 0, (fold,)))
    assert kinds(report) == {"context"}
    with pytest.raises(SplitError, match="with controls only"):
        report.raise_if_any()


def test_the_tested_perturbation_itself_in_training(cells):
    pair = f"{cells.contexts[0]} | ko:G0001"
    assert "perturbation" in kinds(check_split(cells, one_fold("pair", pair, kind="unseen-perturbation")))


def test_salt_forms_of_one_compound_on_both_sides(cells):
    names = {"ko:G0001": "drug:Doxorubicin (hydrochloride)@1uM", "ko:G0002": "drug:doxorubicin@1uM"}
    planted = renamed(singles(cells), names)
    report = check_split(planted, one_fold("perturbation", names["ko:G0001"]))
    assert kinds(report) == {"compound"}


def test_salt_forms_in_a_real_screen():
    if not os.environ.get("AIVC_DATA"):
        pytest.skip("AIVC_DATA is not set, so there is no real screen to look through")
    try:
        cells = catalog.load("tahoe100m", offline=True)
    except UnavailableError:
        pytest.skip("tahoe100m is not in the folder that AIVC_DATA names")
    report = check_split(cells, one_fold("perturbation", "drug:Berbamine"))
    assert kinds(report) == {"compound"}
    assert "Berbamine / Berbamine dihydrochloride" in report.leaks[0].sentence
    assert kinds(report, "note") == {"known-leak"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Imatinib (Mesylate)", "imatinib", True),
        ("(+)-JQ1", "JQ-1", True),
        ("Trametinib (DMSO_TF solvate)", "Trametinib", True),
        ("Sodium chloride", "Potassium chloride", False),
        ("Bortezomib", "Carfilzomib", False),
        ("SLx-2119", "Belumosudil", True),
        ("18β-Glycyrrhetinic acid", "18beta glycyrrhetinic acid ", True),
        ("IFN-α", "IFN-β", False),
    ],
)
def test_compounds_are_distinguished_by_more_than_salt(one, other, same):
    assert (compound(one) == compound(other)) is same


@pytest.mark.parametrize(("kind", "severity"), [("given", "note"), ("unseen-perturbation", "leak")])
def test_combinations_that_hold_a_tested_target(cells, kind, severity):
    double = next(text for text in sorted(set(cells.perturbations)) if "+" in text)
    single = double.split(" + ")[0]
    for tested in (single, double):
        report = check_split(cells, one_fold("perturbation", tested, kind=kind))
        assert "combination" in kinds(report, severity)


def test_a_split_of_other_data_and_roles_that_cannot_be_drawn(cells):
    other = singles(cells)
    split = ask.unseen_perturbation(other, folds=2)
    assert "other-data" in kinds(check_split(other.take(np.arange(len(other)) > 0), split))
    alone = other.take(other.contexts == other.contexts[0])
    assert kinds(check_split(alone, one_fold("context", other.contexts[0]))) == {"roles"}


def test_an_entity_in_two_lists_of_the_manifest(cells):
    cells = singles(cells)
    control = cells.entities.index[cells.perturbations == CONTROL]
    own = cells.entities.index[cells.perturbations == "ko:G0001"]
    halves = {"ko:G0001": {"scoring": tuple(own[::2]), "replicate": (*own[1::2], control[0])}}
    fold = Fold({"perturbation": ("ko:G0001",)}, {"perturbation": ("ko:G0001",)})
    split = Split("given", 0, (fold,), {"train": tuple(control[::2]), "score": tuple(control[1::2])}, halves)
    assert kinds(check_split(cells, split)) >= {"entities"}


def test_parts_that_saw_the_test(cells):
    cells, split = singles(cells), ask.unseen_perturbation(singles(cells), folds=2)
    scored = str(cells.entities.index[row(cells, split, SCORE)])
    text = split.folds[0].test["perturbation"][0]
    saw = {
        "genes": {"entities": [scored]},
        "embedding": {"perturbations": [text.replace("ko:", "crispri:")]},
        "scaler": {"data_digest": split.data_digest},
        "graph": {},
        "clean": {"perturbations": ["ko:OTHER"], "contexts": list(set(cells.contexts))},
    }
    report = check_split(cells, split, parts_provenance=saw)
    assert {found.sentence.split()[0] for found in report.leaks} == {"genes", "embedding", "scaler"}
    assert any(found.where == "graph" for found in report.findings if found.severity == "note")
    context = ask.unseen_context(cells)
    named = check_split(cells, context, parts_provenance={"clean": saw["clean"]})
    assert kinds(named) == {"part"}


def test_known_leaks_of_a_dataset_and_unused_groups_are_notes(cells):
    noted = cells.replace(provenance={"dataset": "tahoe", "notes": ["Known leak: the genes were chosen on all lines."]})
    report = check_split(noted, ask.unseen_both(noted, folds=2))
    assert kinds(report, "note") >= {"known-leak", "unused"}
    assert report.leaks == ()
    assert json.loads(json.dumps(report.to_json()))["findings"][0]["where"] == "tahoe"


def test_rows_that_hold_little_are_not_called_copies():
    entities = pd.DataFrame({"perturbation": ["control"] * 4 + ["ko:A"] * 4 + ["ko:B"] * 4})
    entities.index = pd.Index([f"c{i}" for i in range(12)], dtype=object)
    same = Measurement(np.ones((12, 10)), np.array([f"g{i}" for i in range(10)]), entities, "counts")
    report = check_split(same, one_fold("perturbation", "ko:A"))
    assert report.leaks == ()
    assert kinds(report, "note") >= {"duplicate-cells"}
