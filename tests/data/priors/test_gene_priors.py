import gzip
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.data import catalog
from aivc.data.names.genes import FILES, harmonize
from aivc.data.priors import gene_priors as knowledge
from aivc.data.priors import interactions

CLIQUES = {"A": [f"A{i}" for i in range(8)], "B": [f"B{i}" for i in range(8)]}


@pytest.fixture
def sources(monkeypatch, tmp_path, known_genes):
    """Two cliques of genes, joined by one pair, with matching sets; A0 is known by a former name."""
    folder = tmp_path / "sources"
    folder.mkdir()
    pairs = [(a, b) for members in CLIQUES.values() for a in members for b in members if a < b]
    pairs += [("A3", "nan"), ("nan", "B3")]
    pd.DataFrame(pairs, columns=["gene_a", "gene_b"]).to_parquet(folder / "ppi-intact")
    string = pd.DataFrame({"protein1": ["A0", "A1"], "protein2": ["B0", "OLD"], "conf": [401, 900]})
    string.to_csv(folder / "string-experimental", index=False)
    sets = [["set", "", *members[start : start + 5]] for members in CLIQUES.values() for start in range(4)]
    sets.append(["dates", "", "MARCH8,1.0", "A1,1.0", ""])
    with gzip.open(folder / "go-bp", "wt") as stream:
        stream.write("\n".join("\t".join(row) for row in sets))
    others = {"NEW": ["OLD", "SHARED"], "A7": ["SHARED"], "MARCHF8": ["MARCH8"]}
    known_genes({**dict.fromkeys(CLIQUES["A"] + CLIQUES["B"], ()), **others})
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalog, "path", lambda name: folder / name)
    monkeypatch.setattr(knowledge, "DIMS", {"ppi": 4, "go": 3, "reactome": 2})
    return folder


def _priors(genes=None, blocks=("ppi", "go")):
    with np.errstate(all="raise"):
        return knowledge.gene_priors(genes, blocks=blocks)


def test_genes_of_a_clique_lie_together(sources):
    ur = _priors()
    for axes in knowledge.block_slices(ur).values():
        a, b = (ur.take(ur.entities.index.isin(members[1:6])).values[:, axes] for members in CLIQUES.values())
        assert (a @ a.T).min() > (a @ b.T).max() + 0.1


def test_blocks_are_of_length_one_or_unknown_with_the_prior_variance(sources):
    ur = _priors(["A1", "NEW", "MARCHF8"])
    assert ur.space.scale is Scale.MOLECULAR
    assert ur.entities["covered_go"].tolist() == [True, False, True]
    assert ur.entities["covered_ppi"].tolist() == [True, True, False]
    slices = knowledge.block_slices(ur)
    assert slices == {"ppi": slice(0, 4), "go": slice(4, 7)}
    for block, axes in slices.items():
        covered = ur.entities[f"covered_{block}"].to_numpy()
        np.testing.assert_allclose(np.linalg.norm(ur.values[:, axes], axis=1), covered, atol=1e-6)
        assert (ur.variance[covered, axes] == 0).all()
        assert (ur.variance[~covered, axes] == 1 / (axes.stop - axes.start)).all()


def test_proteins_without_a_gene_join_nothing(sources):
    assert "nan" not in _priors(["nan", "A1"], blocks=("ppi",)).entities.index
    assert "nan" not in knowledge._graph()[0]


def test_former_symbols_find_the_gene_and_unknown_ones_are_missing(sources):
    asked = ["OLD", "MARCH8", "SHARED", "NONSENSE", "OLD", "A3"]
    ur = _priors(asked)
    assert ur.entities.index.tolist() == ["OLD", "MARCH8", "A3"]
    assert ur.entities["known_as"].tolist() == ["NEW", "MARCHF8", "A3"]
    assert knowledge.missing(asked, ur) == ["SHARED", "NONSENSE"]
    assert len(_priors(["NONSENSE"])) == 0


def _doors(names, blocks):
    """What a screen calls each gene after `harmonize`, and what the priors know it as, where they know it."""
    labels = pd.DataFrame(index=["cell"])
    _, coverage = harmonize(Measurement(np.ones((1, len(names))), np.array(names, dtype=object), labels, "counts"))
    screen = {name: coverage.renamed.get(name, name) for name in names}
    ur = knowledge.gene_priors(names, blocks=blocks)
    assert knowledge.missing(names, ur) == knowledge.missing(screen, ur)
    return screen, ur.entities["known_as"].to_dict()


def test_a_screen_and_its_priors_mean_the_same_genes(sources):
    screen, priors = _doors(["OLD", "a3", "A7", "MARCH8", "SHARED", "NONSENSE"], ("ppi", "go"))
    assert screen == {**priors, "SHARED": "SHARED", "NONSENSE": "NONSENSE"}
    assert priors == {"OLD": "NEW", "a3": "A3", "A7": "A7", "MARCH8": "MARCHF8"}


def test_a_cache_built_from_other_files_of_names_is_not_used(sources, monkeypatch):
    entry, seen = catalog.entry, {_priors(blocks=("go",)).space.fingerprint}
    for name in FILES["human"]:
        real = entry(name)
        changed = replace(real, files=tuple(replace(file, sha256="0" * 64) for file in real.files))
        others = {name: changed}
        monkeypatch.setattr(catalog, "entry", lambda asked, others=others: others.get(asked) or entry(asked))
        seen.add(_priors(blocks=("go",)).space.fingerprint)
    assert len(seen) == 1 + len(FILES["human"])


def test_priors_are_read_from_the_cache_the_second_time(sources):
    first = _priors()
    for file in ("ppi-intact", "go-bp"):
        (sources / file).unlink()
    second = _priors()
    assert second.space == first.space
    np.testing.assert_array_equal(second.values, first.values)
    pd.testing.assert_frame_equal(second.entities, first.entities)


def test_a_damaged_cache_is_built_anew(sources, tmp_path):
    first = _priors()
    (file,) = (tmp_path / "cache").rglob("*.safetensors")
    file.write_bytes(b"damaged")
    np.testing.assert_array_equal(_priors().values, first.values)


def test_other_blocks_are_another_space(sources):
    assert _priors(blocks=("go",)).space.fingerprint != _priors().space.fingerprint


def test_plain_sets_are_read_like_compressed_ones(sources, tmp_path):
    first = _priors(blocks=("go",))
    (sources / "go-bp").write_bytes(gzip.decompress((sources / "go-bp").read_bytes()))
    shutil.rmtree(tmp_path / "cache")
    np.testing.assert_array_equal(_priors(blocks=("go",)).values, first.values)


def test_records_name_the_same_pairs_as_the_prepared_table(sources, monkeypatch, tmp_path):
    proteins = pd.DataFrame({"Entry": ["P1", "P2", "P3"], "Gene names": ["B OLD", "A", None]})
    proteins.to_csv(sources / "uniprot-human", sep="\t", index=False)
    some = {"A": ["uniprotkb:P1", "uniprotkb:P1-2", "intact:X"], "B": ["uniprotkb:P2-PRO_1", "uniprotkb:P1", ""]}
    pd.DataFrame(some).to_csv(sources / "imex-records", index=False)
    pd.DataFrame({"A": ["uniprotkb:P2", "uniprotkb:P3", "uniprotkb:Q9"], "B": ["uniprotkb:P1"] * 3}).to_csv(
        sources / "intact-records", index=False
    )

    def path(name):
        if name == "ppi-intact":
            raise UnavailableError("nowhere. Set AIVC_DATA.")
        return sources / name

    monkeypatch.setattr(catalog, "path", path)
    pairs = interactions.read_intact()
    assert list(pairs.itertuples(index=False, name=None)) == [("A", "B"), ("B", "nan")]


def test_confidences_saved_by_r_are_read_like_a_table_of_text(monkeypatch, tmp_path):
    columns = {"protein1": ["A", ""], "protein2": ["B", "C"], "conf": ["900", "401"]}
    monkeypatch.setattr(interactions, "read_rds", lambda path: pd.DataFrame(columns, index=["1", "2"], dtype="string"))
    pd.DataFrame(columns).to_csv(tmp_path / "string.csv", index=False)
    pd.testing.assert_frame_equal(
        interactions.read_string(Path("string.rds")), interactions.read_string(tmp_path / "string.csv")
    )


def test_an_unknown_block_is_refused():
    with pytest.raises(UnknownNameError, match="ppi"):
        knowledge.gene_priors(["JAK2"], blocks=("pi",))


def test_without_sources_the_remedy_is_given(monkeypatch, tmp_path):
    monkeypatch.delenv("AIVC_DATA", raising=False)
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path))
    monkeypatch.setenv("AIVC_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="set AIVC_DATA"):
        knowledge.gene_priors(["JAK2"])


# Renamed families, other case, genes that share a protein, names that another gene had, and names of nothing.
HARD = {
    "AARS": "AARS1",
    "AARS1": "AARS1",
    "C9ORF72": "C9orf72",
    "CTGF": "CCN2",
    "CCN2": "CCN2",
    "CYR61": "CCN1",
    "H2AFX": "H2AX",
    "HBA2": "HBA2",
    "HBA1": "HBA1",
    "MARC1": "MTARC1",
    "MARCH8": "MARCHF8",
    "SEPT14": "SEPTIN14",
    "SEPT2": "SEPTIN2",
    "WISP2": "CCN5",
    "C17orf49": "C17orf49",
    "tp53": "TP53",
    "RP11-228B15.4": "RP11-228B15.4",
    "nan": "nan",
}


def test_a_screen_and_its_priors_mean_the_same_human_genes(aivc_data):
    screen, priors = _doors(list(HARD), ("reactome",))
    assert screen == HARD
    assert priors.items() <= HARD.items()
    assert {"AARS", "CTGF", "CCN2", "H2AFX", "HBA1", "tp53"} <= set(priors)


@pytest.mark.skipif(not Path(os.environ.get("AIVC_DATA") or "none").is_dir(), reason="AIVC_DATA names no folder")
def test_genes_of_the_interferon_pathway_are_neighbours():
    ur = knowledge.gene_priors()
    cosine = ur.values / np.linalg.norm(ur.values, axis=1, keepdims=True)
    pathway = ["JAK2", "IFNGR1", "IFNGR2", "STAT1"]
    rows = ur.entities.index.get_indexer(pathway)
    for row in rows:
        closer = (cosine @ cosine[row])[:, None] > (cosine[rows] @ cosine[row])[None]
        # The landmarks of the walk are drawn anew when a gene more or less is known: that alone moves a rank by 1 %.
        assert closer.sum(axis=0).max() < 0.04 * len(ur), ur.entities.index[row]
    for gene, others in {"SMAD4": {"SMAD2", "SMAD3"}, "IFNGR1": {"IFNGR2"}, "STAT1": {"STAT2"}}.items():
        nearest = np.argsort(-cosine @ cosine[ur.entities.index.get_loc(gene)])[:10]
        assert others <= set(ur.entities.index[nearest])
