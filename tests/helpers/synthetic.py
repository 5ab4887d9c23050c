"""Made-up one-shot runs, stored as real ones are, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.task import Execution
from benchmark_api.tables.table import Table
from experiments import store
from experiments.runs.one_shot import OneShotRun, condition_of
from experiments.runs.ranking import RankingRun


def condition(
    table: Table, dataset: str, name: str, execution: Execution | None = None, **hyperparameters: Any
) -> store.OneShotCondition:
    """The condition of default runs but for some hyperparameters."""
    search = ONE_SHOT[name]
    config = search.Config(**{**asdict(search.default_config(dataset)), **hyperparameters})
    return condition_of(search, config, table, dataset, execution or Execution(stack=None))


def store_runs(results: Path, table: Table, of: store.OneShotCondition, derived: Sequence[Sequence[int]]) -> list[OneShotRun]:
    """Store a run for each list of derived architectures (official indices, epoch by epoch), with seeds 777, 888, ..."""
    runs = []
    decisions, choices = len(table.space.cardinalities), max(table.space.cardinalities)
    for number, architectures in enumerate(derived):
        epochs = len(architectures)
        rng = np.random.default_rng(number)
        weights = rng.dirichlet(np.full(choices, 5.0), size=(epochs, decisions))
        figures = {
            name: rng.random(epochs) for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "entropy")
        }
        runs.append(
            OneShotRun(
                seed=777 + 111 * number,
                wall_seconds=100.0 + number,
                architecture=np.array(architectures, dtype=np.int32),
                arch_weights=weights.reshape(epochs, -1),
                train_seconds=np.full(epochs, 2.0),
                derive_seconds=np.full(epochs, 0.5),
                peak_memory=np.full(epochs, 10**9),
                **figures,
            )
        )
        store.write_piece(results, of, runs[-1:], "1+abc", str(table.path))
    return runs


def store_ranking(
    results: Path,
    table: Table,
    of: store.OneShotCondition,
    architectures: Sequence[int],
    accuracy: Sequence[float],
    seed: int = 777,
) -> None:
    """Store what one supernet thinks of some architectures."""
    facts = {name: getattr(of, name) for name in store.ONE_SHOT_RUNS.fields}
    ranking = store.RankingCondition(**facts, architectures=len(architectures), sample_seed=0, images=None, device="cpu")
    run = RankingRun(seed, 1.0, np.array(architectures, dtype=np.int32), np.array(accuracy, dtype=np.float64))
    store.write_piece(results, ranking, [run], "1+abc", str(table.path))
