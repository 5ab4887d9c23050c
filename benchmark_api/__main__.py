"""The benchmark's command line: `python -m benchmark_api import|build|export|attach|merge|info|query|best|front`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from benchmark_api.ending import expect_interrupts

if __name__ == "__main__":
    expect_interrupts()  # before the imports that take a second

from benchmark_api.commands.building import Build
from benchmark_api.commands.changing import Attach, Merge
from benchmark_api.commands.command_line import Command, CommandLine
from benchmark_api.commands.importing import Export, Import
from benchmark_api.commands.inspecting import Best, Front, Info, Query
from benchmark_api.commands.networks import Draw, Network

COMMANDS = (Info, Query, Best, Front, Network, Draw, Import, Build, Export, Attach, Merge)


def commands(words: Sequence[str]) -> Mapping[str, Command]:
    """Return all commands by name."""
    return {command.__name__.lower(): Command.of(command) for command in COMMANDS}


COMMAND_LINE = CommandLine(
    prog="python -m benchmark_api",
    about="Tables of measured architectures: import, build, export, change and inspect them.",
    groups={
        "Look into a table": ("info", "query", "best", "front"),
        "Take an architecture along": ("network", "draw"),
        "Make and change tables": ("import", "build", "export", "attach", "merge"),
    },
    commands=commands,
    examples=("info nats-topology", "query nats-topology 1462 --dataset cifar10-valid", "best digits-topology --dataset digits"),
    interrupted="interrupted; nothing was written",
    failures=(RuntimeError,),
)
main = COMMAND_LINE.main

if __name__ == "__main__":
    sys.exit(main())
