"""Benchmarks are frozen: what they fix cannot change unseen, and every score says which one it is of."""

import dataclasses
import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
import pytest

import tiny_benchmarks
from aivc.core.errors import DataError, IntegrityError, SplitError, UnavailableError, UnknownNameError
from aivc.data import catalog
from aivc.data.splits.split import Split
from aivc.evaluation.benchmarks.benchmark import (
    KINDS,
    Benchmark,
    benchmark,
    finished,
    make_split,
    names,
    run_benchmark,
    superseded,
)
from aivc.evaluation.leakage.leaks import check_split
from aivc.evaluation.metrics.profiles import PROFILES
from aivc.evaluation.protocol.cost import measured, peak_mb
from aivc.evaluation.protocol.output import Folder

ROOT = Path(__file__).parents[3]
OURS = [name for name in names() if isinstance(benchmark(name), Benchmark)]
HERE = os.environ.get("AIVC_DATA", "")
needs_data = pytest.mark.skipif(not Path(HERE or "none").is_dir(), reason="AIVC_DATA names no folder of datasets")


@pytest.fixture
def tiny():
    return tiny_benchmarks.tiny()


@pytest.fixture
def also(register):
    """Register benchmarks beside all else that is installed."""
    installed = [point for group in ("encoders", "manipulators", "decoders", "wrappers", "metrics", "kinds")
                 for point in entry_points(group=f"aivc.{group}")]  # fmt: skip
    return lambda *points: register(*installed, *points)


class TestOurs:
    def test_there_are_ten(self):
        assert len(OURS) >= 10

    @pytest.mark.parametrize("name", OURS)
    def test_each_says_what_it_is(self, name):
        each = benchmark(name)
        assert each.name == name == name.lower()
        assert each.dataset in catalog.names()
        assert each.sha256 == {file.name: file.sha256 for file in catalog.entry(each.dataset).files}
        assert set(each.profile) <= set(PROFILES)
        assert each.anchors["zero"] == "mean-effect"
        assert any(":shuffled" in method for method in each.methods) or name.startswith(("kang", "glioblastoma"))
        assert min(len(each.question), len(each.licence), len(each.citation), len(each.leaks)) > 0
        assert "recipe" in each.split or Split.from_json(dict(each.split)).digest == each.split_digest

    @needs_data
    @pytest.mark.slow
    @pytest.mark.parametrize("name", OURS)
    def test_the_split_is_the_frozen_one_and_gives_nothing_away(self, name):
        each = benchmark(name)
        if each.files != "here":
            pytest.skip(f"the data of {name} are {each.files}")
        cells = each.load_data()
        assert check_split(cells, each.make_split(cells)).leaks == ()


class TestFrozen:
    def test_round_trip(self, tiny, tmp_path):
        tiny.save(tmp_path / "tiny.json")
        again = Benchmark.load(tmp_path / "tiny.json")
        assert again == tiny
        assert again.digest == tiny.digest
        assert again.reference == f"tiny@{tiny.digest[:12]}"

    @pytest.mark.parametrize(
        "change",
        [{"cells": 11}, {"methods": ("additive",)}, {"split_digest": "0" * 64}, {"recipe": {"seed": 1}}, {"leaks": ()}],
    )
    def test_whatever_changes_makes_another_digest(self, tiny, change):
        assert dataclasses.replace(tiny, **change).digest != tiny.digest

    def test_a_manifest_and_its_recipe_are_one_benchmark(self, tiny):
        split = tiny.make_split(tiny_benchmarks.cells())
        assert dataclasses.replace(tiny, split=split.to_json()).digest == tiny.digest

    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            (lambda body: body | {"cells": 11}, "it was changed"),
            (lambda body: body | {"digest": None}, "it was changed"),
            (lambda body: body | {"format": 99}, "Benchmark.save"),
            (lambda body: body | {"extra": 1}, "look at extra"),
            (lambda body: {k: v for k, v in body.items() if k != "title"}, "look at title"),
            (lambda body: [], "no benchmark"),
        ],
    )
    def test_an_edited_file_is_refused(self, tiny, edit, words):
        with pytest.raises(IntegrityError, match=words):
            Benchmark.from_json(edit(tiny.to_json()))

    @pytest.mark.parametrize("recipe", [{"flavor": 1}, {"unseen": "context"}])
    def test_an_unknown_recipe_is_refused(self, tiny, recipe):
        with pytest.raises(IntegrityError, match="Leave it out"):
            dataclasses.replace(tiny, recipe=recipe)

    def test_other_data_make_another_split(self, tiny):
        fewer = tiny_benchmarks.cells().take(np.arange(100))
        with pytest.raises(SplitError, match="came out"):
            tiny.make_split(fewer)

    def test_another_file_of_the_dataset_is_refused(self):
        other = dataclasses.replace(tiny_benchmarks.absent(), sha256={"cells": "0" * 64})
        assert other.files == "another version"
        with pytest.raises(IntegrityError, match="freeze a new one"):
            other.load_data()

    def test_data_that_are_not_here_are_said_to_be(self, monkeypatch, tmp_path):
        monkeypatch.delenv("AIVC_DATA", raising=False)
        monkeypatch.setenv("AIVC_CACHE", str(tmp_path))
        monkeypatch.setenv("AIVC_OFFLINE", "1")
        assert tiny_benchmarks.absent().files == "not here"
        with pytest.raises(UnavailableError, match="AIVC_DATA"):
            tiny_benchmarks.absent().load_data()

    def test_data_that_no_catalog_has(self, tiny):
        assert tiny.files == "here"
        assert dataclasses.replace(tiny, source=None).files == "another version"


class TestSuperseded:
    def issued(self, folder, **changes):
        """Two versions of one benchmark, the second beside the first, registered by path."""
        first = tiny_benchmarks.tiny()
        second = dataclasses.replace(first, methods=("additive",), supersedes=first.reference, **changes)
        second.save(folder / "tiny.json")
        first.save(folder / "superseded" / f"{first.reference}.json")
        return first, second

    @pytest.fixture
    def by_path(self, also, tmp_path, monkeypatch):
        monkeypatch.setattr(tiny_benchmarks, "AS_PATH", tmp_path / "tiny.json", raising=False)
        also(EntryPoint("tiny", "tiny_benchmarks:AS_PATH", "aivc.benchmarks"))
        return tmp_path

    def test_a_version_that_was_replaced_stays_readable(self, by_path):
        first, second = self.issued(by_path)
        assert benchmark("tiny").digest == second.digest
        assert benchmark(f"tiny@{second.digest[:6]}").digest == second.digest
        assert benchmark(first.reference).digest == first.digest
        assert [each.digest for each in superseded("tiny")] == [first.digest]
        assert names() == ["tiny"]

    def test_which_it_replaced_is_part_of_what_is_frozen(self, by_path):
        first, second = self.issued(by_path)
        assert "supersedes" not in first.to_json()
        assert Benchmark.from_json(second.to_json()).supersedes == first.reference
        with pytest.raises(IntegrityError, match="it was changed"):
            Benchmark.from_json(second.to_json() | {"supersedes": "tiny@000000000000"})

    def test_an_unknown_version_is_refused_with_those_there_are(self, by_path):
        first, second = self.issued(by_path)
        with pytest.raises(UnknownNameError) as refused:
            benchmark("tiny@0123456789ab")
        assert first.reference in str(refused.value) or second.reference in str(refused.value)

    def test_a_replaced_version_that_is_another_is_refused(self, by_path):
        first, second = self.issued(by_path)
        second.save(by_path / "superseded" / f"{first.reference}.json")
        with pytest.raises(IntegrityError, match="Put the original back"):
            superseded("tiny")

    def test_predictions_for_a_replaced_version_count_where_it_asked_the_same(self, by_path):
        first, second = self.issued(by_path)
        given = {"gears": tiny_benchmarks.cells().replace(provenance={"benchmark": first.digest})}
        # It is read as an answer: what it lacks is found only after it was accepted as one of these questions.
        with pytest.raises(DataError, match="fold"):
            run_benchmark(second, [], predictions=given)
        _, other = self.issued(by_path, split_digest="0" * 64)
        with pytest.raises(IntegrityError, match="Give the file that answers it"):
            run_benchmark(other, [], predictions=given)

    def test_the_first_version_supersedes_nothing(self, also):
        also(tiny_benchmarks.TINY)
        assert superseded("tiny") == ()

    @pytest.mark.parametrize("name", OURS)
    def test_ours_ask_the_same_and_leave_the_space_to_the_method(self, name):
        each = benchmark(name)
        assert not {"encoder", "dim"} & set(each.recipe)
        for earlier in superseded(name):
            assert earlier.reference.startswith(f"{name}@")
            assert earlier.sha256 == each.sha256
            # Of one, two names of a compound had stood on both sides of the first split.
            assert earlier.split_digest == each.split_digest or name == "tahoe-unseen-pair"


class TestRecipes:
    def test_only_some_folds_are_asked(self):
        split = make_split(tiny_benchmarks.cells(), kind="unseen-perturbation", folds=3, asked=1)
        assert len(split.folds) == 1
        assert split.folds[0] == KINDS["unseen-perturbation"](tiny_benchmarks.cells(), folds=3).folds[0]

    def test_an_unknown_kind_is_refused(self):
        with pytest.raises(UnknownNameError, match="kind of split"):
            make_split(tiny_benchmarks.cells(), kind="unseen-moon")


class TestRegistered:
    def test_by_function_object_and_path(self, also, tiny, tmp_path, monkeypatch):
        tiny.save(tmp_path / "tiny.json")
        monkeypatch.setattr(tiny_benchmarks, "AS_PATH", tmp_path / "tiny.json", raising=False)
        monkeypatch.setattr(tiny_benchmarks, "AS_OBJECT", tiny, raising=False)
        for value in ("tiny", "AS_PATH", "AS_OBJECT"):
            also(EntryPoint("tiny", f"tiny_benchmarks:{value}", "aivc.benchmarks"))
            assert benchmark("tiny") == tiny

    @pytest.mark.parametrize("value", ["misnamed", "NOTHING"])
    def test_what_is_no_benchmark_of_that_name_is_refused(self, also, value):
        also(EntryPoint("tiny", f"tiny_benchmarks:{value}", "aivc.benchmarks"))
        with pytest.raises(IntegrityError, match="of the same name"):
            benchmark("tiny")

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(UnknownNameError, match=r"aivc\.benchmarks"):
            benchmark("papalexi-unseen-moon")


class TestRun:
    def test_every_score_is_stamped(self, tiny, tmp_path):
        found = run_benchmark(tiny)
        body = found.to_json()
        assert {"no-change", "mean-effect", "transfer"} <= set(body["methods"])
        assert set(body["metrics"]) == {"pearson-systema", "centroid-accuracy"}
        assert {row["benchmark"] for row in body["rows"]} == {tiny.reference} == set(found.table["benchmark"])
        assert body["stamp"]["benchmark"] == body["benchmark"]["digest"] == tiny.digest
        assert body["stamp"]["metrics"] == {"pearson-systema": 1, "centroid-accuracy": 1}
        assert body["split"]["digest"] == tiny.split_digest
        assert body["recipe"]["dim"] == 3
        assert {"python", "numpy", "aivc"} <= set(body["environment"])
        assert body["cost"]["seconds"] > 0
        assert body["cost"]["peak_mb"] > 10

        split = tiny.make_split(tiny_benchmarks.cells())
        folder = Folder.claim(tmp_path / "tiny", tiny_benchmarks.cells(), split)
        folder.scores(found)
        scores = tmp_path / "tiny" / "scores.json"
        assert finished(scores, tiny)
        assert finished(scores, tiny, ["mean-effect"])
        assert not finished(scores, tiny, ["nearest"])
        assert not finished(scores, dataclasses.replace(tiny, cells=9))
        scores.write_text("{")
        assert not finished(scores, tiny)
        assert not finished(tmp_path / "none.json", tiny)

    def test_predictions_count_by_what_their_files_hold(self, tiny, tmp_path):
        body = {
            "stamp": {
                "benchmark": tiny.digest,
                "metrics": {"pearson-systema": 1, "centroid-accuracy": 1},
                "predictions": {"gears": "a" * 64},
            },
            "methods": ["no-change", "mean-effect", "transfer", "gears"],
        }
        scores = tmp_path / "scores.json"
        scores.write_text(json.dumps(body))
        assert finished(scores, tiny, None, {"gears": "a" * 64})
        assert finished(scores, tiny)
        assert not finished(scores, tiny, None, {"gears": "b" * 64})
        assert not finished(scores, tiny, None, {"state": "a" * 64})
        # A method that came to bear the name later is another.
        assert not finished(scores, tiny, ["gears"])

    def test_predictions_of_another_benchmark_are_refused(self, tiny):
        other = tiny_benchmarks.cells().replace(provenance={"benchmark": "0" * 64})
        with pytest.raises(IntegrityError, match="Give the file that answers it"):
            run_benchmark(tiny, [], predictions={"gears": other})

    def test_the_same_scores_come_twice(self, tiny):
        one, two = (run_benchmark(tiny, ["mean-effect"]).to_json()["scores"] for _ in range(2))
        assert one == two

    def test_unknown_methods_are_refused_before_data_are_read(self, tiny):
        def never():
            raise AssertionError

        with pytest.raises(UnknownNameError):
            run_benchmark(dataclasses.replace(tiny, source=never), ["no-such-method"])


def test_memory_is_that_of_what_runs_inside():
    with measured() as answer:
        assert len(bytearray(64 << 20)) > 0
    assert answer["peak_mb"] <= peak_mb() + 1
    assert {"seconds", "cpu_seconds", "peak_mb", "cpus"} <= set(answer)


def test_the_leaderboard_shows_the_committed_results():
    if not (ROOT / "benchmarks" / "leaderboard.py").is_file():
        pytest.skip("the benchmarks are not part of an installed package")
    command = [sys.executable, str(ROOT / "benchmarks" / "leaderboard.py"), "--check"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("name", OURS)
def test_committed_results_are_of_the_benchmark_as_it_stands_or_stood(name):
    path = ROOT / "benchmarks" / "results" / "leaderboard" / f"{name}.json"
    if not path.parent.is_dir():
        pytest.skip("the benchmarks are not part of an installed package")
    if not path.is_file():
        pytest.skip(f"{name} is not scored yet")
    body = json.loads(path.read_text(encoding="utf-8"))
    # Until it is run again, a question that was issued anew shows the scores of the version before, and says so.
    of = benchmark(f"{name}@{body['stamp']['benchmark']}")
    assert of.digest == body["stamp"]["benchmark"]
    assert set(of.methods) <= set(body["methods"])
    page = (ROOT / "docs" / "reference" / "leaderboard.md").read_text(encoding="utf-8")
    assert (f"These are scores of `{of.reference}`" in page) == (of != benchmark(name))
