"""Metrics across questions: does what is predicted rise and fall with what is measured, from question to question?

A table of one reading, such as drug response or a genetic interaction, has no correlation over genes. What it has is a
correlation over its questions, which belongs to all of them together: each question of a fold is given that one number.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from aivc.evaluation.metrics.metric import Metric, pearson
from aivc.evaluation.metrics.panel import Panel

_FEWEST = 3


def _pearson_across(panel: Panel) -> np.ndarray:
    return _across(panel, panel.predicted_effect, panel.true_effect, panel.usable)


def _pearson_across_relative(panel: Panel) -> np.ndarray:
    ours_pf, real_pf, used_pf = panel.predicted_effect, panel.true_effect, panel.usable.copy()
    for rows in _groups(panel.questions, ["fold", "perturbation"]):
        # A perturbation asked once has no mean of its own: it would count as hit by everybody.
        used_pf[rows] &= used_pf[rows].sum(axis=0) > 1
        for side_pf in (ours_pf, real_pf):
            side_pf[rows] -= _means(side_pf[rows], used_pf[rows])
    return _across(panel, ours_pf, real_pf, used_pf)


def _across(panel: Panel, ours_pf: np.ndarray, real_pf: np.ndarray, used_pf: np.ndarray) -> np.ndarray:
    """``(p,)`` mean over features of the correlation over the questions of a fold; NaN where a question has none."""
    scores = np.full(len(panel), np.nan)
    for rows in _groups(panel.questions, ["fold"]):
        columns = zip(ours_pf[rows].T, real_pf[rows].T, used_pf[rows].T, strict=True)
        found = [pearson(ours[use], real[use]) for ours, real, use in columns if use.sum() >= _FEWEST]
        if found:
            scores[rows] = np.where(used_pf[rows].any(axis=1), np.mean(found), np.nan)
    return scores


def _groups(questions: pd.DataFrame, by: list[str]) -> Iterator[np.ndarray]:
    """Row numbers of the questions that share these columns."""
    yield from questions.groupby(by, sort=True).indices.values()


def _means(values_pf: np.ndarray, used_pf: np.ndarray) -> np.ndarray:
    """``(f,)`` means over what is used; 0 where nothing is."""
    total_f = np.where(used_pf, values_pf, 0.0).sum(axis=0)
    return np.asarray(total_f / np.maximum(used_pf.sum(axis=0), 1))


PEARSON_ACROSS = Metric(
    name="pearson-across",
    label="Pearson across questions",
    direction="up",
    chance=0.0,
    best=1.0,
    worst=-1.0,
    formula="corr over the questions of a fold of predicted and measured effect, per feature, averaged over features; "
    "one value for all questions of the fold",
    source="correlation over held-out entries of a response table, as reported for drug response (GDSC) and genetic "
    "interaction maps",
    undefined="fewer than three questions with a measured feature are left out; a constant prediction scores 0",
    compute=_pearson_across,
    pooled=True,
)
PEARSON_ACROSS_RELATIVE = Metric(
    name="pearson-across-relative",
    label="Pearson across questions (within perturbations)",
    direction="up",
    chance=0.0,
    best=1.0,
    worst=-1.0,
    formula="as pearson-across, after both sides lose their mean over the questions of the same perturbation and fold",
    source="drug-wise correlation over cell lines, as reported for drug response (GDSC)",
    undefined="a perturbation asked in one context only is left out; a constant prediction scores 0",
    compute=_pearson_across_relative,
    pooled=True,
)
