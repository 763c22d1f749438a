"""How fast scVI trains and embeds, for `cell_speed.py`; run by the Python of an environment that holds scvi-tools.

Run: PYTHON benchmarks/peers/scvi_speed.py CELLS.npz EPOCHS MOST_SECONDS
"""

import json
import logging
import resource
import sys
import time
import warnings

import anndata
import numpy as np
import pandas as pd
import scvi
import torch
from scipy import sparse


def peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(file: str, epochs: int, most: float) -> None:
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    held = np.load(file, allow_pickle=False)
    x_nf = sparse.csr_matrix((held["data"], held["indices"], held["indptr"]), shape=tuple(held["shape"]))
    table = anndata.AnnData(
        x_nf, obs=pd.DataFrame({"batch": held["batch"]}).set_index(np.arange(len(held["batch"])).astype(str))
    )
    loaded = peak_mb()
    scvi.settings.seed = 0
    scvi.model.SCVI.setup_anndata(table, batch_key="batch")

    def trained(rounds: int) -> tuple[scvi.model.SCVI, float]:
        model = scvi.model.SCVI(table, n_latent=32, n_hidden=128, n_layers=1, gene_likelihood="nb")
        started = time.process_time()
        model.train(
            max_epochs=rounds, batch_size=128, train_size=1.0, accelerator="cpu", devices=1, enable_progress_bar=False,
            logger=False, enable_checkpointing=False,
        )  # fmt: skip
        return model, time.process_time() - started

    started = time.monotonic()
    trained(1)
    whole = (time.monotonic() - started) * epochs < most
    rounds = epochs if whole else 3
    model, seconds = trained(rounds)
    answer = {"train_cells_per_second": rounds * len(table) / seconds}
    answer |= {"seconds": seconds * epochs / rounds, "extrapolated": not whole, "batch": 128}
    trained_mb, started = peak_mb(), time.process_time()
    model.get_latent_representation(table, batch_size=2048)
    answer["embed_cells_per_second"] = len(table) / (time.process_time() - started)
    answer |= {"loaded_mb": loaded, "train_mb": trained_mb, "peak_mb": peak_mb(), "version": scvi.__version__}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
