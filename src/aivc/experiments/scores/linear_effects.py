"""A score as a weighted sum of effects: of such scores the intervals of effects make an interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from aivc.experiments.response import Response
from aivc.experiments.scores.answer import Answer


@final
@dataclass(frozen=True, eq=False)
class LinearEffects:
    """For each of ``n`` questions a sum of effects, each with a weight, and a number.

    Attributes:
        parts: ``(n, f)`` weights of the effects of each answer that is read.
        self_target: Of which questions an effect on their own target would be read.
        constant: Added to every sum.
    """

    parts: Mapping[Answer, sparse.csr_matrix]
    self_target: Bool[np.ndarray, " n"]
    constant: float = 0.0

    @classmethod
    def of(cls, response: Response, answer: Answer, *, own: bool = False) -> "LinearEffects":
        """Weighted means of the features of a response.

        Args:
            response: What is read.
            answer: Of which answers.
            own: Read also what a perturbation does to its own target. Otherwise that is left out of its mean, unless
                it is all that is read.

        Raises:
            UnknownNameError: The answer has no such feature.
        """
        plain_f = response.over(answer.features)
        rows, self_target_n = [], np.zeros(len(answer), dtype=bool)
        for i, names in enumerate([frozenset[str]()] * len(answer) if own else answer.own):
            rows.append(plain_f)
            if not names.isdisjoint(response.weights):
                self_target_n[i] = True
                rest_f = response.over(answer.features, without=names)
                rows[-1] = rest_f if rest_f.any() else plain_f
        at = {id(weights_f): np.flatnonzero(weights_f) for weights_f in rows}
        columns = [at[id(weights_f)] for weights_f in rows]
        ends = np.cumsum([0, *map(len, columns)])
        values = np.concatenate([weights_f[at[id(weights_f)]] for weights_f in rows])
        shape = (len(answer), len(plain_f))
        return cls({answer: sparse.csr_matrix((values, np.concatenate(columns), ends), shape=shape)}, self_target_n)

    @classmethod
    def number(cls, value: float, count: int) -> "LinearEffects":
        """The same number for every question."""
        return cls({}, np.zeros(count, dtype=bool), value)

    def plus(self, other: "LinearEffects", times: float = 1.0) -> "LinearEffects":
        """The sum with another, ``times`` which it is taken."""
        parts = dict(self.parts)
        for answer, weights_nf in other.times(times).parts.items():
            parts[answer] = parts[answer] + weights_nf if answer in parts else weights_nf
        return LinearEffects(parts, self.self_target | other.self_target, self.constant + times * other.constant)

    def times(self, number: float) -> "LinearEffects":
        """So many times as much."""
        parts = {answer: weights_nf * number for answer, weights_nf in self.parts.items()}
        return LinearEffects(parts, self.self_target, self.constant * number)

    def value(self) -> Float[np.ndarray, " n"]:
        """The sums."""
        found_n = np.full(len(self.self_target), self.constant)
        for answer, weights_nf in self.parts.items():
            row_e, column_e, weight_e = _entries(weights_nf)
            found_n += np.bincount(row_e, weight_e * answer.effect[row_e, column_e], minlength=len(found_n))
        return found_n

    def ends(self) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Ends of the intervals of the sums, as if the errors of all effects went the same way: the widest of them."""
        low_n = np.full(len(self.self_target), self.constant)
        high_n = low_n.copy()
        for answer, weights_nf in self.parts.items():
            assert answer.interval is not None
            row_e, column_e, weight_e = _entries(weights_nf)
            one_e, other_e = (weight_e * end_nf[row_e, column_e] for end_nf in answer.interval)
            low_n += np.bincount(row_e, np.minimum(one_e, other_e), minlength=len(low_n))
            high_n += np.bincount(row_e, np.maximum(one_e, other_e), minlength=len(low_n))
        return low_n, high_n

    def scored_on(self) -> Int[np.ndarray, " n"]:
        """On how many effects each sum rests, those on a perturbation's own target aside."""
        found_n = np.zeros(len(self.self_target), dtype=np.int64)
        for answer, weights_nf in self.parts.items():
            row_e, column_e, _ = _entries(weights_nf)
            own = [str(answer.features[f]) not in answer.own[i] for i, f in zip(row_e, column_e, strict=True)]
            found_n += np.bincount(row_e, own, minlength=len(found_n)).astype(np.int64)
        return found_n


def _entries(weights_nf: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and weight of all that is not zero."""
    found = weights_nf.tocoo()
    kept_e = found.data != 0
    return found.row[kept_e], found.col[kept_e], found.data[kept_e]
