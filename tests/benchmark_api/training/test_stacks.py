"""Stacks compute what their candidates compute one at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.training.convolution import conv3x3
from benchmark_api.training.networks import CellNetwork, Skeleton, build_network
from benchmark_api.training.pooling import mean_2x2, mean_3x3
from benchmark_api.training.stacks import Stack
from benchmark_api.training.train import Recipe, train
from tests.helpers.small_digits import small_digits

TOPOLOGY = TopologySpace()
SIZE = SizeSpace((2, 3, 5), 5)


@pytest.mark.parametrize(("stride", "size"), [(1, (5, 4)), (2, (6, 4)), (2, (5, 7)), (1, (1, 2)), (2, (1, 1))])
def test_convolution(stride: int, size: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, *size, 3, dtype=torch.float64, generator=draw, requires_grad=True)  # [candidate, channel, y, x, image]
    weight = torch.randn(2, 3, 2, 3, 3, dtype=torch.float64, generator=draw, requires_grad=True)
    out = conv3x3(x, weight, stride)
    for k in range(2):
        expected = torch.nn.functional.conv2d(x[k].permute(3, 0, 1, 2), weight[k], stride=stride, padding=1)
        torch.testing.assert_close(out[k].permute(3, 0, 1, 2), expected)
    assert torch.autograd.gradcheck(lambda a, b: conv3x3(a, b, stride), (x, weight), fast_mode=True)


@pytest.mark.parametrize("size", [(8, 8), (5, 4), (1, 3)])
def test_pooling(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, 4, generator=torch.Generator().manual_seed(0))
    images = x.permute(4, 0, 1, 2, 3).flatten(1, 2)
    three = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(mean_3x3(x).permute(4, 0, 1, 2, 3).flatten(1, 2), three)
    two = torch.nn.functional.avg_pool2d(images, 2, 2, ceil_mode=True)
    torch.testing.assert_close(mean_2x2(x).permute(4, 0, 1, 2, 3).flatten(1, 2), two)
    double = torch.randn(1, 2, *size, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for pool in (mean_2x2, mean_3x3):
        assert torch.autograd.gradcheck(pool, (double,), fast_mode=True)


def _random(space: SearchSpace, count: int) -> list[Architecture]:
    rng = np.random.default_rng(1)
    return [space.sample(rng) for _ in range(count)]


STACKS: dict[str, tuple[SearchSpace, Skeleton, list[Architecture]]] = {
    "random topologies": (TOPOLOGY, Skeleton(10, 1, channels=3, cells=1), _random(TOPOLOGY, 9)),
    "odd topologies": (
        TOPOLOGY,
        Skeleton(10, 1, channels=2, cells=2),
        [(0,) * 6, (1,) * 6, (4,) * 6, (3,) * 6, (0, 3, 3, 0, 3, 0), (0, 0, 0, 0, 3, 1), (1, 1, 1, 0, 0, 2)],
    ),
    "equal topologies": (TOPOLOGY, Skeleton(10, 1, channels=2, cells=1), [(3, 1, 2, 4, 0, 3)] * 3),
    "no cells": (TOPOLOGY, Skeleton(10, 1, channels=2, cells=0), [(3,) * 6] * 2),
    "sizes": (SIZE, Skeleton(10, 1), [*_random(SIZE, 6), (1,) * 5, (0, 0, 0, 2, 2), (2, 2, 2, 0, 0), (0, 2, 2, 1, 1)]),
    "one size": (SIZE, Skeleton(10, 1), [(2, 0, 1, 1, 2)]),
}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_trains_as_the_plain_loop_does(name: str) -> None:
    """Same initial weights and batches, the whole trajectory. In double precision: training amplifies rounding errors."""
    space, skeleton, architectures = STACKS[name]
    dataset, recipe = small_digits(40), Recipe(2, 24)

    def networks() -> list[CellNetwork]:
        return [build_network(space, a, skeleton, torch.Generator().manual_seed(i)).double() for i, a in enumerate(architectures)]

    stacked = train(Stack(networks()), dataset, recipe, seed=3)
    for row, network in enumerate(networks()):
        plain = train(network, dataset, recipe, seed=3)
        for split in ("train", "x-valid", "x-test"):
            assert plain.loss[split].shape == (1, 2)
            np.testing.assert_allclose(stacked.loss[split][row], plain.loss[split][0], rtol=1e-6)
            np.testing.assert_allclose(stacked.accuracy[split][row], plain.accuracy[split][0], atol=1e-9)


def test_single_precision_is_as_near_as_it_can_be() -> None:
    space, skeleton, architectures = STACKS["random topologies"]
    connected = [a for a in architectures if space.is_connected(a)]
    dataset, recipe = small_digits(64), Recipe(1, 32)
    made = [build_network(space, a, skeleton, torch.Generator().manual_seed(0)) for a in connected]
    stacked = train(Stack(made), dataset, recipe, seed=3)
    plain = [train(network, dataset, recipe, seed=3).loss["train"][0] for network in made]
    np.testing.assert_allclose(stacked.loss["train"], plain, rtol=2e-3)  # sums in another order, and two steps that amplify it


def test_absent_channels_stay_zero() -> None:
    networks = [
        build_network(SIZE, a, Skeleton(10, 1), torch.Generator().manual_seed(0)) for a in [(0, 0, 0, 0, 0), (2, 2, 2, 2, 2)]
    ]
    stack = Stack(networks)
    train(stack, small_digits(64), Recipe(2, 32), seed=0)
    assert stack.stem.weight.shape == (2, 5, 1, 3, 3)
    assert torch.count_nonzero(stack.stem.weight[0, 2:]) == 0
    assert torch.count_nonzero(stack.weight[0, :, 2:]) == 0
    assert torch.count_nonzero(stack.weight[1]) == stack.weight[1].numel()


def test_a_candidate_that_diverges_disturbs_no_other() -> None:
    networks = [build_network(SIZE, (1,) * 5, Skeleton(10, 1), torch.Generator().manual_seed(i)) for i in range(2)]
    alone = train(Stack(networks[1:]), small_digits(64), Recipe(1, 32), seed=0)
    with torch.no_grad():
        networks[0].classifier.weight.fill_(float("nan"))
    curves = train(Stack(networks), small_digits(64), Recipe(1, 32), seed=0)
    assert np.isnan(curves.loss["train"][0]).all()
    np.testing.assert_allclose(curves.loss["train"][1], alone.loss["train"][0], rtol=2e-3)


def test_networks_that_do_not_fit_make_no_stack() -> None:
    def network(cells: int, classes: int, channels: int) -> CellNetwork:
        return build_network(TOPOLOGY, (3,) * 6, Skeleton(classes, channels, 2, cells), torch.Generator())

    for other in (network(2, 10, 1), network(1, 9, 1), network(1, 10, 3)):
        with pytest.raises(ValueError, match="same kinds of blocks"):
            Stack([network(1, 10, 1), other])
    with pytest.raises(ValueError, match="at least one"):
        Stack([])
