"""Convolution and pooling of feature maps of a few pixels, as products with matrices [output pixel, input pixel].

Small networks on small images are bound by the overhead of operations and by copying. A matrix product computes more than a
convolution, but copies no windows: with at most `LARGEST` input values it takes a fifth to all of the time of
`benchmark_api.training.convolution`, backward pass included. Larger feature maps are computed there.

Feature maps are [network, channel, row, column, image]. A network's result does not depend on the other networks.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from benchmark_api.training import convolution, pooling

LARGEST = 128
"""Largest number of input values, channels times pixels, of a convolution computed as one matrix product."""


def conv3x3(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolve x [network, input, row, column, image], zero-padded, with weights [network, output, input, 3, 3]."""
    count, c_in, height, width, images = x.shape
    if c_in * height * width > LARGEST:
        return convolution.conv3x3(x, weight, stride)
    out = torch.bmm(convolution_matrix(weight, height, width, stride), x.reshape(count, -1, images))
    return out.view(count, weight.shape[1], (height - 1) // stride + 1, (width - 1) // stride + 1, images)


def convolution_matrix(weight: Tensor, height: int, width: int, stride: int = 1) -> Tensor:
    """Return convolutions as matrices [network, output channel * pixel, input channel * pixel].

    Args:
        weight: weights [network, output, input, 3, 3].
        height: rows of the input.
        width: columns of the input.
        stride: stride of the convolutions.
    """
    count, c_out, c_in = weight.shape[:3]
    windows = _windows(height, width, stride, weight.dtype, weight.device).expand(count, -1, -1)
    matrix = torch.bmm(weight.reshape(count, c_out * c_in, 9), windows)  # [network, output * input, output pixel * input pixel]
    return matrix.view(count, c_out, c_in, -1, height * width).transpose(2, 3).reshape(count, -1, c_in * height * width)


def mean_3x3(x: Tensor) -> Tensor:
    """Return the mean of the 3x3 pixels around each pixel, without padding."""
    height, width, images = x.shape[2:]
    if height * width > LARGEST:
        return pooling.mean_3x3(x)
    return torch.matmul(means_matrix(height, width, x.dtype, x.device), x.reshape(-1, height * width, images)).view(x.shape)


@cache
def _windows(height: int, width: int, stride: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return which input pixel meets which weight of the kernel [weight, output pixel * input pixel], zero or one."""
    eye = torch.eye(height * width).view(-1, 1, height, width)  # [input pixel, 1, row, column]
    windows = torch.nn.functional.unfold(eye, 3, padding=1, stride=stride)  # [input pixel, weight, output pixel]
    return windows.permute(1, 2, 0).flatten(1).to(device, dtype).contiguous()


@cache
def means_matrix(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return 3x3 mean pooling as a matrix [output pixel, input pixel]."""
    near = _windows(height, width, 1, torch.float64, device).sum(dim=0).view(height * width, -1)
    return (near / near.sum(dim=1, keepdim=True)).to(dtype)
