"""What tells the fate of a cell: where transport takes it, what its kind became in clones, and how much each weighs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from scipy.optimize import minimize

from aivc.instruments.decoders.fate_intervals import SaidOfClones
from aivc.instruments.decoders.fate_pull import Pull, fit_pull, masses
from aivc.instruments.decoders.label_probe import cross_entropy_rows, fit_slopes, softmax

# Blurs of the plans, and shares of the axes: no one of them is known to be right, so answers are averaged over all.
BLURS, SHARES = (0.1, 0.2, 0.4), (0.5, 1.0)
# Labels of the last cells and of clones weigh the same in the regression.
_CLONES = 0.5
PENALTIES = (0.003, 0.01, 0.03)
# Before clones say otherwise, both kinds of evidence weigh the same; by how much they may differ.
EQUAL, _FREE = 0.5, 0.5
_FOLDS = 5
# Share of the last cells of each class that every state is given, so that no fate is impossible.
_SMOOTH = 1e-2
# Of the shares of fates of a time, as logarithms; and after how many steps it is left.
_NEAR, _STEPS = 1e-3, 200


@final
@dataclass(frozen=True, eq=False)
class Descent:
    """Earlier and last cells, what the last became, and who descends from whom.

    Attributes:
        x_nd: ``(n, d)`` all states.
        time_n: ``(n,)`` hours.
        label_nc: ``(n, c)`` terminal states of cells at the last time; zero at other times, and where there is none.
        group_n: ``(n,)`` clone of each cell; a cell of no known clone is alone in its group.
        weight_n: ``(n,)`` of each cell: how often a bootstrap drew its group.
    """

    x_nd: np.ndarray
    time_n: np.ndarray
    label_nc: np.ndarray
    group_n: np.ndarray
    weight_n: np.ndarray

    @property
    def last(self) -> float:
        """The last time."""
        return float(self.time_n.max())

    @property
    def earlier(self) -> np.ndarray:
        """Times before the last."""
        return np.unique(self.time_n[self.time_n < self.last])

    @property
    def is_last(self) -> np.ndarray:
        """``(n,)`` whether a cell was read at the last time."""
        return self.time_n == self.last

    def counts(self) -> np.ndarray:
        """``(n, c)`` last cells of the clone of each earlier cell in each terminal state; zero for last cells."""
        codes = np.unique(self.group_n, return_inverse=True)[1]
        total_gc = np.zeros((codes.max() + 1, self.label_nc.shape[1]))
        np.add.at(total_gc, codes[self.is_last], self.label_nc[self.is_last])
        return np.where(self.is_last[:, None], 0.0, total_gc[codes])

    def became(self) -> np.ndarray:
        """``(n, c)`` composition of the last cells of the clone of each earlier cell; zero where there are none."""
        found_nc = self.counts()
        return np.asarray(found_nc / np.maximum(found_nc.sum(axis=1, keepdims=True), 1e-12))

    def without(self, out_n: np.ndarray) -> "Descent":
        """All cells but those given."""
        kept = ~out_n
        return Descent(*(a[kept] for a in (self.x_nd, self.time_n, self.label_nc, self.group_n, self.weight_n)))


class Slopes(NamedTuple):
    """The regression on states: ``(d,)`` center, ``(d, c)`` slopes and ``(c,)`` log odds at the center."""

    center: np.ndarray
    slopes: np.ndarray
    intercepts: np.ndarray

    def logits(self, x_nd: np.ndarray) -> np.ndarray:
        """``(n, c)`` log odds."""
        return np.asarray((x_nd - self.center) @ self.slopes + self.intercepts)


class HeldClones(NamedTuple):
    """What was said of clones that were left out.

    Attributes:
        pull_nc: ``(n, c)`` log odds by transport.
        probe_pnc: ``(p, n, c)`` log odds by regression, for each penalty.
        became_nc: ``(n, c)`` what they became.
        count_nc: ``(n, c)`` how many last cells of the clone were read in each terminal state.
        share_n: ``(n,)`` weight of each cell: every clone weighs the same.
        clones: How many there are.
    """

    pull_nc: np.ndarray
    probe_pnc: np.ndarray
    became_nc: np.ndarray
    count_nc: np.ndarray
    share_n: np.ndarray
    clones: int

    def said(self, penalty: int, weights: np.ndarray) -> SaidOfClones:
        """Both kinds of evidence pooled."""
        p_nc = softmax(weights[0] * self.pull_nc + weights[1] * self.probe_pnc[penalty])
        return SaidOfClones(p_nc, self.count_nc, self.share_n, self.clones)


def members(dim: int) -> list[tuple[float, int]]:
    """Blur and number of leading axes of each plan."""
    axes = sorted({max(1, round(share * dim)) for share in SHARES})
    return [(blur, number) for number in axes for blur in BLURS]


def pulls(cells: Descent, time: float, which: Sequence[tuple[float, int]]) -> list[Pull]:
    """One plan from a time to the last for each blur and number of axes."""
    early, last = cells.time_n == time, cells.is_last
    x_nd, y_md, weight_m = cells.x_nd[early], cells.x_nd[last], cells.weight_n[last]
    return [fit_pull(x_nd, y_md, weight_m, epsilon=blur, axes=axes) for blur, axes in which]


def pulled_logits(found: list[Pull], x_nd: np.ndarray, y_md: np.ndarray, label_mc: np.ndarray) -> np.ndarray:
    """``(n, c)`` log odds of fates by transport, the mean over plans."""
    base_c = label_mc.sum(axis=0) / max(label_mc.sum(), 1e-12)
    log_nc = [np.log((1 - _SMOOTH) * masses(pull, x_nd, y_md, label_mc) + _SMOOTH * base_c + 1e-12) for pull in found]
    return np.asarray(np.mean(log_nc, axis=0))


def balance(cells: Descent, time: float, pull: Pull, slopes: Slopes, weights: np.ndarray) -> np.ndarray:
    """``(c,)`` what to add to the regression so that cells of a time together become what transport takes them to.

    A regression on the last cells is asked about earlier ones far from all of them, where a small slope says the same
    fate of every cell. Who is likelier than others to take a fate is kept; how many do so is what mass says.

    Args:
        cells: All of them.
        time: An earlier one.
        pull: Its plan.
        slopes: The regression.
        weights: ``(2,)`` of transport and of regression.
    """
    early = cells.time_n == time
    y_md, label_mc = cells.x_nd[cells.is_last], cells.label_nc[cells.is_last]
    along_nc, said_nc = pulled_logits([pull], cells.x_nd[early], y_md, label_mc), slopes.logits(cells.x_nd[early])
    wanted_c, offset_c = softmax(along_nc).mean(axis=0), np.zeros(label_mc.shape[1])
    for _ in range(_STEPS):
        found_c = softmax(weights[0] * along_nc + weights[1] * (said_nc + offset_c)).mean(axis=0)
        step_c = np.log(wanted_c) - np.log(np.maximum(found_c, 1e-300))
        offset_c = offset_c + step_c / max(float(weights[1]), 1e-12)
        if np.abs(step_c).max() < _NEAR:
            break
    return np.asarray(offset_c)


def probe(cells: Descent, penalty: float) -> Slopes:
    """Regression on the last cells by their label, and on earlier ones by what their clone became."""
    became_nc = cells.became()
    both_nc = np.where(cells.is_last[:, None], cells.label_nc, became_nc)
    known = (both_nc.sum(axis=1) > 0) & (cells.weight_n > 0)
    weight_n, last = cells.weight_n[known].astype(float), cells.is_last[known]
    for side, share in ((last, 1 - _CLONES), (~last, _CLONES)):
        if side.any():
            weight_n[side] *= (share if last.any() and (~last).any() else 1.0) / weight_n[side].sum()
    return Slopes(*fit_slopes(cells.x_nd[known], both_nc[known], penalty, weight_n=weight_n))


def held_out(cells: Descent, seed: int) -> HeldClones | None:
    """Ask both kinds of evidence about clones left out, without their last cells; None where too few have any."""
    became_nc = cells.became()
    asked = np.flatnonzero(became_nc.sum(axis=1) > 0)
    names, code_n = np.unique(cells.group_n[asked], return_inverse=True)
    if len(names) < 2 * _FOLDS:
        return None
    fold_n = (np.random.default_rng(seed).permutation(len(names)) % _FOLDS)[code_n]
    pull_nc = np.zeros((len(asked), became_nc.shape[1]))
    probe_pnc = np.zeros((len(PENALTIES), *pull_nc.shape))
    for fold in range(_FOLDS):
        rows = asked[fold_n == fold]
        out = np.isin(cells.group_n, cells.group_n[rows])
        # Cells left out stay as states that transport takes along; nothing is known of what became of them.
        left, kept = cells.without(out & cells.is_last), cells.without(out)
        y_md, label_mc = left.x_nd[left.is_last], left.label_nc[left.is_last]
        for time in np.unique(cells.time_n[rows]):
            here = (fold_n == fold) & (cells.time_n[asked] == time)
            found = pulls(left, float(time), members(cells.x_nd.shape[1]))
            pull_nc[here] = pulled_logits(found, cells.x_nd[asked[here]], y_md, label_mc)
        for p, penalty in enumerate(PENALTIES):
            probe_pnc[p, fold_n == fold] = probe(kept, penalty).logits(cells.x_nd[rows])
    share_n = 1.0 / np.bincount(code_n)[code_n] / len(names)
    return HeldClones(pull_nc, probe_pnc, became_nc[asked], cells.counts()[asked], share_n, len(names))


def weighed(held: HeldClones) -> tuple[int, np.ndarray, float]:
    """Penalty and weights of the two kinds of evidence under which the clones left out are the likeliest.

    Returns:
        Which penalty, ``(2,)`` weights of transport and of regression, and the loss per clone: cross entropy, in nats.
        Weights are drawn towards equal ones, as by a prior with a standard deviation of one half.
    """
    best: tuple[float, int, np.ndarray, float] = (np.inf, 0, np.full(2, EQUAL), np.inf)
    for p, probe_nc in enumerate(held.probe_pnc):

        def loss(w: np.ndarray, probe_nc: np.ndarray = probe_nc) -> float:
            rows = cross_entropy_rows(w[0] * held.pull_nc + w[1] * probe_nc, held.became_nc)
            return float(held.share_n @ rows) + 0.5 * float((((w - EQUAL) / _FREE) ** 2).sum()) / held.clones

        found = minimize(loss, np.full(2, EQUAL), bounds=[(0.0, 3.0)] * 2, method="L-BFGS-B")
        if found.fun < best[0]:
            rows = cross_entropy_rows(found.x[0] * held.pull_nc + found.x[1] * probe_nc, held.became_nc)
            best = (float(found.fun), p, np.asarray(found.x), float(held.share_n @ rows))
    return best[1], best[2], best[3]


def calibration_of(held: HeldClones, penalty: int, weights: np.ndarray) -> dict[str, float]:
    """How far the answers about clones left out can be trusted, beside the mean composition of all others.

    Returns:
        ``clones``, ``log_loss`` and ``log_loss_base`` (nats), and ``calibration_error``: how far mean probability and
        mean outcome lie apart, within tenths of probability, on average.
    """
    p_nc = held.said(penalty, weights).p_nc
    base_c = held.share_n @ held.became_nc
    own_n = -(held.became_nc * np.log(np.maximum(p_nc, 1e-12))).sum(axis=1)
    base_n = -(held.became_nc * np.log(np.maximum(base_c, 1e-12))).sum(axis=1)
    said, was = p_nc.ravel(), held.became_nc.ravel()
    share = np.repeat(held.share_n, p_nc.shape[1]) / p_nc.shape[1]
    bins = np.minimum((said * 10).astype(int), 9)
    gap = sum(abs(float(share[bins == b] @ (said - was)[bins == b])) for b in range(10))
    return {
        "clones": float(held.clones),
        "log_loss": float(held.share_n @ own_n),
        "log_loss_base": float(held.share_n @ base_n),
        "calibration_error": gap,
    }
