"""Convolution and pooling as matrix products."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from benchmark_api.training import small_images


@pytest.mark.parametrize("largest", [0, small_images.LARGEST], ids=["by columns", "as a matrix"])
@pytest.mark.parametrize(("stride", "size"), [(1, (4, 4)), (2, (4, 6)), (2, (5, 3)), (1, (1, 2))])
def test_convolution(stride: int, size: tuple[int, int], largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_images, "LARGEST", largest)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, *size, 3, dtype=torch.float64, generator=draw, requires_grad=True)  # [network, channel, y, x, image]
    weight = torch.randn(2, 3, 2, 3, 3, dtype=torch.float64, generator=draw, requires_grad=True)
    out = small_images.conv3x3(x, weight, stride)
    for network in range(2):
        expected = functional.conv2d(x[network].permute(3, 0, 1, 2), weight[network], stride=stride, padding=1)
        torch.testing.assert_close(out[network].permute(3, 0, 1, 2), expected)
    assert torch.autograd.gradcheck(lambda a, b: small_images.conv3x3(a, b, stride), (x, weight), fast_mode=True)


@pytest.mark.parametrize("largest", [0, small_images.LARGEST], ids=["by sums", "as a matrix"])
def test_pooling(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_images, "LARGEST", largest)
    x = torch.randn(2, 3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    images = x.permute(4, 0, 1, 2, 3).flatten(1, 2)
    expected = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(small_images.mean_3x3(x).permute(4, 0, 1, 2, 3).flatten(1, 2), expected)


def test_networks_do_not_influence_each_other() -> None:
    draw = torch.Generator().manual_seed(0)
    x, weight = torch.randn(5, 2, 8, 8, 7, generator=draw), torch.randn(5, 4, 2, 3, 3, generator=draw)
    together = small_images.conv3x3(x, weight)
    assert torch.equal(together[1:3], small_images.conv3x3(x[1:3], weight[1:3]))
