"""Successive halving and Hyperband: train many architectures for few epochs, and the best of them for more.

A bracket is a list of rungs. All candidates of a rung are trained for the same number of epochs; the best are promoted to the
next rung and trained anew. BOHB runs the same brackets with candidates from a model (`bohb.py`). Line numbers are those of
Algorithm 1 of the Hyperband paper (arXiv 1603.06560).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, cycle, repeat, takewhile
from typing import Annotated, ClassVar, NamedTuple

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, ResultsPending, SearchFinished, register
from benchmark_api.bounds import Bounded, at_least
from benchmark_api.spaces import Architecture


class Rung(NamedTuple):
    """One step of a bracket: the number of architectures to train, and the epochs of each training."""

    candidates: int
    epochs: int


Bracket = tuple[Rung, ...]


def rung_epochs(min_epochs: int, max_epochs: int, eta: int) -> list[int]:
    """Return the epochs of the rungs, ascending: floor(max_epochs · eta^-i) while max_epochs · eta^-i is at least min_epochs.

    Raises:
        ValueError: `min_epochs` exceeds the schedule.
    """
    if min_epochs > max_epochs:
        raise ValueError(f"min_epochs must be at most the schedule's {max_epochs} epochs, got {min_epochs}")
    divisors = takewhile(lambda divisor: max_epochs >= min_epochs * divisor, (eta**i for i in count()))
    return [max_epochs // divisor for divisor in divisors][::-1]


def hyperband_brackets(min_epochs: int, max_epochs: int, eta: int) -> list[Bracket]:
    """Return the brackets of Hyperband, the one with most rungs first.

    Bracket s starts with n = ceil((s_max + 1) / (s + 1) · eta^s) candidates and keeps floor(n · eta^-i) on its rung i:
    9-3-1, 5-1 and 3 for 1 to 12 epochs and eta 3.
    """
    epochs = rung_epochs(min_epochs, max_epochs, eta)
    brackets = []
    for s in reversed(range(len(epochs))):  # line 1
        n = math.ceil(len(epochs) * eta**s / (s + 1))  # line 2, with B / R = s_max + 1
        brackets.append(tuple(Rung(n // eta**i, epochs[i - s - 1]) for i in range(s + 1)))  # lines 5 and 6
    return brackets


def bohb_brackets(min_epochs: int, max_epochs: int, eta: int) -> list[Bracket]:
    """Return the brackets of hpbandster: 9-3-1, 3-1 and 3 for 1 to 12 epochs and eta 3.

    They are those of Hyperband, but floor((s_max + 1) / (s + 1)) · eta^s candidates start in bracket s.
    """
    epochs = rung_epochs(min_epochs, max_epochs, eta)
    return [
        tuple(Rung(len(epochs) // (s + 1) * eta ** (s - i), epochs[i - s - 1]) for i in range(s + 1))
        for s in reversed(range(len(epochs)))
    ]


@dataclass(frozen=True)
class HalvingConfig(Bounded):
    """Hyperparameters of all searches that run brackets."""

    eta: Annotated[int, at_least(2)] = 3
    """One of eta candidates goes on to the next rung, which has eta times the epochs."""

    min_epochs: Annotated[int, at_least(1)] = 1
    """Epochs of the lowest rung, at least; the highest has the whole schedule."""


class BracketSearch(BlackBoxSearch):
    """Base class of searches that run brackets, synchronously: a rung ends before the next begins.

    The candidates of a rung may be trained side by side. Workers are then idle at the end of a rung.

    Raises:
        ValueError: a hyperparameter is out of range, or `min_epochs` exceeds the schedule.
    """

    Config = HalvingConfig
    needs = frozenset({"fidelities"})
    max_pending: ClassVar[int | None] = None
    config: HalvingConfig

    def _start(self) -> None:
        self._plan = self._brackets()
        self._rungs: deque[Rung] = deque()  # of the current bracket, the current rung first
        self._waiting: deque[Architecture | None] = deque()  # to be trained on the current rung; None: to be chosen
        self._results: list[tuple[float, Architecture]] = []  # scores on the current rung

    @classmethod
    def training_epochs(cls, config: HalvingConfig, max_epochs: int) -> list[int]:
        return rung_epochs(config.min_epochs, max_epochs, config.eta)

    @abstractmethod
    def _brackets(self) -> Iterator[Bracket]:
        """Iterate over the brackets to run."""

    def _candidate(self, epochs: int) -> Architecture:
        """Choose an architecture for the first rung of a bracket, where it trains for `epochs` epochs."""
        return self.space.sample(self.rng)  # line 3

    def _propose(self) -> Query:
        if not self._waiting:
            if self._pending:
                raise ResultsPending(f"{self.name}: a rung ends before the next begins")
            bracket = next(self._plan, None)
            if bracket is None:
                raise SearchFinished(f"{self.name}: all brackets are done")
            self._rungs = deque(bracket)
            self._waiting.extend([None] * bracket[0].candidates)
        epochs = self._rungs[0].epochs
        return Query(self._waiting.popleft() or self._candidate(epochs), epochs)  # line 7

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        self._results.append((evaluation.score, query.architecture))
        if self._waiting or self._pending:
            return
        self._rungs.popleft()
        if self._rungs:
            ranking = sorted(self._results, key=lambda result: -result[0])  # the one told first stays first on ties
            best = ranking[: self._rungs[0].candidates]  # line 8
            self._waiting.extend(architecture for score, architecture in best if score > -math.inf)  # failures end here
        self._results.clear()


@register
class SuccessiveHalving(BracketSearch):
    """Hyperband's bracket with most rungs, repeated: 9-3-1 candidates for 1 to 12 epochs and eta 3."""

    name = "successive-halving"
    title = "SH"
    paper = "Jamieson & Talwalkar, Non-stochastic Best Arm Identification, AISTATS 2016, arXiv 1502.07943"

    def _brackets(self) -> Iterator[Bracket]:
        return repeat(hyperband_brackets(self.config.min_epochs, self.max_epochs, self.config.eta)[0])


@register
class Hyperband(BracketSearch):
    """All brackets in turn, repeated, with random candidates."""

    name = "hyperband"
    title = "Hyperband"
    paper = "Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 18, 2018, arXiv 1603.06560"

    def _brackets(self) -> Iterator[Bracket]:
        return cycle(hyperband_brackets(self.config.min_epochs, self.max_epochs, self.config.eta))
