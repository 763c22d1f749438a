"""All of in-silico experiments in one file, its bars with the task that each is of.

    AIVC_DATA=../shared/data python benchmarks/experiments.py [--parts NAME,NAME] [--resume | --join]

Each part is a script of its own and writes a file of its own; it runs in a process of its own, so that its seconds and
its memory are its own. ``--parts`` runs some, and leaves of the others what stood in ``results/experiments.json``.
``--resume`` goes on with a run that was broken off, and does not run again what had finished in it. ``--join`` runs
nothing: it reads the files of the parts as they are. Parts that are not there are named. ``scale`` wants Ray (the extra
``scale``) for one of its bars; ``peers_assay`` is made with the Python of another environment, and only read here.
"""

import sys
from collections.abc import Mapping
from typing import Any

from joined_parts import JoinedParts

# Each part, and the task of its bars.
PARTS = {
    "library_walk": "library",
    "scale": "screens in shards",
    "wide_screen": "memory of wide screens",
    "inverse_design": "search",
    "phenotypic_screen": "phenotypic screen",
    "campaigns": "campaigns",
    "peers_assay": "metrics of campaigns",
}
MAY_LACK = frozenset({"wide_screen"})


def task_of(part: str, one: Mapping[str, Any]) -> str:
    """The task of a part; of campaigns also what the candidates are."""
    name = str(one["name"])
    if part == "campaigns":
        return "campaigns of pairs" if name.startswith("pairs") else "campaigns of genes"
    return PARTS[part]


EXPERIMENTS = JoinedParts(
    "experiments", (__doc__ or "").split("\n", 1)[0], PARTS, task_of, MAY_LACK, only_read=frozenset({"peers_assay"})
)

if __name__ == "__main__":
    EXPERIMENTS.main(sys.argv[1:])
