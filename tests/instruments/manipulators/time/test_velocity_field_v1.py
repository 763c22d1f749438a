import numpy as np
import pytest

from aivc.core.errors import IntegrityError
from aivc.core.state import State
from aivc.instruments.manipulators.time.velocity_field_v1 import VelocityFieldV1
from tiny_development import DAY, after, arc, at, cells_at


@pytest.fixture(scope="module")
def fitted():
    return VelocityFieldV1.fit(arc((0, 1, 2)), steps=120)


def test_cells_go_round_with_the_field(fitted):
    cells = arc((0, 1, 2))
    found = fitted.manipulate(at(cells, 0.0), after(36)).draws[0].values
    angle = np.arctan2(found[:, 1], found[:, 0])
    assert angle.mean() == pytest.approx(1.5 * np.pi / 4, abs=0.15)
    assert np.linalg.norm(found, axis=1).mean() == pytest.approx(10.0, abs=0.7)


def test_two_steps_are_one(fitted):
    start = at(arc((0, 1, 2)), 0.0)
    once = fitted.manipulate(start, after(48)).draws[0].values
    there = fitted.manipulate(start, after(12)).draws[0]
    np.testing.assert_allclose(fitted.manipulate(there, after(36)).draws[0].values, once, atol=1e-6)


@pytest.mark.slow
def test_it_is_told_the_context_and_what_was_done():
    rng = np.random.default_rng(0)
    done = np.repeat(["control", "control", "ko:G for 24h"], 40).astype(object)
    values = np.repeat([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]], 40, axis=0) + rng.normal(0, 0.3, (120, 2))
    ur = cells_at(values, np.repeat([0.0, 24.0, 24.0], 40))
    ur.entities["perturbation"] = done
    fitted = VelocityFieldV1.fit(ur, steps=200)
    start = at(ur, 0.0)
    knocked, none = (fitted.manipulate(start, after(24, text)).draws[0].values.mean(0) for text in ("ko:G", ""))
    assert knocked[1] - knocked[0] > 2.0
    assert none[0] - none[1] > 2.0


@pytest.mark.slow
def test_growth_is_learned_with_the_velocity():
    rng = np.random.default_rng(0)
    start = np.concatenate([rng.normal(0, 0.3, (40, 2)), rng.normal([0, 10], 0.3, (40, 2))])
    end = np.concatenate([rng.normal([4, 0], 0.3, (30, 2)), rng.normal([4, 10], 0.3, (90, 2))])
    ur = cells_at(np.concatenate([start, end]), np.repeat([0.0, DAY], [80, 120]))
    fitted = VelocityFieldV1.fit(ur, growth="plan", reach=0.2, steps=150)
    found = fitted.manipulate(at(ur, 0.0), after(24)).draws[0]
    upper = at(ur, 0.0).values[:, 1] > 5
    assert fitted.grows
    assert found.mass[upper].mean() > 1.5 * found.mass[~upper].mean()


def test_a_damaged_field_is_refused(fitted):
    state = fitted.state()
    arrays = {name: each[:1] if name.endswith("out.weight") else each for name, each in state.arrays.items()}
    with pytest.raises(IntegrityError):
        VelocityFieldV1.from_state(State(state.settings, arrays))
