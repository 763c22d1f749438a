import errno
import os
import zipfile

import pytest

from aivc.core.errors import IntegrityError, WritingError
from aivc.service import uploads
from aivc.service.refusals import TooLargeError
from aivc.service.uploads import forget_old, plain_name, unpacked


@pytest.mark.parametrize(
    "name", ["../x.h5ad", "a/b.h5ad", "x.pkl", "x.pt", "", None, "x" * 200 + ".csv", "..h5ad", "x\x00.csv"]
)
def test_odd_names_are_refused(name):
    with pytest.raises(IntegrityError):
        plain_name(name)


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


def test_what_macs_pack_beside_each_file_is_left_out(tmp_path):
    zipped = packed(tmp_path / "x.zip", {"s.zarr/.zgroup": "{}", "__MACOSX/s.zarr/._.zgroup": "x"})
    assert unpacked(zipped, tmp_path / "out", 1000, "x.zip") == tmp_path / "out" / "s.zarr"


def test_a_disk_that_fills_up_is_no_fault_of_the_zip(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads, "_extract", full)
    with pytest.raises(WritingError, match=r"disk of this service is full, and nothing of x\.zip"):
        unpacked(packed(tmp_path / "x.zip", {"a": "1"}), tmp_path / "out", 1000, "x.zip")


def test_what_a_killed_server_left_is_deleted_and_nothing_younger(tmp_path):
    for name, age in (("old.partial", 90_000), ("new.partial", 60)):
        (tmp_path / name).touch()
        then = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (then, then))
    forget_old(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["new.partial"]
