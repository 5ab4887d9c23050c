"""Mean pooling by sums along rows and columns: on a CPU, a fifth of the time of PyTorch's pooling.

Feature maps are [map, channel, row, column] or [map, channel, row, column, image].
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def mean_3x3(x: Tensor) -> Tensor:
    """Return the mean of the 3x3 pixels around each pixel, without padding."""
    return _mean(Sums3x3, x)


def mean_2x2(x: Tensor) -> Tensor:
    """Return the mean of each square of 2x2 pixels; the last row or column of an odd size is averaged alone."""
    return _mean(Sums2x2, x)


def _mean(sums: type[torch.autograd.Function], x: Tensor) -> Tensor:
    total: Tensor = sums.apply(x)  # type: ignore[no-untyped-call]
    pixels: Tensor = sums.apply(x.new_ones(1, 1, *x.shape[2:4], *[1] * (x.dim() - 4)))  # type: ignore[no-untyped-call]
    return total * pixels.reciprocal()


class Sums3x3(torch.autograd.Function):
    """Sums over the 3x3 pixels around each pixel: along columns, then along rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        for axis in (2, 3):
            length, out = x.shape[axis] - 1, x.clone()
            out.narrow(axis, 1, length).add_(x.narrow(axis, 0, length))
            out.narrow(axis, 0, length).add_(x.narrow(axis, 1, length))
            x = out
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return Sums3x3.forward(ctx, gradient)  # the operator is symmetric


class Sums2x2(torch.autograd.Function):
    """Sums over squares of 2x2 pixels of feature maps [map, channel, row, column, image]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.image = rows, columns = x.shape[2:4]
        x = functional.pad(x, (0, 0, 0, columns % 2, 0, rows % 2)) if rows % 2 or columns % 2 else x
        x = x[:, :, ::2] + x[:, :, 1::2]  # [map, channel, row / 2, column, image]
        return x[:, :, :, ::2] + x[:, :, :, 1::2]  # [map, channel, row / 2, column / 2, image]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        k, c, rows, columns, images = gradient.shape
        spread = gradient[:, :, :, None, :, None].expand(k, c, rows, 2, columns, 2, images)
        return spread.reshape(k, c, 2 * rows, 2 * columns, images)[:, :, : ctx.image[0], : ctx.image[1]]
