"""The benchmark's command line: `python -m benchmark_api import|build|export|attach|merge|info|query|best|front`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from benchmark_api.command_line import answer, expect_interrupts

if __name__ == "__main__":
    expect_interrupts()  # before the imports that take a second

import tyro

from benchmark_api.bounds import check_fields
from benchmark_api.commands.building import Build
from benchmark_api.commands.changing import Attach, Merge
from benchmark_api.commands.importing import Export, Import
from benchmark_api.commands.inspecting import Best, Front, Info, Query
from benchmark_api.commands.options import OPTIONS
from benchmark_api.plugins import load_plugins


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, 1 for a failed job, 2 for wrong input, 130 after Ctrl-C."""

    def parse() -> Callable[[], None]:
        load_plugins()
        command: Callable[[], None] = tyro.cli(
            Import | Build | Export | Attach | Merge | Info | Query | Best | Front,
            prog="python -m benchmark_api",
            description="Tables of measured architectures: import, build, export, change and inspect them.",
            args=arguments,
            registry=OPTIONS,
        )
        check_fields(command)
        return command

    return answer(parse, "interrupted; nothing was written", RuntimeError)


if __name__ == "__main__":
    sys.exit(main())
