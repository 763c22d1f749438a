"""The leaderboard as the service shows it: one small file for all frozen benchmarks, made from committed results.

Run: python benchmarks/leaderboard_data.py [--check]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leaderboard_overview import METRIC, USUAL
from leaderboard_tasks import is_task

from aivc.reporting.task_sections import role_of, shown_metrics

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "leaderboard"
BOARD = ROOT / "src" / "aivc" / "service" / "leaderboard.json"
BETTER = {"up": "higher", "down": "lower"}
FLOORS = ("no-change", "mean-effect")
DIGITS = 4


def board() -> dict[str, Any]:
    bodies = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    return {"benchmarks": [entry(body) for body in bodies]}


def entry(body: Mapping[str, Any]) -> dict[str, Any]:
    about, shown = body["benchmark"], metrics_of(body)
    return {
        "name": about["name"],
        "title": about["title"],
        "task": about["protocol"] if is_task(body) else body["split"]["kind"],
        "question": about["question"],
        "digest": about["digest"][:12],
        "metric": shown[0],
        "metrics": [
            {"name": name, "label": body["metrics"][name]["label"], "better": better(body, name)} for name in shown
        ],
        "rows": [row(body, method, shown) for method in body["scores"]],
    }


def metrics_of(body: Mapping[str, Any]) -> list[str]:
    """The metric that the question is about, then the others that say something here."""
    if is_task(body):
        return list(shown_metrics(body))
    known = body["scores"]["mean-effect"]
    first = METRIC.get(body["benchmark"]["name"]) or next(
        each for each in USUAL if known.get(each, {}).get("value") is not None
    )
    others = [name for name in body["metrics"] if name != first and known.get(name, {}).get("value") is not None]
    return [first, *others][:6]


def better(body: Mapping[str, Any], name: str) -> str:
    return BETTER.get(body["metrics"][name]["direction"], "neither")


def row(body: Mapping[str, Any], method: str, shown: Sequence[str]) -> dict[str, Any]:
    scores = {name: found for name in shown if (found := short(body["scores"][method].get(name, {})))}
    first = {"value": None, "low": None, "high": None, "anchored": None, **scores.get(shown[0], {})}
    role = role_of_method(body, method)
    return {"method": method, "role": role, "floor": role == "floor", **first, "scores": scores}


def role_of_method(body: Mapping[str, Any], method: str) -> str:
    if method.endswith(":shuffled"):
        return "null"
    if is_task(body):
        return role_of(body, method) or "method"
    if method in FLOORS:
        return "floor"
    return "ceiling" if method == body["ceiling"] else "method"


def short(score: Mapping[str, Any]) -> dict[str, float]:
    found = {name: score.get(name) for name in ("value", "low", "high", "anchored")}
    return {name: float(f"{value:.{DIGITS}g}") for name, value in found.items() if value is not None}


def written() -> str:
    return json.dumps(board(), separators=(",", ":"), ensure_ascii=False) + "\n"


if __name__ == "__main__":
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--check", action="store_true", help="say whether the file is the one of the results")
    if made.parse_args().check:
        same = BOARD.read_text(encoding="utf-8") == written()
        raise SystemExit("" if same else "The board is not the one of the results. Run: benchmarks/leaderboard_data.py")
    BOARD.write_text(written(), encoding="utf-8")
