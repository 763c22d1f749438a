"""Images and profiles of cells: BBBC021, NF1 Cell Painting, HT29 colon cells, histone movies, H&E of HER2ST."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.units import ARBITRARY, INTENSITY
from aivc.data.datasets.image_files import HT29_FILES, NF1_FILES, Pinned
from aivc.data.datasets.record import Dataset, File, Original
from aivc.data.images.layout import CELL, NUCLEUS, ImageLayout
from aivc.data.images.planes import series_of
from aivc.data.io.schema import Constant, Schema

_RAW = "https://raw.githubusercontent.com"
_EXAMPLES = f"{_RAW}/CellProfiler/examples/4972b59e670a4ae96c3d453803c92eeff378d054"
_NF1 = (
    f"{_RAW}/cytomining/CytoDataFrame/462accbc18e57441b560cde034667e0c88f4d9b9/tests/data/cytotable/"
    "NF1_cellpainting_data_shrunken"
)
_HER2ST = f"{_RAW}/almaan/her2st/85df7411b987a7dec3feff9718b869a7a82091ec/data/ST-imgs/C"
_LJOSA = (
    "Caie et al. 2010, Molecular Cancer Therapeutics 9:1913; "
    "Ljosa et al. 2013, Journal of Biomolecular Screening 18:1321"
)
_NO_SIZE = "The source does not state the size of a pixel."
_NF1_FIELDS = {"B7": 3, "D6": 2, "H12": 1}
_NF1_CHANNELS = ("DAPI", "GFP", "RFP")


def convert_profiles(files: Mapping[str, Path]) -> Measurement:
    """Mean profiles of wells, with the mechanism that the authors gave each compound."""
    table = pd.read_parquet(files["profiles"])
    described = ["plate", "well", "replicate", "compound", "concentration", "moa"]
    features = [name for name in table if name not in described]
    treated = table["compound"] != "DMSO"
    labels = [
        str(Perturbation.parse(f"drug:{compound}@{float(dose):.4g}uM")) if drug else CONTROL
        for compound, dose, drug in zip(
            table["compound"].str.replace(" ", "-"), table["concentration"], treated, strict=True
        )
    ]
    entities = pd.DataFrame(
        {
            "perturbation": np.array(labels, dtype=object),
            "context": "MCF7",
            "batch": table["plate"].astype(str),
            **{name: table[name] for name in described},
        }
    ).set_axis([f"{plate}/{well}" for plate, well in zip(table["plate"], table["well"], strict=True)], axis=0)
    values = table[features].to_numpy(dtype=np.float64)
    names = np.array(features, dtype=object)
    return Measurement(values, names, entities, ARBITRARY, modality="profile")


def convert_cells(files: Mapping[str, Path]) -> Measurement:
    """Crops of single cells, on disk."""
    # What reads files asks the catalog for names of genes.
    from aivc.data.io.read import read

    return read(
        files["crops"],
        Schema(
            units=INTENSITY,
            modality="image",
            species="human",
            perturbation="compound",
            control="DMSO",
            kind="drug",
            dose="concentration_uM",
            dose_unit=Constant("uM"),
            batch="plate",
            context=Constant("MCF7"),
            image=ImageLayout(axes="nyxc", um_per_pixel="unknown"),
        ),
    )


def convert_nf1(files: Mapping[str, Path]) -> Measurement:
    """Three fields of view, with the masks of another program behind the channels."""
    fields = []
    for well, site in _NF1_FIELDS.items():
        names = [f"{well}_01_{i}_{site}_{channel}_001" for i, channel in enumerate(_NF1_CHANNELS, 1)]
        light = [_pixels(files[f"{name}.tif"]) for name in names]
        masks = [_pixels(files[f"{names[0]}_MaskNuclei.tiff"]), _pixels(files[f"{names[2]}_MaskCells.tiff"])]
        fields.append(np.stack([*light, *((mask > 0).astype(light[0].dtype) for mask in masks)]))
    entities = pd.DataFrame({"perturbation": CONTROL, "well": list(_NF1_FIELDS)}, index=list(_NF1_FIELDS), dtype=object)
    return _images(np.stack(fields), [*_NF1_CHANNELS, NUCLEUS, CELL], entities, 16)


def convert_ht29(files: Mapping[str, Path]) -> Measurement:
    """One field of view of three channels."""
    light = np.stack([_pixels(files[each.name]) for each in HT29_FILES])
    entities = pd.DataFrame({"perturbation": [CONTROL], "well": ["D03"]}, index=["D03f00"], dtype=object)
    return _images(light[None], ["DNA", "pH3", "Actin"], entities, 8)


def convert_movies(files: Mapping[str, Path]) -> Measurement:
    """Frames of two movies, an entity each, in order."""
    frames, rows = [], []
    for name in ("sequence1", "sequence2"):
        planes = series_of(files[name], "tyx")
        frames += [plane.read() for plane in planes]
        rows += [{"perturbation": CONTROL, "section": name, "frame": t} for t in range(len(planes))]
    entities = pd.DataFrame(rows).set_axis([f"{row['section']}/{row['frame']}" for row in rows], axis=0)
    return _images(np.stack(frames), ["histone-GFP"], entities, 8)


def _pixels(path: Path) -> np.ndarray:
    return series_of(path, None)[0].read()[0]


def _images(values: np.ndarray, channels: list[str], entities: pd.DataFrame, bits: int) -> Measurement:
    about = {"channels": channels, "um_per_pixel": None, "dtype": str(values.dtype), "bits": bits}
    return Measurement(
        values, np.array(channels, dtype=object), entities, INTENSITY, modality="image", provenance={"image": about}
    )


def _file(folder: str, pinned: Pinned, address: str) -> File:
    original = Original(address, pinned.original_bytes, pinned.original_sha256)
    return File(pinned.name, f"F/{folder}/{pinned.name}", pinned.bytes, pinned.sha256, original=original)


PROFILES = Dataset(
    name="bbbc021-profiles",
    title="BBBC021, CellProfiler profiles of MCF7 cells under compounds of known mechanism",
    what="Mean of 516 features in 521 wells of 55 plates: 26 compounds of 11 mechanisms at several doses, and DMSO.",
    species="human",
    files=(
        File(
            "profiles",
            "F/bbbc021_well_profiles.parquet",
            1681335,
            "58caf1a7926151e6628506e0d64fb543dc7ceb6785502069e2df6e081ffd34f7",
        ),
    ),
    source="repository cytomining/cytominergallery, commit 05d496f1, inst/extdata: profiles and table of images",
    licence="repository BSD-style; images BBBC021 CC BY 3.0 (unverified)",
    citation=_LJOSA,
    notes=(
        "Compounds of one mechanism were often imaged in the same weeks: ask for neighbors of other weeks, too.",
        "Features of places (Location, Center_X, Center_Y) say where a cell lay and not what it looks like.",
    ),
    converter=convert_profiles,
)

CELLS = Dataset(
    name="bbbc021-cells",
    title="BBBC021, crops of single MCF7 cells under DMSO or cycloheximide",
    what="1,348 crops of 64 × 64 pixels in three channels from four plates, with three doses.",
    species="human",
    files=(
        File(
            "crops",
            "F/bbbc021_single_cells/dev.npz",
            12914782,
            "a93289eb881a171b74c00dbeac18b8d45f68027316a2b47490a573915c1b7cd0",
        ),
    ),
    source="repository Ottohesten/02466-Cell-Profiling, commit 03cdaed3, data_subset",
    licence="repository: none stated; images BBBC021 CC BY 3.0 (unverified)",
    citation=_LJOSA,
    notes=(
        "Each condition is one well a plate, and DMSO always B02: place and drug cannot be separated.",
        "Two of four plates hold DMSO only.",
        "Six numbers, mean and standard deviation of three channels, tell DMSO from the drug (AUROC .96 to .98).",
        "Pixels were brought from 16 to 8 bits by one scale per channel, so intensities compare across plates.",
        "The source writes cyclohexamide.",
        _NO_SIZE,
    ),
    converter=convert_cells,
)

NF1 = Dataset(
    name="nf1-cell-painting",
    title="NF1 Schwann cells, Cell Painting with masks",
    what="Three fields of view of 904 × 1224 pixels in three channels, with masks of nuclei and cells.",
    species="human",
    files=tuple(
        _file("nf1_cellpainting", each, f"{_NF1}/Plate_2_{'masks' if 'Mask' in each.name else 'images'}/{each.name}")
        for each in NF1_FILES
    ),
    source="repository cytomining/CytoDataFrame, commit 462accbc, tests/data/cytotable; data of WayScience",
    licence="repository BSD-3",
    citation="CytoDataFrame, and the NF1 Cell Painting project of the Way laboratory",
    notes=(
        "Masks are another program's output, not truth: binary, touching nuclei merged, none cut by the border.",
        _NO_SIZE,
    ),
    converter=convert_nf1,
)

HT29 = Dataset(
    name="ht29-colon",
    title="HT29 colon cancer cells of CellProfiler's examples",
    what="One field of view of 512 × 512 pixels: DNA, phospho-histone H3, actin.",
    species="human",
    files=tuple(
        _file("human_ht29_example", each, f"{_EXAMPLES}/ExampleHuman/images/{each.name}") for each in HT29_FILES
    ),
    source="repository CellProfiler/examples, commit 4972b59e, ExampleHuman",
    licence="repository BSD-3",
    citation="Moffat et al. 2006, Cell 124:1283; Carpenter et al. 2006, Genome Biology 7:R100",
    notes=("One field: nothing can be learned from it.", _NO_SIZE),
    converter=convert_ht29,
)

MOVIES = Dataset(
    name="histone-movies",
    title="Drosophila embryos with histone-GFP, two movies",
    what="21 frames each of 264 × 542 pixels.",
    species="none",
    files=(
        File(
            "sequence1",
            "F/timelapse_drosophila_histoneGFP/sequence1.tif",
            1607488,
            "c4db91b89d2c6c86bce057ce36b4956fad20023d8059847eeae88bc1b538e630",
        ),
        File(
            "sequence2",
            "F/timelapse_drosophila_histoneGFP/sequence2.tif",
            1555450,
            "9bb1a49bb3f005c1c2f1eb442cabf89cf91f212b23f5a0451ccc5b50e97a88e1",
        ),
    ),
    source="repository CellProfiler/examples, commit 4972b59e, ExampleTrackObjects: frames stacked",
    licence="repository BSD-3",
    citation="Carpenter et al. 2006, Genome Biology 7:R100",
    notes=(
        "Six of 21 frames are exact copies of the one before: leave them out, or persistence is a perfect forecast.",
        "Neither the size of a pixel nor the time between frames is stated.",
    ),
    converter=convert_movies,
)

HER2ST_IMAGES = Dataset(
    name="her2st-images",
    title="Andersson 2021, H&E images of two sections of HER2-positive breast tumours",
    what="Sections C2 and C3 in color, which the pixel positions of `her2st` refer to.",
    species="human",
    files=(
        File(
            "C2",
            "F/her2st_HE/C2.jpg",
            3990230,
            "26e2f73ae840cdd46c5bba405aae181f13a56a376b9848dff23f7a9c5de7f19e",
            f"{_HER2ST}/C2/5714_HE_BT_C2.jpg",
        ),
        File(
            "C3",
            "F/her2st_HE/C3.jpg",
            3915842,
            "0005a92674014d473040a28f0afca89ce5fa5c44019b479b638ceb3272ceb568",
            f"{_HER2ST}/C3/5714_HE_BT_D1.jpg",
        ),
    ),
    source="repository almaan/her2st, commit 85df7411, data/ST-imgs; Zenodo 3957257",
    licence="repository: none stated; Zenodo terms unverified",
    citation="Andersson et al. 2021, Nature Communications 12:6012",
    notes=("Two images of different size: each is read by itself, from its path.",),
)

IMAGES = (PROFILES, CELLS, NF1, HT29, MOVIES, HER2ST_IMAGES)
