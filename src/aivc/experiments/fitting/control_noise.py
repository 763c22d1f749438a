"""How much of the noise of a control, which all effects of its context share, goes over into predictions there."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from aivc.core.contracts import Manipulator
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.experiments.fitting.shared_fit import SharedFit

# Questions and states that it is measured on: it is one number.
_ASKED, _STATES = 30, 2


def with_other_controls(ground: SharedFit) -> tuple[SharedFit, Mapping[str, np.ndarray]]:
    """As if each context's controls had been other cells: its mean control is moved by a draw of its own noise.

    Returns:
        The shared fit with moved control states, and the ``(d,)`` draw of each context; none where the control has no
        noise, as in a table of effects.
    """
    states, rng = ground.states, np.random.default_rng([ground.recipe.seed, 1])
    if states.variance is None:
        return ground, {}
    control, contexts = states.perturbations.astype(str) == CONTROL, states.contexts.astype(str)
    values, noise = np.array(states.values, dtype=float), {}
    for context in sorted(set(contexts)):
        here = control & (contexts == context)
        share = states.mass[here] / states.mass[here].sum()
        variance_d = share**2 @ states.variance[here]
        if here.any() and variance_d.any() and np.isfinite(variance_d).all():
            noise[context] = rng.standard_normal(len(variance_d)) * np.sqrt(variance_d)
            values[here] += noise[context]
    return dataclasses.replace(ground, states=dataclasses.replace(states, values=values)), noise


def following(
    ground: SharedFit,
    asked: Sequence[tuple[str, str]],
    noise: Mapping[str, np.ndarray],
    before: Manipulator,
    after: Manipulator,
) -> float:
    """Share of the moves of controls by which predicted effects go the other way, 0 to 1.

    Args:
        ground: Whose control states are started from, moved or not: only effects are compared.
        asked: Contexts and perturbations.
        noise: ``(d,)`` move of each context's control.
        before: Fitted on the controls as they were.
        after: Fitted on the moved ones.
    """
    known = [key for key in asked if key[0] in noise and key[0] in ground.controls]
    chosen = np.random.default_rng(ground.recipe.seed).permutation(len(known))[:_ASKED]
    along = total = 0.0
    for context, text in (known[i] for i in chosen):
        start, perturbation = ground.start(context).sample(_STATES), Perturbation.parse(text)
        change = after.manipulate(start, perturbation).mean - before.manipulate(start, perturbation).mean
        along -= float(change @ noise[context])
        total += float(noise[context] @ noise[context])
    return float(np.clip(along / total, 0.0, 1.0)) if total else 0.0
