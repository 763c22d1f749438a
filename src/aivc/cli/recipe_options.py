"""What a virtual cell is made of, as options that several commands share."""

import argparse

from aivc.cli.grammar import Parser, natural, positive
from aivc.core.registry import DECODERS, ENCODERS
from aivc.experiments.fitting.shared_fit import Recipe


def add_recipe(parser: Parser) -> None:
    """Declare what a virtual cell is made of."""
    usual = Recipe()
    parser.add_argument("--encoder", default=usual.encoder, help=f"registered encoder (default {usual.encoder})")
    parser.add_argument("--decoder", default=usual.decoder, help=f"registered decoder (default {usual.decoder})")
    parser.add_argument("--dim", type=positive, default=usual.dim, help=f"axes of the state (default {usual.dim})")
    parser.add_argument(
        "--members",
        type=natural,
        default=usual.members,
        help=f"ensemble members; 0 for a single fit, without intervals (default {usual.members})",
    )
    parser.add_argument("--seed", type=natural, default=usual.seed, help=f"of all that draws (default {usual.seed})")


def recipe(args: argparse.Namespace) -> Recipe:
    """Gather what a virtual cell is made of, and refuse unknown parts before any work.

    Raises:
        UnknownNameError: A part is not registered.
    """
    ENCODERS.load(args.encoder)
    DECODERS.load(args.decoder)
    return Recipe(args.encoder, args.decoder, args.dim, args.members, seed=args.seed)
