"""Arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

TablePath = tyro.conf.Positional[
    Annotated[Path, tyro.conf.arg(metavar="TABLE", help="Table file, or digits-topology, digits-size.")]
]
OutPath = Annotated[Path, tyro.conf.arg(metavar="OUT")]


def default(text: str, metavar: str) -> Any:
    """Return the mark of an option whose default, None, stands for something else."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {text})", metavar=metavar)


Jobs = Annotated[int | None, default("one per core", "INT"), tyro.conf.arg(help="Number of processes.")]
