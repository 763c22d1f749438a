"""What the catalog says about a dataset: where it is, whose it is, and what is known to be wrong with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from aivc.core.measurement import Measurement

Converter = Callable[[Mapping[str, Path]], Measurement]


@final
@dataclass(frozen=True)
class Original:
    """The file that a prepared one was made from, as its public repository holds it.

    Attributes:
        address: Public https address at a pinned commit.
        bytes: Size.
        sha256: Checksum, in hexadecimal.
    """

    address: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """What the file is called.

        >>> Original("https://example.org/folder/sets.gmt", 1, "").name
        'sets.gmt'
        """
        return self.address.rsplit("/", 1)[-1]


@final
@dataclass(frozen=True)
class File:
    """One file of a dataset, pinned by its checksum.

    Attributes:
        name: What the dataset's converter calls it.
        local: Path below the folder that ``AIVC_DATA`` names.
        bytes: Size.
        sha256: Checksum, in hexadecimal.
        address: Public https address at a pinned commit; None where this very file stands nowhere in public.
        original: Says the same in another form, and is fetched where this very file cannot be; None where there is none
            that the readers understand.
    """

    name: str
    local: str
    bytes: int
    sha256: str
    address: str | None = None
    original: Original | None = None


@final
@dataclass(frozen=True)
class Dataset:
    """A catalog entry.

    Attributes:
        name: Name in the catalog.
        title: For people.
        what: One sentence on what was measured.
        species: Whose cells.
        files: What it is read from.
        source: Where the data come from, in words.
        licence: Of the repository and of the data; ``none stated`` and ``unverified`` are said plainly.
        citation: Whom to cite.
        notes: Known leaks and caveats.
        redistribute: Whether the terms are known to allow passing the file on.
        converter: Turns paths, by file name, into a measurement; None for knowledge files, which are read by `path`.
        positions: Whether its entities have places.
    """

    name: str
    title: str
    what: str
    species: str
    files: tuple[File, ...]
    source: str
    licence: str
    citation: str
    notes: tuple[str, ...] = ()
    redistribute: bool = False
    converter: Converter | None = None
    positions: bool = False

    def provenance(self) -> dict[str, Any]:
        """JSON-ready notes that travel with the measurement."""
        return {
            "dataset": self.name,
            "title": self.title,
            "source": self.source,
            "addresses": [
                at for file in self.files if (at := file.address or (file.original and file.original.address))
            ],
            "sha256": {file.name: file.sha256 for file in self.files},
            "licence": self.licence,
            "citation": self.citation,
            "notes": list(self.notes),
        }
