import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SplitError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.molecule import Molecule
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.data.priors.gene_priors import block_slices
from aivc.data.splits.fingerprints import provenance_of
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.representations.molecular.coexpression import Coexpression
from aivc.representations.molecular.compounds import Morgan, SmilesWords
from aivc.representations.molecular.gene_table import genes
from aivc.representations.molecular.kmers import Kmers
from aivc.representations.molecular.molecular_ur import available, made_from, molecular_ur, refuse_seen
from aivc.representations.molecular.vector_table import VectorTable

NAMES = [f"G{i:02d}" for i in range(8)]


def _table(title, known, width=3, **about):
    values = np.random.default_rng(len(title)).standard_normal((len(known), width)) * 7
    return VectorTable.of(title, list(known), values, **about)


def test_blocks_are_of_length_one_or_unknown_with_the_prior_variance(tmp_path):
    ur = molecular_ur(genes(NAMES), [_table("one", NAMES[:6]), _table("another", NAMES[4:], width=5)])
    assert ur.space.scale is Scale.MOLECULAR
    assert ur.space.dim == 8
    slices = block_slices(ur)
    assert slices == {"one": slice(0, 3), "another": slice(3, 8)}
    for block, where in slices.items():
        known = ur.entities[f"covered_{block}"].to_numpy(dtype=bool)
        np.testing.assert_allclose(np.linalg.norm(ur.values[:, where], axis=1), known, atol=1e-9)
        wide = 1 / (where.stop - where.start)
        np.testing.assert_allclose(ur.variance[:, where], np.where(known, 0, wide)[:, None].repeat(1 / wide, axis=1))
    ur.save(tmp_path)
    assert block_slices(UR.load(tmp_path)) == slices
    assert block_slices(ur.take(np.array([2, 1]))) == slices


def test_rows_are_named_as_asked_and_blocks_mix_kinds():
    asked = [
        Molecule("compound", "ethanol", sequence="CCO"),
        Molecule("protein", "P", sequence="MKVL"),
        Molecule("gene", "G00"),
    ]
    ur = molecular_ur(asked, [SmilesWords(width=16), Kmers.of("protein", width=16)], names=["a", "b", "c"])
    assert ur.entities.index.tolist() == ["a", "b", "c"]
    assert ur.entities["covered_smiles-words"].tolist() == [True, False, False]
    assert ur.entities["covered_kmers-protein"].tolist() == [False, True, False]
    assert not ur.values[2].any()


def test_it_does_not_depend_on_order_or_company():
    providers = [_table("one", NAMES[:6]), _table("another", NAMES[4:])]
    whole = molecular_ur(genes(NAMES), providers)
    other = molecular_ur(genes(NAMES[::-2]), providers)
    np.testing.assert_allclose(other.values, whole.values[::-2], atol=1e-9)
    assert other.space == whole.space


def test_the_space_changes_with_what_is_known():
    one, more = _table("one", NAMES[:6]), _table("one", NAMES[:7])
    assert molecular_ur(genes(NAMES), [one]).space != molecular_ur(genes(NAMES), [more]).space


def test_a_manipulator_reads_it_and_knows_less_of_what_a_provider_does_not_know():
    member = np.eye(3)[np.arange(8) % 3] + np.random.default_rng(0).normal(0, 0.1, (8, 3))
    ur = molecular_ur(genes(NAMES), [VectorTable.of("programs", NAMES, member), _table("noise", NAMES[:4])])
    known = Knowledge.of(ur)
    assert [known.share(f"ko:{name}") for name in (NAMES[0], NAMES[5], "NEVER")] == [1.0, 0.5, 0.0]
    alike, apart = known.likeness([f"ko:{NAMES[4]}"], [f"ko:{NAMES[7]}", f"ko:{NAMES[5]}"])[0]
    assert alike > 2 * apart


def _screen(dataset="mine"):
    entities = pd.DataFrame(
        {"perturbation": [CONTROL, CONTROL, CONTROL, "ko:G00", "ko:G01"], "context": "A"},
        index=[f"{dataset}-{i}" for i in range(5)],
    )
    values = np.random.default_rng(0).standard_normal((5, 4)) * 100
    features = np.array(NAMES[:4], dtype=object)
    return Measurement(values, features, entities, "score", provenance={"dataset": dataset})


def test_what_saw_the_perturbed_cells_under_test_is_refused():
    screen = _screen()
    guilty = _table("guilty", NAMES, saw=[provenance_of(screen).to_json()])
    innocent = _table("innocent", NAMES, saw=[provenance_of(_screen("other").take(np.array([0, 1]))).to_json()])
    with pytest.raises(SplitError, match="'guilty' was made from perturbed entities of mine"):
        molecular_ur(genes(NAMES), [innocent, guilty], under_test=screen)
    # The same rows under another name are the same rows.
    renamed = _table("renamed", NAMES, saw=[provenance_of(screen.replace(provenance={"dataset": "x"})).to_json()])
    with pytest.raises(SplitError, match="that would be copying"):
        refuse_seen([renamed], screen)
    # Controls of the very screen may be seen.
    controls = Coexpression.fit(screen, dim=2)
    assert len(molecular_ur(genes(NAMES), [innocent, controls], under_test=screen)) == 8


def test_what_it_was_made_from_is_stated():
    screen = _screen()
    answer = made_from([_table("one", NAMES), _table("two", NAMES, saw=[provenance_of(screen).to_json()])])
    assert set(answer.tables) == {"one", "two"}
    assert answer.expression is True
    assert answer.perturbations == ("ko:G00", "ko:G01")
    assert made_from([_table("one", NAMES)]).expression is False


def test_refusals_say_what_to_do():
    table = _table("one", NAMES)
    with pytest.raises(DataError, match="Give both"):
        molecular_ur([], [table])
    with pytest.raises(DataError, match="Give both"):
        molecular_ur(genes(NAMES), [])
    with pytest.raises(DataError, match="Rows stand twice: 'G00'"):
        molecular_ur(genes([*NAMES, "G00"]), [table])
    with pytest.raises(DataError, match="Blocks stand twice: 'one'"):
        molecular_ur(genes(NAMES), [table, table])
    with pytest.raises(DataError, match="need as many names"):
        molecular_ur(genes(NAMES), [table], names=["a"])


def test_a_block_without_width_is_refused():
    ur = molecular_ur(genes(NAMES), [_table("one", NAMES)])
    bare = UR(ur.values, ur.space, ur.entities.drop(columns="axes_one"))
    with pytest.raises(DataError, match="column axes_one"):
        block_slices(bare)


def test_what_can_be_used_here_is_listed(monkeypatch):
    monkeypatch.setattr("aivc.representations.molecular.compounds.find_spec", lambda name: None)
    answer = available({"morgan": Morgan, "smiles-words": SmilesWords})
    assert answer["smiles-words"] is None
    assert "aivc[chem]" in answer["morgan"]
