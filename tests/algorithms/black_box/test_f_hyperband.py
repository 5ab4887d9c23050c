"""f-Hyperband: Hyperband when it is off, and which trainings of a rung it watches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX, Evaluation, FHyperband, Query
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments.runs.run import run
from experiments.settings import RunSettings

EPOCHS = 12


@pytest.mark.parametrize("charge", ["scratch", "resume"])
@pytest.mark.parametrize("off", [{"stop_probability": 1.01}, {"burn_in": 10_000}, {"full_share": 1.0}], ids=str)
def test_off_it_is_hyperband(charge: str, off: dict[str, float], topology_table: Table) -> None:
    settings = RunSettings.of(topology_table, "cifar10", charge=charge)
    view = topology_table.search_view("cifar10")
    runs = [run(search, search.Config(**config), view, settings, seed=3) for search, config in configured(off)]
    for column in ("seconds", "architecture", "epochs", "accuracy"):
        np.testing.assert_array_equal(getattr(runs[0], column), getattr(runs[1], column))


def configured(off: dict[str, float]) -> list[tuple[Any, dict[str, float]]]:
    return [(BLACK_BOX["hyperband"], {}), (FHyperband, off)]


def test_lengths() -> None:
    assert FHyperband.training_epochs(FHyperband.Config(), EPOCHS) == list(range(1, 13))
    assert FHyperband.training_epochs(FHyperband.Config(stop_probability=2.0), EPOCHS) == [1, 4, 12]


def final_of(query: Query) -> float:
    return 50.0 + sum(query.architecture)


def trainings(full_share: float, queries: int) -> list[list[Query]]:
    """Ask and answer with curves that tell the final accuracy; return the queries by training."""
    search = FHyperband(SizeSpace(), FHyperband.Config(burn_in=10, regressor="ols", full_share=full_share), max_epochs=EPOCHS)
    found: list[list[Query]] = []
    for _ in range(queries):
        query = search.ask()
        curve = tuple(final_of(query) * epoch / EPOCHS for epoch in range(1, (query.epochs or EPOCHS) + 1))
        search.tell(query, Evaluation(curve[-1], 1.0, curve))
        found[-1].append(query) if query.continues else found.append([query])
    return found[:-1]


def test_rungs_stop_what_would_not_be_promoted() -> None:
    """Brackets are 9-3-1, 5-1 and 3 candidates at 1, 4 and 12 epochs: all are whole trainings of a rung, or parts from 1 on."""
    found = trainings(full_share=0.0, queries=900)
    lengths = Counter(tuple(part.epochs for part in parts) for parts in found)
    assert lengths[4,] >= 10  # the burn-in
    assert lengths[1, 2, 3, 4] > 0  # watched, and went on
    assert all(epochs in ((4,), (12,)) or epochs == tuple(range(1, len(epochs) + 1)) for epochs in lengths)
    assert all(len({part.architecture for part in parts}) == 1 for parts in found)
    rungs = sum(lengths[epochs] for epochs in ((4,), (1, 2, 3, 4)))
    assert lengths[1,] > rungs  # forecasts are exact: besides the trainings for an epoch, watched ones stop after it


def test_a_share_of_each_rung_is_not_watched() -> None:
    """Of rungs with one candidate all, of those with three or five at least two."""
    whole = [sum(parts[0].epochs in (4, 12) for parts in trainings(share, 600)) for share in (0.0, 0.3333, 0.6)]
    assert whole[0] < whole[1] < whole[2]


def test_the_last_rung_must_beat_the_best_of_all() -> None:
    """Forecasts are exact but for rounding: a watched training ends at 12 epochs only if it is a new best, or as good."""
    best, ended = 0.0, 0
    for parts in trainings(full_share=0.0, queries=900):
        if parts[-1].epochs == EPOCHS:
            watched = parts[0].epochs == 1
            assert not watched or final_of(parts[0]) >= best
            best, ended = max(best, final_of(parts[0])), ended + watched
    assert ended
