"""What part of a tissue is this cell in? Labels from a cell and its surroundings, and whether these were needed."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from aivc.core.contracts import Decoder
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.tissue.tissue_blocks import left_out_together
from aivc.instruments.decoders.label_probe import cross_entropy_rows, fit_slopes, pulled, softmax
from aivc.instruments.decoders.label_sets import (
    LabelScores,
    dealt,
    given_memberships,
    label_scores,
    met,
    named,
    require_labels,
)

UNDECIDED = "undecided"
_AXES = (5, 10, 20, 40)
_PENALTIES = (1.0, 0.1, 0.01, 0.001)
_ROUNDS, _KEPT = 40, 1e-3
# A hundredth of a nat changes no answer that anyone would notice.
_LEAST = 0.01
_USUAL, _OUT, _EDGE = 0.99, 0.5, 0.1


class _Member(NamedTuple):
    """One regression of the average: which axes it reads, of how many shells, and how strongly it is penalized."""

    axes: int
    shells: int
    penalty: float


@final
@dataclass(frozen=True, eq=False)
class TissueLabels(Decoder):
    """Class probabilities of cells in a tissue, from their own states and the mean states of the shells around them.

    An average of multinomial-logistic regressions. They differ in how many leading axes they read, of how many shells,
    and in their penalty; classes weigh the same in each, since how frequent a part of a tissue is differs between
    sections. Probabilities are those of a place where all classes are equally frequent. With few donors no single
    choice is safe: weights are those that give the labels of donors left out the highest likelihood under the average
    (stacking; Yao et al. 2018, Bayesian Anal 13:917), each donor weighing the same.

    Shells are read only where they raise the log likelihood of labels left out by more than 0.01 nats above that of the
    best average without them (`gain`, `gain_error`); otherwise the answer is that of the cell's own state.
    `neighbor_weight` is their share.

    What is left out together, and weighs the same in the promise of a set, is a donor where there are several, else a
    section, else a block of neighbouring cells, else a cell.

    Sets are conformal within each class (Vovk 2013, Mach Learn 92:349); with few donors they hold approximately.

    Attributes:
        reads: Space it was fitted on.
        features: ``(c,)`` names of the classes.
        reach: Number of shells in a state.
        slopes: ``(g, d, c)`` log odds per unit of state, of each regression; zero for axes it does not read.
        intercepts: ``(g, c)`` log odds at the origin.
        mixture: ``(g,)`` weight of each regression; the sum is one.
        axes: ``(g,)`` how many axes of the cell and of each shell it reads.
        shells: ``(g,)`` of how many shells.
        penalties: ``(g,)`` of its slopes.
        temperature: By which log probabilities of the average are divided.
        scores: See `LabelScores`, as the two that follow.
        owners: ``(m,)``.
        weights: ``(m,)``.
        gain: By how much shells raise the mean log likelihood of labels left out, in nats for each label.
        gain_error: Standard error of the gain over what was left out together.
        unit: What was left out together: ``donor``, ``section``, ``block``, ``cell``, or ``group`` where groups were
            given.
        center: ``(d,)`` mean training state.
        spread: ``(d,)`` standard deviation of training states.
        usual: Mean squared distance from the center, in units of the spread, that 99 % of training states stay within.
    """

    name: ClassVar[str] = "tissue-labels"
    reads: Space
    features: np.ndarray
    reach: int
    slopes: Float[np.ndarray, "g d c"]
    intercepts: Float[np.ndarray, "g c"]
    mixture: Float[np.ndarray, " g"]
    axes: np.ndarray
    shells: np.ndarray
    penalties: Float[np.ndarray, " g"]
    temperature: float
    scores: Float[np.ndarray, " m"]
    owners: np.ndarray
    weights: Float[np.ndarray, " m"]
    gain: float
    gain_error: float
    unit: str
    center: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, " d"]
    usual: float

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        reach: int = 3,
        neighbors: bool = True,
        groups: Sequence[object] | np.ndarray | None = None,
    ) -> "TissueLabels":
        """Fit on labelled cells.

        Args:
            ur: Training states, as the encoder ``shells`` writes them; those of cells have no shells.
            measurement: One feature per class, as `aivc.data.priors.memberships.memberships` makes it; a row that
                belongs to several counts for each in proportion, and a row without any is left aside.
            seed: Draws the folds and the first block.
            units: Not used; an answer is a probability, in units ``arbitrary``.
            reach: Number of shells that the encoder wrote.
            neighbors: Whether shells may be read; without them it says what own states alone can say.
            groups: ``(n,)`` labels of what is left out together; None decides as said above.

        Raises:
            DataError: Negative values, fewer than two classes with members, axes that do not divide into shells, or
                groups that do not match the states.
        """
        y_nc = given_memberships(measurement, cls.name)
        reach = reach if ur.space.scale is Scale.MULTICELLULAR else 0
        labelled_n = y_nc.sum(axis=1) > 0 if len(y_nc) == len(ur) else np.ones(len(ur), dtype=bool)
        group_n, unit = left_out_together(ur, labelled_n, groups, seed=seed)
        require_labels(len(ur), y_nc, group_n, _uneven(ur, reach))
        rows = np.flatnonzero(labelled_n)
        y_nc = y_nc[rows] / y_nc[rows].sum(axis=1, keepdims=True)
        x_nsw, spread_nsw = (each[rows] for each in _by_shell(ur, reach))
        group_n = group_n[rows]
        fold_n = dealt(group_n, np.random.default_rng(seed))
        members = _members(x_nsw.shape[2], reach if neighbors else 0)
        said = _said_of_left_out(members, x_nsw, spread_nsw, y_nc, fold_n)
        chosen = _chosen(members, said, y_nc, fold_n, group_n)
        kept = np.flatnonzero(chosen.mixture > 0)
        fitted = _fitted([members[g] for g in kept], x_nsw, y_nc)
        center, spread, usual = _range(x_nsw.reshape(len(rows), -1))
        return cls(
            ur.space,
            measurement.features,
            reach,
            *fitted,
            chosen.mixture[kept],
            np.array([members[g].axes for g in kept]),
            np.array([members[g].shells for g in kept]),
            np.array([members[g].penalty for g in kept]),
            chosen.temperature,
            *label_scores(chosen.said, y_nc, fold_n, group_n),
            chosen.gain,
            chosen.gain_error,
            unit,
            center,
            spread,
            usual,
        )

    @property
    def neighbor_weight(self) -> float:
        """Share of the answer that comes from regressions which read shells."""
        return float(self.mixture[self.shells > 0].sum())

    def probabilities(self, ur: UR) -> Float[np.ndarray, "n c"]:
        """``(n, c)`` probability of each class; rows sum to one. A shell without anyone counts as the expected one.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        x_nd, spread_nd = (each.reshape(len(ur), -1) for each in _by_shell(ur, self.reach))
        p_nc = np.zeros((len(ur), len(self.features)))
        for slopes, intercepts, weight in zip(self.slopes, self.intercepts, self.mixture, strict=True):
            p_nc += weight * softmax(pulled(x_nd @ slopes + intercepts, slopes, spread_nd))
        return _cooled(p_nc, self.temperature)

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Class probabilities of each cell, and their mean: the expected composition.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        p_nc = self.probabilities(ur)
        read = Measurement(p_nc, self.features, ur.entities, ARBITRARY, modality="label", scale=ur.space.scale)
        far_n = (((ur.values - self.center) / self.spread) ** 2).mean(axis=1)
        unseen = float((far_n > self.usual).mean())
        verdict = Applicability.OUT if unseen > _OUT else Applicability.EDGE if unseen > _EDGE else Applicability.IN
        return Prediction((read,), (self.name,), verdict)

    def sets(self, ur: UR, level: float = 0.9, *, pooled: bool = False) -> np.ndarray:
        """``(n, c)`` True for the classes in the set of each cell; the likeliest class is always in.

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

    def labels(self, ur: UR, *, level: float = 0.9) -> pd.DataFrame:
        """Say what part of a tissue each cell is in, as exactly as can be said.

        Args:
            ur: States.
            level: How often the answer is to be right: the label among all cells, the set among those of each class.

        Returns:
            One row per cell: ``label`` (the class if it is alone in the pooled set, else ``undecided``), ``best`` (the
            likeliest class), ``confidence`` (its probability) and ``set`` (the set within classes, joined by ``|``,
            likeliest first).

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        p_nc = self.probabilities(ur)
        best, alone_n = self.features[p_nc.argmax(axis=1)], self.sets(ur, level, pooled=True).sum(axis=1) == 1
        within = named(p_nc, self.sets(ur, level), self.features)
        return pd.DataFrame(
            {
                "label": np.where(alone_n, best, UNDECIDED),
                "best": best,
                "confidence": p_nc.max(axis=1),
                "set": np.array(["|".join(names) for names in within], dtype=object),
            },
            index=ur.entities.index,
        )


class _Choice(NamedTuple):
    mixture: np.ndarray
    temperature: float
    said: np.ndarray
    gain: float
    gain_error: float


def _uneven(ur: UR, reach: int) -> list[str]:
    if ur.space.dim % (reach + 1) == 0:
        return []
    return [
        f"{ur.space.dim} axes do not divide into those of a cell and of {reach} shells. Give reach= as the encoder of "
        "these states has it."
    ]


def _range(x_nd: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    center, spread = x_nd.mean(axis=0), np.maximum(x_nd.std(axis=0), 1e-9)
    return center, spread, float(np.quantile((((x_nd - center) / spread) ** 2).mean(axis=1), _USUAL))


def _by_shell(ur: UR, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """``(n, reach + 1, width)`` states and variances; what was not measured counts as the value that stands there."""
    shape = (len(ur), reach + 1, -1)
    x_nsw = ur.values.astype(np.float64).reshape(shape)
    if ur.variance is None:
        return x_nsw, np.zeros_like(x_nsw)
    return x_nsw, np.where(np.isfinite(ur.variance), ur.variance, 0.0).reshape(shape)


def _members(width: int, reach: int) -> list[_Member]:
    # In an order in which each penalty starts from the fit with the one before.
    axes = sorted({min(each, width) for each in _AXES})
    return [_Member(*each) for each in itertools.product(axes, range(reach + 1), _PENALTIES)]


def _balanced(y_nc: np.ndarray) -> np.ndarray:
    """``(n,)`` weights with which all classes that have members weigh the same; their sum is one."""
    share_c = y_nc.sum(axis=0)
    weight_n = (y_nc / np.where(share_c > 0, share_c, np.inf)).sum(axis=1)
    return np.asarray(weight_n / weight_n.sum())


def _read(x_nsw: np.ndarray, member: _Member) -> np.ndarray:
    return x_nsw[:, : member.shells + 1, : member.axes].reshape(len(x_nsw), -1)


def _path(members: list[_Member], x_nsw: np.ndarray, y_nc: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Slopes and intercepts at the origin of each regression."""
    weight_n, found, last, start = _balanced(y_nc), [], None, None
    for member in members:
        if last is None or member[:2] != last[:2]:
            start = None
        seen_nd = _read(x_nsw, member)
        center_d, slopes_dc, middle_c = fit_slopes(seen_nd, y_nc, member.penalty, weight_n=weight_n, start=start)
        start, last = (slopes_dc, middle_c), member
        found.append((slopes_dc, middle_c - center_d @ slopes_dc))
    return found


def _said_of_left_out(
    members: list[_Member], x_nsw: np.ndarray, spread_nsw: np.ndarray, y_nc: np.ndarray, fold_n: np.ndarray
) -> np.ndarray:
    """``(g, n, c)`` probabilities of each regression, fitted without the fold of the state."""
    said = np.zeros((len(members), *y_nc.shape))
    for fold in np.unique(fold_n):
        out = fold_n == fold
        for g, (slopes_dc, at_origin_c) in enumerate(_path(members, x_nsw[~out], y_nc[~out])):
            logit_nc = _read(x_nsw[out], members[g]) @ slopes_dc + at_origin_c
            said[g, out] = softmax(pulled(logit_nc, slopes_dc, _read(spread_nsw[out], members[g])))
    return said


def _chosen(
    members: list[_Member], said: np.ndarray, y_nc: np.ndarray, fold_n: np.ndarray, group_n: np.ndarray
) -> _Choice:
    """Weigh the regressions, those without shells alone unless the others pay."""
    rows = np.flatnonzero(met(y_nc.argmax(axis=1), fold_n))
    right_gn = (said[:, rows] * y_nc[rows]).sum(axis=2)
    groups, code_n = np.unique(group_n[rows], return_inverse=True)
    weight_n = _balanced(y_nc[rows])
    within_n = weight_n / np.bincount(code_n, weight_n)[code_n]
    equal_n = within_n / len(groups)
    own_g = np.array([member.shells == 0 for member in members])
    own, full = (_stacked(right_gn, equal_n, allowed_g) for allowed_g in (own_g, np.ones_like(own_g)))
    gain_n = np.log(np.maximum(full @ right_gn, 1e-12)) - np.log(np.maximum(own @ right_gn, 1e-12))
    gain_k = np.bincount(code_n, within_n * gain_n)
    gain, error = float(gain_k.mean()), float(gain_k.std(ddof=1) / np.sqrt(len(groups)))
    mixture = full if gain > _LEAST else own
    said_nc = np.einsum("g,gnc->nc", mixture, said)
    found = minimize_scalar(
        lambda log_t: equal_n @ cross_entropy_rows(_logs(said_nc[rows]) / np.exp(log_t), y_nc[rows]),
        bounds=(-1, 2),
        method="bounded",
    )
    temperature = float(np.exp(found.x))
    return _Choice(mixture, temperature, _cooled(said_nc, temperature), gain, error)


def _stacked(right_gn: np.ndarray, equal_n: np.ndarray, allowed_g: np.ndarray) -> np.ndarray:
    """``(g,)`` weights with the highest likelihood of an average, from equal ones by expectation-maximization."""
    weight_g = allowed_g / allowed_g.sum()
    for _ in range(_ROUNDS):
        shared_gn = weight_g[:, None] * right_gn
        weight_g = (shared_gn / np.maximum(shared_gn.sum(axis=0), 1e-300)) @ equal_n
        weight_g /= weight_g.sum()
    weight_g = np.where(weight_g < _KEPT, 0.0, weight_g)
    return np.asarray(weight_g / weight_g.sum())


def _logs(p_nc: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(p_nc, 1e-12)))


def _cooled(p_nc: np.ndarray, temperature: float) -> np.ndarray:
    return softmax(_logs(p_nc) / temperature)


def _fitted(members: list[_Member], x_nsw: np.ndarray, y_nc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes on all axes and intercepts of each regression."""
    slopes = np.zeros((len(members), *x_nsw.shape[1:], y_nc.shape[1]))
    intercepts = np.zeros((len(members), y_nc.shape[1]))
    for g, (found_dc, at_origin_c) in enumerate(_path(members, x_nsw, y_nc)):
        shells, axes = members[g].shells + 1, members[g].axes
        slopes[g, :shells, :axes] = found_dc.reshape(shells, axes, -1)
        intercepts[g] = at_origin_c
    return slopes.reshape(len(members), -1, y_nc.shape[1]), intercepts
