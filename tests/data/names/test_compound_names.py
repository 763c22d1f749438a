"""Names of compounds: the packaged table decides where it knows one, spelling rules where it does not."""

import pytest

from aivc.core.perturbation import Agent, Perturbation
from aivc.data.names.compound_names import aliases, bare, canonical, compound, family_of, mechanism_rows, target_keys
from aivc.data.priors.mechanism_table import mechanism_of, mechanisms


def test_every_name_of_the_table_finds_its_own_row():
    for row in mechanism_rows():
        assert canonical(row["name"]) == row["canonical"], row["name"]
        assert canonical(row["canonical"]) == row["canonical"]


def test_no_two_compounds_of_the_table_share_a_key():
    names = {row["canonical"] for row in mechanism_rows()}
    assert len({compound(name) for name in names}) == len(names) == 507


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Berbamine (dihydrochloride)", "berbamine"),
        ("(+)-JQ1", "JQ1"),
        ("g(+)-JQ1", "(-)-JQ1"),
        ("18β-Glycyrrhetinic acid", "18BETA-glycyrrhetinic Acid"),
        ("Quisinostat (JNJ-26481585) 2HCl ", "JNJ 26481585"),
        ("Sodium Salicylate", "Salicylic acid"),
        ("[Rapamycin]", "sirolimus"),
        ("Glibenclamide hydrochloride", "glibenclamide"),
    ],
)
def test_one_compound_under_two_names(name, other):
    assert compound(name) == compound(other)
    assert family_of(Perturbation((Agent("drug", name.strip(), 1.0, "uM"),))) == family_of(
        Perturbation((Agent("drug", other.strip()),))
    )


@pytest.mark.parametrize(("name", "other"), [("Everolimus", "Temsirolimus"), ("β-estradiol", "α-estradiol")])
def test_relatives_are_other_compounds(name, other):
    assert compound(name) != compound(other)


def test_what_is_only_a_salt_names_no_compound():
    assert canonical("hydrochloride") is None
    assert compound("hydrochloride") == "hydrochloride"


def test_a_key_is_its_own_key():
    for row in mechanism_rows():
        assert compound(compound(row["name"])) == compound(row["name"])
    assert compound(bare("Unlisted (XYZ-1)")) == "unlisted"


def test_other_names_end_with_the_canonical_one():
    assert aliases("ABT-199 (GDC-0199)") == ["ABT-199 (GDC-0199)", "ABT-199", "GDC-0199", "venetoclax"]


def test_genes_keep_their_case_and_drugs_do_not():
    assert target_keys(Perturbation.parse("ko:TP53 + drug:Nutlin-3@1uM")) == {"TP53", "nutlin3"}
    assert target_keys(Perturbation.parse("time for 4h")) == frozenset()
    assert family_of(Perturbation.parse("time for 4h")) == "time for 4h"


def test_mechanisms_by_any_name():
    assert mechanism_of("Berbamine dihydrochloride") is mechanisms()["berbamine"]
    assert mechanism_of("Topotecan hydrochloride").targets == ("TOP1",)
    assert mechanism_of("unlisted") is None


def test_of_undisclosed_drugs_and_of_the_other_isomer_nothing_is_known():
    assert mechanisms()["AZ-U"].known is False
    assert mechanism_of("AZ-U") is None
    assert mechanism_of("(+)-JQ1").mechanism == "bromodomain inhibitor"
    assert mechanism_of("(-)-JQ1") is None
