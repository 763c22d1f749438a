"""What a fitted part was made from: stored with the part itself, so that it can be checked."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy as np

from aivc.core.errors import IntegrityError
from aivc.core.measurement import CONTROL
from aivc.core.state import State

FOLDER = "provenance"
_ARRAYS = ("marks", "features")


def _none() -> np.ndarray:
    return np.zeros(0, dtype=np.uint64)


@final
@dataclass(frozen=True, eq=False)
class Provenance:
    """What a fitted part, a prior or a list of features was made from.

    Attributes:
        source: Name of the data or of the table; empty where nobody said.
        entities: How many entities it saw.
        marks: ``(m,)`` sorted, at most one number per entity: what its row holds or, where that tells little, its name
            and labels (`aivc.data.splits.fingerprints.provenance_of`).
        features: ``(f,)`` sorted hashes of the features that the marks were taken over.
        units: Of the values that the marks were taken of.
        pairs: Sorted contexts and perturbations it saw, controls among them.
        donors: Donors of perturbed entities it saw.
        batches: Likewise.
        data_digest: Digest of the names of the entities; empty where it saw none.
        split: Digest of the split it was fitted for; empty where for none.
        fold: Which fold of it.
        tables: Versions or digests of the tables it was made from, by name.
        expression: Whether measured values of any dataset went into it; None where nobody said.

    >>> Provenance("go-bp", expression=False).perturbations
    ()
    """

    source: str = ""
    entities: int = 0
    marks: np.ndarray = field(default_factory=_none)
    features: np.ndarray = field(default_factory=_none)
    units: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    donors: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    data_digest: str = ""
    split: str = ""
    fold: int | None = None
    tables: Mapping[str, str] = field(default_factory=dict)
    expression: bool | None = None

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            object.__setattr__(self, name, np.unique(np.asarray(getattr(self, name), dtype=np.uint64)))
        for name in ("donors", "batches"):
            object.__setattr__(self, name, tuple(sorted(set(map(str, getattr(self, name))))))
        object.__setattr__(self, "pairs", tuple(sorted({(str(context), str(text)) for context, text in self.pairs})))
        object.__setattr__(self, "tables", MappingProxyType(dict(self.tables)))

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Sorted texts, without control."""
        return tuple(sorted({text for _, text in self.pairs} - {CONTROL}))

    @property
    def known(self) -> bool:
        """Whether it says anything that can be checked."""
        return bool(self.pairs or len(self.marks) or self.data_digest) or self.expression is False

    @property
    def digest(self) -> str:
        """sha256 of all of it."""
        return self.state().digest()

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        settings = {
            "source": self.source,
            "entities": self.entities,
            "units": self.units,
            "pairs": [list(pair) for pair in self.pairs],
            "donors": list(self.donors),
            "batches": list(self.batches),
            "data_digest": self.data_digest,
            "split": self.split,
            "fold": self.fold,
            "tables": dict(self.tables),
            "expression": self.expression,
        }
        return State(settings, {name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def from_state(cls, state: State) -> "Provenance":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of a provenance.
        """
        given: dict[str, Any] = dict(state.settings)
        try:
            for name in ("donors", "batches"):
                given[name] = tuple(map(str, given[name]))
            given["pairs"] = tuple((str(context), str(text)) for context, text in given["pairs"])
            given |= {name: state.arrays[name] for name in _ARRAYS}
            return cls(**given)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"This is no provenance ({error!r}). Fetch the part again, or fit it again."
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary, for the notes of a measurement."""
        state = self.state()
        packed = {
            name: base64.b64encode(array.astype("<u8").tobytes()).decode() for name, array in state.arrays.items()
        }
        return {**state.settings, **packed}

    @classmethod
    def from_json(cls, data: Any) -> "Provenance":
        """Inverse of `to_json`.

        Raises:
            IntegrityError: This is no provenance.
        """
        try:
            arrays = {name: np.frombuffer(base64.b64decode(data[name]), dtype="<u8") for name in _ARRAYS}
            settings = {name: value for name, value in data.items() if name not in _ARRAYS}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"This is no provenance ({error!r}). Write it again with to_json.") from error
        return cls.from_state(State(settings, arrays))

    def save(self, folder: Path) -> None:
        """Write it into a folder, as JSON and safetensors."""
        self.state().save(folder)

    @classmethod
    def load(cls, folder: Path) -> "Provenance":
        """Read what `save` wrote.

        Raises:
            IntegrityError: The folder holds no intact provenance.
        """
        return cls.from_state(State.load(folder))
