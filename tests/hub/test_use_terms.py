import pytest

from aivc.core.errors import DataError
from aivc.data import catalog
from aivc.hub.use_terms import UseTerm, Visibility, catalog_terms, conflicts, require_redistributable, spdx, terms_of


def test_licences_are_those_of_spdx():
    assert spdx("mit AND cc-by-4.0") == "MIT AND CC-BY-4.0"
    with pytest.raises(DataError, match="no licence that SPDX lists"):
        spdx("do what you like")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("CC0 1.0", set()),
        ("repository BSD-3-Clause; MSigDB CC BY 4.0", {"attribution"}),
        ("CC BY-NC-SA 4.0", {"attribution", "non-commercial", "share-alike"}),
        ("data of the paper, terms not stated", {"unstated"}),
        ("not redistributable without a licence", {"no-redistribution"}),
    ],
)
def test_terms_are_read_off_licence_texts(text, terms):
    assert set(map(str, terms_of(text))) == terms


def test_terms_of_the_catalog_are_known():
    assert UseTerm.NON_COMMERCIAL in catalog_terms("gdsc")[1]
    assert UseTerm.NON_COMMERCIAL in catalog_terms("dorothea")[1]
    # Each dataset either states terms, or a licence that asks for nothing, or says that nothing is known.
    silent = [name for name in catalog.names() if not catalog_terms(name)[1]]
    assert all(
        set(catalog.entry(name).licence.replace(".", " ").split()) & {"CC0", "BSD-3", "Apache-2", "GPL-3"}
        for name in silent
    )


@pytest.mark.parametrize(
    ("licence", "term", "seen", "refused"),
    [
        ("MIT", "no-redistribution", "public", "private or gated"),
        ("MIT", "no-redistribution", "private", ""),
        ("MIT", "non-commercial", "private", "CC-BY-NC-4.0"),
        ("CC-BY-NC-4.0", "non-commercial", "public", ""),
        ("CC-BY-4.0", "share-alike", "public", "CC-BY-SA-4.0"),
        ("CC-BY-SA-4.0", "share-alike", "public", ""),
    ],
)
def test_terms_are_enforced(licence, term, seen, refused):
    said = conflicts(licence, {UseTerm(term)}, Visibility(seen))
    assert bool(said) == bool(refused)
    assert refused in " ".join(said)


def test_what_may_not_be_passed_on_is_not_written_out():
    with pytest.raises(DataError, match="no-redistribution"):
        require_redistributable([UseTerm.NO_REDISTRIBUTION], "It")
