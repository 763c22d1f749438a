"""Works on jobs: threads that take what is delivered, and look through the table for what was not."""

import logging
import threading
import time
from typing import final

from sqlalchemy.exc import SQLAlchemyError

from aivc.service.jobs.delivery import Delivery
from aivc.service.jobs.supervisor import JobEnvironment, Supervisor

_LOG = logging.getLogger(__name__)
# Between two looks at the queue, in seconds.
_PAUSE = 0.2


@final
class JobWorker:
    """Works on some jobs at a time, each in a process of its own.

    Args:
        about: What these processes need to know.
        delivery: Brings names of jobs.
        slots: How many jobs at a time.
    """

    def __init__(self, about: JobEnvironment, delivery: Delivery, slots: int) -> None:
        self._about, self._delivery = about, delivery
        self._stop = threading.Event()
        self._scan = threading.Lock()
        self._scanned = -about.pace.scan
        self._threads = [
            # The system ends the processes of jobs with the thread that began them, so these live as long as it.
            threading.Thread(target=self._run, name=f"aivc-jobs-{slot}", daemon=True)
            for slot in range(slots)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; jobs at work are ended and wait for another worker, and nothing of what they finished is lost."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._delivery.take(self._work) or self._work_on_any():
                    continue
            except (SQLAlchemyError, OSError) as error:
                _LOG.warning("Jobs cannot be worked on (%s). Trying again.", error)
                self._stop.wait(self._about.pace.scan)
            self._stop.wait(_PAUSE)

    def _work(self, name: str) -> None:
        """Work on a job; what another has, or is finished, is left alone."""
        if not self._stop.is_set():
            Supervisor(self._about, name, self._stop).run()

    def _work_on_any(self) -> bool:
        """Look through the table, now and then, for jobs that nobody brought; work on the first that can be had."""
        with self._scan:
            if time.monotonic() - self._scanned < self._about.pace.scan:
                return False
            self._scanned = time.monotonic()
        for name in self._about.table.waiting():
            if self._stop.is_set():
                return False
            if Supervisor(self._about, name, self._stop).run():
                with self._scan:
                    # There may be more where this one came from.
                    self._scanned = -self._about.pace.scan
                return True
        return False
