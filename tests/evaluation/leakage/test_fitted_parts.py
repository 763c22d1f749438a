"""What fitted cells carry of their training gives every leak away, and honestly fitted ones pass."""

import dataclasses

import numpy as np
import pytest

from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.provenance import Provenance
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.splits import folds as ask
from aivc.data.splits.fingerprints import keep_features, provenance_of
from aivc.data.splits.split import CONTROL_SCORE, CONTROL_TRAIN, REPLICATE, SCORE, TRAIN, Fold, Split
from aivc.data.streaming.normalize import normalize
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.leakage.leaks import check_split
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.predict import predict

QUICK = Recipe(dim=4, members=0, inner_folds=0)
TESTED = ("ko:G0001", "ko:G0002")


@pytest.fixture(scope="module")
def screen() -> Measurement:
    return synthetic_screen(perturbations=6, features=60, cells=12, controls=24, contexts=3, donors=3)[0]


@pytest.fixture(scope="module")
def split(screen) -> Split:
    held = {"perturbation": TESTED}
    return Split("unseen-perturbation", 0, (Fold(held, held),))


def taught(screen: Measurement, rows: np.ndarray, **settings) -> VirtualCell:
    return fit(screen.take(rows), "mean-effect", recipe=QUICK, **settings)


def with_roles(screen: Measurement, split: Split, *roles: str, fold: int = 0) -> np.ndarray:
    return np.isin(split.roles(screen, fold).astype(str), roles)


def kinds(report, severity: str = "leak") -> set[str]:
    return {found.kind for found in report.findings if found.severity == severity}


def answer(report, severity: str = "leak") -> str:
    return "\n".join(found.sentence for found in report.findings if found.severity == severity)


def test_leak_1_a_few_shot_list_with_every_tested_perturbation_in_training(screen, split):
    # Other cells of the tested perturbations than those scored: no cell is shared, and yet nothing is unseen.
    halves = with_roles(screen, split, SCORE)
    question = screen.take(halves | with_roles(screen, split, TRAIN, CONTROL_TRAIN, CONTROL_SCORE))
    cell = taught(screen, with_roles(screen, split, TRAIN, CONTROL_TRAIN, REPLICATE))
    report = check_split(question, split, cells={"few-shot": cell})
    assert kinds(report) == {"part"}
    assert "ko:G0001, ko:G0002 are tested, and few-shot" in answer(report)
    assert "tested entities" not in answer(report)


def test_leak_2_zero_shot_with_controls_of_the_held_out_line_on_every_side(screen):
    split = ask.unseen_context(screen)
    line = split.folds[0].test["context"][0]
    rows = with_roles(screen, split, TRAIN, CONTROL_TRAIN) | (
        (screen.contexts == line) & (screen.perturbations == CONTROL)
    )
    only = Split(split.kind, split.seed, split.folds[:1])
    report = check_split(screen, only, cells={"zero-shot": taught(screen, rows)})
    assert kinds(report) >= {"part"}
    assert "controls that are kept for scoring" in answer(report)
    assert "perturbed entities of tested context" not in answer(report)
    cells = taught(screen, rows | with_roles(screen, split, SCORE))
    assert f"perturbed entities of tested context {line}" in answer(check_split(screen, only, cells={"cells": cells}))


def test_leak_3_a_prediction_that_is_the_reconstruction_of_the_tested_cells(screen, split):
    honest = fit(screen, "mean-effect", recipe=QUICK, split=split)
    tested = screen.take(with_roles(screen, split, SCORE) & (screen.contexts == "line1"))
    starts = {"line1": honest.encode(tested)}
    cell = VirtualCell(honest.encoders, honest.instruments, honest.card, starts, honest.provenance)
    assert kinds(check_split(screen, split, cells={"rebuilt": cell})) == {"reconstruction"}
    # Under the label of a control it is found by the names of the cells.
    hidden = dataclasses.replace(starts["line1"], entities=starts["line1"].entities.assign(perturbation=CONTROL))
    cell = VirtualCell(honest.encoders, honest.instruments, honest.card, {"line1": hidden.sample(9)})
    assert "reconstruction" in kinds(check_split(screen, split, cells={"rebuilt": cell}))
    # And a population that was predicted so holds copies.
    copied = tested.replace(entities=tested.entities.set_axis([f"drawn{i}" for i in range(len(tested))], axis=0))
    assert kinds(check_split(screen, split, others={"predicted": copied})) == {"duplicate-cells"}
    said = predict(honest, honest.start("line1"), Perturbation.parse(TESTED[0]), cells=8, allow_unknown=True)
    assert check_split(screen, split, others={"predicted": said.population(8, seed=0)}).leaks == ()


def test_leak_4_variable_genes_chosen_before_the_split(screen, split):
    names = screen.features[np.argsort(-screen.dense().var(axis=0))[:40]]
    train = with_roles(screen, split, TRAIN, CONTROL_TRAIN)
    early, late = (keep_features(screen, names, on=on) for on in (screen, screen.take(train)))
    report = check_split(screen, split, cells={"few genes": fit(early, "mean-effect", recipe=QUICK, split=split)})
    assert {found.sentence.split(" was")[0] for found in report.leaks} == {"few genes (features)"}
    assert "all of these data" in answer(report)
    cell = fit(late, "mean-effect", recipe=QUICK, split=split)
    assert check_split(screen, split, cells={"few genes": cell}).leaks == ()
    assert "features_chosen_on" not in cell.card["data"]


def test_leak_5_controls_shared_by_training_and_scoring(screen, split):
    control = screen.perturbations == CONTROL
    cell = taught(screen, with_roles(screen, split, TRAIN) | control)
    report = check_split(screen, split, cells={"shared": cell})
    assert kinds(report) == {"part", "shared-controls"}
    assert "36 controls that are kept for scoring" in answer(report)


@pytest.mark.parametrize(
    "make",
    [
        lambda c: ask.unseen_perturbation(c, folds=2),
        ask.unseen_context,
        pytest.param(ask.unseen_donor, marks=pytest.mark.slow),
        pytest.param(lambda c: ask.unseen_both(c, folds=2), marks=pytest.mark.slow),
        pytest.param(lambda c: ask.unseen_pair(c, folds=2), marks=pytest.mark.slow),
    ],
)
def test_cells_fitted_for_a_fold_pass_in_it_and_there_only(screen, make, tmp_path):
    split = make(screen)
    for fold in range(2):
        fit(screen, "mean-effect", recipe=QUICK, split=split, fold=fold).save(tmp_path / str(fold))
    cells = {str(fold): VirtualCell.load(tmp_path / str(fold)) for fold in range(2)}
    report = check_split(screen, split, cells=cells)
    assert report.leaks == ()
    assert "fitted for fold 1 of this split and is checked there only" in answer(report, "note")
    # The same cell under a manifest that it was not fitted for has to pass everywhere.
    again = Split(split.kind, split.seed, split.folds, notes={"copied": True}, data_digest=split.data_digest)
    assert check_split(screen, again, cells=cells).leaks


def test_other_units_leave_the_labels(screen, split):
    logged = normalize(screen, "log1p_cp1000")
    train = with_roles(screen, split, TRAIN, CONTROL_TRAIN)
    passed = check_split(screen, split, cells={"logged": provenance_of(logged, train)})
    assert passed.leaks == ()
    assert "only labels were compared" in answer(passed, "note")
    leaky = provenance_of(logged, train | with_roles(screen, split, SCORE))
    assert "ko:G0001, ko:G0002 are tested" in answer(check_split(screen, split, cells={"logged": leaky}))
    whole = check_split(screen, split, cells={"logged": provenance_of(logged)})
    assert "all of these data" in answer(whole)


def test_fewer_features_than_these_data_are_compared_over_those(screen, split):
    few = screen.select(screen.features[5:55])
    leaky = provenance_of(few, with_roles(screen, split, TRAIN, SCORE))
    scored = with_roles(screen, split, SCORE).sum()
    assert f"made from {scored} tested entities" in answer(check_split(screen, split, cells={"few": leaky}))
    assert "only labels were compared" in answer(check_split(few, split, cells={"wide": provenance_of(screen)}), "note")


def test_a_relative_of_what_is_tested_is_the_same_question(screen, split):
    def saw(*pairs: tuple[str, str]) -> Provenance:
        return Provenance("another screen", pairs=pairs, expression=True)

    for text in ("crispri:G0001", "ko:G0001 for 48h", "ko:G0001/up", "ko:G0001 + ko:OTHER"):
        report = check_split(screen, split, cells={"model": saw(("Line-1", text))})
        assert kinds(report) == {"part"}, text
    assert check_split(screen, split, cells={"model": saw(("line1", "ko:OTHER"))}).leaks == ()
    other_contexts = check_split(screen, split, cells={"model": saw(("k562", "ko:G0001"))})
    assert other_contexts.leaks == ()
    assert "in other contexts of other data" in answer(other_contexts, "note")


def test_donors_of_the_same_name_in_another_dataset_are_a_note(screen):
    split = ask.unseen_donor(screen)
    donor = split.folds[0].test["donor"][0]
    named = screen.replace(provenance={"dataset": "kang2018"})
    same, other = (
        check_split(named, split, cells={"m": Provenance(source, donors=(donor,), expression=True)})
        for source in ("kang2018", "papalexi2021")
    )
    assert f"perturbed entities of tested donor {donor}" in answer(same)
    assert other.leaks == ()
    assert f"donor {donor} of papalexi2021: the same name" in answer(other, "note")


def test_priors_say_what_they_are_made_of(screen, split):
    names = ["G0001", "G0003"]
    space = Space("embedding", Scale.MOLECULAR, 2, "0")
    train = with_roles(screen, split, TRAIN, CONTROL_TRAIN)
    plain = UR(np.eye(2), space, screen.entities.iloc[:2][[]].set_axis(names, axis=0))
    silent = check_split(screen, split, cells={"cell": taught(screen, train, parts=plain)})
    assert silent.leaks == ()
    assert "Unknown provenance: cell (priors)" in answer(silent, "note")
    entities = plain.entities.assign(perturbation=["ko:G0001", "ko:G0003"], context="line1")
    states = UR(np.eye(2), space, entities)
    assert "cell (priors)" in answer(check_split(screen, split, cells={"cell": taught(screen, train, parts=states)}))
    known = taught(screen, train, parts=plain, made_from=provenance_of(screen.take(train)))
    report = check_split(screen, split, cells={"cell": known})
    assert report.leaks == ()
    assert "Unknown" not in answer(report, "note")


def test_cells_of_earlier_versions_are_unknown_but_not_trusted(screen, split):
    cell = fit(screen, "mean-effect", recipe=QUICK, split=split)
    old = VirtualCell(cell.encoders, cell.instruments, cell.card, cell.starts)
    report = check_split(screen, split, cells={"old": old})
    assert report.leaks == ()
    assert "Unknown provenance: encoder-cellular, linear-expression, mean-effect of old" in answer(report, "note")
    card = {**cell.card, "perturbations": [*cell.card["perturbations"], "ko:G0001"]}
    older = VirtualCell(cell.encoders, cell.instruments, card, cell.starts)
    assert "ko:G0001 is tested" in answer(check_split(screen, split, cells={"old": older}))


def test_higher_doses_and_pairs_are_asked_about_as_they_stand():
    cells, _ = synthetic_screen(perturbations=4, features=60, cells=12, controls=24, doses=(1.0, 10.0))
    split = ask.extrapolate(cells, along="dose", above=2.0)
    cell = fit(cells, "mean-effect", recipe=QUICK, split=split)
    assert check_split(cells, split, cells={"low": cell}).leaks == ()
    assert check_split(cells, split, cells={"all": fit(cells, "mean-effect", recipe=QUICK)}).leaks
