"""What is known of a feature before it is measured: its molecule, and a name; and what that says of a new one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.ur import UR
from aivc.data.streaming.stream import random_ranks

_NAME_AXES = 32
_RIDGES = 10.0 ** np.arange(-2, 5)


def name_axes(names: Sequence[str] | np.ndarray, seed: int) -> Float[np.ndarray, "f e"]:
    """``(f, 32)`` directions drawn for each name alone, so that every feature there will ever be has one.

    >>> bool((name_axes(["CD4", "CD8A"], 0)[1] == name_axes(["CD8A"], 0)[0]).all())
    True
    """
    drawn = [np.random.default_rng(number).standard_normal(_NAME_AXES) for number in random_ranks(names, seed).tolist()]
    return np.array(drawn).reshape(len(names), _NAME_AXES)


def part_axes(names: np.ndarray, parts: UR) -> tuple[Float[np.ndarray, "f e"], np.ndarray]:
    """``(f, e)`` rows of a molecular UR by name, scaled to size one and 0 without one, and which have one."""
    where = pd.Index(parts.entities.index).get_indexer(pd.Index(names))
    size = np.sqrt((parts.values**2).mean()) or 1.0
    return np.where(where[:, None] >= 0, parts.values[where] / size, 0.0), where >= 0


def from_relatives(
    known_fe: Float[np.ndarray, "f e"], wanted_fk: Float[np.ndarray, "f k"]
) -> tuple[Float[np.ndarray, "g k"], Float[np.ndarray, " k"]]:
    """Ridge regression that says what a feature would be like from what is known of it.

    Returns:
        ``(e + 1, k)`` weights, the last row constant; and ``(k,)`` mean squared error over features left out in turn,
        at the penalty where the sum of these is least.
    """
    center_e, center_k = known_fe.mean(axis=0), wanted_fk.mean(axis=0)
    left, size, right = np.linalg.svd(known_fe - center_e, full_matrices=False)
    inside = left.T @ (wanted_fk - center_k)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for ridge in _RIDGES:
        shrunk = size**2 / (size**2 + ridge)
        lever_f = (left**2) @ shrunk + 1 / len(known_fe)
        said_fk = center_k + left @ (shrunk[:, None] * inside)
        error_k = (((wanted_fk - said_fk) / np.maximum(1 - lever_f, 1e-3)[:, None]) ** 2).mean(axis=0)
        if best is None or error_k.sum() < best[0]:
            slope_ek = right.T @ ((size / (size**2 + ridge))[:, None] * inside)
            best = float(error_k.sum()), np.vstack([slope_ek, center_k - center_e @ slope_ek]), error_k
    assert best is not None
    return best[1], best[2]
