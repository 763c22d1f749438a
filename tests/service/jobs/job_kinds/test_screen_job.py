import errno
import json
import os
from types import SimpleNamespace

import pandas as pd
import pytest

from aivc.core.errors import DataError, PerturbationError, UnknownNameError, WritingError
from aivc.core.virtual_cell import VirtualCell
from aivc.core.writing import explained
from aivc.experiments import batch
from aivc.experiments.journal import Journal
from aivc.experiments.screen import Screen, screen
from aivc.service.jobs.bench import Bench, JobStopped
from aivc.service.jobs.job_kinds.screen_job import candidates, check_candidates
from aivc.service.jobs.job_rows import RowsAsked, job_rows


def asked(**more):
    return {"cell": "small", "response": "G0011, -G0012", **more}


def test_it_finds_what_a_screen_finds(desk, small_home):
    bench = desk.bench("screen", **asked(direction="raise", perturbations=["G0001", "ko:G0002", "ko:G0001"]))
    result = desk.do(bench)
    assert result["total"] == 2
    cell = VirtualCell.load(small_home / "cells" / "small")
    wanted = screen(cell, ["ko:G0001", "ko:G0002"], "G0011, -G0012", direction="raise")
    assert (result["direction"], result["rows"], result["units"]) == ("raise", "screen.parquet", wanted.units)
    found = Screen.load(bench.results / "screen.parquet")
    pd.testing.assert_frame_equal(found.table, wanted.table, check_dtype=False)
    rows = job_rows(bench.results / "screen.parquet", RowsAsked(sort="score", descending=True))["rows"]
    assert [row["perturbation"] for row in rows] == list(wanted.table["perturbation"])
    assert (bench.results / "screen.csv").is_file()
    json.dumps(result, allow_nan=False)


def test_all_is_what_the_cell_knows_and_stopped_it_goes_on_from_its_journal(desk):
    bench = desk.bench("screen", **asked())
    tell = desk.table.tell

    def told(name, holder, progress):
        """Somebody cancels as soon as some are done."""
        if progress["done"]:
            desk.jobs.cancel(name)
        return tell(name, holder, progress)

    object.__setattr__(bench, "table", Heard(desk.table, told))
    with pytest.raises(JobStopped):
        desk.do(bench)
    journal = bench.folder / "screen.unfinished"
    rows = journal.read_text().splitlines()
    assert len(rows) == 9
    # A changed answer in the journal shows that it is read, and not asked again.
    assert '"score"' in rows[1]
    changed = json.loads(rows[1]) | {"score": 99.0}
    journal.write_text("\n".join([rows[0], json.dumps(changed), *rows[2:]]) + "\n")
    assert desk.table.end(bench.job.id, "me", "cancelled")
    assert desk.table.requeue(bench.job.id, attempts=1)
    assert desk.table.claim(bench.job.id, "me", 600.0)
    bench = Bench(desk.table.find(bench.job.id), desk.table, "me", bench.home)
    bench.results.mkdir()
    assert desk.do(bench)["total"] == 8
    assert 99.0 in set(Screen.load(bench.results / "screen.parquet").table["score"])
    assert not journal.exists()


def test_where_the_disk_is_full_it_goes_on_from_what_was_kept(desk, monkeypatch):
    """The second block of answers finds room for half a line."""
    monkeypatch.setattr(batch, "_KEPT_AT_ONCE", 4)
    bench = desk.bench("screen", **asked())
    add = Journal.add

    def added(journal, rows):
        if not journal.path.exists():
            add(journal, rows)
            return
        with journal.path.open("a") as file:
            file.write('{"perturbation": "ko:G0')
        with explained(journal.path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", added)
        with pytest.raises(WritingError, match="No space left on device"):
            desk.do(bench)
    kept = []

    def watched(journal, rows):
        kept.extend(row["perturbation"] for row in rows)
        add(journal, rows)

    monkeypatch.setattr(Journal, "add", watched)
    assert desk.do(bench)["total"] == 8
    assert len(kept) == 4


class Heard:
    """A table whose `tell` is another."""

    def __init__(self, table, tell):
        self._table, self.tell = table, tell

    def __getattr__(self, name):
        return getattr(self._table, name)


def test_what_cannot_be_is_refused_before_it_waits(desk):
    for error, said, more in (
        (UnknownNameError, "Did you mean 'small'", {"cell": "smal"}),
        (UnknownNameError, "no cell named", {"cell": "../cells/small"}),
        (DataError, r"perturbations", {"perturbations": []}),
        (DataError, r"direction", {"direction": "up"}),
        (PerturbationError, "ko:", {"perturbations": ["ko:"]}),
        (UnknownNameError, "kind", {"kind": "nothing"}),
    ):
        with pytest.raises(error, match=said):
            desk.jobs.submit("screen", asked(**more), "ada")
    assert desk.jobs.list() == []


def test_combinations_may_be_written_without_spaces():
    check_candidates(["ko:JAK2+ko:STAT1"], "")
    known = SimpleNamespace(usual_kind="ko")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aivc.experiments.known_names.KnownNames.of", lambda cell: known)
        asked = candidates(["ko:JAK2+ko:STAT1", "ko:JAK2 + ko:STAT1", "TP53"], "", object())
    assert asked == ["ko:JAK2 + ko:STAT1", "ko:TP53"]
