"""Attention over niches: which of them matter for a class, learned from sections with the patient as the unit."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from aivc.instruments.decoders.label_probe import cross_entropy_rows, softmax

# Niches that matter e times as much as others cost as much as one slope of this size does.
_SHARP = 0.3
_ROUNDS, _SEEN = 60, 1e-6


class AttentionFit(NamedTuple):
    """Regression on frequencies after attention.

    Attributes:
        attention: ``(k,)`` log weight of each niche.
        slopes: ``(k, c)`` log odds per unit of the root of a frequency.
        intercepts: ``(c,)`` at the origin.
    """

    attention: Float[np.ndarray, " k"]
    slopes: Float[np.ndarray, "k c"]
    intercepts: Float[np.ndarray, " c"]


def attended(share_sk: np.ndarray, attention_k: np.ndarray) -> Float[np.ndarray, "s k"]:
    """``(s, k)`` frequencies of niches once each counts by its weight; rows sum to one.

    >>> attended(np.array([[0.5, 0.5]]), np.log([3.0, 1.0])).tolist()
    [[0.75, 0.25]]
    """
    weighed_sk = share_sk * np.exp(attention_k - attention_k.max())
    return np.asarray(weighed_sk / np.maximum(weighed_sk.sum(axis=1, keepdims=True), 1e-300))


def fit_attention(share_sk: np.ndarray, y_sc: np.ndarray, weight_s: np.ndarray, penalty: float) -> AttentionFit:
    """Fit attention and slopes together, both penalized; without any gain all niches count alike.

    Attention pooling of instances (Ilse et al. 2018, PMLR 80:2127), where those of one niche share their weight.

    Args:
        share_sk: Frequencies of niches in sections.
        y_sc: Memberships of sections in classes, whose rows sum to one.
        weight_s: Of sections; their sum is one.
        penalty: On slopes in units of the spread of each root of a frequency.
    """
    root_sk = np.sqrt(share_sk)
    center_k, width_k = root_sk.mean(axis=0), np.maximum(root_sk.std(axis=0), 1e-3)
    k, c = share_sk.shape[1], y_sc.shape[1]

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        attention_k, slopes_kc, level_c = np.split(theta, [k, k + k * c])
        slopes_kc = slopes_kc.reshape(k, c)
        share = attended(share_sk, attention_k)
        root = np.sqrt(share)
        x_sk = (root - center_k) / width_k
        logit_sc = x_sk @ slopes_kc + level_c
        value = weight_s @ cross_entropy_rows(logit_sc, y_sc)
        value += 0.5 * penalty * ((slopes_kc**2).sum() + 0.01 * (level_c**2).sum() + _SHARP * (attention_k**2).sum())
        error_sc = weight_s[:, None] * (softmax(logit_sc) - y_sc)
        # A root has no slope at nothing: a niche that is not there cannot be attended to.
        back_sk = (error_sc @ slopes_kc.T) / width_k * np.where(share > _SEEN, 0.5 / np.sqrt(share + _SEEN), 0.0)
        along_sk = share * (back_sk - (share * back_sk).sum(axis=1, keepdims=True))
        slope = [
            along_sk.sum(axis=0) + penalty * _SHARP * attention_k,
            (x_sk.T @ error_sc + penalty * slopes_kc).ravel(),
            error_sc.sum(axis=0) + 0.01 * penalty * level_c,
        ]
        return float(value), np.concatenate(slope)

    found = minimize(loss, np.zeros(k + k * c + c), jac=True, method="L-BFGS-B", options={"maxiter": _ROUNDS})
    attention_k, slopes_kc, level_c = np.split(found.x, [k, k + k * c])
    slopes_kc = slopes_kc.reshape(k, c) / width_k[:, None]
    return AttentionFit(attention_k, slopes_kc, level_c - center_k @ slopes_kc)
