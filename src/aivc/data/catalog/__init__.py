"""Datasets by name: where each is, whose it is, and its measurement, from a local folder, the cache or the network."""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

import platformdirs

from aivc.core.errors import IntegrityError, UnavailableError, UnknownNameError, WritingError
from aivc.core.measurement import Measurement
from aivc.core.registry import DATASETS
from aivc.core.state import write_text
from aivc.data.catalog.fetch import digest, download
from aivc.data.datasets import ENTRIES
from aivc.data.datasets.record import Dataset, File, Original

__all__ = [
    "DEFAULT",
    "FALLBACK",
    "Chosen",
    "Dataset",
    "File",
    "Original",
    "cache",
    "default",
    "entry",
    "load",
    "names",
    "path",
]

DEFAULT, FALLBACK = "papalexi2021", "sachs2005"
_PACKAGED = Path(__file__).parents[1] / "packaged"


@final
@dataclass(frozen=True)
class Chosen:
    """A measurement, and why it is this one.

    Attributes:
        measurement: The data.
        name: Its name in the catalog.
        reason: A sentence for people.
    """

    measurement: Measurement
    name: str
    reason: str


def names() -> list[str]:
    """Every name in the catalog.

    >>> "papalexi2021" in names()
    True
    """
    return sorted({*ENTRIES, *DATASETS.names()})


def entry(name: str) -> Dataset:
    """What is known about a dataset.

    Raises:
        UnknownNameError: The catalog has no such name.
        IntegrityError: A package registers something else under it.

    >>> entry("papalexi2021").citation
    'Papalexi et al. 2021, Nature Genetics 53:322'
    """
    if name in ENTRIES:
        return ENTRIES[name]
    if name not in DATASETS.names():
        remedy = "A package adds one through the entry point aivc.datasets."
        raise UnknownNameError("dataset", name, names(), remedy)
    found = DATASETS.load(name)
    if not isinstance(found, Dataset) or found.name != name:
        what = f"the dataset {found.name!r}" if isinstance(found, Dataset) else f"a {type(found).__name__}"
        raise IntegrityError(
            f"{DATASETS.origin(name)} registers {what} as {name!r} under aivc.datasets. An entry point names a "
            "Dataset of the same name, or a mapping that holds it."
        )
    return found


def cache() -> Path:
    """The folder for what was fetched or computed: ``AIVC_CACHE``, or the user's cache."""
    return Path(os.environ.get("AIVC_CACHE") or platformdirs.user_cache_dir("aivc"))


def path(name: str, file: str | None = None, *, offline: bool = False) -> Path:
    """Where a dataset's file lies here, fetching it if need be.

    Looked for in the package, in the folder that ``AIVC_DATA`` names, in the cache, and at its public address. What
    has no address itself, but an original that has one, comes as that original: the same content in another form.

    Args:
        name: Name in the catalog.
        file: Which file, where the dataset has several.
        offline: Do without network, as ``AIVC_OFFLINE=1`` does.

    Raises:
        UnknownNameError: No such dataset or file.
        UnavailableError: It is nowhere here and cannot be fetched.
        IntegrityError: A file is there, but is not the one the catalog means.
    """
    dataset = entry(name)
    known = {item.name: item for item in dataset.files}
    if file is None and len(known) == 1:
        file = next(iter(known))
    if file not in known:
        raise UnknownNameError(f"file of {name}", str(file), known, f"Name one of its {len(known)} files.")
    return _locate(dataset, known[file], offline=offline)


def load(name: str, *, offline: bool = False) -> Measurement:
    """Read a dataset.

    Raises:
        UnknownNameError: No such dataset, or it is knowledge rather than a measurement.
        UnavailableError: It is nowhere here and cannot be fetched.
        IntegrityError: A file is there, but is not the one the catalog means.
    """
    dataset = entry(name)
    if dataset.converter is None:
        readable = [key for key in names() if entry(key).converter]
        raise UnknownNameError("measurement", name, readable, "This one is knowledge: read its file, catalog.path.")
    files = {item.name: _locate(dataset, item, offline=offline) for item in dataset.files}
    made = dataset.converter(files)
    return made.replace(provenance={**made.provenance, **dataset.provenance()})


def default(*, offline: bool = False) -> Chosen:
    """The dataset to begin with: the default screen, or, where it cannot be had, the one inside the package.

    Args:
        offline: Do without network.
    """
    title = entry(DEFAULT).title
    try:
        return Chosen(load(DEFAULT, offline=offline), DEFAULT, f"{title}: the default screen.")
    except UnavailableError as error:
        reason = f"{entry(FALLBACK).title}, which comes with the package, because {title} could not be had: {error}"
        return Chosen(load(FALLBACK), FALLBACK, reason)


def _locate(dataset: Dataset, file: File, *, offline: bool) -> Path:
    if (packaged := _PACKAGED / file.local).is_file():
        return packaged
    here = os.environ.get("AIVC_DATA")
    if here and not Path(here).is_dir():
        raise UnavailableError(f"AIVC_DATA names {here}, which is no folder. Correct it, or unset it.")
    public = _public(file)
    folder = cache() / "datasets" / dataset.name
    local = Path(file.local)
    candidates: list[tuple[Path, File | Original]] = [(Path(here) / local, file)] if here else []
    candidates.append((folder / local.name, file))
    if isinstance(public, Original):
        candidates.append((_kept_at(folder, local, public), public))
    for candidate, meant in candidates:
        if candidate.is_file():
            return _verified(candidate, meant)
    if public is None or public.address is None:
        raise UnavailableError(
            f"{dataset.title} is read from a prepared file ({file.local}) that has no public address. Its source: "
            f"{dataset.source}. Set AIVC_DATA to a folder that holds {file.local}."
        )
    if offline:
        raise UnavailableError(
            f"{dataset.title} is not on this computer, and network was not wanted. Allow network, or set AIVC_DATA to "
            f"a folder that holds {file.local}."
        )
    target = _kept_at(folder, local, public) if isinstance(public, Original) else folder / local.name
    return download(public.address, target, sha256=public.sha256, size=public.bytes)


def _kept_at(folder: Path, local: Path, original: Original) -> Path:
    """Where an original is kept: apart where it bears the name of what was made of it."""
    return folder / ("original" if original.name == local.name else ".") / original.name


def _public(file: File) -> File | Original | None:
    """What can be fetched: the file itself, else its original, else nothing."""
    return file if file.address is not None else file.original


def _verified(found: Path, file: File | Original) -> Path:
    """Check a file once, and again only when its size or time of change differ."""
    status = found.stat()
    seen = f"{status.st_size} {status.st_mtime_ns} {file.sha256}"
    key = hashlib.sha256(str(found.resolve()).encode()).hexdigest()[:32]
    stamp = cache() / "verified" / key
    if stamp.is_file() and stamp.read_bytes() == seen.encode():
        return found
    if status.st_size != file.bytes or digest(found) != file.sha256:
        raise IntegrityError(
            f"{found} is not the file the catalog means ({file.bytes:,} bytes, sha256 {file.sha256}). Delete it, or "
            "put the right one there; it is then fetched again."
        )
    # A cache that cannot be written to only costs the time of checking again.
    with suppress(WritingError):
        write_text(stamp, seen)
    return found
