"""How long OTT takes to couple two clouds: `PYTHON benchmarks/peers/ott_speed.py CLOUDS.npz EPSILON ERROR TURNS`.

For `transport_speed.py`; run by the Python of an environment that holds ott-jax. Each way of solving that OTT has for
such a problem is run, the first time with compiling; the error is that of the plan it returns, both sides together.
"""

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import json  # noqa: E402
import resource  # noqa: E402
import time  # noqa: E402
from importlib.metadata import version  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from ott.geometry import geometry  # noqa: E402
from ott.problems.linear import linear_problem  # noqa: E402
from ott.solvers.linear import sinkhorn  # noqa: E402

# Logarithms are OTT's default. Without them a kernel of so small an epsilon needs double precision: in single, whole
# rows of it are zero, where the nearest point is farther than 0.87 of the mean cost.
WAYS = {
    "logarithms, single precision": {"lse": True, "double": False},
    "kernel, double precision": {"lse": False, "double": True},
}


def main(file, epsilon, error, turns):
    held, found = dict(np.load(file, allow_pickle=False)), {}
    for name, way in WAYS.items():
        with jax.enable_x64(way["double"]):
            found[name] = measured(held["x"], held["y"], way, epsilon, error, turns)
            print(name, found[name], file=sys.stderr, flush=True)
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    versions = {package: version(package) for package in ("ott-jax", "jax", "jaxlib", "numpy")}
    print(json.dumps({"ways": found, "peak_mb_of_all": peak, "versions": versions}))


def measured(x, y, way, epsilon, error, turns):
    """CPU seconds of the first call and the shortest of later ones, and what the plan is like."""
    kind = np.float64 if way["double"] else np.float32
    x, y = jnp.asarray(x, dtype=kind), jnp.asarray(y, dtype=kind)
    solver = sinkhorn.Sinkhorn(lse_mode=way["lse"], threshold=error, max_iterations=5000)

    @jax.jit
    def solve(x, y):
        # The cost as a matrix, which OTT's clouds of points would make anew in every round.
        cost = jnp.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0)
        asked = geometry.Geometry(cost, epsilon=epsilon, scale_cost="mean")
        out = solver(linear_problem.LinearProblem(asked))
        return out.matrix, out.converged, out.n_iters

    spent = []
    for _ in range(turns + 1):
        began = time.process_time()
        plan, converged, rounds = jax.block_until_ready(solve(x, y))
        spent.append(time.process_time() - began)
    plan = np.asarray(plan, dtype=np.float64)
    apart = sum(float(np.abs(plan.sum(axis=i) - 1 / plan.shape[1 - i]).sum()) for i in (0, 1))
    return {
        "cpu_s": round(min(spent[1:]), 2),
        "compile_cpu_s": round(spent[0] - min(spent[1:]), 2),
        "rounds": int(rounds),
        "converged": bool(converged),
        "error": apart if np.isfinite(apart) else None,
    }


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
