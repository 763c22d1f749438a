"""The promises of a manipulator that takes cells to a later time."""

import dataclasses

import numpy as np

from aivc.core.contracts import Manipulator
from aivc.core.errors import DataError, PerturbationError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.ur import UR
from aivc.testing.promises import Refusal, close, expect, or_refusal


def check_times(manipulator: Manipulator, ur: UR) -> None:
    """Check what a manipulator promises of times.

    Args:
        manipulator: Fitted on ``ur``.
        ur: States with ``time``, unperturbed, at two times or more.

    Raises:
        ContractError: A promise is broken.
    """
    assert ur.times is not None
    name, times = manipulator.name, np.unique(ur.times)
    start = ur.take(np.flatnonzero(ur.times == times[0]))
    none = manipulator.manipulate(start, Perturbation((), 0.0))
    kept = all(
        np.array_equal(draw.values, start.values) and np.array_equal(draw.mass, start.mass) for draw in none.draws
    )
    expect(name, "zero hours change nothing", kept)
    halfway = Perturbation((), float(times[1] - times[0]) / 2)
    for draw in manipulator.manipulate(start, halfway).draws:
        kept = draw.times is not None and bool(np.allclose(draw.times, times[0] + (halfway.hours or 0.0)))
        expect(name, "a draw says when its cells are: its column time is the start plus the hours asked", kept)
        kept = manipulator.grows or np.array_equal(draw.mass, start.mass)
        expect(name, "mass is conserved unless growth was declared", bool(kept))
    _check_growth(manipulator, start, times)
    timeless = dataclasses.replace(start, entities=start.entities.drop(columns="time"))
    with Refusal(name, DataError, "cells that do not say when they were read"):
        manipulator.manipulate(timeless, halfway)
    far = Perturbation((), float(times[-1] - times[0]) * 3)
    answer = or_refusal(lambda: manipulator.manipulate(start, far))
    kept = answer is None or answer.applicability is Applicability.OUT
    expect(name, "times after the last are refused, or answered as out if that was asked for", kept)
    with Refusal(name, PerturbationError, "a perturbation without hours that is no control"):
        manipulator.manipulate(start, Perturbation.parse("ko:NEVER-SEEN"))


def _check_growth(manipulator: Manipulator, start: UR, times: np.ndarray) -> None:
    """Cells of twice the mass become twice as many."""
    heavy = dataclasses.replace(start, mass=2 * start.mass)
    until = Perturbation((), float(times[-1] - times[0]))
    ours, theirs = (manipulator.manipulate(each, until).draws for each in (heavy, start))
    kept = all(close(one.mass, 2 * other.mass) for one, other in zip(ours, theirs, strict=True))
    expect(manipulator.name, "cells of twice the mass become twice as many", kept)
