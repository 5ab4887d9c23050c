"""Short stacked runs of one-shot searches, whose means are compared between processors.

    python -m tests.helpers.second_machine

prints the means and standard deviations that `tests/algorithms/one_shot/test_second_machine.py` keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.stack import SearchStack
from benchmark_api.tables.table import Table
from benchmark_api.training.devices import one_thread
from benchmark_api.training.setting import Setting
from benchmark_api.types import FloatArray
from experiments.runs.one_shot import load_task

METHODS = {"rsps": {"epochs": 3, "candidates": 10}, "tunas": {"epochs": 4}}
"""Methods with hyperparameters that make their runs short."""

MEASURES = ("training loss", "validation accuracy", "accuracy in the table")


def finals(name: str, seeds: Sequence[int]) -> FloatArray:
    """Return the `MEASURES` after the last epoch of a method on digits, all seeds in one stack [seed, measure]."""
    method = ONE_SHOT[name]
    table = Table(f"digits-{method.space}")
    task = load_task(Setting.of(table, "digits"), table.space, None)
    config = replace(method.default_config("digits"), **METHODS[name])
    searches = [method(task, config, seed=seed) for seed in seeds]
    stack = SearchStack(searches)
    with one_thread():
        for _ in range(config.epochs):
            stack.train_epoch()
    last = [search.metrics[-1] for search in searches]
    accuracy = table.mean_accuracy("digits", table.report_schedule, "x-test")[
        [table.space.index(epoch.architecture) for epoch in last]
    ]
    return np.column_stack([[epoch.train_loss for epoch in last], [epoch.valid_accuracy for epoch in last], accuracy])


if __name__ == "__main__":
    for name in METHODS:
        found = np.concatenate([finals(name, range(first, first + 20)) for first in range(0, 100, 20)])
        means, deviations = (values.round(4).tolist() for values in (found.mean(axis=0), found.std(axis=0, ddof=1)))
        print(f'"{name}": ({means}, {deviations}),')
