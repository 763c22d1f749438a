import json

import pytest

import aivc
from aivc.cli import main
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.shared_fit import Recipe


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    cells, _ = synthetic_screen(perturbations=4, features=20, cells=12, controls=24, seed=0)
    folder = tmp_path_factory.mktemp("cells") / "cell"
    aivc.fit(cells, "mean-effect", recipe=Recipe(dim=3, members=2, inner_folds=0)).save(folder)
    return folder


@pytest.fixture
def ask(capsys, tmp_path, monkeypatch):
    """Run a command with --json; returns its exit code and its answer."""
    monkeypatch.setenv("AIVC_TRUST", str(tmp_path / "trust.json"))
    monkeypatch.setenv("AIVC_HUB", str(tmp_path / "hub"))

    def run(*words):
        code = main([*map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_from_a_cell_to_another_place_and_back(ask, cell, tmp_path):
    code, key = ask("hub", "key", "new", tmp_path / "my.pem")
    assert code == 0
    assert ask("hub", "key", "trust", "ada", key["key"], "--namespaces", "lab")[0] == 0
    words = ("--license", "CC-BY-4.0", "--limits", "Few cells.")
    code, said = ask("publish", cell, "lab/jak@1.0", *words)
    assert code == 1
    assert "you trust ada alone" in said["error"]["message"]
    code, said = ask("publish", cell, "lab/jak@1.0", *words, "--key", tmp_path / "my.pem")
    assert (code, said["passed"], said["signed_by"]) == (0, True, ["ada"])
    assert ask("hub", "alias", "lab/jak@1.0", "champion", "--key", tmp_path / "my.pem")[0] == 0
    assert [each["ref"] for each in ask("hub", "search", "jak")[1]["entries"]] == ["virtual-cell/lab/jak@1.0"]
    assert ask("hub", "show", "lab/jak@champion")[1]["limits"] == "Few cells."
    code, said = ask("pull", "lab/jak", "--to", tmp_path / "got")
    assert (code, said["ref"]) == (0, "virtual-cell/lab/jak@1.0")
    assert ask("verify", tmp_path / "got")[0] == 0
    (tmp_path / "got" / "cell.json").write_text("{}")
    code, said = ask("verify", tmp_path / "got", "--badges", "valid")
    assert (code, said["passed"]) == (1, False)
    assert ask("hub", "export", "lab/jak", "--to", tmp_path / "out")[0] == 0
    assert ask("hub", "import", tmp_path / "out", "--to", tmp_path / "hub2")[1]["digest"] == said["digest"]
    assert ask("hub", "reindex", "--from", tmp_path / "hub2")[1]["entries"] == 1
    assert [each["name"] for each in ask("hub", "key", "list")[1]["keys"]] == ["ada"]
    assert ask("hub", "key", "remove", "ada")[0] == 0


def test_a_version_is_wanted(ask, cell):
    code, said = ask("publish", cell, "lab/jak", "--license", "MIT")
    assert code == 1
    assert "names no version" in said["error"]["message"]


def test_the_schema_is_printed(capsys):
    assert main(["hub", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Manifest"


def test_people_see_what_was_checked(ask, cell, tmp_path, capsys):
    main(["publish", str(cell), "lab/jak@1.0", "--license", "MIT", "--description", "\x1b[31mred"])
    shown = capsys.readouterr().out
    assert "reproduces" in shown
    assert "Signed by nobody whom you trust." in shown
    assert "aivc pull virtual-cell/lab/jak@1.0 --from" in shown
    assert "--intended-use, --limits" in shown
    main(["hub", "show", "lab/jak"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "latest is 1.0" in shown
    main(["hub", "search", "jak"])
    assert "valid, runs, reproduces" in capsys.readouterr().out
    main(["hub", "search", "kidney"])
    assert "Nothing of 'kidney' is in" in capsys.readouterr().out
    code, said = ask("publish", cell, "lab/jak@1.0", "--license", "MIT")
    assert (code, "something else (description)" in said["error"]["message"]) == (1, True)
    code, said = ask("pull", "lab/nothing", "--to", tmp_path / "got")
    assert (code, "no thing in the hub named 'virtual-cell/lab/nothing'" in said["error"]["message"]) == (1, True)


def test_a_hub_that_is_only_read_is_not_made(ask, tmp_path):
    for words in (("hub", "search"), ("pull", "lab/jak", "--to", tmp_path / "got"), ("hub", "show", "lab/jak")):
        code, said = ask(*words)
        assert (code, "There is no hub in" in said["error"]["message"]) == (1, True)
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize(
    ("thing", "licence", "said"),
    [
        (".", "MIT", "is no virtual cell: it holds no cell.json. Give "),
        ("cell/parts", "MIT", "Give the folder of a cell"),
        ("nowhere", "MIT", "There is no "),
        ("cell", "Foo", "licence: 'Foo' is no licence that SPDX lists"),
    ],
)
def test_first_mistakes_are_explained(ask, cell, thing, licence, said):
    code, found = ask("publish", cell.parent / thing, "lab/jak@1.0", "--license", licence)
    assert code == 1
    assert said in found["error"]["message"]
    assert "Value error" not in found["error"]["message"]
