import numpy as np

from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.evaluation.consistency.information_use import blocks, information_use, ridge
from aivc.evaluation.consistency.subject import Subject
from aivc.experiments.atlas.embed_tissue import tissue_embedding


def checked(tissue):
    cell = tissue_embedding(tissue, reach=1, dim=8).cell
    return information_use(Subject.of(cell, tissue, most=1000, seed=0))


def test_neighbors_are_used_where_niches_are_and_not_where_there_are_none():
    tissue = synthetic_tissue(cells=150, seed=1)[0]
    untyped = tissue.replace(entities=tissue.entities.drop(columns="cell_type"))
    row = checked(untyped)
    assert row.verdict == "pass"
    assert row.value > 0.1 > abs(row.null)
    assert "Shuffled within section." in row.note
    order = np.random.default_rng(0).permutation(len(tissue))
    mixed = untyped.replace(values=untyped.values[order])
    assert checked(mixed).verdict == "fail"


def test_what_type_alone_says_is_not_counted_as_use():
    row = checked(synthetic_tissue(cells=150, effect=0.0, seed=1)[0])
    assert row.verdict == "fail"
    assert row.null > 0.1
    assert "within section and type" in row.note


def test_blocks_are_quarters_of_sections():
    tissue = synthetic_tissue(cells=40)[0]
    made = Subject.of(tissue_embedding(tissue, reach=1, dim=4).cell, tissue, most=100, seed=0)
    block_n = blocks(made)
    assert sorted(set(block_n)) == list(range(8))
    assert all(made.tissue.entities["section"][block_n == b].nunique() == 1 for b in range(8))


def test_ridge_finds_a_line_and_shrinks_noise():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(80, 4)), rng.normal(size=(4, 2))
    assert np.allclose(ridge(x, x @ weight + 3, x), x @ weight + 3, atol=0.02)
    assert np.abs(ridge(x, rng.normal(size=(80, 2)), x)).max() < 0.6
