"""Who sends a request, as far as the routes need to know; the application says how that is found out."""

from typing import NoReturn, Protocol, runtime_checkable

from fastapi import HTTPException

ROLES_THAT_WRITE = ("writer", "admin")


@runtime_checkable
class Caller(Protocol):
    """Who asks."""

    @property
    def user(self) -> str:
        """Name."""

    @property
    def role(self) -> str:
        """``reader``, ``writer`` or ``admin``."""


def current_user() -> NoReturn:
    """Find out who sends the request: an application replaces this (``app.dependency_overrides``).

    Raises:
        HTTPException: It has not, so that nobody gets in.
    """
    raise HTTPException(401, "Nobody is known here: this application does not say who its users are")
