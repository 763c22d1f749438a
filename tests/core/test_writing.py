"""A folder that replaces another one is there whole at every moment, or the former one still is."""

import errno
import sys
from pathlib import Path

import pytest

from aivc.core import writing
from aivc.core.errors import WritingError
from aivc.core.writing import whole_folder


def replaced(place, text):
    with whole_folder(place, "test folder", lambda name: True, overwrite=True) as mine:
        (mine / "a.txt").write_text(text)


def held(place):
    """What stands there, and whether anything private was left behind."""
    return (place / "a.txt").read_text(), [item.name for item in place.parent.iterdir()]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such call")
def test_two_folders_change_places_in_one_step(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for place in (one, other):
        place.mkdir()
        (place / "a.txt").write_text(place.name)
    if not writing._exchanged(one, other):
        pytest.skip("this file system cannot exchange names")
    assert (one / "a.txt").read_text() == "other"
    assert (other / "a.txt").read_text() == "one"
    assert not writing._exchanged(one, tmp_path / "none")


@pytest.mark.parametrize("exchange", [True, False])
def test_the_new_takes_the_place_of_the_old(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(writing, "_exchanged", lambda one, other: False)
    place = tmp_path / "cell"
    replaced(place, "old")
    replaced(place, "new")
    assert held(place) == ("new", ["cell"])


def test_a_fault_between_the_two_renames_brings_the_old_back(tmp_path, monkeypatch):
    place = tmp_path / "cell"
    replaced(place, "old")
    monkeypatch.setattr(writing, "_exchanged", lambda one, other: False)
    rename, seen = Path.rename, []

    def faulty(self, target):
        seen.append(self.name)
        if len(seen) == 2:
            raise OSError(errno.EIO, "disk fault")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", faulty)
    with pytest.raises((OSError, WritingError)):
        replaced(place, "new")
    assert seen[0] == "cell"
    assert held(place) == ("old", ["cell"])


def stopped(place):
    with whole_folder(place, "test folder", lambda name: True, overwrite=True) as mine:
        (mine / "a.txt").write_text("half")
        raise ZeroDivisionError


def test_a_fault_while_writing_leaves_the_old(tmp_path):
    place = tmp_path / "cell"
    replaced(place, "old")
    with pytest.raises(ZeroDivisionError):
        stopped(place)
    assert held(place) == ("old", ["cell"])
