"""Publishing and pulling that are cut off, refused by the disk, or done by two at once."""

import errno
import threading
import uuid

import pytest
from sqlalchemy import event

from aivc.core.errors import IntegrityError, UnavailableError, UnknownNameError, WritingError
from aivc.hub import object_store
from aivc.hub.hub import Hub
from aivc.hub.hub_index import HubIndex
from aivc.hub.object_store import ObjectStore
from aivc.hub.signing import SigningKey, TrustStore
from aivc.hub.stored_hub import StoredHub
from aivc.hub.use_terms import Visibility

CARD = "dataset-card/lab/jak"


class CutOffError(BaseException):
    """The process ends here."""


@pytest.fixture
def cut_after(monkeypatch):
    """Let the process end before the write of this number, to the store or to the index."""
    left = [0]

    def counting(before):
        def write(*given, **named):
            if not left[0]:
                raise CutOffError
            left[0] -= 1
            return before(*given, **named)

        return write

    monkeypatch.setattr(ObjectStore, "_write", counting(ObjectStore._write))
    monkeypatch.setattr(HubIndex, "add", counting(HubIndex.add))

    def say(number):
        left[0] = number

    return say


def reopened(hub):
    made = Hub.open(hub.location, trust=TrustStore())
    made.close()
    return made


def test_publishing_that_is_cut_off_shows_all_or_nothing_and_is_completed_by_a_repeat(
    hub, card, card_fields, cut_after
):
    key, steps = SigningKey(), 0
    while True:
        fields = {**card_fields, "name": f"cut{steps}", "namespace": f"lab{steps}"}
        ref = f"dataset-card/lab{steps}/cut{steps}"
        # Nothing of it is in the store already.
        for file in card.iterdir():
            file.write_text(f'{{"{file.name}": {steps}}}')
        cut_after(steps)
        try:
            hub.publish(card, {**fields, "description": str(steps)}, key)
            break
        except CutOffError:
            cut_after(1000)
        again = reopened(hub)
        if again.listing(ref).versions:
            assert again.verify(ref, ["valid"]).passed
            assert again.manifest(ref).description == str(steps)
        else:
            assert again.search(f"cut{steps}") == []
            with pytest.raises(UnknownNameError):
                again.manifest(ref)
        made = hub.publish(card, {**fields, "description": str(steps)}, key)
        assert [each["digest"] for each in hub.search(f"cut{steps}")] == [made.digest]
        assert hub.listing(ref).aliases["latest"].digest == made.digest
        assert hub.verify(ref, ["valid"]).strangers == 1
        steps += 1
    # Two files, the manifest, the namespace, a signature, the version, its alias, and the index.
    assert steps == 8


def test_pulling_that_is_cut_off_leaves_nothing_and_is_completed_by_a_repeat(
    hub, card, card_fields, tmp_path, monkeypatch
):
    hub.publish(card, card_fields)
    copied, place = [], tmp_path / "in" / "got"
    before = ObjectStore.copy_to

    def copy_to(self, digest, target, size):
        if copied:
            raise CutOffError
        copied.append(target)
        before(self, digest, target, size)

    monkeypatch.setattr(ObjectStore, "copy_to", copy_to)
    with pytest.raises(CutOffError):
        hub.pull(CARD, place)
    assert not place.exists()
    monkeypatch.setattr(ObjectStore, "copy_to", before)
    hub.pull(CARD, place)
    assert {each.name for each in place.iterdir()} == {"card.json", "README.md", "manifest.json", "signatures.json"}


def test_a_full_disk_is_said_and_changes_nothing(hub, card, card_fields, monkeypatch):
    hub.publish(card, card_fields)
    before = hub.search()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(object_store.os, "fsync", full)
    (card / "card.json").write_text('{"cells": 4}\n')
    with pytest.raises(WritingError, match=r"No space left on device.*Make room"):
        hub.publish(card, {**card_fields, "version": "2.0"})
    assert hub.search() == before
    assert list(hub.listing(CARD).versions) == ["1.0"]
    assert reopened(hub).search() == before


def test_a_place_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WritingError, match="could not be written"):
        Hub.open(str(tmp_path / "file" / "hub"), trust=TrustStore())


def test_an_index_that_may_not_be_written_to_is_said_and_catches_up(hub, card, card_fields):
    def read_only(connection, _):
        connection.execute("PRAGMA query_only=ON")

    hub.index.engine.dispose()
    event.listen(hub.index.engine, "connect", read_only)
    with pytest.raises(UnavailableError, match=r"index.*may be written to"):
        hub.publish(card, card_fields)
    assert hub.search() == []
    event.remove(hub.index.engine, "connect", read_only)
    assert [each["version"] for each in reopened(hub).search()] == ["1.0"]


def test_an_object_that_was_damaged_is_mended_by_publishing_again(hub, card, card_fields):
    made = hub.publish(card, card_fields)
    store = hub.stored.store
    for digest in (made.files[0].sha256, made.digest):
        with store.files.open(store._path(digest), "wb") as stream:
            stream.write(b"{")
        with pytest.raises(IntegrityError, match="publish it again"):
            store.read(digest, 1 << 20)
        if digest != made.digest:
            hub.publish(card, card_fields)
            assert hub.verify(CARD, ["valid"]).passed


@pytest.mark.parametrize("place", ["folder", "memory"])
@pytest.mark.parametrize("alike", [False, True])
def test_of_two_who_publish_a_version_at_once_one_wins(
    place, alike, tmp_path, empty_index, card, card_fields, monkeypatch
):
    location = str(tmp_path / "both") if place == "folder" else f"memory://{uuid.uuid4().hex}"
    (tmp_path / "index.db").write_bytes(empty_index)
    meet, before, ended = threading.Barrier(2, timeout=5), StoredHub.note_version, {}

    def at_once(self, ref, digest):
        meet.wait()
        before(self, ref, digest)

    monkeypatch.setattr(StoredHub, "note_version", at_once)

    def opened():
        return Hub.open(location, f"sqlite:///{tmp_path / 'index.db'}", trust=TrustStore())

    def publish(who, mine):
        try:
            ended[who] = mine.publish(card, {**card_fields, "description": "" if alike else who})
        except IntegrityError as error:
            ended[who] = error
        finally:
            mine.close()

    threads = [threading.Thread(target=publish, args=(who, opened())) for who in ("ada", "ben")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    won = [each for each in ended.values() if not isinstance(each, IntegrityError)]
    lost = [str(each) for each in ended.values() if isinstance(each, IntegrityError)]
    assert len(won) == (2 if alike else 1), ended
    assert all("is published, and says something else" in each for each in lost)
    hub = opened()
    assert [each["digest"] for each in hub.search()] == [won[0].digest] == [hub.manifest(CARD).digest]
    hub.close()


def test_a_namespace_that_two_open_at_once_is_not_shown_by_one_and_hidden_by_the_other(hub):
    hub.stored.note_namespace("inside", Visibility.PRIVATE)
    with pytest.raises(IntegrityError, match="written once"):
        hub.stored.note_namespace("inside", Visibility.PUBLIC)
    assert hub.stored.visibility("inside") == "private"
