"""All frozen benchmarks in one table and one figure, with which the leaderboard begins; made from committed results."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from readme_table import OURS, QUESTIONS

CEILING, FLOOR = "replicate", "mean-effect"
# What a benchmark without a row in the README is shown by: the first that is defined there.
USUAL = ("pearson-delta", "pearson-across", "pearson-across-relative")
METRIC = {name: metric for _, name, metric in QUESTIONS}


class Row(NamedTuple):
    """One benchmark, on the metric that its question is about; more is better on each of them."""

    title: str
    name: str
    label: str
    scores: Mapping[str, Mapping[str, Any]]
    best: str


def rows(bodies: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row for each benchmark, the easiest for our method first."""
    made = []
    for body in bodies:
        name = body["benchmark"]["name"]
        known = body["scores"][FLOOR]
        metric = METRIC.get(name) or next(each for each in USUAL if known.get(each, {}).get("value") is not None)
        scores = {method: by[metric] for method, by in body["scores"].items() if by[metric]["value"] is not None}
        others = [each for each in scores if ":" not in each and each not in (OURS, CEILING)]
        best = max(others, key=lambda each: scores[each]["value"])
        made.append(Row(body["benchmark"]["title"], name, body["metrics"][metric]["label"], scores, best))
    return sorted(made, key=lambda row: -(row.scores[OURS]["value"] if OURS in row.scores else -1))


def cell(scores: Mapping[str, Mapping[str, Any]], method: str) -> str:
    if method not in scores:
        return "–"
    value, low, high = (scores[method][key] for key in ("value", "low", "high"))
    return f"{value:.3f}" + ("" if low is None or low == high else f" [{low:.3f}, {high:.3f}]")


def table(found: Sequence[Row]) -> Iterator[str]:
    """Lines of the table."""
    yield f"| benchmark | metric ↑ | `{OURS}` | best other method | mean effect | experiment repeated |"
    yield "|---|---|---|---|---|---|"
    for row in found:
        best = f"{cell(row.scores, row.best)} (`{row.best}`)"
        ends = [cell(row.scores, method) for method in (FLOOR, CEILING)]
        yield "| " + " | ".join([row.title, row.label, cell(row.scores, OURS), best, *ends]) + " |"


def draw(found: Sequence[Row], path: Path) -> None:
    """Draw each benchmark as a line of points, our method with its 95 % interval."""
    # Nothing in the file depends on when or where it was drawn.
    with mpl.rc_context({"svg.hashsalt": "leaderboard", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(8, 0.32 * len(found) + 1.2), layout="constrained")
        axes = figure.add_subplot()
        for y, row in enumerate(found):
            axes.plot([0, 1], [y, y], color="0.92", zorder=0)
            for method, style in ((FLOOR, "|"), (row.best, "o"), (CEILING, "x")):
                if method in row.scores:
                    face = "none" if style == "o" else None
                    axes.scatter(row.scores[method]["value"], y, marker=style, color="0.35", facecolors=face, s=36)
            if OURS in row.scores:
                value, low, high = (row.scores[OURS][key] for key in ("value", "low", "high"))
                axes.scatter(value, y, color="#0b6e99", s=36, zorder=3)
                if low is not None:
                    axes.plot([low, high], [y, y], color="#0b6e99", zorder=2)
        for label, style in (("mean effect", "|"), ("best other method", "o"), ("experiment repeated", "x")):
            axes.scatter([], [], marker=style, color="0.35", facecolors="none" if style == "o" else None, label=label)
        axes.scatter([], [], color="#0b6e99", label=f"{OURS}, with its 95 % interval")
        axes.set_yticks(range(len(found)), [row.name for row in found])
        axes.invert_yaxis()
        axes.set_xlabel("score on the metric of the table: 1 is best")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def opening(found: Sequence[Row], figure: str) -> list[str]:
    """Lines with which the page begins, under its title."""
    return [
        "## All benchmarks",
        "",
        *table(found),
        "",
        f"![Mean effect, best other method, {OURS} and experiment repeated, by benchmark]({figure})",
        "",
        "Every benchmark on the metric that its question is about: means over questions [95 % interval when",
        "perturbations are drawn anew], the highest score first. The best other method is the best of all that were",
        "scored there, chosen by this very score. No interval is given where questions share one value.",
        "",
    ]
