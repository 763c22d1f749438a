"""All of time in one file, its bars with the task that each is of.

    AIVC_DATA=../shared/data python benchmarks/time_courses.py [--parts NAME,NAME] [--resume | --join]

Each part is a script of its own and writes a file of its own, with floors and nulls beside every score; it runs in a
process of its own, so that its seconds and its memory are its own. ``--parts`` runs some, and leaves of the others what
stood in ``results/time.json``. ``--resume`` goes on with a run that was broken off, and does not run again what had
finished in it. ``--join`` runs nothing: it reads the files of the parts as they are.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
OUT = RESULTS / "time.json"
# What finished in a run that may be broken off.
FINISHED = HERE.parent / "out" / "time_courses.json"
COMMAND = "AIVC_DATA=../shared/data python benchmarks/time_courses.py"
# Each part, and the task of its bars where their names begin with none.
PARTS = {
    "time_populations": "populations",
    "time_fates": "fates",
    "schedules": "schedules",
    "transport_speed": "transport plans",
}
# First words of bars that name no task.
TASKS = {"fate": "T4", "clones": "T5b", "order": "T6", "series": "T7"}
_LOOKED_AT = ("looked_at", "looked_at_on_test_folds", "choice")
_BAR = ("name", "value", "bar", "better", "met")


def main(words: Sequence[str]) -> None:
    """Run or join the parts asked for, and write what is known after each."""
    asked = options(words)
    before = json.loads(FINISHED.read_text(encoding="utf-8")) if asked.resume and FINISHED.exists() else {}
    known = stored()
    if not asked.join:
        FINISHED.parent.mkdir(exist_ok=True)
    for name in asked.parts:
        if asked.join:
            known[name] = joined(name, known.get(name, {}))
        elif name in before:
            known[name] = joined(name, before[name])
        else:
            known[name] = before[name] = ran(name)
            FINISHED.write_text(json.dumps(before), encoding="utf-8")
        write(known)
    if not asked.join:
        FINISHED.unlink(missing_ok=True)
    print(told(known))


def stored() -> dict[str, dict[str, Any]]:
    """Parts as they stand in the file, each with its bars."""
    if not OUT.exists():
        return {}
    body = json.loads(OUT.read_text(encoding="utf-8"))
    bars = {name: [each for each in body["bars"] if each["part"] == name] for name in body["parts"]}
    return {
        name: {**part, "looked_at": body["looked_at"][name], "bars": bars[name]} for name, part in body["parts"].items()
    }


def options(words: Sequence[str]) -> argparse.Namespace:
    """What was asked; names of parts that there are not end the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), help=", ".join(PARTS))
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--resume", action="store_true", help="go on with a run that was broken off")
    way.add_argument("--join", action="store_true", help="run nothing, read the files of the parts as they are")
    asked = parser.parse_args(words)
    if strange := sorted(set(asked.parts) - set(PARTS)):
        parser.error(f"There is no part {', '.join(strange)}. Known: {', '.join(PARTS)}.")
    return asked


def ran(name: str) -> dict[str, Any]:
    """Run a part, and read what it wrote, with its seconds and the memory of its largest process."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(HERE / f"{name}.py")])
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
    return {**read(name), **cost}


def joined(name: str, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a part wrote; seconds and memory are those of an earlier run only where that made this very file."""
    found = read(name)
    same = earlier.get("sha256") == found["sha256"]
    return {**found, **{key: earlier[key] for key in ("cpu_s", "wall_s", "peak_mb") if same and key in earlier}}


def read(name: str) -> dict[str, Any]:
    """Bars of a part, each with its task, and what was looked at on test folds."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        raise SystemExit(f"{path} is not there. Run it first: {COMMAND} --parts {name}")
    raw = path.read_bytes()
    body = json.loads(raw)
    if odd := [each for each in body.get("bars", [{}]) if not set(_BAR) <= set(each)]:
        raise SystemExit(f"A bar of {path} holds {sorted(odd[0])}; wanted are {', '.join(_BAR)}. Run {name}.py again.")
    return {
        "command": body["command"],
        "file": f"benchmarks/results/{name}.json",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "looked_at": next((body[key] for key in _LOOKED_AT if key in body), "nothing: no test folds"),
        "bars": [{"task": task_of(name, each), **each} for each in body["bars"]],
    }


def task_of(part: str, one: Mapping[str, Any]) -> str:
    """The task that a bar names, by a field of its own or by its first word; else that of its part."""
    first = re.split(r"[ ,]", str(one["name"]), maxsplit=1)[0]
    if "task" in one:
        return str(one["task"])
    return first if re.fullmatch(r"T\d[a-z]?", first) else TASKS.get(first, PARTS[part])


def write(known: Mapping[str, Mapping[str, Any]]) -> None:
    """Write what is known of all parts."""
    parts = {name: dict(known[name]) for name in PARTS if name in known}
    bars = [{**each, "part": name} for name, part in parts.items() for each in part.pop("bars")]
    body = {
        "command": COMMAND,
        "looked_at": {name: part.pop("looked_at") for name, part in parts.items()},
        "bars": bars,
        "met": f"{sum(each['met'] for each in bars)} of {len(bars)}",
        "parts": parts,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("aivc", "numpy", "scipy", "torch")},
    }
    OUT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def told(known: Mapping[str, Mapping[str, Any]]) -> str:
    """Bars that are not met, and how many are."""
    bars = [each for part in known.values() for each in part["bars"]]
    lines = [f"{each['task']}: {each['name']} {each['value']} ({each['bar']})" for each in bars if not each["met"]]
    return "\n".join([*lines, f"{sum(each['met'] for each in bars)} of {len(bars)} bars are met"])


if __name__ == "__main__":
    main(sys.argv[1:])
