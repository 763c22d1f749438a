"""Screens whose truth is known, so that what a method finds can be held against it."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import anndata
import h5py
import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.units import COUNTS
from aivc.core.ur import UR
from aivc.data.streaming.stream import Progress

PER_PATHWAY = 4  # targets that share a programme
DISPERSION = 5.0  # counts vary as mean + mean² / DISPERSION
KNOCKED_OUT = -2.0  # log rate of a target's own reading


@final
@dataclass(frozen=True, eq=False)
class Truth:
    """What a synthetic screen was made from.

    Attributes:
        effects: ``(p, f)`` shift of the log rate of responding cells, in contexts of amplitude one.
        perturbations: ``(p,)`` texts, in the order of ``effects``.
        pathways: Pathway of each target.
        priors: Molecular UR of all targets that could be perturbed, those of the screen first: noisy coordinates of
            the programme that each would run.
        amplitudes: How strongly each context responds.
        responders: Fraction of perturbed cells that respond.
    """

    effects: Float[np.ndarray, "p f"]
    perturbations: np.ndarray
    pathways: dict[str, int]
    priors: UR
    amplitudes: dict[str, float]
    responders: float


@final
@dataclass(frozen=True, eq=False)
class _World:
    texts: np.ndarray  # (1 + p,) control first
    contexts: np.ndarray
    donors: np.ndarray
    batches: np.ndarray
    features: np.ndarray
    effect_pf: np.ndarray
    context_cf: np.ndarray  # log rates
    donor_tf: np.ndarray
    batch_bf: np.ndarray
    amplitude_c: np.ndarray
    responders: float
    depth: float

    def cells(self, label_n: dict[str, np.ndarray], rng: np.random.Generator) -> tuple[sparse.csr_matrix, pd.DataFrame]:
        """Draw one cell per label: counts and entity columns."""
        text_n, context_n, donor_n, batch_n = (label_n[k] for k in ("perturbation", "context", "donor", "batch"))
        dose_n = self.amplitude_c[context_n] * (rng.random(len(text_n)) < self.responders)
        rate_nf = self.effect_pf[text_n] * dose_n[:, None].astype(np.float32)
        rate_nf += self.context_cf[context_n]
        rate_nf += self.donor_tf[donor_n]
        rate_nf += self.batch_bf[batch_n]
        np.exp(rate_nf, out=rate_nf)
        library_n = self.depth * rng.lognormal(0, 0.3, len(text_n)) / rate_nf.sum(axis=1)
        rate_nf *= library_n[:, None].astype(np.float32)
        rate_nf *= rng.standard_gamma(DISPERSION, rate_nf.shape, dtype=np.float32) / np.float32(DISPERSION)
        counts = sparse.csr_matrix(rng.poisson(rate_nf).astype(np.float32))
        columns = {
            "perturbation": self.texts[text_n],
            "context": self.contexts[context_n],
            "donor": self.donors[donor_n],
            "batch": self.batches[batch_n],
        }
        return counts, pd.DataFrame(columns)


def synthetic_screen(  # noqa: PLR0913 - one dial for each thing a test may want to turn
    *,
    perturbations: int = 20,
    features: int = 200,
    cells: int = 60,
    controls: int = 120,
    contexts: int = 1,
    donors: int = 1,
    batches: int = 2,
    combos: int = 0,
    doses: tuple[float, ...] = (),
    responders: float = 0.9,
    depth: float | None = None,
    prior_noise: float = 0.2,
    seed: int = 0,
) -> tuple[Measurement, Truth]:
    """Simulate a screen in which targets of one pathway run one programme, each at its own strength.

    Counts are negative binomial, library sizes log-normal; contexts, donors and batches shift every feature's log rate,
    and some perturbed cells do not respond. Combinations add up in log rate; doses saturate.

    Args:
        perturbations: Targets perturbed alone: knock-outs of the first genes, or compounds where ``doses`` are given.
        features: Genes.
        cells: Cells per perturbation and context.
        controls: Control cells per context.
        contexts: Cell lines.
        donors: Donors, spread evenly over each perturbation's cells.
        batches: Batches, drawn for each cell.
        combos: Pairs of targets given together, besides each alone.
        doses: Doses in uM at which each compound is given; none means knock-outs.
        responders: Fraction of perturbed cells that respond.
        depth: Mean total count of a cell; five per feature by default.
        prior_noise: Standard deviation of the noise on the priors, whose signal is of order one.
        seed: Draws everything.

    Raises:
        DataError: There are more knock-outs than genes, or fewer than two targets for combinations.

    >>> screen, truth = synthetic_screen(perturbations=4, features=30, cells=5, controls=8)
    >>> screen
    Measurement(28 cellular entities × 30 rna features, counts)
    >>> list(truth.perturbations)
    ['ko:G0001', 'ko:G0002', 'ko:G0003', 'ko:G0004']
    """
    rng = np.random.default_rng(seed)
    world, truth = _world(
        rng, (perturbations, features, contexts, donors, batches), combos, doses, responders, depth, prior_noise
    )
    per_text = np.where(world.texts == CONTROL, controls, cells)
    text_n = np.tile(np.repeat(np.arange(len(per_text)), per_text), contexts)
    label_n = {
        "perturbation": text_n,
        "context": np.repeat(np.arange(contexts), per_text.sum()),
        "donor": np.arange(len(text_n)) % donors,
        "batch": rng.integers(0, batches, len(text_n)),
    }
    values, entities = world.cells(label_n, rng)
    entities.index = pd.Index([f"c{i:06}" for i in range(len(entities))], dtype=object)
    provenance = {"dataset": "synthetic", "seed": seed}
    return Measurement(values, world.features, entities, COUNTS, provenance=provenance), truth


def write_synthetic_h5ad(
    path: Path,
    *,
    cells: int = 1_000_000,
    perturbations: int = 200,
    features: int = 1_000,
    contexts: int = 2,
    seed: int = 0,
    block: int = 16_384,
    progress: Progress | None = None,
) -> Truth:
    """Write a screen of any size as h5ad, block by block, so that it is never in memory whole.

    A tenth of the cells are controls, in four batches. Counts are CSR; ``uns["units"]`` says so.

    Args:
        path: File to write.
        cells: Cells in all.
        perturbations: Knock-outs.
        features: Genes.
        contexts: Cell lines.
        seed: Draws everything.
        block: Cells held at a time.
        progress: Called with what is being done, how many cells are written, of how many.

    Raises:
        DataError: There are more knock-outs than genes.
    """
    world, truth = _world(
        np.random.default_rng(seed), (perturbations, features, contexts, 1, 4), 0, (), 0.9, 0.15 * features, 0.2
    )
    codes: list[dict[str, np.ndarray]] = []
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        group, pointer = _open_csr(file, (cells, features)), [np.zeros(1, dtype=np.int64)]
        for number, start in enumerate(range(0, cells, block)):
            rng = np.random.default_rng([seed, number])
            codes.append(_labels(world, min(block, cells - start), rng))
            counts, _ = world.cells(codes[-1], rng)
            _append(group["data"], counts.data)
            _append(group["indices"], counts.indices)
            pointer.append(counts.indptr[1:].astype(np.int64) + pointer[-1][-1])
            if progress is not None:
                progress("cells", start + counts.shape[0], cells)
        group.create_dataset("indptr", data=np.concatenate(pointer))
        _write_tables(file, world, {name: np.concatenate([c[name] for c in codes]) for name in codes[0]})
    return truth


def _labels(world: _World, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    drawn = rng.integers(1, len(world.texts), count)
    return {
        "perturbation": np.where(rng.random(count) < 0.1, 0, drawn),
        "context": rng.integers(0, len(world.contexts), count),
        "donor": np.zeros(count, dtype=np.int64),
        "batch": rng.integers(0, len(world.batches), count),
    }


def _open_csr(file: h5py.File, shape: tuple[int, int]) -> h5py.Group:
    group = file.create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array(shape)})
    for name, kind in (("data", np.float32), ("indices", np.int32)):
        group.create_dataset(name, shape=(0,), maxshape=(None,), chunks=(1 << 18,), dtype=kind)
    return group


def _append(dataset: h5py.Dataset, values: np.ndarray) -> None:
    dataset.resize(dataset.shape[0] + len(values), axis=0)
    dataset[dataset.shape[0] - len(values) :] = values


def _write_tables(file: h5py.File, world: _World, codes: dict[str, np.ndarray]) -> None:
    levels = {
        "perturbation": world.texts,
        "context": world.contexts,
        "donor": world.donors,
        "batch": world.batches,
    }
    columns = {name: pd.Categorical.from_codes(codes[name], list(level)) for name, level in levels.items()}
    count = len(codes["perturbation"])
    names = pd.Index(np.char.add("c", np.arange(count).astype(str)).astype(object))
    anndata.io.write_elem(file, "obs", pd.DataFrame(columns, index=names))
    anndata.io.write_elem(file, "var", pd.DataFrame(index=pd.Index(world.features)))
    anndata.io.write_elem(file, "uns", {"units": COUNTS})


def _world(
    rng: np.random.Generator,
    sizes: tuple[int, int, int, int, int],
    combos: int,
    doses: tuple[float, ...],
    responders: float,
    depth: float | None,
    prior_noise: float,
) -> tuple[_World, Truth]:
    perturbations, features, contexts, donors, batches = sizes
    _require_possible(perturbations, features, combos, drugs=bool(doses))
    genes = _numbered("G", features)
    targets = _numbered("C", perturbations) if doses else genes
    pathway_a, latent_aq = _latent(rng, len(targets), max(2, perturbations // PER_PATHWAY))
    programme_qf = rng.normal(0, 0.8, (latent_aq.shape[1], features)) * (
        rng.random((latent_aq.shape[1], features)) < 0.2
    )
    alone_pf = latent_aq[:perturbations] @ programme_qf + rng.normal(0, 0.05, (perturbations, features))
    if not doses:
        np.fill_diagonal(alone_pf, KNOCKED_OUT)
    texts, mix_pa = _given(rng, targets[:perturbations], combos, doses)
    effect_pf = mix_pa @ alone_pf
    amplitude_c = np.exp(rng.normal(0, 0.2, contexts)) if contexts > 1 else np.ones(1)
    base_f = rng.normal(0, 1, features)
    world = _World(
        texts=np.array([CONTROL, *texts], dtype=object),
        contexts=_numbered("line", contexts, 1),
        donors=_numbered("donor", donors, 1),
        batches=_numbered("batch", batches, 1),
        features=genes,
        effect_pf=np.vstack([np.zeros(features), effect_pf]).astype(np.float32),
        context_cf=(base_f + rng.normal(0, 0.4, (contexts, features))).astype(np.float32),
        donor_tf=rng.normal(0, 0.1, (donors, features)).astype(np.float32),
        batch_bf=rng.normal(0, 0.15, (batches, features)).astype(np.float32),
        amplitude_c=amplitude_c,
        responders=responders,
        depth=5.0 * features if depth is None else depth,
    )
    pathways = dict(zip(map(str, targets), map(int, pathway_a), strict=True))
    amplitudes = dict(zip(map(str, world.contexts), map(float, amplitude_c), strict=True))
    priors = _priors(rng, latent_aq, targets, prior_noise)
    return world, Truth(effect_pf, world.texts[1:], pathways, priors, amplitudes, responders)


def _require_possible(perturbations: int, features: int, combos: int, *, drugs: bool) -> None:
    problems = []
    if perturbations > features and not drugs:
        problems.append(f"{perturbations} knock-outs need as many genes, got {features}. Ask for more features.")
    if combos > perturbations * (perturbations - 1) // 2:
        problems.append(f"{perturbations} targets do not make {combos} pairs. Ask for fewer combinations.")
    if combos and drugs:
        problems.append("Combinations are of knock-outs only. Leave out the doses or the combinations.")
    if problems:
        raise DataError(problems)


def _numbered(stem: str, count: int, width: int = 4) -> np.ndarray:
    return np.array([f"{stem}{i:0{width}}" for i in range(1, count + 1)], dtype=object)


def _latent(rng: np.random.Generator, targets: int, pathways: int) -> tuple[np.ndarray, np.ndarray]:
    """``(a,)`` pathway of each target, and ``(a, q)`` how strongly it runs each programme."""
    pathway_a = np.arange(targets) % pathways
    latent_aq = np.zeros((targets, pathways))
    latent_aq[np.arange(targets), pathway_a] = rng.uniform(0.5, 1.3, targets)
    return pathway_a, latent_aq


def _given(
    rng: np.random.Generator, targets: np.ndarray, combos: int, doses: tuple[float, ...]
) -> tuple[list[str], np.ndarray]:
    """Texts, and ``(p, a)`` how much of each target's effect they bring."""
    one_aa = np.eye(len(targets))
    if doses:
        middle = float(np.median(doses))
        texts = [str(Perturbation((Agent("drug", t, float(d), "uM"),))) for t in targets for d in doses]
        return texts, np.vstack([one_aa[i] * 2 * d / (d + middle) for i in range(len(targets)) for d in doses])
    alone = [Perturbation((Agent("ko", t),)) for t in targets]
    all_pairs = np.array(np.triu_indices(len(targets), 1)).T
    pairs = all_pairs[np.sort(rng.choice(len(all_pairs), combos, replace=False))] if combos else all_pairs[:0]
    both = [Perturbation(alone[i].agents + alone[j].agents) for i, j in pairs]
    return [str(p) for p in (*alone, *both)], np.vstack([one_aa, one_aa[pairs[:, 0]] + one_aa[pairs[:, 1]]])


def _priors(rng: np.random.Generator, latent_aq: np.ndarray, targets: np.ndarray, noise: float) -> UR:
    # A rotation hides which axis is which programme, as in real embeddings.
    rotation_qq = np.linalg.qr(rng.normal(size=(latent_aq.shape[1], latent_aq.shape[1])))[0]
    values_aq = latent_aq @ rotation_qq + rng.normal(0, noise, latent_aq.shape)
    fingerprint = State({}, {"values": values_aq}).digest()[:16]
    space = Space("synthetic-priors", Scale.MOLECULAR, values_aq.shape[1], fingerprint)
    return UR(values_aq, space, pd.DataFrame(index=pd.Index(targets)))
