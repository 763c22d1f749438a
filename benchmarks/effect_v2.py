"""What effect.v2 was to reach: gains over the strongest simple baselines, dead screens, and what it costs.

Gains are read from `benchmarks/results/leaderboard` (run `python benchmarks/leaderboard.py` first); the rest is
measured here, on one thread. A dead screen is Papalexi 2021 with its labels permuted within each batch, controls among
them: no perturbation does anything, and every answer beside "no change" is an error.

Run: python benchmarks/effect_v2.py [--gains]
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402 - threads are counted at import

HERE = Path(__file__).parent
RESULT, BOARD = HERE / "results" / "effect_v2.json", HERE / "results" / "leaderboard"
OURS, SIMPLE = "effect.v2", ("transfer", "scaled-transfer", "additive", "like-contexts", "mean-effect")
# Benchmark, metric, over which baseline (the best of all others where None), and by how much.
ASKED = (
    ("tahoe-new-line-ten", "pearson-delta", None, 0.02),
    ("tahoe-unseen-pair", "pearson-delta", None, 0.0),
    ("tahoe-new-line", "pearson-delta", None, 0.0),
    ("op3-unseen-pair", "pearson-delta", None, 0.04),
    ("op3-unseen-pair", "pearson-systema", None, 0.06),
    ("op3-few-shot-type", "pearson-delta", None, 0.0),
    ("replogle-k562-to-rpe1", "pearson-delta", None, 0.005),
    ("replogle-k562-to-rpe1", "pearson-systema", None, 0.01),
    ("sciplex3-unseen-pair", "pearson-delta", None, 0.03),
    ("sciplex3-unseen-pair", "pearson-systema", None, 0.06),
    ("horlbeck-hidden-pairs", "pearson-across", "additive", 0.2),
    ("horlbeck-hidden-pairs", "pearson-across", None, 0.0),
    ("norman-geometry", "pearson-delta", None, 0.0),
    ("norman-geometry", "mse-unbiased", None, 0.0),
    ("gdsc-few-shot-line", "pearson-across", None, 0.0),
    ("gdsc-few-shot-line", "pearson-across-relative", None, 0.0),
    ("sciplex3-unseen-drug", "pearson-delta", None, 0.06),
    ("op3-unseen-drug-family", "pearson-delta", None, 0.02),
    ("kang-unseen-cell-type", "pearson-delta", "transfer", 0.04),
    ("kang-unseen-cell-type", "pearson-delta", None, 0.0),
    ("replogle-unseen-gene", "pearson-delta", None, 0.0),
    ("papalexi-unseen-target", "pearson-delta", None, 0.0),
)


def bar(name: str, value: float, wanted: float, better: str = "higher") -> dict[str, Any]:
    met = value >= wanted if better == "higher" else value <= wanted
    return {"name": name, "value": round(value, 4), "bar": wanted, "better": better, "met": bool(met)}


def gains() -> Iterator[dict[str, Any]]:
    """How far above a baseline; for squared errors the share of it that is gone."""
    for name, metric, baseline, wanted in ASKED:
        path = BOARD / f"{name}.json"
        if not path.is_file() or OURS not in json.loads(path.read_text())["scores"]:
            yield {"name": f"{name}: {metric}", "value": None, "bar": wanted, "better": "higher", "met": False}
            continue
        body = json.loads(path.read_text())
        answer = body["scores"][OURS][metric]
        against = answer.get("against_best") or {}
        over = baseline or best(body, metric)
        base = body["scores"][over][metric]["value"]
        down = body["metrics"][metric]["direction"] == "down"
        gain = 1 - answer["value"] / base if down else answer["value"] - base
        found = bar(f"{name}: {metric} over {over}", gain, wanted)
        if over == against.get("baseline") and against.get("low") is not None and not down:
            found["interval"] = [round(against["low"], 4), round(against["high"], 4)]
        yield {**found, "score": round(answer["value"], 4), "baseline": round(base, 4)}


def best(body: dict[str, Any], metric: str) -> str:
    sign = -1 if body["metrics"][metric]["direction"] == "down" else 1
    known = {name: body["scores"][name][metric]["value"] for name in body["scores"] if name.split(":")[0] != OURS}
    simple = {k: v for k, v in known.items() if v is not None and ":" not in k and k != "replicate"}
    return max(simple, key=lambda name: sign * simple[name])


def retrieval() -> Iterator[dict[str, Any]]:
    """PDS of the answer that says which perturbation it is, less that of the best simple baseline."""
    for path in sorted(BOARD.glob("*.json")):
        body = json.loads(path.read_text())
        answer = body["scores"].get(OURS, {}).get("pds-retrieval", {})
        if answer.get("value") is not None:
            over = best(body, "pds-retrieval")
            value = answer["value"] - body["scores"][over]["pds-retrieval"]["value"]
            yield bar(f"{path.stem}: pds-retrieval over {over}", value, 0.0)


def dead_screen(seed: int = 0) -> dict[str, Any]:
    """Squared error of the answers on Papalexi with permuted labels, over that of no change."""
    from aivc import Perturbation, gene_priors, load
    from aivc.data.splits.folds import unseen_perturbation
    from aivc.evaluation.protocol.questions import EvaluationSet
    from aivc.experiments.fitting.fit import assemble
    from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
    from aivc.experiments.predict import predict

    cells, rng, priors = load("papalexi2021"), np.random.default_rng(seed), gene_priors()
    texts = cells.perturbations.astype(str)
    for batch in sorted(set(cells.entities["batch"])):
        rows = np.flatnonzero(cells.entities["batch"] == batch)
        texts[rows] = rng.permutation(texts[rows])
    dead = cells.replace(entities=cells.entities.assign(perturbation=texts.astype(object)))
    split = unseen_perturbation(dead, folds=5)
    evaluation, ours, nothing = EvaluationSet.prepare(dead, split, cells=20), 0.0, 0.0
    for fold in range(len(split.folds)):
        ground = shared_fit(evaluation.training(fold), Recipe(inner_folds=0, members=0))
        cell = assemble(ground, OURS, parts=priors)
        for asked in evaluation.questions(fold):
            effect = asked.truth.profile - asked.control.profile
            said = predict(cell, ground.start(asked.context), Perturbation.parse(asked.perturbation), cells=16)
            ours += float(((said.effect - effect) ** 2).sum())
            nothing += float((effect**2).sum())
    return bar("dead screen (Papalexi, labels permuted): squared error over no change", ours / nothing, 1.02, "lower")


_FIT = """
import os, time, resource, json, sys
import aivc
from aivc.experiments.fitting.shared_fit import Recipe
name = sys.argv[1]
data, start = aivc.load(name), time.process_time()
cell = aivc.fit(data, "effect.v2")
first = next(text for text in cell.card["perturbations"])
context = next(iter(cell.starts))
cell.predict(context, first).mean
cost = {"cpu_s": time.process_time() - start, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}
print(json.dumps(cost))
"""


def cost(name: str) -> dict[str, float]:
    """Processor seconds and memory of a default fit, its calibration and a first answer, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _FIT, name], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def costs() -> Iterator[dict[str, Any]]:
    for name, seconds, memory in (("tahoe100m", 60, 2.0), ("op3", None, 1.0), ("gdsc", 120, None)):
        answer = cost(name)
        print(name, answer, flush=True)
        if seconds:
            yield bar(f"{name}: default fit, processor seconds", answer["cpu_s"], seconds, "lower")
        if memory:
            yield bar(f"{name}: default fit, peak GB", answer["peak_gb"], memory, "lower")


def main() -> None:
    began = time.perf_counter()
    if "--gains" in sys.argv:
        old = json.loads(RESULT.read_text())["bars"]
        measured = [each for each in old if each["name"].startswith("dead") or "default fit" in each["name"]]
    else:
        measured = [dead_screen(), *costs()]
    bars = [*gains(), *retrieval(), *measured]
    about = {
        "command": "python benchmarks/effect_v2.py",
        "seconds": round(time.perf_counter() - began, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy")},
    }
    RESULT.write_text(json.dumps({**about, "bars": bars}, indent=1) + "\n", encoding="utf-8")
    for each in bars:
        print("met " if each["met"] else "OPEN", each["name"], each["value"], "bar", each["bar"])


if __name__ == "__main__":
    main()
