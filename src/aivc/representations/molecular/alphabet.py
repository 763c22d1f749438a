"""Letters of DNA, RNA and protein as numbers, the genetic code, and windows over long sequences."""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from jaxtyping import Int

from aivc.core.errors import DataError, UnknownNameError

PAD, MASK, UNKNOWN, START, END = range(5)
NUCLEOTIDES = "ACGT"
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
# Thymine and uracil are one symbol, for a transcript spells what its gene spells, and the kind of molecule tells the
# two apart. Alanine and adenine are two symbols, for a shared letter of our writing means nothing in chemistry.
SYMBOLS = ("<pad>", "<mask>", "<unknown>", "<start>", "<end>", *NUCLEOTIDES, *AMINO_ACIDS, "*")
KINDS = ("dna", "rna", "protein")
_FIRST = {"dna": 5, "rna": 5, "protein": 5 + len(NUCLEOTIDES)}
LETTERS: Mapping[str, str] = MappingProxyType({"dna": NUCLEOTIDES, "rna": "ACGU", "protein": AMINO_ACIDS})
STOP = SYMBOLS.index("*")

_AMBIGUOUS = {"dna": "NRYSWKMBDHV", "rna": "NRYSWKMBDHV", "protein": "XBZJUO"}

# In the order UUU, UUC, UUA, UUG, UCU, … GGG.
CODONS = tuple(a + b + c for a in "UCAG" for b in "UCAG" for c in "UCAG")
CODE: Mapping[str, str] = MappingProxyType(
    dict(zip(CODONS, "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG", strict=True))
)
# How often each codon occurs among a thousand in human genes (Nakamura, Gojobori and Ikemura 2000), in the same order.
_USAGE = """
17.6 20.3 7.7 12.9 15.2 17.7 12.2 4.4 12.2 15.3 1.0 0.8 10.6 12.6 1.6 13.2
13.2 19.6 7.2 39.6 17.5 19.8 16.9 6.9 10.9 15.1 12.3 34.2 4.5 10.4 6.2 11.4
16.0 20.8 7.5 22.0 13.1 18.9 15.1 6.1 17.0 19.1 24.4 31.9 12.1 19.5 12.2 12.0
11.0 14.5 7.1 28.1 18.4 27.7 15.8 7.4 21.8 25.1 29.0 39.6 10.8 22.2 16.5 16.5
"""
HUMAN_USAGE: Mapping[str, float] = MappingProxyType(dict(zip(CODONS, map(float, _USAGE.split()), strict=True)))


def _table(kind: str) -> np.ndarray:
    codes = np.full(128, -1, dtype=np.int64)
    letters = AMINO_ACIDS + "*" if kind == "protein" else NUCLEOTIDES
    for place, letter in enumerate(letters):
        codes[ord(letter)] = _FIRST[kind] + place
    if kind != "protein":
        codes[ord("U")] = codes[ord("T")]
    for letter in _AMBIGUOUS[kind]:
        codes[ord(letter)] = UNKNOWN
    return codes


_TABLES = {kind: _table(kind) for kind in KINDS}


def first_symbol(kind: str) -> int:
    """Code of the first letter of `LETTERS` of a kind; the others follow in order."""
    return _FIRST[kind]


def encode(sequence: str, kind: str) -> Int[np.ndarray, " l"]:
    """Turn letters into codes; those that stand for several (N, X, …) become `UNKNOWN`, and U is read as T.

    Args:
        sequence: Letters in upper or lower case.
        kind: One of `KINDS`.

    Raises:
        UnknownNameError: No such kind.
        DataError: No letters at all, or one that is none of this kind's.

    >>> [SYMBOLS[code] for code in encode("augn", "rna")]
    ['A', 'T', 'G', '<unknown>']
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of sequence", kind, KINDS)
    if not sequence:
        raise DataError([f"A {kind} has letters, but this one is empty. Give its sequence, or leave it out."])
    raw = np.frombuffer(sequence.upper().encode("ascii", "replace"), dtype=np.uint8)
    codes = np.where(raw < 128, _TABLES[kind][np.minimum(raw, 127)], -1)
    if (codes < 0).any():
        at = int(np.flatnonzero(codes < 0)[0])
        known = LETTERS[kind] + _AMBIGUOUS[kind]
        raise DataError(
            [f"A {kind} is written with {known}, but letter {at + 1} is {sequence[at]!r}. Correct it, or its kind."]
        )
    return codes


def framed(codes: np.ndarray, *, first: bool = True, last: bool = True) -> np.ndarray:
    """Codes with the marks of those ends that are true ends, and not the edges of a window."""
    return np.concatenate([[START] * first, codes, [END] * last]).astype(np.int64)


def translate(codes: Int[np.ndarray, " l"]) -> Int[np.ndarray, " codons"]:
    """Codes of the amino acids (`STOP` among them) that the codons of an RNA spell from its first letter on.

    A codon with an unknown letter is an unknown amino acid; one or two letters at the end spell nothing.

    >>> "".join(SYMBOLS[code] for code in translate(encode("AUGGCCUAA", "rna")))
    'MA*'
    """
    triplets = codes[: len(codes) // 3 * 3].reshape(-1, 3) - _FIRST["rna"]
    known = ((triplets >= 0) & (triplets < 4)).all(axis=1)
    place = np.where(known, np.clip(triplets, 0, 3) @ np.array([16, 4, 1]), 0)
    return np.where(known, _AMINO[place], UNKNOWN)


def _amino_of_triplet() -> np.ndarray:
    letters = AMINO_ACIDS + "*"
    spelled = (a + b + c for a in "ACGU" for b in "ACGU" for c in "ACGU")
    return np.array([_FIRST["protein"] + letters.index(CODE[codon]) for codon in spelled])


_AMINO = _amino_of_triplet()


def coding_rna(protein: Int[np.ndarray, " l"], rng: np.random.Generator) -> Int[np.ndarray, " three_l"]:
    """Draw one RNA that spells a protein, each codon as often as human genes use it.

    Args:
        protein: Codes of amino acids; an unknown one becomes three unknown letters.
        rng: Draws the codons.

    >>> protein = encode("MSL*", "protein")
    >>> bool((translate(coding_rna(protein, np.random.default_rng(0))) == protein).all())
    True
    """
    drawn = rng.random(len(protein))
    place = np.maximum(protein - _FIRST["protein"], 0)
    choice = (drawn[:, None] > _CUMULATIVE[place]).sum(axis=1)
    codes = _SPELLINGS[place, choice]
    codes[protein == UNKNOWN] = UNKNOWN
    return codes.reshape(-1)


def _spellings() -> tuple[np.ndarray, np.ndarray]:
    """``(21, 6, 3)`` codes of the codons of each amino acid, and ``(21, 6)`` their cumulative usage."""
    codes = np.zeros((21, 6, 3), dtype=np.int64)
    cumulative = np.ones((21, 6))
    for place, letter in enumerate(AMINO_ACIDS + "*"):
        codons = [codon for codon in CODONS if CODE[codon] == letter]
        usage = np.array([HUMAN_USAGE[codon] for codon in codons])
        codes[place, : len(codons)] = [encode(codon, "rna") for codon in codons]
        cumulative[place, : len(codons)] = usage.cumsum() / usage.sum()
        cumulative[place, len(codons) - 1 :] = 1.0
    return codes, cumulative


_SPELLINGS, _CUMULATIVE = _spellings()


def windows(length: int, size: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Cut a long sequence into overlapping windows: ``(start, stop, first, last)`` of each.

    A window reads letters ``start`` to ``stop`` and answers for ``first`` to ``last``, which are at least half an
    overlap away from its edges wherever the sequence goes on. Every letter is answered for by one window.

    >>> windows(10, 6, 2)
    [(0, 6, 0, 5), (4, 10, 5, 10)]
    """
    if length <= size:
        return [(0, length, 0, length)]
    starts = [*range(0, length - size, size - overlap), length - size]
    edges = [0, *((a + size + b) // 2 for a, b in pairwise(starts)), length]
    return [(start, start + size, edges[i], edges[i + 1]) for i, start in enumerate(starts)]
