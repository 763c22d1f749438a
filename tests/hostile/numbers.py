"""Numbers that lead outside of memory, and small files that declare large things."""

import json
import struct
import zlib

import h5py
import numpy as np
import pandas as pd

from aivc.core.saved_cell import sealed
from aivc.core.state import State
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.check import check
from aivc.data.io.read import read
from aivc.data.molecules.letters import read_fasta
from aivc.data.priors.gene_sets import gene_sets
from aivc.data.streaming.shards import Shards, write_shards
from aivc.representations.molecular.vector_table import VectorTable
from hostile.case import WORKS, Case
from hostile.made import SCHEMA, TEN_X, h5ad, loaded, saved_cell, screen, ten_x

MATRICES, SIZES, SHARDS, CELLS = "sparse matrices", "declared sizes and bombs", "shards", "saved cells"


def _replace(group, name, values):
    del group[name]
    group[name] = values


FAULTS = {
    "indptr falls": lambda g, p: p.__setitem__(2, p[-1] + 5),
    "indptr negative": lambda g, p: p.__setitem__(1, -3),
    "indptr begins late": lambda g, p: p.__setitem__(0, 1),
    "indptr ends late": lambda g, p: p.__setitem__(-1, p[-1] + 1),
    "indptr long": lambda g, p: _replace(g, "indptr", np.append(p[:], p[-1])),
    "indptr short": lambda g, p: _replace(g, "indptr", p[:-1]),
    "indptr floats": lambda g, p: _replace(g, "indptr", p[:].astype(float)),
    "indptr NaN": lambda g, p: _replace(g, "indptr", np.full(len(p), np.nan)),
    "indptr wraps": lambda g, p: _replace(g, "indptr", np.full(len(p), 2**64 - 1, np.uint64)),
    "indptr of two axes": lambda g, p: _replace(g, "indptr", np.stack([p[:], p[:]])),
    "indptr texts": lambda g, p: _replace(g, "indptr", np.array([b"1"] * len(p))),
    "indices outside": lambda g, p: g["indices"].__setitem__(0, 10_000),
    "indices negative": lambda g, p: g["indices"].__setitem__(0, -1),
    "indices floats": lambda g, p: _replace(g, "indices", g["indices"][:].astype(float)),
    "indices short": lambda g, p: _replace(g, "indices", g["indices"][:-1]),
    "indices twice": lambda g, p: g["indices"].__setitem__(slice(None), 0),
    "data short": lambda g, p: _replace(g, "data", g["data"][:-1]),
    "data long": lambda g, p: _replace(g, "data", np.append(g["data"][:], 1)),
    "data texts": lambda g, p: _replace(g, "data", np.array([b"1"] * len(g["data"]))),
    "data complex": lambda g, p: _replace(g, "data", g["data"][:].astype(complex)),
    "data NaN": lambda g, p: _replace(g, "data", np.full(len(g["data"]), np.nan)),
    "data negative": lambda g, p: _replace(g, "data", -np.abs(g["data"][:])),
    "no data": lambda g, p: g.__delitem__("data"),
}
SHAPES = {
    "huge": [2**40, 2**40], "negative": [-1, -1], "one": [36], "three": [36, 12, 1], "text": [b"a", b"b"],
    "wide": [36, 2**62], "swapped": [12, 36],
}  # fmt: skip


def _checked(path, schema, backed):
    check(path, schema).raise_if_any()
    return read(path, schema, backed=backed).dense()


def _sparse(fault, backed):
    def act(folder):
        path = h5ad(folder)
        with h5py.File(path, "r+") as file:
            FAULTS[fault](file["X"], file["X/indptr"])
        _checked(path, SCHEMA, backed)

    return act


def _sparse_ten_x(fault):
    def act(folder):
        path = ten_x(folder)
        with h5py.File(path, "r+") as file:
            FAULTS[fault](file["matrix"], file["matrix/indptr"])
        _checked(path, TEN_X, False)

    return act


def _shape(shape, where):
    def act(folder):
        path = h5ad(folder) if where == "h5ad" else ten_x(folder)
        with h5py.File(path, "r+") as file:
            if where == "h5ad":
                file["X"].attrs["shape"] = np.array(SHAPES[shape])
            else:
                _replace(file["matrix"], "shape", np.array(SHAPES[shape]))
        _checked(path, SCHEMA if where == "h5ad" else TEN_X, False)

    return act


def _huge(place, shape, kind):
    def act(folder):
        path = h5ad(folder, dense=True)
        with h5py.File(path, "r+") as file:
            if place in file:
                del file[place]
            made = file.create_dataset(place, shape, kind, chunks=tuple(min(n, 1000) for n in shape))
            made.attrs["encoding-type"], made.attrs["encoding-version"] = "array", "0.2.0"
        _checked(path, SCHEMA, False)

    return act


def _zipped(path, megabytes):
    """Zeros by the hundred megabytes, in some kilobytes: members of one gzip file follow each other."""
    maker = zlib.compressobj(9, wbits=31)
    member = maker.compress(b"0" * (1 << 24)) + maker.flush()
    path.write_bytes(member * (megabytes // 16))
    return path


def _bomb_table(folder):
    read(_zipped(folder / "x.csv.gz", 640), SCHEMA)


def _bomb_vectors(folder):
    VectorTable.read(_zipped(folder / "x.csv.gz", 640), "mine")


def _bomb_fasta(folder):
    read_fasta(_zipped(folder / "x.fasta.gz", 640), "protein")


def _bomb_sets(folder):
    gene_sets(_zipped(folder / "x.gmt.gz", 640))


def _bomb_npz(folder):
    np.savez_compressed(folder / "x.npz", name=np.array(["a"]), values=np.zeros((1, 40_000_000)))
    VectorTable.read(folder / "x.npz", "mine")


def _npz_declares(folder):
    import zipfile

    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    header += b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("name.npy", header)
        archive.writestr("values.npy", header)
    VectorTable.read(folder / "x.npz", "mine")


def _bomb_parquet(folder):
    pd.DataFrame({"a": np.zeros(40_000_000, dtype=np.int64)}).to_parquet(folder / "x.parquet")
    read(folder / "x.parquet", SCHEMA)


def _market(first, zipped=False):
    def act(folder):
        import gzip

        cells = screen()
        text = f"%%MatrixMarket matrix coordinate integer general\n%\n{first}\n1 1 1\n"
        path = folder / ("matrix.mtx.gz" if zipped else "matrix.mtx")
        path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
        (folder / "features.tsv").write_text("".join(f"{name}\t{name}\tGene Expression\n" for name in cells.features))
        (folder / "barcodes.tsv").write_text("".join(f"{name}\n" for name in cells.entities.index))
        cells.entities[["perturbation", "context"]].rename_axis("cell").to_csv(folder / "labels.csv")
        _checked(folder, TEN_X, False)

    return act


def _odd_file(name):
    def act(folder):
        import os

        os.mkfifo(folder / name)
        SCHEMA.to_toml(folder / "s.toml")
        read(folder / name, SCHEMA)

    return act


def _shard(change):
    def act(folder):
        write_shards(screen(), folder / "s", rows=10)
        change(folder / "s")
        made = Shards.open(folder / "s")
        made.take(np.arange(made.shape[0]))
        made.measurement()

    return act


def _manifest(**changes):
    def change(folder):
        body = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**body, **changes}))

    return change


def _piece(field, spoil):
    def change(folder):
        path = folder / f"00000-{field}.npy"
        np.save(path, spoil(np.load(path)))

    return change


SHARD_FAULTS = {
    "rows negative": _manifest(rows=-1),
    "rows huge": _manifest(rows=2**60),
    "rows text": _manifest(rows="36"),
    "no shards": _manifest(shards=[]),
    "shards a text": _manifest(shards="x"),
    "shards of lists": _manifest(shards=[[1]]),
    "shard of negative rows": _manifest(shards=[{"rows": -5, "values": 1, "sha256": ""}]),
    "features a number": _manifest(features=3),
    "features twice": _manifest(features=["a", "a"]),
    "scale unknown": _manifest(scale="cosmic"),
    "units a list": _manifest(units=[]),
    "provenance a text": _manifest(provenance="x"),
    "pointer outside": _piece("indptr", lambda p: np.where(np.arange(len(p)) == 1, 10**9, p)),
    "pointer negative": _piece("indptr", lambda p: np.where(np.arange(len(p)) == 1, -5, p)),
    "pointers floats": _piece("indptr", lambda p: p.astype(float)),
    "pointers short": _piece("indptr", lambda p: p[:-2]),
    "indices outside": _piece("indices", lambda p: p + 10**6),
    "indices negative": _piece("indices", lambda p: p - 100),
    "indices short": _piece("indices", lambda p: p[:-3]),
    "data of texts": _piece("data", lambda p: p.astype(str)),
    "data of two axes": _piece("data", lambda p: np.stack([p, p])),
    "a file of nothing": lambda folder: (folder / "00000-data.npy").write_bytes(b""),
    "a file missing": lambda folder: (folder / "00001-data.npy").unlink(),
    "entities of others": lambda folder: pd.DataFrame({"a": [1]}).to_parquet(folder / "entities.parquet"),
    "entities no parquet": lambda folder: (folder / "entities.parquet").write_bytes(b"PAR1"),
    "panels of others": lambda folder: (
        np.save(folder / "panels.npy", np.ones((2, 3), bool)),
        np.save(folder / "panel-of.npy", np.zeros(36, np.int32)),
    ),
}


def _cell(change, seal=True):
    def act(folder):
        place = saved_cell(folder)
        body = json.loads((place / "cell.json").read_text())
        change(body, place)
        (place / "cell.json").write_text(json.dumps(sealed(body) if seal else body))
        loaded(place)

    return act


def _part(change):
    """Change a part's settings or arrays under digests that fit."""

    def alter(body, place):
        for name, entry in body["parts"].items():
            state = State.load(place / "parts" / name)
            altered = change(name, dict(state.settings), dict(state.arrays))
            if altered is not None:
                made = State(*altered)
                made.save(place / "parts" / name)
                entry["digest"] = made.digest()

    return _cell(alter)


def _tensor(kind, body=b"\0" * 8, shape=(2,), start=0, end=None, extra=""):
    def alter(found, place):
        header = {
            "x": {"dtype": kind, "shape": list(shape), "data_offsets": [start, len(body) if end is None else end]}
        }
        text = (json.dumps(header) + extra).encode()
        path = next((place / "parts").rglob("arrays.safetensors"))
        path.write_bytes(struct.pack("<Q", len(text)) + text + body)

    return _cell(alter)


def _start(body, place):
    path = next((place / "starts").rglob("settings.json"))
    state = State.load(path.parent)
    State(dict(state.settings), {**state.arrays, "values": state.arrays["values"] + 1}).save(path.parent)


def _no_starts(body, place):
    import shutil

    shutil.rmtree(place / "starts")


def _wide(name, settings, arrays):
    return settings, {key: np.concatenate([array, array]) if array.ndim else array for key, array in arrays.items()}


def _flat(name, settings, arrays):
    return settings, {key: array.ravel()[:1] for key, array in arrays.items()}


def _none(name, settings, arrays):
    return settings, {}


def _words(name, settings, arrays):
    return {key: {"is": "value", "value": "x"} for key in settings}, arrays


def _strange(name, settings, arrays):
    return {key: {"is": "part", "group": "metrics", "name": "../x", "settings": {}} for key in settings}, arrays


def _lists(name, settings, arrays):
    return {key: [] for key in settings}, arrays


CELL_FAULTS = {
    "card a list": _cell(lambda body, _: body.update(card=[])),
    "card, perturbations a number": _cell(lambda body, _: body["card"].update(perturbations=7)),
    "card, perturbations of numbers": _cell(lambda body, _: body["card"].update(perturbations=[1])),
    "card, contexts a text": _cell(lambda body, _: body["card"].update(contexts="line1")),
    "card, units a list": _cell(lambda body, _: body["card"].update(units=[])),
    "card, cells negative": _cell(lambda body, _: body["card"].update(cells=-1)),
    "card altered": _cell(lambda body, _: body["card"].update(cells=99), seal=False),
    "licence altered": _cell(lambda body, _: body["card"].update(licence="CC0"), seal=False),
    "starts a text": _cell(lambda body, _: body.update(starts="x")),
    "starts twice": _cell(lambda body, _: body.update(starts=["a", "a"])),
    "starts without digests": _cell(lambda body, _: body.pop("start_digests")),
    "digests of numbers": _cell(lambda body, _: body.update(start_digests=[7] * len(body["starts"]))),
    "states altered": _cell(_start),
    "states gone": _cell(_no_starts),
    "digest gone": _cell(lambda body, _: body.pop("digest"), seal=False),
    "parts a list": _cell(lambda body, _: body.update(parts=[])),
    "no parts": _cell(lambda body, _: body.update(parts={})),
    "part outside": _cell(lambda body, _: body["parts"].update({"../x": {}})),
    "part in /etc": _cell(lambda body, _: body["parts"].update({"/etc": {}})),
    "part unknown": _cell(lambda body, _: next(iter(body["parts"].values())).update(name="os.system")),
    "part of another group": _cell(lambda body, _: next(iter(body["parts"].values())).update(group="metrics")),
    "provenance outside": _cell(lambda body, _: body.update(provenance={"x": {"at": "../..", "digest": ""}})),
    "provenance negative": _cell(lambda body, _: body.update(provenance={"x": {"at": -1, "digest": ""}})),
    "provenance huge": _cell(lambda body, _: body.update(provenance={"x": {"at": 2**60, "digest": ""}})),
    "format 7": _cell(lambda body, _: body.update(format=7)),
    "arrays wider": _part(_wide),
    "arrays flat": _part(_flat),
    "arrays gone": _part(_none),
    "settings of words": _part(_words),
    "settings of strange parts": _part(_strange),
    "settings of lists": _part(_lists),
    "tensor of float8": _tensor("F8_E4M3", shape=(8,)),
    "tensor of float8, other": _tensor("F8_E5M2", shape=(8,)),
    "tensor of float4": _tensor("F4", shape=(16,)),
    "tensor of bfloat": _tensor("BF16", shape=(4,)),
    "tensor of nothing known": _tensor("OBJECT"),
    "tensor too long": _tensor("F32", end=2**60),
    "tensor of negative shape": _tensor("F32", shape=(-2,)),
    "tensor of huge shape": _tensor("F32", shape=(2**40, 2**40)),
    "tensor backwards": _tensor("F32", start=8, end=0),
    "tensor header of no JSON": _tensor("F32", extra="]]]"),
    "tensor header huge": _cell(
        lambda _, place: next((place / "parts").rglob("arrays.safetensors")).write_bytes(
            struct.pack("<Q", 2**62) + b"{}"
        )
    ),
    "a pickle": _cell(
        lambda _, place: next((place / "parts").rglob("arrays.safetensors")).write_bytes(b"\x80\x04cos\nsystem\n")
    ),
}


def _altered_byte(name):
    def act(folder):
        place = saved_cell(folder)
        path = sorted(file for file in place.rglob("*") if file.is_file() and file.parts[-3:].count(name))[0]
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 1
        path.write_bytes(bytes(body))
        VirtualCell.load(place)

    return act


CASES = [
    *(Case(MATRICES, f"h5ad, {fault}{', on disk' * b}", _sparse(fault, b)) for fault in FAULTS for b in (False, True)),
    *(Case(MATRICES, f"10x, {fault}", _sparse_ten_x(fault)) for fault in FAULTS),
    *(Case(MATRICES, f"{where}, shape {shape}", _shape(shape, where)) for shape in SHAPES for where in ("h5ad", "10x")),
    *(
        Case(SIZES, f"h5ad {place} of {shape}", _huge(place, shape, kind))
        for place, shape, kind in (
            ("X", (10**9, 10**9), "f4"),
            ("X", (36, 10**10), "f4"),
            ("X", (10**10, 12), "f4"),
            ("obs/depth", (10**11,), "f8"),
            ("obs/_index", (10**10,), h5py.string_dtype()),
            ("var/_index", (10**10,), "S8"),
            ("obs/one", (1,), "S2000000000"),
        )
    ),
    Case(SIZES, "csv.gz", _bomb_table),
    Case(SIZES, "csv.gz of vectors", _bomb_vectors),
    Case(SIZES, "fasta.gz", _bomb_fasta),
    Case(SIZES, "gmt.gz", _bomb_sets),
    Case(SIZES, "npz", _bomb_npz),
    Case(SIZES, "npz that declares more than it holds", _npz_declares),
    Case(SIZES, "parquet", _bomb_parquet),
    *(
        Case(SIZES, f"matrix market, {first}", _market(first))
        for first in (
            "12 36 99999999999",
            "999999999999 36 1",
            "12 999999999999 1",
            "-1 36 1",
            "a b c",
            "12 36 1.5",
            "",
            "9" * 5000,
        )
    ),
    Case(SIZES, "matrix market, zipped", _market("12 36 99999999999", zipped=True)),
    *(
        Case(SIZES, f"a pipe called {name}", _odd_file(name))
        for name in ("x.csv", "x.h5ad", "x.h5", "x.parquet", "x.tsv.gz")
    ),
    *(Case(SHARDS, name, _shard(change)) for name, change in SHARD_FAULTS.items()),
    Case(SHARDS, "honest", _shard(lambda folder: None), WORKS),
    *(Case(CELLS, name, act) for name, act in CELL_FAULTS.items()),
    *(Case(CELLS, f"a bit of {name}", _altered_byte(name)) for name in ("cell.json", "parts", "starts", "provenance")),
    Case(CELLS, "honest", _cell(lambda body, place: None), WORKS),
]
