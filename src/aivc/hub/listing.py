"""What there is of one thing: versions with digests and signatures, and aliases; alike from store and service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.hub.aliases import AliasRecord
from aivc.hub.manifest_fields import HubFile
from aivc.hub.refs import LATEST, Ref, is_digest, newest
from aivc.hub.signing import Signature, TrustStore
from aivc.hub.use_terms import Visibility


@final
@dataclass(frozen=True)
class PublishedVersion:
    """One version.

    Attributes:
        digest: ``sha256:…`` of its manifest.
        signatures: Over the manifest.
    """

    digest: str
    signatures: tuple[Signature, ...] = ()


@final
@dataclass(frozen=True)
class Listing:
    """All versions of one thing.

    Attributes:
        place: Kind, namespace and name, with slashes.
        visibility: Of the namespace.
        versions: By version.
        aliases: By alias.
    """

    place: str
    visibility: Visibility = Visibility.PUBLIC
    versions: Mapping[str, PublishedVersion] = field(default_factory=dict)
    aliases: Mapping[str, AliasRecord] = field(default_factory=dict)

    def resolve(self, ref: Ref, trust: TrustStore) -> tuple[Ref, PublishedVersion]:
        """Which version a ref means.

        Raises:
            UnknownNameError: There is no such version or alias.
            IntegrityError: An alias was forged, or the version is another than the ref says.
        """
        if not self.versions:
            raise UnknownNameError("thing in the hub", self.place, (), "Look for it: aivc hub search.")
        version = ref.version
        if ref.alias:
            version = self._aliased(ref.alias, trust)
        if not version:
            same = [name for name, each in self.versions.items() if each.digest == ref.digest]
            version = same[0] if same else ref.digest
        if version not in self.versions:
            raise UnknownNameError(
                "version", f"{ref.place}@{version}", [f"{self.place}@{each}" for each in self.versions]
            )
        found = self.versions[version]
        if ref.digest and found.digest != ref.digest:
            raise IntegrityError(f"{ref.place}@{version} is {found.digest}, not {ref.digest}. Do not use it.")
        return ref.at(version), found

    def _aliased(self, alias: str, trust: TrustStore) -> str:
        record = self.aliases.get(alias)
        if record is None and alias == LATEST and self.versions:
            return newest(list(self.versions))
        if record is None:
            raise UnknownNameError("alias", f"{self.place}@{alias}", [f"{self.place}@{each}" for each in self.aliases])
        record.check(trust)
        if record.version in self.versions and self.versions[record.version].digest != record.digest:
            raise IntegrityError(
                f"{self.place}@{alias} points to another manifest than that version has. Do not use it."
            )
        return record.version

    def to_json(self) -> dict[str, Any]:
        """What a service answers: JSON-ready."""
        kind, namespace, name = self.place.split("/")
        return {
            "kind": kind,
            "namespace": namespace,
            "name": name,
            "visibility": str(self.visibility),
            "versions": [
                {"version": version, "digest": each.digest, "signatures": [sign.to_json() for sign in each.signatures]}
                for version, each in self.versions.items()
            ],
            "aliases": [record.to_json() for record in self.aliases.values()],
        }

    @classmethod
    def from_json(cls, found: Any, place: str) -> "Listing":
        """Inverse of `to_json`.

        Raises:
            IntegrityError: It is none, or of something else.
        """
        try:
            if "/".join(found[name] for name in ("kind", "namespace", "name")) != place:
                raise ValueError("it is of something else")
            versions = {}
            for each in found["versions"]:
                ref = Ref.parse(f"{place}@{each['version']}")
                signatures = tuple(Signature.from_json(sign) for sign in each["signatures"])
                if not ref.version or not is_digest(each["digest"]):
                    raise ValueError("a version has no digest")
                versions[ref.version] = PublishedVersion(each["digest"], signatures)
            aliases = {each["alias"]: AliasRecord.from_json(each, place) for each in found["aliases"]}
            return cls(place, Visibility(found["visibility"]), versions, aliases)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"What the hub says of {place} cannot be read ({error}). Do not use it.") from error


@runtime_checkable
class HubSource(Protocol):
    """Where a hub is read from; nothing that it says is believed without its digest."""

    def listing(self, ref: Ref) -> Listing:
        """All versions of what a ref names; none where there is nothing of the name."""

    def read(self, digest: str, largest: int) -> bytes:
        """An object of at most so many bytes, its digest checked."""

    def copy_all(self, files: Sequence[HubFile], folder: Path) -> None:
        """Write files into a folder, each under its path, with its bytes and its digest checked."""
