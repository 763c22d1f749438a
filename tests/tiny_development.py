"""Cells that develop, to test what takes them forward in time."""

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR

DAY = 24.0


def cells_at(values, hours, **columns):
    """Make a UR of states read at the hours given."""
    values = np.asarray(values, dtype=float)
    names = [f"cell-{i}" for i in range(len(values))]
    entities = pd.DataFrame({"perturbation": CONTROL, "time": np.asarray(hours, dtype=float), **columns}, index=names)
    entities["perturbation"] = entities["perturbation"].astype(object)
    return UR(values, Space("tiny", Scale.CELLULAR, values.shape[1], "tiny"), entities)


def arc(times, *, count=60, seed=0, radius=10.0, spread=0.35):
    """Cells on their way along a half circle, an eighth of it in a day, some ahead and some behind."""
    rng = np.random.default_rng(seed)
    found, hours = [], []
    for day in times:
        angle = (day + rng.uniform(-spread, spread, count)) * np.pi / 4
        found.append(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.05, (count, 2)))
        hours.append(np.full(count, day * DAY))
    return cells_at(np.concatenate(found), np.concatenate(hours))


def at(ur, hours):
    """The cells of one time."""
    return ur.take(np.flatnonzero(ur.times == hours))


def after(hours, text=""):
    """So many hours, with or without agents."""
    return Perturbation.parse(f"{text or 'time'} for {hours:g}h")
