"""Stacked supernet of the topology space: every row computes the operations of its own forward mode, and no others.

For each node and each kind of operation, the pairs of a row and an outgoing edge that need it are gathered and computed at once.
A row of a mixture needs all operations of all edges, a row with sampled paths one operation of each edge. Operations that do not
affect the output of a path are left out, unless they have running statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from algorithms.one_shot.supernets.stacked import (
    STACKED,
    StackedConvolutions,
    StackedNorm,
    StackedReduction,
    StackedSupernet,
    Values,
    classified,
    picked,
)
from algorithms.one_shot.supernets.topology import INCOMING, OUTGOING, MixedCell, Mixture, Paths, TopologySupernet
from algorithms.one_shot.supernets.topology_paths import PathEvaluator, evaluates, live
from algorithms.one_shot.task import copied
from benchmark_api.spaces import CONV_1X1, CONV_3X3, EDGES, NONE, OPERATIONS, POOL, SKIP
from benchmark_api.training.networks import ReductionBlock
from benchmark_api.training.small_images import conv3x3, mean_3x3

ORDER = (CONV_3X3, CONV_1X1, SKIP, POOL, NONE)
"""Order in which the operations of a node are computed."""

Choices = npt.NDArray[np.int64]
"""Operation of each edge [row, edge]."""


class StackedTopology(StackedSupernet):
    """`TopologySupernet` of every row, with cells of the class `MixedCell`. A subclass for others overrides `stacked_cell`."""

    def __init__(self, supernet: TopologySupernet) -> None:
        super().__init__(supernet)
        stem: Any = supernet.stem
        self.stem, self.stem_norm = self.weights.take([stem[0].weight]), StackedNorm(stem[1], self)
        self.blocks = [
            StackedReduction(block, self) if isinstance(block, ReductionBlock) else self.stacked_cell(block)
            for block in supernet.blocks
        ]
        lastact: Any = supernet.lastact
        self.tracked = lastact[0].track_running_stats  # as are the normalisations of cells
        self.last_norm = StackedNorm(lastact[0], self)
        self.classifier = [self.weights.take([value]) for value in (supernet.classifier.weight, supernet.classifier.bias)]

    def stacked_cell(self, cell: Any) -> StackedCell:
        """Return the stacked counterpart of a cell."""
        return StackedCell(cell, self)

    @classmethod
    def of(cls, supernet: TopologySupernet) -> StackedTopology | None:
        """Return the stacked supernet, if all cells mix operations in the usual way."""
        cells = [block for block in supernet.blocks if not isinstance(block, ReductionBlock)]
        return cls(supernet) if {type(cell) for cell in cells} == {MixedCell} else None

    def numbers(self, mode: Mixture | Paths) -> Tensor | None:
        return mode.weights

    def counts(self, buffer: str) -> bool:
        return super().counts(buffer) and ".edges." not in buffer  # the normalisations of `MixedCell` do not count

    def evaluator(self, supernet: TopologySupernet, size: tuple[int, int]) -> PathEvaluator | None:
        return PathEvaluator(supernet, size) if evaluates(supernet, size) else None

    def forward(self, images: Tensor, modes: Sequence[Mixture | Paths], numbers: Tensor | None, values: Values) -> Tensor:
        x = images.permute(0, 2, 3, 4, 1)  # [row, input channel, height, width, image]
        x = self.stem_norm(conv3x3(x, self.stem(values.weights)[:, 0]), values)  # [row, C, height, width, image]
        plans = iter(_plans(modes, self.tracked, x.device))
        for block in self.blocks:
            if isinstance(block, StackedReduction):
                x = block(x, values)
            elif isinstance(modes[0], Paths):
                x = block.along(x, next(plans), numbers, values)
            else:
                x = block.mixed(x, cast(Tensor, numbers), values)
        weight, bias = (take(values.weights) for take in self.classifier)
        return classified(self.last_norm(x, values).relu(), weight[:, 0], bias)


class StackedCell:
    """`MixedCell` of every row. The counterpart of a cell that combines operations in another way overrides `mix`."""

    def __init__(self, cell: Any, network: StackedSupernet) -> None:
        self.nodes = [StackedNode([cell.edges[edge] for edge in outgoing], outgoing, network) for outgoing in OUTGOING[:-1]]

    def mixed(self, x: Tensor, numbers: Tensor, values: Values) -> Tensor:
        """Return the last node for the first one, x [row, channel, height, width, image].

        Args:
            x: the first node.
            numbers: weights of the operations [row, edge, operation].
            values: weights and statistics.
        """
        nodes = [x]
        terms: list[list[Tensor]] = [[], [], [], []]  # of each node's sum
        for source, node in enumerate(self.nodes):
            for edge, output in zip(node.edges, self.mix(node, nodes[source], numbers, values), strict=True):
                terms[EDGES[edge][0]].append(output)
            nodes.append(reduce(torch.add, terms[source + 1]))
        return nodes[-1]

    def mix(self, node: StackedNode, x: Tensor, numbers: Tensor, values: Values) -> Sequence[Tensor]:
        """Return the outputs of the edges that leave a node x [row, channel, height, width, image], in their order."""
        return node.mixed(x, numbers, values)

    def along(self, x: Tensor, plan: _Plan, numbers: Tensor | None, values: Values) -> Tensor:
        """Return the last node for the first one, x [row, channel, height, width, image].

        Args:
            x: the first node.
            plan: what the rows compute.
            numbers: weights of the operations as in `Paths` [row, edge, operation]; None for unweighted operations.
            values: weights and statistics.
        """
        rows = len(x)
        sums = x.new_zeros(3 * rows, *x.shape[1:])  # nodes 1, 2 and 3 [node * row, channel, height, width, image]
        if numbers is not None:
            sums = sums + plan.others(numbers)[:, None, None, None, None]
        for source, (node, pairs) in enumerate(zip(self.nodes, plan.pairs, strict=True)):
            outputs = node.along(sums[(source - 1) * rows : source * rows] if source else x, pairs, numbers, values)
            for part, output in outputs:
                sums.index_add_(0, pairs.targets[part], output)
        return sums[2 * rows :]


class _Plan:
    """What rows with paths compute in a cell.

    Attributes:
        pairs: what they compute of each node.

    Args:
        paths: operation of each edge [row, edge].
        complete: whether operations that do not affect the output are computed too.
        device: device of the network.
    """

    def __init__(self, paths: Choices, complete: bool, device: torch.device) -> None:
        self.chosen = copied(torch.from_numpy(paths), device)[..., None]  # [row, edge, 1]
        computed = paths if complete else np.array([live(tuple(path)) for path in paths.tolist()])
        self.pairs = [_Pairs.of(computed, edges, device) for edges in OUTGOING[:-1]]

    def others(self, numbers: Tensor) -> Tensor:
        """Return the sums of the weights of all other operations of a node's edges, see `Paths` [node * row]."""
        others = numbers.sum(dim=2) - numbers.gather(2, self.chosen)[..., 0]  # [row, edge]
        return torch.cat([picked(others, 1, edges).sum(dim=1) for edges in INCOMING[1:]])


def _plans(modes: Sequence[Mixture | Paths], complete: bool, device: torch.device) -> list[_Plan]:
    """Return the plan of each cell; none for mixtures."""
    if not isinstance(modes[0], Paths):
        return []
    paths = np.array([mode.paths for mode in modes if isinstance(mode, Paths)]).swapaxes(0, 1)  # [cell, row, edge]
    plans = {key: _Plan(of_cell, complete, device) for key, of_cell in {of_cell.tobytes(): of_cell for of_cell in paths}.items()}
    return [plans[of_cell.tobytes()] for of_cell in paths]


class _Pairs(NamedTuple):
    """Pairs of a row and an edge that leaves a node, in the `ORDER` of their operations; those with `none` are left out.

    Attributes:
        rows: row of each pair [pair].
        edges: edge of each pair [pair], as its number among the edges that leave the node.
        targets: place of the sum that the output is part of in an array [node * row], from node 1 on [pair].
        weights: places of the operations in an array [row, edge, operation] [pair].
        counts: number of pairs with each operation, in `ORDER`.
    """

    rows: Tensor
    edges: Tensor
    targets: Tensor
    weights: Tensor
    counts: list[int]

    @classmethod
    def of(cls, paths: Choices, edges: Sequence[int], device: torch.device) -> _Pairs:
        """Return the pairs of paths [row, edge] and the edges that leave a node."""
        operations = paths[:, edges].ravel()  # [row * edge]
        counts = np.bincount(operations, minlength=len(OPERATIONS))[list(ORDER)].tolist()[:-1]
        order = np.argsort(_RANKS[operations], kind="stable")[: sum(counts)]
        rows, numbers = np.divmod(order, len(edges))
        edge = np.asarray(edges)[numbers]
        places = (rows * len(EDGES) + edge) * len(OPERATIONS) + operations[order]
        facts = np.stack([rows, numbers, _TARGETS[edge] * len(paths) + rows, places])
        row, number, target, place = copied(torch.from_numpy(facts), device).unbind()
        return cls(row, number, target, place, counts)


_RANKS = np.argsort(ORDER)
_TARGETS = np.array([target - 1 for target, _ in EDGES])


class StackedNode:
    """Operations of all edges that leave a node.

    Args:
        layers: operations of each edge.
        edges: the edges, as their numbers in the cell.
        network: the network that the node belongs to.
    """

    def __init__(self, layers: Sequence[Any], edges: Sequence[int], network: StackedSupernet) -> None:
        self.edges = edges
        self.convolutions = {
            choice: StackedConvolutions([of_edge[choice].op[1:] for of_edge in layers], network)
            for choice in (CONV_3X3, CONV_1X1)
        }

    def mixed(self, x: Tensor, numbers: Tensor, values: Values) -> Sequence[Tensor]:
        """Return the weighted sum of all operations for each edge [row, channel, height, width, image]."""
        rectified, shape = x.relu(), (len(x), len(self.edges), *x.shape[1:])
        weights = picked(numbers, 1, self.edges)  # [row, edge, operation]
        plain = torch.stack([x, mean_3x3(x)], dim=1).flatten(2)  # of operations without weights [row, operation, feature]
        total = torch.bmm(picked(weights, 2, [SKIP, POOL]), plain).view(shape)  # [row, edge, channel, height, width, image]
        for choice, convolution in self.convolutions.items():
            y = convolution.all_edges(rectified, values).view(shape)
            total = torch.addcmul(total, y, weights[:, :, choice, None, None, None, None])
        return total.unbind(dim=1)

    def along(self, x: Tensor, pairs: _Pairs, numbers: Tensor | None, values: Values) -> list[tuple[slice, Tensor]]:
        """Return the outputs of pairs, weighted if there are weights: parts of the pairs, and their outputs [pair, ...]."""
        weights = None if numbers is None else numbers.flatten().index_select(0, pairs.weights)[:, None, None, None, None]
        rectified = x.relu() if pairs.counts[0] or pairs.counts[1] else x
        outputs, first = [], 0
        for choice, count in zip(ORDER, pairs.counts, strict=False):
            if not count:
                continue
            part = slice(first, first := first + count)
            rows = pairs.rows[part]
            if choice in self.convolutions:
                y = self.convolutions[choice].of_pairs(_selected(rectified, rows), rows, pairs.edges[part], values)
            elif choice == SKIP:
                y = x.index_select(0, rows)
            else:
                y = mean_3x3(x.index_select(0, rows)) if count < len(x) else mean_3x3(x).index_select(0, rows)
            outputs.append((part, y if weights is None else y * weights[part]))
        return outputs


def _selected(x: Tensor, rows: Tensor) -> Tensor:
    """Return some rows of x; a single row is not copied."""
    return x.expand(len(rows), *x.shape[1:]) if len(x) == 1 else x.index_select(0, rows)


STACKED[TopologySupernet] = StackedTopology.of
