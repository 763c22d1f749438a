"""Exit codes, one JSON object on standard output whatever happens, and help that can be read."""

import argparse
import io
import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from aivc.cli import commands, main
from aivc.cli.console import Outcome, Reporter, arrow, perform
from aivc.core.errors import DataError

COMMANDS = ["demo", "parts", "fit", "predict", "screen", "search", "propose", "evaluate"]


def run(action, capsys: pytest.CaptureFixture[str], *, json_wanted: bool = True) -> tuple[int, str, str]:
    code = perform(action, argparse.Namespace(json=json_wanted))
    answer = capsys.readouterr()
    return code, answer.out, answer.err


def test_the_installed_command_answers():
    script = Path(sys.executable).with_name("aivc")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, f"aivc {version('aivc')}")


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS), ["data"], ["data", "check"]])
def test_help_is_there_for_every_command(words, capsys):
    assert main([*words, "--help"]) == 0
    assert "aivc" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["fly"], ["predict"], ["evaluate", "x", "--method", "a"], ["parts", "--jso"]])
def test_wrong_usage_is_distinguished(words, capsys):
    assert main(words) == 2
    answer = capsys.readouterr()
    assert not answer.out
    assert "--help" in answer.err
    assert main([*words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "UsageError"


def test_what_a_part_prints_does_not_spoil_the_answer(capsys):
    def chatty(args, reporter):
        print("chatter")
        reporter.note("a note")
        return Outcome({"a": float("inf"), "path": Path("x")})

    code, out, err = run(chatty, capsys)
    assert (code, json.loads(out)) == (0, {"a": None, "path": "x"})
    assert "chatter" in err
    assert "a note" in err


def test_every_problem_reaches_the_script(capsys):
    def refused(args, reporter):
        raise DataError(["First. Do this.", "Second. Do that."])

    code, out, _ = run(refused, capsys)
    assert code == 1
    assert json.loads(out)["error"]["problems"] == ["First. Do this.", "Second. Do that."]
    code, out, err = run(refused, capsys, json_wanted=False)
    assert (code, out) == (1, "")
    assert "Do that." in err


def test_a_fault_of_ours_shows_its_traceback_and_exits_with_3(capsys):
    def broken(args, reporter):
        raise KeyError("oops")

    for json_wanted in (True, False):
        code, out, err = run(broken, capsys, json_wanted=json_wanted)
        assert code == 3
        assert "Traceback" in err
        assert bool(out) == json_wanted
    assert "report it" in err


def test_interrupted_is_130(capsys):
    def stopped(args, reporter):
        raise KeyboardInterrupt

    code, out, _ = run(stopped, capsys)
    assert (code, json.loads(out)["error"]["type"]) == (130, "KeyboardInterrupt")


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_interrupted_while_modules_are_read_is_one_line(option):
    script = """
import sys
class Finger:
    def find_spec(self, name, *_):
        if name == "aivc.cli.grammar":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finger())
from aivc.cli import main
sys.exit(main(sys.argv[1:]))
"""
    done = subprocess.run([sys.executable, "-c", script, "parts", *option], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    if option:
        assert json.loads(done.stdout)["error"]["type"] == "KeyboardInterrupt"
    else:
        assert done.stderr == "error: Interrupted before any work started.\n"


def test_a_file_that_cannot_be_written_is_a_refusal(tmp_path, capsys):
    def writes(args, reporter):
        (tmp_path / "file").write_text("a file")
        (tmp_path / "file" / "below").write_text("impossible")

    code, out, _ = run(writes, capsys)
    assert code == 1
    assert "Choose another place" in json.loads(out)["error"]["message"]


def test_progress_is_a_line_now_and_then_where_nobody_watches(capsys):
    reporter = Reporter()
    reporter("early", 1, 9)
    reporter.started -= 60
    for step in range(5):
        reporter("late", step, 9)
    assert capsys.readouterr().err.splitlines() == ["late: 0 of 9"]


def test_a_line_says_how_much_time_is_left(capsys, monkeypatch):
    clock = iter([100.0, 110.0, 140.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    reporter = Reporter(started=0.0)
    reporter("folds", 0, 4)
    reporter("folds", 1, 4)
    reporter("folds", 2, 4)
    lines = capsys.readouterr().err.splitlines()
    left = ["", ", about 0:00:30 left", ", about 0:00:40 left"]
    assert lines == [f"folds: {done} of 4{text}" for done, text in enumerate(left)]


@pytest.mark.parametrize(("encoding", "wanted"), [("utf-8", "↑↓–"), ("ascii", "^v-")])
def test_arrows_are_plain_where_the_encoding_has_none(monkeypatch, encoding, wanted):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert "".join(map(arrow, ("up", "down", "none"))) == wanted


def test_commands_are_summed_up_as_their_modules_say():
    actions = commands.parser()._subparsers._group_actions[0]._choices_actions
    assert {each.dest: each.help for each in actions} == {name: said for name, (_, said) in commands.COMMANDS.items()}


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_what_names_no_command_imports_no_command(words):
    script = f"import sys; from aivc.cli import main; main({words!r}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert not {"pandas", "torch", "matplotlib", "aivc.cli.fit_command"} & set(done.stderr.split())
