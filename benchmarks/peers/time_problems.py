"""Lays frozen questions about time as arrays that any environment can read; run by `compare_time.py`.

Every folder is a group of problems that one process answers: a middle time of either set, and fates of clones on three
representations. Only what the frozen benchmark shows is in them; truths stay with `compare_time.py`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aivc.core.measurement import Measurement
from aivc.data import catalog
from aivc.data.io.obsm import load_obsm
from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.evaluation.time.clonal_fate import principal
from aivc.evaluation.tissue.tissue_inputs import digits

MIDDLE = {"larry-plane": "larry-plane-middle-time", "dyngen": "dyngen-middle-time"}
FATES = "larry-clonal-fate"
# What the states of cells are: the frozen protocol's axes; axes stored with the data, computed with all cells; and
# what moscot takes by itself, thirty principal components of the two times.
STATES = ("frozen axes", "stored axes", "local pca")
EPSILONS = (0.001, 0.01, 0.05, 0.1)
DEFAULT = {"epsilon": 0.001, "tau_a": 1.0, "tau_b": 1.0, "growth": False}
RELAXED = {"middle": ((1.0, 1.0), (0.95, 1.0), (0.9, 0.99)), "fates": ((1.0, 1.0), (0.95, 1.0))}
HOURS = 24.0


def settings(kind: str) -> list[dict[str, Any]]:
    """What is tried of moscot; a growth prior only where there are genes to tell it from."""
    grown = ((1.0, 1.0, True),) if kind == "fates" else ()
    ways = [(*each, False) for each in RELAXED[kind]] + list(grown)
    return [
        {"epsilon": epsilon, "tau_a": tau_a, "tau_b": tau_b, "growth": growth}
        for epsilon in EPSILONS
        for tau_a, tau_b, growth in ways
    ]


def lay(folder: Path, truths: Path) -> None:
    """Write all groups, and apart from them what middle times are really like."""
    for group, name in MIDDLE.items():
        frozen = benchmark(name)
        (cells,) = frozen.load_data().values()
        (truths / group).mkdir(parents=True, exist_ok=True)
        for hold in frozen.settings["hold"]:
            for problem, held in middle(cells, float(hold), frozen.settings["stretch"]):
                np.save(truths / group / f"{problem}.npy", held.pop("truth"))
                write(folder / group, problem, held, settings("middle"))
    for states in STATES:
        for fold, held in fates(states):
            write(folder / f"fates, {states}", f"fold {fold}", held, settings("fates"))


def write(folder: Path, problem: str, held: Mapping[str, Any], tried: list[dict[str, Any]]) -> None:
    """One problem, and what is tried on it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(tried))
    np.savez_compressed(folder / f"{problem}.npz", **held)


def middle(cells: Measurement, hold: float, stretch: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The time left out, between the two beside it; and every time between others of those shown, for choosing."""
    time_n = cells.times
    asked = [(hold, f"time {hold:g}")]
    shown = np.unique(time_n[time_n != hold])
    asked += [(inner, f"time {hold:g}, inner {inner:g}") for inner in shown[1:-1]]
    for out, name in asked:
        seen = (time_n != hold) & (time_n != out)
        x_nd = cells.dense().astype(np.float64)
        x_nd = (x_nd - x_nd[seen].mean(axis=0)) / x_nd[seen].std(axis=0)
        before, after = time_n[seen & (time_n < out)].max(), time_n[seen & (time_n > out)].min()
        two = np.isin(time_n, [before, after])
        held = {"x": x_nd[two], "time": time_n[two] * stretch / HOURS, "fraction": (out - before) / (after - before)}
        if out == hold:
            held |= {"shown_x": x_nd[seen], "shown_time": time_n[seen], "hold": hold, "stretch": stretch}
        yield name, {**held, "truth": x_nd[time_n == out]}


def fates(states: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each fold of the frozen benchmark: cells shown, those of its clones without their last cells, and who is asked.

    ``rows`` are places of the cells asked about among those of the benchmark, ``early_rows`` of those of the plan.
    """
    frozen = benchmark(FATES)
    cells, given = frozen.load_data()[frozen.settings["dataset"]], frozen.settings
    fold_n, time_n = digits(given["rows"], len(cells)), cells.times
    clone_n, kind_n = (cells.entities[name].to_numpy(dtype=object) for name in ("clone", "cell_type"))
    stored = load_obsm(catalog.path("larry-clones"), "X_pca").dense()
    for fold in np.unique(fold_n[fold_n >= 0]):
        rows = np.flatnonzero(fold_n == fold)
        theirs = np.isin(clone_n, clone_n[rows])
        kept = np.flatnonzero(~(theirs & (time_n == given["last"])))
        axes = principal(cells.dense(), kept, given["genes"], given["axes"])
        x_nd = stored if states == "stored axes" else axes
        two = kept[np.isin(time_n[kept], [given["early"], given["last"]])]
        held = {
            "x": x_nd[two], "time": time_n[two] / HOURS, "log_counts": np.log1p(cells.dense()[two]),
            "features": np.asarray(cells.features, dtype=str), "kind": kind_n[two].astype(str),
            "kinds": np.array(given["kinds"]), "fates": np.array(given["fates"]), "rows": rows,
            "early_rows": two[time_n[two] == given["early"]], "shown_x": x_nd[kept], "shown_time": time_n[kept],
            "shown_kind": kind_n[kept].astype(str), "shown_rows": kept, "last": given["last"],
            "shown_clone": np.where(theirs, "", clone_n)[kept].astype(str),
        }  # fmt: skip
        if states == "local pca":
            held["local_pca"] = np.array(1)
        yield int(fold), held
