import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.instruments.manipulators.effect import posterior as module
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.components import Controls, Covariance, Queries, components
from aivc.instruments.manipulators.effect.grid import Grid
from aivc.instruments.manipulators.effect.likeness import Likeness
from aivc.instruments.manipulators.effect.posterior import Posterior
from aivc.instruments.manipulators.effect.rows import EffectRows
from aivc.instruments.manipulators.effect.strata import Stratum
from tiny_effects import states


@pytest.fixture(scope="module")
def seen():
    """A grid of which a third was not measured."""
    rng = np.random.default_rng(0)
    shifts = {
        (f"C{c}", f"ko:G{p:02d}"): rng.normal(size=10) for c in range(9) for p in range(20) if rng.random() < 0.67
    }
    return EffectRows.of(effects(states(shifts)))


def covariance_of(rows):
    nothing, blank = Knowledge.of(None), Controls((), np.zeros((0, 10)))
    parts = components(list(rows.texts), list(rows.contexts), 10, nothing, blank)
    return Covariance(parts, Likeness.of(rows), nothing, blank)


def test_a_product_on_the_grid_is_that_of_the_matrix_and_solving_undoes_it(seen):
    covariance, asked, rng = covariance_of(seen), Queries(seen.texts, seen.contexts, {}), np.random.default_rng(1)
    variances, diagonal = rng.uniform(0.1, 1, len(covariance.parts)), rng.uniform(0.5, 1, len(seen))
    dense = covariance.total(asked, asked, variances) + np.diag(diagonal)
    grid = Grid.of(covariance, asked, variances, diagonal)
    columns = rng.normal(size=(len(seen), 300))
    np.testing.assert_allclose(grid.product(columns), dense @ columns, atol=1e-10)
    np.testing.assert_allclose(grid.solve(columns), np.linalg.solve(dense, columns), atol=2e-3)
    # A column of nothing has nothing to solve, and does not keep the others from it.
    columns[:, 3] = 0
    assert not grid.solve(columns)[:, 3].any()


def test_beyond_so_many_rows_answers_are_the_same_by_the_grid(seen, monkeypatch):
    covariance, asked = covariance_of(seen), Queries(seen.texts, seen.contexts, {})
    variances = np.full((1, len(covariance.parts) + 1), 0.3)
    question = Queries(np.array(["ko:G01", "ko:G02"]), np.array(["C0", "never seen"]), {})

    def answers():
        return Posterior(seen, covariance, [Stratum(None, np.zeros((0, 10)))], variances, asked).shift(question)

    dense = answers()
    monkeypatch.setattr(module, "_DENSE", 50)
    np.testing.assert_allclose(answers(), dense, atol=0.03 * np.abs(dense).max())
