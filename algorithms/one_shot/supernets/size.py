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
from algorithms.one_shot.supernets.size_slices import module_slice, padded
from benchmark_api.spaces import SIZE_CELL, Architecture, SizeSpace
from benchmark_api.training.networks import Cell, ReductionBlock, Skeleton, reduction_blocks

SLICED = 16
"""Least width of a network whose modules are sliced: in narrower ones, slicing takes longer than what it saves."""


@dataclass(frozen=True)
class WidthMasks(ForwardMode):
    """Features of the full width, times the masks [module, channel]."""

    masks: Tensor


@dataclass(frozen=True)
class WidthPairs(ForwardMode):
    """Weighted sum of two widths of each module, the narrower one stretched to the wider (channel-wise interpolation).

    Attributes:
        choices: two choices of a width [module, 2].
        weights: their weights [module, 2].
    """

    choices: Tensor
    weights: Tensor


class SizeSupernet(Supernet):
    """Shared network of the size space.

    The first decision gives the width of both the stem and the first block; the features of each are narrowed. The arguments
    are those of `build_supernet`; the normalisations of the reduction blocks always track running statistics.

    Attributes:
        candidates: mask of each choice of a width [choice, channel], on the CPU.
        decisions: decision that gives each module its width [module].
        sliced: whether a processor computes only the channels that a mode keeps; whole modules otherwise. In captured steps and
            on other devices, where reading a mode takes long, modules are whole.
    """

    def __init__(self, space: SizeSpace, skeleton: Skeleton, track_running_stats: bool = False) -> None:
        super().__init__()
        skeleton.widths(space, space.architecture(0))  # refuses a skeleton with channels or cells
        self.space, self.width = space, max(space.widths)
        self.sliced = self.width >= SLICED
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
        self._copies: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def constants(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return constants on the device and of the type of a tensor; they are copied there once.

        Returns:
            `candidates`, and the matrices that stretch a width to the wider one of two [choice, other choice, channel, channel].
        """
        place = like.device, like.dtype
        if place not in self._copies:
            self._copies[place] = self.candidates.to(like), stretches(tuple(self.space.widths)).to(like)
        return self._copies[place]

    def of_modules(self, rows: Tensor) -> Tensor:
        """Return the row of each module [module, ...], given one for each decision [decision, ...]."""
        rows = rows.view_as(rows)  # whose gradients are added first, whatever else the rows are for
        return torch.cat([rows[:1], rows])

    def forward(self, images: Tensor, mode: WidthMasks | WidthPairs) -> Tensor:
        """Return the logits [image, class]."""
        whole = self.captured or images.device.type != "cpu"
        kept = self._kept(mode) if self.sliced and not whole else None
        kernels = self._kernels(mode) if isinstance(mode, WidthPairs) and whole else None
        pairs = self._pairs(mode) if isinstance(mode, WidthPairs) and not whole else []
        x = images if kept is None else images.contiguous(memory_format=torch.channels_last)
        for number, module in enumerate((self.stem, *self.blocks)):  # a reduction block halves height and width
            x = module(x) if kept is None else module_slice(module, x, kept[number])  # [batch, channel, height, width]
            if kernels is not None:
                x = functional.conv2d(x, kernels[number, :, :, None, None].to(x))
            elif isinstance(mode, WidthPairs):
                x = self._interpolated(x, *pairs[number])
            elif kept is None or not bool((mode.masks[number, : x.shape[1]] == 1).all()):
                x = x * mode.masks[number, : x.shape[1], None, None].to(x)
        features = self.lastact(padded(x, self.width)).mean(dim=(2, 3))  # [batch, channel]
        logits: Tensor = self.classifier(features)  # [batch, class]
        return logits

    def _kept(self, mode: WidthMasks | WidthPairs) -> list[int]:
        """Return the number of channels of each module after which all are zero, and so are all gradients [module]."""
        if isinstance(mode, WidthPairs):
            return [max(self.space.widths[choice] for choice in choices) for choices, _ in self._pairs(mode)]
        if mode.masks.requires_grad:  # a mask that is zero has a gradient
            return [self.width] * len(mode.masks)
        kept: list[int] = ((mode.masks != 0) * torch.arange(1, self.width + 1)).amax(dim=1).tolist()
        return kept

    def _pairs(self, mode: WidthPairs) -> list[tuple[list[int], Tensor]]:
        """Return two choices and their weights [2] for each module."""
        return list(zip(mode.choices.tolist(), mode.weights.unbind(), strict=True))

    def _kernels(self, mode: WidthPairs) -> Tensor:
        """Return the interpolation of channels as matrices [module, channel, channel], without a look at the choices."""
        _, matrices = self.constants(mode.weights)
        first, second = mode.choices.unbind(dim=1)
        pair = torch.stack([matrices[first, second], matrices[second, first]], dim=1)  # [module, 2, channel, channel]
        return (mode.weights[..., None, None] * pair).sum(dim=1)

    def _interpolated(self, x: Tensor, choices: Sequence[int], weights: Tensor) -> Tensor:
        """Interpolate channels (Dong & Yang, NeurIPS 2019, arXiv 1905.09717, eq. 4), as one 1x1 convolution."""
        widths = [self.space.widths[choice] for choice in choices]
        wider = max(widths)
        first, second = (stretch(width, wider).to(weights) for width in widths)  # [wider, width]
        kernel = x.new_zeros(x.shape[1], x.shape[1])  # [output channel, input channel]
        kernel[:wider, : widths[0]] = (weights[0] * first).to(x)
        kernel[:wider, : widths[1]] += (weights[1] * second).to(x)
        return functional.conv2d(x, kernel[:, :, None, None])  # [batch, channel, height, width], zero from `wider` on

    def compile_parts(self) -> None:
        """Compile the modules, at full width; their narrowing differs from step to step."""
        self.sliced = False
        for part in (self.stem, self.lastact, *self.blocks):
            part.compile(dynamic=False)

    def along(self, architecture: Architecture) -> WidthMasks:
        """Return the mode in which every module has its width in one architecture."""
        return WidthMasks(self.candidates[[architecture[decision] for decision in self.decisions]])  # [module, channel]

    def mixture(self, weights: Tensor) -> WidthMasks:
        """Return the mode that masks by the weighted mean of all widths' masks; `weights` [decision, width]."""
        return WidthMasks(self.of_modules(weights) @ self.constants(weights)[0])  # [module, channel]

    def decide(self, mode: WidthMasks | WidthPairs, choices: Mapping[int, int]) -> WidthMasks | WidthPairs:
        """Return a mode with one width of some layers, and of the others what a mode computes; `choices` by decision."""
        made = [choices.get(decision) for decision in self.decisions]  # [module]
        if isinstance(mode, WidthMasks):
            candidates, _ = self.constants(mode.masks)
            return WidthMasks(
                torch.stack([mask if c is None else candidates[c] for mask, c in zip(mode.masks, made, strict=True)])
            )
        rows = list(zip(mode.choices.unbind(), mode.weights.unbind(), made, strict=True))
        pairs = [pair if choice is None else torch.full_like(pair, choice) for pair, _, choice in rows]
        half = [weights if choice is None else torch.full_like(weights, 0.5) for _, weights, choice in rows]  # twice the same
        return WidthPairs(torch.stack(pairs), torch.stack(half))


build_supernet.register(SizeSpace, SizeSupernet)


@cache
def stretch(channels: int, width: int) -> Tensor:
    """Return adaptive average pooling from `channels` to `width` >= `channels` channels as a matrix [width, channels]."""
    matrix = torch.zeros(width, channels, dtype=torch.float64)
    for row in range(width):
        first, last = row * channels // width, -(-(row + 1) * channels // width)
        matrix[row, first:last] = 1.0 / (last - first)
    return matrix


@cache
def stretches(widths: tuple[int, ...]) -> Tensor:
    """Return the matrices that stretch a width to the wider one of two [choice, other choice, channel, channel]."""
    full, rows = max(widths), []
    for width in widths:
        matrices = [stretch(width, max(width, other)) for other in widths]
        rows.append(torch.stack([functional.pad(of, (0, full - of.shape[1], 0, full - of.shape[0])) for of in matrices]))
    return torch.stack(rows)
