"""Weight sharing on the size space: each forward mode and gradient against a slow, literal form of its definition."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from algorithms.one_shot.fbnetv2 import FBNetV2
from algorithms.one_shot.gdas import gumbel_noise
from algorithms.one_shot.size_search import SizeSearch
from algorithms.one_shot.supernets import SizeSupernet, WidthMasks, WidthPairs, build_supernet, initialized, stretch
from algorithms.one_shot.tas import Tas
from algorithms.one_shot.task import Task
from algorithms.one_shot.tunas import RewardAverage, TuNas
from benchmark_api.spaces import SizeSpace
from benchmark_api.training.costs import space_costs
from benchmark_api.training.datasets import Split, load_dataset
from benchmark_api.training.devices import generator
from benchmark_api.training.networks import Skeleton, build_network
from tests.helpers.counting import count_params

SPACE = SizeSpace((2, 3, 5), 5)
METHODS: list[type[SizeSearch]] = [Tas, FBNetV2, TuNas]


@pytest.fixture(scope="module")
def task() -> Task:
    digits = load_dataset("digits", splits=("train", "x-valid"))
    splits = {name: Split(split.images[:48], split.labels[:48]) for name, split in digits.splits.items()}
    return Task(SPACE, replace(digits, splits=splits), Skeleton(10, 1))


@pytest.fixture
def supernet() -> SizeSupernet:
    made = initialized(lambda: build_supernet(SPACE, Skeleton(10, 1)), torch.Generator().manual_seed(0)).double()
    assert isinstance(made, SizeSupernet)
    return made


@pytest.fixture
def images() -> Tensor:
    return torch.randn(6, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def literally(supernet: SizeSupernet, images: Tensor, narrow: Any) -> Tensor:
    """The passes of section 4.1: `narrow(features, module)` after the stem and after each block."""
    x = narrow(supernet.stem(images), 0)
    for number, block in enumerate(supernet.blocks, start=1):
        x = narrow(block(x), number)
    features = supernet.lastact(x).mean(dim=(2, 3))
    out: Tensor = supernet.classifier(features)
    return out


def assert_same_with_gradients(supernet: SizeSupernet, parameter: Tensor, first: Tensor, second: Tensor) -> None:
    torch.testing.assert_close(first, second)
    weights = [parameter, *supernet.parameters()]
    target = torch.linspace(-1, 1, first.numel(), dtype=first.dtype).view_as(first)
    for ours, theirs in zip(
        torch.autograd.grad((first * target).sum(), weights),
        torch.autograd.grad((second * target).sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


# -- the network -----------------------------------------------------------------------------------------------------------------


def test_its_size_is_that_of_the_reference() -> None:
    assert count_params(build_supernet(SizeSpace(), Skeleton(10))) == 712_522


def test_masks(supernet: SizeSupernet, images: Tensor) -> None:
    """Masking with Gumbel weights: F times the weighted sum of rows of ones in the first channels."""
    weights = torch.rand(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)

    def narrow(x: Tensor, module: int) -> Tensor:
        masked = torch.zeros_like(x)
        for choice, width in enumerate(SPACE.widths):
            ones = torch.cat([torch.ones(width), torch.zeros(5 - width)])
            masked = masked + weights[module, choice] * ones[None, :, None, None] * x
        return masked

    ours = supernet(images, WidthMasks(weights @ supernet.candidates.double()))
    assert_same_with_gradients(supernet, weights, ours, literally(supernet, images, narrow))


def test_interpolation(supernet: SizeSupernet, images: Tensor) -> None:
    """Channel-wise interpolation by adaptive average pooling over channels, zero-padded to the full width."""
    pairs = [(0, 1), (2, 0), (1, 2), (0, 2), (2, 1), (1, 0)]
    q = torch.rand(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)

    def narrow(x: Tensor, module: int) -> Tensor:
        first, second = (SPACE.widths[choice] for choice in pairs[module])
        c = max(first, second)
        out: Any = 0
        for weight, width in zip(q[module], (first, second), strict=True):
            cut = x[:, :width]
            pooled = cut if width == c else functional.adaptive_avg_pool3d(cut[:, None], (c, *x.shape[2:]))[:, 0]
            out = out + weight * pooled
        return functional.pad(out, (0, 0, 0, 0, 0, x.shape[1] - c))

    ours = supernet(images, WidthPairs(torch.tensor(pairs), q))
    assert_same_with_gradients(supernet, q, ours, literally(supernet, images, narrow))
    supernet.captured = True  # kernels of all modules at once, without a look at the choices
    ours = supernet(images, WidthPairs(torch.tensor(pairs), q))
    assert_same_with_gradients(supernet, q, ours, literally(supernet, images, narrow))


@pytest.mark.parametrize(("channels", "width"), [(8, 64), (24, 40), (5, 7), (3, 3), (56, 64)])
def test_stretching_is_adaptive_average_pooling(channels: int, width: int) -> None:
    x = torch.randn(2, channels, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = functional.adaptive_avg_pool3d(x[:, None], (width, 3, 3))[:, 0]
    torch.testing.assert_close(torch.einsum("oc,bchw->bohw", stretch(channels, width).float(), x), expected)


def test_the_widths_of_an_architecture(supernet: SizeSupernet) -> None:
    """The stem has the first block's width; a narrow candidate's features beyond its width are zero."""
    masks = supernet.along((2, 0, 1, 2, 0)).masks
    assert masks.sum(dim=1).tolist() == [5, 5, 2, 3, 5, 2]
    assert masks[1].tolist() == [1] * 5
    assert masks[2].tolist() == [1, 1, 0, 0, 0]


def test_the_widest_architecture_is_the_whole_network(supernet: SizeSupernet, images: Tensor) -> None:
    torch.testing.assert_close(supernet(images, supernet.along((2,) * 5)), literally(supernet, images, lambda x, module: x))


def test_its_blocks_are_those_of_a_candidate(supernet: SizeSupernet) -> None:
    candidate = build_network(SPACE, (2,) * 5, Skeleton(10, 1), torch.Generator())
    shapes = [tuple(p.shape) for p in candidate.parameters() if p.dim() == 4]
    assert sorted(shapes) == sorted(tuple(p.shape) for p in supernet.parameters() if p.dim() == 4)


# -- what is drawn ---------------------------------------------------------------------------------------------------------------


def test_what_tas_draws(task: Task) -> None:
    search = Tas(task, Tas.Config(epochs=5), seed=3)
    with torch.no_grad():
        search.alpha.copy_(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    draw = generator(0)
    search.draws["architecture"] = draw
    mode = search._sample("architecture")
    again = generator(0)
    noise = gumbel_noise(torch.Size((6, 3)), again)
    logits = (search.alpha.log_softmax(1)[[0, 0, 1, 2, 3, 4]] + noise) / 10.0  # the first epoch's temperature
    drawn = torch.multinomial(logits.softmax(1) + 1e-7, 2, generator=again)
    for module, ((first, second), q) in enumerate(zip(mode.choices.tolist(), mode.weights, strict=True)):
        assert first != second
        assert [first, second] == drawn[module].tolist()
        torch.testing.assert_close(q, logits[module, [first, second]].softmax(0))


def test_what_fbnetv2_draws(task: Task) -> None:
    search = FBNetV2(task, FBNetV2.Config(epochs=5, tau_max=4.0, tau_min=2.0), seed=3)
    search.epoch = 2
    search.draws["architecture"] = generator(0)
    mode = search._sample("architecture")
    noise = gumbel_noise(torch.Size((6, 3)), generator(0))
    weights = ((search.alpha[[0, 0, 1, 2, 3, 4]] + noise) / 3.0).softmax(1)  # half-way between the temperatures
    expected = torch.stack([torch.cat([torch.ones(width), torch.zeros(5 - width)]) for width in SPACE.widths])
    torch.testing.assert_close(mode.masks, weights @ expected)


def test_what_tunas_draws(task: Task) -> None:
    """Independent draws for the six modules; the first two from the same row."""
    search = TuNas(task, TuNas.Config(epochs=5), seed=3)
    p = torch.tensor([[0.6, 0.3, 0.1], [1.0, 0.0, 0.0], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0], [1 / 3] * 3])
    with torch.no_grad():
        search.alpha.copy_(p.log().clamp_min(-50))
    drawn = torch.cat([search._draw("architecture") for _ in range(2000)], dim=1)  # [module, draw]
    shares = torch.stack([(drawn == choice).double().mean(1) for choice in range(3)], dim=1)
    torch.testing.assert_close(shares, p[[0, 0, 1, 2, 3, 4]].double(), rtol=0, atol=0.05)  # 4.5 standard errors
    assert (drawn[0] == drawn[1]).double().mean().item() == pytest.approx(0.36 + 0.09 + 0.01, abs=0.05)


def test_temperatures_fall_linearly(task: Task) -> None:
    assert [Tas.Config(epochs=100).tau(epoch) for epoch in (0, 99)] == pytest.approx([10.0, 0.1])
    assert Tas.Config(epochs=3, tau_max=3.0, tau_min=1.0).tau(1) == 2.0
    assert Tas.Config(epochs=1).tau(0) == 10.0


# -- how TuNAS learns ----------------------------------------------------------------------------------------------------------


def test_the_policy_gradient_of_tunas(task: Task) -> None:
    search = TuNas(task, TuNas.Config(epochs=2), seed=5)
    batch = search.validation_batch(16)
    search.average.updated(torch.tensor(50.0), 0.95)  # a baseline of before
    search.draws["architecture"] = generator(7)
    gradient = search._architecture_gradient(batch, batch)
    drawn = torch.multinomial(search.alpha.detach().softmax(1)[[0, 0, 1, 2, 3, 4]], 1, generator=generator(7))
    with torch.no_grad():
        masks = search.supernet.candidates[drawn[:, 0]]
        logits = search.supernet(batch[0], WidthMasks(masks))
    accuracy = 100.0 * (logits.argmax(1) == batch[1]).double().mean().item()
    baseline = (0.95 * 0.05 * 50.0 + 0.05 * accuracy) / (0.95 * 0.05 + 0.05)  # it contains the current reward
    expected = torch.zeros(5, 3, dtype=torch.float64)
    p = search.alpha.detach().double().softmax(1)
    for module, choice in zip((0, 0, 1, 2, 3, 4), drawn[:, 0].tolist(), strict=True):
        one_hot = torch.eye(3, dtype=torch.float64)[choice]
        expected[module] -= (accuracy - baseline) * (one_hot - p[module])
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-4, atol=1e-5)


def test_the_baseline_has_no_bias() -> None:
    average = RewardAverage()
    assert float(average.updated(torch.tensor(40.0), 0.9)) == pytest.approx(40.0)
    expected = (0.9 * 0.1 * 40 + 0.1 * 60) / (0.9 * 0.1 + 0.1)
    assert float(average.updated(torch.tensor(60.0), 0.9)) == pytest.approx(expected)


def test_the_absolute_reward_of_tunas(task: Task) -> None:
    search = TuNas(task, TuNas.Config(epochs=1, flops_target=0.02, cost_weight=0.5), seed=0)
    flops = space_costs(SPACE, task.skeleton, 8).flops[SPACE.index((1, 0, 2, 2, 0))] / 1e6
    drawn = torch.tensor([2, 1, 0, 2, 2, 0])[:, None]  # [module, 1]
    assert float(search._distance_of(drawn)) == pytest.approx(0.5 * abs(flops / 0.02 - 1))
    assert float(TuNas(task, TuNas.Config(epochs=1), seed=0)._distance_of(drawn)) == 0.0


# -- warm-up -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_alpha_rests_while_warming_up(method: type[SizeSearch], task: Task) -> None:
    search = method(task, method.Config(epochs=4, batch=24, warmup=0.5), seed=1)
    start = search.alpha.detach().clone()
    assert [search.full_width, search.warming_up] == [1.0, True]
    search.train_epoch()
    assert [search.full_width, search.warming_up] == [0.5, True]
    search.train_epoch()
    torch.testing.assert_close(search.alpha.detach(), start, rtol=0, atol=0)
    assert [search.full_width, search.warming_up] == [0.0, False]
    if isinstance(search, TuNas):
        assert search.average.weight > 0  # the baseline does not rest
    search.train_epoch()
    assert not torch.equal(search.alpha.detach(), start)


def test_widths_while_warming_up(task: Task) -> None:
    search = Tas(task, Tas.Config(epochs=10, warmup=0.8), seed=1)
    search.epoch = 4  # full width with probability one half, else one of three widths, one of which is the full one
    masks = [search._mode("architecture").masks for _ in range(1000)]
    widths = torch.stack(masks).sum(dim=2)  # [pass, module]
    shares = [(widths == width).double().mean().item() for width in SPACE.widths]
    assert shares == pytest.approx([1 / 6, 1 / 6, 4 / 6], abs=0.03)  # 6000 draws


# -- a target of FLOPs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_what_is_found_meets_the_target(method: type[SizeSearch], task: Task) -> None:
    flops = space_costs(SPACE, task.skeleton, 8).flops / 1e6
    target = float(np.quantile(flops, 0.2))
    free = method(task, method.Config(epochs=2, batch=24, arch_rate=0.05), seed=1)
    bound = method(task, method.Config(epochs=2, batch=24, arch_rate=0.05, flops_target=target, cost_weight=3.0), seed=1)
    for search in (free, bound):
        search.train_epoch()
        search.train_epoch()
    assert flops[SPACE.index(bound.metrics[-1].architecture)] <= target
    expected = [float(search.architecture_weights().ravel() @ np.tile(SPACE.widths, 5)) for search in (free, bound)]
    assert expected[1] < expected[0]  # alpha has moved to smaller widths, not the choice alone


def test_expected_flops_and_the_choice_by_brute_force(task: Task) -> None:
    search = Tas(task, Tas.Config(epochs=1, flops_target=0.03, cost_weight=2.0), seed=0)
    with torch.no_grad():
        search.alpha.copy_(torch.randn(5, 3, generator=torch.Generator().manual_seed(4)))
    p = search.architecture_weights()
    flops = space_costs(SPACE, task.skeleton, 8).flops / 1e6
    architectures = list(product(range(3), repeat=5))
    probability = {a: float(np.prod([p[row, choice] for row, choice in enumerate(a)])) for a in architectures}
    expected = sum(probability[a] * flops[SPACE.index(a)] for a in architectures)
    assert search._distance(search.cost).item() == pytest.approx(2.0 * abs(expected / 0.03 - 1), rel=1e-4)
    within = [a for a in architectures if flops[SPACE.index(a)] <= 0.03]
    assert 0 < len(within) < len(architectures)
    assert search.derive() == max(within, key=probability.__getitem__)


def test_a_target_that_nothing_meets(task: Task) -> None:
    with pytest.raises(ValueError, match=r"no architecture has at most 0\.0001 million"):
        Tas(task, Tas.Config(flops_target=1e-4))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"warmup": 1.5}, "warmup"),
        ({"flops_target": 0.0}, "flops_target"),
        ({"cost_weight": -1.0}, "cost_weight"),
        ({"tau_min": 0.0}, "tau_min"),
    ],
)
def test_settings_out_of_range(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tas.Config(**setting)
    with pytest.raises(ValueError, match="baseline_momentum"):
        TuNas.Config(baseline_momentum=1.0)
