"""Cells and tissues over time: clones, differentiation, velocity and signalling, with the time that each was read."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.units import ARBITRARY, COUNTS, HOURS, LOG_INTENSITY
from aivc.data.datasets.record import Dataset, File
from aivc.data.io.clones import with_stored_clones
from aivc.data.io.formats import Raw, anndata_file, intact
from aivc.data.io.schema import Constant, Schema

_NONE = Constant("control")
_CLONES = Schema(units=ARBITRARY, perturbation=_NONE, clone="obsm:X_clone")
_SITE = re.compile(r"Intensity\.Liver_Ins_(\d+)(s|m)_Bio(\d+)")


def convert_larry(files: Mapping[str, Path]) -> Measurement:
    """Cells with their day, clone and state; values are counts brought to ten thousand per cell."""
    entities, values, features = _values(files["cells"])
    held = with_stored_clones(files["cells"], Raw(values, pd.DataFrame(index=features), entities), _CLONES)
    frame = pd.DataFrame(
        {
            "time": entities["time_info"].astype(str).astype(float).to_numpy() * HOURS["d"],
            "clone": held.entities[str(_CLONES.clone)].to_numpy(),
            "cell_type": entities["state_info"].astype(str).to_numpy(),
        },
        index=entities.index.astype(str),
    )
    return Measurement(values, features, frame, ARBITRARY)


def convert_larry_plane(files: Mapping[str, Path]) -> Measurement:
    """Cells of the two-dimensional layout; samples 0, 1 and 2 are days 2, 4 and 6."""
    return _samples(files["cells"], {0: 2 * HOURS["d"], 1: 4 * HOURS["d"], 2: 6 * HOURS["d"]})


def convert_dyngen(files: Mapping[str, Path]) -> Measurement:
    """Simulated cells; the simulation has no hours, so samples 0 to 4 are kept as they are counted."""
    made = _samples(files["cells"], {number: float(number) for number in range(5)})
    return made.replace(provenance={"time": "counted by sample: the simulation has no hours"})


def _samples(path: Path, hours: Mapping[int, float]) -> Measurement:
    table = pd.read_csv(path)
    sample_n = table.pop("samples").to_numpy()
    if set(sample_n.tolist()) != set(map(float, hours)):
        raise IntegrityError(f"{path} numbers its samples {sorted(set(sample_n))}, not {list(hours)}. Fetch it again.")
    time_n = np.array([hours[int(number)] for number in sample_n], dtype=np.float64)
    frame = pd.DataFrame({"time": time_n}, index=[f"cell{i}" for i in range(len(table))])
    return Measurement(table.to_numpy(dtype=np.float64), table.columns.to_numpy(dtype=object), frame, ARBITRARY)


def convert_scgem(files: Mapping[str, Path]) -> Measurement:
    """Expression of single cells on the way to pluripotency; neither genes nor days are named in the file."""
    values_nf = pd.read_csv(files["expression"], header=None).to_numpy(dtype=np.float64)
    stage_n = np.loadtxt(files["stages"], ndmin=1).astype(int)
    if len(stage_n) != len(values_nf):
        raise IntegrityError(f"The files of scgem hold {len(values_nf)} cells and {len(stage_n)} stages. Fetch both.")
    frame = pd.DataFrame({"stage": stage_n}, index=[f"cell{i}" for i in range(len(stage_n))])
    names = np.array([f"gene{i}" for i in range(values_nf.shape[1])], dtype=object)
    return Measurement(values_nf, names, frame, ARBITRARY)


def convert_paul(files: Mapping[str, Path]) -> Measurement:
    """Progenitors of blood with the types that their authors gave them."""
    entities, counts, features = _values(files["cells"])
    types, batches = (entities[name].astype(str).to_numpy() for name in ("celltype", "Amp_batch_ID"))
    frame = pd.DataFrame({"cell_type": types, "batch": batches}, index=entities.index.astype(str))
    return Measurement(counts, features, frame, COUNTS)


def convert_pancreas(files: Mapping[str, Path]) -> Measurement:
    """Spliced counts of a pancreas that develops; `pancreas_unspliced` reads the other layer."""
    return _pancreas(files, "X", "rna")


def pancreas_unspliced(files: Mapping[str, Path]) -> Measurement:
    """Unspliced counts of the same cells and genes."""
    return _pancreas(files, "unspliced", "unspliced")


def _pancreas(files: Mapping[str, Path], layer: str, modality: str) -> Measurement:
    entities, counts, features = _values(files["cells"], layer)
    types = entities["clusters"].astype(str).to_numpy()
    frame = pd.DataFrame({"cell_type": types}, index=entities.index.astype(str))
    return Measurement(counts, features, frame, COUNTS, modality=modality)


def convert_insulin(files: Mapping[str, Path]) -> Measurement:
    """Samples of livers after insulin; two series, each with zeros of its own (columns ``series`` and ``animal``)."""
    table = pd.read_parquet(files["sites"]).set_index("site")
    found = [_SITE.fullmatch(name) for name in table]
    if not all(found):
        raise IntegrityError("A column of the insulin series names no time and animal. Fetch the file again.")
    seconds = np.array([int(m[1]) * (60 if m[2] == "m" else 1) for m in found if m])
    animal = np.array([int(m[3]) for m in found if m])
    frame = pd.DataFrame(
        {
            "time": seconds / 3600,
            "seconds": seconds,
            "animal": [f"animal{number}" for number in animal],
            "series": np.where(animal <= 6, "long", "short"),
        },
        index=[name.removeprefix("Intensity.") for name in table],
    )
    sites = table.index.to_numpy(dtype=object)
    return Measurement(table.to_numpy(dtype=np.float64).T, sites, frame, LOG_INTENSITY, modality="phospho")


def _values(path: Path, layer: str = "X") -> tuple[pd.DataFrame, sparse.csr_matrix, np.ndarray]:
    with intact(path):
        raw = anndata_file(path, Schema(units=COUNTS, perturbation=_NONE, layer=layer), backed=False)
    return raw.entities, sparse.csr_matrix(raw.values, dtype=np.float32), raw.features.index.to_numpy(dtype=object)


LARRY = Dataset(
    name="larry-clones",
    title="Weinreb 2020, blood progenitors with clonal barcodes (test subset of CoSpar)",
    what="Expression of 2,481 genes in 781 cells on days 2, 4 and 6 of culture, with 339 clones and cell states.",
    species="mouse",
    files=(
        File(
            "cells",
            "C/larry_hematopoiesis_clones_781cells.h5ad",
            1463810,
            "3c9a5d728f402ff2b87cfecb3cd6639a7fa342fe3a7d44ad57ac526a5ef674af",
        ),
    ),
    source="repository AllonKleinLab/cospar, tests/data/test_adata_preprocessed.h5ad; GEO GSE140802",
    licence="repository MIT; data: none stated",
    citation="Weinreb et al. 2020, Science 367:eaaw3381",
    notes=(
        "The file stores days as text. Values are counts brought to ten thousand per cell, without a logarithm.",
        "obsm X_pca was computed on all days; 113 clones have cells on days 4 and 6.",
        "On day 2 there are 34 cells: held-out times have no power here.",
    ),
    converter=convert_larry,
)

LARRY_PLANE = Dataset(
    name="larry-plane",
    title="Weinreb 2020, two-dimensional layout of blood progenitors",
    what="Two coordinates of 10,998 cells on days 2, 4 and 6.",
    species="none",
    files=(
        File(
            "cells",
            "C/larry_spring2d_10998cells.csv",
            475201,
            "be4360cd67e76205501de63124379be5c82506748e018197a3fdb4dbb1c7ca2f",
        ),
    ),
    source="repository DongyiWang-66/VGFM, data/mouse_hematopoiesis.csv",
    licence="none stated",
    citation="Weinreb et al. 2020, Science 367:eaaw3381",
    notes=(
        "The file numbers its samples 0, 1, 2, which are days 2, 4 and 6.",
        "The layout was computed with all days, so a day held out is not unseen. Counts are cells sequenced.",
    ),
    converter=convert_larry_plane,
)

DYNGEN = Dataset(
    name="dyngen-5d",
    title="dyngen, a simulated bifurcation in five dimensions",
    what="Five coordinates of 728 simulated cells at five times.",
    species="none",
    files=(
        File(
            "cells",
            "C/dyngen_5d_728cells.csv",
            74797,
            "2518aedc7e621195af54927aed60741e71a01239942ddc6502e15e1aafcb803d",
        ),
    ),
    source="benchmark files of trajectory inference, simulated with dyngen",
    licence="none stated",
    citation="Cannoodt et al. 2021, Nature Communications 12:3942",
    notes=("Times are the numbers of the samples, 0 to 4; the simulation has no hours.",),
    converter=convert_dyngen,
)

SCGEM = Dataset(
    name="scgem",
    title="Cheow 2016, reprogramming of fibroblasts to pluripotency",
    what="Expression of 34 genes in 177 single cells of five stages of reprogramming.",
    species="none",
    files=(
        File(
            "expression",
            "C/cheow2016_scGEM_ipsc/scGEM_expression.csv",
            34323,
            "f2c1063add312ea1c70885be4270fc6466e6573f0888f9a6e1dec0333dccaacc",
        ),
        File(
            "stages",
            "C/cheow2016_scGEM_ipsc/scGEM_typeExpression.txt",
            4425,
            "8291a3fd5e3e3df389111b0f74c27eab8b12e24810f8e1fdb2cd706abe3ae071",
        ),
    ),
    source="repository rsinghlab/SCOT, data/scGEM, commit 14649be6",
    licence="repository MIT; data: none stated",
    citation="Cheow et al. 2016, Nature Methods 13:833",
    notes=(
        "The files name neither genes nor days: stages are numbers 1 to 5 (column stage), and no time is declared.",
        "32 to 40 cells a stage: of the stages between, only the second has the power to tell methods apart.",
    ),
    converter=convert_scgem,
)

PAUL = Dataset(
    name="paul2015",
    title="Paul 2015, myeloid progenitors of mouse bone marrow",
    what="RNA counts of 3,004 genes in 2,660 progenitors of seven types.",
    species="mouse",
    files=(
        File(
            "cells",
            "C/paul2015_mouse_haematopoiesis_2660cells.h5ad",
            2677265,
            "eef812293989c07faa64348cc4029387b43b9164062cde8b1b7e9283a3e7701a",
        ),
    ),
    source="repository statOmics/tradeSeq, data/se.rda and celltype.rda (blob 5cb09f83); GEO GSE72857",
    licence="repository MIT; data: none stated",
    citation="Paul et al. 2015, Cell 163:1663",
    notes=("Progenitors have the fewest genes here: an order by genes detected runs backwards.",),
    converter=convert_paul,
)

ENDOCRINE = Dataset(
    name="pancreas-velocity",
    title="Bastidas-Ponce 2019, endocrine pancreas of mouse embryos at E15.5",
    what="Spliced (and, in a layer, unspliced) RNA counts of 7,192 genes in 739 cells of eight types.",
    species="mouse",
    files=(
        File(
            "cells",
            "C/bastidas2019_pancreas_velocity_739cells.h5ad",
            2815978,
            "b05188276301e2cb09b5c0c8acd678896e8902b5faca464a3933767fa4e7941b",
        ),
    ),
    source="repository JEFworks-Lab/veloviz, data/pancreas.rda (blob 4c1c4946); GEO GSE132188",
    licence="repository GPL-3; data: none stated",
    citation="Bastidas-Ponce et al. 2019, Development 146:dev173849",
    notes=("One stage, E15.5: the order is of types, not of days.", "X holds spliced counts."),
    converter=convert_pancreas,
)

ENDOCRINE_UNSPLICED = replace(
    ENDOCRINE,
    name="pancreas-unspliced",
    title="Bastidas-Ponce 2019, endocrine pancreas: unspliced counts of the same cells",
    what="Unspliced RNA counts of 7,192 genes in the 739 cells of pancreas-velocity.",
    notes=("The layer 'unspliced' of the file of pancreas-velocity; velocity needs both.",),
    converter=pancreas_unspliced,
)

INSULIN = Dataset(
    name="insulin-liver",
    title="Humphrey 2015, phosphorylation in mouse liver after insulin",
    what="Logarithm of the intensity of 800 phosphorylation sites in 90 samples, 0 seconds to 10 minutes.",
    species="mouse",
    files=(
        File(
            "sites",
            "C/insulin_liver_phosphoproteome_timecourse_800sites.parquet",
            433148,
            "d4e4d0f4f188568c207a8696a3fc8aed6d3c6201ab960a056217e30137217bae",
        ),
    ),
    source="repository PYangLab/PhosR, phospho_liverInsTC (blob 3b8461f8)",
    licence="repository GPL-3; data: none stated",
    citation="Humphrey et al. 2015, Nature Biotechnology 33:990",
    notes=(
        "Two experiments, the series 'long' (animals 1 to 6) and 'short' (7 to 15): each has zeros of its own; they "
        "must not be pooled. Both were centered on their pooled zeros, so levels at zero run against each other.",
        "Effects against one common zero share its noise: use disjoint halves of the zeros when scoring.",
    ),
    converter=convert_insulin,
)

TIME_COURSES = (LARRY, LARRY_PLANE, DYNGEN, SCGEM, PAUL, ENDOCRINE, ENDOCRINE_UNSPLICED, INSULIN)
