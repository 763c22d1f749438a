"""A targeted gene's own reading is the intervention, not a response to it."""

from itertools import pairwise

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
    known = np.where(seen, read, 0.0)
    total, count = _per_group(code, known, seen, texts != CONTROL)
    control, controls = _per_group(code, known, seen, texts == CONTROL)
    for (group, gene), rows in owners.items():
        own = [row for row in rows if seen[row, gene]]
        if others := count[group, gene] - len(own):
            read[own, gene] = (total[group, gene] - known[own, gene].sum()) / others
        elif controls[group, gene]:
            read[own, gene] = control[group, gene] / controls[group, gene]
    del known, seen
    return profiles.replace(values=_with_columns(profiles.block(0, len(profiles)), genes, read))


def _with_columns(table: Table, columns: list[int], values_nc: np.ndarray) -> Table:
    """A copy of a table with some of its columns replaced."""
    if isinstance(table, np.ndarray):
        changed = np.array(table, dtype=float)
        changed[:, columns] = values_nc
        return changed
    return _spliced(table, np.asarray(columns), values_nc)


def _spliced(table: sparse.csr_matrix, columns: np.ndarray, values_nc: np.ndarray) -> sparse.csr_matrix:
    """The same of a sparse table, whose rows are laid one after another where they stay: nothing is held twice."""
    replaced = np.zeros(table.shape[1], dtype=bool)
    replaced[columns] = True
    put_nc = values_nc != 0
    # What is laid beside a row's kept values is laid in order of columns, so that the result is sorted as before.
    order = np.argsort(columns, kind="stable")
    counts = np.empty(table.shape[0], dtype=np.int64)
    for row, (start, stop) in enumerate(pairwise(table.indptr)):
        counts[row] = np.count_nonzero(~replaced[table.indices[start:stop]] & (table.data[start:stop] != 0))
    counts += put_nc.sum(axis=1)
    pointer = np.concatenate([[0], np.cumsum(counts)])
    data, indices = np.empty(pointer[-1]), np.empty(pointer[-1], dtype=np.int32)
    for row, (start, stop) in enumerate(pairwise(table.indptr)):
        own = table.indices[start:stop]
        stays = ~replaced[own] & (table.data[start:stop] != 0)
        added = order[put_nc[row, order]]
        into = np.concatenate([own[stays], columns[added]])
        sort = np.argsort(into, kind="stable")
        here = slice(pointer[row], pointer[row + 1])
        indices[here] = into[sort]
        data[here] = np.concatenate([table.data[start:stop][stays], values_nc[row, added]])[sort]
    return sparse.csr_matrix((data, indices, pointer), shape=table.shape)


def _per_group(
    code: np.ndarray, known: np.ndarray, seen: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``(g, f)`` sums of some rows over each group, and of how many."""
    shape = (int(code.max()) + 1, len(code))
    into = sparse.csr_matrix((rows.astype(float), (code, np.arange(len(code)))), shape=shape)
    return into @ known, np.asarray(into @ seen.astype(float)).round().astype(int)
