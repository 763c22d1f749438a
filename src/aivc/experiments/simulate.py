"""Take cells of a virtual cell through a schedule: development while agents are given and taken away again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.population import stacked
from aivc.core.read_out import CELLS
from aivc.core.schedule import Schedule
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.schema import Schema
from aivc.experiments.cell_states import cell_states, label_decoders
from aivc.experiments.predict import given_start
from aivc.experiments.series import Series, read_rows
from aivc.experiments.trajectory import Moment, Trajectory, common_time

if TYPE_CHECKING:
    from anndata import AnnData


def simulate(  # noqa: PLR0913 - one keyword for each thing a question may say
    cell: VirtualCell,
    start: "Measurement | UR | AnnData | Path | str",
    schedule: Schedule | str,
    *,
    every: float | int | None = None,
    at: float | int | None = None,
    cells: int = CELLS,
    extrapolate: bool = False,
    allow_unknown: bool = False,
    manipulators: tuple[str, str] = ("", ""),
    decoder: str = "",
    schema: Schema | None = None,
    new_context: bool = False,
    level: float = 0.9,
    seed: int = 0,
) -> Series:
    """Simulate a schedule: a series of populations, one at the end of each step.

    Development is the answer of the manipulator of time to the hours of a step. What agents do is added to it, as the
    manipulator of effects says, since effects are measured against controls of the same time; it sets in over the hours
    after which it was measured, and stays when they are gone. What is taken for granted in that stands in the series,
    under ``assumptions``.

    Args:
        cell: With a manipulator of time (`aivc.experiments.fitting.fit_time.fit_time`), and one of effects where agents
            are given.
        start: Name of a context; states; or control cells with ``time``, as `aivc.predict` takes them.
        schedule: As an object or as text, such as ``"wait 24h; drug:dexamethasone@100nM for 3h; wait 24h"``.
        every: Hours between further moments at which populations are kept.
        at: Time at which the cells of the start were read, where there are several; the earliest by default.
        cells: How many cells of the start are followed, at most.
        extrapolate: Answer also outside of the range of times that were read.
        allow_unknown: Answer also where nothing is known of a name, or a dose is missing.
        manipulators: Names of the manipulator of time and of that of effects, where there are several.
        decoder: Which one reads cells out, where there are several besides those of labels.
        schema: What the columns of an AnnData or a file mean.
        new_context: Whether the name is that of a new context, although it reads like a known one.
        level: Of the intervals, which hold the spread of draws and of the cells that were taken, not more.
        seed: Draws the cells of the start, clusters and intervals.

    Raises:
        DataError: The start does not say when it was read, or has no cells of the time asked for.
        PerturbationError: The schedule has another form, or leads outside of what was read.
        UnknownNameError: No such context, manipulator or decoder, or nothing is known of a target.

    >>> from aivc.data.synthetic_time import synthetic_development
    >>> from aivc.experiments.fitting.fit_time import fit_time
    >>> from aivc.experiments.fitting.shared_fit import Recipe
    >>> read, truth = synthetic_development(cells=40, features=20, given=None)
    >>> series = simulate(fit_time(read, "mixture-time", recipe=Recipe(dim=3)), "culture", "wait 24h; wait 12h")
    >>> series.times, series.to_anndata().shape
    ((0.0, 24.0, 36.0), (120, 20))
    """
    whole = Schedule.parse(schedule) if isinstance(schedule, str) else schedule
    if every is not None and not 0 < every < float("inf"):
        raise DataError([f"Populations are kept every so many hours, more than 0, got {every}. Ask for every=6."])
    cut = whole if every is None else whole.cut(np.arange(every, whole.hours, every).tolist())
    way = Trajectory.of(cell, cut, extrapolate=extrapolate, manipulators=manipulators, allow_unknown=allow_unknown)
    begin = _begin(cell, given_start(start, schema), at, cells, seed, new_context=new_context)
    way = way.beside(begin)
    moments = tuple(way.run(begin))
    reader = _reader(cell, begin, decoder)
    populations = [draw for moment in moments for draw in moment.draws]
    about = {
        **cell.origin(),
        "schedule": str(whole),
        "context": ", ".join(sorted(set(begin.contexts.astype(str)))),
        "from": common_time(begin),
        "assumptions": list(way.assumptions),
        "semigroup": semigroup(way, moments),
        "level": level,
        "intervals": "spread of draws and of the cells taken at the start; not calibrated",
    }
    return Series(
        moments,
        tuple(_read(reader, moment) for moment in moments),
        tuple(reader.profiles(moment.draws) for moment in moments),
        reader.decode(begin.take(np.arange(min(2, len(begin))))).profile_units,
        cell_states(cell, populations, seed=seed),
        about,
        seed,
    )


def semigroup(way: Trajectory, moments: Sequence[Moment]) -> float:
    """How far untreated cells are from where one step of all hours would have brought them.

    Args:
        way: Who answers.
        moments: Of a series.

    Returns:
        Mean distance as a share of the mean length of the way; 0 where both agree, and for one step; NaN where cells do
        not move.
    """
    if way.still:
        return float("nan")
    start, last = moments[0].draws[0], moments[-1].untreated[0]
    steps = sum(hours > 0 for hours in np.diff([moment.time for moment in moments]))
    if steps < 2:
        return 0.0
    once = way.develops.manipulate(start, Schedule.parse(f"wait {way.schedule.hours!r}h").steps[0]).draws[0]
    length = float(np.linalg.norm(once.values - start.values, axis=1).mean())
    return float(np.linalg.norm(once.values - last.values, axis=1).mean() / length) if length else float("nan")


def _begin(
    cell: VirtualCell,
    given: Measurement | UR | str,
    at: float | int | None,
    cells: int,
    seed: int,
    *,
    new_context: bool,
) -> UR:
    """Cells of one time to start from, as many as are followed.

    Raises:
        DataError: They do not say when they were read, or none was read then.
    """
    states = cell.states(given, new_context=new_context)
    if states.times is None:
        common_time(states)
    times = np.asarray(states.times, dtype=float)
    wanted = float(times.min()) if at is None else at
    rows = np.flatnonzero(np.isclose(times, wanted))
    if not len(rows):
        known = ", ".join(f"{each:g}" for each in np.unique(times)[:8])
        raise DataError([f"No cell of the start was read at {wanted:g} h; there are cells of {known} h. Name one."])
    if len(rows) > cells:
        rows = np.sort(np.random.default_rng(seed).choice(rows, cells, replace=False))
    begin = states.take(rows)
    return replace(begin, values=np.array(begin.values, dtype=np.float64), variance=None, links=None)


def _reader(cell: VirtualCell, begin: UR, name: str) -> Decoder:
    """The decoder that reads cells out: the one named, or the only one that reads no labels.

    Raises:
        UnknownNameError: No such decoder, or several and no name.
    """
    labels = label_decoders(cell, begin)
    found: dict[str, Any] = {
        key: part
        for key, part in cell.instruments.items()
        if isinstance(part, Decoder) and key not in labels and part.reads == begin.space
    }
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        raise UnknownNameError("decoder", name, found, "" if name else f"This cell has {len(found)}: name one.")
    return found[name]


def _read(reader: Decoder, moment: Moment) -> Measurement:
    """Read every cell once, in one of the draws, in the order of the start.

    Raises:
        DataError: The decoder answers with other cells than it was given.
    """
    rows = [own for own in read_rows(moment.draws) if len(own)]
    said = [reader.decode(draw.take(own)).draws[0] for draw, own in zip(moment.draws, rows, strict=False)]
    if any(len(each) != len(own) for each, own in zip(said, rows, strict=True)):
        raise DataError([f"{reader.name} reads other cells than it is given, so they cannot be followed over time."])
    order = np.argsort(np.concatenate(rows), kind="stable")
    entities = moment.draws[0].entities
    plain = [each.replace(entities=entities.iloc[own][[]]) for each, own in zip(said, rows, strict=True)]
    values = stacked(plain)
    return said[0].replace(values=values[order], entities=entities[[]], observed=None, links=None, coordinates=None)
