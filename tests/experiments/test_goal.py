"""A goal is laid over features, and asks for no nonsense."""

import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.goal import goal_of, labelled


@pytest.fixture(scope="module")
def world():
    cells, _ = synthetic_screen(perturbations=4, features=12, cells=20, controls=40, seed=1)
    cell = fit(cells, "transfer", recipe=Recipe(dim=4, members=0, inner_folds=0))
    return cells, cell.decode(cell.start())


def test_scores_are_reach_minus_what_else_moves(world):
    _, control = world
    goal = goal_of({"G0001": 2.0, "G0002": 0.0}, control, keep=["G0003"], penalty=0.5)
    effect_f = np.zeros(12)
    assert goal.score(effect_f) == 0
    effect_f[[0, 2]] = 1.0, 2.0
    assert goal.closes(effect_f[goal.places]) == pytest.approx(0.75)
    assert goal.side(effect_f) == pytest.approx(1.0)
    assert goal.score(effect_f) == pytest.approx(0.25)
    weighed = goal.weighed(effect_f)
    assert 2 * goal.aimed @ weighed - weighed @ weighed == pytest.approx(goal.score(effect_f))


def test_the_rest_is_all_that_the_goal_does_not_name(world):
    goal = goal_of({"G0001": 1.0}, world[1], keep=["rest"])
    assert goal.kept.tolist() == list(range(1, 12))


def test_refuses_what_contradicts_itself(world):
    with pytest.raises(DataError, match="both to change and to stay"):
        goal_of({"G0001": 1.0}, world[1], keep=["G0001"])
    with pytest.raises(UnknownNameError, match="TP53"):
        goal_of({"G0001": 1.0}, world[1], keep=["TP53"])
    with pytest.raises(DataError, match="from 0 on"):
        goal_of({"G0001": 1.0}, world[1], penalty=-1.0)


def test_cells_of_a_label_beside_controls_without_it(world):
    cells, _ = world
    state = np.where(cells.perturbations.astype(str) == "ko:G0002", "sick", "well")
    named = cells.replace(entities=cells.entities.assign(state=state))
    found = labelled(named, "state", "sick")
    assert set(found.perturbations.astype(str)) == {"ko:G0002", CONTROL}
    # Controls are well themselves: they are part of that goal, and nothing to compare it with.
    assert len(labelled(named, "state", "well")) == int((state == "well").sum())
    with pytest.raises(DataError, match="sick, well"):
        labelled(named, "state", "dead")
    with pytest.raises(DataError, match="no column"):
        labelled(named, "mood", "sick")
