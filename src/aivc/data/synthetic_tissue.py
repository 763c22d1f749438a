"""Simulated sections of tissue with known niches, and a gene that follows what the neighbors send."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.data.tissue.graph import GraphRule, link
from aivc.data.tissue.spacing import described

LIGAND, RECEPTOR, RESPONSE = "CXCL12", "CXCR4", "RESPONSE"
NICHE = "niche"
# Distance of the places that cells stand on before they are moved a little, in µm.
_SPACING = 10.0
# Rates that every cell has a little of, and what the genes of its type add, in natural logarithms.
_PER_TYPE, _RAISED = 4, 1.6


@final
@dataclass(frozen=True, eq=False)
class TissueTruth:
    """What a simulated tissue was made of.

    Attributes:
        sent: ``(n,)`` how much ligand the neighbors of each cell send on average, as used: zero mean, unit variance.
        effect: By how much one unit of that raises the log rate of the response, in cells with the receptor.
        receivers: ``(n,)`` True for the cells that have the receptor.
        rule: Text of the graph rule by which cells are neighbors.
        markers: Genes that each cell type expresses more of.
        composition: ``(niches, types)`` how likely each type is in each niche; niche ``N1`` is the first row.
    """

    sent: Float[np.ndarray, " n"]
    effect: float
    receivers: np.ndarray
    rule: str
    markers: dict[str, tuple[str, ...]]
    composition: Float[np.ndarray, "niches types"]


def synthetic_tissue(
    *,
    patients: int = 2,
    sections: int = 1,
    cells: int = 150,
    features: int = 30,
    types: int = 3,
    niches: int = 3,
    effect: float = 0.8,
    seed: int = 0,
) -> tuple[Measurement, TissueTruth]:
    """Simulate sections of tissue: cell types mixed by niche, and one gene that follows the neighbors' ligand.

    A section is a square of cells about 10 µm apart. Niches are stripes of it, each with its own mixture of types.
    Cells of type ``T1`` send the ligand ``CXCL12``, each at a level of its own. Those of type ``T2`` have its receptor
    ``CXCR4``, and express more ``RESPONSE`` the more their six nearest cells send. Nothing else crosses from cell to
    cell. Counts are negative binomial; patients differ in the level of every gene, sections in depth.

    Args:
        patients: Patients, ``P1`` and so on, in the column ``donor``.
        sections: Sections of each, ``P1-S1`` and so on, in the column ``section``.
        cells: Cells of a section.
        features: Genes: the ligand, its receptor, the response, four markers of each type, and others.
        types: Cell types, in the column ``cell_type``; at least two.
        niches: Stripes of a section, in the column ``niche``.
        effect: By how much one standard deviation of what is sent raises the log rate of the response; 0 for none.
        seed: Draws everything.

    Returns:
        The counts, with coordinates in µm and without links; and the truth.

    Raises:
        DataError: Too few genes, types, or cells.

    >>> tissue, truth = synthetic_tissue(cells=40)
    >>> tissue
    Measurement(80 cellular entities × 30 rna features, counts)
    >>> sorted(set(tissue.entities["section"]))
    ['P1-S1', 'P2-S1']
    """
    _require_room(patients, sections, cells, features, types, niches)
    rng = np.random.default_rng(seed)
    mixture = _mixtures(niches, types)
    entities, places = _laid_out(rng, (patients, sections, cells), mixture)
    type_n = entities["cell_type"].str[1:].astype(int).to_numpy() - 1
    markers = {f"T{t + 1}": tuple(f"T{t + 1}M{i + 1}" for i in range(_PER_TYPE)) for t in range(types)}
    known = [LIGAND, RECEPTOR, RESPONSE, *(name for names in markers.values() for name in names)]
    genes = np.array([*known, *(f"G{i:04}" for i in range(1, features - len(known) + 1))], dtype=object)
    rule = GraphRule("nearest", 6)
    blank = Measurement(np.zeros((len(entities), 0)), np.zeros(0, dtype=object), entities, COUNTS, coordinates=places)
    rate_nf, sent = _log_rates(rng, type_n, genes, markers, link(blank, rule).links, effect)
    rate_nf += _levels(rng, entities, len(genes))
    mean_nf = np.exp(rate_nf)
    counts = rng.poisson(mean_nf * rng.standard_gamma(8.0, mean_nf.shape) / 8.0).astype(np.float32)
    # A cell without any count has no profile.
    counts[counts.sum(axis=1) == 0, -1] = 1
    notes = {"dataset": "synthetic tissue", "seed": seed, "coordinates": described(places, entities, "um")}
    made = Measurement(sparse.csr_matrix(counts), genes, entities, COUNTS, coordinates=places, provenance=notes)
    return made, TissueTruth(sent, effect, type_n == 1, str(rule), markers, mixture)


def _require_room(patients: int, sections: int, cells: int, features: int, types: int, niches: int) -> None:
    problems = []
    if min(patients, sections, niches) < 1 or types < 2:
        problems.append(f"A tissue needs a patient, a section, a niche and two types; got {types} types.")
    if cells < 20:
        problems.append(f"A section needs 20 cells, got {cells}. Ask for more.")
    if features < (least := 3 + _PER_TYPE * types):
        problems.append(f"{types} types need {least} genes, got {features}. Ask for more features.")
    if problems:
        raise DataError(problems)


def _mixtures(niches: int, types: int) -> np.ndarray:
    """``(niches, types)`` probabilities: each niche has one type in plenty, and some of all others."""
    mixture = np.full((niches, types), 0.4 / types)
    mixture[np.arange(niches), np.arange(niches) % types] += 0.6
    return mixture


def _laid_out(
    rng: np.random.Generator, sizes: tuple[int, int, int], mixture: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    patients, sections, cells = sizes
    side, tables, places = int(np.ceil(cells**0.5)), [], []
    for patient in range(1, patients + 1):
        for number in range(1, sections + 1):
            grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
            # In the order in which a file has them, cells say nothing about where they are.
            spots = grid[rng.permutation(len(grid))[:cells]]
            niche_n = np.minimum(spots[:, 0] * len(mixture) // side, len(mixture) - 1)
            type_n = np.array([rng.choice(mixture.shape[1], p=mixture[niche]) for niche in niche_n])
            names = {"donor": f"P{patient}", "section": f"P{patient}-S{number}"}
            columns = {"cell_type": [f"T{t + 1}" for t in type_n], NICHE: [f"N{niche + 1}" for niche in niche_n]}
            tables.append(pd.DataFrame({**names, **columns}, index=range(cells)))
            places.append((spots + rng.uniform(-0.35, 0.35, spots.shape)) * _SPACING)
    entities = pd.concat(tables, ignore_index=True)
    entities.index = pd.Index([f"c{i:06}" for i in range(len(entities))], dtype=object)
    return entities, np.concatenate(places)


def _log_rates(
    rng: np.random.Generator,
    type_n: np.ndarray,
    genes: np.ndarray,
    markers: dict[str, tuple[str, ...]],
    links: sparse.csr_matrix | None,
    effect: float,
) -> tuple[np.ndarray, np.ndarray]:
    """``(n, f)`` log rates, and ``(n,)`` how much the neighbors of each cell send, standardized."""
    assert links is not None
    where = {name: i for i, name in enumerate(genes)}
    rate_nf = np.tile(rng.normal(1.0, 0.5, len(genes)), (len(type_n), 1))
    for kind, names in enumerate(markers.values()):
        rate_nf[np.ix_(type_n == kind, [where[name] for name in names])] += _RAISED
    sends = np.where(type_n == 0, rng.normal(2.0, 1.0, len(type_n)), -2.0)
    rate_nf[:, where[LIGAND]] = sends
    rate_nf[:, where[RECEPTOR]] = np.where(type_n == 1, 2.0, -2.0)
    degree = np.maximum(np.diff(links.indptr), 1)
    sent = (links @ np.log1p(np.exp(sends))) / degree
    sent = (sent - sent.mean()) / max(float(sent.std()), 1e-12)
    rate_nf[:, where[RESPONSE]] = 1.0 + np.where(type_n == 1, effect * sent, 0.0)
    return rate_nf, sent


def _levels(rng: np.random.Generator, entities: pd.DataFrame, features: int) -> np.ndarray:
    """``(n, f)`` what the patient adds to the log rate of each gene, and the section to all of them."""
    donor_n = pd.factorize(entities["donor"])[0]
    section_n = pd.factorize(entities["section"])[0]
    level_pf = rng.normal(0, 0.15, (donor_n.max() + 1, features))
    return np.asarray(level_pf[donor_n] + rng.normal(0, 0.1, section_n.max() + 1)[section_n][:, None])
