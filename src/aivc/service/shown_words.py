"""What is refused in terms of a shell or of Python, said in terms of the API and of the page."""

import re

# Settings that the page has words of its own for.
_ON_PAGE = {"allow_unknown": ', or "Ask all the same" on the page'}
_BOTH = re.compile(r"\b(\w+)=True, or --[a-z-]+ in a shell")
_IN_PYTHON = re.compile(r" \(in Python, [^()]*\)")
_IN_SHELL = re.compile(r"(?<![\w-])--([a-z][a-z-]*[a-z])\b")


def in_words_of_the_api(text: str) -> str:
    """A sentence that names fields of a request where it named options of a shell; commands stay as they are.

    >>> in_words_of_the_api("To get it all the same: allow_unknown=True, or --allow-unknown in a shell.")
    'To get it all the same: "allow_unknown": true in the request, or "Ask all the same" on the page.'
    >>> in_words_of_the_api("Allow them: --repeat-seen or --unexpressed (in Python, repeat_seen=True).")
    'Allow them: "repeat_seen" or "unexpressed".'
    >>> in_words_of_the_api("Ask an admin for one: aivc serve token new NAME --role reader.")
    'Ask an admin for one: aivc serve token new NAME --role reader.'
    """
    text = _BOTH.sub(lambda found: f'"{found[1]}": true in the request{_ON_PAGE.get(found[1], "")}', text)
    if "aivc " in text:
        return text
    return _IN_SHELL.sub(lambda found: f'"{found[1].replace("-", "_")}"', _IN_PYTHON.sub("", text))
