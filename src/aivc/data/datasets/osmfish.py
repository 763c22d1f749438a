"""Codeluppi 2018: where 33 genes are read out in a section of mouse cortex."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.data.datasets.record import Dataset, File
from aivc.data.datasets.tissues import placed

# The root of size_um2 by size_pix, the same for every cell.
_UM_PER_PIXEL = 0.065


def convert(files: Mapping[str, Path]) -> Measurement:
    """Turn the loom file, genes by cells, around."""
    try:
        with h5py.File(files["cells"]) as loom:
            counts_nf = loom["matrix"][:].T.astype(np.float32)
            features = _words(loom["row_attrs/Gene"][:])
            column = {name: loom["col_attrs"][name][:] for name in loom["col_attrs"]}
    except (OSError, KeyError) as error:
        raise IntegrityError(f"{files['cells']} is not the loom file of osmFISH ({error}). Fetch it again.") from error
    entities = pd.DataFrame(
        {
            "section": "cortex",
            "donor": "mouse",
            "cell_type": _words(column["ClusterName"]),
            "context": _words(column["ClusterName"]),
            "region": _words(column["Region"]),
            "valid": column["Valid"].astype(bool),
            "total_molecules": column["Total_molecules"],
            "size_um2": column["size_um2"],
        },
        index=_words(column["CellID"]),
    )
    coordinates = np.column_stack([column["X"], column["Y"]])
    return placed(Measurement(counts_nf, features, entities, COUNTS), coordinates, "um", _UM_PER_PIXEL)


def _words(raw: Any) -> np.ndarray:
    return np.array([item.decode() for item in raw], dtype=object)


OSMFISH = Dataset(
    name="osmfish",
    title="Codeluppi 2018, osmFISH of mouse somatosensory cortex",
    what="RNA counts of 33 genes in 6,471 cells of a section of mouse cortex, with positions.",
    species="mouse",
    files=(
        File(
            "cells",
            "original/osmfish.loom",
            1120947,
            "6153b56b300280e0cbd2eb45377eea4a5e85606bed739c96eb02feee5f53bc63",
            "https://raw.githubusercontent.com/drieslab/spatial-datasets/12a495fe6b2394a703f570615b3470d3b3d2bec8/"
            "data/2018_osmFISH_SScortex/raw_data/osmFISH_SScortex_mouse_all_cells.loom",
        ),
    ),
    source="repository drieslab/spatial-datasets",
    licence="repository MIT; data: none stated",
    citation="Codeluppi et al. 2018, Nature Methods 15:932",
    notes=(
        "1,632 cells were excluded by the authors: context and region 'Excluded', valid False. They are kept here.",
        "The file does not state the unit of positions; its own sizes imply pixels of 0.065 µm, by which positions are "
        "brought to µm.",
        "Image tiles overlap: of the 4,839 valid cells, 540 lie within 2 µm of an earlier one and are copies of it. "
        "Leave them out before any graph is made: aivc.data.tissue.graph.copies(cells, within=2).",
        "One section of one animal: neighbors are not independent.",
    ),
    converter=convert,
    positions=True,
)
