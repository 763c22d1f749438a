"""When two names mean one compound: salts, hydrates, code names, case and punctuation do not make another one."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

from aivc.core.perturbation import Agent, Perturbation, kind_of
from aivc.data.names.label_rules import compounds_behind, gene_behind

MECHANISMS = Path(__file__).parents[1] / "packaged" / "drug_mechanisms.tsv"
_SALT = re.compile(
    r"(mono|di|tri|hemi|2)?(acetate|base|besylate|bromide|calcium|chloride|citrate|free|fumarate|hbr|hcl|hydrate|"
    r"hydrobromide|hydrochloride|iodide|lactate|lithium|magnesium|malate|maleate|mesylate|nitrate|oxalate|phosphate|"
    r"potassium|salt|sodium|succinate|sulfate|sulphate|tartrate|tfa|tosylate|trifluoroacetate)"
)


@lru_cache(maxsize=100_000)
def compound(name: str) -> str:
    """Key of a compound: equal for its salts, its code names and however they are spelled.

    The packaged table of drug mechanisms decides where it knows a name; for others salt, case and punctuation go.

    >>> compound("Doxorubicin (hydrochloride)") == compound("doxorubicin")
    True
    >>> compound("SLx-2119 "), compound("Rapamycin")
    ('belumosudil', 'sirolimus')
    """
    return _spelled(canonical(name) or name)


@lru_cache(maxsize=100_000)
def canonical(name: str) -> str | None:
    """Canonical name of a compound in the packaged table of drug mechanisms; None where the table does not know it.

    >>> canonical("Trametinib (GSK1120212)"), canonical("unlisted")
    ('trametinib', None)
    """
    index = _index()
    found = (index[key] for alias in _written(name) for key in _keys(alias) if key in index)
    return next(found, None)


def aliases(name: str) -> list[str]:
    """Names to look a compound up by, in order: as it stands, without what is in brackets, what is in them, canonical.

    >>> aliases("Alisertib (MLN8237)")
    ['Alisertib (MLN8237)', 'Alisertib', 'MLN8237']
    >>> aliases("g(+)-JQ1")
    ['g(+)-JQ1', 'JQ1']
    """
    found = _written(name)
    known = canonical(name)
    written = {_letters(each) for each in found}
    return found if known is None or _letters(known) in written else [*found, known]


def bare(name: str) -> str:
    """Key of a compound (`compound`) without whatever stands in brackets behind its name.

    >>> bare("Trametinib (GSK1120212)")
    'trametinib'
    """
    found = _written(name)
    return compound(name) if canonical(name) else compound(found[1] if len(found) > 1 else name)


def target_keys(perturbation: Perturbation) -> frozenset[str]:
    """What counts as the same targets: genes by their symbol, compounds and ligands by their key (`compound`).

    Names that can only be those of guides, or that hold a dose with its unit, count as the gene or compound behind.

    >>> sorted(target_keys(Perturbation.parse("drug:Topotecan hydrochloride@1uM + ko:TP53_g2")))
    ['TP53', 'topotecan']
    """
    return frozenset(key for agent in perturbation.agents for key in _keys_of(agent))


def _keys_of(agent: Agent) -> Iterable[str]:
    if kind_of(agent.kind).genetic:
        return [gene_behind(agent.target)]
    return map(compound, compounds_behind(agent.target))


def family_of(perturbation: Perturbation) -> str:
    """Name the set of targets: doses, kinds, durations and salts of the same targets are one family.

    Unlike `Perturbation.family`, it knows when two names mean one compound.

    >>> family_of(Perturbation.parse("drug:Berbamine (dihydrochloride)@1uM + ko:TP53"))
    'TP53 + berbamine'
    """
    return " + ".join(sorted(target_keys(perturbation))) or str(perturbation)


def _written(name: str) -> list[str]:
    """The names that a text itself holds: the whole, and what stands before and in brackets behind a space."""
    # A bracket inside a word is part of the name; one behind a space holds other names.
    before = re.sub(r"\s+\([^()]*\)", "", name).strip()
    inside = [part.strip() for found in re.findall(r"\s\(([^()]*)\)", name) for part in found.split(",")]
    return [each for each in dict.fromkeys((name, before, *inside)) if each]


def _words(name: str) -> list[str]:
    """Words of a name in plain lowercase letters and digits; Greek letters are written out."""
    plain = "".join(map(_plain, unicodedata.normalize("NFKD", name)))
    return re.findall(r"[a-z0-9]+", plain.casefold())


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter
    found = re.fullmatch(r"GREEK (?:SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)", unicodedata.name(letter, ""))
    # Accents were split off by the normal form and are dropped; a dash or a space of another kind divides words.
    return found[1].lower() if found else "" if unicodedata.combining(letter) else " "


def _letters(name: str) -> str:
    return "".join(_words(name))


def _spelled(name: str) -> str:
    """Name a compound without its salt, case and punctuation; what is all salt keeps its words."""
    words = _words(name)
    return "".join([word for word in words if not _SALT.fullmatch(word)] or words) or name


def _keys(name: str) -> Iterator[str]:
    """Spellings to find a name by: with its salt, then without. What is nothing but a salt names no compound."""
    words = _words(name)
    if words and not all(map(_SALT.fullmatch, words)):
        yield "".join(words)
        yield _spelled(name)


@cache
def mechanism_rows() -> Sequence[Mapping[str, str]]:
    """Rows of the packaged table of drug mechanisms, as they stand."""
    with MECHANISMS.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


@cache
def _index() -> Mapping[str, str]:
    """Canonical names by spelling. A whole name goes before one in brackets; what two compounds share names neither."""
    index: dict[str, str] = {}
    rows = mechanism_rows()
    for read in (lambda name: [name], lambda name: _written(name)[1:]):
        found: dict[str, set[str]] = {}
        for row in rows:
            for name in (row["canonical"], row["name"]):
                for key in (key for alias in read(name) for key in _keys(alias)):
                    found.setdefault(key, set()).add(row["canonical"])
        index = {key: next(iter(names)) for key, names in found.items() if len(names) == 1} | index
    return index
