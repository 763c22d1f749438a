"""Tests of `aivc.experiments.mass_screen`: in shards, a saved cell says what it says when asked at once."""

import json

import numpy as np
import pyarrow as pa
import pytest

from aivc.compute.executor import cut, executor
from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.mass_screen import Candidates, mass_screen, screen_task
from aivc.experiments.predict import predict
from aivc.experiments.screen import screen

ASKED = [f"ko:G{i:04}" for i in range(1, 13)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    cells, _ = synthetic_screen(perturbations=12, features=40, cells=20, controls=40, seed=0)
    cell = fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))
    folder = tmp_path_factory.mktemp("mass") / "cell"
    cell.save(folder)
    return cell, folder


class EvenOnes:
    """Pairs by number, every other one left out, as limits of a library do."""

    def __len__(self):
        return 11

    def take(self, start, stop):
        return [Perturbation.parse(f"{ASKED[i]} + {ASKED[i + 1]}") for i in range(start, stop) if i % 2]

    def to_json(self):
        return {"pairs": "odd"}


def test_scores_are_those_of_a_screen(saved, tmp_path):
    cell, folder = saved
    wanted = screen(cell, ASKED, "G0011, -G0020", direction="raise").table
    task = screen_task(folder, ASKED, response="G0011, -G0020")
    best = mass_screen(task, tmp_path / "out", keep=3, largest=True, size=5)
    plain = wanted.sort_values(["score", "perturbation"], ascending=[False, True]).head(3).reset_index(drop=True)
    assert best["perturbation"].to_pylist() == plain["perturbation"].tolist()
    for name in ("score", "low", "high"):
        np.testing.assert_allclose(best[name], plain[name], rtol=1e-9)
    assert best["seen"].to_pylist() == plain["seen"].tolist()


def test_full_and_pathway_outputs_are_those_of_predict(saved):
    cell, folder = saved
    said = np.array([each.effect for each in predict(cell, "", ASKED)])
    full = pa.concat_tables(executor("serial").run(screen_task(folder, ASKED, output="full"), cut(12, 5)))
    features = json.loads(full.schema.metadata[b"features"])
    np.testing.assert_allclose(np.array(full["effect"].to_pylist()), said, atol=1e-6)
    sets = {"some": frozenset(features[3:9]), "few": frozenset(features[:2])}
    task = screen_task(folder, ASKED, output="pathway", sets=sets)
    means = pa.concat_tables(executor("serial").run(task, cut(12, 5)))
    assert means.column_names == ["perturbation", "context", "applicability", "some"]
    np.testing.assert_allclose(means["some"], said[:, 3:9].mean(axis=1), atol=1e-6)


def test_candidates_may_be_made_by_number(saved):
    _, folder = saved
    assert isinstance(EvenOnes(), Candidates)
    task = screen_task(folder, EvenOnes(), response="G0011")
    tables = list(executor("serial").run(task, cut(11, 1)))
    assert [len(each) for each in tables] == [0, 1] * 5 + [0]
    assert pa.concat_tables(tables)["perturbation"].to_pylist()[0] == f"{ASKED[1]} + {ASKED[2]}"


def test_each_question_has_a_digest_of_its_own(saved, tmp_path):
    _, folder = saved
    tasks = [
        screen_task(folder, ASKED, response="G0011"),
        screen_task(folder, ASKED[1:], response="G0011"),
        screen_task(folder, ASKED, response="G0012"),
        screen_task(folder, ASKED, output="full"),
    ]
    assert len({task.key() for task in tasks}) == 4
    mass_screen(tasks[0], tmp_path / "out")
    with pytest.raises(IntegrityError, match="another question"):
        mass_screen(tasks[1], tmp_path / "out")


def test_bad_questions_are_refused_before_work(saved, tmp_path):
    _, folder = saved
    with pytest.raises(DataError, match="A score needs a response"):
        screen_task(folder, ASKED)
    with pytest.raises(DataError, match="stand twice"):
        screen_task(folder, [*ASKED, ASKED[0]], response="G0011")
    with pytest.raises(UnknownNameError, match="G9999"):
        screen_task(folder, ASKED, response="G9999")
    with pytest.raises(DataError, match="Of no gene set"):
        screen_task(folder, ASKED, output="pathway", sets={"few": frozenset(["G0001"])})
    with pytest.raises(DataError, match="Ask for score"):
        mass_screen(screen_task(folder, ASKED, output="full"), tmp_path / "out", keep=3)


def test_a_cell_changed_meanwhile_is_refused(saved, tmp_path):
    cell, _ = saved
    cell.save(tmp_path / "cell")
    task = screen_task(tmp_path / "cell", ASKED, response="G0011")
    cells, _ = synthetic_screen(perturbations=12, features=40, cells=20, controls=40, seed=1)
    other = fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))
    other.save(tmp_path / "cell", overwrite=True)
    with pytest.raises(IntegrityError, match="another cell"):
        mass_screen(task, tmp_path / "out")


@pytest.mark.slow
def test_workers_say_what_one_process_says(saved, tmp_path):
    _, folder = saved
    task = screen_task(folder, ASKED, output="full")
    alone = list(executor("serial").run(task, cut(12, 3)))
    assert list(executor("processes", 2).run(task, cut(12, 3), tmp_path / "out")) == alone


@pytest.mark.slow
def test_workers_score_what_one_process_scores(saved, tmp_path):
    _, folder = saved
    text = 'signature:G0011,-G0020 - 2 * at("line1", gene:G0002)'
    task = screen_task(folder, ASKED, score=text, contexts=["line1"])
    alone = mass_screen(task, tmp_path / "alone", keep=5, size=3)
    assert mass_screen(task, tmp_path / "out", by="processes", workers=2, keep=5, size=3) == alone
