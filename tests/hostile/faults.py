"""Full disks, places that cannot be written to, two processes at once, and strangers' files."""

import os
import resource
import subprocess
import sys
from contextlib import contextmanager

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import WritingError
from aivc.core.state import State, write_text
from aivc.core.virtual_cell import VirtualCell
from aivc.core.writing import Hold, whole_file, whole_folder
from aivc.data.catalog.fetch import download
from aivc.data.io.written import write_h5ad, write_table
from aivc.data.splits.split import Split
from aivc.data.streaming.shards import write_shards
from aivc.evaluation.benchmarks.export import hand_out
from aivc.evaluation.protocol.output import Folder, write_population
from aivc.experiments.atlas.embed import embed_file
from aivc.experiments.journal import Journal
from aivc.experiments.propose import propose
from aivc.experiments.screen import screen as ask
from aivc.reporting.html import Section, write_report
from hostile.case import WORKS, Case, command
from hostile.made import SCHEMA, cell, h5ad, original, saved_cell, screen

FULL, CLOSED, TWO, OTHERS, STREAMS = (
    "full disk", "places that cannot be written to", "two processes", "files of others", "terminals and pipes",
)  # fmt: skip


@contextmanager
def full(most=4096):
    """No file grows beyond some bytes, as on a full disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def ranking():
    return ask(cell(), ["ko:G0001", "ko:G0002"], "G0003")


def split():
    return Split.from_json({"folds": [["G0001"], ["G0002"]]}, screen())


def population():
    return (
        cell().predict("line1" if "line1" in cell().starts else next(iter(cell().starts)), "ko:G0001").population(500)
    )


def wide():
    return pd.DataFrame({"a": np.random.default_rng(0).random(5000)})


WRITERS = {
    "VirtualCell.save": (lambda path: cell().save(path), "cell"),
    "State.save": (lambda path: State({"a": 1}, {"x": np.arange(9999.0)}).save(path), "state"),
    "UR.save": (lambda path: next(iter(cell().starts.values())).save(path), "ur"),
    "write_text": (lambda path: write_text(path, "x" * 9999), "x.txt"),
    "csv": (lambda path: write_table(wide(), path), "x.csv"),
    "parquet": (lambda path: write_table(wide(), path), "x.parquet"),
    "Screen.save": (lambda path: ranking().save(path, overwrite=True), "s.csv"),
    "Plan.save": (lambda path: propose(ranking(), 6, controls=1, repeat_seen=True).save(path, overwrite=True), "p.csv"),
    "Split.save": (lambda path: split().save(path), "s.json"),
    "Schema.to_toml": (lambda path: SCHEMA.to_toml(path), "s.toml"),
    "h5ad": (lambda path: write_h5ad(anndata.AnnData(np.random.default_rng(0).random((99, 99))), path), "x.h5ad"),
    "write_population": (lambda path: write_population(path, population(), {}, overwrite=True), "v.h5ad"),
    "write_shards": (lambda path: write_shards(screen(), path, rows=10), "shards"),
    "export": (lambda path: hand_out(screen(), split(), path, folds=[0]), "export"),
    "report": (lambda path: write_report(path, title="t", lead="l", sections=[Section("s", "x" * 9999)]), "r.html"),
    "embed": (lambda path: embed_file(original(), path, "count-pca", schema=SCHEMA, dim=2), "e.h5ad"),
    "journal": (lambda path: Journal(path, "0" * 64).add([{"perturbation": "x" * 9999}]), "j"),
}


def _on_full_disk(writer, most):
    def act(folder):
        write, name = WRITERS[writer]
        cell(), original()
        with full(most), pytest.raises(WritingError, match=rf"{name}.*could not be written") as refused:
            write(folder / name)
        raise refused.value

    return act


def _former_stays(writer):
    """What was there before is there after."""

    def act(folder):
        write, name = WRITERS[writer]
        path = folder / name
        path.write_text("former")
        try:
            with full(2048):
                write(path)
        finally:
            assert path.read_text() == "former", "the former file was damaged"

    return act


def _below_a_file(writer):
    def act(folder):
        write, name = WRITERS[writer]
        (folder / "file").write_text("x")
        write(folder / "file" / name)

    return act


def _cell_stays(folder):
    place = saved_cell(folder)
    before = (place / "cell.json").read_bytes()
    try:
        with full(600):
            cell().save(place, overwrite=True)
    finally:
        assert (place / "cell.json").read_bytes() == before
        VirtualCell.load(place)


def _two_files(folder):
    path = folder / "x.txt"
    with whole_file(path, overwrite=False) as mine:
        mine.write_text("mine")
        with whole_file(path, overwrite=False) as theirs:
            theirs.write_text("theirs")
    assert path.read_text() == "theirs"


def _two_cells(folder):
    place = folder / "cell"
    try:
        with whole_folder(place, "virtual cell", lambda name: True) as mine:
            (mine / "x").write_text("mine")
            cell().save(place)
    finally:
        VirtualCell.load(place)


def _two_replacing(folder):
    place = saved_cell(folder)
    cell().save(place, overwrite=True)
    cell().save(place, overwrite=True)
    VirtualCell.load(place)


def _two_saves_by_processes(folder):
    """Eight processes save at once: the cell that is there is whole, and the others were refused in a sentence."""
    source = saved_cell(folder)
    script = (
        "import sys\nfrom aivc.core.virtual_cell import VirtualCell\nfrom aivc.core.errors import AIVCError\n"
        f"cell = VirtualCell.load({str(source)!r})\n"
        f"try:\n    cell.save({str(folder / 'out')!r})\nexcept AIVCError as error:\n    sys.exit(7)\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(3)]
    codes = [run.wait() for run in runs]
    for run in runs:
        run.stderr.close()
    assert sorted(codes) == [0, 7, 7], codes
    VirtualCell.load(folder / "out")


def _held(path):
    def act(folder):
        hold = Hold(folder / path)
        try:
            _work(path, folder)
        finally:
            hold.release()

    return act


def _work(path, folder):
    if path.startswith("shards"):
        write_shards(screen(), folder / "shards", rows=10)
    elif path.startswith("export"):
        hand_out(screen(), split(), folder / "export")
    elif path.startswith(".j"):
        ask(cell(), ["ko:G0001"], "G0003", checkpoint=folder / "j")
    elif path.startswith("scores"):
        Folder.claim(folder / "scores", screen(), split(), overwrite=True)
    else:
        # It waits for another process that fetches the same file, and not for ever.
        download("https://localhost/x", folder / "x", sha256="0" * 64, size=1, patience=1.0)


def _claim_twice(folder):
    first = Folder.claim(folder / "scores", screen(), split())
    try:
        Folder.claim(folder / "scores", screen(), split(), overwrite=True)
    finally:
        first.release()


def _kept(name, act):
    """A stranger's file in the folder is there afterwards, as it was."""

    def run(folder):
        place = folder / "place"
        act(place, False)
        stranger = place / name
        stranger.parent.mkdir(parents=True, exist_ok=True)
        stranger.write_text("mine")
        try:
            act(place, True)
        finally:
            assert stranger.read_text() == "mine", "a stranger's file was deleted"

    return run


def _evaluation(place, overwrite):
    Folder.claim(place, screen(), split(), overwrite=overwrite).release()


def _cell_into(place, overwrite):
    cell().save(place, overwrite=overwrite)


def _shards_into(place, overwrite):
    if overwrite:
        (place / "manifest.json").unlink()
        write_shards(screen(), place, rows=9)
    else:
        write_shards(screen(), place, rows=10)


def _foreign_h5ad(folder):
    place = folder / "scores"
    Folder.claim(place, screen(), split()).release()
    (place / "predictions").mkdir()
    path = h5ad(place / "predictions", "measured.h5ad")
    try:
        Folder.claim(place, screen(), split(), overwrite=True)
    finally:
        assert path.exists(), "a stranger's file was deleted"


def _foreign_scores(name):
    def act(folder):
        place = folder / "scores"
        place.mkdir()
        (place / name).write_text('{"mine": 1}')
        try:
            Folder.claim(place, screen(), split(), overwrite=True)
        finally:
            assert (place / name).exists(), "a stranger's file was deleted"

    return act


def _out_exists(words, name, allowed=False):
    def act(folder):
        place = saved_cell(folder)
        ranking().save(folder / "ranking.csv")
        (folder / "goal.csv").write_text("feature,change\nG0003,1\n")
        (folder / "genes.txt").write_text("G0001\nG0002\n")
        (folder / name).write_text("former")
        given = [word.format(cell=place, folder=folder) for word in words]
        try:
            command(*given, "--out", folder / name, *(["--overwrite"] if allowed else []))
        finally:
            assert ((folder / name).read_bytes() == b"former") != allowed

    return act


ASKS = {
    "predict": (["predict", "{cell}", "ko:G0001"], "x.h5ad"),
    "screen": (["screen", "{cell}", "--response", "G0003", "--perturbations", "{folder}/genes.txt"], "x.csv"),
    "search": (["search", "{cell}", "--goal", "{folder}/goal.csv", "--candidates", "{folder}/genes.txt"], "x.csv"),
    "propose": (["propose", "{folder}/ranking.csv", "--size", "6", "--controls", "1", "--repeat-seen"], "x.parquet"),
}


def _through_link(folder):
    """A link at the place of the output is replaced, and what it leads to is not touched."""
    secret = folder.parent / "outside" / "secret.bin"
    (folder / "x.csv").symlink_to(secret)
    write_table(wide(), folder / "x.csv")
    assert not (folder / "x.csv").is_symlink()


def _cell_through_link(folder):
    (folder / "cell").symlink_to(folder.parent / "outside", target_is_directory=True)
    cell().save(folder / "cell", overwrite=True)


def _shell(line, said="", **environment):
    """A line in a shell: no traceback, no fault of the program."""

    def act(folder):
        binary = f"{sys.executable} -c 'import sys; from aivc.cli import main; sys.exit(main())'"
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHONIO", "LC_", "LANG"))}
        (folder / "größe").mkdir()
        done = subprocess.run(
            ["bash", "-c", line.replace("AIVC", binary)],
            cwd=folder, env={**env, **environment}, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        text = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
        assert "Traceback" not in text, text[-1500:]
        assert "fault of the program" not in text
        assert "Exception ignored" not in text, text[-500:]
        assert said in text, text[-500:]

    return act


LINES = {
    "a reader that leaves": ("AIVC parts | head -1", "", {}),
    "a reader that leaves at once": ("AIVC parts | true", "", {}),
    "a reader of JSON that leaves": ("AIVC parts --json | head -c 10", "", {}),
    "help to a reader that leaves": ("AIVC --help | head -1", "", {}),
    "output to a full disk": ("AIVC parts > /dev/full", "could not be written", {}),
    "JSON to a full disk": ("AIVC parts --json > /dev/full", "could not be written", {}),
    "no output": ("AIVC parts >&-", "", {}),
    "no output and no errors": ("AIVC predict nowhere ko:A >&- 2>&-", "", {}),
    "no errors": ("AIVC predict nowhere ko:A 2>&-", "", {}),
    "ascii, a list": ("AIVC data list", "papalexi2021", {"PYTHONIOENCODING": "ascii"}),
    "ascii, benchmarks": ("AIVC benchmark show papalexi-unseen-target", "digest", {"PYTHONIOENCODING": "ascii"}),
    "ascii, a path": ("AIVC data guess größe/x.h5ad", "There is no file", {"PYTHONIOENCODING": "ascii"}),
    "latin-1": ("AIVC data show papalexi2021", "Papalexi", {"PYTHONIOENCODING": "latin-1"}),
    "LANG=C": ("AIVC predict größe ko:A", "missing", {"LANG": "C", "LC_ALL": "C"}),
    "LANG=C without UTF-8": (
        "AIVC data guess größe/x.h5ad --json", "There is no file",
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ),
    "a path of no letters": ("AIVC data guess $'\\xff\\xfe.h5ad' --json", "There is no file", {}),
}  # fmt: skip

FOLDERS = ("VirtualCell.save", "write_shards", "export", "State.save", "UR.save")
CASES = [
    *(Case(FULL, f"{name}, {most} bytes", _on_full_disk(name, most)) for name in WRITERS for most in (0, 64)),
    *(
        Case(FULL, f"{name}: the former stays", _former_stays(name))
        for name in ("write_text", "csv", "parquet", "report")
    ),
    Case(FULL, "a cell that is replaced", _cell_stays),
    *(Case(CLOSED, f"{name} below a file", _below_a_file(name)) for name in WRITERS),
    *(
        Case(CLOSED, f"{name} where a folder is", lambda folder, n=name: _in_place_of_folder(n, folder))
        for name in WRITERS
        if name not in FOLDERS
    ),
    Case(TWO, "one file", _two_files),
    Case(TWO, "one cell", _two_cells),
    Case(TWO, "one cell after the other", _two_replacing, WORKS),
    Case(TWO, "three processes, one cell", _two_saves_by_processes, WORKS),
    *(
        Case(TWO, f"holding {path}", _held(path))
        for path in ("shards/.in-use", "export/.in-use", ".j.in-use", "scores/.in-use", ".x.in-use")
    ),
    Case(TWO, "one evaluation", _claim_twice),
    *(
        Case(OTHERS, f"a cell's folder with {name}", _kept(name, _cell_into))
        for name in ("notes.txt", "parts/move/notes.txt", "starts/0/x", "a/b/c")
    ),
    *(
        Case(OTHERS, f"an evaluation with {name}", _kept(name, _evaluation))
        for name in ("notes.txt", "predictions/notes.json", "predictions/m/x.csv", "a/b", "predictions/measured.h5ad")
    ),
    *(Case(OTHERS, f"shards with {name}", _kept(name, _shards_into)) for name in ("notes.txt", "a/b")),
    Case(OTHERS, "an evaluation with measured cells", _foreign_h5ad),
    *(
        Case(OTHERS, f"only a stranger's {name}", _foreign_scores(name))
        for name in ("scores.json", "split.json", "report.html")
    ),
    *(Case(OTHERS, f"{verb} where a file is", _out_exists(*given)) for verb, given in ASKS.items()),
    *(
        Case(OTHERS, f"{verb} where a file may be replaced", _out_exists(*given, allowed=True), WORKS)
        for verb, given in ASKS.items()
    ),
    Case(OTHERS, "a table through a link", _through_link, WORKS),
    Case(OTHERS, "a cell through a link", _cell_through_link),
    *(Case(STREAMS, name, _shell(line, said, **env), WORKS) for name, (line, said, env) in LINES.items()),
]


def _in_place_of_folder(writer, folder):
    write, name = WRITERS[writer]
    (folder / name).mkdir()
    write(folder / name)
