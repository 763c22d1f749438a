"""Cells replaced by cells of other times: what copying, mixing and pooling say of a population at a time between.

Each takes ``along``, a way to come to a time that was read, such as along a plan: a cell is then found where it was or
where it will be, as one that has or has not yet gone. Without it a cell becomes any cell of that time.
"""

from collections.abc import Callable

import numpy as np

from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.snapshots import SAME, Line, Snapshot, bracket, drawn
from aivc.instruments.manipulators.time.transporter import Moved

# Takes cells to an hour, with a salt that tells draws apart.
Along = Callable[[CellRows, float, str], Moved]


def copied(snapshot: Snapshot, cells: CellRows, salt: str, along: Along | None = None) -> np.ndarray:
    """``(p, d)`` cells of a time, one for each, drawn by weight."""
    if along is not None:
        return along(cells, snapshot.hours, salt).values
    return np.asarray(snapshot.values[drawn(snapshot.weight, cells.at(f"copy {snapshot.hours:g} {salt}"))])


def nearest_moved(line: Line, cells: CellRows, end: float, salt: str, *, along: Along | None = None) -> Moved:
    """Copies of the time nearest to the end, or the cells themselves; of two as near, of that with more cells.

    More cells say better what a time is like. Of as many, the cells stay, or become those of the earlier time.
    """
    far = min(abs(each.hours - end) for each in line)
    near = [each for each in line if abs(each.hours - end) <= far + SAME]
    nearest = max(near, key=lambda each: (each.total, -each.hours))
    own = abs(cells.start - end)
    stays = own < far - SAME or abs(nearest.hours - cells.start) < SAME
    values = cells.values if stays else copied(nearest, cells, salt, along)
    return Moved(values, np.ones(len(values)))


def mixture_moved(
    line: Line, cells: CellRows, end: float, salt: str, *, counted: bool = False, along: Along | None = None
) -> Moved:
    """Cells of the times before and after the end, by how near each is; before may be the cells themselves.

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
    own = cells.start >= before.hours - SAME
    begin = cells.start if own else before.hours
    share = (end - begin) / max(after.hours - begin, SAME)
    if counted:
        done = (begin - before.hours) / (after.hours - before.hours)
        number = before.total + done * (after.total - before.total)
        share = share * after.total / (share * after.total + (1 - share) * number)
    first = cells.values if own else copied(before, cells, salt, along)
    goes = cells.at(f"mixture {salt}") < share
    return Moved(np.where(goes[:, None], copied(after, cells, salt, along), first), np.ones(len(first)))


def next_moved(line: Line, cells: CellRows, end: float, salt: str, *, along: Along | None = None) -> Moved:
    """Copies of the first time at or after the end."""
    after = min((each for each in line if each.hours > end - SAME), key=lambda each: each.hours)
    return Moved(copied(after, cells, salt, along), np.ones(len(cells.values)))


def previous_moved(line: Line, cells: CellRows, end: float, salt: str, *, along: Along | None = None) -> Moved:
    """Copies of the last time at or before the end; the cells themselves where they are no earlier."""
    before = max((each for each in line if each.hours < end + SAME), key=lambda each: each.hours)
    stays = cells.start >= before.hours - SAME
    values = cells.values if stays else copied(before, cells, salt, along)
    return Moved(values, np.ones(len(values)))
