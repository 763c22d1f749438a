import pytest

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
