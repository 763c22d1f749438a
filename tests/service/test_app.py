import pytest

from tiny_service import tiny_client

API = "/api/v1"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A service that other computers reach, and tokens of three users."""
    with tiny_client(tmp_path_factory.mktemp("home"), host="0.0.0.0") as client:
        accounts = client.app.state.service.accounts
        tokens = {name: accounts.new_token(name, role)["token"] for name, role in
                  (("root", "admin"), ("ada", "writer"), ("bob", "reader"))}  # fmt: skip
        yield client, {name: {"authorization": f"Bearer {token}"} for name, token in tokens.items()}


def test_the_api_is_described_and_health_needs_no_token(shared):
    client, _ = shared
    assert client.get(f"{API}/health").json()["status"] == "ok"
    assert client.get(f"{API}/openapi.json").json()["openapi"].startswith("3.1")


def test_without_a_token_nothing_is_said(shared):
    client, _ = shared
    for path in ("cells", "datasets", "session", "leaderboard", "parts", "tokens"):
        answer = client.get(f"{API}/{path}")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get(f"{API}/cells", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_roles_are_kept(shared):
    client, users = shared
    assert client.get(f"{API}/session", headers=users["bob"]).json()["role"] == "reader"
    file = {"file": ("x.csv", b"a,b\n1,2\n")}
    assert client.post(f"{API}/datasets", files=file, headers=users["bob"]).status_code == 403
    assert client.get(f"{API}/audit", headers=users["ada"]).status_code == 403
    assert client.get(f"{API}/audit", headers=users["root"]).status_code == 200
    asked = {"name": "mine", "role": "admin"}
    assert client.post(f"{API}/tokens", json=asked, headers=users["ada"]).status_code == 403


def test_a_browser_signs_in_with_a_cookie(shared):
    client, users = shared
    token = users["ada"]["authorization"].removeprefix("Bearer ")
    assert client.post(f"{API}/session", json={"token": "wrong"}).status_code == 401
    signed = client.post(f"{API}/session", json={"token": token})
    assert "httponly" in signed.headers["set-cookie"].lower()
    assert client.get(f"{API}/session").json()["user"] == "ada"
    client.delete(f"{API}/session")
    client.cookies.clear()
    assert client.get(f"{API}/session").status_code == 401


def test_too_many_requests_are_told_when_to_come_again(tmp_path):
    with tiny_client(tmp_path, cell=False, requests_per_minute=2) as client:
        answers = [client.get(f"{API}/session") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_long_answers_are_compressed(client):
    assert client.get(f"{API}/leaderboard").headers["content-encoding"] == "gzip"
