"""Trajectories of stored runs: incumbents, values over time, and the architecture that each run chose. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from benchmark_api.types import FloatArray, IntArray
from experiments.store import AnyExperiment

TIME_SPAN = 50
"""Curves cover the budget down to one part in this many."""

Readout = Literal["step", "reference"]
"""How the final value of a run is read off its trajectory, see `final_values`."""


def incumbent_steps(experiment: AnyExperiment) -> IntArray:
    """Position, in the experiment's columns, of the entry that made its run's incumbent, for every entry.

    The rule is that of the search: "any-fidelity" compares accuracies, "highest-fidelity" first epochs, then accuracies; the
    first one stays on ties; a failed evaluation (NaN) is never the incumbent. "own": the incumbents that the search named.
    "last": every entry is the incumbent, as in one-shot runs, whose entries are derived architectures.

    Returns:
        [entry]; -1 before the first successful evaluation of a run.
    """
    rule, offsets = experiment.incumbent_rule, experiment.offsets
    if rule == "last":
        return np.arange(len(experiment.architecture))
    if rule == "own":
        number = experiment.columns["incumbent"]  # of the entry within its run
        return np.where(number < 0, -1, np.repeat(offsets[:-1], np.diff(offsets)) + number)
    accuracy, fidelity = experiment.columns["accuracy"], experiment.columns["epochs"]
    if rule == "any-fidelity":
        fidelity = np.zeros_like(fidelity)
    steps = np.empty(len(accuracy), dtype=np.int64)
    first = 0
    while first < len(experiment.seeds):  # runs with a million evaluations at a time, to bound memory
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + 1_000_000, side="right")) - 1)
        some = slice(offsets[first], offsets[last])
        found = _incumbent_steps(accuracy[some], fidelity[some], np.diff(offsets[first : last + 1]))
        steps[some] = np.where(found < 0, -1, offsets[first] + found)
        first = last
    return steps


def _incumbent_steps(accuracy: FloatArray, fidelity: IntArray, lengths: IntArray) -> IntArray:
    """Position of the evaluation that made the incumbent, or -1, for every evaluation of runs of these lengths."""
    levels, rank = np.unique(accuracy, return_inverse=True)
    merit = np.where(np.isnan(accuracy), 0, 1 + fidelity.astype(np.int64) * len(levels) + rank)
    # One integer orders (run, fidelity, accuracy), so that a single running maximum serves all runs.
    run = np.repeat(np.arange(len(lengths)), lengths)
    best = np.maximum.accumulate(run * (int(merit.max(initial=0)) + 1) + merit)
    replaces = np.diff(best, prepend=-1) > 0
    steps = np.maximum.accumulate(np.where(replaces, np.arange(len(merit)), 0))
    return np.where(merit[steps] == 0, -1, steps)


def values_of_incumbents(experiment: AnyExperiment, values: npt.ArrayLike) -> FloatArray:
    """Value of the incumbent after each entry [entry], from the values of all entries [entry]; NaN where there is none."""
    steps = incumbent_steps(experiment)
    return np.where(steps < 0, np.nan, np.asarray(values, dtype=np.float64)[steps])


def anytime(experiment: AnyExperiment, times: npt.ArrayLike, values: npt.ArrayLike) -> FloatArray:
    """Value of each run's incumbent at each time, seconds of the experiment's clock: a right-continuous step function.

    Args:
        experiment: the runs.
        times: [time], seconds.
        values: [entry], value of each entry if it is the incumbent.

    Returns:
        [run, time]; NaN before a run's first successful evaluation has ended and after its last one has: nothing is extrapolated.
        (A run that ended by its budget has a last evaluation at the budget or later.)
    """
    grid, clock = np.asarray(times, dtype=np.float64), experiment.clock
    of_incumbent = values_of_incumbents(experiment, values)  # [entry]
    curves = np.full((len(experiment.seeds), len(grid)), np.nan)
    for curve, (start, stop) in zip(curves, pairwise(experiment.offsets), strict=True):
        seconds = clock[start:stop]
        ended = np.searchsorted(seconds, grid, side="right")
        known = (ended > 0) & (grid <= seconds[-1:].max(initial=-np.inf))
        curve[known] = of_incumbent[start + ended[known] - 1]
    return curves


def time_grid(experiments: Sequence[AnyExperiment], points: int) -> FloatArray:
    """Points in time [point] for curves of experiments, seconds: up to the budget, from one part of it in `TIME_SPAN`."""
    end = max(e.budget if math.isfinite(e.budget) else float(e.clock.max()) for e in experiments)
    first = min(float(e.clock[e.offsets[:-1]].min()) for e in experiments)  # no run has an incumbent before
    return np.geomspace(min(max(first, end / TIME_SPAN), end / 2), end, points)


def kept_values(experiment: AnyExperiment, times: npt.ArrayLike, values: npt.ArrayLike) -> FloatArray:
    """Return `anytime` values [run, time] where a run that has ended keeps its incumbent; NaN before its first evaluation."""
    grid, last = np.asarray(times, dtype=np.float64), experiment.offsets[1:] - 1
    ended = grid > experiment.clock[last][:, None]  # [run, time]
    return np.where(ended, values_of_incumbents(experiment, values)[last][:, None], anytime(experiment, grid, values))


def final_steps(experiment: AnyExperiment) -> IntArray:
    """Position of the entry that each run chose [run]: that of its incumbent after the last entry that had ended by the budget.

    A run that ended before its budget (by `max_queries`, or because its search was finished) chose its last incumbent. So did
    a one-shot run, which has no budget: it is the architecture derived after the last epoch.

    Raises:
        ValueError: no successful evaluation of a run had ended by its budget.
    """
    steps, clock = incumbent_steps(experiment), experiment.clock
    finals = np.empty(len(experiment.seeds), dtype=np.int64)
    for i, (start, stop) in enumerate(pairwise(experiment.offsets)):
        ended = np.searchsorted(clock[start:stop], experiment.budget, side="right")
        step = steps[start + ended - 1] if ended else -1
        if step < 0:
            raise ValueError(
                f"{experiment.folder()}: no successful evaluation of seed {experiment.seeds[i]} had ended by the budget of "
                f"{experiment.budget:.0f} simulated seconds"
            )
        finals[i] = step
    return finals


def final_architectures(experiment: AnyExperiment) -> IntArray:
    """Architecture that each run chose [run], official index; see `final_steps`."""
    return experiment.architecture[final_steps(experiment)].astype(np.int64)


def final_values(experiment: AnyExperiment, values: npt.ArrayLike, readout: Readout = "step") -> FloatArray:
    """Value of the entry that each run chose [run].

    Args:
        experiment: the runs.
        values: [entry], value of each entry if it is the incumbent.
        readout: "step": value at `final_steps`. "reference": as in the table of the NATS-Bench paper, for black-box
            runs the line through the incumbents' values at the two recorded times nearest to the budget, taken at the
            budget; it may look past the budget and lie outside both values.

    Raises:
        ValueError: unknown readout, or as for `final_steps`.
    """
    if readout not in get_args(Readout):
        raise ValueError(f"protocol must be one of {get_args(Readout)}, got {readout!r}")
    if readout == "step" or not experiment.kind.simulated:
        return np.asarray(values, dtype=np.float64)[final_steps(experiment)]
    of_incumbent = values_of_incumbents(experiment, values)  # [entry]
    clock, budget = experiment.clock, experiment.budget
    finals = np.empty(len(experiment.seeds))
    for i, (start, stop) in enumerate(pairwise(experiment.offsets)):
        nearest = start + np.argsort(np.abs(clock[start:stop] - budget), kind="stable")[:2]
        t, value = clock[nearest], of_incumbent[nearest]
        if len(nearest) == 1 or t[0] == t[1]:  # no line through one time
            finals[i] = value[-1]
        else:
            finals[i] = ((t[1] - budget) * value[0] + (budget - t[0]) * value[1]) / (t[1] - t[0])
    return finals


def by_epoch(experiment: AnyExperiment) -> IntArray:
    """Architecture derived after each epoch of one-shot runs [run, epoch], official indices."""
    return experiment.architecture.reshape(len(experiment.seeds), -1).astype(np.int64)


def first_reaching(curves: npt.ArrayLike, times: npt.ArrayLike, target: float) -> float:
    """First time [time, ascending] at which the median over runs is at least a target; infinite if it never is.

    In the curves [run, time], NaN (a run has no value yet) is below any target.
    """
    shown = np.asarray(curves, dtype=np.float64)
    median = np.median(np.where(np.isnan(shown), -np.inf, shown), axis=0)
    reached = np.flatnonzero(median >= target)
    return float(np.asarray(times, dtype=np.float64)[reached[0]]) if len(reached) else float("inf")


def seconds_to_reach(experiment: AnyExperiment, values: npt.ArrayLike, target: float) -> float:
    """First time at which the median over runs of the value of their incumbents, from values [entry], is at least a target.

    Simulated seconds of black-box runs, where a run that has ended keeps its incumbent; for one-shot runs wall seconds up to
    the end of an epoch, mean over runs. Infinite if the target is never reached within the budget.
    """
    of_incumbent = values_of_incumbents(experiment, values)  # [entry]
    clock = experiment.clock
    if not experiment.kind.simulated:  # entries are epochs, the same number in each run
        shape = len(experiment.seeds), -1  # [run, epoch]
        return first_reaching(of_incumbent.reshape(shape), clock.reshape(shape).mean(axis=0), target)
    steps = incumbent_steps(experiment)
    changed = np.append(True, steps[1:] != steps[:-1])
    times = np.unique(clock[changed & (clock <= experiment.budget)])
    return first_reaching(kept_values(experiment, times, values), times, target)
