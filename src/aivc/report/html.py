"""One page that holds everything: it loads nothing, works from a disk, prints well and follows light or dark."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, final

import pandas as pd

from aivc.core.errors import IntegrityError
from aivc.core.state import write_text
from aivc.report.drawing import Figure, plain
from aivc.report.quality import anchored_interval, ordered_methods, reliability, score_strip, split_halves
from aivc.report.tables import Cell, Table, number

__all__ = ["Cell", "Figure", "Section", "Table", "evaluation_sections", "write_report"]

FORMAT = 1
_KEYS = (
    "data",
    "split",
    "methods",
    "baseline",
    "ceiling",
    "metrics",
    "scores",
    "rows",
    "calibration",
    "halves",
    "failures",
)
# Methods fitted on permuted labels: what they score is luck, and they are shown as such.
_SHUFFLED = ":shuffled"
# With fewer paired questions, even winning all of them happens by chance in more than one of twenty trials.
_ENOUGH = 6
_MOST_ROWS = 1000
_BETTER = {"up": "higher is better", "down": "lower is better", "none": "closest to its ideal"}


@final
@dataclass(frozen=True)
class Section:
    """A heading and what stands under it.

    Attributes:
        title: Heading.
        text: Plain text; a blank line starts a paragraph, lines that start with a dash make a list.
        figures: Drawings, in order; small ones stand side by side.
        tables: Tables, in order.
        alarm: Whether the reader must not miss it.
    """

    title: str
    text: str = ""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    alarm: bool = False


def write_report(path: Path, *, title: str, lead: str, sections: Sequence[Section]) -> Path:
    """Write one self-contained page; the same content always gives the same bytes.

    Args:
        path: Where to; its folder is made.
        title: Heading of the page.
        lead: One or two sentences that say what came out.
        sections: What the page holds.

    Returns:
        The path.
    """
    css, script = (files("aivc.report").joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # The browser itself then refuses whatever would be loaded or run beyond this page.
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    links = "".join(f'<a href="#part-{i}">{_text(part.title)}</a>' for i, part in enumerate(sections, 1))
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{_text(title)}</title>
<style>{css}</style>
</head>
<body>
<header>
<h1>{_text(title)}</h1>
<p class="lead">{_text(lead)}</p>
<nav aria-label="Contents">{links}</nav>
</header>
<main>
{"".join(_section(i, part) for i, part in enumerate(sections, 1))}</main>
<footer>Written by aivc. This page holds everything it shows and loads nothing. Press a column head to sort.</footer>
<script>{script}</script>
</body>
</html>
"""
    write_text(path, page)
    return path


def _section(place: int, section: Section) -> str:
    figures = "\n".join(map(_figure, section.figures))
    holder = f'<div class="figures">{figures}</div>\n' if figures else ""
    tables = "\n".join(table.to_html() for table in section.tables)
    alarm = ' class="alarm"' if section.alarm else ""
    body = f"<h2>{_text(section.title)}</h2>\n{_paragraphs(section.text)}{holder}{tables}"
    return f'<section id="part-{place}"{alarm}>\n{body}\n</section>\n'


def _figure(figure: Figure) -> str:
    width = re.search(r"max-width:(\d+)px", figure.svg)
    size = "small" if width and int(width[1]) < 480 else "wide"
    return (
        f'<figure class="{size}"><div class="scroll">{figure.svg}</div>\n'
        f"<figcaption>{_text(figure.caption)}</figcaption></figure>"
    )


def _paragraphs(text: str) -> str:
    made = []
    for block in filter(None, map(str.strip, re.split(r"\n\s*\n", text))):
        lines = [line.strip() for line in block.splitlines()]
        if all(line.startswith("- ") for line in lines):
            made.append(f"<ul>{''.join(f'<li>{_text(line[2:])}</li>' for line in lines)}</ul>\n")
        else:
            made.append(f"<p>{_text(' '.join(lines))}</p>\n")
    return "".join(made)


def _text(text: object) -> str:
    return escape(plain(text))


def evaluation_sections(scores: Mapping[str, Any]) -> list[Section]:
    """Turn the evaluator's JSON into sections: what failed, what was found, and how far to trust it.

    Args:
        scores: What the evaluator wrote to ``scores.json``.

    Raises:
        IntegrityError: It is of another format, or a part of it is missing.
    """
    missing = [key for key in _KEYS if key not in scores]
    if scores.get("format") != FORMAT or missing:
        raise IntegrityError(
            f"Scores must be in format {FORMAT} and hold {', '.join(_KEYS)}; got format {scores.get('format')!r}, "
            f"missing {', '.join(missing) or 'nothing'}. Evaluate again with this version of aivc."
        )
    parts = [_failures(scores), _summary(scores), _score_section(scores), _strata(scores), _calibration(scores)]
    parts += [_adversaries(scores), _halves(scores), _definitions(scores)]
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
        f"{data[key]:,} {key}" for key in ("cells", "features", "perturbations") if data.get(key) is not None
    )
    text = (
        f"Data: {data['name']} ({counts}). Held out: {str(split['kind']).replace('-', ' ')}, in {split['folds']} "
        f"fold{'s' * (split['folds'] != 1)}; no method saw what it was scored on. Every score is set between a floor, "
        f"{scores['baseline']}, which knows nothing of the perturbation asked about, and a ceiling, "
        f"{scores['ceiling']}, which is the experiment against itself."
    )
    found = "\n".join(f"- {line}" for line in (_finding(scores, metric) for metric in scores["metrics"]) if line)
    return Section("What was found", f"{text}\n\n{found}")


def _finding(scores: Mapping[str, Any], metric: str) -> str:
    """Say in a sentence which method is best and whether that is more than the floor; negative controls aside."""
    label, anchors = scores["metrics"][metric]["label"], (scores["baseline"], scores["ceiling"])
    points = {
        method: point
        for method in scores["methods"]
        if method not in anchors
        and not method.endswith(_SHUFFLED)
        and (point := anchored_interval(scores, metric, _look(scores["scores"], method, metric)))
    }
    if not points:
        return ""
    best = max(points, key=lambda method: points[method][1])
    middle, gain = points[best][1], _look(scores["scores"], best, metric).get("gain") or {}
    if middle <= 0:
        return f"{label}: no method does better than {anchors[0]}."
    clear = "paired by question, the gain is more than chance"
    if (gain.get("n") or 0) < _ENOUGH:
        clear = "the questions are too few to tell it from chance"
    elif not gain.get("low") or gain["low"] <= 0:
        clear = "paired by question, the gain may be chance"
    wins = "" if gain.get("wins") is None else f", on {gain['wins']:.0%} of the questions"
    return f"{label}: best is {best}, {middle:.0%} of the way from floor to ceiling; {clear}{wins}."


def _score_section(scores: Mapping[str, Any]) -> Section:
    listed = sorted(scores["metrics"], key=lambda metric: scores["metrics"][metric]["label"])
    rows = scores["rows"][:_MOST_ROWS]
    every = "every one" if len(rows) == len(scores["rows"]) else f"the first {len(rows):,} of {len(scores['rows']):,}"
    columns = ("method", "fold", "context", "perturbation", *listed)
    lines = tuple(
        tuple(Cell("undefined") if name in listed and row.get(name) is None else row.get(name) for name in columns)
        for row in rows
    )
    detail = Table(columns, lines, f"Scores of single perturbations: {every}.", {"fold": "d"}, folded=True)
    text = (
        "Floor and ceiling are marked. Brackets hold 95% bootstrap intervals over perturbations; the last line is "
        "the anchored score: 0 at the floor, 1 at the ceiling."
    )
    tables = (_score_table(scores, scores["scores"], text), *([detail] if rows else []))
    return Section("Scores", "", (score_strip(scores),), tables)


def _score_table(scores: Mapping[str, Any], table: Mapping[str, Any], caption: str) -> Table:
    metrics, floor, ceiling = scores["metrics"], scores["baseline"], scores["ceiling"]
    kinds = {floor: " (floor)", ceiling: " (ceiling)"}
    rows = tuple(
        (f"{method}{kinds.get(method, '')}", *(_score_cell(_look(table, method, metric)) for metric in metrics))
        for method in ordered_methods(scores)
    )
    return Table(
        ("method", *(about["label"] for about in metrics.values())), rows, caption, highlight=(0, len(rows) - 1)
    )


def _look(table: Mapping[str, Any], method: str, metric: str) -> Mapping[str, Any]:
    absent = {"value": None, "undefined": "not scored"}
    return table.get(method, {}).get(metric, absent)


def _score_cell(score: Mapping[str, Any]) -> Cell:
    value = score.get("value")
    if value is None:
        return Cell(f"undefined: {score.get('undefined') or 'no reason was given'}")
    ends = score.get("low"), score.get("high")
    bounds = "" if None in ends else f"[{', '.join(number(end) for end in ends if end is not None)}]"
    anchored = score.get("anchored")
    notes = [bounds, "" if anchored is None else f"anchored {number(anchored, '.2f')}"]
    return Cell(number(value), float(value), "\n".join(filter(None, notes)))


def _strata(scores: Mapping[str, Any]) -> Section | None:
    strata = scores.get("strata", {})
    if not strata:
        return None
    tables = tuple(
        _score_table(scores, table, f"Only perturbations in the stratum “{name}”.") for name, table in strata.items()
    )
    text = (
        "The same scores where effects differ in strength: an average over all can hide that only the easy ones are "
        "right."
    )
    return Section("By kind of perturbation", text, tables=tables)


def _calibration(scores: Mapping[str, Any]) -> Section | None:
    if not scores["calibration"]:
        return None
    figures = tuple(
        reliability(item["levels"], item["covered"], low=item.get("low"), high=item.get("high"), label=method)
        for method, item in scores["calibration"].items()
    )
    rows = tuple(
        (method, level, share, width)
        for method, item in scores["calibration"].items()
        for level, share, width in zip(item["levels"], item["covered"], item["width"], strict=True)
    )
    formats = {"promised": ".0%", "kept": ".1%"}
    table = Table(
        ("method", "promised", "kept", "mean width"), rows, "Coverage and width, level by level.", formats, folded=True
    )
    text = (
        "An interval of 90% should hold what was measured nine times in ten. Methods without intervals are not here. "
        "Of two that keep their promise, the one with the narrower intervals says more."
    )
    return Section("Are the intervals honest?", text, figures, (table,))


def _adversaries(scores: Mapping[str, Any]) -> Section | None:
    if not (told := scores.get("adversaries")):
        return None
    names = list(told["made_from"])
    made = ", ".join(f"{name.partition(':')[2]} from {source}" for name, source in told["made_from"].items())
    rows = tuple(
        (scores["metrics"][metric]["label"], *(verdicts.get(name, "undefined") for name in names))
        for metric, verdicts in told["verdicts"].items()
    )
    found = "\n".join(f"- {line}" for line in told["findings"]) or "- No metric is clearly fooled on these data."
    columns = ("score", *(name.partition(":")[2] for name in names))
    table = Table(columns, rows, f"What each score says of answers without merit. Made: {made}.")
    return Section("Can the scores be fooled?", f"{told['rule']}\n\n{found}", tables=(table,))


def _halves(scores: Mapping[str, Any]) -> Section | None:
    halves = pd.DataFrame(scores["halves"])
    if halves.empty or not halves["pearson"].notna().any():
        return None
    table = Table.of(halves, "Agreement of halves, by perturbation.", formats={"cells": ",.0f"}, folded=True)
    text = "Before any model: does the experiment agree with itself? What two halves do not share, nothing can predict."
    return Section("How repeatable is the experiment?", text, (split_halves(halves),), (table,))


def _definitions(scores: Mapping[str, Any]) -> Section:
    rows = tuple(
        (
            item["label"],
            _direction(item),
            *(_stated(item.get(key)) for key in ("chance", "best")),
            item["formula"],
            item["source"],
        )
        for item in scores["metrics"].values()
    )
    columns = ("score", "direction", "by chance", "ideal", "formula", "source")
    table = Table(
        columns, rows, "How each score is computed, and where it comes from.", {"by chance": ".3g", "ideal": ".3g"}
    )
    data, split = scores["data"], scores["split"]
    text = (
        f"Profiles in {scores.get('profile_units', data.get('units', 'units not stated'))}. Split {split['kind']}, "
        f"manifest {str(split['digest'])[:16]}; seed {scores.get('seed', 'not stated')}. The same data, split and "
        "seed give the same scores."
    )
    return Section("How it was scored", text, tables=(table,))


def _direction(metric: Mapping[str, Any]) -> str:
    if metric["direction"] == "none" and metric.get("best") is None:
        return "neither by itself"
    return _BETTER[metric["direction"]]


def _stated(value: float | int | None) -> float | int | Cell:
    return Cell("none") if value is None else value
