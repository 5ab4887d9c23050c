"""`python -m experiments`: run searches, and print their results next to the published ones."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any

from benchmark_api.command_line import answer, expect_interrupts

if __name__ == "__main__":
    expect_interrupts()  # before the imports that take a second

import tyro

from algorithms.black_box import BLACK_BOX
from benchmark_api.bounds import check_fields
from benchmark_api.commands.options import OPTIONS
from benchmark_api.jobs.job import JobError
from benchmark_api.plugins import load_plugins
from benchmark_api.text import shown
from experiments.commands.reproduce import RankingCommand, ReproduceCommand
from experiments.commands.results import FrontsCommand, ListCommand, SpeedupCommand, StatusCommand, TableCommand, VerifyCommand
from experiments.commands.run import RunBlackBox, subcommands

COMMANDS = {
    "table": TableCommand,
    "fronts": FrontsCommand,
    "speedup": SpeedupCommand,
    "ranking": RankingCommand,
    "list": ListCommand,
    "status": StatusCommand,
    "verify": VerifyCommand,
    "reproduce": ReproduceCommand,
}


def commands(asked: Sequence[str], one_shot: bool) -> Any:
    """Return the union of all commands for tyro, `run` with its subcommands first.

    Args:
        asked: name of the search to run, if any; it may be a derived one, such as `rea+srm`.
        one_shot: whether `run` has the one-shot searches, whose import loads PyTorch.
    """
    searches = subcommands(RunBlackBox, {**BLACK_BOX, **{name: BLACK_BOX[name] for name in asked if name in BLACK_BOX}})
    if one_shot:
        from algorithms.one_shot import ONE_SHOT
        from experiments.commands.one_shot import RunOneShot

        searches += subcommands(RunOneShot, ONE_SHOT)
    run = tyro.conf.subcommand("run", description="Run one search with many seeds. Stored runs are skipped.")
    others = (Annotated[command, tyro.conf.subcommand(name)] for name, command in COMMANDS.items())
    return reduce(or_, (Annotated[reduce(or_, searches), run], *others))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    warnings.formatwarning = lambda message, *_args, **_kwargs: shown(f"warning: {message}") + "\n"

    def parse() -> Callable[[], int]:
        load_plugins()
        one_shot = arguments[:1] == ["run"] and not set(arguments[1:2]) & BLACK_BOX.keys()
        command: Callable[[], int] = tyro.cli(
            commands(arguments[1:2], one_shot),
            args=arguments,
            prog="python -m experiments",
            description=__doc__,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
            registry=OPTIONS,
        )
        check_fields(command)
        return command

    return answer(parse, "interrupted: finished jobs are stored; the same command continues", JobError)


if __name__ == "__main__":
    sys.exit(main())
