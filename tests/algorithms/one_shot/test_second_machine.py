"""Another processor gives the same means.

Rounding differs between processors, and training amplifies it until single runs have nothing in common. Only distributions can
be compared: the mean of ten seeds must lie in the interval in which it lies with probability 99.9 %, by Student's t, if runs
are distributed as the hundred runs of other seeds are that an AMD EPYC (family 26, model 2) made.

A processor on which all is well fails with a probability of up to 0.6 %, once and for all: its runs are determined.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.helpers.second_machine import MEASURES, METHODS, finals

RUNS = 100
"""Runs behind each mean and standard deviation, of the seeds 0 to 99."""

SEEDS = range(1000, 1010)

AMD: dict[str, tuple[list[float], list[float]]] = {
    "rsps": ([2.3033, 11.6526, 59.0814], [0.0214, 2.2929, 10.4361]),
    "tunas": ([2.0131, 25.2762, 42.4165], [0.0701, 5.7875, 9.0567]),
}
"""Mean and standard deviation of each measure, as `python -m tests.helpers.second_machine` prints them."""


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_means_are_those_of_another_processor(name: str) -> None:
    mean, deviation = map(np.array, AMD[name])  # [measure]
    half = stats.t.ppf(0.9995, RUNS - 1) * deviation * np.sqrt(1 / RUNS + 1 / len(SEEDS))
    found = finals(name, SEEDS).mean(axis=0)
    outside = {of: (value, low, high) for of, value, low, high in zip(MEASURES, found, mean - half, mean + half, strict=True)}
    assert not {of: numbers for of, numbers in outside.items() if not numbers[1] <= numbers[0] <= numbers[2]}
