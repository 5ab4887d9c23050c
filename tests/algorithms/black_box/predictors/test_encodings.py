"""Encodings against their definitions, written out for one architecture at a time."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest

from algorithms.black_box.predictors.encodings import Encoding, OneHot, Ordinal, Paths
from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.spaces.topology import EDGES, OPERATIONS

TOPOLOGY, SIZE = TopologySpace(), SizeSpace(widths=(8, 16, 32), layers=3)


def drawn(space: SearchSpace, number: int = 200) -> np.ndarray:
    """Architectures [architecture, decision]."""
    rng = np.random.default_rng(0)
    return np.array([space.sample(rng) for _ in range(number)])


def paths_of(cell: Architecture, node: int = 3) -> list[tuple[str, ...]]:
    """Operations on all paths from the input to a node."""
    if node == 0:
        return [()]
    into = [(source, OPERATIONS[choice]) for (target, source), choice in zip(EDGES, cell, strict=True) if target == node]
    return [(*path, operation) for source, operation in into for path in paths_of(cell, source)]


def test_paths_are_those_of_the_cell() -> None:
    """Two cells have as many features in common as paths; a path has one feature of its own."""
    cells = drawn(TOPOLOGY)
    vectors = Paths(TOPOLOGY)(cells).toarray()
    assert vectors.shape == (200, 5 + 25 + 125)
    sets = [{*paths_of(tuple(cell))} for cell in cells.tolist()]
    np.testing.assert_array_equal(vectors @ vectors.T, [[len(one & other) for other in sets] for one in sets])
    features: dict[int, set[tuple[str, ...]]] = {}
    for found, vector in zip(sets, vectors, strict=True):
        for feature in np.flatnonzero(vector).tolist():
            features[feature] = features.get(feature, found) & found
    assert all(features.values())  # each feature stands for a path that all its cells have


@pytest.mark.parametrize("space", [TOPOLOGY, SIZE], ids=lambda space: space.name)
def test_one_hot_counts_equal_decisions(space: SearchSpace) -> None:
    architectures = drawn(space)
    vectors = OneHot(space)(architectures)
    equal = (architectures[:, None] == architectures).sum(axis=2)
    np.testing.assert_array_equal((vectors @ vectors.T).toarray(), equal)
    assert vectors.shape[1] == sum(space.cardinalities)


def test_ordinal_distances_are_those_of_choices() -> None:
    architectures = np.array([*product(range(3), repeat=3)])
    vectors = Ordinal(SIZE)(architectures).toarray()
    squared = np.square(vectors[:, None] - vectors).sum(axis=2)
    np.testing.assert_array_equal(squared, np.abs(architectures[:, None] - architectures).sum(axis=2))


@pytest.mark.parametrize("encoding", [OneHot(SIZE), Ordinal(SIZE), Paths(TOPOLOGY), OneHot(TOPOLOGY)], ids=repr)
def test_vectors_count_bags(encoding: Encoding) -> None:
    architectures = drawn(encoding.space, 20)
    for bag, vector in zip(encoding.bags(architectures).tolist(), encoding(architectures).toarray(), strict=True):
        assert {feature: count for feature, count in enumerate(vector) if count} == Counter(item for item in bag if item >= 0)


def test_paths_are_of_cells() -> None:
    with pytest.raises(ValueError, match=r"paths are encoded in the topology space only, got SizeSpace\(27 architectures\)"):
        Paths(SIZE)
