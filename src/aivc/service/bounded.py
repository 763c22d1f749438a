"""Lets what reads files of strangers work in a process of its own, for so long and in so much memory at most."""

from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from aivc.core.errors import AIVCError
from aivc.service.refusals import TooLargeError

Found = TypeVar("Found")
# Slow to import: they are imported once, by a process that stands by and of which each other one is a copy.
_READERS = ["anndata", "aivc.service.served_datasets"]
_REMEDY = "Bring fewer cells at once, or the same as .h5ad."


def bounded(work: Callable[..., Found], *given: Any, name: str, seconds: float, memory_mb: int) -> Found:
    """Call a function in another process, which is ended when it takes too much.

    Args:
        work: A function of a module.
        given: To it, and able to pass to another process, as its result is.
        name: Of the file that is read, for messages.
        seconds: It may take.
        memory_mb: It may take, beyond what its libraries do.

    Raises:
        AIVCError: What the function refuses.
        TooLargeError: It took too long or too much memory, or was ended by the system.
    """
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, seconds, memory_mb, work, given), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            raise TooLargeError(f"Looking at {name} took more than {seconds:,.0f} s. {_REMEDY}")
        found: Any = ours.recv()
    except EOFError as error:
        raise TooLargeError(f"Looking at {name} takes more than this service gives to one file. {_REMEDY}") from error
    finally:
        process.kill()
        process.join()
        ours.close()
    if isinstance(found, AIVCError):
        raise found
    return found[0]


def _context() -> Any:
    """How processes begin: never as a copy of this one, whose threads may hold locks."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    made = get_context("forkserver")
    made.set_forkserver_preload(_READERS)
    return made


def _work(answer: Connection, seconds: float, memory_mb: int, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    """What the other process does."""
    _limit(seconds, memory_mb)
    try:
        answer.send((work(*given),))
    except AIVCError as error:
        if not _lacked_memory(error):
            answer.send(error)
    except MemoryError:
        # The pipe closes without a word, which says it.
        pass


def _limit(seconds: float, memory_mb: int) -> None:
    """Let the system hold this process to its limits, even when nobody watches it any more."""
    # Not there on Windows, where only the time is watched.
    with suppress(ImportError):
        import resource

        # Not the address space: libraries map far more of it than they use.
        for what, most in (
            (resource.RLIMIT_CPU, round(seconds) + 1),
            (resource.RLIMIT_DATA, _data_bytes() + (memory_mb << 20)),
        ):
            with suppress(OSError, ValueError):
                _, hard = resource.getrlimit(what)
                resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _data_bytes() -> int:
    """Memory that this process has for data so far; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)
    return 0


def _lacked_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            return True
        error = error.__cause__
    return False
