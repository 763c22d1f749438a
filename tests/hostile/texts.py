"""JSON, TOML and tables that no honest program writes."""

import json

from aivc.core.state import State
from aivc.data.io.schema import Schema
from aivc.data.splits.split import Split
from aivc.data.streaming.shards import Shards, write_shards
from aivc.evaluation.benchmarks.benchmark import Benchmark
from aivc.evaluation.benchmarks.task_benchmark import TaskBenchmark
from aivc.experiments.atlas.reference import Atlas
from aivc.experiments.journal import Journal
from hostile.case import WORKS, Case, command
from hostile.made import cell, h5ad, loaded, saved_cell, screen

KIND, TABLES, SEEDS = "texts", "saved tables", "seeds and counts"
TEXTS = {
    "deep lists": b"[" * 100_000,
    "closed deep lists": b"[" * 5000 + b"]" * 5000,
    "lists of 200 levels": b'{"format": 1, "folds": ' + b"[" * 200 + b"]" * 200 + b"}",
    "deep objects": b'{"a":' * 100_000,
    "5000 digits": b'{"format": ' + b"9" * 5000 + b"}",
    "2**70": b'{"format": 1, "seed": 1180591620717411303424, "folds": [1]}',
    "a key twice": b'{"format": 1, "format": 2}',
    "half a letter": b'{"format": 1, "kind": "\\ud800", "folds": [1], "parts": {"\\udc00": {}}}',
    "no UTF-8": b'{"format": "\xff\xfe"}',
    "NUL bytes": b"\0" * 64,
    "nothing": b"",
    "a list": b"[1, 2]",
    "a text": b'"abc"',
    "a number": b"7",
    "null": b"null",
    "cut off": b'{"format": 1, "parts": {"a',
    "an empty object": b"{}",
    "format of text": b'{"format": "1", "parts": {}, "folds": 1, "settings": {}}',
    "format true": b'{"format": true, "parts": {}, "folds": [1], "settings": {}, "shards": []}',
    "format NaN": b'{"format": NaN, "parts": {}, "folds": [1], "settings": {}}',
}


def _split(folder, text):
    (folder / "s.json").write_bytes(text)
    Split.load(folder / "s.json", screen())


def _split_command(folder, text):
    from hostile.made import SCHEMA

    (folder / "s.json").write_bytes(text)
    SCHEMA.to_toml(folder / "s.toml")
    command("splits", "check", h5ad(folder), "--schema", folder / "s.toml", "--split", folder / "s.json")


def _cell(folder, text):
    place = saved_cell(folder)
    (place / "cell.json").write_bytes(text)
    command("predict", place, "ko:G0001")


def _state(folder, text):
    State({"a": 1}, {}).save(folder)
    (folder / "settings.json").write_bytes(text)
    State.load(folder)


def _shards(folder, text):
    write_shards(screen(), folder / "s", rows=10)
    (folder / "s" / "manifest.json").write_bytes(text)
    Shards.open(folder / "s")


def _benchmark(folder, text):
    (folder / "b.json").write_bytes(text)
    Benchmark.load(folder / "b.json")


def _task_benchmark(folder, text):
    (folder / "t.json").write_bytes(text)
    TaskBenchmark.load(folder / "t.json")


def _atlas(folder, text):
    (folder / "atlas.json").write_bytes(text)
    Atlas.load(folder)


def _journal(folder, text):
    (folder / "j").write_bytes(text + b"\n")
    Journal(folder / "j", "0" * 64).read()


READERS = {
    "split": _split,
    "split, in a shell": _split_command,
    "cell.json": _cell,
    "settings.json": _state,
    "manifest of shards": _shards,
    "benchmark": _benchmark,
    "benchmark of a task": _task_benchmark,
    "atlas": _atlas,
    "journal": _journal,
}
TOML = {
    "deep": "control = " + "[" * 5000,
    "digits": "units = 'counts'\ndose = { value = " + "9" * 5000 + " }",
    "wide": "units = 'counts'\ndose = { value = 1180591620717411303424 }",
    "nan": "units = 'counts'\ndose = { value = nan }",
    "inf": "units = 'counts'\nhours = { value = inf }",
    "date": "units = 'counts'\nbatch = { value = 2020-01-01 }",
    "true": "units = 'counts'\ncells = { value = true }",
    "twice": "units = 'counts'\nunits = 'log2fc'",
    "no units": "control = 'x'",
    "unknown": "units = 'counts'\nexec = 'x'",
    "NUL": "units = 'counts\0'",
    "table": "[units]\nx = 1",
    "metadata outside": "units = 'counts'\nperturbation = 'p'\ncontrol = 'c'\nkind = 7",
}


def _toml(text):
    def act(folder):
        (folder / "s.toml").write_text(text)
        Schema.from_toml(folder / "s.toml")

    return act


def _seed(value):
    def act(folder):
        (folder / "s.json").write_text(json.dumps({"folds": [["G0001"], ["G0002"]], "seed": value}))
        Split.load(folder / "s.json", screen())

    return act


def _stamped_seed(value):
    """A manifest with a seed that nothing honest has, under a digest that fits."""

    def act(folder):
        made = Split.from_json({"folds": [["G0001"], ["G0002"]]}, screen()).to_json()
        import hashlib

        body = {key: item for key, item in made.items() if key != "digest"} | {"seed": value}
        sha = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        (folder / "s.json").write_text(json.dumps({**body, "digest": sha}))
        Split.load(folder / "s.json")

    return act


ODD_SEEDS = {"-1": -1, "2**70": 2**70, "nan": float("nan"), "text": "7", "true": True, "1.5": 1.5, "list": [1]}
PLAIN_SPLITS = {
    "folds of numbers": {"folds": [1, 2]},
    "folds a text": {"folds": "abc"},
    "folds a number": {"folds": 7},
    "a fold empty": {"folds": [[], ["G0001"]]},
    "a name twice": {"folds": [["G0001"], ["G0001"]]},
    "a name unknown": {"folds": [["../../etc"], ["G0001"]]},
    "halves a text": {"folds": [["G0001"], ["G0002"]], "target_halves": "x"},
    "halves of numbers": {"folds": [["G0001"], ["G0002"]], "target_halves": {"G0001": 3}},
    "pool without its other": {"folds": [["G0001"], ["G0002"]], "control_half_A": ["a"]},
    "pools of numbers": {"folds": [["G0001"], ["G0002"]], "control_half_A": 3, "control_half_B": 4},
}


def _plain(body):
    def act(folder):
        (folder / "s.json").write_text(json.dumps(body))
        Split.load(folder / "s.json", screen())

    return act


OPTIONS = (
    [("--seed", each) for each in ("-1", str(2**70), "nan", "1e3", "0x10", "9" * 5000, "٣", "", "1_0", "²")]
    + [("--cells", each) for each in ("0", "-5", "10000000000", "nan", "9" * 5000)]
    + [("--top", "99999999999999")]
)


def _option(option, value):
    return lambda folder: command("predict", folder / "no-cell", "ko:G0001", f"{option}={value}")


SCREEN = (
    "perturbation,score,low,high,seen,applicability,self_target,scored_on,coverage,abstained,response,name,context,"
    "level,direction,units\n"
    "{perturbation},{score},-1,1,{seen},{applicability},False,{scored_on},x,False,{response},G,line1,{level},"
    "{direction},log1p_cp10k\n"
)
HONEST = {
    "perturbation": "ko:A", "score": "-0.5", "seen": "False", "applicability": "edge", "scored_on": "1",
    "response": "G0001", "level": "0.9", "direction": "lower",
}  # fmt: skip
SPOILED = {
    "perturbation": ("", "no kind", "ko:", "control:x"),
    "score": ("abc", "inf", "nan", "1e999", ""),
    "seen": ("maybe", "2"),
    "applicability": ("far", "in; rm"),
    "scored_on": ("-1", "1e300", "x", "1.5", "99999999999999999999"),
    "response": ("", ",,,"),
    "level": ("2", "-1", "nan", "x", "1e999"),
    "direction": ("up", ""),
}


def _table(field, value):
    def act(folder):
        (folder / "s.csv").write_text(SCREEN.format(**(HONEST | {field: value})))
        command("propose", folder / "s.csv", "--size", 6, "--controls", 1, "--out", folder / "p.csv")

    return act


PLAN = (
    "well,perturbation,role,score,low,high,applicability,reason,plate,seed\n"
    "{well},ko:A,{role},0,0,0,edge,r,{plate},{seed}\n"
)
PLANS = {
    "plate 7": {"plate": "7"}, "plate nan": {"plate": "nan"}, "plate huge": {"plate": "9" * 5000},
    "seed -1": {"seed": "-1"}, "seed 2**70": {"seed": str(2**70)}, "well Z99": {"well": "Z99"},
    "role": {"role": "boss"},
}  # fmt: skip


def _plan(change):
    def act(folder):
        from aivc.experiments.propose import Plan

        (folder / "p.csv").write_text(
            PLAN.format(**({"well": "A01", "role": "exploit", "plate": "6", "seed": "0"} | change))
        )
        Plan.load(folder / "p.csv")

    return act


def _journal_rows(line):
    def act(folder):
        from aivc.experiments.screen import screen as ask

        path = folder / "j"
        ask(cell(), ["ko:G0001"], "G0002", checkpoint=path)
        path.write_text(path.read_text().splitlines()[0] + "\n" + line + "\n")
        ask(cell(), ["ko:G0001"], "G0002", checkpoint=path)

    return act


CASES = [
    *(
        Case(KIND, f"{reader}: {name}", lambda folder, r=read, t=text: r(folder, t))
        for reader, read in READERS.items()
        for name, text in TEXTS.items()
    ),
    *(Case(KIND, f"schema: {name}", _toml(text)) for name, text in TOML.items()),
    *(
        Case(KIND, f"journal row: {line}", _journal_rows(line))
        for line in ("{}", "[]", "7", '{"perturbation": 3}', "{")
    ),
    *(Case(SEEDS, f"plain split: {name}", _seed(value)) for name, value in ODD_SEEDS.items()),
    *(Case(SEEDS, f"stamped split: {name}", _stamped_seed(value)) for name, value in ODD_SEEDS.items()),
    *(Case(SEEDS, f"folds: {name}", _plain(body)) for name, body in PLAIN_SPLITS.items()),
    *(Case(SEEDS, f"{option} {value[:30]}", _option(option, value)) for option, value in OPTIONS),
    Case(TABLES, "an honest screen", _table("score", "-0.5"), WORKS),
    *(Case(TABLES, f"screen, {field}: {v!r}", _table(field, v)) for field, values in SPOILED.items() for v in values),
    *(Case(TABLES, f"plan, {name}", _plan(change)) for name, change in PLANS.items()),
    Case(KIND, "an honest cell", lambda folder: loaded(saved_cell(folder)), WORKS),
]
