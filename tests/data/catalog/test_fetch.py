import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aivc.core.errors import IntegrityError, UnavailableError
from aivc.core.writing import held
from aivc.data.catalog import fetch

BODY = bytes(range(256)) * 40
SHA256 = hashlib.sha256(BODY).hexdigest()


class _Server(BaseHTTPRequestHandler):
    ranges = True
    breaks_after = None
    body = BODY
    asked = ()

    def do_GET(self):
        wanted = self.headers.get("Range")
        type(self).asked = (*self.asked, wanted)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://example.org/file")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        self.send_header("Content-Length", str(len(self.body) - start))
        self.end_headers()
        self.wfile.write(self.body[start : self.breaks_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("AIVC_OFFLINE", raising=False)
    handler = type("Handler", (_Server,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    handler.address = f"http://127.0.0.1:{http.server_port}/file"
    yield handler
    http.shutdown()
    thread.join()
    http.server_close()


def _get(address, target):
    return fetch.download(address, target, sha256=SHA256, size=len(BODY))


def test_a_file_comes_whole_and_leaves_nothing_beside_it(server, tmp_path):
    target = _get(server.address, tmp_path / "new" / "file.bin")
    assert target.read_bytes() == BODY
    assert [item.name for item in target.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("ranges", [True, False], ids=["server resumes", "server starts over"])
def test_a_broken_download_is_finished_by_the_next_call(server, tmp_path, ranges):
    server.ranges, server.breaks_after = ranges, 4000
    with pytest.raises(UnavailableError, match="Try again"):
        _get(server.address, tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()
    assert (tmp_path / "file.bin.part").read_bytes() == BODY[:4000]
    server.breaks_after = None
    assert _get(server.address, tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked == (None, "bytes=4000-")


def test_who_comes_second_waits_for_the_first_and_asks_no_server(server, tmp_path):
    target = tmp_path / "file.bin"
    with ThreadPoolExecutor(1) as pool:
        with held(tmp_path / ".file.bin.in-use"):
            second = pool.submit(_get, server.address, target)
            time.sleep(0.1)
            assert not second.done()
            target.write_bytes(BODY)
        assert second.result() == target
    assert server.asked == ()


def test_nobody_waits_without_end(server, tmp_path):
    with held(tmp_path / ".file.bin.in-use"), pytest.raises(IntegrityError, match="Another process"):
        fetch.download(server.address, tmp_path / "file.bin", sha256=SHA256, size=len(BODY), patience=0.1)


def test_a_complete_partial_is_taken_without_asking_again(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert _get(server.address, tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked == ()


def test_another_file_of_equal_size_is_refused_and_not_kept(server, tmp_path):
    server.body = BODY[::-1]
    with pytest.raises(IntegrityError, match="was not kept"):
        _get(server.address, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_longer_file_is_refused_and_not_kept(server, tmp_path):
    server.body = BODY + b"more"
    with pytest.raises(IntegrityError, match="longer than"):
        _get(server.address, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


def test_an_oversized_partial_is_dropped(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY + BODY)
    assert _get(server.address, tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked == (None,)


def test_a_rotten_partial_is_not_kept_and_the_next_call_succeeds(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 100)
    with pytest.raises(IntegrityError, match="try again"):
        _get(server.address, tmp_path / "file.bin")
    assert _get(server.address, tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("address", ["http://example.org/file", "ftp://example.org/file", "file:///etc/passwd"])
def test_only_https(address, tmp_path):
    with pytest.raises(UnavailableError, match="Use an https address"):
        _get(address, tmp_path / "file.bin")


def test_a_redirect_away_from_https_is_refused(server, tmp_path):
    with pytest.raises(UnavailableError, match="Use an https address"):
        _get(server.address.replace("/file", "/moved"), tmp_path / "file.bin")


def test_offline_forbids_network(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AIVC_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="Unset AIVC_OFFLINE"):
        _get(server.address, tmp_path / "file.bin")
    assert server.asked == ()


def test_no_server_fails_at_once(tmp_path, monkeypatch):
    monkeypatch.delenv("AIVC_OFFLINE", raising=False)
    with pytest.raises(UnavailableError, match="Check the network"):
        _get("http://127.0.0.1:9/file", tmp_path / "file.bin")
