"""The stage of a disease of a donor never seen, from what lies where in the donor's images."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.registry import DECODERS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.graph import GraphRule, link
from aivc.data.tissue.spacing import SECTION
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.tissue.tissue_inputs import require_known, shuffled_within
from aivc.experiments.niches import find_niches

KNOWN = ("cell-number", "composition", "niches", "permuted-stages")
_FEWEST_P = 0.05


@final
class DonorStage(Protocol):
    """Images are read by frequencies of types or niches and the decoder ``cell-labels``; a donor is left out at a time.

    ``niches`` are found without the donor asked about. ``permuted-stages`` is the null: stages are exchanged among
    donors and the whole of the cross-validation of ``niches`` is done again; it gives the mean over permutations, and
    the 2.5 and 97.5 % quantiles. Shuffled: types are exchanged among cells of an image before niches are found. What is
    not above the null of the permutations (one-sided p of 0.05) has no power, however large it is.

    Settings: ``dataset``; ``stage``, the column; ``graph``; ``number`` and ``rounds`` of niches; ``permutations``.
    """

    def __init__(self) -> None:
        self._shares: dict[str, dict[str, np.ndarray]] = {}
        self._null: list[float] | None = None

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        require_known(methods, KNOWN)

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells = data[settings["dataset"]]
        images = cells.entities.drop_duplicates(SECTION).set_index(SECTION).sort_index()
        donor = images["donor"].astype(str).to_numpy()
        stage = images[settings["stage"]].astype(str).to_numpy(dtype=object)
        null = self._permuted(cells, settings, donor, stage, seed)
        if method == "permuted-stages":
            ends = map(float, np.quantile(null, [0.025, 0.975]))
            low, high = ends
            return [ScoreRow(method, POOLED, "balanced_accuracy", float(np.mean(null)), low=low, high=high)]
        said, right = _staged(self._of(cells, settings, method, donor, seed), donor, stage, seed)
        value = _balanced(said, stage)
        p = (1 + sum(each >= value for each in null)) / (1 + len(null))
        note = f"p {p:.3f} by {len(null)} permutations of stages among donors"
        weak = p > _FEWEST_P
        rows = [
            ScoreRow(
                method,
                POOLED,
                "balanced_accuracy",
                None if weak else value,
                note=f"{note}; {value:.3f}" if weak else note,
            )
        ]
        return [*rows, ScoreRow(method, POOLED, "donors_right", right, note=f"of {len(set(donor))} donors")]

    def _permuted(
        self, cells: Any, settings: Mapping[str, Any], donor: np.ndarray, stage: np.ndarray, seed: int
    ) -> list[float]:
        if self._null is None:
            shares, rng, names = (
                self._of(cells, settings, "niches", donor, seed),
                np.random.default_rng(seed),
                np.unique(donor),
            )
            of, null = dict(zip(donor, stage, strict=True)), []
            for _ in range(settings["permutations"]):
                given = dict(zip(names, rng.permutation([of[name] for name in names]), strict=True))
                dealt = np.array([given[name] for name in donor], dtype=object)
                null.append(_balanced(_staged(shares, donor, dealt, seed)[0], dealt))
            self._null = null
        return self._null

    def _of(
        self, cells: Any, settings: Mapping[str, Any], method: str, donor: np.ndarray, seed: int
    ) -> dict[str, np.ndarray]:
        """For each donor left out, ``(images, k)`` numbers of every image."""
        if method not in self._shares:
            self._shares[method] = _shares(cells, settings, method, np.unique(donor), seed)
        return self._shares[method]


def _shares(
    cells: Any, settings: Mapping[str, Any], method: str, donors: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    entities = cells.entities
    if method == "cell-number":
        count = np.log(entities.groupby(SECTION).size().sort_index().to_numpy(dtype=float))
        return dict.fromkeys(map(str, donors), count[:, None])
    if method == "composition":
        share = pd.crosstab(entities[SECTION], entities["cell_type"], normalize="index").sort_index()
        return dict.fromkeys(map(str, donors), np.sqrt(share.to_numpy()))
    types = memberships(entities, "cell_type").dense()
    if method.endswith(SHUFFLED):
        types = types[shuffled_within(entities[SECTION].to_numpy(), seed)]
    links = link(cells.replace(coordinates=_apart(cells.coordinates, seed)), GraphRule.parse(settings["graph"])).links
    ur = UR(types, Space("types", Scale.CELLULAR, types.shape[1], "types"), entities, links=links)
    made = {}
    for out in donors:
        train = ur.take((entities["donor"].astype(str) != out).to_numpy())
        found = find_niches(
            train, reach=0, numbers=(settings["number"],), rounds=(settings["rounds"],), runs=1, seed=seed
        )
        made[str(out)] = np.sqrt(found.frequencies(ur).sort_index().to_numpy())
    return made


def _apart(points: np.ndarray, seed: int) -> np.ndarray:
    """Positions are whole numbers, and several cells may share one: move these by less than a unit."""
    return np.asarray(points + np.random.default_rng(seed).uniform(-0.25, 0.25, points.shape))


def _staged(
    shares: Mapping[str, np.ndarray], donor: np.ndarray, stage: np.ndarray, seed: int
) -> tuple[np.ndarray, float]:
    """Stage of every image, read without its donor, and how many donors are right by all their images."""
    best, right = np.full(len(stage), "", dtype=object), 0
    part: Any = DECODERS.load("cell-labels")
    for out, x in shares.items():
        test = donor == out
        entities = pd.DataFrame({"donor": donor, "stage": stage}, index=[f"image-{i}" for i in range(len(x))])
        ur = UR(x, Space("images", Scale.CELLULAR, x.shape[1], "images"), entities)
        train = np.flatnonzero(~test)
        known = memberships(entities.iloc[train], "stage")
        fitted = part.fit(ur.take(train), known, seed=seed)
        p_nc = fitted.probabilities(ur.take(np.flatnonzero(test)))
        names = np.array(fitted.features, dtype=object)
        best[test] = names[p_nc.argmax(axis=1)]
        right += int(names[np.log(np.maximum(p_nc, 1e-12)).mean(axis=0).argmax()] == stage[test][0])
    return best, float(right)


def _balanced(said: np.ndarray, stage: np.ndarray) -> float:
    return float(np.mean([(said[stage == kind] == kind).mean() for kind in np.unique(stage)]))
