"""Cells replaced by cells of other times: what copying, mixing and pooling say of a population at a time between.

Each takes ``along``, a way to come to a time that was read, such as along a plan: a cell is then found where it was or
where it will be, as one that has or has not yet gone. Without it a cell becomes any cell of that time.

A stop between two times changes nothing: a cell that is among those read at the later time has gone and stays, and any
other goes from the time before, when it would have gone without the stop.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.snapshots import SAME, Line, Snapshot, bracket, drawn
from aivc.instruments.manipulators.time.transporter import Moved

# Takes cells to an hour, with a salt that tells draws apart.
Along = Callable[[CellRows, float, str], Moved]


def hours_of(line: Line, cells: CellRows) -> np.ndarray:
    """``(p,)`` hours that cells are of: when they were read, for those found between two times too.

    Cells at a time that was read are of that time. Between two times, a cell that is one of the later time has gone
    there, and one of the earlier time has not; any other is of its own time.

    Args:
        line: Populations.
        cells: All at one time.
    """
    at_p = np.full(len(cells.values), float(cells.start))
    k = bracket(line, cells.start)
    before, after = line[k], line[k + 1]
    if before.hours + SAME < cells.start < after.hours - SAME:
        at_p[_among(before, cells.values)] = before.hours
        at_p[_among(after, cells.values)] = after.hours
    return at_p


def _among(snapshot: Snapshot, values_pd: np.ndarray) -> np.ndarray:
    """``(p,)`` whether each state is exactly one that was read: copies are exact."""
    known = {row.tobytes() for row in np.ascontiguousarray(snapshot.values, dtype=np.float64)}
    return np.array([row.tobytes() in known for row in np.ascontiguousarray(values_pd, dtype=np.float64)], dtype=bool)


def _copied(
    line: Line, snapshot: Snapshot, cells: CellRows, at_p: np.ndarray, salt: str, along: Along | None
) -> np.ndarray:
    """``(p, d)`` cells of a time, one for each, drawn by weight; those that are of it stay."""
    values, goes = np.array(cells.values), at_p < snapshot.hours - SAME
    if along is None:
        goes = np.abs(at_p - snapshot.hours) > SAME
        values[goes] = snapshot.values[drawn(snapshot.weight, cells.at(f"copy {snapshot.hours:g} {salt}"))][goes]
        return values
    # Cells that came otherwise go from the time before too: a plan takes cells to those read at its end.
    times = np.array([each.hours for each in line])
    from_p = times[np.searchsorted(times, at_p + SAME, side="right") - 1]
    for hours in np.unique(from_p[goes]):
        some = np.flatnonzero(goes & (from_p == hours))
        values[some] = along(replace(cells.take(some), start=float(hours)), snapshot.hours, salt).values
    return values


def nearest_moved(line: Line, cells: CellRows, end: float, salt: str, *, along: Along | None = None) -> Moved:
    """Copies of the time nearest to the end, or the cells themselves; of two as near, of that with more cells.

    More cells say better what a time is like. Of as many, the cells stay, or become those of the earlier time.
    """
    far = min(abs(each.hours - end) for each in line)
    near = [each for each in line if abs(each.hours - end) <= far + SAME]
    nearest = max(near, key=lambda each: (each.total, -each.hours))
    at_p = hours_of(line, cells)
    stays = np.abs(at_p - end) < far - SAME
    copies = cells.values if stays.all() else _copied(line, nearest, cells, at_p, salt, along)
    return Moved(np.where(stays[:, None], cells.values, copies), np.ones(len(stays)))


def mixture_moved(
    line: Line, cells: CellRows, end: float, salt: str, *, counted: bool = False, along: Along | None = None
) -> Moved:
    """Cells of the times before and after the end, by how near each is; before may be the cells themselves.

    Each cell goes at a moment of its own, the same whatever stops are made on the way.

    Args:
        line: Populations.
        cells: Which cells.
        end: Hours wanted.
        salt: Tells draws apart.
        counted: Weigh each time also by its number of cells: the cells of two times, pooled as they are, are what is
            expected halfway. The number of cells in each state then goes on a line from the one time to the other.
        along: How cells come to a time that was read.
    """
    k = bracket(line, end)
    before, after = line[k], line[k + 1]
    at_p, goes_p = hours_of(line, cells), cells.at(f"mixture {salt}")
    gone = _gone(before, after, max(cells.start, before.hours), counted=counted)
    # Cells that should have gone by now and have not came here otherwise: they go like the rest of those left.
    left = (goes_p < gone) & (at_p < after.hours - SAME)
    goes_p = np.where(left, gone + goes_p / max(gone, SAME) * (1 - gone), goes_p)
    goes = (goes_p < _gone(before, after, end, counted=counted)) | (at_p > after.hours - SAME)
    inside = cells.start >= before.hours - SAME
    first = cells.values if inside else _copied(line, before, cells, at_p, salt, along)
    return Moved(np.where(goes[:, None], _copied(line, after, cells, at_p, salt, along), first), np.ones(len(first)))


def _gone(before: Snapshot, after: Snapshot, hours: float, *, counted: bool) -> float:
    """Share of cells of the later time at an hour between two."""
    share = (hours - before.hours) / (after.hours - before.hours)
    if not counted:
        return share
    return share * after.total / (share * after.total + (1 - share) * before.total)


def next_moved(line: Line, cells: CellRows, end: float, salt: str, *, along: Along | None = None) -> Moved:
    """Copies of the first time at or after the end."""
    after = min((each for each in line if each.hours > end - SAME), key=lambda each: each.hours)
    values = _copied(line, after, cells, hours_of(line, cells), salt, along)
    return Moved(values, np.ones(len(values)))


def previous_moved(line: Line, cells: CellRows, end: float, salt: str, *, along: Along | None = None) -> Moved:
    """Copies of the last time at or before the end; the cells themselves where they are no earlier."""
    before = max((each for each in line if each.hours < end + SAME), key=lambda each: each.hours)
    stays = cells.start >= before.hours - SAME
    values = cells.values if stays else _copied(line, before, cells, hours_of(line, cells), salt, along)
    return Moved(values, np.ones(len(values)))
