"""`aivc report` and `aivc plot`: the same page and the same figures as in Python, never over a file that is there."""

import json

import pytest

import aivc
from aivc.cli import main
from aivc.core.ur import UR


@pytest.fixture(scope="module")
def cell(small_screen, tmp_path_factory):
    out = tmp_path_factory.mktemp("reported") / "cell"
    words = ["fit", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--out", out]
    words += ["--priors", small_screen / "priors", "--members", 2, "--dim", 3, "--manipulator", "transfer"]
    assert main(list(map(str, words))) == 0
    return out


def test_shell_and_python_write_the_same_page(cell, tmp_path, capsys):
    words = ["report", cell, "--out", tmp_path, "--figures", tmp_path / "figures", "--json"]
    assert main(list(map(str, words))) == 0
    said, made = json.loads(capsys.readouterr().out), aivc.report(cell)
    assert said["report"] == str(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == made.html()
    assert (said["verdict"], said["missing"]) == (made.verdict, dict(made.missing))
    drawn = ["effects.svg", "ranking.svg", "volcano.svg"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == drawn


@pytest.mark.slow
def test_beside_its_data_it_is_the_same_page_too(cell, small_screen, tmp_path, capsys):
    schema = small_screen / "schema.toml"
    words = ["report", cell, "--data", small_screen / "screen.h5ad", "--schema", schema, "--no-scores"]
    words += ["--priors", small_screen / "priors", "--out", tmp_path, "--figures", tmp_path / "figures", "--json"]
    assert main(list(map(str, words))) == 0
    said = json.loads(capsys.readouterr().out)
    made = aivc.report(
        cell, small_screen / "screen.h5ad", schema=aivc.Schema.from_toml(schema), score=False,
        parts=UR.load(small_screen / "priors"),
    )  # fmt: skip
    assert said["report"] == str(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == made.html()
    assert said["verdict"] == made.verdict
    assert said["missing"] == dict(made.missing)
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "cells.svg", "effects.svg", "measured-2.svg", "measured.svg", "ranking.svg", "volcano.svg",
    ]  # fmt: skip


def test_a_figure_alone_is_written_once(cell, tmp_path, capsys):
    words = ["plot", "volcano", str(cell), "--ask", "ko:G0002", "--out", str(tmp_path / "v.png")]
    assert main(words) == 0
    assert "ko:G0002, predicted" in capsys.readouterr().out
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--json"]) == 1
    assert "--overwrite" in capsys.readouterr().out
    assert main([*words, "--overwrite"]) == 0


def test_what_cannot_be_drawn_is_refused_before_any_work(cell, tmp_path, capsys):
    assert main(["plot", "volcano", str(cell), "--out", "v.pdf", "--json"]) == 1
    assert ".svg or .png" in capsys.readouterr().out
    assert main(["plot", "plate", str(cell), "--out", str(tmp_path / "p.svg"), "--json"]) == 1
    assert "aivc propose" in capsys.readouterr().out
    assert main(["report", str(cell), "--schema", "s.toml", "--out", str(tmp_path / "x.html"), "--json"]) == 1
    assert "--data" in capsys.readouterr().out
    (tmp_path / "report.html").write_text("mine")
    assert main(["report", str(cell), "--out", str(tmp_path), "--json"]) == 1
    assert (tmp_path / "report.html").read_text() == "mine"
