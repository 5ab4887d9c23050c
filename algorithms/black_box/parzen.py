"""Parzen estimators over architectures: product kernel densities, and the split of evaluations into good and bad ones.

The estimator is that of TPE (Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 2011, eq. 2) with one
multivariate density of the good architectures, l(x), and one of the bad, g(x), as in BOHB (arXiv 1807.01774).
"""

from __future__ import annotations

import numpy as np

from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray, IntArray


class KernelDensity:
    """Mean over data of a product of kernels, one per decision.

    Args:
        data: choices [point, decision].
        kernels: weights [decision, choice of the datum, choice of the point of evaluation].
    """

    def __init__(self, data: IntArray, kernels: FloatArray) -> None:
        self.data = data
        self.kernels = kernels
        self._factors = np.empty((*kernels.shape[:2], len(data)))  # kernels of all data, [decision, choice, datum]
        for factors, kernel, choices in zip(self._factors, kernels, data.T, strict=True):
            kernel.T.take(choices, axis=1, out=factors, mode="clip")  # "clip": no copy in between
        self._decisions = np.arange(len(kernels))[:, None]

    def __call__(self, points: IntArray) -> FloatArray:
        """Return the density [point] at points [point, decision]."""
        factors = self._factors[self._decisions, points.T]  # [decision, point, datum]
        density: FloatArray = factors.prod(axis=0).sum(axis=1) / len(self.data)  # [point]
        return density


class History:
    """Evaluations at one fidelity; scores are in percent, -inf for a failed evaluation."""

    def __init__(self, decisions: int) -> None:
        self.architectures: IntArray = np.empty((0, decisions), dtype=np.int64)  # [evaluation, decision]
        self.scores: FloatArray = np.empty(0)  # [evaluation]

    def add(self, architecture: Architecture, score: float) -> None:
        """Append an evaluation."""
        self.architectures = np.concatenate((self.architectures, [architecture]))
        self.scores = np.concatenate((self.scores, [score]))

    def split(self, top_n_percent: int) -> tuple[IntArray, IntArray] | None:
        """Return the good and the bad architectures, best first; None until there are decisions + 1 of each.

        The good ones are the best top_n_percent, the bad ones the others (BOHB, eq. 3); both numbers are rounded down, and at
        least N_min = decisions + 1. The sort is stable, so that ties have the same order on every machine (hpbandster's is not).
        """
        evaluations, decisions = self.architectures.shape
        good = max(decisions + 1, top_n_percent * evaluations // 100)
        bad = max(decisions + 1, (100 - top_n_percent) * evaluations // 100)
        if evaluations - good <= decisions:
            return None
        ranking = np.argsort(-self.scores, kind="stable")
        return self.architectures[ranking[:good]], self.architectures[ranking[good : good + bad]]


def aitchison_aitken_kernel(choices: int, bandwidth: float) -> FloatArray:
    """Return the kernel [choice of the datum, choice] of unordered choices (Aitchison & Aitken, Biometrika 1976).

    It is 1 - h for a match, h / (choices - 1) else. The bandwidth is h as a share of (choices - 1) / choices, the h of the
    uniform kernel: below 1, so that a match weighs more than a mismatch.
    """
    return bandwidth / choices + (1 - bandwidth) * np.eye(choices)


def ordinal_kernel(choices: int, bandwidth: float) -> FloatArray:
    """Return the kernel [choice of the datum, choice] of ordered choices (Wang & van Ryzin, Biometrika 68, 1981).

    It is bandwidth^distance, normalised by rows; the bandwidth is in (0, 1).
    """
    weights = bandwidth ** np.abs(np.subtract.outer(np.arange(choices), np.arange(choices)))
    kernel: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return kernel
