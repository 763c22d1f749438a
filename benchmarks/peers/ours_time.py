"""Our own answers to what `time_problems.py` laid: `python benchmarks/peers/ours_time.py DIR OUT`, one process.

The same arrays that a peer reads, answered by registered methods with their defaults, as the frozen benchmarks fit
them. Scores come from `compare_time.py`.
"""

import inspect
import sys
import time
from pathlib import Path
from typing import Any

import exchange

exchange.single_thread()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402

from aivc.core.perturbation import Perturbation  # noqa: E402
from aivc.core.registry import DECODERS, MANIPULATORS  # noqa: E402
from aivc.core.scale import Scale  # noqa: E402
from aivc.core.space import Space  # noqa: E402
from aivc.core.ur import UR  # noqa: E402
from aivc.data.priors.memberships import memberships  # noqa: E402

MIDDLE = ("copy-time", "mixture-time", "transport.v1", "development.v1")
FATES = ("cell-fates", "cell-labels")
DRAWS = 16


def main(folder: Path, out: Path) -> None:
    torch.set_num_threads(1)
    book = exchange.Book("aivc", out, ["aivc", "torch", "numpy", "scipy"])
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.npz")):
        held, said = dict(np.load(path, allow_pickle=False)), {}
        if "shown_x" not in held:
            continue
        for method in FATES if "kinds" in held else MIDDLE:
            began = time.process_time()
            answer = fates(held, method) if "kinds" in held else points(held, method)
            book.fold(path.stem, method=method, cpu_s=round(time.process_time() - began, 3))
            said |= {f"{method}.{name}": value for name, value in answer.items()}
        np.savez_compressed(out / path.name, **said)
    book.close()


def points(held: dict[str, Any], method: str) -> dict[str, np.ndarray]:
    """Cells at the time left out, from those of the time before: points and their masses."""
    x_nd, time_n, stretch, hold = held["shown_x"], held["shown_time"], float(held["stretch"]), float(held["hold"])
    entities = pd.DataFrame(
        {"perturbation": np.full(len(x_nd), "control", dtype=object), "time": time_n * stretch},
        index=[f"cell{i}" for i in range(len(x_nd))],
    )
    ur = UR(x_nd, Space("cells", Scale.CELLULAR, x_nd.shape[1], "held-out-time"), entities)
    part: Any = MANIPULATORS.load(method)
    more = {"draws": DRAWS} if "draws" in inspect.signature(part.fit).parameters else {}
    before = time_n[time_n < hold].max()
    fitted, start = part.fit(ur, seed=0, **more), ur.take(np.flatnonzero(time_n == before))
    draws = fitted.manipulate(start, Perturbation((), float(hold - before) * stretch)).draws
    masses = [np.ones(len(draw)) if draw.mass is None else draw.mass for draw in draws]
    return {"points": np.concatenate([draw.values for draw in draws]), "mass": np.concatenate(masses)}


def fates(held: dict[str, Any], method: str) -> dict[str, np.ndarray]:
    """Probabilities of the two kinds, of the cells asked about."""
    kind_n, time_n = held["shown_kind"].astype(object), held["shown_time"]
    shown = pd.DataFrame(
        {
            "time": time_n,
            "clone": held["shown_clone"].astype(object),
            "cell_type": kind_n,
            "fate": np.where((time_n == held["last"]) & np.isin(kind_n, held["fates"]), kind_n, ""),
        },
        index=[f"cell{i}" for i in held["shown_rows"]],
    )
    space = Space("principal", Scale.CELLULAR, held["shown_x"].shape[1], "clonal-fate")
    part: Any = DECODERS.load(method)
    fitted = part.fit(UR(held["shown_x"], space, shown), memberships(shown, "fate"), seed=0)
    asked = np.searchsorted(held["shown_rows"], held["rows"])
    said = fitted.probabilities(UR(held["shown_x"][asked], space, shown.iloc[asked]))
    return {"mass": said[:, [list(fitted.features).index(kind) for kind in held["kinds"].astype(str)]]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
