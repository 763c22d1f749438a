"""Named sets of genes, such as pathways, from the catalog or a GMT file."""

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path

from aivc.core.errors import DataError, UnknownNameError
from aivc.data import catalog
from aivc.data.names.gene_files import open_text

# Names of collections in the catalog.
COLLECTIONS = ("hallmark", "reactome", "go-bp")


def gene_sets(source: str | Path = "hallmark") -> Mapping[str, frozenset[str]]:
    """Read a collection: the name of each set, and its genes as they stand there.

    Args:
        source: One of `COLLECTIONS`, or a GMT file: a name, a description, and genes, separated by tabs.

    Raises:
        DataError: The file holds no set.
        UnavailableError: The collection is not here and cannot be fetched.
        UnknownNameError: No such collection and no such file.
    """
    path = Path(source)
    if not path.exists():
        if str(source) not in COLLECTIONS:
            raise UnknownNameError(
                "collection of gene sets", str(source), COLLECTIONS, "Or give the path of a GMT file."
            )
        path = catalog.path(str(source), catalog.entry(str(source)).files[0].name)
    if path.is_dir():
        raise DataError([f"{path} is a folder. Give the path of a GMT file in it."])
    found: dict[str, frozenset[str]] = {}
    try:
        with open_text(path) as lines:
            for line in lines:
                name, *rest = line.rstrip("\n").split("\t")
                genes = frozenset(item.split(",")[0] for item in rest[1:] if item)
                if name and genes:
                    found[name] = found.get(name, frozenset()) | genes
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError([f"{path} is not intact text in UTF-8 ({error}). Save it as such."]) from error
    if not found:
        raise DataError([f"{path} holds no gene set. A line holds a name, a description and genes, separated by tabs."])
    return found
