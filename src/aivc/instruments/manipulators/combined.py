"""What agents do together: the sum of what each does, corrected as far as other combinations have shown it wrong."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from aivc.core.effects import Effects
from aivc.core.perturbation import Perturbation
from aivc.data.compounds import family_of

_FOLDS, _FEWEST = 5, 8
_PENALTIES = np.geomspace(0.03, 100, 9)


@final
@dataclass(frozen=True, eq=False)
class Combined:
    """Vectors of agents, and what to add to their sum.

    Attributes:
        agents: ``a`` agents, as text; none where no combination was seen.
        vectors: ``(a, d)`` what each does.
        weights: ``(d + 1, d)`` from the sum, and a constant, to the correction; zeros where none has earned its place.
        variance: ``(d,)`` mean squared error on combinations left out.
    """

    agents: tuple[str, ...]
    vectors: Float[np.ndarray, "a d"]
    weights: Float[np.ndarray, "e d"]
    variance: Float[np.ndarray, " d"]


def fit_combined(measured: Effects, seed: int) -> Combined:
    """Solve for the vectors, and choose a correction on combinations that it has not seen.

    Args:
        measured: Effects of single agents and of combinations.
        seed: Deals combinations to folds.
    """
    seen, dim = measured.by_perturbation(), measured.shifts.shape[1]
    size_p = np.array([len(Perturbation.parse(str(text)).agents) for text in seen.perturbations], dtype=int)
    pairs = np.flatnonzero(size_p > 1)
    nothing = np.zeros((dim + 1, dim))
    if not len(pairs):
        return Combined((), np.zeros((0, dim)), nothing, np.zeros(dim))
    agents, vectors_ad, _ = _agent_vectors(seen)
    family_p = np.array([family_of(Perturbation.parse(str(text))) for text in seen.perturbations], dtype=object)
    names = np.unique(family_p[pairs])
    if len(names) < 2:
        # One combination shows nothing of others: it may be as far from its sum as it is from control.
        return Combined(agents, vectors_ad, nothing, (seen.shifts[pairs] ** 2).mean(axis=0))
    folds = min(_FOLDS, len(names))
    fold_of = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % folds, strict=True))
    fold_p = np.array([fold_of[family_p[row]] for row in pairs])
    sums_pd = np.empty((len(pairs), dim))
    for fold in range(folds):
        out = pairs[fold_p == fold]
        rest = np.setdiff1d(np.arange(len(seen)), out)
        sums_pd[fold_p == fold] = _sums(seen, out, *_agent_vectors(seen.take(rest))[:2])
    left_pd = seen.shifts[pairs] - sums_pd
    best = (float((left_pd**2).sum()), None, left_pd)
    for penalty in _PENALTIES if len(names) >= _FEWEST else ():
        error_pd = np.empty_like(left_pd)
        for fold in range(folds):
            out = fold_p == fold
            error_pd[out] = left_pd[out] - _design(sums_pd[out]) @ _solve(sums_pd[~out], left_pd[~out], penalty)
        if (error := float((error_pd**2).sum())) < best[0]:
            best = (error, penalty, error_pd)
    weights = nothing if best[1] is None else _solve(sums_pd, left_pd, best[1])
    return Combined(agents, vectors_ad, weights, (best[2] ** 2).mean(axis=0))


def _agent_vectors(
    seen: Effects, *, ridge: float = 1e-3
) -> tuple[tuple[str, ...], Float[np.ndarray, "a d"], Float[np.ndarray, " d"]]:
    """Agents, the vector of each, and the average one, which they are shrunk towards.

    Args:
        seen: One row per perturbation; at least one.
        ridge: Penalty, as a fraction of the weight of a perturbation with the mean number of cells.
    """
    given = [[str(agent) for agent in Perturbation.parse(str(text)).agents] for text in seen.perturbations]
    agents = tuple(sorted({agent for each in given for agent in each}))
    design_pa = np.array([[agent in each for agent in agents] for each in given], dtype=float)
    weight_p = seen.cells / seen.cells.mean()
    size_p = np.maximum(design_pa.sum(axis=1), 1)
    default = (seen.shifts / size_p[:, None]).mean(axis=0)
    residual_pd = seen.shifts - design_pa.sum(axis=1, keepdims=True) * default
    gram_aa = design_pa.T @ (design_pa * weight_p[:, None]) + ridge * np.eye(len(agents))
    return agents, default + np.linalg.solve(gram_aa, design_pa.T @ (residual_pd * weight_p[:, None])), default


def _sums(seen: Effects, rows: np.ndarray, agents: tuple[str, ...], vectors_ad: np.ndarray) -> np.ndarray:
    """Sum of the vectors of each row's agents; an agent without one counts as the average."""
    place, average_d = {agent: i for i, agent in enumerate(agents)}, vectors_ad.mean(axis=0)
    return np.array(
        [
            sum(
                (vectors_ad[place[str(agent)]] if str(agent) in place else average_d)
                for agent in Perturbation.parse(str(seen.perturbations[row])).agents
            )
            for row in rows
        ]
    )


def _design(sums_pd: np.ndarray) -> np.ndarray:
    return np.column_stack([sums_pd, np.ones(len(sums_pd))])


def _solve(sums_pd: np.ndarray, left_pd: np.ndarray, penalty: float) -> np.ndarray:
    design = _design(sums_pd)
    size = np.append(np.full(sums_pd.shape[1], max(float((sums_pd**2).sum(axis=1).mean()), 1e-300)), 1.0)
    gram = design.T @ design + penalty * np.diag(size)
    return np.asarray(np.linalg.solve(gram, design.T @ left_pd))
