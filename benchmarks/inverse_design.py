"""Does a search find the intervention that is known to lead to a goal, when it was never shown to the cell?

Two questions. Papalexi 2021: the goal is the mean of the cells without IFNGR1 or IFNGR2 (the IFN-γ response off); JAK2
and STAT1 lead there, and each is left out of training by the frozen folds, so that only gene knowledge can find them.
Horlbeck 2018: which of 21,143 hidden gene pairs interact most strongly, the task of campaigns with 49,333 pairs given.

Run: AIVC_DATA=… python benchmarks/inverse_design.py [papalexi|pairs|bars]
"""

import dataclasses
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from aivc import Recipe, fit, gene_priors, load, search
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.splits.split import CONTROL_TRAIN, TRAIN, Split
from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.experiments.design.pair_learner import PairCandidates, PairLearner

RESULT = Path(__file__).parent / "results" / "inverse_design.json"
DATA = Path(os.environ["AIVC_DATA"])
PART = sys.argv[1] if len(sys.argv) > 1 else "all"
SOUGHT, BLIND = ("ko:JAK2", "ko:STAT1"), ("ko:IFNGR1", "ko:IFNGR2")
METHODS, SHUFFLES, RELATED, STRANGERS = ("effect.v2",), 20, 5, 500
RECIPE = Recipe(members=0, inner_folds=0)


def fold_of(split: Split, sought: str) -> int:
    return next(i for i, fold in enumerate(split.folds) if sought in fold.test["perturbation"])


def goal_cells(trained: Measurement, drop: list[str]) -> Measurement:
    """Cells of the goal and their controls, without the genes that candidates act on themselves."""
    names = trained.perturbations.astype(str)
    kept = trained.take(np.isin(names, (*BLIND, CONTROL)))
    return kept.select(kept.features[~np.isin(kept.features.astype(str), drop)])


def shuffled(priors: UR, seed: int) -> UR:
    """The same knowledge, each gene given that of another."""
    return dataclasses.replace(priors, values=priors.values[np.random.default_rng(seed).permutation(len(priors))])


def rank(cell: VirtualCell, goal: Measurement, asked: list[str], sought: str) -> tuple[int, dict]:
    found = search(cell, goal, asked, allow_unknown=True)
    place = int(np.flatnonzero(found.table["perturbation"] == sought)[0])
    row = found.table.iloc[place]
    said = {"closes": round(float(row["closes"]), 4), "cosine": round(float(row["cosine"]), 4)}
    best = list(found.table["perturbation"][:10])
    return place + 1, {**said, "best": best, "verdict": found.verdict, "check": str(found.check)}


def strangers(priors: UR, own: list[str]) -> list[str]:
    """Genes at random that the screen has not: what the sought gene would be with the knowledge of another."""
    names = [name for name in map(str, priors.entities.index) if name not in own]
    return [f"ko:{name}" for name in np.random.default_rng(0).choice(names, STRANGERS, replace=False)]


def as_good(cell: VirtualCell, goal: Measurement, others: list[str], sought: str) -> float:
    """Share of other genes whose knowledge closes as much of the way as that of the sought one."""
    closes = search(cell, goal, [sought, *others], allow_unknown=True).table.set_index("perturbation")["closes"]
    return round(float((closes[others] >= closes[sought]).mean()), 4)


def strength(priors: UR, cell: VirtualCell, trained: list[str], asked: list[str]) -> dict[str, float]:
    """Mean size of the effects of the five measured genes that knowledge says are nearest."""
    names = list(map(str, priors.entities.index))
    place = {name: i for i, name in enumerate(names)}
    unit = priors.values / np.maximum(np.linalg.norm(priors.values, axis=1, keepdims=True), 1e-12)
    sizes = {text: float(np.linalg.norm(cell.predict(cell.start(), text).effect)) for text in trained}
    answer = {}
    for text in asked:
        gene = text.removeprefix("ko:")
        others = [t for t in trained if t != text and t.removeprefix("ko:") in place]
        if gene not in place:
            answer[text] = 0.0
            continue
        near = sorted(others, key=lambda t: -float(unit[place[gene]] @ unit[place[t.removeprefix("ko:")]]))
        answer[text] = float(np.mean([sizes[t] for t in near[:RELATED]]))
    return answer


def papalexi() -> dict:
    cells, priors = load("papalexi2021"), gene_priors()
    split = benchmark("papalexi-unseen-target").make_split(cells)
    every = sorted(set(cells.perturbations.astype(str)) - {CONTROL})
    asked, own = [text for text in every if text not in BLIND], [text.removeprefix("ko:") for text in every]
    answer: dict[str, dict] = {}
    for sought in SOUGHT:
        began, fold = time.process_time(), fold_of(split, sought)
        trained = cells.take(np.isin(split.roles(cells, fold).astype(str), (TRAIN, CONTROL_TRAIN)))
        goal = goal_cells(trained, own)
        held = list(split.folds[fold].test["perturbation"])
        assert sought in held
        assert sought not in set(trained.perturbations.astype(str))
        answer[sought] = {"fold": fold, "left_out": held, "candidates": len(asked), "goal_features": len(goal.features)}
        for method in METHODS:
            cell = fit(cells, method, parts=priors, recipe=RECIPE, split=split, fold=fold)
            place, row = rank(cell, goal, asked, sought)
            answer[sought][method] = {"rank": place, **row}
            answer[sought][method]["rank_among_left_out"] = rank(cell, goal, held, sought)[0]
            print(sought, method, answer[sought][method], round(time.process_time() - began, 1), flush=True)
            share = as_good(cell, goal, strangers(priors, own), sought)
            answer[sought][method]["share_of_other_genes_knowledge_as_good"] = share
            nulls: list[int] = []
            for seed in range(SHUFFLES):
                null = fit(cells, method, parts=shuffled(priors, seed), recipe=RECIPE, split=split, fold=fold)
                nulls.append(rank(null, goal, asked, sought)[0])
                print(sought, "shuffled", nulls, round(time.process_time() - began, 1), flush=True)
            answer[sought][method]["shuffled_ranks"] = nulls
            print(sought, method, answer[sought][method], round(time.process_time() - began, 1), flush=True)
        by_size = strength(priors, cell, [t for t in every if t in cell.trained], asked)
        order = sorted(asked, key=lambda text: -by_size[text])
        answer[sought]["rank_by_effect_size_of_related"] = order.index(sought) + 1
    return answer


def hidden_pairs() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The map, and the rows hidden and given by the frozen task of campaigns (rich)."""
    table = pd.read_parquet(DATA / "A/horlbeck2018_gi_pairs.parquet")
    table = table[(table["gene_a"] != "negative") & (table["gene_b"] != "negative")]
    table = table.sort_values(["gene_a", "gene_b"]).reset_index(drop=True)
    order = np.random.default_rng(20261130).permutation(len(table))
    count = round(0.3 * len(table))
    return table, np.sort(order[:count]), np.sort(order[count:])


def top(said: np.ndarray, strong: np.ndarray, rows: int) -> dict:
    first = np.argsort(-said, kind="stable")[:rows]
    precision = float(strong[first].mean())
    return {"precision": round(precision, 4), "enrichment": round(precision / float(strong.mean()), 2), "rows": rows}


def searched(table: pd.DataFrame, hidden: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Score of the hidden pairs by two searches of one cell, for lower and for higher: the larger of both."""
    whole = load("horlbeck2018")
    texts = {frozenset(pair.split(" + ")): pair for pair in set(whole.perturbations.astype(str)) if " + " in pair}
    kind = next(iter(texts.values())).split(":")[0]
    named = [texts[frozenset((f"{kind}:{a}", f"{kind}:{b}"))] for a, b in zip(table.gene_a, table.gene_b, strict=True)]
    asked = [named[i] for i in hidden]
    cell = fit(
        whole.take(~np.isin(whole.perturbations.astype(str), asked)), "pair-completion", parts=None, recipe=RECIPE
    )
    assert not set(asked) & set(cell.trained)
    feature, found = str(whole.features[0]), []
    for sign in (-1.0, 1.0):
        # A goal beyond all that was measured, so that no pair arrives and a larger change is always nearer.
        table_p = search(cell, {feature: sign * 100.0}, asked).table.set_index("perturbation")
        found.append(table_p["closes"].reindex(asked).to_numpy())
        print("searched", sign, flush=True)
    return np.maximum(*found)


def pairs() -> dict:
    table, hidden, given = hidden_pairs()
    score = table["score"].to_numpy(dtype=float)
    strong = np.zeros(len(hidden), dtype=bool)
    strong[np.argsort(-np.abs(score[hidden]), kind="stable")[: round(0.05 * len(hidden))]] = True
    genes = tuple(sorted({*table["gene_a"], *table["gene_b"]}))
    place = {gene: i for i, gene in enumerate(genes)}
    ends = np.column_stack([table[end].map(place) for end in ("gene_a", "gene_b")])
    learner = PairLearner(PairCandidates.of(genes, ends[hidden]), ends[given], score[given])
    magnitude, _ = learner.magnitude(ends[given], np.abs(score[given]), np.arange(1))
    rows = round(0.01 * len(hidden))
    answer = {"hidden": len(hidden), "given": len(given), "strong": int(strong.sum())}
    answer["magnitude of the two genes"] = top(magnitude, strong, rows)
    print(answer, flush=True)
    stack = learner.posterior(np.arange(0), np.zeros(0))
    answer["pair learner of campaigns"] = top(np.abs(stack.mean), strong, rows)
    print(answer, flush=True)
    began = time.perf_counter()
    answer["search"] = top(searched(table, hidden, given), strong, rows)
    answer["search_s"] = round(time.perf_counter() - began, 1)
    print(answer["search"], flush=True)
    return answer


def bar(name: str, value: float, limit: float, better: str = "higher") -> dict:
    met = value >= limit if better == "higher" else value <= limit
    return {"name": name, "value": round(value, 4), "bar": limit, "better": better, "met": bool(met)}


def bars(found: dict) -> list[dict]:
    made = []
    for sought in SOUGHT if "papalexi" in found else ():
        rows = found["papalexi"][sought]
        own = rows["effect.v2"]
        made.append(bar(f"papalexi: rank of {sought} among {rows['candidates']}", own["rank"], 3, "lower"))
        share = own["share_of_other_genes_knowledge_as_good"]
        made.append(bar(f"papalexi: {sought}, share of other genes' knowledge that leads as far", share, 0.05, "lower"))
        as_high = float(np.mean([place <= own["rank"] for place in own["shuffled_ranks"]]))
        made.append(
            bar(f"papalexi: {sought}, share of shuffled knowledge that ranks it as high", as_high, 0.05, "lower")
        )
        related = rows["rank_by_effect_size_of_related"]
        made.append(
            bar(f"papalexi: {sought}, rank over that by effect size of related", own["rank"] - related, 0, "lower")
        )
    if "search" in found.get("pairs", {}):
        own, simple = found["pairs"]["search"], found["pairs"]["magnitude of the two genes"]
        learner = found["pairs"]["pair learner of campaigns"]["precision"]
        made.append(bar("pairs: precision of the strongest 5 % in the first 1 %, by search", own["precision"], 0.53))
        made.append(bar("pairs: the same by the pair learner of campaigns", learner, 0.53))
        made.append(bar("pairs: enrichment over that of gene magnitude", own["enrichment"] / simple["enrichment"], 1.0))
    return made


def main() -> None:
    made: dict[str, dict] = {}
    for name, run in (("papalexi", papalexi), ("pairs", pairs)):
        if PART in ("all", name):
            began = time.process_time()
            made[name] = {**run(), "cpu_s": round(time.process_time() - began, 1)}
    said = {**(json.loads(RESULT.read_text()) if RESULT.exists() else {}), **made}
    said |= {
        "command": "python benchmarks/inverse_design.py",
        "looked_at": LOOKED,
        "bars": bars(said),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "pandas")},
    }
    RESULT.write_text(json.dumps(said, indent=1) + "\n")
    for each in said["bars"]:
        print(each)


LOOKED = (
    "Goal, method and bars were written down before the first run. The first run was broken off after the rank of JAK2 "
    "(3) and three refits with shuffled knowledge were seen, and a second null was added: the knowledge of 500 other "
    "genes takes the place of that of the sought one. The 20 refits that were planned are made here. Nothing else was "
    "chosen by what the left-out knock-outs or the hidden pairs did. A second method, ridge-on-priors, was planned and "
    "not run. That JAK2 and STAT1 lead to the goal is known from books."
)

if __name__ == "__main__":
    main()
