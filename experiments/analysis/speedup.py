"""Speed-up of one black-box search over another: simulated time to equal accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchmark_api.types import FloatArray, IntArray
from experiments.analysis.trajectories import kept_values, values_of_incumbents
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


@dataclass(frozen=True, eq=False)
class EqualTrainings:
    """Two searches after the same number of trainings, seed by seed: as many as both ended within the budget.

    Attributes:
        seconds: [search, run], simulated seconds of these trainings, without the first ones if so asked; the baseline is the
            second search.
        accuracy: [search, run], accuracy of the incumbent at that time, percent.
    """

    seconds: FloatArray
    accuracy: FloatArray


def equal_trainings(
    experiment: Experiment,
    values: npt.ArrayLike,
    baseline: Experiment,
    baseline_values: npt.ArrayLike,
    after: int = 0,
) -> EqualTrainings:
    """Compare a search and a baseline after the same number of trainings.

    Args:
        experiment, values, baseline, baseline_values: as for `speedup`.
        after: number of first trainings whose time does not count, e.g. those that a model learns from.

    Raises:
        ValueError: the experiments have no seed in common, or a run ended no training within the budget but the first ones.
    """
    seeds = np.intersect1d(experiment.seeds, baseline.seeds)
    if not len(seeds):
        raise ValueError(f"no seed has runs of both {experiment.algorithm} and {baseline.algorithm}")
    pairs, ends = ((experiment, values), (baseline, baseline_values)), []  # [search][run][training]
    for runs in (experiment, baseline):
        of_runs = training_ends(runs)
        ends.append([of_runs[run] for run in np.searchsorted(runs.seeds, seeds)])
    counts = [min(map(len, pair)) for pair in zip(*ends, strict=True)]
    if (fewest := min(counts)) <= after:
        had = f"{fewest or 'no'} {'training' if fewest <= 1 else 'trainings'} of seed {seeds[counts.index(fewest)]} had ended"
        expected = f"; expected more than the first {after}" if after else ""
        raise ValueError(f"{had} by {baseline.budget:g} simulated seconds{expected}")
    last = np.array([[end[count - 1] for end, count in zip(of_search, counts, strict=True)] for of_search in ends])
    reached = [values_of_incumbents(*of)[entries] for of, entries in zip(pairs, last, strict=True)]
    clocks = experiment.clock, baseline.clock
    seconds = np.array([clock[entries] for clock, entries in zip(clocks, last, strict=True)])
    if after:
        seconds -= [[clock[end[after - 1]] for end in of_search] for clock, of_search in zip(clocks, ends, strict=True)]
    return EqualTrainings(seconds, np.array(reached))


def training_ends(experiment: AnyExperiment) -> list[IntArray]:
    """Return the last entry of each training that ended within the budget [run][training].

    Successive entries of one architecture with more and more epochs are one training.
    """
    architecture, epochs = experiment.architecture, experiment.columns["epochs"]
    ends = np.append((architecture[1:] != architecture[:-1]) | (epochs[1:] <= epochs[:-1]), True)
    ends[experiment.offsets[1:] - 1] = True
    ends &= experiment.clock <= experiment.budget
    return [start + np.flatnonzero(ends[start:stop]) for start, stop in pairwise(experiment.offsets)]
