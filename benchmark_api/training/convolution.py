"""3x3 convolutions of many small networks at once, each with its own weights, with the batch innermost in memory.

Feature maps are [network, channel, row, column, image]: copied memory is contiguous, and PyTorch's grouped convolution takes
several times as long on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional


def conv3x3(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve x [network, input, row, column, image], zero-padded, with weights [network, output, input, 3, 3]."""
    return cast(Tensor, _Conv3x3.apply(x, weight, stride))  # type: ignore[no-untyped-call]


def _columns(x: Tensor, stride: int) -> Tensor:
    """Copy each pixel with its left and right neighbour: [network, channel * 3, row + 2, column / stride, image]."""
    k, c, rows, columns, images = x.shape
    padded = functional.pad(x, (0, 0, 1, 1, 1, 1))
    shape = (k, c, 3, rows + 2, (columns - 1) // stride + 1, images)
    a, b, d, e, f = padded.stride()
    return padded.as_strided(shape, (a, b, e, d, e * stride, f)).reshape(k, c * 3, *shape[3:])


def _rows(columns: Tensor, row: int, stride: int) -> Tensor:
    """Return the input of one row of the kernel: [network, channel * 3, row / stride * column * image]; a view at stride 1."""
    rows = (columns.shape[2] - 3) // stride + 1
    return columns[:, :, row : row + (rows - 1) * stride + 1 : stride].flatten(2)


def _convolve(columns: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve the output of `_columns`, one row of the kernel after another."""
    shape = ((columns.shape[2] - 3) // stride + 1, *columns.shape[3:])
    kernel = weight.permute(3, 0, 1, 2, 4).flatten(3)  # [row of the kernel, network, output, input * 3]
    out = torch.bmm(kernel[0], _rows(columns, 0, stride))  # [network, output, row * column * image]
    for row in (1, 2):
        out.baddbmm_(kernel[row], _rows(columns, row, stride))
    return out.view(*out.shape[:2], *shape)  # [network, output, row, column, image]


def _spread(gradient: Tensor, weight: Tensor, stride: int, image: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Return the gradient of a convolution's input: the sum of the gradients of all windows.

    Args:
        gradient: gradient of the output [network, output, row * column * image].
        weight: weights [network, output, input, 3, 3].
        stride: stride of the convolution.
        image: rows and columns of the input.
        shape: rows, columns and images of the output.
    """
    k, _, c_in = weight.shape[:3]
    padded = gradient.new_zeros(k, c_in, image[0] + 2, image[1] + 2, shape[2])
    rows, columns = (stride * (length - 1) + 1 for length in shape[:2])
    for row in range(3):
        kernel = weight[..., row, :].flatten(2).transpose(1, 2)  # [network, input * 3, output]
        of_row = torch.bmm(kernel, gradient).view(k, c_in, 3, *shape)  # [network, input, 3, row, column, image]
        for column in range(3):
            padded[:, :, row : row + rows : stride, column : column + columns : stride] += of_row[:, :, column]
    return padded[:, :, 1:-1, 1:-1]


class _Conv3x3(torch.autograd.Function):
    """3x3 convolution of `conv3x3`; it recomputes the copied columns for the backward pass instead of keeping them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        columns = _columns(x, stride)
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.image = stride, x.shape[2:4]
        return _convolve(columns, weight, stride)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, weight = ctx.saved_tensors
        columns = _columns(x, ctx.stride)
        k, c_out, c_in = weight.shape[:3]
        flat = gradient.reshape(k, c_out, -1)  # [network, output, row * column * image]
        of_rows = [torch.bmm(flat, _rows(columns, row, ctx.stride).transpose(1, 2)) for row in range(3)]
        of_weight = torch.stack([of_row.view(k, c_out, c_in, 3) for of_row in of_rows], dim=3)  # [k, c_out, c_in, 3, 3]
        if not ctx.needs_input_grad[0]:
            return None, of_weight, None
        if ctx.stride > 1:
            return _spread(flat, weight, ctx.stride, ctx.image, gradient.shape[2:]), of_weight, None
        return _convolve(_columns(gradient, 1), weight.flip(3, 4).transpose(1, 2), 1), of_weight, None
