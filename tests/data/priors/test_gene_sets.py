import gzip
import os

import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.data.priors.gene_sets import COLLECTIONS, gene_sets


def test_a_file_of_sets_is_read_with_or_without_weights(tmp_path):
    path = tmp_path / "sets.gmt.gz"
    path.write_bytes(gzip.compress(b"one\thttp://x\tA\tB,1.0\t\ntwo\t\tC\nempty\t\t\n"))
    assert gene_sets(path) == {"one": {"A", "B"}, "two": {"C"}}


def test_what_is_no_collection_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="hallmark"):
        gene_sets("halmark")
    (tmp_path / "bad.gmt").write_text("nothing here\n")
    with pytest.raises(DataError, match="separated by tabs"):
        gene_sets(tmp_path / "bad.gmt")
    with pytest.raises(DataError, match="is a folder"):
        gene_sets(tmp_path)
    (tmp_path / "latin.gmt").write_bytes(b"set\t\t\xe9\n")
    with pytest.raises(DataError, match="UTF-8"):
        gene_sets(tmp_path / "latin.gmt")


@pytest.mark.skipif(not os.environ.get("AIVC_DATA"), reason="the collections lie in AIVC_DATA, which is not set")
@pytest.mark.parametrize("name", COLLECTIONS)
def test_every_collection_is_read(name):
    assert len(gene_sets(name)) >= 50
