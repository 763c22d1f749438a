"""Small kinds of jobs, to see how jobs are done."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.exc import OperationalError

from aivc.core.errors import DataError
from aivc.service.jobs.job_kind import JobKind, JobParams

HERE = "service.jobs.quick_kinds"
NAMES = ("count", "note", "refuse", "crash", "hog", "deaf", "die", "family", "store", "hiccup")
KINDS = {name: f"{HERE}:{name.upper()}" for name in NAMES}


class CountParams(JobParams):
    upto: int
    pause: float = 0.02


class NoteParams(JobParams):
    text: str = ""


class FamilyParams(JobParams):
    mb: int = 0
    then: str = "wait"


def _no_check(params, uses):
    pass


def _count(params, bench):
    """Count, a line in a file for each; begun again, go on from there."""
    path = bench.folder / "counted.txt"
    done = len(path.read_text().splitlines()) if path.exists() else 0
    bench.write(f"begun at {done}")
    for i in range(done, params.upto):
        with path.open("a") as file:
            file.write(f"{i} {os.getpid()}\n")
        bench.tell("counting", i + 1, params.upto)
        time.sleep(params.pause)
    numbers = list(range(params.upto))
    pq.write_table(pa.table({"n": numbers, "name": [f"n{i}" for i in numbers]}), bench.results / "rows.parquet")
    return {"counted": params.upto, "rows": "rows.parquet", "files": ["rows.parquet"]}


def _note(params, bench):
    """Leave a mark: each job leaves one, if it is done once."""
    marks = Path(bench.home) / "marks"
    marks.mkdir(exist_ok=True)
    with (marks / bench.job.id).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return {"text": params.text, "files": []}


def _refuse(params, bench):
    raise DataError(["This is refused. Ask for something else."])


def _crash(params, bench):
    raise RuntimeError("a bug of ours")


def _hog(params, bench):
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20) * 8))
        time.sleep(0.001)


def _deaf(params, bench):
    """It hears nothing."""
    time.sleep(600)


def _die(params, bench):
    os.kill(os.getpid(), 9)


def _family(params, bench):
    """Start processes, in its session and out of it, that hold memory; then wait, end, die or fail before them."""
    asked = f"import time; held = bytearray(b'x') * ({params.mb} << 20); time.sleep(600)"
    path = bench.folder / "family.txt"
    children = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", asked], start_new_session=away)
        for away in (False, False, True)
    ]
    path.write_text("".join(f"{child.pid}\n" for child in children))
    if params.then == "wait":
        time.sleep(600)
    if params.then == "die":
        os.kill(os.getpid(), 9)
    if params.then == "crash":
        raise RuntimeError(f"a bug of ours at {path}")
    return {"files": []}


def _store(params, bench):
    """Keep ten things, a file for each; begun again, keep those that are not there yet."""
    place = bench.folder / "kept"
    place.mkdir(exist_ok=True)
    fresh = [place / f"{i}" for i in range(10) if not (place / f"{i}").is_file()]
    for path in fresh:
        path.write_text(params.text)
    return {"fresh": len(fresh), "files": []}


def _hiccup(params, bench):
    """Once, the database does not answer."""
    if bench.job.attempts == 1:
        raise OperationalError("INSERT", {}, OSError("database or disk is full"))
    return {"files": []}


COUNT = JobKind(CountParams, _no_check, _count)
NOTE = JobKind(NoteParams, _no_check, _note)
REFUSE = JobKind(NoteParams, _no_check, _refuse)
CRASH = JobKind(NoteParams, _no_check, _crash)
HOG = JobKind(NoteParams, _no_check, _hog)
DEAF = JobKind(NoteParams, _no_check, _deaf)
DIE = JobKind(NoteParams, _no_check, _die)
FAMILY = JobKind(FamilyParams, _no_check, _family)
STORE = JobKind(NoteParams, _no_check, _store)
HICCUP = JobKind(NoteParams, _no_check, _hiccup)
