"""What a service is started with: where its home is, whom it listens to, and how much it takes."""

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import platformdirs

from aivc.core.errors import DataError

# How many times the bytes of an upload an expanded file may have, and which part of them a table of text, which is read
# whole into memory; such a table of so many bytes is taken however little may be uploaded.
_EXPANDS, _TEXT, _LEAST_TEXT = 8, 8, 256 << 20
# Hosts that only this computer reaches.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HIGHEST_PORT = 65_535
_COUNTS = (
    "upload_limit", "requests_per_minute", "heavy_per_minute", "failures_per_minute", "at_once", "look_seconds",
    "job_memory_mb",
)  # fmt: skip


def default_home() -> Path:
    """Folder of the service: ``AIVC_HOME``, or the user's data folder."""
    return Path(os.environ.get("AIVC_HOME") or platformdirs.user_data_dir("aivc"))


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one service.

    Attributes:
        home: Folder of everything that it keeps: ``aivc.db``, ``hub/``, ``cells/``, ``datasets/``, ``jobs/``,
            ``uploads/``.
        host: Address to listen at. One that other computers reach demands tokens.
        port: To listen at; 0 takes a free one.
        database: URL; empty takes SQLite in the home.
        hub: Where its hub lies: a folder or any URL that fsspec reads; empty takes ``hub/`` in the home.
        cells: Folders of saved virtual cells that are served from where they lie.
        upload_limit: Bytes of one file at most; what it may expand to follows from it.
        requests_per_minute: Of one user, or of one address without one.
        heavy_per_minute: Of these, requests that compute.
        failures_per_minute: Failed attempts to sign in, of one address.
        at_once: How many requests compute at the same time.
        queue: What delivers jobs: ``redis://…``, ``postgresql://…``; empty for the database or a file in the home.
        job_slots: How many jobs are done at the same time; 0 leaves them to other servers of the same database.
        look_seconds: Seconds that looking at one file may take.
        job_memory_mb: Memory that one job may use, or looking at one file.
        job_hours: Hours that one job may take.
        hosts: Names beyond its own that it may be asked under, such as behind a proxy.
        origins: Addresses of pages beyond its own that may write, such as a development server.
        proxies: Addresses or networks of proxies before it, who alone are believed whom they ask for.

    Raises:
        DataError: A number makes no sense, or a proxy is no address.
    """

    home: Path = field(default_factory=default_home)
    host: str = "127.0.0.1"
    port: int = 8000
    database: str = ""
    hub: str = ""
    cells: tuple[Path, ...] = ()
    upload_limit: int = 4 << 30
    requests_per_minute: int = 1200
    heavy_per_minute: int = 240
    failures_per_minute: int = 20
    at_once: int = 2
    queue: str = ""
    look_seconds: int = 300
    job_slots: int = 1
    job_memory_mb: int = 8192
    job_hours: float = 24.0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = [f"{name} is at least 1, got {getattr(self, name)}." for name in _COUNTS if getattr(self, name) < 1]
        if self.job_slots < 0 or not self.job_hours > 0:
            problems.append(f"Jobs take hours and slots, got {self.job_hours} and {self.job_slots}.")
        if not 0 <= self.port <= _HIGHEST_PORT:
            problems.append(f"A port lies between 0 and {_HIGHEST_PORT}, got {self.port}.")
        problems += [
            f"A proxy is named by its address or network, such as 10.0.0.2 or 10.0.0.0/8, got {each!r}."
            for each in self.proxies
            if not _is_network(each)
        ]
        if problems:
            raise DataError(problems)

    @property
    def loopback(self) -> bool:
        """Whether only this computer reaches it; whoever does is then its admin.

        >>> Settings(host="0.0.0.0").loopback, Settings(proxies=("127.0.0.1",)).loopback
        (False, False)
        """
        return self.host in LOOPBACK and not self.proxies

    @property
    def expanded_limit(self) -> int:
        """Bytes that a file may have once it is expanded, as a whole or array by array."""
        return _EXPANDS * self.upload_limit

    @property
    def text_limit(self) -> int:
        """Bytes that a table of text may have once it is expanded.

        >>> Settings().text_limit >> 20, Settings(upload_limit=1 << 20).text_limit >> 20
        (512, 1)
        """
        return min(self.upload_limit, max(self.upload_limit // _TEXT, _LEAST_TEXT))

    @property
    def database_url(self) -> str:
        """URL of the database."""
        return self.database or f"sqlite:///{self.home / 'aivc.db'}"

    @property
    def hub_location(self) -> str:
        """Where the hub lies."""
        return self.hub or str(self.home / "hub")

    @property
    def places(self) -> tuple[Path, ...]:
        """Folders that are named in its settings."""
        named = (self.home, *self.cells, *(Path(each) for each in (self.hub,) if each.startswith("/")))
        return tuple(each for each in named if each.is_absolute())

    def folder(self, name: str) -> Path:
        """A folder of the home, made where it is not there.

        Args:
            name: ``cells``, ``datasets``, ``jobs`` or ``uploads``.
        """
        made = self.home / name
        made.mkdir(parents=True, exist_ok=True)
        return made


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
