"""Scores what was counted, linked and divided in a movie against what it shows, beside nearest neighbors."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from aivc.data.images.lineages import Lineages

# How far an object may lie from the nucleus that it is, in pixels, in a movie of nuclei with a radius of 5.
_SAME = 4.0


class MovieScores(NamedTuple):
    """Of one movie.

    Attributes:
        count_error: Mean absolute error of the number of cells, in the true number.
        count_in_interval: Share of the frames whose true number lies in the interval.
        links: Share right, of the nuclei found in a frame and in the next.
        links_nearest: Share right where each object is linked to the nearest of the next frame.
        divisions: How many there were, whose mother and daughters lie in the window.
        divisions_found: How many of them were found, in their frame.
        divisions_near: How many were found in their frame or one beside it.
        divisions_said: How many were said.
        divisions_right: How many of these are divisions, of that frame or one beside it.
    """

    count_error: float
    count_in_interval: float
    links: float
    links_nearest: float
    divisions: int
    divisions_found: int
    divisions_near: int
    divisions_said: int
    divisions_right: int


def movie_scores(found: Lineages, cells: pd.DataFrame) -> MovieScores:
    """Score one movie.

    Args:
        found: What was followed.
        cells: What is true: ``frame``, ``cell``, ``y_px``, ``x_px`` and ``mother``, as of `known_movie`.
    """
    rows = found.objects.assign(cell=_recognized(found.objects, cells))
    true = cells.groupby("frame").size().reindex(found.counts["frame"], fill_value=0).to_numpy()
    said = found.counts
    inside = (true >= said["low"]) & (true <= said["high"])
    truth, claimed = _true_divisions(cells), _said_divisions(found.divisions, rows, cells)
    near = [any((frame + off, mother) in claimed for off in (-1, 0, 1)) for frame, mother in truth]
    right = [any((frame + off, mother) in truth for off in (-1, 0, 1)) for frame, mother in claimed]
    return MovieScores(
        float(np.abs(said["cells"] - true).sum() / true.sum()),
        float(inside.mean()),
        *_links(rows),
        len(truth),
        len(truth & set(claimed)),
        int(sum(near)),
        len(claimed),
        int(sum(right)),
    )


def _recognized(objects: pd.DataFrame, cells: pd.DataFrame) -> np.ndarray:
    """The true cell of each object, the nearest one within reach; -1 for none, or where another object is nearer."""
    found = np.full(len(objects), -1)
    at, true = objects[["y_px", "x_px"]].to_numpy(float), cells[["y_px", "x_px"]].to_numpy(float)
    for frame in np.intersect1d(objects["frame"], cells["frame"]):
        here, there = (np.flatnonzero(each["frame"] == frame) for each in (objects, cells))
        away, nearest = cKDTree(at[here]).query(true[there])
        for k in np.argsort(-away, kind="stable"):
            # From far to near: the nearest cell has the last word.
            if away[k] <= _SAME:
                found[here[nearest[k]]] = cells["cell"].iloc[there[k]]
    return found


def _links(rows: pd.DataFrame) -> tuple[float, float]:
    right, nearest_right, total = 0, 0, 0
    frames = [frame for _, frame in rows.groupby("frame")]
    for one, two in pairwise(frames):
        known, later = (each[each["cell"] >= 0].set_index("cell") for each in (one, two))
        both = known.index.intersection(later.index)
        total += len(both)
        right += int((known.loc[both, "track"] == later.loc[both, "track"]).sum())
        _, place = cKDTree(two[["y_px", "x_px"]]).query(known.loc[both, ["y_px", "x_px"]])
        nearest_right += int((two["cell"].to_numpy()[place] == both.to_numpy()).sum())
    return (right / total, nearest_right / total) if total else (np.nan, np.nan)


def _true_divisions(cells: pd.DataFrame) -> set[tuple[int, int]]:
    """Frame and mother of divisions whose mother was seen the frame before, and both daughters at once."""
    there = set(zip(cells["frame"], cells["cell"], strict=True))
    first = cells[cells["mother"] >= 0].groupby(["mother", "cell"])["frame"].min()
    made = set()
    for mother, born in first.groupby(level=0):
        frame = int(born.iloc[0])
        if len(born) == 2 and born.nunique() == 1 and (frame - 1, mother) in there:
            made.add((frame, int(mother)))
    return made


def _said_divisions(divisions: pd.DataFrame, rows: pd.DataFrame, cells: pd.DataFrame) -> Sequence[tuple[int, int]]:
    """Frame and true mother of what was said; -1 where the two are no sisters."""
    mother = dict(zip(cells["cell"], cells["mother"], strict=True))
    cell = {(row.track, row.frame): row.cell for row in rows.itertuples()}
    claimed = []
    for row in divisions.itertuples():
        parents = {mother.get(cell.get((each, row.frame), -1), -1) for each in (row.daughter_1, row.daughter_2)}
        claimed.append((int(row.frame), int(parents.pop()) if len(parents) == 1 else -1))
    return claimed
