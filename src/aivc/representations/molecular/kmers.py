"""Sequences by the short words in them: no training, no weights, and hard to beat with little data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from aivc.core.errors import DataError
from aivc.core.molecule import Molecule, legal
from aivc.core.provider import Embedding, Provider

# In a fixed order, for words are numbers made of these; U of RNA stands where T of DNA does.
_LETTERS = {"protein": "ACDEFGHIKLMNPQRSTVWYUOBZJX*", "dna": "ACGTRYSWKMBDHVN", "rna": "ACGURYSWKMBDHVN"}
_WRITTEN = {"gene": "dna", "transcript": "rna", "protein": "protein", "dna": "dna", "rna": "rna"}
_READS = {
    "protein": ("protein",),
    "dna": ("dna", "rna", "gene", "transcript"),
    "rna": ("dna", "rna", "gene", "transcript"),
}
_LENGTHS = {"protein": 3, "dna": 6, "rna": 6}
# An odd number with bits well spread, so that words of any length scatter over the axes.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@final
@dataclass(frozen=True, eq=False)
class Kmers(Provider):
    """Counts of words of 1 to k letters, each length scaled to the same size, the whole to length one.

    Words are scattered over a fixed number of axes, with a sign, so that those that fall together do not add up. DNA
    and RNA share their words: U stands for T.

    Attributes:
        kind: ``protein``, ``dna`` or ``rna``.
        longest: k.
        width: Number of axes.
    """

    name: ClassVar[str] = "kmers"
    kinds: ClassVar[tuple[str, ...]] = tuple(_WRITTEN)
    kind: str = "protein"
    longest: int = 3
    width: int = 1024

    def __post_init__(self) -> None:
        if self.kind not in _LETTERS or not 1 <= self.longest <= 8 or self.width < 1:
            raise DataError(
                [
                    f"Words of 1 to 8 letters are counted in protein, dna or rna, got {self.longest} letters in "
                    f"{self.kind} on {self.width} axes. Change what does not fit."
                ]
            )

    @classmethod
    def of(cls, kind: str, *, longest: int | None = None, width: int = 1024) -> "Kmers":
        """Words as long as the kind of sequence deserves: 3 letters in proteins, 6 in DNA and RNA.

        >>> Kmers.of("dna", width=64).dim
        64
        """
        return cls(kind, _LENGTHS.get(kind, 3) if longest is None else longest, width)

    @classmethod
    def available(cls) -> str | None:
        """None: it needs nothing."""
        return None

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Count the words of molecules of its kind that have a sequence; others come back masked.

        Raises:
            DataError: A sequence holds a letter that its kind does not have.
        """
        known = np.array([m.kind in _READS[self.kind] and bool(m.sequence) for m in molecules], dtype=bool)
        values = np.zeros((len(molecules), self.width), dtype=np.float32)
        for row in np.flatnonzero(known).tolist():
            values[row] = self.count(molecules[row].sequence, _WRITTEN[molecules[row].kind])
        return Embedding(values, known, self.provenance)

    def count(self, sequence: str, kind: str | None = None) -> np.ndarray:
        """``(d,)`` vector of one sequence.

        Raises:
            DataError: It holds a letter that its kind does not have.
        """
        kind = kind or self.kind
        code_n = self._codes(sequence, kind)
        base = np.uint64(len(_LETTERS[kind]) + 1)
        vector, word_n = np.zeros(self.width), np.zeros(len(code_n), dtype=np.uint64)
        for length in range(1, min(self.longest, len(code_n)) + 1):
            word_n = word_n[: len(code_n) - length + 1] * base + code_n[length - 1 :]
            mixed_n = (word_n + np.uint64(length)) * _SPREAD
            mixed_n ^= mixed_n >> np.uint64(29)
            mixed_n *= _SPREAD
            axis_n = (mixed_n >> np.uint64(20)) % np.uint64(self.width)
            sign_n = np.where(mixed_n >> np.uint64(63), 1.0, -1.0)
            counted = np.bincount(axis_n.astype(np.int64), weights=sign_n, minlength=self.width)
            vector += counted / max(float(np.linalg.norm(counted)), 1e-12)
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.width

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and that it saw no data."""
        return {
            "name": f"kmers-{self.kind}",
            "version": "1",
            "licence": "Apache-2.0",
            "digest": self.state().digest(),
            "saw": [],
        }

    @staticmethod
    def _codes(sequence: str, kind: str) -> np.ndarray:
        table = np.zeros(256, dtype=np.uint64)
        table[np.frombuffer(_LETTERS[kind].encode(), dtype=np.uint8)] = np.arange(1, len(_LETTERS[kind]) + 1)
        return np.asarray(table[np.frombuffer(legal(kind, sequence).encode("ascii"), dtype=np.uint8)])
