"""Tissues: cells and spots with their places, sections, donors, and the labels that their authors gave them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.units import ARBITRARY, COUNTS, INTENSITY
from aivc.data.datasets.record import Dataset, File
from aivc.data.io.formats import anndata_file, intact
from aivc.data.io.schema import Constant, Schema
from aivc.data.tissue.spacing import described

# By the field of view; the files do not say it.
_STARMAP_UM = 0.1
_BANKSY = (
    "https://raw.githubusercontent.com/prabhakarlab/Banksy_py/43e2d692db6705c0195039764194473912e4cfc2/data/starmap"
)
_ASSUMED = "The files do not state the unit of positions: "
_ONE = "One section of one animal: neighbors are not independent, and nothing is known of other animals."


def placed(measurement: Measurement, points: np.ndarray, unit: str, um_per_pixel: float | None = None) -> Measurement:
    """Add positions and what is known of them.

    Args:
        measurement: Whose entities have the column ``section``.
        points: ``(n, 2)`` or ``(n, 3)``; pixels where their size is given.
        unit: Of the positions that the measurement gets, ``um`` or ``array``.
        um_per_pixel: Size of a pixel in µm.
    """
    points = np.asarray(points, dtype=np.float64) * (um_per_pixel or 1.0)
    about = described(points, measurement.entities, unit, um_per_pixel)
    return measurement.replace(coordinates=points, provenance={**measurement.provenance, "coordinates": about})


def convert_her2st(files: Mapping[str, Path]) -> Measurement:
    """Spots of tumours; only one section of each patient has labels of a pathologist."""
    cells, counts, features = _counts(files["spots"])
    unlabelled = _texts(cells["label"], blank="unlabelled")
    entities = {"section": _texts(cells["section"]), "donor": _texts(cells["patient"]), "label": unlabelled}
    frame = pd.DataFrame({**entities, **cells[["pixel_x", "pixel_y"]]}, index=cells.index)
    return placed(Measurement(counts, features, frame, COUNTS), cells[["array_x", "array_y"]].to_numpy(), "array")


def convert_starmap(files: Mapping[str, Path]) -> Measurement:
    """Cells of a cortex; the table beside them says the layers of most."""
    cells, counts, features = _counts(files["cells"])
    table = pd.read_csv(files["layers"], index_col=0)
    layers = pd.Series(table["smoothed_manual"].to_numpy(), table.index.astype(str))
    if not layers.index.isin(cells.index).all():
        raise IntegrityError("The table of layers names cells that are not in the file. Fetch both again.")
    frame = pd.DataFrame(
        {
            "section": "BY3",
            "donor": "mouse",
            "cell_type": _texts(cells["cluster_name"]),
            "layer": _texts(layers.reindex(cells.index)),
        },
        index=cells.index,
    )
    return placed(Measurement(counts, features, frame, COUNTS), cells[["x", "y"]].to_numpy(), "um", _STARMAP_UM)


def convert_merfish(files: Mapping[str, Path]) -> Measurement:
    """Cells of one field of a tumour."""
    cells, counts, features = _counts(files["cells"])
    frame = pd.DataFrame({"section": "field", "donor": "patient", "cell_type": _texts(cells["type"])}, cells.index)
    return placed(Measurement(counts, features, frame, COUNTS), cells[["X", "Y"]].to_numpy(), "um")


def convert_bulb(files: Mapping[str, Path]) -> Measurement:
    """Spots of an olfactory bulb, with their layers."""
    cells, counts, features = _counts(files["spots"])
    layers = _texts(cells["layer"], blank="nan")
    frame = pd.DataFrame({"section": "bulb", "donor": "mouse", "layer": layers}, cells.index)
    return placed(Measurement(counts, features, frame, COUNTS), cells[["x", "y"]].to_numpy(), "array")


def convert_breast(files: Mapping[str, Path]) -> Measurement:
    """Spots of four layers of one tumour, aligned to each other by the repository."""
    cells, counts, features = _counts(files["spots"])
    frame = pd.DataFrame({"section": _texts(cells["slice"]), "donor": "patient"}, cells.index)
    return placed(Measurement(counts, features, frame, COUNTS), cells[["x", "y"]].to_numpy(), "array")


def convert_pancreas(files: Mapping[str, Path]) -> Measurement:
    """Cells of which the type alone is known: the features are the types, 1 for a cell's own."""
    cells = pd.read_parquet(files["cells"])
    codes, types = pd.factorize(_texts(cells["cellType"]), sort=True)
    ones = np.ones(len(cells), dtype=np.float32)
    values = sparse.csr_matrix((ones, (np.arange(len(cells)), codes)), shape=(len(cells), len(types)))
    columns = {"section": "imageID", "donor": "case", "cell_type": "cellType", "stage": "stage", "part": "part"}
    frame = pd.DataFrame(
        {ours: _texts(cells[theirs]) for ours, theirs in columns.items()}, _texts(cells["imageCellID"])
    )
    made = Measurement(values, types, frame, ARBITRARY, modality="cell-type")
    return placed(made, cells[["x", "y"]].to_numpy(), "um")


def convert_embryo(files: Mapping[str, Path]) -> Measurement:
    """Places on half an embryo in three dimensions, and the strength of 84 genes at each."""
    cells = pd.read_parquet(files["places"])
    genes = [name for name in cells if name not in ("x", "y", "z")]
    names = [f"place-{name}" for name in cells.index]
    frame = pd.DataFrame({"section": "embryo", "donor": "embryo"}, index=names)
    values = cells[genes].to_numpy(dtype=np.float32)
    made = Measurement(values, np.array(genes, dtype=object), frame, INTENSITY)
    return placed(made, cells[["x", "y", "z"]].to_numpy(), "um")


def _counts(path: Path) -> tuple[pd.DataFrame, sparse.csr_matrix, np.ndarray]:
    """Columns of entities, counts and names of features; files of any year of anndata."""
    with intact(path):
        raw = anndata_file(path, Schema(units=COUNTS, perturbation=Constant("control")), backed=False)
    return raw.entities, sparse.csr_matrix(raw.values, dtype=np.float32), raw.features.index.to_numpy(dtype=object)


def _texts(column: pd.Series | Any, blank: str = "") -> np.ndarray:
    """Texts, empty where nothing is known."""
    texts = pd.Series(np.asarray(column, dtype=object))
    return texts.where(texts.notna() & (texts != blank), "").astype(str).to_numpy(dtype=object)


HER2ST = Dataset(
    name="her2st",
    title="Andersson 2021, Spatial Transcriptomics of HER2-positive breast tumours",
    what="RNA counts of 16,293 genes in 3,346 spots of 12 sections of four patients, one section each with labels.",
    species="human",
    files=(
        File(
            "spots",
            "E/andersson2021_her2st_dev_patients_ABCD.h5ad",
            12351654,
            "f2b6474184b8231cffffb48ea02a9af91d85ef4d6c80398743e60344ea850e20",
        ),
    ),
    source="repository almaan/her2st, commit 85df7411, data/ST-cnts, ST-spotfiles and ST-pat; Zenodo 3957257",
    licence="repository: none stated; Zenodo terms unverified",
    citation="Andersson et al. 2021, Nature Communications 12:6012",
    notes=(
        "Positions are places of the printed array, 1 apart; 200 µm by the design of the slides.",
        "Labels are of the sections A1, B1, C1 and D1; 'undetermined' is one of them, and spots without any are blank.",
        "Total counts alone tell tumour spots well (AUROC 0.84 between patients): compare with them.",
    ),
    converter=convert_her2st,
    positions=True,
)

STARMAP = Dataset(
    name="starmap-cortex",
    title="Wang 2018, STARmap of mouse visual cortex (BY3)",
    what="RNA counts of 1,020 genes in 1,549 cells of a section of visual cortex, with layers of 1,207.",
    species="mouse",
    files=(
        File(
            "cells",
            "E/starmap_visual_cortex_BY3.h5ad",
            2862985,
            "05b7619677b4d65324ae7594d80a703996b97ec5c20e7f81cd9fc93be8be933b",
            f"{_BANKSY}/starmap_BY3_1k.h5ad",
        ),
        File(
            "layers",
            "E/starmap_visual_cortex_BY3_meta.csv",
            63335,
            "e82e8a1b43437c6f15be1821bcc43537f4216806d6e9c5a32abbb55f3a394c5f",
            f"{_BANKSY}/Starmap_BY3_1k_meta_annotated_18oct22.csv",
        ),
    ),
    source="repository prabhakarlab/Banksy_py, data/starmap",
    licence="repository GPL-3; data: none stated",
    citation="Wang et al. 2018, Science 361:eaat5691",
    notes=(
        f"{_ASSUMED}0.1 µm per pixel is taken, by the field of view.",
        "Names of cell types hold the layer (eL4): composition of types tells layers by itself.",
        _ONE,
    ),
    converter=convert_starmap,
    positions=True,
)

MERFISH = Dataset(
    name="merfish-lung",
    title="Chen 2024, MERFISH of a lung tumour",
    what="RNA counts of 479 genes in 3,177 cells of one field of a lung tumour, with cell types.",
    species="human",
    files=(
        File(
            "cells",
            "E/chen2024_merfish_lung_tumour_3177cells.h5ad",
            375081,
            "7eb4133ec5a9eb2c6a788d4f2cd9636ade3cc3acffaeb1547f6473434438e0a2",
        ),
    ),
    source="repository korsunskylab/tessera, commit e4493448, data/tessera_warmup.rda",
    licence="repository GPL-3; data: none stated",
    citation="Chen et al. 2024, Nature Immunology",
    notes=(f"{_ASSUMED}µm are taken, since the nearest cell is 6.6 away.", "One field of one patient."),
    converter=convert_merfish,
    positions=True,
)

BULB = Dataset(
    name="olfactory-bulb",
    title="Ståhl 2016, Spatial Transcriptomics of mouse olfactory bulb",
    what="RNA counts of 15,928 genes in 262 spots of a section of olfactory bulb, with layers of 260.",
    species="mouse",
    files=(
        File(
            "spots",
            "E/stahl2016_mouse_olfactory_bulb.h5ad",
            2226959,
            "e967bc9aae4b1983bce244e44e56baf034aaa5aa3112d2a250084d4fbd9e7a37",
        ),
    ),
    source="repository JEFworks-Lab/MERINGUE, commit ca9e2cca, data/mOB.rda",
    licence="repository GPL-3; data: none stated",
    citation="Ståhl et al. 2016, Science 353:78",
    notes=("Positions are places of the printed array, with its jitter; 200 µm apart by its design.", _ONE),
    converter=convert_bulb,
    positions=True,
)

BREAST = Dataset(
    name="breast-layers",
    title="Ståhl 2016, Spatial Transcriptomics of four layers of a breast tumour",
    what="RNA counts of 13,360 genes in 1,031 spots of four aligned layers of one tumour.",
    species="human",
    files=(
        File(
            "spots",
            "E/stahl2016_breast_cancer_4layers.h5ad",
            2532088,
            "93f2e2733187f033d348d4b4fdc561961fc55775673be98c04850ad80da02611",
        ),
    ),
    source="repository JEFworks-Lab/MERINGUE, commit ca9e2cca, data/BCL.rda",
    licence="repository GPL-3; data: none stated",
    citation="Ståhl et al. 2016, Science 353:78",
    notes=(
        "Positions are places of the printed array, 200 µm apart by its design, after layers were aligned.",
        "Four layers of one patient: they say nothing of other patients.",
    ),
    converter=convert_breast,
    positions=True,
)

PANCREAS = Dataset(
    name="imc-pancreas",
    title="Damond 2019, imaging mass cytometry of pancreas in type 1 diabetes",
    what="Types of 180,515 cells in 80 images of eight donors: without diabetes, at onset, and long after.",
    species="human",
    files=(
        File(
            "cells",
            "E/damond2019_imc_pancreas_diabetes.parquet",
            1329401,
            "74fb6df19d5891d2070cb23327dd4837101a3e4d71fb6519f429371c01f13ce7",
        ),
    ),
    source="repository SydneyBioX/spicyR, data/diabetesData_SCE.rda (blob f5fa7065)",
    licence="repository GPL>=2; data Mendeley CC BY 4.0 (unverified)",
    citation="Damond et al. 2019, Cell Metabolism 29:755",
    notes=(
        "The file holds no intensities: values are 1 for the type of a cell.",
        f"{_ASSUMED}µm are taken, since pixels of this instrument are 1 µm wide.",
        "8 of 12 donors. Type 'unknown' is a type here.",
    ),
    converter=convert_pancreas,
    positions=True,
)

EMBRYO = Dataset(
    name="drosophila-embryo",
    title="Fowlkes 2008, virtual Drosophila embryo in three dimensions",
    what="Strength of 84 genes at 3,035 places of half an embryo, in three dimensions.",
    species="none",
    files=(
        File(
            "places",
            "E/drosophila_embryo_3d_84genes.parquet",
            1337494,
            "32a9139a4d2a60ea077f9e3a3f23bdb0d37b872d6ccefd3a432c999ced0452eb",
        ),
    ),
    source="repository JEFworks-Lab/MERINGUE, commit ca9e2cca, data/drosophila.rda; originally BDTNP",
    licence="repository GPL-3; data: none stated",
    citation="Fowlkes et al. 2008, Cell 133:364",
    notes=(
        f"{_ASSUMED}µm are taken, since the embryo is 0.4 mm long by them.",
        "A virtual embryo: each gene is an average over many, registered to one shape.",
    ),
    converter=convert_embryo,
    positions=True,
)

TISSUES = (HER2ST, STARMAP, MERFISH, BULB, BREAST, PANCREAS, EMBRYO)
