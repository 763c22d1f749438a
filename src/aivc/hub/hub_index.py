"""Finds what a hub holds: a table of its versions, which can be made again from the store at any time."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from sqlalchemy import JSON, Engine, delete, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from aivc.core.errors import UnavailableError
from aivc.hub.badges import BadgeRecord
from aivc.hub.database import open_database, upgrade
from aivc.hub.kept_terms import KnownUse, telling, when
from aivc.hub.manifest import Manifest
from aivc.hub.use_terms import UseTerm, Visibility

MIGRATIONS, VERSION_TABLE = Path(__file__).parent / "migrations", "hub_version"
_AT_ONCE = 500


class HubTable(DeclarativeBase):
    """Tables of the index."""


class VersionRow(HubTable):
    """One published version."""

    __tablename__ = "hub_versions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    namespace: Mapped[str]
    name: Mapped[str]
    version: Mapped[str]
    visibility: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    licence: Mapped[str]
    terms: Mapped[list[str]] = mapped_column(JSON)
    created: Mapped[str]
    words: Mapped[str]


class BadgeRow(HubTable):
    """The newest check of one badge of one version."""

    __tablename__ = "hub_badges"

    digest: Mapped[str] = mapped_column(primary_key=True)
    badge: Mapped[str] = mapped_column(primary_key=True)
    passed: Mapped[bool | None]
    detail: Mapped[str]
    checked: Mapped[str]
    environment: Mapped[dict[str, str]] = mapped_column(JSON)


class FileRow(HubTable):
    """A file of weights or data that a version lists."""

    __tablename__ = "hub_files"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)


@final
@dataclass(frozen=True)
class HubEntry:
    """What a search shows of a version.

    Attributes:
        ref: ``kind/namespace/name@version``.
        kind: Of thing.
        namespace: Whose.
        name: Within the namespace.
        version: Which.
        title: For people.
        description: For people.
        licence: SPDX expression.
        terms: Of use.
        visibility: Of the namespace.
        digest: Of the manifest.
        created: When, ISO 8601.
        badges: By name: whether it passed when it was last checked; None where it never was, or cannot be.
    """

    ref: str
    kind: str
    namespace: str
    name: str
    version: str
    title: str
    description: str
    licence: str
    terms: tuple[str, ...]
    visibility: str
    digest: str
    created: str
    badges: dict[str, bool | None]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "terms": list(self.terms), "badges": dict(self.badges)}


@final
@dataclass(frozen=True)
class HubIndex:
    """The tables of one hub."""

    engine: Engine

    @classmethod
    def open(cls, url: str) -> "HubIndex":
        """Open a database, and bring its tables to the newest form.

        Raises:
            DataError: It is no URL of a database.
            UnavailableError: It does not answer.
        """
        engine = open_database(url)
        upgrade(engine, MIGRATIONS, VERSION_TABLE)
        return cls(engine)

    def add(self, manifest: Manifest, digest: str, visibility: str) -> None:
        """Note a version; it is noted once."""
        fields = {
            name: str(getattr(manifest, name))
            for name in ("kind", "namespace", "name", "version", "title", "description", "licence")
        }
        trained = [each.name for each in manifest.training.sets]
        parts = [part.name for part in manifest.made_with.parts.values()]
        words = " ".join([*fields.values(), manifest.intended_use, *trained, *parts]).casefold()
        row = VersionRow(
            **fields, digest=digest, visibility=visibility, terms=[str(term) for term in manifest.terms],
            created=manifest.created.isoformat(), words=words,
        )  # fmt: skip
        files = {file.sha256 for file in telling(manifest.files)}
        try:
            with _session(self.engine) as session:
                session.merge(row)
                session.execute(delete(FileRow).where(FileRow.digest == digest))
                session.add_all(FileRow(sha256=sha256, digest=digest) for sha256 in files)
        except IntegrityError:
            # Another process noted the same version meanwhile.
            return

    def note_badges(self, digest: str, records: Iterable[BadgeRecord]) -> None:
        """Note what was checked."""
        with _session(self.engine) as session:
            for each in records:
                session.merge(
                    BadgeRow(
                        digest=digest, badge=str(each.badge), passed=each.passed, detail=each.detail,
                        checked=each.checked, environment=dict(each.environment),
                    )
                )  # fmt: skip

    def search(
        self,
        text: str = "",
        kind: str = "",
        *,
        namespace: str = "",
        name: str = "",
        visible: Collection[str] | None = None,
        limit: int = 100,
    ) -> list[HubEntry]:
        """Find versions, newest first.

        Args:
            text: Words that all must stand in names, title, description, use, data or parts.
            kind: Only of this kind.
            namespace: Only in this one.
            name: Only of this name.
            visible: Namespaces that may be shown beside the public ones; None shows all.
            limit: At most so many.
        """
        asked = select(VersionRow).order_by(VersionRow.created.desc(), VersionRow.digest).limit(limit)
        for word in text.casefold().split()[:20]:
            asked = asked.where(VersionRow.words.contains(word, autoescape=True))
        for column, wanted in ((VersionRow.kind, kind), (VersionRow.namespace, namespace), (VersionRow.name, name)):
            if wanted:
                asked = asked.where(column == wanted)
        if visible is not None:
            asked = asked.where((VersionRow.visibility == "public") | VersionRow.namespace.in_(list(visible)))
        with _session(self.engine) as session:
            rows = list(session.scalars(asked))
            digests = [row.digest for row in rows]
            badges = list(session.scalars(select(BadgeRow).where(BadgeRow.digest.in_(digests))))
            return [_entry(row, badges) for row in rows]

    def uses(self, digests: Collection[str]) -> list[KnownUse]:
        """Versions that list one of these files of weights or data."""
        wanted, found = sorted(set(digests)), list[KnownUse]()
        with _session(self.engine) as session:
            # Databases bound how many values one question may hold.
            for start in range(0, len(wanted), _AT_ONCE):
                asked = select(FileRow.sha256, VersionRow).join(VersionRow, VersionRow.digest == FileRow.digest)
                some = FileRow.sha256.in_(wanted[start : start + _AT_ONCE])
                found += [_use(sha256, row) for sha256, row in session.execute(asked.where(some))]
        return found

    def badges(self, digest: str) -> list[BadgeRecord]:
        """What was last checked of a version."""
        with _session(self.engine) as session:
            rows = session.scalars(select(BadgeRow).where(BadgeRow.digest == digest).order_by(BadgeRow.badge))
            return [BadgeRecord(row.badge, row.passed, row.detail, row.checked, dict(row.environment)) for row in rows]

    def count(self) -> int:
        """How many versions are noted."""
        with _session(self.engine) as session:
            return session.scalar(select(func.count()).select_from(VersionRow)) or 0

    def refs(self) -> set[str]:
        """Names of all versions that are noted."""
        with _session(self.engine) as session:
            named = select(VersionRow.kind, VersionRow.namespace, VersionRow.name, VersionRow.version)
            return {f"{kind}/{namespace}/{name}@{each}" for kind, namespace, name, each in session.execute(named)}

    def digests(self) -> set[str]:
        """Of all versions that are noted."""
        with _session(self.engine) as session:
            return set(session.scalars(select(VersionRow.digest)))

    def forget(self, digests: Collection[str]) -> None:
        """Take versions and their badges out."""
        with _session(self.engine) as session:
            for digest in digests:
                session.execute(delete(BadgeRow).where(BadgeRow.digest == digest))
                session.execute(delete(FileRow).where(FileRow.digest == digest))
                session.execute(delete(VersionRow).where(VersionRow.digest == digest))


def _named(row: VersionRow) -> str:
    return f"{row.kind}/{row.namespace}/{row.name}@{row.version}"


def _use(sha256: str, row: VersionRow) -> KnownUse:
    said = _named(row) if row.visibility == Visibility.PUBLIC else ""
    return KnownUse(sha256, frozenset(map(UseTerm, row.terms)), when(row.created), said)


def _entry(row: VersionRow, badges: Iterable[BadgeRow]) -> HubEntry:
    found: dict[str, bool | None] = {"valid": None, "runs": None, "reproduces": None}
    found |= {each.badge: each.passed for each in badges if each.digest == row.digest}
    fields = ("kind", "namespace", "name", "version", "title", "description", "licence", "visibility", "digest")
    return HubEntry(
        ref=_named(row),
        **{name: getattr(row, name) for name in fields},
        terms=tuple(row.terms),
        created=row.created,
        badges=found,
    )


@contextmanager
def _session(engine: Engine) -> Iterator[Session]:
    """One session, all of it or nothing.

    Raises:
        UnavailableError: The database does not answer, is full, or may not be written to.
        IntegrityError: (of SQLAlchemy) Another process wrote the same row meanwhile.
    """
    try:
        with Session(engine) as session, session.begin():
            yield session
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise UnavailableError(
            f"The index {engine.url!r} cannot be used ({error.orig}). See that it runs, is free, and may be written to."
        ) from error
