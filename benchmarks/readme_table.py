"""Write the table of numbers in the README from the committed results, so that it cannot say anything else.

Run: python benchmarks/readme_table.py [--check]
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"
SHOWN = ("pearson-delta", "pearson-systema", "pds-cosine", "mse-unbiased", "energy-distance", "coverage90", "width90")
PLACES = {"mse-unbiased": 4, "energy-distance": 3}
NAMES = {
    "replicate": "*replicate (ceiling)*",
    "mean-effect": "mean-effect (floor)",
    "ridge-on-priors:shuffled": "ridge-on-priors, shuffled labels",
    "nearest:shuffled": "nearest, shuffled labels",
    "effect.v1:shuffled": "effect.v1, shuffled labels",
    "effect.v2:shuffled": "effect.v2, shuffled labels",
}


def cell(score: dict[str, Any], places: int) -> str:
    if score["value"] is None:
        return "–"
    return f"{score['value']:.{places}f} [{score['low']:.{places}f}, {score['high']:.{places}f}]"


def table(scores: dict[str, Any], metrics: dict[str, Any]) -> list[str]:
    arrows = {"up": " ↑", "down": " ↓", "none": ""}
    heads = [metrics[name]["label"] + arrows[metrics[name]["direction"]] for name in SHOWN]
    lines = ["| method | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for method, row in scores.items():
        cells = [cell(row[name], PLACES.get(name, 2)) for name in SHOWN]
        lines.append("| " + " | ".join([NAMES.get(method, method), *cells]) + " |")
    return lines


def block() -> str:
    results = json.loads((ROOT / "benchmarks/results/papalexi.json").read_text())
    questions = results["scores"]["mean-effect"]["pearson-delta"]["n"]
    reliable = results["strata"]["reliable"]
    some = reliable["mean-effect"]["pearson-delta"]["n"]
    return "\n".join(
        [
            BEGIN,
            f"All {questions} knock-outs, mean [95 % bootstrap interval over knock-outs]:",
            "",
            *table(results["scores"], results["metrics"]),
            "",
            f"The {some} whose measured effect repeats (its two halves correlate at 0.4 or more):",
            "",
            *table(reliable, results["metrics"]),
            END,
        ]
    )


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    made = before + block() + after
    if "--check" in sys.argv and made != text:
        sys.exit("The README's table is not the one of the results. Run: python benchmarks/readme_table.py")
    readme.write_text(made)


if __name__ == "__main__":
    main()
