import asyncio
import json

from aivc.service.jobs.events import JobEvents
from service.jobs.job_tools import opened


def test_each_change_is_told_silence_is_broken_and_the_end_is_the_end(tmp_path):
    with opened(tmp_path, queue="none") as jobs:
        name = jobs.submit("count", {"upto": 1}, "ada").id
        table = jobs._table
        changes = [
            lambda: table.claim(name, "me", 30.0),
            lambda: table.tell(name, "me", {"text": "counting", "done": 1, "total": 2, "seconds_left": 1.0}),
            lambda: table.write(name, "a line"),
            lambda: table.end(name, "me", "done", result={"n": 1}),
        ]

        async def heard():
            pieces, left = [], list(changes)
            async for piece in JobEvents(jobs, name, silence=0.02, look=0.005).text():
                pieces.append(piece)
                # Silence first, then the next change.
                if piece.startswith(":") and left:
                    left.pop(0)()
            return pieces

        pieces = asyncio.run(asyncio.wait_for(heard(), 20))
    told = [json.loads(line[6:]) for piece in pieces for line in piece.splitlines() if line.startswith("data: ")]
    assert [job["state"] for job in told] == ["queued", "running", "running", "running", "done"]
    assert told[2]["progress"]["done"] == 1
    assert told[3]["log"] == ["a line"]
    assert pieces[0].startswith("retry: ")
    assert all(piece.endswith("\n\n") for piece in pieces)


def test_what_was_seen_is_not_told_again(tmp_path):
    with opened(tmp_path, queue="none") as jobs:
        job = jobs.submit("count", {"upto": 1}, "ada")

        async def first():
            async for piece in JobEvents(jobs, job.id, job.version, silence=0.01, look=0.005).text():
                if not piece.startswith("retry"):
                    return piece
            return None

        assert asyncio.run(asyncio.wait_for(first(), 20)).startswith(":")


def test_of_a_job_that_is_not_there_nothing_is_told(tmp_path):
    with opened(tmp_path, queue="none") as jobs:

        async def heard():
            return [piece async for piece in JobEvents(jobs, "none").text()]

        assert len(asyncio.run(heard())) == 1
