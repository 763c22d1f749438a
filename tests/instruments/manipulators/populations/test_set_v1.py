import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import ControlError, DataError, IntegrityError, SpaceError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.registry import MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.instruments.manipulators.populations import set_v1
from aivc.instruments.manipulators.populations.frame import energy_score, frame, groups_of
from aivc.instruments.manipulators.populations.set_training import Sets, shifted_sets
from aivc.instruments.manipulators.populations.set_v1 import SetV1
from aivc.testing import check_manipulator

DIM, COUNT, CELLS, CONTROLS = 4, 12, 60, 120
SPACE = Space("set-test", Scale.CELLULAR, DIM, "set-test")
ASKED = Perturbation.parse("ko:G03")


def screen(*, some=True, cells=CELLS, controls=CONTROLS, seed=0, contexts=("A",), batches=1):
    """Two kinds of cells, separated by the first axis, of which one moves by four and one stays; or all move by two."""
    rng = np.random.default_rng(seed)
    way_pd = np.random.default_rng(7).normal(size=(COUNT, DIM))
    way_pd[:, 0] = 0
    way_pd *= 2 / np.linalg.norm(way_pd, axis=1)[:, None]
    values, rows = [], []
    for c, context in enumerate(contexts):
        for text, way_d, count in [(CONTROL, np.zeros(DIM), controls)] + [
            (f"ko:G{i:02}", way_pd[i], cells) for i in range(COUNT)
        ]:
            batch = rng.integers(batches, size=count)
            noise = rng.normal(size=(count, DIM))
            noise[:, 0] = 0.5 * noise[:, 0] + rng.choice([-2, 2], size=count)
            moved = 2.0 * (noise[:, :1] > 0) if some else np.ones((count, 1))
            values.append(noise + moved * way_d + 10 * c + 5 * batch[:, None])
            rows += [{"perturbation": text, "context": context, "batch": f"b{b}"} for b in batch]
    entities = pd.DataFrame(rows, index=[f"c{i}" for i in range(len(rows))])
    return UR(np.concatenate(values), SPACE, entities)


@pytest.fixture(scope="module")
def learned():
    ur = screen()
    return ur, SetV1.fit(ur, steps=30)


@pytest.fixture
def always(monkeypatch):
    """Keep whatever was trained, however briefly."""
    monkeypatch.setattr(set_v1, "_SURE", -np.inf)


def controls(ur):
    return ur.take(np.flatnonzero(ur.perturbations == CONTROL))


def test_which_cells_respond_is_learned_and_kept(learned):
    ur, sets = learned
    assert sets.verdict["kept"] == "sets"
    assert sets.verdict["gain"] > 2 * sets.verdict["error"]
    start, fresh = controls(ur), screen(cells=400, seed=1)
    seen_nd = fresh.take(np.flatnonzero(fresh.perturbations == str(ASKED))).values
    plain = SetV1.fit(ur, steps=0)
    said, shifted = (each.manipulate(start, ASKED).draws[0].values for each in (sets, plain))
    best = energy_score(seen_nd[::2], seen_nd[1::2])
    assert energy_score(said, seen_nd) - best < 0.6 * (energy_score(shifted, seen_nd) - best)
    size_n = np.linalg.norm((said - start.values)[:, 1:], axis=1)
    high = start.values[:, 0] > 0
    assert size_n[high].mean() > 2 * size_n[~high].mean()


def test_where_all_move_alike_the_shift_is_left_as_it_is():
    sets = SetV1.fit(screen(some=False), steps=6)
    assert sets.verdict["kept"] == "shift"
    assert sets.verdict["because"] == "no gain above two standard errors"
    assert sets.verdict["perturbations"] == COUNT
    assert sets.weights == {}


def test_untrained_it_is_the_shift_of_its_anchor(learned):
    ur, sets = learned
    plain, theirs = SetV1.fit(ur, steps=0), MANIPULATORS.load("effect.v2").fit(ur)
    still = {name: np.zeros_like(each) if name.startswith("out.") else each for name, each in sets.weights.items()}
    for each in (plain, dataclasses.replace(sets, weights=still)):
        for text in ("ko:G03", "ko:NEW"):
            ours, other = (one.manipulate(controls(ur), Perturbation.parse(text)) for one in (each, theirs))
            assert ours.applicability == other.applicability
            for draw, its in zip(ours.draws, other.draws, strict=True):
                np.testing.assert_array_equal(draw.values, its.values)
    assert plain.center is plain.anchor
    assert sets.center is None
    assert plain.manipulate(controls(ur), ASKED).made_by == ("set.v1", "effect.v2")


def test_the_order_of_cells_tells_nothing_and_equal_cells_stay_equal(learned):
    ur, sets = learned
    start = controls(ur).take(np.r_[np.arange(100), np.arange(100)])
    order = np.random.default_rng(0).permutation(len(start))
    said = sets.manipulate(start, ASKED).draws[0].values
    np.testing.assert_allclose(sets.manipulate(start.take(order), ASKED).draws[0].values, said[order], atol=1e-9)
    np.testing.assert_allclose(said[:100], said[100:], atol=1e-9)


def test_cells_look_at_each_other(learned):
    ur, sets = learned
    start = controls(ur).take(np.arange(40))
    other = dataclasses.replace(start, values=np.r_[start.values[:20], start.values[20:] + 2])
    said, changed = (sets.manipulate(each, ASKED).draws[0].values[:20] for each in (start, other))
    assert np.abs(said - changed).max() > 1e-3


@pytest.mark.slow
@pytest.mark.usefixtures("always")
def test_it_keeps_the_promises_of_a_manipulator_when_sets_are_used(learned):
    check_manipulator(SetV1, learned[0], steps=2)


@pytest.mark.usefixtures("always")
def test_single_cells_are_learned_from_beside_mean_states(learned):
    ur, _ = learned
    means = dataclasses.replace(ur, mass=np.full(len(ur), 7.0))
    names = pd.DataFrame(index=[f"G{i:02}" for i in range(COUNT)])
    space = Space("parts", Scale.MOLECULAR, 9, "parts")
    parts = UR(np.random.default_rng(0).normal(size=(COUNT, 9)), space, names)
    ours, theirs = (
        SetV1.fit(means, cells=ur, parts=parts, anchor="mean-effect", steps=2),
        SetV1.fit(ur, parts=parts, anchor="mean-effect", steps=2),
    )
    assert ours.weights["part.weight"].shape[1] == 8
    assert all((ours.weights[name] == each).all() for name, each in theirs.weights.items())


@pytest.mark.usefixtures("always")
def test_the_seed_decides(learned):
    ur, _ = learned
    one, again, other = (SetV1.fit(ur, seed=seed, steps=2).state().digest() for seed in (0, 0, 1))
    assert one == again != other


def test_batches_and_contexts_are_distinguished():
    ur = screen(contexts=("A", "B"), batches=2, controls=160)
    scale = frame(ur, None, sorted(set(map(str, ur.perturbations)) - {CONTROL}))
    given = shifted_sets(groups_of(ur, scale), ur, scale)
    still = [i for i, group in enumerate(given.groups) if group.text == CONTROL]
    assert len(still) == 4
    assert not given.shift[still].any()
    batch = Sets(given, 0)(3, 0, 1)
    assert batch["y"].shape == batch["seen"].shape
    # Measured from the controls of their batch, none lies where its batch or context does.
    assert float(batch["y"].mean((0, 1)).abs().max()) < 1
    assert all((Sets(given, 0)(3, 0, 1)[name] == each).all() for name, each in batch.items())


def test_too_few_to_judge_on_is_said():
    assert SetV1.fit(screen(cells=4)).verdict["because"] == "12 perturbations of 48 cells are too few to judge on"


def test_what_it_cannot_use_is_refused(learned):
    ur, sets = learned
    means = dataclasses.replace(ur, mass=np.full(len(ur), 40.0))
    with pytest.raises(DataError, match=r"up to 40 cells each. Pass the states of single cells as cells=, or choose"):
        SetV1.fit(means)
    with pytest.raises(SpaceError, match="set-test"):
        SetV1.fit(ur, cells=dataclasses.replace(ur, space=Space("other", Scale.CELLULAR, DIM, "other")))
    with pytest.raises(SpaceError, match="set-test"):
        sets.manipulate(dataclasses.replace(ur, space=Space("other", Scale.CELLULAR, DIM, "other")), ASKED)
    state = sets.state()
    kept = {name: array for name, array in state.arrays.items() if name != "weights.out.weight"}
    with pytest.raises(IntegrityError, match="belong to another model"):
        SetV1.from_state(State(state.settings, kept))


def test_saved_and_loaded_it_says_the_same(learned, tmp_path):
    ur, sets = learned
    sets.state().save(tmp_path / "sets")
    again = SetV1.from_state(State.load(tmp_path / "sets"))
    assert again.verdict == sets.verdict
    ours, theirs = (each.manipulate(controls(ur), ASKED).draws[0].values for each in (sets, again))
    np.testing.assert_array_equal(ours, theirs)


def test_a_population_without_controls_is_refused():
    ur = screen(cells=4)
    with pytest.raises(ControlError, match="Add control cells"):
        SetV1.fit(ur.take(np.flatnonzero(ur.perturbations != CONTROL)))
