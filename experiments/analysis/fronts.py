"""Fronts that runs found over time, hypervolumes, and attainment surfaces. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from algorithms.black_box.objectives import Front
from benchmark_api.types import FloatArray, IntArray
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
    valid = (~np.isnan(losses).any(axis=1) & (experiment.seconds <= experiment.budget)).tolist()
    runs = []
    for start, stop in pairwise(experiment.offsets.tolist()):
        front: Front[int] = Front()
        highest, steps = 0, []
        for entry in range(start, stop):
            if not valid[entry] or (epochs[entry] < highest and not comparable):
                continue
            if epochs[entry] > highest and not comparable:
                front, highest = Front(), epochs[entry]
            if front.add(tuple(rows[entry]), entry):
                steps.append(FrontStep(clock[entry], np.array([member for _, member in front.members])))
        runs.append(steps)
    return runs


def hypervolume(points: FloatArray, reference: FloatArray) -> float:
    """Volume that points dominate, up to a reference point (Zitzler & Thiele, PPSN 1998).

    Two objectives are swept; more are left to moocore, which takes 18 microseconds for a front of 40 points of two, the sweep 9.

    Args:
        points: [point, objective], less is better; those beyond the reference add nothing.
        reference: [objective].

    Raises:
        ValueError: there are more than two objectives and moocore is not installed.
    """
    inside = points[(points < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    if len(reference) > 2:
        return _hypervolume_of_many(inside, reference)
    first, second = inside[np.argsort(inside[:, 0], kind="stable")].T
    widths = np.diff(first, append=reference[0])
    return float(widths @ (reference[1] - np.minimum.accumulate(second)))


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
