"""How well cell types of one species are recognized by an encoder and a probe that saw only cells of the other.

Baron 2016: 175 human and 175 mouse pancreas cells, five types each, both ways; and from these human cells to those of
another study, Bastidas-Ponce 2019 (mouse embryo, alpha, beta and delta only). The table of Baron writes mouse genes by
human names; they are given their mouse names back here, and brought over again by `to_species`, as a user would.

Five seeds each draw four fifths of the source cells and which orthologs are dropped from the target's panel. Beside it:
genes that the fit never saw but the target was measured on, read through what is known of their molecules (guests);
and as a ceiling, cells of the target's own species, donors held out.

Run: AIVC_DATA=… python benchmarks/cross_species.py
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
from aivc.data.names.genes import harmonize, orthologs
from aivc.data.names.orthologs import to_species
from aivc.experiments.atlas.neighbors import Neighbors
from aivc.instruments.decoders.label_probe import fit_probe, logits
from aivc.representations.cellular.count_pca import CountPCA
from aivc.representations.cellular.ppca import PPCA
from aivc.representations.cellular.programme_tokens import ProgrammeTokens
from aivc.representations.molecular.gene_table import genes
from aivc.representations.molecular.knowledge import Interactions, Processes
from aivc.representations.molecular.molecular_ur import molecular_ur
from aivc.training.loop import TrainingRecipe

RESULT = Path(__file__).parent / "results" / "cross_species.json"
BARON, BASTIDAS = "H/baron2016_pancreas_human_mouse_350cells.h5ad", "C/bastidas2019_pancreas_velocity_739cells.h5ad"
SEEDS, DIM, GENES, NEAREST, PENALTY = 5, 32, 2000, 15, 1e-3
DROPPED, UNSEEN = (0.0, 0.2, 0.5, 0.8), (0.5, 0.8, 0.95)


def main() -> None:
    started = time.perf_counter()
    human, mouse, embryo, transferred = species()
    names = sorted(set(human.features) | set(mouse.features) | set(embryo.features))
    parts = molecular_ur(genes([name for name in names if ":" not in name]), [Processes.build(), Interactions.build()])
    pairs = {
        "human to mouse": (human, mouse),
        "mouse to human": (mouse, human),
        "human to mouse embryo of another study": (human, embryo),
    }
    results = {}
    for name, (source, target) in pairs.items():
        results[name] = measure(source, target, parts)
        print(name, json.dumps(results[name], indent=1), flush=True)
        body = {
            "what": "macro-F1, balanced accuracy and share of the 15 nearest source cells with the right label, of "
            "target cells; mean and standard deviation over seeds",
            "command": "AIVC_DATA=… python benchmarks/cross_species.py",
            "settings": {"seeds": SEEDS, "axes": DIM, "genes": GENES, "preset": "cpu-s", "parts": "go + ppi, human"},
            "carried": transferred,
            "results": results,
            "seconds": round(time.perf_counter() - started, 1),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        RESULT.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def species() -> tuple[Measurement, Measurement, Measurement, dict[str, str]]:
    """Human cells, and mouse cells of two studies under human names; what became of their genes."""
    both = read(BARON, "Group", "Sample")
    human = both.take((both.entities["unit"].str.startswith("human")).to_numpy())
    mouse = both.take((both.entities["unit"].str.startswith("mouse")).to_numpy())
    human, _ = harmonize(human)
    own = orthologs(mouse.features, source="human", target="mouse").to_dict()
    times = pd.Series(own).value_counts()
    own = {name: new for name, new in own.items() if times[new] == 1}
    mouse = mouse.select(list(own)).replace(features=np.array(list(own.values()), dtype=object))
    embryo = read(BASTIDAS, "clusters", None)
    wanted = {"Alpha": "alpha", "Beta": "beta", "Delta": "delta"}
    embryo = embryo.take(embryo.entities["label"].isin(list(wanted)).to_numpy())
    embryo = embryo.replace(entities=embryo.entities.assign(label=embryo.entities["label"].map(wanted)))
    mouse, answer = to_species(mouse, "mouse", "human")
    embryo, also = to_species(embryo, "mouse", "human")
    return human, mouse, embryo, {"Baron 2016": str(answer), "Bastidas-Ponce 2019": str(also)}


def read(file: str, label: str, unit: str | None) -> Measurement:
    table = anndata.read_h5ad(Path(os.environ["AIVC_DATA"]) / file)
    entities = pd.DataFrame({"label": table.obs[label].astype(str)}, dtype=object)
    # Without donors, five random groups of cells.
    drawn = [f"group {i % 5}" for i in np.random.default_rng(0).permutation(len(table))]
    entities["unit"] = drawn if unit is None else table.obs[unit].astype(str)
    entities.index = [str(name) for name in table.obs_names]
    values = table.X.astype(np.float32)
    return Measurement(values.tocsr(), np.array(list(map(str, table.var_names)), dtype=object), entities, "counts")


def varying(cells: Measurement) -> Measurement:
    """The genes that vary most in these cells, in their order."""
    x_nf = np.asarray(cells.values.todense(), dtype=float)
    x_nf = np.log1p(1e4 * x_nf / x_nf.sum(axis=1, keepdims=True))
    return cells.select(cells.features[np.sort(np.argsort(-x_nf.var(axis=0), kind="stable")[:GENES])])


def panel(cells: Measurement, features: np.ndarray, hidden: set[str]) -> Measurement:
    """These features in this order: zero and unobserved where they are hidden or were never measured."""
    where = pd.Index(cells.features).get_indexer(pd.Index(features))
    seen_f = (where >= 0) & ~np.isin(features, list(hidden))
    x_nf = np.where(seen_f, cells.dense()[:, where], 0.0)
    made = cells.replace(values=x_nf, features=features, observed=seen_f)
    return made.take(x_nf.sum(axis=1) > 0)


def measure(source: Measurement, target: Measurement, parts) -> dict:
    found: dict[str, list] = {}
    for seed in range(SEEDS):
        draw = np.random.default_rng((seed, 11))
        train = varying(source.take(np.sort(draw.permutation(len(source))[: int(0.8 * len(source))])))
        order = draw.permutation(len(train.features))
        encoders = {
            "zero-filled PCA": CountPCA.fit(train, dim=DIM),
            "ppca": PPCA.fit(train, dim=DIM),
            "programme-tokens, parts": ProgrammeTokens.fit(train, dim=DIM, seed=seed, parts=parts),
        }
        learned = {name: Learned(encoder.encode(train).values, train) for name, encoder in encoders.items()}
        for share in DROPPED:
            gone = set(train.features[order[: int(share * len(order))]])
            test = panel(target, train.features, gone)
            found.setdefault(f"majority, {share:.0%} dropped", []).append(majority(train, test))
            for name, encoder in encoders.items():
                given = test.replace(observed=None) if name == "zero-filled PCA" else test
                said = learned[name].scored(encoder.encode(given).values, test)
                if isinstance(encoder, ProgrammeTokens):
                    said["corrections kept"] = float(encoder.verdict["kept"])
                found.setdefault(f"{name}, {share:.0%} dropped", []).append(said)
        for share in UNSEEN:
            kept = np.sort(order[int(share * len(order)) :])
            for name, said in guests(train, target, kept, parts, seed).items():
                found.setdefault(f"{name}, {share:.0%} unseen", []).append(said)
        print(seed, flush=True)
    found["ceiling: own species, donors or lots held out"] = [ceiling(target)]
    count = {"train": int(0.8 * len(source)), "test": len(target), "genes": len(train.features)}
    return {**count, "scores": {name: summed(each) for name, each in found.items()}}


def guests(train: Measurement, target: Measurement, kept: np.ndarray, parts, seed: int) -> dict[str, dict]:
    """An encoder fitted on some of the genes, asked about cells that were measured on all of them."""
    few = train.select(train.features[kept])
    few = few.take(np.asarray(few.values.sum(axis=1)).ravel() > 0)
    test = panel(target, train.features, set())
    alone = panel(target, few.features, set())
    pca, stem = (
        CountPCA.fit(few, dim=DIM),
        ProgrammeTokens.fit(few, dim=DIM, seed=seed, parts=parts, recipe=TrainingRecipe(0)),
    )
    test = test.take(test.entities.index.isin(alone.entities.index))
    blind, known = (Learned(encoder.encode(few).values, few) for encoder in (pca, stem))
    return {
        "zero-filled PCA": blind.scored(pca.encode(alone.replace(observed=None)).values, alone),
        "stem, its own genes": known.scored(stem.encode(alone, parts).values, alone),
        "stem, with guests": known.scored(stem.encode(test, parts).values, test),
    }


class Learned:
    """A probe and an index of source cells, to be asked about target cells."""

    def __init__(self, known_nd: np.ndarray, train: Measurement) -> None:
        self.kinds, self.code_n = np.unique(train.entities["label"].to_numpy(dtype=str), return_inverse=True)
        self.probe = fit_probe(known_nd, np.eye(len(self.kinds))[self.code_n], PENALTY)
        self.near = Neighbors.of(known_nd)

    def scored(self, asked_nd: np.ndarray, test: Measurement) -> dict[str, float]:
        """Macro-F1 and balanced accuracy of the probe, and how many neighbours have the right label."""
        best = self.kinds[logits(self.probe, asked_nd, np.zeros_like(asked_nd)).argmax(axis=1)]
        own = test.entities["label"].to_numpy(dtype=str)
        near_nk = self.kinds[self.code_n][self.near.find(asked_nd, NEAREST)[0]]
        right_n = (near_nk == own[:, None]).mean(axis=1)
        agreed = [right_n[own == kind].mean() for kind in np.unique(own)]
        return {**points(own, best), "neighbours": float(np.mean(agreed))}


def points(own: np.ndarray, best: np.ndarray) -> dict[str, float]:
    f1, recall = [], []
    for kind in np.unique(own):
        hit = ((own == kind) & (best == kind)).sum()
        f1.append(2 * hit / ((own == kind).sum() + (best == kind).sum()))
        recall.append(hit / (own == kind).sum())
    return {"macro_f1": float(np.mean(f1)), "balanced_accuracy": float(np.mean(recall))}


def majority(train: Measurement, test: Measurement) -> dict[str, float]:
    own = test.entities["label"].to_numpy(dtype=str)
    return points(own, np.full(len(own), train.entities["label"].value_counts().index[0], dtype=own.dtype))


def ceiling(cells: Measurement) -> dict[str, float]:
    """Cells of the target species itself: each donor, or random group of cells, asked about once."""
    own = cells.entities["label"].to_numpy(dtype=str)
    best = np.empty(len(cells), dtype="U40")
    for unit in cells.entities["unit"].unique():
        aside_n = (cells.entities["unit"] == unit).to_numpy()
        train = varying(cells.take(~aside_n))
        encoder = PPCA.fit(train, dim=DIM)
        kinds, code_n = np.unique(own[~aside_n], return_inverse=True)
        model = fit_probe(encoder.encode(train).values, np.eye(len(kinds))[code_n], PENALTY)
        x_nd = encoder.encode(cells.take(aside_n)).values
        best[aside_n] = kinds[logits(model, x_nd, np.zeros_like(x_nd)).argmax(axis=1)]
    return points(own, best)


def summed(each: list[dict[str, float]]) -> dict[str, float | list[float]]:
    """Mean over seeds, and the standard deviation beside it where there are several."""
    table = pd.DataFrame(each)
    if len(table) == 1:
        return {name: round(float(value), 3) for name, value in table.iloc[0].items()}
    return {name: [round(float(column.mean()), 3), round(float(column.std()), 3)] for name, column in table.items()}


if __name__ == "__main__":
    sys.exit(main())
