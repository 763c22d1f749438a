"""Where jobs find the cells and the datasets of a service: by the rights of who asks."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from aivc.core.errors import DataError
from aivc.service.accounts import LOCAL, Account
from aivc.service.jobs.job_places import DataPlace
from aivc.service.served_cells import CellShelf
from aivc.service.served_datasets import READY, DatasetShelf


@final
@dataclass(frozen=True, eq=False)
class ServicePlaces:
    """What a service keeps.

    Attributes:
        cells: Its virtual cells.
        datasets: Its datasets.
    """

    cells: CellShelf
    datasets: DatasetShelf

    def cell(self, name: str, user: str) -> Path:
        """Folder of a virtual cell.

        Raises:
            UnknownNameError: There is none, or this user may not see it.
        """
        return self.cells.get(name, _account(user)).folder

    def dataset(self, name: str, user: str) -> DataPlace:
        """Where a dataset lies, and how it is read.

        Raises:
            UnknownNameError: There is none, or this user may not see it.
            DataError: What its columns mean was not confirmed.
        """
        found = self.datasets.get(name, _account(user))
        if not found.file:
            return DataPlace(catalog=found.name)
        if found.state != READY or found.schema is None:
            raise DataError([f"{found.name} is not ready: confirm what its columns mean first."])
        return DataPlace(str(found.path.resolve()), found.schema)


def _account(user: str) -> Account:
    return Account(user, "admin" if user == LOCAL else "reader")
