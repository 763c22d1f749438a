"""Gene pairs to choose from in a campaign, and those whose score is known before it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from aivc.core.errors import DataError
from aivc.core.state import State
from aivc.experiments.design.pair_learner import PairCandidates

# A pair has some hundred features of four bytes, kept for all candidates at once.
_ROOM = 2**30


@final
@dataclass(frozen=True, eq=False)
class PairLibrary:
    """Candidates, and what was measured of other pairs of the same genes.

    Attributes:
        candidates: Pairs to choose from.
        given: ``(m, 2)`` places of the genes of pairs known before.
        scores: ``(m,)`` their signed scores, in the units of the campaign.
    """

    candidates: PairCandidates
    given: Int[np.ndarray, "m 2"]
    scores: Float[np.ndarray, " m"]

    @classmethod
    def of(
        cls, pairs: Sequence[tuple[str, str]], measured: Mapping[tuple[str, str], float] | None = None
    ) -> "PairLibrary":
        """Look up what is known of the genes. Pairs that are measured already are no candidates.

        Args:
            pairs: Names of two genes each; their order does not matter.
            measured: Scores of pairs, by the same names.

        Raises:
            DataError: A pair stands twice, has no name, one gene twice or a ``+`` in a name; a score is not finite;
                nothing is left to choose from, or more than fits into memory.
        """
        known = dict(measured or {})
        problems = [*_problems("The library", list(pairs)), *_problems("What is measured", list(known))]
        problems += [
            f"{a}+{b} has the score {v}. Give a finite number." for (a, b), v in known.items() if not math.isfinite(v)
        ]
        if problems:
            raise DataError(problems[:20])
        done = {frozenset(pair) for pair in known}
        left = [pair for pair in pairs if frozenset(pair) not in done]
        if not left:
            raise DataError(["No pair is left to choose from. Give pairs that are not measured yet."])
        genes = tuple(sorted({gene for pair in (*left, *known) for gene in pair}))
        made = cls(PairCandidates.of(genes, _places(genes, left)), _places(genes, list(known)), _floats(known))
        if (room := 4 * len(left) * sum(made.candidates.blocks())) > _ROOM:
            raise DataError(
                [
                    f"{len(left):,} pairs of {len(genes):,} genes take {room / 2**30:.1f} GiB of features, more than "
                    f"{_ROOM // 2**30}. Give fewer pairs, such as those of the strongest genes."
                ]
            )
        return made

    def __len__(self) -> int:
        return len(self.candidates)

    @property
    def names(self) -> tuple[str, ...]:
        """Texts such as ``A+B``, the genes in the order in which they were given."""
        return self.candidates.names

    def state(self) -> State:
        """Return all of it, for `State.save`."""
        inner = self.candidates.state()
        more = {"given": self.given, "scores": self.scores}
        return State({**inner.settings, "kind": "pairs"}, {**inner.arrays, **more})

    @classmethod
    def from_state(cls, state: State) -> "PairLibrary":
        """Inverse of `state`."""
        return cls(PairCandidates.from_state(state), state.arrays["given"], state.arrays["scores"])


def _problems(where: str, pairs: list[tuple[str, str]]) -> list[str]:
    """What is wrong with names, pair by pair."""
    seen, found = set[frozenset[str]](), list[str]()
    for a, b in pairs:
        if not a.strip() or not b.strip() or "+" in a + b or a == b:
            found.append(f"{where} has the pair {a!r}, {b!r}. Name two different genes, without a + in their names.")
        elif frozenset((a, b)) in seen:
            found.append(f"{where} has the pair of {a} and {b} twice. Keep it once, in either order.")
        seen.add(frozenset((a, b)))
    return found


def _places(genes: tuple[str, ...], pairs: list[tuple[str, str]]) -> np.ndarray:
    place = {gene: i for i, gene in enumerate(genes)}
    return np.array([(place[a], place[b]) for a, b in pairs], dtype=np.int64).reshape(-1, 2)


def _floats(measured: Mapping[tuple[str, str], float]) -> np.ndarray:
    return np.array(list(measured.values()), dtype=np.float64)
