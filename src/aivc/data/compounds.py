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
