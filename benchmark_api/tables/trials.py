"""Means over trials."""

from __future__ import annotations

import numpy as np

from benchmark_api.types import FloatArray


def nanmean(values: FloatArray) -> FloatArray:
    """Return the mean over the last axis of values that are not NaN, in float64; NaN where all are."""
    present = ~np.isnan(values)
    count = present.sum(-1)
    total = np.where(present, values, 0.0).sum(-1, dtype=np.float64)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def mean_of_others(values: FloatArray) -> FloatArray:
    """Return the mean over all trials but one of values [architecture, trial], in float64.

    Returns:
        [architecture, trial that is left out]; NaN where there is no such trial, or no other.
    """
    present = ~np.isnan(values)
    others = present.sum(axis=1, keepdims=True) - 1
    total = np.where(present, values, 0.0).sum(axis=1, keepdims=True, dtype=np.float64)
    return np.where(present & (others > 0), (total - values) / np.maximum(others, 1), np.nan)
