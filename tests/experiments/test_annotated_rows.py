"""The rows that are kept say what a screen says of targets; brakes are judged beside all single genes."""

import pyarrow as pa
import pytest

from aivc.compute.executor import Shard
from aivc.data.synthetic import synthetic_screen
from aivc.experiments import annotated_rows
from aivc.experiments.annotated_rows import annotated, gathering, single_agents
from aivc.experiments.asked_cell import AskedCell, ScreenQuestion
from aivc.experiments.candidates import ListedCandidates
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.scores.score_text import parse_score
from aivc.experiments.screen import screen

ASKED = tuple(f"ko:G{i:04}" for i in range(1, 7))


@pytest.fixture(scope="module")
def cell():
    cells, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    return fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))


def asked_cell(cell, text):
    return AskedCell.of(cell, ScreenQuestion(ListedCandidates(ASKED), score=parse_score(text)))


def test_the_columns_are_those_of_a_screen(cell):
    state = asked_cell(cell, "signature:G0011,-G0020")
    rows = state.work(Shard(0, 0, 6))
    found = annotated(state, rows, [single_agents(rows)]).to_pandas().set_index("perturbation")
    wanted = screen(cell, ASKED, "G0011, -G0020").table.set_index("perturbation").loc[list(ASKED)]
    for name in ("target_level", "expressed", "annotation", "brake", "seen", "applicability", "scored_on"):
        assert list(found[name]) == list(wanted[name]), name


def test_brakes_are_judged_by_all_single_genes_of_the_context(cell, monkeypatch):
    seen = []
    monkeypatch.setattr(annotated_rows, "brakes", lambda table: seen.append(list(table["perturbation"])) or ["b"] * 6)
    state = asked_cell(cell, "gene:G0011")
    rows = state.work(Shard(0, 0, 6))
    kept = annotated(state, rows.slice(0, 2), [single_agents(rows)])
    assert seen == [list(ASKED)]
    assert kept["brake"].to_pylist() == ["b", "b"]
    assert annotated(state, rows.slice(0, 2))["brake"].to_pylist() == ["not judged"] * 2
    # A score that is no weighted sum of features has neither.
    crooked = asked_cell(cell, "abs(gene:G0011)")
    found = annotated(crooked, crooked.work(Shard(0, 0, 1)), [single_agents(rows)])
    assert (found["annotation"].to_pylist(), found["brake"].to_pylist()) == (["not judged"], ["not judged"])


def test_single_agents_have_neither_dose_nor_time():
    texts = ["ko:A", "ko:A + ko:B", "drug:x@1uM", "ko:A for 24h", "crispri:B"]
    blank = dict.fromkeys(("context", "seen", "applicability", "low"), [""] * 5)
    table = pa.table({"perturbation": texts, "score": [0.0] * 5, **blank})
    assert single_agents(table)["perturbation"].to_pylist() == ["ko:A", "crispri:B"]
    singles = list[pa.Table]()
    assert list(gathering([table, table.slice(1, 2)], singles)) == [table, table.slice(1, 2)]
    assert list(map(len, singles)) == [2]
