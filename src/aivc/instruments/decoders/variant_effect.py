"""What a change of a sequence does: scores that need no measurement, and vectors that a readout can learn from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, final, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR

AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
# Half-bit log odds of substitutions between aligned residues at most 62 % identical (Henikoff & Henikoff 1992).
_BLOSUM62 = """
4 -1 -2 -2 0 -1 -1 0 -2 -1 -1 -1 -1 -2 -1 1 0 -3 -2 0
-1 5 0 -2 -3 1 0 -2 0 -3 -2 2 -1 -3 -2 -1 -1 -3 -2 -3
-2 0 6 1 -3 0 0 0 1 -3 -3 0 -2 -3 -2 1 0 -4 -2 -3
-2 -2 1 6 -3 0 2 -1 -1 -3 -4 -1 -3 -3 -1 0 -1 -4 -3 -3
0 -3 -3 -3 9 -3 -4 -3 -3 -1 -1 -3 -1 -2 -3 -1 -1 -2 -2 -1
-1 1 0 0 -3 5 2 -2 0 -3 -2 1 0 -3 -1 0 -1 -2 -1 -2
-1 0 0 2 -4 2 5 -2 0 -3 -3 1 -2 -3 -1 0 -1 -3 -2 -2
0 -2 0 -1 -3 -2 -2 6 -2 -4 -4 -2 -3 -3 -2 0 -2 -2 -3 -3
-2 0 1 -1 -3 0 0 -2 8 -3 -3 -1 -2 -1 -2 -1 -2 -2 2 -3
-1 -3 -3 -3 -1 -3 -3 -4 -3 4 2 -3 1 0 -3 -2 -1 -3 -1 3
-1 -2 -3 -4 -1 -2 -3 -4 -3 2 4 -2 2 0 -3 -2 -1 -2 -1 1
-1 2 0 -1 -3 1 1 -2 -1 -3 -2 5 -1 -3 -1 0 -1 -3 -2 -2
-1 -1 -2 -3 -1 0 -2 -3 -2 1 2 -1 5 0 -2 -1 -1 -1 -1 1
-2 -3 -3 -3 -2 -3 -3 -3 -1 0 0 -3 0 6 -4 -2 -2 1 3 -1
-1 -2 -2 -1 -3 -1 -1 -2 -2 -3 -3 -1 -2 -4 7 -1 -1 -4 -3 -2
1 -1 1 0 -1 0 0 0 -1 -2 -2 0 -1 -2 -1 4 1 -3 -2 -2
0 -1 0 -1 -1 -1 -1 -2 -2 -1 -1 -1 -1 -2 -1 1 5 -2 -2 0
-3 -3 -4 -4 -2 -2 -3 -2 -2 -3 -2 -3 -1 1 -4 -3 -2 11 2 -3
-2 -2 -2 -3 -2 -1 -2 -3 2 -1 -1 -2 -1 3 -3 -2 -2 2 7 -1
0 -3 -3 -3 -1 -2 -2 -3 -3 3 1 -2 1 -1 -2 -2 0 -3 -1 4
"""
BLOSUM62 = np.array([row.split() for row in _BLOSUM62.split("\n") if row], dtype=float)


@runtime_checkable
class VariantScorer(Protocol):
    """Says how bearable a change is, without having seen a measurement of it; higher is closer to the reference.

    Attributes:
        name: What the method is called in a table.
    """

    name: str

    def score(self, reference: str, variants: Sequence[str]) -> np.ndarray:
        """``(n,)`` scores of changed sequences, aligned with the reference letter by letter."""
        ...


@final
@dataclass(frozen=True)
class SubstitutionMatrix:
    """BLOSUM62 of each substitution, less that of keeping the letter, added up.

    It knows amino acids and nothing of the protein: the floor that a zero-shot method must pass.

    >>> SubstitutionMatrix().score("LK", ["LK", "IK", "PK"]).tolist()
    [0.0, -2.0, -7.0]
    """

    name: str = "blosum62"

    def score(self, reference: str, variants: Sequence[str]) -> np.ndarray:
        """``(n,)`` sums over the substitutions.

        Raises:
            DataError: A variant of another length, or a letter that is no amino acid.
        """
        wild_l, letter_nl = encode([reference])[0], encode(variants, len(reference))
        return np.asarray((BLOSUM62[wild_l, letter_nl] - BLOSUM62[wild_l, wild_l]).sum(axis=1))


@final
@dataclass(frozen=True, eq=False)
class SiteIndependent:
    """Log odds of letters at each site of an alignment of relatives, added up.

    Attributes:
        log_la: ``(L, 20)`` log frequencies.
        name: What it is called in a table.
    """

    log_la: Float[np.ndarray, "L 20"]
    name: str = "site-independent"

    @classmethod
    def of_alignment(cls, sequences: Sequence[str], *, pseudocount: float = 0.5) -> "SiteIndependent":
        """Count letters of aligned sequences of one length; gaps and unknown letters are not counted."""
        count_la = np.full((len(sequences[0]), 20), pseudocount)
        for sequence in sequences:
            at_l = _codes(sequence)
            known = np.flatnonzero(at_l >= 0)
            count_la[known, at_l[known]] += 1
        return cls(np.log(count_la / count_la.sum(axis=1, keepdims=True)))

    def score(self, reference: str, variants: Sequence[str]) -> np.ndarray:
        """``(n,)`` log odds of the variants over the reference.

        Raises:
            DataError: A sequence of another length than the alignment, or a letter that is no amino acid.
        """
        return _log_odds(self.log_la, reference, variants)


@runtime_checkable
class ScoresVariants(Protocol):
    """A sequence model that can say how likely a changed molecule is beside the unchanged one."""

    def score_variants(self, reference: str, variants: Sequence[str], *, kind: str = "protein") -> np.ndarray:
        """``(n,)`` log odds, the changed letters masked in the reference."""
        ...


@final
@dataclass(frozen=True, eq=False)
class MaskedMarginal:
    """Log odds that a sequence model gives to the changed letters, each masked in the reference, added up.

    Attributes:
        model: Such as a pre-trained ``SequenceModel``.
        kind: ``protein``, ``dna`` or ``rna``.
        name: What it is called in a table.
    """

    model: ScoresVariants
    kind: str = "protein"
    name: str = "masked-marginal"

    def score(self, reference: str, variants: Sequence[str]) -> np.ndarray:
        """``(n,)`` log odds of the variants over the reference, as the model states them."""
        return self.model.score_variants(reference, variants, kind=self.kind)


def zero_shot(scorer: VariantScorer, reference: str, variants: Mapping[str, str]) -> Measurement:
    """Score variants by name, as a measurement of one readout called after the method.

    Args:
        scorer: Which method; there is no default, for none stands in for another.
        reference: Letters of the unchanged protein.
        variants: Changed sequences by name.

    >>> zero_shot(SubstitutionMatrix(), "LK", {"p.L1P": "PK"}).values.tolist()
    [[-7.0]]
    """
    score_n = scorer.score(reference, list(variants.values()))
    table = pd.DataFrame(index=pd.Index(list(variants), dtype=object))
    return Measurement(
        score_n[:, None],
        np.array([scorer.name], dtype=object),
        table,
        "score",
        "effect",
        Scale.MOLECULAR,
        provenance={"method": scorer.name},
    )


@final
@dataclass(frozen=True, eq=False)
class VariantFeatures:
    """Represents variants of one sequence relative to it, for `kernel-readout`: the reference itself is zero.

    The first block says which letter replaces which at each site. For proteins two more follow: the same seen through
    BLOSUM62, so that a letter never measured at a site is placed among those that were; and what is lost and gained
    anywhere, for sites never measured. Last come scores or embedding differences given from outside.

    Attributes:
        reference: Letters of the unchanged molecule.
        sites: ``(s,)`` positions with axes of their own.
        alphabet: Letters that may stand there.

    >>> features = VariantFeatures.of("ACG", ["ACU", "ACA"], alphabet="ACGU")
    >>> features.ur(["ACG", "ACU"]).values.tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 1.0]]
    """

    reference: str
    sites: Int[np.ndarray, " s"]
    alphabet: str = AMINO_ACIDS

    name: ClassVar[str] = "variant-features"

    @classmethod
    def of(cls, reference: str, variants: Sequence[str], *, alphabet: str = AMINO_ACIDS) -> "VariantFeatures":
        """Take the sites at which any of the training variants differs from the reference.

        Raises:
            DataError: A variant of another length, or a letter that is not in the alphabet.
        """
        letter_nl = encode([reference, *variants], alphabet=alphabet)
        return cls(reference, np.flatnonzero((letter_nl != letter_nl[0]).any(axis=0)), alphabet)

    def ur(
        self,
        variants: Sequence[str],
        *,
        names: Sequence[str] | None = None,
        extra: Mapping[str, np.ndarray] | None = None,
        substitutions: bool = True,
    ) -> UR:
        """Represent variants.

        Args:
            variants: Changed sequences, as long as the reference.
            names: Of the variants, each different; numbers by default.
            extra: ``(n,)`` or ``(n, e)`` by name: zero-shot scores, or differences of embeddings. Scale them alike in
                training and asking; a typical length of one is that of a change.
            substitutions: Whether proteins get more than the first block.

        Returns:
            A molecular UR with columns ``changes`` and ``elsewhere``: how many, and how many at sites without axes.

        Raises:
            DataError: A variant of another length, or a letter that is not in the alphabet.
        """
        letter_nl = encode([self.reference, *variants], alphabet=self.alphabet)
        wild_l, letter_nl = letter_nl[0], letter_nl[1:]
        n, letters = len(letter_nl), np.eye(len(self.alphabet))
        onehot_nsa = letters[letter_nl[:, self.sites]] - letters[wild_l[self.sites]]
        blocks = [onehot_nsa.reshape(n, -1)]
        if substitutions and self.alphabet == AMINO_ACIDS:
            blocks += [(onehot_nsa @ _FACTOR).reshape(n, -1), _shared(wild_l, letter_nl)]
        given = {name: np.asarray(block, dtype=float).reshape(n, -1) for name, block in (extra or {}).items()}
        values = np.hstack([*blocks, *given.values()])
        changed_nl = letter_nl != wild_l
        outside_n = np.delete(changed_nl, self.sites, axis=1).sum(axis=1)
        entities = pd.DataFrame({"changes": changed_nl.sum(axis=1), "elsewhere": outside_n})
        entities.index = pd.Index(range(n) if names is None else list(names)).map(str)
        sizes = {name: block.shape[1] for name, block in given.items()}
        made_of = [self.reference, self.sites.tolist(), self.alphabet, substitutions, sizes]
        fingerprint = hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]
        return UR(values, Space(self.name, Scale.MOLECULAR, values.shape[1], fingerprint), entities)


def encode(sequences: Sequence[str], length: int | None = None, *, alphabet: str = AMINO_ACIDS) -> np.ndarray:
    """``(n, L)`` positions of letters in an alphabet.

    Raises:
        DataError: Sequences of different lengths, or a letter that is not in the alphabet.
    """
    length = len(sequences[0]) if length is None else length
    if wrong := next((s for s in sequences if len(s) != length), None):
        raise DataError(
            [
                f"Variants are compared letter by letter: wanted {length}, got {len(wrong)} in {wrong[:12]!r}. Give "
                "substitutions only, and represent insertions and deletions by k-mers."
            ]
        )
    codes_nl = _codes("".join(sequences), alphabet).reshape(len(sequences), length)
    if (codes_nl < 0).any():
        row, at = np.argwhere(codes_nl < 0)[0]
        raise DataError(
            [f"{sequences[row][at]!r} at {at + 1} is none of {alphabet}. Leave such variants out, or correct them."]
        )
    return codes_nl


def _codes(sequence: str, alphabet: str = AMINO_ACIDS) -> np.ndarray:
    table = np.full(256, -1)
    table[np.frombuffer(alphabet.encode(), dtype=np.uint8)] = np.arange(len(alphabet))
    return np.asarray(table[np.frombuffer(sequence.encode("latin-1", "replace"), dtype=np.uint8)])


def _log_odds(log_la: np.ndarray, reference: str, variants: Sequence[str]) -> np.ndarray:
    wild_l, letter_nl, at = encode([reference], len(log_la))[0], encode(variants, len(log_la)), np.arange(len(log_la))
    return np.asarray((log_la[at, letter_nl] - log_la[at, wild_l]).sum(axis=1))


def _factor() -> np.ndarray:
    """Axes on which amino acids that replace each other lie together; each row has length one."""
    power, axes = np.linalg.eigh(BLOSUM62)
    factor = axes * np.sqrt(np.maximum(power, 0.0))
    return np.asarray(factor / np.linalg.norm(factor, axis=1, keepdims=True))


def _shared(wild_l: np.ndarray, letter_nl: np.ndarray) -> np.ndarray:
    changed_nl = letter_nl != wild_l
    lost_n20 = np.stack([(changed_nl & (wild_l == a)).sum(axis=1) for a in range(20)], axis=1)
    gained_n20 = np.stack([(changed_nl & (letter_nl == a)).sum(axis=1) for a in range(20)], axis=1)
    severity_n = (BLOSUM62[wild_l, letter_nl] - BLOSUM62[wild_l, wild_l]).sum(axis=1) / 8
    return np.column_stack([lost_n20, gained_n20, severity_n, changed_nl.sum(axis=1)]).astype(float)


_FACTOR = _factor()
