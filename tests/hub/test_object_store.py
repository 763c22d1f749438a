import uuid

import pytest

from aivc.core.errors import DataError, IntegrityError, UnavailableError
from aivc.hub.object_store import ObjectStore


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    """A store in a folder, and one in memory that stands for any fsspec place."""
    return ObjectStore.open(str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}")


def test_bytes_come_back_by_their_digest(store, tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    digest, size = store.put(tmp_path / "a")
    assert store.put_bytes(b"abc") == digest
    assert (store.read(digest, 3), size) == (b"abc", 3)
    store.copy_to(digest, tmp_path / "b", 3)
    assert (tmp_path / "b").read_bytes() == b"abc"


def test_an_altered_object_is_found_at_each_reading(store, tmp_path):
    digest = store.put_bytes(b"abc")
    with store.files.open(store._path(digest), "wb") as stream:
        stream.write(b"abd")
    with pytest.raises(IntegrityError, match="altered"):
        store.read(digest, 3)
    with pytest.raises(IntegrityError, match="altered"):
        store.copy_to(digest, tmp_path / "b", 3)
    assert not (tmp_path / "b").exists()


def test_more_bytes_than_said_are_not_read(store, tmp_path):
    digest = store.put_bytes(b"a" * 100)
    with pytest.raises(IntegrityError, match="larger"):
        store.read(digest, 99)
    with pytest.raises(IntegrityError):
        store.copy_to(digest, tmp_path / "b", 99)


def test_what_is_missing_is_said(store):
    with pytest.raises(UnavailableError, match="lacks"):
        store.read("sha256:" + "0" * 64, 10)


@pytest.mark.parametrize("name", ["sha256:../../../etc/passwd", "../x", "sha256:" + "g" * 64, ""])
def test_no_path_leads_out(store, name):
    for ask in (lambda: store.read(name, 10), lambda: store.note(f"a/../{name}"), lambda: store.has(name)):
        with pytest.raises(IntegrityError):
            ask()


def test_a_note_that_is_written_once_stays(store):
    store.write_note("versions/a.json", b"{}", once=True)
    store.write_note("versions/a.json", b"{}", once=True)
    with pytest.raises(IntegrityError, match="written once"):
        store.write_note("versions/a.json", b"[]", once=True)
    store.write_note("aliases/b.json", b"1", once=False)
    store.write_note("aliases/b.json", b"2", once=False)
    assert store.note("aliases/b.json") == b"2"
    assert store.notes("versions") == ["versions/a.json"]
    assert store.notes("nothing") == []


def test_a_place_of_no_kind_is_refused():
    with pytest.raises(DataError, match="no place of files"):
        ObjectStore.open("nosuch://x")
