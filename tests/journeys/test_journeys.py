"""From a laboratory's file to a figure and a plate: the commands and the code of three pages, as they stand there."""

import importlib.util
import json
import re
import shlex
from pathlib import Path
from typing import Any

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import journey_files
from aivc import Schema
from aivc.cli import main

# Each fits and scores twice, in a shell and in Python.
pytestmark = pytest.mark.slow

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"
REMEDY = re.compile(r'\w+ = (?:"[^"]*"|\[[^\]]*\]|\{[^}]*\})')


def blocks(page: str) -> list[tuple[str, str]]:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.S | re.M)


class Walk:
    """Runs the blocks of a page in their order, and keeps what they gave."""

    def __init__(self, capsys: pytest.CaptureFixture[str], confirmed: tuple[str, ...] = ()) -> None:
        self.capsys, self.confirmed = capsys, confirmed
        self.python: dict[str, Any] = {}
        self.shown: list[str] = []
        self.effects: list[dict[str, Any]] = []
        self.added: list[str] = []

    def run(self, page: str) -> None:
        for language, text in blocks(page):
            if language == "text":
                Path("pairs.txt").write_text(text)
            elif language == "toml":
                assert Schema.from_toml("schema.toml") == Schema.from_toml(written("page.toml", text))
            elif language == "python":
                self.code(text)
            elif language == "sh":
                for line in text.splitlines():
                    self.command(line)

    def code(self, text: str) -> None:
        if "import scanpy" in text and importlib.util.find_spec("scanpy") is None:
            self.python["adata"] = anndata.read_h5ad("raw.h5ad")
            journey_files.usual_steps(self.python["adata"])
            return
        exec(compile(text, "page", "exec"), self.python)
        self.capsys.readouterr()

    def command(self, line: str) -> None:
        asked, _, to = line.partition(" > ")
        words = shlex.split(asked)[1:]
        code = main([*words, "--json"] if words[0] in ("predict", "data") and not to else words)
        out = self.capsys.readouterr().out
        if to:
            Path(to).write_text(self.confirm(out))
        elif words[:2] == ["data", "check"]:
            self.check(code, json.loads(out))
            return
        elif words[0] == "predict":
            self.effects = json.loads(out)["effects"]
        assert code == 0, (line, out)
        self.shown.append(out)

    def confirm(self, schema: str) -> str:
        """Remove the sign of a comment where the page says so."""
        for field in self.confirmed:
            schema, count = re.subn(rf"^# ({field} = .*?)  # complete this line$", r"\1", schema, flags=re.M)
            assert count == 1, schema
        return schema

    def check(self, code: int, body: dict[str, Any]) -> None:
        """Add the first line that each problem names, at the first check; the next one finds none."""
        assert code == (1 if body["problems"] else 0)
        if self.added or not body["problems"]:
            assert body["problems"] == []
            return
        self.added = [REMEDY.search(problem)[0] for problem in body["problems"]]
        with Path("schema.toml").open("a") as file:
            file.write("\n".join(["", *dict.fromkeys(self.added), ""]))

    def require_equal(self, method: str = "effect.v2") -> None:
        """The shell and Python give the same numbers, and figures and plates that are whole."""
        printed = pd.DataFrame(self.effects).set_index("feature")
        own = self.python["answer"].effects().set_index("feature").loc[printed.index]
        for name in ("effect", "low", "high"):
            np.testing.assert_allclose(own[name], printed[name], rtol=1e-9, atol=1e-12)
        for name, made in (("screen.csv", self.python["ranked"]), ("plate.csv", self.python["plate"])):
            made.save(f"python-{name}")
            pd.testing.assert_frame_equal(pd.read_csv(name), pd.read_csv(f"python-{name}"))
        scores = json.loads(Path("scores/scores.json").read_text())["scores"]
        values = {name: each["value"] for name, each in self.python["outcome"].to_json()["scores"][method].items()}
        assert values == pytest.approx({name: each["value"] for name, each in scores[method].items()}, nan_ok=True)
        plate = pd.read_csv("plate.csv")
        assert (plate["role"] == "control").sum() == 6
        assert set(plate["perturbation"]) - {"control"}
        assert all("<html" in Path(page).read_text() for page in ("report.html", "report-python.html"))
        drawn = {path.stem for path in Path("figures").glob("*.svg")}
        assert {"plate", "ranking"} <= {path.stem for path in Path("figures-python").glob("*.png")} <= drawn
        assert all(path.read_bytes()[:4] == b"\x89PNG" for path in Path().glob("*.png"))


def written(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """In a folder of its own, without data or network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIVC_DATA", raising=False)
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIVC_OFFLINE", "1")
    mpl.use("Agg")


def test_a_crispr_screen_with_columns_of_its_own(capsys):
    journey_files.crispr_file(Path("screen.h5ad"))
    walk = Walk(capsys)
    walk.run("crispr-screen")
    assert walk.added == ['kind = "ko"', 'exclude = ["unassigned"]']
    walk.require_equal()
    assert walk.effects[0]["feature"] in journey_files.INTERFERON
    assert pd.read_csv("screen.csv")["perturbation"][0] == "ko:KRAS + ko:STAT1"
    assert any("effect.v2" in out and "mean effect on PearsonΔ" in out for out in walk.shown)


def test_a_drug_screen_with_doses_in_its_labels(capsys):
    journey_files.drug_file(Path("screen.h5ad"))
    walk = Walk(capsys, confirmed=("kind",))
    walk.run("drug-screen")
    assert walk.added == ['dose_unit = { value = "uM" }']
    walk.require_equal()
    assert walk.effects[0]["feature"] == "MYC"
    assert "Nutlin-3a" in pd.read_csv("screen.csv")["perturbation"][0]


def test_an_anndata_after_the_usual_steps_of_scanpy(capsys):
    journey_files.raw_file(Path("raw.h5ad"))
    walk = Walk(capsys)
    walk.run("scanpy-notebook")
    assert walk.added == []
    walk.require_equal()
    assert walk.effects[0]["feature"] in journey_files.INTERFERON
    assert walk.python["virtual"].n_vars == len(journey_files.GENES)
    assert len(repr(walk.python["cell"])) < 200
