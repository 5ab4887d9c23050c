"""BOHB as it was run for the published NATS-Bench rows: the generator of hpbandster 0.7.4 and its driver script."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np

from algorithms.black_box.base import register
from algorithms.black_box.bohb import ModelConfig, ModelHyperband
from algorithms.black_box.hpbandster_backend import HpbandsterGenerator
from algorithms.black_box.hyperband import Bracket
from algorithms.black_box.parzen import Array, IntArray, KernelDensity
from benchmark_api.spaces import Architecture


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

    def _start(self) -> None:
        super()._start()
        choices = max(self.space.cardinalities)
        self._match = np.eye(choices, dtype=bool)
        self._first_cell = np.arange(len(self.space.cardinalities)) * choices  # of each decision in a flat [decision, choice]
        self._powers = np.array([np.arange(choices), np.arange(choices) ** 2])
        self._hpbandster = None
        if self.config.backend == "hpbandster":
            self._hpbandster = HpbandsterGenerator(
                self.space.cardinalities,
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
