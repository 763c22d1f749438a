"""What the users of a service see of its paths: names of files, without the folders they lie in."""

import re
from collections.abc import Iterable
from pathlib import Path

_PLAIN = r"(?:[\w.@+-]+/)+"
# A file with an ending is what sets folders with spaces apart from a sentence; no ending stands before a space.
_SPACED = r"(?:(?:[\w@+-]+ )*[\w.@+-]+/)+(?=[\w@+-]+(?: [\w@+-]+)*\.\w)"
_NOT_WINDOWS = r"[^\\/:*?\"'<>|\r\n]+"
_FOLDERS = re.compile(
    "|".join(
        (
            # Between quotes, all of it is a path.
            r"(?<=['\"])(?:/(?!api/)|[A-Za-z]:[\\/]|\\\\)[^'\"\r\n]*[\\/]",
            rf"\b(?:file|sqlite(?:\+\w+)?)://+{_PLAIN}",
            rf"(?<!\w)[A-Za-z]:\\+(?:{_NOT_WINDOWS}\\+)*",
            rf"(?<!\w)[A-Za-z]:/{_PLAIN}",
            rf"(?<![\\\w])\\\\+(?:{_NOT_WINDOWS}\\+)+",
            rf"(?<![\w.:/-])/(?!api/)(?:{_SPACED}|{_PLAIN})",
        )
    )
)


def without_folders(text: str, places: Iterable[Path] = ()) -> str:
    r"""A sentence that names files without where they lie, which concerns only who runs the service.

    Args:
        text: The sentence.
        places: Folders that are known by name, and so are recognized however they are called.

    >>> without_folders("/one/x-1/x.csv is empty ('/two/b.h5'); see https://example.org/a/b or /api/v1/jobs.")
    "x.csv is empty ('b.h5'); see https://example.org/a/b or /api/v1/jobs."
    >>> without_folders(r"/srv/my data/x.csv and C:\Users\Ada B\y.csv are empty; see /srv/x.")
    'x.csv and y.csv are empty; see x.'
    """
    for place in sorted({str(each) for each in places}, key=len, reverse=True):
        if len(place) > 1:
            text = re.sub(rf"{re.escape(place)}[\\/](?:[\w.@+-]+[\\/])*", "", text)
    return _FOLDERS.sub("", text)
