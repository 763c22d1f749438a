r"""Shows text of any origin as text: what would steer a terminal or turn the reading direction is spelled out."""

import unicodedata

# Controls, marks of direction and other invisible signs, halves of letters, private and unknown letters, line breaks.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_KEPT = "\n\t"


def visible(text: object) -> str:
    r"""Spell out every sign that a terminal would obey instead of showing it; line breaks and tabs stay.

    What is spelled out is so as in JSON and TOML, so that both still read it.

    >>> print(visible("\x1b[31mTP53\u202e"))
    \u001b[31mTP53\u202e
    """
    said = str(text)
    if said.isascii() and said.isprintable():
        return said
    return "".join(letter if letter in _KEPT or not _is_unseen(letter) else _spelled(letter) for letter in said)


def _is_unseen(letter: str) -> bool:
    return not letter.isprintable() and unicodedata.category(letter) in _UNSEEN


def _spelled(letter: str) -> str:
    code = ord(letter)
    if code < 0x10000:
        return f"\\u{code:04x}"
    # JSON knows no longer form than a pair of surrogates.
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
