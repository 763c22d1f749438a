import time
from pathlib import Path

import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.service import bounded as module
from aivc.service.bounded import bounded
from aivc.service.refusals import TooLargeError

LIMITS = {"name": "x.csv", "seconds": 60.0, "memory_mb": 200}


@pytest.fixture(autouse=True)
def no_readers(monkeypatch):
    """Nothing here reads a file, and what does is slow to import."""
    monkeypatch.setattr(module, "_READERS", [])


# Functions of a module that both processes have.
def sizes(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def refuse(problem: str) -> None:
    raise DataError([problem])


def swell(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def damaged(megabytes: int) -> None:
    try:
        swell(megabytes)
    except MemoryError as error:
        raise IntegrityError("x.csv is truncated") from error


def test_what_is_found_or_refused_comes_back(tmp_path):
    (tmp_path / "a").touch()
    assert bounded(sizes, tmp_path, **LIMITS) == ["a"]
    with pytest.raises(DataError, match="Column 'a' is empty"):
        bounded(refuse, "Column 'a' is empty.", **LIMITS)


@pytest.mark.parametrize("work", [swell, damaged])
def test_too_much_memory_is_a_refusal_of_the_file(work):
    assert bounded(swell, 10, **LIMITS) == 10 << 20
    with pytest.raises(TooLargeError, match=r"Looking at x\.csv takes more than"):
        bounded(work, 2000, **LIMITS)


def test_too_much_time_is_a_refusal_of_the_file():
    began = time.monotonic()
    with pytest.raises(TooLargeError, match=r"x\.csv took more than 0 s"):
        bounded(time.sleep, 60, **{**LIMITS, "seconds": 0.2})
    assert time.monotonic() - began < 30
