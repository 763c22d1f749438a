"""Licences by their SPDX names, and what the terms of the training data leave open to whoever publishes."""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from aivc.core.errors import DataError, UnknownNameError
from aivc.data import catalog


class UseTerm(StrEnum):
    """What may be done with something, beside what its licence says."""

    ATTRIBUTION = "attribution"
    SHARE_ALIKE = "share-alike"
    UNSTATED = "unstated"
    NON_COMMERCIAL = "non-commercial"
    NO_REDISTRIBUTION = "no-redistribution"


class Visibility(StrEnum):
    """Who sees what is in a namespace."""

    PUBLIC = "public"
    GATED = "gated"
    PRIVATE = "private"


# What the licence texts of the catalog, and others like them, say of data.
_SAID = (
    (UseTerm.NO_REDISTRIBUTION, re.compile(r"no[nt]?[- ](be )?redistribut|no redistribution", re.I)),
    (UseTerm.NON_COMMERCIAL, re.compile(r"-NC\b|\bNC\b|non-?commercial|academic use|limit commercial use", re.I)),
    (UseTerm.SHARE_ALIKE, re.compile(r"\bCC[ -]BY(-NC)?-SA\b", re.I)),
    (UseTerm.ATTRIBUTION, re.compile(r"\bCC[ -]BY\b", re.I)),
    (UseTerm.UNSTATED, re.compile(r"none stated|not stated|unverified|unknown", re.I)),
)
# Licences that grant more than such terms leave to grant.
_NC, _SA = re.compile(r"-NC(-|$)|Noncommercial", re.I), re.compile(r"-SA(-|$)", re.I)


def spdx(text: str) -> str:
    """A licence as SPDX writes it.

    Raises:
        DataError: SPDX knows no such licence.

    >>> spdx("apache-2.0"), spdx("cc-by-4.0")
    ('Apache-2.0', 'CC-BY-4.0')
    """
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression as error:
        raise DataError([
            f"{text[:80]!r} is no licence that SPDX lists. Give its short name, such as Apache-2.0, CC-BY-4.0 or "
            "CC-BY-NC-4.0; where none of the list fits, LicenseRef- and a name of your own."
        ]) from error  # fmt: skip


def terms_of(licence: str) -> frozenset[UseTerm]:
    """Terms that a licence text states.

    >>> sorted(terms_of("repository GPL-3; upstream notes restrict some sources to academic use"))
    [<UseTerm.NON_COMMERCIAL: 'non-commercial'>]
    >>> sorted(terms_of("CC BY 4.0"))
    [<UseTerm.ATTRIBUTION: 'attribution'>]
    """
    return frozenset(term for term, said in _SAID if said.search(licence))


def catalog_terms(source: str) -> tuple[str, frozenset[UseTerm]]:
    """Licence of a dataset of the catalog, and its terms; ``unknown`` where the catalog does not have it.

    >>> catalog_terms("drug-mechanisms")
    ('CC0 1.0', frozenset())
    >>> catalog_terms("my own screen")[0]
    'unknown'
    """
    try:
        licence = catalog.entry(source).licence
    except UnknownNameError:
        licence = "unknown"
    return licence, terms_of(licence)


def strictest(parts: Iterable[Collection[UseTerm]]) -> frozenset[UseTerm]:
    """Terms of what was made from several things: all that any of them asks for.

    >>> sorted(map(str, strictest([{UseTerm.ATTRIBUTION}, {UseTerm.NON_COMMERCIAL}])))
    ['attribution', 'non-commercial']
    """
    return frozenset(term for terms in parts for term in terms)


def conflicts(licence: str, terms: Collection[UseTerm], visibility: Visibility) -> list[str]:
    """What cannot be published so.

    Args:
        licence: SPDX expression it is to be published under.
        terms: Own and inherited ones.
        visibility: Of the namespace.

    Returns:
        One sentence with a remedy for each conflict.

    >>> conflicts("CC-BY-4.0", {UseTerm.ATTRIBUTION}, Visibility.PUBLIC)
    []
    """
    found = []
    if UseTerm.NO_REDISTRIBUTION in terms and visibility is Visibility.PUBLIC:
        found.append(
            "Its terms are no-redistribution, and the namespace is public. Publish into a private or gated one."
        )
    if UseTerm.NON_COMMERCIAL in terms and not _NC.search(licence) and not licence.startswith("LicenseRef-"):
        found.append(
            f"Its training data, or its own terms, are for non-commercial use, which {licence} does not keep to. "
            "Choose a licence such as CC-BY-NC-4.0."
        )
    if UseTerm.SHARE_ALIKE in terms and not _SA.search(licence) and not licence.startswith("LicenseRef-"):
        found.append(
            f"Its training data are to be shared alike, which {licence} does not do. Choose their licence, such as "
            "CC-BY-SA-4.0."
        )
    return found


def require_redistributable(terms: Collection[UseTerm], what: str) -> None:
    """Refuse to write out what may not be passed on.

    Raises:
        DataError: Its terms forbid it.
    """
    if UseTerm.NO_REDISTRIBUTION in terms:
        raise DataError([f"{what} may not be passed on: its terms are no-redistribution. Ask whoever published it."])
