"""moscot between two times: `PYTHON benchmarks/peers/moscot_time.py DIR OUT [NAMES]`, where moscot is.

Each `*.npz` of DIR is a problem that `time_problems.py` has laid: cells of two times, and what is asked of the
plan between them, either cells at a fraction of the way or the mass that goes to each kind. `settings.json` beside
them lists what is tried on each. OUT receives the answers, and what every plan took and whether it converged.
"""

import os
import sys
import time
import warnings

import plans  # isort: skip, as exchange takes this folder off the path
import exchange

exchange.single_thread()
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import json  # noqa: E402
import logging  # noqa: E402
from pathlib import Path  # noqa: E402

import anndata  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from moscot.problems.time import TemporalProblem  # noqa: E402

PACKAGES = ["moscot", "ott-jax", "jax", "jaxlib", "numpy", "anndata", "scanpy"]


def main(folder, out, only=""):
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    # moscot compiles anew for every solve; kept on disk, what is compiled for a problem serves all of its settings.
    jax.config.update("jax_compilation_cache_dir", str(out / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    settings = json.loads((folder / "settings.json").read_text())
    book = exchange.Book(f"moscot {only}".strip(), out, PACKAGES)
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob(f"{only}*.npz")):
        held, said = dict(np.load(path, allow_pickle=False)), {}
        # The quick ones first: one of them is done twice, for what compiling took.
        for number, setting in reversed(list(enumerate(settings))):
            if setting["growth"] and "log_counts" not in held:  # A growth prior takes genes.
                continue
            began = time.process_time()
            plan, about = planned(held, setting)
            spent = round(time.process_time() - began, 3)
            if not said:
                began = time.process_time()
                planned(held, setting)
                about["with_compiling_cpu_s"], spent = spent, round(time.process_time() - began, 3)
            book.fold(path.stem, setting=number, cpu_s=spent, **about)
            for name, answer in answers(held, plan, setting).items():
                said[f"{number}.{name}"] = answer
        np.savez_compressed(out / path.name, **said)
    book.close()


def planned(held, setting):
    """The plan of two times as an array of float64, and what is to be said of it."""
    obs = pd.DataFrame({"time": pd.Categorical(held["time"].astype(float))})
    obs.index = obs.index.astype(str)
    table = anndata.AnnData(held.get("log_counts", held["x"]).astype(np.float32), obs=obs)
    if "features" in held:
        table.var_names = held["features"].astype(str)
    table.obsm["X_asked"] = held["x"].astype(np.float32)
    problem = TemporalProblem(table)
    if setting["growth"]:
        problem = problem.score_genes_for_marginals(
            gene_set_proliferation="mouse", gene_set_apoptosis="mouse", use_raw=False
        )
    # Without a joint attribute moscot takes thirty principal components of the expression of the two times.
    joint = None if "local_pca" in held else "X_asked"
    problem = problem.prepare("time", joint_attr=joint)
    problem = problem.solve(
        epsilon=setting["epsilon"], tau_a=setting["tau_a"], tau_b=setting["tau_b"], scale_cost="mean"
    )
    (solved,) = problem.solutions.values()
    (given,) = problem.problems.values()
    plan = np.asarray(solved.transport_matrix, dtype=np.float64)
    about = {"converged": bool(solved.converged), "rounds": rounds(solved)}
    if setting["tau_a"] == setting["tau_b"] == 1:
        about["error"] = plans.off(plan, np.asarray(given.a), np.asarray(given.b))
    return plan, about | {"finite": bool(np.isfinite(plan).all())}


def rounds(solved):
    """How many rounds a solver did; it looks at its error every ten."""
    return int((np.asarray(solved._output.errors) > -1).sum() * 10)


def answers(held, plan, setting):
    """What is asked: cells on the way, or for each cell of the first time the share of its mass that each kind gets."""
    time_n = held["time"]
    first, last = time_n == time_n.min(), time_n == time_n.max()
    if not np.isfinite(plan).all() or not plan.sum() > 0:
        return {}
    if "fraction" not in held:
        share = plan / np.maximum(plan.sum(axis=1, keepdims=True), 1e-300)
        return {"mass": np.stack([share[:, held["kind"][last] == each].sum(axis=1) for each in held["kinds"]], axis=1)}
    fraction, x_first, x_last = float(held["fraction"]), held["x"][first], held["x"][last]
    said = {"points": plans.between(plan, x_first, x_last, fraction)}
    if setting["tau_b"] < 1:
        said["points, unbalancedness"] = plans.between(plans.unbalanced(plan, fraction), x_first, x_last, fraction)
    return said


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
