"""How fast a saved cell is asked in shards, and that executors agree and a kill loses nothing.

A cell of `transfer` is fitted on a synthetic screen of 400 perturbations × 2,000 genes and asked about their pairs. An
effect is one number: what one pair does to one gene. Predictions per CPU-second are those of one process that has
loaded the cell, with one thread; all other times are from a call to the last file on disk, start of workers included.

Writes results/scale.json, step by step; steps that were not asked for stay as they stood there.
Run: OMP_NUM_THREADS=1 python benchmarks/scale.py [speed] [scaling] [identical] [resume]
"""

import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

from aivc.compute.executor import cut, executor
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.mass_screen import AskedCell, ScreenTask, screen_task

RESULT = Path(__file__).parent / "results" / "scale.json"
COMMAND = "OMP_NUM_THREADS=1 python benchmarks/scale.py"
GENES, SOURCES, SHARD = 2_000, 400, 250
ASKED = {"cpu": 1_000, "scaling": 60_000, "identical": 500}
# Asked of a process of its own, which is killed.
CHILD = "import sys; sys.path.insert(0, sys.argv[1]); import scale; scale.killed_run(*sys.argv[2:])"


def cell_folder(folder: Path) -> Path:
    cells, _ = synthetic_screen(perturbations=SOURCES, features=GENES, cells=10, controls=100, seed=0)
    place = folder / "cell"
    fit(cells, "transfer", recipe=Recipe(dim=16, members=2, inner_folds=0)).save(place)
    return place


def task_of(cell: Path, output: str, asked: int) -> ScreenTask:
    known = VirtualCell.load(cell)
    names = [text.removeprefix("ko:") for text in sorted(known.trained) if text != "control"]
    pairs = [f"ko:{one} + ko:{other}" for one, other in combinations(names, 2)][:asked]
    features = sorted(map(str, known.decode(known.start()).draws[0].features))
    if output == "score":
        return screen_task(cell, pairs, response=", ".join(features[:5]))
    sets = {f"set{i:02}": frozenset(features[i * 40 : i * 40 + 40]) for i in range(50)}
    return screen_task(cell, pairs, output=output, sets=sets if output == "pathway" else None)


def per_cpu_second(cell: Path, output: str) -> float:
    """The best of three passes, in one process and one thread."""
    task = task_of(cell, output, ASKED["cpu"])
    state: AskedCell = task.load()
    shards = cut(len(task.candidates), SHARD)
    spent = []
    for _ in range(3):
        begun = time.process_time()
        for shard in shards:
            task.work(state, shard)
        spent.append(time.process_time() - begun)
    return ASKED["cpu"] / min(spent)


def run_with(task: ScreenTask, name: str, workers: int, out: Path) -> dict[str, float]:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    executor(name, workers).finish(task, cut(len(task.candidates), SHARD), out)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_s": round(time.perf_counter() - begun, 2),
        "cpu_s": round(cpu, 2),
        "load_before": round(os.getloadavg()[0], 2),
    }


def killed_run(cell: str, out: str) -> None:
    task = task_of(Path(cell), "full", ASKED["scaling"])
    executor("processes", 2).finish(task, cut(len(task.candidates), SHARD), out)


def resumed(cell: Path, out: Path) -> dict[str, Any]:
    """Kill a run as soon as three shards are there; finish it, and look which files were touched."""
    run = subprocess.Popen([sys.executable, "-c", CHILD, str(Path(__file__).parent), str(cell), str(out)])
    while len(list(out.glob("shard-*.parquet"))) < 3 and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    time.sleep(1)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*.parquet")}
    killed_run(str(cell), str(out))
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*.parquet")}
    lost = sum(after.get(name) != when for name, when in before.items())
    return {"finished_at_kill": len(before), "shards": len(after), "redone": lost}


def identical(cell: Path) -> dict[str, bool]:
    """Whether each executor's tables are those of one process, to the last bit."""
    task = task_of(cell, "full", ASKED["identical"])
    shards = cut(len(task.candidates), 100)
    alone = list(executor("serial").run(task, shards))
    there = ["processes", *(["ray"] if importlib.util.find_spec("ray") else [])]
    return {name: list(executor(name, 2).run(task, shards)) == alone for name in there}


def bar(name: str, value: float | None, wanted: float, *, better: str = "higher") -> dict[str, Any]:
    met = value is not None and (value >= wanted if better == "higher" else value <= wanted)
    return {"name": name, "value": value, "bar": wanted, "better": better, "met": met}


def speed(cell: Path, folder: Path) -> dict[str, int]:
    return {output: round(per_cpu_second(cell, output)) for output in ("full", "pathway", "score")}


def scaling(cell: Path, folder: Path) -> dict[str, Any]:
    task = task_of(cell, "full", ASKED["scaling"])
    return {str(workers): run_with(task, "processes", workers, folder / f"by{workers}") for workers in (1, 2)}


def bars_of(steps: dict[str, Any]) -> list[dict[str, Any]]:
    """Bars of the steps that were run; one that was not run is not met."""
    walls, same, kept = steps.get("scaling", {}), steps.get("identical", {}), steps.get("resume", {})
    ratio = round(walls["1"]["wall_s"] / walls["2"]["wall_s"], 2) if walls else None
    effects = round(ASKED["scaling"] * GENES / walls["2"]["wall_s"] * 60) if walls else None
    # A kill before the first shard was finished shows nothing.
    redone = kept["redone"] if kept.get("finished_at_kill") else None
    return [
        bar("wall of 1 process over that of 2", ratio, 1.8),
        bar("effects (perturbation × gene) a minute, end to end, 2 processes", effects, 1e6),
        bar("executors beside serial with identical results", sum(same.values()), 2),
        bar("finished shards done again after kill -9", redone, 0, better="lower"),
    ]


STEPS = {
    "speed": speed,
    "scaling": scaling,
    "identical": lambda cell, folder: identical(cell),
    "resume": lambda cell, folder: resumed(cell, folder / "killed"),
}


def write(name: str, found: Any) -> None:
    """Replace one step, and the bars; other steps stay."""
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    steps = {**before.get("steps", {}), name: found}
    body = {
        "command": COMMAND,
        "cell": f"transfer, synthetic: {SOURCES} perturbations × {GENES} genes; asked about pairs",
        "asked": ASKED,
        "shard": SHARD,
        "steps": steps,
        "cpus": os.cpu_count(),
        "looked_at": "nothing: no test folds",
        "bars": bars_of(steps),
    }
    RESULT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asked_cell = cell_folder(Path(made))
        for step in sys.argv[1:] or STEPS:
            write(step, STEPS[step](asked_cell, Path(made)))
