"""How fast cell encoders train and embed, on the same 50,000 cells, one thread, each in a process of its own.

All times are processor time, so that other work on the machine counts as little as can be. The cells are those of
Kang 2018 (controls of six donors), drawn with replacement. Beside the encoders of the package: a plain transformer over
gene tokens, of the width and depth of programme-tokens' ``cpu-s``, and scVI, where SCVI_PYTHON names the Python of an
environment that holds scvi-tools. Then `count-vae` on a million cells in shards on disk.

Run: AIVC_DATA=… SCVI_PYTHON=… python benchmarks/cell_speed.py [METHOD,METHOD…]; results of others are kept.
"""

import dataclasses
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import nn

from aivc.core.measurement import Measurement
from aivc.data.streaming.shards import Shards, write_shards
from aivc.representations.cellular import programme_training
from aivc.representations.cellular.count_vae import CountVAE
from aivc.representations.cellular.ppca import PPCA
from aivc.representations.cellular.programme_tokens import ProgrammeTokens
from aivc.training.checkpoint import arrays_of
from aivc.training.loop import TrainingRecipe, train

RESULT = Path(__file__).parent / "results" / "cell_speed.json"
PEER = Path(__file__).parent / "peers" / "scvi_speed.py"
FILE = "I/kang2018_sle_ctrl_6donors.h5ad"
CELLS, EPOCHS, DIM, MOST_SECONDS = 50_000, 20, 32, 360.0
MILLION, MILLION_STEPS = 1_000_000, 1500


def peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def timed(do: Callable[[], object]) -> tuple[object, float]:
    started = time.process_time()
    return do(), time.process_time() - started


def answer(rate: float, seconds: float, *, extrapolated: bool) -> dict:
    return {"train_cells_per_second": rate, "seconds": seconds, "extrapolated": extrapolated, "train_mb": peak_mb()}


def ppca(cells: Measurement) -> dict:
    encoder, seconds = timed(lambda: PPCA.fit(cells, dim=DIM))
    found = answer(len(cells) / seconds, seconds, extrapolated=False)
    found["note"] = "closed form: seconds are those of the whole fit, which has no epochs"
    return found | embedded(encoder, cells)


def count_vae(cells: Measurement) -> dict:
    per_epoch = len(cells) // 128

    def fit(epochs: int) -> tuple[object, float]:
        return timed(lambda: CountVAE.fit(cells, dim=DIM, recipe=TrainingRecipe(epochs * per_epoch, decay=1e-6)))

    started = time.monotonic()
    encoder, seconds = fit(1)
    found = answer(len(cells) / seconds, seconds * EPOCHS, extrapolated=True)
    if (time.monotonic() - started) * EPOCHS < MOST_SECONDS:
        encoder, seconds = fit(EPOCHS)
        found = answer(EPOCHS * len(cells) / seconds, seconds, extrapolated=False)
    return found | {"batch": 128} | embedded(encoder, cells)


def programme_tokens(cells: Measurement, steps: int = 100) -> dict:
    stem, stem_seconds = timed(lambda: ProgrammeTokens.fit(cells, dim=DIM, preset="cpu-s", recipe=TrainingRecipe(0)))
    views, network = stem._views(cells), stem._empty()
    seconds = by_step(
        lambda tell: train(network, programme_training.objective, views, TrainingRecipe(steps), progress=tell)
    )
    encoder = dataclasses.replace(stem, weights=arrays_of(network), verdict={"kept": True})
    rate = views.batch / seconds
    found = answer(rate, stem_seconds + EPOCHS * len(cells) / rate, extrapolated=True)
    found |= {"batch": views.batch, "steps": steps, "stem_seconds": stem_seconds}
    found["note"] = "seconds hold the closed-form stem; the default recipe stops after 1,500 steps"
    found["seconds_default_recipe"] = stem_seconds + 1500 * seconds
    return found | embedded(encoder, cells.take(np.arange(min(len(cells), 10_000))))


def by_step(run: Callable[[Callable], object], skip: int = 5) -> float:
    """Seconds of a step of the loop, less the first few."""
    at: list[float] = []
    run(lambda step, losses: at.append(time.process_time()))
    return (at[-1] - at[skip - 1]) / (len(at) - skip)


class GeneTokens(nn.Module):
    """One token per gene for the 256 highest of a cell: an embedding of the gene, and one of its log count."""

    def __init__(self, genes: int, width: int = 128, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.gene = nn.Embedding(genes, width)
        self.value = nn.Linear(2, width)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.trunk = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 1)

    def forward(self, count_nf: torch.Tensor, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """States of the cells, and the error on the counts that were hidden."""
        value_nk, gene_nk = torch.log1p(count_nf).topk(256, dim=1)
        hidden_nk = (torch.rand_like(value_nk) < rate).float()
        said_nk2 = torch.stack([value_nk * (1 - hidden_nk), hidden_nk], dim=-1)
        x_nkd = self.trunk(self.gene(gene_nk) + self.value(said_nk2))
        error_nk = (self.head(x_nkd)[..., 0] - value_nk) ** 2 * hidden_nk
        return x_nkd.mean(dim=1), error_nk.sum() / hidden_nk.sum().clamp_min(1)


def gene_tokens(cells: Measurement, steps: int = 25, batch: int = 64) -> dict:
    torch.manual_seed(0)
    network, draw = GeneTokens(len(cells.features)), np.random.default_rng(0)
    optimizer, at = torch.optim.AdamW(network.parameters(), lr=1e-3), []
    for _ in range(steps):
        few = torch.from_numpy(cells.values[draw.choice(len(cells), batch)].toarray())
        optimizer.zero_grad()
        network(few, 0.3)[1].backward()
        optimizer.step()
        at.append(time.process_time())
    rate = batch * (steps - 5) / (at[-1] - at[4])
    found = answer(rate, EPOCHS * len(cells) / rate, extrapolated=True) | {"batch": batch, "steps": steps}
    asked, started = 2048, time.process_time()
    with torch.no_grad():
        for start in range(0, asked, 256):
            network.eval()(torch.from_numpy(cells.values[start : start + 256].toarray()), 0.0)
    found["embed_cells_per_second"] = asked / (time.process_time() - started)
    return found | {"embedded": asked, "parameters": sum(each.numel() for each in network.parameters())}


def embedded(encoder: object, cells: Measurement) -> dict:
    return {"embed_cells_per_second": len(cells) / timed(lambda: encoder.encode(cells))[1], "embedded": len(cells)}


def from_shards(folder: Path) -> dict:
    """Training and embedding of a million cells, without loading them."""
    cells = Shards.open(folder).measurement()
    loaded, started = peak_mb(), time.process_time()
    recipe = TrainingRecipe(MILLION_STEPS, decay=1e-6)
    encoder = CountVAE.fit(cells, dim=DIM, recipe=recipe)
    seconds = time.process_time() - started
    found = {"cells": len(cells), "features": len(cells.features), "steps": MILLION_STEPS, "batch": 128}
    found |= {"loaded_mb": loaded, "fit_seconds": seconds, "train_mb": peak_mb()}
    found["train_cells_per_second"] = 128 * MILLION_STEPS / seconds
    found["note"] = "training cells per second include one pass over all cells that checks them"
    return found | embedded(encoder, cells) | {"peak_mb": peak_mb()}


METHODS = {
    "ppca": ppca,
    "count-vae": count_vae,
    "programme-tokens cpu-s": programme_tokens,
    "gene-token transformer": gene_tokens,
}
MILLION_NAME = "count-vae from a million cells in shards"
ALL = [*METHODS, "scVI", MILLION_NAME]


def load(file: str) -> Measurement:
    held = np.load(file, allow_pickle=False)
    x_nf = sparse.csr_matrix((held["data"], held["indices"], held["indptr"]), shape=tuple(held["shape"]))
    entities = pd.DataFrame({"batch": held["batch"].astype(object)}, index=[f"c{i}" for i in range(x_nf.shape[0])])
    return Measurement(x_nf, held["features"].astype(object), entities, "counts")


def draw(file: Path, cells: int) -> None:
    import anndata

    table = anndata.read_h5ad(Path(os.environ["AIVC_DATA"]) / FILE)
    x_nf = sparse.csr_matrix(table.X, dtype=np.float32)
    kept = np.flatnonzero(np.asarray(x_nf.sum(axis=1)).ravel() > 0)
    rows = np.random.default_rng(0).choice(kept, cells)
    x_nf, batch = x_nf[rows], table.obs["donor"].astype(str).to_numpy(dtype=str)[rows]
    np.savez(
        file,
        data=x_nf.data,
        indices=x_nf.indices,
        indptr=x_nf.indptr,
        shape=np.array(x_nf.shape),
        batch=batch,
        features=np.array([str(name) for name in table.var_names]),
    )


def shards(folder: Path) -> None:
    from streaming import GENES, Drawn

    names = pd.DataFrame(index=[f"c{i}" for i in range(MILLION)])
    genes = np.array([f"g{i}" for i in range(GENES)], dtype=object)
    write_shards(Measurement(Drawn(MILLION), genes, names, "counts"), folder)


def asked(*command: str) -> dict:
    """What a process of its own printed last, as JSON."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, env={**os.environ, **one}, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"not measured": done.stderr.strip().splitlines()[-1][:300]}
    return {name: rounded(value) for name, value in json.loads(done.stdout.strip().splitlines()[-1]).items()}


def rounded(value: object) -> object:
    return (round(value, 1) if value < 1000 else round(value)) if isinstance(value, float) else value


def child(name: str, file: str) -> None:
    torch.set_num_threads(1)
    if name == "million":
        print(json.dumps(from_shards(Path(file))))
        return
    if name == "shards":
        shards(Path(file))
        print("{}")
        return
    cells = load(file)
    loaded = peak_mb()
    found = METHODS[name](cells)
    print(json.dumps(found | {"loaded_mb": loaded, "peak_mb": peak_mb()}))


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file, pieces = Path(folder) / "cells.npz", Path(folder) / "shards"
        draw(file, CELLS)
        for name in names:
            if name == "scVI":
                found = peer(file)
            elif name == MILLION_NAME:
                asked(sys.executable, __file__, "shards", str(pieces))
                found = asked(sys.executable, __file__, "million", str(pieces))
            else:
                found = asked(sys.executable, __file__, name, str(file))
            print(name, json.dumps(found), flush=True)
            keep(name, found)


def peer(file: Path) -> dict:
    python = os.environ.get("SCVI_PYTHON", "")
    if not python or not Path(python).exists():
        return {"not measured": "SCVI_PYTHON names no Python that holds scvi-tools"}
    return asked(python, str(PEER), str(file), str(EPOCHS), str(MOST_SECONDS))


def keep(name: str, found: dict) -> None:
    """Write one method's result beside those of the others."""
    before = json.loads(RESULT.read_text()).get("results", {}) if RESULT.exists() else {}
    body = {
        "what": f"cells per second, and seconds for {EPOCHS} epochs of {CELLS:,} cells, measured or extrapolated",
        "command": "AIVC_DATA=… SCVI_PYTHON=… python benchmarks/cell_speed.py",
        "cells": CELLS,
        "epochs": EPOCHS,
        "axes": DIM,
        "threads": 1,
        "results": {each: {**before, name: found}[each] for each in ALL if each in before or each == name},
        "note": (
            "Times are of the processor: with one thread, those of the clock on a core with nothing else to do. Memory "
            "is the most that the process held, its libraries and the cells (loaded_mb) included. scVI has as many "
            "axes, the same likelihood and the same batch size as count-vae, no validation, and is otherwise as it is. "
            "Methods may have been measured in separate calls, beside other work on the same cores."
        ),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "torch")},
    }
    RESULT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        child(sys.argv[1], sys.argv[2])
    else:
        main(sys.argv[1].split(",") if len(sys.argv) > 1 else ALL)
