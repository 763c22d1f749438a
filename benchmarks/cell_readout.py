"""Predict proteins, open chromatin and phenotypes of held-out donors, batches and clones from the RNA of their cells.

Beside `cell-readout` on the states of `ppca`: ridge on all genes, kernel ridge and 15 nearest neighbours on the same
states, and the mean of the true cell type, which no method is given. Intervals of the others are what is usual: as
wide as the error on a fifth of the training cells, drawn at random. And does an embedding made by others, as one more
expert, help to name the cells held out?

Run: AIVC_DATA=FOLDER python benchmarks/cell_readout.py
"""

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from missing_modality import Probe, eccite, macro_f1, mosaic, of, ridge
from scipy import sparse
from scipy.spatial.distance import cdist

from aivc.core.measurement import Measurement
from aivc.data.io.obsm import load_obsm
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.instruments.decoders.cell_readout import CellReadout
from aivc.instruments.decoders.kernel_readout import KernelReadout
from aivc.representations.cellular.multimodal import PPCAExperts, join
from aivc.representations.cellular.ppca import PPCA

DATA = Path(os.environ["AIVC_DATA"])
RESULT = Path(__file__).parent / "results" / "cell_readout.json"
DIM, NEIGHBOURS, LEVEL, FOLDS, GENES = 32, 15, 0.9, 3, 1000


def main() -> None:
    started = time.perf_counter()
    readouts, external = {}, {}
    tasks = {
        "RNA to protein, PBMC mosaic, new donor": mosaic_folds,
        "RNA to protein, ECCITE, halves of one donor": eccite_folds,
        "RNA to accessibility, SNARE-seq, new batches": accessible_folds,
        "RNA to open or not, SNARE-seq, new batches": open_folds,
        "RNA to day, LARRY, new clones": larry_folds,
        "RNA to panobinostat or not, glioblastoma, new patient": glioblastoma_folds,
    }
    for done, chosen, ask in ((external, EXTERNAL, named), (readouts, tasks, compared)):
        for name, folds in chosen.items():
            done[name] = mean_of([ask(*fold) for fold in folds()])
            print(name, json.dumps(done[name]), f"{time.perf_counter() - started:.0f} s", flush=True)
            written(readouts, external, time.perf_counter() - started)


def written(readouts: dict, external: dict, seconds: float) -> None:
    report = {
        "command": "AIVC_DATA=FOLDER python benchmarks/cell_readout.py",
        "dim": DIM,
        "level": LEVEL,
        "seconds": round(seconds, 1),
        "readouts": readouts,
        "external embedding: macro F1 of held-out cells": {
            "note": "The embeddings were computed by others from all cells, those held out among them.",
            **external,
        },
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "anndata")},
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def compared(
    rna: Measurement, readout: Measurement, test_rna: Measurement, test_readout: Measurement
) -> dict[str, object]:
    """Correlation, coverage and width of each method on the test cells; everything fitted on the training cells."""
    units = profile_units(readout)
    y_nf, truth_nf = normalize(readout, units).dense(), normalize(test_readout, units).dense()
    encoder = PPCA.fit(rna, dim=DIM)
    ur, asked = encoder.encode(rna), encoder.encode(test_rna)
    begun = time.perf_counter()
    ours = CellReadout.fit(ur, readout)
    seconds = time.perf_counter() - begun
    said = ours.intervals(asked, LEVEL)
    found = {"cell-readout": scored(truth_nf, said.mean, said.low, said.high)}
    genes_nf, test_nf = (normalize(part, profile_units(rna)).dense() for part in (rna, test_rna))
    labels, asked_labels = rna.contexts, test_rna.contexts
    methods = {
        "ridge on genes": lambda rows, x: ridge(genes_nf[rows], y_nf[rows], test_nf if x is None else genes_nf[x]),
        "kernel ridge": lambda rows, x: kernel_ridge(
            ur.take(rows),
            readout.replace(values=y_nf, units="arbitrary").take(rows),
            asked if x is None else ur.take(x),
        ),
        "nearest neighbours": lambda rows, x: nearest(
            ur.values[rows], y_nf[rows], asked.values if x is None else ur.values[x]
        ),
        "mean of the training cells": lambda rows, x: np.tile(
            y_nf[rows].mean(axis=0), (len(asked) if x is None else len(x), 1)
        ),
    }
    if len(np.unique(labels)) > 1:
        methods["mean of the true cell type"] = lambda rows, x: by_label(
            labels[rows], y_nf[rows], asked_labels if x is None else labels[x]
        )
    order = np.random.default_rng(0).permutation(len(rna))
    rows, kept = np.sort(order[len(order) // 5 :]), np.sort(order[: len(order) // 5])
    for name, method in methods.items():
        half_f = np.quantile(np.abs(method(rows, kept) - y_nf[kept]), LEVEL, axis=0, method="higher")
        guess_nf = method(rows, None)
        low_nf, high_nf = (np.clip(guess_nf + sign * half_f, *ours.bounds) for sign in (-1, 1))
        found[name] = scored(truth_nf, guess_nf, low_nf, high_nf)
    left = {"fitted in seconds": round(seconds, 2), "curved": float(ours.kernel != "linear")}
    return {"cells": len(asked), "readouts": len(readout.features), **left, **found}


def scored(truth_nf: np.ndarray, guess_nf: np.ndarray, low_nf: np.ndarray, high_nf: np.ndarray) -> dict[str, float]:
    """Correlation, error relative to the variance, coverage, and width in standard deviations of the test cells."""
    varied = truth_nf.std(axis=0) > 0
    truth_nf, guess_nf, low_nf, high_nf = (item[:, varied] for item in (truth_nf, guess_nf, low_nf, high_nf))
    apart, off = truth_nf - truth_nf.mean(axis=0), guess_nf - guess_nf.mean(axis=0)
    size = np.linalg.norm(apart, axis=0) * np.linalg.norm(off, axis=0)
    r = np.where(size > 1e-9, (apart * off).sum(axis=0) / np.maximum(size, 1e-12), 0.0)
    inside = ((low_nf <= truth_nf) & (truth_nf <= high_nf)).mean(axis=0)
    spread = truth_nf.std(axis=0)
    return {
        "r": float(r.mean()),
        "median r": float(np.median(r)),
        "relative squared error": float((((truth_nf - guess_nf) ** 2).mean(axis=0) / spread**2).mean()),
        "coverage90": float(inside.mean()),
        "coverage90 worst readout": float(inside.min()),
        "width in SD": float(((high_nf - low_nf).mean(axis=0) / spread).mean()),
    }


def kernel_ridge(ur, measurement, asked):
    return KernelReadout.cross_fit(ur, measurement, kernels=("gaussian",), landmarks=300).decoder.predict(asked)[0]


def nearest(z_nd, y_nf, asked_nd):
    near = np.concatenate(
        [
            cdist(part, z_nd).argsort(axis=1)[:, :NEIGHBOURS]
            for part in np.array_split(asked_nd, len(asked_nd) // 500 + 1)
        ]
    )
    return y_nf[near].mean(axis=1)


def by_label(labels, y_nf, asked):
    means = {label: y_nf[labels == label].mean(axis=0) for label in np.unique(labels)}
    return np.array([means.get(label, y_nf.mean(axis=0)) for label in asked])


def aligned(measurement: Measurement, like: Measurement) -> Measurement:
    return measurement.take(measurement.entities.index.get_indexer(like.entities.index))


def dealt(rna: Measurement, readout: Measurement, groups: np.ndarray, folds: int = FOLDS):
    """Whole groups in or out of training, the largest dealt first."""
    size = pd.Series(groups).value_counts()
    fold_n = pd.Series(groups).map({name: i % folds for i, name in enumerate(size.index)}).to_numpy()
    for fold in range(folds):
        yield tuple(part.take(side) for side in (fold_n != fold, fold_n == fold) for part in (rna, readout))


def mosaic_folds():
    cells = mosaic()
    for new, old in (("p3_0", "p4_0"), ("p4_0", "p3_0")):
        pairs = [(of(cells["rna"], [donor]), of(cells["protein"], [donor])) for donor in (old, new)]
        yield tuple(part for rna, protein in pairs for part in (rna, aligned(protein, rna)))


def eccite_folds():
    cells = eccite()
    for seed in range(3):
        yield from list(dealt(cells["rna"], cells["protein"], np.random.default_rng(seed).permutation(500) % 2, 2))[:1]


def snareseq(most: int = 2000):
    """Cells with a type, and fragments per gene: those of all regions that the map links to it."""
    rna, atac = (anndata.read_h5ad(DATA / "D" / f"chen2019_snareseq_{kind}_dev.h5ad") for kind in ("rna", "atac"))
    # The map of genes and regions is a CSR matrix in its parts.
    with np.load(DATA / "D" / "chen2019_snareseq_gene_by_region_map.npz") as parts:
        linked = sparse.csr_matrix((parts["data"], parts["indices"], parts["indptr"]), tuple(parts["shape"]))
    fragments = sparse.csr_matrix(sparse.csr_matrix(atac[rna.obs_names].X, dtype=np.float32) @ linked.T)
    sound = (np.asarray(fragments.sum(axis=1)).ravel() > 0) & (np.asarray(rna.X.sum(axis=1)).ravel() > 0)
    sound = np.flatnonzero(sound & (rna.obs["Ident"] != "Mis").to_numpy())
    rows = np.sort(np.random.default_rng(0).permutation(sound)[:most])
    entities = pd.DataFrame(
        {"batch": rna.obs["Batch"].astype(str), "context": rna.obs["Ident"].astype(str)}, index=rna.obs_names
    ).iloc[rows]
    names = np.array(rna.var_names, dtype=object)
    counts = Measurement(sparse.csr_matrix(rna.X[rows], dtype=np.float32), names, entities, "counts")
    return counts, Measurement(fragments[rows], names, entities, "counts", "chromatin")


def accessible_folds():
    rna, fragments = snareseq()
    shares = normalize(fragments, profile_units(fragments))
    yield from dealt(rna, shares.select(widest(fragments)), rna.entities["batch"].to_numpy())


def open_folds():
    rna, fragments = snareseq()
    some = fragments.select(widest(fragments))
    is_open = some.replace(values=(some.dense() > 0).astype(float), units="arbitrary")
    yield from dealt(rna, is_open, rna.entities["batch"].to_numpy())


def widest(fragments: Measurement, most: int = 100) -> np.ndarray:
    found_in = np.asarray((fragments.values > 0).sum(axis=0)).ravel()
    return fragments.features[np.sort(np.argsort(-found_in, kind="stable")[:most])]


def larry():
    cells = anndata.read_h5ad(DATA / "C" / "larry_hematopoiesis_clones_781cells.h5ad")
    clones = load_obsm(cells, "X_clone").values.argmax(axis=1).astype(str)
    entities = pd.DataFrame({"context": cells.obs["state_info"].astype(str), "donor": clones}, index=cells.obs_names)
    # Each cell sums to 10,000 already.
    values = np.log1p(np.asarray(cells.X.todense() if sparse.issparse(cells.X) else cells.X))
    rna = Measurement(values, np.array(cells.var_names, dtype=object), entities, "log1p_cp10k")
    return rna, cells


def larry_folds():
    rna, cells = larry()
    day = cells.obs["time_info"].astype(float).to_numpy()[:, None]
    readout = Measurement(day, np.array(["day"], dtype=object), rna.entities, "arbitrary", "phenotype")
    yield from dealt(rna, readout, rna.entities["donor"].to_numpy())


def glioblastoma_folds(most: int = 3000):
    cells = anndata.read_h5ad(DATA / "B" / "zhao2021_glioblastoma_panobinostat.h5ad")
    cells = cells[np.sort(np.random.default_rng(0).permutation(cells.n_obs)[:most])]
    donors = cells.obs["patient_id"].astype(str).to_numpy()
    entities = pd.DataFrame({"donor": donors}, index=cells.obs_names)
    values = sparse.csr_matrix(cells.X)
    treated = (cells.obs["condition"].astype(str) == "panobinostat").to_numpy(float)[:, None]
    rna = Measurement(values, np.array(cells.var_names, dtype=object), entities, "counts")
    rna = rna.take(np.asarray(values.sum(axis=1)).ravel() > 0)
    names = np.array(["treated"], dtype=object)
    readout = Measurement(treated, names, entities, "arbitrary", "phenotype")
    yield from dealt(rna, aligned(readout, rna), rna.entities["donor"].to_numpy(), 4)


def paul_named():
    cells = anndata.read_h5ad(DATA / "C" / "paul2015_mouse_haematopoiesis_2660cells.h5ad")
    most = np.sort(np.argsort(-np.asarray((cells.X > 0).sum(axis=0)).ravel(), kind="stable")[:GENES])
    entities = pd.DataFrame({"context": cells.obs["celltype"].astype(str)}, index=cells.obs_names)
    names = np.array(cells.var_names[most], dtype=object)
    rna = Measurement(sparse.csr_matrix(cells.X[:, most], dtype=np.float32), names, entities, "counts")
    cells.obsm["X_umap"] = cells.obs[["UMAP1", "UMAP2"]].to_numpy(float)
    yield from dealt(rna, load_obsm(cells, "X_umap"), cells.obs["Amp_batch_ID"].astype(str).to_numpy())


def larry_named(key):
    def folds():
        rna, cells = larry()
        common = rna.entities["context"].map(rna.entities["context"].value_counts()).to_numpy() >= 40
        embedding = load_obsm(cells, key)
        yield from dealt(rna.take(common), embedding.take(common), rna.entities["donor"].to_numpy()[common])

    return folds


def pancreas_named():
    cells = anndata.read_h5ad(DATA / "C" / "bastidas2019_pancreas_velocity_739cells.h5ad")
    most = np.sort(np.argsort(-np.asarray((cells.X > 0).sum(axis=0)).ravel(), kind="stable")[:GENES])
    entities = pd.DataFrame({"context": cells.obs["clusters"].astype(str)}, index=cells.obs_names)
    names = np.array(cells.var_names[most], dtype=object)
    rna = Measurement(sparse.csr_matrix(cells.X[:, most], dtype=np.float32), names, entities, "counts")
    # There is one batch only.
    yield from dealt(rna, load_obsm(cells, "X_pca"), np.random.default_rng(0).permutation(len(rna)) % 3)


EXTERNAL = {
    "Paul 2015, UMAP, new batches": paul_named,
    "LARRY, PCA, new clones": larry_named("X_pca"),
    "LARRY, UMAP, new clones": larry_named("X_umap"),
    "pancreas, PCA, new cells": pancreas_named,
}


def named(
    rna: Measurement, embedding: Measurement, test_rna: Measurement, test_embedding: Measurement
) -> dict[str, float]:
    """Macro F1 of one probe for each way to have, or not to have, the embedding."""
    both, test_both = join(rna, embedding), join(test_rna, test_embedding)
    alone, joint = PPCAExperts.fit(rna, dim=DIM), PPCAExperts.fit(both, dim=DIM)
    truth = test_rna.contexts

    def probed(encoder: PPCAExperts, train: Measurement, *tests: Measurement) -> list[float]:
        probe = Probe(encoder.encode(train).values, rna.contexts)
        return [macro_f1(truth, probe.labels(encoder.encode(test).values)) for test in tests]

    width = {key: float(np.sqrt(joint.encode(x).variance).mean()) for key, x in (("with", test_both), ("", test_rna))}
    with_it, without = probed(joint, both, test_both, test_rna)
    return {
        "RNA only": probed(alone, rna, test_rna)[0],
        "RNA and embedding": with_it,
        "fitted with the embedding, asked without": without,
        "the embedding alone": macro_f1(truth, Probe(embedding.values, rna.contexts).labels(test_embedding.values)),
        "posterior SD with the embedding": width["with"],
        "posterior SD without": width[""],
    }


def mean_of(folds: list) -> object:
    first = folds[0]
    if isinstance(first, dict):
        return {name: mean_of([fold[name] for fold in folds]) for name in first}
    return round(float(np.mean(folds)), 4)


if __name__ == "__main__":
    main()
