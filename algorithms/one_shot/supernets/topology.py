"""Networks that hold all candidates of a space, with weights that candidates share.

That of the topology space has every operation on every edge of every cell, that of the size space the widest of all layers.

A `Supernet` has the stem, the reduction blocks and the classifier of `benchmark_api.training.networks.CellNetwork`, and
between them `SuperCell`s. A `Rule` says how a pass computes: with all operations, or along one path of each cell.

The operations of a cell are the modules that a cell has elsewhere, one for each edge. They are computed together where they
have the same input: a ReLU, a 3x3 convolution, a 1x1 convolution, their normalisations and a pooling once for each node.

Source: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437), section 4.2. As there, batch normalisations in cells and before
the classifier have no weights, convolutions in cells have a bias; those of the stem and of the reduction blocks are ordinary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark_api.spaces import EDGES, OPERATIONS, SIZE_CELL, Architecture, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.training.networks import Cell, ReductionBlock, Skeleton, initialize, make_operation
from benchmark_api.training.pooling import mean_3x3

_OUTGOING = tuple(tuple(edge for edge, (_, source) in enumerate(EDGES) if source == node) for node in range(3))


@dataclass(frozen=True)
class Rule:
    """How a supernet computes.

    With weights alone, an edge is the weighted sum of its operations. With paths alone, it is the operation that its cell's path
    has there. With both it is that operation times its weight, plus the weights of the other operations as numbers, so that a
    gradient reaches all weights though one operation is computed (GDAS).

    Attributes:
        weights: [edge, operation], the same for all cells.
        paths: the operation of each edge, for every cell.
    """

    weights: Tensor | None = None
    paths: Sequence[Architecture] | None = None


class SuperCell(nn.Module):
    """A cell with all operations on each edge.

    Args:
        channels: of all nodes.
        track_running_stats: whether evaluation uses running statistics; False: the batch's, always.
    """

    def __init__(self, channels: int, track_running_stats: bool = False) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleList(make_operation(name, channels, channels, 1, False, track_running_stats) for name in OPERATIONS)
            for _ in EDGES
        )

    def forward(self, x: Tensor, weights: Tensor | None = None, path: Architecture | None = None) -> Tensor:
        """The last node; arguments as in `Rule`."""
        operations: Any = self.edges  # [edge][operation]
        terms: list[list[Tensor]] = [[x], [], [], []]  # of each node's sum
        if weights is not None and path is not None:
            others = weights.sum(dim=1) - torch.stack([weights[edge, choice] for edge, choice in enumerate(path)])
            for edge, (target, _) in enumerate(EDGES):
                terms[target].append(others[edge])
        for source, outgoing in enumerate(_OUTGOING):
            node = _sum(terms[source], x)
            rectified = None
            for choice, name in enumerate(OPERATIONS):
                edges = [edge for edge in outgoing if path is None or path[edge] == choice]
                if not edges or name == "none":
                    continue
                scales = None if weights is None else [weights[edge, choice] for edge in edges]
                if name.startswith("nor_conv"):
                    rectified = node.relu() if rectified is None else rectified
                    outputs = _convolve(rectified, [operations[edge][choice].op for edge in edges], scales)
                else:
                    # Neither has weights: the same on all edges.
                    output = mean_3x3(node) if name == "avg_pool_3x3" and node.is_cpu else operations[edges[0]][choice](node)
                    outputs = [output] * len(edges) if scales is None else [scale * output for scale in scales]
                for edge, output in zip(edges, outputs, strict=True):
                    terms[EDGES[edge][0]].append(output)
        return _sum(terms[-1], x)


def _sum(terms: Sequence[Tensor], like: Tensor) -> Tensor:
    """A node: the sum of its terms, of which all may be numbers."""
    total = reduce(torch.add, terms) if terms else like.new_zeros(())
    return total if total.dim() else torch.zeros_like(like) + total


def _convolve(x: Tensor, layers: Sequence[Any], scales: list[Tensor] | None) -> Sequence[Tensor]:
    """Convolutions of one input, normalised and scaled: one convolution and one normalisation with the channels of all."""
    _, convolutions, norms = zip(*layers, strict=True)
    first = norms[0]
    weight, bias = (torch.cat([getattr(layer, name) for layer in convolutions]) for name in ("weight", "bias"))
    y = functional.conv2d(x, weight, bias, padding=convolutions[0].padding)
    scale = None if scales is None else torch.stack(scales).repeat_interleave(first.num_features)
    if not first.track_running_stats:
        return functional.batch_norm(y, None, None, scale, None, True, first.momentum, first.eps).chunk(len(layers), dim=1)
    mean, variance = (torch.cat([getattr(norm, name) for norm in norms]) for name in ("running_mean", "running_var"))
    y = functional.batch_norm(y, mean, variance, scale, None, first.training, first.momentum, first.eps)
    if first.training:
        for norm, of_mean, of_variance in zip(norms, mean.chunk(len(norms)), variance.chunk(len(norms)), strict=True):
            norm.running_mean.copy_(of_mean)
            norm.running_var.copy_(of_variance)
    return y.chunk(len(layers), dim=1)


class Supernet(nn.Module):
    """The shared network of the topology space.

    Args:
        widths: channels of the blocks; where they change, a reduction block is.
        classes: number of classes.
        input_channels: channels of the images.
        track_running_stats: of the normalisations in cells and before the classifier.
    """

    def __init__(self, widths: Sequence[int], classes: int, input_channels: int, track_running_stats: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(input_channels, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]))
        self.blocks = nn.ModuleList(
            SuperCell(c_out, track_running_stats) if c_in == c_out else ReductionBlock(c_in, c_out)
            for c_in, c_out in zip((widths[0], *widths), widths, strict=False)
        )
        self.lastact = nn.Sequential(nn.BatchNorm2d(widths[-1], affine=False, track_running_stats=track_running_stats), nn.ReLU())
        self.classifier = nn.Linear(widths[-1], classes)
        self.cells = sum(isinstance(block, SuperCell) for block in self.blocks)
        self.joint_cell: Callable[..., Tensor] = SuperCell.forward

    def forward(self, images: Tensor, rule: Rule) -> Tensor:
        """The logits [image, class]."""
        x = self.stem(images)
        joint_cell = self.joint_cell if self.training else SuperCell.forward
        paths = iter(rule.paths or ())
        for block in self.blocks:
            if not isinstance(block, SuperCell):
                x = block(x)
            elif rule.paths is None:
                x = joint_cell(block, x, rule.weights)
            else:
                x = block(x, rule.weights, next(paths))
        logits: Tensor = self.classifier(self.lastact(x).mean(dim=(2, 3)))
        return logits

    def compile_parts(self) -> None:
        """Compile what computes the same at every training step: all but the cells when they follow a path.

        Cells are not compiled for evaluation: PyTorch keeps few versions of a function, and training needs one for each width.
        """
        for part in (self.stem, self.lastact, *(block for block in self.blocks if not isinstance(block, SuperCell))):
            part.compile()
        self.joint_cell = torch.compile(SuperCell.forward)

    def along(self, architecture: Architecture) -> Rule:
        """The rule by which all cells are those of one architecture."""
        return Rule(paths=[architecture] * self.cells)


# -- the size space ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WidthRule:
    """How a supernet of the size space computes: what is left of the channels after each of its modules, the stem and the blocks.

    Attributes:
        masks: factors [module, channel].
        pairs: for every module two choices of its width, and their weights [2]: the first channels of each, stretched to the
            larger of the two, weighted and summed.
    """

    masks: Tensor | None = None
    pairs: Sequence[tuple[tuple[int, int], Tensor]] | None = None


class SizeSupernet(nn.Module):
    """The shared network of the size space: the widest candidate, whose modules' features are narrowed.

    The first width is that of the stem and of the first block; both have features of their own to narrow.

    Args:
        space: the space.
        classes: number of classes.
        input_channels: channels of the images.
        track_running_stats: of all normalisations but those of the reduction blocks, which always track.

    Attributes:
        candidates: factors of a module's channels for each choice of its width [choice, channel], on the CPU.
        decisions: the decision that gives each module its width [module].
    """

    def __init__(self, space: SizeSpace, classes: int, input_channels: int, track_running_stats: bool) -> None:
        super().__init__()
        self.space, self.width = space, max(space.widths)
        layers = len(space.cardinalities)
        reductions = layers // 3, 2 * (layers // 3) + 1
        self.decisions = (0, *range(layers))

        def norm() -> nn.BatchNorm2d:
            return nn.BatchNorm2d(self.width, affine=False, track_running_stats=track_running_stats)

        self.stem = nn.Sequential(nn.Conv2d(input_channels, self.width, 3, padding=1), norm())
        self.blocks = nn.ModuleList(
            ReductionBlock(self.width, self.width)
            if block in reductions
            else Cell(SIZE_CELL, self.width, self.width, False, track_running_stats)
            for block in range(layers)
        )
        self.lastact = nn.Sequential(norm(), nn.ReLU())
        self.classifier = nn.Linear(self.width, classes)
        channels = torch.arange(self.width, device="cpu")
        self.candidates = torch.stack([(channels < width).float() for width in space.widths])

    def forward(self, images: Tensor, rule: WidthRule) -> Tensor:
        """The logits [image, class]."""
        x = images
        for number, module in enumerate((self.stem, *self.blocks)):
            x = module(x)
            if rule.masks is not None:
                x = x * rule.masks[number, :, None, None].to(x)
            if rule.pairs is not None:
                x = self._interpolated(x, *rule.pairs[number])
        logits: Tensor = self.classifier(self.lastact(x).mean(dim=(2, 3)))
        return logits

    def _interpolated(self, x: Tensor, choices: tuple[int, int], weights: Tensor) -> Tensor:
        """Channel-wise interpolation (Dong & Yang, NeurIPS 2019, arXiv 1905.09717, eq. 4): as one 1x1 convolution."""
        widths = [self.space.widths[choice] for choice in choices]
        first, second = (stretch(width, max(widths)).to(weights) for width in widths)
        kernel = x.new_zeros(self.width, self.width)
        kernel[: max(widths), : widths[0]] = (weights[0] * first).to(x)
        kernel[: max(widths), : widths[1]] += (weights[1] * second).to(x)
        return functional.conv2d(x, kernel[:, :, None, None])

    def compile_parts(self) -> None:
        """Compile the modules; what narrows them differs from step to step."""
        for part in (self.stem, self.lastact, *self.blocks):
            part.compile()

    def along(self, architecture: Architecture) -> WidthRule:
        """The rule by which all modules have the widths of one architecture."""
        return WidthRule(masks=self.candidates[[architecture[decision] for decision in self.decisions]])


@cache
def stretch(channels: int, width: int) -> Tensor:
    """Adaptive average pooling of so many channels to at least as many, as a matrix [width, channels]."""
    matrix = torch.zeros(width, channels, dtype=torch.float64)
    for row in range(width):
        first, last = row * channels // width, -(-(row + 1) * channels // width)
        matrix[row, first:last] = 1.0 / (last - first)
    return matrix


# -- both ----------------------------------------------------------------------------------------------------------------------


def build_supernet(
    space: SearchSpace,
    skeleton: Skeleton,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    track_running_stats: bool = False,
) -> Supernet | SizeSupernet:
    """The supernet of a space, with weights drawn from a generator.

    Args:
        space: the space.
        skeleton: what surrounds the cells.
        generator: source of the initial weights; they are drawn on its device, so they are the same on every other.
        device: where the network shall be.
        track_running_stats: whether evaluation uses running statistics in the cells; False: the batch's, always.

    Raises:
        ValueError: there is no supernet of that space, or the skeleton does not fit it.
    """
    with torch.device("meta"):  # so that no weights are drawn from the global generator
        match space:
            case TopologySpace():
                if skeleton.cells == 0:
                    raise ValueError("a supernet has at least one cell in each stage, got 0")
                widths = skeleton.widths(space, (0,) * len(EDGES))
                supernet: Supernet | SizeSupernet = Supernet(
                    widths, skeleton.classes, skeleton.input_channels, track_running_stats
                )
            case SizeSpace():
                skeleton.widths(space, space.architecture(0))  # refuses what does not fit
                supernet = SizeSupernet(space, skeleton.classes, skeleton.input_channels, track_running_stats)
            case _:
                raise ValueError(f"no supernet for {space!r}; expected a TopologySpace or a SizeSpace")
    supernet.to_empty(device=device)
    initialize(supernet, generator)
    return supernet
