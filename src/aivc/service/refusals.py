"""How a service says no: every refusal of aivc, and every fault of a request, as JSON with its problems."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from aivc.core.errors import AIVCError, DataError, UnknownNameError, WritingError
from aivc.service.shown_paths import without_folders
from aivc.service.shown_words import in_words_of_the_api

_KINDS = {401: "SignInError", 403: "ForbiddenError", 404: "UnknownNameError", 405: "MethodError", 413: "TooLargeError"}
_MISSING, _REFUSED, _FULL = 404, 422, 507
_LONGEST = 2000


class DoorError(AIVCError):
    """A request is turned away before it is looked at.

    Attributes:
        status: Of HTTP.
        headers: To be sent along.
    """

    status = 400

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.headers = dict(headers or {})
        super().__init__(message)


class SignInError(DoorError):
    """A token is needed, and none was sent or none that is known."""

    status = 401

    def __init__(self, message: str) -> None:
        super().__init__(message, {"WWW-Authenticate": "Bearer"})


class ForbiddenError(DoorError):
    """The role of a user, or the address that a request comes from, does not allow it."""

    status = 403


class TooLargeError(DoorError):
    """More bytes came than are taken."""

    status = 413


class TooOftenError(DoorError):
    """Requests came faster than they are answered.

    Args:
        seconds: After which another try makes sense.
    """

    status = 429

    def __init__(self, seconds: float) -> None:
        wait = max(1, round(seconds + 0.5))
        super().__init__(
            f"Requests come faster than they are answered here. Wait {wait} s.", {"Retry-After": str(wait)}
        )


def refusal(
    status: int,
    kind: str,
    problems: list[str],
    headers: Mapping[str, str] | None = None,
    places: tuple[Path, ...] = (),
) -> JSONResponse:
    """Say no.

    Args:
        status: Of HTTP.
        kind: Name of the error.
        problems: Each a sentence with its remedy.
        headers: To be sent along.
        places: Folders of the service, which nobody has to know.
    """
    plain = [in_words_of_the_api(without_folders(text[: 2 * _LONGEST], places)) for text in problems]
    shown = [text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in plain]
    return JSONResponse({"error": {"kind": kind, "problems": shown}}, status, headers=dict(headers or {}))


def problems_of(error: AIVCError) -> list[str]:
    """What is wrong, sentence by sentence, with the notes that were added."""
    said = list(error.problems) if isinstance(error, DataError) else [str(error)]
    return [*said, *getattr(error, "__notes__", ())]


def status_of(error: AIVCError) -> int:
    """Status of HTTP that says what an error says."""
    if isinstance(error, DoorError):
        return error.status
    if isinstance(error, WritingError):
        return _FULL
    return _MISSING if isinstance(error, UnknownNameError) else _REFUSED


def add_refusals(app: FastAPI) -> None:
    """Let an application answer with refusals instead of faults."""

    @app.exception_handler(AIVCError)
    def _ours(request: Request, error: AIVCError) -> JSONResponse:
        headers = error.headers if isinstance(error, DoorError) else None
        return refusal(status_of(error), type(error).__name__, problems_of(error), headers, _places(request))

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [f"{_place(each['loc'])}: {each['msg']}." for each in error.errors()]
        return refusal(_REFUSED, "RequestError", problems)

    @app.exception_handler(HTTPException)
    def _http(_request: Request, error: HTTPException) -> JSONResponse:
        kind = _KINDS.get(error.status_code, "RequestError")
        return refusal(error.status_code, kind, [f"{error.detail}."], error.headers)

    @app.exception_handler(Exception)
    def _fault(request: Request, error: Exception) -> JSONResponse:
        said = f"A fault of this service at {request.url.path} ({type(error).__name__}); its log says more."
        return refusal(500, "ServiceFault", [said])


def _places(request: Request) -> tuple[Path, ...]:
    """Folders of the service that answers a request."""
    service = getattr(request.app.state, "service", None)
    return service.settings.places if service is not None else ()


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(map(str, loc))
