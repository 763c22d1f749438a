"""Populations as they were read at several times, each line of cells by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR

# Cells of one time that are kept: of more, so many are drawn by their mass.
MOST = 4096
FEWEST = 5
POOLED = "all contexts"
_PLAIN = ""
# Hours nearer than this are the same time.
SAME = 1e-6


@final
@dataclass(frozen=True, eq=False)
class Snapshot:
    """A population at one time.

    Attributes:
        hours: When it was read.
        values: ``(n, d)`` states.
        weight: ``(n,)`` shares, which add up to one.
        rate: ``(n,)`` net growth per hour that scores say; NaN where none do.
        total: Number of cells: declared, or as they were read.
    """

    hours: float
    values: np.ndarray
    weight: np.ndarray
    rate: np.ndarray
    total: float


Line = tuple[Snapshot, ...]


class LineTable(NamedTuple):
    """All cells that are kept, row by row, as a manipulator saves them.

    Attributes:
        states: ``(n, d)`` of cells.
        masses: ``(n,)`` mass that each stands for.
        hours: ``(n,)`` when it was read.
        rates: ``(n,)`` net growth per hour; NaN where not known.
        line_of: ``(n,)`` position of its line among ``lines``.
        lines: Names of lines: a context, or all of them, and what was done to the cells.
    """

    states: np.ndarray
    masses: np.ndarray
    hours: np.ndarray
    rates: np.ndarray
    line_of: np.ndarray
    lines: tuple[str, ...]


def table_of(name: str, ur: UR, rates: np.ndarray | None, seed: int) -> LineTable:
    """Keep the cells that lines are made of.

    A line is made of the cells of one context, or of all contexts together, to which the same was done. A line of
    perturbed cells begins with the unperturbed ones of earlier times, which the perturbed ones have come from.

    Args:
        name: Of the manipulator, for messages.
        ur: States with ``time``.
        rates: ``(n,)`` net growth per hour, where scores say so.
        seed: Draws cells where there are too many.

    Raises:
        DataError: The times are missing, or no line has two.
    """
    hours = times_of(name, ur)
    rates = np.full(len(ur), np.nan) if rates is None else rates
    done, contexts = agents_of(ur), ur.contexts.astype(str)
    rng = np.random.default_rng(seed)
    rows: list[np.ndarray] = []
    masses: list[np.ndarray] = []
    line_of: list[np.ndarray] = []
    lines: list[str] = []
    # Of one context alone, its line is that of all.
    several = sorted(set(contexts)) if len(set(contexts)) > 1 else []
    for context in [POOLED, *several]:
        here = np.ones(len(ur), dtype=bool) if context == POOLED else contexts == context
        for agents in sorted(set(done[here])):
            kept = _kept(hours, done, here, agents, ur.mass, rng)
            if kept is not None:
                line_of.append(np.full(len(kept[0]), len(lines)))
                lines.append(line_name(context, agents))
                rows.append(kept[0])
                masses.append(kept[1])
    if not rows:
        read = ", ".join(f"{h:g}" for h in np.unique(hours)[:8])
        raise DataError(
            [
                f"{name} needs cells of at least two times, {FEWEST} or more of each; got times {read} h. "
                "Read more time points, or ask a manipulator that needs no times."
            ]
        )
    all_rows = np.concatenate(rows)
    return LineTable(
        ur.values[all_rows], np.concatenate(masses), hours[all_rows], rates[all_rows], np.concatenate(line_of),
        tuple(lines),
    )  # fmt: skip


def _kept(
    hours: np.ndarray, done: np.ndarray, here: np.ndarray, agents: str, mass: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of a line and the mass that each stands for; None where it has fewer than two times."""
    own = here & (done == agents)
    if agents != _PLAIN:
        own |= here & (done == _PLAIN) & (hours < hours[own].min() - SAME)
    found = []
    for when in np.unique(hours[own]):
        at = np.flatnonzero(own & (hours == when))
        if len(at) >= FEWEST:
            total = mass[at].sum()
            if len(at) > MOST:
                # Drawn by mass, each stands for as much, and all of them for all that were read.
                at = np.sort(rng.choice(at, MOST, replace=False, p=mass[at] / total))
                found.append((at, np.full(MOST, total / MOST)))
            else:
                found.append((at, mass[at]))
    if len(found) < 2:
        return None
    return np.concatenate([each for each, _ in found]), np.concatenate([each for _, each in found])


def times_of(name: str, ur: UR) -> np.ndarray:
    """Hours at which cells were read.

    Raises:
        DataError: They are missing, or some are.
    """
    hours = ur.times
    if hours is None or not np.isfinite(hours).all():
        lacking = "no cell says" if hours is None else "some do not"
        raise DataError(
            [
                f"{name} needs to know when each cell was read, and {lacking}. Declare the column of times and its "
                "unit in the schema: time and time_unit."
            ]
        )
    return hours


def agents_of(ur: UR) -> np.ndarray:
    """``(n,)`` what was done to each cell, whatever the hours; an empty text where nothing was."""
    texts = ur.perturbations.astype(str)
    plain = {text: plain_agents(Perturbation.parse(text)) for text in set(texts)}
    return np.array([plain[text] for text in texts], dtype=object)


def plain_agents(perturbation: Perturbation) -> str:
    """Text of the agents without hours; empty where there are none."""
    return str(Perturbation(perturbation.agents)) if perturbation.agents else _PLAIN


def line_name(context: str, agents: str) -> str:
    """Name of a line."""
    return f"{context}\t{agents}"


def lines_of(table: LineTable) -> Mapping[str, Line]:
    """Populations of each line, in the order of time."""
    found = {}
    for i, name in enumerate(table.lines):
        own = np.flatnonzero(table.line_of == i)
        found[name] = tuple(_snapshot(table, own, when) for when in np.unique(table.hours[own]))
    return found


def _snapshot(table: LineTable, own: np.ndarray, when: float) -> Snapshot:
    at = own[table.hours[own] == when]
    total = table.masses[at].sum()
    return Snapshot(float(when), table.states[at], table.masses[at] / total, table.rates[at], float(total))


@final
class Places:
    """Numbers between 0 and 1 for each cell, evenly spread over the cells, decided by names and a seed.

    A cell has the same numbers wherever it stands in a table, and on every step of its way.
    """

    def __init__(self, names: Sequence[object], values: np.ndarray, seed: int) -> None:
        self._names, self._first, self._seed = list(names), values[:, 0], seed

    def __call__(self, what: str) -> np.ndarray:
        """``(n,)`` numbers for one purpose."""
        said = np.array([f"{self._seed}/{what}/{name}" for name in self._names], dtype=object)
        order = np.lexsort((self._first, pd.util.hash_array(said)))
        places = np.empty(len(order))
        # One cell alone has no neighbors to be spread among: its place is that of its hash.
        # By an offset of their own for each purpose: draws of populations do not take the same cells every time.
        offset = pd.util.hash_array(np.array([f"{self._seed}/{what}"], dtype=object))[0] / 2**64
        places[order] = (np.arange(len(order)) + offset) / len(order)
        if len(order) == 1:
            places[0] = pd.util.hash_array(said)[0] / 2**64
        return places


def drawn(weight: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Index for each place between 0 and 1 of the cumulative weights."""
    total = np.cumsum(weight)
    return np.minimum(np.searchsorted(total, places * total[-1]), len(weight) - 1)


def thinned(line: Line, most: int, seed: int) -> Line:
    """The same line with at most so many cells of each time, drawn by weight."""
    rng = np.random.default_rng(seed)
    found = []
    for each in line:
        many = len(each.weight) > most
        rows = np.sort(rng.choice(len(each.weight), most, replace=False, p=each.weight)) if many else slice(None)
        weight = np.full(most, 1 / most) if many else each.weight
        found.append(Snapshot(each.hours, each.values[rows], weight, each.rate[rows], each.total))
    return tuple(found)


def bracket(line: Sequence[Snapshot], hours: float) -> int:
    """Position of the interval that a time lies in, its beginning included; the last one for the last time."""
    times = np.array([each.hours for each in line])
    return int(np.clip(np.searchsorted(times, hours + SAME, side="right") - 1, 0, len(line) - 2))
