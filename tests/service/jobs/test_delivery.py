import json

import pytest

from aivc.core.errors import DataError
from aivc.hub.database import open_database
from aivc.service.jobs.delivery import Delivery


@pytest.fixture
def engine(tmp_path):
    made = open_database(f"sqlite:///{tmp_path / 'aivc.db'}")
    yield made
    made.dispose()


def is_handed_over(first, second):
    """What one sends, the other takes, in order, once."""
    got = []
    for name in ("a", "b"):
        first.send(name)
    while second.take(got.append):
        pass
    assert got == ["a", "b"]
    assert not first.take(got.append)
    for each in (first, second):
        each.close()


def test_a_file_delivers(tmp_path, engine):
    is_handed_over(*(Delivery.open("", tmp_path, engine) for _ in range(2)))
    assert (tmp_path / "queue.db").is_file()


def test_redis_delivers(tmp_path, engine, redis_url):
    is_handed_over(*(Delivery.open(redis_url, tmp_path, engine) for _ in range(2)))


def test_postgres_delivers_where_it_is_the_database(tmp_path, postgres):
    engine = open_database(postgres)
    is_handed_over(*(Delivery.open("", tmp_path, engine) for _ in range(2)))
    assert not (tmp_path / "queue.db").exists()
    engine.dispose()


def test_messages_are_plain_and_strange_ones_are_dropped(tmp_path, engine):
    delivery = Delivery.open("", tmp_path, engine)
    delivery.send("a")
    (message,) = delivery.huey.storage.enqueued_items()
    assert "a" in json.loads(bytes(message))[6]
    delivery.huey.storage.dequeue()
    for odd in (b"\x80\x05.", b"[]", b'["x", "no.task"]', b"{}", b"null"):
        delivery.huey.storage.enqueue(odd)
        assert not delivery.take(lambda name: pytest.fail(name))
    delivery.send("b")
    got = []
    assert delivery.take(got.append)
    assert got == ["b"]
    delivery.close()


def test_a_queue_that_does_not_answer_is_said_once_and_stops_nobody(tmp_path, engine, caplog):
    delivery = Delivery.open("redis://127.0.0.1:1/0", tmp_path, engine)
    for _ in range(3):
        delivery.send("a")
        assert not delivery.take(lambda name: pytest.fail(name))
    assert caplog.text.count("does not answer") == 1
    delivery.close()


def test_without_a_queue_nothing_is_delivered(tmp_path, engine):
    delivery = Delivery.open("none", tmp_path, engine)
    delivery.send("a")
    assert not delivery.take(lambda name: pytest.fail(name))
    delivery.close()


@pytest.mark.parametrize("url", ["kafka://x", "no url"])
def test_what_is_no_queue_is_refused(tmp_path, engine, url):
    with pytest.raises(DataError, match="names no queue"):
        Delivery.open(url, tmp_path, engine)
