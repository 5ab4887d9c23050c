"""The benchmark's command line: `python -m benchmark_api import|build|export|attach|merge|info|query|best|front`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

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
    try:
        load_plugins()
        command: Callable[[], None] = tyro.cli(
            Import | Build | Export | Attach | Merge | Info | Query | Best | Front,
            prog="python -m benchmark_api",
            description="Tables of measured architectures: import, build, export, change and inspect them.",
            args=arguments,
            registry=OPTIONS,
        )
        check_fields(command)
        command()
    except BrokenPipeError:  # the reader, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
