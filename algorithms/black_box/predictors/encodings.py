"""Encodings of architectures as feature vectors, for models of accuracy.

An encoding gives each architecture a bag of features, integers that may occur more than once; the vector has their counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from benchmark_api.spaces import SearchSpace, TopologySpace
from benchmark_api.spaces.topology import OPERATIONS
from benchmark_api.types import IntArray

if TYPE_CHECKING:
    from scipy import sparse

Features: TypeAlias = "sparse.csr_array"
"""Feature vectors [architecture, feature] in compressed rows, float64."""


@dataclass(frozen=True)
class Encoding(ABC):
    """An encoding of the architectures of a space.

    Attributes:
        space: the search space.

    Raises:
        ValueError: there is no such encoding of the space.
    """

    space: SearchSpace

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of features."""

    @abstractmethod
    def bags(self, architectures: IntArray) -> IntArray:
        """Return the features [architecture, entry] of architectures [architecture, decision]; -1 for no feature."""

    def __call__(self, architectures: IntArray) -> Features:
        """Return the feature vectors of architectures [architecture, decision]."""
        from scipy import sparse  # here, so that command lines start without it

        bags = self.bags(architectures)
        present = bags >= 0
        features = bags[present]
        starts = np.concatenate(([0], np.cumsum(present.sum(axis=1))))
        vectors: Features = sparse.csr_array((np.ones(len(features)), features, starts), shape=(len(bags), self.size))
        vectors.sum_duplicates()
        return vectors


class OneHot(Encoding):
    """A feature for each choice of each decision. The dot product is the number of equal decisions."""

    @property
    def size(self) -> int:
        return sum(self.space.cardinalities)

    @property
    def _first(self) -> IntArray:
        """First feature of each decision [decision]."""
        return np.concatenate(([0], np.cumsum(self.space.cardinalities)[:-1]))

    def bags(self, architectures: IntArray) -> IntArray:
        return architectures + self._first


class Ordinal(OneHot):
    """A feature for each choice of each decision up to the architecture's, for ordered choices ("thermometer code").

    The squared distance is the sum over decisions of the distances of choices.
    """

    def bags(self, architectures: IntArray) -> IntArray:
        levels = np.arange(max(self.space.cardinalities))
        reached = levels <= architectures[:, :, None]  # [architecture, decision, level]
        bags: IntArray = np.where(reached, self._first[:, None] + levels, -1).reshape(len(architectures), -1)
        return bags


@dataclass(frozen=True)
class Paths(Encoding):
    """A feature for each sequence of operations on a path from input to output of the cell (BANANAS, section 3.1).

    As in the authors' code for NAS-Bench-201, all five operations count, `none` too: 5 + 25 + 125 features, of which an
    architecture has at most 4.
    """

    PATHS: ClassVar[tuple[tuple[int, ...], ...]] = ((3,), (0, 4), (1, 5), (0, 2, 5))
    """Edges (decisions) of the paths through the cell of the topology space."""

    def __post_init__(self) -> None:
        if not isinstance(self.space, TopologySpace):
            raise ValueError(f"paths are encoded in the topology space only, got {self.space!r}; take one-hot or ordinal")

    @property
    def size(self) -> int:
        return sum(len(OPERATIONS) ** length for length in (1, 2, 3))

    def bags(self, architectures: IntArray) -> IntArray:
        operations = len(OPERATIONS)
        paths = []
        for path in self.PATHS:
            powers = operations ** np.arange(len(path))[::-1]
            shorter = sum(operations**length for length in range(1, len(path)))
            paths.append(shorter + architectures[:, path] @ powers)
        bags: IntArray = np.stack(paths, axis=1)  # [architecture, path]
        bags[bags[:, 1] == bags[:, 2], 2] = -1  # a set: the two paths of two edges may have the same operations
        return bags
