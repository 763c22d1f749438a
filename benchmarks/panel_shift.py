"""How well cell types are recognized from 100, 50, 20 and 10 % of the genes, by a probe that learned on all of them.

Encoder and probe are fitted on some donors or batches and used, unchanged, on the cells of the others. Panels are
drawn at random, three of each size. Cells without any count in the smallest panel of a draw are left out for every
method alike. Then, over cells of which each has a random panel, or a random share of its counts: do states with more
variance lie further from those of all data?

Run: AIVC_DATA=… python benchmarks/panel_shift.py [STEPS]
"""

import json
import os
import platform
import resource
import sys
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from scipy.stats import spearmanr

from aivc.core.contracts import Encoder
from aivc.core.measurement import Measurement
from aivc.representations.cellular.count_pca import CountPCA
from aivc.representations.cellular.factor_analysis import FactorAnalysis
from aivc.representations.cellular.ppca import PPCA
from aivc.representations.cellular.programme_tokens import ProgrammeTokens
from aivc.training.loop import TrainingRecipe

SHARES, PANELS, DIM, PENALTY = (1.0, 0.5, 0.2, 0.1), 3, 32, 1e-3
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 250
RESULT = Path(__file__).parent / "results" / "panel_shift.json"
# File, label, what is held out, and which of it.
DATA = {
    "Kang 2018, controls of 6 donors": (
        "I/kang2018_sle_ctrl_6donors.h5ad",
        "cell_type",
        "donor",
        ["1256", "1016", "101"],
    ),
    "Paul 2015, myeloid progenitors": (
        "C/paul2015_mouse_haematopoiesis_2660cells.h5ad",
        "celltype",
        "Amp_batch_ID",
        ["AB173", "AB175", "AB203", "AB205", "AB207", "AB209", "AB211", "AB213"],
    ),
}


def read(file: str, label: str, unit: str) -> Measurement:
    table = anndata.read_h5ad(Path(os.environ["AIVC_DATA"]) / file)
    entities = pd.DataFrame(
        {"label": table.obs[label].astype(str), "unit": table.obs[unit].astype(str)}, dtype=object
    ).set_axis([str(name) for name in table.obs_names], axis=0)
    names = np.array([str(name) for name in table.var_names], dtype=object)
    cells = Measurement(table.X.astype(np.float32), names, entities, "counts")
    return cells.take(np.asarray(cells.values.sum(axis=1)).ravel() > 0)


def probe(z_nd: np.ndarray, labels: np.ndarray):
    """Multinomial logistic regression on standardized states."""
    center, size = z_nd.mean(axis=0), z_nd.std(axis=0)
    kinds, code_n = np.unique(labels, return_inverse=True)
    x_nd = np.column_stack([(z_nd - center) / size, np.ones(len(z_nd))])
    truth_nc = np.eye(len(kinds))[code_n]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w_dc = flat.reshape(x_nd.shape[1], -1)
        score_nc = x_nd @ w_dc
        score_nc -= score_nc.max(axis=1, keepdims=True)
        share_nc = np.exp(score_nc) / np.exp(score_nc).sum(axis=1, keepdims=True)
        value = -np.log(share_nc[truth_nc > 0] + 1e-12).mean() + PENALTY * (w_dc**2).sum()
        return value, (x_nd.T @ (share_nc - truth_nc) / len(x_nd) + 2 * PENALTY * w_dc).ravel()

    start = np.zeros(x_nd.shape[1] * len(kinds))
    w_dc = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x.reshape(x_nd.shape[1], -1)
    return lambda z: kinds[(np.column_stack([(z - center) / size, np.ones(len(z))]) @ w_dc).argmax(axis=1)]


def macro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    each = []
    for kind in np.unique(truth):
        right = ((truth == kind) & (said == kind)).sum()
        each.append(2 * right / ((truth == kind).sum() + (said == kind).sum()))
    return float(np.mean(each))


def hidden(cells: Measurement, seen_f: np.ndarray, *, as_zero: bool) -> Measurement:
    if as_zero:
        return cells.replace(values=cells.values.multiply(seen_f).tocsr())
    return cells.replace(observed=seen_f)


def fits(train: Measurement) -> dict[str, tuple[Encoder, float]]:
    made = {}
    for name, fit in {
        "PCA, zeros for what is missing": lambda: CountPCA.fit(train, dim=DIM),
        "ppca": lambda: PPCA.fit(train, dim=DIM),
        "factor-analysis": lambda: FactorAnalysis.fit(train, dim=DIM),
        "programme-tokens": lambda: ProgrammeTokens.fit(
            train, dim=DIM, recipe=TrainingRecipe(STEPS, rate=1e-3, warmup=30)
        ),
    }.items():
        started = time.perf_counter()
        made[name] = (fit(), time.perf_counter() - started)
    return made


def panels(features: int, share: float) -> list[np.ndarray]:
    if share == 1.0:
        return [np.ones(features, dtype=bool)]
    return [
        np.random.default_rng((seed, 7)).random(features).argsort().argsort() < share * features
        for seed in range(PANELS)
    ]


def measure(cells: Measurement, held: list[str]) -> dict:
    test_n = cells.entities["unit"].isin(held).to_numpy()
    train, test = cells.take(~test_n), cells.take(test_n)
    smallest = panels(len(cells.features), SHARES[-1])
    counted_n = np.all([np.asarray(test.values[:, seen_f].sum(axis=1)).ravel() > 0 for seen_f in smallest], axis=0)
    dropped, test = int((~counted_n).sum()), test.take(counted_n)
    truth = test.entities["label"].to_numpy()
    answer: dict = {"train": len(train), "test": len(test), "dropped": dropped, "genes": len(cells.features)}
    for name, (encoder, seconds) in fits(train).items():
        said = probe(encoder.encode(train).values, train.entities["label"].to_numpy())
        zero = isinstance(encoder, CountPCA)
        row: dict = {"fit_seconds": round(seconds, 1)}
        for share in SHARES:
            panels_f = panels(len(cells.features), share)
            states = (encoder.encode(hidden(test, seen_f, as_zero=zero)).values for seen_f in panels_f)
            row[f"{share:.0%}"] = [round(macro_f1(truth, said(z_nd)), 4) for z_nd in states]
        if isinstance(encoder, ProgrammeTokens):
            row["verdict"] = dict(encoder.verdict)
        answer[name] = row | ({} if zero else {"sigma against error": calibration_of_variance(encoder, test)})
        print(name, row, flush=True)
    return answer


def calibration_of_variance(encoder: Encoder, test: Measurement) -> dict[str, float | None]:
    """Does a state with more variance lie further from the one of all data? Spearman over cells."""
    draw, full = np.random.default_rng(11), encoder.encode(test)
    keep_n1 = draw.uniform(0.1, 1.0, (len(test), 1))
    seen_nf = draw.random((len(test), len(test.features))) < keep_n1
    counts_nf, thin_n1 = test.values.toarray().astype(np.int64), draw.uniform(0.1, 1.0, (len(test), 1))
    ways = {
        "panels of 10-100 %": (test.replace(observed=seen_nf), (counts_nf * seen_nf).sum(axis=1) > 0),
        "counts of 10-100 %": (thin := draw.binomial(counts_nf, thin_n1).astype(np.float32), thin.sum(axis=1) > 0),
    }
    found = {}
    for name, (cells, counted_n) in ways.items():
        partial = cells if isinstance(cells, Measurement) else test.replace(values=cells)
        ur = encoder.encode(partial.take(counted_n))
        error_n = ((ur.values - full.values[counted_n]) ** 2).mean(axis=1)
        spread_n, more = ur.variance.mean(axis=1), float((ur.variance - full.variance[counted_n]).mean())
        # One panel and one noise for all is one variance for all: it says nothing about a cell.
        same = np.ptp(spread_n) < 1e-12
        found[name] = None if same else round(float(spearmanr(spread_n, error_n).statistic), 3)
        # Against the variance that was added to that of all data: 1 is what an honest posterior says.
        found[f"{name}, error over variance added"] = None if more <= 1e-12 else round(float(error_n.mean()) / more, 2)
    return found


def main() -> None:
    found = {}
    for name, (file, label, unit, held) in DATA.items():
        print(name, flush=True)
        found[name] = {"held_out": {unit: held}, **measure(read(file, label, unit), held)}
    body = {
        "what": "macro-F1 of a logistic probe on cells of other donors or batches, one number per panel",
        "command": f"AIVC_DATA=… python benchmarks/panel_shift.py {STEPS}",
        "settings": {"axes": DIM, "preset": "cpu-s", "steps": STEPS, "panels": PANELS, "penalty": PENALTY, "seed": 0},
        "results": found,
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    RESULT.write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    main()
