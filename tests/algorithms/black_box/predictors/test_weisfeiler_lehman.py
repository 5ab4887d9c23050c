"""Weisfeiler-Lehman features against nested labels in dictionaries, one graph at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from algorithms.black_box.predictors.weisfeiler_lehman import WeisfeilerLehman
from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.spaces.topology import EDGES, OPERATIONS

TOPOLOGY, SIZE = TopologySpace(), SizeSpace(widths=(8, 16, 32), layers=3)
Graph = tuple[dict[Any, Any], dict[Any, set[Any]]]
"""Labels and successors of nodes."""


def cell_graph(cell: Architecture) -> Graph:
    """The graph of a cell by the rules of the page, node by node."""
    labels: dict[Any, str] = {"in": "in", "out": "out"}
    successors: dict[Any, set[Any]] = {"in": set(), "out": set()}
    for edge, choice in zip(EDGES, cell, strict=True):
        labels[edge], successors[edge] = OPERATIONS[choice], set()
    for edge in EDGES:
        target, source = edge
        if source == 0:
            successors["in"].add(edge)
        successors[edge] |= {"out"} if target == 3 else {other for other in EDGES if other[1] == target}
    for edge in EDGES:
        if labels[edge] in ("none", "skip_connect"):
            after = successors.pop(edge)
            if labels.pop(edge) == "none":
                after = set()
            for others in successors.values():
                if edge in others:
                    others.remove(edge)
                    others |= after
    while True:  # remove nodes without successors or predecessors
        pointed = {"in"}.union(*successors.values())
        dead = [node for node in successors if node not in ("in", "out") and (not successors[node] or node not in pointed)]
        if not dead:
            return labels, successors
        for node in dead:
            del labels[node], successors[node]
            for others in successors.values():
                others.discard(node)


def path_graph(architecture: Architecture) -> Graph:
    last = len(architecture) - 1
    return dict(enumerate(enumerate(architecture))), {node: {node + 1} if node < last else set() for node in range(last + 1)}


def features_of(graph: Graph, iterations: int) -> Counter[Any]:
    """All labels of all iterations; a label is nested tuples."""
    labels, successors = graph
    found = Counter((0, label) for label in labels.values())
    for iteration in range(1, iterations + 1):
        labels = {
            node: (label, tuple(sorted((labels[other] for other in successors[node]), key=repr)))
            for node, label in labels.items()
        }
        found.update((iteration, label) for label in labels.values())
    return found


@pytest.mark.parametrize("iterations", [0, 1, 2, 3])
@pytest.mark.parametrize("space", [TOPOLOGY, SIZE], ids=lambda space: space.name)
def test_kernel(space: SearchSpace, iterations: int) -> None:
    rng = np.random.default_rng(0)
    architectures = [space.sample(rng) for _ in range(150)]
    encoding = WeisfeilerLehman(space, iterations)
    vectors = encoding(np.array(architectures))
    counts = [features_of((cell_graph if space == TOPOLOGY else path_graph)(each), iterations) for each in architectures]
    expected = [[sum(one[label] * other[label] for label in one) for other in counts] for one in counts]
    np.testing.assert_array_equal((vectors @ vectors.T).toarray(), expected)
    assert vectors.shape[1] == encoding.size


def test_cells_that_compute_the_same_have_one_graph() -> None:
    """A path of one convolution and one of two, by way of the second node or not."""
    text = "|nor_conv_3x3~0|+|none~0|{}~1|+|nor_conv_3x3~0|{}~1|{}~2|"
    cells = [
        TOPOLOGY.from_string(text.format(*operations))
        for operations in (("none", "nor_conv_3x3", "none"), ("skip_connect", "none", "nor_conv_3x3"))
    ]
    one, other = WeisfeilerLehman(TOPOLOGY, 3)(np.array(cells)).toarray()
    np.testing.assert_array_equal(one, other)
    assert one.sum() == 4 * 5  # input, three convolutions, output; four iterations
