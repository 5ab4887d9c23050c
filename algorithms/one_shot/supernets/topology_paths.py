"""Evaluation of many paths with the same weights: what the paths have in common is prepared once.

A best-of-n selection evaluates a hundred candidates on batches of hundreds of images, a ranking thousands on the same images. The
time is that of copying feature maps, not the overhead of operations. On small images a convolution, and a normalisation with
running statistics after it, is one matrix [output feature, input feature]; a feature is a pixel of a channel, and feature maps
are [feature, image].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from algorithms.one_shot.supernets.candidates import CANDIDATES
from algorithms.one_shot.supernets.topology import INCOMING, OUTGOING, MixedCell, Mixture, Paths, TopologySupernet
from benchmark_api.spaces import CONV_1X1, CONV_3X3, EDGES, NONE, POOL, SKIP, Architecture
from benchmark_api.training.networks import ReductionBlock
from benchmark_api.training.small_images import LARGEST, convolution_matrix, means_matrix


@lru_cache(maxsize=1 << 14)
def live(path: Architecture) -> Architecture:
    """Return a path with `none` on the edges to nodes that do not affect the output."""
    operations = list(path)
    for node in (2, 1):
        if all(operations[edge] == NONE for edge in OUTGOING[node]):
            for edge in INCOMING[node]:
                operations[edge] = NONE
    return tuple(operations)


class PathEvaluator:
    """Logits of unweighted paths with a supernet's weights at the time, in evaluation mode and without gradients.

    Args:
        supernet: the supernet; see `evaluates`.
        size: height and width of the images.
    """

    @torch.no_grad()
    def __init__(self, supernet: TopologySupernet, size: tuple[int, int]) -> None:
        stem: Any = supernet.stem
        self.stem = _affine(stem[0], stem[1], size, 1)
        self.blocks: list[_Reduction | _Cell] = []
        for block in supernet.blocks:
            self.blocks.append(_Reduction(block, size) if isinstance(block, ReductionBlock) else _Cell(block, size))
            size = self.blocks[-1].size
        lastact: Any = supernet.lastact
        self.eps, self.classifier = lastact[0].eps, supernet.classifier

    @torch.no_grad()
    def __call__(self, images: Tensor, mode: Mixture | Paths) -> Tensor | None:
        """Return the logits [image, class] of images [image, channel, height, width]; None for weighted operations."""
        if not isinstance(mode, Paths) or mode.weights is not None:
            return None
        return self._classified(self._stem(images), map(live, map(tuple, mode.paths)), self.blocks)

    @torch.no_grad()
    def candidates(self, images: Tensor) -> Callable[[Architecture], Tensor]:
        """Return the function from an architecture to its logits [image, class]; the first cell has the same input for all."""
        _, *others = self.blocks
        first = _FirstCell(self.blocks[0], self._stem(images))

        @torch.no_grad()
        def logits(architecture: Architecture) -> Tensor:
            path = live(architecture)
            return self._classified(first(path), repeat(path), others)

        return logits

    def _stem(self, images: Tensor) -> Tensor:
        """Return the input of the first cell [feature, image]."""
        weight, bias = self.stem
        return torch.addmm(bias, weight, images.flatten(1).t())

    def _classified(self, x: Tensor, paths: Iterator[Architecture], blocks: Sequence[_Reduction | _Cell]) -> Tensor:
        """Return the logits [image, class] for the input of some last blocks [feature, image] and the paths of their cells."""
        for block in blocks:
            x = block(x, next(paths)) if isinstance(block, _Cell) else block(x)
        channels = self.classifier.in_features
        features = _normalized(x, channels, self.eps).relu_().view(channels, -1, x.shape[1]).mean(dim=1)  # [channel, image]
        logits: Tensor = self.classifier(features.t())
        return logits


def evaluates(supernet: TopologySupernet, size: tuple[int, int]) -> bool:
    """Return whether `PathEvaluator` is for a supernet: usual cells, normalisation by the batch, few features, no odd size."""
    network: Any = supernet
    if {type(block) for block in network.blocks} - {ReductionBlock, MixedCell}:
        return False
    reductions: list[Any] = [block for block in network.blocks if isinstance(block, ReductionBlock)]
    widths = [network.stem[0].out_channels, *(block.conv_b.op[1].out_channels for block in reductions)]
    features = max(width * size[0] * size[1] // 4**stage for stage, width in enumerate(widths))
    return not network.lastact[0].track_running_stats and features <= LARGEST and not (size[0] % 4 or size[1] % 4)


def _candidates(supernet: TopologySupernet, images: Tensor) -> Callable[[Architecture], Tensor] | None:
    """Return the evaluation of unweighted paths on some images, if `PathEvaluator` is for the supernet."""
    height, width = images.shape[2:]
    if supernet.training or not evaluates(supernet, (height, width)):
        return None
    return PathEvaluator(supernet, (height, width)).candidates(images)


CANDIDATES[TopologySupernet] = _candidates


def _normalized(x: Tensor, channels: int, eps: float) -> Tensor:
    """Return x [channel * pixel, image] with mean 0 and variance 1 in each channel."""
    flat = x.view(channels, -1)
    return functional.layer_norm(flat, flat.shape[1:], eps=eps).view(x.shape)


def _affine(convolution: Any, norm: Any, size: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Return a 3x3 convolution and its normalisation with running statistics as a matrix and a bias [feature, 1]."""
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()  # [channel]
    matrix = convolution_matrix((convolution.weight * scale[:, None, None, None])[None], *size, stride)[0]
    bias = norm.bias - norm.running_mean * scale
    return matrix, bias.repeat_interleave(len(matrix) // len(bias))[:, None]


class _Reduction:
    """`ReductionBlock` of images of a size."""

    def __init__(self, block: Any, size: tuple[int, int]) -> None:
        self.size = size[0] // 2, size[1] // 2
        self.first = _affine(block.conv_a.op[1], block.conv_a.op[2], size, 2)
        self.second = _affine(block.conv_b.op[1], block.conv_b.op[2], self.size, 1)
        squares = torch.eye(size[0] * size[1], device=self.first[0].device).view(-1, 1, *size)
        means = functional.avg_pool2d(squares, 2).flatten(1).t()  # [output pixel, input pixel]
        self.shortcut = torch.kron(block.downsample[1].weight[:, :, 0, 0].contiguous(), means.contiguous())

    def __call__(self, x: Tensor) -> Tensor:
        (weight, bias), (second, second_bias) = self.first, self.second
        y = torch.addmm(bias, weight, x.relu()).relu_()
        return torch.addmm(second_bias, second, y).addmm_(self.shortcut, x)


class _Cell:
    """`MixedCell` of images of a size, along paths."""

    def __init__(self, cell: Any, size: tuple[int, int]) -> None:
        self.size, self.pixels = size, size[0] * size[1]
        self.narrow = [edge[CONV_1X1].op[1].weight[:, :, 0, 0].contiguous() for edge in cell.edges]
        weights = torch.stack([edge[CONV_3X3].op[1].weight for edge in cell.edges])
        self.wide = convolution_matrix(weights, *size)  # [edge, output feature, input feature]
        self.means = means_matrix(*size, weights.dtype, weights.device)
        self.channels, self.eps = weights.shape[1], cell.edges[0][CONV_3X3].op[2].eps

    def __call__(self, x: Tensor, path: Architecture) -> Tensor:
        """Return the last node [feature, image] for the first one; operations of nodes that are zero are zero."""
        nodes: list[Tensor | None] = [x]
        rectified: dict[int, Tensor] = {}  # by node
        for edges in INCOMING[1:]:
            terms = []
            for edge in edges:
                source = EDGES[edge][1]
                node = nodes[source]
                if node is None or path[edge] == NONE:
                    continue
                if path[edge] in (CONV_1X1, CONV_3X3):
                    if source not in rectified:
                        rectified[source] = node.relu()
                    node = rectified[source]
                terms.append(self.output(node, edge, path[edge]))
            nodes.append(_total(terms))
        return torch.zeros_like(x) if nodes[-1] is None else nodes[-1]

    def output(self, x: Tensor, edge: int, choice: int) -> Tensor:
        """Return the output of an edge for a node, which is rectified for convolutions."""
        if choice == SKIP:
            return x
        if choice == POOL:
            return torch.matmul(self.means, x.view(self.channels, self.pixels, -1)).view(x.shape)
        if choice == CONV_3X3:
            y = torch.mm(self.wide[edge], x)
        else:
            y = torch.mm(self.narrow[edge], x.view(self.channels, -1)).view(x.shape)
        return _normalized(y, self.channels, self.eps)


class _FirstCell:
    """A cell with one input, for many paths: what a path has in common with the former one is not computed again.

    A node depends on the operations of all edges that enter it or an earlier node, which are the first ones of a path.

    Args:
        cell: the cell.
        x: its first node [feature, image].
    """

    def __init__(self, cell: Any, x: Tensor) -> None:
        self.cell = cell
        # Of each node: the operations that it depends on, its value, the outputs of edges that leave it by edge and operation.
        self.nodes: list[tuple[Architecture, Tensor | None, dict[tuple[int, int], Tensor]]] = [((), x, {})]
        self.zero = torch.zeros_like(x)

    def __call__(self, path: Architecture) -> Tensor:
        """Return the last node [feature, image]."""
        same = sum(operations == path[: len(operations)] for operations, _, _ in self.nodes)
        del self.nodes[same:]
        for edges in INCOMING[same:]:
            terms = [self._output(edge, path[edge]) for edge in edges]
            self.nodes.append((path[: edges[-1] + 1], _total([term for term in terms if term is not None]), {}))
        last = self.nodes[-1][1]
        return self.zero if last is None else last

    def _output(self, edge: int, choice: int) -> Tensor | None:
        """Return the output of an edge; None for zero."""
        _, node, outputs = self.nodes[EDGES[edge][1]]
        if node is None or choice == NONE:
            return None
        if (edge, choice) not in outputs:
            x = node.relu() if choice in (CONV_1X1, CONV_3X3) else node
            outputs[edge, choice] = self.cell.output(x, edge, choice)
        return outputs[edge, choice]


def _total(terms: Sequence[Tensor]) -> Tensor | None:
    """Return the sum of a node's terms; None for zero. A term may be another node, which is not changed."""
    if len(terms) < 2:
        return terms[0] if terms else None
    out = terms[0] + terms[1]
    for term in terms[2:]:
        out += term
    return out
