"""One command per public verb: `aivc COMMAND --help` says what it takes, and `--json` answers with one object."""

from collections.abc import Sequence
from importlib import import_module

from aivc.cli.console import UsageError, perform, refuse
from aivc.cli.grammar import Commands, Parser
from aivc.cli.overview import Version

_DESCRIPTION = """The open AI Virtual Cell: learn from a perturbation screen, ask what an experiment would show,
and find out how far the answer can be trusted."""
_EPILOG = """examples:
  aivc demo                                      the whole way round, on a real screen, in minutes
  aivc fit papalexi2021 --out cell/              learn a virtual cell
  aivc predict cell/ "ko:JAK2"                   ask it
  aivc evaluate papalexi2021 --split unseen-perturbation:5 --methods effect.v2 --out scores/

exit codes: 0 done, 1 refused or a check failed, 2 wrong usage, 3 a fault of this program, 130 interrupted,
141 the reader of the answer left"""


# Each command, the module that declares it, and the first sentence of what that says: `aivc --help` imports none.
COMMANDS = {
    "demo": ("overview", "Fit, ask and score a virtual cell on a real screen"),
    "parts": ("overview", "List all that is registered, from encoders to benchmarks, and who brought each"),
    "data": ("data", "Datasets by name, and checks of your own files"),
    "fit": ("fit_command", "Learn a virtual cell from a perturbation screen and save it"),
    "predict": ("fit_command", "Ask a virtual cell what a perturbation would do, or several of them one by one"),
    "simulate": (
        "simulate_command",
        "Take cells through a schedule of waits and treatments: a population at the end of each step, with mass",
    ),
    "embed": ("embed_command", "Represent the cells of a file and write the states where scanpy looks for them"),
    "consistency": ("consistency_command", "Check a virtual cell of tissue against itself"),
    "explain": ("explain_command", "Say what a prediction is made of: perturbations, knowledge, genes and pathways"),
    "fate": ("fate_command", "Say what cells of a time course will become"),
    "order": ("order_command", "Order cells along their development, from a root that you give"),
    "cycle": (
        "order_command",
        "Say where in the cell cycle each cell is: an angle, and scores of S and of G2 and M",
    ),
    "locate": ("locate_command", "Say where in the cell a protein is, and whether a treatment moves it"),
    "series": ("series_command", "Say what signals, such as phosphorylation sites, are at times nobody measured"),
    "slide": (
        "slide_command",
        "Learn what spots express from the stained image of a section (--fit), and predict it for another section from "
        "its image and the places of its spots (--use)",
    ),
    "track": ("track_command", "Count and follow the nuclei of a movie, with divisions"),
    "neighbors": ("neighbors_command", "Say what surrounds some cells of a tissue more than chance would have it"),
    "niches": ("niches_command", "Find the niches of a tissue, name them, and count them in sections and patients"),
    "screen": (
        "screen_command",
        "Ask a virtual cell about many perturbations and rank them by what they do to a response",
    ),
    "search": (
        "search_command",
        "Find the intervention that brings control cells closest to a wanted state, and what it costs and changes "
        "besides",
    ),
    "reverse": (
        "reverse_command",
        "Rank interventions by how far they carry patients' sick cells toward healthy ones",
    ),
    "propose": ("screen_command", "Turn a virtual screen into the next plate: part to confirm, part to learn"),
    "campaign": (
        "campaign_command",
        "Find the hits of a library of genes or pairs in rounds: propose a batch, measure it, bring the values in",
    ),
    "report": ("report_command", "Write one page about a virtual cell"),
    "plot": ("report_command", "Draw one figure of the page alone, as svg or png"),
    "evaluate": ("evaluate_command", "Score methods on perturbations, contexts or donors they have not seen"),
    "score": ("score_command", "Score a file of predicted cells against a file of measured ones"),
    "serve": ("serve_command", "Serve virtual cells, data and the leaderboard to a browser and to programs"),
    "connect": ("connect_command", "Connect to a virtual cell that another computer serves"),
    "benchmark": ("benchmark_command", "Frozen benchmarks: list them, look at one, run methods on them"),
    "publish": (
        "hub_command",
        "Publish a virtual cell or an instrument, with a manifest and a self-test, for others to find",
    ),
    "pull": ("hub_command", "Fetch a published virtual cell or instrument, every file checked"),
    "verify": (
        "hub_command",
        "Check something published: files and signatures are true, it runs, it answers as at publication",
    ),
    "hub": ("hub_command", "Search a hub, look at what is in it, and keep keys"),
    "splits": ("splits", "Checks of who may see what"),
}


def parser(only: str | None = None) -> Parser:
    """Everything that can be asked on the command line.

    Args:
        only: A command whose module alone is imported: the others are named and can not be parsed. None imports all.
    """
    made = Parser(prog="aivc", description=_DESCRIPTION, epilog=_EPILOG)
    made.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands, added = Commands(made), set[str]()
    for name, (module, summary) in COMMANDS.items():
        if only is not None and COMMANDS.get(only, ("",))[0] != module:
            commands.name_only(name, summary)
        elif module not in added:
            import_module(f"aivc.cli.{module}").add(commands)
            added.add(module)
    return made


def run(words: Sequence[str]) -> int:
    """Run one command.

    Args:
        words: Those after ``aivc``.

    Returns:
        0 done, 1 refused or a check failed, 2 wrong usage, 3 a fault of this program, 130 interrupted.
    """
    try:
        # The first word that is no option names the command: `aivc` itself has no option with a value.
        args = parser(next((word for word in words if not word.startswith("-")), "")).parse_args(words)
    except UsageError as error:
        return refuse(error, json="--json" in words, code=2)
    except SystemExit as done:
        return int(done.code or 0)
    return perform(args.run, args)
