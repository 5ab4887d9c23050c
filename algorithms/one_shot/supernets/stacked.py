"""Interface of stacked supernets: supernets of one kind, each with its own weights, images and forward mode, as one network.

The time of a small network is dominated by the overhead of each operation; a stacked supernet runs an operation once for all
its rows. A row is one pass of one supernet. Its weights are one vector, and so are its running statistics; a `Packing` says
where each tensor lies. Feature maps are [row, channel, height, width, image]: the batch is innermost. Rows do not influence
each other.

The file of a supernet registers its stacked counterpart in `STACKED`; supernets of other classes are trained one at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from algorithms.one_shot.supernets.base import Supernet
from benchmark_api.training.pooling import mean_2x2
from benchmark_api.training.small_images import conv3x3


class Packing:
    """Order of tensors in a vector. Layers take the tensors that they compute together, which are then one part of it.

    Attributes:
        names: names of the tensors, in order.
        sizes: length of each part.
    """

    def __init__(self, named: Iterable[tuple[str, Tensor]]) -> None:
        self._names = {id(tensor): name for name, tensor in named}
        self.names: list[str] = []
        self.sizes: list[int] = []

    def take(self, tensors: Sequence[Any]) -> Callable[[Sequence[Tensor]], Tensor]:
        """Append a part that consists of tensors of one shape.

        Returns:
            A function that gets the part from the parts of all rows, as [row, tensor, *shape].
        """
        number, shape = len(self.sizes), tensors[0].shape
        self.names += [self._names.pop(id(tensor)) for tensor in tensors]
        self.sizes.append(sum(tensor.numel() for tensor in tensors))
        return lambda parts: parts[number].view(-1, len(tensors), *shape)

    def require_complete(self) -> None:
        """Check that every tensor has its place."""
        assert not self._names, f"no layer takes {', '.join(self._names.values())}"

    def parts(self, vectors: Tensor) -> Sequence[Tensor]:
        """Return the parts of vectors [row, number], each [row, size]."""
        return torch.split(vectors, self.sizes, dim=1)

    def join(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return tensors as one vector, which they become views of."""
        device = next((tensor.device for tensor in tensors.values()), None)
        vector = torch.cat([torch.zeros(0, device=device), *(tensors[name].detach().flatten() for name in self.names)])
        for name, view in self.views(vector, tensors):
            tensors[name].data = view
        return vector

    def views(self, vector: Tensor, like: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Yield the names of the tensors with their parts of a vector, in the shapes of the tensors `like`."""
        lengths = [like[name].numel() for name in self.names]
        for name, part in zip(self.names, torch.split(vector, lengths), strict=True):
            yield name, part.view(like[name].shape)


@dataclass(frozen=True)
class Values:
    """Weights and running statistics of the rows of a pass.

    Attributes:
        weights: parts of the weights, each [row, size].
        statistics: parts of the running statistics, each [row, size]; training updates them.
        training: whether normalisations use, and update, the statistics of the batch.
    """

    weights: Sequence[Tensor]
    statistics: Sequence[Tensor]
    training: bool


class StackedSupernet(ABC):
    """Stacked counterpart of a supernet.

    Attributes:
        weights: places of the supernet's parameters.
        statistics: places of the running statistics of its normalisations.
    """

    def __init__(self, supernet: Supernet) -> None:
        buffers = [(name, buffer) for name, buffer in supernet.named_buffers() if buffer.is_floating_point()]
        self.weights, self.statistics = Packing(supernet.named_parameters()), Packing(buffers)

    @abstractmethod
    def numbers(self, mode: Any) -> Tensor | None:
        """Return the numbers of a forward mode that gradients flow to, e.g. weights of operations; None if there are none."""

    @abstractmethod
    def forward(self, images: Tensor, modes: Sequence[Any], numbers: Tensor | None, values: Values) -> Tensor:
        """Return the logits [row, image, class].

        Args:
            images: [row, image, channel, height, width].
            modes: forward mode of each row, all of one class.
            numbers: `numbers` of the modes [row, ...], to be used instead of them.
            values: weights and statistics of the rows.
        """

    def counts(self, buffer: str) -> bool:
        """Return whether a buffer, by its name, counts the passes of training."""
        return buffer.endswith("num_batches_tracked")

    def evaluator(self, supernet: Any, size: tuple[int, int]) -> Evaluator | None:
        """Return the evaluation of single passes with the current weights of a supernet of the kind, where that is faster.

        Args:
            supernet: the supernet.
            size: height and width of the images.
        """
        return None


Evaluator = Callable[[Tensor, Any], Tensor | None]
"""Logits [image, class] of images [image, channel, height, width] under a forward mode, None for other modes."""

STACKED: dict[type[Supernet], Callable[[Any], StackedSupernet | None]] = {}
"""Maker of the stacked counterpart of supernets of exactly one class; it returns None for supernets that it does not know."""


def stacked(supernet: Supernet) -> StackedSupernet | None:
    """Return the stacked counterpart of a supernet; None if there is none."""
    make = STACKED.get(type(supernet))
    made = None if make is None else make(supernet)
    if made is not None:
        made.weights.require_complete()
        made.statistics.require_complete()
    return made


# -- layers ------------------------------------------------------------------------------------------------------------------


class StackedNorm:
    """Batch normalisation of every row, with or without weights and running statistics.

    Without running statistics, evaluation uses the statistics of the batch.
    """

    def __init__(self, norm: Any, network: StackedSupernet) -> None:
        self.eps, self.momentum, self.affine, self.tracked = norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        if self.affine:
            self.weight, self.bias = network.weights.take([norm.weight]), network.weights.take([norm.bias])
        if self.tracked:
            self.mean, self.var = network.statistics.take([norm.running_mean]), network.statistics.take([norm.running_var])

    def __call__(self, x: Tensor, values: Values) -> Tensor:
        """Return x [row, channel, height, width, image] normalised."""
        if self.tracked:
            running = self.mean(values.statistics)[:, 0], self.var(values.statistics)[:, 0]  # [row, channel]
            y = normalized(x, self.eps, running, self.momentum if values.training else None)
        else:
            y = normalized(x, self.eps)
        if not self.affine:
            return y
        weight, bias = self.weight(values.weights)[:, 0], self.bias(values.weights)[:, 0]  # [row, channel]
        return torch.addcmul(bias[..., None, None, None], y, weight[..., None, None, None])


def normalized(x: Tensor, eps: float, running: tuple[Tensor, Tensor] | None = None, momentum: float | None = None) -> Tensor:
    """Return x [row, channel, height, width, image] with mean 0 and variance 1 in each channel of each row.

    Layer normalisation of each channel is the same as batch normalisation, and takes less than half of the time on a CPU.

    Args:
        x: feature maps.
        eps: added to the variance.
        running: running mean and variance [row, channel], views that are updated; None to use the batch alone.
        momentum: weight of the batch in the running statistics; None to use the running statistics, without an update.
    """
    if running is not None and momentum is None:
        mean, var = (values[..., None, None, None] for values in running)
        return (x - mean) * (var + eps).rsqrt()
    flat = x.reshape(x.shape[0] * x.shape[1], -1)  # [row * channel, height * width * image]
    if running is None or momentum is None:
        return functional.layer_norm(flat, flat.shape[1:], eps=eps).view(x.shape)
    y, mean, scale = torch.native_layer_norm(flat, flat.shape[1:], None, None, eps)  # scale: 1 / sqrt(variance + eps)
    with torch.no_grad():
        var = (scale.square().reciprocal() - eps) * (flat.shape[1] / (flat.shape[1] - 1))  # without bias
        for former, latest in zip(running, (mean, var), strict=True):
            former.lerp_(latest.view(former.shape), momentum)
    return y.view(x.shape)


class StackedConvolutions:
    """Convolutions with one input, e.g. of all edges that leave a node, and their normalisations without weights.

    Args:
        layers: pairs of a convolution and its normalisation, of one size.
        network: the network that they belong to.
    """

    def __init__(self, layers: Sequence[Any], network: StackedSupernet) -> None:
        convolutions, norms = zip(*layers, strict=True)
        self.weight = network.weights.take([convolution.weight for convolution in convolutions])
        self.bias = network.weights.take([convolution.bias for convolution in convolutions])
        self.eps, self.momentum, self.tracked = norms[0].eps, norms[0].momentum, norms[0].track_running_stats
        names = ("running_mean", "running_var") if self.tracked else ()
        self.running = [network.statistics.take([getattr(norm, name) for norm in norms]) for name in names]

    def all_edges(self, x: Tensor, values: Values) -> Tensor:
        """Return the outputs of all edges [row, edge * channel, height, width, image]."""
        y = _convolved(x, self.weight(values.weights).flatten(1, 2))
        if not self.tracked:
            return normalized(y, self.eps)  # a bias has no effect
        y = y + self.bias(values.weights).flatten(1)[..., None, None, None]
        mean, var = (take(values.statistics).flatten(1) for take in self.running)  # [row, edge * channel]
        return normalized(y, self.eps, (mean, var), self.momentum if values.training else None)

    def of_pairs(self, x: Tensor, rows: Tensor, edges: Tensor, values: Values) -> Tensor:
        """Return the outputs of pairs of a row and an edge, for their inputs x [pair, channel, height, width, image]."""
        weight, bias = self.weight(values.weights), self.bias(values.weights)  # [row, edge, output, ...]
        places = rows * weight.shape[1] + edges
        y = _convolved(x, weight.flatten(0, 1).index_select(0, places))
        if not self.tracked:
            return normalized(y, self.eps)  # a bias has no effect
        y = y + bias[rows, edges, :, None, None, None]
        running = [take(values.statistics) for take in self.running]  # [row, edge, channel]
        mean, var = (value[rows, edges] for value in running)  # [pair, channel]
        y = normalized(y, self.eps, (mean, var), self.momentum if values.training else None)
        for value, of_pairs in zip(running, (mean, var), strict=True):
            value[rows, edges] = of_pairs
        return y


def _convolved(x: Tensor, weight: Tensor) -> Tensor:
    return conv3x3(x, weight) if weight.shape[-1] == 3 else conv1x1(x, weight)


class StackedReduction:
    """`ReductionBlock` of every row."""

    def __init__(self, block: Any, network: StackedSupernet) -> None:
        self.first, self.first_norm = network.weights.take([block.conv_a.op[1].weight]), StackedNorm(block.conv_a.op[2], network)
        self.second, self.second_norm = (
            network.weights.take([block.conv_b.op[1].weight]),
            StackedNorm(block.conv_b.op[2], network),
        )
        self.shortcut = network.weights.take([block.downsample[1].weight])

    def __call__(self, x: Tensor, values: Values) -> Tensor:
        first, second, shortcut = (take(values.weights)[:, 0] for take in (self.first, self.second, self.shortcut))
        y = self.first_norm(conv3x3(x.relu(), first, 2), values).relu()  # [row, 2 C, height / 2, width / 2, image]
        return conv1x1(mean_2x2(x), shortcut) + self.second_norm(conv3x3(y, second), values)


def picked(x: Tensor, dim: int, places: Sequence[int]) -> Tensor:
    """Return the parts of x at some places of a dimension; a list as an index would be copied to the device each time."""
    return torch.stack([x.select(dim, place) for place in places], dim=dim)


def conv1x1(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve x [row, input, height, width, image] with weights [row, output, input, 1, 1]."""
    if x.shape[1] == 1:  # products of a matrix and a vector, whose rounding would depend on the number of rows
        return weight[:, :, 0, :, :, None] * x
    y = torch.bmm(weight.flatten(2), x.reshape(*x.shape[:2], -1))  # [row, output, height * width * image]
    return y.view(*y.shape[:2], *x.shape[2:])


def classified(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the logits [row, image, class] of feature maps: a linear layer of their means over all pixels."""
    features = x.mean(dim=(2, 3)).transpose(1, 2)  # [row, image, channel]
    return torch.baddbmm(bias, features, weight.transpose(1, 2))
