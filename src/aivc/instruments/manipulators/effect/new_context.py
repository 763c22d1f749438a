"""What a few perturbations measured in a new context would buy, practised on contexts that are known."""

from collections.abc import Mapping

import numpy as np

from aivc.core.worth import Worth
from aivc.instruments.manipulators.effect.components import Covariance
from aivc.instruments.manipulators.effect.hiding import CONTEXT, FEW, PAIR, hidings
from aivc.instruments.manipulators.effect.likeness import Likeness
from aivc.instruments.manipulators.effect.mixed import Learned, MixedModel
from aivc.instruments.manipulators.effect.posterior import Posterior
from aivc.instruments.manipulators.effect.rows import EffectRows
from aivc.instruments.manipulators.effect.strata import Stratum, strata

# Rows that are practised on, in so many contexts; each of them has more than so many times the few.
_MOST, _CONTEXTS, _TIMES = 720, 20, 2


def worth(model: MixedModel, learned: Mapping[str, Learned], few: int = 10) -> Worth | None:
    """Hide contexts whole, and again with a few of their rows given, and compare the errors on the same other rows.

    Args:
        model: Of all rows.
        learned: What practice on them has learned, by kind of question; a new context with a few rows is weighed as one
            that has few, or else as one that has many.
        few: How many rows are given.

    Returns:
        None where fewer than two contexts have more than twice as many rows as the few.
    """
    rows = _practised(model.rows, few, model.seed)
    short = learned[FEW] if FEW in learned and learned[FEW].hidden else learned[PAIR]
    error, asked, places = np.zeros(2), 0, set()
    for given, hidden in hidings(FEW, rows, model.seed, few):
        other_contexts = given[~np.isin(rows.contexts[given], rows.contexts[hidden])]
        truth = rows.take(hidden)
        for i, (kept, weights) in enumerate(((other_contexts, learned[CONTEXT]), (given, short))):
            predicted = _predicted(model, rows.take(kept), weights, truth)
            error[i] += float(((truth.shifts - predicted) ** 2).sum())
        asked += len(hidden)
        places |= set(rows.contexts[hidden])
    return Worth(few, float(1 - error[1] / error[0]), len(places), asked) if error[0] > 0 else None


def _practised(rows: EffectRows, few: int, seed: int) -> EffectRows:
    """Rows of perturbations drawn at random, in contexts drawn at random among those with rows enough."""
    names, count = np.unique(rows.contexts, return_counts=True)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(names[count > _TIMES * few])[:_CONTEXTS]
    here = np.flatnonzero(np.isin(rows.contexts, chosen))
    _, code = np.unique(rows.texts[here], return_inverse=True)
    rank = rng.permutation(int(code.max(initial=-1)) + 1)[code]
    return rows.take(np.sort(here[np.argsort(rank, kind="stable")][:_MOST]))


def _predicted(model: MixedModel, given: EffectRows, learned: Learned, asked: EffectRows) -> np.ndarray:
    """``(h, d)`` expected effects of the asked rows by the given ones alone."""
    covariance = Covariance(model.parts, Likeness.of(given), model.knowledge, model.controls)
    cut, variances = strata(given.shifts, model.seed), learned.variances
    if len(cut) < len(variances):
        # Too few rows for all strata of the fit are one, which is weighed as all of these are together.
        cut, variances = [Stratum(None, np.zeros((0, given.dim)))], variances.sum(axis=0, keepdims=True)
    posterior = Posterior(given, covariance, cut, variances, model.queries(given.texts, given.contexts))
    return posterior.shift(model.queries(asked.texts, asked.contexts))
