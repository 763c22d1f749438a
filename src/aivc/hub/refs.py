"""Names what the hub holds: kind, namespace, name, and a version, an alias or a digest."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import final

from packaging.version import Version

from aivc.core.errors import DataError

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_VERSION = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,3}(?:(?:a|b|rc)\d{1,3})?")
_ALIAS = re.compile(r"[a-z][a-z-]{0,30}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Names of devices that some systems know in every folder.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")
LATEST = "latest"


class HubKind(StrEnum):
    """What can be published."""

    ENCODER = "encoder"
    MANIPULATOR = "manipulator"
    DECODER = "decoder"
    VIRTUAL_CELL = "virtual-cell"
    DATASET_CARD = "dataset-card"
    BENCHMARK = "benchmark"
    SCORE = "score"
    CAMPAIGN = "campaign"


@final
@dataclass(frozen=True)
class Ref:
    """Which one is meant.

    Attributes:
        kind: Of thing.
        namespace: Of a person, a laboratory or an institute.
        name: Within the namespace.
        version: Such as ``1.0`` or ``2.1rc1``; empty where an alias or the digest alone says which.
        alias: Such as ``latest``; empty where there is none.
        digest: ``sha256:…`` of the manifest, which then must be this one; empty where any is good.

    Raises:
        DataError: A name is none.

    >>> str(Ref.parse("virtual-cell/lab/jak@1.0"))
    'virtual-cell/lab/jak@1.0'
    >>> Ref.parse("lab/jak").alias
    'latest'
    """

    kind: HubKind
    namespace: str
    name: str
    version: str = ""
    alias: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        for what, name in (("namespace", self.namespace), ("name", self.name)):
            if not is_hub_name(name):
                raise DataError([
                    f"A {what} is of small letters, digits, dots and dashes, at most 64 of them, got {name[:80]!r}. "
                    "Choose another."
                ])  # fmt: skip
        if self.version and not _VERSION.fullmatch(self.version):
            raise DataError([f"A version reads like 1.0, 2.1.3 or 2.0rc1, got {self.version[:80]!r}. Choose another."])
        if self.alias and not _ALIAS.fullmatch(self.alias):
            raise DataError([f"An alias is of small letters and dashes, got {self.alias[:80]!r}. Choose another."])
        if self.digest and not _DIGEST.fullmatch(self.digest):
            raise DataError([f"A digest reads sha256: and 64 hexadecimal digits, got {self.digest[:80]!r}."])

    def __str__(self) -> str:
        at = self.version or self.alias
        return f"{self.place}{'@' if at else ''}{at}{'#' if self.digest else ''}{self.digest}"

    @property
    def place(self) -> str:
        """Kind, namespace and name, with slashes.

        >>> Ref.parse("encoder/lab/pca@2").place
        'encoder/lab/pca'
        """
        return f"{self.kind}/{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str, kind: HubKind = HubKind.VIRTUAL_CELL) -> "Ref":
        """Read ``kind/namespace/name@version``, ``…@alias`` or ``…#sha256:…``; the latest where none of these stands.

        Args:
            text: As a person writes it; ``aivc://`` may stand before it.
            kind: Where the text names none.

        Raises:
            DataError: It does not read so.
        """
        body, _, digest = text.strip().removeprefix("aivc://").partition("#")
        path, _, at = body.partition("@")
        parts = path.split("/")
        if len(parts) == 2:
            parts = [str(kind), *parts]
        if len(parts) != 3 or parts[0] not in list(HubKind):
            raise DataError([
                f"{text[:120]!r} names nothing in a hub. Write kind/namespace/name@version, such as "
                f"virtual-cell/lab/name@1.0; kinds are {', '.join(HubKind)}."
            ])  # fmt: skip
        numbered = at[:1].isdigit()
        alias = at if not numbered else ""
        if not at and not digest:
            alias = LATEST
        return cls(HubKind(parts[0]), parts[1], parts[2], at if numbered else "", alias, digest)

    def at(self, version: str) -> "Ref":
        """The same thing in one version.

        >>> str(Ref.parse("encoder/lab/pca").at("2.0"))
        'encoder/lab/pca@2.0'
        """
        return replace(self, version=version, alias="", digest="")


def is_hub_name(name: str) -> bool:
    """Whether it can be a namespace or a name, on every system.

    >>> is_hub_name("lab-1"), is_hub_name(".."), is_hub_name("con")
    (True, False, False)
    """
    return bool(_NAME.fullmatch(name)) and ".." not in name and not _DEVICES.fullmatch(name)


def is_digest(text: str) -> bool:
    """Whether it reads like a digest.

    >>> is_digest("sha256:" + "0" * 64)
    True
    """
    return bool(_DIGEST.fullmatch(text))


def newest(versions: list[str]) -> str:
    """The highest of several versions; releases before candidates.

    >>> newest(["1.9", "1.10", "1.10rc1"])
    '1.10'
    """
    released = [version for version in versions if not Version(version).is_prerelease]
    return max(released or versions, key=Version)
