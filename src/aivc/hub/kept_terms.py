"""Terms stay with weights and data by their digests, also where the manifest that stated them is not beside them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

from aivc.hub.file_formats import suffix
from aivc.hub.manifest import Manifest
from aivc.hub.manifest_fields import HubFile
from aivc.hub.self_test import SELF_TEST
from aivc.hub.use_terms import UseTerm

# Arrays, tables and pictures; settings and texts may be the same in things that have nothing else in common.
_TELLING = (".safetensors", ".parquet", ".csv", ".tsv", ".png")
# Shorter ones, such as a file of no arrays, may be the same by chance.
_SHORTEST = 256


@final
@dataclass(frozen=True)
class KnownUse:
    """A version that lists a file.

    Attributes:
        sha256: Of the file.
        terms: Of the version.
        created: When the version was made.
        said: What the version is called, for people; empty where it is not for everybody.
    """

    sha256: str
    terms: frozenset[UseTerm]
    created: datetime
    said: str


@final
@dataclass(frozen=True)
class KeptTerms:
    """Terms that files bring with them.

    Attributes:
        terms: All of them.
        said: Where they come from, a sentence for people.
    """

    terms: frozenset[UseTerm] = frozenset()
    said: str = ""


def telling(files: Iterable[HubFile]) -> list[HubFile]:
    """Files that nobody has by chance: weights and data of some length.

    >>> zeros = "sha256:" + "0" * 64
    >>> [each.path for each in telling([HubFile(path=name, sha256=zeros, bytes=size)
    ...                                 for name, size in (("a.json", 9000), ("b.csv", 9), ("c.csv", 9000))])]
    ['c.csv']
    """
    return [
        file
        for file in files
        if suffix(file.path) in _TELLING and file.bytes >= _SHORTEST and file.path != SELF_TEST
    ]  # fmt: skip


def when(text: str) -> datetime:
    """A time as manifests state it; of a stranger's that names no zone, in UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def kept(manifest: Manifest, uses: Collection[KnownUse]) -> KeptTerms:
    """Terms that the files of a version came under, where it does not state them itself.

    Of several versions that list a file, the oldest speaks for it: what a later one asks for, it asks for its other
    files. Of several of the same second, the strictest counts.

    Args:
        manifest: Of the version.
        uses: Versions that list files of it.
    """
    terms, sources = set[UseTerm](), set[str]()
    for file in telling(manifest.files):
        same = [use for use in uses if use.sha256 == file.sha256]
        oldest = [use for use in same if use.created == min(each.created for each in same)]
        for use in oldest:
            if more := use.terms - set(manifest.terms):
                terms |= more
                sources.add(use.said or "a version that is not for everybody")
    if not terms:
        return KeptTerms()
    return KeptTerms(
        frozenset(terms),
        f"Weights or data in it are those of {', '.join(sorted(sources)[:5])}, with the terms "
        f"{', '.join(sorted(terms))}: these stay, also without the manifest.",
    )
