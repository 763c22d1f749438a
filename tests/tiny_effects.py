"""Tables of effects whose truth is known, to hold the mixed model against it."""

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR

DIM = 12


def states(shifts, *, contexts=(), controls=None, variance=None):
    """A table of effects: ``shifts`` maps (context, text) to a displacement from the control of the context.

    Args:
        shifts: Displacements; NaN where nothing was measured.
        contexts: More contexts with a control, beside those of the shifts.
        controls: Control state of each context; zero by default.
        variance: Sampling variance of perturbed rows, and of control rows.
    """
    where = sorted({context for context, _ in shifts} | set(contexts))
    dim = len(next(iter(shifts.values()))) if shifts else DIM
    base = {context: np.zeros(dim) for context in where} | dict(controls or {})
    keys = [(context, CONTROL) for context in where] + list(shifts)
    values = np.array([base[c] if t == CONTROL else base[c] + shifts[c, t] for c, t in keys])
    table = pd.DataFrame({"context": [c for c, _ in keys], "perturbation": [t for _, t in keys]}, dtype=object)
    answer = None
    if variance is not None:
        answer = np.array([np.full(dim, variance[1] if text == CONTROL else variance[0]) for _, text in keys])
    if np.isnan(values).any():
        answer = np.where(np.isnan(values), np.inf, 0.0 if answer is None else answer)
    space = Space("test", Scale.CELLULAR, dim, "0123456789abcdef")
    return UR(np.nan_to_num(values), space, table.set_axis([str(i) for i in range(len(table))], axis=0), answer)


def split(shifts, asked):
    """Shifts without those of ``asked``, a predicate on (context, text), and those alone."""
    kept = {key: shift for key, shift in shifts.items() if not asked(*key)}
    return kept, {key: shift for key, shift in shifts.items() if asked(*key)}


def error(manipulator, asked):
    """Mean squared error of the expected shifts."""
    found = [manipulator.predict(Perturbation.parse(text), context).shift for context, text in asked]
    return float(((np.array(found) - np.array(list(asked.values()))) ** 2).mean())


def of_mean(given, asked):
    """Mean squared error of the mean effect of each context, or where it has none, of all."""
    rows = pd.DataFrame(list(given.values()), index=[context for context, _ in given])
    means, all_d = rows.groupby(level=0).mean(), rows.groupby(level=0).mean().mean().to_numpy()
    said = [means.loc[c].to_numpy() if c in means.index else all_d for c, _ in asked]
    return float(((np.array(said) - np.array(list(asked.values()))) ** 2).mean())


def molecules(values, name="kin"):
    """A molecular UR of one named block that knows all of the names given: ``values`` maps names to positions."""
    table = pd.DataFrame({f"covered_{name}": True, f"axes_{name}": len(next(iter(values.values())))}, index=[*values])
    rows = np.array(list(values.values()), dtype=float)
    return UR(rows, Space("molecular", Scale.MOLECULAR, rows.shape[1], "t"), table)
