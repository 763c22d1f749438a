"""What the users of a service see of its paths: names of files, without the folders they lie in."""

import re

_FOLDERS = re.compile(r"(?<![\w.:/-])/(?!api/)(?:[\w.@+-]+/)+")


def without_folders(text: str) -> str:
    """A sentence that names files without where they lie, which concerns only who runs the service.

    >>> without_folders("/one/x-1/x.csv is empty ('/two/b.h5'); see https://example.org/a/b or /api/v1/jobs.")
    "x.csv is empty ('b.h5'); see https://example.org/a/b or /api/v1/jobs."
    """
    return _FOLDERS.sub("", text)
