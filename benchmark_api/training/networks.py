"""PyTorch networks of architectures: a stem, three stages of cells with reduction blocks between them, and a classifier.

The space defines the cell and the width of each block (`SearchSpace.cell` and `block_widths`). Feature maps are
[batch, channel, height, width].

Source: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437), sections 3.1 and 3.2; NAS-Bench-201 (Dong & Yang, ICLR 2020,
arXiv 2001.00326). Parameters have the names they have in the authors' code, so a state dict of theirs fits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from benchmark_api.spaces import EDGES, OPERATIONS, Architecture, SearchSpace

# -- operations (section 3.1 of NATS-Bench) ------------------------------------------------------------------------------


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution with padding, batch normalisation; at stride s, height and width are divided by s, rounded up.

    Without `affine`, the normalisation has no weights and the convolution a bias. Without `track_running_stats`, evaluation uses
    the statistics of the batch. Both options mean the same in all modules below.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel_size: int, stride: int = 1, affine: bool = True, track_running_stats: bool = True
    ) -> None:
        op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, kernel_size, stride, padding=kernel_size // 2, bias=not affine),
            nn.BatchNorm2d(c_out, affine=affine, track_running_stats=track_running_stats),
        )
        super().__init__(OrderedDict(op=op))


class Zero(nn.Module):
    """`none`: zeros connected to the input, so that its gradient is zero instead of missing."""

    def __init__(self, c_out: int) -> None:
        super().__init__()
        self.c_out = c_out

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.0 if x.shape[1] == self.c_out else x.new_zeros(x.shape[0], self.c_out, *x.shape[2:])


class Projection(nn.Sequential):
    """`skip_connect` if channels change: 1x1 convolution and batch normalisation, without ReLU."""

    def __init__(self, c_in: int, c_out: int, affine: bool, track_running_stats: bool) -> None:
        conv = nn.Conv2d(c_in, c_out, 1, bias=not affine)
        bn = nn.BatchNorm2d(c_out, affine=affine, track_running_stats=track_running_stats)
        super().__init__(OrderedDict(conv=conv, bn=bn))


class AveragePool(nn.Sequential):
    """`avg_pool_3x3`: mean without the padding; preceded by ReLU, 1x1 convolution and normalisation if channels change."""

    def __init__(self, c_in: int, c_out: int, affine: bool, track_running_stats: bool) -> None:
        preprocess = nn.Identity() if c_in == c_out else ReLUConvBN(c_in, c_out, 1, 1, affine, track_running_stats)
        super().__init__(OrderedDict(preprocess=preprocess, op=nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)))


def make_operation(name: str, c_in: int, c_out: int, affine: bool = True, track_running_stats: bool = True) -> nn.Module:
    """Return one of `OPERATIONS` as a module; raise ValueError for another name."""
    match name:
        case "none":
            return Zero(c_out)
        case "skip_connect" if c_in == c_out:
            return nn.Identity()
        case "skip_connect":
            return Projection(c_in, c_out, affine, track_running_stats)
        case "nor_conv_1x1" | "nor_conv_3x3":
            return ReLUConvBN(c_in, c_out, int(name[-1]), 1, affine, track_running_stats)
        case "avg_pool_3x3":
            return AveragePool(c_in, c_out, affine, track_running_stats)
    raise ValueError(f"unknown operation {name!r}; expected one of {', '.join(OPERATIONS)}")


# -- blocks and networks ---------------------------------------------------------------------------------------------------


class Cell(nn.Module):
    """Cell of four nodes, each the sum of one operation of every earlier node; the first is the input, the last the output.

    The operations of `EDGES` are given as indices into `OPERATIONS`. The input has `c_in` channels, the other nodes have `c_out`.
    """

    def __init__(
        self, topology: Architecture, c_in: int, c_out: int, affine: bool = True, track_running_stats: bool = True
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            make_operation(OPERATIONS[choice], c_in if source == 0 else c_out, c_out, affine, track_running_stats)
            for (_, source), choice in zip(EDGES, topology, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for (target, source), layer in zip(EDGES, self.layers, strict=True):
            term: Tensor = layer(nodes[source])  # [batch, c_out, height, width]
            if target == len(nodes):
                nodes.append(term)
            else:
                nodes[target] = nodes[target] + term
        return nodes[-1]


class ReductionBlock(nn.Module):
    """Residual block between stages; halves height and width. The shortcut has no normalisation, the sum no ReLU."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, stride=2)
        self.conv_b = ReLUConvBN(c_out, c_out, 3)
        # ceil_mode differs from the original for odd sizes only: there the branches of the original have different shapes.
        self.downsample = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(c_in, c_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.downsample(x) + self.conv_b(self.conv_a(x))  # [batch, c_out, height / 2, width / 2], rounded up
        return out


class CellNetwork(nn.Module):
    """Network of a candidate, for images [batch, input channel, height, width] with at least 8 x 8 pixels.

    The forward pass returns the pooled features [batch, last width] and the logits [batch, class].

    Args:
        topology: operation of each edge of every cell, as indices into `OPERATIONS`.
        widths: channels of each block; the stem has those of the first. 3N + 2 blocks are N cells, a reduction block, N
            cells, a reduction block, N cells.
        classes: number of classes.
        input_channels: channels of the images.

    Raises:
        ValueError: the number of widths is not 3N + 2, or a number is not positive.
    """

    def __init__(self, topology: Architecture, widths: Sequence[int], classes: int, input_channels: int = 3) -> None:
        super().__init__()
        self.widths = tuple(widths)
        reductions = reduction_blocks(len(widths))
        if min(*widths, classes, input_channels) < 1:
            raise ValueError(f"widths, classes and input channels must be positive: {self.widths}, {classes}, {input_channels}")
        self.stem = nn.Sequential(nn.Conv2d(input_channels, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]))
        self.cells = nn.Sequential(
            *(
                ReductionBlock(c_in, c_out) if block in reductions else Cell(topology, c_in, c_out)
                for block, (c_in, c_out) in enumerate(zip((widths[0], *widths), widths, strict=False))
            )
        )
        self.lastact = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU())
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.cells(self.stem(images))  # [batch, last width, height / 4, width / 4]
        features = self.lastact(x).mean(dim=(2, 3))  # [batch, last width]
        return features, self.classifier(features)  # logits: [batch, class]


def reduction_blocks(blocks: int) -> tuple[int, int]:
    """Return the positions of the two reduction blocks in a network of 3N + 2 blocks; raise ValueError for other numbers."""
    if blocks % 3 != 2:
        raise ValueError(f"a network has 3N + 2 blocks (2, 5, 8, ...), got {blocks}")
    return blocks // 3, 2 * (blocks // 3) + 1


@dataclass(frozen=True)
class Skeleton:
    """Parts of the networks that all architectures of a table share.

    Attributes:
        classes: number of classes.
        input_channels: channels of the images.
        channels: width C of the first stage; None for the space's default, or if its architectures decide it.
        cells: number N of cells per stage; None as for `channels`.
    """

    classes: int
    input_channels: int = 3
    channels: int | None = None
    cells: int | None = None

    def widths(self, space: SearchSpace, architecture: Architecture) -> tuple[int, ...]:
        """Return the number of channels of each block of an architecture's network; see `SearchSpace.block_widths`."""
        return space.block_widths(architecture, self.channels, self.cells)


def build_network(
    space: SearchSpace,
    architecture: Architecture,
    skeleton: Skeleton,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> CellNetwork:
    """Return the network of an architecture on a device, with initial weights drawn on the device of the generator.

    Raises:
        ValueError: the architecture does not belong to the space, or skeleton and space do not fit.
    """
    architecture = space.check(architecture)
    widths = skeleton.widths(space, architecture)
    with torch.device("meta"):  # no weights are drawn from the global generator
        network = CellNetwork(space.cell(architecture), widths, skeleton.classes, skeleton.input_channels)
    network.to_empty(device=device)
    initialize(network, generator)
    return network


@torch.no_grad()
def initialize(module: nn.Module, generator: torch.Generator) -> None:
    """Draw PyTorch's default initial values of convolutions, linear layers and batch normalisations from a generator.

    Weights and biases are uniform on ±1/sqrt(fan-in).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 1.0 / sqrt(layer.weight[0].numel())
            for values in (layer.weight, layer.bias):
                if values is not None:
                    drawn = torch.empty(values.shape, dtype=values.dtype, device=generator.device)
                    values.copy_(drawn.uniform_(-bound, bound, generator=generator))
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()  # ones and zeros
