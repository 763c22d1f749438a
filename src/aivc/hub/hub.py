"""The one object through which instruments are published, found, fetched and checked."""

import hashlib
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import platformdirs

from aivc.core.errors import AIVCError, DataError, IntegrityError, UnavailableError, WritingError
from aivc.core.state import write_text
from aivc.core.writing import explained, whole_folder
from aivc.hub.aliases import AliasRecord
from aivc.hub.badges import SIGNATURES, BadgeRecord, check, require_files
from aivc.hub.file_formats import LARGEST_ALL
from aivc.hub.hub_index import HubEntry, HubIndex
from aivc.hub.hub_report import ALL_BADGES, HubReport, fetched, signers_of
from aivc.hub.kept_terms import KnownUse, kept, telling, when
from aivc.hub.listing import HubSource, Listing, PublishedVersion
from aivc.hub.manifest import LARGEST_MANIFEST, MANIFEST, Declared, Manifest, canonical, declared
from aivc.hub.object_store import ObjectStore
from aivc.hub.patience import USUAL, Patience
from aivc.hub.preparing import Thing, prepare
from aivc.hub.pulled_terms import PulledTerms
from aivc.hub.refs import LATEST, HubKind, Ref, newest
from aivc.hub.service_reader import ServiceReader
from aivc.hub.signing import OF_MANIFEST, SigningKey, TrustStore
from aivc.hub.stored_hub import StoredHub
from aivc.hub.use_terms import Visibility, conflicts, strictest


@final
@dataclass(frozen=True)
class Hub:
    """A hub: a store that is written and read, or the hub of a service, which is read.

    Attributes:
        location: Where it is.
        source: What is read from.
        stored: Its notes and objects; None of a service.
        index: For searching; None of a service.
        trust: Whose signatures count.
        pulled: Terms of what was fetched on this computer, from whichever hub.
    """

    location: str
    source: HubSource
    stored: StoredHub | None
    index: HubIndex | None
    trust: TrustStore
    pulled: PulledTerms = field(default_factory=PulledTerms)

    @classmethod
    def open(
        cls,
        location: str,
        database: str = "",
        *,
        trust: TrustStore | None = None,
        token: str = "",
        transport: Any = None,
        patience: Patience = USUAL,
        pulled: PulledTerms | None = None,
    ) -> "Hub":
        """Open a hub; a folder that is missing is made when something is published.

        Args:
            location: A folder, any fsspec URL, or ``http(s)://host/api/v1/hub`` of a service.
            database: URL of the index; by default ``index.db`` in the folder, or in the cache for other places.
            trust: Whose signatures count; by default the user's own trust store.
            token: Of an account of a service.
            transport: How requests are sent to a service, where not over the network.
            patience: How long a slow service is waited for.
            pulled: Record of what was fetched; by default the user's own.

        Raises:
            DataError: It is no such place.
            UnavailableError: It, or its index, cannot be reached.
        """
        trust = TrustStore.load() if trust is None else trust
        pulled = PulledTerms() if pulled is None else pulled
        if location.startswith(("http://", "https://")):
            reader = ServiceReader(location.rstrip("/"), token, transport, patience)
            return cls(location, reader, None, None, trust, pulled)
        stored = StoredHub(ObjectStore.open(location))
        index = HubIndex.open(database or _index_url(stored.store))
        made = cls(location, stored, stored, index, trust, pulled)
        made._catch_up()
        return made

    def publish(
        self,
        thing: Thing,
        fields: Mapping[str, Any] | Declared,
        key: SigningKey | None = None,
        *,
        part: str = "",
        visibility: str = "",
    ) -> Manifest:
        """Publish a version, for good: it can be found and fetched, and never changed.

        Args:
            thing: Folder of a virtual cell or of files, or the object itself.
            fields: What you say of it (`aivc.hub.manifest.Declared`): at least namespace, name, version and licence.
            key: Signs it.
            part: Which part of a cell, for the kinds encoder, manipulator and decoder.
            visibility: Of the namespace; that of one that exists stays. A new one is public unless said otherwise.

        Raises:
            DataError: Every field that is wrong, and every term that forbids it: its own, of its training data, or of
                a version that the hub has or that was pulled here, whose weights or data it lists.
            IntegrityError: The version is published already and says something else, or a file is not allowed.
            UnavailableError: The hub is that of a service, or cannot be reached.
        """
        stated = declared(fields)
        self._require_key(stated.ref, key)
        seen = self._visibility(stated.namespace, visibility)
        with tempfile.TemporaryDirectory(prefix="aivc-hub-") as scratch:
            made = prepare(thing, stated, Path(scratch), part)
            found = kept(made.manifest, self._uses(made.manifest))
            terms = sorted(strictest([made.manifest.terms, found.terms]))
            manifest = made.manifest.model_copy(update={"terms": terms})
            there = self._same(manifest, made.manifest)
            self._keep(there or manifest, made.files, seen, found.said)
            return self._settle(there or manifest, key, seen)

    def adopt(self, folder: Path, *, visibility: str = "") -> Manifest:
        """Publish what was fetched from another hub as it is: under its own name, with its digest and its signatures.

        Args:
            folder: As `pull` wrote it.
            visibility: Of the namespace, as of `publish`.

        Raises:
            DataError: Its terms forbid it.
            IntegrityError: A file, the manifest or a signature is not true; or the version is another one here.
        """
        manifest, signatures = fetched(folder)
        signers_of(self.trust, manifest, signatures)
        require_files(folder, manifest)
        seen = self._visibility(manifest.namespace, visibility)
        there = self._same(manifest)
        if there is not None and there.digest != manifest.digest:
            raise IntegrityError(
                f"{manifest.ref} is published here with another manifest. Import it under another name."
            )
        if there is None:
            made = when(manifest.created.isoformat())
            # Where it is older than all that list its files, it speaks for them.
            found = kept(manifest, [use for use in self._uses(manifest) if use.created <= made])
            if found.terms:
                raise DataError([f"{found.said} Import it under a name of your own, which takes them over."])
        self._keep(manifest, {file.path: folder / file.path for file in manifest.files}, seen)
        for each in signatures:
            self._writable().note_signature(manifest.digest, each)
        return self._settle(manifest, None, seen)

    def _uses(self, manifest: Manifest) -> list[KnownUse]:
        """Versions, of this hub or pulled here, that list the same weights or data."""
        self._catch_up()
        digests = [file.sha256 for file in telling(manifest.files)]
        return [*self._index().uses(digests), *self.pulled.uses(digests)]

    def _keep(self, manifest: Manifest, files: Mapping[str, Path], seen: Visibility, why: str = "") -> None:
        """Keep the files of a version that may be published; ``why`` is said where it may not."""
        stored = self._writable()
        if found := conflicts(manifest.licence, manifest.terms, seen):
            raise DataError([*found, why] if why else found)
        for file in manifest.files:
            if stored.store.put(files[file.path])[0] != file.sha256:
                raise IntegrityError(f"{file.path!r} was changed while it was published. Publish it again.")

    def _settle(self, manifest: Manifest, key: SigningKey | None, seen: Visibility) -> Manifest:
        """Point to a manifest whose files are all there; before this, nobody sees anything of it.

        Each step may have been done before, by who was cut off; then it is as it was.

        Returns:
            What stands: that of another, who published the same at the same moment and was first.
        """
        stored, ref = self._writable(), manifest.ref
        digest = stored.store.put_bytes(manifest.to_bytes())
        stored.note_namespace(ref.namespace, seen)
        self._sign(manifest, key)
        try:
            stored.note_version(ref, digest)
        except IntegrityError:
            if (there := self._same(manifest)) is None:
                raise
            manifest, digest = there, there.digest
            self._sign(manifest, key)
        self._move_latest(ref, digest, key)
        self._index().add(manifest, digest, str(seen))
        return manifest

    def _move_latest(self, ref: Ref, digest: str, key: SigningKey | None) -> None:
        listing = self._writable().listing(ref)
        there = listing.aliases.get(LATEST)
        # What somebody signed is not replaced by the same without a signature.
        stands = there is not None and there.digest == digest and key is None
        if newest(list(listing.versions)) == ref.version and not stands:
            self._writable().note_alias(AliasRecord.make(ref, LATEST, digest, key))

    def _require_key(self, ref: Ref, key: SigningKey | None) -> None:
        """Refuse before any work what would be refused by whoever wrote it."""
        signers = [each.name for each in self.trust.keys if key is not None and each.key == key.public]
        self.trust.require(ref.namespace, signers, str(ref))

    def _sign(self, manifest: Manifest, key: SigningKey | None) -> None:
        if key is not None:
            data = manifest.to_bytes()
            self._writable().note_signature(manifest.digest, key.sign(OF_MANIFEST, data))

    def _same(self, manifest: Manifest, or_this: Manifest | None = None) -> Manifest | None:
        """The version as it is published already, as one of these says; None where it is not."""
        found = self.source.listing(manifest.ref).versions.get(manifest.version)
        if found is None:
            return None
        there = Manifest.from_bytes(self.source.read(found.digest, LARGEST_MANIFEST), str(manifest.ref))
        if not any(each is not None and each.same_but_when(there) for each in (manifest, or_this)):
            fields = ", ".join(name.replace("_", " ") for name in manifest.differs_in(there))
            raise IntegrityError(
                f"{manifest.ref} is published, and says something else ({fields}). Publish it as a new version."
            )
        return there

    def _visibility(self, namespace: str, asked: str) -> Visibility:
        there = self._writable().visibility(namespace)
        if asked and asked not in list(Visibility):
            raise DataError([f"A namespace is {', '.join(Visibility)}, got {asked[:40]!r}."])
        if there is not None and asked and asked != there:
            raise DataError([f"The namespace {namespace!r} is {there}, not {asked}. Choose another namespace."])
        return there or Visibility(asked or Visibility.PUBLIC)

    def listing(self, ref: Ref | str) -> Listing:
        """All versions and aliases of what a ref names; a service answers with its ``to_json()``."""
        return self.source.listing(_ref(ref))

    def resolve(self, ref: Ref | str) -> tuple[Ref, PublishedVersion]:
        """Which version a ref means, with its digest and signatures.

        Raises:
            UnknownNameError: There is no such version or alias.
            IntegrityError: An alias was forged, or the version is another than the ref says.
        """
        return self.listing(ref).resolve(_ref(ref), self.trust)

    def manifest(self, ref: Ref | str) -> Manifest:
        """What a version says of itself, its digest and signatures checked.

        Raises:
            UnknownNameError: There is no such version.
            IntegrityError: It was altered or forged, or is not signed by those who must.
        """
        return self._manifest(*self.resolve(ref))[0]

    def _manifest(self, ref: Ref, found: PublishedVersion) -> tuple[Manifest, list[str]]:
        data = self.source.read(found.digest, LARGEST_MANIFEST)
        manifest = Manifest.from_bytes(data, str(ref))
        if manifest.ref != ref:
            raise IntegrityError(f"{ref} points to the manifest of {manifest.ref}. Do not use it.")
        return manifest, signers_of(self.trust, manifest, list(found.signatures))

    def pull(self, ref: Ref | str, to: Path) -> Path:
        """Fetch a version: the whole of it, checked, or nothing.

        Args:
            ref: Which one.
            to: Missing or empty folder; what was published lies in it afterwards, with its manifest.

        Raises:
            UnknownNameError: There is no such version.
            IntegrityError: A file, the manifest or a signature is not true; or the folder holds something.
            UnavailableError: A service does not answer, or too slowly (`aivc.hub.patience.Patience`).
        """
        listing = self.listing(ref)
        at, found = listing.resolve(_ref(ref), self.trust)
        manifest, _ = self._manifest(at, found)
        self.pulled.note(manifest, str(at) if listing.visibility is Visibility.PUBLIC else "")
        with whole_folder(to, "folder of the hub", lambda _: False) as fresh:
            self._fetch(manifest, found, fresh)
            require_files(fresh, manifest)
        return to

    def _fetch(self, manifest: Manifest, found: PublishedVersion, folder: Path) -> None:
        if manifest.size > LARGEST_ALL:
            raise IntegrityError(f"{manifest.ref} has {manifest.size:,} bytes, where {LARGEST_ALL:,} are the most.")
        self.source.copy_all(manifest.files, folder)
        write_text(folder / MANIFEST, manifest.to_bytes().decode())
        write_text(folder / SIGNATURES, canonical([each.to_json() for each in found.signatures]).decode())

    def search(
        self, text: str = "", kind: str = "", *, namespace: str = "", visible: Collection[str] | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Find versions, newest first, as JSON-ready summaries (`aivc.hub.hub_index.HubEntry`).

        Args:
            text: Words that all must stand in names, title, description, use, data or parts.
            kind: Only of this kind.
            namespace: Only in this one.
            visible: Namespaces that may be shown beside the public ones; None shows all.
            limit: At most so many.
        """
        if isinstance(self.source, ServiceReader):
            found = self.source.search(text, kind)
            return [each for each in found if not namespace or each.get("namespace") == namespace][:limit]
        entries = self._index().search(text, kind, namespace=namespace, visible=visible, limit=limit)
        return [each.to_json() for each in entries]

    def entry(self, ref: Ref | str) -> HubEntry | None:
        """What a search shows of one version; None where the index lacks it, as of a service."""
        at, _ = self.resolve(ref)
        if self.index is None:
            return None
        found = self.index.search(kind=str(at.kind), namespace=at.namespace, name=at.name, limit=10_000)
        return next((each for each in found if each.version == at.version), None)

    def verify(self, ref: Ref | str, badges: Sequence[str] = ALL_BADGES) -> HubReport:
        """Fetch a version into a scratch folder, check it, and keep what was found.

        Args:
            ref: Which one.
            badges: ``valid``, ``runs``, ``reproduces``; those before one are checked too.

        Raises:
            UnknownNameError: There is no such version or badge.
            IntegrityError: The manifest or a signature is not true.
            UnavailableError: A service does not answer, or too slowly.
        """
        at, found = self.resolve(ref)
        manifest, signers = self._manifest(at, found)
        made = tempfile.TemporaryDirectory
        with made(prefix="aivc-hub-") as scratch, made(prefix="aivc-hub-") as others:
            broken = ""
            try:
                self._fetch(manifest, found, Path(scratch))
            except (IntegrityError, UnavailableError) as error:
                if self.stored is None and isinstance(error, UnavailableError):
                    # A service that does not answer says nothing of what it holds.
                    raise
                broken = str(error)
            beside = [] if broken else self._asked(manifest, Path(others))
            records = check(Path(scratch), manifest, badges, broken, beside)
        recorded = self._record(found.digest, records)
        strangers = len({each.key for each in found.signatures}) - len(signers)
        return HubReport(str(at), found.digest, tuple(records), tuple(signers), strangers, recorded)

    def _asked(self, manifest: Manifest, folder: Path) -> list[Path]:
        """Fetch the benchmarks that scores were made from; what cannot be had is left out, and their badge says so."""
        places = list[Path]()
        for ref in manifest.made_with.parents if manifest.kind is HubKind.SCORE else ():
            place = folder / str(len(places))
            try:
                if _ref(ref).kind is HubKind.BENCHMARK:
                    places.append(self.pull(ref, place))
            except AIVCError:
                continue
        return places

    def _record(self, digest: str, records: Sequence[BadgeRecord]) -> bool:
        if self.stored is None:
            return False
        try:
            for each in records:
                self.stored.note_badge(digest, each)
            self._index().note_badges(digest, records)
        except (WritingError, UnavailableError):
            # Whoever may only read a hub checks it for himself.
            return False
        return True

    def badges(self, ref: Ref | str) -> list[BadgeRecord]:
        """What was last checked of a version."""
        _, found = self.resolve(ref)
        return [] if self.stored is None else self.stored.badges(found.digest)

    def alias(self, ref: Ref | str, name: str, key: SigningKey | None = None) -> AliasRecord:
        """Let an alias, such as ``champion``, point to a version.

        Raises:
            UnknownNameError: There is no such version.
            DataError: It is no name of an alias.
        """
        self._require_key(_ref(ref), key)
        at, found = self.resolve(ref)
        record = AliasRecord.make(at, name, found.digest, key)
        self._writable().note_alias(record)
        return record

    def reindex(self) -> list[str]:
        """Make the index again from the store.

        Returns:
            What of the store cannot be read, one sentence each; it is left out.
        """
        stored, index = self._writable(), self._index()
        # What another process publishes meanwhile is not among these, and stays.
        noted = index.digests()
        found, problems = stored.everything()
        index.forget(noted - {digest for _, digest in found})
        return problems + self._note(found)

    def _catch_up(self) -> None:
        """Note what others published since; versions never change, so that each is read once."""
        self._note(self._writable().everything(but=self._index().refs())[0])

    def _note(self, found: Sequence[tuple[Ref, str]]) -> list[str]:
        """Add versions of the store to the index; return what of them cannot be read."""
        stored, index, problems = self._writable(), self._index(), list[str]()
        for ref, digest in found:
            try:
                manifest = Manifest.from_bytes(stored.read(digest, LARGEST_MANIFEST), str(ref))
                if manifest.ref != ref:
                    raise IntegrityError(f"it is the manifest of {manifest.ref}")
                index.add(manifest, digest, str(stored.visibility(ref.namespace) or Visibility.PUBLIC))
                index.note_badges(digest, stored.badges(digest))
            except AIVCError as error:
                problems.append(f"{ref}: {error}")
        return problems

    def close(self) -> None:
        """Let go of the database of the index."""
        if self.index is not None:
            self.index.engine.dispose()

    def _writable(self) -> StoredHub:
        if self.stored is None:
            raise UnavailableError(
                f"{self.location} is the hub of a service, which is read here. Publish from its page, or into the "
                "store that it serves."
            )
        return self.stored

    def _index(self) -> HubIndex:
        if self.index is None:
            raise UnavailableError(f"{self.location} keeps its own index. Search it instead.")
        return self.index


def _ref(ref: Ref | str) -> Ref:
    return Ref.parse(ref) if isinstance(ref, str) else ref


def _index_url(store: ObjectStore) -> str:
    """In the folder itself where it can be written to; else in the cache, named after the place."""
    place = Path(store.root)
    if store.is_local and (os.access(place, os.W_OK) or not place.exists()):
        with explained(place):
            place.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{place / 'index.db'}"
    named = hashlib.sha256(f"{store.files.protocol} {store.root}".encode()).hexdigest()[:24]
    folder = Path(os.environ.get("AIVC_CACHE") or platformdirs.user_cache_dir("aivc")) / "hubs"
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / named}.db"
