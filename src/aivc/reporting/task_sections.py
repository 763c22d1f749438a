"""Scores of a frozen task on a page: each method beside floor, nulls and ceiling, "no power" where there is none."""

from collections.abc import Iterator, Mapping
from typing import Any

from aivc.evaluation.benchmarks.protocol import REFUSED
from aivc.reporting.html import Section
from aivc.reporting.sortable import Cell, Table

NO_POWER = "no power"
_ARROWS = {"up": " ↑", "down": " ↓"}


def task_sections(body: Mapping[str, Any]) -> list[Section]:
    """Return the table of the shown metrics, and one of every fold.

    Args:
        body: As `aivc.evaluation.benchmarks.task_benchmark.run_task` gives it.
    """
    shown = shown_metrics(body)
    rows = tuple(
        (
            name_of(body, method),
            *(_cell(body["scores"][method].get(metric, {})) for metric in shown),
            *_beyond(body, method),
        )
        for method in body["methods"]
    )
    columns = ("method", *heads(body), "over the best null", "lost when shuffled")
    caption = (
        "Means over folds, or the value over all of them; brackets hold a 95% interval where the protocol gives one, "
        f"else the lowest and the highest fold are given. {NO_POWER}: the data cannot tell, as the note says; "
        f"{REFUSED}: the method gives no answer. "
        f"The last two columns are of {shown[0]}; in how many folds there is a gain stands in parentheses."
    )
    found = [Section("Scores", tables=(Table(columns, rows, caption),))]
    if notes := list(noted(body)):
        found.append(Section("What to know of these numbers", "\n".join(f"- {each}" for each in notes)))
    folds = tuple(
        (row["method"], row["fold"] or "all", row["metric"], value_of(row), row["note"]) for row in body["rows"]
    )
    caption = "Every number as the protocol gave it."
    return [
        *found,
        Section("Folds", tables=(Table(("method", "fold", "metric", "value", "note"), folds, caption, folded=True),)),
    ]


def shown_metrics(body: Mapping[str, Any]) -> list[str]:
    """Metrics of tables, that of the question first."""
    return [name for name in body["benchmark"]["shown"] if name in body["metrics"]]


def heads(body: Mapping[str, Any]) -> list[str]:
    """Metrics with the way that is better."""
    about = body["metrics"]
    return [about[name]["label"] + _ARROWS[about[name]["direction"]] for name in shown_metrics(body)]


def role_of(body: Mapping[str, Any], method: str) -> str:
    """``floor``, ``null``, ``ceiling``, or nothing."""
    return next((role for role, names in body["benchmark"]["anchors"].items() if method in names), "")


def name_of(body: Mapping[str, Any], method: str) -> str:
    """A method with its role."""
    role = role_of(body, method)
    return f"{method} ({role})" if role else method


def span(score: Mapping[str, Any]) -> str:
    """The 95 % interval where there is one, else the lowest and the highest of several folds."""
    if score.get("low") is not None and score.get("high") is not None:
        return f"[{_digits(score['low'])}, {_digits(score['high'])}]"
    values = [value for value in score.get("folds", {}).values() if value is not None]
    return f"{_digits(min(values))} – {_digits(max(values))}" if len(values) > 1 else ""


def value_of(score: Mapping[str, Any]) -> str:
    """A score in letters; nothing where there is none."""
    if not score:
        return ""
    if score["value"] is None:
        return REFUSED if score.get("note", "").startswith(REFUSED) else NO_POWER
    return _digits(score["value"])


def change(value: float | None) -> str:
    """A gain or a loss with its sign."""
    return "" if value is None else f"{value:+.3f}"


def beyond_null(score: Mapping[str, Any]) -> str:
    """Gain over the best null, and in how many folds there is one."""
    over = change(score.get("over_null"))
    won, of = score.get("wins", (0, 0))
    return f"{over} (in {won} of {of})" if over and of > 1 else over


def noted(body: Mapping[str, Any]) -> Iterator[str]:
    """What protocols said of shown scores."""
    for method in body["methods"]:
        for metric in shown_metrics(body):
            if note := body["scores"][method].get(metric, {}).get("note"):
                yield f"{method}, {metric}: {note}"


def _beyond(body: Mapping[str, Any], method: str) -> tuple[str, str]:
    first = body["scores"][method].get(shown_metrics(body)[0], {})
    return beyond_null(first), change(first.get("usage"))


def _cell(score: Mapping[str, Any]) -> Cell:
    return Cell(value_of(score), score.get("value"), span(score))


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
