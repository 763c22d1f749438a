"""Sections say what the evaluator found, keep quiet about what it cannot tell, and hold whatever size comes."""

import re

import pytest

from aivc.reporting import evaluation_sections, sections, spoken_split, write_report
from evaluator_bodies import HOSTILE, full_body, plain_body


@pytest.fixture
def scores():
    return full_body()


@pytest.fixture(scope="module")
def parts():
    """Of the full body as it is; drawing takes a while."""
    return {part.title: part for part in evaluation_sections(full_body())}


# What makes a section, so that a test draws no others.
MAKERS = {
    "What was found": sections._summary,
    "Scores": sections._scores,
    "By kind of question": sections._strata,
    "Are the intervals honest?": sections._calibration,
    "Can the scores be fooled?": sections._adversaries,
    "Challenge scores": sections._challenges,
    "How repeatable is the experiment?": sections._halves,
}


def section(scores, title):
    part = MAKERS[title](scores)
    assert part is None or part.title == title
    return part


def cells(table, column):
    at = table.columns.index(column)
    return [getattr(row[at], "text", row[at]) for row in table.rows]


def test_every_part_has_its_section_and_figure(parts):
    assert {title: len(part.figures) for title, part in parts.items()} == {
        "Methods that failed": 0,
        "What was found": 0,
        "Scores": 1,
        "Gains and negative transfer": 1,
        "By kind of question": 1,
        "Are the intervals honest?": 2,
        "What do the methods use?": 1,
        "How repeatable is the experiment?": 1,
        "How it was scored": 0,
        "How to repeat this": 0,
    }


def test_a_score_that_cannot_tell_is_marked_explained_and_concludes_nothing(parts):
    found, part = parts["What was found"].text, parts["Scores"]
    assert "Nothing is concluded from Squared error" in found
    assert "Squared error" not in cells(parts["What was found"].tables[0], "score")
    assert part.tables[0].columns == ("method", "Pearson of effects", "⊘ Squared error", "Coverage")
    assert part.tables[0].faint_columns == ("⊘ Squared error",)
    assert "Gray and marked ⊘" in part.tables[0].caption
    assert ">⊘ Squared error<" in part.figures[0].svg
    answer = part.tables[1]
    assert not answer.folded
    assert cells(answer, "can tell methods apart") == ["yes", "no", "not asked"]
    assert cells(answer, "why")[1] == "no span here"
    assert '<th scope="col" class="num off">' in part.tables[0].to_html()


def test_where_every_score_can_tell_nothing_is_marked(scores):
    scores["dynamic_range"]["mse"].update(usable=True, reason=None)
    part = section(scores, "Scores")
    assert not any("⊘" in text for text in (*part.tables[0].columns, part.tables[0].caption, part.figures[0].caption))


def test_findings_name_the_best_simple_baseline_with_wins_and_harms(parts):
    text = parts["What was found"].text
    assert "On 1 of 1 scores a method beats the best simple baseline by more than chance" in text
    assert "chance: Pearson of effects (ridge)." in text
    row = next(row for row in parts["What was found"].tables[0].rows if row[0] == "Pearson of effects")
    assert row[4:] == ("more than chance", "75%", "25%")
    assert "mean over 5 ways of halving" in text
    gains = parts["Gains and negative transfer"]
    assert cells(gains.tables[0], "gain") == ["−0.200", "+0.300", "−0.200"]
    assert cells(gains.tables[0], "harms") == ["90%", "25%", "90%"]
    assert ">75%<" in gains.figures[0].svg
    assert gains.figures[0].svg.count(">✓<") == 1
    assert gains.figures[0].svg.count(">✗<") == 2


def test_a_simple_baseline_that_leads_is_called_one(scores):
    answer = scores["scores"]["no-change"]["pearson"]
    del answer["against_best"]
    answer.update(value=0.7, low=0.6, high=0.8, anchored=0.8, undefined=None)
    for method in ("ridge", "ridge:shuffled"):
        scores["scores"][method]["pearson"]["against_best"].update(baseline="no-change", gain=-0.1, low=-0.2, high=0.1)
    part = section(scores, "What was found")
    assert part.tables[0].rows[0][1:3] == ("no-change (a simple baseline)", "80%")
    assert "On none of 1 scores" in part.text


def test_a_lead_that_would_be_written_as_zero_percent_is_none(scores):
    scores["scores"]["ridge"]["pearson"].update(anchored=0.004)
    assert section(scores, "What was found").tables[0].rows[0][1] == "none"


def test_a_stratum_that_holds_every_question_has_no_column_of_its_own(scores):
    part = section(scores, "By kind of question")
    assert part.tables[0].columns == ("score", "method", "all", "weak", "strong")
    assert "Every question is reliable" in part.text
    assert "strong, weak: by size." in part.text
    assert "triangles up" in part.figures[0].caption
    scores["strata"] = {"reliable": scores["strata"]["reliable"]}
    alone = section(scores, "By kind of question")
    assert (alone.figures, alone.tables) == ((), ())


def test_intervals_are_shown_by_kind_of_question(parts):
    part = parts["Are the intervals honest?"]
    by = part.figures[1]
    assert "10 more contexts" in by.caption
    for word in ("all questions", "strength: weak (4)", "strength: strong (5)", "context: C29 (3)"):
        assert f">{word}<" in by.svg
    # One verdict for all says what the whole says; contexts near their promise are left to the table.
    assert "applicability: in" not in by.svg
    assert "context: C0 (3)" not in by.svg
    assert len(part.tables[1].rows) == 33


def test_what_was_never_covered_is_left_out(scores):
    scores["calibration"]["ridge"]["covered"] = [None, None]
    assert section(scores, "Are the intervals honest?") is None


def test_usage_says_which_inputs_matter(parts):
    part = parts["What do the methods use?"]
    assert cells(part.tables[0], "verdict") == ["used", "no sign of use"]
    assert ">ridge without priors<" in part.figures[0].svg


def test_the_stamp_says_how_to_repeat(parts):
    facts = dict(parts["How to repeat this"].tables[0].rows)
    assert facts["split digest"] == "ab" * 32
    assert facts["benchmark digest"] == "cd" * 32
    assert facts["score versions"] == "pearson 2, mse 1, coverage 1"
    assert facts["recipe: encoder"] == "count-pca"
    assert facts["environment: python"] == "3.11.7"
    assert facts["seed"] == "0"
    assert cells(parts["How it was scored"].tables[0], "version") == [2, 1, 1]


def test_a_split_from_a_file_is_called_one(scores):
    scores["split"]["kind"] = "given"
    assert "Held out: what a split file names, in 3 folds" in section(scores, "What was found").text
    assert spoken_split("unseen-pair") == "unseen pair"


def test_adversaries_are_shown_in_words_and_marks(scores):
    verdicts = {"pearson": {"adversary:constant": "holds", "adversary:shuffled": "fooled"}}
    made = {"adversary:constant": "no-change", "adversary:shuffled": "ridge"}
    scores["adversaries"] = {"rule": "Rule.", "made_from": made, "verdicts": verdicts, "findings": ["It is fooled."]}
    part = section(scores, "Can the scores be fooled?")
    assert part.tables[0].columns == ("score", "constant", "shuffled")
    assert part.tables[0].rows == (("Pearson of effects", "✓ holds", "✗ fooled"),)
    assert "- It is fooled." in part.text
    assert "- shuffled: made from the answers of ridge" in part.text


def test_a_body_without_the_newer_parts_still_renders(tmp_path):
    parts = evaluation_sections(plain_body())
    titles = [part.title for part in parts]
    assert "Gains and negative transfer" not in titles
    assert "What do the methods use?" not in titles
    assert dict(parts[-1].tables[0].rows)["benchmark digest"].startswith("none")
    assert write_report(tmp_path / "r.html", title="t", lead="l", sections=parts).stat().st_size > 10_000


def test_hostile_names_stay_text_everywhere(tmp_path, scores):
    scores["calibration"]["ridge"]["by"]["context"][HOSTILE] = {"n": 3, "covered": [0.1, 0.1]}
    scores["usage"][0]["input"] = HOSTILE
    scores["recipe"][HOSTILE] = HOSTILE
    scores["metrics"]["pearson"]["label"] = HOSTILE
    page = write_report(tmp_path / "r.html", title="t", lead="l", sections=evaluation_sections(scores)).read_text()
    assert page.count("<script>") == 1
    assert "<img" not in page


def test_thousands_of_questions_stay_below_a_page_that_opens(tmp_path, scores):
    questions = [(f"C{i}", f"ko:G{j}") for i in range(43) for j in range(110)]
    values = dict.fromkeys(scores["metrics"], 0.123456789)
    scores["rows"] = [
        {"method": method, "fold": 0, "context": context, "perturbation": text, **values}
        for method in scores["methods"]
        for context, text in questions
    ]
    scores["halves"] = [
        {"context": context, "perturbation": text, "pearson": i / 4730, "cells": 9}
        for i, (context, text) in enumerate(questions)
    ]
    parts = evaluation_sections(scores)
    path = write_report(tmp_path / "r.html", title="t", lead="l", sections=parts)
    assert path.stat().st_size < 1_000_000
    listed = next(part for part in parts if part.title == "Scores").tables[-1]
    assert re.search(r"[\d,]+ of 18,920, the first of each method; scores.json holds all", listed.caption)
    assert set(cells(listed, "method")) == set(scores["methods"])
    halves = next(part for part in parts if part.title == "How repeatable is the experiment?")
    assert "The 400 that agree best, of 4,730" in halves.tables[0].caption
    assert "300, evenly spaced in rank, are drawn" in halves.figures[0].caption


def test_challenge_scores_are_shown_and_a_missing_scale_is_stated(scores):
    answer = {"vcc2026": {"ours": {"vcc26-pds": 0.25, "mean": 0.5}}, "vcc2025": {"reason": "There is no scale."}}
    shown = section({**scores, "challenges": answer}, "Challenge scores")
    assert shown.tables[0].rows == (("ours", 0.25, 0.5),)
    assert "There is no scale." in shown.text
    assert section(scores, "Challenge scores") is None
