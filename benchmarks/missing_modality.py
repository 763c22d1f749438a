"""States from RNA, from protein, and from both, of a donor never seen: cell types, predicted proteins, agreement.

Run: AIVC_DATA=FOLDER python benchmarks/missing_modality.py
"""

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import anndata
import h5py
import numpy as np
from anndata.io import read_elem
from scipy import sparse
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax

from aivc.core.measurement import Measurement
from aivc.core.units import log1p_target
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.representations.cellular.multimodal import PPCAExperts, join
from aivc.representations.cellular.ppca import PPCA

DATA = Path(os.environ["AIVC_DATA"]) / "D"
RESULT = Path(__file__).parent / "results" / "missing_modality.json"
DIM, NEIGHBOURS = 32, 15
ALPHAS = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])


def mosaic() -> dict[str, Measurement]:
    """PBMC of four donors: one has RNA alone, one protein alone, and two have both."""
    found = {}
    with h5py.File(DATA / "pbmc_rna_adt_mosaic_4batches.h5mu") as file:
        for kind, modality in (("rna", "rna"), ("adt", "protein")):
            part = read_elem(file[f"mod/{kind}"])
            entities = part.obs.astype(str).rename(columns={"batch": "donor", "celltype": "context"})
            names = np.array(part.var_names, dtype=object)
            found[modality] = Measurement(sparse.csr_matrix(part.X), names, entities, "counts", modality)
    return found


def eccite() -> dict[str, Measurement]:
    """PBMC of one donor, 500 cells, with the 2,000 genes found in most cells; there are no labels."""
    cells = anndata.read_h5ad(DATA / "mimitou2019_eccite_pbmc_rna_49adt_500cells.h5ad")
    most = np.sort(np.argsort(-np.asarray((cells.X > 0).sum(axis=0)).ravel(), kind="stable")[:2000])
    rna = sparse.csr_matrix(cells.X[:, most], dtype=np.float32)
    table = cells.obsm["adt"]
    proteins = np.array([str(name) for name in table.columns], dtype=object)
    return {
        "rna": Measurement(rna, np.array(cells.var_names[most], dtype=object), cells.obs, "counts", "rna"),
        "protein": Measurement(table.to_numpy(np.float32), proteins, cells.obs, "counts", "protein"),
    }


def of(measurement: Measurement, donors: list[str]) -> Measurement:
    return measurement.take(measurement.entities["donor"].isin(donors).to_numpy())


class Probe:
    """Multinomial logistic regression on standardized states."""

    def __init__(self, z_nd: np.ndarray, labels: np.ndarray, decay: float = 1.0) -> None:
        self.classes, codes = np.unique(labels, return_inverse=True)
        self.mean, self.spread = z_nd.mean(axis=0), z_nd.std(axis=0) + 1e-9
        x_nd, shape = self.design(z_nd), (z_nd.shape[1] + 1, len(self.classes))
        one_nk = np.eye(shape[1])[codes]

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            w_dk = flat.reshape(shape)
            score_nk = x_nd @ w_dk
            value = logsumexp(score_nk, axis=1).sum() - (score_nk * one_nk).sum() + decay * (w_dk[1:] ** 2).sum() / 2
            slope = x_nd.T @ (softmax(score_nk, axis=1) - one_nk)
            slope[1:] += decay * w_dk[1:]
            return float(value), slope.ravel()

        self.weights = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape)

    def design(self, z_nd: np.ndarray) -> np.ndarray:
        """Standardized states beside a constant."""
        return np.column_stack([np.ones(len(z_nd)), (z_nd - self.mean) / self.spread])

    def labels(self, z_nd: np.ndarray) -> np.ndarray:
        """Most probable class of each state."""
        return self.classes[(self.design(z_nd) @ self.weights).argmax(axis=1)]


def macro_f1(truth: np.ndarray, guess: np.ndarray) -> float:
    scores = []
    for label in np.unique(truth):
        hit = ((truth == label) & (guess == label)).sum()
        scores.append(2 * hit / ((truth == label).sum() + (guess == label).sum()))
    return float(np.mean(scores))


def correlations(truth_nf: np.ndarray, guess_nf: np.ndarray) -> dict[str, float]:
    varied = truth_nf.std(axis=0) > 0
    truth_nf, guess_nf = truth_nf[:, varied] - truth_nf[:, varied].mean(0), guess_nf[:, varied]
    guess_nf = guess_nf - guess_nf.mean(0)
    size = np.linalg.norm(truth_nf, axis=0) * np.linalg.norm(guess_nf, axis=0)
    r = np.where(size > 0, (truth_nf * guess_nf).sum(0) / np.maximum(size, 1e-12), 0.0)
    return {"mean_r": float(r.mean()), "median_r": float(np.median(r)), "proteins": int(varied.sum())}


def ridge(x_nf: np.ndarray, y_np: np.ndarray, test_nf: np.ndarray) -> np.ndarray:
    """Ridge, its strength chosen by the error of leaving out one training cell."""
    mean, level = x_nf.mean(axis=0), y_np.mean(axis=0)
    u, s, vt = np.linalg.svd(x_nf - mean, full_matrices=False)
    target = u.T @ (y_np - level)
    errors = []
    for alpha in ALPHAS:
        keep = s**2 / (s**2 + alpha)
        fitted = u @ (keep[:, None] * target)
        lever = (u**2) @ keep + 1 / len(x_nf)
        errors.append((((y_np - level - fitted) / (1 - lever)[:, None]) ** 2).sum())
    alpha = ALPHAS[int(np.argmin(errors))]
    return level + (test_nf - mean) @ vt.T @ ((s / (s**2 + alpha))[:, None] * target)


def predicted(
    train: dict[str, Measurement], test: dict[str, Measurement], more: Measurement | None
) -> dict[str, object]:
    """Proteins of new cells from their RNA, by four methods; everything fitted on the training cells."""
    units = {kind: profile_units(part) for kind, part in train.items()}
    x, x_test = (normalize(part["rna"], units["rna"]).dense() for part in (train, test))
    y, truth = (normalize(part["protein"], units["protein"]).dense() for part in (train, test))
    paired = join(train["rna"], train["protein"])
    states = PPCA.fit(train["rna"], dim=DIM)
    near = cdist(states.encode(test["rna"]).values, states.encode(train["rna"]).values).argsort(axis=1)[:, :NEIGHBOURS]
    guesses = {"ridge": ridge(x, y, x_test), "kNN on ppca": y[near].mean(axis=1)}
    fits = {"ppca-experts": paired} | ({} if more is None else {"ppca-experts, with unpaired donors": more})
    for name, measurement in fits.items():
        encoder = PPCAExperts.fit(measurement, dim=DIM)
        # In the units of this fit, which differ from those of the others by a scale inside the logarithm alone.
        own = dict(zip(encoder.modalities, encoder.units, strict=True))["protein"]
        guess = encoder.expected(encoder.encode(test["rna"]), "protein").dense()
        guesses[name] = guess if own == units["protein"] else rescaled(guess, own, units["protein"])
    if "context" in train["rna"].entities:
        labels, test_labels = train["rna"].contexts, test["rna"].contexts
        means = {label: y[labels == label].mean(axis=0) for label in np.unique(labels)}
        guesses["mean of the true cell type"] = np.array([means.get(label, y.mean(axis=0)) for label in test_labels])
    return {name: correlations(truth, guess) for name, guess in guesses.items()}


def rescaled(x_nf: np.ndarray, before: str, after: str) -> np.ndarray:
    ratio = (log1p_target(after) or 1.0) / (log1p_target(before) or 1.0)
    return np.log1p(np.maximum(np.expm1(x_nf), 0.0) * ratio)


def foscttm(a_nd: np.ndarray, b_nd: np.ndarray) -> float:
    distance = cdist(a_nd, b_nd)
    own = np.diag(distance)
    return float(((distance < own[:, None]).mean() + (distance < own[None, :]).mean()) / 2)


def states(train: Measurement, paired: dict[str, Measurement], test: dict[str, Measurement]) -> dict[str, object]:
    """One probe on joint states of training cells, asked about joint, RNA-only and protein-only states of new ones."""
    start = time.perf_counter()
    encoder = PPCAExperts.fit(train, dim=DIM)
    seconds = time.perf_counter() - start
    truth = paired["rna"].contexts
    probe = Probe(encoder.encode(join(paired["rna"], paired["protein"])).values, truth)
    views = {"joint": join(test["rna"], test["protein"]), "rna only": test["rna"], "protein only": test["protein"]}
    urs = {name: encoder.encode(view) for name, view in views.items()}
    answer = test["rna"].contexts
    f1 = {name: macro_f1(answer, probe.labels(ur.values)) for name, ur in urs.items()}
    width = {name: float(np.sqrt(ur.variance).mean()) for name, ur in urs.items()}
    apart = foscttm(urs["rna only"].values, urs["protein only"].values)
    return {"fit_seconds": round(seconds, 2), "macro_f1": f1, "mean_posterior_sd": width, "foscttm": apart}


def own_probes(train: dict[str, Measurement], test: dict[str, Measurement]) -> dict[str, float]:
    """What a practitioner does: PCA and a probe for each modality by itself."""
    scores = {}
    for kind in ("rna", "protein"):
        encoder = PPCA.fit(train[kind], dim=DIM)
        probe = Probe(encoder.encode(train[kind]).values, train[kind].contexts)
        scores[f"ppca of {kind}, own probe"] = macro_f1(
            test[kind].contexts, probe.labels(encoder.encode(test[kind]).values)
        )
    return scores


def mean_of(folds: list) -> object:
    first = folds[0]
    if isinstance(first, dict):
        return {name: mean_of([fold[name] for fold in folds]) for name in first}
    return round(float(np.mean(folds)), 4)


def main() -> None:
    cells, folds = mosaic(), {}
    for new, old in (("p3_0", "p4_0"), ("p4_0", "p3_0")):
        paired = {kind: of(part, [old]) for kind, part in cells.items()}
        test = {kind: of(part, [new]) for kind, part in cells.items()}
        # Same cells in the same order in both modalities; the label of a cell is that of its RNA.
        paired["protein"] = paired["protein"].take(
            paired["protein"].entities.index.get_indexer(paired["rna"].entities.index)
        )
        test["protein"] = test["protein"].take(test["protein"].entities.index.get_indexer(test["rna"].entities.index))
        everything = join(*(of(part, ["p1_0", "p2_0", old]) for part in cells.values()))
        folds[new] = {
            "paired donor": states(join(paired["rna"], paired["protein"]), paired, test),
            "with unpaired donors": states(everything, paired, test),
            "one modality": own_probes(paired, test),
            "rna to protein": predicted(paired, test, everything),
        }
    halves = []
    cells = eccite()
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(500)
        train, test = ({k: v.take(np.sort(rows)) for k, v in cells.items()} for rows in (order[:250], order[250:]))
        halves.append(predicted(train, test, None))
    report = {
        "command": "AIVC_DATA=FOLDER python benchmarks/missing_modality.py",
        "dim": DIM,
        "pbmc mosaic": {
            "split": "by donor: fitted on one paired donor (and the two unpaired), tested on the other paired donor",
            "mean": mean_of(list(folds.values())),
            "folds": folds,
        },
        "eccite": {
            "split": "five random halves of the cells of one donor, for want of others: easier than a new donor",
            "mean": mean_of(halves),
        },
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "anndata")},
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({"mosaic": report["pbmc mosaic"]["mean"], "eccite": report["eccite"]["mean"]}, indent=1))


if __name__ == "__main__":
    main()
