import json
from importlib.util import find_spec

import numpy as np
import pytest

from aivc.core.errors import IntegrityError, UnavailableError
from aivc.core.molecule import Molecule
from aivc.core.state import State
from aivc.representations.molecular import hugging_face
from aivc.representations.molecular.hugging_face import HuggingFace

needs_transformers = pytest.mark.skipif(
    find_spec("transformers") is None, reason='transformers is not installed: pip install "aivc[text]"'
)
PROTEINS = [
    Molecule("protein", f"P{i}", sequence=text) for i, text in enumerate(("MKVLA", "MKV", "", "ACDEFGHIKLM" * 3))
]


@pytest.fixture
def folder(tmp_path):
    """A tiny protein encoder with random weights, as others would save it."""
    import torch  # noqa: F401
    from transformers import EsmConfig, EsmModel, EsmTokenizer

    letters = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWC", "<mask>"]
    path = tmp_path / "esm"
    path.mkdir()
    (path / "vocab.txt").write_text("\n".join(letters))
    EsmTokenizer(str(path / "vocab.txt")).save_pretrained(path)
    config = EsmConfig(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        position_embedding_type="rotary",
        pad_token_id=1,
        mask_token_id=24,
    )
    EsmModel(config).eval().save_pretrained(path, safe_serialization=True)
    return path


@needs_transformers
def test_a_local_protein_model_is_read(folder, tmp_path):
    encoder = HuggingFace.open(folder, longest=20)
    said = encoder.embed(PROTEINS)
    assert said.known.tolist() == [True, True, False, True]
    assert said.values.shape == (4, 16)
    order = [3, 1, 0]
    np.testing.assert_allclose(encoder.embed([PROTEINS[i] for i in order]).values, said.values[order], atol=1e-5)
    encoder.state().save(tmp_path / "part")
    back = HuggingFace.from_state(State.load(tmp_path / "part"))
    np.testing.assert_allclose(back.embed(PROTEINS).values, said.values, atol=1e-6)


@needs_transformers
def test_a_model_that_changed_is_refused(folder):
    encoder = HuggingFace.open(folder)
    (folder / "extra.json").write_text("{}")
    with pytest.raises(IntegrityError, match="Open it again"):
        encoder.embed(PROTEINS)


def test_without_transformers_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(hugging_face, "find_spec", lambda name: None)
    assert "aivc[text]" in HuggingFace.available()
    with pytest.raises(UnavailableError, match="Everything else works without it"):
        HuggingFace.open(tmp_path)


def test_folders_without_safetensors_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(hugging_face, "find_spec", lambda name: object())
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 8}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(UnavailableError, match="pickled weights are not read"):
        HuggingFace.open(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert HuggingFace.open(tmp_path, reads="text").dim == 8
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(IntegrityError, match="names no hidden_size"):
        HuggingFace.open(tmp_path)


def test_long_inputs_are_read_in_windows():
    encoder = HuggingFace("f", "d", "sequence", ("protein",), 4, 3, spaced=True)
    assert encoder._pieces("ABCDEFG") == ["A B C", "D E F", "G"]
    words = HuggingFace("f", "d", "text", ("gene",), 4, 8, spaced=False)
    assert words._pieces("one two three") == ["one two", "three"]
