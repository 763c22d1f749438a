"""Whether a text can be a SMILES or an InChIKey, as far as its spelling tells."""

import re

from aivc.core.errors import MoleculeError

_INCHI_KEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
# Atoms in brackets (isotope, element, chirality, hydrogens, charge, class) or without, bonds, rings, branches, dots.
_TOKEN = re.compile(
    r"(?P<atom>\[\d*(?:[A-Z][a-z]?|[a-z]{1,2}|\*)(?:@{0,2}(?:(?:TH|AL|SP|TB|OH)\d+)?)(?:H\d*)?"
    r"(?:\++\d*|-+\d*)?(?::\d+)?\]|Br|Cl|[BCNOPSFI]|[bcnops]|\*)"
    r"|(?P<bond>[-=#$:/\\~])|(?P<ring>%\d\d|\d)|(?P<branch>[()])|(?P<dot>\.)"
)


def is_inchi_key(text: str) -> bool:
    """Whether a text is spelled as an InChIKey.

    >>> is_inchi_key("LFQSCWFLJHTTHZ-UHFFFAOYSA-N")
    True
    """
    return _INCHI_KEY.fullmatch(text) is not None


def check_smiles(text: str) -> str:
    """Return a text that is spelled as a SMILES: letters known, branches and rings closed. Valences are not checked.

    Raises:
        MoleculeError: It is not, and where.

    >>> check_smiles("c1ccccc1O")
    'c1ccccc1O'
    """
    at, depth, before, rings = 0, [], "start", dict[str, int]()
    while at < len(text):
        token = _TOKEN.match(text, at)
        kind = token.lastgroup if token else None
        if token is None or not _follows(str(kind), token[0], before):
            raise MoleculeError(_wrong(text, at, "does not belong there"))
        if kind == "ring":
            number = token[0].lstrip("%").lstrip("0")
            if rings.pop(number, None) is None:
                rings[number] = at
        elif token[0] == "(":
            depth.append(at)
        elif token[0] == ")":
            if not depth:
                raise MoleculeError(_wrong(text, at, "closes no branch"))
            depth.pop()
        before, at = token[0] if kind == "branch" else str(kind), token.end()
    if open_ := [*depth, *rings.values()]:
        raise MoleculeError(_wrong(text, min(open_), "is never closed"))
    if before in ("start", "bond", "dot", "("):
        raise MoleculeError(_wrong(text, max(len(text) - 1, 0), "cannot be the end"))
    return text


def _follows(kind: str, token: str, before: str) -> bool:
    """Whether a token may stand behind another: atoms everywhere, what joins them only behind atoms."""
    if kind == "atom":
        return True
    if kind == "bond":
        return before in ("atom", "ring", ")", "(")
    if kind == "ring":
        return before in ("atom", "ring", "bond")
    return before in ("atom", "ring", ")")


def _wrong(text: str, at: int, what: str) -> str:
    shown = repr(text[at : at + 1]) if text else "nothing"
    return f"A SMILES such as CCO was wanted, got {text[:60]!r}: {shown} at {at + 1} {what}. Correct it."
