"""Black-box runs made by hand, and their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments import store
from experiments.runs.run import Run
from experiments.store import AnyCondition, Condition

CONDITION = Condition(
    space="topology",
    dataset="cifar10",
    schedule="12",
    budget=1000.0,
    algorithm="rea",
    hyperparameters='{"population_size": 10}',
    incumbent_rule="highest-fidelity",
    table_fingerprint="f" * 64,
    table_title="a table",
    table_notice="",
)


def make_runs(seeds: range) -> list[Run]:
    """Runs of different lengths whose values depend on the seed."""
    runs = []
    for seed in seeds:
        n = 1 + seed % 4
        steps = np.arange(n)
        runs.append(
            Run(
                seed=seed,
                seconds=100.0 * (steps + 1) + seed,
                architecture=(10 * seed + steps).astype(np.int32),
                epochs=np.full(n, 12, dtype=np.int16),
                accuracy=50 + steps / 7 + seed,
                wall_seconds=0.5 + seed,
            )
        )
    return runs


def write(results: Path, seeds: range, condition: Condition = CONDITION, version: str = "1+abc") -> Path:
    return store.write_piece(results, condition, make_runs(seeds), version, "/somewhere/table")


@dataclass(frozen=True, eq=False)
class RichRun(Run):
    """A run of a search that needs curves and costs and has its own incumbent rule."""

    curve: list[np.ndarray] | None = None
    costs: np.ndarray | None = None
    cost_names: tuple[str, ...] = ()
    incumbent: np.ndarray | None = None


def enriched(run: Run) -> RichRun:
    entries = np.arange(len(run.seconds))
    more = {
        "curve": [run.accuracy[entry] + np.arange((run.seed + entry) % 3, dtype=np.float64) for entry in entries],
        "costs": np.stack([run.seconds / 7, run.accuracy / 3], axis=1),
        "cost_names": ("params", "latency of a chip"),
        "incumbent": np.maximum(entries - 1, 0).astype(np.int32),
    }
    return RichRun(**{**vars(run), **more})


def stored_seeds(results: Path, condition: AnyCondition) -> set[int]:
    """Return the seeds of a condition that are stored."""
    return {seed for piece in store.stored_pieces(results, condition) for seed in piece.seeds}
