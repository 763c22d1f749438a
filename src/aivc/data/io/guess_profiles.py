"""What a table of CellProfiler or pycytominer seems to be: which columns are features, and which say what a well is."""

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, IntegrityError
from aivc.data.io.conventions import Line
from aivc.data.io.formats import intact, opened, suffix
from aivc.data.io.guess_image_tables import file_columns, naming_columns, of_table, read_or_empty
from aivc.data.io.guess_plates import ImageGuess, plate_lines
from aivc.data.io.own_file import refuse_swollen
from aivc.data.io.tables import METADATA, is_metadata

_PROFILE = re.compile(r"(?!Image_Metadata_)(?:Cells|Nuclei|Cytoplasm|Image|Cell|Nucleus)_[A-Z].*")
_FILE = re.compile(r"(?i)\.(?:tiff?|png|jpe?g|bmp)\b")
# Bytes of a table that are looked at first.
_LOOKED = 1 << 16
_LEAST_FEATURES = 3


def guess_table(path: Path) -> ImageGuess | None:
    """Suggest a schema for a table of images or of their profiles; None where it is neither.

    Args:
        path: Of the table.

    Raises:
        DataError: It names images that are not there.
    """
    if not _promising(path):
        return None
    frame = read_or_empty(path)
    if files := file_columns(frame, path.parent):
        return of_table(path, frame, files)
    named = naming_columns(frame)
    if named and not any(_PROFILE.fullmatch(str(name)) for name in frame):
        gone = frame[named[0]].dropna().iloc[0]
        raise DataError(
            [f"{path.name} names images in {', '.join(map(repr, named))}, such as {gone}, and none lies beside it."]
        )
    features = [name for name in frame if _PROFILE.fullmatch(str(name))]
    metadata = [name for name in frame if is_metadata(name)]
    if len(features) < _LEAST_FEATURES and not metadata:
        return None
    lines, notes = plate_lines(frame.drop(columns=[name for name in features if name not in metadata]))
    others = [name for name in frame if name not in (*metadata, *features)]
    taken = {line.value for line in lines if isinstance(line.value, str)}
    numeric = [n for n in others if n not in taken and pd.api.types.is_numeric_dtype(frame[n])]
    places = [
        n for n in numeric if re.search(r"(?i)number|object|index|^unnamed|_id$|^site$|^field$|^replicate$", str(n))
    ]
    missing, why = _left_out(frame, features)
    said = "; ".join(filter(None, [f"{len(places)} columns of numbers are no features" if places else "", why]))
    describe = [Line("describe", [*map(str, places), *missing], said)] if said else []
    kinds = _kind_of_table(len(features), len(metadata))
    return ImageGuess(_whose(metadata, features), (*kinds, *lines, *describe), tuple(notes))


def _promising(path: Path) -> bool:
    """Whether the first lines of a table speak of images; a large one is not read twice for nothing."""
    if suffix(path) == ".parquet":
        frame = read_or_empty(path)
        first = ",".join(map(str, frame))
        return METADATA in first or bool(_PROFILE.search(first)) or bool(file_columns(frame, path.parent))
    with intact(path), (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        first = file.read(_LOOKED).decode("utf-8", errors="replace")
    return METADATA in first or bool(_PROFILE.search(first)) or bool(_FILE.search(first))


def _refuse_swollen(node: Any) -> None:
    """Refuse what declares far more than is stored of it, however deep it lies."""
    if hasattr(node, "keys"):
        for key in node:
            _refuse_swollen(node[key])
    elif node.shape is not None:
        refuse_swollen(node)


def stored_profiles(path: Path) -> ImageGuess | None:
    """An h5ad of profiles, or of crops, which h5ad cannot be read from."""
    import anndata

    # What follows reads all names at once: a few bytes can declare any number of them.
    with intact(path), opened(path) as store:
        for node in (store[key] for key in ("obs", "var", "obsm", "varm") if key in store):
            _refuse_swollen(node)
    try:
        with intact(path):
            held = anndata.read_h5ad(path, backed="r")
    except IntegrityError:
        # What anndata refuses, such as a file of another program, may be read otherwise, and is refused there if not.
        return None
    try:
        crops = [name for name, block in held.obsm.items() if len(block.shape) > 2]
        features = [str(name) for name in held.var_names if _PROFILE.fullmatch(str(name))]
        metadata = [name for name in held.obs if is_metadata(name)]
        if crops:
            raise DataError(
                [
                    f"{path.name} holds images in obsm ({', '.join(crops)}), where none are read. Write them with "
                    f'numpy.savez("crops.npz", images=adata.obsm["{crops[0]}"]), and adata.obs as crops.csv beside it.'
                ]
            )
        if len(features) * 2 < len(held.var_names) and not metadata:
            return None
        lines, notes = plate_lines(held.obs)
        return ImageGuess(
            _whose(metadata, features), (*_kind_of_table(len(features), len(metadata)), *lines), tuple(notes)
        )
    finally:
        held.file.close()


def _whose(metadata: Sequence[str], features: Sequence[str]) -> str:
    return (
        "pycytominer"
        if metadata and not any(str(n).startswith("Image_Metadata") for n in metadata)
        else "CellProfiler"
        if features
        else ""
    )


def _kind_of_table(features: int, metadata: int) -> list[Line]:
    seen = f"{features} columns are named as CellProfiler's measurements, {metadata} begin with {METADATA}"
    return [
        Line("units", "arbitrary", seen),
        Line("modality", "profile", seen),
        Line("species", "none", "features are no genes"),
    ]


def _left_out(frame: pd.DataFrame, features: Sequence[str]) -> tuple[list[str], str]:
    """Features that hold NaN or infinite values, which pycytominer's feature selection drops too, and why."""
    block = frame[list(features)].select_dtypes("number")
    whole = np.isfinite(block.to_numpy(dtype=float, na_value=np.nan)).all(axis=0)
    missing = [str(name) for name, good in zip(block, whole, strict=True) if not good]
    return missing, f"{len(missing)} features hold NaN or infinite values" if missing else ""
