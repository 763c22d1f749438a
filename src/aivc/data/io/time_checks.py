"""What is worth knowing of a time course before it is fitted: few cells, batches of one time, controls of another."""

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL
from aivc.data.io.labels import some

# With fewer cells of a time, no population is known: what learns over time leaves it out.
FEWEST = 5
_GROUPS = {"batch": "batches", "donor": "donors"}


def time_notes(entities: pd.DataFrame) -> list[str]:
    """Notes on the times of entities; none where they state none, or all the same.

    >>> table = pd.DataFrame({"time": [0.0] * 6 + [24.0] * 6, "batch": ["a"] * 6 + ["b"] * 6})
    >>> time_notes(table)
    ['All cells of each time are of one batch, and each batch of one time (a, b): what time does and what batches do \
cannot be separated. Read a time in two batches.']
    """
    if "time" not in entities:
        return []
    times = pd.to_numeric(entities["time"], errors="coerce").to_numpy(dtype=np.float64)
    known = np.isfinite(times)
    if len(set(times[known])) < 2:
        return []
    labels = entities["perturbation"] if "perturbation" in entities else pd.Series(CONTROL, entities.index)
    control = (labels.astype(str) == CONTROL).to_numpy()
    found = [_confounded(entities[name][known], times[known], name) for name in _GROUPS if name in entities]
    return [note for note in (*found, _few(times[known]), _other_times(times, control, known)) if note]


def _confounded(groups: pd.Series, times: np.ndarray, name: str) -> str:
    labels = groups.astype(object).where(groups.notna(), "").astype(str).to_numpy(dtype=object)
    pairs = pd.DataFrame({"group": labels, "time": times}).drop_duplicates()
    if len(pairs) < 2 or pairs["group"].duplicated().any() or pairs["time"].duplicated().any() or "" in set(labels):
        return ""
    return (
        f"All cells of each time are of one {name}, and each {name} of one time ({some(sorted(set(labels)))}): what "
        f"time does and what {_GROUPS[name]} do cannot be separated. Read a time in two {_GROUPS[name]}."
    )


def _few(times: np.ndarray) -> str:
    when, count = np.unique(times, return_counts=True)
    few = [f"{n} at {t:g} h" for t, n in zip(when, count, strict=True) if n < FEWEST]
    if not few:
        return ""
    return (
        f"Fewer than {FEWEST} cells were read at some times ({some(few)}): what learns over time leaves these out. "
        "Read more cells then, or bring times that belong together to one."
    )


def _other_times(times: np.ndarray, control: np.ndarray, known: np.ndarray) -> str:
    """Perturbed cells of other times than all controls: controls are matched by time only where it tells them apart."""
    own = set(times[control & known])
    if len(own) != 1:
        return ""
    away = known & ~control & ~np.isin(times, list(own))
    if not away.any():
        return ""
    when = some([f"{t:g}" for t in np.unique(times[away])])
    return (
        f"All controls were read at {next(iter(own)):g} h, and {away.sum()} perturbed cells at other times ({when} h): "
        "what time alone does counts as effect. Add controls of these times."
    )
