"""Options that say where jobs run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Literal

from benchmark_api.bounds import between
from benchmark_api.jobs.job import Engine

MAX_JOBS = 1024
"""Largest number of processes of a command."""


@dataclass(frozen=True, kw_only=True)
class ParallelOptions:
    """Where jobs run."""

    engine: Literal["local", "ray"] = "local"
    """Processes of this machine, or Ray (an extra: pip install -e '.[ray]')."""
    address: str | None = None
    """With ray: the cluster, "auto" for the one that this machine belongs to; by default Ray is started here."""
    gpus: Annotated[float, between(0, MAX_JOBS)] = 0.0
    """With ray: graphics cards for each run or stack, also a fraction of one."""
    quiet: bool = False
    """Show no progress."""

    def make_engine(self) -> Engine | None:
        """Return the engine for `run_jobs`; None for its default.

        Raises:
            ImportError: Ray is not installed.
            ValueError: an option belongs to another engine, or is out of range.
        """
        if self.engine == "local":
            if self.address is not None or self.gpus:
                raise ValueError("address and gpus are settings of the ray engine: add --engine ray")
            return None
        from benchmark_api.jobs.ray import RayEngine

        return RayEngine(self.address, self.gpus)


def available_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
