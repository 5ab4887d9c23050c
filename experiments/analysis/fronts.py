"""Fronts that runs found over time, hypervolumes, and attainment surfaces. Pure functions."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from algorithms.black_box.objectives import Front
from benchmark_api.types import BoolArray, FloatArray, IntArray
from experiments.store import Experiment


class FrontStep(NamedTuple):
    """The front of a run from a time on.

    Attributes:
        seconds: simulated clock.
        entries: positions of the front's evaluations in the experiment's columns.
    """

    seconds: float
    entries: IntArray


def front_steps(experiment: Experiment, losses: FloatArray) -> list[list[FrontStep]]:
    """Fronts of each run [run][step]: one for each evaluation within the budget that changed it.

    Evaluations at several fidelities are not compared: those with the most epochs so far compete, unless the incumbent rule is
    "any-fidelity". A failed evaluation, and one whose metric is not measured, is on no front.

    Args:
        experiment: the runs.
        losses: [entry, objective], as the runs saw them; NaN where failed or not measured.
    """
    epochs, clock, rows = experiment.epochs.tolist(), experiment.seconds.tolist(), losses.tolist()
    comparable = experiment.incumbent_rule == "any-fidelity"
    make_front = Staircase if losses.shape[1] == 2 else AnyFront
    valid = ~np.isnan(losses).any(axis=1) & (experiment.seconds <= experiment.budget)
    if comparable or len(set(epochs)) == 1:
        valid &= ~_dominated(losses, valid, experiment.offsets)
    kept, runs = np.flatnonzero(valid), []
    for start, stop in pairwise(np.searchsorted(kept, experiment.offsets).tolist()):
        front = make_front()
        highest, steps = 0, []
        for entry in kept[start:stop].tolist():
            if epochs[entry] < highest and not comparable:
                continue
            if epochs[entry] > highest and not comparable:
                front, highest = make_front(), epochs[entry]
            if front.add(tuple(rows[entry]), entry):
                steps.append(FrontStep(clock[entry], np.array(sorted(front.items))))
        runs.append(steps)
    return runs


def _dominated(losses: FloatArray, valid: BoolArray, offsets: IntArray) -> BoolArray:
    """Whether each entry [entry] is dominated or equalled by the valid entry of its run with the lowest sum of losses so far.

    Such an entry changes no front. Most entries are such ones, and they are found without a loop.
    """
    count = len(losses)
    scale = np.ptp(losses[valid], axis=0) if valid.any() else np.ones(losses.shape[1])
    sums = np.where(valid, (losses / np.where(scale > 0, scale, 1.0)).sum(axis=1), np.inf)
    order = np.argsort(sums, kind="stable")
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    run = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    lowest = order[count - 1 - np.maximum.accumulate(run * count + count - 1 - place) % count]  # up to and with each entry
    before = np.concatenate(([0], lowest[:-1]))
    same_run = np.concatenate(([False], run[1:] == run[:-1]))
    return np.asarray(same_run & valid[before] & (losses[before] <= losses).all(axis=1))


class AnyFront(Front[int]):
    """A front of any number of objectives; `items` are the entries on it."""

    @property
    def items(self) -> list[int]:
        return [item for _, item in self.members]


class Staircase:
    """The same as `AnyFront` for two objectives: members lie in the order of the first one, so that a place is found by halving.

    Reports add each evaluation of each run: 186,000 of them take a third of the time that `AnyFront` takes.
    """

    def __init__(self) -> None:
        self._first: list[float] = []  # ascending
        self._second: list[float] = []  # descending
        self.items: list[int] = []

    def add(self, losses: tuple[float, ...], item: int) -> bool:
        """Add an entry that no member dominates or equals, drop members that it dominates; return whether it was added."""
        first, second = losses
        after = bisect_right(self._first, first)  # members before it are no worse in the first objective
        if math.isinf(first) or (after and self._second[after - 1] <= second):
            return False
        start = after - 1 if after and self._first[after - 1] == first else after
        stop = after
        while stop < len(self._second) and self._second[stop] >= second:
            stop += 1
        for values, value in ((self._first, first), (self._second, second)):
            values[start:stop] = [value]
        self.items[start:stop] = [item]
        return True


def hypervolume(points: FloatArray, reference: FloatArray) -> float:
    """Volume that points dominate, up to a reference point (Zitzler & Thiele, PPSN 1998).

    Two objectives are swept here, so that the usual report needs no further package; more are left to moocore.

    Args:
        points: [point, objective], less is better; those beyond the reference add nothing.
        reference: [objective].

    Raises:
        ValueError: there are more than two objectives and moocore is not installed.
    """
    if len(reference) == 2:
        right, top = reference.tolist()
        return area(points.tolist(), right, top)
    inside = points[(points < reference).all(axis=1)]
    return _hypervolume_of_many(inside, reference) if len(inside) else 0.0


def area(points: Iterable[Sequence[float]], right: float, top: float) -> float:
    """`hypervolume` of points of two objectives, up to the reference point (right, top); plain floats, as fronts are too small
    for arrays to pay."""
    volume, lowest = 0.0, top
    for first, second in sorted((first, second) for first, second in points if first < right and second < top):
        if second < lowest:
            volume += (right - first) * (lowest - second)
            lowest = second
    return volume


def _hypervolume_of_many(points: FloatArray, reference: FloatArray) -> float:
    try:
        import moocore
    except ImportError:
        needed = f"the hypervolume of {len(reference)} objectives needs moocore (pip install moocore)"
        raise ValueError(f"{needed}; without it, expected an accuracy and one metric") from None
    return float(moocore.hypervolume(points, ref=reference))


def attainment_surfaces(
    fronts: Sequence[tuple[FloatArray, FloatArray]], costs: FloatArray, shares: Sequence[float]
) -> FloatArray:
    """Accuracy that at least some shares of the runs attained at no more than a cost (Fonseca & Fleming, PPSN 1996).

    Args:
        fronts: cost [point], less is better, and accuracy [point] of the front of each run.
        costs: [cost].
        shares: of the runs, in (0, 1].

    Returns:
        [share, cost]; -inf where fewer runs have a point that is so cheap.
    """
    best = np.full((len(fronts), len(costs)), -np.inf)  # [run, cost]
    for of_run, (cost, accuracy) in zip(best, fronts, strict=True):
        order = np.argsort(cost, kind="stable")
        reached = np.concatenate(([-np.inf], np.maximum.accumulate(accuracy[order])))
        of_run[:] = reached[np.searchsorted(cost[order], costs, side="right")]
    runs = [math.ceil(share * len(fronts)) for share in shares]
    return np.sort(best, axis=0)[[len(fronts) - count for count in runs]]
