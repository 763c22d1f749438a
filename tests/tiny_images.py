"""Small images of cells with known shapes, and a screen of them."""

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.data.io.schema import Constant, Schema

CONTROL_ONLY = Constant("control")


def image_schema(perturbation=CONTROL_ONLY, **layout):
    declared = {"channels": ["DNA", "Actin"], "um_per_pixel": 0.5} | layout
    return Schema.from_json(
        {
            "units": "intensity",
            "modality": "image",
            "species": "none",
            "perturbation": {"value": "control"} if perturbation is CONTROL_ONLY else perturbation,
            **({} if perturbation is CONTROL_ONLY else {"control": "DMSO", "kind": "drug", "batch": "plate"}),
            "image": {name: value for name, value in declared.items() if value is not None},
        }
    )


def disk(side, center, radius):
    y, x = np.mgrid[:side, :side]
    return (y - center[0]) ** 2 + (x - center[1]) ** 2 <= radius**2


def field_of_cells(seed=0, side=96):
    """Two channels with three cells, and label images of their nuclei and bodies."""
    draw = np.random.default_rng(seed)
    image = draw.poisson(20, (2, side, side)).astype(np.uint16)
    nuclei, cells = np.zeros((side, side), np.uint16), np.zeros((side, side), np.uint16)
    for i, center in enumerate([(24, 24), (24, 70), (70, 48)], 1):
        nuclei[disk(side, center, 6)] = i
        cells[disk(side, center, 13)] = 10 * i
    image[0][nuclei > 0] += 400
    image[1][cells > 0] += 150
    return image, nuclei, cells


def written_crops(folder, per_well=12):
    """The screen as ``crops.npz`` with two channels, and ``crops.toml`` that says what is what; returns both paths."""
    made = screen_of_crops(per_well)
    drugs = [text.split(":")[-1].split("@")[0].replace("control", "DMSO") for text in made.perturbations]
    labels = {"compound": np.array(drugs), "plate": made.entities["batch"].to_numpy().astype(str)}
    np.savez(folder / "crops.npz", images=made.values[:, :2], **labels)
    image_schema("compound", axes="ncyx").to_toml(folder / "crops.toml")
    return folder / "crops.npz", folder / "crops.toml"


def screen_of_crops(per_well=12, side=32, seed=0):
    """Crops on two plates: the drug ``large`` makes nuclei larger, ``dim`` makes the second channel dimmer."""
    draw = np.random.default_rng(seed)
    images, rows = [], []
    for plate, gain in (("one", 1.0), ("two", 1.3)):
        for label, radius, level in (("control", 5, 100), ("drug:large@1uM", 7, 100), ("drug:dim@1uM", 5, 40)):
            for _ in range(per_well):
                at = draw.normal(side / 2, 0.7, 2)
                nucleus, cell = disk(side, at, radius * draw.normal(1, 0.05)), disk(side, at, 12)
                light = np.stack([nucleus * 300.0, cell * level * draw.normal(1, 0.1)]) + 20
                images.append(np.concatenate([draw.poisson(light * gain), [nucleus, cell]]))
                rows.append({"perturbation": label, "context": "A", "batch": plate})
    entities = pd.DataFrame(rows, index=[f"crop-{i}" for i in range(len(rows))])
    return Measurement(
        np.array(images, dtype=np.uint16),
        np.array(["DNA", "Actin", "mask:nucleus", "mask:cell"], dtype=object),
        entities,
        "intensity",
        modality="image",
        provenance={"image": {"um_per_pixel": 0.5, "bits": 16}},
    )
