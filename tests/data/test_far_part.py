import dataclasses
import json

import httpx
import numpy as np
import pytest

from aivc.core.errors import (
    DataError,
    IntegrityError,
    PerturbationError,
    SpaceError,
    UnavailableError,
    UnitsError,
)
from aivc.core.state import State
from aivc.data import far_part
from aivc.data.far_part import REMOTE, FarPart, consented

ADDRESS = "https://host.example/api/v1/cells/far/parts/move"
DIGEST = "d" * 64


@pytest.fixture
def served(monkeypatch):
    """Let a function answer requests; returns the requests that came."""
    monkeypatch.setattr(far_part, "_NAMED", {})
    monkeypatch.setattr(far_part.time, "sleep", lambda _seconds: None)
    monkeypatch.delenv(REMOTE, raising=False)

    def serve(answer):
        seen = []

        def respond(request):
            seen.append(request)
            return answer(request)

        monkeypatch.setattr(far_part, "TRANSPORT", httpx.MockTransport(respond))
        return seen

    return serve


def answered(request, state=None, tag=DIGEST):
    return httpx.Response(200, content=(state or State({"a": 1})).to_bytes(), headers={"etag": f'"{tag}"'})


def refusing(status, kind="DataError", problems=("no",)):
    return httpx.Response(status, json={"error": {"kind": kind, "problems": list(problems)}})


@pytest.mark.parametrize(
    "address",
    ["", "ftp://host/x", "https://", "https://user:word@host/x", "https://host/x?y=1", "https://host:port/x", "host/x"],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(DataError, match="no address"):
        FarPart(address)


def test_cells_travel_encrypted_unless_they_stay_on_this_computer():
    with pytest.raises(DataError, match="Use https"):
        FarPart("http://host.example/api/v1/cells/far/parts/move")
    assert FarPart("http://localhost:8000/x").origin == "http://localhost:8000"


def test_nobody_is_asked_who_was_not_named(served, monkeypatch):
    seen = served(answered)
    with pytest.raises(UnavailableError, match=rf"set {REMOTE}=https://host.example"):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)
    monkeypatch.setenv(REMOTE, "https://other.example https://host.example:444")
    with pytest.raises(UnavailableError, match="nobody named"):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)
    assert not seen
    monkeypatch.setenv(REMOTE, "https://other.example=secret https://HOST.example/")
    assert FarPart(ADDRESS).ask("manipulate", State(), DIGEST).settings == {"a": 1}
    assert "authorization" not in seen[0].headers


def test_a_token_goes_to_its_own_service_alone(served, monkeypatch):
    seen = served(answered)
    monkeypatch.setenv(REMOTE, "https://other.example=secret https://host.example=mine")
    FarPart(ADDRESS).ask("manipulate", State(), DIGEST, perturbation="ko:A")
    assert seen[0].headers["authorization"] == "Bearer mine"
    assert seen[0].headers["if-match"] == f'"{DIGEST}"'
    assert seen[0].url.params["perturbation"] == "ko:A"
    assert consented() == {"https://other.example": "secret", "https://host.example": "mine"}
    FarPart(ADDRESS).allow("better")
    FarPart(ADDRESS).ask("manipulate", State(), DIGEST)
    assert seen[1].headers["authorization"] == "Bearer better"


def test_what_is_redirected_is_not_followed(served):
    seen = served(lambda _: httpx.Response(302, headers={"location": "https://evil.example/"}))
    FarPart(ADDRESS).allow("mine")
    with pytest.raises(UnavailableError, match="status 302"):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)
    assert len(seen) == 1


@pytest.mark.parametrize("answer", [lambda _: refusing(412), lambda request: answered(request, tag="e" * 64)])
def test_another_part_is_not_believed(served, answer):
    served(answer)
    FarPart(ADDRESS).allow()
    with pytest.raises(IntegrityError, match="not the one that this was connected to"):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", State({"a": 1}).to_bytes()[:-3], b"{}"])
def test_what_is_no_state_is_refused(served, content):
    served(lambda _: httpx.Response(200, content=content, headers={"etag": f'"{DIGEST}"'}))
    FarPart(ADDRESS).allow()
    with pytest.raises(IntegrityError):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusing(422, "SpaceError"), SpaceError),
        (refusing(422, "UnitsError"), UnitsError),
        (refusing(422, "PerturbationError"), PerturbationError),
        (refusing(422, "SystemExit"), DataError),
        (refusing(404, "UnknownNameError"), UnavailableError),
        (refusing(401, "SignInError"), UnavailableError),
        (refusing(500, "ServiceFault"), UnavailableError),
        (httpx.Response(200 + 222, content=b"<html>"), UnavailableError),
        (httpx.Response(422, content=json.dumps({"error": {"kind": "DataError", "problems": 3}})), UnavailableError),
    ],
)
def test_refusals_are_raised_as_what_they_are(served, answer, error):
    served(lambda _: answer)
    FarPart(ADDRESS).allow()
    with pytest.raises(error, match=r"host\.example"):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)


def test_a_busy_service_is_asked_again_and_not_for_ever(served):
    answers = [httpx.Response(429, headers={"retry-after": "3"}), httpx.Response(503), None]
    seen = served(lambda request: answers.pop(0) or answered(request))
    FarPart(ADDRESS).allow()
    assert FarPart(ADDRESS).ask("manipulate", State(), DIGEST).settings == {"a": 1}
    assert len(seen) == 3
    seen = served(lambda _: refusing(429, "TooOftenError"))
    with pytest.raises(DataError, match="no"):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)
    assert len(seen) == 6


def test_too_much_is_neither_sent_nor_taken(served, monkeypatch):
    seen = served(answered)
    FarPart(ADDRESS).allow()
    monkeypatch.setattr(far_part, "LARGEST_QUESTION", 1000)
    with pytest.raises(DataError, match="fewer cells"):
        FarPart(ADDRESS).ask("manipulate", State({}, {"x": np.zeros(1000)}), DIGEST)
    assert not seen
    monkeypatch.setattr(far_part, "_LARGEST_ANSWER", 10)
    with pytest.raises(IntegrityError, match="more than 10 bytes"):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)


def test_an_answer_that_takes_too_long_is_not_waited_for(served, monkeypatch):
    served(answered)
    FarPart(ADDRESS).allow()
    monkeypatch.setattr(far_part, "_PATIENCE", -1.0)
    with pytest.raises(UnavailableError, match="to answer"):
        FarPart(ADDRESS).ask("manipulate", State(), DIGEST)


def test_who_cannot_be_reached_is_named(served):
    def fail(_request):
        raise httpx.ConnectError("nobody there")

    served(fail)
    FarPart(ADDRESS).allow()
    with pytest.raises(UnavailableError, match="nobody there"):
        FarPart(ADDRESS).describe()


@pytest.mark.parametrize("body", [[], {}, {"contract": "wizard", "digest": "x", "space": {}}, {"contract": "decoder"}])
def test_what_does_not_describe_a_part_is_refused(served, body):
    served(lambda _: httpx.Response(200, json=body))
    FarPart(ADDRESS).allow()
    with pytest.raises(IntegrityError, match="does not answer as a"):
        FarPart(ADDRESS).describe()


def test_an_address_is_all_there_is_to_it():
    assert [each.name for each in dataclasses.fields(FarPart)] == ["address"]
