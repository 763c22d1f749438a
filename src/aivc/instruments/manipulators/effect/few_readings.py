"""Tables of few readings, which have models of their own beside the one for all: many contexts, or many pairs."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from aivc.core.perturbation import Perturbation
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.columns import Columns, has_columns
from aivc.instruments.manipulators.effect.pairs import Pairs, pair_rows
from aivc.instruments.manipulators.effect.rows import EffectRows

# Rows of such tables that the model for all is given, to answer what these do not.
_ENOUGH = 4000


class Read(NamedTuple):
    """An answer from a table of few readings.

    Attributes:
        shift: ``(d,)`` reading expected.
        variance: ``(d,)`` expected squared error.
        level: ``(d,)`` of it what the context has on average.
        source: ``columns`` or ``pairs``.
    """

    shift: np.ndarray
    variance: np.ndarray
    level: np.ndarray
    source: str


@final
@dataclass(frozen=True, eq=False)
class Tables:
    """What these models say of questions that they know.

    Attributes:
        rows: All that was measured.
        knowledge: Of molecules.
        seed: Draws pairs to practise on, and rows for the model for all.
    """

    rows: EffectRows
    knowledge: Knowledge
    seed: int

    def predict(self, asked: Perturbation, context: str) -> Read | None:
        """Answer for a pair of known agents, or a known perturbation of a table of many contexts; None of others."""
        text = str(asked)
        if self._pairs is not None and (shift_d := self._pairs.predict(text, context)) is not None:
            level_d = self._mean_pair.get(context, np.zeros_like(shift_d))
            return Read(shift_d, self._pairs.error, level_d, "pairs")
        if self.columns is not None and text in self.columns.texts:
            shift_d, variance_d = self.columns.predict(text, context)
            return Read(shift_d, variance_d, self.columns.level(context), "columns")
        return None

    @cached_property
    def few(self) -> bool:
        """Whether the table is of either kind."""
        return self._many or bool(pair_rows(self.rows).any())

    @cached_property
    def columns(self) -> Columns | None:
        """Where there are many contexts."""
        return Columns.of(self.rows) if self._many else None

    @cached_property
    def general(self) -> EffectRows:
        """Rows for the model for all: without the pairs of a table of pairs, of some contexts where there are many."""
        rng, rows = np.random.default_rng(self.seed), self.rows
        if self._many:
            names, at_r = np.unique(rows.contexts, return_inverse=True)
            rank = rng.permutation(len(names))[at_r]
            return rows.take(np.sort(np.argsort(rank, kind="stable")[:_ENOUGH]))
        pair_r = pair_rows(rows)
        kept = np.flatnonzero(~pair_r)
        few = kept if len(kept) > 1 else rng.permutation(len(rows))[:_ENOUGH]
        return rows.take(np.sort(few)) if pair_r.any() else rows

    @cached_property
    def _many(self) -> bool:
        return has_columns(self.rows)

    @cached_property
    def _pairs(self) -> Pairs | None:
        pair_r = pair_rows(self.rows)
        return Pairs.of(self.rows.take(np.flatnonzero(pair_r)), self.knowledge, self.seed) if pair_r.any() else None

    @cached_property
    def _mean_pair(self) -> dict[str, np.ndarray]:
        pair_r = pair_rows(self.rows)
        return {
            str(c): self.rows.shifts[pair_r & (self.rows.contexts == c)].mean(axis=0)
            for c in set(self.rows.contexts[pair_r])
        }
