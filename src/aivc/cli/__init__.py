"""The command line: `commands` declares what can be asked; here is only the door, which imports nothing before use."""

import io
import json
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED, _REFUSED, _PIPE_CLOSED = 130, 1, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after ``aivc``; None takes those of the process.

    Returns:
        0 done, 1 refused or a check failed, 2 wrong usage, 3 a fault of this program, 130 interrupted, 141 nobody read
        the answer to its end.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    _open_streams()
    try:
        from aivc.cli.commands import run

        code = run(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # `aivc … | head`: whoever reads has enough.
        _drop_output()
        return _PIPE_CLOSED
    except OSError as error:
        _drop_output()
        print(f"error: The answer could not be written to standard output ({error.strerror}).", file=sys.stderr)
        return _REFUSED
    except KeyboardInterrupt:
        # Before a command runs, while its modules are read; a command that runs says itself what it leaves behind.
        said = "Interrupted before any work started."
        if "--json" in words:
            print(json.dumps({"error": {"type": "KeyboardInterrupt", "message": said}}))
        else:
            print(f"error: {said}", file=sys.stderr)
        return _INTERRUPTED


def _open_streams() -> None:
    """See that every stream is there, and takes every letter: where it cannot show one, it spells it out."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - stays open to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let what is still to be written, at exit too, go nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open to the end
