"""Parzen estimators over architectures: product kernel densities, and the split of evaluations into good and bad ones.

The parts that both variants of BOHB share; the estimator is that of TPE (Bergstra et al., Algorithms for Hyper-Parameter
Optimization, NIPS 2011) with one multivariate density of the good and one of the bad, as in BOHB (arXiv 1807.01774).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmark_api.spaces import Architecture

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class KernelDensity:
    """Mean over data of a product of kernels, one per decision.

    Args:
        data: [point, decision], choices.
        kernels: [decision, choice of the datum, choice at which the density is wanted], weights.
    """

    def __init__(self, data: IntArray, kernels: Array) -> None:
        self.data = data
        self.kernels = kernels
        # The kernels of all data for each choice, [decision, choice, datum].
        self._factors = np.empty((*kernels.shape[:2], len(data)))
        for factors, kernel, choices in zip(self._factors, kernels, data.T, strict=True):
            kernel.T.take(choices, axis=1, out=factors, mode="clip")  # "clip": no copy in between
        self._decisions = np.arange(len(kernels))[:, None]

    def __call__(self, points: IntArray) -> Array:
        """Density at points [point, decision]."""
        factors = self._factors[self._decisions, points.T]  # [decision, point, datum]
        density: Array = factors.prod(axis=0).sum(axis=1) / len(self.data)
        return density


class History:
    """Evaluations at one fidelity.

    Attributes:
        architectures: [evaluation, decision].
        accuracies: [evaluation], percent, -inf for a failed one.
    """

    def __init__(self, decisions: int) -> None:
        self.architectures: IntArray = np.empty((0, decisions), dtype=np.int64)
        self.accuracies: Array = np.empty(0)

    def add(self, architecture: Architecture, accuracy: float) -> None:
        """Append an evaluation."""
        self.architectures = np.concatenate((self.architectures, [architecture]))
        self.accuracies = np.concatenate((self.accuracies, [accuracy]))

    def split(self, top_n_percent: int) -> tuple[IntArray, IntArray] | None:
        """The good and the bad architectures, best first; None while there are not more of each than decisions.

        The good ones are the best top_n_percent, the bad ones the others, each rounded down, and at least decisions + 1.
        The sort is stable, so that equal accuracies rank alike on every machine (hpbandster's is not).
        """
        evaluations, decisions = self.architectures.shape
        good = max(decisions + 1, top_n_percent * evaluations // 100)
        bad = max(decisions + 1, (100 - top_n_percent) * evaluations // 100)
        if evaluations - good <= decisions:
            return None
        ranking = np.argsort(-self.accuracies, kind="stable")
        return self.architectures[ranking[:good]], self.architectures[ranking[good : good + bad]]


def aitchison_aitken_kernel(choices: int, bandwidth: float) -> Array:
    """Kernel of unordered choices (Aitchison & Aitken, Biometrika 63, 1976): 1 - h for a match, h / (choices - 1) for others.

    Args:
        choices: number of choices.
        bandwidth: h as a share of (choices - 1) / choices, where all choices weigh the same; in (0, 1), so that a match
            always weighs more than a mismatch.

    Returns:
        [choice of the datum, choice], rows sum to 1.
    """
    mismatch = bandwidth / choices
    return mismatch + (1 - bandwidth) * np.eye(choices)


def ordinal_kernel(choices: int, bandwidth: float) -> Array:
    """Kernel of ordered choices: bandwidth^distance (the form of Wang & van Ryzin, Biometrika 68, 1981), rows made to sum to 1.

    Args:
        choices: number of choices.
        bandwidth: weight of a choice over that of one nearer by a step; in (0, 1).

    Returns:
        [choice of the datum, choice], rows sum to 1.
    """
    distance = np.abs(np.subtract.outer(np.arange(choices), np.arange(choices)))
    weights = bandwidth**distance
    kernel: Array = weights / weights.sum(axis=1, keepdims=True)
    return kernel
