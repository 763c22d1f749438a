"""Makes again what a benchmark, a score or a campaign says, in a process of its own that is ended when it is slow."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aivc.core.errors import AIVCError, UnknownNameError
from aivc.core.saved_cell import fitting
from aivc.evaluation.benchmarks.benchmark import AnyBenchmark, Benchmark, run_benchmark
from aivc.evaluation.benchmarks.task_benchmark import run_task
from aivc.evaluation.protocol.evaluate import require_methods
from aivc.experiments.campaign.campaign import Campaign
from aivc.hub.opened import ReadScore, named_benchmark, read_benchmark, read_score
from aivc.hub.refs import HubKind

# A check is to take minutes at most, whatever a stranger's file asks for.
SECONDS = 300.0
# What the same code gives on another computer; beyond it, a score is another one.
RTOL, ATOL = 1e-3, 1e-5
_FETCH = "Fetch them: aivc data fetch."


def recomputed(
    kind: HubKind, folder: Path, beside: Sequence[Path] = (), *, seconds: float = SECONDS
) -> tuple[bool | None, str]:
    """Make it again, for so many seconds at most.

    Args:
        kind: ``benchmark``, ``score`` or ``campaign``.
        folder: Holds its files.
        beside: Folders of benchmarks that scores may be of.
        seconds: Until it is ended.

    Returns:
        Whether the same came out, None where that cannot be checked here; and what was found.
    """
    command = [sys.executable, "-m", "aivc.hub.recomputed", str(kind), *map(str, (folder, *beside))]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None, f"Not checked: it was not made again within {seconds:,.0f} seconds. Run it yourself."
    try:
        found = json.loads(done.stdout.splitlines()[-1])
        return found["passed"], str(found["detail"])
    except (IndexError, KeyError, TypeError, ValueError):
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["without a word"]
        return None, f"Not checked: making it again ended with {done.returncode} ({said[0][:200]}). Run it yourself."


def make_again(kind: HubKind, folder: Path, beside: Sequence[Path] = ()) -> tuple[bool | None, str]:
    """Make it again in this process; see `recomputed`.

    Raises:
        AIVCError: It cannot be opened, or a method fails.
    """
    with fitting(f"The {kind} in {folder.name}"):
        if kind is HubKind.CAMPAIGN:
            return _campaign(folder)
        return _benchmark(read_benchmark(folder)) if kind is HubKind.BENCHMARK else _score(folder, beside)


def _campaign(folder: Path) -> tuple[bool, str]:
    odd = Campaign.load(folder).replay()
    if odd:
        return False, f"The batches of rounds {', '.join(map(str, odd))} come out otherwise than the record says."
    return True, "Every batch was chosen again from what was known then, and is that of the record."


def _benchmark(found: AnyBenchmark) -> tuple[bool | None, str]:
    if found.files != "here":
        return None, f"Not checked: its data ({', '.join(found.checksums)}) are {found.files}. {_FETCH}"
    if not isinstance(found, Benchmark):
        return None, "Not checked: the folds of a task are made by its protocol, and are part of what is asked."
    data = found.load_data()
    split = found.make_split(data)
    for fold in range(len(split.folds)):
        split.roles(data, fold)
    return True, f"On its data, its {len(split.folds)} folds are those it was frozen with."


def _score(folder: Path, beside: Sequence[Path]) -> tuple[bool | None, str]:
    found = read_score(folder)
    if found.given:
        return None, f"Not checked: {', '.join(found.given)} was answered for by another program, which is not here."
    chosen = named_benchmark(found, beside)
    if chosen is None:
        return None, (
            f"Not checked: {found.reference} is not registered here, and none that the scores were made from. Publish "
            "the benchmark too, and name it with --made-from."
        )
    if chosen.files != "here":
        return None, f"Not checked: the data of {found.reference} are {chosen.files}. {_FETCH}"
    try:
        values = _asked_again(chosen, found)
    except UnknownNameError as error:
        return None, f"Not checked: {error}"
    return _compared(found, values)


def _asked_again(chosen: AnyBenchmark, found: ReadScore) -> dict[tuple[str, str], float | None]:
    if isinstance(chosen, Benchmark):
        require_methods(found.methods)
        scores = run_benchmark(chosen, list(found.methods)).scores
    else:
        if found.protocol != chosen.asker.version:
            raise UnknownNameError("version of its protocol", str(found.protocol), [str(chosen.asker.version)])
        scores = run_task(chosen, list(found.methods))["scores"]
    return {(name, metric): by[metric]["value"] for name, by in scores.items() for metric in by}


def _compared(found: ReadScore, again: dict[tuple[str, str], float | None]) -> tuple[bool, str]:
    differ = []
    for key, value in found.values.items():
        got = again.get(key)
        same = got is None if value is None else got is not None and np.isclose(got, value, RTOL, ATOL)
        if not same:
            differ.append(f"{key[1]} of {key[0]} is {got} where {value} was published")
    if differ:
        return False, f"{len(differ)} of {len(found.values)} values differ: {'; '.join(differ[:3])}."
    return True, f"{len(found.values)} values were computed again on {found.reference}, within {RTOL:g} of each."


if __name__ == "__main__":
    kind, place, *others = sys.argv[1:]
    try:
        passed, detail = make_again(HubKind(kind), Path(place), [Path(each) for each in others])
    except AIVCError as error:
        passed, detail = False, " ".join(str(error).split())[:2000]
    print(json.dumps({"passed": passed, "detail": detail}))
