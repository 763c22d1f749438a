"""One command per public verb: `aivc COMMAND --help` says what it takes, and `--json` answers with one object."""

from collections.abc import Sequence

from aivc.cli.benchmark_command import add as add_benchmark
from aivc.cli.console import perform, refuse
from aivc.cli.data import add as add_data
from aivc.cli.embed_command import add as add_embed
from aivc.cli.evaluate_command import add as add_evaluate
from aivc.cli.explain_command import add as add_explain
from aivc.cli.fit_command import add as add_cells
from aivc.cli.grammar import Commands, Parser, UsageError
from aivc.cli.overview import Version
from aivc.cli.overview import add as add_overview
from aivc.cli.score_command import add as add_score
from aivc.cli.screen_command import add as add_screens
from aivc.cli.splits import add as add_splits

_DESCRIPTION = """The open AI Virtual Cell: learn from a perturbation screen, ask what an experiment would show,
and find out how far the answer can be trusted."""
_EPILOG = """examples:
  aivc demo                                      the whole way round, on a real screen, in minutes
  aivc fit papalexi2021 --out cell/              learn a virtual cell
  aivc predict cell/ "ko:JAK2"                   ask it
  aivc evaluate papalexi2021 --split unseen-perturbation:5 --methods effect.v2 --out scores/

exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 a fault of this program, 130 interrupted"""


def parser() -> Parser:
    """Everything that can be asked on the command line."""
    made = Parser(prog="aivc", description=_DESCRIPTION, epilog=_EPILOG)
    made.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = Commands(made)
    for add in (
        add_overview,
        add_data,
        add_cells,
        add_embed,
        add_explain,
        add_screens,
        add_evaluate,
        add_score,
        add_benchmark,
        add_splits,
    ):
        add(commands)
    return made


def run(words: Sequence[str]) -> int:
    """Run one command.

    Args:
        words: Those after ``aivc``.

    Returns:
        0 done, 1 refused or a check failed, 2 wrong usage, 3 a fault of this program, 130 interrupted.
    """
    try:
        args = parser().parse_args(words)
    except UsageError as error:
        return refuse(error, json="--json" in words, code=2)
    except SystemExit as done:
        return int(done.code or 0)
    return perform(args.run, args)
