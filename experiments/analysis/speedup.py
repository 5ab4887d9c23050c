"""Speed-up of one black-box search over another: simulated time to equal accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark_api.types import FloatArray
from experiments.analysis.trajectories import kept_values
from experiments.store import AnyExperiment, Experiment

GRID = 1000
"""Times at which runs are compared, equally spaced up to the budget."""


@dataclass(frozen=True)
class Speedup:
    """Time of a baseline to its own mean final accuracy, over the time of a search to the same accuracy.

    Attributes:
        target: mean final accuracy of the baseline, percent.
        baseline_seconds: first time at which the mean over the baseline's runs is the target.
        seconds: that of the search; infinite if it does not reach the target within the budget.
        low, high: ends of the 95 % interval of the ratio: both samples of runs are resampled. A resample that does not reach
            the target counts as 0.
    """

    target: float
    baseline_seconds: float
    seconds: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """The speed-up: above 1, the search takes less time."""
        return self.baseline_seconds / self.seconds


def speedup(
    experiment: Experiment,
    values: npt.ArrayLike,
    baseline: Experiment,
    baseline_values: npt.ArrayLike,
    resamples: int = 2000,
    seed: int = 0,
) -> Speedup:
    """Compute the speed-up of a search over a baseline with the same budget.

    Args:
        experiment: runs of the search.
        values: [entry], accuracy of each entry of the search if it is the incumbent, percent.
        baseline: runs of the baseline.
        baseline_values: [entry], the same of the baseline.
        resamples: number of bootstrap samples.
        seed: of the resampling.

    Raises:
        ValueError: the budgets differ.
    """
    if experiment.budget != baseline.budget:
        raise ValueError(f"budgets must be equal, got {experiment.budget:g} and {baseline.budget:g} simulated seconds")
    times = np.linspace(0.0, baseline.budget, GRID + 1)[1:]
    ours, theirs = (
        np.nan_to_num(kept_values(runs, times, of))  # 0 % before a run has an incumbent
        for runs, of in ((experiment, values), (baseline, baseline_values))
    )  # [run, time]
    target, seconds, baseline_seconds = _times(ours.mean(axis=0), theirs.mean(axis=0), times)
    rng, ratios = np.random.default_rng(seed), []
    for _ in range(resamples):
        _, resampled, resampled_baseline = _times(_resampled_mean(ours, rng), _resampled_mean(theirs, rng), times)
        ratios.append(resampled_baseline / resampled)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Speedup(target, baseline_seconds, seconds, float(low), float(high))


def _resampled_mean(curves: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the mean [time] of as many curves [run, time], drawn with replacement."""
    runs = len(curves)
    mean: FloatArray = rng.multinomial(runs, np.full(runs, 1 / runs)) / runs @ curves
    return mean


def _times(ours: FloatArray, theirs: FloatArray, times: FloatArray) -> tuple[float, float, float]:
    """Return the last value of mean curve `theirs` [time], and the times at which `ours` and `theirs` first reach it."""
    target = float(theirs[-1])
    first = (times[curve >= target] for curve in (ours, theirs))
    seconds, baseline_seconds = (float(reached[0]) if len(reached) else float("inf") for reached in first)
    return target, seconds, baseline_seconds


def trainings(experiment: AnyExperiment) -> FloatArray:
    """Return the number of trainings of each run [run]; entries of one architecture with more and more epochs are one training."""
    architecture, epochs, starts = experiment.architecture, experiment.columns["epochs"], experiment.offsets[:-1]
    goes_on = np.append(False, (architecture[1:] == architecture[:-1]) & (epochs[1:] > epochs[:-1]))
    goes_on[starts] = False
    counts: FloatArray = np.add.reduceat(~goes_on, starts, dtype=np.float64)
    return counts
