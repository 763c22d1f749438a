"""Opens what Cell Ranger writes: h5 files and folders of matrix, features and barcodes."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import SchemaError
from aivc.data.io.formats import (
    DiskRows,
    Raw,
    anndata_file,
    as_float,
    csr_on_disk,
    keys,
    opened,
    refuse_unknown,
    sound_csr,
)
from aivc.data.io.guides import asked_for_guides, with_guides
from aivc.data.io.orientation import upright
from aivc.data.io.own_file import refuse_bomb, refuse_odd_file, require_market_header
from aivc.data.io.schema import Schema
from aivc.data.io.ten_x_files import ten_x_files

_FEATURE_TYPES = {"rna": "Gene Expression", "protein": "Antibody Capture", "guide": "CRISPR Guide Capture"}


def ten_x_h5(path: Path, schema: Schema, *, backed: bool) -> Raw:
    """Open a 10x file: Cell Ranger 3 and later (``matrix``) or 2 (one group per genome)."""
    with opened(path) as store:
        refuse_unknown(store)
        if "obs" in store and "var" in store:
            return anndata_file(path, schema, backed=backed)
        key = _ten_x_group(path, store, schema)
        node = store[key]
        found = node["features"] if "features" in keys(node) else {"id": node["genes"], "name": node["gene_names"]}
        names = {"id": "id", "name": "name", "feature_type": "feature_type", "genome": "genome"}
        features = pd.DataFrame({column: _strings(found[item]) for item, column in names.items() if item in found})
        f, n = (int(size) for size in node["shape"][:])
        # 10x stores features by barcodes, column by column: read as rows, that is CSR of entities by features.
        disk = csr_on_disk(path, node, key, (n, f))
        entities = pd.DataFrame(index=pd.Index(_strings(node["barcodes"])))
    return _of_one_type(disk if backed else disk.rows(0, n), features, entities, schema)


def _ten_x_group(path: Path, store: Any, schema: Schema) -> str:
    groups = [key for key in store if "barcodes" in keys(store[key])]
    if schema.layer in groups or len(groups) == 1:
        return schema.layer if schema.layer in groups else groups[0]
    raise SchemaError(
        f"{path} holds {len(groups)} 10x matrices ({', '.join(groups) or 'none'}). Name one as layer in the schema, or "
        "give a file that Cell Ranger wrote."
    )


def _strings(node: Any) -> np.ndarray:
    return np.array([x.decode() if isinstance(x, bytes) else str(x) for x in node[:]], dtype=object)


def ten_x_folder(path: Path, schema: Schema) -> Raw:
    """Open a folder of matrix.mtx, features.tsv or genes.tsv, and barcodes.tsv, plain or gzipped, perhaps prefixed."""
    files, notes = ten_x_files(path, schema.prefix)
    for file in files.values():
        refuse_odd_file(file)
    columns = ["id", "name", "feature_type"]
    features = _plain_table(files["features"])
    features = features.set_axis([*columns, *map(str, range(3, features.shape[1]))][: features.shape[1]], axis=1)
    names = _plain_table(files["barcodes"])[0].to_numpy(dtype=object)
    require_market_header(files["matrix"], len(features), len(names))
    # Slow to import, and most files are no matrix market.
    from scipy.io import mmread

    values, turned = upright(mmread(files["matrix"]), len(names), len(features))
    if "name" not in features:
        features["name"] = features["id"]
    raw = _of_one_type(_float_csr(values), features, pd.DataFrame(index=pd.Index(names)), schema)
    return replace(raw, notes=(*notes, *turned, *raw.notes))


def _float_csr(values: sparse.csr_matrix) -> sparse.csr_matrix:
    return sound_csr(as_float(values.data), values.indices, values.indptr, values.shape)


def _plain_table(path: Path) -> pd.DataFrame:
    refuse_bomb(path)
    # Symbols such as NA and quotes in names stay what they are.
    return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)


def _of_one_type(values: Any, features: pd.DataFrame, entities: pd.DataFrame, schema: Schema) -> Raw:
    features = features.set_index(pd.Index(features["name"].to_numpy(dtype=object)))
    raw = _wanted(values, features, entities, schema)
    types = set(features["feature_type"]) if "feature_type" in features else set()
    if place := asked_for_guides(schema, entities, types):
        guides = np.flatnonzero(features["feature_type"] == place)
        counts = _columns(values, guides)
        rows = counts.rows(0, counts.shape[0]) if isinstance(counts, DiskRows) else counts
        return with_guides(raw, rows, list(map(str, features.index[guides])), schema)
    return raw


def _wanted(values: Any, features: pd.DataFrame, entities: pd.DataFrame, schema: Schema) -> Raw:
    wanted = _FEATURE_TYPES.get(schema.modality)
    if "feature_type" not in features or wanted is None or (features["feature_type"] == wanted).all():
        return Raw(values, features, entities)
    keep = np.flatnonzero(features["feature_type"] == wanted)
    left = features["feature_type"].value_counts().drop(wanted, errors="ignore")
    listed = ", ".join(f"{count} of type {name!r}" for name, count in left.items())
    note = f"For modality {schema.modality!r}, {len(keep)} features of type {wanted!r} are read; left aside: {listed}."
    empty = (
        () if len(keep) else (f"The file holds no features of type {wanted!r}, only {listed}. Correct the modality.",)
    )
    return Raw(_columns(values, keep), features.iloc[keep], entities, None, None, empty, (note,))


def _columns(values: Any, keep: np.ndarray) -> Any:
    if not isinstance(values, DiskRows):
        return values[:, keep]
    return DiskRows(values.path, values.key, (values.shape[0], len(keep)), values.indptr, values.width, keep)
