import httpx
import pytest

from aivc.hub.hub import Hub
from tiny_service import tiny_cell, tiny_client

HUB = "/api/v1/hub"
FIELDS = {"namespace": "lab", "name": "tiny", "version": "1.0", "licence": "CC-BY-4.0", "title": "Tiny"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A service that others reach, with a public and a private cell in its hub."""
    with tiny_client(tmp_path_factory.mktemp("home"), cell=False, host="0.0.0.0") as client:
        service = client.app.state.service
        tokens = {name: service.accounts.new_token(name, role)["token"] for name, role in
                  (("root", "admin"), ("lab2", "writer"), ("eve", "writer"))}  # fmt: skip
        service.hub.publish(tiny_cell(), FIELDS)
        service.hub.publish(tiny_cell(), {**FIELDS, "namespace": "lab2"}, visibility="private")
        yield client, {name: {"authorization": f"Bearer {token}"} for name, token in tokens.items()}


def test_what_is_public_is_found_without_a_token(served):
    client, users = served
    found = client.get(f"{HUB}/search?text=tiny").json()["entries"]
    assert [each["ref"] for each in found] == ["virtual-cell/lab/tiny@1.0"]
    own = client.get(f"{HUB}/search", headers=users["lab2"]).json()["entries"]
    assert {each["namespace"] for each in own} == {"lab", "lab2"}
    all_of_it = client.get(f"{HUB}/search", headers=users["root"]).json()["entries"]
    assert {each["namespace"] for each in all_of_it if each["name"] == "tiny"} == {"lab", "lab2"}


def test_what_is_private_is_not_there_for_others(served):
    client, users = served
    for path in ("virtual-cell/lab2/tiny", "virtual-cell/lab2/tiny/1.0"):
        assert client.get(f"{HUB}/{path}").status_code == 404
        assert client.get(f"{HUB}/{path}", headers=users["eve"]).status_code == 404
        assert client.get(f"{HUB}/{path}", headers=users["lab2"]).status_code == 200
    asked = {"ref": "virtual-cell/lab2/tiny@1.0"}
    assert client.post(f"{HUB}/pull", json=asked, headers=users["eve"]).status_code == 404


def test_a_manifest_names_objects_that_are_served(served):
    client, _ = served
    manifest = client.get(f"{HUB}/virtual-cell/lab/tiny/1.0").json()
    digest = manifest["files"][0]["sha256"].removeprefix("sha256:")
    answer = client.get(f"{HUB}/objects/sha256/{digest}")
    assert len(answer.content) == manifest["files"][0]["bytes"]
    tag = {"if-none-match": answer.headers["etag"]}
    assert client.get(f"{HUB}/objects/sha256/{digest}", headers=tag).status_code == 304
    assert client.get(f"{HUB}/objects/sha256/{'0' * 64}").status_code == 404
    card = client.get(f"{HUB}/virtual-cell/lab/tiny/1.0?format=card").json()
    assert card["ref"] == "virtual-cell/lab/tiny@1.0"
    assert "files" not in card
    assert "properties" in client.get(f"{HUB}/manifest-schema").json()


def test_objects_are_read_only_where_a_version_lists_them(served):
    client, users = served
    service = client.app.state.service
    manifest = service.hub.publish(
        tiny_cell(), {**FIELDS, "namespace": "lab2", "name": "other", "description": "secret"}
    )
    place = f"{HUB}/objects/sha256/{manifest.digest.removeprefix('sha256:')}"
    tag = {"if-none-match": f'"{manifest.digest.removeprefix("sha256:")}"'}
    assert client.get(place).status_code == 404
    assert client.get(place, headers=users["eve"] | tag).status_code == 404
    own = client.get(place, headers=users["lab2"])
    assert own.status_code == 200
    assert "private" in own.headers["cache-control"]
    # The same file is public where a public version lists it, too.
    shared = manifest.files[0].sha256.removeprefix("sha256:")
    assert "public" in client.get(f"{HUB}/objects/sha256/{shared}").headers["cache-control"]
    loose = service.hub.stored.store.put_bytes(b"listed nowhere").removeprefix("sha256:")
    assert client.get(f"{HUB}/objects/sha256/{loose}", headers=users["eve"]).status_code == 404


def test_a_cell_is_pulled_and_can_be_asked(served):
    client, users = served
    made = client.post(f"{HUB}/pull", json={"ref": "virtual-cell/lab/tiny@1.0"}, headers=users["eve"])
    assert made.status_code == 201, made.text
    assert (made.json()["source"], made.json()["owner"], made.json()["title"]) == ("hub", "eve", "Tiny")
    # Under which terms it came is noted in the home, where nobody else writes.
    assert (client.app.state.service.settings.home / "pulled_terms.json").is_file()
    asked = {"perturbation": "ko:G0001", "sets": "", "why": False}
    place = f"/api/v1/cells/{made.json()['id']}/predict"
    assert client.post(place, json=asked, headers=users["eve"]).status_code == 200
    assert client.post(place, json=asked, headers=users["lab2"]).status_code == 404


def test_only_an_admin_names_another_hub(served):
    client, users = served
    asked = {"ref": "virtual-cell/lab/tiny@1.0", "from": "/tmp"}
    assert client.post(f"{HUB}/pull", json=asked, headers=users["eve"]).status_code == 403


def test_a_version_is_checked(served):
    client, users = served
    asked = {"ref": "virtual-cell/lab/tiny@1.0", "badges": ["valid"]}
    verdict = client.post(f"{HUB}/verify", json=asked, headers=users["eve"]).json()
    assert verdict["passed"]
    assert verdict["badges"][0]["badge"] == "valid"


def test_another_service_reads_this_hub(served, tmp_path):
    client, _ = served

    def passed_on(request):
        answer = client.get(request.url.raw_path.decode())
        return httpx.Response(answer.status_code, content=answer.content)

    reader = Hub.open("http://testserver/api/v1/hub", transport=httpx.MockTransport(passed_on))
    assert reader.search("tiny")[0]["ref"] == "virtual-cell/lab/tiny@1.0"
    folder = reader.pull("virtual-cell/lab/tiny@1.0", tmp_path / "pulled")
    assert (folder / "cell.json").is_file()
