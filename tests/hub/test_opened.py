import dataclasses
import json

import pytest

import tiny_benchmarks
import tiny_tasks
from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.data.io.written import write_table
from aivc.evaluation.benchmarks.benchmark import Benchmark, benchmark, run_benchmark
from aivc.evaluation.benchmarks.task_benchmark import run_task
from aivc.experiments.campaign.campaign import Campaign, CampaignSettings
from aivc.hub.opened import named_benchmark, open_files, read_score
from aivc.hub.refs import HubKind
from tiny_campaigns import tiny_library


def saved(folder, body, name="scores.json"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(body))
    return folder


@pytest.fixture
def of_a_task(register):
    register(tiny_tasks.TINY, tiny_tasks.LENGTHS)
    return json.loads(json.dumps(run_task(tiny_tasks.tiny_task())))


@pytest.fixture(scope="module")
def of_effects():
    return run_benchmark(tiny_benchmarks.tiny(), parts=None).to_json()


@pytest.fixture
def campaign(tmp_path):
    features, score = tiny_library(60)
    made = Campaign.new(tmp_path / "campaign", features, CampaignSettings("log2fc", batch=5, plate=96, controls=8))
    first = made.propose()
    true = dict(zip(features.names, score, strict=True))
    table = first.plates.assign(value=[true.get(name, 0.0) for name in first.plates["perturbation"]])
    write_table(table, tmp_path / "measured.csv")
    made.bring_in(tmp_path / "measured.csv")
    made.propose()
    return made.folder


def test_benchmarks_load_with_their_folds(tmp_path):
    for name, said in (("kang-unseen-donor", "folds are those"), ("kang-unseen-cell-type", "folds")):
        benchmark(name).save(tmp_path / name / f"{name}.json")
        assert said in open_files(HubKind.BENCHMARK, tmp_path / name)
        assert said in open_files(HubKind.BENCHMARK, tmp_path / name / f"{name}.json")
    benchmark("paul-order").save(tmp_path / "paul.json")
    assert "its protocol" in open_files(HubKind.BENCHMARK, tmp_path / "paul.json")


def test_a_benchmark_that_was_changed_is_refused(tmp_path):
    kang = benchmark("kang-unseen-donor")
    split = json.loads(json.dumps(dict(kang.split)))
    split["folds"] = split["folds"][:1]
    saved(tmp_path, {**kang.to_json(), "split": split}, "a.json")
    with pytest.raises(IntegrityError):
        open_files(HubKind.BENCHMARK, tmp_path / "a.json")
    other = dataclasses.replace(kang, split=benchmark("glioblastoma-unseen-patient").split)
    other.save(tmp_path / "b.json")
    with pytest.raises(IntegrityError, match="was frozen with split"):
        open_files(HubKind.BENCHMARK, tmp_path / "b.json")
    dataclasses.replace(kang, sha256={"cells": "0" * 64}).save(tmp_path / "c.json")
    with pytest.raises(IntegrityError, match="catalog here does not have"):
        open_files(HubKind.BENCHMARK, tmp_path / "c.json")
    dataclasses.replace(kang, methods=("sorcery",)).save(tmp_path / "d.json")
    with pytest.raises(UnknownNameError, match="sorcery"):
        open_files(HubKind.BENCHMARK, tmp_path / "d.json")
    with pytest.raises(IntegrityError, match=r"holds a\.json, b\.json"):
        open_files(HubKind.BENCHMARK, tmp_path)


def test_scores_name_their_benchmark_and_follow_from_their_rows(of_a_task, of_effects, tmp_path):
    for number, body in enumerate((of_a_task, of_effects)):
        folder = saved(tmp_path / str(number), body)
        assert "follow from their rows" in open_files(HubKind.SCORE, folder)
        found = read_score(folder)
        assert found.digest == body["stamp"]["benchmark"]
        assert found.reference.startswith(body["stamp"]["name"])


@pytest.mark.parametrize("which", ["of_a_task", "of_effects"])
def test_a_number_that_was_changed_by_hand_is_found(which, request, tmp_path):
    body = json.loads(json.dumps(request.getfixturevalue(which)))
    method = body["methods"][0]
    metric = next(name for name, each in body["scores"][method].items() if each["value"] is not None)
    body["scores"][method][metric]["value"] += 0.01
    with pytest.raises(IntegrityError, match="it was changed"):
        open_files(HubKind.SCORE, saved(tmp_path, body))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stamp": {}}, "stamp is missing"),
        ({"stamp": {"benchmark": None, "seed": 0}}, "name no version of a benchmark"),
        ({"benchmark": {"name": "tiny-task", "digest": "0"}}, "name two benchmarks"),
        ({"methods": []}, "methods is missing"),
        ({"methods": ["sorcery"]}, "scores of sorcery are missing"),
        ({"rows": [{"fold": "a"}]}, "does not fit what it is said to be"),
    ],
)
def test_scores_that_do_not_say_what_they_are_of_are_refused(of_a_task, tmp_path, change, said):
    with pytest.raises(IntegrityError, match=said):
        open_files(HubKind.SCORE, saved(tmp_path, {**of_a_task, **change}))


def test_the_benchmark_of_scores_is_found_here_or_beside_them(of_a_task, of_effects, tmp_path):
    found = read_score(saved(tmp_path / "task", of_a_task))
    assert named_benchmark(found, ()).digest == found.digest
    other = read_score(saved(tmp_path / "effects", of_effects))
    assert named_benchmark(other, ()) is None
    tiny_benchmarks.tiny().save(tmp_path / "benchmark" / "tiny.json")
    beside = named_benchmark(other, [tmp_path / "benchmark"])
    assert isinstance(beside, Benchmark)
    assert beside.digest == other.digest


def test_a_campaign_is_followed_to_its_end(campaign):
    assert "1 rounds, 5 of 60 candidates measured, and waits for round 2" in open_files(HubKind.CAMPAIGN, campaign)
    record = campaign / "campaign.jsonl"
    text = record.read_text()
    record.write_text(text.replace('"round": 1', '"round": 3', 1))
    with pytest.raises(IntegrityError, match="is not what was written there"):
        open_files(HubKind.CAMPAIGN, campaign)
    record.unlink()
    with pytest.raises(IntegrityError, match="holds no campaign"):
        open_files(HubKind.CAMPAIGN, campaign)
