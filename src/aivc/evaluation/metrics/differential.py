"""Which features a perturbation changes, by rank and by size, and four ways to score a prediction of that."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, UInt64
from scipy import sparse
from scipy.special import ndtr
from scipy.stats import false_discovery_control

from aivc.core.errors import ControlError, DataError, UnitsError
from aivc.core.units import COUNTS, log1p_target, parse_units
from aivc.data.streaming.normalize import Block

_MILLION = 1e6
_EPSILON = 1e-9  # counts per million, added to both means so that a silent feature has a ratio
_SMALLEST, _BINADES = 2.0**-40, 64  # counts per million that can be distinguished: from here, 64 doublings up
_BINADE_SPAN = 2.0**64 * (1 - 2.0**-52)
_FEWEST = 10  # real-significant features below which a mean error of their fold changes says little


@final
@dataclass(frozen=True, eq=False)
class Differential:
    """One perturbation against control, feature by feature; NaN where a feature was not tested.

    Attributes:
        features: ``(f,)`` names.
        lfc: ``(f,)`` log2 ratio of the arithmetic means in counts per million, 1e-9 added to both.
        p: ``(f,)`` two-sided p of the Wilcoxon rank-sum test.
        p_adj: ``(f,)`` p after Benjamini & Hochberg over the tested features of this perturbation alone.
        tested: ``(f,)`` True where control expresses the feature and the caller did not leave it out.
        alpha: False discovery rate below which a feature is significant.
    """

    features: np.ndarray
    lfc: Float[np.ndarray, " f"]
    p: Float[np.ndarray, " f"]
    p_adj: Float[np.ndarray, " f"]
    tested: Bool[np.ndarray, " f"]
    alpha: float

    @property
    def significant(self) -> np.ndarray:
        """``(f,)`` True where the adjusted p is below alpha; what was not tested is not significant."""
        return self.p_adj < self.alpha

    def leaving_out(self, features_f: np.ndarray) -> "Differential":
        """Drop features from every count, such as the perturbation's own target; adjusted p stay as they were.

        Args:
            features_f: ``(f,)`` True for those to drop.
        """
        kept = self.tested & ~features_f
        lfc, p, p_adj = (np.where(kept, x, np.nan) for x in (self.lfc, self.p, self.p_adj))
        return Differential(self.features, lfc, p, p_adj, kept, self.alpha)

    def to_frame(self) -> pd.DataFrame:
        """One row per feature, in the order of the features."""
        columns = {"lfc": self.lfc, "p": self.p, "p_adj": self.p_adj}
        return pd.DataFrame({**columns, "tested": self.tested, "significant": self.significant}, index=self.features)


@final
@dataclass(frozen=True, eq=False)
class Control:
    """Control cells, sorted once, so that any number of perturbations can be compared with them.

    Attributes:
        features: ``(f,)`` names.
        units: Units of the cells, of control and perturbations alike.
        cells: How many control cells.
        mean: ``(f,)`` arithmetic mean in counts per million.
        tested: ``(f,)`` True where that mean is above the gate.
        levels: ``(l,)`` sorted distinct values above zero of the tested features, as keys of feature and value, closed
            by one beyond the last feature.
        below: ``(l,)`` how many control values stand before each level.
        before: ``(f,)`` how many control values stand before the first level of each feature.
        nonzero: ``(f,)`` how many control cells have a value above zero; 0 where not tested.
        ties: ``(f,)`` sum over levels of t³ - t, where t cells share a value above zero.
    """

    features: np.ndarray
    units: str
    cells: int
    mean: Float[np.ndarray, " f"]
    tested: Bool[np.ndarray, " f"]
    levels: UInt64[np.ndarray, " l"]
    below: Int[np.ndarray, " l"]
    before: Int[np.ndarray, " f"]
    nonzero: Int[np.ndarray, " f"]
    ties: Float[np.ndarray, " f"]

    @classmethod
    def of(cls, control_mf: Block, features: np.ndarray, *, units: str, gate_cpm: float = 5.0) -> "Control":
        """Scale control cells to counts per million, keep what they express, and sort it.

        The gate looks at control alone: one that looked at perturbed cells would keep a feature because it rose and
        drop it because it fell.

        Args:
            control_mf: ``(m, f)`` dense or CSR.
            features: ``(f,)`` names.
            units: ``counts``, scaled by each cell's total over these features; or ``log1p_cpN``, whose cells were
                scaled already and are brought back by ``expm1(value) * 1e6 / N``, whatever they now add up to.
            gate_cpm: A feature is tested where the mean over control cells of counts per million is above this.

        Raises:
            ControlError: There are no control cells.
            UnitsError: Values in these units cannot be brought to counts per million.
            DataError: A value is negative or not finite, a cell has no counts, or the names do not fit.
        """
        units = parse_units(units)
        if not control_mf.shape[0]:
            raise ControlError("A comparison needs control cells, got none. Choose the rows marked control.")
        if len(features) != control_mf.shape[1]:
            raise DataError(
                [f"{control_mf.shape[1]} features need as many names, got {len(features)}. Give measurement.features."]
            )
        scaled_mf = _per_million(control_mf, units)
        mean_f = _mean(scaled_mf)
        tested_f = mean_f > gate_cpm
        levels, count_l = _levels(scaled_mf, tested_f)
        feature_l = _feature(levels, len(features))
        nonzero_f = np.bincount(feature_l, count_l, len(features)).astype(np.int64)
        return cls(
            features=np.asarray(features),
            units=units,
            cells=scaled_mf.shape[0],
            mean=mean_f,
            tested=tested_f,
            levels=np.append(levels, _keys(np.array([len(features)]), np.ones(1), len(features))),
            below=np.concatenate([[0], np.cumsum(count_l)]).astype(np.int64),
            before=np.cumsum(nonzero_f) - nonzero_f,
            nonzero=nonzero_f,
            ties=np.bincount(feature_l, _tie(count_l), len(features)).astype(float),
        )

    def differential(
        self, cells_nf: Block, *, without: Collection[str] = (), alpha: float = 0.05, continuity: bool = True
    ) -> Differential:
        """Compare perturbed cells with these controls.

        The Wilcoxon rank-sum test is two-sided, by the normal approximation, with the variance corrected for ties and,
        unless declined, half a rank taken off for continuity. A feature with the same value in every cell has p = 1.

        Args:
            cells_nf: ``(n, f)`` dense or CSR, in the units and features of the control.
            without: Names of features to leave out: those the perturbation itself targets.
            alpha: False discovery rate below which a feature is significant.
            continuity: Correct for continuity.

        Raises:
            DataError: There are no cells, their features differ in number, or a value is impossible.

        >>> control = Control.of(np.array([[9.0, 1.0]] * 8), np.array(["A", "B"]), units="counts")
        >>> control.differential(np.array([[1.0, 9.0]] * 8)).lfc.round(2).tolist()
        [-3.17, 3.17]
        """
        if not cells_nf.shape[0] or cells_nf.shape[1] != len(self.features):
            raise DataError(
                [
                    f"A comparison needs perturbed cells with the control's {len(self.features)} features, got "
                    f"{cells_nf.shape[0]} cells with {cells_nf.shape[1]}. Take both from one measurement."
                ]
            )
        scaled_nf = _per_million(cells_nf, self.units)
        tested_f = self.tested & ~np.isin(self.features, list(without))
        u_f, tie_f = self._rank(scaled_nf, tested_f)
        p_f = np.full(len(tested_f), np.nan)
        sizes = (scaled_nf.shape[0], self.cells)
        p_f[tested_f] = _two_sided(u_f[tested_f], tie_f[tested_f], sizes, continuity=continuity)
        lfc_f = np.where(tested_f, np.log2((_mean(scaled_nf) + _EPSILON) / (self.mean + _EPSILON)), np.nan)
        adjusted_f = np.full(len(tested_f), np.nan)
        adjusted_f[tested_f] = false_discovery_control(p_f[tested_f])
        return Differential(self.features, lfc_f, p_f, adjusted_f, tested_f, alpha)

    def _rank(self, scaled_nf: sparse.csr_matrix, tested_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(f,)`` pairs in which the perturbed cell is higher, ties half; ``(f,)`` tie sums of both groups."""
        size = len(tested_f)
        level_l, count_l = _levels(scaled_nf, tested_f)
        feature_l = _feature(level_l, size)
        at_l = np.searchsorted(self.levels, level_l)
        shared_l = self.levels[at_l] == level_l
        lower_l = self.below[at_l] - self.before[feature_l]
        same_l = self.below[at_l + shared_l] - self.below[at_l]
        nonzero_f = np.bincount(feature_l, count_l, size)
        # Zeros are one block of ties at the bottom of both groups; they are counted and never stored.
        zero_f, control_zero_f = scaled_nf.shape[0] - nonzero_f, self.cells - self.nonzero
        u_f = np.bincount(feature_l, count_l * (lower_l + same_l / 2), size)
        u_f = u_f + control_zero_f * (nonzero_f + zero_f / 2)
        tie_f = self.ties + np.bincount(feature_l, _tie(count_l + same_l) - _tie(same_l), size)
        return u_f, tie_f + _tie(zero_f + control_zero_f)


def differential(
    cells_nf: Block,
    control_mf: Block,
    features: np.ndarray,
    *,
    units: str,
    gate_cpm: float = 5.0,
    without: Collection[str] = (),
    alpha: float = 0.05,
) -> Differential:
    """Compare one perturbation with its control; for many perturbations sort the control once with `Control.of`.

    Raises:
        ControlError: There are no control cells.
        UnitsError: Values in these units cannot be brought to counts per million.
        DataError: See `Control.of` and `Control.differential`.

    >>> low, high = np.array([[1.0, 99.0]] * 9), np.array([[3.0, 97.0]] * 9)
    >>> differential(high, low, np.array(["A", "B"]), units="counts").significant.tolist()
    [True, True]
    """
    control = Control.of(control_mf, features, units=units, gate_cpm=gate_cpm)
    return control.differential(cells_nf, without=without, alpha=alpha)


def direction_fidelity(real: Differential, predicted: Differential) -> float:
    """Share of called features whose sign is right, where calling fewer than are real does not help.

    ``k / max(n, N)``: n features are predicted significant and have a real fold change other than zero, k of them have
    its sign, and N are really significant. A predicted fold change of zero is a miss. NaN where n = N = 0.

    Raises:
        DataError: The two tables are of different features.
    """
    _require_alike(real, predicted)
    called = predicted.significant & np.isfinite(real.lfc) & (real.lfc != 0)
    most = max(int(called.sum()), int(real.significant.sum()))
    return float(_agree(real, predicted)[called].sum() / most) if most else float("nan")


def direction_reach(real: Differential, predicted: Differential, *, purity: float = 0.9) -> float:
    """How deep the prediction's ranking of the really significant features goes with signs still right.

    They are ranked by predicted adjusted p, p, absolute fold change (largest first) and name. The reach is the greatest
    depth at which at least ``purity`` of the signs are right, as a share of all. NaN where nothing is really
    significant; 0 where no depth is pure enough.

    Raises:
        DataError: The two tables are of different features.
    """
    _require_alike(real, predicted)
    pool = np.flatnonzero(real.significant)
    if not len(pool):
        return float("nan")
    # What was not tested was not called, so it comes last.
    keys = [np.nan_to_num(x[pool], nan=1.0) for x in (predicted.p, predicted.p_adj)]
    size = np.nan_to_num(np.abs(predicted.lfc[pool]), nan=0.0)
    order = np.lexsort((predicted.features[pool].astype(str), -size, *keys))
    depth = np.arange(1, len(pool) + 1)
    # A share of exactly the purity counts, whatever the last bit of a division says.
    pure = np.cumsum(_agree(real, predicted)[pool][order]) >= purity * depth - 1e-9
    return float(depth[pure].max(initial=0) / len(pool))


def significant_jaccard(real: Differential, predicted: Differential) -> float:
    """Features significant in both, as a share of those significant in either; 1 where there are none in either.

    Raises:
        DataError: The two tables are of different features.
    """
    _require_alike(real, predicted)
    either = int((real.significant | predicted.significant).sum())
    return float((real.significant & predicted.significant).sum() / either) if either else 1.0


def lfc_nmae(real: Differential, predicted: Differential) -> float:
    """Absolute error of the fold changes of really significant features, over their absolute sum.

    0 is perfect, 1 is what predicting no change scores, 2 is right in size and wrong in every sign. A fold change that
    is missing or not finite is taken as none. NaN with fewer than ten really significant features.

    Raises:
        DataError: The two tables are of different features.
    """
    _require_alike(real, predicted)
    lfc = real.lfc[real.significant]
    if len(lfc) < _FEWEST:
        return float("nan")
    ours = np.nan_to_num(predicted.lfc[real.significant], nan=0.0, posinf=0.0, neginf=0.0)
    total = np.abs(lfc).sum()
    return float(np.abs(ours - lfc).sum() / total) if total else float("nan")


def _require_alike(real: Differential, predicted: Differential) -> None:
    if not np.array_equal(real.features, predicted.features):
        raise DataError(
            [
                f"Two tables of the same features in the same order are needed, got {len(real.features)} and "
                f"{len(predicted.features)} features that differ. Compare both with one Control."
            ]
        )


def _agree(real: Differential, predicted: Differential) -> np.ndarray:
    signs = np.sign(real.lfc), np.sign(predicted.lfc)
    return np.asarray((signs[0] == signs[1]) & (signs[0] != 0))


def _per_million(block: Block, units: str) -> sparse.csr_matrix:
    scaled = sparse.csr_matrix(block, dtype=np.float64, copy=True)
    scaled.sum_duplicates()
    if bad := int((~np.isfinite(scaled.data) | (scaled.data < 0)).sum()):
        raise DataError([f"Ranks need values that are finite and not negative, got {bad} others. Clip or drop them."])
    target = log1p_target(units)
    if target is not None:
        scaled.data = np.expm1(scaled.data) * (_MILLION / target)
    elif units == COUNTS:
        scaled.data = scaled.data * _MILLION / np.repeat(_totals(scaled), np.diff(scaled.indptr))
    else:
        raise UnitsError(
            f"Differential expression needs counts or log1p_cpN, but was given {units}. "
            "Start from the counts, or score these data by their effects alone."
        )
    scaled.eliminate_zeros()
    return scaled


def _totals(counts_nf: sparse.csr_matrix) -> np.ndarray:
    total_n = np.asarray(counts_nf.sum(axis=1)).ravel()
    if empty := int((total_n == 0).sum()):
        raise DataError([f"{empty} of {len(total_n)} cells have no counts at all. Leave them out first."])
    return total_n


def _mean(scaled_nf: sparse.csr_matrix) -> np.ndarray:
    return np.bincount(scaled_nf.indices, scaled_nf.data, scaled_nf.shape[1]) / scaled_nf.shape[0]


def _levels(scaled_nf: sparse.csr_matrix, tested_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values above zero as keys, sorted by feature, then by value, and how many cells have each."""
    use = tested_f[scaled_nf.indices]
    key_v = np.sort(_keys(scaled_nf.indices[use], scaled_nf.data[use], len(tested_f)))
    first = np.flatnonzero(np.concatenate([key_v[:1] == key_v[:1], key_v[1:] != key_v[:-1]]))
    return key_v[first], np.diff(np.append(first, len(key_v)))


def _value_bits(features: int) -> int:
    return min(_BINADES.bit_length() - 1 + 52, 64 - features.bit_length())


def _keys(feature_v: np.ndarray, value_v: np.ndarray, features: int) -> np.ndarray:
    """Whole numbers that sort by feature and then by value, so that one sort serves all features.

    The bits of a positive number sort as the number does. Its last ones are dropped to make room for the feature: with
    8,000 features 45 remain, so two shares of cells fall together only if they agree in 13 digits, which is rounding.
    """
    bits = _value_bits(features)
    known = np.clip(value_v, _SMALLEST, _SMALLEST * _BINADE_SPAN).view(np.uint64) - np.float64(_SMALLEST).view(
        np.uint64
    )
    known >>= np.uint64(_BINADES.bit_length() - 1 + 52 - bits)
    known |= feature_v.astype(np.uint64) << np.uint64(bits)
    return np.asarray(known)


def _feature(key_l: np.ndarray, features: int) -> np.ndarray:
    return (key_l >> np.uint64(_value_bits(features))).astype(np.intp)


def _tie(count: np.ndarray) -> np.ndarray:
    cells = count.astype(np.float64)
    return np.asarray(cells * (cells * cells - 1))


def _two_sided(u_f: np.ndarray, tie_f: np.ndarray, sizes: tuple[int, int], *, continuity: bool) -> np.ndarray:
    n, m = sizes
    both = n + m
    deviation_f = np.sqrt(np.maximum(n * m / 12 * (both + 1 - tie_f / (both * (both - 1))), 0.0))
    excess_f = np.abs(u_f - n * m / 2) - (0.5 if continuity else 0.0)
    z_f = np.divide(excess_f, deviation_f, out=np.full(len(u_f), -np.inf), where=deviation_f > 0)
    return np.minimum(2 * ndtr(-z_f), 1.0)
