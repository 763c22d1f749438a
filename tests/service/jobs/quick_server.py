"""A server that only works on jobs, until it is killed; see `server`."""

import sys
import threading
from pathlib import Path

from aivc.hub.database import open_database
from aivc.service.jobs.job import JobPace
from aivc.service.jobs.jobs import Jobs

PACE = JobPace(lease=3.0, beat=0.5, scan=0.5, grace=1.0, weigh=0.2)
KINDS = ("service.jobs.quick_kinds",)

if __name__ == "__main__":
    url, home, queue, slots = sys.argv[1:]
    jobs = Jobs.open(open_database(url), Path(home), queue, kinds=KINDS, pace=PACE)
    jobs.work(int(slots))
    print("ready", flush=True)
    threading.Event().wait()
