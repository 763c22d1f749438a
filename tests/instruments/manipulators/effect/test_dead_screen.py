"""Where perturbations do nothing, the answer is nothing: noise of cells and of a shared control is no effect."""

import numpy as np
import pytest

import aivc
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.shared_fit import Recipe


@pytest.mark.parametrize(
    ("contexts", "controls", "naive_error"),
    [
        pytest.param(3, 100, 1.0, marks=pytest.mark.slow),
        pytest.param(3, 12, 1.1, marks=pytest.mark.slow),
        (1, 8, 1.1),
    ],
    ids=["many controls", "few controls", "one context"],
)
def test_a_dead_screen_is_answered_with_no_effect(contexts, controls, naive_error):
    def screen(seed):
        """No cell responds; cells are drawn anew from the same world."""
        return synthetic_screen(
            perturbations=20,
            features=60,
            cells=40 + seed,
            controls=controls,
            contexts=contexts,
            batches=1,
            responders=0.0,
        )[0]

    first, again = screen(0), screen(1)
    recipe = Recipe(inner_folds=0, members=0)
    cell, naive = (aivc.fit(first, method, recipe=recipe) for method in ("effect.v2", "mean-effect"))
    measured = cell.encode(again)
    ours, theirs, nothing = [], [], []
    for context in sorted(set(first.contexts)):
        here = measured.contexts == context
        control = measured.take(here & (measured.perturbations == "control")).mean
        for text in sorted(set(first.perturbations) - {"control"}):
            seen = measured.take(here & (measured.perturbations == text)).mean - control
            start = cell.start(context)
            said = [each.manipulate(start, aivc.Perturbation.parse(text)).mean - start.mean for each in (cell, naive)]
            for found, shift in zip((ours, theirs, nothing), (*said, 0.0), strict=True):
                found.append(((seen - shift) ** 2).sum())
    assert np.sum(ours) <= 1.02 * np.sum(nothing)
    # A plain mean of effects takes the noise of the controls for a response.
    assert np.sum(theirs) > naive_error * np.sum(nothing)
