"""Answers of methods, and of the experiment repeated, put together for the metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.data.streaming.normalize import Block
from aivc.evaluation.metrics.panel import Panel
from aivc.evaluation.metrics.stated_levels import LEVELS, fared
from aivc.evaluation.protocol.questions import Cells, EvaluationSet, Question, targets


@final
@dataclass(frozen=True, eq=False)
class MethodAnswer:
    """What a method said to one question.

    Attributes:
        question: What was asked.
        predicted: ``(f,)`` mean profile: the real control given, plus the predicted effect.
        bounds: Per level of `LEVELS`, ends ``(2, f)`` of the interval of what is measured, NaN at a level that is not
            stated; None where none is.
        population: Predicted cells, in the units of the profiles; None at effect level.
        applicability: The method's own verdict.
        retrieval: ``(f,)`` profile to recognize the perturbation by; None means ``predicted``.
    """

    question: Question
    predicted: np.ndarray
    bounds: tuple[np.ndarray, ...] | None
    population: Cells | None
    applicability: str
    retrieval: np.ndarray | None = None


def panel_of(answers: list[MethodAnswer], asked: dict[str, Any]) -> Panel:
    """Put the answers of one method together with what was asked (`panel_inputs`)."""
    shape, at90 = asked["truth"].shape, LEVELS.index(0.9)
    # Views of one number where a method states nothing: many methods are held at once.
    low, high = np.broadcast_to(np.nan, (2, *shape))
    if any(answer.bounds is not None for answer in answers):
        nothing = np.full((2, shape[1]), np.nan)
        stated = [nothing if answer.bounds is None else answer.bounds[at90] for answer in answers]
        low, high = np.array([bounds[0] for bounds in stated]), np.array([bounds[1] for bounds in stated])
    predicted = np.array([answer.predicted for answer in answers])
    said = any(answer.retrieval is not None for answer in answers)
    stated = [answer.predicted if answer.retrieval is None else answer.retrieval for answer in answers]
    return Panel(
        **asked,
        predicted=predicted,
        retrieval=np.array(stated) if said else predicted,
        predicted_noise=np.broadcast_to(0.0, shape),
        low=low,
        high=high,
        population=tuple(_values(answer.population) for answer in answers),
        population_depth=tuple(_depth(answer.population) for answer in answers),
        stated=fared(
            [answer.bounds for answer in answers],
            predicted,
            np.array([answer.question.truth.profile for answer in answers]),
            asked["usable"],
        ),
    )


def panel_inputs(questions: list[Question], means: np.ndarray, evaluation: EvaluationSet) -> dict[str, Any]:
    """All that a panel holds besides the answers."""
    features = evaluation.summary.profiles.features
    own = targets(questions, features)
    truth = np.array([q.truth.profile for q in questions])
    return {
        "features": features,
        "units": evaluation.summary.units,
        "questions": pd.DataFrame([q.key for q in questions]),
        "given": np.array([q.given.profile for q in questions]),
        "truth": np.nan_to_num(truth),
        "control": np.array([q.control.profile for q in questions]),
        "perturbed_mean": means,
        "usable": ~own & np.isfinite(truth),
        "targeted": np.asarray(own.any(axis=0)),
        "truth_noise": np.array([q.truth.noise + q.control.noise for q in questions]),
        "cells": tuple(_values(q.cells) for q in questions),
        "cells_depth": tuple(_depth(q.cells) for q in questions),
        "controls": tuple(_values(q.controls) for q in questions),
        "controls_depth": tuple(_depth(q.controls) for q in questions),
    }


def _values(cells: Cells | None) -> Block | None:
    return None if cells is None else cells.values


def _depth(cells: Cells | None) -> np.ndarray | None:
    return None if cells is None else cells.depth


def replicates(like: Panel, questions: list[Question], evaluation: EvaluationSet) -> Iterator[Panel]:
    """One half of the same cells, scored as if it had predicted the other: what no method can be expected to beat.

    The cells are halved in several ways, one panel each, made when it is asked for. A question whose cells cannot be
    halved in some way is not scored there.
    """
    for number in range(evaluation.resplits):
        halved = [evaluation.resplit(question, number) for question in questions]
        have = np.array([q is not None and q.replicate is not None for q in halved])
        shown = [q or question for q, question in zip(halved, questions, strict=True)]
        profile = np.array([q.replicate.profile if q.replicate else q.given.profile for q in shown])
        noise = np.array([q.replicate.noise + q.given.noise if q.replicate else q.given.noise for q in shown])
        asked = panel_inputs(shown, like.perturbed_mean, evaluation)
        nothing = np.broadcast_to(np.nan, profile.shape)
        yield Panel(
            **{
                **asked,
                "usable": asked["usable"] & have[:, None] & np.isfinite(profile),
                "predicted": np.nan_to_num(profile),
                "predicted_noise": noise,
                "low": nothing,
                "high": nothing,
                "population": tuple(_values(q.others) for q in shown),
                "population_depth": tuple(_depth(q.others) for q in shown),
            }
        )
