"""Multinomial distribution learning: the update that the black-box and the one-shot form of MdeNAS have in common.

Zheng et al., Multinomial Distribution Learning for Effective Neural Architecture Search, ICCV 2019, arXiv 1905.07529; the update
as the first author published it later (zhengxiawu/XNAS, xnas/search_algorithm/MDENAS.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import numpy as np

from benchmark_api.bounds import Bounded, positive
from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray


@dataclass(frozen=True)
class MultinomialConfig(Bounded):
    """Hyperparameters of multinomial distribution learning."""

    step: Annotated[float, positive] = 0.01
    """Probability that one comparison moves from the worse choice to the better one (the paper's alpha, the code's eta)."""

    strict: bool = False
    """Whether choices that were sampled equally often are not compared, as in the paper; the authors' code compares them."""


class Multinomial:
    """A distribution of architectures: an independent one for each decision, uniform at first.

    A choice gains from each choice of its decision that was sampled at least as often and is less accurate.

    Args:
        cardinalities: number of choices of each decision.
        config: hyperparameters.

    Attributes:
        theta: probabilities [decision, choice]; 0 for choices that do not exist.
        counts: times that each choice was sampled [decision, choice].
        accuracies: accuracy of the latest architecture with each choice, 0 before there is one [decision, choice].
    """

    def __init__(self, cardinalities: Sequence[int], config: MultinomialConfig) -> None:
        exists = np.arange(max(cardinalities)) < np.array(cardinalities)[:, None]  # [decision, choice]
        self.config = config
        self.theta: FloatArray = exists / exists.sum(axis=1, keepdims=True)
        self.counts: FloatArray = np.zeros(exists.shape)
        self.accuracies: FloatArray = np.zeros(exists.shape)

    def most_likely(self) -> Architecture:
        """Return the choices with the highest probabilities, the first ones on ties."""
        return tuple(self.theta.argmax(axis=1).tolist())

    def at(self, uniforms: FloatArray) -> Architecture:
        """Return the sample at numbers in [0, 1) [decision], by inverse transform."""
        return inverse_transform(self.theta, uniforms)

    def learn(self, architecture: Architecture, accuracy: float) -> None:
        """Count a sample, keep its accuracy, and move probability between the choices of each decision."""
        decisions = np.arange(len(architecture))
        self.counts[decisions, architecture] += 1
        self.accuracies[decisions, architecture] = accuracy  # the latest one, not an average
        for row in decisions:
            self.theta[row] = self._moved(*(values[row].tolist() for values in (self.theta, self.counts, self.accuracies)))

    def _moved(self, theta: list[float], e: list[float], a: list[float]) -> list[float]:
        """Return the probabilities of a decision after its comparisons, one after the other; e and a are the paper's symbols."""
        for i, j in combinations(range(len(theta)), 2):
            if self.config.strict and e[i] == e[j]:
                continue
            if e[i] >= e[j] and a[i] < a[j]:
                worse, better = i, j
            elif e[i] <= e[j] and a[i] > a[j]:
                worse, better = j, i
            else:
                continue
            moved = min(theta[worse], self.config.step)  # never below 0
            theta[worse] -= moved
            theta[better] += moved
        return theta


def inverse_transform(probabilities: FloatArray, uniforms: FloatArray) -> Architecture:
    """Return the sample of independent decisions with probabilities [decision, choice] at numbers in [0, 1) [decision]."""
    cumulative = probabilities.cumsum(axis=1)  # [decision, choice]
    threshold = uniforms * cumulative[:, -1]  # rounding may leave a sum that is not 1
    return tuple((cumulative <= threshold[:, None]).sum(axis=1).tolist())
