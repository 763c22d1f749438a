"""Effects as sums: what a context makes of any agent, plus what each agent does everywhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy import linalg, sparse
from scipy.sparse.linalg import splu

from aivc.core.effects import Effects

_RIDGES = np.array([1e-3, 0.1, 0.3, 1.0, 3.0, 10.0])
# Fewer rows than these, whose agents were all given in another row too, can choose no penalty.
_FEWEST, _MOST_UNKNOWNS = 20, 2000
# The penalty is chosen on so many axes, drawn at random.
_AXES, _BLOCK = 256, 4096
# Rounds of conjugate gradients where something is missing.
_ROUNDS, _STILL = 50, 1e-5


@final
@dataclass(frozen=True, eq=False)
class Sums:
    """An additive model.

    Attributes:
        contexts: ``c`` contexts.
        offsets: ``(c, d)`` effect of an average agent in each.
        agents: ``a`` agents, as text.
        vectors: ``(a, d)`` what each adds to that, in every context.
        ridge: Penalty on the vectors, as a fraction of the weight of a row with the mean number of cells.
    """

    contexts: tuple[str, ...]
    offsets: Float[np.ndarray, "c d"]
    agents: tuple[str, ...]
    vectors: Float[np.ndarray, "a d"]
    ridge: float


def fit_sums(seen: Effects, *, ridge: float | None = None) -> Sums:
    """Solve for offsets and vectors: an effect is the sum over its agents of offset plus vector.

    A row weighs by its cells. What was not measured takes no part.

    Args:
        seen: At least one row, each of one agent or more.
        ridge: Penalty; None takes the one with the smallest error when each row is left out whose agents were given in
            other rows too, or the least one where there are too few.
    """
    contexts, code_r = np.unique(seen.contexts.astype(str), return_inverse=True)
    given = [list(map(str, each.agents)) for each in seen.parsed]
    agents = tuple(sorted({agent for each in given for agent in each}))
    design = _design(given, agents, code_r, len(contexts))
    weight_r, filled_rd = seen.cells / seen.cells.mean(), seen.filled()
    if ridge is None:
        ridge = _chosen(design, weight_r, filled_rd, seen, len(contexts))
    solve = _solver(design, weight_r, ridge, len(contexts))
    solved_ud = solve(design.T @ (weight_r[:, None] * filled_rd))
    if not seen.complete:
        solved_ud = _masked(design, weight_r, _penalty(design, ridge, len(contexts)), seen, solve, solved_ud)
    named = tuple(map(str, contexts))
    return Sums(named, solved_ud[: len(named)], agents, solved_ud[len(named) :], float(ridge))


def _design(
    given: Sequence[Sequence[str]], agents: Sequence[str], code_r: np.ndarray, contexts: int
) -> sparse.csr_matrix:
    """``(r, c + a)`` how often each row has the offset of its context, and the vector of each agent."""
    place = {agent: i for i, agent in enumerate(agents)}
    size_r = np.array([len(each) for each in given])
    row = np.concatenate([np.arange(len(given)), np.repeat(np.arange(len(given)), size_r)])
    column = np.concatenate([code_r, [contexts + place[agent] for each in given for agent in each]]).astype(int)
    data = np.concatenate([size_r, np.ones(int(size_r.sum()))])
    return sparse.csr_matrix((data, (row, column)), shape=(len(given), contexts + len(agents)))


def _penalty(design: sparse.csr_matrix, ridge: float, contexts: int) -> np.ndarray:
    # Offsets are held down by a hair: what they share with all vectors together is settled, in favour of the offsets.
    return np.where(np.arange(design.shape[1]) < contexts, 1e-9, ridge)


def _gram(design: sparse.csr_matrix, weight_r: np.ndarray, ridge: float, contexts: int) -> sparse.csc_matrix:
    penalty = sparse.diags(_penalty(design, ridge, contexts))
    return sparse.csc_matrix(design.T @ sparse.diags(weight_r) @ design + penalty)


def _solver(
    design: sparse.csr_matrix, weight_r: np.ndarray, ridge: float, contexts: int
) -> Callable[[np.ndarray], np.ndarray]:
    """What solves the normal equations, ``(c + a, d)``, where everything was measured."""
    gram = _gram(design, weight_r, ridge, contexts)
    if gram.shape[0] > _MOST_UNKNOWNS:
        factored = splu(gram)
        return lambda right_ud: np.asarray(factored.solve(right_ud))
    lower = linalg.cho_factor(gram.toarray())
    return lambda right_ud: np.asarray(linalg.cho_solve(lower, right_ud))


def _masked(
    design: sparse.csr_matrix,
    weight_r: np.ndarray,
    penalty_u: np.ndarray,
    seen: Effects,
    solve: Callable[[np.ndarray], np.ndarray],
    start_ud: np.ndarray,
) -> np.ndarray:
    """Solve the normal equations of every axis over what was measured on it, by conjugate gradients for all at once.

    Each axis has equations of its own; those of complete rows, solved exactly, are what steps are taken by.
    """
    across, weight_rd = sparse.csr_matrix(design.T), weight_r[:, None] * seen.measured

    def apply(x_ud: np.ndarray) -> np.ndarray:
        return np.asarray(across @ (weight_rd * (design @ x_ud)) + penalty_u[:, None] * x_ud)

    x_ud, size = start_ud, float(np.abs(seen.shifts).max(initial=0.0))
    left_ud = across @ (weight_rd * seen.shifts) - apply(x_ud)
    step_ud = toward_ud = solve(left_ud)
    along_d = (left_ud * toward_ud).sum(axis=0)
    for _ in range(_ROUNDS):
        applied_ud = apply(step_ud)
        length_d = along_d / np.maximum((step_ud * applied_ud).sum(axis=0), 1e-300)
        x_ud, left_ud = x_ud + length_d * step_ud, left_ud - length_d * applied_ud
        if np.abs(length_d * step_ud).max(initial=0.0) <= _STILL * size:
            break
        toward_ud, before_d = solve(left_ud), along_d
        along_d = (left_ud * toward_ud).sum(axis=0)
        step_ud = toward_ud + along_d / np.maximum(before_d, 1e-300) * step_ud
    return x_ud


def _chosen(
    design: sparse.csr_matrix, weight_r: np.ndarray, filled_rd: np.ndarray, seen: Effects, contexts: int
) -> float:
    """The penalty with the smallest error on rows left out, in closed form."""
    often = np.asarray((design[:, contexts:] > 0).sum(axis=0)).ravel() > 1
    shared = np.asarray((design[:, contexts:] @ (~often).astype(float)) == 0)
    if shared.sum() < _FEWEST or design.shape[1] > _MOST_UNKNOWNS:
        return float(_RIDGES[0])
    some = np.random.default_rng(0).permutation(filled_rd.shape[1])[:_AXES]
    y_rs, seen_rs = filled_rd[:, some], seen.measured[:, some]
    errors = []
    for ridge in _RIDGES:
        inverse = np.linalg.inv(_gram(design, weight_r, float(ridge), contexts).toarray())
        leverage_r = weight_r * _quadratic(design, inverse)
        left_rs = y_rs - design @ (inverse @ (design.T @ (weight_r[:, None] * y_rs)))
        error_rs = seen_rs * left_rs / np.maximum(1 - leverage_r, 1e-9)[:, None]
        errors.append(float(weight_r[shared] @ (error_rs[shared] ** 2).sum(axis=1)))
    return float(_RIDGES[int(np.argmin(errors))])


def _quadratic(design: sparse.csr_matrix, inverse: np.ndarray) -> np.ndarray:
    """``(r,)`` diagonal of ``design @ inverse @ design.T``, block by block."""
    blocks = [design[start : start + _BLOCK] for start in range(0, design.shape[0], _BLOCK)]
    return np.concatenate([np.asarray(block.multiply(block @ inverse).sum(axis=1)).ravel() for block in blocks])
