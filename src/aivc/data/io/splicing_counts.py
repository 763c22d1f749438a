"""Spliced and unspliced counts of the same cells: the two layers that a direction of change is read from."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import anndata

from aivc.core.errors import DataError, SchemaError
from aivc.core.measurement import Measurement
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.schema import Schema


@final
@dataclass(frozen=True, eq=False)
class SplicingCounts:
    """Counts of mature and of nascent RNA.

    Attributes:
        spliced: ``(n, f)`` counts of spliced RNA.
        unspliced: The same cells and genes, unspliced.

    Raises:
        DataError: Cells or genes differ.
    """

    spliced: Measurement
    unspliced: Measurement

    def __post_init__(self) -> None:
        same = list(self.spliced.features) == list(self.unspliced.features)
        if not same or not self.spliced.entities.index.equals(self.unspliced.entities.index):
            raise DataError(["Spliced and unspliced counts are of the same cells and genes, in one order. Align them."])


def read_splicing(data: anndata.AnnData | Path | str, schema: Schema, *, controls: bool = False) -> SplicingCounts:
    """Read both layers, as ``spliced`` and ``unspliced`` of the schema name them.

    Args:
        data: A file or an AnnData.
        schema: ``spliced`` may be left out where ``layer`` holds spliced counts, and is then that layer.
        controls: Refuse data without control cells.

    Raises:
        DataError: Whatever is wrong with the data.
        SchemaError: ``unspliced`` is not declared, or there is no such layer.
    """
    if schema.unspliced is None:
        raise SchemaError('No layer of unspliced counts is declared. Add such as unspliced = "unspliced".')
    mature, nascent = (
        as_measurement(data, replace(schema, layer=layer, spliced=None, unspliced=None), controls=controls)
        for layer in (schema.spliced or schema.layer, schema.unspliced)
    )
    return SplicingCounts(mature, nascent.replace(modality="unspliced"))
