"""A file is there whole or not at all, and errors name the file that was asked for."""

from pathlib import Path

import h5py
import pytest

from aivc.core.errors import UnavailableError
from aivc.core.whole_file import whole_file


def test_what_was_written_takes_its_place(tmp_path):
    with whole_file(tmp_path / "new" / "x.csv", ending=".csv") as partial:
        assert partial.name == "x.csv.partial.csv"
        partial.write_text("a", encoding="utf-8")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.csv"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(28, "full"), OSError("no number")])
def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path, error):
    (tmp_path / "x").write_text("old", encoding="utf-8")

    def fails():
        with whole_file(tmp_path / "x") as partial:
            partial.write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(type(error)) as caught:
        fails()
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"x": "old"}
    if isinstance(error, OSError):
        assert caught.value.filename == str(tmp_path / "x")


def test_the_file_beside_is_never_blamed(tmp_path):
    (tmp_path / "x.partial").mkdir()
    with pytest.raises(IsADirectoryError) as caught, whole_file(tmp_path / "x") as partial:
        partial.write_text("a", encoding="utf-8")
    assert caught.value.filename == str(tmp_path / "x")
    assert ".partial" not in str(caught.value)
    # HDF5 names no file in its errors, but in their text.
    with pytest.raises(IsADirectoryError) as caught, whole_file(tmp_path / "x") as partial:
        h5py.File(partial, "w")
    assert ".partial" not in str(caught.value)
    (tmp_path / "y").mkdir()
    with pytest.raises(IsADirectoryError) as caught, whole_file(tmp_path / "y") as partial:
        partial.write_text("a", encoding="utf-8")
    assert caught.value.filename == str(tmp_path / "y")


def test_errors_about_other_files_and_refusals_pass_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, whole_file(tmp_path / "x"):
        Path(tmp_path / "other").read_text(encoding="utf-8")
    assert Path(str(caught.value.filename)).name == "other"
    with pytest.raises(UnavailableError, match="gone"), whole_file(tmp_path / "x"):
        raise UnavailableError("gone")
