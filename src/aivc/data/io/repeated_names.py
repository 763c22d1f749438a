"""Names that stand twice among entities, as after files were put together, and what makes them unique."""

import numpy as np
import pandas as pd

_SHOWN = 5


def repeated_entities(names: np.ndarray, entities: pd.DataFrame) -> list[str]:
    """Say which entities share a name, and by which line of the schema each would have its own.

    Args:
        names: ``(n,)`` of the entities.
        entities: ``n`` rows in the words of the file.
    """
    index = pd.Index(names)
    twice = index[index.duplicated()].unique()
    if twice.empty:
        return []
    extra = f" and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
    shown = f"{', '.join(map(str, twice[:_SHOWN]))}{extra}"
    if column := _naming(entities):
        remedy = f'Column {column!r} names each once: entity = "{column}".'
    else:
        remedy = (
            'This is how files put together look: name their entities apart, anndata.concat(..., index_unique="-") or '
            'adata.obs_names_make_unique(), or name a column that is unique: entity = "cell_id".'
        )
    parts = _parts(names, entities)
    where = f" Within each {parts!r} they are unique." if parts else ""
    return [f"Entities stand twice: {shown}.{where} {remedy}"]


def _naming(entities: pd.DataFrame) -> str:
    """A column of texts that are all there and all different."""
    for column in entities:
        values = entities[column]
        texts = values.dtype == object or isinstance(values.dtype, pd.CategoricalDtype | pd.StringDtype)
        if texts and values.notna().all() and values.is_unique:
            return str(column)
    return ""


def _parts(names: np.ndarray, entities: pd.DataFrame) -> str:
    """A column, such as that of lanes, within whose every value names stand once."""
    for column in entities:
        values = entities[column].astype(str).to_numpy()
        if len(set(values)) * 2 <= len(values) and not pd.DataFrame({0: names, 1: values}).duplicated().any():
            return str(column)
    return ""
