"""MS-DARTS: the mean shift against its formula written out, and the methods that it contains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from algorithms.one_shot import ms_darts, sdarts_rs
from algorithms.one_shot.ms_darts import MsDarts
from algorithms.one_shot.sdarts_rs import SdartsRs, on_simplex
from algorithms.one_shot.task import Batch
from tests.helpers import tiny
from tests.helpers.supernet_steps import CellByDefinition


def shift(a: Tensor, noises: Sequence[Tensor], losses: Sequence[float], h: float) -> Tensor:
    """One mean shift as the authors compute it, from noises and the losses of the clipped points."""
    omega = torch.tensor(losses, dtype=torch.float64).softmax(dim=0)
    above, below = torch.zeros_like(a), torch.zeros((), dtype=torch.float64)
    for weight, noise in zip(omega, noises, strict=True):
        x = a + noise
        distance = torch.linalg.norm(a - on_simplex(x)) / h
        k = torch.exp(-0.5 * distance**2) / (h * math.sqrt(2 * math.pi))
        above = above + weight * k * x
        below = below + weight * k
    return above / below


def stub(monkeypatch: pytest.MonkeyPatch, noises: Iterable[Tensor], losses: Iterable[float], **options: Any) -> MsDarts:
    """A search whose random numbers and losses are given."""
    search, noises, losses = tiny.make("ms-darts", **options), iter(noises), iter(losses)
    assert isinstance(search, MsDarts)
    monkeypatch.setattr(ms_darts, "uniform", lambda *_: next(noises))
    monkeypatch.setattr(ms_darts, "cross_entropy", lambda *_: torch.tensor(next(losses), dtype=torch.float64))
    monkeypatch.setattr(search, "logits", lambda *_: None)
    return search


NOISES = [[0.1, -0.1, 0.05, -0.2, 0.15], [-0.05, 0.25, 0, 0.1, -0.1], [0.2, 0.2, -0.2, -0.2, 0.1]]
LOSSES = [1.2, 1.0, 2.0]
BATCH: Batch = (torch.zeros(0), torch.zeros(0))


def test_a_shift_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row, a = 0.2 everywhere: c, omega and k as worked out from the code; the result does not sum to one."""
    a, noises = torch.full((1, 5), 0.2, dtype=torch.float64), torch.tensor(NOISES, dtype=torch.float64)[:, None]
    clipped = [[0.3, 0.1, 0.25, 0, 0.35], [0.125, 0.375, 1 / 6, 0.25, 1 / 12], [4 / 11, 4 / 11, 0, 0, 3 / 11]]
    torch.testing.assert_close(on_simplex(a + noises)[:, 0], torch.tensor(clipped, dtype=torch.float64))
    expected = torch.tensor([[0.322981, 0.335367, 0.104135, 0.062409, 0.270900]], dtype=torch.float64)
    torch.testing.assert_close(shift(a, list(noises), LOSSES, 1.0), expected, rtol=0, atol=1e-6)
    search = stub(monkeypatch, noises, LOSSES, shifts=1)
    torch.testing.assert_close(search.shifted(a, BATCH), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("h", [0.3, 1.0])
def test_shifts_equal_the_authors(h: float, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    a = torch.rand(6, 5, generator=draw, dtype=torch.float64)
    noises = list(torch.rand(8, 6, 5, generator=draw, dtype=torch.float64) - 0.5)
    losses = (5 * torch.rand(8, generator=draw)).tolist()
    expected = shift(shift(a, noises[:4], losses[:4], h), noises[4:], losses[4:], h)
    search = stub(monkeypatch, noises, losses, shifts=2, samples=4, bandwidth=h)
    torch.testing.assert_close(search.shifted(a, BATCH), expected)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide kernel leaves the mean weighted by the softmax of the losses; equal losses and distances the plain mean."""
    a, noises = torch.full((1, 5), 0.2, dtype=torch.float64), torch.tensor(NOISES, dtype=torch.float64)[:, None]
    search = stub(monkeypatch, noises, LOSSES, shifts=1, bandwidth=1e6)
    omega = torch.tensor(LOSSES, dtype=torch.float64).softmax(dim=0)
    torch.testing.assert_close(search.shifted(a, BATCH), a + (omega[:, None, None] * noises).sum(dim=0))
    rolled = torch.stack([noises[0].roll(number, dims=1) for number in range(5)])
    search = stub(monkeypatch, rolled, [1.5] * 5, shifts=1, samples=5)
    torch.testing.assert_close(search.shifted(a, BATCH), a + rolled.mean(dim=0))


def test_without_perturbation_it_is_darts() -> None:
    """To the bit, metrics and checkpoints."""
    search, plain = tiny.make("ms-darts", epsilon=0.0, warmup=0.0), tiny.make("darts-v1")
    assert tiny.run(search) == tiny.run(plain)
    for parameter, other in zip(search.supernet.parameters(), plain.supernet.parameters(), strict=True):
        assert torch.equal(parameter, other)
    assert torch.equal(search.alpha, plain.alpha)


def test_one_sample_is_the_random_point_of_sdarts_before_it_is_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit."""
    search = tiny.make("ms-darts", samples=1, shifts=1, epsilon=0.3, warmup=0.0, epochs=4)
    other = tiny.make("sdarts-rs", epsilon=0.3, epsilon_min=0.03, epochs=4)
    monkeypatch.setattr(sdarts_rs, "on_simplex", lambda x: x)
    assert tiny.run(search) == tiny.run(other)
    assert isinstance(other, SdartsRs)


@pytest.mark.parametrize("batch_norm", ["batch", "running"])
def test_a_shift_changes_neither_the_network_nor_alpha(batch_norm: str) -> None:
    search = tiny.make("ms-darts", batch_norm=batch_norm)
    search.train_epoch()
    search.supernet.train()
    batch = tiny.TASK.dataset.batch("train", slice(0, 8))
    before = {**search.supernet.state_dict(), "alpha": search.alpha}
    before = {name: value.detach().clone() for name, value in before.items()}
    a = search.alpha.detach().softmax(dim=1)
    assert not torch.equal(search.shifted(a, batch), a)
    for name, value in {**search.supernet.state_dict(), "alpha": search.alpha}.items():
        assert torch.equal(value, before[name]), name
    assert search.supernet.training


def test_a_step_of_the_weights_is_its_transcription() -> None:
    """A whole step in double precision against the definition: two shifts by losses in evaluation mode, then SGD."""
    search = tiny.make("ms-darts", epsilon=0.25)
    search.supernet.double()
    search.alpha.data = torch.randn(6, 5, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    for parameter in search.supernet.parameters():
        parameter.grad = torch.zeros_like(parameter)
    images, labels = tiny.TASK.dataset.batch("train", slice(0, 16))
    images, network = images.double(), search.supernet
    draw = torch.Generator().set_state(search.draws["architecture"].get_state())
    forwards = [block.forward for block in network.blocks]
    for block in network.blocks:
        if hasattr(block, "edges"):
            block.forward = CellByDefinition.forward.__get__(block)
    network.eval()
    a = search.alpha.detach().softmax(dim=1)
    for _ in range(2):
        noises = [(0.025 * (2 * torch.rand(6, 5, generator=draw) - 1)).double() for _ in range(3)]
        with torch.no_grad():
            losses = [
                float(nn.functional.cross_entropy(network(images, network.mixture(on_simplex(a + noise))), labels))
                for noise in noises
            ]
        a = shift(a, noises, losses, 1.0)
    network.train()
    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}
    loss = nn.functional.cross_entropy(network(images, network.mixture(a)), labels)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    for block, forward in zip(network.blocks, forwards, strict=True):
        block.forward = forward
    network.load_state_dict(statistics, strict=False)
    search.weight_step((images, labels))
    torch.testing.assert_close(search._shifted, a, rtol=1e-5, atol=1e-9)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-9)


def test_alpha_waits_for_the_end_of_the_warm_up() -> None:
    search = tiny.make("ms-darts", epochs=4, warmup=0.5)
    start = search.alpha.detach().clone()
    for epoch in range(3):
        search.train_epoch()
        assert torch.equal(search.alpha, start) == (epoch < 2)
        assert bool(search._parts["adam"].state) == (epoch >= 2)
