"""Records: they only grow, a cut line costs nothing, a changed one is seen, readers never wait."""

import json

import pytest

from aivc.core.errors import IntegrityError
from aivc.experiments.campaign.campaign_record import MEASURED, NEW, PROPOSED, CampaignRecord


@pytest.fixture
def record(tmp_path):
    made = CampaignRecord(tmp_path / "campaign.jsonl")
    made.add(NEW, {"settings": {"seed": 1}}, after=0)
    made.add(PROPOSED, {"round": 1, "names": ["A", "B"]}, after=1)
    return made


def test_events_come_back_in_order(record):
    assert [event["event"] for event in record.read()] == [NEW, PROPOSED]
    assert record.read()[1]["names"] == ["A", "B"]


def test_a_line_cut_off_at_any_byte_loses_nothing_before_it(record):
    whole = record.path.read_bytes()
    start = whole.index(b"\n") + 1
    for cut in range(start, len(whole), 7):
        record.path.write_bytes(whole[:cut])
        assert len(record.read()) == 1
        record.add(PROPOSED, {"round": 1, "names": ["A", "B"]}, after=1)
        assert record.path.read_bytes() == whole


def test_a_changed_line_and_a_lost_one_are_seen(record):
    record.add(MEASURED, {"round": 1, "scores": {"A": 1.0}}, after=2)
    lines = record.path.read_text().splitlines(keepends=True)
    record.path.write_text(lines[0] + lines[1].replace('"A"', '"C"') + lines[2])
    with pytest.raises(IntegrityError, match="Line 2"):
        record.read()
    record.path.write_text(lines[0] + lines[2])
    with pytest.raises(IntegrityError, match="Take back the file"):
        record.read()
    record.path.write_text(json.dumps([1]) + "\n")
    with pytest.raises(IntegrityError, match="Line 1"):
        record.read()


def test_whoever_read_an_older_record_cannot_write(record):
    with pytest.raises(IntegrityError, match="somebody else went on"):
        record.add(PROPOSED, {"round": 1, "names": ["C"]}, after=1)


def test_one_writes_and_all_may_read_meanwhile(record):
    with record.writing():
        assert len(CampaignRecord(record.path).read()) == 2
        with pytest.raises(IntegrityError, match="Another process works"), CampaignRecord(record.path).writing():
            pass
