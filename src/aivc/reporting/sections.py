"""Turns the evaluator's JSON into sections: what failed, what was found, and how far to trust it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from aivc.core.errors import DataError
from aivc.reporting.breakdown import by_strength, compared, competing, coverage_by, input_usage, wins_and_harms
from aivc.reporting.html import Figure, Section
from aivc.reporting.quality import reliability, score_strip, split_halves
from aivc.reporting.reading import (
    DULL,
    STRENGTHS,
    anchored_interval,
    contenders,
    different_strata,
    dull_metrics,
    look,
    require_scores,
    spoken_split,
)  # fmt: skip
from aivc.reporting.score_tables import (
    gain_table,
    question_table,
    range_table,
    score_tables,
    strata_table,
    usage_table,
)  # fmt: skip
from aivc.reporting.sortable import Table
from aivc.reporting.stamp import definitions, repeating
from aivc.reporting.verdict import ENOUGH

_MOST_ROWS = 400
_MOST_DRAWN = 6
_MARKS = {"fooled": "✗ fooled", "unclear": "? unclear", "tie": "= tie", "holds": "✓ holds", "undefined": "– undefined"}


def evaluation_sections(scores: Mapping[str, Any]) -> list[Section]:
    """Turn the evaluator's JSON into sections; what it does not hold has no section.

    Args:
        scores: What the evaluator wrote to ``scores.json``.

    Raises:
        IntegrityError: It is of another format, or a part of it is missing.
    """
    require_scores(scores)
    makers = (_failures, _summary, _scores, _gains, _challenges, _strata, _calibration, _usage, _adversaries, _halves)
    parts = [make(scores) for make in (*makers, definitions, repeating)]
    return [part for part in parts if part is not None]


def _failures(scores: Mapping[str, Any]) -> Section | None:
    if not scores["failures"]:
        return None
    rows = tuple((str(item["method"]), str(item["error"])) for item in scores["failures"])
    text = "These methods stopped with an error and have no scores. A comparison without them is incomplete."
    return Section(
        "Methods that failed", text, tables=(Table(("method", "error"), rows, "What each said."),), alarm=True
    )


def _summary(scores: Mapping[str, Any]) -> Section:
    data, split = scores["data"], scores["split"]
    counts = ", ".join(
        f"{data[key]:,} {key.removesuffix('s') if data[key] == 1 else key}"
        for key in ("cells", "features", "perturbations", "contexts")
        if data.get(key) is not None
    )
    halved = scores.get("resplits", 1)
    mean = f", mean over {halved} ways of halving its cells" if halved > 1 else ""
    text = (
        f"Data: {data['name']} ({counts}). Held out: {spoken_split(str(split['kind']))}, in {split['folds']} "
        f"fold{'s' * (split['folds'] != 1)}; no method saw what it was scored on. Every score is set between a floor, "
        f"{scores['baseline']}, which knows nothing of the perturbation asked about, and a ceiling, "
        f"{scores['ceiling']}, which is one half of the experiment against the other{mean}."
    )
    rows = [_finding(scores, metric) for metric in scores["metrics"] if metric not in dull_metrics(scores)]
    notes = []
    if dull := dull_metrics(scores):
        names = ", ".join(str(scores["metrics"][metric]["label"]) for metric in dull)
        notes.append(
            f"Nothing is concluded from {names}: on these data repeating the experiment is not clearly better than the "
            f"floor there. Marked {DULL.strip()} below."
        )
    found = Table(_FOUND, tuple(row for row in rows if row), _FOUND_CAPTION)
    parts = "\n\n".join(filter(None, [text, _headline(scores), *notes]))
    return Section("What was found", parts, tables=(found,) if found.rows else ())


def _challenges(scores: Mapping[str, Any]) -> Section | None:
    asked = scores.get("challenges") or {}
    if not asked:
        return None
    tables, notes = [], []
    for name, by_method in asked.items():
        if "reason" in by_method:
            notes.append(f"No score by the rules of {name}: {by_method['reason']}")
            continue
        columns = list(next(iter(by_method.values()), {}))
        rows = tuple((method, *(row[column] for column in columns)) for method, row in by_method.items())
        tables.append(Table(("method", *columns), rows, f"Anchored scores of {name} and their mean, by its own rules."))
    text = (
        "What a community challenge would report: scores between its baseline and its ceiling, cut off and averaged by "
        "its own rules. A mean hides which part a method is good at, and has no interval; read the scores above first."
    )
    return Section("Challenge scores", "\n\n".join([text, *notes]), tables=tuple(tables))


def _headline(scores: Mapping[str, Any]) -> str:
    """Say on how many scores anybody beats the best simple baseline by more than chance."""
    asked = [metric for metric in compared(scores) if metric not in dull_metrics(scores)]
    leads = {
        metric: names for metric in asked if (names := [m for m in contenders(scores) if _leads(scores, m, metric)])
    }
    if not asked or not contenders(scores):
        return ""
    if not leads:
        return f"On none of {len(asked)} scores does any method beat the best simple baseline by more than chance."
    said = "; ".join(f"{scores['metrics'][metric]['label']} ({', '.join(names)})" for metric, names in leads.items())
    return (
        f"On {len(leads)} of {len(asked)} scores a method beats the best simple baseline by more than chance: {said}."
    )


def _leads(scores: Mapping[str, Any], method: str, metric: str) -> bool:
    gain = look(scores["scores"], method, metric).get("against_best") or {}
    return (gain.get("n") or 0) >= ENOUGH and (gain.get("low") or 0.0) > 0


_FOUND = ("score", "best method", "from floor to ceiling", "held against", "its gain", "better on", "worse on")
_FOUND_CAPTION = (
    "Score by score, negative controls aside: the best method, how much of the way from floor to ceiling it goes, and "
    "whether its gain, paired by question, is more than chance; then the shares of questions on which it is better and "
    "worse than what it is held against."
)


def _finding(scores: Mapping[str, Any], metric: str) -> tuple[str, ...]:
    """Which method is best on a score and whether that is more than a baseline; empty where no method is scored."""
    name = str(scores["metrics"][metric]["label"])
    points = {
        method: point[1]
        for method in contenders(scores)
        if (point := anchored_interval(scores, metric, look(scores["scores"], method, metric)))
    }
    if not points:
        return ()
    best = max(points, key=lambda method: points[method])
    # What is written as 0% is no lead.
    if points[best] < 0.005:
        return name, "none", "0%", str(scores["baseline"]), "none", "–", "–"
    cell = look(scores["scores"], best, metric)
    if "against_best" not in cell and compared(scores):
        return name, f"{best} (a simple baseline)", f"{points[best]:.0%}", "–", "–", "–", "–"
    gain = cell.get("against_best") or {"baseline": scores["baseline"], **(cell.get("gain") or {})}
    clear = "more than chance"
    if (gain.get("n") or 0) < ENOUGH:
        clear = "too few questions to tell"
    elif not gain.get("low") or gain["low"] <= 0:
        clear = "may be chance"
    shares = ["–" if gain.get(key) is None else f"{gain[key]:.0%}" for key in ("wins", "harms")]
    return name, best, f"{points[best]:.0%}", str(gain["baseline"]), clear, shares[0], shares[1]


def _scores(scores: Mapping[str, Any]) -> Section:
    tables = (*score_tables(scores), range_table(scores), question_table(scores))
    return Section("Scores", "", (score_strip(scores),), tuple(table for table in tables if table is not None))


def _gains(scores: Mapping[str, Any]) -> Section | None:
    table = gain_table(scores)
    if table is None:
        return None
    text = (
        "A mean can rise because a few questions improve much while most get worse. Here each method is held against "
        "the best of the simple baselines, which may be another one for each score, question by question."
    )
    return Section("Gains and negative transfer", text, (wins_and_harms(scores),), (table,))


def _strata(scores: Mapping[str, Any]) -> Section | None:
    strata = different_strata(scores)
    if not scores.get("strata"):
        return None
    text = "An average over all questions can hide that only the easy ones are right."
    if rule := scores.get("strata_rule"):
        text += f"\n\nHow questions are sorted: {rule}"
    if whole := [name for name in scores["strata"] if name not in strata]:
        text += f"\n\nEvery question is {' and '.join(whole)}: the scores above are those of this stratum."
    figures = (by_strength(scores, strata),) if set(STRENGTHS) & set(strata) else ()
    return Section("By kind of question", text, figures, (strata_table(scores, strata),) if strata else ())


def _calibration(scores: Mapping[str, Any]) -> Section | None:
    stated = {method: item for method, item in scores["calibration"].items() if set(item["covered"]) != {None}}
    if not stated:
        return None
    # Predictions given by file state one level, which is a number and no curve.
    curves = {method: item for method, item in stated.items() if None not in item["covered"]}
    drawn = competing(scores, list(curves))[:_MOST_DRAWN]
    figures = [reliability_of(scores, m) for m in drawn]
    figures += [
        coverage_by(curves[m], method=m) for m in drawn if any(len(v) > 1 for v in curves[m].get("by", {}).values())
    ]
    rows = tuple(
        (method, level, share, width)
        for method, item in stated.items()
        for level, share, width in zip(item["levels"], item["covered"], item["width"], strict=True)
        if share is not None
    )
    formats = {"promised": ".0%", "kept": ".1%"}
    overall = Table(
        ("method", "promised", "kept", "mean width"), rows, "Coverage and width, level by level.", formats, folded=True
    )
    text = (
        "An interval of 90% should hold what was measured nine times in ten, and not only on average: also for strong "
        "effects, in every context, and where a method says that it knows the question least. Methods without "
        "intervals are not here. Of two that keep their promise, the one with the narrower intervals says more."
    )
    if len(drawn) < len(curves):
        text += f"\n\nDrawn: {', '.join(drawn)}. Baselines and negative controls are in the tables."
    tables = (overall, _groups(stated)) if any(item.get("by") for item in stated.values()) else (overall,)
    return Section("Are the intervals honest?", text, tuple(figures), tables)


def reliability_of(scores: Mapping[str, Any], method: str) -> Figure:
    """Draw what the intervals of one method promise against what they keep.

    Args:
        scores: The evaluator's JSON.
        method: Whose.

    Raises:
        DataError: It makes no intervals.
    """
    curve = scores["calibration"].get(method)
    if curve is None or None in curve["covered"]:
        raise DataError([f"{method} makes no intervals, so there is no promise to check."])
    return reliability(curve["levels"], curve["covered"], low=curve.get("low"), high=curve.get("high"), label=method)


def _groups(curves: Mapping[str, Any]) -> Table:
    levels = list(dict.fromkeys(level for item in curves.values() for level in item["levels"]))
    rows = [
        (
            method,
            kind,
            name,
            each["n"],
            *(dict(zip(item["levels"], each["covered"], strict=True)).get(x) for x in levels),
        )
        for method, item in curves.items()
        for kind, labels in item.get("by", {}).items()
        for name, each in labels.items()
    ]
    columns = [f"{level:.0%}" for level in levels]
    some = "" if len(rows) <= _MOST_ROWS else f" The first {_MOST_ROWS} of {len(rows):,}; scores.json holds all."
    caption = f"Coverage by kind of question, one column per promised level.{some}"
    shown = tuple(rows[:_MOST_ROWS])
    return Table(
        ("method", "by", "group", "questions", *columns), shown, caption, dict.fromkeys(columns, ".1%"), folded=True
    )


def _usage(scores: Mapping[str, Any]) -> Section | None:
    if not scores.get("usage"):
        return None
    asked = dict.fromkeys(each["metric"] for each in scores["usage"])
    metrics = [metric for metric in asked if metric not in dull_metrics(scores)] or list(asked)
    text = (
        "A method can score well and ignore what it was given. Each input was shuffled before fitting: labels of "
        "perturbations, knowledge about their targets (priors), or contexts. What a method then loses is how much it "
        "used that input."
    )
    return Section("What do the methods use?", text, (input_usage(scores, metrics),), (usage_table(scores),))


def _adversaries(scores: Mapping[str, Any]) -> Section | None:
    if not (unmasked := scores.get("adversaries")):
        return None
    names = {name: name.partition(":")[2].replace("-", " ") for name in unmasked["made_from"]}
    made = "\n".join(
        f"- {names[name]}: made from the answers of {source}" for name, source in unmasked["made_from"].items()
    )
    rows = tuple(
        (
            scores["metrics"].get(metric, {"label": metric})["label"],
            *(_MARKS.get(word := verdicts.get(name, "undefined"), word) for name in names),
        )
        for metric, verdicts in unmasked["verdicts"].items()
    )
    found = "\n".join(f"- {line}" for line in unmasked["findings"]) or "- No metric is clearly fooled on these data."
    caption = (
        "One row per score, one column per answer without merit; each place says the worst that happened. ✗ fooled: "
        "the score puts it above what it must not beat, by more than chance. ? unclear: above, but perhaps by chance. "
        "= tie: the score cannot tell the two apart. ✓ holds: it is not put above. – undefined: the score has no value "
        "there."
    )
    text = (
        "Answers that deserve nothing were made from honest ones and scored like any method. A score that rewards them "
        f"can be gamed on these data.\n\n{found}\n\nThe answers without merit:\n\n{made}\n\n"
        f"The rule: {unmasked['rule']}"
    )
    return Section("Can the scores be fooled?", text, tables=(Table(("score", *names.values()), rows, caption),))


def _halves(scores: Mapping[str, Any]) -> Section | None:
    halves = pd.DataFrame(scores["halves"])
    if halves.empty or not halves["pearson"].notna().any():
        return None
    known = halves.sort_values("pearson", ascending=False, kind="stable")
    some = f" The {_MOST_ROWS} that agree best, of {len(known):,}; scores.json holds all." * (len(known) > _MOST_ROWS)
    caption = f"Agreement of halves, by perturbation.{some}"
    table = Table.of(known.head(_MOST_ROWS), caption, formats={"cells": ",.0f", "fold": "d"}, folded=True)
    halved = scores.get("resplits", 1)
    text = "Before any model: does the experiment agree with itself? What two halves do not share, nothing can predict."
    if halved > 1:
        text += f" The cells of each question are halved in {halved} ways, and the agreement is their mean."
    return Section("How repeatable is the experiment?", text, (split_halves(halves),), (table,))
