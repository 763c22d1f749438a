"""The mean effect of a context, which stands in where nothing of a perturbation was measured."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from aivc.core.effects import Effects
from aivc.core.ur import UR


def mean_effect_of(
    ur: UR, contexts: Sequence[str], means: Float[np.ndarray, "c d"], default: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "n d"]:
    """Mean effect in the context of each state.

    Args:
        ur: States.
        contexts: ``c`` contexts seen perturbed.
        means: ``(c, d)`` mean effect in each.
        default: ``(d,)`` that of any other context.
    """
    place = {context: i for i, context in enumerate(contexts)}
    here, code_n = np.unique(ur.contexts.astype(str), return_inverse=True)
    return np.array([means[place[name]] if name in place else default for name in map(str, here)])[code_n]


def gaps(seen: Effects) -> Float[np.ndarray, "p d"]:
    """Shifts, NaN where none was measured."""
    return seen.shifts if seen.complete else np.where(seen.measured, seen.shifts, np.nan)


def filled(shift: np.ndarray, instead: np.ndarray) -> np.ndarray:
    """Return ``shift`` ``(d,)``, with ``instead`` ``(n, d)`` where it is NaN."""
    return np.where(np.isnan(shift), instead, shift)
