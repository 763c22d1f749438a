"""A virtual cell as it is asked in one context: block by block, by every decoder that a score reads."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import NamedTuple, final

import numpy as np

from aivc.core.contracts import Decoder
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.names.own_genes import GeneColumns
from aivc.experiments.predict import Predictor, predictor
from aivc.experiments.scores.answer import Answer
from aivc.experiments.targets import ControlLevels

# Answers held at once: effects on every feature, with intervals, are large, and predictors make as many together.
AT_ONCE = 50


class AnsweredBlock(NamedTuple):
    """Some questions and what was said.

    Attributes:
        said: Predictions of the main decoder.
        answer: Effects, for scores.
    """

    said: Sequence[Prediction[Measurement]]
    answer: Answer


@final
@dataclass(frozen=True, eq=False)
class ContextAsker:
    """A cell with the states that it starts from.

    Attributes:
        label: Name of the context.
        start: Control states.
        tells: Answers, by the name of the decoder; the first is the main one.
        controls: Mean readings of the control states, by the name of the decoder.
    """

    label: str
    start: UR
    tells: Mapping[str, Predictor]
    controls: Mapping[str, ControlLevels]

    @classmethod
    def of(
        cls, cell: VirtualCell, label: str, start: UR, tried: Sequence[Perturbation], decoders: Sequence[str]
    ) -> "ContextAsker":
        """Find out how a cell is asked fastest.

        Args:
            cell: With one manipulator.
            label: Name of the context.
            start: Control states.
            tried: Some of what will be asked.
            decoders: Which are read; the first is the main one.

        Raises:
            UnknownNameError: No such decoder.
        """
        tells = {name: predictor(cell, start, tried, decoder=name) for name in decoders}
        read = {name: cell.decode(start, instrument=name) for name in decoders}
        levels = {name: ControlLevels(e.draws[0].features, e.mean, e.profile_units) for name, e in read.items()}
        return cls(label, start, tells, levels)

    @property
    def main(self) -> ControlLevels:
        """What the main decoder reads of the control states."""
        return next(iter(self.controls.values()))

    @property
    def digest(self) -> str:
        """Of the states."""
        return hashlib.sha256(self.start.values.tobytes() + self.start.mass.tobytes()).hexdigest()

    def each(self, asked: Sequence[Perturbation]) -> Iterator[Prediction[Measurement]]:
        """What the main decoder says, one by one."""
        return next(iter(self.tells.values())).each(asked)

    def blocks(self, asked: Sequence[Perturbation], level: float | None) -> Iterator[AnsweredBlock]:
        """Ask some questions at a time.

        Args:
            asked: Perturbations.
            level: Of intervals; None where none are needed.
        """
        streams = {name: tell.each(asked) for name, tell in self.tells.items()}
        for first in range(0, len(asked), AT_ONCE):
            block = asked[first : first + AT_ONCE]
            said = {name: list(islice(stream, len(block))) for name, stream in streams.items()}
            found = {name: self._known(name, Answer.of(block, each, level)) for name, each in said.items()}
            main, *_ = found
            yield AnsweredBlock(said[main], replace(found[main], readouts=found))

    def blank(self) -> Answer:
        """An answer to nothing done: no effect on any feature that is read."""
        control = (Perturbation.control(),)
        found = {
            name: self._known(name, Answer(control, each.features, np.zeros((1, len(each.features))), each.units))
            for name, each in self.controls.items()
        }
        main, *_ = found
        return replace(found[main], readouts=found)

    def _known(self, name: str, answer: Answer) -> Answer:
        # One array of names for all blocks: what is looked up in it is kept.
        return replace(answer, features=self.controls[name].features, places=self._columns[name])

    @cached_property
    def _columns(self) -> dict[str, GeneColumns]:
        return {name: GeneColumns.of(each.features) for name, each in self.controls.items()}


def decoders_read(cell: VirtualCell, named: frozenset[str]) -> list[str]:
    """Decoders that answer a score that names some: first the main one, the only one that is not named."""
    every = [name for name, part in cell.instruments.items() if isinstance(part, Decoder)]
    left = [name for name in every if name not in named] or every
    # Of several that are not named, which is meant is not ours to say: the cell refuses.
    main = left[0] if len(left) == 1 else ""
    return [main, *sorted(named - {main})]
