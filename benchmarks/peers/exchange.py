"""What the adapters of peers share: read an export, write predicted cells, say what it cost. Needs numpy and anndata.

An adapter runs in its peer's environment, `PEER/bin/python benchmarks/peers/PEER.py DIR OUT`. DIR is a benchmark's
export with the arrays of `export_npz.py`; OUT receives `PEER.h5ad` (predicted cells) and `PEER.cost.json`.
"""

import json
import os
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np

# The adapters are named like the packages they import; those must be found in the environment, not here.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

CONTROL = "control"
CELLS = 200
BEGAN = time.perf_counter()


def single_thread():
    """One thread, whatever the library; called before numpy's friends are imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = "1"


def exports(folder):
    """Each fold: its number and what it gives."""
    for path in sorted(Path(folder).glob("fold-*")):
        yield int(path.name.removeprefix("fold-")), export(path / "export.npz")


def export(path):
    """Cells, labels, questions and knowledge of one fold.

    `counts` and `x` are (cells, genes), x being log1p(count * total / the cell's count), total that of the units of
    profiles; `known` gives each perturbation's numbers, `terms` each gene's terms of GO.
    """
    from scipy import sparse

    held = dict(np.load(path, allow_pickle=False))
    counts = sparse.csr_matrix((held["data"], held["indices"], held["indptr"]), shape=tuple(held["shape"]))
    counts = counts.toarray().astype(np.float32)
    depth = counts.sum(axis=1, keepdims=True)
    controls = held["cell_perturbation"] == CONTROL
    total = float(held["total"])
    known = held.get("knowledge", np.zeros((len(held["perturbations"]), 0), dtype=np.float32))
    cells = {name.removeprefix("cell_"): held[name].astype(str) for name in held if name.startswith("cell_")}
    asked = {name.removeprefix("asked_"): held[name].astype(str) for name in held if name.startswith("asked_")}
    # Where a donor or a batch is asked about, it is part of the context that a model is given.
    where = [name for name in ("context", "donor", "batch") if name in asked]
    terms = {}
    for gene, term in held["terms"]:
        terms.setdefault(str(gene), set()).add(str(term))
    return SimpleNamespace(
        counts=counts,
        depth=depth[:, 0],
        total=total,
        x=np.log1p(counts * total / np.maximum(depth, 1)).astype(np.float32),
        features=held["features"].astype(str),
        controls=np.flatnonzero(controls),
        perturbation=cells["perturbation"],
        context=np.array([" | ".join(values) for values in zip(*(cells[name] for name in where), strict=True)]),
        asked=asked,
        known=dict(zip(held["perturbations"].astype(str), known, strict=True)),
        targets=dict(zip(held["perturbations"].astype(str), held["targets"].astype(str), strict=True)),
        terms=terms,
    )


def scaled(known):
    """Knowledge times one number, so that a value is about 1; as it comes, that of a target has length 1 to 2."""
    size = np.sqrt(np.mean([np.square(values) for values in known.values()]))
    return {name: values / size for name, values in known.items()}


def context_of(question):
    """The context that a question is about, as in `context` of an export."""
    return " | ".join(question[name] for name in ("context", "donor", "batch") if name in question)


def starts(given, question, most=1200, seed=0):
    """Rows of the control cells of a question's context that predictions begin from: all, or that many at random."""
    rows = given.controls[given.context[given.controls] == context_of(question)]
    return np.sort(np.random.default_rng(seed).choice(rows, min(most, len(rows)), replace=False))


def settled(x_nf, seed=0):
    """A few of many predicted cells, none below 0, moved so that their mean is the mean of all as they were predicted.

    Cutting off what is below 0 would raise the mean: a gene that few cells express could not be predicted to fall.
    """
    rows = np.random.default_rng(seed).choice(len(x_nf), min(CELLS, len(x_nf)), replace=False)
    few_nf = np.maximum(x_nf[rows], 0)
    return moved(few_nf, x_nf.mean(axis=0) - few_nf.mean(axis=0))


def moved(x_nf, effect_f):
    """Cells whose mean is moved gene by gene: scaled down where it falls, shifted up where it rises; none below 0."""
    mean_f = x_nf.mean(axis=0)
    wanted_f = np.maximum(mean_f + effect_f, 0)
    scale_f = np.where(wanted_f < mean_f, wanted_f / np.maximum(mean_f, 1e-12), 1)
    return x_nf * scale_f + np.maximum(wanted_f - mean_f, 0)


class Book:
    """Predicted cells of all questions, and what they cost."""

    def __init__(self, name, out, packages, **about):
        self.name, self.out, self.rows, self.values = name, Path(out), [], []
        self.cost = {"method": name, "versions": {package: version(package) for package in packages}, **about}
        self.cost |= {"python": sys.version.split()[0], "threads": 1, "folds": []}
        self.cost["command"] = " ".join(
            [f"benchmarks/peers/{Path(sys.argv[0]).name}", *(Path(each).name for each in sys.argv[1:])]
        )

    def add(self, fold, question, x_nf):
        """Keep cells, in log1p of counts per `total`, as the answer to one question; `settled` makes them few."""
        if not np.isfinite(x_nf).all():
            raise SystemExit(f"{self.name} answered {question} of fold {fold} with values that are not finite.")
        x_nf = settled(x_nf)
        self.values.append(x_nf.astype(np.float32))
        self.rows += [{"fold": fold, **question}] * len(x_nf)

    def fold(self, number, **answer):
        """Note what a fold took."""
        self.cost["folds"].append({"fold": number, **answer})
        print(f"{self.name} fold {number}: {answer}", flush=True)

    def write(self, features, total):
        """Write the predictions, and the cost, which counts from the start of the process, imports included."""
        import anndata
        import pandas as pd

        obs = pd.DataFrame(self.rows).set_index(np.arange(len(self.rows)).astype(str))
        cells = anndata.AnnData(np.concatenate(self.values), obs=obs, var=pd.DataFrame(index=features))
        cells.uns["units"] = f"log1p_cp{total:g}"
        self.out.mkdir(parents=True, exist_ok=True)
        cells.write_h5ad(self.out / f"{self.name}.h5ad")
        self.close()

    def close(self):
        """Write the cost alone."""
        self.out.mkdir(parents=True, exist_ok=True)
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        self.cost |= {
            "wall_s": round(time.perf_counter() - BEGAN, 1),
            "cpu_s": round(sum(each.ru_utime + each.ru_stime for each in (own, children)), 1),
            "peak_mb": round(max(own.ru_maxrss, children.ru_maxrss) / 1024),
        }
        (self.out / f"{self.name}.cost.json").write_text(json.dumps(self.cost, indent=1) + "\n")
        print(json.dumps({key: self.cost[key] for key in ("wall_s", "cpu_s", "peak_mb")}))


def questions(given):
    """Each question as a dictionary of its columns but the fold."""
    names = [name for name in given.asked if name != "fold"]
    rows = zip(*(given.asked[name] for name in names), strict=True)
    return [dict(zip(names, values, strict=True)) for values in rows]
