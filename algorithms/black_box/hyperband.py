"""Successive halving and Hyperband: many architectures are trained a little, the best of them longer.

A bracket is a list of rungs: all candidates of a rung are trained for as many epochs, and the best go on to the next rung,
where they are trained anew. BOHB is the same with another way to choose the candidates (`bohb.py`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, repeat
from typing import ClassVar, NamedTuple

from algorithms.black_box.base import BlackBoxSearch, Query, SearchFinished, register
from benchmark_api.spaces import Architecture


class Rung(NamedTuple):
    """One step of a bracket.

    Attributes:
        candidates: how many architectures are trained.
        epochs: for how many epochs each.
    """

    candidates: int
    epochs: int


Bracket = tuple[Rung, ...]


def rung_epochs(min_epochs: int, max_epochs: int, eta: int) -> list[int]:
    """Epochs of the rungs, ascending: the whole part of max_epochs · eta^-i while that is at least min_epochs."""
    epochs = []
    divisor = 1
    while max_epochs >= min_epochs * divisor:
        epochs.append(max_epochs // divisor)
        divisor *= eta
    return epochs[::-1]


def hyperband_brackets(min_epochs: int, max_epochs: int, eta: int) -> list[Bracket]:
    """The brackets of Hyperband (Algorithm 1 of the paper), the one with most rungs first.

    Bracket s starts with n = ceil((s_max + 1) / (s + 1) · eta^s) candidates and keeps floor(n · eta^-i) on its rung i:
    9-3-1, 5-1 and 3 for 1 to 12 epochs and eta 3.
    """
    epochs = rung_epochs(min_epochs, max_epochs, eta)
    brackets = []
    for s in reversed(range(len(epochs))):
        n = math.ceil(len(epochs) * eta**s / (s + 1))
        brackets.append(tuple(Rung(n // eta**i, epochs[-1 - s + i]) for i in range(s + 1)))
    return brackets


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


@dataclass(frozen=True)
class HalvingConfig:
    """Hyperparameters of successive halving and of everything built on it.

    Raises:
        ValueError: a value is out of range.
    """

    eta: int = 3
    """One of eta candidates goes on to the next rung, which has eta times the epochs."""

    min_epochs: int = 1
    """Epochs of the lowest rung, at least; the highest has the whole schedule."""

    def __post_init__(self) -> None:
        if self.eta < 2:
            raise ValueError(f"eta must be at least 2, got {self.eta}")
        if self.min_epochs < 1:
            raise ValueError(f"min_epochs must be at least 1, got {self.min_epochs}")


@register
class Hyperband(BlackBoxSearch):
    """All brackets in turn, again and again, with random candidates. Synchronous: a rung ends before the next begins.

    Raises:
        ValueError: a hyperparameter is out of range, or `min_epochs` exceeds the schedule.
    """

    name = "hyperband"
    title = "Hyperband"
    paper = "Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 18, 2018, arXiv 1603.06560"
    Config: ClassVar[type] = HalvingConfig
    config: HalvingConfig

    def _start(self) -> None:
        if self.config.min_epochs > self.max_epochs:
            raise ValueError(f"min_epochs must be at most the schedule's {self.max_epochs} epochs, got {self.config.min_epochs}")
        self._plan = self._brackets()
        self._rungs: deque[Rung] = deque()  # of the bracket under way, the current one first
        self._waiting: deque[Architecture | None] = deque()  # for their training on the current rung; None: to be chosen
        self._results: list[tuple[float, Architecture]] = []  # of the current rung

    def _brackets(self) -> Iterator[Bracket]:
        """The brackets to run, one after the other."""
        return cycle(hyperband_brackets(self.config.min_epochs, self.max_epochs, self.config.eta))

    def _candidate(self, epochs: int) -> Architecture:
        """A new architecture for the first rung of a bracket, where it trains for `epochs` epochs."""
        return self.space.sample(self.rng)

    def _propose(self) -> Query:
        if not self._waiting:
            bracket = next(self._plan, None)
            if bracket is None:
                raise SearchFinished(f"{self.name}: all brackets are done")
            self._rungs = deque(bracket)
            self._waiting.extend([None] * bracket[0].candidates)
        epochs = self._rungs[0].epochs
        return Query(self._waiting.popleft() or self._candidate(epochs), epochs)

    def _observe(self, query: Query, accuracy: float) -> None:
        self._results.append((accuracy, query.architecture))
        if self._waiting:
            return
        self._rungs.popleft()
        if self._rungs:
            ranking = sorted(self._results, key=lambda result: -result[0])  # the first one stays first on ties
            best = ranking[: self._rungs[0].candidates]
            self._waiting.extend(architecture for accuracy, architecture in best if accuracy > -math.inf)  # failures end here
        self._results.clear()


@register
class SuccessiveHalving(Hyperband):
    """Hyperband's bracket with most rungs, again and again: 9-3-1 candidates for 1 to 12 epochs and eta 3."""

    name = "successive-halving"
    title = "SH"
    paper = "Jamieson & Talwalkar, Non-stochastic Best Arm Identification, AISTATS 2016, arXiv 1502.07943"

    def _brackets(self) -> Iterator[Bracket]:
        return repeat(hyperband_brackets(self.config.min_epochs, self.max_epochs, self.config.eta)[0])
