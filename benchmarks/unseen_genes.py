"""What each source of knowledge, and all of them together, tell of genes that were never perturbed.

Papalexi 2021 on its frozen folds, Replogle 2022 in five folds of unseen genes. Every source alone, through a ridge and
through `effect.v2`; then all, joined end to end in a ridge, and each as a likeness of its own in `effect.v2`. Also what
it takes to represent 20,000 human genes, and whether the order or the number asked for at once changes a vector.

Run: python benchmarks/unseen_genes.py [papalexi2021] [replogle2022] [embedding]
"""

import dataclasses
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from aivc import Recipe, Split, evaluate, load
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.provider import Provider
from aivc.core.ur import UR
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.splits.split import CONTROL_TRAIN, SCORE, TRAIN
from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.evaluation.metrics.metric import pearson
from aivc.experiments.fitting.fit import assemble
from aivc.experiments.fitting.shared_fit import shared_fit
from aivc.experiments.fitting.summary import summarize
from aivc.representations.molecular.coexpression import Coexpression
from aivc.representations.molecular.gene_table import genes
from aivc.representations.molecular.knowledge import (
    Compartments,
    Interactions,
    Pathways,
    Processes,
    Regulators,
    Targets,
)
from aivc.representations.molecular.molecular_ur import molecular_ur
from aivc.representations.molecular.screen_effects import ScreenEffects
from aivc.representations.molecular.text import ProteinSentences, ProteinWords, protein_names

HERE = Path(__file__).parent
RESULT = HERE / "results" / "unseen_genes.json"
METRICS = ("pearson-delta", "pearson-systema", "mse-unbiased")
OURS, RIDGE = "effect.v2", "ridge-on-priors"
BUILT = (Processes, Pathways, Interactions, Compartments, Regulators, Targets, ProteinWords)
# Point answers are all that is compared; intervals are calibrated once, for effect.v2 on Papalexi.
PLAIN = Recipe(members=0, inner_folds=0)
# Encoder and decoder of each fold of an effect-level table; they do not depend on what is known of genes.
GROUNDS: list = []
# The mean effect gene by gene: what a method must also beat, although it answers on few axes.
UNCUT = "mean-effect-in-genes"


def main() -> None:
    wanted = sys.argv[1:] or ["papalexi2021", "replogle2022", "embedding"]
    run = {"papalexi2021": papalexi, "replogle2022": replogle, "embedding": embedding}
    for name in wanted:
        began = time.perf_counter()
        found = run[name]()
        found["cost"] = {
            "command": f"python benchmarks/unseen_genes.py {name}",
            "seconds": round(time.perf_counter() - began, 1),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "versions": {each: version(each) for each in ("aivc", "numpy", "scipy", "pandas")},
        }
        # Read again: another run may have written its part meanwhile.
        report = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
        report[name] = found
        RESULT.write_text(json.dumps(report, indent=1) + "\n")


def papalexi() -> dict[str, object]:
    cells = load("papalexi2021")
    split = benchmark("papalexi-unseen-target").make_split(cells)
    controls = np.logical_and.reduce([split.roles(cells, fold) == CONTROL_TRAIN for fold in range(len(split.folds))])
    screens = ("replogle2022", "crispr-screens")
    other_contexts = [ScreenEffects.fit(load(screen), title=f"effects-{screen}") for screen in screens]
    providers = [*sources(cells), Coexpression.fit(cells.take(controls)), *other_contexts]
    report = compare(cells, split, providers)
    parts = molecular_ur(genes(targets(cells)), providers, under_test=cells)
    calibrated = evaluate(cells, split, [OURS], parts=parts, recipe=Recipe())
    names = ("coverage90", "width90", "interval-score")
    report["calibrated"] = {name: calibrated.scores[OURS][name] for name in names}
    return report


def replogle() -> dict[str, object]:
    table = load("replogle2022")
    providers = [*sources(table), ScreenEffects.fit(load("crispr-screens"), title="effects-crispr-screens")]
    return compare(table, unseen_perturbation(table, folds=5, seed=0), providers)


def sources(measurement: Measurement) -> list[Provider]:
    """What can be had for the targets of any screen."""
    found: list[Provider] = [each.build() for each in BUILT]
    if ProteinSentences.available() is None:
        named = protein_names()
        found.append(ProteinSentences.build(symbols=[gene for gene in targets(measurement) if gene in named]))
    return found


def targets(measurement: Measurement) -> list[str]:
    return sorted({gene for text in set(measurement.perturbations) for gene in Perturbation.parse(str(text)).genes})


def compare(measurement: Measurement, split: Split, providers: Sequence[Provider]) -> dict[str, object]:
    asked = genes(targets(measurement))
    single, tables = {}, {}
    for provider in providers:
        block = str(provider.provenance["name"])
        parts = molecular_ur(asked, [provider], under_test=measurement)
        single[block], tables[block] = scored(measurement, split, parts)
        single[block]["known"] = int(parts.entities[f"covered_{block}"].sum())
        print(block, single[block], flush=True)
    everything = molecular_ur(asked, providers, under_test=measurement)
    together, table = scored(measurement, split, everything, shuffled=True)
    floors = {name: scores_of(table, name) for name in ("no-change", "mean-effect", UNCUT, "replicate")}
    gains = {}
    for metric in METRICS:
        sign = -1 if metric == "mse-unbiased" else 1
        best = max(
            ((block, method) for block in single for method in (OURS, RIDGE)),
            key=lambda each: sign * (single[each[0]][each[1]][metric] or -np.inf),
        )
        gains[metric] = {
            "best_single": {"block": best[0], "method": best[1], "value": single[best[0]][best[1]][metric]},
            "over_best_single": paired(table, OURS, tables[best[0]], best[1], metric),
            "over_joined_ridge": paired(table, OURS, table, RIDGE, metric),
            "over_mean_effect": paired(table, OURS, table, "mean-effect", metric),
        }
        if UNCUT in set(table["method"]):
            gains[metric]["over_mean_effect_in_genes"] = paired(table, OURS, table, UNCUT, metric)
    report = {
        "split": split.digest,
        "targets": len(asked),
        "floors": floors,
        "single": single,
        "together": together,
        "gains": gains,
        "note": "The best single source is chosen on the test itself, which favours it. Gains are paired by question, "
        "95 % intervals by bootstrap over perturbations; positive is better, also for errors.",
    }
    print(json.dumps({key: report[key] for key in ("floors", "together", "gains")}, indent=1))
    return report


def scored(
    measurement: Measurement, split: Split, parts: UR, *, shuffled: bool = False
) -> tuple[dict[str, object], pd.DataFrame]:
    methods = [OURS, RIDGE, *([f"{OURS}:shuffled-priors"] if shuffled else [])]
    if measurement.is_effects:
        table = answers(measurement, split, [*methods, "mean-effect"], parts)
    else:
        table = evaluate(measurement, split, methods, parts=parts, recipe=PLAIN).table
    return {method: scores_of(table, method) for method in methods}, table


def answers(measurement: Measurement, split: Split, methods: Sequence[str], parts: UR) -> pd.DataFrame:
    """Point answers to an effect-level table, without populations; own targets are left out of every score."""
    if len(GROUNDS) == 0:
        for fold in range(len(split.folds)):
            training = measurement.take(split.roles(measurement, fold) == TRAIN)
            GROUNDS.append((training, shared_fit(summarize(training, seed=0), PLAIN)))
    rows = []
    column = {str(name): i for i, name in enumerate(measurement.features)}
    for fold, (training, ground) in enumerate(GROUNDS):
        asked = np.flatnonzero(split.roles(measurement, fold) == SCORE)
        truth = measurement.take(asked).dense()
        effects = {context: training.take(training.contexts == context) for context in set(training.contexts)}
        means = {context: each.dense().mean(axis=0) for context, each in effects.items()}
        cells = {
            method: assemble(ground, method.split(":")[0], parts=parts, shuffled="priors" if ":" in method else None)
            for method in methods
        }
        for row, measured in zip(asked, truth, strict=True):
            context, text = str(measurement.contexts[row]), str(measurement.perturbations[row])
            perturbation = Perturbation.parse(text)
            use = np.ones(len(measured), dtype=bool)
            use[[column[gene] for gene in perturbation.genes if gene in column]] = False
            start = ground.start(context).sample(1, seed=0)
            base = ground.decoder.profile(start)
            said = {"no-change": np.zeros_like(measured), UNCUT: means[context]}
            for method, cell in cells.items():
                manipulator = cell.instruments[method.split(":")[0]]
                draws = manipulator.manipulate(start, perturbation).draws
                mean = dataclasses.replace(start, values=np.mean([draw.values for draw in draws], axis=0))
                said[method] = ground.decoder.profile(mean) - base
            for method, effect in said.items():
                key = {"fold": fold, "context": context, "perturbation": text, "method": method}
                rows.append(key | points(effect[use], measured[use], means[context][use]))
    return pd.DataFrame(rows)


def points(said: np.ndarray, measured: np.ndarray, mean: np.ndarray) -> dict[str, float]:
    away = said - mean
    return {
        "pearson-delta": pearson(said, measured) if said.any() else 0.0,
        # A prediction that is the mean effect up to rounding says nothing of what is special.
        "pearson-systema": pearson(away, measured - mean) if np.abs(away).max() > 1e-9 else 0.0,
        "mse-unbiased": float(((said - measured) ** 2).mean()),
    }


def scores_of(table: pd.DataFrame, method: str) -> dict[str, float | None]:
    means = table.loc[table["method"] == method, list(METRICS)].mean()
    return {metric: None if np.isnan(value) else round(float(value), 5) for metric, value in means.items()}


def paired(ours: pd.DataFrame, method: str, theirs: pd.DataFrame, other: str, metric: str) -> dict[str, float]:
    """Mean difference by question, and its interval when perturbations are drawn anew."""
    keys = ["fold", "context", "perturbation"]
    left, right = (
        each[each["method"] == name].set_index(keys)[metric] for each, name in ((ours, method), (theirs, other))
    )
    difference = (left - right).dropna() * (-1 if metric == "mse-unbiased" else 1)
    by_target = difference.groupby("perturbation").agg(["sum", "count"]).to_numpy()
    draws = np.random.default_rng(0).integers(0, len(by_target), (2000, len(by_target)))
    drawn = by_target[draws].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    answer = {"value": difference.mean(), "low": low, "high": high, "wins": (difference > 0).mean()}
    return {key: round(float(value), 4) for key, value in answer.items()} | {"n": len(difference)}


def embedding() -> dict[str, object]:
    everyone = genes(protein_names())
    report: dict[str, object] = {"genes": len(everyone), "providers": {}}
    rng = np.random.default_rng(0)
    for maker in BUILT:
        began = time.perf_counter()
        provider = maker.build()
        built = time.perf_counter()
        whole = provider.embed(everyone)
        done = time.perf_counter()
        order = rng.permutation(len(everyone))
        shuffled = provider.embed([everyone[i] for i in order])
        pieces = [provider.embed(everyone[i : i + 777]).values for i in range(0, len(everyone), 777)]
        report["providers"][provider.name] = {
            "axes": provider.dim,
            "known": int(whole.known.sum()),
            "build_s": round(built - began, 2),
            "embed_s": round(done - built, 2),
            "order_difference": float(np.abs(shuffled.values - whole.values[order]).max()),
            "chunk_difference": float(np.abs(np.concatenate(pieces) - whole.values).max()),
        }
    began = time.perf_counter()
    ur = molecular_ur(everyone, [maker.build() for maker in BUILT])
    report["molecular_ur"] = {
        "axes": ur.space.dim,
        "seconds": round(time.perf_counter() - began, 2),
        "values_mb": round((ur.values.nbytes + ur.variance.nbytes) / 1e6),
        "known_by_some": int(ur.entities.filter(like="covered_").any(axis=1).sum()),
    }
    print(json.dumps(report, indent=1))
    return report


if __name__ == "__main__":
    main()
