"""What would be measured of perturbed states: the one way from states to a prediction of measurements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
import pandas as pd

from aivc.core.contracts import Decoder
from aivc.core.errors import ScoreError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Prediction
from aivc.core.ur import UR

# Cells read out over all draws of a prediction, unless another number is asked for.
CELLS = 200


def read_out(moved: Prediction[UR], start: UR, decoder: Decoder, *, cells: int = CELLS) -> Prediction[Measurement]:
    """Read perturbed states out, and the unperturbed start beside them.

    Each draw reads out its own share of the states, shifted to the mean of all of them: so the draws together are one
    population of about ``cells``, no state is read twice, and the expected profile is that of all states.

    Args:
        moved: Perturbed states.
        start: The states before.
        decoder: Reads them.
        cells: How many cells to read out over all draws, at least two for each.

    Raises:
        SpaceError: The states are of another space.
        ScoreError: The answer holds NaN or infinity.
    """
    each = max(2, -(-cells // len(moved.draws)))
    shares = tuple(_share(draw, i, each) for i, draw in enumerate(moved.draws))
    shared = Prediction(shares, moved.made_by, moved.applicability, retrieval=moved.retrieval, affected=moved.affected)
    base = decoder.decode(_share(start, 0, each)).mean
    return _finite(shared.then(decoder.decode).replace(base=base), moved)


@final
@dataclass(frozen=True, eq=False)
class MeanReader:
    """Reads expected profiles alone, without drawing a cell: what `read_out` states of means, many times as fast.

    Attributes:
        decoder: Reads states; its ``profile`` states what it expects.
        example: Any population that it can read; its features, units and calibration are those of every answer.
    """

    decoder: Decoder
    example: UR

    @cached_property
    def _read(self) -> Prediction[Measurement]:
        return self.decoder.decode(self.example)

    def __call__(self, moved: Prediction[UR], start: UR) -> Prediction[Measurement]:
        """Read perturbed states and their start; every draw is one entity, the mean over draws.

        Raises:
            SpaceError: The states are of another space.
            ScoreError: The answer holds NaN or infinity.
        """
        return next(self.each([(moved, start)]))

    def each(self, pairs: Sequence[tuple[Prediction[UR], UR]]) -> Iterator[Prediction[Measurement]]:
        """Read many perturbed states, each with its start, in one product: what each says alone.

        Raises:
            SpaceError: States are of another space.
            ScoreError: An answer holds NaN or infinity.
        """
        if not pairs:
            return
        starts = list({id(start): start for _, start in pairs}.values())
        place = {id(start): i for i, start in enumerate(starts)}
        read_kf = self.decoder.profiles([*starts, *(draw for moved, _ in pairs for draw in moved.draws)])
        last_p = len(starts) + np.cumsum([len(moved.draws) for moved, _ in pairs])
        profiles_p = np.split(read_kf, last_p[:-1])
        profiles_p[0] = profiles_p[0][len(starts) :]
        contexts = [str(start.contexts[0]) for start in starts]
        labels = [(str(moved.draws[0].perturbations[0]), contexts[place[id(start)]]) for moved, start in pairs]
        means = self._means([each_kf.mean(axis=0) for each_kf in profiles_p], labels)
        finite = bool(np.isfinite(read_kf).all())
        for (moved, start), mean, profiles_kf in zip(pairs, means, profiles_p, strict=True):
            said = self._said(moved, start, mean, profiles_kf, read_kf[place[id(start)]])
            yield said if finite and said.retrieval is None else _finite(said, moved)

    def _means(self, means: Sequence[np.ndarray], labels: Sequence[tuple[str, str]]) -> list[Measurement]:
        """Mean profiles as measurements of one entity each, with perturbation and context."""
        read = self._read.draws[0]
        # One table, and one check, for all: a table of each one's own takes longer than reading the states.
        entities = pd.DataFrame(labels, index=["mean"] * len(means), columns=["perturbation", "context"], dtype=object)
        first = Measurement(means[0][None], read.features, entities.iloc[:1], self._read.profile_units, read.modality)
        found = [object.__new__(Measurement) for _ in means]
        columns = np.array(labels, dtype=object).T[..., None]
        for i, (each, mean_f) in enumerate(zip(found, means, strict=True)):
            own = {"perturbations": columns[0, i], "contexts": columns[1, i], "entities": entities.iloc[i : i + 1]}
            each.__dict__.update(first.__dict__, values=mean_f[None], **own)
        return found

    def _said(
        self, moved: Prediction[UR], start: UR, mean: Measurement, profiles_kf: np.ndarray, base_f: np.ndarray
    ) -> Prediction[Measurement]:
        read = self._read
        return Prediction(
            (mean,) * len(profiles_kf),
            (*moved.made_by, *read.made_by),
            moved.applicability,
            profiles_kf,
            read.profile_units,
            read.calibration,
            base_f,
            None if moved.retrieval is None else self._recognized(moved.retrieval, moved.draws[0], start),
            read.least,
        )

    def _recognized(self, retrieval_d: np.ndarray, moved: UR, start: UR) -> np.ndarray:
        said_f = self.decoder.profile(start.moved(retrieval_d - start.mean, str(moved.perturbations[0])))
        return said_f if self._read.least is None else np.maximum(said_f, self._read.least)


def _share(states: UR, number: int, each: int) -> UR:
    rows = np.arange(number * each, (number + 1) * each) % len(states)
    share = states.take(rows)
    entities = share.entities.set_axis([f"{name}-{number}-{i}" for i, name in enumerate(share.entities.index)], axis=0)
    return replace(share, values=share.values + states.mean - share.mean, entities=entities)


def _finite(said: Prediction[Measurement], moved: Prediction[UR]) -> Prediction[Measurement]:
    if np.isfinite(said.profiles).all() and np.isfinite(said.retrieval_mean).all():
        return said
    raise ScoreError(
        f"{' + '.join(said.made_by)} answered {moved.draws[0].perturbations[0]} with NaN or infinity. "
        "A prediction must be finite everywhere: mend the method, or leave it out."
    )
