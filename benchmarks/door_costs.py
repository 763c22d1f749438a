"""What the commands of a user cost: memory of a fit, processor time of a screen and of starting up, before and after.

The screen file is drawn here: 20,000 genes, 2,000 perturbations and 4 batches, 178 MB, of which few values are not 0.
Its genes are those of the catalog, so that `effect.v2` has knowledge of them. The virtual screen asks a cell that was
fitted on a smaller file of the same kind about every gene of the catalog. Every number is that of a process of its own;
"before" and "after" are two checkouts, the first given as an argument, and their answers are compared.

Files are drawn in processes of their own, too: a process starts with the peak memory of the one that began it.

Run: AIVC_DATA=… python benchmarks/door_costs.py BEFORE [--folds N] [--asked N] [--limit SECONDS] [--no-fit]
"""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from aivc.data.priors.gene_priors import gene_priors

RESULT = Path(__file__).parent / "results" / "door_costs.json"
SCHEMA = 'units = "counts"\nperturbation = "gene"\ncontrol = "NT"\nkind = "ko"\nbatch = "batch"\n'
GENES, PERTURBATIONS, CELLS, COUNTED, CONTROLS, BATCHES = 20_000, 2_000, 8, 340, 500, 4
RUNS = 3
# A child prints on its last line what it used; what it does is read from its arguments.
CHILD = """
import json, resource, sys
work, *words = sys.argv[1:]
if work == "fit":
    from aivc.data.io.read import read
    from aivc.data.io.schema import Schema
    from aivc.experiments.fitting.fit import fit
    from aivc.experiments.fitting.shared_fit import Recipe
    cells = read(words[0], Schema.from_toml(words[1]))
    # Only effect.v2 has a use for knowledge of genes.
    parts = "auto" if words[3] == "effect.v2" else None
    cell = fit(cells, words[3], parts=parts, recipe=Recipe(members=0, inner_folds=int(words[4])))
    cell.save(words[2])
    code = 0
else:
    from aivc.cli import main
    code = main(words)
used = resource.getrusage(resource.RUSAGE_SELF)
found = {"cpu_s": round(used.ru_utime + used.ru_stime, 2), "peak_mb": round(used.ru_maxrss / 1024)}
print("\\n" + json.dumps({**found, "code": code}))
"""


def names(count: int) -> np.ndarray:
    # A hyphen in a label could join two agents.
    known = [name for name in map(str, gene_priors().entities.index) if "-" not in name][:count]
    return np.array([*known, *(f"UNNAMED{i}" for i in range(count - len(known)))], dtype=object)


def write(file: Path, genes: int, perturbations: int, counted: int) -> None:
    """Draw cells; each perturbation raises how often 60 genes of its own are counted."""
    rng = np.random.default_rng(0)
    own = np.concatenate([np.repeat(np.arange(perturbations), CELLS * BATCHES), np.full(CONTROLS * BATCHES, -1)])
    share_f = np.cumsum(rng.beta(0.6, 2.0, genes))
    drawn_nk = np.searchsorted(share_f / share_f[-1], rng.random((len(own), counted))).clip(max=genes - 1)
    raised = rng.integers(0, genes, (perturbations, 60))[
        np.maximum(own, 0)[:, None], rng.integers(0, 60, drawn_nk.shape)
    ]
    drawn_nk = np.where((rng.random(drawn_nk.shape) < 0.08) & (own >= 0)[:, None], raised, drawn_nk).astype(np.int32)
    data, pointer = rng.geometric(0.6, drawn_nk.size).astype(np.float32), np.arange(len(own) + 1) * counted
    x_nf = sparse.csr_matrix((data, drawn_nk.ravel(), pointer), shape=(len(own), genes))
    x_nf.sum_duplicates()
    gene = names(genes)
    labels = np.where(own < 0, "NT", gene[np.maximum(own, 0)])
    obs = pd.DataFrame({"gene": labels, "batch": [f"b{i % BATCHES}" for i in range(len(own))]})
    obs.index = [f"c{i}" for i in range(len(own))]
    anndata.AnnData(x_nf, obs=obs, var=pd.DataFrame(index=gene)).write_h5ad(file)


def drawn(file: Path, *sizes: int) -> None:
    """Draw a file in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=write, args=(file, *sizes))
    process.start()
    process.join()
    assert process.exitcode == 0


def used(source: Path, *words: str, limit: float | None = None) -> dict[str, float]:
    """What a process used; of one that was ended at the limit, only that."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **one, "PYTHONPATH": str(source / "src")}
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired as ended:
        return {"ended_after_s": ended.timeout}
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found.pop("code") == 0, done.stdout
    return found


def quickest(source: Path, *words: str) -> dict[str, float]:
    """The least of a few runs: whatever else the machine does only adds to it."""
    return min((used(source, *words) for _ in range(RUNS)), key=lambda found: found["cpu_s"])


def apart(before: Path, after: Path) -> float:
    """Largest difference between numbers of two screens; everything else has to be equal."""
    one, two = (pd.read_csv(file).set_index("perturbation").sort_index() for file in (before, after))
    numbers = ["score", "low", "high"]
    assert one.drop(columns=numbers).equals(two.drop(columns=numbers))
    return float((one[numbers] - two[numbers]).abs().to_numpy().max())


def measure(source: Path, side: str, folder: Path, asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """All costs of one checkout."""
    large, small, schema = (str(folder / name) for name in ("large.h5ad", "small.h5ad", "schema.toml"))
    cell = str(folder / "cell")
    screened = folder / f"screen-{side}.csv"
    response = ["--response", ", ".join(names(2)), "--perturbations", str(folder / "asked.txt")]
    fitted, limit = str(folder / f"fit-{side}"), (asked.limit or None) if side == "before" else None
    fit = ("fit", large, schema, fitted, "mean-effect", str(asked.folds))
    return {
        "help": quickest(source, "run", "--help"),
        "check": quickest(source, "run", "data", "check", small, "--schema", schema),
        "predict": quickest(source, "run", "predict", cell, f"ko:{names(1)[0]}"),
        "screen": used(source, "run", "screen", cell, *response, "--out", str(screened)),
        **({} if asked.no_fit else {"fit": used(source, *fit, limit=limit)}),
    }


def bar(name: str, value: float, limit: float) -> dict[str, object]:
    return {"name": name, "value": value, "bar": limit, "better": "lower", "met": value <= limit}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("before", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--folds", type=int, default=5, help="inner folds of the fit; 0 for no calibration")
    parser.add_argument("--asked", type=int, default=0, help="genes to screen; 0 for all of the catalog")
    parser.add_argument(
        "--limit", type=float, default=0, help="seconds after which the fit of before is ended; 0: none"
    )
    parser.add_argument("--genes", type=int, default=GENES, help="of the large file")
    parser.add_argument("--no-fit", action="store_true", help="leave out the fit, which takes longest")
    asked = parser.parse_args()
    here, load = Path(__file__).parent.parent, os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not asked.no_fit:
            drawn(folder / "large.h5ad", asked.genes, PERTURBATIONS, COUNTED)
        drawn(folder / "small.h5ad", 3_000, 60, 200)
        (folder / "schema.toml").write_text(SCHEMA)
        genes = [str(name) for name in gene_priors().entities.index]
        genes = genes[:: max(len(genes) // asked.asked, 1)][: asked.asked] if asked.asked else genes
        (folder / "asked.txt").write_text("\n".join(genes))
        megabytes = None if asked.no_fit else round((folder / "large.h5ad").stat().st_size / 1e6)
        used(here, "fit", *(str(folder / each) for each in ("small.h5ad", "schema.toml", "cell")), "effect.v2", "5")
        sides = {"before": asked.before.resolve(), "after": here.resolve()}
        found = {side: measure(source, side, folder, asked) for side, source in sides.items()}
        difference = apart(*(folder / f"screen-{side}.csv" for side in sides))
    after = found["after"]
    bars = [
        *([] if asked.no_fit else [bar("peak memory of a fit, GB", after["fit"]["peak_mb"] / 1000, 3.0)]),
        # The bar is that of the whole catalog: of a part it would be met by asking less.
        *([] if asked.asked else [bar("processor seconds of a screen of all genes", after["screen"]["cpu_s"], 20.0)]),
        bar("largest difference of a score or an end of an interval", difference, 1e-12),
        *(bar(f"processor seconds of {each}", after[each]["cpu_s"], 1.0) for each in ("help", "check", "predict")),
    ]
    body = {
        "command": "AIVC_DATA=… python benchmarks/door_costs.py BEFORE " + " ".join(sys.argv[2:]),
        "file": {"genes": asked.genes, "perturbations": PERTURBATIONS, "batches": BATCHES, "megabytes": megabytes},
        "inner_folds": asked.folds,
        "asked": len(genes),
        **found,
        "bars": bars,
        "cpus": os.cpu_count(),
        "load": dict(zip(("begin", "end"), (round(each, 1) for each in (load, os.getloadavg()[0])), strict=True)),
        "versions": {"python": platform.python_version(), **{each: version(each) for each in ("numpy", "scipy")}},
    }
    RESULT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(bars, indent=1))


if __name__ == "__main__":
    main()
