"""What will this cell become? Probabilities of terminal states from transport and from clones, and how sure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.instruments.decoders.fate_evidence import (
    EQUAL,
    PENALTIES,
    Descent,
    Slopes,
    balance,
    calibration_of,
    held_out,
    members,
    probe,
    pulled_logits,
    pulls,
    weighed,
)
from aivc.instruments.decoders.fate_intervals import FateIntervals
from aivc.instruments.decoders.fate_pull import Pull, masses
from aivc.instruments.decoders.label_probe import softmax
from aivc.instruments.decoders.label_sets import given_memberships

# Cells of one time, of whom more would make plans slow and change little.
_MOST = 2000
_FEWEST = 2


@final
@dataclass(frozen=True, eq=False)
class CellFates(Decoder):
    """Probability of each terminal state, for cells of any time; rows sum to one over the terminal states.

    Two kinds of evidence are pooled by their log odds. *Transport*: terminal states of the cells at the last time are
    pulled back along entropic plans (Schiebinger et al. 2019, Cell 176:928), averaged over blurs and numbers of axes;
    mass that reaches no terminal state is left aside. *Regression*: a multinomial-logistic one on the last cells with
    their own state and, where clones are known, on earlier cells with what the last cells of their clone became. How
    much each weighs is learned on clones left out together with their last cells; without clones both weigh the same,
    and nothing is known of their calibration.

    Draws resample clones, or cells of none, and go through the plans in turn: their spread is what a different sample
    of clones, or another blur, would have said. It is no interval for what becomes of a clone, which holds far more
    than that: `intervals` are for the share of the clone of a cell that takes each fate, and were tried on clones left
    out, where there are any.

    Attributes:
        reads: Space it was fitted on.
        features: ``(c,)`` names of the terminal states.
        times: ``(t,)`` earlier times, in hours.
        last: The last time, in hours.
        targets: ``(m, d)`` states of the last cells.
        labels: ``(m, c)`` their terminal states; zero where there is none.
        potentials: ``(t, k, m)`` see `aivc.instruments.decoders.fate_pull.Pull`.
        blurs: ``(t, k)`` likewise.
        axes: ``(k,)`` likewise.
        center: ``(k, d)`` of the regression of each draw.
        slopes: ``(k, d, c)`` likewise.
        intercepts: ``(k, c)`` likewise.
        offsets: ``(t, k, c)`` added to it for cells of earlier times, where no clones tell what these become: so much
            that all cells of a time together become what transport takes them to. Zero with clones.
        weights: ``(2,)`` of transport and of regression.
        evidence: What was learned on clones left out: ``clones``, ``log_loss``, ``log_loss_base`` (of the mean
            composition), ``calibration_error``, ``penalty`` and ``concentration`` of clones about what was said of
            them; ``clones`` is 0 where there were too few.
        scores: ``(h, c)`` see `aivc.instruments.decoders.fate_intervals.FateIntervals`; empty without clones.
        shares: ``(h,)`` likewise.
    """

    name: ClassVar[str] = "cell-fates"
    reads: Space
    features: np.ndarray
    times: Float[np.ndarray, " t"]
    last: float
    targets: Float[np.ndarray, "m d"]
    labels: Float[np.ndarray, "m c"]
    potentials: Float[np.ndarray, "t k m"]
    blurs: Float[np.ndarray, "t k"]
    axes: np.ndarray
    center: Float[np.ndarray, "k d"]
    slopes: Float[np.ndarray, "k d c"]
    intercepts: Float[np.ndarray, "k c"]
    offsets: Float[np.ndarray, "t k c"]
    weights: Float[np.ndarray, " 2"]
    evidence: dict[str, float]
    scores: Float[np.ndarray, "h c"]
    shares: Float[np.ndarray, " h"]

    @classmethod
    def fit(
        cls, ur: UR, measurement: Measurement, *, seed: int = 0, units: str | None = None, draws: int = 24
    ) -> "CellFates":
        """Fit on cells of several times.

        Args:
            ur: Training states; the columns ``time`` and, where known, ``clone`` of their entities are used. Of cells
                of one time, or of none stated, their own state is all the evidence.
            measurement: One feature per terminal state, as `aivc.data.priors.memberships.memberships` makes it; rows
                before the last time are not looked at.
            seed: Draws the clones, the folds, and the cells where there are more than 2,000 of one time.
            units: Not used; an answer is a probability, in units ``arbitrary``.
            draws: Number of resamples ``k``.

        Raises:
            DataError: Fewer than two terminal states with two cells each at the last time.
        """
        cells = _descent(ur, measurement, seed)
        held = held_out(cells, seed)
        penalty, weights, evidence = 1, np.full(2, EQUAL), {"clones": 0.0}
        inside = FateIntervals(0.0, np.zeros((0, len(measurement.features))), np.zeros(0), 0)
        if held is not None:
            penalty, weights, _ = weighed(held)
            inside = FateIntervals.of(held.said(penalty, weights), seed)
            learned = {"penalty": PENALTIES[penalty], "concentration": inside.concentration}
            evidence = {**calibration_of(held, penalty, weights), **learned}
        which = members(cells.x_nd.shape[1])
        every = [which[k % len(which)] for k in range(draws)]
        drawn = [_resampled(cells, np.random.default_rng([seed, k])) for k in range(draws)]
        plans = [[pulls(each, t, [at])[0] for each, at in zip(drawn, every, strict=True)] for t in cells.earlier]
        probes = [probe(each, PENALTIES[penalty]) for each in drawn]
        offset_tkc = np.zeros((len(plans), draws, len(measurement.features)))
        for t, row in enumerate(plans if held is None else []):
            time = float(cells.earlier[t])
            offset_tkc[t] = [balance(cells, time, *both, weights) for both in zip(row, probes, strict=True)]
        shape = len(plans), draws, int(cells.is_last.sum())
        return cls(
            ur.space,
            measurement.features,
            cells.earlier,
            cells.last,
            cells.x_nd[cells.is_last],
            cells.label_nc[cells.is_last],
            np.array([[pull.potential for pull in row] for row in plans]).reshape(
                len(plans), draws, int(cells.is_last.sum())
            ),
            np.array([[pull.blur for pull in row] for row in plans]).reshape(shape[:2]),
            np.array([axes for _, axes in every]),
            np.array([each.center for each in probes]),
            np.array([each.slopes for each in probes]),
            np.array([each.intercepts for each in probes]),
            offset_tkc,
            weights,
            evidence,
            inside.score_nc,
            inside.share_n,
        )

    def probabilities(self, ur: UR) -> Float[np.ndarray, "n c"]:
        """``(n, c)`` probability of each terminal state; rows sum to one.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        return softmax(np.mean(list(self._logits(ur)), axis=0))

    def draws_of(self, ur: UR) -> Float[np.ndarray, "k n c"]:
        """``(k, n, c)`` probabilities by each draw.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        return np.array([softmax(logit_nc) for logit_nc in self._logits(ur)])

    def intervals(self, ur: UR, level: float = 0.9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the share of the clone of each cell that takes each fate lies.

        Args:
            ur: States.
            level: Share of clones, for each fate, of whom this shall be true.

        Returns:
            ``(n, c)`` lower and ``(n, c)`` upper ends, which hold the probability, and ``(n,)`` whether they were tried
            on clones left out. For cells of other times than the earlier ones that were read, and without clones, they
            are not, and are the spread of draws: how far the probability depends on the sample, and nothing more.

        Raises:
            DataError: ``level`` is no share between 0 and 1.
            SpaceError: ``ur`` lives in another space.
        """
        if not 0 < level < 1:
            raise DataError([f"The level of an interval is a share between 0 and 1, got {level:g}. Such as 0.9."])
        p_nc = self.probabilities(ur)
        tried_n = np.isin(_times(ur), self.times) & bool(len(self.scores))
        low_nc, high_nc = np.quantile(self.draws_of(ur), [(1 - level) / 2, (1 + level) / 2], axis=0)
        if tried_n.any():
            clones = int(self.evidence["clones"])
            inside = FateIntervals(self.evidence["concentration"], self.scores, self.shares, clones)
            low_nc[tried_n], high_nc[tried_n] = inside.ends(p_nc[tried_n], level)
        return np.minimum(low_nc, p_nc), np.maximum(high_nc, p_nc), tried_n

    def resolved(self, ur: UR) -> Float[np.ndarray, " n"]:
        """``(n,)`` share of the mass of each state that reaches a terminal state at all; 1 for states of the last time.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        x_nd, at_n = self._placed(ur)
        found_n = np.ones(len(ur))
        for t in range(len(self.times)):
            rows = at_n == t
            if rows.any():
                there_m = (self.labels.sum(axis=1) > 0).astype(float)[:, None]
                plans = [self._pull(t, k) for k in range(len(self.axes))]
                shares = [masses(plan, x_nd[rows], self.targets, there_m)[:, 0] for plan in plans]
                found_n[rows] = np.mean(shares, axis=0)
        return found_n

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Probabilities by each draw; their spread is ignorance.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        read = tuple(
            Measurement(p_nc, self.features, ur.entities, ARBITRARY, modality="fate", scale=ur.space.scale)
            for p_nc in self.draws_of(ur)
        )
        times = _times(ur)
        beyond, between = bool((times > self.last).any()), bool((~np.isin(times, [*self.times, self.last])).any())
        verdict = Applicability.OUT if beyond else Applicability.EDGE if between else Applicability.IN
        return Prediction(read, (self.name,), verdict)

    def _placed(self, ur: UR) -> tuple[np.ndarray, np.ndarray]:
        """States, and the earlier time whose plans each goes along; the number of times for states of the last."""
        self.reads.require(ur.space, self.name)
        known = np.array([*self.times, self.last])
        return ur.values.astype(np.float64), np.abs(_times(ur)[:, None] - known).argmin(axis=1)

    def _logits(self, ur: UR) -> Iterator[np.ndarray]:
        x_nd, at_n = self._placed(ur)
        for k in range(len(self.axes)):
            said_nc = Slopes(self.center[k], self.slopes[k], self.intercepts[k]).logits(x_nd)
            # At the last time there is nowhere to go: the state itself is the evidence.
            logit_nc = self.weights.sum() * said_nc
            for t in range(len(self.times)):
                rows = at_n == t
                if rows.any():
                    along_nc = pulled_logits([self._pull(t, k)], x_nd[rows], self.targets, self.labels)
                    logit_nc[rows] = self.weights[0] * along_nc + self.weights[1] * (said_nc[rows] + self.offsets[t, k])
            yield logit_nc

    def _pull(self, t: int, k: int) -> Pull:
        return Pull(self.potentials[t, k], float(self.blurs[t, k]), int(self.axes[k]))


def _times(ur: UR) -> np.ndarray:
    """``(n,)`` hours; states that state none are all of one time."""
    return np.zeros(len(ur)) if ur.times is None else ur.times


def _descent(ur: UR, measurement: Measurement, seed: int) -> Descent:
    """What is known of descent, of at most 2,000 cells of each time."""
    y_nc, time_n = given_memberships(measurement, CellFates.name), _times(ur)
    last = time_n == time_n.max()
    problems = []
    if len(y_nc) != len(ur):
        raise DataError([f"{len(ur)} states need as many labels, got {len(y_nc)}. Align them."])
    few = [str(f) for f, n in zip(measurement.features, (y_nc[last] > 0).sum(axis=0), strict=True) if n < _FEWEST]
    if few or y_nc.shape[1] < _FEWEST:
        problems.append(
            f"Terminal states are two or more, each with {_FEWEST} cells at the last time; too few are of "
            f"{', '.join(few) or 'any'}. Name only the states that are reached."
        )
    if problems:
        raise DataError(problems)
    rng = np.random.default_rng([seed, len(ur)])
    rows = np.sort(np.concatenate([rng.permutation(np.flatnonzero(time_n == t))[:_MOST] for t in np.unique(time_n)]))
    label_nc = np.where(last[rows, None], y_nc[rows], 0.0)
    label_nc /= np.maximum(label_nc.sum(axis=1, keepdims=True), 1e-12)
    x_nd = ur.values[rows].astype(np.float64)
    return Descent(x_nd, time_n[rows], label_nc, _groups(ur, rows), np.ones(len(rows)))


def _groups(ur: UR, rows: np.ndarray) -> np.ndarray:
    """``(n,)`` clone of each cell, and a group of its own for each without one."""
    alone = np.array([f"\0{i}" for i in range(len(rows))], dtype=object)
    if "clone" not in ur.entities:
        return alone
    named = ur.entities["clone"].iloc[rows].astype(object)
    known = named.notna().to_numpy() & (named != "").to_numpy()
    return np.where(known, named.astype(str).to_numpy(dtype=object), alone)


def _resampled(cells: Descent, rng: np.random.Generator) -> Descent:
    """The same with groups drawn again, until every terminal state is there."""
    names, code_n = np.unique(cells.group_n, return_inverse=True)
    weight_n = cells.weight_n
    for _ in range(100):
        weight_n = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))[code_n].astype(float)
        if (weight_n[cells.is_last] @ cells.label_nc[cells.is_last] > 0).all():
            break
    return Descent(cells.x_nd, cells.time_n, cells.label_nc, cells.group_n, weight_n)
