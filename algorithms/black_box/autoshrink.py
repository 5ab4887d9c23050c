"""AutoShrink: remove the part of the largest architecture whose removal leaves the best score, again and again.

Algorithm of Zhang et al., AutoShrink, AAAI 2020, arXiv 1911.09251, and of its authors' code (lordzth666/AutoShrink).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, register
from benchmark_api.bounds import Bounded, at_least
from benchmark_api.spaces import Architecture, TopologySpace
from benchmark_api.spaces.topology import EDGES, OPERATIONS

NONE, LARGEST = OPERATIONS.index("none"), OPERATIONS.index("nor_conv_3x3")


@register
class AutoShrink(BlackBoxSearch):
    """A walk down from a complete architecture: over cells by removing edges, over sizes by narrowing layers.

    The score is s = accuracy - λ (log10 FLOPs - 6), accuracy in [0, 1]; the result is the architecture with the best score of
    all walks. A walk ends where nothing is left to remove, or no path from input to output; then another one starts.

    Raises:
        ValueError: the space is neither the topology space nor one of ordered choices, or FLOPs are needed and missing.
    """

    name = "autoshrink"
    title = "AutoShrink"
    paper = "Zhang et al., AutoShrink: A Topology-aware NAS for Discovering Efficient Neural Architecture, AAAI 2020"
    needs = frozenset({"costs"})
    incumbent_rule = "own"

    @dataclass(frozen=True)
    class Config(Bounded):
        """Hyperparameters of AutoShrink."""

        cost_weight: Annotated[float, at_least(0)] = 0.1
        """Accuracy, in [0, 1], that a tenth of the FLOPs is worth (λ); 0 for accuracy alone."""

        candidates: Annotated[int, at_least(1)] = 10
        """Removals that are tried in a step, at most (k); drawn without replacement."""

        start: Literal["largest", "random"] = "largest"
        """Start of the first walk: 3x3 convolutions everywhere, or the largest widths; later walks start at random."""

    config: Config

    def _start(self) -> None:
        if not (self.space.ordinal or isinstance(self.space, TopologySpace)):
            raise ValueError(f"{self.name} shrinks cells of the topology space or ordered choices, got {self.space!r}")
        self._best_score = -math.inf
        self._waiting: deque[Architecture] = deque()  # children of this step, not evaluated yet
        self._results: list[tuple[float, Architecture]] = []  # scores of those that are
        self._starts_at_random = self.config.start == "random"

    def score(self, evaluation: Evaluation) -> float:
        """Return s = accuracy - λ (log10 FLOPs - 6); -inf for a failed evaluation."""
        if not self.config.cost_weight:
            return evaluation.score / 100.0
        flops = evaluation.costs.get("flops", math.nan)  # millions
        if not flops > 0.0:
            raise ValueError(f"{self.name} needs the FLOPs of each architecture, got {flops}; cost_weight 0 does without")
        return evaluation.score / 100.0 - self.config.cost_weight * math.log10(flops)

    def _improves(self, query: Query, evaluation: Evaluation) -> bool:
        return self.score(evaluation) > self._best_score

    def _propose(self) -> Query:
        if not self._waiting:
            self._waiting.append(self._complete())
        return Query(self._waiting.popleft())

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        score = self.score(evaluation)
        self._best_score = max(self._best_score, score)
        self._results.append((score, query.architecture))
        if not self._waiting:  # "remove the edge whose removal scores highest"; the first drawn on ties
            _, best = max(self._results, key=lambda result: result[0])
            self._results.clear()
            children = self._children(without_dead_ends(best) if isinstance(self.space, TopologySpace) else best)
            drawn = self.rng.permutation(len(children))[: self.config.candidates]  # "k-candidate selection"
            self._waiting.extend(children[child] for child in drawn.tolist())

    def _complete(self) -> Architecture:
        """Return the start of a walk."""
        at_random, self._starts_at_random = self._starts_at_random, True
        if self.space.ordinal:
            return self.space.sample(self.rng) if at_random else tuple(choices - 1 for choices in self.space.cardinalities)
        if not at_random:
            return (LARGEST,) * len(EDGES)
        operations = np.resize([choice for choice in range(len(OPERATIONS)) if choice != NONE], len(EDGES))
        return tuple(self.rng.permutation(operations).tolist())  # a balanced shuffle

    def _children(self, architecture: Architecture) -> list[Architecture]:
        """Return the architectures with one part removed: an edge, or one level of a layer's width."""
        lower = [NONE] * len(architecture) if isinstance(self.space, TopologySpace) else [choice - 1 for choice in architecture]
        pairs = enumerate(zip(architecture, lower, strict=True))
        return [(*architecture[:at], less, *architecture[at + 1 :]) for at, (choice, less) in pairs if choice != less >= 0]


def without_dead_ends(cell: Architecture) -> Architecture:
    """Return a cell without the edges that lie on no path from input to output; its function is the same."""
    alive = [operation != NONE for operation in cell]
    reached, needed = {0}, {EDGES[-1][0]}
    for (target, source), is_alive in zip(EDGES, alive, strict=True):
        if is_alive and source in reached:
            reached.add(target)
    for (target, source), is_alive in zip(EDGES[::-1], alive[::-1], strict=True):
        if is_alive and target in needed:
            needed.add(source)
    on_path = [source in reached and target in needed for target, source in EDGES]
    return tuple(operation if on else NONE for operation, on in zip(cell, on_path, strict=True))
