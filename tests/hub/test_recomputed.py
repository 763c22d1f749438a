import json
import subprocess

import pytest

import tiny_tasks
from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.evaluation.benchmarks.task_benchmark import run_task
from aivc.experiments.campaign.campaign import Campaign, CampaignSettings
from aivc.experiments.campaign.campaign_record import CampaignRecord
from aivc.hub import recomputed as module
from aivc.hub.recomputed import make_again, recomputed
from aivc.hub.refs import HubKind
from tiny_campaigns import tiny_library


@pytest.fixture
def scores(register, tmp_path):
    """Scores of a task in a folder; ``change`` writes them anew."""
    register(tiny_tasks.TINY, tiny_tasks.LENGTHS)
    body = json.loads(json.dumps(run_task(tiny_tasks.tiny_task(), ["mean"])))

    def change(**fields):
        (tmp_path / "scores.json").write_text(json.dumps({**body, **fields}))
        return tmp_path

    return body, change


@pytest.fixture
def campaign(tmp_path):
    features, _ = tiny_library(60)
    made = Campaign.new(tmp_path / "campaign", features, CampaignSettings("log2fc", batch=5, plate=96, controls=8))
    made.propose()
    return made.folder


def test_scores_are_computed_again(scores):
    _, change = scores
    passed, said = make_again(HubKind.SCORE, change())
    assert passed, said
    assert "values were computed again on tiny-task@" in said


def test_scores_that_come_out_otherwise_are_found(scores):
    body, change = scores
    rows = [{**row, "value": 0.99} if row["metric"] == "error" else row for row in body["rows"]]
    better = json.loads(json.dumps(body["scores"]))
    for by in better.values():
        by["error"]["value"] = 0.99
    passed, said = make_again(HubKind.SCORE, change(rows=rows, scores=better))
    assert passed is False
    assert "error of mean is 0.4 where 0.99 was published" in said


@pytest.mark.parametrize(
    ("stamp", "about", "said"),
    [
        ({"benchmark": "0" * 64}, {"digest": "0" * 64}, "is not registered here"),
        ({"protocol": 1}, {}, "no version of its protocol named '1'"),
        ({"predictions": {"gears": {}}}, {}, "gears was answered for by another program"),
    ],
)
def test_where_it_cannot_be_told_the_reason_is_said(scores, stamp, about, said):
    body, change = scores
    folder = change(stamp={**body["stamp"], **stamp}, benchmark={**body["benchmark"], **about})
    passed, found = make_again(HubKind.SCORE, folder)
    assert (passed, said in found) == (None, True), found


def test_a_method_that_is_not_here_says_so(scores):
    body, change = scores
    text = json.dumps(body).replace('"mean"', '"sorcery"')
    passed, said = make_again(HubKind.SCORE, change(**json.loads(text)))
    assert passed is None
    assert "no method named 'sorcery'" in said


def test_benchmarks_without_their_data_are_not_told(tmp_path, monkeypatch):
    monkeypatch.delenv("AIVC_DATA", raising=False)
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path / "cache"))
    benchmark("kang-unseen-donor").save(tmp_path / "kang.json")
    passed, said = make_again(HubKind.BENCHMARK, tmp_path / "kang.json")
    assert (passed, "(kang2018-labelled) are not here" in said) == (None, True), said


@pytest.mark.slow
def test_the_folds_of_a_benchmark_are_made_again_on_its_data(tmp_path, aivc_data):
    benchmark("kang-unseen-cell-type").save(tmp_path / "kang.json")
    passed, said = make_again(HubKind.BENCHMARK, tmp_path / "kang.json")
    assert passed, said


def test_batches_of_a_campaign_are_chosen_again(campaign):
    assert make_again(HubKind.CAMPAIGN, campaign)[0] is True
    record = CampaignRecord(campaign / "campaign.jsonl")
    events = record.read()
    record.path.unlink()
    for number, event in enumerate(events):
        body = {name: value for name, value in event.items() if name not in ("digest", "event", "format")}
        if "names" in body:
            body["names"] = body["names"][::-1]
        record.add(event["event"], body, after=number)
    passed, said = make_again(HubKind.CAMPAIGN, campaign)
    assert (passed, said) == (False, "The batches of rounds 1 come out otherwise than the record says.")


@pytest.mark.slow
def test_it_is_done_in_a_process_of_its_own(campaign):
    passed, said = recomputed(HubKind.CAMPAIGN, campaign)
    assert passed, said
    (campaign / "campaign.jsonl").unlink()
    assert recomputed(HubKind.CAMPAIGN, campaign)[0] is False


def test_what_takes_long_is_ended_and_what_crashes_is_said(campaign, monkeypatch):
    passed, said = recomputed(HubKind.CAMPAIGN, campaign, seconds=0.01)
    assert (passed, "not made again within" in said) == (None, True)
    crashed = subprocess.CompletedProcess([], -9, b"", b"one\nKilled")
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: crashed)
    assert recomputed(HubKind.CAMPAIGN, campaign) == (
        None, "Not checked: making it again ended with -9 (Killed). Run it yourself."
    )  # fmt: skip
