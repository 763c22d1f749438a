"""Measured doses and times that tell of one between them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from aivc.core.perturbation import Perturbation
from aivc.instruments.manipulators.dose import nearest, strength, times
from aivc.instruments.manipulators.series import Dosed, Series, amount


class Neighbors(NamedTuple):
    """Measured doses or times that an answer is made of.

    Attributes:
        evidence: ``dose`` or ``time``.
        weighted: What was done there, and how much of its effect counts.
        scaled: ``(d,)`` expected squared error of that, were the effects there known.
        inside: Whether the question lies between what was measured.
    """

    evidence: str
    weighted: tuple[tuple[Perturbation, float], ...]
    scaled: np.ndarray
    inside: bool


def neighbors(
    series: Series, perturbation: Perturbation, effect: Callable[[Perturbation], np.ndarray]
) -> Neighbors | None:
    """Doses of its agent that were measured for as long, or times at which it was measured; None without any.

    Args:
        series: What was measured.
        perturbation: Asked about, and not measured itself.
        effect: ``(d,)`` of a perturbation that was.
    """
    if doses := series.measured(perturbation):
        return _near_dose(doses, amount(perturbation.agents[0]), effect)
    hours = series.other_hours(perturbation)
    stated = np.array(sorted(each for each in hours if each is not None))
    if perturbation.hours is not None and len(stated):
        return _near_time(perturbation, perturbation.hours, stated, effect)
    if len(hours) != 1:
        return None
    # Where hours are stated on one side only, the one time there is stands for the other.
    return Neighbors("time", ((replace(perturbation, hours=hours[0]), 1.0),), np.zeros(1), inside=False)


def _near_dose(doses: Sequence[Dosed], asked: float, effect: Callable[[Perturbation], np.ndarray]) -> Neighbors:
    parts, measured_k = [Perturbation.parse(each.text) for each in doses], np.array([each.amount for each in doses])
    shift_kd, near = np.array([effect(part) for part in parts]), nearest(measured_k, asked)
    # Amplitudes along the common direction: a curve through lengths would count noise as effect.
    factor = strength(measured_k, shift_kd @ shift_kd.mean(axis=0), asked)
    inside = bool(measured_k[0] <= asked <= measured_k[-1])
    return Neighbors("dose", ((parts[near], factor),), ((factor - 1) * shift_kd[near]) ** 2, inside)


def _near_time(
    perturbation: Perturbation, asked: float, hours_k: np.ndarray, effect: Callable[[Perturbation], np.ndarray]
) -> Neighbors:
    weights = times(hours_k, asked)
    parts = [replace(perturbation, hours=float(hours_k[k])) for k in weights]
    shift_kd, weight = np.array([effect(part) for part in parts]), next(iter(weights.values()))
    if hours_k[0] <= asked <= hours_k[-1]:
        # Between two times it may still be as at one of them.
        scaled_d, inside = weight * (1 - weight) * (shift_kd[0] - shift_kd[-1]) ** 2, True
    else:
        # Outside it may have changed in proportion.
        late = min(float(hours_k[-1]), asked) / max(float(hours_k[0]), asked, 1e-9)
        scaled_d, inside = ((1 - late) * shift_kd[0]) ** 2, False
    return Neighbors("time", tuple(zip(parts, weights.values(), strict=True)), scaled_d, inside)
