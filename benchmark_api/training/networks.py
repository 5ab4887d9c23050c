"""The PyTorch network of every architecture of both spaces, and what it costs in parameters and multiply-accumulates.

A network is a stem, three stages of cells with a reduction block before the second and the third, and a classifier. A
topology decides the cell; its widths are C, 2C and 4C. A size decides the width of every block; its cell is `SIZE_CELL`.

Source: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437), sections 3.1 and 3.2; NAS-Bench-201 (Dong & Yang, ICLR 2020,
arXiv 2001.00326). Parameters have the names they have in the authors' code, so a state dict of theirs fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmark_api.spaces import EDGES, OPERATIONS, SIZE_CELL, Architecture, SearchSpace, SizeSpace, TopologySpace

IntArray = npt.NDArray[np.int64]

MIN_IMAGE_SIZE = 8


# -- operations (section 3.1 of NATS-Bench) ------------------------------------------------------------------------------


class ReLUConvBN(nn.Module):
    """ReLU, a convolution that keeps the size (divided by the stride, rounded up), batch normalisation.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        kernel_size: 1 or 3.
        stride: 1 or 2.
        affine: whether the normalisation has weights; where it has none, the convolution has a bias.
        track_running_stats: whether evaluation uses running statistics; False: the batch's, always.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel_size: int, stride: int = 1, affine: bool = True, track_running_stats: bool = True
    ) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, kernel_size, stride, padding=kernel_size // 2, bias=not affine),
            nn.BatchNorm2d(c_out, affine=affine, track_running_stats=track_running_stats),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.op(x)
        return out


class Zero(nn.Module):
    """`none`: zeros that are connected to the input, so that its gradient is zero and not missing."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.c_in, self.c_out, self.stride = c_in, c_out, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return x * 0.0 if self.c_in == self.c_out else x.new_zeros(x.shape[0], self.c_out, *x.shape[2:])


class FactorizedReduce(nn.Module):
    """`skip_connect` where the shape changes: 1x1 convolutions and batch normalisation; no ReLU at stride 1.

    At stride 2 one convolution sees the pixels with even coordinates, the other those with odd ones.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1, affine: bool = True, track_running_stats: bool = True) -> None:
        super().__init__()
        if stride == 1:
            self.conv = nn.Conv2d(c_in, c_out, 1, bias=not affine)
        else:
            halves = (c_out // 2, c_out - c_out // 2)
            self.convs = nn.ModuleList(nn.Conv2d(c_in, half, 1, stride, bias=not affine) for half in halves)
        self.stride = stride
        self.bn = nn.BatchNorm2d(c_out, affine=affine, track_running_stats=track_running_stats)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            x = self.conv(x)
        else:
            x = x.relu()
            shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
            x = torch.cat([self.convs[0](x), self.convs[1](shifted)], dim=1)
        out: Tensor = self.bn(x)
        return out


class AveragePool(nn.Module):
    """`avg_pool_3x3`: the mean of the pixels that exist; after ReLU, 1x1 convolution and normalisation if channels change."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1, affine: bool = True, track_running_stats: bool = True) -> None:
        super().__init__()
        self.preprocess = (
            None if c_in == c_out else ReLUConvBN(c_in, c_out, 1, affine=affine, track_running_stats=track_running_stats)
        )
        self.op = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.op(x if self.preprocess is None else self.preprocess(x))
        return out


def make_operation(
    name: str, c_in: int, c_out: int, stride: int = 1, affine: bool = True, track_running_stats: bool = True
) -> nn.Module:
    """One of `OPERATIONS` as a module.

    Args:
        name: its name.
        c_in: channels of the input.
        c_out: channels of the output.
        stride: 1 or 2.
        affine: whether batch normalisations have weights; where they have none, convolutions have a bias.
        track_running_stats: whether evaluation uses running statistics; False: the batch's, always.

    Raises:
        ValueError: unknown name, or another stride.
    """
    if stride not in (1, 2):
        raise ValueError(f"stride must be 1 or 2, got {stride}")
    match name:
        case "none":
            return Zero(c_in, c_out, stride)
        case "skip_connect" if stride == 1 and c_in == c_out:
            return nn.Identity()
        case "skip_connect":
            return FactorizedReduce(c_in, c_out, stride, affine, track_running_stats)
        case "nor_conv_1x1" | "nor_conv_3x3":
            return ReLUConvBN(c_in, c_out, int(name[-1]), stride, affine, track_running_stats)
        case "avg_pool_3x3":
            return AveragePool(c_in, c_out, stride, affine, track_running_stats)
    raise ValueError(f"unknown operation {name!r}; expected one of {', '.join(OPERATIONS)}")


# -- blocks and networks ---------------------------------------------------------------------------------------------------


class Cell(nn.Module):
    """A cell: each node is the sum of one operation of every earlier node; the first is the input, the last the output.

    Args:
        topology: the operation of each of `EDGES`, as indices into `OPERATIONS`.
        c_in: channels of the input; edges from it map them to `c_out`.
        c_out: channels of all other nodes.
        affine: as for `make_operation`.
        track_running_stats: as for `make_operation`.
    """

    def __init__(
        self, topology: Architecture, c_in: int, c_out: int, affine: bool = True, track_running_stats: bool = True
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            make_operation(OPERATIONS[choice], c_in if source == 0 else c_out, c_out, 1, affine, track_running_stats)
            for (_, source), choice in zip(EDGES, topology, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for (target, source), layer in zip(EDGES, self.layers, strict=True):
            term: Tensor = layer(nodes[source])
            if target == len(nodes):
                nodes.append(term)
            else:
                nodes[target] = nodes[target] + term
        return nodes[-1]


class ReductionBlock(nn.Module):
    """The residual block between stages: halves the size (rounded up). The shortcut has no normalisation, the sum no ReLU.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, stride=2)
        self.conv_b = ReLUConvBN(c_out, c_out, 3)
        # ceil_mode differs from the original for odd sizes only, where its two branches would not fit each other.
        self.downsample = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(c_in, c_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.downsample(x) + self.conv_b(self.conv_a(x))
        return out


class CellNetwork(nn.Module):
    """The network of a candidate, for images [batch, input channel, height, width] of 8 pixels and more.

    Its forward pass returns the pooled features [batch, last width] and the logits [batch, class].

    Args:
        topology: the operation of each edge of every cell, as indices into `OPERATIONS`.
        widths: channels of the stem and of the blocks: the stem has those of the first. 3N + 2 blocks are N cells, a
            reduction block, N cells, a reduction block, N cells.
        classes: number of classes.
        input_channels: channels of the images.

    Raises:
        ValueError: the number of widths is not 3N + 2, or one of the numbers is not positive.
    """

    def __init__(self, topology: Architecture, widths: Sequence[int], classes: int, input_channels: int = 3) -> None:
        super().__init__()
        reductions = _reductions(len(widths))
        if min(*widths, classes, input_channels) < 1:
            raise ValueError(
                f"widths, classes and input channels must be positive, got {tuple(widths)}, {classes} and {input_channels}"
            )
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
        features = self.lastact(self.cells(self.stem(images))).mean(dim=(2, 3))
        return features, self.classifier(features)


def _reductions(blocks: int) -> tuple[int, int]:
    """The positions of the two reduction blocks among so many blocks."""
    if blocks % 3 != 2:
        raise ValueError(f"a network has 3N + 2 blocks (2, 5, 8, ...), got {blocks}")
    return blocks // 3, 2 * (blocks // 3) + 1


@dataclass(frozen=True)
class Skeleton:
    """What surrounds a candidate: the same for all of a table.

    Attributes:
        classes: number of classes.
        input_channels: channels of the images.
        channels: topology space: width C of the first stage; None for 16. Not for the size space, which decides widths.
        cells: topology space: cells N of each stage; None for 5. Not for the size space, whose layers tell.
    """

    classes: int
    input_channels: int = 3
    channels: int | None = None
    cells: int | None = None

    def topology(self, space: SearchSpace, architecture: Architecture) -> Architecture:
        """The operation of each edge of the cells of an architecture."""
        return architecture if isinstance(space, TopologySpace) else SIZE_CELL

    def widths(self, space: SearchSpace, architecture: Architecture) -> tuple[int, ...]:
        """The width of each block of an architecture, in channels.

        Raises:
            ValueError: C or N is given for a size space, is below 1 (N: below 0), or the space is neither of the two.
        """
        match space:
            case TopologySpace():
                c = 16 if self.channels is None else self.channels
                n = 5 if self.cells is None else self.cells
                if c < 1 or n < 0:
                    raise ValueError(f"channels must be at least 1 and cells at least 0, got {c} and {n}")
                return (c,) * n + (2 * c,) * (1 + n) + (4 * c,) * (1 + n)
            case SizeSpace():
                if self.channels is not None or self.cells is not None:
                    raise ValueError(
                        "the architectures of a size space decide channels and cells; leave both of the skeleton out"
                    )
                return space.channels(architecture)
        raise ValueError(f"no network for {space!r}; expected a TopologySpace or a SizeSpace")


def build_network(
    space: SearchSpace,
    architecture: Architecture,
    skeleton: Skeleton,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> CellNetwork:
    """The network of an architecture, with weights drawn from a generator.

    Args:
        space: the architecture's space.
        architecture: the architecture.
        skeleton: what surrounds it.
        generator: source of the initial weights; they are drawn on its device, so they are the same on every other.
        device: where the network shall be.

    Raises:
        ValueError: the architecture is not of the space, or skeleton and space do not fit.
    """
    architecture = space.check(architecture)
    topology, widths = skeleton.topology(space, architecture), skeleton.widths(space, architecture)
    with torch.device("meta"):  # so that no weights are drawn from the global generator
        network = CellNetwork(topology, widths, skeleton.classes, skeleton.input_channels)
    network.to_empty(device=device)
    initialize(network, generator)
    return network


@torch.no_grad()
def initialize(module: nn.Module, generator: torch.Generator) -> None:
    """Give convolutions, linear layers and batch normalisations PyTorch's default initial values, drawn from a generator.

    The default for weights and biases is uniform on ±1/sqrt(inputs of an output).
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


# -- cost ------------------------------------------------------------------------------------------------------------------


def count_params(module: nn.Module) -> int:
    """The number of trainable parameters, those of batch normalisations included."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_flops(module: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Multiply-accumulates for one image, counted during a forward pass.

    As in NATS-Bench, those of convolutions and linear layers with their biases; all else is free.

    Args:
        module: any module that takes a batch of images. Its mode and its running statistics are as before afterwards.
        image_shape: channels, height and width of an image.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        inputs_of_one = layer.weight[0].numel() + (layer.bias is not None)
        total += inputs_of_one * output[0].numel()

    modes = {layer: layer.training for layer in module.modules()}
    hooks = [layer.register_forward_hook(count) for layer in modes if isinstance(layer, nn.Conv2d | nn.Linear)]
    try:
        module.eval()
        with torch.no_grad():
            module(next(module.parameters()).new_zeros(1, *image_shape))
    finally:
        for hook in hooks:
            hook.remove()
        for layer, mode in modes.items():
            layer.training = mode
    return total


@dataclass(frozen=True, eq=False)
class Costs:
    """What the architectures of a space cost.

    Attributes:
        params: trainable parameters [architecture].
        flops: multiply-accumulates [architecture] of convolutions and linear layers, one image.
    """

    params: IntArray
    flops: IntArray


def space_costs(space: SearchSpace, skeleton: Skeleton, image_size: int) -> Costs:
    """The cost of every architecture of a space, by formula, in the official order.

    Args:
        space: the space.
        skeleton: what surrounds the architectures.
        image_size: height and width of the images, in pixels.

    Raises:
        ValueError: images are below 8 pixels, or skeleton and space do not fit.
    """
    if image_size < MIN_IMAGE_SIZE:
        raise ValueError(f"images must have at least {MIN_IMAGE_SIZE} pixels a side, got {image_size}")
    architectures = [space.architecture(index) for index in range(len(space))]
    topologies = np.array([skeleton.topology(space, a) for a in architectures])  # [architecture, edge]
    widths = np.array([skeleton.widths(space, a) for a in architectures], dtype=np.int64).T  # [block, architecture]
    reductions = _reductions(len(widths))
    from_input = np.array([source == 0 for _, source in EDGES])

    def edges(operation: str, where: npt.NDArray[np.bool_]) -> IntArray:
        """How many of some edges have an operation [architecture]."""
        return np.asarray((topologies[:, where] == OPERATIONS.index(operation)).sum(1), dtype=np.int64)

    conv3, conv1 = "nor_conv_3x3", "nor_conv_1x1"
    resized = edges("skip_connect", from_input) + edges("avg_pool_3x3", from_input)  # need a 1x1 convolution if widths differ
    params = np.zeros(len(space), dtype=np.int64)
    flops = np.zeros(len(space), dtype=np.int64)
    pixels = image_size**2

    def convolution(
        count: IntArray | int, kernel_size: int, c_in: IntArray | int, c_out: IntArray, normalized: bool = True
    ) -> None:
        """Add so many convolutions without bias, each with a batch normalisation or without."""
        nonlocal params, flops
        weights = count * kernel_size**2 * c_in * c_out
        params = params + weights + count * 2 * c_out * normalized
        flops = flops + weights * pixels

    convolution(1, 3, skeleton.input_channels, widths[0])
    for block, (c_in, c_out) in enumerate(zip((widths[0], *widths), widths, strict=False)):
        if block in reductions:
            image_size = ceil(image_size / 2)
            pixels = image_size**2
            convolution(1, 3, c_in, c_out)
            convolution(1, 3, c_out, c_out)
            convolution(1, 1, c_in, c_out, normalized=False)
        else:
            convolution(edges(conv3, from_input), 3, c_in, c_out)
            convolution(edges(conv1, from_input) + resized * (c_in != c_out), 1, c_in, c_out)
            convolution(edges(conv3, ~from_input), 3, c_out, c_out)
            convolution(edges(conv1, ~from_input), 1, c_out, c_out)
    classifier = (widths[-1] + 1) * skeleton.classes
    return Costs(params + 2 * widths[-1] + classifier, flops + classifier)
