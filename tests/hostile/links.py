"""Files that lead outside of themselves."""

import json

import h5py
import numpy as np

from aivc.data.io.check import check
from aivc.data.io.guess import guess
from aivc.data.io.obsm import load_obsm
from aivc.data.io.read import read
from aivc.evaluation.protocol.prediction_file import read_predictions
from aivc.experiments.atlas.embed import embed_file
from aivc.representations.molecular.vector_table import VectorTable
from hostile.case import REFUSED, WORKS, Case
from hostile.made import SCHEMA, TEN_X, h5ad, ten_x

KIND = "links and outside data"
PLACES = (
    "X", "obs", "obs/perturbation", "obs/depth", "obs/_index", "var", "var/symbol", "uns", "uns/units",
    "uns/deep/er/note", "uns/new/deep", "obsm", "obsm/X_pca", "obsm/other", "layers", "layers/counts", "layers/new",
    "varm/v", "raw/X", "raw/var", "obsp/near",
)  # fmt: skip
TEN_X_PLACES = (
    "matrix", "matrix/data", "matrix/indices", "matrix/indptr", "matrix/shape", "matrix/barcodes", "matrix/features",
    "matrix/features/id", "matrix/features/name", "matrix/features/feature_type", "other",
)  # fmt: skip


def put(path, place, how):
    """Replace a node by one that leads outside."""
    secret = path.parent.parent / "outside" / "secret.bin"
    with h5py.File(path, "r+") as file:
        if place in file:
            del file[place]
        if how == "soft":
            file[place] = h5py.SoftLink("/var")
        elif how == "dangling":
            file[place] = h5py.SoftLink("/nowhere")
        elif how == "external link":
            other = path.parent / "other.h5"
            with h5py.File(other, "w") as stranger:
                stranger["x"] = np.arange(4)
            file[place] = h5py.ExternalLink(str(other), "/x")
        elif how == "external storage":
            file.create_dataset(place, (4, 3), "f4", external=[(str(secret), 0, 48)])
        else:
            layout = h5py.VirtualLayout((4,), "i8")
            layout[:] = h5py.VirtualSource(str(path.parent / "other.h5"), "x", shape=(4,))
            file.create_virtual_dataset(place, layout)


HOWS = ("soft", "external link", "external storage", "virtual")


def _read(place, how):
    def act(folder):
        path = h5ad(folder)
        put(path, place, how)
        read(path, SCHEMA)

    return act


def _ten_x(place, how):
    def act(folder):
        path = ten_x(folder)
        put(path, place, how)
        read(path, TEN_X)

    return act


READERS = {
    "guess": lambda path: guess(path),
    "check": lambda path: check(path, SCHEMA).raise_if_any(),
    "backed": lambda path: read(path, SCHEMA, backed=True).dense(),
    "obsm": lambda path: load_obsm(path, "X_pca"),
    "predictions": lambda path: read_predictions(path),
    "embed": lambda path: embed_file(path, path.parent / "out.h5ad", "count-pca", schema=SCHEMA, dim=2),
    "vectors": lambda path: VectorTable.read(path, "mine", field="v"),
}


def _by(reader, place, how):
    def act(folder):
        path = h5ad(folder)
        put(path, place, how)
        READERS[reader](path)

    return act


def _itself(folder):
    path = h5ad(folder)
    with h5py.File(path, "r+") as file:
        file["uns/again"] = file["uns"]
    read(path, SCHEMA)


def _zarr(spoil):
    def act(folder):
        import anndata

        path = folder / "x.zarr"
        anndata.read_h5ad(h5ad(folder)).write_zarr(path)
        spoil(path, folder.parent / "outside" / "secret.bin")
        read(path, SCHEMA)

    return act


def _link_file(path, secret):
    next(file for file in path.rglob("*") if file.is_file() and "indptr" in str(file)).unlink()
    (path / "X" / "indptr" / "link").symlink_to(secret)


def _link_folder(path, secret):
    (path / "uns" / "more").symlink_to(secret.parent, target_is_directory=True)


def _named_outside(name):
    def spoil(path, secret):
        body = {"zarr_consolidated_format": 1, "metadata": {name: {"zarr_format": 2}}}
        (path / ".zmetadata").write_text(json.dumps(body))

    return spoil


def _pipe(path, secret):
    import os

    os.mkfifo(path / "uns" / "pipe")


def _pickles(path, secret):
    (path / "X" / ".zarray").write_text(json.dumps({"zarr_format": 2, "filters": [{"id": "pickle"}]}))


CASES = [
    *(Case(KIND, f"h5ad {place}, {how}", _read(place, how)) for place in PLACES for how in HOWS),
    *(Case(KIND, f"10x {place}, {how}", _ten_x(place, how)) for place in TEN_X_PLACES for how in HOWS),
    *(
        Case(KIND, f"{reader}: {place}, {how}", _by(reader, place, how))
        for reader in READERS
        for place, how in (("uns/units", "external link"), ("obsm/other", "soft"), ("obs/depth", "virtual"))
    ),
    Case(KIND, "a group that holds itself", _itself, WORKS),
    Case(KIND, "h5ad uns/x, dangling", _read("uns/x", "dangling")),
    Case(KIND, "zarr, link to a file", _zarr(_link_file)),
    Case(KIND, "zarr, link to a folder", _zarr(_link_folder)),
    Case(KIND, "zarr, pipe", _zarr(_pipe)),
    Case(KIND, "zarr, pickles", _zarr(_pickles)),
    *(
        Case(KIND, f"zarr, metadata name {name}", _zarr(_named_outside(name)), REFUSED)
        for name in ("../outside/.zarray", "/etc/passwd", "uns/../../../x/.zarray", "C:/x/.zarray", "\\x")
    ),
]
