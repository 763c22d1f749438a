"""A third-party distribution, installed on its own, is found, checked, fitted, saved and loaded like our own parts."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aivc.core.registry import names

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"

USE = """
import json, sys, tempfile
import numpy as np
from aivc.core.perturbation import Perturbation
from aivc.core.registry import ENCODERS, MANIPULATORS, names
from aivc.core.virtual_cell import VirtualCell
from aivc.testing import check_manipulator, sample_measurement

listed = names("manipulators"), names("kinds")
imported_by_listing = "aivc_example_plugin" in sys.modules
part = MANIPULATORS.load("half-effect")
check_manipulator(part)
cells = sample_measurement()
encoder = ENCODERS.load("count-pca").fit(cells, dim=4, seed=0)
states = encoder.encode(cells)
cell = VirtualCell({encoder.scale: encoder}, {"half": part.fit(states)})
asked = Perturbation.parse("nanobody:ALFA@5nM for 24h")
with tempfile.TemporaryDirectory() as folder:
    cell.save(folder)
    saved_from = json.load(open(folder + "/cell.json"))["parts"]["half"]["from"]
    back = VirtualCell.load(folder)
ours, theirs = cell.manipulate(states, asked), back.manipulate(states, asked)
mean = MANIPULATORS.load("mean-effect").fit(states).default
print(json.dumps({
    "listed": listed, "imported_by_listing": imported_by_listing, "origin": MANIPULATORS.origin("half-effect"),
    "saved_from": saved_from, "asked": str(asked), "draw": ours.draws[0].perturbations[0],
    "equal": bool((ours.mean == theirs.mean).all()),
    "half": bool(np.allclose(2 * (ours.mean - states.mean), mean)),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    missing = [name for name in ("pip", "hatchling") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not available, so the plugin cannot be installed")
    source, target = tmp_path_factory.mktemp("plugin") / "source", tmp_path_factory.mktemp("site")
    shutil.copytree(PLUGIN, source)
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([sys.executable, *command, "--target", str(target), str(source)], check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def answer(installed):
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", USE],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_distribution_holds_one_module(installed):
    assert {path.name for path in installed.iterdir() if path.suffix == ".py"} == {"aivc_example_plugin.py"}


def test_parts_are_listed_without_being_imported(answer):
    manipulators, kinds = answer["listed"]
    assert "half-effect" in manipulators
    assert kinds == ["nanobody"]
    assert not answer["imported_by_listing"]
    assert answer["origin"] == answer["saved_from"] == "aivc-example-plugin 0.1.0"


def test_saved_cell_answers_the_same_to_the_last_bit(answer):
    assert answer["equal"]


def test_half_of_the_mean_effect_is_found(answer):
    assert answer["half"]


def test_new_kind_is_understood(answer):
    assert answer["asked"] == answer["draw"] == "nanobody:ALFA@5nM for 24h"


def test_plugin_is_not_here_without_being_installed():
    assert "half-effect" not in names("manipulators")
