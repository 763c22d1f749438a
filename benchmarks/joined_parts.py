"""Scripts that belong together, run one by one or read as they are, into one file with the task of each bar."""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

_LOOKED_AT = ("looked_at", "looked_at_on_test_folds", "choice")
_BAR = ("name", "value", "bar", "better", "met")
_COST = ("cpu_s", "wall_s", "peak_mb")
_Known = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class JoinedParts:
    """Each part is a script and writes a file of its own; it runs in a process of its own, whose cost is its own.

    Attributes:
        name: Of the file in ``results`` that all are joined in, and of the script.
        about: For ``--help``.
        parts: Name of each part → the task of its bars where they name none.
        task_of: Part and bar → task.
        may_lack: Parts that are named as missing where they are not there; others end the program.
        script: Name of the script where it is another.
        here: Folder of the scripts.
        only_read: Parts whose files are made elsewhere, with what this program cannot give; they are never run.
    """

    name: str
    about: str
    parts: Mapping[str, str]
    task_of: Callable[[str, Mapping[str, Any]], str]
    may_lack: frozenset[str] = frozenset()
    script: str = ""
    here: Path = field(default_factory=lambda: Path(__file__).parent)
    only_read: frozenset[str] = frozenset()

    @property
    def command(self) -> str:
        """That makes the file."""
        return f"AIVC_DATA=../shared/data python benchmarks/{self.script or self.name}.py"

    @property
    def out(self) -> Path:
        """The file."""
        return self.here / "results" / f"{self.name}.json"

    @property
    def finished(self) -> Path:
        """What finished in a run that may be broken off."""
        return self.here.parent / "out" / f"{self.script or self.name}.json"

    def main(self, words: Sequence[str]) -> None:
        """Run or join the parts asked for, and write what is known after each."""
        asked = self.options(words)
        before: _Known = {}
        if asked.resume and self.finished.exists():
            before = json.loads(self.finished.read_text(encoding="utf-8"))
        known = self.stored()
        if not asked.join:
            self.finished.parent.mkdir(exist_ok=True)
        for name in asked.parts:
            join = asked.join or name in self.only_read
            if self.lacks(name, join=join):
                known.pop(name, None)
            elif join:
                known[name] = self.joined(name, known.get(name, {}))
            elif name in before:
                known[name] = self.joined(name, before[name])
            else:
                known[name] = before[name] = self.ran(name)
                self.finished.write_text(json.dumps(before), encoding="utf-8")
            self.write(known)
        if not asked.join:
            self.finished.unlink(missing_ok=True)
        print(self.told(known))

    def options(self, words: Sequence[str]) -> argparse.Namespace:
        """What was asked; names of parts that there are not end the program."""
        parser = argparse.ArgumentParser(description=self.about)
        known = ", ".join(self.parts)
        parser.add_argument("--parts", type=lambda text: text.split(","), default=list(self.parts), help=known)
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--resume", action="store_true", help="go on with a run that was broken off")
        way.add_argument("--join", action="store_true", help="run nothing, read the files of the parts as they are")
        asked = parser.parse_args(words)
        if strange := sorted(set(asked.parts) - set(self.parts)):
            parser.error(f"There is no part {', '.join(strange)}. Known: {known}.")
        return asked

    def lacks(self, name: str, *, join: bool) -> bool:
        """Whether a part that may be missing is: its file where parts are joined, else its script."""
        path = self.here / "results" / f"{name}.json" if join else self.here / f"{name}.py"
        return name in self.may_lack and not path.is_file()

    def stored(self) -> _Known:
        """Parts as they stand in the file, each with its bars."""
        if not self.out.exists():
            return {}
        body = json.loads(self.out.read_text(encoding="utf-8"))
        bars = {name: [each for each in body["bars"] if each["part"] == name] for name in body["parts"]}
        return {
            name: {**part, "looked_at": body["looked_at"][name], "bars": bars[name]}
            for name, part in body["parts"].items()
        }

    def ran(self, name: str) -> dict[str, Any]:
        """Run a part, and read what it wrote, with its seconds and the memory of its largest process."""
        begun = time.perf_counter()
        process = subprocess.Popen([sys.executable, str(self.here / f"{name}.py")])
        # Not Popen.wait: this one says what the process and those it started have used.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{name}.py ended with {process.returncode}. Mend it, and go on with --resume.")
        cost = {
            "cpu_s": round(used.ru_utime + used.ru_stime, 1),
            "wall_s": round(time.perf_counter() - begun, 1),
            "peak_mb": used.ru_maxrss // 1024,
        }
        return {**self.read(name), **cost}

    def joined(self, name: str, earlier: Mapping[str, Any]) -> dict[str, Any]:
        """Read what a part wrote; its cost is that of an earlier run only where that made this very file."""
        found = self.read(name)
        same = earlier.get("sha256") == found["sha256"]
        return {**found, **{key: earlier[key] for key in _COST if same and key in earlier}}

    def read(self, name: str) -> dict[str, Any]:
        """Bars of a part, each with its task, and what was looked at on test folds."""
        path = self.here / "results" / f"{name}.json"
        if not path.is_file():
            raise SystemExit(f"{path} is not there. Run it first: {self.command} --parts {name}")
        raw = path.read_bytes()
        body = json.loads(raw)
        if odd := [each for each in body.get("bars", [{}]) if not set(_BAR) <= set(each)]:
            wanted = ", ".join(_BAR)
            raise SystemExit(f"A bar of {path} holds {sorted(odd[0])}; wanted are {wanted}. Run {name}.py again.")
        return {
            "command": body["command"],
            "file": f"benchmarks/results/{name}.json",
            "sha256": hashlib.sha256(raw).hexdigest(),
            "looked_at": next((body[key] for key in _LOOKED_AT if key in body), "nothing: no test folds"),
            "bars": [{"task": str(each.get("task") or self.task_of(name, each)), **each} for each in body["bars"]],
        }

    def write(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        """Write what is known of all parts, and which of them are missing."""
        parts = {name: dict(known[name]) for name in self.parts if name in known}
        bars = [{**each, "part": name} for name, part in parts.items() for each in part.pop("bars")]
        body = {
            "command": self.command,
            "looked_at": {name: part.pop("looked_at") for name, part in parts.items()},
            "bars": bars,
            "met": f"{sum(each['met'] for each in bars)} of {len(bars)}",
            **({"missing": [name for name in self.parts if name not in parts]} if self.may_lack else {}),
            "parts": parts,
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "versions": {package: version(package) for package in ("aivc", "numpy", "scipy", "torch")},
        }
        self.out.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def told(self, known: Mapping[str, Mapping[str, Any]]) -> str:
        """Bars that are not met, parts that are missing, and how many bars are met."""
        bars = [each for part in known.values() for each in part["bars"]]
        lines = [f"{each['task']}: {each['name']} {each['value']} ({each['bar']})" for each in bars if not each["met"]]
        lines += [f"{name} is missing" for name in self.parts if name not in known]
        return "\n".join([*lines, f"{sum(each['met'] for each in bars)} of {len(bars)} bars are met"])
