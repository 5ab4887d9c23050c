"""BOHB: Hyperband whose candidates come from a model of what was good so far.

The model is the tree-structured Parzen estimator with product kernels: one kernel density of the good architectures, one of
the bad ones; the next candidate is the one with the largest ratio among some drawn from the good density.

`ModelHyperband` is what this variant and `bohb_reference.py` share: the brackets, the split into good and bad, the form of the
densities. They differ in the kernels (`_kernels`), in how the next candidate is picked (`_modelled`), and in when they stop and
what they report.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from algorithms.black_box.base import Query, register
from algorithms.black_box.hyperband import Bracket, HalvingConfig, Hyperband, bohb_brackets
from algorithms.black_box.parzen import Array, History, IntArray, KernelDensity, aitchison_aitken_kernel, ordinal_kernel
from benchmark_api.spaces import Architecture, all_architectures

RANDOM_ATTEMPTS = 100
"""Random draws without a new architecture after which the space counts as nearly exhausted: the least trained ones are listed."""


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

    def _start(self) -> None:
        super()._start()
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

    def _start(self) -> None:
        super()._start()
        kernel = ordinal_kernel if self.space.ordinal else aitchison_aitken_kernel
        choices = max(self.space.cardinalities)
        self._kernel_table = np.zeros((len(self.space.cardinalities), choices, choices))
        for table, cardinality in zip(self._kernel_table, self.space.cardinalities, strict=True):
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
