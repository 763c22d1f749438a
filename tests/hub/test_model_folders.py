import pytest
import yaml

from aivc.core.errors import DataError, IntegrityError
from aivc.core.virtual_cell import VirtualCell
from aivc.hub.hub import Hub
from aivc.hub.model_folders import bring_in, export, readme
from aivc.hub.refs import Ref
from aivc.hub.signing import SigningKey, TrustStore


def front(folder):
    """The front matter of a README."""
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


@pytest.fixture
def other(tmp_path):
    """A second hub."""
    made = Hub.open(str(tmp_path / "other"), trust=TrustStore())
    yield made
    made.close()


def test_what_is_exported_comes_in_elsewhere_with_its_signature(hub, other, cell_folder, cell_fields, tmp_path):
    made = hub.publish(cell_folder, {**cell_fields, "intended_use": "Teaching."}, SigningKey())
    export(hub, "lab/jak", tmp_path / "out")
    assert front(tmp_path / "out")["license"] == "cc-by-4.0"
    assert front(tmp_path / "out")["library_name"] == "aivc"
    assert bring_in(other, tmp_path / "out").digest == made.digest
    assert other.verify("lab/jak").strangers == 1
    renamed = bring_in(other, tmp_path / "out", Ref.parse("me/jak@0.1"))
    assert renamed.made_with.parents == [f"{made.ref}#{made.digest}"]
    assert renamed.intended_use == "Teaching."
    assert other.verify("me/jak").passed


def test_a_folder_without_a_manifest_needs_a_name_and_a_licence(hub, cell_folder, tmp_path):
    VirtualCell.load(cell_folder).save(tmp_path / "cell")
    with pytest.raises(DataError, match="Say what to call it"):
        bring_in(hub, tmp_path / "cell")
    with pytest.raises(DataError, match="states no licence"):
        bring_in(hub, tmp_path / "cell", Ref.parse("me/jak@1.0"))
    (tmp_path / "cell" / "README.md").write_text("---\nlicense: mit\ntags: [a]\n---\n# Words\n")
    assert bring_in(hub, tmp_path / "cell", Ref.parse("me/jak@1.0")).licence == "MIT"
    assert hub.verify("me/jak").passed


@pytest.mark.parametrize("matter", ["license: !!python/object/apply:os.system ['true']", "license: [", "a: &a [*a]"])
def test_hostile_front_matter_is_refused(hub, cell_folder, tmp_path, matter):
    VirtualCell.load(cell_folder).save(tmp_path / "cell")
    (tmp_path / "cell" / "README.md").write_text(f"---\n{matter}\n---\n")
    with pytest.raises((IntegrityError, DataError)):
        bring_in(hub, tmp_path / "cell", Ref.parse("me/jak@1.0"))


def test_what_may_not_be_passed_on_is_not_exported(hub, card, card_fields, tmp_path):
    hub.publish(card, {**card_fields, "terms": ["no-redistribution"]}, visibility="private")
    with pytest.raises(DataError, match="no-redistribution"):
        export(hub, "dataset-card/lab/jak", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_altered_folder_does_not_come_in(hub, other, card, card_fields, tmp_path):
    hub.publish(card, card_fields)
    export(hub, "dataset-card/lab/jak", tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text() == "# Three cells\n"
    (tmp_path / "out" / "card.json").write_text("{}")
    for ref in (None, Ref.parse("dataset-card/me/jak@1.0")):
        with pytest.raises(IntegrityError, match="altered"):
            bring_in(other, tmp_path / "out", ref)
    assert other.search() == []


def test_a_readme_shows_words_as_words(hub, card, card_fields):
    words = "</script><b>bold</b> [a](javascript:b) `code`\n# Not a heading\x1b[31m"
    made = hub.publish(card, {**card_fields, "description": words, "licence": "LicenseRef-mine"})
    said = readme(made)
    assert "<b>" not in said
    assert "\x1b" not in said
    assert "> \\# Not a heading" in said
    assert yaml.safe_load(said.split("---\n")[1])["license_name"] == "LicenseRef-mine"
