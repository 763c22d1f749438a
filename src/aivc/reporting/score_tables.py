"""Tables of scores: raw and anchored, against the best baseline, by kind of question, and with an input taken away."""

from collections.abc import Iterator, Mapping
from typing import Any

from aivc.reporting.reading import DULL, STRENGTHS, cannot_tell, dull_metrics, label, look, ordered_methods
from aivc.reporting.sortable import Cell, Table, number

# More columns of brackets than this are no longer read at once, nor printed upright.
_BLOCK = 6
_MOST_CELLS = 5000


def score_tables(scores: Mapping[str, Any]) -> tuple[Table, ...]:
    """Return every method on every score, raw with its interval and anchored, a few scores at a time."""
    metrics, floor, ceiling = list(scores["metrics"]), scores["baseline"], scores["ceiling"]
    kinds = {floor: " (floor)", ceiling: " (ceiling)"}
    blocks = [metrics[start : start + _BLOCK] for start in range(0, len(metrics), _BLOCK)]
    caption = (
        "Floor and ceiling are marked. Brackets hold 95% bootstrap intervals over perturbations; the last line is the "
        "anchored score: 0 at the floor, 1 at the ceiling. " + legend(scores)
    ).strip()
    made = []
    for i, block in enumerate(blocks):
        rows = tuple(
            (f"{method}{kinds.get(method, '')}", *(_score_cell(look(scores["scores"], method, name)) for name in block))
            for method in ordered_methods(scores)
        )
        columns = ("method", *(label(scores, name) for name in block))
        faint = tuple(label(scores, name) for name in block if cannot_tell(scores, name))
        said = caption if i == 0 else f"Further scores ({i + 1} of {len(blocks)}), read likewise."
        made.append(Table(columns, rows, said, highlight=(0, len(rows) - 1), faint_columns=faint))
    return tuple(made)


def legend(scores: Mapping[str, Any]) -> str:
    """Say what gray and its mark mean, where a score has them."""
    if not dull_metrics(scores):
        return ""
    return f"Gray and marked {DULL.strip()}: on these data this score cannot tell methods apart; compare nothing by it."


def _score_cell(score: Mapping[str, Any]) -> Cell:
    value = score.get("value")
    if value is None:
        why = str(score.get("undefined") or "no reason was given")
        return Cell(why if why.startswith("undefined") else f"undefined: {why}")
    anchored = score.get("anchored")
    notes = [_bounds(score, _spec(value)), "" if anchored is None else f"anchored {number(anchored, '.2f')}"]
    return Cell(number(value), float(value), "\n".join(filter(None, notes)))


def _bounds(score: Mapping[str, Any], spec: str = "") -> str:
    ends = score.get("low"), score.get("high")
    return "" if None in ends else f"[{', '.join(number(end, spec) for end in ends if end is not None)}]"


def _spec(value: float) -> str:
    """Digits for the ends of an interval: those of the value between them."""
    return ".3f" if 0.01 <= abs(value) < 1000 else ""


def gain_table(scores: Mapping[str, Any]) -> Table | None:
    """Return every method against the best simple baseline, score by score; None where nothing is held against it."""
    rows: list[tuple[Any, ...]] = []
    faint: list[int] = []
    for metric in scores["metrics"]:
        for method in scores["methods"]:
            gains = look(scores["scores"], method, metric).get("against_best")
            if not gains or gains.get("gain") is None:
                continue
            faint += [len(rows)] if cannot_tell(scores, metric) else []
            shares = [_share(gains.get(key)) for key in ("wins", "harms")]
            gain = Cell(_signed(gains["gain"]), float(gains["gain"]), _bounds(gains))
            rows.append((label(scores, metric), method, gains["baseline"], gain, *shares, gains.get("n")))
    if not rows:
        return None
    caption = (
        "Gain over the best simple baseline of each score, paired by question and turned so that more is better, with "
        "its 95% bootstrap interval; the share of questions on which the method is better, and worse. " + legend(scores)
    ).strip()
    columns = ("score", "method", "best baseline", "gain", "wins", "harms", "questions")
    return Table(columns, tuple(rows), caption, faint=tuple(faint), folded=True)


def _signed(value: float) -> str:
    shown = number(value)
    return f"+{shown}" if value > 0 else shown


def _share(value: float | None) -> Cell | None:
    return None if value is None else Cell(f"{value:.0%}", float(value))


def strata_table(scores: Mapping[str, Any], strata: Mapping[str, Any]) -> Table:
    """Return every score of every method, over all questions and in each stratum."""
    order = [*STRENGTHS, "reliable", "unreliable"]
    names = sorted(strata, key=lambda name: (order.index(name) if name in order else len(order), name))
    rows: list[tuple[Any, ...]] = []
    faint: list[int] = []
    for metric in scores["metrics"]:
        for method in ordered_methods(scores):
            faint += [len(rows)] if cannot_tell(scores, metric) else []
            tables = (scores["scores"], *(strata[name] for name in names))
            cells = (_short_cell(look(table, method, metric)) for table in tables)
            rows.append((label(scores, metric), method, *cells))
    caption = f"Raw scores by stratum, with 95% bootstrap intervals. {legend(scores)}".strip()
    return Table(("score", "method", "all", *names), tuple(rows), caption, faint=tuple(faint), folded=True)


def _short_cell(score: Mapping[str, Any]) -> Cell:
    value = score.get("value")
    return Cell("undefined") if value is None else Cell(number(value), float(value), _bounds(score, _spec(value)))


def range_table(scores: Mapping[str, Any]) -> Table | None:
    """Return what each score can tell on these data; None where nobody looked."""
    ranges = scores.get("dynamic_range", {})
    rows: list[tuple[Any, ...]] = []
    faint: list[int] = []
    for metric in scores["metrics"]:
        each = ranges.get(metric)
        if each is None:
            continue
        faint += [len(rows)] if cannot_tell(scores, metric) else []
        value = each.get("value")
        shown = Cell("not defined") if value is None else Cell(number(value, ".2f"), value, _bounds(each, ".2f"))
        verdict = "no" if cannot_tell(scores, metric) else "yes" if value is not None else "not asked"
        why = each.get("reason") or ("" if value is not None else "it has no direction, or no ceiling here")
        rows.append((label(scores, metric), shown, verdict, why or "the replicate is clearly above the floor"))
    if not rows:
        return None
    caption = (
        "Dynamic range of each score: how much of the way from the floor to a perfect value the experiment itself goes "
        "when repeated, mean over questions with its 95% bootstrap interval. Where this is not clearly above zero, "
        "better models cannot score better."
    )
    columns = ("score", "dynamic range", "can tell methods apart", "why")
    return Table(columns, tuple(rows), caption, faint=tuple(faint), folded=not dull_metrics(scores))


def usage_table(scores: Mapping[str, Any]) -> Table:
    """Return what each method loses without each of its inputs."""
    rows: list[tuple[Any, ...]] = []
    faint: list[int] = []
    for each in scores["usage"]:
        faint += [len(rows)] if cannot_tell(scores, each["metric"]) else []
        loss = Cell(_signed(each["loss"]), float(each["loss"]), _bounds(each))
        verdict = "used" if each["low"] > 0 else "harmful" if each["high"] < 0 else "no sign of use"
        rows.append((each["method"], each["input"], label(scores, each["metric"]), loss, verdict, each.get("n")))
    caption = (
        "Loss when an input is shuffled, paired by question, with its 95% bootstrap interval; positive is worse "
        "without it. harmful: better without it. " + legend(scores)
    ).strip()
    columns = ("method", "input", "score", "loss without it", "verdict", "questions")
    return Table(columns, tuple(rows), caption, faint=tuple(faint), folded=True)


def question_table(scores: Mapping[str, Any]) -> Table | None:
    """Return scores of single questions: all of them, or as many of each method as a page can hold."""
    if not scores["rows"]:
        return None
    listed = sorted(scores["metrics"], key=lambda metric: scores["metrics"][metric]["label"])
    shown = list(_first_of_each(scores["rows"], _MOST_CELLS // (len(listed) + 4)))
    total = len(scores["rows"])
    each = "every one" if len(shown) == total else f"{len(shown):,} of {total:,}, the first of each method; scores.json"
    names = ("method", "fold", "context", "perturbation", *listed)
    keys = [key for key in names if key in listed or any(key in row for row in shown)]
    rows = tuple(
        tuple(Cell("undefined") if key in listed and row.get(key) is None else row.get(key) for key in keys)
        for row in shown
    )
    columns = tuple(label(scores, key) if key in listed else key for key in keys)
    caption = f"Scores of single questions: {each}{' holds all' * (len(shown) < total)}."
    faint = tuple(label(scores, key) for key in dull_metrics(scores))
    return Table(columns, rows, caption, {"fold": "d"}, folded=True, faint_columns=faint)


def _first_of_each(rows: list[Mapping[str, Any]], most: int) -> Iterator[Mapping[str, Any]]:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    left = dict.fromkeys(methods, max(1, most // len(methods)))
    for row in rows:
        if len(rows) <= most or left[row["method"]] > 0:
            left[row["method"]] -= 1
            yield row
