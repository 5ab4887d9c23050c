"""Passes that compute only the kept channels, against whole modules whose output is masked."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets import SizeSupernet, WidthMasks, WidthPairs, build_supernet, initialized
from benchmark_api.spaces import SizeSpace
from benchmark_api.training.networks import Skeleton
from tests.helpers import tiny

SPACE = SizeSpace((2, 3, 5), 5)
MODULES = 6


def supernets(running: bool) -> tuple[SizeSupernet, SizeSupernet]:
    """Equal supernets, one of which slices its modules."""
    draw = torch.Generator().manual_seed(0)
    made = initialized(lambda: build_supernet(SPACE, Skeleton(10, 1), running), draw).double()
    assert isinstance(made, SizeSupernet)
    for name, buffer in made.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(generator=draw)
    sliced = deepcopy(made)
    sliced.sliced = True
    return sliced, made


def modes(supernet: SizeSupernet) -> dict[str, tuple[Any, Tensor | None]]:
    """Forward modes, with the numbers that gradients flow to."""
    narrow, weights = supernet.along((0, 2, 1, 0, 2)), torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    mixture = torch.softmax(torch.arange(15.0, dtype=torch.float64).view(5, 3).requires_grad_(), dim=1)
    scaled = WidthMasks(0.5 * narrow.masks)
    choices = torch.tensor([(0, 1), (2, 0), (1, 2), (0, 1), (1, 0), (2, 1)])
    pairs = WidthPairs(choices, weights.expand(len(choices), -1))
    return {
        "narrow": (narrow, None),
        "full": (WidthMasks(torch.ones(MODULES, supernet.width)), None),
        "scaled": (scaled, None),
        "mixture": (supernet.mixture(mixture), mixture),
        "pairs": (pairs, weights),
    }


def computed(supernet: SizeSupernet, name: str, images: Tensor) -> dict[str, Tensor]:
    """Logits, gradients and buffers after a pass."""
    mode, numbers = modes(supernet)[name]
    logits = supernet(images, mode)
    target = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    inputs = dict(supernet.named_parameters()) | ({} if numbers is None else {"numbers": numbers})
    gradients = torch.autograd.grad((logits * target).sum(), list(inputs.values()), allow_unused=True)
    found = {"logits": logits, **{name: buffer.clone() for name, buffer in supernet.named_buffers()}}
    for of, gradient in zip(inputs, gradients, strict=True):
        found[f"gradient {of}"] = torch.zeros_like(inputs[of]) if gradient is None else gradient
    return found


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("name", ["narrow", "full", "scaled", "mixture", "pairs"])
def test_a_pass_equals_that_of_whole_modules(name: str, running: bool, training: bool) -> None:
    images = torch.randn(6, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, theirs = (computed(supernet.train(training), name, images) for supernet in supernets(running))
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key], rtol=1e-9, atol=1e-10, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize(("name", "warmup"), [("tunas", 0.0), ("tas", 0.0), ("fbnetv2", 0.0), ("tunas", 0.5), ("tas", 0.5)])
def test_a_search_is_that_of_whole_modules(name: str, warmup: float) -> None:
    def trained(sliced: bool) -> OneShotSearch:
        search = tiny.make(name, warmup=warmup)
        assert isinstance(search.supernet, SizeSupernet)
        search.supernet.sliced = sliced
        search.train_epoch()
        return search

    ours, theirs = (tiny.state(trained(sliced)) for sliced in (True, False))
    for key, value in ours.items():
        np.testing.assert_allclose(value, theirs[key], rtol=0, atol=1e-4, err_msg=key)


def test_inner_channels_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a narrow architecture, no convolution has more output channels than needed, and none too many inputs."""
    shapes: list[tuple[int, int]] = []
    convolve = torch.nn.functional.conv2d

    def recorded(x: Tensor, weight: Tensor, *more: Any) -> Tensor:
        shapes.append((weight.shape[1], weight.shape[0]))
        return convolve(x, weight, *more)

    supernet, _ = supernets(running=False)
    monkeypatch.setattr("algorithms.one_shot.supernets.size_slices.functional.conv2d", recorded)
    with torch.no_grad():
        supernet.eval()(torch.zeros(1, 1, 8, 8, dtype=torch.float64), supernet.along((0, 1, 0, 1, 0)))
    cell = [(5, 5), (5, 2), (5, 2)]
    assert shapes[:6] == [(1, 2), (2, 5), (2, 5), *cell]
    assert shapes[6:9] == [(2, 5), (2, 3), (5, 3)]  # reduction block: the first convolution, the shortcut, the second


def test_wide_networks_are_sliced_unless_they_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow, wide = (build_supernet(SizeSpace(widths, 2), Skeleton(10)) for widths in ((2, 4, 8), (8, 16)))
    assert (narrow.sliced, wide.sliced) == (False, True)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: None)
    wide.compile_parts()
    assert wide.sliced is False
