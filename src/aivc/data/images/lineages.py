"""Follows objects through the frames of a movie: tracks, divisions, and how many there are at each time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from aivc.data.images.objects import Objects
from aivc.data.images.tracks import common_step, linked

# Of a division, in diameters of the mother: how far the daughters are from each other, and their middle from her.
_APART, _MIDDLE = 2.0, 0.5
# Areas: of a daughter in the mother's, of the smaller daughter in the larger one's, of both in the mother's.
_DAUGHTER, _ALIKE, _BOTH = 0.8, 0.5, (0.5, 1.5)
# Of a normal distribution, 90 %; and how many frames say how far counts jump.
_Z, _LEAST = 1.645, 5
# Areas, in the median of the frame, beyond which an object may be a piece of one, or two that touch.
_PIECE, _TWO = 0.4, 1.6


class Lineages(NamedTuple):
    """Objects of a movie, followed.

    Attributes:
        objects: A row for each object and frame: ``frame``, ``object``, ``y_px``, ``x_px``, ``area_px``, ``track``,
            and ``mother``, the track that it came of by division; -1 for none.
        divisions: ``frame`` of the daughters, ``mother``, ``daughter_1``, ``daughter_2`` (tracks), ``y_px``, ``x_px``.
        counts: For each frame the objects ``found``; ``alone``, with no link to the frame before or after; ``missed``,
            there before and after but not in it; ``cells``, found less alone and with missed; and ``low`` and
            ``high``, a 90 % interval from how far counts jump between frames and from how many objects are alone,
            missed, or so small or large that they may count by none or two (NaN for fewer than five frames). What
            every frame misses no interval knows.
    """

    objects: pd.DataFrame
    divisions: pd.DataFrame
    counts: pd.DataFrame


class _Links(NamedTuple):
    """Per frame, the position of each object in the frame before and after; -1 for none. And gaps and divisions."""

    before: list[np.ndarray]
    after: list[np.ndarray]
    # (frame, object, object two frames later)
    gaps: list[tuple[int, int, int]]
    # (frame, mother, daughter, daughter)
    divisions: list[tuple[int, int, int, int]]


def lineages(frames: Sequence[Objects], reach: float) -> Lineages:
    """Follow objects from frame to frame.

    Objects are linked frame by frame (`linked`). One that is missing in a single frame is found again, within half the
    reach of where its neighbours' motion takes it. One that appears is a daughter of an object beside it where both
    are smaller than that was in two frames, like each other, and where it would be expected lies between them: gated
    assignment as for splitting in Jaqaman et al. 2008, Nature Methods 5:695, with sizes. A daughter is still there
    one frame on.

    Args:
        frames: Objects of each frame, in time, without copied frames.
        reach: Longest step, in pixels.

    Raises:
        DataError: The reach is no length.
    """
    pairs = [linked(one.center, two.center, reach) for one, two in pairwise(frames)]
    before, after = ([np.full(len(each.label), -1) for each in frames] for _ in range(2))
    links = _Links(before, after, [], [])
    for t, some in enumerate(pairs):
        links.after[t][some[:, 0]], links.before[t + 1][some[:, 1]] = some[:, 1], some[:, 0]
    for t in range(len(frames) - 2):
        links.gaps.extend((t, i, j) for i, j in _found_again(frames[t : t + 3], pairs[t : t + 2], links, t, reach))
    for t, some in enumerate(pairs):
        links.divisions.extend((t, *each) for each in _split(frames, some, links, t))
    track, mother = _named(frames, links)
    return Lineages(_rows(frames, track, mother), _divided(frames, track, links), _counted(frames, links))


def _found_again(
    three: Sequence[Objects], pairs: Sequence[np.ndarray], links: _Links, t: int, reach: float
) -> np.ndarray:
    """``(k, 2)`` objects of a frame that are missing in the next, and what they are in the one after."""
    ended, started = np.flatnonzero(links.after[t] < 0), np.flatnonzero(links.before[t + 2] < 0)
    if not len(ended) or not len(started) or not all(map(len, pairs)):
        return np.zeros((0, 2), dtype=int)
    at = three[0].center[ended]
    at = at + common_step(three[0].center, three[1].center, pairs[0], at)
    at = at + common_step(three[1].center, three[2].center, pairs[1], at)
    away = cdist(at, three[2].center[started])
    chosen = _assigned(away, away <= reach / 2)
    return np.stack([ended[chosen[:, 0]], started[chosen[:, 1]]], axis=1)


def _split(frames: Sequence[Objects], pairs: np.ndarray, links: _Links, t: int) -> list[tuple[int, int, int]]:
    """Mothers of frame ``t`` and their daughters in the next."""
    one, two = frames[t], frames[t + 1]
    again = [j for frame, _, j in links.gaps if frame + 2 == t + 1]
    new = np.setdiff1d(np.flatnonzero((links.before[t + 1] < 0) & ~two.border), again)
    if t + 2 < len(links.after):
        new = new[links.after[t + 1][new] >= 0]
    if not len(new) or len(pairs) < 2:
        return []
    mother, first = pairs[:, 0], pairs[:, 1]
    expected = one.center[mother] + common_step(one.center, two.center, pairs)[mother]
    area = one.area[mother].astype(float)
    if t:
        # Two that touched for a frame were no mother: she was as large the frame before.
        earlier = links.before[t][mother]
        area = np.where(earlier < 0, area, np.minimum(area, frames[t - 1].area[earlier]))
    area, a, b = area[:, None], two.area[first][:, None], two.area[new][None]
    diameter = 2 * np.sqrt(area / np.pi)
    middle = (two.center[first][:, None] + two.center[new][None]) / 2
    off = np.linalg.norm(middle - expected[:, None], axis=2) / diameter
    apart = cdist(two.center[first], two.center[new]) / diameter
    likely = (off <= _MIDDLE) & (apart <= _APART) & (np.maximum(a, b) <= _DAUGHTER * area)
    likely &= (np.minimum(a, b) >= _ALIKE * np.maximum(a, b)) & (a + b >= _BOTH[0] * area) & (a + b <= _BOTH[1] * area)
    likely &= ~one.border[mother][:, None]
    return [(int(mother[k]), int(first[k]), int(new[j])) for k, j in _assigned(off, likely)]


def _assigned(cost: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """``(k, 2)`` as many allowed pairs as can be, of least total cost."""
    never = 1e6 * (1 + cost.max(initial=0.0))
    rows, columns = linear_sum_assignment(np.where(allowed, cost, never))
    kept = allowed[rows, columns]
    return np.stack([rows[kept], columns[kept]], axis=1)


def _named(frames: Sequence[Objects], links: _Links) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Track and mother's track of each object."""
    track, mother = ([np.full(len(each.label), -1) for each in frames] for _ in range(2))
    earlier = {(t + 2, j): (t, i) for t, i, j in links.gaps}
    born = {(t + 1, child): (t, parent) for t, parent, *children in links.divisions for child in children}
    count = 0
    for t, each in enumerate(frames):
        for i in range(len(each.label)):
            if (t, i) in born:
                frame, parent = born[t, i]
                track[t][i], mother[t][i], count = count, track[frame][parent], count + 1
                continue
            source = (t - 1, int(links.before[t][i])) if links.before[t][i] >= 0 else earlier.get((t, i))
            if source is None:
                track[t][i], count = count, count + 1
            else:
                track[t][i], mother[t][i] = track[source[0]][source[1]], mother[source[0]][source[1]]
    return track, mother


def _rows(frames: Sequence[Objects], track: list[np.ndarray], mother: list[np.ndarray]) -> pd.DataFrame:
    columns = ["frame", "object", "y_px", "x_px", "area_px", "track", "mother"]
    blocks = [
        pd.DataFrame(
            dict(zip(columns, (t, each.label, each.center[:, 0], each.center[:, 1], each.area, one, two), strict=True)),
            columns=columns,
        )
        for t, (each, one, two) in enumerate(zip(frames, track, mother, strict=True))
    ]
    return pd.concat([each for each in blocks if len(each)] or blocks[:1], ignore_index=True)


def _divided(frames: Sequence[Objects], track: list[np.ndarray], links: _Links) -> pd.DataFrame:
    rows = [
        (
            t + 1,
            track[t][parent],
            track[t + 1][one],
            track[t + 1][two],
            *frames[t + 1].center[[one, two]].mean(axis=0),
        )
        for t, parent, one, two in links.divisions
    ]
    return pd.DataFrame(rows, columns=["frame", "mother", "daughter_1", "daughter_2", "y_px", "x_px"])


def _counted(frames: Sequence[Objects], links: _Links) -> pd.DataFrame:
    found = np.array([len(each.label) for each in frames])
    tied = {place for t, i, j in links.gaps for place in ((t, i), (t + 2, j))}
    alone, missed = np.zeros_like(found), np.zeros_like(found)
    # The first and the last frame have one neighbour, which is no evidence against an object.
    for t in range(1, len(frames) - 1):
        nobody = np.flatnonzero((links.before[t] < 0) & (links.after[t] < 0) & ~frames[t].border)
        alone[t] = sum((t, int(i)) not in tied for i in nobody)
    for t, _, _ in links.gaps:
        missed[t + 1] += 1
    cells = found - alone + missed
    half = np.full(len(cells), np.nan)
    if len(cells) >= _LEAST:
        # Of counts along a line, second differences have six times the variance of one.
        jumps = (np.diff(cells, 2) ** 2).mean() / 6
        # What counts or not with equal chance has a variance of a quarter.
        half = _Z * np.sqrt(jumps + alone + missed + 0.25 * np.array([_doubtful(each.area) for each in frames]))
    columns = {"found": found, "alone": alone, "missed": missed, "cells": cells}
    return pd.DataFrame(
        {"frame": np.arange(len(frames)), **columns, "low": np.maximum(cells - half, 0), "high": cells + half}
    )


def _doubtful(area: np.ndarray) -> int:
    """How many objects may be a piece of one, or two that touch."""
    middle = np.median(area) if len(area) else 0.0
    return int(((area < _PIECE * middle) | (area > _TWO * middle)).sum())
