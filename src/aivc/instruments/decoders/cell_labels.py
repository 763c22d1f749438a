"""What kind of cell is this? Label sets that hold what they promise, and the courage to say "unknown"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from aivc.core.contracts import Decoder
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.instruments.decoders.label_probe import Probe, cross_entropy, fit_probe, logits, novelty, softmax
from aivc.instruments.decoders.label_sets import (
    LabelScores,
    dealt,
    given_memberships,
    label_scores,
    named,
    require_labels,
)

UNKNOWN, UNDECIDED = "unknown", "undecided"
_CELL = "cell"
_PENALTIES = (1e-4, 1e-3, 1e-2)
_MOST, _FEWEST = 20_000, 200
_KEPT = 2000
_OUT, _EDGE, _RARE = 0.5, 0.1, 0.01


@final
@dataclass(frozen=True, eq=False)
class CellLabels(Decoder):
    """Class probabilities of states, label sets with a promise, and a flag for states unlike anything seen.

    The probe is a multinomial-logistic regression; an uncertain state pulls its answer towards even odds (MacKay 1992,
    Neural Comput 4:720). Sets are conformal within each class (Mondrian; Vovk 2013, Mach Learn 92:349): a class is in
    the set unless it lies further behind the likeliest one than it did for ``level`` of its own members that were left
    out of the fit, so the variance of a state can only add classes. What is left out together, and weighs the same, is
    a donor where there are several, and a cell otherwise. With few donors, or for cells of another kind of study, the
    promise holds approximately. A class with too few examples to promise that takes the largest
    distance among them, or the one that holds ``level`` of all classes together where that is larger;
    one that a single donor has, of which nothing can be promised, is in every set.

    There are two promises. A set within classes holds the right class for ``level`` of the cells *of each class*, rare
    ones too, which makes it wide. A pooled set has one threshold for all classes, and holds the right class for
    ``level`` of *all* cells like those left out: it is narrower, and may fail a rare class altogether. A label is made
    from the pooled set; it is wrong about as often as that fails.

    Novelty is the distance to the nearest class in the covariance within classes (Mahalanobis; Lee et al. 2018,
    arXiv:1807.03888), compared with that of training states left out. It sees what the axes see: a type that differs
    in features which no axis carries looks like its nearest relative, and an undecided label is the only sign of it.

    Attributes:
        reads: Space it was fitted on.
        features: ``(c,)`` names of the classes.
        center: See `Probe`, as the four that follow.
        slopes: ``(d, c)``.
        intercepts: ``(c,)``.
        means: ``(c, d)``.
        precision: ``(d, d)``.
        scores: ``(m,)`` by how many log odds the right class lay behind the likeliest, of states left out; sorted.
        owners: ``(m,)`` which class each score is of.
        weights: ``(m,)`` of the scores; those of a class sum to less than one.
        novelties: ``(q,)`` sorted novelty of states left out.
        parents: Class → broader class, for answers that back off.
        penalty: Of the slopes, chosen on states left out.
        unit: What was left out together: ``donor``, ``cell``, or ``group`` where groups were given.
    """

    name: ClassVar[str] = "cell-labels"
    reads: Space
    features: np.ndarray
    center: Float[np.ndarray, " d"]
    slopes: Float[np.ndarray, "d c"]
    intercepts: Float[np.ndarray, " c"]
    means: Float[np.ndarray, "c d"]
    precision: Float[np.ndarray, "d d"]
    scores: Float[np.ndarray, " m"]
    owners: np.ndarray
    weights: Float[np.ndarray, " m"]
    novelties: Float[np.ndarray, " q"]
    parents: dict[str, str]
    penalty: float
    unit: str

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        groups: Sequence[object] | np.ndarray | None = None,
        parents: Mapping[str, str] | None = None,
    ) -> "CellLabels":
        """Fit on labelled states.

        Args:
            ur: Training states.
            measurement: One feature per class, as `aivc.data.priors.memberships.memberships` makes it; a row that
                belongs to several counts for each in proportion, and a row without any is left aside.
            seed: Draws the folds, and the rows where there are more than 20,000.
            units: Not used; an answer is a probability, in units ``arbitrary``.
            groups: ``(n,)`` labels of what is left out together; None takes the column ``donor`` where it holds two
                or more, and leaves out cells otherwise.
            parents: Class → broader class, as an ontology has it; classes may have broader classes of their own.

        Raises:
            DataError: Negative values, fewer than two classes with members, a circle of parents, or groups that do not
                match the states.
        """
        y_nc = given_memberships(measurement, cls.name)
        group_n, unit = _groups(ur, groups)
        require_labels(len(ur), y_nc, group_n, _circles(dict(parents or {})))
        rng = np.random.default_rng(seed)
        rows = _drawn(y_nc, rng)
        x_nd, y_nc = ur.values[rows].astype(np.float64), y_nc[rows] / y_nc[rows].sum(axis=1, keepdims=True)
        spread_nd = np.zeros_like(x_nd) if ur.variance is None else ur.variance[rows].astype(np.float64)
        fold_n = dealt(group_n[rows], rng)
        penalty, temperature, said_nc, novelty_n = _left_out(x_nd, y_nc, spread_nd, fold_n)
        probe = fit_probe(x_nd, y_nc, penalty)
        return cls(
            ur.space,
            measurement.features,
            probe.center,
            probe.slopes / temperature,
            probe.intercepts / temperature,
            *probe[3:],
            *label_scores(said_nc, y_nc, fold_n, group_n[rows]),
            np.quantile(novelty_n, np.linspace(0, 1, min(len(novelty_n), _KEPT))),
            {str(child): str(parent) for child, parent in (parents or {}).items()},
            penalty,
            unit,
        )

    def probabilities(self, ur: UR) -> Float[np.ndarray, "n c"]:
        """``(n, c)`` probability of each class; rows sum to one.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        variance = np.zeros_like(ur.values) if ur.variance is None else ur.variance
        return softmax(logits(self._probe, ur.values, variance))

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Class probabilities of each state, and their mean: the expected composition.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        p_nc = self.probabilities(ur)
        read = Measurement(p_nc, self.features, ur.entities, ARBITRARY, modality="label", scale=ur.space.scale)
        unseen = float((self.novelty(ur) < _RARE).mean())
        verdict = Applicability.OUT if unseen > _OUT else Applicability.EDGE if unseen > _EDGE else Applicability.IN
        return Prediction((read,), (self.name,), verdict)

    def novelty(self, ur: UR) -> Float[np.ndarray, " n"]:
        """``(n,)`` share of training states left out that were at least as novel; 0.01 and less is rare.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        above_n = len(self.novelties) - np.searchsorted(self.novelties, novelty(self._probe, ur.values))
        return np.asarray((1 + above_n) / (1 + len(self.novelties)))

    def sets(self, ur: UR, level: float = 0.9, *, pooled: bool = False) -> np.ndarray:
        """``(n, c)`` True for the classes in the set of each state; the likeliest class is always in.

        Args:
            ur: States.
            level: How often the set is to hold the right class.
            pooled: Promise this of all cells together, rather than of those of each class.

        Raises:
            SpaceError: ``ur`` lives in another space.
            ValueError: The level is not between 0 and 1.
        """
        scores = LabelScores(self.scores, self.owners, self.weights)
        return scores.sets(self.probabilities(ur), level, pooled=pooled)

    def labels(self, ur: UR, *, level: float = 0.9, unknown: float = _RARE) -> pd.DataFrame:
        """Say what each state is, as exactly as can be said.

        Args:
            ur: States.
            level: How often the answer is to be right: the label among all cells, the set among those of each class.
            unknown: Share of known states that may be called unknown.

        Returns:
            One row per state: ``label`` (the class if there is one in the pooled set, else the smallest broader class
            of all in it, else ``undecided``; ``unknown`` for a state unlike anything seen), ``best`` (the likeliest
            class), ``confidence`` (its probability), ``set`` (the set within classes, joined by ``|``, likeliest first)
            and ``novelty`` (see `novelty`; small is unlike training). Of all cells, ``level`` or more have a label that
            is right, broader or ``undecided``, if ``unknown`` is small; of those of a rare class it may be fewer, and
            their ``set`` says so. Where the likeliest class alone is right for ``level`` of them, no cell is
            ``undecided``, not even one of a type never seen: ask for a higher level to see uncertainty.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        p_nc, novelty_n = self.probabilities(ur), self.novelty(ur)
        likely = named(p_nc, self.sets(ur, level, pooled=True), self.features)
        within = named(p_nc, self.sets(ur, level), self.features)
        agreed = {classes: self._agreed(classes) for classes in set(likely)}
        label = np.array([agreed[classes] for classes in likely], dtype=object)
        label[novelty_n <= unknown] = UNKNOWN
        return pd.DataFrame(
            {
                "label": label,
                "best": self.features[p_nc.argmax(axis=1)],
                "confidence": p_nc.max(axis=1),
                "set": np.array(["|".join(names) for names in within], dtype=object),
                "novelty": novelty_n,
            },
            index=ur.entities.index,
        )

    @property
    def _probe(self) -> Probe:
        return Probe(self.center, self.slopes, self.intercepts, self.means, self.precision)

    def _agreed(self, classes: tuple[str, ...]) -> str:
        shared = _ancestors(classes[0], self.parents)
        for other in classes[1:]:
            theirs = set(_ancestors(other, self.parents))
            shared = [at for at in shared if at in theirs]
        return shared[0] if shared else UNDECIDED


def _ancestors(name: str, parents: Mapping[str, str]) -> list[str]:
    """A class and what it is part of, from the narrowest to the broadest."""
    found = [name]
    while found[-1] in parents:
        found.append(parents[found[-1]])
    return found


def _circles(parents: Mapping[str, str]) -> list[str]:
    for name in parents:
        at, seen = name, {name}
        while at in parents:
            at = parents[at]
            if at in seen:
                return [f"The broader classes of {name!r} lead back to {at!r}. Remove one of the links."]
            seen.add(at)
    return []


def _groups(ur: UR, groups: Sequence[object] | np.ndarray | None) -> tuple[np.ndarray, str]:
    """``(n,)`` codes of what is left out together, and what it is."""
    if groups is not None:
        return np.unique([str(each) for each in groups], return_inverse=True)[1], "group"
    if "donor" in ur.entities and ur.entities["donor"].nunique() > 1:
        return np.unique(ur.entities["donor"].astype(str), return_inverse=True)[1], "donor"
    return np.arange(len(ur)), _CELL


def _drawn(y_nc: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows with a label: all of them, or so many per class that a rare one keeps its members."""
    rows = np.flatnonzero(y_nc.sum(axis=1) > 0)
    if len(rows) <= _MOST:
        return rows
    own_n = y_nc[rows].argmax(axis=1)
    kept = [rng.permutation(rows)[: _MOST - _FEWEST * y_nc.shape[1]]] if _FEWEST * y_nc.shape[1] < _MOST else []
    kept += [rng.permutation(rows[own_n == c])[:_FEWEST] for c in range(y_nc.shape[1])]
    return np.unique(np.concatenate(kept))


def _left_out(
    x_nd: np.ndarray, y_nc: np.ndarray, spread_nd: np.ndarray, fold_n: np.ndarray
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Penalty and temperature with the best likelihood on states left out, and what was said of these."""
    best = (np.inf, 0.0, 1.0, y_nc, y_nc[:, 0])
    for penalty in _PENALTIES:
        logit_nc, novelty_n = np.zeros_like(y_nc), np.zeros(len(y_nc))
        for fold in np.unique(fold_n):
            out = fold_n == fold
            probe = fit_probe(x_nd[~out], y_nc[~out], penalty)
            logit_nc[out] = logits(probe, x_nd[out], spread_nd[out])
            novelty_n[out] = novelty(probe, x_nd[out])
        found = minimize_scalar(
            lambda log_t, z_nc=logit_nc: cross_entropy(z_nc / np.exp(log_t), y_nc), bounds=(-1.5, 3.0), method="bounded"
        )
        if found.fun < best[0]:
            temperature = float(np.exp(found.x))
            best = (float(found.fun), penalty, temperature, softmax(logit_nc / temperature), novelty_n)
    return best[1:]
