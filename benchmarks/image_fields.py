"""Segmentation of whole fields (I8) and what a crop costs: called by `image_profiles.py`, on no fold.

Nuclei and cells are found in three fields of NF1, beside shifted and dilated masks. The cost of a crop stands beside a
plain loop over scikit-image; 100,000 crops are streamed from disk in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy import ndimage

from aivc.data import catalog
from aivc.data.images.segment import Segmentation
from aivc.representations.cellular.morphology_features.cell_features import cell_features

# --- I8: segmentation ---


def fields():
    images = catalog.load("nf1-cell-painting")
    how = Segmentation(nucleus="DAPI", cell=("RFP", "GFP"), diameter=60)
    made = {}
    for row, name in enumerate(images.entities.index):
        image, (nucleus, cell) = images.values[row, :3], images.values[row, 3:] > 0
        started = time.process_time()
        found = how.segment(image, images.features[:3])
        made[str(name)] = {
            "nuclei_iou": _overlap(found.nuclei > 0, nucleus),
            "nuclei_f1": _objects_f1(found.nuclei, nucleus),
            "nuclei_found": len(np.unique(found.nuclei)) - 1,
            "nuclei_in_mask": int(ndimage.label(nucleus, np.ones((3, 3)))[1]),
            "cells_iou": _overlap(found.cells > 0, cell),
            "cpu_s": round(time.process_time() - started, 2),
            "null_shifted_mask": _overlap(np.roll(nucleus, 200, axis=(0, 1)), nucleus),
            "null_all_cells": _overlap(np.ones_like(cell), cell),
            "mask_dilated_1px": _overlap(ndimage.binary_dilation(nucleus), nucleus),
        }
    kept = Segmentation(nucleus="DAPI", cell=("RFP", "GFP"), diameter=60, keep_cut=True)
    for row, name in enumerate(images.entities.index):
        found = kept.segment(images.values[row, :3], images.features[:3])
        made[str(name)]["nuclei_iou_with_cut"] = _overlap(found.nuclei > 0, images.values[row, 3] > 0)
        made[str(name)]["cells_iou_with_cut"] = _overlap(found.cells > 0, images.values[row, 4] > 0)
    made["mean"] = {key: round(float(np.mean([each[key] for each in made.values()])), 4) for key in made["B7"]}
    return made


def _overlap(one, two):
    return round(float((one & two).sum() / (one | two).sum()), 4)


def _objects_f1(found, mask):
    true, count = ndimage.label(mask, np.ones((3, 3)))
    names = np.unique(found[found > 0])
    hits = 0
    for name in names:
        own = found == name
        for other in np.unique(true[own & (true > 0)]):
            hits += _overlap(own, true == other) > 0.5
    return round(2 * hits / (len(names) + count), 4)


# --- cost ---


def cost():
    crops = catalog.load("bbbc021-cells").take(np.arange(500))
    started = time.process_time()
    cell_features(crops)
    ours = (time.process_time() - started) / len(crops)
    started = time.process_time()
    for crop in crops.values[:60]:
        _plain_loop(crop)
    loop = (time.process_time() - started) / 60
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", STREAM, folder], capture_output=True, text=True, check=True, env=os.environ
        )
    return {
        "ms_per_crop": round(1000 * ours, 3),
        "ms_per_crop_scikit_image_loop": round(1000 * loop, 3),
        "times_faster": round(loop / ours, 1),
        "streamed": json.loads(done.stdout.splitlines()[-1]),
    }


def _plain_loop(crop):
    """What a short script does: the same kinds of features, one crop and one channel at a time."""
    from skimage.feature import graycomatrix, graycoprops
    from skimage.filters import threshold_otsu
    from skimage.measure import label, regionprops

    for image in crop:
        level = (image // 32).astype(np.uint8)
        pairs = graycomatrix(level, [1, 3], [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4], 8, symmetric=True, normed=True)
        for name in ("ASM", "contrast", "correlation", "homogeneity"):
            graycoprops(pairs, name)
        for part in regionprops(label(image > threshold_otsu(image)), image):
            _ = part.area, part.perimeter, part.eccentricity, part.intensity_mean, part.solidity
        np.quantile(image, [0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
        np.abs(np.fft.rfft2(image))


STREAM = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema
from aivc.data.images.layout import ImageLayout
from aivc.representations.cellular.morphology_features.cell_features import cell_features
path = Path(sys.argv[1]) / "crops.npy"
made = np.lib.format.open_memmap(path, "w+", np.uint8, (100_000, 1, 64, 64))
draw = np.random.default_rng(0)
for start in range(0, 100_000, 10_000):
    made[start : start + 10_000] = draw.integers(0, 255, (10_000, 1, 64, 64), dtype=np.uint8)
made.flush()
del made
layout = ImageLayout(channels=("DNA",), um_per_pixel=0.5, axes="ncyx")
schema = Schema(units="intensity", modality="image", species="none", perturbation=Constant("control"), image=layout)
started = time.process_time()
names, values = cell_features(read(path, schema))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
spent = round(time.process_time() - started, 1)
print(json.dumps({"crops": len(values), "channels": 1, "features": len(names), "peak_mb": peak, "cpu_s": spent}))
"""
