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
from aivc.instruments.manipulators.populations.flow_v1 import FlowV1
from aivc.instruments.manipulators.populations.frame import energy_score, folds_of, frame, groups_of
from aivc.testing import check_manipulator

DIM, COUNT, CELLS, CONTROLS = 4, 12, 60, 100
SPACE = Space("flow-test", Scale.CELLULAR, DIM, "flow-test")
QUICK = {"steps": 20}


def screen(*, responders=0.5, cells=CELLS, seed=0, contexts=("A",), batches=1):
    """Cells of which a share moves by four standard deviations in a direction of each perturbation's own."""
    rng = np.random.default_rng(seed)
    way_pd = rng.normal(size=(COUNT, DIM))
    way_pd *= 4 / np.linalg.norm(way_pd, axis=1)[:, None]
    values, rows = [], []
    for c, context in enumerate(contexts):
        for text, way_d, count in [(CONTROL, np.zeros(DIM), CONTROLS)] + [
            (f"ko:G{i:02}", way_pd[i], cells) for i in range(COUNT)
        ]:
            moved = rng.random(count) < responders
            batch = rng.integers(batches, size=count)
            noise = rng.normal(size=(count, DIM)) + 10 * c + 5 * batch[:, None]
            # Whatever responds, its mean moves alike, so that only the shape tells one screen from the other.
            values.append(noise + moved[:, None] * way_d / (2 * responders))
            rows += [{"perturbation": text, "context": context, "batch": f"b{b}"} for b in batch]
    entities = pd.DataFrame(rows, index=[f"c{i}" for i in range(len(rows))])
    return UR(np.concatenate(values), SPACE, entities)


@pytest.fixture(scope="module")
def half():
    ur = screen()
    return ur, FlowV1.fit(ur, **QUICK)


def controls(ur):
    return ur.take(np.flatnonzero(ur.perturbations == CONTROL))


ASKED = Perturbation.parse("ko:G03")


def test_half_of_the_cells_respond_and_that_is_found(half):
    ur, flow = half
    assert flow.verdict["kept"] == "full"
    assert all(each["gain"] > 3 * each["error"] for each in flow.verdict["gains"].values())
    plain = FlowV1.fit(ur, steps=0)
    start, fresh = controls(ur), screen(cells=400)
    seen = fresh.take(np.flatnonzero(fresh.perturbations == str(ASKED))).values
    ours, shifted = (energy_score(each.manipulate(start, ASKED).draws[0].values, seen) for each in (flow, plain))
    best = energy_score(seen[::2], seen[1::2])
    assert ours - best < 0.5 * (shifted - best)
    assert flow.responders(start, ASKED) == pytest.approx(0.5, abs=0.08)
    assert abs(plain.responders(start, ASKED) - 0.5) > abs(flow.responders(start, ASKED) - 0.5)
    assert flow.responders(start, Perturbation.control()) == 0


def test_where_all_respond_alike_the_shift_is_left_as_it_is():
    flow = FlowV1.fit(screen(responders=1.0), steps=8)
    assert flow.verdict["kept"] == "shift"
    assert flow.verdict["because"] == "no gain above its standard error"
    assert flow.weights == {}


def test_the_anchor_says_the_mean_and_its_variance(half):
    ur, flow = half
    anchor = MANIPULATORS.load("effect.v2").fit(ur)
    for start in (controls(ur), controls(ur).take(np.array([5]))):
        for text in ("ko:G03", "ko:NEW", "ko:G01 + ko:G02"):
            ours, theirs = (each.manipulate(start, Perturbation.parse(text)) for each in (flow, anchor))
            np.testing.assert_allclose(ours.profiles, theirs.profiles, atol=1e-9)
            assert ours.applicability == theirs.applicability
    shapes = [
        draw.values - plain.values
        for draw, plain in zip(
            flow.manipulate(controls(ur), Perturbation.parse("ko:NEW")).draws,
            anchor.manipulate(controls(ur), Perturbation.parse("ko:NEW")).draws,
            strict=True,
        )
    ]
    np.testing.assert_allclose(shapes[0], shapes[-1], atol=1e-9)


def test_a_mean_is_explained_by_the_anchor(half):
    ur, flow = half
    said = flow.manipulate(controls(ur), ASKED)
    pieces = flow.center.attribute(ASKED, "A")
    np.testing.assert_allclose(sum(piece.shift for piece in pieces), said.mean - controls(ur).mean, atol=1e-9)


def test_without_descent_it_is_its_anchor(half):
    ur, _ = half
    states = ur.take(np.arange(len(ur)))
    plain = FlowV1.fit(dataclasses.replace(states, mass=np.full(len(ur), 7.0)), steps=0, anchor="mean-effect")
    theirs = MANIPULATORS.load("mean-effect").fit(ur)
    ours, other = (each.manipulate(controls(ur), ASKED) for each in (plain, theirs))
    np.testing.assert_allclose(ours.draws[0].values, other.draws[0].values)
    assert ours.made_by == ("flow.v1", "mean-effect")


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_manipulator_when_the_flow_is_used(half):
    assert half[1].weights
    check_manipulator(FlowV1, half[0], steps=3)


def test_the_seed_decides(half):
    ur, _ = half
    one, other = (FlowV1.fit(ur, seed=seed, steps=2) for seed in (0, 1))
    assert one.weights
    assert one.state().digest() != other.state().digest()


def test_each_context_is_centred_by_itself():
    ur = screen(contexts=("A", "B"), batches=2, cells=30)
    flow = FlowV1.fit(ur, steps=15)
    assert flow.weights
    start = controls(ur)
    said = flow.manipulate(start, ASKED).draws[0].values
    plain = flow.anchor.manipulate(start, ASKED).draws[0].values
    for context in ("A", "B"):
        rows = start.contexts == context
        np.testing.assert_allclose(said[rows].mean(axis=0), plain[rows].mean(axis=0), atol=1e-9)
    assert np.abs(said - plain).max() > 0.5
    assert flow.responders(start, ASKED) == pytest.approx(0.5, abs=0.15)


def test_cells_are_set_beside_controls_of_their_own_batch():
    ur = screen(batches=2)
    groups = groups_of(ur, frame(ur, None, ["ko:G00"]))
    assert len(groups) == 2 * COUNT
    assert max(float(group.controls.mean(dim=0).abs().max()) for group in groups) < 1e-5
    # The batches lie five apart; measured from their own controls, their cells do not.
    assert max(float(group.cells.mean(dim=0).abs().max()) for group in groups) < 4
    alone = ur.take(~((ur.perturbations == CONTROL) & (ur.entities["batch"].to_numpy() == "b1")))
    assert len(groups_of(alone, frame(alone, None, ["ko:G00"]))) == COUNT


def test_a_family_is_left_out_together():
    texts = ["ko:A", "crispri:A", "ko:A + ko:B", "ko:B", "ko:C", "ko:D"]
    folds = folds_of(texts, 3, 0)
    assert folds["ko:A"] == folds["crispri:A"]
    assert set(folds.values()) == {0, 1, 2}


def test_the_energy_score_is_best_for_the_truth():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(400, 2))
    wide, true, far = (energy_score(at + by * rng.normal(size=(400, 2)), seen) for at, by in ((0, 2), (0, 1), (1, 1)))
    assert true < min(wide, far) - 0.05


def test_too_few_to_judge_on_is_said():
    ur = screen(cells=4)
    assert FlowV1.fit(ur).verdict["because"] == "12 targets of 48 cells are too few to judge on"


def test_what_it_cannot_use_is_refused(half):
    ur, flow = half
    means = dataclasses.replace(ur, mass=np.full(len(ur), 40.0))
    with pytest.raises(DataError, match=r"up to 40 cells each. Pass the states of single cells as cells=, or choose"):
        FlowV1.fit(means)
    with pytest.raises(SpaceError, match="flow-test"):
        FlowV1.fit(ur, cells=dataclasses.replace(ur, space=Space("other", Scale.CELLULAR, DIM, "other")))
    with pytest.raises(DataError, match="takes 20 control states, got 3"):
        flow.responders(controls(ur).take(np.arange(3)), ASKED)
    state = flow.state()
    kept = {name: array for name, array in state.arrays.items() if name != "weights.rest.out.weight"}
    with pytest.raises(IntegrityError, match="belong to another model"):
        FlowV1.from_state(State(state.settings, kept))


def test_a_population_without_controls_is_refused():
    ur = screen(cells=4)
    with pytest.raises(ControlError, match="Add control cells"):
        FlowV1.fit(ur.take(np.flatnonzero(ur.perturbations != CONTROL)))
