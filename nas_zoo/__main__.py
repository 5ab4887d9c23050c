"""The command `nas-zoo`: every command of the project, from any folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmark_api.__main__ import COMMAND_LINE as TABLES
from benchmark_api.commands.command_line import Command
from experiments.__main__ import COMMAND_LINE as EXPERIMENTS
from nas_zoo.commands import PLOTS

LINES = (EXPERIMENTS, PLOTS, TABLES)


def commands(words: Sequence[str]) -> Mapping[str, Command]:
    """Return all commands by name, for the words after the program's name."""
    return {name: command for line in LINES for name, command in line.commands(words).items()}


COMMAND_LINE = replace(
    EXPERIMENTS,
    prog="nas-zoo",
    about="NAS algorithms on tabular benchmarks: run and compare searches, make and read tables. From Python: import nas_zoo.",
    groups={heading: names for line in LINES for heading, names in line.groups.items()},
    commands=commands,
    examples=(
        "run rea --table nats-topology --dataset cifar10 --seeds 100",
        "run mine --module my_search.py --table nats-topology --dataset cifar10 --seeds 100",
        "table --layout paper --against mine",
        "plots",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status, as the command line does that it belongs to."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    owner = next((line for line in LINES if {*words[:1]} & {*line.names}), COMMAND_LINE)
    return replace(owner, prog="nas-zoo").main(words)


if __name__ == "__main__":
    sys.exit(main())
