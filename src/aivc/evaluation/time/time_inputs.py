"""What protocols of time share: cells with their hours, and manipulators of time fitted on them, asked or refusing."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.registry import MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.evaluation.benchmarks.protocol import REFUSED, SHUFFLED, ScoreRow

# A manipulator that is asked to answer for times after the last one it read.
EXTRAPOLATE = ":extrapolate"
# Of the parts of this package, those of time are here and no others. To know it needs no import, which takes seconds.
_OWN, _OF_TIME = "aivc.", "aivc.instruments.manipulators.time."


def manipulator_of(method: str) -> str:
    """Registered name in a method.

    >>> manipulator_of("transport.v1:extrapolate:shuffled")
    'transport.v1'
    """
    return method.removesuffix(SHUFFLED).removesuffix(EXTRAPOLATE)


def require_of_time(
    methods: Sequence[str], own: Sequence[str], *, suffixes: Sequence[str] = (SHUFFLED,), keyword: str = ""
) -> None:
    """Let pass the protocol's own methods, and manipulators of time with or without suffixes.

    Args:
        methods: Asked for.
        own: Those that the protocol knows itself, suffixes and all.
        suffixes: Of manipulators that the protocol can ask for, those that come last first.
        keyword: An argument that ``fit`` of a manipulator must take.

    Raises:
        UnknownNameError: A method is neither.
    """
    for method in methods:
        name = method
        for suffix in suffixes:
            name = name.removesuffix(suffix)
        willing = not method.endswith(EXTRAPOLATE) or (name in MANIPULATORS.names() and _takes(name, "extrapolate"))
        if method not in own and not (name in MANIPULATORS.names() and _able(name, keyword) and willing):
            known = [each for each in MANIPULATORS.names() if _able(each, keyword)]
            raise UnknownNameError("method", method, [*own, *known], "Name a manipulator of time.")


def _able(name: str, keyword: str) -> bool:
    module = MANIPULATORS.module(name)
    of_time = module.startswith(_OF_TIME) if module.startswith(_OWN) else MANIPULATORS.load(name).needs_times
    return bool(of_time) and _takes(name, keyword)


def _takes(name: str, keyword: str) -> bool:
    return not keyword or keyword in inspect.signature(MANIPULATORS.load(name).fit).parameters


def cells_at(x_nd: np.ndarray, hours_n: np.ndarray, prefix: str = "cell") -> UR:
    """Cells to which nothing was done, read at some hours; their names decide what chance has for them."""
    entities = pd.DataFrame(
        {"perturbation": np.full(len(x_nd), "control", dtype=object), "time": hours_n},
        index=[f"{prefix}{i}" for i in range(len(x_nd))],
    )
    return UR(x_nd, Space("cells", Scale.CELLULAR, x_nd.shape[1], "held-out-time"), entities)


def fitted(method: str, ur: UR, settings: Mapping[str, Any], seed: int, **more: Any) -> Any:
    """Fit the manipulator of a method with its defaults.

    Args:
        method: Its name and suffixes.
        ur: Cells with their hours.
        settings: ``draws``, where ``fit`` takes them; and ``fit``, what else some are given: name → arguments.
        seed: Of the fit.
        **more: Given as it is.
    """
    name = manipulator_of(method)
    if _takes(name, "draws"):
        more["draws"] = settings["draws"]
    if EXTRAPOLATE in method:
        more["extrapolate"] = True
    part: Any = MANIPULATORS.load(name)
    return part.fit(ur, seed=seed, **{**settings.get("fit", {}).get(name, {}), **more})


def refused(method: str, fold: str, metrics: Sequence[str], error: PerturbationError) -> Iterator[ScoreRow]:
    """Rows without a number for a method that refuses by default what it was asked."""
    for metric in metrics:
        yield ScoreRow(method, fold, metric, None, "lower", note=f"{REFUSED}: {error}")
