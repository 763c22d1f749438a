import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.experiments.niche_markers import named_niches, niche_markers


def sections_of_two_depths():
    """Gene A marks niche 1 in both sections; gene B is only higher in the section that has more of niche 1."""
    rng = np.random.default_rng(0)
    section = np.repeat(["s1", "s2"], 100)
    niche = np.concatenate([np.arange(100) < 20, np.arange(100) < 80]).astype(int)
    values = rng.normal(size=(200, 3))
    values[:, 0] += niche
    values[:, 1] += 3.0 * (section == "s2")
    entities = pd.DataFrame({"section": section}).rename(index=str)
    return Measurement(values, np.array(["A", "B", "C"], dtype=object), entities, "arbitrary"), niche


def test_a_marker_is_higher_within_sections_not_between_them():
    cells, niche = sections_of_two_depths()
    found = niche_markers(niche, cells)
    own = found[found["niche"] == 1].set_index("feature")
    assert own.index[0] == "A"
    assert own.loc["A", "z"] > 4
    assert abs(own.loc["A", "difference"] - 1) < 0.5
    assert abs(own.loc["B", "z"]) < 3
    assert (own["sections"] == 2).all()
    assert len(niche_markers(niche, cells, most=1)) == 2


def test_a_niche_that_is_a_whole_section_has_no_markers():
    cells, _ = sections_of_two_depths()
    found = niche_markers((cells.entities["section"] == "s2").to_numpy().astype(int), cells)
    assert (found[["difference", "z", "sections"]].to_numpy() == 0).all()
    assert named_niches(None, found) == {0: "mixed 0", 1: "mixed 1"}


def test_names_hold_types_and_genes_and_differ():
    rows = [(0, "T", 9.0), (0, "B", 1.0), (1, "T", 5.0), (2, "T", 0.0)]
    types = pd.DataFrame(rows, columns=["niche", "type", "z"])
    genes = [(0, "CD3E", 8.0), (0, "ACTB", 2.0), (1, "CD3E", 4.0), (2, "MS4A1", 7.0)]
    markers = pd.DataFrame(genes, columns=["niche", "feature", "z"])
    assert named_niches(types, markers) == {0: "T (CD3E) 0", 1: "T (CD3E) 1", 2: "MS4A1"}
