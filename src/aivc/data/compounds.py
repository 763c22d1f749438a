"""When two names mean one compound: salts, hydrates, case and punctuation do not make another one."""

import re

_SALT = re.compile(
    r"(mono|di|tri|hemi|2)?(acetate|base|besylate|bromide|calcium|chloride|citrate|free|fumarate|hbr|hcl|hydrate|"
    r"hydrobromide|hydrochloride|iodide|lactate|lithium|magnesium|malate|maleate|mesylate|nitrate|oxalate|phosphate|"
    r"potassium|salt|sodium|succinate|sulfate|sulphate|tartrate|tfa|tosylate|trifluoroacetate)"
)


def compound(name: str) -> str:
    """Name a compound without its salt, case and punctuation.

    >>> compound("Doxorubicin (hydrochloride)") == compound("doxorubicin")
    True
    """
    words = re.findall(r"[a-z0-9]+", name.casefold())
    return "".join([word for word in words if not _SALT.fullmatch(word)] or words) or name


def aliases(name: str) -> list[str]:
    """Names to look a compound up by, in order: as it stands, without what is in brackets, and what is in them.

    >>> aliases("Alisertib (MLN8237)")
    ['Alisertib (MLN8237)', 'Alisertib', 'MLN8237']
    >>> aliases("g(+)-JQ1")
    ['g(+)-JQ1']
    """
    # A bracket inside a word is part of the name; one behind a space holds other names.
    bare = re.sub(r"\s+\([^()]*\)", "", name).strip()
    inside = [part.strip() for found in re.findall(r"\s\(([^()]*)\)", name) for part in found.split(",")]
    return [each for each in dict.fromkeys((name, bare, *inside)) if each]


def bare(name: str) -> str:
    """Name a compound without salt, case, punctuation and whatever stands in brackets behind it.

    >>> bare("Trametinib (GSK1120212)")
    'trametinib'
    """
    found = aliases(name)
    return compound(found[1] if len(found) > 1 else name)
