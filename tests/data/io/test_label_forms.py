import pytest

from aivc.data.io.label_forms import form_of, joined


@pytest.mark.parametrize(
    ("names", "genetic", "value"),
    [
        (["STAT1_1", "STAT1_2", "JAK2_1"], True, "guide"),
        (["STAT1-1", "STAT1-2", "JAK2-1"], True, "guide"),
        (["STAT1", "STAT1.2", "JAK2.1"], True, "guide"),
        (["CEBPAg1"], True, "guide"),
        (["JAK2_KO", "MYC-KO", "IRF1 knockout"], True, "guide"),
        (["KLF1_posctrl", "JAK2"], True, "guide"),
        (["Cebpag1", "Cebpag2", "Mycg1", "Mycg2", "Klf1g1"], True, "(?P<target>.+)g[0-9]+"),
        (["[('A', 5.0, 'uM')]"], False, "drug-tuple"),
        (["0.2 uM A", "A"], False, "dose-in-label"),
        (["A_0.2"], False, "dose-in-label"),
        (["A_1", "A_10", "B_1", "B_10"], False, "dose-in-label"),
        (["JQ1_24h"], False, "hours-in-label"),
        (["JAK2_24h", "MYC"], True, "hours-in-label"),
        (["A_1uM_3 days"], False, "hours-in-label"),
        (["A 2h", "A 6h", "B 2h"], False, "hours-in-label"),
        (["JQ1 low", "JQ1 high"], False, "whole"),
        (["JQ1", "JQ1_high_dose"], False, "whole"),
    ],
)
def test_forms_are_seen(names, genetic, value):
    found = form_of(names, genetic=genetic)
    assert (found.field, found.value) == ("labels", value)
    assert set(found.shown) <= set(names)


@pytest.mark.parametrize(
    ("names", "genetic"),
    [
        (["NKX2-1", "NKX2-5", "HLA-A", "MT-ND1"], True),
        (["Alg1", "Alg2", "Plcg1", "Tp53", "Myc"], True),
        (["Alg1", "Alg2", "Plcg1", "Plcg2", "Atg5", "Atg7"], True),
        (["Compound 3h", "Compound 3k", "CD4 high"], False),
        ([f"gene_{i}" for i in range(9)], True),
        (["TP53", "NTC_1", "NTC_2", "neg1_1", "neg1_2"], True),
        (["BI_2536", "BI_6727", "PD_0325901", "5-FU"], False),
        ([f"cmpd-{i}" for i in range(9)], False),
        (["drug 1", "drug 2", "drug 3"], False),
    ],
)
def test_names_with_numbers_of_their_own_are_no_form(names, genetic):
    assert form_of(names, genetic=genetic) is None


@pytest.mark.parametrize(
    ("names", "genetic", "joiner"),
    [
        (["JAK2+ctrl"], True, "+"),
        (["ctrl+MYC"], True, "+"),
        (["A+B", "C"], False, "+"),
        (["JAK2|MYC"], True, "|"),
        (["JAK2;MYC"], True, ";"),
        (["JAK2_MYC", "JAK2", "MYC"], True, "_"),
        (["A|B", "A", "B"], False, "|"),
        (["JAK2_ctrl", "JAK2"], True, "_"),
    ],
)
def test_joined_agents_are_seen(names, genetic, joiner):
    found = joined(names, ["ctrl"], genetic=genetic)
    assert (found.field, found.value) == ("separator", joiner)


@pytest.mark.parametrize(
    ("names", "genetic"),
    [
        (["(+)-JQ1", "2i (LIF+MEKi+GSK3i)", "CD4+"], False),
        (["2,3-dimethylurea", "poly(I:C)", "A/B"], False),
        (["HLA-DRA", "NKX2-1", "JAK2"], True),
    ],
)
def test_signs_inside_names_join_nothing(names, genetic):
    assert joined(names, ["ctrl"], genetic=genetic) is None


def test_a_gene_beside_a_control_is_a_combination_with_it():
    assert joined(["JAK2_ctrl", "ctrl_STAT1", "MYC"], ["non-targeting"], genetic=True).value == "_"
    assert joined(["JAK2_STAT1", "MYC"], ["non-targeting"], genetic=True) is None


@pytest.mark.parametrize("name", ["1.17071e+07", "Na+/K+ inhibitor"])
def test_a_sign_that_does_not_stand_between_names_joins_nothing(name):
    assert joined([name, "JQ1"], ["DMSO"], genetic=False) is None


def test_words_join_names_that_are_known_alone():
    assert joined(["JQ1 and Trametinib", "JQ1", "Trametinib"], [], genetic=False).value == " and "
