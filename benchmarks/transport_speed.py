"""How long plans take, and how much memory: `python benchmarks/transport_speed.py [--ott-python PATH]`.

Two clouds of 4,000 points in 50 dimensions are coupled by `aivc.nn.transport.couple`, and by POT's `sinkhorn`, with
epsilon 1 % of the mean cost and until the total error of the sums is below 0.001, as it is measured afterwards on the
plan returned for all of them alike. Both in one process and one thread, in turns; the shorter of two is quoted. OTT
runs in the same run by the Python of an environment that holds it (`peers/ott_speed.py`), on one thread, its compiling
counted apart; without one it is named as not installed, and its last numbers are lost. Then two clouds of 100,000
points in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import ot
import torch

from aivc.nn.transport import PlanSettings, couple, squared_distances

OTT = Path(__file__).parent / "peers" / "ott_speed.py"
OUT = Path(__file__).parent / "results" / "transport_speed.json"
COMMAND = "python benchmarks/transport_speed.py --ott-python PATH"
COUNT, AXES, EPSILON, ERROR, TURNS, MANY = 4000, 50, 0.01, 1e-3, 2, 100_000
LARGE = """
import json, resource, time, torch
torch.set_num_threads(1)
from aivc.nn.transport import PlanSettings, couple
g = torch.Generator().manual_seed(0)
x = torch.randn({many}, {axes}, generator=g)
y = torch.randn({many}, {axes}, generator=g) * 1.2 + 0.3
times = [time.process_time()]
plan = couple(x, y, PlanSettings(epsilon=0.05))
times.append(time.process_time())
plan.drawn(torch.rand({many}, generator=g), x)
times.append(time.process_time())
said = {{"coupled_cpu_s": times[1] - times[0], "descendant_of_each_cpu_s": times[2] - times[1]}}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{**said, "peak_mb": round(peak), "certificate": plan.certificate.to_json()}}))
"""


def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(COUNT, AXES, generator=generator)
    return x, torch.randn(COUNT, AXES, generator=generator) * 1.2 + 0.3


def ours(x: torch.Tensor, y: torch.Tensor) -> float:
    plan = couple(x, y, PlanSettings(epsilon=EPSILON, tolerance=ERROR, landmarks=COUNT))
    return plan.certificate.error


def pot(x: torch.Tensor, y: torch.Tensor) -> float:
    cost = squared_distances(x, y).double().numpy()
    cost /= cost.mean()
    weight = np.full(COUNT, 1 / COUNT)
    # POT stops by the root of summed squares, looked at every ten rounds.
    plan = ot.sinkhorn(weight, weight, cost, EPSILON, stopThr=ERROR / np.sqrt(COUNT), numItermax=5000)
    return float(np.abs(plan.sum(0) - weight).sum() + np.abs(plan.sum(1) - weight).sum())


def ott_jax(x: torch.Tensor, y: torch.Tensor, python: Path | None) -> dict[str, object] | None:
    """What OTT takes, each way it has; None where no environment is given."""
    if python is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clouds.npz"
        np.savez(file, x=x.numpy(), y=y.numpy())
        asked = [str(python), str(OTT), str(file), str(EPSILON), str(ERROR), str(TURNS)]
        core = str(min(os.sched_getaffinity(0)))
        done = subprocess.run(["taskset", "-c", core, *asked], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def fastest(ways: dict[str, dict[str, object]]) -> str | None:
    """The quickest way among those whose plan is what was asked for: converged, and its error below the tolerance."""
    good = {
        name: way["cpu_s"]
        for name, way in ways.items()
        if way["converged"] and way["error"] is not None and way["error"] <= ERROR
    }
    return min(good, key=lambda name: good[name]) if good else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ott-python", type=Path, help="Python of an environment that holds ott-jax")
    given = parser.parse_args()
    torch.set_num_threads(1)
    x, y = clouds()
    ways = {"aivc": ours, "POT sinkhorn": pot}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    errors: dict[str, float] = {}
    for _ in range(TURNS):
        for name, way in ways.items():
            begun = time.process_time()
            errors[name] = way(x, y)
            seconds[name].append(time.process_time() - begun)
    shortest = {name: round(min(each), 2) for name, each in seconds.items()}
    peer = ott_jax(x, y, given.ott_python)
    if peer and (best := fastest(peer["ways"])):
        shortest["OTT"], errors["OTT"] = peer["ways"][best]["cpu_s"], peer["ways"][best]["error"]
    command = LARGE.format(many=MANY, axes=AXES)
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    large = json.loads(done.stdout)
    ratio = round(shortest["aivc"] / min(each for name, each in shortest.items() if name != "aivc"), 3)
    results = {
        "command": COMMAND,
        "points": COUNT,
        "axes": AXES,
        "epsilon": EPSILON,
        "cpu_s": shortest,
        "error": {name: errors[name] for name in shortest},
        "OTT, every way": peer or "not installed",
        "versions": {name: version(name) for name in ("torch", "pot", "numpy")},
        "100,000 cells a side": large,
        "bars": [
            bar("4,000 × 4,000, beside the fastest other", ratio, 1.2),
            bar("100,000 a side, peak memory (MB)", large["peak_mb"], 4096),
        ],
    }
    OUT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


def bar(name: str, value: float, wanted: float) -> dict[str, object]:
    return {"name": name, "value": value, "bar": wanted, "better": "lower", "met": bool(value <= wanted)}


if __name__ == "__main__":
    main()
