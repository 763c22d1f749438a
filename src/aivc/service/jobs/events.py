"""What becomes of a job, as server-sent events: one at each change, until it ends."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import final

from starlette.concurrency import run_in_threadpool

from aivc.core.errors import UnknownNameError
from aivc.service.jobs.job import Job
from aivc.service.jobs.jobs import Jobs

# A comment is sent after so many seconds without a change, so that nobody in between takes the line for dead.
_SILENCE = 15.0
_LOOK = 0.4
# Milliseconds after which a browser asks again when the line breaks.
_RETRY = 2000


@final
class JobEvents:
    """The events of one job.

    Args:
        jobs: Where it is.
        name: Of the job.
        seen: Version that was seen already, as the browser says when it asks again; -1 for none.
        silence: Seconds without a change after which a comment is sent.
        look: Seconds between two looks at it.
    """

    def __init__(
        self, jobs: Jobs, name: str, seen: int = -1, *, silence: float = _SILENCE, look: float = _LOOK
    ) -> None:
        self._jobs, self._name, self._seen = jobs, name, seen
        self._silence, self._look = silence, look

    async def text(self, is_left: Callable[[], bool] = lambda: False) -> AsyncIterator[str]:
        """What is sent, piece by piece; it ends when the job has ended, or everybody has left."""
        yield f"retry: {_RETRY}\n\n"
        seen, said = self._seen, time.monotonic()
        while not is_left():
            try:
                version = await run_in_threadpool(self._jobs.version, self._name)
                job = await run_in_threadpool(self._jobs.get, self._name) if version != seen else None
            except UnknownNameError:
                # It was deleted meanwhile: there is nothing more to say.
                return
            if job is not None:
                seen, said = job.version, time.monotonic()
                yield event(job)
                if job.is_finished:
                    return
            elif time.monotonic() - said >= self._silence:
                said = time.monotonic()
                yield ": still here\n\n"
            await asyncio.sleep(self._look)


def event(job: Job) -> str:
    """One event: the whole job, under the number of its version."""
    return f"id: {job.version}\nevent: job\ndata: {json.dumps(job.to_json())}\n\n"
