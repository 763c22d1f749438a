"""Campaigns: rounds find hits, wrong files change nothing, and everything comes out the same again."""

import json
from dataclasses import replace

import numpy as np
import pytest

from aivc.core.errors import DataError, IntegrityError, UnitsError
from aivc.data.io.written import write_table
from aivc.experiments.campaign.campaign import Campaign, CampaignSettings, measured_units
from tiny_campaigns import tiny_library, tiny_pairs

SETTINGS = CampaignSettings("log2fc", batch=15, plate=96, controls=8, replicates=2, seed=5)


def measured(made, score, names, path, *, change=None):
    """Fill a plate map in with the true scores, on top of a level of the plate."""
    true = dict(zip(names, score, strict=True))
    table = made.plates.assign(value=[7.0 + true.get(name, 0.0) for name in made.plates["perturbation"]])
    write_table(change(table) if change else table, path)
    return path


@pytest.fixture
def world(tmp_path):
    features, score = tiny_library()
    return Campaign.new(tmp_path / "made", features, SETTINGS), score, tmp_path


def go(campaign, score, tmp_path, rounds):
    for _ in range(rounds):
        made = campaign.propose()
        campaign.bring_in(measured(made, score, campaign.features.names, tmp_path / f"{made.number}.csv"))


def test_rounds_find_what_is_strong_and_never_ask_twice(world):
    campaign, score, tmp_path = world
    go(campaign, score, tmp_path, 3)
    status = Campaign.load(campaign.folder).status()
    assert (status["rounds"], status["measured"], status["failed"]) == (3, 45, 0)
    place = {name: i for i, name in enumerate(campaign.features.names)}
    best = status["strongest"][0]
    assert best["score"] == pytest.approx(score[place[best["perturbation"]]])
    assert abs(best["score"]) > np.quantile(np.abs(score), 0.98)


def test_replay_gives_the_same_batches_and_sees_other_ones(world):
    campaign, score, tmp_path = world
    go(campaign, score, tmp_path, 3)
    assert Campaign.load(campaign.folder).replay() == []
    other = replace(campaign, settings=replace(SETTINGS, rule="random"))
    assert other.replay() == [2, 3]


def test_a_batch_that_waits_is_given_again_and_a_crash_loses_nothing(world):
    campaign, score, tmp_path = world
    first = campaign.propose()
    record = campaign.folder / "campaign.jsonl"
    whole = record.read_bytes()
    again = Campaign.load(campaign.folder).propose()
    assert again.names == first.names
    assert again.plates.equals(first.plates)
    assert record.read_bytes() == whole
    # Cut off while the measurements were written: the batch waits as before.
    campaign.bring_in(measured(first, score, campaign.features.names, tmp_path / "a.csv"))
    record.write_bytes(record.read_bytes()[:-20])
    assert Campaign.load(campaign.folder).status()["waits_for_round"] == 1
    campaign.bring_in(tmp_path / "a.csv")
    assert Campaign.load(campaign.folder).status()["rounds"] == 1


def test_a_wrong_file_changes_nothing(world):
    campaign, score, tmp_path = world
    with pytest.raises(DataError, match="No batch waits"):
        campaign.bring_in(tmp_path / "none.csv")
    made = campaign.propose()
    before = (campaign.folder / "campaign.jsonl").read_bytes()
    path = measured(made, score, campaign.features.names, tmp_path / "a.csv", change=lambda t: t.iloc[2:])
    with pytest.raises(DataError, match="2 problems found"):
        campaign.bring_in(path)
    assert (campaign.folder / "campaign.jsonl").read_bytes() == before


def test_failed_genes_are_not_asked_again_and_counted(world):
    campaign, score, tmp_path = world
    made = campaign.propose()

    def lost(table):
        return table.assign(value=table["value"].astype(object).where(table["perturbation"] != made.names[0], "failed"))

    campaign.bring_in(measured(made, score, campaign.features.names, tmp_path / "a.csv", change=lost))
    assert campaign.status()["failed"] == 1
    assert made.names[0] not in campaign.propose().names


def test_costs_and_families_bound_each_batch_and_it_may_say_stop(tmp_path):
    features, score = tiny_library(60)
    settings = replace(SETTINGS, budget=6.0, least=2.0, per_family=2, hit=1.0)
    dear = dict.fromkeys(features.names[:30], 5.0)
    family = dict.fromkeys(features.names[30:50], "one")
    campaign = Campaign.new(tmp_path / "made", features, settings, cost=dear, families=family)
    made = campaign.propose()
    assert sum(dear.get(name, 1.0) for name in made.names) <= 6.0
    assert sum(name in family for name in made.names) <= 2
    assert "too dear" in made.remarks[-1]
    campaign.bring_in(measured(made, score, features.names, tmp_path / "a.csv"))
    assert "Stop: The next batch is expected to find" in campaign.propose().remarks[0]


def test_no_campaign_and_strangers_are_refused(world):
    campaign, _, tmp_path = world
    with pytest.raises(IntegrityError, match="holds no campaign"):
        Campaign.load(tmp_path / "nowhere")
    with pytest.raises(IntegrityError, match="Choose another folder"):
        Campaign.new(campaign.folder, campaign.features, SETTINGS)
    with pytest.raises(DataError, match="is no candidate"):
        Campaign.new(tmp_path / "b", campaign.features, SETTINGS, cost={"nope": 1.0})
    with pytest.raises(DataError, match="has units"):
        CampaignSettings(" ")
    (campaign.folder / "candidates" / "settings.json").write_text("{}")
    with pytest.raises(IntegrityError):
        Campaign.load(campaign.folder)


def test_pairs_go_round_on_the_same_record_and_replay(tmp_path):
    library, score = tiny_pairs()
    campaign = Campaign.new(tmp_path / "made", library, replace(SETTINGS, units="score", batch=10))
    go(campaign, list(score.values()), tmp_path, 2)
    again = Campaign.load(campaign.folder)
    status = again.status()
    assert (status["candidates"], status["measured"], status["rounds"]) == (90, 20, 2)
    assert again.features.state().digest() == library.state().digest()
    # The pairs given before choose the first batch: it is stronger than the rest.
    size = {name: abs(value) for name, value in score.items()}
    first = campaign.replay() == [] and [size[name] for name in _proposed(campaign, 1)]
    assert np.mean(first) > 1.5 * np.mean(list(size.values()))
    with pytest.raises(DataError, match="2 problems found"):
        campaign.bring_in(
            measured(campaign.propose(), [], (), tmp_path / "odd.csv", change=lambda table: table.iloc[2:])
        )
    with pytest.raises(DataError, match="A campaign of pairs"):
        Campaign.new(tmp_path / "b", library, replace(SETTINGS, rule="thompson"))


def _proposed(campaign, number):
    lines = (campaign.folder / "campaign.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return next(e for e in events if e.get("event") == "proposed" and e["round"] == number)["names"]


def test_units_are_words_we_know_when_a_campaign_begins(tmp_path):
    features, _ = tiny_library(20)
    with pytest.raises(UnitsError, match="Units must be one of"):
        Campaign.new(tmp_path / "a", features, replace(SETTINGS, units="bananas"))
    with pytest.raises(UnitsError, match="never in expected_counts"):
        measured_units("expected_counts")
    assert not (tmp_path / "a").exists()
    made = Campaign.new(tmp_path / "b", features, replace(SETTINGS, units="log1p_cp10000"))
    assert made.settings.units == "log1p_cp10k"
