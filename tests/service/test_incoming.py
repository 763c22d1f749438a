import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import Request
from sqlalchemy.exc import OperationalError

from aivc.core.errors import DataError, IntegrityError, WritingError
from aivc.service import incoming as module
from aivc.service import served_datasets
from aivc.service.incoming import incoming
from aivc.service.refusals import DoorError, TooLargeError
from tiny_service import bring, tiny_client

KIND = "multipart/form-data; boundary=b"
END = b"--b--\r\n"


def part(content, name="a.csv", field="file"):
    named = f'; filename="{name}"' if name else ""
    return f'--b\r\nContent-Disposition: form-data; name="{field}"{named}\r\n\r\n'.encode() + content + b"\r\n"


def taken(folder, pieces, *, limit=1000, kind=KIND, broken=False):
    """Send a body piece by piece; what came of it, and its bytes while it waits."""
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
    messages.append({"type": "http.disconnect"} if broken else {"type": "http.request", "body": b""})

    async def receive():
        return messages.pop(0)

    async def take():
        request = Request({"type": "http", "headers": [(b"content-type", kind.encode())]}, receive)
        async with incoming(request, folder, limit) as come:
            return come, come.path.read_bytes()

    try:
        return asyncio.run(take())
    finally:
        assert not messages or kind != KIND, "the rest of the body was not read"
        assert not list(folder.iterdir()), "something was left behind"


def test_a_file_comes_whole_however_it_is_cut(tmp_path):
    body = part(b"mine", "", "name") + part(b"gene,A\r\n--a\r\nTP53,1\n", "a b.csv") + END
    for size in (1, 7, len(body)):
        come, content = taken(tmp_path, [body[i : i + size] for i in range(0, len(body), size)])
        assert (come.name, come.fields, content) == ("a b.csv", {"name": "mine"}, b"gene,A\r\n--a\r\nTP53,1\n")


@pytest.mark.parametrize(
    ("pieces", "error", "said"),
    [
        ([part(b"x" * 600), part(b"x" * 600, "b.csv"), END], DataError, "one file is taken at a time"),
        (
            [part(b"x" * 500)[:-2], b"x" * 501, b"\r\n" + END],
            TooLargeError,
            r"at most 1,000 bytes here, and a\.csv has",
        ),
        ([part(b""), END], IntegrityError, r"^a\.csv is empty"),
        ([part(b"x", "../a.csv"), END], IntegrityError, "no plain name"),
        ([part(b"x", "a.pkl"), END], IntegrityError, "not read here"),
        ([part(b"x", "", "name"), END], DataError, "a form with a file"),
        ([part(b"x" * 5000, "", "name"), part(b"x"), END], TooLargeError, "name: a field has at most"),
        ([part(b"x")], DoorError, "ended before all of it"),
        ([b"--c\r\nno form"], DoorError, r"no multipart/form-data"),
        ([b"--b\r\nContent-Disposition: " + b"x" * 100_000, part(b"x"), END], DoorError, "no multipart/form-data"),
        ([END], DataError, "a form with a file"),
    ],
)
def test_what_does_not_come_as_it_should_leaves_nothing(tmp_path, pieces, error, said):
    with pytest.raises(error, match=said):
        taken(tmp_path, pieces, kind=KIND if error is not DoorError else f"{KIND}; x=1")
    with pytest.raises(DataError, match="multipart/form-data"):
        taken(tmp_path, pieces, kind="text/csv")


def test_one_that_is_broken_off_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 1)
    with pytest.raises(DoorError, match="ended before all of it had come") as caught:
        taken(tmp_path, [part(b"x" * 100)[:-50]], broken=True)
    assert caught.value.status == 400


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_said_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 1)
    # The device of the system that is always full.
    monkeypatch.setattr(module, "_opened", lambda _path: open("/dev/full", "wb", buffering=0))  # noqa: PTH123, SIM115
    with pytest.raises(WritingError, match=r"disk of this service is full, and nothing of a\.csv was kept"):
        taken(tmp_path, [part(b"x" * 100)[:-2], b"y\r\n" + END])


def test_a_full_disk_is_507_wherever_it_shows(tmp_path, monkeypatch):
    full = OperationalError("insert", {}, Exception("database or disk is full"))

    def fail(*_given):
        raise full

    with tiny_client(tmp_path, cell=False) as client:
        monkeypatch.setattr(served_datasets, "_questions", fail)
        answer = bring(client, b"gene,A\nTP53,1\n", "a.csv")
        assert (answer.status_code, answer.json()["error"]["kind"]) == (507, "WritingError")
        for name in ("uploads", "datasets"):
            assert not list((tmp_path / name).iterdir())


def test_a_user_brings_several_at_once(tmp_path):
    contents = {f"s{i}.csv": f"gene,A\nTP53,{i}\n".encode() for i in range(6)}
    with tiny_client(tmp_path, cell=False) as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda name: bring(client, contents[name], name).json(), contents))
    assert len({each["id"] for each in answers}) == len(contents)
    for each in answers:
        assert (tmp_path / "datasets" / each["id"] / each["name"]).read_bytes() == contents[each["name"]]
    assert not list((tmp_path / "uploads").iterdir())


def test_nobody_without_a_token_sends_a_byte_that_is_kept(tmp_path):
    with tiny_client(tmp_path, cell=False, host="0.0.0.0") as client:
        assert bring(client, b"gene,A\nTP53,1\n", "a.csv").status_code == 401
    assert not (tmp_path / "uploads").exists() or not list((tmp_path / "uploads").iterdir())
