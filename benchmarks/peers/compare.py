"""Lay scores and costs of peers and of our own methods side by side: `compare.py SCORES COSTS NAME`.

SCORES is the `scores.json` of `aivc benchmark run NAME --predictions …`, COSTS the folder of the `*.cost.json` of the
adapters and of `ours.py`. Writes the part NAME of `benchmarks/results/peers.json`, and prints it as tables. The
differences to effect.v2 are over the same questions, with intervals by bootstrap over questions.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

RESULT = Path(__file__).parent.parent / "results" / "peers.json"
METRICS = ("pearson-delta", "pearson-systema", "pds-cosine", "mse-unbiased", "energy-distance")
ALL, OURS = "all", "effect.v2"
STRATA = (ALL, "strong", "middle", "weak", "reliable", "unreliable")
KEPT = ("value", "low", "high", "n")
COST = ("command", "wall_s", "cpu_s", "peak_mb", "threads", "budget", "versions", "conditioning", "folds")


def main(scores: Path, costs: Path, name: str) -> None:
    body = json.loads(scores.read_text())
    whole = {ALL: body["scores"], **body["strata"]}
    answer = {"benchmark": body["stamp"]["benchmark"], "stamp": body["stamp"], "questions": len(body["halves"])}
    answer |= {"strata_rule": body["strata_rule"], "environment": body["environment"]}
    answer["metrics"] = {each: body["metrics"][each]["label"] for each in METRICS}
    answer["scores"] = {
        stratum: {method: {each: short(row[each]) for each in METRICS} for method, row in whole[stratum].items()}
        for stratum in STRATA
        if stratum in whole
    }
    answer["against"] = {"method": OURS, **differences(body["rows"])}
    answer["scored_with"] = f"aivc benchmark run {name} --methods … --predictions …; see README.md beside compare.py"
    answer["cost"] = {}
    for file in sorted(costs.glob("*.cost.json")):
        cost = json.loads(file.read_text())
        answer["cost"][cost["method"]] = {key: cost[key] for key in COST if key in cost}
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    known = result.get(name, {})
    by_hand = {key: known[key] for key in ("commands", "failed", "notes", "first_runs") if key in known}
    result[name] = {**by_hand, **answer}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(tables(answer)))


def short(score: dict[str, Any]) -> dict[str, Any]:
    return {key: score.get(key) for key in KEPT} | {"gain": score.get("gain")}


def differences(rows: list[dict[str, Any]], draws: int = 2000) -> dict[str, Any]:
    """Mean of (method - effect.v2) per metric over the questions both answer, and its 95 % interval."""
    by: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    for row in rows:
        by.setdefault(row["method"], {})[(row["fold"], row["context"], row["perturbation"])] = row
    found: dict[str, Any] = {}
    for method in [each for each in by if each != OURS and OURS in by]:
        found[method] = {}
        for metric in METRICS:
            pairs = [(by[method][key][metric], by[OURS][key][metric]) for key in by[OURS] if key in by[method]]
            known = np.array([(a, b) for a, b in pairs if a is not None and b is not None], dtype=float).reshape(-1, 2)
            known = known[np.isfinite(known).all(axis=1)]
            if len(known) < 2:
                found[method][metric] = None
                continue
            gap = known[:, 0] - known[:, 1]
            means = gap[np.random.default_rng(0).integers(len(gap), size=(draws, len(gap)))].mean(axis=1)
            low, high = np.quantile(means, (0.025, 0.975))
            found[method][metric] = {"value": float(gap.mean()), "low": low, "high": high, "n": len(gap)}
    return found


def tables(answer: dict[str, Any]) -> list[str]:
    """Markdown: a table of scores per stratum, then differences to effect.v2, then costs."""
    lines: list[str] = []
    labels = [answer["metrics"][each] for each in METRICS]
    shown = {**answer["scores"], f"minus {OURS}": {k: v for k, v in answer["against"].items() if k != "method"}}
    for stratum, methods in shown.items():
        lines += ["", f"**{stratum}**", "", "| method | " + " | ".join(labels) + " |", "|---" * 6 + "|"]
        lines += [
            f"| {name} | " + " | ".join(cell(row[each], each) for each in METRICS) + " |"
            for name, row in methods.items()
        ]
    lines += ["", "| method | CPU s | peak MB |", "|---|---|---|"]
    return lines + [f"| {name} | {cost['cpu_s']} | {cost['peak_mb']} |" for name, cost in answer["cost"].items()]


def cell(score: dict[str, Any] | None, metric: str) -> str:
    if score is None or score["value"] is None:
        return "–"
    scale, places = (1000, 2) if metric == "mse-unbiased" else (1, 3)
    low, high = ((f"{score[end] * scale:.{places}f}" if score[end] is not None else "–") for end in ("low", "high"))
    return f"{score['value'] * scale:.{places}f} [{low}, {high}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
