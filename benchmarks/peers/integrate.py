"""Embed cells with a peer: `PEER/bin/python benchmarks/peers/integrate.py METHOD IN.npz OUT.npz`, in its environment.

METHOD is `scvi` (scvi-tools), `harmony` (harmonypy) or `scib` (scib-metrics, which scores instead). IN.npz is written
by `benchmarks/integration.py`; OUT.npz holds the states and the seconds, and is read by it again. A fourth word, as
`whole`, leaves out the fits without some batches.
"""

import json
import sys
import time
import warnings

import numpy as np

DIM = 32


def main():
    warnings.simplefilter("ignore")
    method, source, target, *whole = sys.argv[1:]
    given = dict(np.load(source, allow_pickle=False))
    if whole:
        given["fold"] = np.zeros(0)
    np.savez(target, **{"scvi": scvi, "harmony": harmony, "scib": scib}[method](given))


def scvi(given):
    """States of all cells from a fit on all, and, fold by fold, from a fit on the other batches."""
    import anndata
    import scvi as tools
    from scipy import sparse

    tools.settings.verbosity = 30
    tools.settings.num_threads = 1
    counts = sparse.csr_matrix((given["data"], given["indices"], given["indptr"]), shape=tuple(given["shape"]))
    epochs = int(given["epochs"])

    def embedded(train_n):
        started = time.perf_counter()
        tools.settings.seed = 0
        cells = anndata.AnnData(counts[train_n].copy())
        cells.obs["batch"] = given["batch"][train_n].astype(str)
        tools.model.SCVI.setup_anndata(cells, batch_key="batch")
        model = tools.model.SCVI(cells, n_latent=DIM)
        bar = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
        model.train(max_epochs=epochs, accelerator="cpu", **bar)
        # Its encoder reads no batch: cells of an unseen one are given any, and embedded by their counts alone.
        every = anndata.AnnData(counts.copy())
        every.obs["batch"] = np.where(train_n, given["batch"].astype(str), str(cells.obs["batch"].iloc[0]))
        return model.get_latent_representation(every), time.perf_counter() - started

    fold_n = given["fold"]
    z_nd, seconds = embedded(np.ones(len(given["batch"]), dtype=bool))
    found = {"all": z_nd, "seconds": seconds, "epochs": epochs}
    for fold in np.unique(fold_n):
        found[f"fold {fold}"] = embedded(fold_n != fold)[0]
    return found


def harmony(given):
    import harmonypy
    import pandas as pd

    started = time.perf_counter()
    table = pd.DataFrame({"batch": given["batch"].astype(str)})
    fitted = harmonypy.run_harmony(given["pca"].astype(float), table, ["batch"], random_state=0)
    z_nd = np.asarray(fitted.Z_corr)
    return {"all": z_nd if len(z_nd) == len(table) else z_nd.T, "seconds": time.perf_counter() - started}


def scib(given):
    """Scores of scib-metrics itself, metric by metric, on exact neighbours."""
    import scib_metrics as sm
    from scib_metrics.nearest_neighbors import NeighborsResults
    from sklearn.neighbors import NearestNeighbors

    x_nd, label, batch = given["embedding"], given["label"].astype(str), given["batch"].astype(str)
    started = time.perf_counter()
    far, rows = NearestNeighbors(n_neighbors=90, algorithm="brute").fit(x_nd).kneighbors(x_nd)
    near = NeighborsResults(indices=rows, distances=far)
    agreement = sm.nmi_ari_cluster_labels_kmeans(x_nd, label)
    answer = {
        "isolated labels": sm.isolated_labels(x_nd, label, batch),
        "k-means NMI": agreement["nmi"],
        "k-means ARI": agreement["ari"],
        "silhouette label": sm.silhouette_label(x_nd, label),
        "cLISI": sm.clisi_knn(near, label),
        "BRAS": sm.metrics.bras(x_nd, label, batch) if hasattr(sm, "metrics") else sm.bras(x_nd, label, batch),
        "iLISI": sm.ilisi_knn(near, batch),
        "kBET": sm.kbet_per_label(near.subset_neighbors(n=50), batch, label),
        "graph connectivity": sm.graph_connectivity(near.subset_neighbors(n=15), label),
        "PCR comparison": sm.pcr_comparison(given["before"], x_nd, batch, categorical=True),
    }
    print(json.dumps({name: float(score) for name, score in answer.items()}), flush=True)
    return {name: float(score) for name, score in answer.items()} | {"seconds": time.perf_counter() - started}


if __name__ == "__main__":
    main()
