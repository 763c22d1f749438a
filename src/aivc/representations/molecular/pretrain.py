"""What the sequence language model learns from: crops with hidden letters, and codons that spell amino acids."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from aivc.core.errors import DataError
from aivc.representations.molecular.alphabet import (
    KINDS,
    LETTERS,
    MASK,
    PAD,
    STOP,
    SYMBOLS,
    UNKNOWN,
    coding_rna,
    encode,
    first_symbol,
    framed,
    translate,
)
from aivc.training.loop import Batch, rows

# A letter of a protein tells more than one of four nucleotides, and reading a codon is a help, not the aim.
_WEIGHTS = {"protein": 1.0, "nucleotide": 0.5, "codon": 0.25}
_NOTHING = -100


@final
@dataclass(frozen=True)
class SequenceSource:
    """Sequences of one kind, and how many of them stand in each batch.

    Attributes:
        name: Of the data set.
        kind: ``dna``, ``rna`` or ``protein``.
        sequences: Letters.
        rows: Crops of them in a batch.
        coding: For proteins: how many more rows hold an RNA drawn to spell a crop of one.
    """

    name: str
    kind: str
    sequences: Sequence[str]
    rows: int
    coding: int = 0

    def card(self) -> dict[str, Any]:
        """What was seen, for the model card: name, kind, number, letters, sha256 of the sorted sequences."""
        text = "\n".join(sorted(self.sequences))
        return {
            "name": self.name,
            "kind": self.kind,
            "sequences": len(self.sequences),
            "letters": sum(map(len, self.sequences)),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }


@final
@dataclass
class Crops:
    """Batches of crops with hidden letters; a pure function of seed and step, as the training loop wants.

    Attributes:
        sources: What to crop.
        crop: Letters of a crop.
        seed: Draws sequences, crops, codons and hidden letters.
        hide: Smallest and largest share of a crop's letters that are hidden.
    """

    sources: Sequence[SequenceSource]
    crop: int
    seed: int = 0
    hide: tuple[float, float] = (0.1, 0.3)
    _codes: list[list[np.ndarray]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not any(source.sequences and source.rows + source.coding for source in self.sources):
            raise DataError(["A sequence model learns from sequences, got none. Give some of at least one kind."])
        self._codes = [[encode(s, source.kind).astype(np.int8) for s in source.sequences] for source in self.sources]

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        """Symbols with some hidden, the letters that were, and the amino acids that codons spell."""
        rng = np.random.default_rng((self.seed, step))
        made = []
        for source, codes in zip(self.sources, self._codes, strict=True):
            if codes:
                made += [self._row(codes, source.kind, rng) for _ in range(source.rows)]
                made += [self._coding_row(codes, rng) for _ in range(source.coding)]
        # Rows of one source stand together, and every process takes every world-th: each gets some of all.
        return rows(collate(made), rank, world)

    def _row(self, codes: list[np.ndarray], kind: str, rng: np.random.Generator) -> dict[str, Any]:
        whole = codes[rng.integers(len(codes))].astype(np.int64)
        start = int(rng.integers(max(len(whole) - self.crop, 0) + 1))
        stop = min(start + self.crop, len(whole))
        symbols = framed(whole[start:stop], first=start == 0, last=stop == len(whole))
        return hidden(symbols, kind, rng, rng.uniform(*self.hide))

    def _coding_row(self, codes: list[np.ndarray], rng: np.random.Generator) -> dict[str, Any]:
        whole = codes[rng.integers(len(codes))].astype(np.int64)
        size = self.crop // 3
        start = int(rng.integers(max(len(whole) - size, 0) + 1))
        rna = coding_rna(whole[start : start + size], rng)
        row = hidden(rna, "rna", rng, rng.uniform(*self.hide))
        row["amino"][1::3] = translate(rna)
        row["amino"][row["amino"] == UNKNOWN] = _NOTHING
        return row


def hidden(symbols: np.ndarray, kind: str, rng: np.random.Generator, share: float) -> dict[str, Any]:
    """One row: symbols with a share of the letters, and one at least, hidden; and the letters that were."""
    letters = np.flatnonzero((symbols >= first_symbol(kind)) & (symbols < first_symbol(kind) + len(LETTERS[kind])))
    count = min(max(1, round(share * len(letters))), len(letters))
    chosen = rng.choice(letters, count, replace=False) if count else letters
    targets = np.full(len(symbols), _NOTHING)
    targets[chosen] = symbols[chosen]
    seen = symbols.copy()
    seen[chosen] = MASK
    return {"symbols": seen, "target": targets, "amino": np.full(len(symbols), _NOTHING), "kind": KINDS.index(kind)}


def collate(made: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Pad rows at their ends and stack them."""
    length = max(len(row["symbols"]) for row in made)
    empty = {"symbols": PAD, "target": _NOTHING, "amino": _NOTHING}
    batch = {name: np.full((len(made), length), value, dtype=np.int64) for name, value in empty.items()}
    for i, row in enumerate(made):
        for name, array in batch.items():
            array[i, : len(row[name])] = row[name]
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    return {**tensors, "kinds": torch.tensor([row["kind"] for row in made])}


def objective(model: nn.Module, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
    """Guess hidden letters among those of their kind, and the amino acid of each codon from its middle letter.

    Whatever letters of a codon are hidden, its amino acid is asked for: what surrounds an RNA's codon then has to tell
    what surrounds a protein's residue does, in the vectors that proteins are written in.
    """
    _, logits = model(batch["symbols"], batch["kinds"])
    logits = logits.float()
    of_protein = (batch["kinds"] == KINDS.index("protein"))[:, None]
    first, count = first_symbol("protein"), len(LETTERS["protein"])
    return {
        "protein": _guess(logits, batch["target"], of_protein, (first, first + count), "protein"),
        "nucleotide": _guess(
            logits, batch["target"], ~of_protein, (first_symbol("rna"), first_symbol("rna") + 4), "nucleotide"
        ),
        "codon": _guess(logits, batch["amino"], ~of_protein, (first, STOP + 1), "codon"),
    }


def _guess(logits: Tensor, target: Tensor, of: Tensor, symbols: tuple[int, int], name: str) -> tuple[Tensor, Tensor]:
    asked = (target != _NOTHING) & of
    guesses = logits[asked][:, symbols[0] : symbols[1]]
    total = F.cross_entropy(guesses, target[asked] - symbols[0], reduction="sum")
    return total * _WEIGHTS[name], asked.sum()


def guess_hidden(model: nn.Module, sequences: Sequence[str], *, crop: int, seed: int = 0) -> dict[str, float]:
    """How well hidden letters of proteins are guessed: 15 % of the letters of the middle crop of each.

    Returns:
        ``accuracy``, ``perplexity`` and ``loss`` (nats) over ``letters`` hidden letters.
    """
    made = hidden_middles(sequences, crop=crop, seed=seed)
    first, last = first_symbol("protein"), STOP
    right, loss, count = 0, 0.0, 0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(made), 64):
            batch = collate(made[start : start + 64])
            asked = batch["target"] != _NOTHING
            logits = model(batch["symbols"], batch["kinds"])[1].float()[asked][:, first:last]
            true = batch["target"][asked] - first
            loss += float(F.cross_entropy(logits, true, reduction="sum"))
            right += int((logits.argmax(1) == true).sum())
            count += len(true)
    return {
        "accuracy": right / count,
        "perplexity": float(np.exp(loss / count)),
        "loss": loss / count,
        "letters": count,
    }


def hidden_middles(sequences: Sequence[str], *, crop: int, seed: int) -> list[dict[str, Any]]:
    """Rows of proteins' middles with 15 % of the letters hidden, the same for every model that is asked."""
    rng = np.random.default_rng(seed)
    made = []
    for sequence in sequences:
        codes = encode(sequence, "protein")
        start = max(len(codes) - crop, 0) // 2
        stop = min(start + crop, len(codes))
        made.append(hidden(framed(codes[start:stop], first=start == 0, last=stop == len(codes)), "protein", rng, 0.15))
    return made


def guess_by_counts(train: Sequence[str], test: Sequence[str], *, crop: int, seed: int = 0) -> dict[str, Any]:
    """The same hidden letters, guessed from how often letters, and pairs of neighbours, occur in training proteins.

    The pair counts are given both true neighbours, even where the model has to guess those too.
    """
    size = len(SYMBOLS)
    pairs = np.full((size, size), 1 / size)
    for sequence in train:
        codes = framed(encode(sequence, "protein"))
        np.add.at(pairs, (codes[:-1], codes[1:]), 1.0)
    letters = slice(first_symbol("protein"), STOP)
    single = np.log(pairs[:, letters].sum(axis=0) / pairs[:, letters].sum())
    after = np.log(pairs / pairs.sum(axis=1, keepdims=True))
    scores: dict[str, list[tuple[bool, float]]] = {"unigram": [], "bigram": []}
    for row in hidden_middles(test, crop=crop, seed=seed):
        asked = row["target"] != _NOTHING
        whole = np.where(asked, row["target"], row["symbols"])
        padded = np.concatenate([[UNKNOWN], whole, [UNKNOWN]])
        for at in np.flatnonzero(asked):
            both = after[padded[at], letters] + after[letters, padded[at + 2]]
            true = whole[at] - letters.start
            for name, guess in (("unigram", single), ("bigram", both)):
                log = guess - np.logaddexp.reduce(guess)
                scores[name].append((bool(log.argmax() == true), -float(log[true])))
    return {
        name: {
            "accuracy": float(np.mean([right for right, _ in found])),
            "perplexity": float(np.exp(np.mean([loss for _, loss in found]))),
        }
        for name, found in scores.items()
    }


def mark(sequence: str) -> np.uint64:
    """A hash of a sequence, whatever its case and with U as T; so short that it gives no sequence away."""
    plain = sequence.upper().replace("U", "T").encode()
    return np.uint64(int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), "little"))


def marks(sources: Sequence[SequenceSource]) -> np.ndarray:
    """``(m,)`` sorted marks of all sequences."""
    return np.unique(np.array([mark(s) for source in sources for s in source.sequences], dtype=np.uint64))


def seen_half(sequences: Sequence[str], *, length: int = 20) -> np.ndarray:
    """``(n,)`` which sequences of a set without a published split are for pre-training; the others are for tests.

    Sequences that share a stretch of ``length`` letters, directly or through others, are one family, which goes to one
    side as a whole, by the hash of its first member in alphabetical order. Give all sequences of the set at once.

    >>> bool(seen_half(["ACGTACGT", "TACGTACC"], length=5).std())
    False
    """
    parent = list(range(len(sequences)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    owner: dict[str, int] = {}
    for i, sequence in enumerate(sequences):
        for start in range(max(len(sequence) - length, 0) + 1):
            other = owner.setdefault(sequence[start : start + length], i)
            if other != i:
                parent[root(i)] = root(other)
    roots = [root(i) for i in range(len(sequences))]
    first: dict[int, str] = {}
    for i, sequence in zip(roots, sequences, strict=True):
        first[i] = min(first.get(i, sequence), sequence)
    return np.array([hashlib.sha256(first[i].encode()).digest()[0] < 128 for i in roots], dtype=bool)
