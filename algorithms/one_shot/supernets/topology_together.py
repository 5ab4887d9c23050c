"""All edges that leave a node of a topology supernet, computed together: few large operations, for accelerators.

There the time of a step is that of starting thousands of small operations, also in a CUDA graph. Results are those of
`MixedCell.mix` up to rounding. Without running statistics the biases of convolutions are left out: the normalisation that
follows removes them, so they have neither an effect nor a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmark_api.spaces import CONV_1X1, CONV_3X3, POOL, SKIP


def mixed(x: Tensor, layers: Sequence[Any], weights: Tensor) -> Sequence[Tensor]:
    """Return the weighted sum of all operations of each edge [batch, channel, height, width].

    Args:
        x: the node [batch, channel, height, width].
        layers: modules of the operations [edge][operation].
        weights: [edge, operation].
    """
    of_operations, rectified = weights.unbind(dim=1), x.relu()
    large, small = (
        normalized(rectified, [of_edge[choice].op for of_edge in layers], per_channel(of_operations[choice], x))
        for choice in (CONV_3X3, CONV_1X1)
    )
    return _with_plain(large + small, x, layers, of_operations)


def chosen(x: Tensor, layers: Sequence[Any], hot: Tensor, weights: Tensor | None) -> Sequence[Tensor]:
    """Return one operation of each edge [batch, channel, height, width], weighted or not, the same operations whichever it is.

    An edge has at most one convolution, so both are computed as one, whose kernel is that of the chosen one, or zero.

    Args:
        x: the node [batch, channel, height, width].
        layers: modules of the operations [edge][operation], without running statistics.
        hot: one-hot rows of the chosen operations [edge, operation].
        weights: [edge, operation]; None for unweighted operations.
    """
    scales = hot if weights is None else hot * weights
    large, small = (torch.cat([of_edge[choice].op[1].weight for of_edge in layers]) for choice in (CONV_3X3, CONV_1X1))
    of_large, of_small = (per_channel(hot[:, choice], x)[:, None, None, None] for choice in (CONV_3X3, CONV_1X1))
    kernel = large * of_large + functional.pad(small * of_small, (1, 1, 1, 1))  # [edge * channel, channel, 3, 3]
    of_operations, norm = scales.unbind(dim=1), layers[0][CONV_3X3].op[2]
    scale = per_channel(of_operations[CONV_3X3] + of_operations[CONV_1X1], x)
    y = functional.conv2d(x.relu(), kernel, padding=1)  # [batch, edge * channel, height, width]
    y = functional.batch_norm(y, None, None, scale, None, True, norm.momentum, norm.eps)
    return _with_plain(y, x, layers, of_operations)


def per_channel(numbers: Tensor, x: Tensor) -> Tensor:
    """Return a number of each edge [edge] for each of its channels [edge * channel]."""
    return numbers[:, None].expand(-1, x.shape[1]).flatten()


def normalized(x: Tensor, layers: Sequence[Any], scale: Tensor | None) -> Tensor:
    """Convolve and normalise x by several layers at once, and scale the channels [edge * channel] of their outputs.

    Args:
        x: rectified [batch, channel, height, width].
        layers: ReLU, convolution and normalisation of each edge.
        scale: factor of each channel; None for none.

    Returns:
        [batch, edge * channel, height, width].
    """
    _, convolutions, norms = zip(*layers, strict=True)
    first = norms[0]
    weight = torch.cat([layer.weight for layer in convolutions])
    if not first.track_running_stats:
        y = functional.conv2d(x, weight, padding=convolutions[0].padding)
        return functional.batch_norm(y, None, None, scale, None, True, first.momentum, first.eps)
    y = functional.conv2d(x, weight, torch.cat([layer.bias for layer in convolutions]), padding=convolutions[0].padding)
    mean, variance = (torch.cat([getattr(norm, name) for norm in norms]) for name in ("running_mean", "running_var"))
    y = functional.batch_norm(y, mean, variance, scale, None, first.training, first.momentum, first.eps)
    if first.training:
        for norm, of_mean, of_variance in zip(norms, mean.chunk(len(norms)), variance.chunk(len(norms)), strict=True):
            norm.running_mean.copy_(of_mean)
            norm.running_var.copy_(of_variance)
    return y


def _with_plain(y: Tensor, x: Tensor, layers: Sequence[Any], scales: Sequence[Tensor]) -> Sequence[Tensor]:
    """Add the operations without parameters to the convolutions [batch, edge * channel, height, width] of each edge."""
    y = torch.unflatten(y, 1, (len(layers), x.shape[1]))  # [batch, edge, channel, height, width]
    for choice in (SKIP, POOL):
        output = layers[0][choice](x)  # one output serves all edges
        y = torch.addcmul(y, output[:, None], scales[choice][:, None, None, None].to(y))
    return y.unbind(dim=1)
