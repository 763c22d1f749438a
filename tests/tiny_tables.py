"""Tables of effects as states: what was not measured is 0 and of infinite variance."""

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR


def table(effects, *, controls=None, cells=None):
    """States of a table.

    Args:
        effects: ``(context, perturbation)`` → effect, NaN where it was not measured.
        controls: Context → control state; zero by default.
        cells: ``(context, perturbation)`` → cells; 1 by default.
    """
    contexts = sorted({context for context, _ in effects} | set(controls or {}))
    dim = len(next(iter(effects.values())))
    start = {context: np.zeros(dim) for context in contexts} | dict(controls or {})
    keys = [*((context, CONTROL) for context in contexts), *effects]
    values = np.array([start[c] + (0.0 if t == CONTROL else np.asarray(effects[c, t], dtype=float)) for c, t in keys])
    known = np.isfinite(values)
    entities = pd.DataFrame(keys, columns=["context", "perturbation"], index=[str(i) for i in range(len(keys))])
    mass = np.array([(cells or {}).get(key, 1.0) for key in keys])
    variance = None if known.all() else np.where(known, 0.0, np.inf)
    return UR(np.where(known, values, 0.0), Space("table", Scale.CELLULAR, dim, ""), entities, variance, mass)


def predicted(part, ur, text, context, control=None):
    """The shift that a manipulator predicts, and its verdict."""
    rows = (ur.perturbations == CONTROL) & (ur.contexts == context)
    start = ur.take(rows) if rows.any() else ur.take(ur.perturbations == CONTROL).take(np.array([0]))
    if not rows.any():
        values = np.zeros((1, ur.space.dim)) if control is None else np.array([control], dtype=float)
        start = UR(values, ur.space, start.entities.assign(context=context))
    answer = part.manipulate(start, Perturbation.parse(text))
    return answer.mean - start.mean, answer.applicability
