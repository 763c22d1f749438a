"""How long a large screen takes to fit, and a whole library to predict, with effect.v2 on one thread.

A table of 2,000 perturbations × 8,000 genes in three contexts, with priors of 160 axes: encoder, decoder and
manipulator. Then 20,000 perturbations in 50 contexts, a tenth of them measured in some: a million effects, in the axes
of the state, with their variances; and read out as the change of one response.

Run: python benchmarks/library.py
"""

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402 - threads are counted at import
import pandas as pd  # noqa: E402

from aivc.core.measurement import CONTROL, Measurement  # noqa: E402
from aivc.core.perturbation import Perturbation  # noqa: E402
from aivc.core.registry import DECODERS, ENCODERS, MANIPULATORS  # noqa: E402
from aivc.core.scale import Scale  # noqa: E402
from aivc.core.space import Space  # noqa: E402
from aivc.core.ur import UR  # noqa: E402
from aivc.evaluation.protocol.cost import peak_mb  # noqa: E402
from aivc.experiments.fitting.fit import fit  # noqa: E402
from aivc.experiments.fitting.shared_fit import Recipe  # noqa: E402

RESULT = Path(__file__).parent / "results" / "library.json"
PERTURBATIONS, GENES, CONTEXTS, AXES, DIM = 2_000, 8_000, 3, 160, 32
LIBRARY, PLACES, MEASURED, SEEN_IN = 20_000, 50, 2_000, 5


def priors(names: list[str], rng: np.random.Generator) -> UR:
    """Three blocks, as the catalog's knowledge of genes has; each is of length one."""
    table = pd.DataFrame({"known_as": names}, index=names)
    pieces = []
    for block, width in (("ppi", 64), ("go", 64), ("reactome", 32)):
        values = rng.standard_normal((len(names), width))
        pieces.append(values / np.linalg.norm(values, axis=1, keepdims=True))
        table[f"covered_{block}"] = True
        table[f"axes_{block}"] = width
    return UR(np.hstack(pieces), Space("priors", Scale.MOLECULAR, AXES, "benchmark"), table)


def responses(parts: UR, rng: np.random.Generator) -> np.ndarray:
    """``(p, 20)`` what each perturbation does, half of it predicted by its priors."""
    answer = parts.values @ rng.standard_normal((AXES, 20)) / np.sqrt(3)
    return answer + rng.standard_normal(answer.shape)


def timed(name: str, report: dict, make):
    """Seconds on the clock, and of the processor: other work on the machine lengthens the first alone."""
    start, worked = time.perf_counter(), time.process_time()
    made = make()
    report[name] = {"seconds": round(time.perf_counter() - start, 2), "cpu": round(time.process_time() - worked, 2)}
    print(name, report[name], flush=True)
    return made


def table(parts: UR, rng: np.random.Generator) -> Measurement:
    own_pr, loadings_rf = responses(parts, rng), rng.standard_normal((20, GENES)).astype(np.float32)
    blocks, rows = [], []
    for context in range(CONTEXTS):
        here_pr = own_pr + 0.5 * rng.standard_normal(own_pr.shape) + rng.standard_normal(20)
        noise_pf = rng.standard_normal((PERTURBATIONS, GENES), dtype=np.float32)
        blocks.append(here_pr.astype(np.float32) @ loadings_rf / 5 + noise_pf)
        rows += [{"perturbation": f"ko:{name}", "context": f"line {context}"} for name in parts.entities.index]
    entities = pd.DataFrame(rows, index=[f"{row['context']} | {row['perturbation']}" for row in rows])
    features = np.array([f"F{i:04}" for i in range(GENES)], dtype=object)
    return Measurement(np.concatenate(blocks), features, entities, "score", modality="effect")


def fitting(rng: np.random.Generator) -> dict:
    parts = priors([f"G{i:04}" for i in range(PERTURBATIONS)], rng)
    effects = table(parts, rng)
    report: dict = {"perturbations": PERTURBATIONS, "genes": GENES, "contexts": CONTEXTS, "axes": DIM, "target_s": 60}
    for encoder in ("count-pca", "ppca"):
        steps: dict = {}
        made = timed(
            "encoder", steps, lambda encoder=encoder: ENCODERS.load(encoder).fit(effects, dim=DIM, units=effects.units)
        )
        states = timed("states", steps, lambda made=made: made.encode(effects))
        timed(
            "decoder",
            steps,
            lambda states=states: DECODERS.load("linear-expression").fit(states, effects, units=effects.units),
        )
        control = UR(
            np.zeros((CONTEXTS, DIM)),
            states.space,
            pd.DataFrame(
                {"perturbation": CONTROL, "context": [f"line {i}" for i in range(CONTEXTS)]},
                index=[f"control {i}" for i in range(CONTEXTS)],
            ),
        )
        both = UR(
            np.vstack([states.values, control.values]), states.space, pd.concat([states.entities, control.entities])
        )
        timed("effect.v2", steps, lambda both=both: MANIPULATORS.load("effect.v2").fit(both, parts=parts))
        steps["all"] = {kind: round(sum(step[kind] for step in steps.values()), 2) for kind in ("seconds", "cpu")}
        report[encoder] = steps
    # The whole verb, from table to a cell that can be asked; intervals are calibrated only in the second.
    for folds in (0, 5):
        recipe = Recipe(dim=DIM, members=0, inner_folds=folds)
        timed(
            f"aivc.fit, {folds} inner folds",
            report,
            lambda recipe=recipe: fit(effects, "effect.v2", parts=parts, recipe=recipe),
        )
    report["peak_mb"] = peak_mb()
    return report


def predicting(rng: np.random.Generator) -> dict:
    names = [f"G{i:05}" for i in range(LIBRARY)]
    parts = priors(names, rng)
    own_pd = responses(parts, rng) @ rng.standard_normal((20, DIM))
    values, rows = [], []
    for place in range(PLACES):
        values.append(rng.standard_normal(DIM)[None])
        rows.append({"perturbation": CONTROL, "context": f"line {place}"})
        seen = [i for i in range(MEASURED) if (i + place) % (PLACES // SEEN_IN) == 0]
        values.append(values[-1] + own_pd[seen] + rng.standard_normal((len(seen), DIM)))
        rows += [{"perturbation": f"ko:{names[i]}", "context": f"line {place}"} for i in seen]
    entities = pd.DataFrame(rows, index=[f"{row['context']} | {row['perturbation']}" for row in rows])
    states = UR(np.concatenate(values), Space("states", Scale.CELLULAR, DIM, "benchmark"), entities)
    report: dict = {
        "perturbations": LIBRARY,
        "contexts": PLACES,
        "axes": DIM,
        "measured": f"{MEASURED} perturbations, each in {SEEN_IN} contexts",
        "target_s": 60,
    }
    fitted = timed("fit", report, lambda: MANIPULATORS.load("effect.v2").fit(states, parts=parts))
    asked = timed("parse", report, lambda: [Perturbation.parse(f"ko:{name}") for name in names])
    places = [f"line {i}" for i in range(PLACES)]
    shift_pcd, variance_pcd = timed("effects", report, lambda: fitted.effects(asked, places))
    weights_d = rng.standard_normal(DIM)
    change_pc = timed("one response read out", report, lambda: shift_pcd @ weights_d)
    report["effects_per_minute"] = round(change_pc.size / report["effects"]["cpu"] * 60)
    report["answer_mb"] = round((shift_pcd.nbytes + variance_pcd.nbytes) / 2**20)
    report["peak_mb"] = peak_mb()
    few = rng.permutation(LIBRARY)[:20]
    one_by_one = np.array([[fitted.predict(asked[i], place).shift for place in places[:3]] for i in few])
    report["differs_from_one_by_one"] = float(np.abs(one_by_one - shift_pcd[few, :3]).max())
    return report


def main() -> None:
    report = {
        "command": "python benchmarks/library.py",
        "library": predicting(np.random.default_rng(0)),
        "fit": fitting(np.random.default_rng(0)),
        "threads": 1,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy")},
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
