"""Writes profiles as pycytominer reads them: a wide table whose columns of metadata begin with ``Metadata_``."""

from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError, SchemaError
from aivc.core.measurement import Measurement
from aivc.core.writing import whole_file
from aivc.data.io.tables import METADATA, TABLES

# What pycytominer calls what we have a word for.
_THEIRS = {"batch": "Metadata_Plate", "well": "Metadata_Well", "perturbation": "Metadata_perturbation"}


def profile_table(profiles: Measurement) -> pd.DataFrame:
    """Lay profiles out as pycytominer does.

    Columns of a table that was read keep their names; ``batch`` and ``well`` are ``Metadata_Plate`` and
    ``Metadata_Well`` unless such a column is there already, and any other column is ``Metadata_`` and its name.

    Args:
        profiles: A table of features, NaN where one was not observed.

    Raises:
        DataError: These are images.
        SchemaError: Two columns would have one name.
    """
    profiles.require_table("A table of profiles")
    values = profiles.dense()
    if profiles.observed is not None:
        values = np.where(profiles.observed, values, np.nan)
    renamed = {}
    for name in map(str, profiles.entities):
        wanted = _THEIRS.get(name, name if name.startswith(METADATA) else f"{METADATA}{name}")
        renamed[name] = f"{METADATA}{name}" if wanted != name and wanted in profiles.entities else wanted
    metadata = profiles.entities.rename(columns=renamed)
    features = pd.DataFrame(values, columns=profiles.features.astype(str), index=metadata.index)
    table = pd.concat([metadata, features], axis=1).rename_axis("Metadata_entity").reset_index()
    if not table.columns.is_unique:
        twice = sorted(set(table.columns[table.columns.duplicated()]))
        raise SchemaError(f"Columns {', '.join(twice[:3])} would stand twice. Rename them in the entities first.")
    return table


def write_profiles(profiles: Measurement, path: Path | str) -> None:
    """Write profiles as a csv, tsv or parquet table.

    Args:
        profiles: A table of features.
        path: A new file; its ending says which.

    Raises:
        IntegrityError: The file exists, or ends in something else.
    """
    path = Path(path)
    end = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])
    if end not in TABLES or end.startswith(".txt"):
        raise IntegrityError(f"Profiles are written to .csv, .tsv (perhaps .gz) or .parquet; got {path.name}.")
    table = profile_table(profiles)
    with whole_file(path, overwrite=False) as partial:
        if end == ".parquet":
            table.to_parquet(partial, index=False)
        else:
            compressed = "gzip" if end.endswith(".gz") else None
            table.to_csv(partial, index=False, sep="\t" if ".tsv" in end else ",", compression=compressed)
