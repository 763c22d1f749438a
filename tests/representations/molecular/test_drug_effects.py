import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SplitError, UnitsError
from aivc.core.measurement import Measurement
from aivc.core.molecule import Molecule
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.data.molecules.blocks import molecular_ur
from aivc.representations.molecular.compounds import KnownTargets
from aivc.representations.molecular.drug_effects import DrugEffects
from aivc.representations.molecular.target_knowledge import TargetKnowledge
from aivc.testing import check_provider

DRUGS = [f"Kinasol {i}" for i in range(4)] + [f"Statinib {i}" for i in range(4)]


@pytest.fixture
def screen():
    """Two classes of drugs in two lines; one drug as two salts, one in a single line."""
    rng = np.random.default_rng(0)
    classes = np.repeat(rng.standard_normal((2, 30)) * 2, 4, axis=0)
    rows = [(f"drug:{name} (hydrochloride)@{dose}uM", line, i)
            for i, name in enumerate(DRUGS) for line in ("A", "B") for dose in (1, 10)]  # fmt: skip
    rows = [row for row in rows if row[1:] != ("B", 7)] + [("drug:Kinasol 0 mesylate", "A", 0), ("ko:TP53", "A", 1)]
    entities = pd.DataFrame({"perturbation": [row[0] for row in rows], "context": [row[1] for row in rows]})
    entities.index = entities.index.map("r{}".format)
    values = classes[[row[2] for row in rows]] + 0.3 * rng.standard_normal((len(rows), 30))
    features = np.array([f"F{i}" for i in range(30)], dtype=object)
    notes = {"dataset": "other-screen", "licence": "CC0"}
    return Measurement(values, features, entities, "score", modality="effect", provenance=notes)


def compounds(*names):
    return [Molecule("compound", name) for name in names]


def test_drugs_that_act_alike_lie_together(screen):
    said = DrugEffects.fit(screen, dim=1).embed(compounds(*DRUGS, "TP53", "unlisted"))
    assert said.known.tolist() == [True] * 8 + [False, False]
    near = said.values[:8] @ said.values[:8].T
    assert min(near[:4, :4].min(), near[4:, 4:].min()) > near[:4, 4:].max() + 0.5


def test_it_goes_by_compound_and_keeps_its_promises(screen):
    table = DrugEffects.fit(screen, dim=4, title="other screen")
    one, other = table.embed(compounds("kinasol 0", "ABC (Kinasol 0)")).values
    np.testing.assert_array_equal(one, other)
    assert table.provenance["name"] == "other screen"
    assert table.provenance["licence"] == "CC0"
    back = DrugEffects.from_state(State(table.state().settings, table.state().arrays))
    np.testing.assert_array_equal(back.embed(compounds(*DRUGS)).values, table.embed(compounds(*DRUGS)).values)
    check_provider(table, compounds(*DRUGS, "unlisted"))


def test_effects_of_the_screen_under_test_are_refused(screen):
    table = DrugEffects.fit(screen)
    with pytest.raises(SplitError, match="that would be copying"):
        molecular_ur(compounds(*DRUGS), [table], under_test=screen)
    # Under another name and in another order they are the same effects.
    copied = screen.take(np.arange(len(screen))[::-1]).replace(provenance={"dataset": "another"})
    with pytest.raises(SplitError, match="that would be copying"):
        molecular_ur(compounds(*DRUGS), [table], under_test=copied)
    noise = np.random.default_rng(1).standard_normal(screen.values.shape)
    another = screen.replace(values=screen.dense() + noise, provenance={"dataset": "another"})
    assert len(molecular_ur(compounds(*DRUGS), [table], under_test=another)) == len(DRUGS)


def test_refusals(screen):
    genes = screen.take(np.flatnonzero(screen.perturbations == "ko:TP53"))
    with pytest.raises(DataError, match="Only 0 drugs"):
        DrugEffects.fit(genes)
    counts = screen.replace(values=np.abs(screen.dense()).round(), units="counts")
    with pytest.raises(UnitsError, match="Subtract the controls"):
        DrugEffects.fit(counts)


def test_drugs_on_one_pathway_are_near_though_they_share_no_target():
    genes = UR(
        np.array([[1.0, 0.0], [0.98, 0.2], [0.0, 1.0]]),
        Space("genes", Scale.MOLECULAR, 2, ""),
        pd.DataFrame(index=["MAP2K1", "MAPK1", "HDAC1"]),
    )
    targets = KnownTargets.of(
        {"trametinib": ["MAP2K1"], "ulixertinib": ["MAPK1"], "mocetinostat": ["HDAC1"], "lost": ["NOSUCH"]}
    )
    table = TargetKnowledge.of(targets, genes)
    said = table.embed(compounds("Trametinib (GSK1120212)", "ulixertinib", "mocetinostat", "lost"))
    assert said.known.tolist() == [True, True, True, False]
    assert said.values[0] @ said.values[1] > 0.9
    assert said.values[0] @ said.values[2] < 0.3
    with pytest.raises(DataError, match="None of the targets"):
        TargetKnowledge.of(KnownTargets.of({"lost": ["NOSUCH"]}), genes)
