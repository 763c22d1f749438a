"""Asks for the libraries of the extra ``platform``, which the hub, the service and nothing else need."""

import importlib
from typing import Any

from aivc.core.errors import UnavailableError


def platform_module(name: str) -> Any:
    """Import a library of the extra, such as ``sqlalchemy``.

    Raises:
        UnavailableError: It is not installed.

    >>> platform_module("json").__name__
    'json'
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f"The hub and the service need {name}, which is not installed. It comes with the extra platform: "
            'pip install "aivc[platform]".'
        ) from error
