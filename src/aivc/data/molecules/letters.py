"""The letters of DNA, RNA and proteins: what is legal, how one becomes another, and files of them."""

import gzip
import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from aivc.core.errors import DataError
from aivc.core.molecule import ALPHABETS, legal
from aivc.data.names.gene_files import open_text

# Triplets in the order T, C, A, G of each place: the standard genetic code (NCBI table 1).
_BASES = "UCAG"
_AMINO = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
CODE = {"".join(triplet): amino for triplet, amino in zip(product(_BASES, repeat=3), _AMINO, strict=True)}
_COMPLEMENT = str.maketrans("ACGTURYSWKMBDHVN", "TGCAAYRSWMKVHDBN")


def transcribe(dna: str) -> str:
    """Return the RNA of a coding strand.

    Raises:
        DataError: A letter is none of DNA.

    >>> transcribe("ATGC")
    'AUGC'
    """
    return legal("dna", dna).replace("T", "U")


def reverse_transcribe(rna: str) -> str:
    """Return the coding strand of an RNA.

    Raises:
        DataError: A letter is none of RNA.

    >>> reverse_transcribe("AUGC")
    'ATGC'
    """
    return legal("rna", rna).replace("U", "T")


def reverse_complement(sequence: str, kind: str = "dna") -> str:
    """Return the other strand, read in its own direction.

    Args:
        sequence: Letters of DNA or RNA.
        kind: ``dna`` or ``rna``.

    Raises:
        DataError: A letter is none of this kind.

    >>> reverse_complement("ATGC")
    'GCAT'
    """
    if kind not in ("dna", "rna"):
        raise DataError([f"Only dna and rna have another strand, got {kind}. Give one of these."])
    other = legal(kind, sequence).translate(_COMPLEMENT)[::-1]
    return other if kind == "dna" else other.replace("T", "U")


def translate(sequence: str, kind: str = "rna", *, to_stop: bool = False) -> str:
    """Return the protein of a coding sequence, by the standard code; a stop is ``*``, an unclear triplet ``X``.

    Args:
        sequence: Letters from the first codon on.
        kind: ``dna`` or ``rna``.
        to_stop: End before the first stop.

    Raises:
        DataError: A letter is none of this kind, or the length is no multiple of three.

    >>> translate("AUGAAAUAA")
    'MK*'
    """
    rna = transcribe(sequence) if kind == "dna" else legal("rna", sequence)
    if len(rna) % 3:
        raise DataError(
            [f"Codons are triplets, got {len(rna)} letters, {len(rna) % 3} too many. Give the coding sequence alone."]
        )
    protein = "".join(CODE.get(rna[i : i + 3], "X") for i in range(0, len(rna), 3))
    return protein.split("*", 1)[0] if to_stop else protein


def read_fasta(path: Path, kind: str) -> dict[str, str]:
    """Read sequences by name, from plain or gzipped text.

    A name is the first word behind ``>``; of ``sp|P04637|P53_HUMAN`` it is the accession. Lower case, which marks
    repeats in many files, is read as upper case. A closing stop of a protein is left out.

    Args:
        path: The file.
        kind: ``protein``, ``dna`` or ``rna``.

    Raises:
        DataError: Every problem found: no sequence, one without name or letters, a name twice, letters of another kind.
    """
    if kind not in ALPHABETS:
        raise DataError([f"Sequences are of {', '.join(ALPHABETS)}, got {kind!r}. Say which these are."])
    found: dict[str, str] = {}
    problems = []
    for name, text in _records(path):
        sequence = text.upper().removesuffix("*") if kind == "protein" else text.upper()
        if odd := sorted(set(sequence) - ALPHABETS[kind]):
            problems.append(f"{name or 'A sequence'} has {odd[0]!r}, no letter of {kind}. Correct it, or leave it out.")
        elif not name or not sequence:
            problems.append(
                f"{name or 'A sequence'} has no {'letters' if name else 'name'}. Give them, or leave it out."
            )
        elif name in found:
            problems.append(f"{name} stands twice. Rename one, or leave it out.")
        else:
            found[name] = sequence
    if not found and not problems:
        problems.append(f"{path.name} holds no sequence. A FASTA file has lines '>name', each followed by letters.")
    if problems:
        raise DataError(problems)
    return found


def _records(path: Path) -> Iterator[tuple[str, str]]:
    """Names and letters, in the order of the file; letters before the first name have the empty name."""
    name: str | None = None
    parts: list[str] = []
    try:
        with open_text(path) as lines:
            for line in map(str.strip, lines):
                if line.startswith(">"):
                    if name is not None or parts:
                        yield name or "", "".join(parts)
                    name, parts = _name(line[1:]), []
                elif line:
                    parts.append(line.replace(" ", ""))
    except (EOFError, UnicodeDecodeError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError([f"{path.name} is no intact text ({error}). Fetch it again."]) from error
    if name is not None or parts:
        yield name or "", "".join(parts)


def _name(header: str) -> str:
    word = (header.split() or [""])[0]
    parts = word.split("|")
    return parts[1] if len(parts) == 3 and parts[1] else word
