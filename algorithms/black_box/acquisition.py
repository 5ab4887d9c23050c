"""Acquisition functions: how much a search gains from an evaluation, by the mean and the deviation of a prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from benchmark_api.types import FloatArray

Acquisition = Callable[[FloatArray, FloatArray, float, np.random.Generator], FloatArray]
"""Values [point], more is better, of means and deviations [point] of a target to maximise, and the best target so far."""
AcquisitionName = Literal["its", "ei", "ucb", "mean"]


def independent_thompson(mean: FloatArray, deviation: FloatArray, best: float, rng: np.random.Generator) -> FloatArray:
    """Draw the value of each point independently of the others (BANANAS, White et al., 2021, section 3.2)."""
    return mean + deviation * rng.standard_normal(len(mean))


def expected_improvement(mean: FloatArray, deviation: FloatArray, best: float, rng: np.random.Generator) -> FloatArray:
    """Return E[max(f - best, 0)] for a normal f (Jones et al., Journal of Global Optimization 13, 1998, eq. 15)."""
    from scipy.special import ndtr  # SciPy is imported where it is used: command lines would start more slowly

    certain = deviation <= 0.0
    z = (mean - best) / np.where(certain, 1.0, deviation)
    density = np.exp(-0.5 * np.square(z)) / np.sqrt(2.0 * np.pi)
    gains: FloatArray = np.where(certain, np.maximum(mean - best, 0.0), deviation * (z * ndtr(z) + density))
    return gains


def upper_bound(mean: FloatArray, deviation: FloatArray, best: float, rng: np.random.Generator) -> FloatArray:
    """Return the mean plus half a deviation, the factor of BANANAS' code."""
    return mean + 0.5 * deviation


def exploitation(mean: FloatArray, deviation: FloatArray, best: float, rng: np.random.Generator) -> FloatArray:
    """Return the mean."""
    return mean


ACQUISITIONS: dict[AcquisitionName, Acquisition] = {
    "its": independent_thompson,
    "ei": expected_improvement,
    "ucb": upper_bound,
    "mean": exploitation,
}
