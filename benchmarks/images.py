"""All of images in one file, its bars with the task that each is of.

    AIVC_DATA=../shared/data python benchmarks/images.py [--parts NAME,NAME] [--resume | --join]

Each part is a script of its own and writes a file of its own, with nulls beside every score; it runs in a process of
its own, so that its seconds and its memory are its own. ``--parts`` runs some, and leaves of the others what stood in
``results/images.json``. ``--resume`` goes on with a run that was broken off, and does not run again what had finished
in it. ``--join`` runs nothing: it reads the files of the parts as they are. Parts that are not there are named.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any

from joined_parts import JoinedParts

# Each part, and the task of its bars where their names begin with none.
PARTS = {
    "image_profiles": "cost",
    "image_decoders": "decoders",
    "image_tokens": "image tokens",
    "cross_modal": "across modalities",
    "localization": "localization",
    "movies": "movies",
}
MAY_LACK = frozenset({"image_tokens", "cross_modal", "localization", "movies"})


def task_of(part: str, one: Mapping[str, Any]) -> str:
    """The task that a bar names by its first word, such as ``I6``; else that of its part."""
    first = re.split(r"[ ,:]", str(one["name"]), maxsplit=1)[0]
    return first if re.fullmatch(r"I\d+[a-z]?", first) else PARTS[part]


IMAGES = JoinedParts("images", (__doc__ or "").split("\n", 1)[0], PARTS, task_of, MAY_LACK)

if __name__ == "__main__":
    IMAGES.main(sys.argv[1:])
