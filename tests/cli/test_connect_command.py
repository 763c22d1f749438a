import json

import pytest

from aivc.cli import main
from aivc.core.virtual_cell import VirtualCell
from far_parts import far_service
from tiny_service import tiny_cell


@pytest.fixture
def at(tmp_path, monkeypatch):
    return far_service(monkeypatch, tmp_path, tiny_cell()).removesuffix("/parts")


def test_a_cell_there_becomes_a_folder_here(at, tmp_path, capsys, monkeypatch):
    out = tmp_path / "far"
    assert main(["connect", at, "--out", str(out), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["parts"]["effect.v2"] == "ensemble"
    assert body["variable"] == {"name": "AIVC_REMOTE", "value": "http://localhost:8000"}
    assert VirtualCell.load(out).contexts == tiny_cell().contexts
    assert main(["predict", str(out), min(tiny_cell().trained)]) == 0
    assert main(["connect", at, "--out", str(out)]) == 1
    assert "holds something already" in capsys.readouterr().err


def test_the_shell_says_how_to_ask_it(at, tmp_path, capsys):
    assert main(["connect", at, "--out", str(tmp_path / "far")]) == 0
    assert "AIVC_REMOTE=http://localhost:8000" in capsys.readouterr().out


@pytest.mark.parametrize("address", ["nothing", "http://host.example/api/v1/cells/x"])
def test_what_is_no_address_is_refused(address, tmp_path, capsys):
    assert main(["connect", address, "--out", str(tmp_path / "far")]) == 1
    assert "error:" in capsys.readouterr().err
    assert not (tmp_path / "far").exists()
