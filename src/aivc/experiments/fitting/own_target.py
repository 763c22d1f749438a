"""A targeted gene's own reading is the intervention, not a response to it."""

import numpy as np
from scipy import sparse

from aivc.core.matching import matched_columns
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.data.names.own_genes import GeneColumns
from aivc.data.streaming.group_sums import Table, dense_rows


def without_own_target(profiles: Measurement) -> Measurement:
    """Replace a targeted gene's own reading by what the other perturbations do to it.

    Its drop is the intervention itself, not a response, and must not be handed on to related genes. What was not
    measured takes no part, and stays unmeasured.
    """
    columns = GeneColumns.of(profiles.features)
    texts = profiles.perturbations.astype(str)
    targets = {text: {i for gene in Perturbation.parse(text).genes for i in columns.find(gene)} for text in set(texts)}
    if not any(targets.values()):
        return profiles
    batch = profiles.entities["batch"].astype(str).to_numpy() if "batch" in profiles.entities else ""
    where = np.char.add(profiles.contexts.astype(str), np.char.add("|", np.asarray(batch, dtype=str)))
    for name in matched_columns(profiles.entities):
        where = np.char.add(np.char.add(where, "|"), profiles.entities[name].to_numpy(dtype=str))
    code = np.unique(where, return_inverse=True)[1]
    # Of all features, only those that someone targets are looked at: a screen has few of them.
    genes = sorted(set().union(*targets.values()))
    place = {gene: i for i, gene in enumerate(genes)}
    owners: dict[tuple[int, int], list[int]] = {}
    for row, text in enumerate(texts):
        for gene in targets[text]:
            owners.setdefault((int(code[row]), place[gene]), []).append(row)
    read = np.array(dense_rows(profiles.block(0, len(profiles))[:, genes], slice(None)), dtype=float)
    seen = np.isfinite(read) if profiles.observed is None else np.isfinite(read) & profiles.observed[..., genes]
    known, values = np.where(seen, read, 0.0), read.copy()
    total, count = _per_group(code, known, seen, texts != CONTROL)
    control, controls = _per_group(code, known, seen, texts == CONTROL)
    for (group, gene), rows in owners.items():
        own = [row for row in rows if seen[row, gene]]
        if others := count[group, gene] - len(own):
            values[own, gene] = (total[group, gene] - known[own, gene].sum()) / others
        elif controls[group, gene]:
            values[own, gene] = control[group, gene] / controls[group, gene]
    return profiles.replace(values=_with_columns(profiles.block(0, len(profiles)), genes, values))


def _with_columns(table: Table, columns: list[int], values_nc: np.ndarray) -> Table:
    """A copy of a table with some of its columns replaced."""
    if isinstance(table, np.ndarray):
        changed = np.array(table, dtype=float)
        changed[:, columns] = values_nc
        return changed
    kept = table.astype(float)
    kept.data[np.isin(kept.indices, columns)] = 0.0
    kept.eliminate_zeros()
    placed = sparse.coo_matrix(values_nc)
    where = (placed.row, np.asarray(columns)[placed.col])
    return sparse.csr_matrix(kept + sparse.csr_matrix((placed.data, where), shape=table.shape))


def _per_group(
    code: np.ndarray, known: np.ndarray, seen: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``(g, f)`` sums of some rows over each group, and of how many."""
    shape = (int(code.max()) + 1, len(code))
    into = sparse.csr_matrix((rows.astype(float), (code, np.arange(len(code)))), shape=shape)
    return into @ known, np.asarray(into @ seen.astype(float)).round().astype(int)
