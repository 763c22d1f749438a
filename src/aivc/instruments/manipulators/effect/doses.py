"""Doses and times that were measured, where another one is asked about."""

from collections.abc import Iterable, Sequence

import numpy as np

from aivc.core.perturbation import Perturbation
from aivc.instruments.manipulators.effect.agents import name_of


def stand_ins(asked: Perturbation, measured: Iterable[str]) -> list[tuple[str, float]]:
    """Measured doses and times of the same agents that tell of another one, and how much of each counts.

    Where hours or a dose are stated on one side only, the one there is stands for the other. Between two times effects
    lie on a line, before the first they grow from nothing, after the last they stay; so they do between doses on a
    logarithmic scale, and below the least they follow a curve of half maximum there.

    >>> stand_ins(Perturbation.parse("drug:A@10uM for 24h"), ["drug:A@1uM for 24h", "drug:A@100uM for 24h", "drug:B"])
    [('drug:A@1uM for 24h', 0.5), ('drug:A@100uM for 24h', 0.5)]
    >>> stand_ins(Perturbation.parse("ko:A"), ["ko:A for 24h", "ko:B for 24h"])
    [('ko:A for 24h', 1.0)]
    """
    names = sorted(map(name_of, asked.agents))
    alike = [each for each in map(Perturbation.parse, measured) if sorted(map(name_of, each.agents)) == names]
    found = []
    for hours, late in _times(
        asked.hours, sorted({each.hours for each in alike}, key=lambda h: -1.0 if h is None else h)
    ):
        then = [each for each in alike if each.hours == hours]
        doses = sorted({_only_dose(each) for each in then}, key=lambda d: -1.0 if d is None else d)
        for dose, share in _doses(_only_dose(asked), doses):
            found += [(str(each), late * share) for each in then if _only_dose(each) == dose][:1]
    return [each for each in found if each[1] > 0]


def _only_dose(perturbation: Perturbation) -> float | None:
    return perturbation.agents[0].dose if len(perturbation.agents) == 1 else None


def _times(asked: float | None, measured: Sequence[float | None]) -> list[tuple[float | None, float]]:
    stated = [each for each in measured if each is not None]
    if asked in measured:
        return [(asked, 1.0)]
    if asked is None or not stated:
        return [(measured[0], 1.0)] if len(measured) == 1 else []
    if asked < stated[0]:
        return [(stated[0], asked / stated[0])]
    return [*_on_a_line(asked, stated)]


def _doses(asked: float | None, measured: Sequence[float | None]) -> list[tuple[float | None, float]]:
    stated = [each for each in measured if each]
    if asked in measured:
        return [(asked, 1.0)]
    if not asked or not stated:
        return [(measured[0], 1.0)] if len(measured) == 1 and not (asked and stated) else []
    if asked < stated[0]:
        return [(stated[0], 2 * asked / (asked + stated[0]))]
    near = _on_a_line(float(np.log(asked)), [float(np.log(each)) for each in stated])
    return [(stated[i], weight) for i, weight in zip(_places(near, stated), (w for _, w in near), strict=True)]


def _places(near: Sequence[tuple[float, float]], stated: Sequence[float]) -> list[int]:
    logs = [float(np.log(each)) for each in stated]
    return [logs.index(at) for at, _ in near]


def _on_a_line(asked: float, stated: Sequence[float]) -> list[tuple[float, float]]:
    after = int(np.searchsorted(stated, asked))
    if after == len(stated):
        return [(stated[-1], 1.0)]
    before, then = stated[after - 1], stated[after]
    late = (asked - before) / (then - before)
    return [(before, 1 - late), (then, late)]
