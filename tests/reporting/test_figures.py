"""Figures say the same for the same numbers, survive any name, and refuse what they cannot draw."""

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.reporting import figures

HOSTILE = ["<script>alert(1)</script>", "$\\frac{x}$", "a&b\"'", "基因7", "x\x00\u202ey", 'id="figure_1"']


def texts(figure):
    """Every text an SVG shows."""
    return [element.text for element in ET.fromstring(figure.svg).iter() if element.tag.endswith("text")]


def profile(features):
    n = len(features)
    measured = np.linspace(-1, 1, n)
    return pd.DataFrame(
        {"feature": features, "predicted": measured / 2, "low": measured / 2 - 0.3, "high": measured / 2 + 0.3}
    ).assign(measured=measured)


def screen(n=6):
    score = np.linspace(-1, 0.2, n)
    table = pd.DataFrame({"perturbation": [f"ko:G{i}" for i in range(n)], "score": score})
    table = table.assign(low=score - 0.3, high=score + 0.3, seen=np.arange(n) % 2 == 0)
    return table.assign(applicability=np.where(table["seen"], "in", "out"))


def heat(features, n=5, seed=0):
    names = [f"ko:P{i}" for i in range(n)]
    return figures.effects_heatmap(
        np.random.default_rng(seed).normal(size=(n, len(features))), names, features, "log1p_cp10k"
    )


def test_heatmap_puts_alike_rows_side_by_side_and_keeps_the_strongest_features():
    rng = np.random.default_rng(1)
    effects = np.repeat(rng.normal(size=(2, 60)), 3, axis=0)[[0, 3, 1, 4, 2, 5]] + 0.01 * rng.normal(size=(6, 60))
    effects[:, 7] *= 0.001
    names = [f"{'left' if i % 2 == 0 else 'right'}{i}" for i in range(6)]
    drawn = figures.effects_heatmap(effects, names, [f"F{i}" for i in range(60)], "log2fc")
    rows = [text for text in texts(drawn) if text.startswith(("left", "right"))]
    kinds = [row.rstrip("0123456789") for row in rows]
    assert sum(a != b for a, b in itertools.pairwise(kinds)) == 1
    assert "F7" not in texts(drawn)
    assert "40 of 60 features" in drawn.caption
    assert "log₂ fold change" in " ".join(texts(drawn))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_heatmap_of_few_rows_or_no_change_is_still_drawn(n):
    zero = figures.effects_heatmap(np.zeros((n, 2)), [f"P{i}" for i in range(n)], ["A", "B"], "zscore")
    assert zero.svg.startswith("<svg")


def test_heatmap_refuses_other_shapes_and_infinities():
    with pytest.raises(DataError, match="one row per perturbation"):
        figures.effects_heatmap(np.zeros((2, 3)), ["a"], ["x", "y", "z"], "log2fc")
    with pytest.raises(DataError, match="Leave out what was not measured"):
        figures.effects_heatmap(np.full((1, 1), np.nan), ["a"], ["x"], "log2fc")


def test_hostile_names_are_text_and_nothing_else():
    drawn = heat(HOSTILE)
    shown = "".join(texts(drawn))
    assert "<script" not in drawn.svg
    assert "$\\frac{x}$" in shown
    assert 'id="figure_1"' in shown
    assert "\u202e" not in shown


def test_the_same_numbers_give_the_same_drawing_whatever_the_readers_settings():
    import matplotlib as mpl

    first = heat(["A", "B", "C"])
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert heat(["A", "B", "C"]).svg == first.svg
    assert "<metadata" not in first.svg
    assert "http" not in first.svg.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_identifiers_of_different_drawings_never_meet():
    one, other = heat(["A", "B"]).svg, figures.ranking(screen(), response="PD-L1").svg
    assert not set(re.findall(r' id="([^"]+)', one)) & set(re.findall(r' id="([^"]+)', other))
    for svg in (one, other):
        wanted = set(re.findall(r'(?:href="|url\()#([\w-]+)', svg))
        assert wanted <= set(re.findall(r' id="([^"]+)', svg))


def test_ink_follows_the_page():
    svg = figures.ranking(screen(), response="PD-L1").svg
    assert "var(--ink,#1c1f25)" in svg
    assert not re.search(r"(?<!,)#1c1f25", svg)


def test_predicted_vs_measured_counts_what_lies_inside():
    drawn = figures.predicted_vs_measured(profile([f"F{i}" for i in range(11)]), perturbation="ko:A", units="zscore")
    assert "7 of 11 lie inside their 90% interval" in drawn.caption
    assert "over all features, 64% do" in drawn.caption
    rows = [text for text in texts(drawn) if re.fullmatch(r"F\d+", text)]
    assert rows[0] == "F10"
    assert rows[-1] == "F0"


def test_predictions_without_measurement_and_without_bounds_are_drawn_and_said():
    table = profile(["A", "B", "C"]).assign(measured=np.nan, high=np.inf, low=-np.inf)
    drawn = figures.predicted_vs_measured(table, perturbation="ko:A", units="log2fc", by="predicted")
    assert "has not been measured" in drawn.caption
    assert "inf" not in drawn.svg
    assert "nan" not in drawn.svg


def test_predicted_vs_measured_names_the_missing_column():
    with pytest.raises(DataError, match="missing: measured"):
        figures.predicted_vs_measured(profile(["A"]).drop(columns="measured"), perturbation="a", units="log2fc")
    with pytest.raises(DataError, match="Leave out the rows without a prediction"):
        figures.predicted_vs_measured(profile(["A"]).assign(predicted=np.nan), perturbation="a", units="log2fc")


def test_ranking_keeps_the_order_and_marks_the_unseen():
    drawn = figures.ranking(screen().assign(measured=0.0), response="PD-L1", top=4)
    assert [t for t in texts(drawn) if "ko:" in t] == ["1. ko:G0", "2. ko:G1", "3. ko:G2", "4. ko:G3"]
    assert texts(drawn).count("unseen · out") == 2
    assert "4 of 6 perturbations" in drawn.caption
    with pytest.raises(DataError, match="in, edge or out"):
        figures.ranking(screen().assign(applicability="sure"), response="PD-L1")


def test_reliability_says_when_intervals_are_too_narrow():
    levels = [0.5, 0.8, 0.9]
    assert "overconfident" in figures.reliability(levels, [0.2, 0.4, 0.56], label="ensemble").caption
    honest = figures.reliability(levels, [0.5, 0.8, 0.9], low=[0.4, 0.7, 0.8], high=[0.6, 0.9, 1.0])
    assert "(as promised)" in honest.caption
    with pytest.raises(DataError, match="one share per level"):
        figures.reliability(levels, [0.5])


def test_plate_shows_every_well_by_role():
    plan = pd.DataFrame({"well": ["A1", "B02", "H12"], "perturbation": ["control", "ko:JAK2+ko:STAT1", "ko:IRF1"]})
    drawn = figures.plate(plan.assign(role=["control", "exploit", "explore"]))
    assert {"JAK2+STAT1", "IRF1", "control (1)", "exploit (1)", "explore (1)"} <= set(texts(drawn))
    assert "3 of 96 wells" in drawn.caption


def test_plate_refuses_everything_wrong_at_once():
    plan = pd.DataFrame({"well": ["A1", "A01", "Q3"], "perturbation": ["a", "b", "c"], "role": ["control", "x", "x"]})
    with pytest.raises(DataError) as refusal:
        figures.plate(plan)
    assert len(refusal.value.problems) == 3


@pytest.mark.parametrize("n", [5, 90])
def test_split_halves_counts_the_weak(n):
    table = pd.DataFrame({"perturbation": [f"P{i}" for i in range(n)], "pearson": np.linspace(0, 1, n), "cells": 9})
    drawn = figures.split_halves(pd.concat([table, pd.DataFrame({"perturbation": ["none"], "pearson": [np.nan]})]))
    assert f"{n // 2} of {n} agree" in drawn.caption
    assert "1 had too few cells" in drawn.caption
    with pytest.raises(DataError, match="two halves"):
        figures.split_halves(table.assign(pearson=np.nan))


def test_a_figure_is_an_svg_with_a_caption():
    with pytest.raises(IntegrityError, match="caption"):
        figures.Figure("<svg></svg>", " ")
    with pytest.raises(IntegrityError, match="without scripts"):
        figures.Figure("<svg><script>1</script></svg>", "A drawing.")
    with pytest.raises(IntegrityError, match="without scripts"):
        figures.Figure('<svg onload="x()"></svg>', "A drawing.")


def test_matplotlib_is_imported_only_to_draw():
    code = "import sys, aivc.reporting.figures, aivc.reporting.html; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
