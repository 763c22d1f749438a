"""The promises of a manipulator."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np

from aivc.core.contracts import Manipulator
from aivc.core.errors import SpaceError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.ur import UR
from aivc.testing.promises import (
    Refusal,
    close,
    digest_of,
    expect,
    fit_twice,
    or_refusal,
    other_contexts,
    profiles_fit,
    round_trip,
    same_answer,
)
from aivc.testing.samples import sample_development, sample_parts, sample_ur
from aivc.testing.times import check_times


def check_manipulator(
    cls: type[Manipulator], ur: UR | None = None, *, parts: UR | None = None, **settings: Any
) -> None:
    """Check every promise of a manipulator.

    Args:
        cls: The manipulator's class.
        ur: Perturbed and control states, with ``perturbation`` and ``context``; `sample_ur` by default. For those that
            take cells to a later time, states with ``time``; `sample_development` by default.
        parts: Molecular UR of what can be perturbed; `sample_parts` by default.
        settings: Passed to ``fit``; ``seed=0`` unless given.

    Raises:
        ContractError: A promise is broken.

    >>> from aivc.core.registry import MANIPULATORS
    >>> check_manipulator(MANIPULATORS.load("mean-effect"))
    """
    if ur is None:
        ur = sample_development() if cls.needs_times else sample_ur()
    parts = sample_parts() if parts is None else parts
    before = digest_of(ur), digest_of(parts)
    manipulator = fit_twice(cls, lambda: cls.fit(ur, parts=parts, **{"seed": 0, **settings}))
    expect(cls.name, "reads is the space of the UR it was fitted on", manipulator.reads, wanted=ur.space)
    case = _case(manipulator, ur)
    _check_population(case, case.answer, case.seen)
    _check_control(case)
    _check_cells(case)
    _check_unknown(case)
    if cls.needs_times:
        check_times(manipulator, ur)
    again = manipulator.manipulate(case.control, case.seen)
    expect(
        cls.name, "the same input gives the same answer; keep the seed in the state", same_answer(again, case.answer)
    )
    again = round_trip(manipulator).manipulate(case.control, case.seen)
    expect(cls.name, "after save and load it gives the same answer to the last bit", same_answer(again, case.answer))
    with Refusal(cls.name, SpaceError, "a UR of another space: call self.reads.require(ur.space, self.name)"):
        manipulator.manipulate(other_contexts(case.control), case.seen)
    kept = (digest_of(ur), digest_of(parts)) == before
    expect(cls.name, "fit and manipulate leave their input as it was; copy before writing", kept)


@final
@dataclass(frozen=True)
class _ManipulatorCase:
    name: str
    manipulator: Manipulator
    control: UR
    seen: Perturbation
    answer: Prediction[UR]


def _case(manipulator: Manipulator, ur: UR) -> _ManipulatorCase:
    if ur.times is not None and manipulator.needs_times:
        first, later = np.unique(ur.times)[:2]
        control = ur.take(np.flatnonzero((ur.times == first) & (ur.contexts == ur.contexts[0])))
        seen = Perturbation((), float(later - first))
        return _ManipulatorCase(manipulator.name, manipulator, control, seen, manipulator.manipulate(control, seen))
    is_control = ur.perturbations == CONTROL
    here = ur.contexts == ur.contexts[is_control][0]
    control = ur.take(np.flatnonzero(is_control & here))
    seen = Perturbation.parse(str(ur.perturbations[~is_control & here][0]))
    return _ManipulatorCase(manipulator.name, manipulator, control, seen, manipulator.manipulate(control, seen))


def _check_population(case: _ManipulatorCase, answer: Prediction[UR], asked: Perturbation) -> None:
    """Rows stay aligned, labelled and dispersed."""
    control = case.control
    expect(case.name, "made_by holds its registered name", case.name in answer.made_by)
    expect(case.name, "there is one finite profile per draw", profiles_fit(answer, control.space.dim))
    expect(case.name, "the retrieval profile is finite", bool(np.isfinite(answer.retrieval_mean).all()))
    for draw in answer.draws:
        expect(case.name, "every draw lives in the space that was given", draw.space, wanted=control.space)
        kept = draw.entities.index.equals(control.entities.index)
        kept = kept and (case.manipulator.grows or np.array_equal(draw.mass, control.mass))
        expect(case.name, "rows of a draw are the cells that were given, in order and with their mass", kept)
        kept = set(draw.perturbations) == {str(asked)}
        expect(case.name, "a draw is labelled with what was asked: ur.moved(shift, str(perturbation))", kept)
        kept = bool(draw.values.var(axis=0).sum() > 0.01 * control.values.var(axis=0).sum())
        expect(case.name, "cells stay a dispersed population; one mean is never tiled over them", kept)


def _check_control(case: _ManipulatorCase) -> None:
    answer = case.manipulator.manipulate(case.control, Perturbation.control())
    kept = all(np.array_equal(draw.values, case.control.values) for draw in answer.draws)
    expect(case.name, "control changes nothing: return the UR that was given", kept)
    kept = close(answer.mean, case.control.mean)
    expect(case.name, "the profile of control is the mean of what was given, so that its effect is zero", kept)


def _check_cells(case: _ManipulatorCase) -> None:
    order = np.random.default_rng(0).permutation(len(case.control))
    answer = case.manipulator.manipulate(case.control.take(order), case.seen)
    kept = len(answer.draws) == len(case.answer.draws) and all(
        close(ours.values, theirs.values[order]) for ours, theirs in zip(answer.draws, case.answer.draws, strict=True)
    )
    expect(case.name, "permuting cells permutes predictions; nothing may depend on the position of a row", kept)
    one = case.manipulator.manipulate(case.control.take(np.array([0])), case.seen)
    expect(case.name, "a population of one cell is answered too", len(one.draws[0]), wanted=1)


def _check_unknown(case: _ManipulatorCase) -> None:
    unknown = Agent("ko", "NEVER-SEEN")
    drug = Agent("drug", "never-seen", 10.0, "uM")
    pair = Perturbation((unknown, *case.seen.agents), case.seen.hours)
    for unseen in (Perturbation((unknown,)), Perturbation((drug,)), pair, Perturbation((), 1234.5)):
        asked = partial(case.manipulator.manipulate, case.control, unseen)
        # What takes cells along times that were read refuses what was never read over time.
        answer = or_refusal(asked) if case.manipulator.needs_times else asked()
        if answer is None:
            continue
        _check_population(case, answer, unseen)
        kept = answer.applicability is not Applicability.IN
        expect(case.name, f"what was never seen ({unseen}) is answered as edge or out, not as in", kept)
    context = dataclasses.replace(case.control, entities=case.control.entities.assign(context="never-seen"))
    answered = or_refusal(lambda: case.manipulator.manipulate(context, case.seen))
    kept = answered is None or len(answered.draws[0]) == len(context)
    expect(case.name, "an unseen context is answered or refused, for all its cells", kept)
