"""moscot and our own methods on the frozen questions about time, in one run: `compare_time.py MOSCOT_PYTHON DIR`.

MOSCOT_PYTHON is the Python of an environment that holds moscot, DIR a folder for what is exchanged. Lays the problems
(`time_problems.py`), has both sides answer (`moscot_time.py`, `ours_time.py`; a process for each group of problems, one
thread each), scores all answers alike, and writes `benchmarks/results/peers_time.json`. What DIR holds of an earlier
run is kept: delete it to begin anew.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import time_problems

from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.evaluation.time.held_out_time import Cloud, distances
from aivc.evaluation.tissue.tissue_inputs import auroc, digits

HERE = Path(__file__).parent
RESULT = HERE.parent / "results" / "peers_time.json"
COMMAND = "AIVC_DATA=../shared/data python benchmarks/peers/compare_time.py MOSCOT_PYTHON DIR"
FATES, DEFAULT, AT_ONCE = time_problems.FATES, "0", 3
BOOKS = {"moscot": "moscot", "ours": "aivc"}
NOTES = {
    "names": "A setting is named by its place in `settings`; 0 is the default of moscot (epsilon 0.001, balanced). "
    "With ', unbalancedness' cells are drawn as moscot does where it accounts for unequal sums at the later time.",
    "choice": "dyngen: lowest mean W1 on times left out of those shown. LARRY has no such time: the setting that is "
    "best on all those of dyngen. Fates: highest AUROC by the secondary rule on clones of the other four folds, of "
    "equals the first of `settings`: an order set after a look at the scores, where the last of them had been taken. "
    "Their plans hold, without clone, the last cells of the clones asked about, which favors moscot. "
    "'Best on the answer' is "
    "chosen on the scores themselves. Ours are the defaults; what was looked at when these were made stands in the "
    "frozen benchmarks (`leaks`).",
    "growth prior": "moscot's, from its mouse genes of proliferation and apoptosis (12 and 47 of them are in the "
    "file), time in days. The LARRY plane and dyngen have no genes; there unbalanced plans stand for growth.",
    "states": "Frozen axes: 20, of the cells shown. Stored axes: 40, made with all cells, those asked about and their "
    "sisters too, for both sides. Local pca: what moscot makes by itself, beside ours on the frozen axes.",
    "interpolation": "Pairs are drawn from moscot's plan by the formulas of its own interpolation, 20,000 of them; "
    "that function itself is not run, as it asks a solver for one row of the plan at a time.",
    "left out": "Nothing of the grid: every setting was solved on every problem of its kind, without a limit of time.",
    "cost": "CPU seconds of whole processes, imports included; peak memory in MB. Compiling is what the first solve of "
    "a problem, of the last setting, took more than its repeat; all settings of a problem share what is compiled, by a "
    "cache on disk, which moscot does not do by itself. Processes ran side by side, three at once, each held to one "
    "core; where `load` is above `cores`, others shared these, and CPU seconds are somewhat high for both sides.",
}


def answer(folder: Path, python: Path) -> None:
    """Have both sides answer every group, as many processes at once as `AT_ONCE`, the peer's first."""
    jobs = []
    groups = sorted((folder / "problems").iterdir(), reverse=True)
    for side, program in (("moscot", str(python)), ("ours", sys.executable)):
        for group in groups:
            if side == "ours" and group.name == "fates, local pca":
                continue
            out = folder / side / group.name
            out.mkdir(parents=True, exist_ok=True)
            job = [program, str(HERE / f"{side}_time.py"), str(group), str(out)]
            # The many problems of dyngen, by the time asked about.
            parts = [[f"time {t}"] for t in (1, 2, 3)] if (side, group.name) == ("moscot", "dyngen") else [[]]
            # What a process cost is the last that it writes.
            left = [part for part in parts if not (out / f"{' '.join([BOOKS[side], *part])}.cost.json").exists()]
            jobs += [(job + part, out / f"{''.join(part) or 'all'}.log") for part in left]
    if not jobs:
        return
    before, cores = os.getloadavg()[0], sorted(os.sched_getaffinity(0))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ran, jobs, [cores[i % len(cores)] for i in range(len(jobs))]))
    load = {"before": round(before, 1), "after": round(os.getloadavg()[0], 1)}
    (folder / "load.json").write_text(json.dumps(load))


def ran(job: tuple[Sequence[str], Path], core: int) -> None:
    """One process, on one core, in a session of its own."""
    asked, said = job
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with said.open("w") as log:
        subprocess.run(
            ["taskset", "-c", str(core), *asked],
            check=True,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def middle(folder: Path) -> dict[str, Any]:
    """W1 and its excess of every answer at every time left out, those for choosing among them."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "truths").glob("*/*.npy")):
        truth, group, problem = np.load(path), path.parent.name, path.stem
        given = benchmark(time_problems.MIDDLE[group]).settings
        scores = {"copies": {}, "moscot": {}, "ours": {}}
        held = np.load(folder / "problems" / group / f"{problem}.npz")
        for side in ("moscot", "ours"):
            for name, cloud in clouds(folder / side / group / f"{problem}.npz"):
                scores[side][name] = distance(truth, cloud, given)
        for name, when in (("copy-previous", held["time"].min()), ("copy-next", held["time"].max())):
            copied = held["x"][held["time"] == when]
            scores["copies"][name] = distance(truth, Cloud(copied, np.ones(len(copied))), given)
        scores["copies"]["pooled-times"] = distance(truth, Cloud(held["x"], np.ones(len(held["x"]))), given)
        floor = distance(truth, None, given)
        found[f"{group}/{problem}"] = {"split-half W1": floor, **excesses(scores, floor)}
    return found


def clouds(path: Path) -> Iterator[tuple[str, Cloud]]:
    """Named answers of a file: points and their masses. A name is that of a setting or a method, and what was asked."""
    if not path.exists():
        return
    held = np.load(path)
    for name in held.files:
        method, _, asked = name.rpartition(".")
        if asked.startswith("points"):
            mass = held[f"{method}.mass"] if f"{method}.mass" in held.files else np.ones(len(held[name]))
            yield method + asked.removeprefix("points"), Cloud(held[name], mass)


def distance(truth: np.ndarray, cloud: Cloud | None, given: Mapping[str, Any]) -> float:
    """W1 as the frozen benchmark has it, over the same halves."""
    return round(float(distances(truth, cloud, given, 0)[0].mean()), 5)


def excesses(scores: Mapping[str, Mapping[str, float]], floor: float) -> dict[str, Any]:
    """W1 and excess by side and name: 0 is a repeat of the truth, 1 the better of the two copies."""
    best = min(scores["copies"][name] for name in ("copy-previous", "copy-next"))
    return {
        side: {name: {"W1": w1, "excess": round((w1 - floor) / (best - floor), 4)} for name, w1 in each.items()}
        for side, each in scores.items()
    }


def lowest(mean: Mapping[str, float]) -> str:
    """The name with the lowest value, the first of equals."""
    return min(mean, key=lambda name: mean[name])


def means(parts: Sequence[Mapping[str, Mapping[str, float]]], of: str) -> dict[str, float]:
    """Mean over problems of the names that all of them have an answer for."""
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: round(float(np.mean([part[name][of] for part in parts])), 4) for name in names}


def summed(found: Mapping[str, Any]) -> dict[str, Any]:
    """For each set: ours, moscot by its default, as chosen on times shown, and by the setting best on the answer."""
    said: dict[str, Any] = {}
    inner = {key: each["moscot"] for key, each in found.items() if "inner" in key}
    for group in ("larry-plane", "dyngen"):
        keys = [key for key in found if key.startswith(group) and "inner" not in key]
        if not keys:
            continue
        overall = means([found[key]["moscot"] for key in keys], "excess")
        chosen = {}
        for key in keys:
            own = [each for name, each in inner.items() if name.startswith(f"{key},")]
            chosen[key] = lowest(means(own or list(inner.values()), "W1"))
        best = lowest(overall)
        said[group] = {
            "ours": means([found[key]["ours"] for key in keys], "excess"),
            "copies": means([found[key]["copies"] for key in keys], "excess"),
            "moscot, default": overall.get(DEFAULT),
            "moscot, chosen on times shown": {
                "settings": chosen,
                "excess": round(float(np.mean([found[key]["moscot"][chosen[key]]["excess"] for key in keys])), 4),
            },
            "moscot, best on the answer": {"setting": best, "excess": overall[best]},
        }
    return said


def fates(folder: Path, states: str) -> dict[str, Any]:
    """AUROC of every setting and method by both rules, and what ours differ by, clones drawn together."""
    frozen = benchmark(FATES)
    given, cells = frozen.settings, frozen.load_data()[frozen.settings["dataset"]]
    fold_n = digits(given["rows"], len(cells))
    clone_n, kind_n = (cells.entities[name].to_numpy(dtype=object) for name in ("clone", "cell_type"))
    one_n, two_n = (sisters(cells, kind, given["last"]) for kind in given["kinds"])
    asked = np.flatnonzero(fold_n >= 0)
    rules = {"primary": asked[np.minimum(one_n, two_n)[asked] == 0], "secondary": asked[(one_n != two_n)[asked]]}
    truth_n, plain_n = one_n > two_n, kind_n == given["undifferentiated"]
    ours = odds(folder, "ours", "frozen axes" if states == "local pca" else states, len(cells))
    peer = odds(folder, "moscot", states, len(cells))
    chosen_n = nested(peer, truth_n, rules["secondary"], fold_n)
    peer["chosen on other folds"] = chosen_n.pop("score")
    found: dict[str, Any] = {"chosen": chosen_n}
    for rule, all_rows in rules.items():
        for name, rows in ((rule, all_rows), (f"{rule}, undifferentiated", all_rows[plain_n[all_rows]])):
            areas = {
                side: {each: round(auroc(score_n[rows], truth_n[rows]), 4) for each, score_n in scores.items()}
                for side, scores in (("ours", ours), ("moscot", peer))
            }
            single = {each: -area for each, area in areas["moscot"].items() if not each.startswith("chosen")}
            best, mine = lowest(single), ours["cell-fates"]
            found[name] = {
                "cells": len(rows), **areas, "best on the answer": best,
                **{f"cell-fates minus moscot, {way}": paired(mine, peer[each], truth_n, rows, clone_n)
                   for way, each in (("best on the answer", best), ("chosen on other folds", "chosen on other folds"),
                                     ("default", DEFAULT))},
            }  # fmt: skip
    return found


def sisters(cells: Any, kind: str, last: float) -> np.ndarray:
    """``(n,)`` number of last cells of a kind in the clone of each cell; 0 for cells of no clone."""
    clone_n = cells.entities["clone"].fillna("").to_numpy(dtype=object)
    there_n = (cells.entities["cell_type"].to_numpy() == kind) & (cells.times == last) & (clone_n != "")
    return np.where(clone_n == "", 0, pd.Series(there_n).groupby(clone_n).sum().reindex(clone_n).to_numpy())


def odds(folder: Path, side: str, states: str, n: int) -> dict[str, np.ndarray]:
    """``(n,)`` log odds of the first kind by method or setting, of cells asked about; where all folds have one."""
    found: dict[str, np.ndarray] = {}
    asked: list[int] = []
    for path in sorted((folder / "problems" / f"fates, {states}").glob("*.npz")):
        laid, said = np.load(path), np.load(folder / side / path.parent.name / path.name)
        rows = laid["rows"]
        asked.extend(rows)
        at = np.searchsorted(laid["early_rows"], rows) if side == "moscot" else np.arange(len(rows))
        for name in said.files:
            mass = np.log(np.maximum(said[name][at], 1e-12))
            found.setdefault(name.removesuffix(".mass"), np.full(n, np.nan))[rows] = mass[:, 0] - mass[:, 1]
    # In the order of `settings`, whatever order they were solved in: of equals the first is chosen.
    names = sorted(found, key=lambda name: (len(name), name))
    return {name: found[name] for name in names if np.isfinite(found[name][asked]).all()}


def nested(
    scores: Mapping[str, np.ndarray], truth_n: np.ndarray, rows: np.ndarray, fold_n: np.ndarray
) -> dict[str, Any]:
    """For the cells of each fold, the setting with the highest AUROC on the clones of the other folds.

    Scores of different folds come from different plans; their pooled AUROC is what the benchmark has as well.
    """
    chosen: dict[str, Any] = {"score": np.full(len(truth_n), np.nan)}
    for fold in np.unique(fold_n[fold_n >= 0]):
        others = rows[fold_n[rows] != fold]
        area = {name: -auroc(each[others], truth_n[others]) for name, each in scores.items()}
        chosen[f"fold {fold}"] = lowest(area)
        chosen["score"][fold_n == fold] = scores[chosen[f"fold {fold}"]][fold_n == fold]
    return chosen


def paired(
    one_n: np.ndarray, two_n: np.ndarray, truth_n: np.ndarray, rows: np.ndarray, clone_n: np.ndarray, draws: int = 1000
) -> dict[str, Any]:
    """Difference of two AUROCs on the same cells; its interval draws clones, the same ones for both."""
    names, inverse = np.unique(clone_n[rows].astype(str), return_inverse=True)
    members = [rows[inverse == i] for i in range(len(names))]
    rng, found = np.random.default_rng(0), []
    for _ in range(draws):
        drawn = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        if 0 < truth_n[drawn].sum() < len(drawn):
            found.append(auroc(one_n[drawn], truth_n[drawn]) - auroc(two_n[drawn], truth_n[drawn]))
    value = auroc(one_n[rows], truth_n[rows]) - auroc(two_n[rows], truth_n[rows])
    return {"value": round(value, 4), "ci95": [round(float(each), 4) for each in np.quantile(found, [0.025, 0.975])]}


def costs(folder: Path) -> dict[str, Any]:
    """What the processes of a group took together, and each solve or fit in it; whether plans converged."""
    said: dict[str, Any] = {}
    for path in sorted(folder.glob("*/*/*.cost.json")):
        held = json.loads(path.read_text())
        empty = {"processes": 0, "cpu_s": 0.0, "peak_mb": 0, "versions": held["versions"], "by": {}}
        entry = said.setdefault(path.parent.name, {}).setdefault(path.parent.parent.name, empty)
        entry["processes"] += 1
        entry["cpu_s"] = round(entry["cpu_s"] + held["cpu_s"], 1)
        entry["peak_mb"] = max(entry["peak_mb"], held["peak_mb"])
        for each in held["folds"]:
            if "setting" in each:
                tally(entry, each)
            if "inner" not in each["fold"]:
                key = str(each.get("method", each.get("setting")))
                kept = ("cpu_s", "converged", "rounds", "error")
                entry["by"].setdefault(key, {})[each["fold"]] = {name: each[name] for name in kept if name in each}
    return said


def tally(entry: dict[str, Any], solve: Mapping[str, Any]) -> None:
    """Add one solve to what is said of all."""
    entry["solves"] = entry.get("solves", 0) + 1
    entry["not converged"] = entry.get("not converged", 0) + (not solve["converged"])
    entry["without an answer"] = entry.get("without an answer", 0) + (not solve["finite"])
    if "with_compiling_cpu_s" in solve:
        more = solve["with_compiling_cpu_s"] - solve["cpu_s"]
        entry["compiling_cpu_s"] = round(entry.get("compiling_cpu_s", 0.0) + more, 2)


def bars(of_middle: Mapping[str, Any], of_fates: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ours no worse than moscot: as chosen without the answer, and as the setting that is best on it."""
    made = []
    for group, each in of_middle.items():
        for way in ("chosen on times shown", "best on the answer"):
            for method in ("development.v1", "transport.v1"):
                name = f"{group}: excess of {method}, beside moscot {way}"
                made.append(bar(name, each["ours"][method], each[f"moscot, {way}"]["excess"], "lower"))
    for states, each in of_fates.items():
        for rule, said in each.items():
            if rule == "chosen":
                continue
            ours = said["ours"]["cell-fates"]
            for way, name in (("chosen on other folds",) * 2, ("best on the answer", said["best on the answer"])):
                text = f"fates, {states}, {rule}: AUROC, beside moscot {way}"
                made.append(bar(text, ours, said["moscot"][name], "higher"))
    return made


def bar(name: str, value: float, wanted: float, better: str) -> dict[str, Any]:
    """One bar, met or not."""
    met = value <= wanted if better == "lower" else value >= wanted
    return {"name": name, "value": value, "bar": wanted, "better": better, "met": bool(met)}


def main(python: Path, folder: Path) -> None:
    if not (folder / "problems").exists():
        time_problems.lay(folder / "problems", folder / "truths")
    answer(folder, python)
    found = middle(folder)
    of_middle = summed(found)
    of_fates = {states: fates(folder, states) for states in time_problems.STATES}
    result = {
        "command": COMMAND, "settings": {kind: time_problems.settings(kind) for kind in ("middle", "fates")},
        "notes": NOTES, "bars": bars(of_middle, of_fates), "middle": of_middle,
        "middle, every answer": {key: each for key, each in found.items() if "inner" not in key},
        "fates": of_fates, "cost": costs(folder),
        "machine": {"cores": os.cpu_count(), "load": json.loads((folder / "load.json").read_text())},
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for each in result["bars"]:
        print(f"{each['name']}: {each['value']} {each['better']} {each['bar']} {'met' if each['met'] else 'NOT met'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
