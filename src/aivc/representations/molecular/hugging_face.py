"""Any encoder in Hugging Face's layout, from a local folder: ESM-2, DNA and RNA models, sentence encoders."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from aivc.core.errors import IntegrityError, UnavailableError
from aivc.core.foreign_text import read_json
from aivc.core.molecule import Molecule
from aivc.core.provider import Embedding, Provider

REMEDY = 'pip install "aivc[text]"'
_FILES = ("config.json", "model.safetensors", "tokenizer_config.json")


@final
@dataclass(frozen=True, eq=False)
class HuggingFace(Provider):
    """Mean of the last hidden states over the tokens of a sequence or of a text, special tokens left out.

    Weights are read as safetensors only, and code that comes with a model is never run. One molecule is read at a time,
    so that its vector does not depend on what stands beside it.

    Attributes:
        folder: Where the model lies: ``config.json``, ``model.safetensors`` and the tokenizer's files.
        digest: sha256 of those files, checked before reading.
        reads: ``sequence``, or ``text``: the molecule's name.
        asks: Kinds of molecule that it is given.
        width: Number of axes.
        longest: Letters of a sequence, or tokens of a text, read at once; longer ones are read in windows and averaged.
        spaced: Whether letters are separated by spaces, as some tokenizers want.
    """

    name: ClassVar[str] = "hugging-face"
    kinds: ClassVar[tuple[str, ...]] = ("gene", "transcript", "protein", "dna", "rna", "compound")
    folder: str
    digest: str
    reads: str
    asks: tuple[str, ...]
    width: int
    longest: int
    spaced: bool

    @classmethod
    def available(cls) -> str | None:
        """None where transformers is installed."""
        if find_spec("transformers") is None:
            return f"The package transformers is not installed: {REMEDY}. Everything else works without it."
        return None

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        reads: str = "sequence",
        asks: Sequence[str] = ("protein",),
        longest: int = 510,
        spaced: bool = False,
    ) -> "HuggingFace":
        """Take a model that lies in a folder, such as one saved by ``huggingface-cli download --local-dir``.

        Args:
            folder: With ``config.json``, ``model.safetensors`` and the tokenizer's files.
            reads: ``sequence``, or ``text`` for the molecule's name.
            asks: Kinds of molecule to give it.
            longest: Letters of a sequence, or tokens of a text, read at once.
            spaced: Whether to separate letters by spaces.

        Raises:
            UnavailableError: transformers is not installed, or the folder lacks a file.
            IntegrityError: Its configuration names no width.
        """
        if (missing := cls.available()) is not None:
            raise UnavailableError(missing)
        path = Path(folder)
        absent = [name for name in _FILES if not (path / name).is_file()]
        if absent:
            raise UnavailableError(
                f"{path} lacks {', '.join(absent)}. Give the folder of a model saved as safetensors, with its "
                "tokenizer; pickled weights are not read."
            )
        config = read_json(path / "config.json")
        width = config.get("hidden_size", config.get("d_model"))
        if not isinstance(width, int):
            raise IntegrityError(f"{path / 'config.json'} names no hidden_size. Give the folder of an encoder.")
        asks = cls.kinds if reads == "text" else asks
        return cls(str(path), _digest(path), reads, tuple(asks), width, longest, spaced)

    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Read molecules that have a sequence, or a name; others come back masked."""
        texts = [self._text(molecule) for molecule in molecules]
        known = np.array([bool(text) for text in texts], dtype=bool)
        values = np.zeros((len(texts), self.width), dtype=np.float32)
        if known.any():
            values[known] = self.read([text for text in texts if text])
        return Embedding(values, known, self.provenance)

    def read(self, texts: Sequence[str]) -> np.ndarray:
        """``(n, d)`` vectors of sequences or texts.

        Raises:
            UnavailableError: transformers is not installed, or the folder is gone.
            IntegrityError: The folder holds other files than it did.
        """
        import torch

        if (missing := self.available()) is not None:
            raise UnavailableError(missing)
        tokenizer, model = _opened(self.folder, self.digest)
        found: dict[str, np.ndarray] = {}
        with torch.inference_mode():
            for text in dict.fromkeys(texts):
                total, count = np.zeros(self.width), 0
                for piece in self._pieces(text):
                    tokens = tokenizer(piece, return_special_tokens_mask=True, return_tensors="pt")
                    plain = ~tokens.pop("special_tokens_mask")[0].numpy().astype(bool)
                    states = model(**tokens).last_hidden_state[0].to(torch.float64).numpy()
                    total, count = total + states[plain].sum(axis=0), count + int(plain.sum())
                found[text] = total / max(count, 1)
        return np.array([found[text] for text in texts], dtype=np.float32).reshape(len(texts), self.width)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.width

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and what data it saw."""
        return {
            "name": Path(self.folder).name,
            "version": "1",
            "licence": "that of the model; see its card",
            "digest": self.digest,
            "saw": [],
        }

    def _pieces(self, text: str) -> list[str]:
        """Windows short enough to be read at once: letters of a sequence, or words of a text."""
        if self.reads == "sequence":
            windows = [text[i : i + self.longest] for i in range(0, len(text), self.longest)]
            return [" ".join(window) if self.spaced else window for window in windows]
        # A word is rarely more than four tokens.
        words, size = text.split(), max(self.longest // 4, 1)
        return [" ".join(words[i : i + size]) for i in range(0, len(words), size)]

    def _text(self, molecule: Molecule) -> str:
        if molecule.kind not in self.asks:
            return ""
        return molecule.sequence if self.reads == "sequence" else molecule.name


def _digest(path: Path) -> str:
    sha = hashlib.sha256()
    for file in sorted(each for each in path.iterdir() if each.suffix in (".json", ".txt", ".safetensors", ".model")):
        sha.update(file.name.encode())
        with file.open("rb") as stream:
            for piece in iter(lambda: stream.read(1 << 20), b""):
                sha.update(piece)
    return sha.hexdigest()


@lru_cache(maxsize=2)
def _opened(folder: str, digest: str) -> tuple[Any, Any]:
    """Tokenizer and model, once the files were found to be what they were."""
    from transformers import AutoModel, AutoTokenizer

    if not Path(folder).is_dir():
        raise UnavailableError(
            f"The folder of the encoder, {folder}, is gone. Put it back, or open it from its new place."
        )
    if _digest(Path(folder)) != digest:
        raise IntegrityError(f"The files in {folder} are not those this encoder was opened with. Open it again.")
    settings = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, **settings)
    model = AutoModel.from_pretrained(folder, use_safetensors=True, **settings)
    return tokenizer, model.eval()
