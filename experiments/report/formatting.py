"""Numbers as text: mean ± standard deviation, means with intervals, ranges, and marks of significance."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from experiments.analysis.statistics import Summary


def with_deviation(mean: float, std: float) -> str:
    """Return a mean ± standard deviation, e.g. "93.87 ± 0.33"; without the latter where it is NaN, empty where both are."""
    if np.isnan(mean):
        return ""
    return f"{mean:.2f}" if np.isnan(std) else f"{mean:.2f} ± {std:.2f}"


def spread(summary: Summary) -> str:
    """Return mean ± standard deviation of a summary, see `with_deviation`."""
    return with_deviation(summary.mean, summary.std)


def with_interval(value: float, low: float, high: float, form: str = ".2f") -> str:
    """Return a value with an interval, e.g. "1.22 (1.10 to 1.35)"; without the latter where it is NaN."""
    return f"{value:{form}}" if np.isnan(low) else f"{value:{form}} ({low:{form}} to {high:{form}})"


def mean_with_interval(summary: Summary) -> str:
    """Return the mean of a summary with its interval, see `with_interval`."""
    return with_interval(summary.mean, summary.low, summary.high)


def span(numbers: Collection[int]) -> str:
    """Return the smallest and the largest of some numbers, e.g. "3 to 20"; one number where they are equal."""
    return " to ".join(map(str, dict.fromkeys((min(numbers), max(numbers)))))


def stars(p: float) -> str:
    """Return the mark of a p-value: * below 0.05, ** below 0.01, *** below 0.001; none otherwise, and for NaN."""
    return "*" * sum(p < threshold for threshold in (0.05, 0.01, 0.001))
