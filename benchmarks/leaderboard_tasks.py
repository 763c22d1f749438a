"""Frozen tasks of tissue, time and images on the page of the leaderboard: one table for all, and one for each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.evaluation.benchmarks.protocol import SHUFFLED
from aivc.reporting.task_sections import beyond_null, change, heads, noted, role_of, shown_metrics, span, value_of

INTRO = """## Tasks that are not about perturbations

Questions about tissue, time and images, each asked by a protocol of its own, frozen in the same way. The floor, the
nulls and the ceiling are methods as others are, and stand in every table in italics; the best null is the one to beat.
A cell is the mean over folds, or the value over all of them, with its 95 % interval in brackets where the protocol
gives one, else the lowest and the highest fold in parentheses. Beside a gain stands in how many folds, patients or
pairs there is one; a gain that is not in most of them is none. *no power*: the data cannot tell, and no number stands
there.
"""


def is_task(body: Mapping[str, Any]) -> bool:
    """Whether results are of a task."""
    return "protocol" in body["benchmark"]


def opening(bodies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of the table of all tasks."""
    if not bodies:
        return
    yield from INTRO.splitlines()
    yield ""
    yield "| task | metric | best method | its gain over the best null | best null | floor | ceiling |"
    yield "|---|---|---|---|---|---|---|"
    for body in bodies:
        metric, head = shown_metrics(body)[0], heads(body)[0]
        sign = -1.0 if body["metrics"][metric]["direction"] == "down" else 1.0
        known = {name: by[metric] for name, by in body["scores"].items() if metric in by}
        found = {
            role: best([name for name in known if role_of(body, name) == role], known, sign)
            for role in ("null", "floor", "ceiling")
        }
        own = best([name for name in known if not role_of(body, name) and SHUFFLED not in name], known, sign)
        gain = beyond_null(known[own]) if own else ""
        named = [said(known, name) for name in (own, found["null"], found["floor"], found["ceiling"])]
        yield "| " + " | ".join([body["benchmark"]["title"], head, named[0], gain, *named[1:]]) + " |"
    yield ""


def best(names: Sequence[str], known: Mapping[str, Mapping[str, Any]], sign: float) -> str:
    able = [name for name in names if known[name]["value"] is not None]
    return max(able, key=lambda name: sign * known[name]["value"], default=next(iter(names), ""))


def said(known: Mapping[str, Mapping[str, Any]], name: str) -> str:
    return f"{value_of(known[name])} (`{name}`)" if name else "–"


def section(body: Mapping[str, Any]) -> Iterator[str]:
    """Lines of one task."""
    about, cost = body["benchmark"], body["cost"]
    yield f"## {about['title']}"
    yield ""
    yield about["question"]
    yield ""
    if (now := benchmark(about["name"]).reference) != (then := f"{about['name']}@{about['digest'][:12]}"):
        yield f"**Superseded.** These are scores of `{then}`; the question as it stands, `{now}`, is not scored yet."
        yield ""
    yield (
        f"`{about['name']}`, digest `{about['digest'][:12]}`, protocol `{about['protocol']}`. "
        f"Data: {', '.join(f'`{name}`' for name in about['datasets'])}. "
        f"{cost['seconds']:.0f} s, {cost['peak_mb']:,} MB on {cost['cpus']} cores."
    )
    yield ""
    yield "| method | " + " | ".join(heads(body)) + " | over the best null | lost when shuffled |"
    yield "|---" * (len(heads(body)) + 3) + "|"
    for method in body["methods"]:
        yield "| " + " | ".join(line(body, method)) + " |"
    yield ""
    yield from (f"- {each}" for each in noted(body))
    yield from (f"- {leak}" for leak in about["leaks"])
    yield ""


def line(body: Mapping[str, Any], method: str) -> list[str]:
    role, scores = role_of(body, method), body["scores"][method]
    name = f"*`{method}`, {role}*" if role else f"`{method}`"
    cells = [cell(scores.get(metric, {})) for metric in shown_metrics(body)]
    first = scores.get(shown_metrics(body)[0], {})
    return [name, *cells, beyond_null(first), change(first.get("usage"))]


def cell(score: Mapping[str, Any]) -> str:
    spread = span(score)
    return f"{value_of(score)} {spread if spread.startswith('[') else f'({spread})' if spread else ''}".strip()
