"""Twenty small screens, each written as a tool or a laboratory writes them, with the schema that is right for each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem
from scipy import sparse
from scipy.io import mmwrite

GENES = [
    "JAK2",
    "STAT1",
    "IRF1",
    "MYC",
    "TP53",
    "CDKN1A",
    "CEBPA",
    "KLF1",
    "GATA1",
    "SPI1",
    "BRD4",
    "SMAD4",
    "ACTB",
    "GAPDH",
    "JUN",
    "FOS",
    "EGR1",
    "HLA-A",
    "B2M",
    "CD44",
    "VIM",
    "KRT8",
    "EPCAM",
    "CDH1",
    "CDH2",
    "SOX2",
    "NANOG",
    "KLF4",
    "LIN28A",
    "ESR1",
]
IDS = [f"ENSG{100_000 + i:011d}" for i in range(len(GENES))]
TARGETS = ["control", "control", "JAK2", "MYC", "TP53", "JUN"] * 4
PAIRS = ["control", "control", "JAK2", "MYC", "JAK2&MYC", "JUN"] * 4
DRUGS = ["control", "control", "Trametinib", "Imatinib", "Bortezomib", "Nutlin-3"] * 4
N = len(TARGETS)
BARCODES = ["".join("ACGT"[(i // 4**k) % 4] for k in range(4)) + "ACGTTGCAACGT-1" for i in range(N)]
COUNTS_NF = np.random.default_rng(0).poisson(5.0, (N, len(GENES))).astype(np.float32) + 1
LOG_NF = np.log1p(COUNTS_NF / COUNTS_NF.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)


class KnownScreen(NamedTuple):
    """A screen, and what is right for it.

    Attributes:
        write: Writes it into a folder and returns its path.
        schema: What the file itself says.
        answers: What a person has to add before it can be read.
        labels: ``(n,)`` perturbations, ``control`` for none, as they are read by both together.
    """

    write: Callable[[Path], Path]
    schema: dict[str, Any]
    answers: dict[str, Any]
    labels: list[str]


def named(labels: list[str], kind: str) -> list[str]:
    """Texts of perturbations of one kind."""
    return [
        text if text == "control" else " + ".join(f"{kind}:{part}" for part in sorted(text.split("&")))
        for text in labels
    ]


def called(labels: list[str], control: str, joint: str = "+") -> list[str]:
    """Labels as a laboratory writes them."""
    return [control if text == "control" else joint.join(text.split("&")) for text in labels]


def of_h5ad(obs, *, values=LOG_NF, var=None, layers=None, obsm=None, uns=None):
    """A writer of an h5ad."""

    def write(folder: Path) -> Path:
        features = pd.DataFrame(index=GENES) if var is None else var
        frame = pd.DataFrame({name: np.resize(np.array(column), N) for name, column in obs.items()}, index=BARCODES)
        made = anndata.AnnData(sparse.csr_matrix(values), frame, features, layers=layers, obsm=obsm, uns=uns)
        made.write_h5ad(folder / "screen.h5ad")
        return folder / "screen.h5ad"

    return write


def seurat_disk(folder: Path) -> Path:
    """Scaled values in X, counts in raw, factors as codes whose levels no reference names."""
    text = h5py.string_dtype()
    scaled = (LOG_NF - LOG_NF.mean(axis=0)) / LOG_NF.std(axis=0)
    levels, codes = np.unique(called(TARGETS, "NT"), return_inverse=True)
    with h5py.File(folder / "screen.h5ad", "w") as file:
        file["X"] = scaled
        counts = sparse.csr_matrix(COUNTS_NF)
        for name in ("data", "indices", "indptr"):
            file[f"raw/X/{name}"] = getattr(counts, name)
        file["raw/X"].attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": counts.shape})
        for place, names in (("obs", BARCODES), ("var", GENES), ("raw/var", GENES)):
            group = file.create_group(place)
            group.create_dataset("_index", data=np.array(names, dtype=object), dtype=text)
            group.attrs.update({"_index": "_index", "encoding-type": "dataframe", "encoding-version": "0.1.0"})
        file["obs/gene"] = codes.astype(np.int32)
        file["obs"].create_dataset("__categories/gene", data=levels.astype(object), dtype=text)
        file["obs/nCount_RNA"] = COUNTS_NF.sum(axis=1)
    return folder / "screen.h5ad"


def mudata(folder: Path) -> Path:
    """Counts in one modality, antibodies in another, labels in the table of both."""
    obs = pd.DataFrame({"gene_target": called(TARGETS, "NT"), "replicate": "rep1"}, index=BARCODES)
    rna = anndata.AnnData(sparse.csr_matrix(COUNTS_NF), obs[[]].copy(), pd.DataFrame(index=GENES))
    adt = anndata.AnnData(COUNTS_NF[:, :2], obs[[]].copy(), pd.DataFrame(index=["CD86", "PDL1"]))
    with h5py.File(folder / "screen.h5mu", "w") as file:
        file.attrs["encoding-type"] = "MuData"
        write_elem(file.require_group("mod"), "rna", rna)
        write_elem(file["mod"], "adt", adt)
        write_elem(file, "obs", obs)
    return folder / "screen.h5mu"


def transposed_table(folder: Path) -> Path:
    """A row is a gene; what was done to each cell lies beside it."""
    pd.DataFrame(COUNTS_NF.T.astype(int), index=GENES, columns=BARCODES).to_csv(folder / "counts.csv")
    pd.DataFrame({"condition": called(TARGETS, "ctrl")}, index=BARCODES).to_csv(folder / "cells.csv")
    return folder / "counts.csv"


def guide_names(labels=TARGETS):
    return [[f"{'NEG_CTRL' if part == 'control' else part}-1" for part in text.split("&")] for text in labels]


def cell_ranger_folder(folder: Path) -> Path:
    """Matrix, features and barcodes, and the calls of guides."""
    made = folder / "filtered_feature_bc_matrix"
    made.mkdir()
    mmwrite(made / "matrix.mtx", sparse.coo_matrix(COUNTS_NF.T.astype(int)))
    rows = zip(IDS, GENES, strict=True)
    (made / "features.tsv").write_text("".join(f"{i}\t{name}\tGene Expression\n" for i, name in rows))
    (made / "barcodes.tsv").write_text("".join(f"{name}\n" for name in BARCODES))
    calls = zip(BARCODES, guide_names(PAIRS), strict=True)
    lines = [f"{name},{len(guides)},{'|'.join(guides)},9\n" for name, guides in calls][:-2]
    (made / "protospacer_calls_per_cell.csv").write_text(
        "cell_barcode,num_features,feature_call,num_umis\n" + "".join(lines)
    )
    return made


def held(labels: list[str], scale: int) -> tuple[sparse.csr_matrix, list[str]]:
    """``(n, g)`` guides of cells, in counts or as 0 and 1."""
    cells = guide_names(labels)
    names = sorted({guide for each in cells for guide in each})
    return sparse.csr_matrix([[scale * (name in each) for name in names] for each in cells]), names


def cell_ranger_h5(folder: Path) -> Path:
    """Genes and guides in one matrix, and no table of calls."""
    guides, names = held(TARGETS, 20)
    matrix = sparse.csr_matrix(sparse.hstack([COUNTS_NF, guides]).astype(np.int32))
    with h5py.File(folder / "screen.h5", "w") as file:
        group = file.create_group("matrix")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(matrix, key)
        group["shape"], group["barcodes"] = np.array(matrix.shape[::-1]), np.array(BARCODES, dtype="S")
        types = ["Gene Expression"] * len(GENES) + ["CRISPR Guide Capture"] * len(names)
        for key, texts in (("name", [*GENES, *names]), ("id", [*IDS, *names]), ("feature_type", types)):
            group[f"features/{key}"] = np.array(texts, dtype="S")
    return folder / "screen.h5"


def in_obsm(folder: Path) -> Path:
    """A table of cells × guides, of which a cell has several."""
    guides, names = held(PAIRS, 1)
    table = pd.DataFrame(guides.toarray(), columns=names, index=BARCODES)
    return of_h5ad({"lane": ["1", "2"]}, values=COUNTS_NF, obsm={"guide_assignment": table})(folder)


COUNTS = {"units": "counts", "species": "human"}
LOG = {"units": "log1p_cp10k", "species": "human"}
KO, CRISPRI, CRISPRA = {"kind": "ko"}, {"kind": "crispri"}, {"kind": "crispra"}
SYMBOLS = pd.DataFrame({"gene_name": GENES}, index=IDS)
DOSES = [0.0, 0.0, 1.0, 1.0, 10.0, 10.0]


def at_dose(hours="", *, per_micromolar=1.0):
    """Texts of drugs at the doses of every cell, in uM; the file may hold another unit."""
    doses = np.resize(DOSES, N) / per_micromolar
    return [
        text if text == "control" else f"drug:{text}@{dose:g}uM{hours}" for text, dose in zip(DRUGS, doses, strict=True)
    ]


def with_ends(labels: list[str], end: str) -> list[str]:
    return [text if text == "control" else "&".join(part + end for part in text.split("&")) for text in labels]


SCREENS = {
    "scPerturb": KnownScreen(
        of_h5ad(
            {"perturbation": called(PAIRS, "control", "_"), "nperts": [t.count("&") + (t != "control") for t in PAIRS],
             "perturbation_type": ["CRISPRi"], "cell_line": ["K562"], "ncounts": [1.0, 2.0]}, values=COUNTS_NF,
        ),
        {**COUNTS, "perturbation": "perturbation", "control": "control", "kind": "crispri", "separator": "_",
         "context": "cell_line"},
        {}, named(PAIRS, "crispri"),
    ),
    "pertpy": KnownScreen(
        of_h5ad({"perturbation": ["NT", "NT", *["Perturbed"] * 4], "gene_target": called(TARGETS, "NT"),
                 "replicate": ["r1"]}, values=COUNTS_NF),
        {**COUNTS, "perturbation": "gene_target", "control": "NT"}, KO, named(TARGETS, "ko"),
    ),
    "GEARS": KnownScreen(
        of_h5ad(
            {"condition": [t if "+" in t or t == "ctrl" else f"{t}+ctrl" for t in called(PAIRS, "ctrl")],
             "cell_type": ["A549"], "dose_val": ["1", "1", "1+1"], "control": [1, 1, 0, 0, 0, 0]},
            var=SYMBOLS, layers={"counts": sparse.csr_matrix(COUNTS_NF)},
        ),
        {**COUNTS, "layer": "counts", "perturbation": "condition", "control": "ctrl", "separator": "+",
         "context": "cell_type", "features": "gene_name"},
        CRISPRA, named(PAIRS, "crispra"),
    ),
    "State": KnownScreen(
        of_h5ad({"gene": called(TARGETS, "non-targeting"), "gem_group": ["1", "2"], "cell_type": ["hepg2"]}),
        {**LOG, "perturbation": "gene", "control": "non-targeting", "batch": "gem_group", "context": "cell_type"},
        CRISPRI, named(TARGETS, "crispri"),
    ),
    "Cell Ranger": KnownScreen(
        cell_ranger_folder,
        {**COUNTS, "metadata": "protospacer_calls_per_cell.csv", "perturbation": "feature_call",
         "control": "NEG_CTRL-1",
         "separator": "|"},
        {**CRISPRI, "exclude": [""]}, named(with_ends(PAIRS, "-1"), "crispri")[:-2],
    ),
    "cell-eval": KnownScreen(
        of_h5ad({"target_gene": called(TARGETS, "non-targeting"), "celltype": ["H1"]}),
        {**LOG, "perturbation": "target_gene", "control": "non-targeting", "context": "celltype"},
        CRISPRI, named(TARGETS, "crispri"),
    ),
    "Virtual Cell Challenge": KnownScreen(
        of_h5ad({"target_gene": called(TARGETS, "non-targeting"), "guide_id": ["g1", "g2"],
                 "batch": ["Flex_1", "Flex_2"]}, values=COUNTS_NF, var=pd.DataFrame({"gene_id": IDS}, index=GENES)),
        {**COUNTS, "perturbation": "target_gene", "control": "non-targeting", "batch": "batch"},
        CRISPRI, named(TARGETS, "crispri"),
    ),
    "sci-Plex": KnownScreen(
        of_h5ad({"product_name": called(DRUGS, "Vehicle"), "dose": DOSES, "cell_type": ["MCF7"], "pathway": ["x"]},
                values=COUNTS_NF, var=pd.DataFrame({"gene_short_name": GENES}, index=IDS)),
        {**COUNTS, "perturbation": "product_name", "control": "Vehicle", "kind": "drug", "context": "cell_type",
         "features": "gene_short_name"},
        {"dose": "dose", "dose_unit": {"value": "nM"}}, at_dose(per_micromolar=1000),
    ),
    "Tahoe": KnownScreen(
        of_h5ad({"drug": called(DRUGS, "DMSO_TF"), "cell_line_id": ["CVCL_0459"], "cell_name": ["NCI-H460"],
                 "plate": ["plate1", "plate2"], "sample": ["s1"], "moa-fine": ["x"]}, values=COUNTS_NF),
        {**COUNTS, "perturbation": "drug", "control": "DMSO_TF", "kind": "drug", "context": "cell_name",
         "batch": "plate"},
        {}, named(DRUGS, "drug"),
    ),
    "Replogle": KnownScreen(
        of_h5ad({"gene": called(TARGETS, "non-targeting"), "gene_id": ["x"], "transcript": ["P1P2"],
                 "gem_group": [1, 2],
                 "sgID_AB": ["a|b"], "UMI_count": [9.0], "mitopercent": [0.1]}, values=COUNTS_NF, var=SYMBOLS),
        {**COUNTS, "perturbation": "gene", "control": "non-targeting", "batch": "gem_group", "features": "gene_name"},
        CRISPRI, named(TARGETS, "crispri"),
    ),
    "Norman": KnownScreen(
        of_h5ad({"guide_identity": ["NegCtrl0_NegCtrl0__x", "JAK2_NegCtrl0__y"], "gemgroup": [1, 2],
                 "perturbation_name": called(PAIRS, "control")}, layers={"counts": sparse.csr_matrix(COUNTS_NF)},
                var=pd.DataFrame({"index": IDS}, index=GENES)),
        {**COUNTS, "layer": "counts", "perturbation": "perturbation_name", "control": "control", "separator": "+",
         "batch": "gemgroup"},
        CRISPRA, named(PAIRS, "crispra"),
    ),
    "Papalexi": KnownScreen(
        of_h5ad({"orig.ident": ["Lane1"], "nCount_RNA": [9.0], "MULTI_ID": ["rep1-tx"], "guide_ID": ["NTg1", "JAK2g1"],
                 "gene": called(TARGETS, "NT"), "NT": ["NTg1"], "perturbation": ["NT", "NT", *["Perturbed"] * 4],
                 "replicate": ["rep1"], "Phase": ["G1"]}, values=COUNTS_NF),
        {**COUNTS, "perturbation": "gene", "control": "NT"}, KO, named(TARGETS, "ko"),
    ),
    "OP3": KnownScreen(
        of_h5ad({"sm_name": called(DRUGS, "Dimethyl Sulfoxide"), "sm_lincs_id": ["LSM-1"], "SMILES": ["CC"],
                 "dose_uM": DOSES, "timepoint_hr": [24.0], "control": [True, True, False, False, False, False],
                 "cell_type": ["B cells", "T cells"], "donor_id": ["Donor 1", "Donor 2"], "plate_name": ["plate_0"]},
                values=COUNTS_NF),
        {**COUNTS, "perturbation": "sm_name", "control": "Dimethyl Sulfoxide", "kind": "drug", "context": "cell_type",
         "donor": "donor_id", "batch": "plate_name", "dose": "dose_uM", "dose_unit": {"value": "uM"},
         "hours": "timepoint_hr"},
        {}, at_dose(hours=" for 24h"),
    ),
    "LINCS": KnownScreen(
        of_h5ad({"pert_iname": called(DRUGS, "DMSO"), "pert_type": ["ctl_vehicle", "ctl_vehicle", *["trt_cp"] * 4],
                 "pert_dose": DOSES, "pert_dose_unit": ["uM"], "pert_time": [24], "pert_time_unit": ["h"],
                 "cell_id": ["MCF7"], "det_plate": ["CPC005"]}, values=LOG_NF - LOG_NF.mean(axis=0)),
        {"species": "human", "perturbation": "pert_iname", "control": "DMSO", "kind": "drug", "context": "cell_id",
         "batch": "det_plate", "dose": "pert_dose", "dose_unit": "pert_dose_unit", "hours": "pert_time"},
        {"units": "zscore"}, at_dose(hours=" for 24h"),
    ),
    "SeuratDisk": KnownScreen(
        seurat_disk, {**COUNTS, "layer": "raw", "perturbation": "gene", "control": "NT"}, KO, named(TARGETS, "ko"),
    ),
    "MuData": KnownScreen(
        mudata, {**COUNTS, "perturbation": "gene_target", "control": "NT"}, KO, named(TARGETS, "ko"),
    ),
    "counts in a layer": KnownScreen(
        of_h5ad({"perturbation": called(DRUGS, "vehicle"), "perturbation_type": ["drug"], "cell_type": ["T"],
                 "patient": ["p1", "p2"]}, layers={"raw_counts": sparse.csr_matrix(COUNTS_NF)}),
        {**COUNTS, "layer": "raw_counts", "perturbation": "perturbation", "control": "vehicle", "kind": "drug",
         "context": "cell_type", "donor": "patient"},
        {}, named(DRUGS, "drug"),
    ),
    "genes × cells": KnownScreen(
        transposed_table,
        {**COUNTS, "format": "transposed", "metadata": "cells.csv", "perturbation": "condition", "control": "ctrl"},
        KO, named(TARGETS, "ko"),
    ),
    "10x h5": KnownScreen(
        cell_ranger_h5, {**COUNTS, "perturbation": "CRISPR Guide Capture", "control": ["NEG_CTRL-1"]},
        {**CRISPRI, "guide_threshold": 5}, named(with_ends(TARGETS, "-1"), "crispri"),
    ),
    "guides in obsm": KnownScreen(
        in_obsm,
        {**COUNTS, "perturbation": "guide_assignment", "control": ["NEG_CTRL-1"], "separator": "+", "batch": "lane"},
        CRISPRI, named(with_ends(PAIRS, "-1"), "crispri"),
    ),
}  # fmt: skip


def wrong(name: str, folder: Path) -> list[str]:
    """What a suggestion says wrongly of a screen; nothing where it is right and, completed, reads the file."""
    from aivc.data.io.guess import guess
    from aivc.data.io.read import read
    from aivc.data.io.schema import Schema

    screen = SCREENS[name]
    path = screen.write(folder)
    found = guess(path)
    said = found.to_json()
    fields = sorted({*said["schema"], *screen.schema})
    faults = [
        f"{field}: {said['schema'].get(field)!r}, not {screen.schema.get(field)!r}"
        for field in fields
        if said["schema"].get(field) != screen.schema.get(field)
    ]
    faults += [f"{field} is not asked for" for field in screen.answers if field not in said["open"]]
    faults += [f"{line.field} has no evidence" for line in found.lines if not line.evidence]
    if faults:
        return faults
    read_as = read(path, Schema.from_json({**said["schema"], **screen.answers})).perturbations.tolist()
    return [] if read_as == screen.labels else [f"labels are read as {read_as[:6]}, not {screen.labels[:6]}"]
