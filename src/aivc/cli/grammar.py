"""How commands are declared and read: help that a biologist can follow, and no guessing at what was meant."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, final

from aivc.cli.console import Outcome, Reporter, UsageError
from aivc.core.foreign_text import HIGHEST_SEED

# More than anybody shows, draws or fits at once.
_MOST = 1_000_000
Run = Callable[[argparse.Namespace, Reporter], Outcome]


@final
class Parser(argparse.ArgumentParser):
    """An argument parser that keeps examples as they are typed and never completes half an option."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Refuse, so that the caller decides how it is shown.

        Raises:
            UsageError: Always.
        """
        raise UsageError(message, f"{self.format_usage().strip()}\nSee: {self.prog} --help")


@final
class Commands:
    """The commands of a parser."""

    def __init__(self, parser: Parser) -> None:
        self._made = parser.add_subparsers(
            title="commands", metavar="COMMAND", required=True, dest="command", parser_class=Parser
        )

    def add(self, name: str, run: Run, what: str, *, examples: Sequence[str] = ()) -> Parser:
        """Declare a command: its name, what runs, what it does, and how it is typed."""
        made = self._parser(name, what, examples)
        made.add_argument("--json", action="store_true", help="answer with one JSON object on standard output")
        made.set_defaults(run=run)
        return made

    def group(self, name: str, what: str, *, examples: Sequence[str] = ()) -> "Commands":
        """Declare a command that has commands of its own."""
        return Commands(self._parser(name, what, examples))

    def name_only(self, name: str, summary: str) -> None:
        """List a command without what it takes."""
        self._made.add_parser(name, help=summary, add_help=False)

    def _parser(self, name: str, what: str, examples: Sequence[str]) -> Parser:
        epilog = "\n".join(["examples:", *(f"  {example}" for example in examples)]) if examples else None
        # argparse reads % in help as a placeholder.
        summary = what.split(". ")[0].removesuffix(".").replace("%", "%%")
        made: Parser = self._made.add_parser(name, help=summary, description=what, epilog=epilog)
        return made


def listed(text: str) -> list[str]:
    """Read ``a,b,c``.

    Raises:
        argparse.ArgumentTypeError: It names nothing.

    >>> listed("mean-effect, nearest")
    ['mean-effect', 'nearest']
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"names separated by commas are wanted, got {text!r}")
    return names


def positive(text: str) -> int:
    """Read a whole number above zero.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not _is_number(text) or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {_MOST} is wanted, got {text[:60]!r}")
    return int(text)


def natural(text: str) -> int:
    """Read a whole number, zero included.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not _is_number(text) or int(text) > HIGHEST_SEED:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to {HIGHEST_SEED} is wanted, got {text[:60]!r}")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20
