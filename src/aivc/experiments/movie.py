"""Finds, counts and follows the nuclei of movies, frame by frame, and says which frames were copies."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.images.lineages import Lineages, lineages
from aivc.data.images.objects import Objects, objects
from aivc.data.images.segment import Segmentation

Progress = Callable[[str, int, int], None]
# By how much the largest and the smallest count of a movie may differ before that is said.
_UNSTEADY = 2.0


@final
@dataclass(frozen=True, eq=False)
class Followed:
    """What was found in one movie.

    Attributes:
        name: Of the movie.
        lineages: Objects, divisions and counts; ``frame`` counts the frames of the movie as they were given.
        copies: Frames that are exact copies of the one before, and were left out.
        linked: Share of the objects of a frame that were found in the next, on average.
        fusions: Divisions that the same rule finds in the reversed movie. Nuclei do not fuse, so about so many of the
            divisions are objects that were merged or lost.
    """

    name: str
    lineages: Lineages
    copies: tuple[int, ...]
    linked: float
    fusions: int

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that whoever reads the tables has to know."""
        counts = self.lineages.counts
        said = [
            f"{self.name}: {len(counts)} frames with {counts['cells'].min()} to {counts['cells'].max()} cells; "
            f"{self.linked:.0%} of the nuclei are found in the next frame; {len(self.lineages.divisions)} divisions, "
            f"and {self.fusions} in the reversed movie, where there is none: about so many are false."
        ]
        if self.copies:
            frames = ", ".join(map(str, self.copies))
            said.append(f"{self.name}: {len(self.copies)} frames are copies of the one before and left out: {frames}.")
        if counts["cells"].max() > _UNSTEADY * max(counts["cells"].min(), 1):
            said.append(
                f"{self.name}: the largest count is more than {_UNSTEADY:g} times the smallest, which cells seldom do "
                "within a movie. Look at the segmentation."
            )
        if counts["low"].isna().any():
            said.append(f"{self.name}: five frames or more say how far a count may be off; there are {len(counts)}.")
        return tuple(said)


def followed(
    movie: Measurement,
    how: Segmentation,
    reach: float,
    *,
    by: str = "section",
    progress: Progress = lambda *_: None,
) -> list[Followed]:
    """Follow the nuclei of each movie.

    Nothing here was trained, and no truth is known: counts and links of a new movie have no accuracy but what movies
    with known motion say.

    Args:
        movie: Frames ``(n, c, y, x)``, read one at a time; in time, or with a column ``frame`` that orders them.
        how: Finds nuclei. Those that the border cuts belong to the count: set ``keep_cut``.
        reach: Longest step of a nucleus between two frames, in pixels.
        by: Column that tells movies apart, where there is one; without it all frames are of one movie.
        progress: Called with what is done, how far, and of how much.

    Raises:
        DataError: These are no frames, a movie has fewer than two that differ, or no frame of it shows a nucleus.
        UnknownNameError: A column other than ``section`` is not there.
    """
    if len(movie.values.shape) != 4:
        raise DataError(
            [f"A movie is frames (n, c, y, x); these values are {movie.values.shape}. Read them as images."]
        )
    if by not in movie.entities and by != "section":
        raise UnknownNameError("column", by, map(str, movie.entities), "Name the column that tells movies apart.")
    if by in movie.entities:
        names = movie.entities[by].astype(str).to_numpy()
    else:
        names = np.full(len(movie), str(movie.entities.index[0]).rsplit("_", 1)[0])
    done, made = 0, []
    for name in dict.fromkeys(names):
        rows = np.flatnonzero(names == name)
        if "frame" in movie.entities:
            rows = rows[np.argsort(movie.entities["frame"].to_numpy()[rows], kind="stable")]
        made.append(_followed(str(name), movie, rows, how, reach, partial(_said, progress, done, len(movie))))
        done += len(rows)
    return made


def _said(progress: Progress, before: int, total: int, done: int) -> None:
    progress("frames", before + done, total)


def _followed(
    name: str,
    movie: Measurement,
    rows: np.ndarray,
    how: Segmentation,
    reach: float,
    said: Callable[[int], None],
) -> Followed:
    found: list[Objects] = []
    kept: list[int] = []
    copies: list[int] = []
    last: np.ndarray | None = None
    for number, row in enumerate(rows):
        image = np.asarray(movie.block(int(row), int(row) + 1))[0]
        if last is not None and np.array_equal(image, last):
            copies.append(number)
        else:
            found.append(objects(how.segment(image, movie.features).nuclei))
            kept.append(number)
        last = image
        said(number + 1)
    if len(found) < 2:
        raise DataError([f"Movie {name} has {len(found)} frames that differ; two or more are followed. Give a movie."])
    if not any(len(each.label) for each in found):
        raise DataError([f"No frame of {name} shows a nucleus. Look at the channel and the diameter."])
    made = lineages(found, reach)
    given = np.array(kept)
    made = Lineages(*(each.assign(frame=given[each["frame"].to_numpy(dtype=int)]) for each in made))
    return Followed(name, made, tuple(copies), _linked(made.objects, kept), len(lineages(found[::-1], reach).divisions))


def _linked(rows: pd.DataFrame, kept: list[int]) -> float:
    """Share of the objects whose track goes on in the next frame that was kept, or that divide."""
    tracks = [set(rows.loc[rows["frame"] == frame, "track"]) for frame in kept]
    mothers = [set(rows.loc[rows["frame"] == frame, "mother"]) for frame in kept]
    shares = [
        len(now & (later | parents)) / len(now)
        for now, later, parents in zip(tracks, tracks[1:], mothers[1:], strict=False)
        if now
    ]
    return float(np.mean(shares)) if shares else 0.0
