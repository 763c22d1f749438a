import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from aivc.core.errors import DataError, UnavailableError
from aivc.hub.hub import Hub
from aivc.hub.patience import Pace, Patience
from aivc.hub.refs import Ref
from aivc.hub.signing import TrustStore

CARD = "dataset-card/lab/jak"
HASTY = Patience(seconds=5.0, answer_seconds=5.0, least_rate=1000.0, window=0.1)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
# A byte at a time: in the head of an answer, in its body, and in words about pieces of a body that never come.
DRIPS = {
    "head": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "body": (HEAD, b"a"),
    "no end": (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "no piece": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"a"),
    "silence": (b"", b""),
}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_least_rate_and_a_deadline_are_kept():
    clock = Clock()
    pace = Pace(Patience(least_rate=100.0, window=10.0), 1000.0, clock)
    clock.now = 9.9
    pace.took(1, "It")
    clock.now = 10.0
    with pytest.raises(UnavailableError, match="It sent 1 bytes in 10 seconds, where 100 a second"):
        pace.took(0, "It")
    clock.now = 11.0
    assert "given up" in pace.late()
    pace = Pace(Patience(least_rate=100.0, window=10.0), 1000.0, clock)
    for _ in range(99):
        clock.now += 10
        pace.took(1000, "It")
    clock.now += 10
    with pytest.raises(UnavailableError, match="after 1,000 seconds"):
        pace.took(1000, "It")


def test_five_gigabytes_over_a_slow_line_are_in_time_and_a_byte_every_half_second_is_not():
    clock = Clock()
    pace = Pace(Patience(), Patience().seconds, clock)
    for _ in range(5 * 2**30 // 2**20):
        clock.now += 2**20 / 64_000
        pace.took(2**20, "It")
    slow = Pace(Patience(), Patience().seconds, clock)
    for _ in range(119):
        clock.now += 0.5
        slow.took(1, "It")
    clock.now += 0.5
    with pytest.raises(UnavailableError, match="120 bytes in 60 seconds"):
        slow.took(1, "It")


def test_a_pause_between_two_files_is_not_counted():
    clock = Clock()
    pace = Pace(Patience(window=10.0), 1000.0, clock)
    clock.now = 500.0
    pace.restart()
    pace.took(1, "It")
    with pytest.raises(DataError, match="window is to be above zero"):
        Patience(window=0.0)


@contextmanager
def dripping(head, drop):
    """A server that sends a byte whenever half of what is waited for has passed; yields its address."""
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one:
                one.recv(1 << 16)
                try:
                    one.sendall(head)
                    while not stop.wait(0.02):
                        one.sendall(drop)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/hub"
        finally:
            stop.set()
            # Waiting for the next who asks ends only when somebody does.
            socket.create_connection(listener.getsockname()).close()
            thread.join()


@pytest.mark.parametrize("where", list(DRIPS))
def test_a_server_that_drips_is_given_up(where):
    began = time.monotonic()
    with (
        dripping(*DRIPS[where]) as address,
        pytest.raises(UnavailableError, match=r"seconds, where 1,000 a second .* Ask again later"),
    ):
        Hub.open(address, trust=TrustStore(), patience=HASTY).manifest(f"{CARD}@1.0")
    assert time.monotonic() - began < 3


def test_nothing_of_a_version_stays_where_it_is_given_up(hub, card, card_fields, tmp_path):
    """All but the second file come at once; that one is sent byte by byte, with a clock that is moved by each."""
    made = hub.publish(card, card_fields)
    late = made.files[1].sha256.removeprefix("sha256:")
    data = hub.source.read(made.files[1].sha256, 1 << 20)

    def slowly():
        for byte in data:
            time.sleep(0.02)
            yield bytes([byte])

    def answer(request):
        path = request.url.path.removeprefix("/api/v1/hub/")
        if path.startswith("objects/sha256/"):
            name = path.rsplit("/", 1)[-1]
            return httpx.Response(200, content=slowly() if name == late else hub.source.read(f"sha256:{name}", 1 << 20))
        return httpx.Response(200, json=hub.listing(Ref.parse(path)).to_json())

    reader = Hub.open(
        "https://hub.example/api/v1/hub", trust=TrustStore(), patience=HASTY, transport=httpx.MockTransport(answer)
    )
    with pytest.raises(UnavailableError, match="bytes in"):
        reader.pull(CARD, tmp_path / "in" / "got")
    assert list((tmp_path / "in").iterdir()) == []
    with pytest.raises(UnavailableError, match="bytes in"):
        reader.verify(CARD)
