"""What a version in the hub says of itself: checked field by field, never run, and always the same bytes."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, final

from pydantic import Field, ValidationError, field_validator, model_validator

from aivc.core.errors import DataError, IntegrityError
from aivc.core.foreign_text import parse_json
from aivc.hub.file_formats import MOST_FILES
from aivc.hub.manifest_fields import (
    Count,
    EvaluationRow,
    HubFile,
    KnownFields,
    Line,
    MadeWith,
    Prose,
    SelfTest,
    SpaceContract,
    TrainingData,
    TypedPort,
    UncertaintyNote,
)
from aivc.hub.refs import HubKind, Ref
from aivc.hub.use_terms import UseTerm, spdx

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1 << 24


@final
class Declared(KnownFields):
    """What a person says when publishing; all else is read off the thing itself."""

    kind: HubKind = HubKind.VIRTUAL_CELL
    namespace: Line
    name: Line
    version: Line
    licence: Line
    title: Line = ""
    description: Prose = ""
    terms: list[UseTerm] = Field(default_factory=list)
    intended_use: Prose = ""
    limits: Prose = ""
    bias: Prose = ""
    citation: Prose = ""
    ancestry: dict[Line, Count] | Literal["unknown"] = "unknown"
    sexes: dict[Line, Count] | Literal["unknown"] = "unknown"
    evaluation: list[EvaluationRow] = Field(default_factory=list)
    parents: list[Line] = Field(default_factory=list)

    @field_validator("licence")
    @classmethod
    def _listed(cls, licence: str) -> str:
        return spdx(licence)

    @property
    def ref(self) -> Ref:
        """What it is to be called."""
        return Ref(self.kind, self.namespace, self.name, self.version)


@final
class Manifest(KnownFields):
    """All that is known of one version: identity, contract, files, self-test, data, evaluation, terms and origin."""

    format: Literal[1] = 1
    kind: HubKind
    namespace: Line
    name: Line
    version: Line
    title: Line = ""
    description: Prose = ""
    reads: list[SpaceContract] = Field(default_factory=list)
    writes: list[SpaceContract] = Field(default_factory=list)
    inputs: list[TypedPort] = Field(default_factory=list)
    outputs: list[TypedPort] = Field(default_factory=list)
    files: Annotated[list[HubFile], Field(min_length=1, max_length=MOST_FILES)]
    self_test: SelfTest | None = None
    training: TrainingData = TrainingData()
    evaluation: list[EvaluationRow] = Field(default_factory=list, max_length=1000)
    uncertainty: UncertaintyNote = UncertaintyNote()
    intended_use: Prose = ""
    limits: Prose = ""
    bias: Prose = ""
    licence: Line
    terms: list[UseTerm] = Field(default_factory=list)
    made_with: MadeWith = MadeWith()
    citation: Prose = ""
    created: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @model_validator(mode="after")
    def _coherent(self) -> "Manifest":
        if not self.ref.version or spdx(self.licence) != self.licence:
            raise ValueError("a version and the SPDX name of a licence are wanted")
        paths = [file.path.casefold() for file in self.files]
        if len(set(paths)) != len(paths):
            raise ValueError("two files have the same name but for case")
        if any(f"{path}/" == other[: len(path) + 1] for path in paths for other in paths):
            raise ValueError("a file is the folder of another")
        if self.self_test is not None and self.self_test.file.casefold() not in paths:
            raise ValueError("the file of the self-test is not among the files")
        return self

    @property
    def ref(self) -> Ref:
        """What it is called."""
        return Ref(self.kind, self.namespace, self.name, self.version)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)

    def to_bytes(self) -> bytes:
        """The one text of this manifest, in UTF-8."""
        return canonical(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """``sha256:…`` of `to_bytes`: the identity of this version."""
        return f"sha256:{hashlib.sha256(self.to_bytes()).hexdigest()}"

    def same_but_when(self, other: "Manifest") -> bool:
        """Whether two say the same of the same files, whenever and with whichever versions of packages written."""
        return not self.differs_in(other)

    def differs_in(self, other: "Manifest") -> list[str]:
        """Fields in which two say otherwise, but for when and with which versions of packages they were written."""
        apart = ("created", "made_with")
        return [
            name
            for name in type(self).model_fields
            if name not in apart and getattr(self, name) != getattr(other, name)
        ]

    @classmethod
    def from_bytes(cls, data: bytes, where: object = MANIFEST) -> "Manifest":
        """Inverse of `to_bytes`.

        Raises:
            IntegrityError: It is no manifest, holds unknown fields, or was written otherwise than they are.
        """
        if len(data) > LARGEST_MANIFEST:
            raise IntegrityError(f"{where} has {len(data):,} bytes, more than any manifest. Do not trust it.")
        found = parse_json(data, where, finite=True)
        try:
            made = cls.model_validate(found)
        except (ValidationError, DataError) as error:
            raise IntegrityError(f"{where} is no manifest ({'; '.join(said(error))}). Do not trust it.") from error
        if made.to_bytes() != data:
            raise IntegrityError(f"{where} is not written as manifests are. Do not trust it; fetch it again.")
        return made


def canonical(body: Any) -> bytes:
    r"""JSON in the one way that is signed and digested: sorted keys, UTF-8, a line break at the end.

    >>> canonical({"b": 1, "a": "µ"}).decode()
    '{\n "a": "µ",\n "b": 1\n}\n'
    """
    return f"{json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)}\n".encode()


def declared(fields: Any) -> Declared:
    """Read what a person says.

    Raises:
        DataError: Every field that is unknown, missing or wrong.
    """
    if isinstance(fields, Declared):
        return fields
    try:
        made = Declared.model_validate(fields)
    except ValidationError as error:
        raise DataError(said(error)) from error
    if not made.ref.version:
        raise DataError(["A version is wanted, such as 1.0."])
    return made


def manifest_schema() -> dict[str, Any]:
    """The published JSON Schema of a manifest.

    >>> manifest_schema()["additionalProperties"]
    False
    """
    schema = Manifest.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def said(error: Exception) -> list[str]:
    """What is wrong with each field, in words of ours; values of strangers are not repeated."""
    if not isinstance(error, ValidationError):
        return [str(error)]
    found = list[str]()
    for each in error.errors():
        where, cause = ".".join(map(str, each["loc"])) or "the whole", each.get("ctx", {}).get("error")
        # Refusals of ours have words of their own.
        problems = cause.problems if isinstance(cause, DataError) else [f"{each['msg']}."]
        found += [f"{where}: {problem}" for problem in problems]
    return found[:20]
