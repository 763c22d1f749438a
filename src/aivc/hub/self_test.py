"""Asks a virtual cell or a part a few questions at publication, and the same ones again wherever it is fetched."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from aivc.core.contracts import Decoder, Encoder, Manipulator
from aivc.core.errors import AIVCError, IntegrityError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.saved_cell import fitting
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.hub.manifest_fields import SelfTest, TestQuestion

SELF_TEST = "self_test.safetensors"
Asked: TypeAlias = VirtualCell | Encoder | Manipulator | Decoder
# Few: a check is to take seconds.
_CONTEXTS, _PERTURBATIONS, _STATES = 2, 2, 16


@final
@dataclass(frozen=True)
class MadeTest:
    """A self-test, with what was answered.

    Attributes:
        test: For the manifest.
        arrays: For its file: starts and answers.
        said: One of the answers, where it is a prediction.
    """

    test: SelfTest
    arrays: Mapping[str, np.ndarray]
    said: Prediction[Any] | None

    def save(self, folder: Path) -> None:
        """Write the arrays into a folder."""
        save_file({name: np.ascontiguousarray(array) for name, array in self.arrays.items()}, folder / SELF_TEST)


def made_test(thing: Asked, perturbations: Sequence[str] = ()) -> MadeTest | None:
    """Ask what can be asked of a thing.

    A cell is asked in its own contexts; where it keeps no control states, and of parts, from states that are drawn, so
    that no data leave the house.

    Args:
        thing: A virtual cell or a part.
        perturbations: Texts that a manipulator is asked about; of a cell, those of its card.

    Returns:
        None where it answers none of these questions.
    """
    asked = [*perturbations, *sorted(thing.trained)] if isinstance(thing, VirtualCell) else list(perturbations)
    questions, arrays, said = list[TestQuestion](), dict[str, np.ndarray](), None
    # What is asked, but for the questions, which are found now.
    plan = SelfTest(way=_way(thing), file=SELF_TEST, questions=[TestQuestion(answer="-")])
    for question, start in _candidates(thing, asked):
        given = {} if start is None else {question.start: start}
        try:
            found = _answer(thing, plan, question, given)
        except AIVCError:
            # A question that it refuses is none for a test.
            continue
        name = f"answer_{len(questions)}"
        questions.append(question.model_copy(update={"answer": name}))
        arrays |= {**given, name: found[0]}
        said = found[1] or said
        if len(questions) == _CONTEXTS * _PERTURBATIONS:
            break
    if not questions:
        return None
    return MadeTest(plan.model_copy(update={"questions": questions}), arrays, said)


def repeat(thing: Asked, test: SelfTest, folder: Path) -> list[str]:
    """Ask a thing again what it was asked at publication.

    Args:
        thing: As it was fetched.
        test: Of its manifest.
        folder: Where its files lie.

    Returns:
        What differs beyond the tolerance, one sentence each.

    Raises:
        AIVCError: It does not answer.
    """
    try:
        arrays = load_file(folder / test.file)
    except (SafetensorError, OSError, ValueError) as error:
        raise IntegrityError(f"{test.file} holds no arrays ({error}). Fetch it again.") from error
    differ = []
    for question in test.questions:
        if question.answer not in arrays or (question.start and question.start not in arrays):
            raise IntegrityError(f"{test.file} lacks an array of the self-test. Fetch it again.")
        wanted = arrays[question.answer]
        got, _ = _answer(thing, test, question, arrays)
        if got.shape != wanted.shape:
            differ.append(f"{_named(question)} was answered with {wanted.size} values, and is with {got.size}.")
        elif not np.allclose(got, wanted, test.rtol, test.atol, equal_nan=True):
            worst = float(np.nanmax(np.abs(got - wanted)))
            differ.append(
                f"{_named(question)} is answered otherwise by up to {worst:.3g} "
                f"(allowed: {test.rtol:g} of the value and {test.atol:g})."
            )
    return differ


def _named(question: TestQuestion) -> str:
    where = f" in {question.context}" if question.context else ""
    return f"{question.perturbation or 'The readout'}{where}"


def _way(thing: Asked) -> Literal["predict", "manipulate", "decode", "encode"]:
    if isinstance(thing, Encoder):
        return "encode"
    if isinstance(thing, Decoder):
        return "decode"
    return "manipulate" if isinstance(thing, Manipulator) else "predict"


def _candidates(thing: Asked, asked: Sequence[str]) -> Iterator[tuple[TestQuestion, np.ndarray | None]]:
    """Questions with the array that each starts from, most telling first."""
    if isinstance(thing, VirtualCell):
        yield from _of_cell(thing, asked[: 4 * _PERTURBATIONS])
    elif isinstance(thing, Manipulator):
        for text in [*asked, CONTROL]:
            yield TestQuestion(start="start", perturbation=text, answer="-"), _drawn(thing.reads)
    elif isinstance(thing, Decoder):
        yield TestQuestion(start="start", answer="-"), _drawn(thing.reads)
    else:
        features = getattr(thing, "features", None)
        if isinstance(features, np.ndarray) and features.ndim == 1:
            counts = np.random.default_rng(0).poisson(2.0, (_STATES, len(features))).astype(np.float64)
            yield TestQuestion(start="start", answer="-"), counts


def _of_cell(cell: VirtualCell, asked: Sequence[str]) -> Iterator[tuple[TestQuestion, np.ndarray | None]]:
    for text in asked or [CONTROL]:
        for context in list(cell.starts)[:_CONTEXTS]:
            yield TestQuestion(context=context, perturbation=text, answer="-"), None
    spaces = [part.reads for part in cell.instruments.values() if isinstance(part, Manipulator)]
    if spaces and not cell.starts:
        for text in [*asked, "ko:TP53", CONTROL]:
            yield TestQuestion(start="start", perturbation=text, answer="-"), _drawn(spaces[0])


def _drawn(space: Space) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(_STATES, space.dim))


def _answer(
    thing: Asked, test: SelfTest, question: TestQuestion, arrays: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, Prediction[Any] | None]:
    """``(f or d,)`` profile, and the prediction it is of.

    Raises:
        AIVCError: It does not answer.
    """
    start = arrays[question.start] if question.start else None
    with fitting("The self-test"):
        profile, said = _WAYS[test.way](thing, question, start, test.cells)
    if profile.ndim != 1 or not len(profile):
        raise IntegrityError("The self-test was answered without a profile. Publish another.")
    return np.asarray(profile, dtype=np.float64), said


def _predict(
    thing: Any, question: TestQuestion, start: np.ndarray | None, cells: int
) -> tuple[np.ndarray, Prediction[Any]]:
    begin: UR | str = question.context
    if start is not None:
        manipulator = next(part for part in thing.instruments.values() if isinstance(part, Manipulator))
        begin = _states(start, manipulator.reads)
    said = thing.predict(begin, question.perturbation, cells=cells)
    return said.mean, said


def _manipulate(
    thing: Any, question: TestQuestion, start: np.ndarray | None, _: int
) -> tuple[np.ndarray, Prediction[Any]]:
    said = thing.manipulate(_states(_given(start), thing.reads), Perturbation.parse(question.perturbation))
    return said.mean, said


def _decode(thing: Any, question: TestQuestion, start: np.ndarray | None, _: int) -> tuple[np.ndarray, Prediction[Any]]:
    said = thing.decode(_states(_given(start), thing.reads))
    return said.mean, said


def _encode(thing: Any, question: TestQuestion, start: np.ndarray | None, _: int) -> tuple[np.ndarray, None]:
    values = _given(start)
    rows = pd.DataFrame(index=pd.Index([str(i) for i in range(len(values))]))
    measurement = Measurement(values, thing.features, rows, "counts", scale=thing.scale)
    return thing.encode(measurement).values.ravel(), None


def _given(start: np.ndarray | None) -> np.ndarray:
    if start is None or start.ndim != 2:
        raise IntegrityError("The self-test lacks states to start from. Do not trust it; fetch it again.")
    return start.astype(np.float64)


def _states(values: np.ndarray, space: Space) -> UR:
    names = pd.Index([str(i) for i in range(len(values))])
    return UR(_given(values), space, pd.DataFrame({"perturbation": CONTROL}, index=names))


_WAYS: dict[str, Callable[[Any, TestQuestion, np.ndarray | None, int], tuple[np.ndarray, Prediction[Any] | None]]] = {
    "predict": _predict,
    "manipulate": _manipulate,
    "decode": _decode,
    "encode": _encode,
}
