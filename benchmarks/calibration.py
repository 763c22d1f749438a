"""Do intervals hold in every third by strength, are errors small where they are narrow, and does abstaining help?

Run: python benchmarks/calibration.py [NAME …]

Each name is a frozen benchmark, or `synthetic`. On every fold `effect.v2` is fitted once, and its answers get three
kinds of intervals from the same held-out perturbations: `pooled` (one variance of the model's error for each feature,
all held-out perturbations alike), `grown` (what `aivc` does: the variance grows with what was said, and held-out
perturbations like the one asked about count for more), and `told-strength`, an oracle that is given how strong each
perturbation will turn out to be and nothing else: what it gains, no method could know beforehand. These are of the
profile, predicted from the controls given to the method; `fresh` are those of `grown` for the effect, measured against
the controls kept for scoring.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from aivc.core.perturbation import Perturbation
from aivc.core.prediction import GUARANTEED, Applicability, HeldOut
from aivc.core.registry import MANIPULATORS
from aivc.core.virtual_cell import VirtualCell
from aivc.data.priors.for_screen import priors_for
from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.evaluation.metrics.uncertainty import interval_score
from aivc.evaluation.protocol.questions import EvaluationSet, targets
from aivc.experiments.fitting import negative_transfer
from aivc.experiments.fitting.fit import assemble, calibrated, left_out
from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
from aivc.experiments.predict import predict

RESULT = Path(__file__).parent / "results" / "calibration.json"
METHOD = "effect.v2"
# Name, how many folds are asked, and inner folds where the benchmark itself has none.
ASKED = {
    "papalexi-unseen-target": (5, None),
    "norman-geometry": (5, None),
    "op3-unseen-pair": (5, 5),
    "sciplex3-unseen-pair": (5, 5),
    "replogle-unseen-gene": (2, 5),
    "synthetic": (8, None),
    "op3-unseen-drug": (3, 5),
    "replogle-k562-to-rpe1": (1, 5),
    "tahoe-unseen-pair": (1, 5),
}


def screens(name: str) -> Iterator[tuple[Any, ...]]:
    """EvaluationSet, number of its fold, priors and recipe, fold by fold."""
    most, inner = ASKED[name]
    if name == "synthetic":
        for seed in range(most // 2):
            cells, truth = synthetic_screen(perturbations=40, features=100, cells=40, controls=200, seed=seed)
            split = unseen_perturbation(cells, folds=2, seed=seed)
            evaluation = EvaluationSet.prepare(cells, split, cells=2, seed=seed)
            yield from ((evaluation, fold, truth.priors, Recipe(dim=12, members=3, seed=seed)) for fold in range(2))
        return
    chosen = benchmark(name)
    data = chosen.load_data()
    split, recipe = chosen.make_split(data), Recipe(**chosen.recipe)
    held = {column for fold in split.folds for column in fold.held}
    unseen = next((column for column in ("perturbation", "context", "pair") if column in held), "perturbation")
    recipe = dataclasses.replace(recipe, unseen=unseen, inner_folds=inner or recipe.inner_folds)
    evaluation, parts = EvaluationSet.prepare(data, split, cells=2, seed=recipe.seed), priors_for(data)
    yield from ((evaluation, fold, parts, recipe) for fold in range(min(most, len(split.folds))))


def strength(effect_f: np.ndarray, noise_f: np.ndarray) -> float:
    """Root of the mean squared effect less its noise."""
    known = np.isfinite(effect_f)
    return float(np.sqrt(max(np.mean(effect_f[known] ** 2 - noise_f[known]), 1e-3 * np.mean(effect_f[known] ** 2))))


def answer(each: HeldOut, variance_f: np.ndarray) -> HeldOut:
    """The same held-out perturbation, with an effect that says its true strength and nothing else."""
    return each._replace(
        control=each.predicted - strength(each.measured - each.control, variance_f / each.cells),
        applicability=Applicability.EDGE,
    )


def ask(evaluation: EvaluationSet, fold: int, parts: Any, recipe: Recipe) -> Iterator[dict[str, Any]]:
    """One row for each question of a fold."""
    began = time.perf_counter()
    ground, questions = shared_fit(evaluation.training(fold), recipe), list(evaluation.questions(fold))
    cell = assemble(dataclasses.replace(ground, inner=()), METHOD, parts=parts)
    held = left_out(ground, METHOD, parts=parts, settings=cell.instruments[METHOD].refits)
    seconds = time.perf_counter() - began
    plain = calibrated(ground, [each._replace(control=None) for each in held]).calibration
    grown = calibrated(ground, held).calibration
    oracle = calibrated(ground, [answer(each, ground.variance) for each in held]).calibration
    rule, floor = negative_transfer.rule(held), MANIPULATORS.load("mean-effect").fit(ground.states)
    silent = (
        cell.instruments[METHOD] if rule is None else cell.instruments[METHOD].abstaining(ground.states, floor, *rule)
    )
    abstaining = VirtualCell(cell.encoders, {**cell.instruments, METHOD: silent}, cell.card, cell.starts)
    by_mean = VirtualCell(cell.encoders, {**cell.instruments, METHOD: floor}, cell.card, cell.starts)
    own = targets(questions, evaluation.summary.profiles.features)
    for question, target_f in zip(questions, own, strict=True):
        start, asked = ground.start(question.context), Perturbation.parse(question.perturbation)
        said = predict(cell, start, asked, cells=2)
        use = ~target_f & np.isfinite(question.truth.profile)
        truth_f = question.truth.profile - question.given.profile
        measured_f = (question.truth.profile - question.control.profile)[use]
        noise_f = (question.truth.noise + question.control.noise)[use]
        row: dict[str, Any] = {
            "fold": fold,
            "strength": strength(measured_f, noise_f),
            "foretold": float(np.sqrt(np.mean(said.effect[use] ** 2))),
            "applicability": str(said.applicability),
            "promised": said.replace(calibration=grown).coverage == GUARANTEED,
            "error": float(np.abs(said.effect - truth_f)[use].mean()),
            "held_out": len(held),
            "seconds": seconds,
        }
        fixed = said.mean - strength(measured_f, noise_f)
        kinds = {"pooled": (plain, said.base), "grown": (grown, said.base), "told-strength": (oracle, fixed)}
        for name, (calibration, base_f) in kinds.items():
            kind = Applicability.EDGE if name == "told-strength" else said.applicability
            prediction = said.replace(calibration=calibration, base=base_f, applicability=kind)
            low, high = (end[use] - said.base[use] for end in prediction.interval(0.9, cells=question.truth.cells))
            scored = interval_score(low, high, truth_f[use])
            row[name] = {
                "covered": float(((truth_f[use] >= low) & (truth_f[use] <= high)).mean()),
                "width": float((high - low).mean()),
                "interval_score": float(scored.mean() / np.abs(measured_f).mean()),
            }
        low, high = (
            end[use]
            for end in said.replace(calibration=grown).interval(
                0.9, cells=question.truth.cells, controls=question.control.cells
            )
        )
        effect_f = measured_f + said.base[use]
        row["fresh"] = {"covered": float(((effect_f >= low) & (effect_f <= high)).mean())}
        answers = {"method": said, "abstaining": predict(abstaining, start, asked, cells=2)}
        answers["floor"] = predict(by_mean, start, asked, cells=2)
        row["squared"] = {name: float(np.mean((each.effect - truth_f)[use] ** 2)) for name, each in answers.items()}
        row["abstained"] = answers["abstaining"].abstained
        yield row


def thirds(values: np.ndarray, by: np.ndarray, parts: int = 3) -> list[float]:
    """Means over parts of the questions, from the least of ``by`` to the greatest."""
    return [round(float(values[part].mean()), 4) for part in np.array_split(np.argsort(by, kind="stable"), parts)]


def summarized(rows: list[dict[str, Any]]) -> dict[str, Any]:
    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows])

    error, found = column("error"), {}
    for kind in ("pooled", "grown", "told-strength"):
        covered, width, score = (
            np.array([row[kind][name] for row in rows]) for name in ("covered", "width", "interval_score")
        )
        found[kind] = {
            "coverage90": round(float(covered.mean()), 4),
            "by_strength": thirds(covered, column("strength")),
            "by_predicted_strength": thirds(covered, column("predicted")),
            "by_applicability": {
                kind: [
                    int((column("applicability") == kind).sum()),
                    round(float(covered[column("applicability") == kind].mean()), 4),
                ]
                for kind in sorted(set(column("applicability")))
            },
            "promised": [
                int(column("promised").sum()),
                round(float(covered[column("promised")].mean()), 4) if column("promised").any() else None,
            ],
            "interval_score": round(float(score.mean()), 4),
            "width90": float(np.format_float_positional(width.mean(), 4, fractional=False)),
            "sigma_error_spearman": round(float(spearmanr(width, error).statistic), 4),
            "error_by_sigma_fifth": thirds(error, width, 5),
        }
    fresh = np.array([row["fresh"]["covered"] for row in rows])
    found["fresh"] = {
        "coverage90": round(float(fresh.mean()), 4),
        "by_predicted_strength": thirds(fresh, column("predicted")),
    }
    squared = {name: np.array([row["squared"][name] for row in rows]) for name in ("method", "abstaining", "floor")}
    for name in ("method", "abstaining"):
        worse = squared[name] > squared["floor"] * (1 + 1e-9)
        found[f"harm_{name}"] = {
            "harm_rate": round(float(worse.mean()), 4),
            "gain": round(float(1 - squared[name].sum() / squared["floor"].sum()), 4),
        }
    found["abstained"] = round(float(column("abstained").mean()), 4)
    return found


def main(names: list[str]) -> None:
    for name in names or ASKED:
        rows = [row for screen in screens(name) for row in ask(*screen)]
        answer_of = {
            "command": f"python benchmarks/calibration.py {name}",
            "method": METHOD,
            "folds": ASKED[name][0],
            "questions": len(rows),
            "held_out_per_fold": rows[0]["held_out"],
            "seconds_to_fit_and_hold_out_per_fold": round(float(np.mean([row["seconds"] for row in rows])), 1),
        }
        body = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
        body[name] = {**answer_of, **summarized(rows)}
        RESULT.write_text(json.dumps({key: body[key] for key in ASKED if key in body}, indent=1) + "\n")
        print(name, json.dumps(body[name]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
