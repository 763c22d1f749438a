"""Hands a Measurement to scanpy and squidpy: an AnnData with the keys that they look for."""

import anndata
import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.data.io.squidpy_keys import spatial_keys


def to_anndata(cells: Measurement) -> anndata.AnnData:
    """Make an AnnData of a measurement.

    Args:
        cells: Its values are left out where they lie on disk, and where they are images.

    Returns:
        Values, NaN where not measured; ``obs`` as the entities are; ``uns["units"]``. Of a tissue also
        ``obsm["spatial"]``, in the unit that ``uns["coordinates"]`` names, and with links ``obsp`` and ``uns`` as
        `aivc.data.io.squidpy_keys.spatial_keys` says; its texts are categories, which squidpy asks for.

    Raises:
        DataError: A feature of an entity is more than a number.

    >>> tissue = Measurement(np.eye(2), np.array(["A", "B"]), pd.DataFrame(index=["c", "d"]), "counts",
    ...                      coordinates=np.array([[0.0, 1.0], [2.0, 3.0]]))
    >>> to_anndata(tissue).obsm["spatial"].tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    if cells.modality != "image":
        cells.require_table("An AnnData")
    obs = cells.entities.set_axis(cells.entities.index.astype(str), axis=0)
    spatial = spatial_keys(cells)
    if not cells.in_memory or not cells.is_table:
        return anndata.AnnData(obs=obs, **spatial)
    values = cells.values
    if cells.observed is not None:
        values = np.where(cells.observed, cells.dense(), np.nan)
    var = pd.DataFrame(index=pd.Index(cells.features.astype(str)))
    spatial["uns"]["units"] = cells.units
    made = anndata.AnnData(values, obs=obs, var=var, **spatial)
    if cells.coordinates is not None:
        made.strings_to_categoricals()
        about = cells.provenance.get("coordinates", {})
        made.uns["coordinates"] = {name: value for name, value in about.items() if value is not None}
    return made
