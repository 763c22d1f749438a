"""The page is whole, loads nothing, runs nothing foreign, and never leaves a score blank."""

import copy
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from aivc.core.errors import DataError, IntegrityError
from aivc.reporting import Figure, Section, Table, evaluation_sections, write_report
from aivc.reporting.figures import score_strip
from aivc.reporting.sortable import Cell, number
from aivc.reporting.templates import render
from evaluator_bodies import HOSTILE, plain_body

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Checks that tags nest, and keeps what a page loads and says."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.loads, self.ids, self.said = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture
def scores():
    return plain_body()


def test_a_report_is_whole_loads_nothing_and_is_the_same_twice(tmp_path, scores):
    sections = evaluation_sections(scores)
    path = write_report(tmp_path / "deep" / "report.html", title="A report", lead="What came out.", sections=sections)
    reader = read(path)
    assert reader.loads
    assert all(load.startswith(("#", "data:")) for load in reader.loads)
    assert not re.search(r"url\((?!#)|@import", path.read_text())
    assert len(reader.ids) == len(set(reader.ids))
    assert {load[1:] for load in reader.loads} <= set(reader.ids)
    assert reader.tags.count("svg") == reader.tags.count("figcaption") == 3
    again = write_report(
        tmp_path / "again.html", title="A report", lead="What came out.", sections=evaluation_sections(scores)
    )
    assert again.read_bytes() == path.read_bytes()


def test_hostile_text_is_shown_never_run(tmp_path, scores):
    scores = {**scores, "methods": [*scores["methods"], HOSTILE]}
    table = Table.of(pd.DataFrame({HOSTILE: [HOSTILE]}), HOSTILE)
    figure = Figure("<svg></svg>", HOSTILE)
    mine = Section(HOSTILE, f"{HOSTILE}\n\n- {HOSTILE}", (figure,), (table,))
    sections = [mine, *evaluation_sections(scores)]
    reader = read(write_report(tmp_path / "r.html", title=HOSTILE, lead=HOSTILE, sections=sections))
    assert reader.tags.count("script") == 1
    assert "img" not in reader.tags
    assert HOSTILE in reader.said


def test_the_browser_is_made_to_refuse_everything_else(tmp_path):
    page = write_report(tmp_path / "r.html", title="t", lead="l", sections=[]).read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script-src 'sha256-" in policy[1]


def test_text_has_paragraphs_and_lists(tmp_path):
    section = Section("t", "One\nsentence.\n\n- first\n- second")
    page = write_report(tmp_path / "r.html", title="t", lead="l", sections=[section]).read_text()
    assert "<p>One sentence.</p>" in page
    assert "<ul><li>first</li><li>second</li></ul>" in page


def test_numbers_stand_right_and_sort_by_value_not_by_text():
    frame = pd.DataFrame({"gene": ["A", "B"], "effect": [-0.12345, np.nan], "cells": [12345, 2], "new": [True, False]})
    made = Table.of(frame, "Effects.", formats={"effect": ".2f"}, highlight=(0,)).to_html()
    assert '<td class="num" data-sort="-0.12345">−0.12</td>' in made
    assert '<td class="num" data-sort="12345">12,345</td>' in made
    assert '<td class="num absent">missing</td>' in made
    assert "<td>yes</td>" in made
    assert made.count('<tr class="mark">') == 1
    assert '<th scope="col"><button type="button">gene</button></th>' in made


def test_what_rounds_to_zero_has_no_sign():
    assert number(-0.0012, ".2f") == "0.00"
    assert number(-0.004, ".0%") == "0%"
    assert number(-0.012, ".2f") == "−0.01"


def test_grayed_rows_and_columns_and_wide_tables_are_distinguished():
    made = Table(("a", "⊘ b"), ((1, 2), (3, 4)), "Some.", faint=(1,), faint_columns=("⊘ b",)).to_html()
    assert made.count('class="num off"') == 3
    assert made.count('<tr class="off">') == 1
    wide = Table(tuple("abcdefghij"), (tuple(range(10)),), "Wide.").to_html()
    assert 'class="table broad short"' in wide
    assert '<div class="scroll" tabindex="0" role="region" aria-label="Wide.">' in wide


def test_a_table_refuses_uneven_rows():
    with pytest.raises(DataError, match="Give one per column"):
        Table(("a", "b"), ((1,),), "Uneven.")


def test_a_folded_table_says_how_long_it_is():
    made = Table(("a",), ((Cell("x", 1.0, "note"),),), "Details.", folded=True).to_html()
    assert "<summary>Details. (1 row)</summary>" in made
    assert "<small>note</small>" in made


def test_undefined_scores_are_said_with_their_reason(tmp_path, scores):
    page = write_report(tmp_path / "r.html", title="t", lead="l", sections=evaluation_sections(scores)).read_text()
    assert "undefined: a constant has no correlation" in page
    assert "undefined: not scored" in page
    assert "mean-effect (floor)" in page
    assert "replicate (ceiling)" in page
    assert "[0.550, 0.650]" in page
    assert "anchored 0.60" in page
    assert "<td></td>" not in page


def findings(scores):
    found = next(section for section in evaluation_sections(scores) if section.title == "What was found")
    return {row[0]: row[1:] for row in found.tables[0].rows}


def test_findings_say_what_beats_the_floor_and_what_does_not(scores):
    scores["scores"]["ridge"]["pearson"]["gain"] = {"value": 0.3, "low": 0.2, "high": 0.4, "n": 9, "wins": 0.75}
    found = findings(scores)
    assert found["Pearson of effects"] == ("ridge", "60%", "mean-effect", "more than chance", "75%", "–")
    assert found["Squared error"][0] == "none"
    assert "Coverage" not in found


def test_a_lead_that_reaches_the_floor_is_called_chance(scores):
    gain = {"value": 0.01, "low": -0.1, "high": 0.1, "n": 9, "wins": 0.5}
    scores["scores"]["ridge"]["pearson"].update(value=0.31, anchored=0.02, low=0.2, high=0.4, gain=gain)
    assert findings(scores)["Pearson of effects"][3:5] == ("may be chance", "50%")


def test_a_negative_control_is_never_called_best(scores):
    scores["methods"].append("ridge:shuffled")
    scores["scores"]["ridge:shuffled"] = {**scores["scores"]["ridge"]}
    scores["scores"]["ridge:shuffled"]["pearson"] = {
        **scores["scores"]["ridge"]["pearson"],
        "value": 0.9,
        "anchored": 0.9,
    }
    assert findings(scores)["Pearson of effects"][0] == "ridge"


def test_three_questions_prove_nothing(scores):
    scores["scores"]["ridge"]["pearson"]["gain"] = {"value": 0.3, "low": 0.2, "high": 0.4, "n": 3, "wins": 1.0}
    assert findings(scores)["Pearson of effects"][3] == "too few questions to tell"


def test_failures_come_first_and_stand_out(scores):
    first = evaluation_sections(scores)[0]
    assert first.alarm
    assert first.tables[0].rows == (("nearest", HOSTILE),)
    assert not evaluation_sections({**scores, "failures": []})[0].alarm


def test_what_is_absent_has_no_section(scores):
    bare = {**copy.deepcopy(scores), "calibration": {}, "halves": [], "failures": [], "rows": []}
    del bare["strata"]
    titles = [section.title for section in evaluation_sections(bare)]
    assert titles == ["What was found", "Scores", "How it was scored", "How to repeat this"]


def test_scores_of_another_format_are_refused(scores):
    with pytest.raises(IntegrityError, match="Evaluate again"):
        evaluation_sections({**scores, "format": 2})
    del scores["ceiling"]
    with pytest.raises(IntegrityError, match="missing ceiling"):
        evaluation_sections(scores)


def test_the_strip_shows_floor_ceiling_and_what_is_beyond_the_edge(scores):
    scores["scores"]["no-change"]["mse"].update(value=9.0, low=8.0, high=10.0, anchored=-20.5)
    drawn = score_strip(scores)
    for word in ("0 floor", "1 ceiling", "undefined", "replicate", "−20", "Pearson of effects"):
        assert f">{word}" in drawn.svg
    with pytest.raises(DataError, match="at least one method"):
        score_strip({**scores, "methods": []})


def test_a_template_shows_text_as_text_and_refuses_to_leave_a_value_out():
    given = dict.fromkeys(["wide", "head", "rows", "count"], "")
    table = {"caption": HOSTILE, "folded": False}
    assert HOSTILE not in render("table.html", table=table, kind="", **given)
    assert "<div class=x>" in render("table.html", table=table, kind=Markup(" class=x"), **given)
    with pytest.raises(UndefinedError, match="kind"):
        render("table.html", table=table, **given)
