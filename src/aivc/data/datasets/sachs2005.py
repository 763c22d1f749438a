"""Sachs 2005: eleven phosphorylated proteins and lipids in single T cells; the data inside the package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import read_json
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.units import INTENSITY
from aivc.core.ur import UR
from aivc.data.datasets.record import Dataset, File

# What each agent is known to act on, and how; ICAM-2 has no single known target among the eleven.
_ACTS_ON = {
    "AKT inhibitor": ("pakts473", -1),
    "G0076": ("PKC", -1),
    "psitectorigenin": ("PIP2", -1),
    "U0126": ("pmek", -1),
    "LY294002": ("PIP3", -1),
    "PMA": ("PKC", +1),
    "b2cAMP": ("PKA", +1),
}
_RESTART = 0.5


def priors(files: Mapping[str, Path]) -> UR:
    """Represent agents and proteins by what lies downstream of them in the known signalling network.

    The state of a protein is the random walk with restart that starts at it and follows cause to effect; that of an
    agent is its target's, with the sign of its action. The network is literature, not derived from these data.

    Returns:
        Molecular UR with one axis per protein; rows named by protein and by agent.
    """
    edges: list[list[str]] = read_json(files["card"])["known_network"]
    proteins = sorted({name for edge in edges for name in edge})
    index = {name: i for i, name in enumerate(proteins)}
    follows = np.zeros((len(proteins), len(proteins)))
    for cause, effect in edges:
        follows[index[cause], index[effect]] = 1.0
    follows /= np.maximum(follows.sum(axis=1, keepdims=True), 1)
    reach = _RESTART * np.linalg.inv(np.eye(len(proteins)) - (1 - _RESTART) * follows)
    reach /= np.linalg.norm(reach, axis=1, keepdims=True)
    rows = {name: reach[i] for name, i in index.items()}
    rows |= {agent: sign * reach[index[target]] for agent, (target, sign) in _ACTS_ON.items()}
    values = np.array(list(rows.values()))
    fingerprint = State({"proteins": proteins}, {"values": values}).digest()[:16]
    space = Space("signalling-network", Scale.MOLECULAR, len(proteins), fingerprint)
    return UR(values, space, pd.DataFrame(index=list(rows)))


def convert(files: Mapping[str, Path]) -> Measurement:
    """Label rows by the blocks that the card lists."""
    table = pd.read_csv(files["values"])
    blocks: list[dict[str, Any]] = read_json(files["card"])["blocks"]
    rows = [int(block["rows"]) for block in blocks]
    if sum(rows) != len(table):
        raise IntegrityError(f"The card of sachs2005 lists {sum(rows)} rows, the file holds {len(table)}. Reinstall.")
    entities = pd.DataFrame(
        {
            "perturbation": np.repeat(np.array([block["perturbation"] for block in blocks], dtype=object), rows),
            "context": "CD4 T cells",
            "stimulation": np.repeat(np.array([block["stimulation"] for block in blocks], dtype=object), rows),
        },
        index=[f"cell{i + 1}" for i in range(len(table))],
    )
    values_nf = table.to_numpy(dtype=np.float32)
    return Measurement(values_nf, table.columns.to_numpy(dtype=object), entities, INTENSITY, modality="phospho")


SACHS = Dataset(
    name="sachs2005",
    title="Sachs 2005, phospho-proteins in human CD4 T cells",
    what="Fluorescence of 11 phosphorylated proteins and lipids in 7,466 CD4 T cells under nine conditions.",
    species="human",
    files=(
        File("values", "sachs2005.csv.gz", 148613, "6ce665a30ed0e908c9059518f4d1dc12fc2aeb6b80eecc3cb6c007041b2f0b9d"),
        File("card", "sachs2005.json", 4907, "add3fca490eaa9302446eb3bd3c0da52b29e2c47951f742e7e8b222e7790ce6f"),
    ),
    source="Python package cdt 0.6.0 (Causal Discovery Toolbox), its file cyto_full_data.csv, values unchanged",
    licence="package MIT; for the data themselves none stated",
    citation="Sachs et al. 2005, Science 308:523",
    notes=(
        "Control is anti-CD3/CD28 alone. Seven conditions add one agent to it; PMA and b2cAMP were given without it "
        "(column stimulation), so their difference to control holds the lack of stimulation too.",
        "The file carries no labels: conditions are assigned by numbers of cells, and checked against known effects in "
        "the card (packaged/sachs2005.json). U0126, psitectorigenin and, weakly, LY294002 do what they should; the "
        "AKT inhibitor and b2cAMP do not show it; G0076 shifts nearly everything.",
    ),
    redistribute=True,
    converter=convert,
)
