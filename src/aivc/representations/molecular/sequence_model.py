"""The sequence language model as a provider: vectors for DNA, RNA and protein, and what a change of letters costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Bool, Float

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.molecule import Molecule
from aivc.core.provider import Embedding, Provider
from aivc.core.state import State
from aivc.representations.molecular import pretrain
from aivc.representations.molecular.alphabet import KINDS, LETTERS, MASK, PAD, encode, first_symbol, framed, windows
from aivc.representations.molecular.pretrain import Crops, SequenceSource
from aivc.representations.molecular.sequence_network import SequenceNetwork, Shape, shape_of
from aivc.training.checkpoint import Checkpoints, arrays_of
from aivc.training.loop import Progress, TrainingRecipe, train
from aivc.training.weights import arrays_to_weights, network_of, weights_to_arrays

WEIGHTS = Path(__file__).parent / "weights"
# Letters in one forward pass: enough to keep two cores busy, little enough to stay in a small memory.
_LETTERS_AT_ONCE = 8192
_KIND_OF = {"protein": "protein", "dna": "dna", "rna": "rna", "gene": "dna", "transcript": "rna"}
_ROWS, _CODING = 24, 8


@final
@dataclass(frozen=True, eq=False)
class SequenceModel(Provider):
    """A masked language model over the three molecules of the central dogma.

    A molecule's vector is the mean state of its letters. Only the letters count: not the name, the species, nor what
    stands beside it in a batch. Sequences beyond one window are read in overlapping windows.

    Attributes:
        shape: Sizes of the network.
        weights: Its arrays, by name.
        saw: What it was trained on, for the provenance; ``sequences`` lists data sets with their sha256.
        marks: ``(m,)`` sorted hashes of the sequences it was trained on, so that a leak can be found.
    """

    name: ClassVar[str] = "sequence-model"
    kinds: ClassVar[tuple[str, ...]] = tuple(_KIND_OF)
    shape: Shape
    weights: Mapping[str, np.ndarray]
    saw: Mapping[str, Any]
    marks: np.ndarray

    @classmethod
    def available(cls) -> str | None:
        """None: it needs nothing that aivc does not bring."""
        return None

    @classmethod
    def fit(
        cls,
        sequences: Mapping[str, Sequence[str]],
        *,
        preset: str = "xs",
        recipe: TrainingRecipe | None = None,
        crop: int | None = None,
        checkpoints: Checkpoints | None = None,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> "SequenceModel":
        """Train on sequences, from nothing.

        Proteins also teach RNA: a part of each batch are RNAs that were drawn to spell them.

        Args:
            sequences: Training sequences under ``dna``, ``rna`` or ``protein``.
            preset: Size: xs, s, m or l.
            recipe: How to descend; None takes 1,000 steps on the CPU. Its seed is replaced by ``seed``.
            crop: Letters of a training crop; None takes half a window.
            checkpoints: Where to save, and to resume from.
            progress: Called with each step's losses.
            seed: Draws the first weights, the crops and what is hidden.

        Raises:
            DataError: No sequences, or illegal letters.
            UnknownNameError: No such preset or kind.
        """
        shape = shape_of(preset)
        sources = [
            SequenceSource(
                kind, kind, found, _ROWS if kind == "protein" else _CODING, _CODING if kind == "protein" else 0
            )
            for kind, found in sequences.items()
        ]
        crops = Crops(sources, crop or shape.window // 2, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = SequenceNetwork(shape)
        train(
            network,
            pretrain.objective,
            crops,
            replace(recipe or TrainingRecipe(1000, rate=2.5e-3), seed=seed),
            checkpoints=checkpoints,
            progress=progress,
        )
        saw = {"sequences": [source.card() for source in sources]}
        return cls(shape, arrays_of(network), saw, pretrain.marks(sources))

    @classmethod
    def pretrained(cls, preset: str = "xs") -> "SequenceModel":
        """The weights that come with aivc; their card stands beside them.

        Raises:
            UnknownNameError: None of that size are shipped.
            IntegrityError: The files are damaged.
        """
        folder = WEIGHTS / preset
        if not (folder / "card.json").is_file():
            shipped = [path.parent.name for path in WEIGHTS.glob("*/card.json")]
            raise UnknownNameError("shipped sequence model", preset, shipped, "SequenceModel.fit trains other sizes.")
        return cls.from_state(State.load(folder))

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        weights = weights_to_arrays(self.weights)
        return State({"shape": self.shape.to_json(), "saw": dict(self.saw)}, {**weights, "marks": self.marks})

    @classmethod
    def from_state(cls, state: State) -> "SequenceModel":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of a sequence model.
        """
        try:
            weights, _ = arrays_to_weights(state.arrays)
            model = cls(Shape(**state.settings["shape"]), weights, dict(state.settings["saw"]), state.arrays["marks"])
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"This is no sequence model ({error!r}). Fetch it again.") from error
        model.network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return model

    @cached_property
    def network(self) -> SequenceNetwork:
        """The torch network, in evaluation mode."""
        return network_of(lambda: SequenceNetwork(self.shape), self.weights)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.shape.width

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, the measurements whose values it saw (none), and the sequences it saw."""
        return {
            "name": self.name,
            "version": 1,
            "licence": self.saw.get("license", "not stated"),
            "digest": self.state().digest(),
            "saw": [],
            "sequences": self.saw.get("sequences", []),
        }

    def saw_sequences(self, sequences: Sequence[str]) -> Bool[np.ndarray, " n"]:
        """Which sequences it was trained on, letter by letter: those cannot show what it makes of new ones."""
        return np.isin([pretrain.mark(sequence) for sequence in sequences], self.marks)

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Represent molecules by their sequences, in the order given; those without one come back masked.

        Raises:
            DataError: A sequence has an illegal letter.
        """
        known_n = np.array([bool(m.sequence) and m.kind in _KIND_OF for m in molecules], dtype=bool)
        rows = np.flatnonzero(known_n)
        asked = [(molecules[i].sequence, _KIND_OF[molecules[i].kind]) for i in rows.tolist()]
        values = np.zeros((len(molecules), self.dim))
        values[rows] = self._pooled(asked)
        return Embedding(values, known_n, self.provenance)

    def embed_variants(self, reference: Molecule, variants: Sequence[Molecule]) -> Embedding:
        """How each variant's vector differs from that of the molecule it is a variant of.

        Raises:
            DataError: The reference has no sequence.
        """
        origin = self.embed([reference])
        if not origin.known.all():
            raise DataError(
                [f"A variant differs from a known sequence, but {reference.name} has none. Look it up first."]
            )
        found = self.embed(variants)
        return Embedding(
            np.where(found.known[:, None], found.values - origin.values, 0.0), found.known, found.provenance
        )

    def log_likelihoods(
        self, sequence: str, *, kind: str = "protein", positions: Sequence[int] | None = None
    ) -> Float[np.ndarray, "l a"]:
        """How likely each letter would be at each position if it were hidden: masked marginals.

        Args:
            sequence: The reference.
            kind: ``dna``, ``rna`` or ``protein``.
            positions: From 0; None means all. Each is hidden in turn, which costs one pass over its window.

        Returns:
            Natural logarithms, one row per position asked for, one column per letter of ``alphabet.LETTERS[kind]``.

        Raises:
            DataError: An illegal letter, or a position beyond the end.
        """
        codes = encode(sequence, kind)
        asked = range(len(codes)) if positions is None else [int(at) for at in positions]
        if any(not 0 <= at < len(codes) for at in asked):
            raise DataError([f"Positions go from 0 to {len(codes) - 1} here. Count from 0, inside the sequence."])
        letters = slice(first_symbol(kind), first_symbol(kind) + len(LETTERS[kind]))
        found = np.zeros((len(asked), len(LETTERS[kind])))
        made = []
        for i, at in enumerate(asked):
            symbols, place = self._around(codes, at)
            made.append((i, symbols, place))
        for group in _batches(made):
            _, logits = self._run([symbols for _, symbols, _ in group], kind)
            for (i, _, place), logit in zip(group, logits, strict=True):
                found[i] = logit[place, letters].double().log_softmax(0).numpy()
        return found

    def score_variants(self, reference: str, variants: Sequence[str], *, kind: str = "protein") -> np.ndarray:
        """``(n,)`` how much more likely each variant is than the reference, without a single measurement.

        For substitutions: over the changed letters, the sum of log-likelihood of the new minus that of the old, each
        hidden in the reference; changes of several letters add up. Where lengths differ, letters have no
        counterparts: the mean log-likelihood per letter of the variant minus that of the reference, times its length.

        Args:
            reference: Letters of the unchanged molecule.
            variants: Letters of the changed ones.
            kind: ``dna``, ``rna`` or ``protein``.

        Raises:
            DataError: An illegal letter; or a changed letter that stands for several.
        """
        wild = encode(reference, kind) - first_symbol(kind)
        changed = [encode(variant, kind) - first_symbol(kind) for variant in variants]
        same = [len(codes) == len(wild) for codes in changed]
        differing = [codes != wild for codes, equal in zip(changed, same, strict=True) if equal]
        asked = np.flatnonzero(np.any(differing, axis=0)) if differing else np.zeros(0, dtype=int)
        table = np.full((len(wild), len(LETTERS[kind])), np.nan)
        if len(asked):
            table[asked] = self.log_likelihoods(reference, kind=kind, positions=asked.tolist())
        whole = 0.0 if all(same) else self._mean_likelihood(reference, kind)
        scores = np.zeros(len(variants))
        for i, (codes, equal) in enumerate(zip(changed, same, strict=True)):
            if equal:
                at = np.flatnonzero(codes != wild)
                _require_letters(codes[at], wild[at], kind)
                scores[i] = (table[at, codes[at]] - table[at, wild[at]]).sum()
            else:
                scores[i] = (self._mean_likelihood(variants[i], kind) - whole) * len(wild)
        return scores

    def score_variant(self, reference: str, variant: str, *, kind: str = "protein") -> float:
        """`score_variants` of one; below 0 where the variant is less likely than the reference."""
        return float(self.score_variants(reference, [variant], kind=kind)[0])

    def _mean_likelihood(self, sequence: str, kind: str) -> float:
        codes = encode(sequence, kind) - first_symbol(kind)
        at = np.flatnonzero((codes >= 0) & (codes < len(LETTERS[kind])))
        if not len(at):
            raise DataError([f"This {kind} has no letter that is certain. Give one that has."])
        return float(
            self.log_likelihoods(sequence, kind=kind, positions=at.tolist())[np.arange(len(at)), codes[at]].mean()
        )

    def _around(self, codes: np.ndarray, at: int) -> tuple[np.ndarray, int]:
        """Symbols of the window around a letter, which is hidden, and its place among them."""
        size = min(self.shape.window, len(codes))
        start = min(max(at - size // 2, 0), len(codes) - size)
        hidden = codes[start : start + size].copy()
        hidden[at - start] = MASK
        return framed(hidden, first=start == 0, last=start + size == len(codes)), at - start + (start == 0)

    def _pooled(self, asked: Sequence[tuple[str, str]]) -> np.ndarray:
        """``(n, d)`` mean state of the letters of each sequence."""
        totals = np.zeros((len(asked), self.dim))
        for kind in KINDS:
            made = [
                (i, *window)
                for i, (sequence, its) in enumerate(asked)
                if its == kind
                for window in self._cut(sequence, kind)
            ]
            for group in _batches(made):
                states, _ = self._run([symbols for _, symbols, _ in group], kind)
                for (i, _, answer), state in zip(group, states, strict=True):
                    totals[i] += state[answer].double().sum(0).numpy()
        lengths = np.array([len(sequence) for sequence, _ in asked], dtype=float)
        return totals / np.maximum(lengths, 1.0)[:, None]

    def _cut(self, sequence: str, kind: str) -> Iterator[tuple[np.ndarray, slice]]:
        """Symbols of each window, and which of them it answers for."""
        codes = encode(sequence, kind)
        for start, stop, first, last in windows(len(codes), self.shape.window, self.shape.overlap):
            shift = int(start == 0) - start
            yield (
                framed(codes[start:stop], first=start == 0, last=stop == len(codes)),
                slice(first + shift, last + shift),
            )

    def _run(self, rows: Sequence[np.ndarray], kind: str) -> tuple[torch.Tensor, torch.Tensor]:
        length = max(map(len, rows))
        symbols = np.full((len(rows), length), PAD, dtype=np.int64)
        for i, row in enumerate(rows):
            symbols[i, : len(row)] = row
        with torch.inference_mode():
            return self.network(torch.from_numpy(symbols), torch.full((len(rows),), KINDS.index(kind)))


def _batches(made: Sequence[tuple[int, np.ndarray, Any]]) -> Iterator[list[tuple[int, np.ndarray, Any]]]:
    """Windows of like length together, so that little is padded."""
    group: list[tuple[int, np.ndarray, Any]] = []
    for item in sorted(made, key=lambda item: (len(item[1]), item[0])):
        if group and (len(group) + 1) * len(item[1]) > _LETTERS_AT_ONCE:
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _require_letters(new: np.ndarray, old: np.ndarray, kind: str) -> None:
    both = np.concatenate([new, old])
    if ((both < 0) | (both >= len(LETTERS[kind]))).any():
        raise DataError(
            [
                f"A change of one {kind} letter into another is scored, but one of the two is unknown or a stop. "
                f"Use the letters {LETTERS[kind]}; a stop is a loss of function, not a substitution."
            ]
        )
