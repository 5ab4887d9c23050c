"""Stored one-shot runs, read and compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from algorithms.one_shot.metrics import EPOCH_METRICS
from experiments import store
from experiments.store import ONE_SHOT_RUNS, OneShotExperiment

DETERMINED = ("architecture", *(metric.name for metric in EPOCH_METRICS if not metric.measured))
"""Columns that are equal when a run is repeated."""


def only(results: Path) -> OneShotExperiment:
    """The one experiment of a results folder."""
    (experiment,) = store.load(results, ONE_SHOT_RUNS)
    return experiment


def assert_same(first: OneShotExperiment, second: OneShotExperiment) -> None:
    assert np.array_equal(first.seeds, second.seeds)
    for name in DETERMINED:
        assert np.array_equal(first.columns[name], second.columns[name]), name
