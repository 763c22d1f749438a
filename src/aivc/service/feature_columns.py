"""One feature of all cells at once: columns beside the file, so that coloring by a gene reads only that gene."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from scipy import sparse

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.measurement import Measurement
from aivc.core.writing import whole_folder
from aivc.service.point_clouds import shown_rows

_BLOCK = 8192
_ABOUT, _ARRAYS = "columns.json", ("data", "indices", "indptr")


@final
@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """Readings of the rows that are shown, column by column.

    Attributes:
        folder: Where they lie.
        features: ``f`` names.
        units: Of the readings.
        rows: How many are shown.
    """

    folder: Path
    features: tuple[str, ...]
    units: str
    rows: int

    @classmethod
    def write(cls, measurement: Measurement, folder: Path) -> "FeatureColumns":
        """Turn a measurement into columns, block by block.

        Args:
            measurement: In the units that are shown.
            folder: To be made.
        """
        rows = shown_rows(len(measurement))
        blocks = []
        for i in range(0, len(rows), _BLOCK):
            block = measurement.take(rows[i : i + _BLOCK]).values
            assert not hasattr(block, "rows")
            blocks.append(sparse.csr_matrix(block, dtype=np.float32))
        whole = sparse.vstack(blocks, format="csc") if blocks else sparse.csc_matrix((0, len(measurement.features)))
        about = {"features": [str(name) for name in measurement.features], "units": measurement.units}
        with whole_folder(folder, "table of columns", _owns, overwrite=True) as fresh:
            for name in _ARRAYS:
                np.save(fresh / f"{name}.npy", getattr(whole, name))
            (fresh / _ABOUT).write_text(json.dumps({**about, "rows": len(rows)}), encoding="utf-8")
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "FeatureColumns":
        """What `write` wrote.

        Raises:
            IntegrityError: There is nothing of that kind.
        """
        about = read_json(folder / _ABOUT)
        if not isinstance(about, dict) or not {"features", "units", "rows"} <= set(about):
            raise IntegrityError(f"{folder} holds no table of columns. Delete it; it is then made again.")
        return cls(folder, tuple(map(str, about["features"])), str(about["units"]), int(about["rows"]))

    def find(self, query: str, limit: int) -> list[str]:
        """Names that begin with some letters, then those that hold them; in any case."""
        sought = query.strip().casefold()
        begins = [name for name in self.features if name.casefold().startswith(sought)]
        holds = [name for name in self.features if sought in name.casefold() and name not in set(begins)]
        return [*begins, *holds][:limit]

    def column(self, name: str) -> np.ndarray:
        """``(rows,)`` readings of one feature.

        Raises:
            UnknownNameError: It was not measured.
        """
        if name not in self.features:
            raise UnknownNameError("feature", name, self.features)
        place = self.features.index(name)
        data, indices, indptr = (
            np.load(self.folder / f"{each}.npy", mmap_mode="r", allow_pickle=False) for each in _ARRAYS
        )
        low, high = int(indptr[place]), int(indptr[place + 1])
        made = np.zeros(self.rows, dtype=np.float32)
        made[indices[low:high]] = data[low:high]
        return made


def _owns(path: str) -> bool:
    return path in (_ABOUT, *(f"{name}.npy" for name in _ARRAYS))
