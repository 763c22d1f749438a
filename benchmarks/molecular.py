"""How well readouts of molecules never measured are predicted: variants, promoters, splice sites, UTRs, affinities.

Run: python benchmarks/molecular.py [task ...]      (all of them: two processes, some ten minutes on two free cores)
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse, stats
from scipy.cluster import hierarchy
from scipy.sparse import csgraph

from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.molecule import Molecule
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.molecules.letters import reverse_complement
from aivc.data.molecules.sequence_data import SequenceTable, load_sequences
from aivc.data.priors.gene_priors import block_slices, gene_priors
from aivc.instruments.decoders.binding_affinity import BindingAffinity
from aivc.instruments.decoders.kernel_map import KERNELS
from aivc.instruments.decoders.kernel_readout import KernelReadout
from aivc.instruments.decoders.ridge import folds_of_groups
from aivc.instruments.decoders.variant_effect import AMINO_ACIDS, MaskedMarginal, SubstitutionMatrix, VariantFeatures
from aivc.representations.molecular.compounds import Morgan, SmilesWords
from aivc.representations.molecular.kmers import Kmers
from aivc.representations.molecular.pretrain import seen_half
from aivc.representations.molecular.sequence_model import SequenceModel
from aivc.uncertainty.conformal_rows import ConformalRows

RESULT = Path(__file__).parent / "results" / "molecular.json"
LEVEL, DRAWS, SEEDS, FOLDS = 0.9, 200, (0, 1, 2), 5
JOBS = 2
LOW_N = (24, 96, 384)
DNA, RNA = "ACGT", "ACGU"
# Adapters of lentiMPRA, the same in all elements.
FLANK = 15
# Of regulatory sequences, which are long, so many are trained on and tested.
MOST_TRAIN, MOST_TEST = 15_000, 4_000
STATES: dict[tuple[str, str], np.ndarray] = {}
# The rows that every table compares with.
BASELINE = "k-mer ridge"
OWN = " + own model"


@dataclass(frozen=True)
class Said:
    """What a method says of test molecules; low and high are NaN where it states no interval."""

    mean: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass
class Table:
    """One question: its rows, and the draws of the bootstrap that all of them share."""

    truth: np.ndarray
    groups: np.ndarray
    metric: str
    train: int
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    drawn: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, name: str, said: Said) -> None:
        """Score a method, and draw test molecules anew by group, the same draws for every method."""
        names, at = np.unique(self.groups, return_inverse=True)
        members = np.split(np.argsort(at, kind="stable"), np.cumsum(np.bincount(at))[:-1])
        rng = np.random.default_rng(0)
        picks = [np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))]) for _ in range(DRAWS)]
        mean, truth = said.mean, self.truth
        if self.metric == "spearman":
            mean, truth = stats.rankdata(mean), stats.rankdata(truth)
        self.drawn[name] = np.array([pearson(mean[rows], truth[rows]) for rows in picks])
        row: dict[str, Any] = {self.metric: _round(pearson(mean, truth)), "interval": _ends(self.drawn[name])}
        if said.low is not None and said.high is not None:
            row["coverage90"] = _round(((said.low <= self.truth) & (self.truth <= said.high)).mean())
            row["width90"] = _round(np.mean(said.high - said.low))
            row["width90_in_sd"] = _round(np.mean(said.high - said.low) / self.truth.std())
        self.rows[name] = row

    def report(self) -> dict[str, Any]:
        """All rows, with intervals of paired gains."""
        for name, drawn in self.drawn.items():
            if BASELINE in self.drawn and name != BASELINE:
                self.rows[name]["gain_over_kmer_ridge"] = _ends(drawn - self.drawn[BASELINE])
            if name.endswith(OWN):
                self.rows[name]["gain_of_own_model"] = _ends(drawn - self.drawn[name.removesuffix(OWN)])
        return {"train": self.train, "test": len(self.truth), "groups": len(set(self.groups)), "methods": self.rows}


def pearson(mean: np.ndarray, truth: np.ndarray) -> float:
    return float(np.corrcoef(mean, truth)[0, 1]) if np.ptp(mean) > 0 else 0.0


def readout(
    train: UR, y: np.ndarray, test: UR, *, kernels: Sequence[str] = KERNELS, groups: Any = None, beyond: Any = None
) -> Said:
    """Fit on training molecules, calibrate on those left out, read out the test molecules with 90 % intervals."""
    measured = Measurement(y[:, None], np.array(["readout"]), train.entities, "score", "effect", Scale.MOLECULAR)
    if beyond is None:
        fitted = KernelReadout.cross_fit(train, measured, kernels=kernels, groups=groups)
    else:
        fitted = KernelReadout.fit_beyond(train, measured, beyond, kernels=kernels)
    said = ConformalRows.fit(train, measured, held_out=fitted, groups=groups).intervals(test, LEVEL)
    return Said(said.mean[:, 0], said.low[:, 0], said.high[:, 0])


def plain_ur(values: np.ndarray, name: str) -> UR:
    table = pd.DataFrame(index=[str(i) for i in range(len(values))])
    return UR(np.asarray(values, dtype=float), Space(name, Scale.MOLECULAR, values.shape[1], "benchmark"), table)


def shuffled(ur: UR) -> UR:
    """The same vectors, given to the wrong molecules: what is left of a method that does not use them."""
    order = np.random.default_rng(0).permutation(len(ur))
    return UR(ur.values[order], ur.space, ur.entities)


@cache
def own_model() -> SequenceModel | None:
    """None before weights are shipped; the report then says that the rows of the own model are missing."""
    try:
        return SequenceModel.pretrained("xs")
    except UnknownNameError:
        return None


def molecules(kind: str, sequences: Sequence[str]) -> list[Molecule]:
    return [Molecule(kind, letters, "", "", letters) for letters in sequences]


def kmers(kind: str, sequences: Sequence[str]) -> np.ndarray:
    longest = {"protein": 2, "dna": 5, "rna": 5}[kind]
    return np.asarray(Kmers.of(kind, longest=longest).embed(molecules(kind, sequences)).values, dtype=float)


def own(kind: str, sequences: Sequence[str]) -> np.ndarray:
    """Mean states of the own model, of the size of a vector of k-mers."""
    values = states(kind, sequences)
    return np.asarray(values / np.sqrt((values**2).sum(axis=1).mean()))


def states(kind: str, sequences: Sequence[str]) -> np.ndarray:
    """Mean states of the own model; each sequence is read once, however many tables it is in."""
    model = own_model()
    assert model is not None
    new = sorted({letters for letters in sequences if (kind, letters) not in STATES})
    if new:
        STATES.update(zip([(kind, s) for s in new], model.embed(molecules(kind, new)).values, strict=True))
    return np.array([STATES[kind, letters] for letters in sequences])


def own_change(reference: str, variants: Sequence[str]) -> np.ndarray:
    return np.asarray(states("protein", variants) - states("protein", [reference]))


def at_most(rows: np.ndarray, most: int) -> np.ndarray:
    """Positions of some of the rows that are True: the own model reads a few thousand letters a second."""
    where = np.flatnonzero(rows)
    return np.sort(np.random.default_rng(0).permutation(where)[:most])


def some(data: SequenceTable, trained: np.ndarray) -> tuple[SequenceTable, np.ndarray]:
    """A table of regulatory sequences no longer than is read in time, and which rows it kept."""
    rows = np.sort(np.concatenate([at_most(trained, MOST_TRAIN), at_most(~trained, MOST_TEST)]))
    return data.take(rows), rows


# --- variants of one protein ---


def gb1_tasks() -> dict[str, Any]:
    found: dict[str, Any] = {}
    gb1 = load_sequences("gb1-four-site")
    for split in gb1.splits:
        sides = [gb1.take((gb1.splits[split] == part).to_numpy()) for part in ("train", "test")]
        found[f"gb1 {split}"] = variant_table(*sides, mirrored=split != "sampled").report()
    sampled = [gb1.take((gb1.splits["sampled"] == part).to_numpy()) for part in ("train", "test")]
    return found | low_n("gb1", *sampled)


def amyloid_tasks() -> dict[str, Any]:
    """Missense variants; stops, whose effect is known beforehand, are left out."""
    found: dict[str, Any] = {}
    amyloid = load_sequences("amyloid-beta")
    missense = amyloid.take(np.array(["*" not in sequence for sequence in amyloid.sequence]))
    sides = [missense.take((missense.splits["published"] == part).to_numpy()) for part in ("train", "test")]
    found["amyloid published"] = variant_table(*sides).report()
    changes = missense.details["changes"].to_numpy()
    found["amyloid singles_to_doubles"] = variant_table(
        missense.take(changes < 2), missense.take(changes == 2)
    ).report()
    return found | low_n("amyloid", *sides)


def low_n(name: str, train: SequenceTable, test: SequenceTable) -> dict[str, Any]:
    """Few training variants: scores averaged over seeds, ends of intervals likewise."""
    found = {}
    for n in LOW_N:
        tables = []
        for seed in SEEDS:
            rows = np.random.default_rng(seed).permutation(len(train))[:n]
            tables.append(variant_table(train.take(np.sort(rows)), test, ablate=False).report())
        methods = {m: _mean([table["methods"][m] for table in tables]) for m in tables[0]["methods"]}
        found[f"{name} low-N {n}"] = {**tables[0], "seeds": len(SEEDS), "methods": methods}
    return found


def variant_table(train: SequenceTable, test: SequenceTable, *, mirrored: bool = False, ablate: bool = True) -> Table:
    y, truth = (side.values.iloc[:, 0].to_numpy() for side in (train, test))
    table = Table(truth, np.array(test.sequence), "spearman", len(train))
    reference, sides = train.reference, (list(train.sequence), list(test.sequence))
    features = VariantFeatures.of(reference, sides[0])
    blosum = SubstitutionMatrix()
    table.add("BLOSUM62, zero-shot", Said(blosum.score(reference, sides[1])))
    if model := own_model():
        table.add("own model, masked marginal, zero-shot", Said(MaskedMarginal(model).score(reference, sides[1])))
    table.add("site-independent means", Said(site_means(features, sides[0], y, sides[1])))
    plain = [features.ur(side, substitutions=False) for side in sides]
    table.add("one-hot ridge", readout(plain[0], y, plain[1], kernels=("linear",)))
    words = [plain_ur(kmers("protein", side), "kmers") for side in sides]
    table.add(BASELINE, readout(words[0], y, words[1], kernels=("linear",)))
    rich = [features.ur(side) for side in sides]
    far = reaching(train, y) if mirrored else None
    table.add("variant head", readout(rich[0], y, rich[1], beyond=far))
    if far is not None:
        table.add("variant head, calibrated one by one", readout(rich[0], y, rich[1]))
    if own_model():
        size = float(np.linalg.norm(own_change(reference, sides[0]), axis=1).mean())
        learned = [features.ur(side, extra={"own": own_change(reference, side) / size}) for side in sides]
        table.add("variant head" + OWN, readout(learned[0], y, learned[1], beyond=far))
    if ablate:
        table.add("variant head, vectors shuffled", readout(shuffled(rich[0]), y, shuffled(rich[1]), beyond=far))
    return table


def reaching(train: SequenceTable, y: np.ndarray) -> np.ndarray | None:
    """Which training variants stand for a question beyond training: those with most changes, or the better half."""
    changes = train.details["changes"].to_numpy()
    if changes.max() < 2:
        return None
    return np.asarray(y > np.median(y) if changes.max() == 4 else changes == changes.max())


def site_means(features: VariantFeatures, train: Sequence[str], y: np.ndarray, test: Sequence[str]) -> np.ndarray:
    """Mean effect of each letter at each site over the variants that carry it, shrunk by one more at the mean."""
    letters = [np.array([[s[i] for i in features.sites] for s in side]) for side in (train, test)]
    said = np.full(len(test), y.mean())
    for at in range(len(features.sites)):
        for letter in AMINO_ACIDS:
            has = letters[0][:, at] == letter
            said[letters[1][:, at] == letter] += (y[has] - y.mean()).sum() / (has.sum() + 1)
    return said


# --- regulation: splice sites, promoters, enhancers, UTRs, half-lives ---


def aligned_task(name: str, reference: str = "") -> dict[str, Any]:
    """Variants of one site: published training and test sets."""
    data = load_sequences(name)
    data = data.take(np.isfinite(data.values.iloc[:, 0].to_numpy()))
    parts = {"train": MOST_TRAIN, "test": MOST_TEST}
    train, test = (data.take(at_most((data.splits["published"] == p).to_numpy(), m)) for p, m in parts.items())
    y, truth = (side.values.iloc[:, 0].to_numpy() for side in (train, test))
    table = Table(truth, np.array(test.sequence), "pearson", len(train))
    sides = [list(train.sequence), list(test.sequence)]
    words = [plain_ur(kmers(data.kind, side), "kmers") for side in sides]
    table.add(BASELINE, readout(words[0], y, words[1], kernels=("linear",)))
    features = VariantFeatures.of(reference or sides[0][0], sides[0], alphabet=RNA if data.kind == "rna" else DNA)
    sites = [features.ur(side) for side in sides]
    table.add("one-hot ridge", readout(sites[0], y, sites[1], kernels=("linear",)))
    table.add("one-hot head", readout(sites[0], y, sites[1]))
    if own_model():
        read = [own(data.kind, side) for side in sides]
        learned = [features.ur(side, extra={"own": state}) for side, state in zip(sides, read, strict=True)]
        table.add("one-hot head" + OWN, readout(learned[0], y, learned[1]))
        alone = [plain_ur(state, "own") for state in read]
        table.add("own model ridge", readout(alone[0], y, alone[1], kernels=("linear",)))
    table.add("one-hot head, vectors shuffled", readout(shuffled(sites[0]), y, shuffled(sites[1])))
    return {name: table.report()}


def lentimpra_tasks() -> dict[str, Any]:
    """Elements of families that neither the head nor the own model's pre-training saw."""
    found, tables = {}, {name: load_sequences(name) for name in ("lentimpra-hepg2", "lentimpra-wtc11")}
    elements = sorted({s[FLANK:-FLANK] for table in tables.values() for s in table.sequence})
    canonical = [min(s, reverse_complement(s)) for s in elements]
    seen = dict(zip(elements, seen_half(canonical), strict=True))
    family = dict(zip(elements, families(canonical), strict=True))
    for name, every in tables.items():
        data, _ = some(every, np.array([seen[s[FLANK:-FLANK]] for s in every.sequence]))
        inner = [s[FLANK:-FLANK] for s in data.sequence]
        blocks = {block: represent("dna", inner) for block, represent in represented().items()}
        gc = np.array([[s.count("G") + s.count("C")] for s in inner]) / len(inner[0])
        trained = np.array([seen[s] for s in inner])
        found[name] = loose_table(data, trained, np.array([family[s] for s in inner]), blocks, {"GC content": gc})
    return found


def utr_task() -> dict[str, Any]:
    """Changes of 3' UTRs of families that neither the head nor the own model's pre-training saw."""
    data = load_sequences("fast-utr")
    every = sorted({s.replace("U", "T") for side in (data.sequence, data.background) for s in side})
    seen, family = dict(zip(every, seen_half(every), strict=True)), dict(zip(every, families(every), strict=True))
    wilds = [s.replace("U", "T") for s in data.background]
    data, rows = some(data, np.array([seen[s] for s in wilds]))
    wilds = [wilds[row] for row in rows]
    blocks = {}
    for block, represent in represented().items():
        changed, wild = (represent("rna", list(side)) for side in (data.sequence, data.background))
        size = np.sqrt(((changed - wild) ** 2).sum(axis=1).mean())
        blocks[block] = np.hstack([(changed - wild) / size, wild])
    trained, groups = (np.array([of[s] for s in wilds]) for of in (seen, family))
    return {"fast-utr": loose_table(data, trained, groups, blocks, {})}


def represented() -> dict[str, Callable[[str, Sequence[str]], np.ndarray]]:
    return {"k-mer": kmers, "own model": own} if own_model() else {"k-mer": kmers}


def loose_table(
    data: SequenceTable, trained: np.ndarray, groups: np.ndarray, blocks: Mapping[str, np.ndarray], simple: Any
) -> dict[str, Any]:
    y = data.values.iloc[:, 0].to_numpy()
    table = Table(y[~trained], groups[~trained], "pearson", int(trained.sum()))

    def add(name: str, values: np.ndarray, kernels: Sequence[str] = KERNELS, *, mixed: bool = False) -> None:
        train, test = (plain_ur(values[side], "loose") for side in (trained, ~trained))
        train, test = (shuffled(train), shuffled(test)) if mixed else (train, test)
        table.add(name, readout(train, y[trained], test, kernels=kernels, groups=groups[trained]))

    for name, values in simple.items():
        add(name, values, ("linear",))
    add(BASELINE, blocks["k-mer"], ("linear",))
    add("k-mer head", blocks["k-mer"])
    if "own model" in blocks:
        add("own model ridge", blocks["own model"], ("linear",))
        add("k-mer head" + OWN, np.hstack(list(blocks.values())))
    add("k-mer head, vectors shuffled", blocks["k-mer"], mixed=True)
    return table.report()


def half_life_task() -> dict[str, Any]:
    """Genes, by what is known of them: the data hold no letters of their transcripts, so there are no k-mers."""
    data = load_sequences("mrna-stability")
    known = gene_priors(list(dict.fromkeys(data.names)))
    rows = pd.Index(data.names).get_indexer(known.entities.index)
    y = data.values.iloc[rows, 0].to_numpy()
    trained = np.random.default_rng(0).random(len(y)) < 0.8
    table = Table(y[~trained], np.array(known.entities["known_as"])[~trained], "pearson", int(trained.sum()))
    for block, axes in block_slices(known).items():
        one = plain_ur(known.values[:, axes], block)
        table.add(f"{block} ridge", readout(one.take(trained), y[trained], one.take(~trained), kernels=("linear",)))
    train, test = known.take(trained), known.take(~trained)
    table.add("knowledge ridge", readout(train, y[trained], test, kernels=("linear",)))
    table.add("knowledge head", readout(train, y[trained], test))
    table.add("knowledge head, vectors shuffled", readout(shuffled(train), y[trained], shuffled(test)))
    return {"mrna-stability": table.report()}


def families(sequences: Sequence[str], length: int = 20) -> np.ndarray:
    """``(n,)`` labels: sequences that share a stretch of letters, directly or through others, have the same."""
    owner: dict[str, int] = {}
    pairs = {
        (owner.setdefault(sequence[at : at + length], i), i)
        for i, sequence in enumerate(sequences)
        for at in range(max(len(sequence) - length, 0) + 1)
    }
    first, second = np.array(sorted(pairs)).T
    graph = sparse.coo_matrix((np.ones(len(first)), (first, second)), shape=(len(sequences),) * 2)
    return np.asarray(csgraph.connected_components(graph, directed=False)[1])


# --- affinities ---


def davis_tasks() -> dict[str, Any]:
    data = load_sequences("davis")
    assert data.compound is not None
    assert data.compound_names is not None
    pkd = pd.DataFrame({"drug": data.compound_names, "target": data.names, "pkd": data.values["pkd"]})
    y_dt = pkd.pivot(index="drug", columns="target", values="pkd")
    smiles, letters = (
        dict(zip(*pair, strict=True)) for pair in ((data.compound_names, data.compound), (data.names, data.sequence))
    )
    provider = SmilesWords() if Morgan.available() else Morgan()
    drugs = [Molecule("compound", name, "", "", smiles[name]) for name in y_dt.index]
    targets = [Molecule("protein", name, "human", "", letters[name]) for name in y_dt.columns]
    sides = {
        "drug": plain_ur(provider.embed(drugs).values, provider.name),
        "target": plain_ur(Kmers.of("protein").embed(targets).values, "kmers"),
    }
    learned = None
    if own_model():
        learned = plain_ur(centered(own("protein", [target.sequence for target in targets])), "own")
    found = {}
    for side, other, y_nf in (("drug", "target", y_dt.to_numpy()), ("target", "drug", y_dt.to_numpy().T)):
        for kind in ("random", "clusters"):
            groups = clusters(sides[side].values) if kind == "clusters" else np.arange(len(y_nf))
            extra = learned if side == "target" else None
            found[f"davis unseen {side}, {kind}"] = {
                "fingerprint": provider.name,
                **affinity_table(sides[side], sides[other], y_nf, groups, extra),
            }
    return found


def centered(values: np.ndarray) -> np.ndarray:
    values = values - values.mean(axis=0)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


def clusters(values: np.ndarray) -> np.ndarray:
    """Complete linkage of fingerprints, cut where there are four molecules in a cluster on average."""
    return np.asarray(hierarchy.fcluster(hierarchy.linkage(values, "complete", "cosine"), len(values) // 4, "maxclust"))


def affinity_table(rows: UR, partners: UR, y_nf: np.ndarray, groups: np.ndarray, learned: UR | None) -> dict[str, Any]:
    fold_n = folds_of_groups(np.random.default_rng(0).permutation(groups.max() + 1)[groups], FOLDS)
    names = np.array([f"partner-{i}" for i in range(y_nf.shape[1])], dtype=object)
    alone = len(set(groups)) == len(groups)
    partners = UR(partners.values, partners.space, pd.DataFrame(index=names))
    methods = {
        "partner means": lambda ur, m, g: KernelReadout.cross_fit(nothing(ur), m, kernels=("linear",), groups=g),
        "fingerprint ridge": lambda ur, m, g: KernelReadout.cross_fit(ur, m, kernels=("linear",), groups=g),
        "fingerprint kernel": lambda ur, m, g: KernelReadout.cross_fit(ur, m, groups=g),
        "affinity head": lambda ur, m, g: BindingAffinity.cross_fit(ur, m, partners=partners, groups=g),
    }
    asked = dict.fromkeys(methods, rows)
    if learned is not None:
        methods["affinity head, own model"], asked["affinity head, own model"] = methods["affinity head"], learned
    methods["affinity head, vectors shuffled"] = methods["affinity head"]
    asked["affinity head, vectors shuffled"] = shuffled(rows)
    reports = {}
    for name, fit in methods.items():
        said = np.zeros((3, *y_nf.shape))
        for fold in range(FOLDS):
            out = fold_n == fold
            train = asked[name].take(~out)
            measured = Measurement(y_nf[~out], names, train.entities, "score", "effect", Scale.MOLECULAR)
            test = asked[name].take(out)
            fitted = fit(train, measured, None if alone else groups[~out])
            calibrated = ConformalRows.fit(train, measured, held_out=fitted, groups=groups[~out])
            said[:, out] = calibrated.intervals(nothing(test) if name == "partner means" else test, LEVEL)
        reports[name] = affinity_scores(said, y_nf, groups)
    base = reports["fingerprint ridge"]["drawn"]
    for report in reports.values():
        drawn = report.pop("drawn")
        report["gain_over_fingerprint_ridge"] = {
            "mse": _ends(drawn[:, 0] - base[:, 0]),
            "concordance": _ends(drawn[:, 1] - base[:, 1]),
        }
    return {"rows": len(y_nf), "groups": len(set(groups)), "pairs": y_nf.size, "methods": reports}


def nothing(ur: UR) -> UR:
    """Vectors that say nothing: what is left is the mean of each partner."""
    return UR(np.zeros_like(ur.values), ur.space, ur.entities)


def affinity_scores(said: np.ndarray, y_nf: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    mean_nf, low_nf, high_nf = said
    names, rng = np.unique(groups), np.random.default_rng(0)
    members = {name: np.flatnonzero(groups == name) for name in names}
    drawn = []
    for _ in range(DRAWS // 2):
        pick = np.concatenate([members[name] for name in rng.choice(names, len(names))])
        drawn.append([((mean_nf - y_nf)[pick] ** 2).mean(), concordance(mean_nf[pick], y_nf[pick])])
    ends = np.array(drawn)
    return {
        "mse": _round(((mean_nf - y_nf) ** 2).mean()),
        "mse_interval": _ends(ends[:, 0]),
        "concordance": _round(concordance(mean_nf, y_nf)),
        "concordance_interval": _ends(ends[:, 1]),
        "coverage90": _round(((low_nf <= y_nf) & (y_nf <= high_nf)).mean()),
        "width90": _round((high_nf - low_nf).mean()),
        "drawn": ends,
    }


def concordance(mean: np.ndarray, truth: np.ndarray) -> float:
    """How often, of two pairs that differ, the one predicted stronger is stronger; predicted ties count half."""
    x, y = mean.ravel().round(10), truth.ravel()
    if not np.ptp(x):
        return 0.5
    pairs = len(x) * (len(x) - 1) / 2
    free_x, free_y = (pairs - (c * (c - 1) / 2).sum() for c in (np.unique(v, return_counts=True)[1] for v in (x, y)))
    return float(stats.kendalltau(x, y).statistic * np.sqrt(free_x * free_y) / free_y + 1) / 2


# The longest first, so that two processes end together.
TASKS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "gb1": gb1_tasks,
    "amyloid": amyloid_tasks,
    "mpsa": lambda: aligned_task("mpsa-brca2"),
    "sortseq": lambda: aligned_task("sortseq-lac"),
    "lentimpra": lentimpra_tasks,
    "utr": utr_task,
    "half-life": half_life_task,
    "davis": davis_tasks,
}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("tasks", nargs="*", choices=[*TASKS, []], help="all by default")
    asked = ask.parse_args().tasks or list(TASKS)
    report = json.loads(RESULT.read_text()) if RESULT.exists() else {"tables": {}, "seconds": {}}
    model, start = own_model(), time.perf_counter()
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
        for running in as_completed([pool.submit(timed, name) for name in asked]):
            name, tables, seconds = running.result()
            report["seconds"][name] = seconds
            report["tables"] |= tables
            for table, rows in tables.items():
                show(table, rows)
            report |= {
                "command": "python benchmarks/molecular.py",
                "own_model": model.provenance["digest"] if model else "no weights shipped: its rows are missing",
                "level": LEVEL,
                "bootstrap_draws": DRAWS,
                "wall_seconds": round(time.perf_counter() - start, 1),
                "peak_mb_of_a_process": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
                "cpus": os.cpu_count(),
                "python": platform.python_version(),
                "versions": {package: version(package) for package in ("aivc", "numpy", "scipy", "torch")},
            }
            RESULT.write_text(json.dumps(report, indent=1) + "\n")


def timed(name: str) -> tuple[str, dict[str, Any], float]:
    """Run a task in a process of its own, on one core."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    return name, TASKS[name](), round(time.perf_counter() - start, 1)


def show(table: str, rows: Mapping[str, Any]) -> None:
    print(f"{table} ({rows.get('train', rows.get('pairs'))} training)")
    for name, row in rows["methods"].items():
        print(f"  {name:42}", {key: value for key, value in row.items() if "interval" not in key}, flush=True)


def _round(value: float) -> float:
    return round(float(value), 4)


def _ends(drawn: np.ndarray) -> list[float]:
    return [_round(end) for end in np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])]


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: np.mean([row[key] for row in rows], axis=0).round(4).tolist() for key in rows[0]}


if __name__ == "__main__":
    main()
