"""All of time in one file, its bars with the task that each is of.

    AIVC_DATA=../shared/data python benchmarks/time_courses.py [--parts NAME,NAME] [--resume | --join]

Each part is a script of its own and writes a file of its own, with floors and nulls beside every score; it runs in a
process of its own, so that its seconds and its memory are its own. ``--parts`` runs some, and leaves of the others what
stood in ``results/time.json``. ``--resume`` goes on with a run that was broken off, and does not run again what had
finished in it. ``--join`` runs nothing: it reads the files of the parts as they are.
"""

import re
import sys
from collections.abc import Mapping
from typing import Any

from joined_parts import JoinedParts

# Each part, and the task of its bars where their names begin with none.
PARTS = {
    "time_populations": "populations",
    "time_fates": "fates",
    "schedules": "schedules",
    "transport_speed": "transport plans",
}
# First words of bars that name no task.
TASKS = {"fate": "T4", "clones": "T5b", "order": "T6", "series": "T7"}


def task_of(part: str, one: Mapping[str, Any]) -> str:
    """The task that a bar names by its first word; else that of its part."""
    first = re.split(r"[ ,]", str(one["name"]), maxsplit=1)[0]
    return first if re.fullmatch(r"T\d[a-z]?", first) else TASKS.get(first, PARTS[part])


TIME = JoinedParts("time", (__doc__ or "").split("\n", 1)[0], PARTS, task_of, script="time_courses")

if __name__ == "__main__":
    TIME.main(sys.argv[1:])
