"""How a hub lies in a store: which notes point to which manifests, who signed, and what was checked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from aivc.core.errors import AIVCError, IntegrityError
from aivc.core.foreign_text import parse_json
from aivc.hub.aliases import AliasRecord
from aivc.hub.badges import BadgeRecord
from aivc.hub.listing import Listing, PublishedVersion
from aivc.hub.manifest import canonical
from aivc.hub.manifest_fields import HubFile
from aivc.hub.object_store import ObjectStore
from aivc.hub.refs import Ref, is_digest, is_hub_name
from aivc.hub.signing import Signature, key_id
from aivc.hub.use_terms import Visibility

_VERSIONS, _ALIASES, _NAMESPACES, _SIGNATURES, _BADGES = "versions", "aliases", "namespaces", "signatures", "badges"


@final
@dataclass(frozen=True)
class StoredHub:
    """The notes of a store; each small, each JSON.

    Attributes:
        store: Where they lie.
    """

    store: ObjectStore

    def listing(self, ref: Ref) -> Listing:
        """All versions of what a ref names, in the order of their texts."""
        versions = {}
        for name in self.store.notes(f"{_VERSIONS}/{ref.place}"):
            version = name.rsplit("/", 1)[-1].removesuffix(".json")
            digest = self._digest(name)
            versions[version] = PublishedVersion(digest, tuple(self.signatures(digest)))
        aliases = {}
        for name in self.store.notes(f"{_ALIASES}/{ref.place}"):
            record = AliasRecord.from_json(self._json(name), ref.place)
            aliases[record.alias] = record
        return Listing(ref.place, self.visibility(ref.namespace) or Visibility.PUBLIC, versions, aliases)

    def read(self, digest: str, largest: int) -> bytes:
        """See `aivc.hub.listing.HubSource`."""
        return self.store.read(digest, largest)

    def copy_all(self, files: Sequence[HubFile], folder: Path) -> None:
        """See `aivc.hub.listing.HubSource`."""
        for file in files:
            self.store.copy_to(file.sha256, folder / file.path, file.bytes)

    def note_version(self, ref: Ref, digest: str) -> None:
        """Publish: once and for all.

        Raises:
            IntegrityError: The version is another manifest already.
        """
        self.store.write_note(f"{_VERSIONS}/{ref.place}/{ref.version}.json", canonical({"manifest": digest}), once=True)

    def visibility(self, namespace: str) -> Visibility | None:
        """Who sees a namespace; None where there is none of the name.

        Raises:
            IntegrityError: Its note cannot be read.
        """
        found = self._json(f"{_NAMESPACES}/{namespace}.json")
        if found is None:
            return None
        try:
            return Visibility(found["visibility"])
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"The note of namespace {namespace!r} cannot be read. Write it again.") from error

    def note_namespace(self, namespace: str, visibility: Visibility) -> None:
        """Say who sees a namespace: once, so that of two who open it at once none shows what the other hides.

        Raises:
            IntegrityError: It is no name, or others see it.
        """
        if not is_hub_name(namespace):
            raise IntegrityError(f"{namespace[:80]!r} is no name of a namespace.")
        note = canonical({"visibility": str(visibility)})
        self.store.write_note(f"{_NAMESPACES}/{namespace}.json", note, once=True)

    def note_alias(self, record: AliasRecord) -> None:
        """Move an alias."""
        self.store.write_note(f"{_ALIASES}/{record.place}/{record.alias}.json", canonical(record.to_json()), once=False)

    def signatures(self, digest: str) -> list[Signature]:
        """Signatures over a manifest, not checked yet."""
        names = self.store.notes(f"{_SIGNATURES}/{_hex(digest)}")
        return [Signature.from_json(self._json(name)) for name in names]

    def note_signature(self, digest: str, signature: Signature) -> None:
        """Keep a signature over a manifest."""
        name = f"{_SIGNATURES}/{_hex(digest)}/{key_id(signature.key)}.json"
        self.store.write_note(name, canonical(signature.to_json()), once=False)

    def badges(self, digest: str) -> list[BadgeRecord]:
        """What was last checked of a version."""
        return [BadgeRecord.from_json(self._json(name)) for name in self.store.notes(f"{_BADGES}/{_hex(digest)}")]

    def note_badge(self, digest: str, record: BadgeRecord) -> None:
        """Keep what was checked; the newest check of each badge stays."""
        name = f"{_BADGES}/{_hex(digest)}/{record.badge}.json"
        self.store.write_note(name, canonical(record.to_json()), once=False)

    def everything(self, *, but: Collection[str] = ()) -> tuple[list[tuple[Ref, str]], list[str]]:
        """Every version with its digest, to make an index of; and what of the notes cannot be read.

        Args:
            but: Versions that are not looked at.
        """
        found, problems = list[tuple[Ref, str]](), list[str]()
        for name in self.store.notes(_VERSIONS):
            try:
                place, version = name.removeprefix(f"{_VERSIONS}/").removesuffix(".json").rsplit("/", 1)
                ref = Ref.parse(f"{place}@{version}")
                if str(ref) not in but:
                    found.append((ref, self._digest(name)))
            except (AIVCError, ValueError) as error:
                problems.append(f"{name}: {error}")
        return found, problems

    def _digest(self, name: str) -> str:
        found = self._json(name)
        digest = found.get("manifest") if isinstance(found, dict) else None
        if not isinstance(digest, str) or not is_digest(digest):
            raise IntegrityError(f"{name} of the hub points to no manifest. Do not trust it.")
        return digest

    def _json(self, name: str) -> Any:
        data = self.store.note(name)
        return None if data is None else parse_json(data, f"{name} of the hub", finite=True)


def _hex(digest: str) -> str:
    if not is_digest(digest):
        raise IntegrityError(f"{digest[:80]!r} is no digest. Do not trust where it came from.")
    return digest.removeprefix("sha256:")
