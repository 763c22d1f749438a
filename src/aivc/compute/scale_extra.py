"""Asks for the libraries of the extra ``scale``, which nothing else needs."""

import importlib
from typing import Any

from aivc.core.errors import UnavailableError

_FOR = {"ray": "Work on a cluster", "duckdb": "A query in SQL"}


def scale_module(name: str) -> Any:
    """Import ``ray`` or ``duckdb``.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f"{_FOR[name]} needs {name}, which is not installed. It comes with the extra scale: "
            'pip install "aivc[scale]".'
        ) from error
