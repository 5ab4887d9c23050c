"""BOHB: Hyperband with candidates from a model of the evaluations so far.

The model is the tree-structured Parzen estimator with product kernels: one kernel density of the good architectures, one of
the bad ones. Candidates are drawn from the good density; the one with the largest ratio of the densities is proposed.

`ModelHyperband` is the common part of this variant and `bohb_reference.py`: the brackets, the split into good and bad, the form
of the densities. The variants differ in the kernels (`_kernels`), in the choice of the next candidate (`_modelled`), in when
they stop and in their incumbent. Line numbers are those of Algorithm 2 of the paper (arXiv 1807.01774).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Annotated, Any

import numpy as np

from algorithms.black_box.base import Evaluation, Query, register
from algorithms.black_box.hyperband import Bracket, BracketSearch, HalvingConfig, bohb_brackets
from algorithms.black_box.parzen import History, KernelDensity, aitchison_aitken_kernel, ordinal_kernel
from benchmark_api.bounds import at_least, between
from benchmark_api.spaces import Architecture, all_architectures
from benchmark_api.types import FloatArray, IntArray

RANDOM_ATTEMPTS = 100
"""Random draws without a new architecture after which one of the least trained architectures is chosen instead."""


@dataclass(frozen=True)
class ModelConfig(HalvingConfig):
    """Hyperparameters of both variants; the defaults are those of the paper."""

    top_n_percent: Annotated[int, between(1, 99)] = 15
    """Share of the evaluations that counts as good, in percent."""

    num_samples: Annotated[int, at_least(1)] = 64
    """Candidates drawn per proposal; the one with the best score is proposed."""

    random_fraction: Annotated[float, between(0, 1)] = 1 / 3
    """Share of the proposals that are random although there is a model."""


class ModelHyperband(BracketSearch):
    """Hyperband with candidates from a model of the highest fidelity that has enough evaluations for a model."""

    config: ModelConfig

    def _start(self) -> None:
        super()._start()
        self._histories: dict[int, History] = {}  # by epochs
        self._good: KernelDensity | None = None  # l(x); None while there is no model
        self._bad: KernelDensity | None = None  # g(x)
        self._model_epochs = 0  # fidelity of the model

    @classmethod
    def without_fidelities(cls, max_epochs: int) -> dict[str, Any]:
        return {"min_epochs": max_epochs}  # brackets of one candidate on one rung: the model alone

    def _brackets(self) -> Iterator[Bracket]:
        return cycle(bohb_brackets(self.config.min_epochs, self.max_epochs, self.config.eta))

    def _candidate(self, epochs: int) -> Architecture:
        if self._good is None or self._bad is None or self.rng.random() < self.config.random_fraction:  # lines 1 and 3
            return self._random(epochs)
        return self._modelled(self._good, self._bad, epochs)

    def _random(self, epochs: int) -> Architecture:
        """Draw a candidate without the model."""
        return self.space.sample(self.rng)

    @abstractmethod
    def _modelled(self, good: KernelDensity, bad: KernelDensity, epochs: int) -> Architecture:
        """Draw candidates from the good density and return the one with the largest ratio l(x) / g(x) (lines 5 and 6)."""

    @abstractmethod
    def _kernels(self, data: IntArray) -> FloatArray:
        """Return the kernels of `KernelDensity` for data [point, decision]."""

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        super()._observe(query, evaluation)
        self._learn(query.architecture, query.epochs or self.max_epochs, evaluation.score)

    def _learn(self, architecture: Architecture, epochs: int, score: float) -> None:
        """Update the model with a score in percent, -inf for a failed evaluation."""
        if epochs < self._model_epochs:  # below the model: never needed again
            return
        history = self._histories.setdefault(epochs, History(len(architecture)))
        history.add(architecture, score)
        if split := history.split(self.config.top_n_percent):
            self._good, self._bad = (KernelDensity(data, self._kernels(data)) for data in split)  # line 4
            self._model_epochs = epochs  # line 2


@register
class BOHB(ModelHyperband):
    """BOHB with kernels in which a match counts more than a mismatch, and without repeated proposals.

    Differences from hpbandster: the bandwidth is a share of the uniform kernel's, not the normal reference rule (which treats
    categories as numbers and exceeds that width); ordered choices have an ordinal kernel; candidates are drawn from the good
    density itself; an architecture is not proposed again for a training that is not longer than its longest one.
    """

    name = "bohb"
    title = "BOHB"
    paper = "Falkner et al., BOHB: Robust and Efficient Hyperparameter Optimization at Scale, ICML 2018, arXiv 1807.01774"

    @dataclass(frozen=True)
    class Config(ModelConfig):
        """Hyperparameters of BOHB."""

        bandwidth: Annotated[float, between(0, 1, "()")] = 0.5
        """Width of the kernels: towards 0 only equal choices count, towards 1 all choices count alike."""

    config: Config

    def _start(self) -> None:
        super()._start()
        kernel = ordinal_kernel if self.space.ordinal else aitchison_aitken_kernel
        choices = max(self.space.cardinalities)
        self._kernel_table = np.zeros((len(self.space.cardinalities), choices, choices))
        for table, cardinality in zip(self._kernel_table, self.space.cardinalities, strict=True):
            table[:cardinality, :cardinality] = kernel(cardinality, self.config.bandwidth)
        self._cumulative = self._kernel_table.cumsum(axis=2)  # [decision, datum's choice, choice]
        self._trained: dict[Architecture, int] = {}  # epochs of the longest training, pending ones included

    def _kernels(self, data: IntArray) -> FloatArray:
        return self._kernel_table

    def _modelled(self, good: KernelDensity, bad: KernelDensity, epochs: int) -> Architecture:
        points = self._draw(good)
        ratio = good(points) / bad(points)  # l(x) / g(x), [sample]
        for architecture in map(tuple, points[np.argsort(-ratio, kind="stable")].tolist()):
            if self._is_new(architecture, epochs):
                return architecture
        return self._random(epochs)

    def _draw(self, density: KernelDensity) -> IntArray:
        """Draw points [num_samples, decision] from a density: from the kernel of a random datum, by inverse transform."""
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
        trained = {architecture: self._trained.get(architecture, 0) for architecture in all_architectures(self.space)}
        least = min(trained.values())
        rest = [architecture for architecture, longest in trained.items() if longest == least]
        return rest[int(self.rng.integers(len(rest)))]  # a repeat only where nothing new is left

    def _is_new(self, architecture: Architecture, epochs: int) -> bool:
        # Longer trainings count too: otherwise a promotion could repeat a training.
        return self._trained.get(architecture, 0) < epochs

    def _propose(self) -> Query:
        query = super()._propose()
        architecture, epochs = query.architecture, query.epochs
        self._trained[architecture] = max(epochs or self.max_epochs, self._trained.get(architecture, 0))
        return query
