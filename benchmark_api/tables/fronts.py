"""Pareto fronts of accuracy against a cost."""

from __future__ import annotations

import numpy as np

from benchmark_api.types import FloatArray, IntArray


def pareto_front(cost: FloatArray, accuracy: FloatArray) -> IntArray:
    """Return the indices, by rising cost, of the architectures that no other one dominates.

    One dominates another if it is as cheap and better, or as good and cheaper. Of architectures equal in both, only the one with
    the lowest index is on the front.

    Args:
        cost: [architecture], less is better; NaN where not measured.
        accuracy: [architecture], more is better; NaN where not measured.
    """
    measured = np.flatnonzero(~np.isnan(cost) & ~np.isnan(accuracy))
    order = measured[np.lexsort((-accuracy[measured], cost[measured]))]  # a stable sort: the lowest index first on ties
    best_before = np.maximum.accumulate(np.concatenate(([-np.inf], accuracy[order])))[:-1]
    return np.asarray(order[accuracy[order] > best_before], dtype=np.int64)
