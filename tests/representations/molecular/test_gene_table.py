import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import ControlError, DataError, UnavailableError, UnitsError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.molecule import Molecule
from aivc.core.provenance import Provenance
from aivc.core.state import State
from aivc.data import catalog
from aivc.representations.molecular import gene_table
from aivc.representations.molecular.coexpression import Coexpression
from aivc.representations.molecular.gene_table import NAMES, genes, lacking
from aivc.representations.molecular.knowledge import (
    Compartments,
    Interactions,
    Pathways,
    Processes,
    Regulators,
    Targets,
)
from aivc.representations.molecular.screen_effects import ScreenEffects
from aivc.representations.molecular.text import ProteinSentences, ProteinWords, protein_names

PROTEINS = {
    "P00001": ("NEWA OLDA", "Serine kinase alpha (EC 2.7.11.1)"),
    "P00002": ("GENB", "Serine kinase beta"),
    "P00003": ("GENC", "Zinc finger protein 12"),
    "P00004": ("GEND", "Zinc finger protein 13"),
}


@pytest.fixture
def sources(monkeypatch, tmp_path, known_genes):
    """Four genes, two kinases and two fingers, with a small network and compartments."""
    folder = tmp_path / "sources"
    folder.mkdir()
    rows = [[entry, names, text] for entry, (names, text) in PROTEINS.items()]
    table = pd.DataFrame(rows, columns=["Entry", "Gene names", "Protein names"])
    table.to_csv(folder / gene_table.PROTEINS, sep="\t", index=False)
    known_genes({"NEWA": ["OLDA"], "GENB": (), "GENC": (), "GEND": ()})
    links = [("GENC", "A", "OLDA", 1), ("GENC", "B", "GENB", 1), ("GEND", "A", "OLDA", -1), ("GEND", "E", "GENB", 1)]
    links.append(("GENB", "A", "GENC", 1))
    pd.DataFrame(links, columns=["tf", "confidence", "target", "mor"]).to_csv(folder / "dorothea", index=False)
    places = [("OLDA", "Nucleus"), ("GENB", "Nucleus"), ("GENC", "Cytoplasm"), ("GENC", "Nucleus")]
    pd.DataFrame(places, columns=["SYMBOL", "compartment"]).to_csv(folder / "compartments", index=False)
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalog, "path", lambda name, file=None, *, offline=False: folder / name)
    return folder


def _cosine(provider, one, other):
    said = provider.embed(genes([one, other]))
    assert said.known.all()
    return float(said.values[0] @ said.values[1])


def test_a_gene_is_found_by_former_name_accession_and_variant_of_its_protein(sources):
    words = ProteinWords.build(dim=3)
    asked = [
        *genes(["NEWA", "OLDA"]),
        Molecule("protein", "P00001"),
        Molecule("protein", "NEWA", variant="p.S2A"),
        Molecule("gene", "NEWA", species="mouse"),
        Molecule("compound", "NEWA"),
        Molecule("gene", "NEVER"),
    ]
    said = words.embed(asked)
    assert said.known.tolist() == [True, True, True, True, False, False, False]
    for row in range(1, 4):
        np.testing.assert_array_equal(said.values[row], said.values[0])
    assert not said.values[4:].any()


def test_words_bring_like_proteins_together(sources):
    words = ProteinWords.build(dim=3)
    assert _cosine(words, "NEWA", "GENB") > _cosine(words, "NEWA", "GENC") + 0.3
    assert _cosine(words, "GENC", "GEND") > 0.5
    assert protein_names()["GENB"] == "Serine kinase beta"


def test_a_network_knows_targets_and_factors_and_their_sign(sources):
    regulated, regulating = Regulators.build(dim=3), Targets.build(dim=3)
    assert regulated.embed(genes(["NEWA", "GENB", "GEND"])).known.tolist() == [True, True, False]
    assert regulating.embed(genes(["GENC", "GEND", "NEWA"])).known.tolist() == [True, True, False]
    # One raises what the other lowers.
    assert _cosine(regulating, "GENC", "GEND") < 0


def test_compartments_have_an_axis_each(sources):
    places = Compartments.build()
    assert places.provenance["axes"] == ["Cytoplasm", "Nucleus"]
    assert _cosine(places, "NEWA", "GENB") == pytest.approx(1)
    assert 0 < _cosine(places, "NEWA", "GENC") < 1


def test_provenance_names_sources_licence_and_nothing_seen(sources):
    answer = Compartments.build().provenance
    assert set(answer["sources"]) == {"compartments", *NAMES}
    assert "UniProt" in answer["licence"]
    assert answer["saw"] == []
    assert len(answer["digest"]) == 64


def test_what_is_missing_is_said_with_its_remedy(monkeypatch):
    def absent(name, file=None, *, offline=False):
        raise UnavailableError(f"{name} is not here. Set AIVC_DATA.")

    monkeypatch.setattr(catalog, "path", absent)
    assert "Set AIVC_DATA" in Regulators.available()
    assert lacking() is None
    with pytest.raises(UnavailableError, match="Set AIVC_DATA"):
        Regulators.build()


def test_sentences_need_an_encoder(sources, monkeypatch):
    monkeypatch.setattr("aivc.representations.molecular.hugging_face.find_spec", lambda name: None)
    assert "aivc[text]" in ProteinSentences.available()
    with pytest.raises(UnavailableError, match=r"aivc\[text\]"):
        ProteinSentences.build()


@pytest.fixture
def cells():
    """Control cells in which two pairs of genes go together, beside perturbed ones in which all four do."""
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 200))
    controls = np.stack([one, one, other, other], axis=1) + 0.3 * rng.standard_normal((200, 4))
    perturbed = rng.standard_normal((200, 1)) * np.ones((1, 4)) * 5
    labels = [CONTROL] * 200 + ["ko:GENB"] * 200
    entities = pd.DataFrame({"perturbation": labels, "context": "A"}, index=[f"c{i}" for i in range(400)])
    features = np.array(["GENA", "GENB", "GENC", "GEND"], dtype=object)
    return Measurement(np.vstack([controls, perturbed]), features, entities, "score", provenance={"dataset": "mine"})


def test_coexpression_looks_at_controls_alone(cells):
    whole, controls = Coexpression.fit(cells, dim=2), Coexpression.fit(cells.take(np.arange(200)), dim=2)
    np.testing.assert_array_equal(whole.values, controls.values)
    assert _cosine(whole, "GENA", "GENB") > 0.9
    assert abs(_cosine(whole, "GENA", "GENC")) < 0.3
    saw = Provenance.from_json(whole.provenance["saw"][0])
    assert saw.entities == 200
    assert saw.source == "mine"
    assert saw.perturbations == ()


def test_coexpression_needs_controls_that_vary(cells):
    with pytest.raises(ControlError, match="Add control cells"):
        Coexpression.fit(cells.take(np.arange(200, 400)))
    with pytest.raises(DataError, match="Give cells that differ"):
        Coexpression.fit(cells.replace(values=np.ones((400, 4))))


@pytest.fixture
def screen():
    """Effects of 12 genes of two kinds in two lines; the second line lacks some."""
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((2, 2, 10))
    rows, values = [], []
    for line in (0, 1):
        for gene in range(12 - 4 * line):
            rows.append({"perturbation": f"crispri:S{gene:02d}", "context": f"line {line}"})
            values.append(kinds[line, gene % 2] + 0.2 * rng.standard_normal(10))
    entities = pd.DataFrame(rows, index=[f"r{i}" for i in range(len(rows))])
    features = np.array([f"F{i}" for i in range(10)], dtype=object)
    return Measurement(
        np.array(values), features, entities, "score", modality="effect", provenance={"dataset": "other"}
    )


def test_effects_in_other_screens_bring_like_genes_together(screen):
    effects = ScreenEffects.fit(screen, dim=2, title="effects-other")
    assert effects.provenance["name"] == "effects-other"
    assert _cosine(effects, "S00", "S02") > 0.7
    assert _cosine(effects, "S00", "S01") < 0
    assert _cosine(effects, "S00", "S10") > 0.5  # seen in one line only
    saw = Provenance.from_json(effects.provenance["saw"][0])
    assert "crispri:S00" in saw.perturbations


def test_effects_are_of_single_genes_and_no_cells(screen, cells):
    with pytest.raises(DataError, match="Give a larger screen"):
        ScreenEffects.fit(screen.take(np.arange(2)))
    counts = cells.replace(values=np.abs(cells.values), units="log1p_cp10000")
    with pytest.raises(UnitsError, match="Subtract the controls"):
        ScreenEffects.fit(counts)


def test_more_of_a_gene_is_the_opposite_of_less(screen):
    raised = screen.entities.assign(perturbation=screen.entities["perturbation"].str.replace("crispri", "oe"))
    less, more = ScreenEffects.fit(screen, dim=4), ScreenEffects.fit(screen.replace(entities=raised), dim=4)
    ours, theirs = (each.embed(genes(["S00", "S01"])).values for each in (less, more))
    np.testing.assert_allclose(np.abs(ours @ ours.T), np.abs(theirs @ theirs.T), atol=1e-6)


@pytest.mark.parametrize(
    "maker",
    [
        Processes,
        Pathways,
        Interactions,
        Regulators,
        Targets,
        *(pytest.param(each, marks=pytest.mark.slow) for each in (Compartments, ProteinWords)),
    ],
)
def test_vectors_of_all_human_genes_do_not_depend_on_order_or_number(maker, aivc_data):
    if (missing := maker.available()) is not None:
        pytest.skip(missing)
    if maker is Interactions and not (catalog.cache() / "knowledge").is_dir():
        pytest.skip("walking the interactions takes a minute; they are not in the cache")
    provider = maker.build()
    names = sorted(protein_names())[::37]
    asked, order = genes(names), np.random.default_rng(0).permutation(len(names))
    whole = provider.embed(asked)
    length = np.linalg.norm(whole.values, axis=1)
    np.testing.assert_allclose(length, whole.known, atol=1e-5)
    np.testing.assert_allclose(provider.embed([asked[i] for i in order]).values, whole.values[order], atol=1e-5)
    pieces = [provider.embed(asked[i : i + 50]).values for i in range(0, len(asked), 50)]
    np.testing.assert_allclose(np.concatenate(pieces), whole.values, atol=1e-5)


def test_a_provider_survives_saving_without_its_sources(sources, monkeypatch, tmp_path):
    built = Regulators.build(dim=3)
    built.state().save(tmp_path / "part")
    before = built.embed(genes(["NEWA", "GENB"])).values

    def absent(name, file=None, *, offline=False):
        raise UnavailableError(f"{name} is not here.")

    monkeypatch.setattr(catalog, "path", absent)
    back = Regulators.from_state(State.load(tmp_path / "part"))
    np.testing.assert_array_equal(back.embed(genes(["NEWA", "GENB"])).values, before)
    assert back.provenance == built.provenance
    assert gene_table.VERSION in back.provenance["version"]
