"""In shards or at once, in one context or several, scores are those of the answers one by one."""

import numpy as np
import pandas as pd
import pytest

from aivc.compute.executor import Shard
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.asked_cell import NO_INTERVAL, AskedCell, ScreenQuestion
from aivc.experiments.candidates import ListedCandidates
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.library import Library
from aivc.experiments.mass_screen import mass_screen, screen_task
from aivc.experiments.predict import predict
from aivc.experiments.scores.ranked_library import rank_library
from aivc.experiments.scores.score_text import parse_score

NAMES = [f"G{i:04}" for i in range(1, 7)]
LINES = ("line1", "line2")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    cells, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, contexts=2, seed=0)
    cell = fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))
    folder = tmp_path_factory.mktemp("asked") / "cell"
    cell.save(folder)
    return cell, folder


def effects(cell, context):
    said = predict(cell, context, [f"ko:{name}" for name in NAMES])
    return np.array([each.effect for each in said]), np.array([each.effect_interval(0.9) for each in said])


def ordered(table):
    # One perturbation may have one score in two contexts: which of these stands first is open.
    return table.drop(columns="brake").sort_values(["perturbation", "context"], ignore_index=True)


def test_a_ranked_library_is_the_sharded_screen(saved, tmp_path):
    _, folder = saved
    library = (Library.singles(NAMES) + Library.pairs(NAMES[:3])).across(LINES)
    score = "signature:G0030,-G0002 - 0.5 * gene:G0031"
    there = mass_screen(screen_task(folder, library, score=score), tmp_path / "out", keep=18, largest=True, size=4)
    here = rank_library(VirtualCell.load(folder), library, parse_score(score), top=18)
    pd.testing.assert_frame_equal(ordered(here.table), ordered(there.to_pandas()))
    assert here.table["score"].is_monotonic_decreasing
    assert (here.asked, here.context) == (len(library), "line1, line2")
    assert set(there["brake"].to_pylist()) == {"not judged"}
    assert set(here.table) >= {"seen", "applicability", "expressed", "annotation", "target_level"}


def test_each_row_says_its_context_and_has_its_interval(saved):
    cell, _ = saved
    found = rank_library(cell, Library.singles(NAMES).across(LINES), parse_score("gene:G0030"), top=20).table
    for context in LINES:
        effect, ends = effects(cell, context)
        rows = found[found["context"] == context].set_index("perturbation").loc[[f"ko:{name}" for name in NAMES]]
        np.testing.assert_allclose(rows["score"], effect[:, 29], atol=1e-6)
        np.testing.assert_allclose(rows[["low", "high"]], ends[:, :, 29], atol=1e-6)


def test_selectivity_asks_its_own_contexts_alone(saved):
    cell, folder = saved
    text = 'selectivity("line1", "line2", gene:G0030)'
    found = rank_library(cell, Library.singles(NAMES), parse_score(text), top=6).table.set_index("perturbation")
    (one, one_ends), (two, two_ends) = (effects(cell, context) for context in LINES)
    found = found.loc[[f"ko:{name}" for name in NAMES]]
    np.testing.assert_allclose(found["score"], (one - two)[:, 29], atol=1e-6)
    np.testing.assert_allclose(found["low"], (one_ends[:, 0] - two_ends[:, 1])[:, 29], atol=1e-6)
    assert set(found["context"]) == {"line1, line2"}
    with pytest.raises(DataError, match="contexts of its own"):
        screen_task(folder, Library.singles(NAMES), score=text, contexts=LINES)


def test_a_score_without_interval_says_so(saved):
    cell, _ = saved
    found = rank_library(cell, Library.singles(NAMES), parse_score("abs(gene:G0030)"), context="line1").table
    assert found[["low", "high"]].isna().all(axis=None)
    assert set(found["interval"]) == {NO_INTERVAL}
    assert set(found["annotation"]) == {"not judged"}


def test_every_output_is_asked_in_every_context(saved):
    _, folder = saved
    task = screen_task(folder, [f"ko:{name}" for name in NAMES], output="full", contexts=LINES)
    made = task.load()
    table = made.work(Shard(0, 4, 8))
    assert table["context"].to_pylist() == ["line1"] * 2 + ["line2"] * 2
    assert table["perturbation"].to_pylist() == ["ko:G0005", "ko:G0006", "ko:G0001", "ko:G0002"]


def test_what_cannot_be_asked_is_refused_before_work(saved):
    _, folder = saved
    asked = [f"ko:{name}" for name in NAMES]
    with pytest.raises(UnknownNameError, match="line9"):
        screen_task(folder, asked, score='at("line9", gene:G0030)')
    with pytest.raises(UnknownNameError, match="context"):
        screen_task(folder, asked, score="gene:G0030")
    with pytest.raises(UnknownNameError, match="G9999"):
        screen_task(folder, asked, score="gene:G0030 - gene:G9999", context="line1")
    with pytest.raises(DataError, match="one way"):
        screen_task(folder, asked, score="gene:G0030", context="line1", contexts=LINES)
    with pytest.raises(DataError, match="response or a score"):
        screen_task(folder, asked, score="gene:G0030", response="G0030")


def test_digests_tell_scores_and_contexts_apart(saved):
    cell, _ = saved
    asked = ListedCandidates(("ko:G0001",))
    made = [
        ScreenQuestion(asked, score=parse_score("gene:G0030"), context="line1"),
        ScreenQuestion(asked, score=parse_score("gene:G0030"), context="line2"),
        ScreenQuestion(asked, score=parse_score("gene:G0031"), context="line1"),
    ]
    assert len({AskedCell.of(cell, each).digest for each in made}) == 3
