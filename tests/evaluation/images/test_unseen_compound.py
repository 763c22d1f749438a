"""Made-up compounds whose structures decide what they do: structure helps, and shuffled structure does not."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.images.unseen_compound import UnseenCompound, verdict

# Three families of structure, three of each.
FAMILIES = {"long": "CCCCCCCC{}", "ring": "c1ccc(cc1)c2ccccc2{}", "acid": "OC(=O)C(N)CC(=O)O{}"}
TAILS = ("C", "CC", "N")
SMILES = {f"{family}-{i}": text.format(tail) for family, text in FAMILIES.items() for i, tail in enumerate(TAILS)}
SETTINGS = {
    "dataset": "made-up",
    "without": ["Location"],
    "clip": 1e6,
    "mechanism": "moa",
    "smiles": SMILES,
    "structure": ["smiles-words"],
    "nearest-structure": ["smiles-words"],
    "knowledge": ["smiles-words"],
    "nearest_known": 0.26,
    "shuffles": 1,
}


def screen(smiles=SMILES, told=1.0):
    """Effects of the family and of the compound alone, ``told`` of them by the family; two doses, two plates."""
    rng, rows, values = np.random.default_rng(0), [], []
    family = {name: rng.normal(size=12) for name in FAMILIES}
    own = {name: rng.normal(size=12) for name in smiles}
    for plate in ("P0", "P1"):
        noise = rng.normal(size=(6, 12))
        rows += [("control", plate, "DMSO")] * 6
        values += list(noise - noise.mean(axis=0))
        for name, dose in ((n, d) for n in smiles for d in (1.0, 10.0)):
            kind = name.split("-")[0]
            rows.append((f"drug:{name}@{dose:g}uM", plate, kind))
            values.append(5 * (told * family[kind] + (1 - told) * own[name]) + 0.1 * rng.normal(size=12))
    entities = pd.DataFrame(rows, columns=["perturbation", "batch", "moa"]).assign(context="MCF7").rename(index=str)
    features = np.array([f"F{i}" for i in range(11)] + ["Location_Center"], dtype=object)
    return Measurement(np.array(values), features, entities, "arbitrary", modality="profile")


def asked(wells, *methods, **changed):
    protocol, settings = UnseenCompound(), SETTINGS | changed
    protocol.require(settings, methods)
    rows = [row for method in methods for row in protocol.run({"made-up": wells}, settings, method, 0)]
    return {(row.method, row.metric): row for row in rows if row.fold == ""}


def test_structure_tells_where_it_decides_and_nothing_when_shuffled():
    methods = ("nearest-structure", "nearest-structure:shuffled", "same-mechanism", "mean", "random-compound")
    found = asked(screen(), *methods, "ridge-on-priors:structure", "ridge-on-priors:structure:shuffled")
    value = {name: row.value for (name, metric), row in found.items() if metric == "cosine_centred"}
    assert value["same-mechanism"] > 0.99
    assert value["nearest-structure"] > 0.9
    assert value["ridge-on-priors:structure"] > 0.9
    assert value["nearest-structure:shuffled"] < 0.5
    assert value["ridge-on-priors:structure:shuffled"] < 0.5
    assert value["mean"] == 0.0
    assert abs(value["random-compound"]) < 0.2
    assert found["ridge-on-priors:structure", "cosine_centred"].note == "9 compounds; structure was used"
    assert found["nearest-structure", "cosine_centred"].note == "9 compounds"


def test_structure_that_tells_nothing_is_said_not_to_be_used():
    found = asked(screen(told=0.0), "ridge-on-priors:structure")
    assert "structure was not used" in found["ridge-on-priors:structure", "cosine_centred"].note
    assert verdict(0.4, -0.1, 0.26) == "structure was not used: the interval holds 0"
    assert verdict(0.4, 0.1, 0.26) == "structure was used"


def test_no_answer_depends_on_the_wells_that_are_asked_about():
    wells = screen()
    own = np.array([str(text).startswith("drug:ring-1@") for text in wells.perturbations])
    changed = wells.replace(values=np.where(own[:, None], -3 * wells.dense(), wells.dense()))
    one = {"smiles": {"ring-1": SMILES["ring-1"]}, "knowledge": ["smiles-words"]}
    for method in ("mean", "same-mechanism"):
        # The truth turns around, and so does the cosine with an answer that did not change.
        before, after = (asked(each, method, **one)[method, "cosine"].value for each in (wells, changed))
        assert after == pytest.approx(-before)


def test_a_mechanism_of_one_compound_has_no_oracle():
    few = {"long-0": "CCC", "ring-0": "c1ccccc1"}
    assert asked(screen(few), "same-mechanism", smiles=few)["same-mechanism", "cosine_centred"].value is None


def test_what_cannot_be_asked_is_refused():
    for method in ("moon", "mean:shuffled", "mean:structure", "nearest-structure:structure"):
        with pytest.raises(UnknownNameError):
            UnseenCompound().require(SETTINGS, [method])
    with pytest.raises(IntegrityError, match="asks about none-such"):
        asked(screen(), "mean", smiles={"none-such": "C"})
