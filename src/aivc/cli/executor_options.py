"""Who does the work of a command that can be cut into parts, as options that several commands share."""

import argparse

from aivc.cli.console import UsageError
from aivc.cli.grammar import Parser, positive
from aivc.compute.executor import Executor, executor
from aivc.core.registry import EXECUTORS


def add_executor(parser: Parser, what: str) -> None:
    """Declare them.

    Args:
        parser: Of the command.
        what: Is done side by side.
    """
    parser.add_argument(
        "--executor",
        choices=EXECUTORS.names(),
        help=f"does {what} side by side, with the same results; ray needs the extra scale (default: one by one)",
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="how many at a time, with --executor (default 1)")


def chosen_executor(args: argparse.Namespace) -> Executor | None:
    """The executor asked for, or None.

    Raises:
        DataError: Several workers of an executor that has one.
        UsageError: Workers are asked for, and no executor.
    """
    if args.executor is None and args.workers is not None:
        raise UsageError("--workers says how many an executor has: name it, --executor processes", "See: aivc --help")
    return None if args.executor is None else executor(args.executor, args.workers or 1)
