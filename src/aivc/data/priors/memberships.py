"""Labels as a measurement: one feature per class, one where an entity belongs to it."""

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.units import ARBITRARY

LABEL = "label"


def memberships(entities: pd.DataFrame, column: str, *, scale: Scale = Scale.CELLULAR) -> Measurement:
    """Turn a column of labels into a measurement that a decoder can be fitted on.

    Args:
        entities: ``n`` rows.
        column: Holds the label of each; a missing or empty one means that it is not known.
        scale: Physical scale of the entities.

    Returns:
        ``(n, c)`` ones and zeros, features named by class in alphabetical order, modality ``label``, units
        ``arbitrary``. Rows without a label are not observed.

    Raises:
        UnknownNameError: There is no such column.
        DataError: Fewer than two classes.

    >>> memberships(pd.DataFrame({"cell_type": ["B", "T", "B"]}), "cell_type").values.tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    if column not in entities:
        raise UnknownNameError("column", column, map(str, entities), "Name the column that holds the labels.")
    labels = entities[column].astype(object)
    label_n = np.array(["" if pd.isna(item) else str(item) for item in labels], dtype=object)
    known_n = label_n != ""
    classes = np.array(sorted(set(label_n[known_n])), dtype=object)
    if len(classes) < 2:
        raise DataError([f"Labels of two classes at least are wanted in {column!r}, got {len(classes)}. Add some."])
    values_nc = (label_n[:, None] == classes[None, :]).astype(np.float64)
    seen_nc = None if known_n.all() else np.repeat(known_n[:, None], len(classes), axis=1)
    return Measurement(values_nc, classes, entities, ARBITRARY, modality=LABEL, scale=scale, observed=seen_nc)
