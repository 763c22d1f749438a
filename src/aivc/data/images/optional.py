"""Asks for the libraries of the extra ``images``, which nothing else needs."""

import importlib
from typing import Any

from aivc.core.errors import UnavailableError

_PACKAGES = {"skimage": "scikit-image", "PIL": "pillow"}


def optional(module: str) -> Any:
    """Import a module of the extra ``images``.

    Args:
        module: Such as ``tifffile`` or ``skimage.filters``.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        first = module.split(".")[0]
        raise UnavailableError(
            f"Images need {_PACKAGES.get(first, first)}, which is not installed. It comes with the extra images: "
            'pip install "aivc[images]".'
        ) from error
