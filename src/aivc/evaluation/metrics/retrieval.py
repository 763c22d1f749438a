"""Which perturbation is this? Discrimination by what sets a perturbation apart, from either of the two answers."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.metrics.panel import Panel

_TIED = 1e-9
# A decoder rounds in single precision: what departs from the mean effect by less than this departs by nothing.
_NOTHING = 1e-6


def masked_cosine(
    ours_pf: Float[np.ndarray, "p f"], real_qf: Float[np.ndarray, "q f"], used_pf: Bool[np.ndarray, "p f"]
) -> Float[np.ndarray, "p q"]:
    """Cosine of every pair over the features that are usable in both; 0 where either side is zero on them.

    Args:
        ours_pf: One side.
        real_qf: The other, of the same questions.
        used_pf: Which features of a question are usable.

    >>> x = np.array([[1.0, 2.0, 5.0], [2.0, 4.0, 9.0]])
    >>> masked_cosine(x, x, np.array([[True, True, False], [True, True, True]])).round(3).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    use = used_pf.astype(float)
    x, y = np.where(used_pf, ours_pf, 0.0), np.where(used_pf, real_qf, 0.0)
    size = np.sqrt(np.maximum(x**2 @ use.T, 0.0) * np.maximum(use @ (y**2).T, 0.0))
    return np.divide(x @ y.T, size, out=np.zeros_like(size), where=size > 0)


def _pds_relative(panel: Panel) -> np.ndarray:
    return _discrimination(panel, panel.predicted)


def _pds_retrieval(panel: Panel) -> np.ndarray:
    return _discrimination(panel, panel.retrieval)


def _discrimination(panel: Panel, said_pf: np.ndarray) -> np.ndarray:
    """``(p,)`` share of the others of the same fold and context that are less alike than the right one."""
    scores = np.full(len(panel), np.nan)
    for rows in _together(panel):
        used = panel.usable[rows] & ~panel.targeted
        ours, real = (side[rows] - panel.perturbed_mean[rows] for side in (said_pf, panel.truth))
        ours[_sizes(ours, used) <= _NOTHING * _sizes(real, used).mean()] = 0.0
        likeness = masked_cosine(ours, real, used)
        own = np.diag(likeness)[:, None]
        # Ties count half, so that an answer that says nothing of the perturbation scores chance and not luck.
        better = (likeness > own + _TIED).sum(axis=1)
        tied = (np.abs(likeness - own) <= _TIED).sum(axis=1) - 1
        scores[rows] = 1 - (better + tied / 2) / (len(rows) - 1)
    return scores


def _together(panel: Panel) -> Iterator[np.ndarray]:
    """Rows of questions with one mean effect, two or more with a usable feature.

    Within a fold only: the mean effect of training holds the effects that other folds ask about, and to say less of it
    would look like knowing one's own question.
    """
    where = [name for name in ("fold", "context", "donor", "batch") if name in panel.questions]
    usable = (panel.usable & ~panel.targeted).any(axis=1)
    for members in panel.questions.groupby(where, sort=True).indices.values():
        rows = members[usable[members]]
        if len(rows) > 1:
            yield rows


def _sizes(values_pf: np.ndarray, used_pf: np.ndarray) -> np.ndarray:
    """``(p,)`` root mean square over what is usable."""
    total = np.where(used_pf, values_pf, 0.0) ** 2
    return np.asarray(np.sqrt(total.sum(axis=1) / used_pf.sum(axis=1)))


_FORMULA = (
    "1 - rank of the right effect among all n measured effects of the same fold and context / (n - 1), by cosine of "
    "what both sides depart from O = given control + mean effect of training by, over the genes usable in both "
    "questions of a pair; ties count half"
)
_SOURCE = (
    "pds_cosine of the Virtual Cell Challenge 2026 (cell-eval2) from Systema's reference (Viñas Torné et al. 2025, Nat "
    "Biotechnol); genes targeted by the panel left out"
)
PDS_RELATIVE = Metric(
    name="pds-relative",
    label="PDS (relative)",
    direction="up",
    chance=0.5,
    best=1.0,
    worst=0.0,
    formula=f"{_FORMULA}; of the expected profile",
    source=_SOURCE,
    undefined="a question that is alone in its fold and context is left out",
    compute=_pds_relative,
)
PDS_RETRIEVAL = Metric(
    name="pds-retrieval",
    label="PDS (retrieval)",
    direction="up",
    chance=0.5,
    best=1.0,
    worst=0.0,
    formula=f"{_FORMULA}; of the retrieval profile, which is the expected one where a method states no other",
    source=_SOURCE,
    undefined="a question that is alone in its fold and context is left out",
    compute=_pds_retrieval,
)
