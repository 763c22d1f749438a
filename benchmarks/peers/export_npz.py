"""Put what a benchmark exports into arrays that any environment can read: `export_npz.py DIR`, in the one of aivc.

DIR is written by `aivc benchmark export NAME --out DIR`. Beside each `train.h5ad` this lays `export.npz`: the counts,
the labels, the questions, and, for the genes that are perturbed or asked about, what our own methods are given to know
of them (`gene_priors`) and the terms of GO that they belong to. Nothing else is looked up and no test cell is read.
"""

import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.units import log1p_target
from aivc.data.names.genes import resolve
from aivc.data.priors.gene_priors import gene_priors
from aivc.data.priors.gene_sets import gene_sets


def main(folder: Path) -> None:
    for fold in sorted(folder.glob("fold-*")):
        cells = anndata.read_h5ad(fold / "train.h5ad")
        asked = pd.read_csv(fold / "questions.csv", dtype=str, keep_default_na=False)
        np.savez_compressed(fold / "export.npz", **arrays(cells, asked))
        print(f"{fold}: {cells.n_obs} cells, {len(asked)} questions")


def arrays(cells: anndata.AnnData, asked: pd.DataFrame) -> dict[str, np.ndarray]:
    counts = sparse.csr_matrix(cells.X)
    texts = sorted({*cells.obs["perturbation"].astype(str), *asked["perturbation"]} - {CONTROL})
    genes = {text: sorted(Perturbation.parse(text).genes) for text in texts}
    every = sorted({gene for named in genes.values() for gene in named})
    known = gene_priors(every) if every else None
    held = {"data": counts.data, "indices": counts.indices, "indptr": counts.indptr, "shape": np.array(counts.shape)}
    held |= {"total": np.array(log1p_target(str(cells.uns["profile_units"])))}
    held |= {"features": cells.var_names.to_numpy(dtype=str)}
    held |= {f"cell_{name}": cells.obs[name].astype(str).to_numpy(dtype=str) for name in cells.obs}
    held |= {f"asked_{name}": asked[name].to_numpy(dtype=str) for name in asked}
    held |= {"perturbations": np.array(texts), "targets": np.array(["+".join(genes[text]) for text in texts])}
    if known is not None:
        rows = [known.entities.index.get_indexer(genes[text]) for text in texts]
        # A gene that no source knows has zeros, as for our own methods; the genes of a combination add up.
        held["knowledge"] = np.array([known.values[row[row >= 0]].sum(axis=0) for row in rows], dtype=np.float32)
    held["terms"] = np.array(sorted(memberships({*every, *held["features"]})))
    return held


def memberships(genes: set[str]) -> list[tuple[str, str]]:
    """Every gene asked for with every term of GO it belongs to, by the name it was asked for."""
    named = sorted(genes)
    current = dict(zip(named, resolve(named).current, strict=True))
    found = list(gene_sets("go-bp").items())
    every = sorted({gene for _, members in found for gene in members})
    today = dict(zip(every, resolve(every).current, strict=True))
    by: dict[str, set[str]] = {}
    for term, members in found:
        for gene in members:
            by.setdefault(today[gene], set()).add(term)
    return [(gene, term) for gene in named for term in by.get(current[gene], ())]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
