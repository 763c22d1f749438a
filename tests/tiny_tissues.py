"""Small tissues, and folders of them as their instruments write them."""

import gzip
import json
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.data.io.schema import Constant, Schema

GENES = ["EPCAM", "CD3E", "ACTB"]


def tissue(coordinates, **columns):
    """A measurement at given positions."""
    n = len(coordinates)
    entities = pd.DataFrame(columns, index=[f"c{i}" for i in range(n)])
    values = np.arange(n * 2, dtype=np.float32).reshape(n, 2) + 1
    features = np.array(["G1", "G2"], dtype=object)
    return Measurement(values, features, entities, "counts", coordinates=np.asarray(coordinates, dtype=float))


def declared(**changes):
    """A schema of a tissue in which nothing was perturbed."""
    given = {"units": "counts", "perturbation": Constant("control"), "species": "none"}
    return Schema(**{**given, "coordinates": "spatial", "coordinate_unit": "um", **changes})


def counts_of(n, f=3):
    return np.arange(n * f).reshape(n, f) % 7 + 1


def matrix_h5(path, names, *, genes=GENES, types=None):
    """A matrix as Cell Ranger, Space Ranger and Xenium write it."""
    matrix = sparse.csr_matrix(counts_of(len(names), len(genes)).astype(np.int32))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(matrix, key)
        group["shape"] = np.array([len(genes), len(names)])
        group["barcodes"] = np.array(names, dtype="S")
        group["features/name"] = group["features/id"] = np.array(genes, dtype="S")
        group["features/feature_type"] = np.array(types or ["Gene Expression"] * len(genes), dtype="S")


def visium(folder, *, rows=4, columns=6, form="csv", diameter=130.0, genes=GENES):
    """Spots on a hexagonal lattice, 100 µm apart."""
    (folder / "spatial").mkdir(parents=True)
    spots = [(r, c) for r in range(rows) for c in range(r % 2, columns, 2)]
    names = [f"SPOT{i}-1" for i in range(len(spots))]
    matrix_h5(folder / "filtered_feature_bc_matrix.h5", names, genes=genes)
    pixel = diameter / 65
    table = pd.DataFrame(
        {
            "barcode": ["EMPTY-1", *names],
            "in_tissue": [0, *(1 for _ in spots)],
            "array_row": [90, *(r for r, _ in spots)],
            "array_col": [91, *(c for _, c in spots)],
            "pxl_row_in_fullres": [9000, *(round(r * 100 * 3**0.5 / 2 * pixel) for r, _ in spots)],
            "pxl_col_in_fullres": [9000, *(round(c * 50 * pixel) for _, c in spots)],
        }
    )
    place = folder / "spatial"
    if form == "parquet":
        table.to_parquet(place / "tissue_positions.parquet")
    elif form == "list":
        table.to_csv(place / "tissue_positions_list.csv", index=False, header=False)
    else:
        table.to_csv(place / "tissue_positions.csv", index=False)
    scales = {"spot_diameter_fullres": diameter, "fiducial_diameter_fullres": 200.0, "tissue_hires_scalef": 0.1}
    (place / "scalefactors_json.json").write_text(json.dumps(scales))
    return folder


def xenium(folder, n=30, form="parquet"):
    folder.mkdir(parents=True)
    names = [f"aaaa{i:03d}-1" for i in range(n)]
    kinds = ["Gene Expression"] * 3 + ["Negative Control Probe"]
    matrix_h5(folder / "cell_feature_matrix.h5", names, genes=[*GENES, "NegControlProbe_1"], types=kinds)
    cells = pd.DataFrame({"cell_id": names, "x_centroid": places(n)[:, 0], "y_centroid": places(n)[:, 1]})
    cells["cell_area"] = 50.0
    if form == "bytes":
        cells["cell_id"] = [name.encode() for name in names]
    if form in ("parquet", "bytes"):
        cells.to_parquet(folder / "cells.parquet")
    else:
        with gzip.open(folder / "cells.csv.gz", "wt") as file:
            cells.to_csv(file, index=False)
    return folder


def cosmx(folder, n=30, slide="S1"):
    folder.mkdir(parents=True, exist_ok=True)
    keys = pd.DataFrame({"fov": [1 + (i % 2) for i in range(n)], "cell_ID": [1 + i // 2 for i in range(n)]})
    counts = pd.DataFrame(counts_of(n), columns=GENES).assign(NegPrb1=0)
    outside = pd.DataFrame([[1, 0, 9, 9, 9, 9]], columns=[*keys, *counts])
    table = pd.concat([outside, pd.concat([keys, counts], axis=1)])
    table.to_csv(folder / f"{slide}_exprMat_file.csv", index=False)
    points = places(n) / 0.12
    meta = keys.assign(Area=900, CenterX_local_px=1, CenterY_local_px=1)
    meta = meta.assign(CenterX_global_px=points[:, 0], CenterY_global_px=points[:, 1])
    meta.iloc[::-1].to_csv(folder / f"{slide}_metadata_file.csv", index=False)
    return folder


def merscope(folder, n=30):
    folder.mkdir(parents=True)
    # Names of cells are large numbers, beyond what a float holds.
    names = [110883424764611924 + i for i in range(n)]
    counts = pd.DataFrame(counts_of(n), columns=GENES, index=pd.Index(names, name="cell")).assign(**{"Blank-1": 1})
    counts.to_csv(folder / "cell_by_gene.csv")
    points = places(n)
    cells = {"fov": 0, "volume": 500.0, "center_x": points[:, 0], "center_y": points[:, 1], "min_x": 0.0}
    pd.DataFrame(cells, index=names).iloc[::-1].to_csv(folder / "cell_metadata.csv")
    return folder


def spatialdata(folder, n=30, names=("table",)):
    """The tables of a SpatialData folder; images and shapes are left out."""
    import zarr

    regions = np.array(["left", "right"])[np.arange(n) % 2]
    obs = pd.DataFrame({"region": pd.Categorical(regions), "instance": np.arange(n)}, index=[f"c{i}" for i in range(n)])
    table = anndata.AnnData(sparse.csr_matrix(counts_of(n).astype(np.float32)), obs, pd.DataFrame(index=GENES))
    table.obsm["spatial"] = places(n)
    table.uns["spatialdata_attrs"] = {"region": ["left", "right"], "region_key": "region", "instance_key": "instance"}
    root = zarr.open_group(str(folder), mode="w")
    root.attrs["spatialdata_attrs"] = {"version": "0.2"}
    root.create_group("images")
    tables = root.create_group("tables")
    with warnings.catch_warnings():
        # Writers announce what their next version will do.
        warnings.simplefilter("ignore")
        for name in names:
            anndata.io.write_elem(tables, name, table)
    return folder


def places(n):
    """Centers of cells, about 8 µm apart."""
    return np.random.default_rng(3).uniform(0, 16 * np.sqrt(n), (n, 2))
