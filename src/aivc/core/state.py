"""All there is to a fitted part: settings as JSON, arrays as safetensors. A pickle is refused by having no place."""

import dataclasses
import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save, save_file

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import parse_json, read_json
from aivc.core.writing import whole_file

FORMAT = 1
SETTINGS, ARRAYS = "settings.json", "arrays.safetensors"
# Where the settings stand in a state that is one run of bytes; which header of safetensors is before them.
_INSIDE, _METADATA, _LENGTH = "state", "__metadata__", struct.Struct("<Q")

_UNREADABLE = (
    SafetensorError, OSError, TypeError, ValueError, KeyError, AttributeError, MemoryError, RecursionError,
    struct.error,
)  # fmt: skip


@final
@dataclass(frozen=True)
class State:
    """Settings and arrays of one part.

    Attributes:
        settings: What JSON can hold.
        arrays: Named numeric arrays.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def digest(self) -> str:
        """Return the sha256 of settings and arrays, independent of insertion order."""
        sha = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = _plain(self.arrays[name])
            sha.update(f"{name}{array.dtype.str}{array.shape}".encode())
            sha.update(array.tobytes())
        return sha.hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``settings.json`` and ``arrays.safetensors`` into a folder, which is made.

        Equal arrays are written once: the members of an ensemble share their priors. Both files are written under
        private names first, so that a full disk leaves a former state as it was.

        Raises:
            WritingError: The place cannot be written to.
        """
        body, kept = self._parted()
        with whole_file(folder / ARRAYS) as arrays, whole_file(folder / SETTINGS) as settings:
            settings.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            save_file(kept, arrays)

    def _parted(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What is written as JSON, and the arrays that are: equal ones once."""
        first: dict[str, str] = {}
        shared: dict[str, str] = {}
        for name in sorted(self.arrays):
            key = State({}, {"": self.arrays[name]}).digest()
            if first.setdefault(key, name) != name:
                shared[name] = first[key]
        body = {"format": FORMAT, "digest": self.digest(), "settings": self.settings, "shared": shared}
        return body, {name: _plain(self.arrays[name]) for name in first.values()}

    def to_bytes(self) -> bytes:
        """Write all of it as one safetensors file, with the settings as JSON in its header, to be sent to others."""
        body, kept = self._parted()
        return save(kept, {_INSIDE: json.dumps(body, sort_keys=True)})

    @classmethod
    def load(cls, folder: Path) -> "State":
        """Read what `save` wrote.

        Raises:
            IntegrityError: A file is missing, truncated, altered, of another format, or holds a pickle.
        """
        body = _settings(read_json(folder / SETTINGS), folder / SETTINGS)
        with _readable(folder / ARRAYS):
            arrays = _completed(load_file(folder / ARRAYS), body)
        return cls(body["settings"], arrays)._unaltered(body, f"The part in {folder}")

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> "State":
        """Read what `to_bytes` wrote.

        Args:
            data: The whole of it.
            where: Where it came from, for messages.

        Raises:
            IntegrityError: It is truncated, altered, of another format, or holds a pickle.
        """
        with _readable(where):
            arrays = load(data)
            header = data[_LENGTH.size : _LENGTH.size + _LENGTH.unpack_from(data)[0]]
            text = json.loads(header)[_METADATA][_INSIDE]
        body = _settings(parse_json(text, where), where)
        with _readable(where):
            arrays = _completed(arrays, body)
        return cls(body["settings"], arrays)._unaltered(body, f"What came from {where}")

    def _unaltered(self, body: Mapping[str, Any], what: str) -> "State":
        if self.digest() != body.get("digest"):
            raise IntegrityError(f"{what} was altered after it was saved. Fetch it again from its source.")
        return self


def _settings(body: Any, where: object) -> dict[str, Any]:
    if not isinstance(body, dict) or body.get("format") != FORMAT or not isinstance(body.get("settings"), dict):
        raise IntegrityError(
            f"{where} is not a part's settings in format {FORMAT}. "
            "Save it again with this version of aivc, or install the version that wrote it."
        )
    return body


def _completed(arrays: dict[str, np.ndarray], body: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays that were written, and those that are equal to one of them."""
    arrays.update({name: arrays[source] for name, source in dict(body.get("shared", {})).items()})
    return arrays


@contextmanager
def _readable(where: object) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise IntegrityError(
            f"{where} is not a readable safetensors file ({error}). Weights are never pickles here: "
            "fetch the part again from its source."
        ) from error


def _plain(array: np.ndarray) -> np.ndarray:
    """Bring an array into the one layout that is saved: row by row, in native byte order."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, so that an interrupted write loses nothing.

    Raises:
        WritingError: The place cannot be written to.
    """
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def pack(part: Any) -> State:
    """Turn a dataclass of arrays, JSON values, spaces and other parts into a State.

    Nested parts and tuples of parts are kept under ``field.`` and ``field.0.`` prefixes.
    """
    settings: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for item in dataclasses.fields(part):
        value = getattr(part, item.name)
        settings[item.name] = _pack_value(item.name, value, arrays)
    return State(settings, arrays)


def _pack_value(name: str, value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        # Strings are not numbers: safetensors holds none, JSON does.
        if value.dtype.kind in "OUS":
            return {"is": "strings", "value": [str(item) for item in value]}
        arrays[name] = value
        return {"is": "array"}
    if hasattr(value, "to_json"):
        return {"is": "json", "value": value.to_json()}
    if hasattr(value, "state"):
        inner = value.state()
        arrays.update({f"{name}.{key}": array for key, array in inner.arrays.items()})
        return {"is": "part", "name": value.name, "group": value.group, "settings": inner.settings}
    if isinstance(value, tuple) and value and all(hasattr(item, "state") for item in value):
        return {"is": "parts", "value": [_pack_value(f"{name}.{i}", item, arrays) for i, item in enumerate(value)]}
    if isinstance(value, tuple):
        return {"is": "tuple", "value": list(value)}
    return {"is": "value", "value": value}


def child(state: State, name: str, settings: Mapping[str, Any]) -> State:
    """Return the nested part's State that `pack` kept under a prefix."""
    prefix = f"{name}."
    return State(settings, {k.removeprefix(prefix): v for k, v in state.arrays.items() if k.startswith(prefix)})
