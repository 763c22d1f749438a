import json
import sqlite3
from contextlib import closing

import pytest
import uvicorn

from aivc.cli import main


def said(capsys, *words):
    code = main(list(words))
    return code, capsys.readouterr()


def test_tokens_are_made_listed_and_revoked(tmp_path, capsys):
    home = ("--home", str(tmp_path), "--json")
    code, shown = said(capsys, "serve", "token", "new", "ada", "--role", "writer", *home)
    made = json.loads(shown.out)
    assert (code, made["role"], made["user"]) == (0, "writer", "ada")
    assert made["token"].startswith("aivc_")
    _, shown = said(capsys, "serve", "token", "list", *home)
    assert [each["id"] for each in json.loads(shown.out)["tokens"]] == [made["id"]]
    assert made["token"] not in shown.out
    assert said(capsys, "serve", "token", "revoke", made["id"], *home)[0] == 0
    assert json.loads(said(capsys, "serve", "token", "list", *home)[1].out)["tokens"] == []


def test_what_is_done_to_tokens_in_a_shell_is_noted(tmp_path, capsys):
    home = ("--home", str(tmp_path), "--json")
    made = json.loads(said(capsys, "serve", "token", "new", "ada", *home)[1].out)
    said(capsys, "serve", "token", "revoke", made["id"], *home)
    with closing(sqlite3.connect(tmp_path / "aivc.db")) as database:
        lines = database.execute("select user, address, action, path, status from service_audit order by id").fetchall()
    path = f"/api/v1/tokens/{made['id']}"
    where = lines[0][1]
    assert where.startswith("shell of ")
    assert lines == [("local", where, "POST", path, 201), ("local", where, "DELETE", path, 204)]


@pytest.mark.parametrize("words", [("token",), ("token", "steal", "ada"), ("cells",)])
def test_other_words_are_wrong_usage(tmp_path, capsys, words):
    code, shown = said(capsys, "serve", *words, "--home", str(tmp_path))
    assert code == 2
    assert "token new NAME" in shown.err


def test_others_are_let_in_only_with_tokens(tmp_path, capsys):
    code, shown = said(capsys, "serve", "--host", "0.0.0.0", "--no-open", "--home", str(tmp_path))
    assert code == 1
    assert "aivc serve token new NAME" in shown.err


def test_addresses_are_taken_from_requests_only_where_a_proxy_is_named(tmp_path, capsys, monkeypatch):
    ran = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: ran.append(server.config))
    home = ("--home", str(tmp_path), "--no-open", "--port", "0", "--jobs", "0")
    assert said(capsys, "serve", *home)[0] == 0
    assert said(capsys, "serve", "token", "new", "ada", "--home", str(tmp_path))[0] == 0
    assert said(capsys, "serve", *home, "--proxy", "127.0.0.1")[0] == 0
    assert [config.proxy_headers for config in ran] == [False, False]
    assert [_trusts(config.app) for config in ran] == [[], [["127.0.0.1"]]]
    assert "such as 10.0.0.2" in said(capsys, "serve", *home, "--proxy", "*")[1].err


def _trusts(app):
    return [each.kwargs["trusted_hosts"] for each in app.user_middleware if "trusted_hosts" in each.kwargs]


def test_a_folder_without_a_cell_is_refused(tmp_path, capsys):
    code, shown = said(capsys, "serve", "--no-open", "--home", str(tmp_path), "--cell", str(tmp_path))
    assert code == 1
    assert "cell.json" in shown.err
