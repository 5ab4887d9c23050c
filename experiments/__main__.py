"""`python -m experiments`: run searches, and print their results next to the published ones."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

from benchmark_api.ending import expect_interrupts

if __name__ == "__main__":
    expect_interrupts()  # before the imports that take a second

import tyro

from algorithms.black_box import BLACK_BOX
from benchmark_api.commands.command_line import Command, CommandLine
from benchmark_api.jobs.job import JobError
from benchmark_api.registry import unknown
from experiments.commands.found import FoundCommand
from experiments.commands.ranking import RankingCommand
from experiments.commands.reproduce import ReproduceCommand
from experiments.commands.results import FrontsCommand, ListCommand, SpeedupCommand, StatusCommand, TableCommand, VerifyCommand
from experiments.commands.run import RunBlackBox, subcommands

COMMANDS = {
    "reproduce": ReproduceCommand,
    "list": ListCommand,
    "table": TableCommand,
    "found": FoundCommand,
    "fronts": FrontsCommand,
    "speedup": SpeedupCommand,
    "ranking": RankingCommand,
    "status": StatusCommand,
    "verify": VerifyCommand,
}


def commands(words: Sequence[str]) -> Mapping[str, Command]:
    """Return all commands by name, for the words after the program's name."""
    return {"run": _run(words), **{name: Command.of(command) for name, command in COMMANDS.items()}}


def _run(words: Sequence[str]) -> Command:
    """Return the command `run` with a subcommand for each search.

    The one-shot searches, whose import loads PyTorch, are among them where `run` is not asked for a black-box search, which may
    be a derived one, such as `rea+srm`.

    Raises:
        ValueError: no search has the name.
    """
    asked = [*words[1:2]] if words[:1] == ["run"] else []
    searches = subcommands(RunBlackBox, {**BLACK_BOX, **{name: BLACK_BOX[name] for name in asked if name in BLACK_BOX}})
    if words[:1] == ["run"] and not any(name in BLACK_BOX for name in asked):
        from algorithms.one_shot import ONE_SHOT
        from experiments.commands.one_shot import RunOneShot

        for name in asked:
            if not name.startswith("-") and name not in ONE_SHOT:
                raise ValueError(f"{unknown('search', name, [*BLACK_BOX, *ONE_SHOT])}; one of your own needs its file (--module)")
        searches += subcommands(RunOneShot, ONE_SHOT)
    about = "Run one search with many seeds. Stored runs are skipped. `run NAME --help` has the options of a search."
    examples = (
        "run rea --table nats-topology --dataset cifar10 --seeds 100",
        "run rea --table nats-topology --dataset cifar10 --population-size 20",
        "run mine --module my_search.py --table digits-topology --seeds 100",
        "run gdas --table digits-topology",
    )
    return Command(reduce(or_, searches), about, examples)


COMMAND_LINE = CommandLine(
    prog="python -m experiments",
    about="Run searches, and print their results next to the published ones.",
    groups={
        "Run searches": ("run", "reproduce", "list"),
        "See results": ("table", "found", "fronts", "speedup", "ranking"),
        "Check results": ("status", "verify"),
    },
    commands=commands,
    examples=("run rea --table nats-topology --dataset cifar10 --seeds 100", "table"),
    interrupted="interrupted: finished jobs are stored; the same command continues",
    failures=(JobError,),
    config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
)
main = COMMAND_LINE.main

if __name__ == "__main__":
    sys.exit(main())
