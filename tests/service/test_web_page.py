import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aivc.service.web_page import add_page


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<p>app</p>")
    (folder / "assets" / "app-1.js").write_text("1")
    (tmp_path / "secret").write_text("secret")
    app = FastAPI()
    add_page(app, folder)
    return TestClient(app)


def test_every_address_is_the_one_page(page):
    assert page.get("/").text == page.get("/cells/tiny").text == "<p>app</p>"
    asset = page.get("/assets/app-1.js")
    assert asset.text == "1"
    assert "immutable" in asset.headers["cache-control"]
    assert page.get("/assets/app-2.js").status_code == 404


@pytest.mark.parametrize("path", ["/..%2fsecret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret", "//secret", "/%00"])
def test_nothing_outside_is_served(page, path):
    assert "secret" not in page.get(path).text


def test_without_a_page_it_says_how_to_build_one(tmp_path):
    app = FastAPI()
    add_page(app, tmp_path)
    assert "make app" in TestClient(app).get("/").text


def test_what_is_not_in_the_api_is_json(page):
    answer = page.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["kind"] == "UnknownNameError"
