"""What every benchmark has: it is frozen under one digest, names the version it replaces, and knows its files."""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from aivc.core.errors import IntegrityError, UnavailableError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.state import write_text
from aivc.data import catalog

FORMAT = 1
SHORT = 12
# Not Self: the runtime type checks of the tests see methods one by one, where Self means nothing.
F = TypeVar("F", bound="Frozen")


@dataclass(frozen=True, kw_only=True)
class Frozen(ABC):
    """A question that everybody is asked in the same way.

    Attributes:
        name: Lowercase words joined by hyphens.
        title: For people.
        question: One paragraph: what is asked, and why an answer would be worth something.
        methods: Those that make the reference rows.
        licence: Terms of the data.
        citation: Whom to cite.
        leaks: What is known to be wrong, and what no score here can say.
        source: Gives the data of a benchmark that are in no catalog; no part of the digest.
        supersedes: Reference of the benchmark of the same name that this one replaces; empty for the first.
    """

    # Fields that count by something else in the digest.
    _apart: ClassVar[tuple[str, ...]] = ()

    name: str
    title: str
    question: str
    methods: Sequence[str]
    licence: str = ""
    citation: str = ""
    leaks: Sequence[str] = ()
    source: Callable[[], Any] | None = field(default=None, compare=False)
    supersedes: str = ""

    def __post_init__(self) -> None:
        for name in ("methods", "leaks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    @abstractmethod
    def checksums(self) -> Mapping[str, Mapping[str, str]]:
        """Dataset of the catalog → file → sha256, as it was frozen on them."""

    @property
    def digest(self) -> str:
        """sha256 of all that the benchmark fixes."""
        body = {key: value for key, value in self._body().items() if key not in self._apart}
        return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def reference(self) -> str:
        """Name and beginning of the digest, as every row of scores carries it."""
        return f"{self.name}@{self.digest[:SHORT]}"

    def _body(self) -> dict[str, Any]:
        fields = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "source"}
        if not self.supersedes:
            # A benchmark that replaces none has the digest it had before any could.
            del fields["supersedes"]
        return {"format": FORMAT, **json.loads(json.dumps(fields, default=dict))}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary, stamped with its digest."""
        return {**self._body(), "digest": self.digest}

    @classmethod
    def from_json(cls: type[F], data: Any) -> F:
        """Read what `to_json` wrote.

        Raises:
            IntegrityError: It is no benchmark, of another format, or was changed since it was stamped.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise IntegrityError(f"This is no benchmark of format {FORMAT}. Write one with {cls.__name__}.save.")
        known = {key: value for key, value in data.items() if key not in ("format", "digest")}
        wanted = {each.name for each in dataclasses.fields(cls)} - {"source"}
        if differing := sorted(wanted ^ {*known, "supersedes"}):
            raise IntegrityError(f"A benchmark holds {', '.join(sorted(wanted))}; look at {', '.join(differing)}.")
        try:
            made = cls(**known)
        except (AttributeError, TypeError, ValueError) as error:
            if isinstance(error, IntegrityError):
                raise
            raise IntegrityError(f"A field of this benchmark has another form ({error}). Take the original.") from error
        if data.get("digest") != made.digest:
            raise IntegrityError(
                f"Benchmark {made.name} is stamped {str(data.get('digest'))[:SHORT]} but its content makes "
                f"{made.digest[:SHORT]}: it was changed. Take the original, or stamp the new one under another name."
            )
        return made

    def save(self, path: Path) -> None:
        """Write it, stamped."""
        write_text(path, json.dumps(self.to_json(), indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls: type[F], path: Path) -> F:
        """Read what `save` wrote."""
        return cls.from_json(read_json(path))

    @property
    def files(self) -> str:
        """Whether its data are ``here``, ``not here``, ``damaged``, or ``another version`` than it was frozen on."""
        if self.source is not None:
            return "here"
        try:
            self._require_same_files()
        except (IntegrityError, UnknownNameError):
            return "another version"
        try:
            for dataset, files in self.checksums.items():
                for file in files:
                    catalog.path(dataset, file, offline=True)
        except UnavailableError:
            return "not here"
        except IntegrityError:
            return "damaged"
        return "here"

    def _require_same_files(self) -> None:
        for dataset, frozen in self.checksums.items():
            now = {file.name: file.sha256 for file in catalog.entry(dataset).files}
            if now != dict(frozen):
                raise IntegrityError(
                    f"Benchmark {self.name} was frozen on {dataset} with {_said(frozen)}, and the catalog now has "
                    f"{_said(now)}. Scores on other data are those of another benchmark: freeze a new one."
                )


def _said(digests: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {digest[:SHORT]}" for name, digest in digests.items())
