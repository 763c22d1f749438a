"""What the documentation promises: code that runs, links that lead somewhere, commands and rooms that exist."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from aivc.cli import main
from aivc.core import registry
from aivc.data.io.schema import Schema

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = DOCS / "reference" / "generated"
PAGES = sorted(p for p in DOCS.rglob("*.md") if not {"_build", "generated"} & set(p.relative_to(DOCS).parts))
WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]

needs_sphinx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sphinx", "myst_parser", "furo")),
    reason="Sphinx is not installed; `make docs` installs it",
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^[ ]*```{language}\n(.*?)^[ ]*```", path.read_text(encoding="utf-8"), re.S | re.M)


def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(ROOT / "README.md", "python")
    after: dict = {}
    exec(compile(code, "README.md", "exec"), after)
    assert (tmp_path / "my-cell" / "cell.json").is_file()
    assert (after["low"] < after["high"]).all()
    assert "U0126" in after["ranked"].top(1)["perturbation"].iloc[0]
    assert set(after["plate"].table["role"]) >= {"control", "explore"}


def test_tutorial_on_the_lab_in_the_loop_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    after: dict = {}
    for code in blocks(DOCS / "tutorials" / "lab-in-the-loop.md", "python"):
        exec(compile(code, "lab-in-the-loop.md", "exec"), after)
    assert after["status"]["measured"] == 48
    assert len(after["found"]) > 10


def test_page_on_reversing_a_disease_runs():
    after: dict = {}
    for code in blocks(DOCS / "how-to" / "reverse-a-disease.md", "python"):
        exec(compile(code, "reverse-a-disease.md", "exec"), after)
    assert after["found"].table["perturbation"].iloc[0] == "ko:G0011"


def test_tutorial_on_sections_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    after: dict = {}
    for code in blocks(DOCS / "tutorials" / "from-sections-to-neighbors.md", "python"):
        exec(compile(code, "from-sections-to-neighbors.md", "exec"), after)
    assert (tmp_path / "sections.png").is_file()
    assert after["states"].space == after["made"].states.space
    verdicts = dict(zip(after["found"].table["code"], after["found"].table["verdict"], strict=True))
    assert [verdicts[code] for code in ("C7", "C8", "C10")] == ["pass"] * 3
    assert list(after["around"].missing) == ["CXCL12-ACKR3"]
    near = after["around"].pairs.query("step == 1").set_index("pair")
    assert near["q"].idxmin() == "CXCL12-CXCR4"


def test_tutorial_on_niches_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    after: dict = {}
    for code in blocks(DOCS / "tutorials" / "from-niches-to-counterfactuals.md", "python"):
        exec(compile(code, "from-niches-to-counterfactuals.md", "exec"), after)
    assert (tmp_path / "tissue.html").is_file()
    assert len(after["found"].table) == 3
    again = after["atlas"].where_else(after["asked"], "niche", apart="donor")
    assert again["niche"].iloc[0] == "N1"
    assert after["felt"].mean > 0


def test_tutorial_on_days_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    after: dict = {}
    for code in blocks(DOCS / "tutorials" / "from-days-to-fates.md", "python"):
        exec(compile(code, "from-days-to-fates.md", "exec"), after)
    said = after["fates"].table().iloc[: after["n"]]["p:right"].to_numpy()
    assert said[after["side"] == 1].mean() > said[after["side"] == 0].mean() + 0.3
    assert "20 clones left out" in after["fates"].note
    assert (tmp_path / "fates.png").is_file()
    assert after["placed"].by_label["label"].iloc[0] == "young"
    assert after["placed"].later > 0.8


def test_tutorial_on_schedules_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    after: dict = {}
    for code in blocks(DOCS / "tutorials" / "from-days-to-a-what-if.md", "python"):
        exec(compile(code, "from-days-to-a-what-if.md", "exec"), after)
    assert (tmp_path / "river.png").is_file()
    assert abs(after["come"] - after["truth"].drift * after["hours"]) < 0.2
    assert after["made"].obs["step"].nunique() == 4


@pytest.mark.slow
def test_tutorial_on_images_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page, after = DOCS / "tutorials" / "from-tiffs-to-mechanisms.md", {}
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
        if language == "python":
            exec(compile(code, page.name, "exec"), after)
        elif language == "toml":
            (tmp_path / "page.toml").write_text(code)
            assert Schema.from_toml("screen.toml") == Schema.from_toml("page.toml")
        elif language == "sh":
            for line in code.splitlines():
                asked, _, to = line.partition(" > ")
                capsys.readouterr()
                assert main(shlex.split(asked)[1:]) == 0, line
                if to:
                    Path(to).write_text(capsys.readouterr().out)
    assert set(after["found"].loc[["drug:cpd-06@0.3uM", "drug:cpd-06@3uM"], "called"]) == {"actin at the rim"}
    assert (after["right"]["called"] == after["right"]["mechanism"]).all()
    assert np.mean(after["chance"]) < 0.5
    assert after["size"]["drug:cpd-06@3uM"] > after["size"]["drug:cpd-06@0.3uM"] > 2 * after["chance_size"]
    assert Path("cpd-06.png").is_file()
    assert Path("embedded.h5ad").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["from-days-to-fates.md", "from-days-to-a-what-if.md"])
def test_shell_of_the_tutorials_on_time_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = DOCS / "tutorials" / name
    wanted = ("to_toml", "write_h5ad", "import", "schema", "synthetic")
    after: dict = {}
    # What writes the files that the shell reads comes before the first fit, or stands alone.
    for code in blocks(page, "python"):
        if any(word in code for word in wanted) and not re.search(
            r"aivc\.fate\(|fit_time\(|fate_bars|fates|series", code
        ):
            exec(compile(code, name, "exec"), after)
    for shell in blocks(page, "sh"):
        for line in shell.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            assert words[0] == "aivc"
            assert main(words[1:]) == 0, line


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_python_of_every_page_compiles(page):
    for code in blocks(page, "python"):
        compile(code, named(page), "exec")


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", text) + re.findall(r"```\{literalinclude\} (\S+)", text)
    missing = [to for to in linked if not _exists((page.parent / to).resolve())]
    assert not missing, f"{named(page)} links to what is not there: {missing}"


def _exists(path: Path) -> bool:
    return path.exists() or (path.parent == GENERATED and path.suffix == ".md")


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for page in [*PAGES, DOCS / "index.md"]:
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            listed |= {(page.parent / line).resolve() for line in tree.splitlines() if line and line[0] != ":"}
    orphans = [named(p) for p in PAGES if p.with_suffix("") not in listed and p != DOCS / "index.md"]
    assert not orphans


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_make_targets_exist(page):
    rules = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    shell = "\n".join(blocks(page, "sh")) + "\n".join(re.findall(r"`(make [^`]+)`", page.read_text(encoding="utf-8")))
    asked = set(re.findall(r"^make ([a-z][a-z-]*)", shell, re.M))
    assert asked <= rules


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_methods_named_in_commands_are_registered(page):
    known = {*registry.names("manipulators"), "half-effect", "your-method"}
    written = "\n".join((*blocks(page, "sh"), *re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))))
    for listed in re.findall(r"--(?:methods|manipulator) ([\w,:.-]+)", written):
        assert {name.removesuffix(":shuffled") for name in listed.split(",")} <= known


def test_readme_has_one_place_for_the_scores():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("<!-- scores:begin -->") == text.count("<!-- scores:end -->") == 1
    assert text.index("<!-- scores:begin -->") < text.index("<!-- scores:end -->")


def test_paper_map_names_rooms_that_exist():
    rooms = set(re.findall(r"`(src/aivc/[\w/.]+)`", (DOCS / "paper-map.md").read_text(encoding="utf-8")))
    assert len(rooms) > 10
    assert [room for room in sorted(rooms) if not (ROOT / room).exists()] == []


def test_paper_map_names_parts_that_are_registered():
    text = (DOCS / "paper-map.md").read_text(encoding="utf-8")
    for group in ("encoders", "manipulators", "decoders", "wrappers"):
        missing = [name for name in registry.names(group) if f"`{name}`" not in text]
        # A plugin that happens to be installed is not the paper map's business.
        ours = [name for name in missing if registry.Registry(group).origin(name).startswith("aivc ")]
        assert not ours, f"docs/paper-map.md does not say where {ours} belong"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_example_schemas_are_read(path):
    schema = Schema.from_toml(path)
    assert schema.to_json() == Schema.from_json(schema.to_json()).to_json()


def test_citations_of_the_references_page_are_in_the_bibliography():
    listed = re.findall(r"^\*\*(.+?)\*\*$", (DOCS / "reference" / "references.md").read_text(encoding="utf-8"), re.M)
    entries = re.findall(r"^@\w+\{", (DOCS / "references.bib").read_text(encoding="utf-8"), re.M)
    assert len(listed) == len(entries)


def test_words_page_names_modules_that_exist():
    named_there = re.findall(r"`aivc\.([a-z_.0-9]+)`", (DOCS / "reference" / "words.md").read_text(encoding="utf-8"))
    places = [ROOT / "src" / "aivc" / name.replace(".", "/") for name in named_there]
    assert len(places) > 40
    assert [str(at) for at in places if not (at.with_suffix(".py").is_file() or (at / "__init__.py").is_file())] == []


# Words of a private dialect, for which the field has terms of its own (docs/reference/words.md).
BANNED = ("foretell", "foretells", "foretelling", "foretold", "told", "untold", "asked-of", "groundwork", "groundworks")
BANNED += ("elsewhere", "lot", "lots", "carried", "standing")
# Columns of tables that users have: their names are kept.
KEPT = {
    "src/aivc/instruments/decoders/variant_effect.py": "elsewhere",
    "src/aivc/interpretation/explain.py": "carried_by",
}
# Its texts are quoted from frozen benchmarks, whose digests cover them.
QUOTED = DOCS / "reference" / "leaderboard.md"
PLAIN = [*sorted((ROOT / "src").rglob("*.py")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]


def banned_in(text: str) -> list[str]:
    """Banned words, in any case, alone or as a part of a name in snake case."""
    return re.findall(rf"(?<![a-z])(?:{'|'.join(BANNED)})(?![a-z])", text.lower())


def test_banned_words_are_found_in_prose_and_in_names():
    assert banned_in("Told by lot, and _elsewhere = 1") == ["told", "lot", "elsewhere"]
    assert banned_in("a plot, a pilot, outstanding allotments") == []


@pytest.mark.parametrize("path", [path for path in PLAIN if path != QUOTED], ids=named)
def test_words_are_plain(path):
    text = path.read_text(encoding="utf-8")
    if kept := KEPT.get(named(path)):
        assert kept in text, f"{named(path)} needs no exception for {kept} any more"
        text = re.sub(rf"(?:\"|``){kept}(?:\"|``)", "", text)
    found = sorted(set(banned_in(text)))
    assert not found, f"{named(path)} says {', '.join(found)}. Use a term of docs/reference/words.md."


def test_changelog_knows_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_ci_runs_the_tests_and_nothing_else():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert text.rstrip().endswith("make test")


@pytest.mark.slow
@needs_sphinx
def test_documentation_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "trees")]
    built = subprocess.run(
        [*command, str(DOCS), str(tmp_path / "html")], capture_output=True, text=True, check=False, timeout=300
    )
    assert built.returncode == 0, built.stderr[-3000:]
    assert (tmp_path / "html" / "tutorials" / "first-virtual-screen.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((DOCS / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run_as_they_are_shown(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] or "=" in "".join(cell["source"]) for cell in cells), f"{named(path)} was not run"
    shown: dict[str, object] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), named(path), "exec"), shown)
    assert not any(output["output_type"] == "error" for cell in cells for output in cell["outputs"])
