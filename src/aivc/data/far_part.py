"""Asks what another computer serves, and believes an answer only where it comes from the part that was meant.

What is sent and what comes back is one safetensors file with its settings as JSON (`aivc.core.state.State.to_bytes`).
"""

import atexit
import importlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn, final
from urllib.parse import urlsplit

from aivc.core import errors
from aivc.core.errors import AIVCError, DataError, IntegrityError, UnavailableError
from aivc.core.foreign_text import parse_json
from aivc.core.state import State

# Names the services that may be asked, such as "https://host:8000=TOKEN http://localhost:8000".
REMOTE = "AIVC_REMOTE"
CONTENT = "application/vnd.aivc.state"
CONTRACTS = ("encoder", "manipulator", "decoder")
# Bytes that are sent at most, and that an answer or a refusal may have.
LARGEST_QUESTION = 64 << 20
_LARGEST_ANSWER, _LARGEST_REFUSAL = 512 << 20, 1 << 20
# Seconds that an answer may take from first to last, and that nothing may come for.
_PATIENCE, _SILENCE = 600.0, 120.0
# How often a service that is busy is asked again, and for how many seconds it is waited each time at most.
_TRIES, _LONGEST_WAIT = 6, 60.0
_LOCAL = ("localhost", "127.0.0.1", "::1")
_OK, _CHANGED, _BUSY = 200, 412, (429, 503)
# Refusals of a service that are raised here as what they are; all others as DataError.
_SAME = ("SpaceError", "UnitsError", "ControlError", "PerturbationError", "ScoreError", "IntegrityError")
# What a person named in this process, by origin: their token.
_NAMED: dict[str, str] = {}
# How requests are sent, where not over the network.
TRANSPORT: Any = None


@final
@dataclass(frozen=True)
class FarPart:
    """A part at an address.

    Attributes:
        address: Such as ``https://host/api/v1/cells/interferon/parts/manipulator``.

    Raises:
        DataError: It is no address, or what is sent could be read on its way.
    """

    address: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.address)
            host, _ = parts.hostname or "", parts.port
        except ValueError as error:
            raise DataError([f"{self.address!r} is no address ({error}). {_EXAMPLE}"]) from error
        if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
            raise DataError([f"{self.address!r} is no address of a part. {_EXAMPLE}"])
        if parts.scheme == "http" and host not in _LOCAL:
            raise DataError([f"Cells sent to {host} could be read on their way. Use https."])

    @property
    def origin(self) -> str:
        """Scheme, host and port: what consent and tokens are for."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}".lower()

    def allow(self, token: str = "") -> None:
        """Let this process ask the service at this origin.

        Args:
            token: Of an account there; empty takes that of the environment, if it names one.
        """
        _NAMED[self.origin] = token or consented().get(self.origin, "")

    def describe(self) -> dict[str, Any]:
        """What the service says of the part.

        Raises:
            IntegrityError: It answers otherwise than a service of virtual cells.
            UnavailableError: It cannot be reached, or was not named by who asks.
        """
        found = self.read_json("")
        if (
            found.get("contract") not in CONTRACTS
            or not isinstance(found.get("digest"), str)
            or not isinstance(found.get("space"), dict)
        ):
            raise IntegrityError(f"{self.address} does not answer as a part does. Check the address.")
        return found

    def read_json(self, path: str) -> dict[str, Any]:
        """An object of JSON at, or below, the address.

        Raises:
            AIVCError: What the service refuses.
            IntegrityError: It answers otherwise.
            UnavailableError: It cannot be reached, or was not named by who asks.
        """
        found = parse_json(self._exchange("GET", f"{self.address}{path}")[0], self.address)
        if not isinstance(found, dict):
            raise IntegrityError(f"{self.address} does not answer as a service of virtual cells. Check the address.")
        return found

    def read_state(self, path: str, **params: str) -> State:
        """A state at a path below the address.

        Raises:
            AIVCError: What the service refuses.
            IntegrityError: What it sends is none.
            UnavailableError: It cannot be reached, or was not named by who asks.
        """
        return State.from_bytes(self._exchange("GET", f"{self.address}{path}", params=params)[0], self.address)

    def ask(self, verb: str, sent: State, digest: str, **params: str) -> State:
        """Ask for something.

        Args:
            verb: ``encode``, ``manipulate``, ``decode`` or ``profiles``.
            sent: The question.
            digest: Of the part that is meant.
            params: Further words of the question.

        Raises:
            AIVCError: What the service refuses, as it says it.
            DataError: The question is larger than a service takes.
            IntegrityError: The part there is another one by now, or what it sends is not what it should be.
            UnavailableError: It cannot be reached, or was not named by who asks.
        """
        content = sent.to_bytes()
        if len(content) > LARGEST_QUESTION:
            raise DataError([
                f"{len(content):,} bytes are to be sent to {self.address}, and {LARGEST_QUESTION:,} are taken. Ask "
                "about fewer cells at once."
            ])  # fmt: skip
        headers = {"If-Match": f'"{digest}"', "Content-Type": CONTENT}
        data, tag = self._exchange("POST", f"{self.address}/{verb}", content=content, headers=headers, params=params)
        if tag.removeprefix("W/").strip('"') != digest:
            self._another()
        return State.from_bytes(data, self.address)

    def _exchange(self, method: str, address: str, **request: Any) -> tuple[bytes, str]:
        """Send a request; returns what came, and its tag. What is redirected is not followed."""
        token = self._token()
        headers = {**request.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        httpx = _library()
        client = _client(os.getpid(), TRANSPORT)
        for attempt in range(1, _TRIES + 1):
            try:
                with client.stream(method, address, headers=headers, **request) as answer:
                    status = int(answer.status_code)
                    wait = _wait(answer.headers.get("retry-after", ""), attempt)
                    most = _LARGEST_ANSWER if status == _OK else _LARGEST_REFUSAL
                    data, tag = _bounded(answer, most, self.address), str(answer.headers.get("etag", ""))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise UnavailableError(
                    f"{self.address} could not be reached ({type(error).__name__}: {error}). Check the address and the "
                    "network; what was asked before is not lost."
                ) from error
            if status not in _BUSY or attempt == _TRIES:
                break
            time.sleep(wait)
        if status == _CHANGED:
            self._another()
        if status != _OK:
            _refuse(status, data, self.address)
        return data, tag

    def _token(self) -> str:
        named = {**consented(), **_NAMED}
        if self.origin not in named:
            raise UnavailableError(
                f"A part of this virtual cell asks {self.origin}, where your cells would be sent, and nobody named "
                f"that service here. If you trust it, set {REMOTE}={self.origin}, with =TOKEN behind it where it needs "
                "one."
            )
        return named[self.origin]

    def _another(self) -> NoReturn:
        raise IntegrityError(
            f"The part at {self.address} is not the one that this was connected to: it was fitted again, or replaced. "
            "Connect again, and calibrate again what was built on it."
        )


_EXAMPLE = "Write https://host/api/v1/cells/CELL/parts/PART."


def consented() -> dict[str, str]:
    """Services that the environment allows to ask, each with its token.

    Raises:
        DataError: The variable names none.
    """
    found = dict[str, str]()
    for entry in os.environ.get(REMOTE, "").split():
        origin, _, token = entry.partition("=")
        found[FarPart(origin.rstrip("/")).origin] = token
    return found


@lru_cache(maxsize=4)
def _client(_process: int, transport: Any) -> Any:
    """One client for all requests of a process: a connection is kept for the next of thousands of questions."""
    client = _library().Client(transport=transport, timeout=_SILENCE)
    atexit.register(client.close)
    return client


def _library() -> Any:
    try:
        return importlib.import_module("httpx")
    except ImportError as error:
        raise UnavailableError(
            'A part behind an address is asked with httpx, which is not installed: pip install "aivc[platform]".'
        ) from error


def _bounded(answer: Any, most: int, where: str) -> bytes:
    """All that comes, unless it is too much or takes too long."""
    data, end = bytearray(), time.monotonic() + _PATIENCE
    for piece in answer.iter_bytes(1 << 18):
        data += piece
        if len(data) > most:
            raise IntegrityError(f"{where} sends more than {most:,} bytes. Do not trust it.")
        if time.monotonic() > end:
            raise UnavailableError(f"{where} takes more than {_PATIENCE:.0f} s to answer. Ask about fewer cells.")
    return bytes(data)


def _wait(said: str, attempt: int) -> float:
    """Seconds before a busy service is asked again: as it says, or longer each time."""
    stated = float(said) if said.isascii() and said.isdecimal() and len(said) < 6 else 2.0**attempt
    return min(stated, _LONGEST_WAIT)


def _refuse(status: int, data: bytes, where: str) -> NoReturn:
    """Raise what the service said, as what it is.

    Raises:
        AIVCError: Always.
    """
    try:
        body = parse_json(data, where)
    except IntegrityError:
        body = None
    said = body.get("error") if isinstance(body, Mapping) else None
    problems = said.get("problems") if isinstance(said, Mapping) else None
    if not isinstance(said, Mapping) or not isinstance(problems, list) or not problems:
        raise UnavailableError(f"{where} answers with status {status}. Check the address and your token.")
    shown = [str(each)[:2000] for each in problems[:20]]
    if status in (401, 403, 404, 405) or status >= 500:
        raise UnavailableError(f"{where} refuses: {' '.join(shown)}")
    kind = str(said.get("kind"))
    if kind in _SAME:
        refusal: type[AIVCError] = getattr(errors, kind)
        raise refusal(f"{' '.join(shown)} (said by {where})")
    raise DataError([f"{each} (said by {where})" for each in shown])
