"""Supernet of the size space: the widest candidate, whose features are narrowed after each of its modules.

The modules are the stem and the blocks. Source: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437), section 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from algorithms.one_shot.supernets.base import ForwardMode, Supernet, build_supernet
from benchmark_api.spaces import SIZE_CELL, Architecture, SizeSpace
from benchmark_api.training.networks import Cell, ReductionBlock, Skeleton, reduction_blocks


@dataclass(frozen=True)
class WidthMasks(ForwardMode):
    """Features of the full width, times the masks [module, channel]."""

    masks: Tensor


@dataclass(frozen=True)
class WidthPairs(ForwardMode):
    """Weighted sum of two widths of each module, the narrower one stretched to the wider (channel-wise interpolation).

    Attributes:
        pairs: for each module, two choices of its width and their weights [2].
    """

    pairs: Sequence[tuple[tuple[int, int], Tensor]]


class SizeSupernet(Supernet):
    """Shared network of the size space.

    The first decision gives the width of both the stem and the first block; the features of each are narrowed. The arguments
    are those of `build_supernet`; the normalisations of the reduction blocks always track running statistics.

    Attributes:
        candidates: mask of each choice of a width [choice, channel], on the CPU.
        decisions: decision that gives each module its width [module].
    """

    def __init__(self, space: SizeSpace, skeleton: Skeleton, track_running_stats: bool = False) -> None:
        super().__init__()
        skeleton.widths(space, space.architecture(0))  # refuses a skeleton with channels or cells
        self.space, self.width = space, max(space.widths)
        layers = len(space.cardinalities)
        self.decisions = [0, *range(layers)]

        def norm() -> nn.BatchNorm2d:
            return nn.BatchNorm2d(self.width, affine=False, track_running_stats=track_running_stats)

        self.stem = nn.Sequential(nn.Conv2d(skeleton.input_channels, self.width, 3, padding=1), norm())
        self.blocks = nn.ModuleList(
            ReductionBlock(self.width, self.width)
            if block in reduction_blocks(layers)
            else Cell(SIZE_CELL, self.width, self.width, False, track_running_stats)
            for block in range(layers)
        )
        self.lastact = nn.Sequential(norm(), nn.ReLU())
        self.classifier = nn.Linear(self.width, skeleton.classes)
        channels = torch.arange(self.width, device="cpu")
        self.candidates = torch.stack([(channels < width).float() for width in space.widths])

    def forward(self, images: Tensor, mode: WidthMasks | WidthPairs) -> Tensor:
        """Return the logits [image, class]."""
        x = images  # [batch, input channel, height, width]
        for number, module in enumerate((self.stem, *self.blocks)):
            x = module(x)  # [batch, channel, height, width]; a reduction block halves height and width
            if isinstance(mode, WidthMasks):
                x = x * mode.masks[number, :, None, None].to(x)
            else:
                x = self._interpolated(x, *mode.pairs[number])
        features = self.lastact(x).mean(dim=(2, 3))  # [batch, channel]
        logits: Tensor = self.classifier(features)  # [batch, class]
        return logits

    def _interpolated(self, x: Tensor, choices: tuple[int, int], weights: Tensor) -> Tensor:
        """Interpolate channels (Dong & Yang, NeurIPS 2019, arXiv 1905.09717, eq. 4), as one 1x1 convolution."""
        widths = [self.space.widths[choice] for choice in choices]
        wider = max(widths)
        first, second = (stretch(width, wider).to(weights) for width in widths)  # [wider, width]
        kernel = x.new_zeros(self.width, self.width)  # [output channel, input channel]
        kernel[:wider, : widths[0]] = (weights[0] * first).to(x)
        kernel[:wider, : widths[1]] += (weights[1] * second).to(x)
        return functional.conv2d(x, kernel[:, :, None, None])  # [batch, channel, height, width], zero from `wider` on

    def compile_parts(self) -> None:
        """Compile the modules; their narrowing differs from step to step."""
        for part in (self.stem, self.lastact, *self.blocks):
            part.compile()

    def along(self, architecture: Architecture) -> WidthMasks:
        """Return the mode in which every module has its width in one architecture."""
        return WidthMasks(self.candidates[[architecture[decision] for decision in self.decisions]])  # [module, channel]

    def mixture(self, weights: Tensor) -> WidthMasks:
        """Return the mode that masks by the weighted mean of all widths' masks; `weights` [decision, width]."""
        return WidthMasks(weights[self.decisions] @ self.candidates.to(weights))  # [module, channel]

    def decide(self, mode: WidthMasks | WidthPairs, choices: Mapping[int, int]) -> WidthMasks | WidthPairs:
        """Return a mode with one width of some layers, and of the others what a mode computes; `choices` by decision."""
        made = [choices.get(decision) for decision in self.decisions]  # [module]
        if isinstance(mode, WidthMasks):
            candidates = self.candidates.to(mode.masks)
            return WidthMasks(
                torch.stack([mask if c is None else candidates[c] for mask, c in zip(mode.masks, made, strict=True)])
            )
        only = torch.tensor([1.0, 0.0])
        return WidthPairs([p if c is None else ((c, c), only.to(p[1])) for p, c in zip(mode.pairs, made, strict=True)])


build_supernet.register(SizeSpace, SizeSupernet)


@cache
def stretch(channels: int, width: int) -> Tensor:
    """Return adaptive average pooling from `channels` to `width` >= `channels` channels as a matrix [width, channels]."""
    matrix = torch.zeros(width, channels, dtype=torch.float64)
    for row in range(width):
        first, last = row * channels // width, -(-(row + 1) * channels // width)
        matrix[row, first:last] = 1.0 / (last - first)
    return matrix
