"""Where a protein is in a cell: `AIVC_DATA=../shared/data python benchmarks/localization.py [TASK ...]`.

Simulated cells, whose truth is known: the place of a protein in cells and wells of plates that were not learned from,
with sets, beside the mean intensity and the masks of other cells; and the change of the nuclear share under a
treatment, beside an interval that takes cells for observations. Real crops, of which only what the stains bind is
known: DNA in the nucleus, tubulin and actin in the cytoplasm. All bars are our own.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL
from aivc.core.registry import DECODERS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data import catalog
from aivc.data.images.central_masks import central_masks
from aivc.data.images.segment import Segmentation, segmented_crops
from aivc.data.images.subcellular import complete, subcellular
from aivc.data.priors.memberships import memberships
from aivc.data.synthetic_locations import LOCATION, PROTEIN, TRUE_SHARE, synthetic_locations, synthetic_translocation
from aivc.experiments.known_location import agreement
from aivc.experiments.locate import Locator
from aivc.experiments.translocation import moved_share, translocation

OUT = Path(__file__).parent / "results" / "localization.json"
COMMAND = "AIVC_DATA=../shared/data python benchmarks/localization.py"
LEVEL, HARD, BEYOND = 0.9, (0.5, 5.0), (6.0, 9.0)
NUCLEAR = ("nucleus", "nucleolus", "nuclear rim")
LOOKED_AT = (
    "Simulated: features and generator were written together, and seen on other seeds at difficulties of 1 to 2.5; no "
    "setting was chosen on the test plates. Spots were told from lines after a first run on plates of another seed. "
    "Which share of dark pixels is the background (.05) was chosen between .02 and .1 after seeing both on BBBC021 "
    "crops of DMSO, where it moves tubulin, not actin. The diameter of BBBC021 nuclei (34 pixels) was read off the "
    "masks that 24 gave, with the same result. All bars are our own: those of simulated cells were set before this "
    "file was first written, those of real crops after the ratios had been seen."
)


def main() -> None:
    tasks = {"places": places, "beyond": beyond, "translocation": moves, "intervals": intervals, "real": real}
    asked = sys.argv[1:] or list(tasks)
    results = json.loads(OUT.read_text(encoding="utf-8"))["results"] if sys.argv[1:] and OUT.is_file() else {}
    for name in asked:
        started = time.process_time()
        results[name] = {**tasks[name](), "cpu_s": 0.0}
        results[name]["cpu_s"] = round(time.process_time() - started, 1)
        print(name, json.dumps(results[name]), flush=True)
        kept = {name: results[name] for name in tasks if name in results}
        body = {"command": COMMAND, "python": sys.version.split()[0], "looked_at": LOOKED_AT, "bars": bars(kept)}
        OUT.write_text(json.dumps({**body, "results": kept}, indent=1) + "\n", encoding="utf-8")


def bars(results):
    rows = []

    def bar(name, value, limit, better="higher"):
        met = value >= limit if better == "higher" else value <= limit
        rows.append({"name": name, "value": round(float(value), 4), "bar": limit, "better": better, "met": bool(met)})

    if own := results.get("places"):
        said, null = own["locator"], max(own[name]["cells"]["accuracy"] for name in ("mean intensity", "other masks"))
        bar("place of a cell, accuracy on other plates (own bar)", said["cells"]["accuracy"], 0.85)
        bar("place of a well, accuracy on other plates (own bar)", said["wells"]["accuracy"], 0.95)
        bar("accuracy of cells above the better null (own bar)", said["cells"]["accuracy"] - null, 0.1)
        for of in ("cells", "wells"):
            bar(f"sets of {of} at .9 hold the right place (own bar)", said[of]["held"], 0.88)
        bar("sets of cells, the place they hold least often (own bar)", said["cells"]["held_least"], 0.8)
        bar("sets of cells, mean size (own bar)", said["cells"]["size"], 1.6, "lower")
        bar("calibration error of probabilities of cells (own bar)", said["cells"]["calibration_error"], 0.05, "lower")
        bar(
            "largest change of a feature at .3 of the light and another background (own bar)",
            own["scale"],
            0.02,
            "lower",
        )
        bar("correlation of the measured with the true nuclear share (own bar)", own["share_correlation"], 0.95)
    if own := results.get("translocation"):
        bar("change of the share, pictures: intervals at .9 hold it (own bar)", own["held"], 0.85)
        bar("no change, pictures: called moved (own bar)", own["same_called_moved"], 0.15, "lower")
        bar("change from .30 to .45, pictures: called moved, rightly (own bar)", own["up_called_moved"], 0.8)
        bar("measured change over the true one (own bar)", own["kept"], 0.8)
    if own := results.get("intervals"):
        bar("intervals at .9 over four wells on two plates hold the change (own bar)", own["4 wells"]["held"], 0.88)
        bar("intervals at .9 over two wells on two plates hold the change (own bar)", own["2 wells"]["held"], 0.88)
    if own := results.get("real"):
        for name, part in own.items():
            if isinstance(part, dict) and "wells" in part:
                for channel, side in part["expected"].items():
                    found = part["wells"][channel][f"share_{side}"]
                    bar(f"{name}, {channel} is {side} in this share of wells (own bar)", found, 0.9)
    return rows


# --- places of simulated proteins ---


def places():
    train = synthetic_locations(plates=10, wells=2, cells=8, hard=HARD, seed=1)
    test = synthetic_locations(plates=10, wells=2, cells=8, hard=HARD, seed=12)
    locator = Locator.fit(train, PROTEIN, seed=0)
    made = {"locator": _scores(locator.locate(test, PROTEIN, level=LEVEL), test)}
    made["mean intensity"] = {"cells": _intensity(train, test)}
    mixed = [_mixed(each, seed) for each, seed in ((train, 3), (test, 4))]
    made["other masks"] = _scores(Locator.fit(mixed[0], PROTEIN, seed=0).locate(mixed[1], PROTEIN, level=LEVEL), test)
    values = test.values.copy()
    values[:, :2] = 0.3 * values[:, :2] + 500
    tables = [subcellular(each, [PROTEIN]) for each in (test, test.replace(values=values))]
    made["scale"] = round(float(np.abs(tables[0].values - tables[1].values).max()), 5)
    share = tables[0].select([f"Cells_Subcellular_NucleusShare_{PROTEIN}"]).dense()[:, 0]
    made["share_correlation"] = round(float(np.corrcoef(share, test.entities[TRUE_SHARE].astype(float))[0, 1]), 4)
    by = np.array([complete(each).mean() for each in (train, test)])
    return made | {"complete": by.round(4).tolist(), "crops": [len(train), len(test)]}


def beyond():
    """What becomes of the promise on plates worse than all that were learned from."""
    test = synthetic_locations(plates=5, wells=2, cells=8, hard=BEYOND, seed=5)
    located = Locator.simulated().locate(test, PROTEIN, level=LEVEL)
    return {"simulated reference": _scores(located, test), "notes": list(located.notes)}


def _scores(located, crops):
    truth = crops.entities[LOCATION].astype(str)
    key = crops.entities["batch"] + "/" + crops.entities["well"]
    of_well = truth.groupby(key.to_numpy()).first()
    names = list(located.places)
    answer = {}
    for name, frame, true in (
        ("cells", located.cells, truth),
        ("wells", located.wells, of_well.reindex(located.wells.index)),
    ):
        right = (frame["best"] == true).to_numpy()
        held = np.array([one in said.split("|") for one, said in zip(true, frame["set"], strict=True)])
        by_place = pd.Series(held).groupby(true.to_numpy()).mean()
        answer[name] = {
            "accuracy": round(float(right.mean()), 4),
            "accuracy_by_place": pd.Series(right).groupby(true.to_numpy()).mean().round(3).to_dict(),
            "held": round(float(held.mean()), 4),
            "held_least": round(float(by_place.min()), 4),
            "size": round(float(frame["set"].str.count(r"\|").mean() + 1), 3),
            "calibration_error": round(_calibration_error(frame["confidence"].to_numpy(), right), 4),
            "log_loss": round(
                float(-np.log(frame[names].to_numpy()[np.arange(len(true)), [names.index(t) for t in true]]).mean()), 4
            ),
            "unlike": round(float((frame["novelty"] <= 0.01).mean()), 4),
            "n": len(frame),
        }
    return answer


def _calibration_error(confidence, right, bins=10):
    part = np.argsort(np.argsort(confidence)) * bins // len(confidence)
    return float(
        sum(abs(confidence[part == b].mean() - right[part == b].mean()) * (part == b).mean() for b in range(bins))
    )


def _intensity(train, test):
    """Mean and deviation of the protein's light in the crop and of DNA's, and nothing of where it is."""
    tables = [
        np.log(np.concatenate([each.values[:, :2].mean((2, 3)), each.values[:, :2].std((2, 3))], 1))
        for each in (train, test)
    ]
    center, spread = tables[0].mean(0), tables[0].std(0)
    urs = [
        UR((x - center) / spread, Space("intensity", Scale.CELLULAR, 4, "four"), each.entities)
        for x, each in zip(tables, (train, test), strict=True)
    ]
    labels = DECODERS.load("cell-labels").fit(
        urs[0], memberships(train.entities, LOCATION), groups=train.entities["batch"].to_numpy()
    )
    best = labels.labels(urs[1], level=LEVEL)["best"]
    return {"accuracy": round(float((best == test.entities[LOCATION]).mean()), 4), "n": len(test)}


def _mixed(crops, seed):
    """Crops with the masks of other cells."""
    values = crops.values.copy()
    values[:, 2:] = values[np.random.default_rng(seed).permutation(len(values)), 2:]
    return crops.replace(values=values)


# --- change of the nuclear share ---


def moves(repeats=40):
    shares = {CONTROL: 0.3, "drug:same@1uM": 0.3, "drug:too@1uM": 0.3, "drug:up@1uM": 0.45}
    found, by_cell, true = [], [], []
    for seed in range(repeats):
        crops = synthetic_translocation(shares, wells=4, plates=2, cells=6, hard=HARD, seed=100 + seed)
        found.append(translocation(crops, PROTEIN, level=LEVEL, seed=seed).set_index("perturbation"))
        table = subcellular(crops, [PROTEIN]).select([f"Cells_Subcellular_NucleusShare_{PROTEIN}"]).dense()[:, 0]
        lone = crops.entities.assign(well=crops.entities.index)
        by_cell.append(moved_share(table, lone, level=LEVEL, seed=seed).set_index("perturbation"))
        mean = crops.entities[TRUE_SHARE].astype(float).groupby(crops.perturbations).mean()
        true.append(mean - mean[CONTROL])
    change = pd.concat([each["change"] for each in found], axis=1)
    expected = change.mean(axis=1)
    expected[["drug:same@1uM", "drug:too@1uM"]] = 0.0

    def held(tables):
        inside = [(each["low"] <= expected) & (expected <= each["high"]) for each in tables]
        return round(float(np.mean(inside)), 4)

    def called(tables, names):
        return round(float(np.mean([each.loc[names, "moved"] for each in tables])), 4)

    same, up = ["drug:same@1uM", "drug:too@1uM"], ["drug:up@1uM"]
    return {
        "held": held(found),
        "same_called_moved": called(found, same),
        "up_called_moved": round(float(np.mean([each.loc[up[0], "low"] > 0 for each in found])), 4),
        "kept": round(float(expected[up[0]] / pd.concat(true, axis=1).mean(axis=1)[up[0]]), 4),
        "width": round(float(np.mean([each["high"] - each["low"] for each in found])), 4),
        "null, cells as observations": {"held": held(by_cell), "same_called_moved": called(by_cell, same)},
        "comparisons": 3 * repeats,
    }


def intervals(repeats=400):
    """Numbers in place of pictures: how often the interval holds the change, by wells of a treatment on a plate."""
    made = {}
    for wells in (1, 2, 4, 8):
        rng, held, missing = np.random.default_rng(wells), [], 0
        for _ in range(repeats):
            rows = [
                (
                    text,
                    f"P{plate}",
                    f"{arm}{well}",
                    plate_off + off + rng.normal(0, 0.05) + rng.normal(0, 0.1 / 10**0.5),
                )
                for plate in range(2)
                for plate_off in [rng.normal(0, 0.1)]
                for arm, text, off, count in (("C", CONTROL, 0.3, max(wells, 2)), ("T", "drug:X@1uM", 0.4, wells))
                for well in range(count)
            ]
            frame = pd.DataFrame(rows, columns=["perturbation", "batch", "well", "share"])
            row = moved_share(frame["share"].to_numpy(), frame, level=LEVEL, draws=1000, seed=0).iloc[0]
            missing += bool(np.isnan(row["low"]))
            held.append(row["low"] <= 0.1 <= row["high"])
        made[f"{wells} wells"] = {"held": round(float(np.mean(held)), 4), "without": missing, "repeats": repeats}
    return made


# --- real crops ---


def real():
    cells = catalog.load("bbbc021-cells")
    cells = cells.take(np.arange(len(cells)))
    masked = central_masks(cells, Segmentation(nucleus="DAPI", cell=("Tubulin", "Actin"), diameter=34))
    kept = masked.take(complete(masked))
    sides = {"DAPI": "nuclear", "Tubulin": "cytoplasmic", "Actin": "cytoplasmic"}
    made = {"bbbc021-cells": _sides(kept.take(kept.perturbations == CONTROL), sides, "well of DMSO")}
    made["bbbc021-cells"]["complete"] = round(len(kept) / len(cells), 4)
    nf1 = catalog.load("nf1-cell-painting")
    crops = segmented_crops(nf1, Segmentation(nucleus="DAPI", cell=("RFP", "GFP"), diameter=60), 160)
    sides = {"DAPI": "nuclear", "GFP": "cytoplasmic", "RFP": "cytoplasmic"}
    made["nf1-cell-painting"] = _sides(crops.take(complete(crops)), sides, "field")
    colon = catalog.load("ht29-colon")
    crops = segmented_crops(colon, Segmentation(nucleus="DNA", cell=("Actin",), diameter=22), 64)
    crops = crops.take(complete(crops))
    made["ht29-colon"] = _sides(crops, {"DNA": "nuclear", "Actin": "cytoplasmic"}, "field")
    made["simulated reference"] = _named(kept.take(kept.perturbations == CONTROL))
    table = translocation(kept, "Actin")
    made["one well a plate"] = {
        "perturbations": len(table),
        "without an interval": int(table["low"].isna().sum()),
        "why": "each condition is one well on each plate: nothing says how wells differ",
    }
    return made


def _sides(crops, expected, unit):
    table = subcellular(crops)
    ratio = table.select([f"Cells_Subcellular_NucleusOverCytoplasm_{channel}" for channel in expected]).dense()
    share = table.select([f"Cells_Subcellular_NucleusShare_{channel}" for channel in expected]).dense()
    plate = crops.entities["batch"].astype(str) if "batch" in crops.entities else ""
    by = (plate + "/" + crops.entities["well"].astype(str)).to_numpy()
    wells = {}
    for i, (channel, side) in enumerate(expected.items()):
        median = pd.Series(ratio[:, i]).groupby(by).median()
        right = median > 0 if side == "nuclear" else median < 0
        wells[channel] = {
            "log_nucleus_over_cytoplasm": round(float(median.median()), 3),
            "nucleus_share": round(float(np.median(share[:, i])), 3),
            f"share_{side}": round(float(right.mean()), 3),
            "cells_share": round(float(((ratio[:, i] > 0) == (side == "nuclear")).mean()), 3),
        }
    area = crops.values[:, [list(crops.features).index(f"mask:{each}") for each in ("nucleus", "cell")]] > 0
    nucleus = np.median(area[:, 0].sum((1, 2)) / (area[:, 0] | area[:, 1]).sum((1, 2)))
    about = {
        "unit": unit,
        "units": len(set(by)),
        "cells": len(crops),
        "area_share_of_nucleus": round(float(nucleus), 3),
    }
    return {"expected": expected, "wells": wells, **about}


def _named(crops):
    """What a reference of simulated cells says of real stains, beside what is annotated of what they bind."""
    locator, made = Locator.simulated(), {}
    for channel, gene in (("DAPI", "H2BC1"), ("Tubulin", "TUBA1B"), ("Actin", "ACTB")):
        located = locator.locate(crops, channel, level=LEVEL)
        mean = located.wells[list(located.places)].mean()
        sets = set.intersection(*(set(each.split("|")) for each in located.wells["set"]))
        said = agreement(gene, (mean / mean.sum()).to_dict(), tuple(sets) or (str(mean.idxmax()),))
        made[channel] = {
            "wells": located.wells["best"].value_counts().to_dict(),
            "cells": located.cells["best"].value_counts(normalize=True).round(3).to_dict(),
            "unlike": round(float((located.cells["novelty"] <= 0.01).mean()), 3),
            "agreement": str(said),
        }
    return made


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
