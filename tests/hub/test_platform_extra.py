import pytest

from aivc.core.errors import UnavailableError
from aivc.hub.platform_extra import platform_module


def test_what_is_missing_is_named_with_the_extra():
    with pytest.raises(UnavailableError, match=r"need no_such_library.*aivc\[platform\]"):
        platform_module("no_such_library")
