"""Ask a virtual cell what perturbations would do; many at once are answered fast where that changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final, overload, runtime_checkable

import numpy as np

from aivc.core.errors import SchemaError
from aivc.core.matching import at_hours
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.read_out import CELLS, MeanReader
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.schema import Schema
from aivc.experiments.known_names import questions

if TYPE_CHECKING:
    from anndata import AnnData

# On how many of the perturbations it is tried whether the fast way gives the same answers.
_TRIED = 3
# Questions whose products are made together: of states, and of the many more features.
_AT_ONCE, _READ_AT_ONCE = 500, 50


@runtime_checkable
class Predictor(Protocol):
    """Answers questions, alone or many of them; the answers are the same."""

    def __call__(self, perturbation: Perturbation) -> Prediction[Measurement]:
        """Answer one."""

    def each(self, perturbations: Sequence[Perturbation]) -> Iterator[Prediction[Measurement]]:
        """Answer several, in their order."""


# A text is one perturbation, not a sequence of letters.
@overload
def predict(  # type: ignore[overload-overlap]
    cell: VirtualCell,
    start: "Measurement | UR | AnnData | Path | str",
    perturbation: Perturbation | str,
    *,
    cells: int = ...,
    manipulator: str = ...,
    decoder: str = ...,
    new_context: bool = ...,
    schema: Schema | None = ...,
    allow_unknown: bool = ...,
) -> Prediction[Measurement]: ...


@overload
def predict(
    cell: VirtualCell,
    start: "Measurement | UR | AnnData | Path | str",
    perturbation: Sequence[Perturbation | str],
    *,
    cells: int = ...,
    manipulator: str = ...,
    decoder: str = ...,
    new_context: bool = ...,
    schema: Schema | None = ...,
    allow_unknown: bool = ...,
) -> tuple[Prediction[Measurement], ...]: ...


def predict(  # noqa: PLR0913 - one keyword for each thing a question may say
    cell: VirtualCell,
    start: "Measurement | UR | AnnData | Path | str",
    perturbation: Perturbation | str | Sequence[Perturbation | str],
    *,
    cells: int = CELLS,
    manipulator: str = "",
    decoder: str = "",
    new_context: bool = False,
    schema: Schema | None = None,
    allow_unknown: bool = False,
) -> Prediction[Measurement] | tuple[Prediction[Measurement], ...]:
    """Perturb control cells of a context and read them out (`VirtualCell.predict`).

    Of several perturbations all profiles, effects and intervals are those that each one alone would have. Where the
    instruments allow it, no cells are read out for them: draws are then mean profiles, until `Prediction.population`
    asks for cells.

    Of cells with positions, and a cell with a manipulator of tissues, edits of the tissue may be asked: who is taken
    out, put in, exchanged or moved, such as ``"remove:T cell"``, and what is done to some cells, such as
    ``"ko:STAT1 where cell_type=tumour"``. `Prediction.affected` then says how far the change is felt.

    Names are read as the cell knows them: genes in any case and by former symbols, compounds by their other names and
    salts, doses in any unit (`aivc.experiments.known_names.KnownNames.question`).

    Args:
        cell: Whom to ask.
        start: Name of a context; control states; or control cells, as a Measurement, an AnnData or the path of a
            file; of the last two the controls are taken.
        perturbation: As an object or as text, such as ``"ko:JAK2"``; or several of them.
        cells: How many cells to read out over all draws, at least two for each.
        manipulator: Which one, where there are several.
        decoder: Which one, where there are several.
        new_context: Whether the name is that of a new context, although it reads like a known one.
        schema: What the columns of an AnnData or a file mean.
        allow_unknown: Answer also where nothing is known of a name, or a dose is missing.

    Returns:
        One prediction; or as many as there are perturbations, in their order.

    Raises:
        DataError: Every problem found in an AnnData or a file.
        PerturbationError: A text that is no perturbation, or lacks a dose where doses were measured.
        SchemaError: An AnnData or a file without a schema, or a schema for what needs none.
        UnknownNameError: No such context, or its name may be a slip; or nothing is known of a target.
        SpaceError: The states are of another space.
        ScoreError: An answer holds NaN or infinity.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> from aivc.experiments.fitting.fit import fit
    >>> from aivc.experiments.fitting.shared_fit import Recipe
    >>> screen, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    >>> cell = fit(screen, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))
    >>> one = predict(cell, "line1", "ko:G0001")
    >>> one.effect.shape, len(one.population(30))
    ((40,), 30)
    >>> len(predict(cell, "line1", ["ko:G0001", "ko:G0002"]))
    2
    """
    given = given_start(start, schema)
    ask = _Ask(cell, cell.states(given, new_context=new_context, manipulator=manipulator), cells, manipulator, decoder)
    if isinstance(perturbation, Perturbation | str):
        return ask(questions(cell, [perturbation], allow_unknown=allow_unknown)[0])
    asked = questions(cell, perturbation, allow_unknown=allow_unknown)
    tell = _quickest(ask, asked) if asked else ask
    return tuple(tell.each(asked))


def given_start(start: "Measurement | UR | AnnData | Path | str", schema: Schema | None) -> Measurement | UR | str:
    """The controls of an AnnData or a file; all else as it is."""
    if isinstance(start, Measurement | UR | str):
        if schema is not None:
            raise SchemaError(
                "A schema says what an AnnData or a file holds. Leave it out for the name of a context, for states and "
                "for a Measurement; give the path of a file as a Path."
            )
        return start
    if schema is None:
        raise SchemaError(
            'What the columns of an AnnData or a file mean was not said. Add schema=Schema(units="counts", '
            'perturbation="gene", control="NT", kind="ko"), or what `aivc data guess` suggests.'
        )
    # Anndata is slow to import, and most questions name a context.
    from aivc.data.io.as_measurement import as_measurement

    cells = as_measurement(start, schema)
    return cells.take(cells.perturbations == CONTROL)


def predictor(cell: VirtualCell, start: UR, perturbations: Sequence[Perturbation], *, decoder: str = "") -> Predictor:
    """What answers one by one as `predict` answers several: for who keeps a row of each answer, and not the answers.

    The fast way perturbs one state, the mean of all, and has the decoder state its profile without drawing cells
    (its method ``profile``). Where instruments are linear that changes nothing; whether it does is tried on some of the
    perturbations, the first and the last among them.

    Args:
        cell: With one manipulator.
        start: Control states.
        perturbations: What will be asked, at least one.
        decoder: Which one, where there are several.
    """
    return _quickest(_Ask(cell, start, decoder=decoder), perturbations)


@final
@dataclass(frozen=True, eq=False)
class _Ask:
    cell: VirtualCell
    start: UR
    cells: int = CELLS
    manipulator: str = ""
    decoder: str = ""

    def __call__(self, perturbation: Perturbation) -> Prediction[Measurement]:
        return self.cell.predict(
            self.start, perturbation, cells=self.cells, manipulator=self.manipulator, decoder=self.decoder
        )

    def each(self, perturbations: Sequence[Perturbation]) -> Iterator[Prediction[Measurement]]:
        """Answer one by one."""
        return map(self, perturbations)


@final
@dataclass(frozen=True, eq=False)
class _Fast:
    ask: _Ask
    start: UR
    read: MeanReader

    def __call__(self, perturbation: Perturbation) -> Prediction[Measurement]:
        return next(self._read([perturbation]))

    def each(self, perturbations: Sequence[Perturbation]) -> Iterator[Prediction[Measurement]]:
        """Answer blocks of questions in a few products."""
        for first in range(0, len(perturbations), _AT_ONCE):
            block = perturbations[first : first + _AT_ONCE]
            self.ask.cell.prepare(self.start, block, instrument=self.ask.manipulator)
            self.start.label_ahead(list(map(str, block)))
            for i in range(0, len(block), _READ_AT_ONCE):
                yield from self._read(block[i : i + _READ_AT_ONCE])

    def _read(self, perturbations: Sequence[Perturbation]) -> Iterator[Prediction[Measurement]]:
        starts = [self._start(each) for each in perturbations]
        moved = [
            self.ask.cell.manipulate(start, each, instrument=self.ask.manipulator)
            for start, each in zip(starts, perturbations, strict=True)
        ]
        for asked, said in zip(perturbations, self.read.each(list(zip(moved, starts, strict=True))), strict=True):
            yield said.replace(unread=partial(self.ask, asked), origin=self.ask.cell.origin)

    def _start(self, perturbation: Perturbation) -> UR:
        own = at_hours(self.ask.start, perturbation)
        return self.start if own is self.ask.start else own.sample(1)


def _quickest(ask: _Ask, perturbations: Sequence[Perturbation]) -> Predictor:
    # What a cell of a tissue does depends on its neighbours, which the mean of all has not.
    if ask.start.links is not None:
        return ask
    tried = np.unique(np.linspace(0, len(perturbations) - 1, _TRIED).round().astype(int))
    mean = ask.start.sample(1)
    fast = _Fast(ask, mean, MeanReader(ask.cell.decoder(ask.decoder), mean))
    return fast if all(_same(ask(perturbations[i]), fast(perturbations[i])) for i in tried) else ask


def _same(whole: Prediction[Measurement], fast: Prediction[Measurement]) -> bool:
    allowed = 1e-9 + 1e-6 * np.abs(whole.effect).max()
    pairs = [(whole.effect, fast.effect), (whole.retrieval_effect, fast.retrieval_effect)]
    pairs += list(zip(whole.effect_interval(), fast.effect_interval(), strict=True))
    stated = whole.applicability == fast.applicability
    stated &= whole.coverage == fast.coverage
    stated &= whole.made_by == fast.made_by
    return stated and all(np.allclose(one, other, rtol=0, atol=allowed) for one, other in pairs)
