"""Patients are carried back by the interventions that their disease was made from, and by no others."""

import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.data.synthetic import synthetic_screen
from aivc.data.synthetic_disease import synthetic_disease
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.patients import PatientSides
from aivc.experiments.phenotypic_screen import phenotypic_screen

SIDES = PatientSides("sick", "healthy")


@pytest.fixture(scope="module")
def world():
    screen, truth = synthetic_screen(perturbations=16, features=80, cells=40, controls=120, seed=0)
    return screen, truth, fit(screen, "additive", recipe=Recipe(dim=12, members=2, inner_folds=0))


def asked(world, people, texts=("ko:G0002", "ko:G0010", "ko:G0011", "ko:G0014"), **how):
    return phenotypic_screen(world[2], people, texts, SIDES, **how)


def test_ranks_what_undoes_the_disease_first(world):
    screen, truth, _ = world
    people, known = synthetic_disease(screen, truth, reversing=("ko:G0011",), patients=5, cells=25, paired=True)
    found = asked(world, people)
    best = found.table.iloc[0]
    assert best["perturbation"] == "ko:G0011" == max(known.toward, key=known.toward.get)
    assert best["found"]
    assert best["low"] < best["toward"] < best["high"]
    assert best["moved"] == best["patients"] == 5
    assert best["p_sign"] == pytest.approx(1 / 32)
    assert 1 / 32 <= best["p_labels"] <= 2 / 32
    assert best["toward_states"] > 0.5
    assert best["reversed"] > 0.5
    assert not found.table["found"].iloc[1:].any()
    # The strongest effect is another's: size alone would have chosen that.
    assert best["size_rank"] > 1
    assert "1 of 4 stand" in found.sureness
    assert found.to_json()["rows"][0]["perturbation"] == "ko:G0011"


def test_labels_without_a_meaning_let_nothing_stand(world):
    screen, truth, _ = world
    people, _ = synthetic_disease(screen, truth, strength=0.0, patients=3, cells=20)
    found = asked(world, people)
    assert not found.table["found"].any()
    assert any("shared by different patients" in remark for remark in found.remarks)


def test_a_second_cell_type_is_reported_apart_or_said_to_have_too_few_patients(world):
    screen, truth, _ = world
    people, _ = synthetic_disease(screen, truth, patients=3, cells=30)
    row = np.arange(len(people)) % 30
    two = people.replace(entities=people.entities.assign(context=np.where(row < 15, "A", "B")))
    found = asked(world, two, ["ko:G0001", "ko:G0002"])
    assert found.table.groupby("cell_type").size().to_dict() == {"A": 2, "B": 2}
    few = people.entities["donor"].isin(["patient01", "patient02"]).to_numpy() & (row < 15)
    two = people.replace(entities=people.entities.assign(context=np.where(few, "A", "B")))
    found = asked(world, two, ["ko:G0001"])
    assert set(found.table["cell_type"]) == {"B"}
    assert "A: 2 sick and 0 healthy patients: too few to ask about." in found.remarks


def test_three_patients_given_on_both_sides_cannot_stand_and_it_is_said(world):
    screen, truth, _ = world
    people, _ = synthetic_disease(screen, truth, reversing=("ko:G0011",), patients=3, cells=25, paired=True)
    found = asked(world, people, ["ko:G0011", "ko:G0002"])
    assert found.table["perturbation"].iloc[0] == "ko:G0011"
    assert not found.table["found"].any()
    assert any("8 arrangements" in remark for remark in found.remarks)


def test_cells_unlike_those_of_the_fit_are_said_to_be_outside(world):
    screen, truth, _ = world
    people, _ = synthetic_disease(screen, truth, patients=3, cells=15)
    shuffled = people.replace(values=np.asarray(people.values)[:, ::-1].copy())
    for cells, outside in ((people, False), (shuffled, True)):
        found = asked(world, cells, ["ko:G0001"])
        assert any("outside of what the" in remark for remark in found.remarks) == outside
        assert (found.patients["beyond"] > 0.5).all() == outside


def test_refuses_what_cannot_be_answered(world):
    screen, truth, _ = world
    people, _ = synthetic_disease(screen, truth, patients=2, cells=15)
    with pytest.raises(DataError, match="at least 3 are needed on each side"):
        asked(world, people)
    people, _ = synthetic_disease(screen, truth, patients=3, cells=15)
    with pytest.raises(UnknownNameError, match="needs every feature of its fit"):
        asked(world, people.select(people.features[1:]))
    with pytest.raises(UnknownNameError, match="ZZZ"):
        asked(world, people, ["ko:ZZZ"])
    with pytest.raises(ValueError, match="level"):
        asked(world, people, level=1.0)
