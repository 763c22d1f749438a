"""What a token per gene costs beside a token per programme: cells a second in training and in use, on one core.

The same cells, stem, head, losses and preset (cpu-s: width 128, 3 layers; 32 programmes, or the 256 highest genes).

Run: AIVC_DATA=… python benchmarks/gene_tokens.py [STEPS]
"""

import json
import os
import platform
import sys
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch

from aivc.core.measurement import Measurement
from aivc.nn.programme import GENE, PROGRAMME
from aivc.representations.cellular.programme_tokens import ProgrammeTokens
from aivc.representations.cellular.programme_training import HiddenFeatures, objective
from aivc.training.loop import TrainingRecipe, train

RESULT = Path(__file__).parent / "results" / "gene_tokens.json"
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
CELLS, ASIDE, DIM = 2000, 300, 32


def main() -> None:
    torch.set_num_threads(1)
    table = anndata.read_h5ad(Path(os.environ["AIVC_DATA"]) / "I/kang2018_sle_ctrl_6donors.h5ad")
    rows = np.sort(np.random.default_rng(0).permutation(len(table))[: CELLS + ASIDE])
    names = np.array(list(map(str, table.var_names)), dtype=object)
    entities = pd.DataFrame(index=[str(name) for name in table.obs_names[rows]])
    cells = Measurement(table.X[rows].astype(np.float32).tocsr(), names, entities, "counts")
    cells = cells.take(np.asarray(cells.values.sum(axis=1)).ravel() > 0)
    aside_n = np.random.default_rng(1).permutation(len(cells)) < ASIDE
    body = {
        "what": "training and embedding on one thread; surprise of hidden features of cells set aside, lower is better",
        "command": f"AIVC_DATA=… OMP_NUM_THREADS=1 python benchmarks/gene_tokens.py {STEPS}",
        "cells": len(cells),
        "genes": len(names),
        "batch": 64,
        "results": {kind: measure(cells, aside_n, kind) for kind in (PROGRAMME, GENE)},
        "load": [round(number, 1) for number in os.getloadavg()],
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    RESULT.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(body, indent=1))


def measure(cells: Measurement, aside_n: np.ndarray, kind: str) -> dict[str, float]:
    encoder = ProgrammeTokens.fit(cells.take(~aside_n), dim=DIM, recipe=TrainingRecipe(0), tokenizer=kind)
    views, look = encoder._views(cells.take(~aside_n)), HiddenFeatures(encoder._views(cells.take(aside_n)))
    network = encoder._empty()
    began, cpu = time.perf_counter(), time.process_time()
    train(network, objective, views, TrainingRecipe(STEPS, rate=1e-3, warmup=20))
    wall, own = time.perf_counter() - began, time.process_time() - cpu
    began = time.process_time()
    verdict = look.verdict(network)
    return {
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "train_cells_per_second": round(64 * STEPS / wall, 1),
        "train_cells_per_cpu_second": round(64 * STEPS / own, 1),
        "use_cells_per_cpu_second": round(len(look.count_b) / (time.process_time() - began), 1),
        "stem": round(float(verdict["stem"]), 4),
        "corrected": round(float(verdict["corrected"]), 4),
    }


if __name__ == "__main__":
    main()
