"""Tables of sequences: the same from prepared files and from originals, and true to what was measured."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.molecule import ALPHABETS, Molecule
from aivc.core.variant import Variant
from aivc.data import catalog
from aivc.data.molecules.letters import reverse_complement
from aivc.data.molecules.sequence_data import SequenceTable, load_sequences, sequence_names

here = os.environ.get("AIVC_DATA")
needs_data = pytest.mark.skipif(
    not here or not Path(here, "G/flip_gb1_four_sites_149k.parquet").is_file(),
    reason="AIVC_DATA does not name a folder with the tables of sequences",
)
GB1 = "MQYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"


@pytest.fixture
def files(monkeypatch):
    def use(**paths):
        monkeypatch.setattr(catalog, "path", lambda name, file=None, **_: paths[file])

    return use


def test_pairs_are_read_from_the_original_tables(files, tmp_path):
    (tmp_path / "kd.txt").write_text("10000 1\n100 10\n0.1 1000\n")
    (tmp_path / "ligands.txt").write_text(json.dumps({"11": "CCO", "12": "CC", "13": "C"}))
    (tmp_path / "proteins.txt").write_text(json.dumps({"ABL1": "MKV", "ABL1(T315I)": "MKV"}))
    files(affinity=tmp_path / "kd.txt", ligands=tmp_path / "ligands.txt", proteins=tmp_path / "proteins.txt")
    table = load_sequences("davis")
    assert table.values["pkd"].tolist() == pytest.approx([5, 9, 7, 8, 10, 6])
    assert table.compound.tolist() == ["CCO", "CCO", "CC", "CC", "C", "C"]
    assert table.compound_names.tolist() == ["11", "11", "12", "12", "13", "13"]
    assert table.names.tolist() == ["ABL1", "ABL1(T315I)"] * 3
    assert set(table.group) == set(table.protein) == {"MKV"}
    assert table.take(np.array([4])).compound.tolist() == ["C"]


def test_variants_are_read_from_the_original_archive(files, tmp_path):
    splits = ["one_vs_rest", "two_vs_rest", "three_vs_rest", "sampled", "low_vs_high"]
    header = ",".join(["Variants", "HD", "Count input", "Count selected", "Fitness", "sequence", "keep", *splits])
    with zipfile.ZipFile(tmp_path / "full.csv.zip", "w") as archive:
        archive.writestr(
            "full.csv", f"{header}\nVDGV,0,9,9,1.0,X,True,{',train' * 5}\n"[:-1].replace("True,,", "True,")
        )
    (tmp_path / "chain.fasta").write_text(f">5LDE_1\n{GB1}LEVLFQG\n")
    files(variants=tmp_path / "full.csv.zip", reference=tmp_path / "chain.fasta")
    table = load_sequences("gb1-four-site")
    assert table.reference == table.sequence[0] == GB1
    assert table.splits.iloc[0].tolist() == ["train"] * 5
    assert table.molecules() == (Molecule("protein", "GB1", "", sequence=GB1),)


def test_columns_and_labels_are_checked():
    blank = pd.DataFrame(index=range(1))
    sides = {name: np.array(["M"], dtype=object) for name in ("names", "sequence", "background", "group")}
    rest = {"name": "x", "kind": "dna", "values": blank, "units": "arbitrary", "reference": "", "details": blank}
    with pytest.raises(DataError, match="Say train, valid, test or nothing"):
        SequenceTable(**rest, **sides, splits=pd.DataFrame({"a": ["maybe"]}))
    with pytest.raises(DataError, match="has 1 rows"):
        SequenceTable(**rest, **{**sides, "names": np.array([], dtype=object)}, splits=blank)
    with pytest.raises(DataError, match="Its letters are in `sequence`"):
        SequenceTable(**rest, **sides, splits=blank).protein  # noqa: B018
    with pytest.raises(UnknownNameError, match="gb1-four-site"):
        load_sequences("gb1-four-sites")


@needs_data
@pytest.mark.parametrize("name", sequence_names())
def test_every_table_holds_legal_letters_and_says_where_it_is_from(name):
    table = load_sequences(name)
    assert set("".join(set(table.sequence))) <= ALPHABETS[table.kind]
    assert table.provenance["dataset"] == name
    assert table.provenance["sha256"]
    assert table.values.dtypes.eq(float).all()
    assert (
        len(set(table.names)) == len(set(table.sequence))
        or not table.sequence.all()
        or name in ("davis", "yeast-proteins")
    )
    few = table.take(np.arange(0, len(table), len(table) // 40))
    for molecule, letters in zip(few.molecules(), few.sequence, strict=True):
        assert Molecule.parse(str(molecule)) == molecule
        assert letters.startswith(molecule.sequence)


@needs_data
def test_gb1_has_the_published_splits_and_its_wild_type():
    table = load_sequences("gb1-four-site")
    assert len(table) == 149361
    assert table.reference == GB1
    wild = table.names == "VDGV"
    assert table.sequence[wild].tolist() == [GB1]
    assert table.values["fitness"][wild].tolist() == [1.0]
    counts = {split: table.splits[split].value_counts() for split in table.splits}
    assert {split: (count["train"], count["test"]) for split, count in counts.items()} == {
        "one_vs_rest": (28, 8705),
        "two_vs_rest": (424, 8309),
        "three_vs_rest": (2990, 5743),
        "sampled": (6988, 1745),
        "low_vs_high": (5089, 3644),
    }
    row = int(np.flatnonzero(table.names == "AAAA")[0])
    assert table.take(np.array([row])).molecules()[0].variant == "p.[V39A;D40A;G41A;V54A]"
    assert Variant.parse("p.[V39A;D40A;G41A;V54A]").apply(GB1) == table.sequence[row]


@needs_data
def test_both_directions_of_an_element_are_one_group():
    table = load_sequences("lentimpra-wtc11")
    element = {}
    for letters, group in zip(table.sequence, table.group, strict=True):
        element.setdefault(group, []).append(letters[15:-15])
    pairs = [both for both in element.values() if len(both) == 2]
    assert len(pairs) > 2000
    assert all(reverse_complement(one) == other for one, other in pairs)
    assert table.details["reversed"].mean() == pytest.approx(0.5, abs=0.01)


@needs_data
def test_small_tables_say_what_was_measured():
    lac = load_sequences("sortseq-lac")
    bins = lac.details.to_numpy()
    alone = (bins[:, 1:].sum(axis=1) == 0) & (bins[:, 0] > 0)
    np.testing.assert_array_equal(lac.values["mean_bin"].isna(), alone)
    assert lac.values["mean_bin"].min() == 1
    utr = load_sequences("fast-utr")
    assert len(utr) == 17841
    assert utr.background.tolist() == utr.group.tolist()
    assert not set(utr.sequence) & set(utr.background)
    assert load_sequences("amyloid-beta").take(np.arange(1)).molecules()[0].variant == "p.D1K"
    assert len(load_sequences("davis")) == 68 * 442
