"""Stacked supernet of the size space: every row has the full width, and narrows its features by its own forward mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from algorithms.one_shot.supernets.size import SizeSupernet, WidthMasks, WidthPairs, stretches
from algorithms.one_shot.supernets.stacked import (
    STACKED,
    StackedConvolutions,
    StackedNorm,
    StackedReduction,
    StackedSupernet,
    Values,
    classified,
    conv1x1,
)
from algorithms.one_shot.supernets.topology import OUTGOING
from benchmark_api.spaces import EDGES
from benchmark_api.training.networks import ReductionBlock, ReLUConvBN


class StackedSize(StackedSupernet):
    """`SizeSupernet` of every row."""

    def __init__(self, supernet: SizeSupernet) -> None:
        super().__init__(supernet)
        stem: Any = supernet.stem
        self.modules = [
            StackedConvolutions([(stem[0], stem[1])], self).all_edges,
            *(
                StackedReduction(block, self) if isinstance(block, ReductionBlock) else _StackedCell(block, self)
                for block in supernet.blocks
            ),
        ]
        lastact: Any = supernet.lastact
        self.last_norm = StackedNorm(lastact[0], self)
        self.classifier = [self.weights.take([value]) for value in (supernet.classifier.weight, supernet.classifier.bias)]
        self.stretches = stretches(tuple(supernet.space.widths))

    def numbers(self, mode: WidthMasks | WidthPairs) -> Tensor:
        return mode.masks if isinstance(mode, WidthMasks) else mode.weights

    def forward(self, images: Tensor, modes: Sequence[WidthMasks | WidthPairs], numbers: Tensor | None, values: Values) -> Tensor:
        numbers = cast(Tensor, numbers).to(images)  # masks [row, module, channel], or weights of two widths [row, module, 2]
        if isinstance(modes[0], WidthPairs):
            kernels = self._kernels(modes, numbers)  # [row, module, channel, channel, 1, 1]
        x = images.permute(0, 2, 3, 4, 1)  # [row, input channel, height, width, image]
        for number, module in enumerate(self.modules):
            x = module(x, values)  # [row, channel, height, width, image]; a reduction block halves height and width
            if isinstance(modes[0], WidthMasks):
                x = x * numbers[:, number, :, None, None, None]
            else:
                x = conv1x1(x, kernels[:, number])
        weight, bias = (take(values.weights) for take in self.classifier)
        return classified(self.last_norm(x, values).relu(), weight[:, 0], bias)

    def _kernels(self, modes: Sequence[Any], weights: Tensor) -> Tensor:
        """Return the interpolation of channels as 1x1 convolutions, see `SizeSupernet` [row, module, channel, channel, 1, 1]."""
        first, second = torch.stack([mode.choices for mode in modes]).unbind(dim=2)  # [row, module] each
        if self.stretches.device != weights.device or self.stretches.dtype != weights.dtype:
            self.stretches = self.stretches.to(weights)  # once
        matrices = self.stretches
        pair = torch.stack([matrices[first, second], matrices[second, first]], dim=2)  # [row, module, 2, channel, channel]
        return (weights[..., None, None] * pair).sum(dim=2)[..., None, None]


class _StackedCell:
    """Cell of every row: 3x3 convolutions on all edges but a skip connection."""

    def __init__(self, cell: Any, network: StackedSupernet) -> None:
        self.convolved = [[edge for edge in outgoing if isinstance(cell.layers[edge], ReLUConvBN)] for outgoing in OUTGOING[:-1]]
        self.nodes = [StackedConvolutions([cell.layers[edge].op[1:] for edge in edges], network) for edges in self.convolved]

    def __call__(self, x: Tensor, values: Values) -> Tensor:
        """Return the last node for the first one, x [row, channel, height, width, image]."""
        sums: list[Tensor] = [x]
        terms: list[list[Tensor]] = [[], [], [], []]  # of each node's sum
        for source, (convolutions, edges) in enumerate(zip(self.nodes, self.convolved, strict=True)):
            outputs = convolutions.all_edges(sums[source].relu(), values).chunk(len(edges), dim=1)
            for edge, output in zip(edges, outputs, strict=True):
                terms[EDGES[edge][0]].append(output)
            for edge in set(OUTGOING[source]) - set(edges):
                terms[EDGES[edge][0]].append(sums[source])
            sums.append(sum(terms[source + 1][1:], start=terms[source + 1][0]))
        return sums[-1]


STACKED[SizeSupernet] = StackedSize
