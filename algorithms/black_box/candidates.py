"""Candidates of predictor-guided searches: architectures that have not been asked for, among which the model chooses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from algorithms.black_box.predictors.encodings import Encoding, Features
from benchmark_api.spaces import Architecture
from benchmark_api.spaces.base import below
from benchmark_api.types import BoolArray, IntArray


class Candidates(ABC):
    """Points among which a search chooses, each with one or more architectures that no model can tell apart."""

    @abstractmethod
    def points(self, best_first: Sequence[Architecture], rng: np.random.Generator) -> tuple[Features, BoolArray]:
        """Return the points [point, feature], and whether each still has an architecture [point].

        Args:
            best_first: architectures with known accuracies, in descending order.
            rng: generator of the run.
        """

    @abstractmethod
    def take(self, point: int, rng: np.random.Generator) -> Architecture:
        """Return an architecture of a point that has not been asked for."""

    @abstractmethod
    def exclude(self, architecture: Architecture) -> None:
        """Note that an architecture is asked for."""


class Mutations(Candidates):
    """New candidates for each choice: mutations of the best architectures, and random ones.

    Args:
        encoding: the encoding of the model.
        number: number of candidates; fewer where the space has no more.
        parents: number of best architectures that are mutated in turn.
        random_share: share of candidates that are drawn from the whole space.
    """

    def __init__(self, encoding: Encoding, number: int, parents: int, random_share: float) -> None:
        self._encoding, self._number, self._parents = encoding, number, parents
        self._random = round(random_share * number)
        self._asked: set[Architecture] = set()
        self._candidates: list[Architecture] = []

    def points(self, best_first: Sequence[Architecture], rng: np.random.Generator) -> tuple[Features, BoolArray]:
        space, parents = self._encoding.space, best_first[: self._parents]
        found: dict[Architecture, None] = {}  # an ordered set
        for tried in range(10 * self._number):  # a small neighbourhood may have fewer than wanted
            if len(found) >= self._number - self._random:
                break
            child = space.mutate(parents[tried % len(parents)], rng)
            if child not in self._asked:
                found[child] = None
        while len(found) < min(self._number, len(space) - len(self._asked)):
            drawn = space.sample(rng)
            if drawn not in self._asked:
                found[drawn] = None
        self._candidates = [*found]
        return self._encoding(np.array(self._candidates)), np.ones(len(found), dtype=bool)

    def take(self, point: int, rng: np.random.Generator) -> Architecture:
        return self._candidates[point]

    def exclude(self, architecture: Architecture) -> None:
        self._asked.add(architecture)


class WholeSpace(Candidates):
    """All architectures of a space; those with the same features are one point.

    Args:
        encoding: the encoding of the model.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._classes = classes_of(encoding)
        self._left = self._classes.sizes.copy()  # architectures not asked for [point]
        self._asked = np.zeros(len(encoding.space), dtype=bool)  # [code]

    def points(self, best_first: Sequence[Architecture], rng: np.random.Generator) -> tuple[Features, BoolArray]:
        return self._classes.features, self._left > 0

    def take(self, point: int, rng: np.random.Generator) -> Architecture:
        members = self._classes.members(point)
        members = members[~self._asked[members]]
        return tuple(self._classes.architectures[members[below(len(members), rng)]].tolist())

    def exclude(self, architecture: Architecture) -> None:
        code = self._classes.code(architecture)
        if not self._asked[code]:
            self._asked[code] = True
            self._left[self._classes.class_of[code]] -= 1


class Classes:
    """The architectures of a space by class; those of a class have the same features.

    Args:
        encoding: the encoding.

    Attributes:
        architectures: [code, decision], first decision slowest.
        class_of: [code], class of each architecture.
        features: [class, feature].
        sizes: [class], number of architectures.
    """

    def __init__(self, encoding: Encoding) -> None:
        cardinalities = encoding.space.cardinalities
        self.architectures: IntArray = np.indices(cardinalities).reshape(len(cardinalities), -1).T
        bags = np.sort(encoding.bags(self.architectures), axis=1)
        _, first, self.class_of = np.unique(bags, axis=0, return_index=True, return_inverse=True)
        self.features = encoding(self.architectures[first])
        self.sizes = np.bincount(self.class_of)
        self._by_class = np.argsort(self.class_of, kind="stable")
        self._ends = np.cumsum(self.sizes)
        self._powers = np.append(np.cumprod(cardinalities[:0:-1])[::-1], 1).astype(np.int64)

    def code(self, architecture: Architecture) -> int:
        """Return the position of an architecture in `architectures`."""
        return int(np.dot(architecture, self._powers))

    def members(self, number: int) -> IntArray:
        """Return the codes of the architectures of a class."""
        end = self._ends[number]
        return self._by_class[end - self.sizes[number] : end]


@lru_cache(maxsize=4)
def classes_of(encoding: Encoding) -> Classes:
    """Return the classes of an encoding; those of the last few encodings are kept for the next runs."""
    return Classes(encoding)
