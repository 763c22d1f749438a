"""Which of two fates the clone of an early cell reaches, where the last cells of the clone were never shown."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.priors.memberships import memberships
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.tissue.tissue_inputs import auroc, digits

OWN, PERMUTED = "own-label", "permuted-fates"
_NEEDED = ("dataset", "rows", "early", "last", "fates", "kinds", "undifferentiated", "genes", "axes", "resamples")
_JUDGED = "cell-fates"


@final
class ClonalFate(Protocol):
    """Clones are left out in folds, with their last cells; early cells of these clones are asked about.

    Methods are decoders that give probabilities of labels, fitted on states of all other cells with their time, their
    clone and, at the last time, their fate. ``own-label`` is the state that the early cell itself was called.
    ``permuted-fates`` is the null: what the clones that are asked became is exchanged among them, and the scores of
    ``cell-fates`` are compared with it; its value is the mean and its interval holds 95 % of these. Shuffled: fates are
    exchanged among the last cells that are shown, once for each fold.

    A clone is of the first kind by two rules. *primary*: its last cells are of one of the two kinds only; *secondary*:
    more are of it, ties left aside. AUROC is over cells of all folds, once more over those called undifferentiated,
    and its interval draws clones.

    Settings: ``dataset``; ``rows``, the fold of each row and a dot for those not asked about; ``early`` and ``last``,
    hours; ``fates``, the terminal states; ``kinds``, the two of them; ``undifferentiated``, a label; ``genes`` that
    vary most and principal ``axes`` of their logarithms, of the cells that are shown; ``resamples``.
    """

    def __init__(self) -> None:
        self._scores: dict[str, np.ndarray] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        for method in methods:
            name = method.removesuffix(SHUFFLED)
            known = name in DECODERS.names() and hasattr(DECODERS.load(name), "probabilities")
            if not known and method not in (OWN, PERMUTED):
                raise UnknownNameError(
                    "method", method, [OWN, PERMUTED, *DECODERS.names()], "Name a decoder of probabilities of labels."
                )
        if missing := [key for key in _NEEDED if key not in settings]:
            raise IntegrityError(f"Settings of clonal-fate lack {', '.join(missing)}. State them.")

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells: Measurement = data[settings["dataset"]]
        fold_n = digits(settings["rows"], len(cells))
        clone_n, kind_n = (cells.entities[name].to_numpy(dtype=object) for name in ("clone", "cell_type"))
        one_n, two_n = (_sisters(cells, kind, settings["last"]) for kind in settings["kinds"])
        asked = np.flatnonzero(fold_n >= 0)
        early = cells.times is not None and (cells.times[asked] == settings["early"]).all()
        if not early or ((one_n + two_n)[asked] == 0).any():
            raise IntegrityError("Rows with a fold are no early cells of clones with a fate. Read the same file.")
        rules = {
            "primary": asked[np.minimum(one_n, two_n)[asked] == 0],
            "secondary": asked[(one_n != two_n)[asked]],
        }
        score_n = self._score(cells, settings, fold_n, _JUDGED if method == PERMUTED else method, seed)
        rows = []
        for rule, own in rules.items():
            plain = own[kind_n[own] == settings["undifferentiated"]]
            for metric, of in ((f"auroc_{rule}", own), (f"auroc_{rule}_undifferentiated", plain)):
                truth = one_n[of] > two_n[of]
                rows.append(_scored(method, metric, score_n[of], truth, clone_n[of], settings["resamples"], seed))
        return rows

    def _score(
        self, cells: Measurement, settings: Mapping[str, Any], fold_n: np.ndarray, method: str, seed: int
    ) -> np.ndarray:
        """``(n,)`` how much rather the first kind, for cells that are asked about."""
        if method not in self._scores:
            kind_n, (one, two) = cells.entities["cell_type"].to_numpy(dtype=object), settings["kinds"]
            score_n = (kind_n == one) * 1.0 - (kind_n == two)
            for fold in () if method == OWN else np.unique(fold_n[fold_n >= 0]):
                rows = np.flatnonzero(fold_n == fold)
                score_n[rows] = _asked(cells, settings, rows, method, seed)
            self._scores[method] = score_n
        return self._scores[method]


def _sisters(cells: Measurement, kind: str, last: float) -> np.ndarray:
    """``(n,)`` number of last cells of a kind in the clone of each cell; 0 for cells of no clone."""
    clone_n = cells.entities["clone"].fillna("").to_numpy(dtype=object)
    there = (cells.entities["cell_type"].to_numpy() == kind) & (cells.times == last) & (clone_n != "")
    number_n = pd.Series(there).groupby(clone_n).sum().reindex(clone_n).to_numpy()
    return np.where(clone_n == "", 0, number_n)


def _asked(cells: Measurement, settings: Mapping[str, Any], rows: np.ndarray, method: str, seed: int) -> np.ndarray:
    """``(m,)`` log odds of the first kind, without the last cells of the clones of these rows, nor their clones."""
    clone_n = cells.entities["clone"].to_numpy(dtype=object)
    theirs, last = np.isin(clone_n, clone_n[rows]), cells.times == settings["last"]
    kept = np.flatnonzero(~(theirs & last))
    kind_n = cells.entities["cell_type"].to_numpy(dtype=object)
    fate_n = np.where(last & np.isin(kind_n, settings["fates"]), kind_n, "")
    if method.endswith(SHUFFLED):
        labelled = kept[fate_n[kept] != ""]
        fate_n[labelled] = np.random.default_rng([seed, rows[0]]).permutation(fate_n[labelled])
    shown = cells.entities.assign(clone=np.where(theirs, "", clone_n), fate=fate_n)
    states = principal(cells.dense(), kept, settings["genes"], settings["axes"])
    space = Space("principal", Scale.CELLULAR, states.shape[1], "clonal-fate")
    part: Any = DECODERS.load(method.removesuffix(SHUFFLED))
    fitted = part.fit(UR(states[kept], space, shown.iloc[kept]), memberships(shown.iloc[kept], "fate"), seed=seed)
    p_mc, names = fitted.probabilities(UR(states[rows], space, shown.iloc[rows])), list(fitted.features)
    one, two = (np.log(np.maximum(p_mc[:, names.index(kind)], 1e-12)) for kind in settings["kinds"])
    return np.asarray(one - two)


def principal(values: np.ndarray, kept: np.ndarray, genes: int, axes: int) -> np.ndarray:
    """``(n, axes)`` scores on principal axes of log values of the genes that vary most, both of the cells kept.

    Scores are in standard deviations of the first axis.
    """
    x_nf = np.log1p(values.astype(np.float64))
    x_nf = x_nf[:, np.sort(np.argsort(-x_nf[kept].var(axis=0), kind="stable")[:genes])]
    center = x_nf[kept].mean(axis=0)
    loadings = np.linalg.svd(x_nf[kept] - center, full_matrices=False)[2][:axes]
    score_nd = (x_nf - center) @ loadings.T
    return np.asarray(score_nd / score_nd[kept, 0].std())


def _scored(
    method: str, metric: str, score: np.ndarray, truth: np.ndarray, clone: np.ndarray, resamples: int, seed: int
) -> ScoreRow:
    names, inverse = np.unique(clone, return_inverse=True)
    note = f"{truth.sum()} of {len(truth)} cells, {len(names)} clones"
    if not 0 < truth.sum() < len(truth):
        return ScoreRow(method, POOLED, metric, None, note=f"{note}: all of one kind")
    members = [np.flatnonzero(inverse == i) for i in range(len(names))]
    rng, found = np.random.default_rng(seed), []
    for _ in range(resamples):
        if method == PERMUTED:
            found.append(auroc(score, _dealt(members, truth, rng)))
            continue
        drawn = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        if 0 < truth[drawn].sum() < len(drawn):
            found.append(auroc(score[drawn], truth[drawn]))
    low, high = map(float, np.quantile(found, [0.025, 0.975]))
    value = float(np.mean(found)) if method == PERMUTED else auroc(score, truth)
    return ScoreRow(method, POOLED, metric, value, low=low, high=high, note=note)


def _dealt(members: Sequence[np.ndarray], truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fates exchanged among clones, whose cells stay together; drawn anew where all cells get one."""
    dealt, fate = np.zeros(len(truth), dtype=bool), np.array([truth[rows[0]] for rows in members])
    while not 0 < dealt.sum() < len(dealt):
        for rows, own in zip(members, rng.permutation(fate), strict=True):
            dealt[rows] = own
    return dealt
