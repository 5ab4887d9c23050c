"""Weisfeiler-Lehman features of architectures as labelled graphs.

A node's first label is its operation; in each iteration it becomes the pair of its label and the multiset of its successors'
labels. The features count all labels of all iterations (Shervashidze et al., Weisfeiler-Lehman Graph Kernels, JMLR 12, 2011,
section 3.2, for directed graphs), as in NAS-BOWL, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from algorithms.black_box.predictors.encodings import Encoding
from benchmark_api.spaces import TopologySpace
from benchmark_api.spaces.topology import EDGES, OPERATIONS
from benchmark_api.types import BoolArray, IntArray

NONE, SKIP = OPERATIONS.index("none"), OPERATIONS.index("skip_connect")
INPUT, OUTPUT = len(OPERATIONS), len(OPERATIONS) + 1
"""Labels of the first and of the last node; those of the others are indices of operations."""
NODES = len(EDGES) + 2


@dataclass(frozen=True)
class WeisfeilerLehman(Encoding):
    """Counts of the labels of an architecture's graph.

    Cells of the topology space: a node for each edge of the cell, labelled by its operation, between input and output. Nodes
    with `none` and nodes on no path from input to output are removed; one with a skip connection is replaced by edges from its
    predecessors to its successors. Cells that compute the same function mostly have the same graph.

    Other spaces: the path of the decisions, each labelled by its position and choice. The label of iteration i then stands for
    i + 1 choices in succession.

    Attributes:
        iterations: number of iterations (h); 0 for the first labels only.
    """

    iterations: int

    @cached_property
    def size(self) -> int:
        return int(cell_bags(self.iterations).max()) + 1 if isinstance(self.space, TopologySpace) else self._runs[-1]

    def bags(self, architectures: IntArray) -> IntArray:
        if isinstance(self.space, TopologySpace):
            codes = architectures @ len(OPERATIONS) ** np.arange(len(EDGES))[::-1]
            bags: IntArray = cell_bags(self.iterations)[codes]
            return bags
        return self._of_paths(architectures)

    @cached_property
    def _runs(self) -> list[int]:
        """First feature of each run of up to `iterations` + 1 decisions (by length, then position), and their number."""
        counts, first = self.space.cardinalities, [0]
        for length in range(1, self.iterations + 2):
            for start in range(len(counts)):
                first.append(first[-1] + int(np.prod(counts[start : start + length], dtype=np.int64)))
        return first

    def _of_paths(self, architectures: IntArray) -> IntArray:
        decisions = architectures.shape[1]
        bags = np.empty((len(architectures), (self.iterations + 1) * decisions), dtype=np.int64)
        for entry in range(bags.shape[1]):
            length, start = entry // decisions + 1, entry % decisions
            code = np.zeros(len(architectures), dtype=np.int64)
            for decision in range(start, min(start + length, decisions)):
                code = code * self.space.cardinalities[decision] + architectures[:, decision]
            bags[:, entry] = self._runs[entry] + code
        return bags


@lru_cache(maxsize=4)
def cell_bags(iterations: int) -> IntArray:
    """Return the bags of all cells [cell, entry], first edge slowest; -1 for no feature. They are kept for the next runs."""
    cells = np.indices((len(OPERATIONS),) * len(EDGES)).reshape(len(EDGES), -1).T
    bags = graph_bags(*cell_graphs(cells), iterations)
    bags.setflags(write=False)
    return bags


def cell_graphs(cells: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the graphs of cells [cell, edge of the cell], operations on nodes.

    Returns:
        Labels [cell, node], -1 for a node that is removed, and whether there is an edge [cell, node, successor].
    """
    labels = np.pad(cells, ((0, 0), (1, 1)), constant_values=((0, 0), (INPUT, OUTPUT)))
    edges = np.zeros((len(cells), NODES, NODES), dtype=bool)
    for node, (target, source) in enumerate(EDGES, 1):
        edges[:, 0, node] = source == 0
        edges[:, node, -1] = target == EDGES[-1][0]
        for successor, (_, start) in enumerate(EDGES, 1):
            edges[:, node, successor] = start == target
    for node in range(1, NODES - 1):
        skipped = (labels[:, node] == SKIP)[:, None, None]
        edges |= skipped & edges[:, :, node, None] & edges[:, node, None, :]
        removed = (labels[:, node] == NONE) | skipped[:, 0, 0]
        edges[removed, node, :] = edges[removed, :, node] = False
    from_input, to_output = np.zeros_like(labels, dtype=bool), np.zeros_like(labels, dtype=bool)
    from_input[:, 0] = to_output[:, -1] = True
    for _ in range(NODES):
        from_input |= (from_input[:, :, None] & edges).any(axis=1)
        to_output |= (edges & to_output[:, None, :]).any(axis=2)
    stays = from_input & to_output
    stays[:, [0, -1]] = True
    return np.where(stays, labels, -1), edges & stays[:, :, None] & stays[:, None, :]


def graph_bags(labels: IntArray, edges: BoolArray, iterations: int) -> IntArray:
    """Return the Weisfeiler-Lehman features [graph, entry] of graphs, one entry for each node and iteration; -1 for no node.

    Args:
        labels: first labels [graph, node], at least 0; -1 for no node.
        edges: whether there is an edge [graph, node, successor].
        iterations: number of iterations.
    """
    present, bags, features = labels >= 0, [], 0
    degree = int(edges.sum(axis=2).max(initial=0))
    keys = labels
    for iteration in range(iterations + 1):
        if iteration:
            successors = np.sort(np.where(edges, labels[:, None, :], -1), axis=2)[:, :, edges.shape[2] - degree :]
            keys = labels
            for label in np.moveaxis(successors, 2, 0):  # of each node, in ascending order; -1 for none
                keys = np.unique(keys * (features + 2) + label, return_inverse=True)[1].reshape(labels.shape)
        known, numbers = np.unique(keys[present], return_inverse=True)
        labels = np.full(labels.shape, -1)
        labels[present] = numbers
        bags.append(np.where(present, labels + features, -1))
        features += len(known)
    return np.concatenate(bags, axis=1)
