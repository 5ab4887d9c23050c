"""Pareto fronts: of accuracy against a cost, and of any number of losses."""

from __future__ import annotations

import numpy as np

from benchmark_api.types import FloatArray, IntArray


def non_dominated(losses: FloatArray) -> IntArray:
    """Return the indices, in lexicographic order of the losses, of the points that no other one dominates.

    One dominates another if it is nowhere larger and somewhere smaller. Of points that are equal, only the one with the lowest
    index is returned.

    Args:
        losses: [point, objective], less is better; a point with a NaN is on no front.
    """
    rest = np.flatnonzero(~np.isnan(losses).any(axis=1))
    rest = rest[np.lexsort(losses[rest].T[::-1])]  # a stable sort; no point is dominated by a later one
    front = []
    while rest.size:
        front.append(rest[0])
        rest = rest[(losses[rest] < losses[rest[0]]).any(axis=1)]
    return np.array(front, dtype=np.int64)


def pareto_front(cost: FloatArray, accuracy: FloatArray) -> IntArray:
    """Return the indices, by rising cost, of the architectures that no other one dominates.

    One dominates another if it is as cheap and better, or as good and cheaper. Of architectures equal in both, only the one with
    the lowest index is on the front.

    Args:
        cost: [architecture], less is better; NaN where not measured.
        accuracy: [architecture], more is better; NaN where not measured.
    """
    return non_dominated(np.stack((cost, -accuracy), axis=1))
