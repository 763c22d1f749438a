"""One page about a cell: verdict first, each figure that the data support and a reason for each that they do not."""

import dataclasses
import json
import re

import matplotlib as mpl
import numpy as np
import pytest

import aivc
from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.propose import propose
from aivc.experiments.screen import screen
from aivc.reporting.card import card_section
from aivc.reporting.cell_answers import dosed, learned, measured_effects, without
from aivc.reporting.gene_search import embedded, gene_index
from aivc.reporting.kinds import KINDS
from evaluator_bodies import HOSTILE, plain_body

RECIPE = Recipe(dim=4, members=2, inner_folds=2)
BARE = dataclasses.replace(RECIPE, members=0, inner_folds=0)


@pytest.fixture(scope="module")
def cells():
    return synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)[0]


@pytest.fixture(scope="module")
def cell(cells):
    return fit(cells, "transfer", recipe=RECIPE)


@pytest.fixture(scope="module")
def body():
    """Scores as the evaluator writes them, of the method of the cell."""
    made = json.loads(json.dumps(plain_body()).replace('"ridge"', '"transfer"'))
    made["scores"]["transfer"]["pearson"]["gain"] = {"value": 0.3, "low": 0.2, "high": 0.4, "n": 9, "wins": 0.75}
    made["halves"] = [
        {"perturbation": f"ko:G000{i}", "context": "line1", "pearson": i / 10, "cells": 20} for i in range(1, 4)
    ]
    return made


@pytest.fixture(scope="module")
def full(cell, cells, body):
    asked = [*cell.card["perturbations"], "ko:G0030", "ko:G0031"]
    ranked = screen(cell, asked, "G0011", context="line1", allow_unknown=True)
    plan = propose(ranked, 96, controls=2)
    return aivc.report(cell, cells, name="toy", scores=body, screen=ranked, plan=plan)


@pytest.fixture(scope="module")
def alone(cell):
    return aivc.report(cell)


@pytest.fixture(scope="module")
def page(full):
    return full.html()


def sentences(page):
    text = re.sub(r"<(style|script|svg|table|nav)\b.*?</\1>", " ", page, flags=re.S)
    blocks = re.split(r"</?(?:p|li|h\d|figcaption|summary|a|div|label|section)\b[^>]*>", text)
    said = [part.strip() for block in blocks for part in re.split(r"(?<=[.!?])\s+(?=[A-Z])", block)]
    return [each for each in said if len(each.split()) > 5]


def test_the_verdict_comes_first_and_says_both_things(full, page):
    said = "On this screen transfer was shown to beat the mean effect on Pearson of effects (0.60 against 0.30, 9"
    assert full.verdict.startswith(said)
    assert full.verdict.endswith("repeats itself at 0.80 (the replicate ceiling).")
    body = page[page.index("<body>") :]
    assert body.index(full.verdict) < body.index("<svg")
    assert body.index(full.verdict) < body.index("<section")


def test_there_is_each_figure_that_data_support_and_a_reason_for_the_others(full, page):
    assert set(full.missing) == {"dose", "gallery", "river", "section"}
    assert "Dose response: No agent was learned at three doses or more" in page
    for kind in set(KINDS) - {"dose", "gallery", "river", "section"}:
        for figure in full.figures(kind):
            assert figure.svg[:40] in page
    assert page.count("<figcaption") == page.count('<svg role="img"')


def test_without_data_the_page_shows_what_the_cell_knows(alone):
    assert set(alone.missing) == {"cells", "section", "measured", "dose", "gallery", "plate", "river", "reliability"}
    text = alone.html()
    assert "left out while it was fitted" in alone.verdict
    assert "Effects predicted by transfer" in text
    assert "needs measured cells" in text
    assert "What the cell says of itself" in text
    assert len(alone.missing) == text.count("<li>")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("dose", "gallery", "river", "section")])
def test_every_figure_names_its_axes(full, kind):
    drawing = full.plot(kind)
    assert isinstance(drawing, mpl.figure.Figure)
    texts = [each.get_text() for each in drawing.findobj(mpl.text.Text) if each.get_visible()]
    units = "ln(1 + counts per"
    if kind in ("effects", "volcano", "measured", "ranking"):
        assert any(units in text for text in texts), texts
    if kind in ("cells", "volcano", "measured", "reliability"):
        first = drawing.axes[0]
        assert first.get_xlabel()
        assert first.get_ylabel()


def test_no_sentence_is_said_twice(page, alone):
    for text in (page, alone.html()):
        said = [re.sub(r"[\d.,−%]+", "#", each) for each in sentences(text)]
        twice = {each for each in said if said.count(each) > 1}
        assert not twice


def test_a_gene_can_be_looked_up_on_the_page(full, page, cells):
    index = json.loads(re.search(r'<script type="application/json" id="gene-index">(.*?)</script>', page, re.S)[1])
    assert set(index["genes"]) == set(map(str, cells.features))
    known = full.findings.learned
    which, effect, low, high, measured = index["genes"]["G0011"][0]
    assert low <= effect <= high
    at = known.features.tolist().index("G0011")
    assert index["perturbations"][which] == known.perturbations[int(np.abs(known.others[:, at]).argmax())]
    assert measured == pytest.approx(full.findings.measured.table.loc[index["perturbations"][which], "G0011"], rel=0.01)
    assert 'id="gene"' in page


def test_a_perturbation_is_not_listed_for_its_own_gene(full):
    index = gene_index(full.findings.learned)
    own = full.findings.learned.perturbations.index("ko:G0001")
    assert own not in [row[0] for row in index["genes"]["G0001"]]
    assert own in [row[0] for row in index["genes"]["G0020"]]


def test_names_are_shown_never_run(cells):
    features = cells.features.copy()
    features[20] = HOSTILE
    entities = cells.entities.copy()
    entities["context"] = "<script>alert(1)</script>"
    odd = cells.replace(features=features, entities=entities)
    text = aivc.report(fit(odd, "mean-effect", recipe=BARE)).html()
    assert "<script>alert" not in text
    assert "<img" not in text
    assert len(re.findall("<script", text)) == 2
    assert json.loads(str(embedded({HOSTILE: "&"}))) == {HOSTILE: "&"}


def test_the_perturbation_looked_at_is_the_one_that_repeats_best_and_is_hidden(full, cells):
    assert full.findings.asked == "ko:G0003"
    assert full.findings.hidden
    blind = without(full.findings.cell, cells, "ko:G0003")
    assert "ko:G0003" not in blind.card["perturbations"]
    assert len(blind.card["perturbations"]) == 5
    np.testing.assert_allclose(full.findings.answer.effect, blind.predict("line1", "ko:G0003").effect, atol=1e-6)


def test_a_cell_that_never_saw_it_is_asked_itself(cell, cells):
    kept = cells.take(cells.perturbations != "ko:G0003")
    narrow = fit(kept, "transfer", recipe=RECIPE)
    assert without(narrow, cells, "ko:G0003") is narrow
    table = aivc.report(narrow, cells, ask="ko:G0003", score=False).findings.compared
    assert np.isfinite(table["measured"]).all()
    assert "G0003" not in set(table["feature"])


def test_measured_effects_are_differences_from_controls_of_the_context(cells):
    found = measured_effects(cells, "line1", "log1p_cp1000", cells.features.astype(str))
    dense = cells.dense()
    normal = np.log1p(dense * 1000 / dense.sum(axis=1, keepdims=True))
    rows = cells.perturbations == "ko:G0002"
    expected = normal[rows].mean(axis=0) - normal[cells.perturbations == CONTROL].mean(axis=0)
    np.testing.assert_allclose(found.table.loc["ko:G0002"], expected, atol=1e-5)
    assert found.cells["ko:G0002"] == rows.sum()


def test_many_perturbations_are_thinned_evenly(cell):
    known = learned(cell, "line1", most=3)
    assert known.of == 6
    assert known.perturbations == ("ko:G0001", "ko:G0003", "ko:G0006")
    assert known.effect.shape == (3, 40)
    assert known.perturbations[int(np.linalg.norm(known.others, axis=1).argmax())] == known.strongest[0]


@pytest.fixture(scope="module")
def treated(cells):
    """The same cells, as if three knock-outs had been doses of one drug."""
    doses = {
        f"ko:G000{i}": str(Perturbation((Agent("drug", "nutlin-3", d, "uM"),)))
        for i, d in ((1, 1.0), (2, 3.0), (3, 10.0))
    }
    texts = [doses.get(text, text) for text in cells.perturbations.astype(str)]
    return cells.replace(entities=cells.entities.assign(perturbation=texts))


def test_doses_make_a_curve_with_what_was_measured(treated):
    made = aivc.report(fit(treated, "transfer", recipe=BARE), treated, score=False)
    assert list(dosed(sorted(set(treated.perturbations.astype(str)))).values()) == [[1.0, 3.0, 10.0]]
    drawing, figure = made.plot("dose"), made.figures("dose")[0]
    assert [axes.get_xlabel() for axes in drawing.axes] == ["dose, uM (log scale)"] * 3
    assert "Crosses are measured" in figure.caption
    crosses = [line for axes in drawing.axes for line in axes.lines if line.get_marker() == "x"]
    assert [line.get_xdata().tolist() for line in crosses] == [[1.0, 3.0, 10.0]] * 3
    assert "reliability" in made.missing


def test_data_are_scored_where_no_scores_are_given(cells):
    found = aivc.report(fit(cells, "transfer", recipe=BARE), cells).findings
    assert found.scores["split"]["folds"] == 5
    assert set(found.scores["methods"]) == {"no-change", "mean-effect", "transfer"}


def test_pages_and_figures_are_written_once(alone, tmp_path):
    path = alone.save(tmp_path / "deep")
    assert path == tmp_path / "deep" / "report.html"
    assert path.read_text(encoding="utf-8") == alone.html()
    with pytest.raises(IntegrityError, match="--overwrite"):
        alone.save(path)
    drawn = alone.save_figures(tmp_path / "figures", ending=".png")
    assert [each.name for each in drawn] == ["effects.png", "volcano.png", "ranking.png"]
    assert drawn[0].read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataError, match=r"\.svg or \.png"):
        alone.figures("effects")[0].save(tmp_path / "effects.pdf")
    assert alone.figures("effects")[0].save(tmp_path / "e.svg").read_text().startswith("<?xml")


def test_a_notebook_shows_the_page(alone):
    assert alone._repr_html_().startswith("<iframe srcdoc=")
    assert alone._repr_html_().count("<") == 2


def test_what_cannot_be_shown_is_refused_with_a_remedy(alone, cell, cells):
    with pytest.raises(UnknownNameError, match="volcano"):
        alone.figures("vulcano")
    with pytest.raises(DataError, match="aivc propose"):
        alone.plot("plate")
    with pytest.raises(DataError, match="keeps no control states"):
        aivc.report(VirtualCell(cell.encoders, cell.instruments, cell.card))
    with pytest.raises(DataError, match="Give data of a context"):
        aivc.report(cell, cells.replace(entities=cells.entities.assign(context="mars")))
    with pytest.raises(DataError, match="share no feature"):
        aivc.report(cell, cells.replace(features=np.array([f"X{i}" for i in range(40)], dtype=object)))
    with pytest.raises(IntegrityError, match="scores"):
        aivc.report(cell, scores="no-such-file.json")


def test_a_card_is_tabled_whatever_it_holds(cell):
    table = card_section(cell).tables[0]
    facts = dict(table.rows)
    assert facts["method"] == "transfer"
    assert facts["recipe: dim"] == "4"
    assert facts["perturbations (6)"].startswith("ko:G000")
    bare = card_section(VirtualCell(cell.encoders, cell.instruments, {}, cell.starts)).tables[0]
    assert "method" not in dict(bare.rows)


def test_the_card_shows_what_was_checked_for_consistency():
    row = {"code": "C7", "name": "A section may be turned", "verdict": "pass"}
    (table,) = card_section(VirtualCell({}, {}, {"consistency": {"rows": [row]}})).tables
    assert ("consistency C7: A section may be turned", "pass") in table.rows
