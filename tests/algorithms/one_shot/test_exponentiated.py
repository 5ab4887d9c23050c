"""The exponentiated gradient: worked examples, invariants, and as the architecture update of searches."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.alpha import AlphaSearch
from algorithms.one_shot.exponentiated import FLOOR, ExponentiatedGradient, exponentiated
from tests.helpers import tiny

UNIFORM = torch.full((5,), 0.2, dtype=torch.float64)
GRADIENT = torch.tensor([1, 0, -1, 2, 0.5], dtype=torch.float64)


def test_worked_examples() -> None:
    theta = exponentiated(UNIFORM, GRADIENT, 0.1)
    assert theta.tolist() == pytest.approx([0.189298, 0.209206, 0.231209, 0.171284, 0.199003], abs=1e-6)
    for step in range(1, 101):
        theta = exponentiated(UNIFORM if step == 1 else theta, GRADIENT, 0.1)
        if step <= 20:  # no floor: softmax(log theta_0 - eta T g)
            torch.testing.assert_close(theta, (UNIFORM.log() - 0.1 * step * GRADIENT).softmax(dim=0))
    assert theta.tolist() == pytest.approx([9e-6, 4.5e-5, 0.999927, 9e-6, 9e-6], abs=1e-6)


def test_invariants() -> None:
    draw = torch.Generator().manual_seed(0)
    theta = torch.rand(200, 5, generator=draw, dtype=torch.float64)
    theta = theta / theta.sum(dim=1, keepdim=True)
    gradient = 3 * torch.randn(200, 5, generator=draw, dtype=torch.float64)
    for rate in (1e-3, 0.1, 1.0):
        after = exponentiated(theta, gradient, rate)
        torch.testing.assert_close(after.sum(dim=1), torch.ones(200, dtype=torch.float64))
        total = (theta * (-rate * gradient).exp()).clamp(min=FLOOR).sum(dim=1)
        assert (after.min(dim=1).values >= FLOOR / total - 1e-15).all()
    torch.testing.assert_close(exponentiated(theta, gradient + 4, 0.1), exponentiated(theta, gradient, 0.1))
    torch.testing.assert_close(exponentiated(UNIFORM, torch.ones(5), 0.1), UNIFORM)
    centred = gradient - (theta * gradient).sum(dim=1, keepdim=True)
    replicator = -1e-5 * theta * centred
    torch.testing.assert_close(exponentiated(theta, gradient, 1e-5) - theta, replicator, rtol=1e-3, atol=1e-9)


def test_the_floor_of_a_single_large_step() -> None:
    """Without a floor a choice would be lost for good; and a step has at most a factor of e^10."""
    after = exponentiated(UNIFORM, torch.tensor([0.0, 0, 0, 0, 1e9]), 0.1)
    assert after[-1] == pytest.approx(FLOOR / (0.8 + FLOOR))
    after = exponentiated(torch.tensor([FLOOR, 1 - FLOOR]), torch.tensor([-1e30, 0]), 0.1)
    assert after.tolist() == pytest.approx([FLOOR * exp(10) / (1 + FLOOR * exp(10)), 1 / (1 + FLOOR * exp(10))], rel=1e-4)
    assert exponentiated(UNIFORM, torch.full((5,), 1e30), 1.0).isfinite().all()


def by_definition(theta: list[list[float]], gradient: list[list[float]], rate: float) -> list[list[float]]:
    """The step entry by entry."""
    rows = []
    for row, of_row in zip(theta, gradient, strict=True):
        raised = [max(p * exp(-rate * g), 1e-5) for p, g in zip(row, of_row, strict=True)]
        rows.append([value / sum(raised) for value in raised])
    return rows


# -- as the update of searches ---------------------------------------------------------------------------------------------------

METHODS = [
    name for name, search in ONE_SHOT.items() if issubclass(search, AlphaSearch) and hasattr(search.Config(), "arch_update")
]
every_method = pytest.mark.parametrize("name", METHODS)


def made(name: str, **changes: object) -> AlphaSearch:
    search = tiny.make(name, arch_update="exponentiated", arch_rate=0.1, **changes)
    assert isinstance(search, AlphaSearch)
    return search


def test_all_searches_by_gradients_of_probabilities_have_it() -> None:
    assert {"darts-v1", "darts-v2", "gdas", "setn", "tas", "fbnetv2", "tunas"} <= set(METHODS)
    assert not hasattr(ONE_SHOT["enas"].Config(), "arch_update")


@every_method
def test_alpha_starts_uniform_and_stays_on_the_simplex(name: str) -> None:
    search = made(name)
    assert torch.equal(search.alpha, torch.full_like(search.alpha, 1 / search.alpha.shape[1]))
    for _ in range(2):
        metrics = search.train_epoch()
        assert metrics.arch_weights.sum(axis=1) == pytest.approx(1)
        assert (metrics.arch_weights > 0).all()
    assert np.ptp(metrics.arch_weights) > 1e-4  # after the warm-up that some have
    assert metrics.arch_weights == pytest.approx(search.alpha.detach().numpy())


def test_a_step_is_that_of_the_definition() -> None:
    """On the gradient of the mixture's weights themselves, without a softmax between."""
    search = made("darts-v1")
    search.train_epoch()
    before = search.alpha.detach().clone()
    search.supernet.train()
    images, labels = batch = tiny.TASK.dataset.batch("x-valid", slice(0, 16))
    search.validation_batch = lambda size, split: batch  # type: ignore[method-assign]
    theta = before.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(search.supernet(images, search.supernet.mixture(theta)), labels)
    (gradient,) = torch.autograd.grad(loss, theta)
    search._architecture_step(batch)
    expected = by_definition(before.tolist(), gradient.tolist(), 0.1)
    torch.testing.assert_close(search.alpha.detach(), torch.tensor(expected), rtol=1e-5, atol=1e-7)


def test_samplers_draw_from_the_probabilities() -> None:
    """The Gumbel-max trick of GDAS on log theta draws an operation with its probability."""
    search = made("gdas", epochs=1)
    with torch.no_grad():
        search.alpha.copy_(torch.tensor([0.05, 0.1, 0.15, 0.2, 0.5]).repeat(6, 1))
    torch.testing.assert_close(search.log_odds.softmax(dim=1), search.alpha)
    drawn = torch.tensor([search._mode("architecture").paths[0] for _ in range(1000)])  # [draw, edge]
    shares = torch.bincount(drawn.flatten()) / drawn.numel()
    assert (shares - search.alpha[0]).abs().max() < 5 * (0.25 / 6000) ** 0.5


def test_gradients_of_samplers_are_those_of_their_logits() -> None:
    """d loss / d theta = (d loss / d logits) / theta, less a constant in each row, which changes no step."""
    draw = torch.Generator().manual_seed(1)
    theta = torch.rand(6, 5, generator=draw, dtype=torch.float64).softmax(dim=1).requires_grad_()
    weights = torch.randn(6, 5, generator=draw, dtype=torch.float64)

    def loss(logits: Tensor) -> Tensor:
        return (logits.log_softmax(dim=1).exp() * weights).square().sum()

    logits = theta.detach().log().requires_grad_()
    (of_theta,) = torch.autograd.grad(loss(theta.log()), theta)
    (of_logits,) = torch.autograd.grad(loss(logits), logits)
    steps = [exponentiated(theta.detach(), of, 0.1) for of in (of_theta, of_logits / theta.detach())]
    torch.testing.assert_close(*steps)


def test_the_optimizer_has_no_state() -> None:
    parameter = torch.nn.Parameter(UNIFORM.clone())
    optimizer = ExponentiatedGradient([parameter], 0.1)
    parameter.grad = GRADIENT.clone()
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), exponentiated(UNIFORM, GRADIENT, 0.1))
    assert not optimizer.state_dict()["state"]


def test_entropy_falls_from_that_of_equal_weights() -> None:
    metrics = made("darts-v1").train_epoch()
    assert log(5) - 0.1 < metrics.entropy < log(5)


@pytest.mark.parametrize(("name", "value"), [("arch_betas", (0.9, 0.99)), ("arch_decay", 0.5), ("arch_eps", 1e-3)])
def test_settings_of_adam_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{name} is for the update by Adam: expected .* with exponentiated, got "):
        made("darts-v1", **{name: value})


def test_it_has_no_relaxation() -> None:
    with pytest.raises(ValueError, match="exponentiated updates train the weights themselves: expected softmax, got sigmoid"):
        made("darts-v1", relaxation="sigmoid")
