"""Tasks are frozen as benchmarks are, and their tables never show a number that the data cannot give."""

import dataclasses
import json
import pickle
from importlib.metadata import EntryPoint

import pytest

import tiny_tasks
from aivc.compute.executor import cut
from aivc.compute.serial import Serial
from aivc.core.errors import IntegrityError, ScoreError, UnknownNameError
from aivc.data import catalog
from aivc.evaluation.benchmarks.benchmark import Benchmark, benchmark, names, superseded
from aivc.evaluation.benchmarks.protocol import ScoreRow
from aivc.evaluation.benchmarks.task_benchmark import MethodTask, TaskBenchmark, answered, kept, run_task, scored

OURS = [name for name in names() if isinstance(benchmark(name), TaskBenchmark)]


@pytest.fixture
def task(register):
    register(tiny_tasks.TINY, tiny_tasks.LENGTHS)
    tiny_tasks.ASKED.clear()
    return tiny_tasks.tiny_task()


def test_a_task_is_frozen(task, tmp_path):
    task.save(tmp_path / "tiny-task.json")
    assert TaskBenchmark.load(tmp_path / "tiny-task.json") == task
    assert benchmark("tiny-task").digest == task.digest
    for change in ({"settings": {"folds": ["a"]}}, {"anchors": {"floor": ("zero",)}}, {"seed": 1}, {"protocol": "x"}):
        assert dataclasses.replace(task, **change).digest != task.digest
    with pytest.raises(IntegrityError, match="it was changed"):
        TaskBenchmark.from_json(task.to_json() | {"shown": ["error"]})
    with pytest.raises(IntegrityError, match="another form"):
        TaskBenchmark.from_json(task.to_json() | {"anchors": ["zero"]})
    with pytest.raises(IntegrityError, match="look at"):
        Benchmark.from_json(task.to_json())


def test_a_task_replaces_one_as_a_benchmark_does(register, task, tmp_path, monkeypatch):
    second = dataclasses.replace(task, seed=1, supersedes=task.reference)
    second.save(tmp_path / "tiny-task.json")
    task.save(tmp_path / "superseded" / f"{task.reference}.json")
    monkeypatch.setattr(tiny_tasks, "AS_PATH", tmp_path / "tiny-task.json", raising=False)
    register(EntryPoint("tiny-task", "tiny_tasks:AS_PATH", "aivc.benchmarks"))
    assert [each.digest for each in superseded("tiny-task")] == [task.digest]
    assert benchmark(task.reference).digest == task.digest


def test_scores_say_what_they_are_worth(task):
    body = json.loads(json.dumps(run_task(task)))
    assert body["methods"] == ["mean", "mean:shuffled", "zero", "half"]
    mean = body["scores"]["mean"]["hits"]
    assert mean["value"] == pytest.approx(0.65)
    assert (mean["folds"], mean["n"]) == (pytest.approx({"a": 0.6, "b": 0.7}), 2)
    assert (mean["over_null"], mean["null"]) == (pytest.approx(0.1), "mean:shuffled")
    assert mean["wins"] == [2, 2]
    assert mean["usage"] == pytest.approx(0.1)
    assert body["scores"]["half"]["error"]["over_null"] == pytest.approx(0.3)
    assert body["scores"]["mean"]["error"]["low"] == 0.0
    assert body["scores"]["mean"]["miss"]["value"] is None
    assert body["metrics"]["error"]["direction"] == "down"
    assert body["stamp"]["benchmark"] == task.digest
    assert "settings" not in body["benchmark"]


def test_a_mean_over_folds_needs_all_of_them(task):
    weak = ScoreRow("mean", "b", "hits", None, note="one class only")
    score = scored(task, 1, [ScoreRow("mean", "a", "hits", 0.9), weak], {})["scores"]["mean"]["hits"]
    assert (score["value"], score["note"]) == (None, "one class only")


def test_what_was_asked_is_not_asked_again(task, tmp_path):
    written = tmp_path / "scores.json"
    run_task(task, ["zero"], keep=lambda body: written.write_text(json.dumps(body)))
    before = kept(written, task)
    assert not answered(before, task)
    tiny_tasks.ASKED.clear()
    body = run_task(task, known=before)
    assert tiny_tasks.ASKED == ["mean"]
    assert answered(body, task)
    assert set(body["cost"]["methods"]) == {"mean", "mean:shuffled", "zero", "half"}
    assert kept(written, dataclasses.replace(task, seed=3)) == {}
    written.write_text(json.dumps(before | {"rows": [{"method": 1}]}))
    assert kept(written, task) == {}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"value": float("nan")}, "not finite"),
        ({"value": None}, "Say why"),
        ({"value": 1.0, "low": float("inf")}, "not finite"),
    ],
)
def test_a_row_without_a_number_says_why(row, words):
    with pytest.raises(ScoreError, match=words):
        ScoreRow("mean", "a", "hits", **row)


def test_what_does_not_fit_is_refused(register, task):
    with pytest.raises(UnknownNameError, match="moon"):
        run_task(task, ["moon"])
    assert tiny_tasks.ASKED == []
    with pytest.raises(ScoreError, match="rows of other"):
        run_task(task, ["strange"])
    with pytest.raises(IntegrityError, match="a number alone says nothing"):
        dataclasses.replace(task, anchors={"ceiling": ("half",)})
    register(tiny_tasks.NOT_ONE)
    with pytest.raises(IntegrityError, match="no subclass"):
        run_task(task)
    assert task.files == "here"
    assert dataclasses.replace(task, source=None).files == "another version"


@pytest.mark.parametrize("name", OURS)
def test_each_of_ours_says_what_it_is(name):
    each = benchmark(name)
    assert isinstance(each, TaskBenchmark)
    for dataset, files in each.datasets.items():
        assert files == {file.name: file.sha256 for file in catalog.entry(dataset).files}
    each.asker.require(each.settings, each.methods_for())
    # Numbers of cells are bookkeeping: there is nothing in them to shuffle.
    if name != "larry-numbers":
        assert any(method.endswith(":shuffled") for method in each.methods_for())
    assert min(len(each.question), len(each.licence), len(each.citation), len(each.leaks), len(each.shown)) > 0
    assert len(json.dumps(each.to_json())) < 100_000


def test_an_executor_asks_methods_with_the_same_scores(task):
    written = []
    found = run_task(task, by=Serial(), keep=lambda body: written.append(body["methods"]))
    alone = run_task(task)
    for body in (found, alone):
        assert body.pop("cost")["methods"].keys() == set(alone["methods"])
    assert found == alone
    assert written == [alone["methods"][:i] for i in (1, 2, 3, 4)], "kept after each method"


def test_the_task_of_workers_can_be_sent_to_them(task):
    made = MethodTask(dataclasses.replace(task, source=None), ("mean", "zero"), task.load_data())
    sent = pickle.loads(pickle.dumps(made))
    assert sent.key() == made.key()
    assert sent.key() != dataclasses.replace(made, methods=("zero",)).key()
    (table,) = Serial().run(sent, cut(2, 2))
    assert table["method"].to_pylist() == ["mean", "zero"]


def test_files_are_fetched_once_before_workers_start(task, monkeypatch):
    asked = []
    monkeypatch.setattr(TaskBenchmark, "_require_same_files", lambda _: asked.append("same"))
    monkeypatch.setattr(catalog, "path", lambda dataset, file: asked.append((dataset, file)))
    monkeypatch.setattr(TaskBenchmark, "load_data", lambda _: asked.append("read") or {})
    by_name = dataclasses.replace(task, source=None, datasets={"made-up": {"a.csv": "0"}})
    run_task(by_name, ["zero"], by=Serial())
    assert asked == ["same", ("made-up", "a.csv"), "read"]
