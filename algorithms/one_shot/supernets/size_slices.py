"""Modules of a supernet of the size space, computed in the channels that its masks keep, instead of in all.

Weights are sliced. Outputs, gradients and running statistics are those of whole modules whose output is masked, up to rounding.
Two things remain at full width: the features inside of a cell or a reduction block, which no mask narrows, and running
statistics in training, which every pass updates in all channels, here without gradients.

It is for processors and wide networks (see docs/performance.md). There convolutions also take less time with the channels of a
pixel side by side (`torch.channels_last`), which all operations here keep if the images have them so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark_api.spaces import EDGES
from benchmark_api.training.networks import Cell, ReductionBlock


def module_slice(module: Any, x: Tensor, kept: int) -> Tensor:
    """Return the first `kept` channels of a module's output for the first channels of its input; the others are zero.

    Args:
        module: stem, cell or reduction block of a `SizeSupernet`.
        x: [batch, kept input channel, height, width].
        kept: number of output channels.
    """
    if isinstance(module, Cell):
        return _cell(module, x, kept)
    if isinstance(module, ReductionBlock):
        return _reduction(module, x, kept)
    return _convolved(x, module, kept)


def padded(x: Tensor, channels: int) -> Tensor:
    """Return the first channels of x, with zeros for those that it does not have."""
    return functional.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1])) if channels != x.shape[1] else x


def _cell(cell: Any, x: Tensor, kept: int) -> Tensor:
    """Return the last node of a cell."""
    last, width = EDGES[-1][0], cell.layers[0].op[1].out_channels
    nodes, rectified = [x], [x.relu()]
    for (target, source), layer in zip(EDGES, cell.layers, strict=True):
        channels = kept if target == last else width
        if isinstance(layer, nn.Identity):
            term = padded(nodes[source], channels)
        else:
            term = _convolved(rectified[source], layer.op[1:], channels)
        if target == len(nodes):
            nodes.append(term)
        else:
            nodes[target] = nodes[target] + term
        if target < last and source == target - 1:
            rectified.append(nodes[target].relu())
    return nodes[-1]


def _reduction(block: Any, x: Tensor, kept: int) -> Tensor:
    """Return the output of a reduction block."""
    y = _convolved(x.relu(), block.conv_a.op[1:], block.conv_a.op[1].out_channels).relu()
    pool, shortcut = block.downsample
    return functional.conv2d(pool(x), shortcut.weight[:kept, : x.shape[1]]) + _convolved(y, block.conv_b.op[1:], kept)


def _convolved(x: Tensor, layer: Any, kept: int) -> Tensor:
    """Return the first channels of a convolution and its normalisation, for the first channels of its input."""
    convolution, norm = layer
    if not norm.track_running_stats:  # a bias has no effect
        return functional.batch_norm(_convolution(x, convolution, slice(kept)), None, None, training=True, eps=norm.eps)
    if norm.training and kept < norm.num_features:
        with torch.no_grad():
            _normalized(x, convolution, norm, slice(kept, None))
    if norm.training:
        norm.num_batches_tracked.add_(1)
    return _normalized(x, convolution, norm, slice(kept))


def _normalized(x: Tensor, convolution: Any, norm: Any, channels: slice) -> Tensor:
    """Return some channels of a convolution, normalised with running statistics, which training updates."""
    weight, bias = (norm.weight[channels], norm.bias[channels]) if norm.affine else (None, None)
    mean, var, y = norm.running_mean[channels], norm.running_var[channels], _convolution(x, convolution, channels)
    return functional.batch_norm(y, mean, var, weight, bias, norm.training, norm.momentum, norm.eps)


def _convolution(x: Tensor, of: Any, channels: slice) -> Tensor:
    """Return some output channels of a convolution."""
    bias = None if of.bias is None else of.bias[channels]
    return functional.conv2d(x, of.weight[channels, : x.shape[1]], bias, of.stride, of.padding)
