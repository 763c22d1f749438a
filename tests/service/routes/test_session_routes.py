import pytest
from fastapi.testclient import TestClient

from tiny_service import tiny_client


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with tiny_client(tmp_path_factory.mktemp("home"), cell=False) as made:
        yield made


def test_on_loopback_the_user_is_the_admin(client):
    found = client.get("/api/v1/session").json()
    assert (found["user"], found["role"], found["loopback"]) == ("local", "admin", True)
    assert found["page_features"]["upload"]


def test_tokens_are_made_listed_and_revoked(client):
    made = client.post("/api/v1/tokens", json={"name": "ada", "role": "writer"}).json()
    asker = {"authorization": f"Bearer {made['token']}"}
    assert client.get("/api/v1/session", headers=asker).json()["user"] == "ada"
    listed = client.get("/api/v1/tokens").json()["tokens"]
    assert [each["id"] for each in listed] == [made["id"]]
    assert "token" not in listed[0]
    assert client.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    assert client.get("/api/v1/session", headers=asker).status_code == 401
    assert client.delete(f"/api/v1/tokens/{made['id']}").status_code == 404


def test_a_token_takes_with_it_what_it_made_and_each_is_noted(client):
    root = client.post("/api/v1/tokens", json={"name": "root", "role": "admin"}).json()
    asker = {"authorization": f"Bearer {root['token']}"}
    made = client.post("/api/v1/tokens", json={"name": "eve", "role": "admin"}, headers=asker).json()
    eve = {"authorization": f"Bearer {made['token']}"}
    assert client.get("/api/v1/session", headers=eve).status_code == 200
    assert client.delete(f"/api/v1/tokens/{root['id']}").status_code == 204
    assert client.get("/api/v1/session", headers=eve).status_code == 401
    lines = client.get("/api/v1/audit?limit=2").json()["lines"]
    assert {line["path"] for line in lines} == {f"/api/v1/tokens/{each['id']}" for each in (root, made)}
    assert {(line["user"], line["action"], line["status"]) for line in lines} == {("local", "DELETE", 204)}


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A service for others, behind a proxy at 10.0.0.2; and a token for it."""
    with tiny_client(
        tmp_path_factory.mktemp("home"), cell=False, host="0.0.0.0", proxies=("10.0.0.2",), failures_per_minute=3
    ) as made:
        made.token = made.app.state.service.accounts.new_token("ada", "admin")["token"]
        yield made


def sign_in(app, token, *, at, asks_for=""):
    client = TestClient(app, client=(at, 1), raise_server_exceptions=False)
    headers = {"x-forwarded-for": asks_for} if asks_for else {}
    return client.post("/api/v1/session", json={"token": token}, headers=headers).status_code


def test_an_address_fails_to_sign_in_a_few_times_and_locks_nobody_else_out(behind):
    failed = [sign_in(behind.app, "wrong", at="192.0.2.1") for _ in range(5)]
    assert failed == [401, 401, 401, 429, 429]
    assert sign_in(behind.app, behind.token, at="192.0.2.1") == 429
    assert sign_in(behind.app, behind.token, at="192.0.2.2") == 204
    # Whoever signs in does not use up what failures may.
    assert {sign_in(behind.app, behind.token, at="192.0.2.3") for _ in range(6)} == {204}


def test_all_addresses_of_one_network_of_ipv6_fail_together(behind):
    failed = [sign_in(behind.app, "wrong", at=f"2001:db8::{i}") for i in range(4)]
    assert failed == [401, 401, 401, 429]
    assert sign_in(behind.app, "wrong", at="2001:db8:0:1::1") == 401


def test_a_client_does_not_choose_its_address(behind):
    failed = [sign_in(behind.app, "wrong", at="192.0.2.9", asks_for=f"198.51.100.{i}") for i in range(4)]
    assert failed == [401, 401, 401, 429]
    # Nor behind the proxy, which adds the address that it sees to whatever was sent.
    failed = [sign_in(behind.app, "wrong", at="10.0.0.2", asks_for=f"198.51.100.{i}, 192.0.2.10") for i in range(4)]
    assert failed == [401, 401, 401, 429]
    lines = behind.get("/api/v1/audit?limit=3", headers={"authorization": f"Bearer {behind.token}"}).json()["lines"]
    assert {line["address"] for line in lines} == {"192.0.2.10"}


def test_clients_behind_a_named_proxy_are_told_apart(behind):
    for _ in range(4):
        sign_in(behind.app, "wrong", at="10.0.0.2", asks_for="192.0.2.11")
    assert sign_in(behind.app, behind.token, at="10.0.0.2", asks_for="192.0.2.11") == 429
    assert sign_in(behind.app, behind.token, at="10.0.0.2", asks_for="192.0.2.12") == 204


def test_behind_a_proxy_nobody_is_the_user_of_this_computer(client, tmp_path):
    with tiny_client(tmp_path, cell=False, proxies=("127.0.0.1",)) as named:
        assert named.get("/api/v1/session").status_code == 401
    answer = client.get("/api/v1/session", headers={"x-forwarded-for": "192.0.2.1"})
    assert (answer.status_code, "--proxy ADDRESS" in answer.text) == (403, True)
