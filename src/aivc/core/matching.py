"""Which controls a perturbed cell is measured against: those of its context that share its hours, donor and batch."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR

# Columns of entities that begin so say what controls are matched by, beside context and batch; the first matters most.
MATCHED = "matched:"
MATCHED_HOURS = f"{MATCHED}hours"


def matched_columns(entities: pd.DataFrame) -> list[str]:
    """Columns by which controls are matched, beside context and batch.

    >>> matched_columns(pd.DataFrame(columns=["perturbation", "batch", "matched:hours"]))
    ['matched:hours']
    """
    return [str(name) for name in entities if str(name).startswith(MATCHED)]


def narrowed(columns: Sequence[np.ndarray], values: Sequence[str], among: np.ndarray) -> np.ndarray:
    """Choose controls column by column: each narrows them down where any of them has the value asked for.

    So a perturbation at 24 h in a batch without controls at 24 h is measured against those of other batches at 24 h;
    and where no control is of its hours, against the others.

    Args:
        columns: ``(n,)`` labels each, the most important column first.
        values: One per column.
        among: ``(m,)`` positions to choose from.

    Returns:
        ``(r,)`` positions, none only where there were none.

    >>> hours, batch = np.array(["24", "24", "72"]), np.array(["a", "b", "a"])
    >>> narrowed([hours, batch], ["72", "b"], np.arange(3)).tolist()
    [2]
    """
    for column, value in zip(columns, values, strict=True):
        same = among[column[among] == value]
        among = same if len(same) else among
    return among


def strata(entities: pd.DataFrame, rows: np.ndarray) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Cut rows by the columns that controls are matched by; all of them together where there are no such columns.

    Args:
        entities: ``n`` rows.
        rows: ``(r,)`` positions.

    Yields:
        Values of the columns, and the positions that have them.
    """
    names = matched_columns(entities)
    if not names:
        yield (), rows
        return
    keys = np.array([entities[name].astype(str).to_numpy(dtype=object)[rows] for name in names], dtype=object)
    keys_r = list(zip(*keys, strict=True))
    for key in sorted(set(keys_r)):
        yield key, rows[[each == key for each in keys_r]]


def matched_weights(entities: pd.DataFrame, asked: np.ndarray, controls: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """``(c,)`` weights of controls, adding up to 1: every stratum of what is asked about has its share of cells.

    Args:
        entities: ``n`` rows.
        asked: ``(r,)`` positions of what is compared with the controls.
        controls: ``(c,)`` positions, at least one.
        mass: ``(n,)`` cells of each row.
    """
    columns = [entities[name].astype(str).to_numpy(dtype=object)[controls] for name in matched_columns(entities)]
    weight_c, total = np.zeros(len(controls)), mass[asked].sum()
    for key, rows in strata(entities, asked):
        own = narrowed(columns, key, np.arange(len(controls)))
        weight_c[own] += mass[rows].sum() / total * mass[controls[own]] / mass[controls[own]].sum()
    return weight_c


def hours_text(hours: float | None) -> str:
    """How hours read in a column that controls are matched by; empty where none are stated.

    >>> hours_text(24.0), hours_text(None)
    ('24', '')
    """
    return "" if hours is None or np.isnan(hours) else f"{hours:.12g}"


def at_hours(controls: UR, perturbation: Perturbation) -> UR:
    """Control states read after the hours of a perturbation, where there are any; otherwise all that were given."""
    if MATCHED_HOURS not in controls.entities or perturbation.hours is None:
        return controls
    rows = controls.entities[MATCHED_HOURS].astype(str).to_numpy() == hours_text(perturbation.hours)
    return controls.take(np.flatnonzero(rows)) if rows.any() and not rows.all() else controls
