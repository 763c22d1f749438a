"""Cells replaced by cells of other times: what copying and mixing say of a population at a time between."""

import numpy as np

from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.snapshots import SAME, Line, Snapshot, bracket, drawn
from aivc.instruments.manipulators.time.transporter import Moved


def copied(snapshot: Snapshot, cells: CellRows, salt: str) -> np.ndarray:
    """``(p, d)`` cells of a time, one for each, drawn by weight."""
    return np.asarray(snapshot.values[drawn(snapshot.weight, cells.at(f"copy {snapshot.hours:g} {salt}"))])


def nearest_moved(line: Line, cells: CellRows, end: float, salt: str) -> Moved:
    """Copies of the time nearest to the end; the cells themselves where their own is as near."""
    nearest = min(line, key=lambda each: (abs(each.hours - end), each.hours))
    stays = abs(cells.start - end) <= abs(nearest.hours - end) + SAME or abs(nearest.hours - cells.start) < SAME
    values = cells.values if stays else copied(nearest, cells, salt)
    return Moved(values, np.ones(len(values)))


def mixture_moved(line: Line, cells: CellRows, end: float, salt: str) -> Moved:
    """Cells of the times before and after the end, by how near each is; before may be the cells themselves."""
    k = bracket(line, end)
    before, after = line[k], line[k + 1]
    own = cells.start >= before.hours - SAME
    begin = cells.start if own else before.hours
    share = (end - begin) / max(after.hours - begin, SAME)
    first = cells.values if own else copied(before, cells, salt)
    goes = cells.at(f"mixture {salt}") < share
    return Moved(np.where(goes[:, None], copied(after, cells, salt), first), np.ones(len(first)))


def next_moved(line: Line, cells: CellRows, end: float, salt: str) -> Moved:
    """Copies of the first time at or after the end."""
    after = min((each for each in line if each.hours > end - SAME), key=lambda each: each.hours)
    return Moved(copied(after, cells, salt), np.ones(len(cells.values)))


def previous_moved(line: Line, cells: CellRows, end: float, salt: str) -> Moved:
    """Copies of the last time before the end; the cells themselves where they are no earlier."""
    before = max((each for each in line if each.hours < end - SAME), key=lambda each: each.hours)
    stays = cells.start >= before.hours - SAME
    values = cells.values if stays else copied(before, cells, salt)
    return Moved(values, np.ones(len(values)))
