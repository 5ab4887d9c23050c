"""Stacked supernet of the topology space: every row computes the operations of its own forward mode, and no others.

For each node and each kind of operation, the pairs of a row and an outgoing edge that need it are gathered and computed at once.
A row of a mixture needs all operations of all edges, a row with sampled paths one operation of each edge. Operations that do not
affect the output of a path are left out, unless they have running statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from algorithms.one_shot.supernets.stacked import (
    STACKED,
    StackedNorm,
    StackedReduction,
    StackedSupernet,
    Values,
    classified,
    conv1x1,
    normalized,
)
from algorithms.one_shot.supernets.topology import OUTGOING, MixedCell, Mixture, Paths, TopologySupernet
from benchmark_api.spaces import EDGES, OPERATIONS
from benchmark_api.training.networks import ReductionBlock
from benchmark_api.training.small_images import conv3x3, mean_3x3

NONE = OPERATIONS.index("none")
TARGETS = [torch.tensor([EDGES[edge][0] - 1 for edge in outgoing]) for outgoing in OUTGOING]
"""Targets of the edges that leave each node [source][edge], counted from node 1."""

class StackedTopology(StackedSupernet):
    """`TopologySupernet` of every row, with cells of the class `MixedCell`."""

    def __init__(self, supernet: TopologySupernet) -> None:
        super().__init__(supernet)
        stem: Any = supernet.stem
        self.stem, self.stem_norm = self.weights.take([stem[0].weight]), StackedNorm(stem[1], self)
        self.blocks = [
            StackedReduction(block, self) if isinstance(block, ReductionBlock) else _StackedCell(block, self)
            for block in supernet.blocks
        ]
        lastact: Any = supernet.lastact
        self.last_norm = StackedNorm(lastact[0], self)
        self.classifier = [self.weights.take([value]) for value in (supernet.classifier.weight, supernet.classifier.bias)]

    @classmethod
    def of(cls, supernet: TopologySupernet) -> StackedTopology | None:
        """Return the stacked supernet, if all cells mix operations in the usual way."""
        cells = [block for block in supernet.blocks if not isinstance(block, ReductionBlock)]
        return cls(supernet) if {type(cell) for cell in cells} == {MixedCell} else None

    def numbers(self, mode: Mixture | Paths) -> Tensor | None:
        return mode.weights

    def forward(
        self, images: Tensor, modes: Sequence[Mixture | Paths], numbers: Tensor | None, values: Values
    ) -> Tensor:
        x = images.permute(0, 2, 3, 4, 1)  # [row, input channel, height, width, image]
        x = self.stem_norm(conv3x3(x, self.stem(values.weights)[:, 0]), values)  # [row, C, height, width, image]
        paths = _choices(modes)  # [row, cell, edge]
        cell = 0
        for block in self.blocks:
            if isinstance(block, StackedReduction):
                x = block(x, values)
            else:
                x = block(x, None if paths is None else paths[:, cell], numbers, values)
                cell += 1
        weight, bias = (take(values.weights) for take in self.classifier)
        return classified(self.last_norm(x, values).relu(), weight[:, 0], bias)


def _choices(modes: Sequence[Mixture | Paths]) -> npt.NDArray[np.int64] | None:
    """Return the paths of the modes [row, cell, edge]; None for mixtures."""
    return None if isinstance(modes[0], Mixture) else np.array([mode.paths for mode in modes if isinstance(mode, Paths)])


class _StackedCell:
    """`MixedCell` of every row."""

    def __init__(self, cell: Any, network: StackedSupernet) -> None:
        self.operations: list[list[_StackedOperation]] = [  # of each node
            [
                _StackedOperation(choice, [cell.edges[edge][choice] for edge in outgoing], outgoing, network)
                for choice in range(len(OPERATIONS))
                if choice != NONE
            ]
            for outgoing in OUTGOING
        ]
        self.tracked = any(operation.tracked for of_node in self.operations for operation in of_node)

    def __call__(self, x: Tensor, paths: npt.NDArray[np.int64] | None, numbers: Tensor | None, values: Values) -> Tensor:
        """Return the last node.

        Args:
            x: first node [row, channel, height, width, image].
            paths: operation of each edge [row, edge]; None for all operations.
            numbers: weights of the operations [row, edge, operation]; None for unweighted operations.
            values: weights and statistics.
        """
        rows = len(x)
        sums = x.new_zeros(3, rows, *x.shape[1:])  # nodes 1, 2 and 3
        if paths is not None and numbers is not None:
            sums = sums + _others(paths, numbers)
        sums = sums.flatten(0, 1)  # [node * row, channel, height, width, image]
        live = paths if paths is None or self.tracked else _live(paths)
        for source, operations in enumerate(self.operations):
            node = x if source == 0 else sums[(source - 1) * rows : source * rows]
            outputs = [
                (pairs, operation(node, pairs, numbers, values))
                for operation in operations
                if (pairs := _pairs(rows, OUTGOING[source], live, operation.choice, x.device)) is not None
            ]
            for pairs, y in outputs:
                sums.index_add_(0, TARGETS[source].to(x.device)[pairs.edges] * rows + pairs.rows, y)
        return sums[2 * rows :]


def _others(paths: npt.NDArray[np.int64], numbers: Tensor) -> Tensor:
    """Return the sum of the weights of all other operations of a node's edges, see `Paths` [node, row, 1, 1, 1, 1]."""
    chosen = torch.from_numpy(paths).to(numbers.device)[..., None]  # [row, edge, 1]
    others = numbers.sum(dim=2) - numbers.gather(2, chosen)[..., 0]  # [row, edge]
    of_node = [others[:, [edge for edge, (target, _) in enumerate(EDGES) if target == node]].sum(dim=1) for node in (1, 2, 3)]
    return torch.stack(of_node)[..., None, None, None, None]


def _live(paths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return paths [row, edge] in which the edges to nodes that do not affect the output are `none`."""
    live = paths.copy()
    for node in (2, 1):
        outgoing = [edge for edge, (_, source) in enumerate(EDGES) if source == node]
        dead = (live[:, outgoing] == NONE).all(axis=1)  # [row]
        for edge, (target, _) in enumerate(EDGES):
            if target == node:
                live[dead, edge] = NONE
    return live


class _Pairs(NamedTuple):
    """Rows [pair] and edges [pair] that need an operation; an edge is its number among those that leave the node."""

    rows: Tensor
    edges: Tensor


def _pairs(
    rows: int, outgoing: Sequence[int], paths: npt.NDArray[np.int64] | None, choice: int, device: torch.device
) -> _Pairs | None:
    """Return the pairs that need an operation of a node's outgoing edges; None if there is none."""
    if paths is None:
        return _all_pairs(rows, len(outgoing), device)
    found = np.nonzero(paths[:, outgoing] == choice)
    return _Pairs(*(torch.from_numpy(part).to(device) for part in found)) if len(found[0]) else None


@lru_cache(maxsize=64)
def _all_pairs(rows: int, edges: int, device: torch.device) -> _Pairs:
    row, edge = torch.meshgrid(torch.arange(rows, device=device), torch.arange(edges, device=device), indexing="ij")
    return _Pairs(row.flatten(), edge.flatten())


class _StackedOperation:
    """One operation of all edges that leave a node.

    Args:
        choice: number of the operation.
        layers: the operation of each edge.
        edges: the edges, as their numbers in the cell.
        network: the network that it belongs to.
    """

    def __init__(self, choice: int, layers: Sequence[Any], edges: Sequence[int], network: StackedSupernet) -> None:
        self.choice, self.edges, self.name = choice, torch.tensor(edges), OPERATIONS[choice]
        self.convolves = self.name.startswith("nor_conv")
        self.tracked = False
        if self.convolves:
            _, convolutions, norms = zip(*(layer.op for layer in layers), strict=True)
            self.weight = network.weights.take([convolution.weight for convolution in convolutions])
            self.bias = network.weights.take([convolution.bias for convolution in convolutions])
            self.eps, self.momentum, self.tracked = norms[0].eps, norms[0].momentum, norms[0].track_running_stats
            if self.tracked:
                self.running = [
                    network.statistics.take([getattr(norm, name) for norm in norms]) for name in ("running_mean", "running_var")
                ]

    def __call__(self, node: Tensor, pairs: _Pairs, numbers: Tensor | None, values: Values) -> Tensor:
        """Return the outputs [pair, channel, height, width, image] of a node, times the weights of the operations if given."""
        if self.convolves:
            y = self._convolve(node.relu().index_select(0, pairs.rows), pairs, values)
        elif self.name == "skip_connect":
            y = node.index_select(0, pairs.rows)
        elif len(pairs.rows) < len(node):
            y = mean_3x3(node.index_select(0, pairs.rows))
        else:
            y = mean_3x3(node).index_select(0, pairs.rows)
        if numbers is None:
            return y
        weight = numbers[pairs.rows, self.edges.to(node.device)[pairs.edges], self.choice]  # [pair]
        return y * weight[:, None, None, None, None]

    def _convolve(self, x: Tensor, pairs: _Pairs, values: Values) -> Tensor:
        """Convolve and normalise x [pair, channel, height, width, image]."""
        weight = _of_pairs(self.weight(values.weights), pairs)  # [pair, channel, channel, size, size]
        y = conv3x3(x, weight) if weight.shape[-1] == 3 else conv1x1(x, weight)
        if not self.tracked:
            return normalized(y, self.eps)  # the bias has no effect
        y = y + _of_pairs(self.bias(values.weights), pairs)[..., None, None, None]
        running = [take(values.statistics) for take in self.running]  # mean and variance [row, edge, channel]
        mean, var = (_of_pairs(value, pairs) for value in running)  # [pair, channel]
        y = normalized(y, self.eps, (mean, var), self.momentum if values.training else None)
        if values.training:
            for value, of_pairs in zip(running, (mean, var), strict=True):
                value[pairs.rows, pairs.edges] = of_pairs
        return y


def _of_pairs(values: Tensor, pairs: _Pairs) -> Tensor:
    """Return the values [pair, ...] of pairs, from those of all rows and edges [row, edge, ...]."""
    return values.flatten(0, 1).index_select(0, pairs.rows * values.shape[1] + pairs.edges)


STACKED[TopologySupernet] = StackedTopology.of
