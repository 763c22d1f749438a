"""Brings the names of new jobs to those who work on them; one that gets lost is found in their table."""

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from huey.exceptions import ConfigurationError, HueyException
from huey.registry import Message
from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError

from aivc.core.errors import DataError, UnavailableError
from aivc.hub.platform_extra import platform_module

_QUEUE = "aivc-jobs"
# Says that nothing delivers: the table is scanned, and that is all.
NO_QUEUE = "none"
_LOG = logging.getLogger(__name__)


@final
class PlainMessages:
    """Messages as JSON: who can write into the queue must not be able to run code here."""

    def serialize(self, data: Any) -> bytes:
        """Write a message."""
        return json.dumps(data).encode()

    def deserialize(self, data: Any) -> Any:
        """Read a message."""
        return Message(*json.loads(bytes(data)))


@final
class Delivery:
    """One queue of names of jobs.

    Attributes:
        huey: The queue; None where only the table is scanned.
    """

    def __init__(self, huey: Huey | None) -> None:
        self.huey = huey
        self._failing = False
        self._here = threading.local()
        self._troubles = _troubles()
        if huey is not None:
            self._name = huey.task(name="job")(self._hand_over)

    @classmethod
    def open(cls, url: str, home: Path, engine: Engine) -> "Delivery":
        """Open the queue.

        Args:
            url: ``redis://…``, ``postgresql://…``, ``sqlite:///…``, or ``none``; empty for the database itself where
                it is Postgres, and for a file in the home otherwise.
            home: Of the service.
            engine: The database of the jobs.

        Raises:
            DataError: No such queue is known.
            UnavailableError: The library that speaks to it is not installed.
        """
        if url == NO_QUEUE:
            return cls(None)
        try:
            meant = make_url(url) if url else _beside(engine, home)
            return cls(_huey(meant, url))
        except (ArgumentError, ConfigurationError) as error:
            raise DataError(
                [f"{url!r} names no queue ({error}). Give redis://host, postgresql://host/name, a sqlite file or none."]
            ) from error

    def send(self, name: str) -> None:
        """Deliver the name of a job; where the queue does not answer, the table is scanned for it sooner or later."""
        if self.huey is None:
            return
        try:
            self._name(name)
        except self._troubles as error:
            self._say(error)

    def take(self, work: Callable[[str], None]) -> bool:
        """Work on the next job that was delivered; False where there was none."""
        if self.huey is None:
            return False
        try:
            task = self.huey.dequeue()
            self._failing = False
        except (*self._troubles, HueyException, ValueError, TypeError) as error:
            self._say(error)
            return False
        if task is None:
            return False
        self._here.work = work
        self.huey.execute(task)
        return True

    def close(self) -> None:
        """Let go of the queue."""
        if self.huey is not None:
            self.huey.storage.close()

    def _hand_over(self, name: str) -> None:
        self._here.work(str(name))

    def _say(self, error: Exception) -> None:
        # Once, not at every look.
        if not self._failing:
            _LOG.warning("The queue of jobs does not answer (%s). Jobs are found in their table meanwhile.", error)
        self._failing = True


def _beside(engine: Engine, home: Path) -> URL:
    if engine.dialect.name == "postgresql":
        return engine.url
    return URL.create("sqlite", database=str(home / "queue.db"))


def _huey(url: URL, text: str) -> Huey:
    settings: dict[str, Any] = {"results": False, "serializer": PlainMessages()}
    scheme = url.drivername.partition("+")[0]
    if scheme == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        return SqliteHuey(_QUEUE, filename=url.database, timeout=30, **settings)
    if scheme in ("redis", "rediss"):
        platform_module("redis")
        return RedisHuey(_QUEUE, url=text, read_timeout=1, **settings)
    if scheme == "postgresql":
        platform_module("psycopg")
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        # A job is given to who asks first; nobody blocks, as all who wait look at the table, too.
        return PostgresHuey(_QUEUE, dsn=plain, blocking=False, table_prefix="aivc_queue", **settings)
    raise ArgumentError(f"queues of {scheme} are not known")


def _troubles() -> tuple[type[Exception], ...]:
    """What a queue that does not answer raises, of those that are installed."""
    found: list[type[Exception]] = [OSError]
    for module, name in (("sqlite3", "Error"), ("redis.exceptions", "RedisError"), ("psycopg", "Error")):
        try:
            found.append(getattr(platform_module(module), name))
        except UnavailableError:
            continue
    return tuple(found)
