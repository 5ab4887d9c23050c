"""BOHB: Hyperband whose candidates come from a model of what was good so far.

The model is the tree-structured Parzen estimator with product kernels: one kernel density of the good architectures, one of
the bad ones; the next candidate is the one with the largest ratio among some drawn from the good density.

    bohb            as it should be
    bohb-reference  what the published NATS-Bench rows were made with: the generator of hpbandster 0.7.4 and its driver script

Both are a `ModelHyperband`: the same brackets, the same split into good and bad, densities of the same form. They differ in
the kernels (`_kernels`), in how the next candidate is picked (`_modelled`), and in when they stop and what they report.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from algorithms.base import Query, register
from algorithms.hpbandster_backend import HpbandsterGenerator
from algorithms.hyperband import Bracket, HalvingConfig, Hyperband, Rung, rung_epochs
from benchmark_api.spaces import Architecture, SearchSpace, all_architectures

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RANDOM_ATTEMPTS = 100
"""Random draws without a new architecture after which the space counts as nearly exhausted: the least trained ones are listed."""


def bohb_brackets(min_epochs: int, max_epochs: int, eta: int) -> list[Bracket]:
    """The brackets of hpbandster: 9-3-1, 3-1 and 3 for 1 to 12 epochs and eta 3.

    They are those of Hyperband, but floor((s_max + 1) / (s + 1)) · eta^s candidates start in bracket s.
    """
    epochs = rung_epochs(min_epochs, max_epochs, eta)
    rungs = len(epochs)
    return [
        tuple(Rung(rungs // (s + 1) * eta ** (s - i), epochs[rungs - 1 - s + i]) for i in range(s + 1))
        for s in reversed(range(rungs))
    ]


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


@dataclass(frozen=True)
class ModelConfig(HalvingConfig):
    """Hyperparameters that both variants have; the defaults are those of the paper.

    Raises:
        ValueError: a value is out of range.
    """

    top_n_percent: int = 15
    """Share of the evaluations that counts as good, in percent."""

    num_samples: int = 64
    """Candidates drawn per proposal; the one with the best score is proposed."""

    random_fraction: float = 1 / 3
    """Share of the proposals that are random although there is a model."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.top_n_percent <= 99:
            raise ValueError(f"top_n_percent must be in 1 to 99, got {self.top_n_percent}")
        if self.num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {self.num_samples}")
        if not 0 <= self.random_fraction <= 1:
            raise ValueError(f"random_fraction must be in [0, 1], got {self.random_fraction}")


class ModelHyperband(Hyperband):
    """Hyperband with candidates from a model of the highest fidelity that has enough evaluations for one."""

    config: ModelConfig

    def __init__(
        self,
        space: SearchSpace,
        config: ModelConfig | None = None,
        *,
        seed: int | np.random.Generator = 0,
        max_epochs: int = 12,
    ) -> None:
        super().__init__(space, config, seed=seed, max_epochs=max_epochs)
        self._histories: dict[int, History] = {}  # by epochs
        self._good: KernelDensity | None = None  # l(x) of the paper; None while there is no model
        self._bad: KernelDensity | None = None  # g(x)
        self._model_epochs = 0  # fidelity of the model

    def _brackets(self) -> Iterator[Bracket]:
        return cycle(bohb_brackets(self.config.min_epochs, self.max_epochs, self.config.eta))

    def _candidate(self, epochs: int) -> Architecture:
        if self._good is None or self._bad is None or self.rng.random() < self.config.random_fraction:
            return self._random(epochs)
        return self._modelled(self._good, self._bad, epochs)

    def _random(self, epochs: int) -> Architecture:
        """A candidate that owes nothing to the model."""
        return self.space.sample(self.rng)

    @abstractmethod
    def _modelled(self, good: KernelDensity, bad: KernelDensity, epochs: int) -> Architecture:
        """A candidate that is likely under the good density and unlikely under the bad one."""

    @abstractmethod
    def _kernels(self, data: IntArray) -> Array:
        """The kernels of a density of data [point, decision], for `KernelDensity`."""

    def _observe(self, query: Query, accuracy: float) -> None:
        super()._observe(query, accuracy)
        self._learn(query.architecture, query.epochs or self.max_epochs, accuracy)

    def _learn(self, architecture: Architecture, epochs: int, accuracy: float) -> None:
        """Update the model."""
        if epochs < self._model_epochs:  # below the model: never needed again
            return
        history = self._histories.setdefault(epochs, History(len(architecture)))
        history.add(architecture, accuracy)
        if split := history.split(self.config.top_n_percent):
            self._good, self._bad = (KernelDensity(data, self._kernels(data)) for data in split)
            self._model_epochs = epochs


@register
class BOHB(ModelHyperband):
    """BOHB with kernels in which a match counts more than a mismatch, and without repeated proposals.

    Where it differs from hpbandster: the bandwidth is a share of the widest sensible one, not the normal reference rule (which
    takes categories for numbers and exceeds that width); ordered choices have an ordinal kernel; candidates are drawn from the
    good density itself; an architecture that was trained for as many epochs, or for more, is not proposed again.
    """

    name = "bohb"
    title = "BOHB"
    paper = "Falkner et al., BOHB: Robust and Efficient Hyperparameter Optimization at Scale, ICML 2018, arXiv 1807.01774"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        """Hyperparameters of BOHB.

        Raises:
            ValueError: a value is out of range.
        """

        bandwidth: float = 0.5
        """Width of the kernels: towards 0 only equal choices count, towards 1 all choices count alike."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 < self.bandwidth < 1:
                raise ValueError(f"bandwidth must be in (0, 1), got {self.bandwidth}")

    config: Config

    def __init__(
        self,
        space: SearchSpace,
        config: Config | None = None,
        *,
        seed: int | np.random.Generator = 0,
        max_epochs: int = 12,
    ) -> None:
        super().__init__(space, config, seed=seed, max_epochs=max_epochs)
        kernel = ordinal_kernel if space.ordinal else aitchison_aitken_kernel
        choices = max(space.cardinalities)
        self._kernel_table = np.zeros((len(space.cardinalities), choices, choices))
        for table, cardinality in zip(self._kernel_table, space.cardinalities, strict=True):
            table[:cardinality, :cardinality] = kernel(cardinality, self.config.bandwidth)
        self._cumulative = self._kernel_table.cumsum(axis=2)  # [decision, datum's choice, choice]
        self._trained: dict[Architecture, int] = {}  # epochs of its longest training

    def _kernels(self, data: IntArray) -> Array:
        return self._kernel_table

    def _modelled(self, good: KernelDensity, bad: KernelDensity, epochs: int) -> Architecture:
        points = self._draw(good)
        ratio = good(points) / bad(points)
        for i in np.argsort(-ratio, kind="stable").tolist():
            architecture = tuple(points[i].tolist())
            if self._is_new(architecture, epochs):
                return architecture
        return self._random(epochs)

    def _draw(self, density: KernelDensity) -> IntArray:
        """Points [num_samples, decision] from a density: the kernel of a random datum, by inverse transform."""
        data = density.data[self.rng.integers(len(density.data), size=self.config.num_samples)]
        cumulative = self._cumulative[np.arange(data.shape[1]), data]  # [sample, decision, choice]
        threshold = self.rng.random(data.shape) * cumulative[:, :, -1]  # the sum, which rounding may leave below 1
        points: IntArray = (cumulative <= threshold[:, :, None]).sum(axis=2)
        return points

    def _random(self, epochs: int) -> Architecture:
        for _ in range(RANDOM_ATTEMPTS):
            architecture = super()._random(epochs)
            if self._is_new(architecture, epochs):
                return architecture
        everything = list(all_architectures(self.space))
        least = min(self._trained.get(architecture, 0) for architecture in everything)
        rest = [architecture for architecture in everything if self._trained.get(architecture, 0) == least]
        return rest[int(self.rng.integers(len(rest)))]  # a repeat only where nothing new is left

    def _is_new(self, architecture: Architecture, epochs: int) -> bool:
        # Longer trainings count too: otherwise a promotion could repeat one.
        return self._trained.get(architecture, 0) < epochs

    def _learn(self, architecture: Architecture, epochs: int, accuracy: float) -> None:
        super()._learn(architecture, epochs, accuracy)
        self._trained[architecture] = max(epochs, self._trained.get(architecture, 0))


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


@register
class BOHBReference(ModelHyperband):
    """BOHB as the published NATS-Bench rows have it, flaws included; compare with these rows, search with `bohb`.

    The kernel is that of `bohb`, but its bandwidth comes from the normal reference rule applied to the numbers of the choices
    and has no upper bound: it mostly exceeds (choices - 1) / choices, and a match then weighs less than a mismatch, even below
    zero. Choices are unordered in both spaces. It runs its 300 brackets whatever the budget, and its incumbent is the best
    accuracy at any fidelity.
    """

    name = "bohb-reference"
    title = "BOHB (reference)"
    paper = "Dong et al., NATS-Bench, TPAMI 2021, arXiv 2009.00437, with hpbandster 0.7.4 (Falkner et al., arXiv 1807.01774)"
    incumbent_rule = "any-fidelity"
    ignores_budget = True

    @dataclass(frozen=True)
    class Config(ModelConfig):
        """Hyperparameters of the reference; the defaults are those of the NATS-Bench script.

        Raises:
            ValueError: a value is out of range.
        """

        num_samples: int = 4
        """Candidates drawn per proposal; the one with the best score is proposed."""

        random_fraction: float = 0.0
        """Share of the proposals that are random although there is a model."""

        min_bandwidth: float = 0.3
        """Lower bound of the bandwidths."""

        brackets: int = 300
        """Brackets to run; then the search is finished."""

        backend: Literal["own", "hpbandster"] = "own"
        """Who proposes: this module, or the generator of the hpbandster package (slow; needs `make hpbandster`)."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.min_bandwidth > 0:
                raise ValueError(f"min_bandwidth must be positive, got {self.min_bandwidth}")
            if self.brackets < 1:
                raise ValueError(f"brackets must be at least 1, got {self.brackets}")
            if self.backend not in ("own", "hpbandster"):
                raise ValueError(f"backend must be 'own' or 'hpbandster', got {self.backend!r}")

    config: Config

    def __init__(
        self,
        space: SearchSpace,
        config: Config | None = None,
        *,
        seed: int | np.random.Generator = 0,
        max_epochs: int = 12,
    ) -> None:
        super().__init__(space, config, seed=seed, max_epochs=max_epochs)
        choices = max(space.cardinalities)
        self._match = np.eye(choices, dtype=bool)
        self._first_cell = np.arange(len(space.cardinalities)) * choices  # of each decision in a flat [decision, choice]
        self._powers = np.array([np.arange(choices), np.arange(choices) ** 2])
        self._hpbandster = None
        if self.config.backend == "hpbandster":
            self._hpbandster = HpbandsterGenerator(
                space.cardinalities,
                self.rng,
                top_n_percent=self.config.top_n_percent,
                num_samples=self.config.num_samples,
                random_fraction=self.config.random_fraction,
                min_bandwidth=self.config.min_bandwidth,
            )

    def _brackets(self) -> Iterator[Bracket]:
        return islice(super()._brackets(), self.config.brackets)

    def _kernels(self, data: IntArray) -> Array:
        points, decisions = data.shape
        counts = np.bincount((data + self._first_cell).ravel(), minlength=self._match.shape[0] * decisions).reshape(decisions, -1)
        total, total_of_squares = self._powers @ counts.T  # of the numbers of the choices, exact
        deviation = np.sqrt(points * total_of_squares - total * total) / points
        # Normal reference rule; NATS-Bench sets the lower bound, hpbandster has no upper one.
        bandwidth = np.maximum(1.06 * deviation * points ** (-1 / (4 + decisions)), self.config.min_bandwidth)
        # statsmodels counts the choices that occur in the data. With a single one a mismatch weighs h / 0.
        others = (counts > 0).sum(axis=1) - 1
        mismatch = np.where(others > 0, bandwidth / np.maximum(others, 1), np.inf)
        kernels: Array = np.where(self._match, 1 - bandwidth[:, None, None], mismatch[:, None, None])
        return kernels

    def _modelled(self, good: KernelDensity, bad: KernelDensity, epochs: int) -> Architecture:
        points = self._draw(good)
        with np.errstate(invalid="ignore"):  # infinite kernels make sums and products that are no numbers
            densities = zip(points.tolist(), good(points).tolist(), bad(points).tolist(), strict=True)
        best, best_ratio = None, math.inf
        for point, good_density, bad_density in densities:
            # The order of the arguments matters where a density is NaN: max keeps its first one.
            ratio = max(1e-32, bad_density) / max(good_density, 1e-32)
            if not math.isfinite(ratio) and math.isfinite(good_density):  # a choice that the bad data lack: taken at once
                best = point
                break
            if ratio < best_ratio:
                best, best_ratio = point, ratio
        return self._random(epochs) if best is None else tuple(best)

    def _draw(self, good: KernelDensity) -> IntArray:
        """Candidates [num_samples, decision]: a random datum, each choice kept with the weight of a match, else redrawn."""
        random = self.rng.random  # scaled and cut off: much faster than Generator.integers, and uniform to 2^-53
        data = good.data[(random(self.config.num_samples) * len(good.data)).astype(np.int64)]
        keep = random(data.shape) < good.kernels[:, 0, 0]  # 1 - bandwidth; never where that is negative
        return np.where(keep, data, (random(data.shape) * self.space.cardinalities).astype(np.int64))

    def _candidate(self, epochs: int) -> Architecture:
        return super()._candidate(epochs) if self._hpbandster is None else self._hpbandster.propose()

    def _learn(self, architecture: Architecture, epochs: int, accuracy: float) -> None:
        if self._hpbandster is None:
            super()._learn(architecture, epochs, accuracy)
        else:
            self._hpbandster.tell(architecture, epochs, accuracy)
