"""The jobs of a service: they use its cells and its datasets, by the rights of who asks."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from aivc.core.errors import DataError
from aivc.service.accounts import LOCAL, Account
from aivc.service.cells import CellShelf
from aivc.service.datasets import READY, DatasetShelf
from aivc.service.jobs.job import JobLimits
from aivc.service.jobs.jobs import Jobs
from aivc.service.jobs.places import DataPlace
from aivc.service.service_state import ServiceState


@final
@dataclass(frozen=True, eq=False)
class ServedPlaces:
    """Where the cells and the datasets of a service lie, for each user those that this one sees.

    Attributes:
        cells: Its cells.
        datasets: Its datasets.
    """

    cells: CellShelf
    datasets: DatasetShelf

    def cell(self, name: str, user: str) -> Path:
        """Folder of a virtual cell.

        Raises:
            UnknownNameError: There is none, or this user may not see it.
        """
        return self.cells.get(name, _asker(user)).folder

    def dataset(self, name: str, user: str) -> DataPlace:
        """Where a dataset lies, and how it is read.

        Raises:
            DataError: It was not confirmed how it is read.
            UnknownNameError: There is none, or this user may not see it.
        """
        found = self.datasets.get(name, _asker(user))
        if not found.file:
            return DataPlace(catalog=found.name)
        if found.state != READY or found.schema is None:
            raise DataError([f"{found.name} is not ready: confirm what its columns mean first."])
        return DataPlace(str(found.path.resolve()), found.schema)


def _asker(user: str) -> Account:
    # Whoever asks on the computer itself sees all; of others, a role shows no more than is theirs.
    return Account(user, "admin" if user == LOCAL else "writer")


def open_jobs(service: ServiceState) -> Jobs:
    """Open the jobs of a service.

    Raises:
        DataError: No such queue.
        UnavailableError: The database does not answer, or the queue needs a library that is not installed.
    """
    settings = service.settings
    return Jobs.open(
        service.engine,
        settings.home,
        settings.queue,
        places=ServedPlaces(service.cells, service.datasets),
        hub=settings.hub_location,
        limits=JobLimits(memory_mb=settings.job_memory_mb, seconds=settings.job_hours * 3600.0),
    )
