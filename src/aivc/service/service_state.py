"""What the routes of one service share: its accounts, limits, cells and datasets, and the slots that compute."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from aivc.core.errors import AIVCError, UnavailableError
from aivc.experiments.predict import predict
from aivc.hub.database import open_database, upgrade
from aivc.hub.hub import Hub
from aivc.hub.listed_objects import ListedObjects
from aivc.hub.pulled_terms import PulledTerms
from aivc.service.accounts import LOCAL, Account, Accounts
from aivc.service.audit import AuditLog
from aivc.service.cell_details import catalog_name
from aivc.service.cell_points import cell_points
from aivc.service.name_search import NameSearch
from aivc.service.rate_limits import RateLimit, origin
from aivc.service.recent_answers import RecentAnswers
from aivc.service.refusals import SignInError, TooOftenError
from aivc.service.served_cells import CellShelf
from aivc.service.served_datasets import DatasetShelf
from aivc.service.service_tables import VERSION_TABLE
from aivc.service.settings import Settings
from aivc.service.uploads import forget_old

COOKIE = "aivc_token"
_MIGRATIONS = Path(__file__).parent / "migrations"
# Seconds that a request waits for a slot before it is asked to come again.
_PATIENCE = 60.0
# Cells whose pages are made ready beforehand.
_WARMED = 4
_bearer = HTTPBearer(auto_error=False, description="A token of `aivc serve token new`; none is needed on loopback.")


@final
@dataclass(eq=False)
class ServiceState:
    """One service.

    Attributes:
        settings: What it was started with.
        engine: Its database.
        accounts: Who may ask.
        log: Who wrote what.
        cells: Its virtual cells.
        datasets: Its datasets.
        often: How often each user may ask.
        heavy: How often each user may let it compute.
        failures: How often each address may fail to sign in.
        paths: Of its routes.
        drawing: Held while a figure is drawn: the library that draws serves one thread at a time.
        recent: Answers that are shown as points, as tables and as a figure, one request each.
    """

    settings: Settings
    engine: Engine
    accounts: Accounts
    log: AuditLog
    cells: CellShelf
    datasets: DatasetShelf
    often: RateLimit
    heavy: RateLimit
    failures: RateLimit
    _slots: threading.BoundedSemaphore
    paths: frozenset[str] = frozenset()
    drawing: threading.Lock = field(default_factory=threading.Lock)
    recent: RecentAnswers = field(default_factory=RecentAnswers)
    _names: dict[str, NameSearch] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings) -> "ServiceState":
        """Open the home of a service, and bring its database to the newest form.

        Raises:
            DataError: The database cannot be named so.
            IntegrityError: A folder of `Settings.cells` holds no cell.
            UnavailableError: The database does not answer.
        """
        settings.home.mkdir(parents=True, exist_ok=True)
        engine = open_database(settings.database_url)
        upgrade(engine, _MIGRATIONS, VERSION_TABLE)
        forget_old(settings.folder("uploads"))
        return cls(
            settings, engine, Accounts(engine), AuditLog(engine), CellShelf(settings),
            DatasetShelf(settings, engine), RateLimit(settings.requests_per_minute),
            RateLimit(settings.heavy_per_minute), RateLimit(settings.failures_per_minute),
            threading.BoundedSemaphore(settings.at_once),
        )  # fmt: skip

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot to compute in.

        Raises:
            TooOftenError: None became free for a minute.
        """
        if not self._slots.acquire(timeout=_PATIENCE):
            raise TooOftenError(_PATIENCE)
        try:
            yield
        finally:
            self._slots.release()

    @cached_property
    def hub(self) -> Hub:
        """Its hub.

        Raises:
            UnavailableError: It, or its index, cannot be reached.
        """
        return Hub.open(self.settings.hub_location, self.settings.database, pulled=self.pulled)

    @property
    def pulled(self) -> PulledTerms:
        """Terms of what was fetched here."""
        return PulledTerms.of_home(self.settings.home)

    @cached_property
    def listed_objects(self) -> ListedObjects:
        """Which objects of its hub are listed where.

        Raises:
            UnavailableError: Its hub is that of another service, or cannot be reached.
        """
        if self.hub.stored is None:
            raise UnavailableError("The hub of this service is that of another one. Ask there.")
        return ListedObjects(self.hub.stored)

    def names(self, cell_id: str, account: Account) -> NameSearch:
        """Names that a cell can be asked about."""
        cell = self.cells.load(self.cells.get(cell_id, account))
        known = self._names.get(cell.digest)
        if known is None:
            known = self._names[cell.digest] = NameSearch(cell)
        return known

    def warm_up(self) -> None:
        """Load the cells that were named and what their pages show, so that the first question does not wait."""
        local = Account(LOCAL, "admin")
        for served in self.cells.all()[:_WARMED]:
            # Whoever asks for a cell that cannot be read learns what is wrong with it.
            with suppress(AIVCError):
                cell = self.cells.load(served)
                if cell.trained and cell.starts:
                    predict(cell, next(iter(cell.starts)), min(cell.trained))
                self.names(served.id, local).find("a")
        for served in self.cells.all()[:_WARMED]:
            with suppress(AIVCError), self.slot():
                cell_points(self.cells, self.datasets, served, local)
            with suppress(AIVCError), self.slot():
                if name := catalog_name(self.cells.load(served)):
                    self.datasets.points(self.datasets.of_catalog(name))


def service_of(request: Request) -> ServiceState:
    """The service that answers a request."""
    state: ServiceState = request.app.state.service
    return state


Service = Annotated[ServiceState, Depends(service_of)]


def address_of(request: Request) -> str:
    """Where a request comes from: what the connection says, or a proxy that `Settings.proxies` names."""
    return request.client.host if request.client else ""


def account_of(
    request: Request,
    service: Service,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Account:
    """Who asks: the user of a token; without one the local user, who is the admin of a service on loopback.

    Raises:
        SignInError: A token is needed, and there is none that is known.
        TooOftenError: This user asked too often.
    """
    address = address_of(request)
    token = bearer.credentials if bearer else request.cookies.get(COOKIE, "")
    account = service.accounts.of(token, address) if token else None
    if account is None and (bearer or not service.settings.loopback):
        # Guessing tokens is asking, too.
        service.often.take(origin(address))
        raise SignInError("This takes a token that is known here. An admin makes one: aivc serve token new NAME.")
    found = account or Account(LOCAL, "admin", address)
    request.scope.setdefault("state", {})["account"] = found
    service.often.take(f"{found.user}@{'' if account else address}")
    return found


Asker = Annotated[Account, Depends(account_of)]


def visitor_of(
    request: Request,
    service: Service,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Account:
    """Who asks; nobody in particular where no token is sent, who sees what is public.

    Raises:
        SignInError: A token was sent that is not known.
        TooOftenError: This user asked too often.
    """
    if service.settings.loopback or bearer or COOKIE in request.cookies:
        return account_of(request, service, bearer)
    address = address_of(request)
    service.often.take(origin(address))
    return Account("", "reader", address)


Visitor = Annotated[Account, Depends(visitor_of)]


def writer_of(asker: Asker) -> Account:
    """The same, who may write.

    Raises:
        ForbiddenError: The role does not allow it.
    """
    asker.need("writer")
    return asker


def computing(asker: Asker, service: Service) -> Account:
    """The same, who lets the service compute.

    Raises:
        TooOftenError: This user did so too often.
    """
    service.heavy.take(f"{asker.user}@{asker.address if asker.user == LOCAL else ''}")
    return asker


Writer = Annotated[Account, Depends(writer_of)]
Computing = Annotated[Account, Depends(computing)]
