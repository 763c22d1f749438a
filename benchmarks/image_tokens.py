"""Learned tokens of images: `AIVC_DATA=../shared/data python benchmarks/image_tokens.py [TASK ...]`.

I4 and I5 of the frozen image tasks (`image_tasks.json` beside the data), as `image_profiles.py` asks them: DMSO or
cycloheximide on a plate not trained on, by a ridge regression on log dose whose settings are chosen by fields of the
training plates; then a lost channel, turns, dimmer lamps and shifts. The encoder decides on the training plates whether
it keeps its tokens; they are measured here in any case, beside morphology, six intensity numbers and the same network
untrained. Speed: 100,000 crops of 64 x 64 x 3 streamed from disk, beside a plain loop over scikit-image and a small
vision transformer of equal width; `speed=20000` streams fewer and extrapolates. Other tasks are `27801`,
`27821` and the gate alone, `gate=27801`.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from image_fields import _plain_loop
from image_profiles import CHANGES, PLATES, TASK, _again

from aivc.core.registry import ENCODERS
from aivc.data import catalog
from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.evaluation.images.dose_regression import DosedCells, dose_order, dose_scores, dose_weights
from aivc.evaluation.images.unseen_plate import chosen_states
from aivc.evaluation.tissue.tissue_inputs import auroc
from aivc.representations.cellular.channel_identity import STAINED, ChannelIdentity, gene_axes, identity_axes
from aivc.representations.cellular.image_gate import intensity_numbers, table_of
from aivc.representations.cellular.image_training import crops_of, embedded, fresh, learned

OUT = Path(__file__).parent / "results" / "image_tokens.json"
COMMAND = "AIVC_DATA=../shared/data python benchmarks/image_tokens.py"
PRESET, STEPS, CROPS, LOOP, VIT = "cpu-s", 200, 100_000, 60, 20_000
LOOKED_AT = (
    "Nothing of the network, its training or the gate was chosen by test plates; the number of steps follows from the "
    "time allowed. What morphology is made of was decided earlier (see image_profiles.json)."
)


def main() -> None:
    asked = sys.argv[1:] or [*(f"gate={plate}" for plate in PLATES), *PLATES, "speed"]
    for name in asked:
        started = time.process_time()
        task, _, which = name.partition("=")
        made = gate(which) if task == "gate" else cells(task) if task in PLATES else speed(int(which or CROPS))
        # Parts may be asked for one by one: each says what it was asked with.
        own = made[which] if task == "gate" else made
        own["command"] = f"{COMMAND} {name}"
        own["cpu_s"] = round(time.process_time() - started, 1)
        # Of tasks that are not asked for, what was found before is kept.
        before = json.loads(OUT.read_text(encoding="utf-8"))["results"] if OUT.is_file() else {}
        before[task] = before.get(task, {}) | made if task == "gate" else made
        results = {name: before[name] for name in ("gate", *PLATES, "speed") if name in before}
        body = {
            "command": command(results),
            "python": sys.version.split()[0],
            "looked_at": LOOKED_AT,
            "bars": bars(results),
        }
        OUT.write_text(json.dumps({**body, "results": results}, indent=1) + "\n", encoding="utf-8")


def command(results):
    """That asks for all that the file holds, part by part; parts may have been run one by one."""
    parts = [*results.get("gate", {}).values(), *(own for name, own in results.items() if name != "gate")]
    return " ".join([COMMAND, *(own["command"].removeprefix(COMMAND).strip() for own in parts)])


def bars(results):
    rows = []

    def bar(name, value, limit, better="higher"):
        met = value >= limit if better == "higher" else value <= limit
        rows.append({"name": name, "value": round(float(value), 4), "bar": limit, "better": better, "met": bool(met)})

    for plate, own in results.get("gate", {}).items():
        bar(f"CPU s of a fit with its gate, without plate {plate}", own["fit_cpu_s"], 120, "lower")
        bar(f"parameters, without plate {plate}", own["parameters"], 1_000_000, "lower")
        for rival in ("intensity", "untrained", "morphology"):
            scores = own["verdict"]["scores"]
            bar(f"gate: labels told apart, tokens no less than {rival}, without plate {plate}", scores["tokens"],
                scores[rival])  # fmt: skip
    for plate, least in zip(PLATES, (0.60, 0.50), strict=True):
        if own := results.get(plate):
            _plate_bars(bar, plate, own, least)
    if own := results.get("speed"):
        for name in ("features", "tokens"):
            bar(f"peak MB of {own[name]['crops']:,} crops streamed, {name}", own[name]["peak_mb"], 2048, "lower")
            rival = own["scikit-image loop"]["cells_per_s"]
            bar(f"cells a second, {name} at least ten times a scikit-image loop", own[name]["cells_per_s"], 10 * rival)
        bar("cells a second, tokens no fewer than a vision transformer of equal width", own["tokens"]["cells_per_s"],
            own["vision transformer"]["cells_per_s"])  # fmt: skip
    return rows


def _plate_bars(bar, plate, own, least):
    for name in ("image-tokens", "tokens"):
        if plate == "27801":
            bar(f"I4 AUROC at 5 uM, {name}, plate {plate}", own[name]["auroc_5uM"], 0.97)
        bar(f"I4 dose order, {name}, plate {plate}", own[name]["dose_order"], least)
    for rival in ("six numbers", "untrained", "morphology"):
        bar(f"I4 dose order, tokens no less than {rival}, plate {plate}", own["tokens"]["dose_order"],
            own[rival]["dose_order"])  # fmt: skip
    asked = own["tokens"]
    lost = max(each["retrained"] - each["lost"] for each in asked["lost_channel"].values())
    bar(f"I5 AUROC that a lost channel costs at most, tokens, plate {plate}", lost, 0.02, "lower")
    turned = max(asked["change"]["rotation"], asked["change"]["flip"])
    bar(f"I5 change by rotation or flip, tokens, plate {plate}", turned, 0.05, "lower")
    bar(f"I5 change at .8 of the intensity, tokens, plate {plate}", asked["change"]["intensity 0.8"], 0.3, "lower")
    moved = max(abs(value) for value in asked["score_shift"].values())
    bar(f"I5 shift of the score at .7 and 1.3 of the intensity, sd, tokens, plate {plate}", moved, 0.2, "lower")


# --- I4 and I5 ---


def cells(plate):
    crops = catalog.load("bbbc021-cells")
    crops = crops.take(np.arange(len(crops)))
    light = crops.values.astype(np.float32)
    changed = {
        "all": crops,
        "rotation": crops.replace(values=np.rot90(light, 1, (2, 3)).copy()),
        "flip": crops.replace(values=light[:, :, ::-1].copy()),
        "shift 2 px": crops.replace(values=np.roll(light, 2, axis=3)),
        **{f"intensity {share}": crops.replace(values=share * light) for share in (0.7, 0.8, 1.3)},
        **{f"without {lost}": crops.select([c for c in crops.features if c != lost]) for lost in crops.features},
    }
    table = ENCODERS.load("morphology").table
    of_features = {name: table(each) for name, each in changed.items()}
    return _of_plate(plate, crops, changed, of_features)


def _of_plate(plate, crops, changed, of_features):
    about = DosedCells.of(crops, f"Week4_{plate}")
    seen = crops.take(~about.hidden)
    encoder, spent = _fitted(seen)
    networks = {"tokens": _network(seen), "untrained": fresh(PRESET, _identity(seen).shape[1], 0).eval()}
    tables = {
        name: {key: _embedded(network, each) for key, each in changed.items()} for name, network in networks.items()
    }
    again = {lost: _embedded(_network(seen.select(kept.features)), kept)
             for lost, kept in ((str(c), changed[f"without {c}"]) for c in crops.features)}  # fmt: skip
    six = {key: _numbers(each) for key, each in changed.items()}
    made = {
        **_decided(encoder, spent, seen),
        "tokens": _scored(tables["tokens"], again, about),
        "untrained": _scored(tables["untrained"], {}, about),
        "six numbers": _scored(six, {}, about),
        "morphology": _scored(of_features, {}, about),
    }
    # What the encoder answers with: its tokens where it kept them, morphology where it did not.
    made["image-tokens"] = made["tokens" if encoder.opened else "morphology"]
    print(plate, json.dumps(made), flush=True)
    return made


def gate(plate):
    """What the encoder decides without the treated crops of a plate."""
    crops = catalog.load("bbbc021-cells")
    crops = crops.take(np.arange(len(crops)))
    seen = crops.take(~DosedCells.of(crops, f"Week4_{plate}").hidden)
    return {plate: _decided(*_fitted(seen), seen)}


def _fitted(seen):
    started = time.process_time()
    encoder = ENCODERS.load("image-tokens").fit(seen, dim=64)
    return encoder, round(time.process_time() - started, 1)


def _decided(encoder, spent, seen):
    count = sum(weight.numel() for weight in fresh(PRESET, _identity(seen).shape[1], 0).parameters())
    return {
        "opened": encoder.opened,
        "notes": encoder.notes[0],
        "verdict": encoder.verdict,
        "fit_cpu_s": spent,
        "parameters": count,
    }


def _identity(crops):
    return identity_axes([ChannelIdentity.of(str(name)) for name in crops.features], STAINED, gene_axes(STAINED, None))


def _network(crops):
    crops = crops.select(sorted(map(str, crops.features)))
    return learned(crops_of(crops, np.arange(len(crops.features)), _identity(crops), PRESET, 0), PRESET, steps=STEPS)


def _embedded(network, crops):
    return table_of(embedded(network, crops, np.arange(len(crops.features)), _identity(crops)), crops)


def _numbers(crops):
    """Six numbers, named by their channels, so that a lost one is filled by what the others say."""
    names = [f"{kind} {c}" for kind in ("mean", "sd") for c in crops.features]
    return table_of(intensity_numbers(crops), crops).replace(features=np.array(names, dtype=object))


def _scored(tables, again, about):
    """As `image_profiles.py` asks: settings by fields of the training plates, then the test plate."""
    test, treated, five = about.test, about.treated, np.isin(about.dose, (0, 5))
    own = chosen_states(tables["all"], about, benchmark(TASK).settings, "morphology")
    encoder = ENCODERS.load("morphology").fit(tables["all"].take(~about.hidden), **own.options)
    states = {key: encoder.encode(table).values for key, table in tables.items()}
    weights = dose_weights(own.states, about.dose, ~test, own.penalty)
    score = {key: dose_scores(value, weights) for key, value in states.items()}
    made = {
        "settings": {**own.options, "penalty": own.penalty, "validated_dose_order": round(own.validated, 3)},
        "auroc": round(auroc(score["all"][test], treated[test]), 4),
        "dose_order": round(dose_order(score["all"], about.dose, about.hidden), 4),
    }
    if (about.hidden & five).any():
        made["auroc_5uM"] = round(auroc(score["all"][test & five], treated[test & five]), 4)
    apart = np.linalg.norm(own.states[test][:, None] - own.states[test], axis=2)
    between = np.median(apart[apart > 0])
    made["change"] = {
        key: round(float(np.median(np.linalg.norm(states[key] - own.states, axis=1)[test]) / between), 4)
        for key in CHANGES
    }
    made["score_shift"] = {
        key: round(float((score[key] - score["all"])[test].mean() / score["all"][test].std()), 4)
        for key in ("intensity 0.7", "intensity 1.3")
    }
    made["lost_channel"] = {}
    for lost in ("DAPI", "Tubulin", "Actin"):
        made["lost_channel"][lost] = {"lost": round(auroc(score[f"without {lost}"][test], treated[test]), 4)}
        if lost in again:
            made["lost_channel"][lost]["retrained"] = _again(again[lost], about, own)
    return made


# --- speed ---


def speed(count):
    crops = catalog.load("bbbc021-cells")
    values = crops.take(np.arange(len(crops))).values
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crops.npy"
        draw = np.random.default_rng(0)
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (count, *values.shape[1:])}
            )
            for _ in range(count // 1000):
                file.write(values[draw.integers(0, len(values), 1000)].tobytes())
        for name in ("features", "tokens", "vision transformer"):
            asked = [sys.executable, __file__, "--stream", name, str(path), str(count)]
            done = subprocess.run(asked, capture_output=True, text=True, check=True, env=os.environ)
            made[name] = json.loads(done.stdout.splitlines()[-1])
            print(name, made[name], flush=True)
    started = time.process_time()
    for crop in values[:LOOP]:
        _plain_loop(crop)
    made["scikit-image loop"] = _rate(time.process_time() - started, LOOP)
    return made


def _rate(spent, crops):
    """Cells a second of processor time; what was measured on fewer crops is extrapolated, and says so."""
    said = {"crops": crops, "cpu_s": round(spent, 2), "cells_per_s": round(crops / spent, 1)}
    return said if crops == CROPS else said | {"cpu_s_of_100000_extrapolated": round(spent * CROPS / crops, 1)}


def stream(name, path, count):
    """Read crops from disk and measure or embed them, in a process of its own."""
    from aivc.data.images.layout import ImageLayout
    from aivc.data.io.read import read
    from aivc.data.io.schema import Constant, Schema

    layout = ImageLayout(channels=("Actin", "DAPI", "Tubulin"), um_per_pixel=0.65, axes="ncyx")
    schema = Schema(units="intensity", modality="image", species="none", perturbation=Constant("control"), image=layout)
    crops = read(path, schema)
    count = int(count)
    started = time.process_time()
    if name == "features":
        from aivc.representations.cellular.morphology_features.cell_features import cell_features

        cell_features(crops)
    elif name == "tokens":
        identity = _identity(crops)
        embedded(fresh(PRESET, identity.shape[1], 0).eval(), crops, np.arange(3), identity)
    else:
        count = min(count, VIT)
        _vision_transformer(crops, count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(_rate(time.process_time() - started, count) | {"peak_mb": peak}))


def _vision_transformer(crops, count, width=64, layers=2, heads=4, patch=8):
    """Patches of all channels as tokens, attention blocks of the same width and number, and their mean."""
    import torch
    from torch import nn

    cut = nn.Conv2d(3, width, patch, patch)
    block = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
    blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False).eval()
    with torch.no_grad():
        for start in range(0, count, 64):
            image = torch.from_numpy(np.asarray(crops.block(start, start + 64)).astype(np.float32)) / 255
            blocks(cut(image).flatten(2).transpose(1, 2)).mean(dim=1).numpy()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stream"]:
        stream(*sys.argv[2:])
    else:
        main()
