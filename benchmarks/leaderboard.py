"""Every benchmark of the package with its reference methods, and the page of the documentation that shows the scores.

Run: python benchmarks/leaderboard.py [--page | --check] [NAME …]

It stops and goes on as it likes: what is finished in out/leaderboard, of the same benchmark and metrics, is kept.
`--page` writes the page from the committed results only; `--check` fails where it is another.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import leaderboard_overview
import leaderboard_tasks

from aivc.cli import main as aivc
from aivc.evaluation.benchmarks.benchmark import Benchmark, benchmark, names
from aivc.evaluation.scores.comparison import BASELINE, CEILING, SIMPLE

ROOT = Path(__file__).parent.parent
OUT, RESULTS = ROOT / "out" / "leaderboard", ROOT / "benchmarks" / "results" / "leaderboard"
PAGE = ROOT / "docs" / "reference" / "leaderboard.md"
FIGURE = PAGE.with_suffix(".svg")
# A file of results holds every single question only where it stays readable.
MOST_BYTES = 300_000
SHOWN = (
    "pearson-delta",
    "pearson-systema",
    "pds-cosine",
    "pds-relative",
    "pds-retrieval",
    "mse-unbiased",
    "energy-distance",
    "pearson-across",
    "pearson-across-relative",
)
# Beside the reference methods, whose names are part of a benchmark's digest.
OURS = ("effect.v2", "effect.v2:shuffled")
ARROWS = {"up": " ↑", "down": " ↓", "none": ""}

INTRO = """# Leaderboard

Frozen questions, and what simple methods make of them. Every table is written by `python benchmarks/leaderboard.py`
from the files in `benchmarks/results/leaderboard`, each stamped with the digest of its benchmark. To put a method of
your own beside these, [run a benchmark](../how-to/run-a-benchmark.md).

{opening}
## How to read a table

- A cell is the mean over questions [95 % interval when perturbations are drawn anew], and in parentheses the anchored
  score: 0 is the mean effect of training, 1 the experiment repeated. It is blank where there is no replicate, or where
  the replicate is no better than the mean effect.
- *wins / harms*: on the first metric of the table, the share of questions made better and made worse than by the best
  simple baseline, which is named. Simple baselines are {simple}; which of them are scored is part of a benchmark.
- *PDS (retrieval)* asks the profile that a method gives for telling perturbations apart, where it gives one; all other
  metrics ask the profile that it expects to be measured.
- *uses labels*: what the method loses on that metric when perturbation labels are shuffled. An interval that holds zero
  says that it does not use them.
- The floors `no-change` and `mean-effect` stand in every table. An arrow says which way is better.
"""


def trimmed(body: dict[str, Any]) -> str:
    """The whole of the scores, without single questions where these make it too long."""
    whole = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
    if len(whole) <= MOST_BYTES:
        return whole
    short = {key: value for key, value in body.items() if key not in ("rows", "halves")}
    return json.dumps(short, indent=1, ensure_ascii=False) + "\n"


def ask(name: str) -> int:
    """Run one benchmark with its reference methods and, where it asks effects, ours."""
    asked = benchmark(name)
    methods = [*asked.methods, *(OURS if isinstance(asked, Benchmark) else ())]
    words = [
        "benchmark",
        "run",
        name,
        "--methods",
        ",".join(methods),
        "--out",
        str(OUT),
        "--resume",
    ]
    return aivc(words)


def run(chosen: list[str]) -> int:
    """Run benchmarks, and keep what they say."""
    code = max(ask(name) for name in chosen or names())
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in chosen or names():
        scores = OUT / name / "scores.json"
        if scores.is_file():
            (RESULTS / f"{name}.json").write_text(trimmed(json.loads(scores.read_text())), encoding="utf-8")
    return code


def number(value: float | None) -> str:
    """Three digits that count, without exponents."""
    if value is None:
        return "–"
    return (
        f"{value:,.0f}"
        if abs(value) >= 1000
        else f"{value:.3g}"
        if abs(value) >= 0.001 or not value
        else f"{value + 0.0:.4f}"
    )


def interval(answer: Mapping[str, Any]) -> str:
    """From a mean over one perturbation nothing follows for others."""
    return "" if answer["low"] == answer["high"] else f" [{number(answer['low'])}, {number(answer['high'])}]"


def cell(score: Mapping[str, Any]) -> str:
    if score["value"] is None:
        return "–"
    anchored = "" if score.get("anchored") is None else f" ({round(score['anchored'], 2) + 0.0:.2f})"
    return f"{number(score['value'])}{interval(score)}{anchored}"


def shown(body: Mapping[str, Any]) -> list[str]:
    """Metrics that are defined here."""
    return [name for name in SHOWN if body["scores"][BASELINE].get(name, {}).get("value") is not None]


def methods(body: Mapping[str, Any]) -> list[str]:
    """Methods that are neither a floor nor a negative control."""
    return [name for name in body["methods"] if ":" not in name and name not in ("no-change", BASELINE)]


def table(body: Mapping[str, Any]) -> Iterator[str]:
    metrics, about = shown(body), body["metrics"]
    heads = [about[name]["label"] + ARROWS[about[name]["direction"]] for name in metrics]
    yield "| method | " + " | ".join(heads) + " | wins / harms | uses labels |"
    yield "|---" * (len(heads) + 3) + "|"
    lost = {
        each["method"]: each
        for each in body["usage"]
        if each["metric"] == metrics[0] and each["input"] == "perturbation"
    }
    for method, row in body["scores"].items():
        if row[metrics[0]]["value"] is None:
            continue
        against = row[metrics[0]].get("against_best")
        both = "" if not against else f"{against['wins']:.0%} / {against['harms']:.0%} ({against['baseline']})"
        uses = f"{number(lost[method]['loss'])}{interval(lost[method])}" if method in lost else ""
        name = f"*{method}*" if method in (CEILING, BASELINE, "no-change") else f"`{method}`"
        yield "| " + " | ".join([name, *(cell(row[metric]) for metric in metrics), both, uses]) + " |"


def beyond(body: Mapping[str, Any], key: str, *, worse: bool = False) -> dict[str, list[str]]:
    """Methods clearly better or worse than the mean effect (``gain``) or the best simple one (``against_best``)."""
    found: dict[str, list[str]] = {}
    for method in methods(body):
        for metric in shown(body):
            answer = body["scores"][method][metric].get(key)
            if answer and answer["low"] is not None and (answer["high"] < 0 if worse else answer["low"] > 0):
                found.setdefault(method, []).append(body["metrics"][metric]["label"])
    return found


def listed(found: Mapping[str, list[str]]) -> str:
    return "; ".join(f"`{method}` on {', '.join(labels)}" for method, labels in found.items())


def verdict(body: Mapping[str, Any]) -> str:
    """What the table shows, by rule."""
    first = body["scores"][BASELINE][shown(body)[0]]
    if first["low"] == first["high"]:
        return (
            "One perturbation is asked about, so nothing follows for others: no interval can be given, and no method "
            "can be called better than another."
        )
    over, under, best = beyond(body, "gain"), beyond(body, "gain", worse=True), beyond(body, "against_best")
    if not over:
        said = ["**No method has signal here**: none is clearly better than the mean effect on any of these metrics."]
    else:
        said = [f"Clearly better than the mean effect: {listed(over)}."]
    if under:
        said.append(f"Clearly worse than the mean effect: {listed(under)}.")
    if advanced := {method: labels for method, labels in best.items() if method not in SIMPLE}:
        said.append(f"Clearly better than the best simple baseline: {listed(advanced)}.")
    elif set(methods(body)) <= set(SIMPLE):
        said.append("Only simple baselines can answer this question so far.")
    else:
        said.append("Nothing is clearly better than the best simple baseline.")
    blunt = [body["metrics"][name]["label"] for name in shown(body) if not body["dynamic_range"][name]["usable"]]
    if blunt:
        said.append(
            f"{', '.join(blunt)} cannot tell much here: the experiment repeated is not clearly better than the mean "
            "effect."
        )
    return " ".join(said)


def section(body: Mapping[str, Any]) -> Iterator[str]:
    about, cost = body["benchmark"], body["cost"]
    asked = body["scores"][BASELINE][shown(body)[0]]["n"]
    yield f"## {about['title']}"
    yield ""
    yield about["question"]
    yield ""
    if (now := benchmark(about["name"]).reference) != (then := f"{about['name']}@{about['digest'][:12]}"):
        yield f"**Superseded.** These are scores of `{then}`; the question as it stands, `{now}`, is not scored yet."
        yield ""
    yield (
        f"`{about['name']}`, digest `{about['digest'][:12]}`. Data: `{about['dataset']}`; {asked:,} questions in "
        f"{body['split']['folds']} fold{'s' * (body['split']['folds'] > 1)}. {cost['seconds']:.0f} s, "
        f"{cost['peak_mb']:,} MB on {cost['cpus']} cores."
    )
    yield ""
    yield verdict(body)
    yield ""
    yield from table(body)
    yield ""
    yield from (f"- {leak}" for leak in about["leaks"])
    yield from (f"- `{each['method']}` failed: {each['error']}" for each in body["failures"])
    yield ""


def results() -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]


def page() -> str:
    """The page, from the committed results."""
    tasks, bodies = told_apart(results())
    opening = "\n".join(leaderboard_overview.opening(leaderboard_overview.rows(bodies), FIGURE.name))
    intro = INTRO.format(simple=", ".join(f"`{name}`" for name in SIMPLE), opening=opening)
    asked = [*leaderboard_tasks.opening(tasks), *(line for body in tasks for line in leaderboard_tasks.section(body))]
    return "\n".join([intro, *(line for body in bodies for line in section(body)), *asked])


def told_apart(bodies: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Tasks, and benchmarks of effects."""
    kinds = [[body for body in bodies if leaderboard_tasks.is_task(body) == wanted] for wanted in (True, False)]
    return kinds[0], kinds[1]


def main(words: list[str]) -> int:
    code = 0 if {"--page", "--check"} & set(words) else run(words)
    made = page()
    if "--check" in words:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made
        return 0 if same else "The page is not the one of the results. Run: python benchmarks/leaderboard.py --page"
    PAGE.write_text(made, encoding="utf-8")
    leaderboard_overview.draw(leaderboard_overview.rows(told_apart(results())[1]), FIGURE)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
