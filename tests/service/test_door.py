import pytest

from tiny_service import tiny_client

WRITE = {"json": {"name": "a"}}


def test_a_foreign_name_is_turned_away(client):
    answer = client.get("/api/v1/session", headers={"host": "rebound.example"})
    assert answer.status_code == 403
    assert "not its own" in answer.json()["error"]["problems"][0]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://elsewhere.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"host": "[::1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://testserver"}, 201),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({}, 201),
    ],
)
def test_only_its_own_page_writes(client, headers, status):
    assert client.post("/api/v1/tokens", headers=headers, **WRITE).status_code == status


def test_writes_are_noted_with_their_outcome(client):
    client.post("/api/v1/tokens", headers={"origin": "http://elsewhere.example"}, **WRITE)
    client.post("/api/v1/tokens", **WRITE)
    lines = client.get("/api/v1/audit?limit=2").json()["lines"]
    assert [(line["user"], line["status"]) for line in lines] == [("local", 201), ("", 403)]


def test_headers_keep_pages_of_others_out(client):
    headers = client.get("/").headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


def test_too_long_a_body_is_refused_before_it_is_read(tmp_path):
    with tiny_client(tmp_path, cell=False, upload_limit=10) as client:
        stated = client.post("/api/v1/tokens", content=b"x", headers={"content-length": str(1 << 30)})
        assert stated.status_code == 413
        assert stated.json()["error"]["kind"] == "TooLargeError"
        pieces = (b"x" * (1 << 20) for _ in range(20))
        come = client.post(
            "/api/v1/datasets", content=pieces, headers={"content-type": "multipart/form-data; boundary=b"}
        )
        assert come.status_code == 413
