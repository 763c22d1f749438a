import io
import zipfile

import pytest

from aivc.core.errors import IntegrityError
from aivc.service.refusals import TooLargeError
from aivc.service.uploads import keep, plain_name, unpacked


@pytest.mark.parametrize(
    "name", ["../x.h5ad", "a/b.h5ad", "x.pkl", "x.pt", "", None, "x" * 200 + ".csv", "..h5ad", "x\x00.csv"]
)
def test_odd_names_are_refused(name):
    with pytest.raises(IntegrityError):
        plain_name(name)


def test_no_more_is_kept_than_is_allowed(tmp_path):
    assert keep(io.BytesIO(b"abc"), tmp_path / "a", 3, "a.csv") == 3
    with pytest.raises(TooLargeError):
        keep(io.BytesIO(b"abcd"), tmp_path / "b", 3, "b.csv")
    with pytest.raises(IntegrityError, match=r"^c\.csv is empty"):
        keep(io.BytesIO(b""), tmp_path / "c.partial", 3, "c.csv")


def packed(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_a_zip_of_one_folder_is_that_folder(tmp_path):
    found = unpacked(
        packed(tmp_path / "x.zip", {"s.zarr/.zgroup": "{}", "s.zarr/a/b": "1"}), tmp_path / "out", 1000, "x.zip"
    )
    assert found == tmp_path / "out" / "s.zarr"
    assert (found / "a" / "b").read_text() == "1"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "a\\..\\x"])
def test_nothing_leads_outside(tmp_path, name):
    with pytest.raises(IntegrityError, match="outside"):
        unpacked(packed(tmp_path / "x.zip", {name: "1"}), tmp_path / "out", 1000, "x.zip")
    assert not (tmp_path / "out").exists()


def test_links_bombs_and_pickles_are_refused(tmp_path):
    link = zipfile.ZipInfo("a")
    link.external_attr = 0o120777 << 16
    with pytest.raises(IntegrityError, match="link"):
        unpacked(packed(tmp_path / "l.zip", {link: "/etc/passwd"}), tmp_path / "l", 1000, "x.zip")
    with pytest.raises(IntegrityError, match="proportion"):
        unpacked(packed(tmp_path / "b.zip", {"a": b"\0" * (4 << 20)}), tmp_path / "b", 1 << 30, "x.zip")
    with pytest.raises(TooLargeError):
        unpacked(packed(tmp_path / "s.zip", {"a": b"12345"}), tmp_path / "s", 4, "x.zip")
    coded = '{"filters": [{"id": "pickle"}]}'
    with pytest.raises(IntegrityError, match="pickles"):
        unpacked(packed(tmp_path / "p.zip", {"s.zarr/.zarray": coded}), tmp_path / "p", 1000, "x.zip")
    (tmp_path / "n.zip").write_bytes(b"PK nothing")
    with pytest.raises(IntegrityError, match="no intact zip"):
        unpacked(tmp_path / "n.zip", tmp_path / "n", 1000, "x.zip")
