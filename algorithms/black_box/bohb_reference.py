"""BOHB as run for the published NATS-Bench rows: the generator of hpbandster 0.7.4 and the driver script."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Literal

import numpy as np

from algorithms.black_box.base import register
from algorithms.black_box.bohb import ModelConfig, ModelHyperband
from algorithms.black_box.hpbandster_backend import HpbandsterGenerator
from algorithms.black_box.hyperband import Bracket
from algorithms.black_box.parzen import KernelDensity
from benchmark_api.bounds import at_least, between, positive
from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray, IntArray


@register
class BOHBReference(ModelHyperband):
    """BOHB of the published NATS-Bench rows, flaws included; for comparison with these rows only (search with `bohb`).

    The kernel is that of `bohb`, but its bandwidth comes from the normal reference rule applied to the numbers of the choices
    and has no upper bound: it mostly exceeds (choices - 1) / choices, and a match then weighs less than a mismatch, even below
    zero. Choices are unordered in both spaces. The search runs its 300 brackets whatever the budget, and its incumbent is the
    best accuracy at any fidelity.
    """

    name = "bohb-reference"
    title = "BOHB (reference)"
    paper = "Dong et al., NATS-Bench, TPAMI 2021, arXiv 2009.00437, with hpbandster 0.7.4 (Falkner et al., arXiv 1807.01774)"
    incumbent_rule = "any-fidelity"
    ignores_budget = True
    max_pending = 1  # as in the driver script

    @dataclass(frozen=True)
    class Config(ModelConfig):
        """Hyperparameters of the reference; the defaults are those of the NATS-Bench script."""

        num_samples: Annotated[int, at_least(1)] = 4
        """Candidates drawn per proposal; the one with the best score is proposed."""

        random_fraction: Annotated[float, between(0, 1)] = 0.0
        """Share of the proposals that are random although there is a model."""

        min_bandwidth: Annotated[float, positive] = 0.3
        """Lower bound of the bandwidths."""

        brackets: Annotated[int, at_least(1)] = 300
        """Brackets to run; then the search is finished."""

        backend: Literal["own", "hpbandster"] = "own"
        """Who proposes: this module, or the generator of the hpbandster package (slow; needs `make hpbandster`)."""

    config: Config

    def _start(self) -> None:
        super()._start()
        choices = max(self.space.cardinalities)
        self._match = np.eye(choices, dtype=bool)
        self._first_cell = np.arange(len(self.space.cardinalities)) * choices  # of each decision, in flat [decision, choice]
        self._powers = np.array([np.arange(choices), np.arange(choices) ** 2])
        self._hpbandster = None
        if self.config.backend == "hpbandster":
            options = ("top_n_percent", "num_samples", "random_fraction", "min_bandwidth")
            chosen = {name: getattr(self.config, name) for name in options}
            self._hpbandster = HpbandsterGenerator(self.space.cardinalities, self.rng, **chosen)

    def _brackets(self) -> Iterator[Bracket]:
        return islice(super()._brackets(), self.config.brackets)

    def _kernels(self, data: IntArray) -> FloatArray:
        points, decisions = data.shape
        counts = np.bincount((data + self._first_cell).ravel(), minlength=self._match.shape[0] * decisions).reshape(decisions, -1)
        total, total_of_squares = self._powers @ counts.T  # [decision] each, of the numbers of the choices, exact
        deviation = np.sqrt(points * total_of_squares - total * total) / points
        # Normal reference rule: h = 1.06 σ n^(-1 / (4 + d)). NATS-Bench sets the lower bound, hpbandster has no upper one.
        bandwidth = np.maximum(1.06 * deviation * points ** (-1 / (4 + decisions)), self.config.min_bandwidth)
        # statsmodels counts the choices that occur in the data. With a single choice the weight of a mismatch is h / 0.
        others = (counts > 0).sum(axis=1) - 1
        mismatch = np.where(others > 0, bandwidth / np.maximum(others, 1), np.inf)
        kernels: FloatArray = np.where(self._match, 1 - bandwidth[:, None, None], mismatch[:, None, None])
        return kernels

    def _modelled(self, good: KernelDensity, bad: KernelDensity, epochs: int) -> Architecture:
        points = self._draw(good)
        with np.errstate(invalid="ignore"):  # infinite kernels lead to NaN densities
            densities = zip(points.tolist(), good(points).tolist(), bad(points).tolist(), strict=True)
        best, best_ratio = None, math.inf
        for point, good_density, bad_density in densities:
            # The order of the arguments matters where a density is NaN: max keeps its first argument.
            ratio = max(1e-32, bad_density) / max(good_density, 1e-32)
            if not math.isfinite(ratio) and math.isfinite(good_density):  # a choice missing in the bad data: taken at once
                best = point
                break
            if ratio < best_ratio:
                best, best_ratio = point, ratio
        return self._random(epochs) if best is None else tuple(best)

    def _draw(self, good: KernelDensity) -> IntArray:
        """Draw candidates [num_samples, decision]: random data, each choice kept with the weight of a match, else redrawn."""
        random = self.rng.random  # scaled and cut off: much faster than Generator.integers, and uniform to 2^-53
        data = good.data[(random(self.config.num_samples) * len(good.data)).astype(np.int64)]
        keep = random(data.shape) < good.kernels[:, 0, 0]  # 1 - bandwidth; never where that is negative
        return np.where(keep, data, (random(data.shape) * self.space.cardinalities).astype(np.int64))

    def _candidate(self, epochs: int) -> Architecture:
        return super()._candidate(epochs) if self._hpbandster is None else self._hpbandster.propose()

    def _learn(self, architecture: Architecture, epochs: int, score: float) -> None:
        if self._hpbandster is None:
            super()._learn(architecture, epochs, score)
        else:
            self._hpbandster.tell(architecture, epochs, score)
