"""Write the tables of numbers in the README from the committed results, so that they cannot say anything else.

Run: python benchmarks/readme_table.py [--check]
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"
ASKED, DONE = "<!-- questions:begin -->", "<!-- questions:end -->"
OURS = "effect.v2"
QUESTIONS = (
    ("a drug in one of 35 cell lines where it was not seen (Tahoe)", "tahoe-unseen-pair", "pearson-delta"),
    ("a new cell line, ten drugs measured there (Tahoe)", "tahoe-new-line-ten", "pearson-delta"),
    ("a new cell line, nothing measured there (Tahoe)", "tahoe-new-line", "pearson-delta"),
    ("a drug in one of four types of blood cell (OP3)", "op3-unseen-pair", "pearson-delta"),
    ("a blood cell type with few drugs measured (OP3)", "op3-few-shot-type", "pearson-delta"),
    ("a drug in one of two lines (sci-Plex 3)", "sciplex3-unseen-pair", "pearson-delta"),
    ("a knock-down in a line where nothing was seen (Replogle)", "replogle-k562-to-rpe1", "pearson-delta"),
    ("a gene never knocked down (Replogle)", "replogle-unseen-gene", "pearson-delta"),
    ("a gene never knocked out (Papalexi)", "papalexi-unseen-target", "pearson-delta"),
    ("a drug never seen (sci-Plex 3)", "sciplex3-unseen-drug", "pearson-delta"),
    ("a drug never seen (OP3)", "op3-unseen-drug-family", "pearson-delta"),
    ("a drug never seen (Tahoe)", "tahoe-unseen-drug-family", "pearson-delta"),
    ("a cell type never seen treated (Kang)", "kang-unseen-cell-type", "pearson-delta"),
    ("two genes never activated together (Norman)", "norman-geometry", "pearson-delta"),
    ("hidden pairs of a genetic interaction map (Horlbeck)", "horlbeck-hidden-pairs", "pearson-across"),
    ("drugs in a line, few measured there (GDSC)", "gdsc-few-shot-line", "pearson-across-relative"),
)
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


def three(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)


def questions() -> str:
    """A row for each frozen question that has results of ours, beside the best baseline; the better of both is bold."""
    lines = [
        ASKED,
        f"| question | `{OURS}` | best baseline | mean effect | gain over that baseline [95 %] |",
        "|---|---|---|---|---|",
    ]
    for words, name, metric in QUESTIONS:
        path = ROOT / "benchmarks" / "results" / "leaderboard" / f"{name}.json"
        body = json.loads(path.read_text()) if path.is_file() else {"scores": {}}
        if OURS not in body["scores"]:
            continue
        own, floor = (body["scores"][method][metric] for method in (OURS, "mean-effect"))
        # Every method that is not ours is one to beat, whether it counts as simple or not.
        best = max(
            (each for each in body["scores"] if ":" not in each and each not in (OURS, "replicate")),
            key=lambda each: body["scores"][each][metric]["value"] or 0.0,
        )
        base, paired = body["scores"][best][metric]["value"], own.get("against_best") or {}
        known = paired.get("baseline") == best and paired.get("low") is not None
        span = f" [{paired['low']:+.3f}, {paired['high']:+.3f}]" if known else ""
        ours, theirs = three(own["value"]), three(base)
        ours, theirs = (f"**{ours}**", theirs) if own["value"] >= base else (ours, f"**{theirs}**")
        gain = f"{own['value'] - base:+.3f}{span}"
        lines.append(f"| {words} | {ours} | {theirs} (`{best}`) | {three(floor['value'])} | {gain} |")
    return "\n".join([*lines, DONE])


def main() -> None:
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    made = before + block() + after
    before, rest = made.split(ASKED)
    _, after = rest.split(DONE)
    made = before + questions() + after
    if "--check" in sys.argv and made != text:
        sys.exit("The README's table is not the one of the results. Run: python benchmarks/readme_table.py")
    readme.write_text(made)


if __name__ == "__main__":
    main()
