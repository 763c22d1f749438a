"""The cells that a virtual cell was fitted on, or the control states it keeps, as points of a plane."""

import contextlib
import threading
from typing import Any

from aivc.core.errors import AIVCError, DataError
from aivc.core.writing import whole_file
from aivc.service.accounts import Account
from aivc.service.cell_details import catalog_name
from aivc.service.point_clouds import arrow_bytes, plane_of_states, point_table
from aivc.service.served_cells import CellShelf, ServedCell
from aivc.service.served_datasets import DatasetShelf

_AXES = ("state PC 1", "state PC 2")
_MAKING = threading.Lock()


def cell_points(cells: CellShelf, datasets: DatasetShelf, served: ServedCell, asker: Account) -> bytes:
    """Points as an Arrow stream; made once for each cell.

    Args:
        cells: Where it is loaded.
        datasets: Where its data are looked for.
        served: Which.
        asker: Who must be able to see these data.

    Raises:
        DataError: The cell keeps no states, and its data are not here.
    """
    loaded = cells.load(served)
    start: Any = list(loaded.starts.values())
    source = "starts"
    with contextlib.suppress(AIVCError):
        name = served.dataset or catalog_name(loaded)
        if name:
            found = datasets.get(name, asker) if served.dataset else datasets.of_catalog(name)
            start, source = found, found.id
    kept = cells.settings.folder("points") / f"{loaded.digest}-{source}.arrow"
    with _MAKING:
        if kept.is_file():
            return kept.read_bytes()
        if isinstance(start, list) and not start:
            raise DataError([f"{served.title} keeps no states of cells, so there are no points to show."])
        plane, entities = plane_of_states(loaded, start if isinstance(start, list) else start.measurement())
        content = arrow_bytes(point_table(plane, entities, _AXES))
        with whole_file(kept) as partial:
            partial.write_bytes(content)
        return content
