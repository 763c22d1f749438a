"""Hold our challenge metrics against cell-eval and cell-eval2, number by number, on a small screen.

The two are run in environments of their own, named on the command line, and what they say is written into
`tests/evaluation/fixtures`, where the tests find it. Without them, their committed answers are compared with ours.

Run: python benchmarks/parity.py [--cell-eval VENV --cell-eval2 VENV]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from aivc.evaluation.metrics.differential import Control
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.metrics.profiles import metric

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from parity_screen import FIXTURES, genes, inputs, log1p, parity_panel  # noqa: E402 - after its folder is known

RESULT = HERE / "results" / "parity.json"
PERTURBATIONS, GENES, CELLS, CONTROLS = 12, 240, 60, 150
QUIET, NULL, TILED = 9, 10, 11  # predicted without effect; really without; predicted as identical cells
# Depths share no factor, so equal shares of two cells are equal counts of equal depths: nothing else can tie.
DEPTHS = np.array([607, 701, 809, 907, 1009, 1103, 1201, 1301, 1409, 1511, 1607, 1801, 2003, 2503, 3001, 4001, 8009])
FILLER = 200
SIX = {
    "vcc26-pds": "pds_cosine",
    "vcc26-fidelity": "de_wilcoxon_direction_fidelity_yield_raw",
    "vcc26-reach": "de_wilcoxon_direction_reach_raw",
    "vcc26-jaccard": "de_wilcoxon_sig_jaccard",
    "vcc26-lfc-nmae": "de_wilcoxon_lfc_nmae",
}
SHARES = ("expr_mse_unbiased_capped", "expr_distance_unbiased")
PLAIN = {
    "vcc25-mae": "mae",
    "vcc25-pds": "discrimination_score_l1",
    "pearson-delta": "pearson_delta",
    "rmse-delta": "mse_delta",
}
SCORE_ONE = """
import dataclasses, json, sys
from cell_eval2.catalog import CATALOG
from cell_eval2.scoring import score_one
asked = json.load(sys.stdin)
print(json.dumps([score_one(u, b, dataclasses.replace(CATALOG[m].scoring, anchor=r)) for m, u, b, r in asked]))
"""


def simulate(rng: np.random.Generator, rate_pf: np.ndarray, cells: int) -> np.ndarray:
    """``(p, cells, f)`` counts."""
    share_pf = rate_pf / rate_pf.sum(axis=1, keepdims=True)
    depth = rng.choice([600, 900, 1200, 1500], (len(rate_pf), cells, 1))
    noise = rng.gamma(8, 1 / 8, (len(rate_pf), cells, rate_pf.shape[1]))
    counts = rng.poisson(share_pf[:, None] * depth * noise)
    total = counts.sum(axis=2)
    counts[:, :, FILLER] += DEPTHS[np.searchsorted(DEPTHS, total)] - total
    return counts.astype(np.uint16)


def make_screen(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    base_f = rng.lognormal(0, 1.6, GENES)
    base_f[-12:] = 2e-3  # below the gate, or silent
    effect_pf = rng.normal(0, 0.8, (PERTURBATIONS, GENES)) * (rng.random((PERTURBATIONS, GENES)) < 0.3)
    effect_pf *= rng.choice([0.3, 0.7, 1.2], (PERTURBATIONS, 1))
    effect_pf[:, -6:] += 4.0 * (rng.random((PERTURBATIONS, 6)) < 0.4)
    effect_pf[NULL] = 0
    own = np.arange(PERTURBATIONS)
    base_f[own] = rng.uniform(2, 6, PERTURBATIONS)
    effect_pf[own, own] = -2.5
    # Half the truth, half that of a neighbour: some predictions then look more like another perturbation.
    guess_pf = 0.5 * effect_pf + 0.6 * np.roll(effect_pf, 1, axis=0)
    guess_pf += rng.normal(0, 0.5, effect_pf.shape) * (rng.random(effect_pf.shape) < 0.1)
    guess_pf[QUIET] = 0
    measured, predicted = (simulate(rng, base_f * np.exp(rates), CELLS) for rates in (effect_pf, guess_pf))
    predicted[TILED] = predicted[TILED, 0]
    flat = np.tile(rng.choice(CONTROLS, CELLS), (PERTURBATIONS, 1))
    flat[:, :15] = rng.choice(CONTROLS, (PERTURBATIONS, 15))
    return {
        "controls": simulate(rng, base_f[None], CONTROLS)[0],
        "measured": measured,
        "predicted": predicted,
        "flat": flat.astype(np.uint8),
    }


def write(path: Path, controls: np.ndarray, cells: np.ndarray) -> None:
    """One h5ad with controls and perturbed cells, labeled by target."""
    p, n, f = cells.shape
    labels = ["non-targeting"] * len(controls) + list(np.repeat(genes(f)[:p], n))
    obs = pd.DataFrame({"target": labels}, index=[f"c{i}" for i in range(len(labels))])
    x = np.concatenate([controls, cells.reshape(-1, f)]).astype(np.float32)
    anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=genes(f).astype(str))).write_h5ad(path)


def ask_cell_eval2(venv: Path, screen: dict[str, np.ndarray], folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What it says of both predictions by the rules of 2026, its tables, and DES by the rules of 2025."""
    order = list(genes(GENES)[:PERTURBATIONS])
    write(folder / "measured.h5ad", screen["controls"], screen["measured"])
    write(folder / "measured_log.h5ad", log1p(screen["controls"]), log1p(screen["measured"]))
    answers: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for name in ("predicted", "flat"):
        write(folder / f"{name}.h5ad", screen["controls"], screen[name])
        call(venv, "cell-eval2", folder, name, "measured", "--preset", "vcc2026", "--write-degenes")
        long = pd.read_csv(folder / name / "results.csv")
        wide = long.pivot(index="perturbation", columns="metric", values="value").reindex(order)
        mean = pd.read_csv(folder / name / "agg_results.csv", index_col="statistic").loc["mean"]
        answers[name] = {
            "rows": {key: listed(wide[key]) for key in (*SIX.values(), *SHARES)},
            "mean": {key: float(mean[key]) for key in (*SIX.values(), "expr_mse_unbiased_capped_norm")},
        }
        for side in ("real", "pred"):
            table = pd.read_parquet(folder / name / f"de_{side}.parquet").set_index(["target", "feature"])
            full = table.reindex(pd.MultiIndex.from_product([order, genes(GENES)]))
            for column in ("p_value", "p_adj", "log2_fold_change"):
                tables[f"{name}_{side}_{column}"] = full[column].to_numpy().reshape(PERTURBATIONS, GENES)
    write(folder / "old.h5ad", log1p(screen["controls"]), log1p(screen["predicted"]))
    # In 2025, all genes were tested, and all tests of a context were one family.
    settings = ("metrics=[de_wilcoxon_overlap]", "de.fdr_scope=global", "filter.filter_gene_min_cpm_cell=-1")
    old = ("--preset", "cell-eval-0.7.6", *(word for each in settings for word in ("--set", each)))
    call(venv, "cell-eval2", folder, "old", "measured_log", *old)
    found = pd.read_csv(folder / "old" / "results.csv").set_index("perturbation").reindex(order)
    answers["des_2025"] = listed(found["value"])
    answers["scores"] = ask_scores(venv)
    return answers, tables


def ask_scores(venv: Path) -> list[dict[str, float]]:
    """Scores of single means between a baseline and a replicate, usual and unusual."""
    names = {**SIX, "vcc26-mse": "expr_mse_unbiased_capped_norm"}
    ends = {"vcc26-pds": (0.5, 0.95), "vcc26-mse": (0.98, 0.04), "vcc26-fidelity": (0.51, 0.8)}
    ends |= {"vcc26-reach": (0.07, 0.96), "vcc26-jaccard": (0.03, 0.4), "vcc26-lfc-nmae": (1.001, 0.4)}
    asked = [
        (name, value, *ends[name])
        for name in ends
        for value in (0.0, 0.03, 0.3, 0.5, 0.9, 1.0, 1.4, 12.0, float("nan"))
    ]
    lines = json.dumps([(names[name], None if np.isnan(value) else value, b, r) for name, value, b, r in asked])
    said = subprocess.run(
        [venv / "bin" / "python", "-c", SCORE_ONE], input=lines, capture_output=True, text=True, check=True
    )
    keys = ("metric", "value", "baseline", "replicate")
    scores = json.loads(said.stdout.splitlines()[-1])
    asked = [(name, None if np.isnan(value) else value, b, r) for name, value, b, r in asked]
    return [dict(zip(keys, each, strict=True)) | {"score": s} for each, s in zip(asked, scores, strict=True)]


def ask_cell_eval(venv: Path, screen: dict[str, np.ndarray], folder: Path) -> dict[str, Any]:
    """What it says of the prediction, by its usual metrics on logarithms."""
    write(folder / "measured.h5ad", log1p(screen["controls"]), log1p(screen["measured"]))
    write(folder / "predicted.h5ad", log1p(screen["controls"]), log1p(screen["predicted"]))
    call(venv, "cell-eval", folder, "predicted", "measured")
    order = list(genes(GENES)[:PERTURBATIONS])
    found = pd.read_csv(folder / "predicted" / "results.csv", index_col="perturbation").reindex(order)
    return {"rows": {key: listed(found[key]) for key in (*PLAIN.values(), "overlap_at_N")}}


def call(venv: Path, program: str, folder: Path, predicted: str, measured: str, *options: str) -> None:
    files = ["-ap", folder / f"{predicted}.h5ad", "-ar", folder / f"{measured}.h5ad", "-o", folder / predicted]
    words = [venv / "bin" / program, "run", *files, "--pert-col", "target", *options]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def listed(column: pd.Series) -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in column]


def compare() -> dict[str, Any]:
    """Largest difference of every number whose definition agrees, and the size of those that are meant to differ."""
    screen = inputs()
    new, old = (json.loads((FIXTURES / f"parity_{name}.json").read_text()) for name in ("cell_eval2", "cell_eval"))
    agree: dict[str, float] = {}
    for name in ("predicted", "flat"):
        panel = parity_panel(screen, name)
        for ours, theirs in SIX.items():
            agree[f"{ours} ({name})"] = gap(metric(ours), panel, new[name]["rows"][theirs])
        numerator, denominator = (np.array(new[name]["rows"][key], dtype=float) for key in SHARES)
        agree[f"vcc26-mse ({name})"] = gap(metric("vcc26-mse"), panel, len(panel) * numerator / denominator.sum())
    whole = parity_panel(screen, "predicted", own=True)
    for ours, theirs in PLAIN.items():
        change: Callable[[np.ndarray], np.ndarray] = np.sqrt if ours == "rmse-delta" else np.asarray
        panel = parity_panel(screen, "predicted") if ours == "vcc25-pds" else whole
        agree[ours] = gap(metric(ours), panel, change(np.array(old["rows"][theirs], dtype=float)))
    agree["vcc25-des"] = gap(metric("vcc25-des"), parity_panel(screen, "predicted"), new["des_2025"])
    return {"largest_difference": agree | tables(screen), "differs_on_purpose": on_purpose(screen, old)}


def gap(ours: Metric, panel: Any, theirs: Any) -> float:
    value, theirs = ours.compute(panel), np.array(theirs, dtype=float)
    assert (np.isnan(value) == np.isnan(theirs)).all(), ours.name
    return float(np.nanmax(np.abs(value - theirs)))


def tables(screen: dict[str, np.ndarray]) -> dict[str, float]:
    """Largest difference of p, adjusted p and fold change, over all genes of both predictions and the truth."""
    control = Control.of(screen["controls"], genes(GENES), units="counts")
    found = {"p (relative)": 0.0, "adjusted p": 0.0, "log2 fold change": 0.0}
    with np.load(FIXTURES / "parity_tables.npz") as stored:
        for name, side in (("predicted", "pred"), ("predicted", "real"), ("flat", "pred")):
            cells = screen["measured" if side == "real" else name]
            for i, each in enumerate(cells):
                table = control.differential(each)
                p, p_adj, lfc = (stored[f"{name}_{side}_{key}"][i] for key in ("p_value", "p_adj", "log2_fold_change"))
                assert (np.isfinite(p) == table.tested).all()
                gaps = np.abs(table.p / p - 1), np.abs(table.p_adj - p_adj), np.abs(table.lfc - lfc)
                found = {key: max(found[key], float(np.nanmax(x))) for key, x in zip(found, gaps, strict=True)}
    return found


def on_purpose(screen: dict[str, np.ndarray], old: dict[str, Any]) -> dict[str, float]:
    """How far our scores lie from theirs where we mean something else."""
    panel = parity_panel(screen, "predicted")
    found = {"vcc25-des against per-perturbation FDR": gap(metric("vcc25-des"), panel, old["rows"]["overlap_at_N"])}
    for ours in ("pearson-delta", "rmse-delta"):
        theirs = np.array(old["rows"][PLAIN[ours]], dtype=float)
        found[f"{ours} without own target"] = gap(metric(ours), panel, theirs**0.5 if ours == "rmse-delta" else theirs)
    low, high = np.array([[3.0, 897.0]] * 9), np.array([[4.0, 1196.0]] * 9)
    table = Control.of(low, np.array(["A", "B"]), units="counts").differential(high)
    found["p of equal shares at depths 900 and 1200 (ours is 1)"] = float(table.p[0])
    pooled = false_discovery_control(np.array([0.01, 0.04]))
    assert pooled[0] == 0.02
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--cell-eval", type=Path, metavar="VENV")
    asked.add_argument("--cell-eval2", type=Path, metavar="VENV")
    args = asked.parse_args()
    if args.cell_eval and args.cell_eval2:
        FIXTURES.mkdir(exist_ok=True)
        np.savez_compressed(FIXTURES / "parity_screen.npz", **make_screen())
        screen = inputs()
        with tempfile.TemporaryDirectory() as new, tempfile.TemporaryDirectory() as old:
            answers, stored = ask_cell_eval2(args.cell_eval2, screen, Path(new))
            said = {"cell_eval2": answers, "cell_eval": ask_cell_eval(args.cell_eval, screen, Path(old))}
        np.savez_compressed(FIXTURES / "parity_tables.npz", **stored)
        for name, each in said.items():
            (FIXTURES / f"parity_{name}.json").write_text(json.dumps(each, indent=1) + "\n")
    peers = {"cell-eval": "0.8.2", "cell-eval2": "0.20.0", "pdex": "0.3.0"}
    report = {"command": "python benchmarks/parity.py", "peers": peers, **compare()}
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
