import dataclasses

import httpx
import pytest

from aivc.core.errors import DataError, IntegrityError, UnavailableError, UnknownNameError
from aivc.hub.hub import Hub
from aivc.hub.refs import Ref
from aivc.hub.service_reader import ServiceReader
from aivc.hub.signing import SigningKey, TrustStore

ADDRESS = "https://hub.example/api/v1/hub"
CARD = "dataset-card/lab/jak"


@pytest.fixture
def served(hub, card, card_fields):
    """The hub of a service, read through its API; ``alter`` changes what it sends."""
    hub.publish(card, card_fields, SigningKey())
    alter = {}

    def answer(request):
        path = request.url.path.removeprefix("/api/v1/hub/")
        if path in alter:
            return alter[path]
        if path == "search":
            return httpx.Response(200, json={"entries": hub.search(request.url.params["text"])})
        if path.startswith("objects/sha256/"):
            return httpx.Response(200, content=hub.source.read(f"sha256:{path.rsplit('/', 1)[-1]}", 1 << 30))
        found = hub.listing(Ref.parse(path)).to_json()
        return httpx.Response(200, json=found) if found["versions"] else httpx.Response(404, json={})

    made = Hub.open(ADDRESS, trust=TrustStore(), transport=httpx.MockTransport(answer))
    return made, hub, alter


def test_a_service_gives_the_same_as_its_store(served, tmp_path):
    made, hub, _ = served
    assert made.manifest(CARD) == hub.manifest(CARD)
    assert made.search("jak") == hub.search("jak")
    made.pull(f"{CARD}@1.0", tmp_path / "got")
    assert (tmp_path / "got" / "card.json").read_text() == '{"cells": 3}\n'
    report = made.verify(CARD)
    assert report.passed
    assert (report.recorded, report.strangers) == (False, 1)
    with pytest.raises(UnknownNameError):
        made.manifest("lab/nothing")


def test_what_a_service_alters_is_found(served, tmp_path):
    made, hub, alter = served
    manifest = hub.manifest(CARD)
    at = f"objects/sha256/{manifest.files[0].sha256.removeprefix('sha256:')}"
    alter[at] = httpx.Response(200, content=b'{"cells": 9}\n')
    with pytest.raises(IntegrityError, match="altered"):
        made.pull(CARD, tmp_path / "got")
    assert not (tmp_path / "got").exists()
    alter[f"objects/sha256/{manifest.digest.removeprefix('sha256:')}"] = httpx.Response(200, content=b"{}")
    with pytest.raises(IntegrityError, match="altered"):
        made.manifest(CARD)


def test_a_service_cannot_speak_for_another_thing_or_hide_a_false_signature(served):
    made, hub, alter = served
    listing = hub.listing(CARD).to_json()
    alter[CARD] = httpx.Response(200, json={**listing, "name": "other"})
    with pytest.raises(IntegrityError, match="of something else"):
        made.manifest(CARD)
    version = listing["versions"][0]
    false = [{**each, "key": SigningKey().public} for each in version["signatures"]]
    alter[CARD] = httpx.Response(200, json={**listing, "versions": [{**version, "signatures": false}]})
    with pytest.raises(IntegrityError, match="not true"):
        made.manifest(f"{CARD}@1.0")
    alter[CARD] = httpx.Response(200, json={**listing, "versions": [{**version, "digest": "sha256:../../x"}]})
    with pytest.raises(IntegrityError, match="cannot be read"):
        made.manifest(f"{CARD}@1.0")


@pytest.mark.parametrize(
    "answer", [httpx.Response(500), httpx.Response(302, headers={"Location": "http://127.0.0.1/"})]
)
def test_other_answers_are_refused_and_redirects_not_followed(served, answer):
    made, _, alter = served
    alter["search"] = answer
    with pytest.raises(UnavailableError, match=f"status {answer.status_code}"):
        made.search("jak")


def test_a_service_that_does_not_answer_is_said():
    def fail(request):
        raise httpx.ConnectError("refused")

    made = Hub.open(ADDRESS, trust=TrustStore(), transport=httpx.MockTransport(fail))
    with pytest.raises(UnavailableError, match="could not be reached"):
        made.search("jak")


def test_a_token_travels_encrypted_and_is_not_shown():
    with pytest.raises(DataError, match="Use https"):
        ServiceReader("http://hub.example/api/v1/hub", "secret")
    with pytest.raises(DataError, match="no address"):
        ServiceReader("ftp://hub.example")
    made = ServiceReader(ADDRESS, "secret")
    assert "secret" not in repr(made)
    seen = []
    transport = httpx.MockTransport(lambda request: seen.append(request) or httpx.Response(200, json={"entries": []}))
    assert dataclasses.replace(made, transport=transport).search("", "") == []
    assert seen[0].headers["Authorization"] == "Bearer secret"
