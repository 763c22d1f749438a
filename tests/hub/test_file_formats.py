import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from aivc.core.errors import IntegrityError
from aivc.hub import file_formats
from aivc.hub.file_formats import check_format


class Runs:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("it ran",)


def hostile(path, kind):
    """Write a pickle, an archive or nothing sensible under a harmless name."""
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Runs()))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.pkl", pickle.dumps(Runs()))
    else:
        path.write_bytes(b"\xff" * 8 + b"\0" * 100)
    return path


@pytest.mark.parametrize("kind", ["pickle", "zip", "rubbish"])
@pytest.mark.parametrize("suffix", ["safetensors", "json", "parquet", "csv", "md", "png"])
def test_what_is_not_what_its_name_says_is_refused(tmp_path, capsys, kind, suffix):
    file = hostile(tmp_path / f"x.{suffix}", kind)
    with pytest.raises(IntegrityError):
        check_format(file, file.name)
    assert "it ran" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["x.pkl", "x.pt", "x.npy", "x.zip", "x.py", "x", "x.json.gz", "x.html"])
def test_other_formats_are_refused(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(IntegrityError, match="no allowed format"):
        check_format(tmp_path / name, name)


def test_honest_files_are_taken(tmp_path):
    save_file({"a": np.zeros(3)}, tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for file in tmp_path.iterdir():
        check_format(file, file.name)


def test_a_link_and_a_giant_are_refused(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    with pytest.raises(IntegrityError, match="no regular file"):
        check_format(tmp_path / "b.json", "b.json")
    monkeypatch.setattr(file_formats, "LARGEST_FILE", 1)
    with pytest.raises(IntegrityError, match="2 bytes"):
        check_format(tmp_path / "a.json", "a.json")
