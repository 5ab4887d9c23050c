"""Supernet of the topology space: all operations on every edge of every cell.

Operations with a common input are computed together: per node one ReLU, one 3x3 convolution, one 1x1 convolution, their
normalisations and one pooling.

Source: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437), section 4.2. Batch normalisations in cells and before the
classifier have no weights, convolutions in cells have a bias; those of the stem and of the reduction blocks are ordinary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from algorithms.one_shot.supernets import topology_together as together
from algorithms.one_shot.supernets.base import ForwardMode, Supernet, build_supernet, one_hot_rows
from benchmark_api.spaces import EDGES, OPERATIONS, Architecture, TopologySpace
from benchmark_api.training.networks import ReductionBlock, Skeleton, make_operation
from benchmark_api.training.pooling import mean_3x3

OUTGOING = tuple(tuple(edge for edge, (_, source) in enumerate(EDGES) if source == node) for node in range(4))
INCOMING = tuple(tuple(edge for edge, (target, _) in enumerate(EDGES) if target == node) for node in range(4))
"""Edges that leave and that enter each node; node 0 is a cell's input, node 3 its output."""


@dataclass(frozen=True)
class Mixture(ForwardMode):
    """All operations of each edge, weighted and summed; the weights [edge, operation] are shared by all cells."""

    weights: Tensor


@dataclass(frozen=True)
class Paths(ForwardMode):
    """One operation of each edge.

    With weights, an edge is its operation times the operation's weight, plus the other operations' weights as scalars: a
    straight-through term that sends gradients to all weights although one operation is computed (GDAS).

    Attributes:
        paths: operation of each edge, for every cell; or, to compute all operations with one-hot weights, numbers on the device
            [cell or 1, edge], which nothing on the host depends on.
        weights: [edge, operation], shared by all cells; None for unweighted operations.
    """

    paths: Sequence[Architecture] | Tensor
    weights: Tensor | None = None


class MixedCell(nn.Module):
    """A cell with all operations on each edge. A subclass that combines operations in another way overrides `mix`.

    Args:
        channels: width of all nodes.
        track_running_stats: whether evaluation uses running statistics; False: always the batch's.

    Attributes:
        together: whether mixtures of all operations are computed for all edges of a node at once, also on a CPU.
    """

    together = False

    def __init__(self, channels: int, track_running_stats: bool = False) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleList(make_operation(name, channels, channels, False, track_running_stats) for name in OPERATIONS)
            for _ in EDGES
        )

    def forward(
        self,
        x: Tensor,
        weights: Tensor | None = None,
        path: Architecture | None = None,
        others: Tensor | None = None,
        hot: Tensor | None = None,
    ) -> Tensor:
        """Return the last node [batch, channel, height, width].

        Args:
            x: first node [batch, channel, height, width].
            weights: as in `Mixture`, or with a path as in `Paths`.
            path: operation of each edge; None for all operations.
            others: number that is added to the output of each edge [edge]; by default what `Paths` says.
            hot: operation of each edge as one-hot rows on the device [edge, operation], instead of a path.
        """
        terms: list[list[Tensor]] = [[x], [], [], []]  # of each node's sum
        if weights is not None and path is not None:
            others = weights.sum(dim=1) - torch.stack([weights[edge, choice] for edge, choice in enumerate(path)])  # [edge]
        if others is not None:
            for edge, (target, _) in enumerate(EDGES):
                terms[target].append(others[edge])
        for source, outgoing in enumerate(OUTGOING[:-1]):
            node = total(terms[source], x)
            found = self.mix(node, outgoing, weights, path) if hot is None else self.choose(node, outgoing, hot, weights)
            for edge, outputs in found.items():
                terms[EDGES[edge][0]] += outputs
        return total(terms[-1], x)

    def mix(self, x: Tensor, edges: Sequence[int], weights: Tensor | None, path: Architecture | None) -> dict[int, list[Tensor]]:
        """Return the outputs of edges that leave one node, by edge; an edge's output is the sum of its list.

        Args:
            x: the node [batch, channel, height, width].
            edges: numbers of the edges.
            weights: as for `forward`, of all edges of the cell.
            path: as for `forward`, of all edges of the cell.
        """
        operations: Any = self.edges  # [edge][operation]
        if path is None and weights is not None and (self.together or not x.is_cpu):
            of_edges = together.mixed(x, [operations[edge] for edge in edges], rows(weights, edges))
            return {edge: [output] for edge, output in zip(edges, of_edges, strict=True)}
        terms: dict[int, list[Tensor]] = {edge: [] for edge in edges}
        rectified = None
        for choice, name in enumerate(OPERATIONS):
            active = [edge for edge in edges if path is None or path[edge] == choice]
            if not active or name == "none":
                continue
            scales = None if weights is None else [weights[edge, choice] for edge in active]
            if name.startswith("nor_conv"):
                rectified = x.relu() if rectified is None else rectified
                outputs = _convolve(rectified, [operations[edge][choice].op for edge in active], scales)
            else:  # skip and pooling have no parameters, so one output serves all edges
                output = mean_3x3(x) if name == "avg_pool_3x3" and x.is_cpu else operations[active[0]][choice](x)
                outputs = [output] * len(active) if scales is None else [scale * output for scale in scales]
            for edge, output in zip(active, outputs, strict=True):
                terms[edge].append(output)
        return terms

    def choose(self, x: Tensor, edges: Sequence[int], hot: Tensor, weights: Tensor | None) -> dict[int, list[Tensor]]:
        """Return the outputs of edges that leave one node, as `mix` does, along the path of one-hot rows `hot`."""
        operations: Any = self.edges  # [edge][operation]
        of_edges = None if weights is None else rows(weights, edges)
        outputs = together.chosen(x, [operations[edge] for edge in edges], rows(hot, edges), of_edges)
        return {edge: [output] for edge, output in zip(edges, outputs, strict=True)}


def rows(weights: Tensor, edges: Sequence[int]) -> Tensor:
    """Return the rows of some edges, in one operation forward and one backward."""
    of_edges = weights.unbind()
    return torch.stack([of_edges[edge] for edge in edges])


def total(terms: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return the sum of a node's inputs; a sum of scalars, or of nothing, is broadcast to the shape of `like`."""
    summed = reduce(torch.add, terms) if terms else like.new_zeros(())
    return summed if summed.dim() else torch.zeros_like(like) + summed


def _convolve(x: Tensor, layers: Sequence[Any], scales: list[Tensor] | None) -> Sequence[Tensor]:
    """Convolve and normalise x [batch, channel, height, width] by several layers at once, and scale each layer's output."""
    _, convolutions, norms = zip(*layers, strict=True)
    first = norms[0]
    scale = None if scales is None else torch.stack(scales).repeat_interleave(first.num_features)  # [edges * channel]
    if first.track_running_stats:
        return together.normalized(x, layers, scale).chunk(len(layers), dim=1)
    weight, bias = (torch.cat([getattr(layer, name) for layer in convolutions]) for name in ("weight", "bias"))
    y = functional.conv2d(x, weight, bias, padding=convolutions[0].padding)  # [batch, edges * channel, height, width]
    return functional.batch_norm(y, None, None, scale, None, True, first.momentum, first.eps).chunk(len(layers), dim=1)


class TopologySupernet(Supernet):
    """Shared network of the topology space: stem, reduction blocks and classifier of `CellNetwork`, with mixed cells.

    The arguments are those of `build_supernet`, and the class of the cells or another maker of them. `track_running_stats` holds
    for the normalisation before the classifier too.

    Raises:
        ValueError: the skeleton has no cells.
    """

    def __init__(
        self,
        space: TopologySpace,
        skeleton: Skeleton,
        track_running_stats: bool = False,
        cell: Callable[[int, bool], MixedCell] = MixedCell,
    ) -> None:
        super().__init__()
        if skeleton.cells == 0:
            raise ValueError("a supernet has at least one cell in each stage, got 0")
        widths = skeleton.widths(space, (0,) * len(EDGES))  # [block]
        stem = nn.Conv2d(skeleton.input_channels, widths[0], 3, padding=1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(widths[0]))
        self.blocks = nn.ModuleList(
            cell(c_out, track_running_stats) if c_in == c_out else ReductionBlock(c_in, c_out)
            for c_in, c_out in zip((widths[0], *widths), widths, strict=False)
        )
        self.lastact = nn.Sequential(nn.BatchNorm2d(widths[-1], affine=False, track_running_stats=track_running_stats), nn.ReLU())
        self.classifier = nn.Linear(widths[-1], skeleton.classes)
        self.cells = sum(isinstance(block, MixedCell) for block in self.blocks)  # number of cells
        self._compiled_cell: Callable[..., Tensor] | None = None

    def forward(self, images: Tensor, mode: Mixture | Paths) -> Tensor:
        """Return the logits [image, class]."""
        of_cells = self._of_cells(mode)
        same = isinstance(mode, Mixture) or isinstance(mode.paths, Tensor)  # operations in each step
        compiled = self._compiled_cell if self.training and same else None
        x = self.stem(images)  # [batch, C, height, width]
        for block in self.blocks:
            if not isinstance(block, MixedCell):
                x = block(x)  # [batch, 2 C, height / 2, width / 2]
            elif compiled is not None:
                x = compiled(block, x, *next(of_cells))
            else:
                x = block(x, *next(of_cells))
        features = self.lastact(x).mean(dim=(2, 3))  # [batch, 4 C]
        logits: Tensor = self.classifier(features)  # [batch, class]
        return logits

    def _of_cells(self, mode: Mixture | Paths) -> Iterator[tuple[Any, ...]]:
        """Yield what a mode gives each cell to compute: the arguments of `MixedCell` after the first node."""
        if isinstance(mode, Mixture):
            yield from repeat((mode.weights,))
        elif not isinstance(mode.paths, Tensor):
            yield from ((mode.weights, path) for path in mode.paths)
        else:
            operations = torch.arange(len(OPERATIONS), device=mode.paths.device)
            hot = (mode.paths[..., None] == operations).to(self.classifier.weight)  # [cell or 1, edge, operation]
            others: Sequence[Tensor | None] = [None] * self.cells
            if mode.weights is not None:
                others = ((1 - hot) * mode.weights).sum(dim=2).expand(self.cells, -1).unbind()
            of_cells = hot.expand(self.cells, -1, -1).unbind()
            yield from ((mode.weights, None, rest, of_cell) for of_cell, rest in zip(of_cells, others, strict=True))

    @property
    def one_hot(self) -> bool:
        """Whether sampled paths are one-hot weights of all operations: in training steps that are captured."""
        return self.captured and self.training

    def sampled(self, paths: Tensor, weights: Tensor | None = None) -> Paths:
        """Return the mode along sampled paths, in whichever way they are computed.

        Args:
            paths: operations [cell or 1, edge]; if they are on the device they are read from it, unless they are `one_hot`.
            weights: as in `Paths`.
        """
        if self.one_hot:
            return Paths(paths, weights)
        rows = [tuple(path) for path in paths.tolist()]
        return Paths(rows * self.cells if len(rows) == 1 else rows, weights)

    def capture(self) -> None:
        super().capture()
        for block in self.blocks:
            if isinstance(block, MixedCell):
                block.together = True

    def compile_parts(self) -> None:
        """Compile all parts but cells that follow a path, and but cells at evaluation.

        PyTorch keeps few versions of a function, and training needs one for each width.
        """
        cells = [block for block in self.blocks if isinstance(block, MixedCell)]
        for part in (self.stem, self.lastact, *(block for block in self.blocks if block not in cells)):
            part.compile(dynamic=False)
        self._compiled_cell = torch.compile(type(cells[0]).forward, dynamic=False)

    def along(self, architecture: Architecture) -> Paths:
        """Return the mode in which every cell is that of one architecture."""
        return Paths([architecture] * self.cells)

    def mixture(self, weights: Tensor) -> Mixture:
        """Return the mode in which every edge is the weighted sum of its operations; `weights` [edge, operation]."""
        return Mixture(weights)

    def decide(self, mode: Mixture | Paths, choices: Mapping[int, int]) -> Mixture | Paths:
        """Return a mode with one operation on some edges, and on the others what a mode computes; `choices` by edge."""
        if isinstance(mode, Mixture):
            return replace(mode, weights=one_hot_rows(mode.weights, choices))
        weights = None if mode.weights is None else one_hot_rows(mode.weights, choices)
        if isinstance(mode.paths, Tensor):
            edges = enumerate(mode.paths.unbind(dim=1))
            made = [torch.full_like(path, choices[edge]) if edge in choices else path for edge, path in edges]
            return Paths(torch.stack(made, dim=1), weights)
        return Paths([tuple(choices.get(edge, choice) for edge, choice in enumerate(path)) for path in mode.paths], weights)


build_supernet.register(TopologySpace, TopologySupernet)
