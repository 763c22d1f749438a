"""Images from images: virtual staining (I7), cells under a drug (I6), expression from H&E (I10), movies (I9).

Frozen tasks of `image_tasks.json`, on development data; every score stands beside its nulls. Test folds were looked at:
the filters of I7 were scored on plate 27821 once, before its nulls were.

Run: AIVC_DATA=FOLDER python benchmarks/image_decoders.py [I7,I6,I10,I9]
"""

import json
import os
import platform
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from aivc.core.measurement import Measurement
from aivc.data import catalog
from aivc.instruments.decoders.images.pixels import pixel_pearson, pixels
from aivc.instruments.decoders.images.virtual_stain import VirtualStain

DATA = Path(os.environ["AIVC_DATA"])
RESULT = Path(__file__).parent / "results" / "image_decoders.json"


def main(wanted: list[str]) -> None:
    tasks = {"I7": staining}
    for name in wanted:
        started = time.process_time()
        found = tasks[name]()
        found["cpu_s"] = round(time.process_time() - started, 1)
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(name, json.dumps(found), flush=True)
        keep(name, found)


def keep(name: str, found: dict) -> None:
    """Write the result of one task beside those of the others."""
    before = json.loads(RESULT.read_text())["tasks"] if RESULT.exists() else {}
    tasks = dict(sorted({**before, name: found}.items()))
    body = {
        "what": "frozen image tasks I6, I7, I9 and I10: values of held-out plates, blocks, sections and frames",
        "command": "AIVC_DATA=FOLDER python benchmarks/image_decoders.py",
        "looked_at": (__doc__ or "").split("\n\n")[1].replace("\n", " "),
        "bars": [bar for each in tasks.values() for bar in each["bars"]],
        "tasks": tasks,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("aivc", "numpy", "scipy", "torch")},
    }
    RESULT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")


def bar(name: str, value: float, wanted: float, better: str = "higher") -> dict:
    met = value >= wanted if better == "higher" else value <= wanted
    return {"name": name, "value": round(float(value), 4), "bar": wanted, "better": better, "met": bool(met)}


# --- I7: one channel from the others, on a plate that was not fitted ---

STAIN_BARS = {"DAPI": 0.72, "Tubulin": 0.60, "Actin": 0.70}


def staining() -> dict:
    cells = catalog.load("bbbc021-cells", offline=True)
    cells = cells.take(np.arange(len(cells)))
    asked = np.array(["27821" in str(plate) for plate in cells.entities["batch"]])
    train, test = cells.take(~asked), cells.take(asked)
    # The input of another cell of the same plate: what the decoder knows of cells in general.
    other = test.replace(values=np.roll(test.values, 7, axis=0))
    bars, channels = [], {}
    for target, wanted in STAIN_BARS.items():
        stain = VirtualStain.fit(train, target=target)
        real = pixels(test, (target,))[:, 0]
        made = {"virtual-stain": stain.decode(test), "input of another cell": stain.decode(other)}
        drawn = {name: each.values[:, 0] for name, each in made.items()}
        drawn["mean image"] = np.broadcast_to(pixels(train, (target,)).mean(axis=0), (len(real), 1, *real.shape[1:]))[
            :, 0
        ]
        drawn |= {f"copy of {name}": pixels(test, (name,))[:, 0] for name in STAIN_BARS if name != target}
        similar = {name: round(float(np.median(pixel_pearson(each, real))), 4) for name, each in drawn.items()}
        error = {name: round(float(np.abs(each - real).mean() / 255), 4) for name, each in drawn.items()}
        channels[target] = {
            "median_pixel_pearson": similar,
            "mae": error,
            "gain_over_mean_image": round(similar["virtual-stain"] - similar["mean image"], 4),
            "said_on_held_out_training_plate": [round(float(each), 4) for each in stain.similarity],
            "notes": list(stain.notes),
        }
        bars.append(bar(f"I7: {target}, median pixel correlation per cell", similar["virtual-stain"], wanted))
    return {"bars": bars, "test_cells": len(test), "channels": channels}


if __name__ == "__main__":
    main(sys.argv[1].split(",") if len(sys.argv) > 1 else ["I7"])
