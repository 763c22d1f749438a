"""Genes under the names of another species: nothing is lost, nothing is counted twice, and what is unknown stays so."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement, StoredRows
from aivc.data.names.orthologs import to_species
from aivc.data.streaming.stream import chunks

PAIRS = {"Actb": "ACTB", "Ins1": "INS", "Ins2": "INS", "Gcg": "GCG"}
NAMES = ["Gm1", "Ins2", "Actb", "Ins1", "Gcg"]
here = os.environ.get("AIVC_DATA")
needs_data = pytest.mark.skipif(
    not here or not Path(here, "H/human_mouse_gene_symbols_nichenet.csv.gz").is_file(),
    reason="AIVC_DATA does not name a folder with the files about genes",
)


class OnDisk:
    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def rows(self, start, stop):
        return self.values[start:stop]


def mouse(units="counts", values=None, observed=None, names=NAMES):
    values = sparse.csr_matrix(np.arange(15.0).reshape(3, 5)) if values is None else values
    entities = pd.DataFrame(index=[f"c{i}" for i in range(3)])
    return Measurement(values, np.array(names, dtype=object), entities, units, observed=observed)


def test_orthologs_are_renamed_shared_ones_summed_and_the_others_kept_under_a_name_of_their_own():
    cells, transferred = to_species(mouse(), "mouse", "human", pairs=PAIRS)
    assert cells.features.tolist() == ["mouse:Gm1", "INS", "ACTB", "GCG"]
    assert sparse.issparse(cells.values)
    np.testing.assert_array_equal(cells.dense(), [[0, 4, 2, 4], [5, 14, 7, 9], [10, 24, 12, 14]])
    assert transferred.renamed == {"Actb": "ACTB", "Gcg": "GCG"}
    assert transferred.summed == {"INS": ("Ins2", "Ins1")}
    assert transferred.kept == ("Gm1",)
    assert transferred.known == pytest.approx(0.8)
    assert "2 summed into 1; 1 without an ortholog, kept as mouse:Gm1" in str(transferred)
    assert transferred.to_json()["summed"] == {"INS": ["Ins2", "Ins1"]}
    assert cells.provenance["species"] == {"from": "mouse", "to": "human", "known": transferred.known}


def test_values_on_disk_stay_there_and_read_the_same():
    backed, _ = to_species(mouse(values=OnDisk(mouse().values)), "mouse", "human", pairs=PAIRS)
    assert isinstance(backed.values, StoredRows)
    whole = to_species(mouse(), "mouse", "human", pairs=PAIRS)[0].dense()
    np.testing.assert_array_equal(backed.dense(), whole)
    read = np.vstack([block.toarray() for _, block in chunks(backed, 2)])
    np.testing.assert_array_equal(read, whole)
    np.testing.assert_array_equal(backed.take(np.array([2, 0])).dense(), whole[[2, 0]])


@pytest.mark.parametrize("shape", [(5,), (3, 5)])
def test_a_sum_was_observed_where_each_part_was(shape):
    observed = np.ones(shape, dtype=bool)
    observed[..., 1] = False
    cells, _ = to_species(mouse(observed=observed), "mouse", "human", pairs=PAIRS)
    np.testing.assert_array_equal(cells.observed, np.broadcast_to([True, False, True, True], (*shape[:-1], 4)))


def test_values_that_cannot_be_summed_are_refused_only_where_there_is_something_to_sum():
    values = np.arange(15.0).reshape(3, 5)
    with pytest.raises(DataError, match=r"first INS, and values in log1p_cp10k cannot be summed\. Start from counts"):
        to_species(mouse("log1p_cp10k", values), "mouse", "human", pairs=PAIRS)
    one = {"Actb": "ACTB", "Ins2": "INS"}
    cells, transferred = to_species(mouse("log1p_cp10k", values), "mouse", "human", pairs=one)
    assert cells.features.tolist() == ["mouse:Gm1", "INS", "ACTB", "mouse:Ins1", "mouse:Gcg"]
    assert not transferred.summed
    np.testing.assert_array_equal(cells.dense(), values)


def test_cells_that_are_none_of_the_species_are_refused():
    with pytest.raises(DataError, match=r"None of the 5 features has an ortholog.*which species"):
        to_species(mouse(), "mouse", "human", pairs={"x": "y"})
    with pytest.raises(UnknownNameError, match="mouse to human"):
        to_species(mouse(), "human", "human", pairs=PAIRS)


@needs_data
def test_the_catalog_knows_both_ways_and_identifiers_too():
    cells, transferred = to_species(mouse(), "mouse", "human")
    assert cells.features.tolist() == ["mouse:Gm1", "INS", "ACTB", "GCG"]
    assert transferred.ambiguous == ()
    ids = ["ENSMUSG00000029580", "Trp53", "Ccl27a", "xyz", "ENSMUSG00000035202.1"]
    named, _ = to_species(mouse(names=ids), "mouse", "human")
    assert named.features[[0, 1, 3]].tolist() == ["ACTB", "TP53", "mouse:xyz"]
    back, _ = to_species(mouse(names=["ACTB", "TP53", "MALAT1x", "INS", "GCG"]), "human", "mouse")
    assert back.features[[0, 1, 2, 4]].tolist() == ["Actb", "Trp53", "human:MALAT1x", "Gcg"]
    with pytest.raises(UnknownNameError, match="rat to human"):
        to_species(mouse(), "rat", "human")
