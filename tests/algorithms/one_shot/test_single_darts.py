"""Single-DARTS: both gradients are of one batch and one point."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.single_darts import SingleDarts
from algorithms.one_shot.stack import SearchStack
from tests.helpers import tiny


def made(**changes: Any) -> SingleDarts:
    search = tiny.make("single-darts", **changes)
    assert isinstance(search, SingleDarts)
    return search


def batch() -> tuple[Tensor, Tensor]:
    return tiny.TASK.dataset.batch("train", slice(0, 32))


def step(search: OneShotSearch) -> None:
    search.supernet.train()
    search.weight_step(batch())
    search._architecture_step(batch())


def test_both_steps_start_at_one_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the loss (w - alpha)^2 / 2. Steps of alpha first would give 0.92 and 0.2, of the weights first 0.9 and 0.18."""
    search = made()
    w, alpha = (nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in (1.0, 0.0))
    search.optimizer, search.arch_optimizer = torch.optim.SGD([w], 0.1), torch.optim.SGD([alpha], 0.2)
    monkeypatch.setattr(search, "logits", lambda images, mode: ((w - alpha) ** 2 / 2).expand(len(images), 3))
    monkeypatch.setattr(nn.functional, "cross_entropy", lambda logits, labels: logits.mean())
    step(search)
    assert (w.item(), alpha.item()) == pytest.approx((0.9, 0.2))


@pytest.mark.parametrize("relaxation", ["softmax", "sigmoid", "sparsemax"])
def test_gradients_are_those_of_two_passes_at_one_point(relaxation: str) -> None:
    """And the architecture's step does not see the step of the weights."""
    search, other = (made(relaxation=relaxation, arch_rate=0.01, arch_decay=0.0) for _ in range(2))
    images, labels = batch()
    other.supernet.train()
    loss = nn.functional.cross_entropy(other.supernet(images, other.supernet.mixture(other.relax(other.alpha))), labels)
    (of_alpha,) = torch.autograd.grad(loss, other.alpha)
    step(search)
    torch.testing.assert_close(search.alpha.grad, of_alpha)
    loss = nn.functional.cross_entropy(other.supernet(images, other.supernet.mixture(other.relax(other.alpha.detach()))), labels)
    other.optimizer.zero_grad(set_to_none=False)
    loss.backward()
    for parameter, expected in zip(search.supernet.parameters(), other.supernet.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad)
    other.alpha.grad = of_alpha
    other.arch_optimizer.step()
    other.optimizer.step()  # in the other order
    torch.testing.assert_close(search.alpha, other.alpha)
    for parameter, expected in zip(search.supernet.parameters(), other.supernet.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)
    sums = of_alpha.sum(dim=1)
    assert torch.allclose(sums, torch.zeros(6), atol=1e-7) is (relaxation != "sigmoid")


def test_it_is_first_order_darts_with_the_gradient_of_the_training_batch_taken_before_the_weights_step() -> None:
    search, darts = made(arch_rate=0.01), tiny.make("darts-v1", arch_rate=0.01)
    for _ in range(3):
        step(search)
        darts.supernet.train()
        gradient = darts._architecture_gradient(batch(), batch())
        darts.weight_step(batch())
        darts.alpha.grad = gradient
        darts.arch_optimizer.step()
        torch.testing.assert_close(search.alpha, darts.alpha)
        for parameter, expected in zip(search.supernet.parameters(), darts.supernet.parameters(), strict=True):
            torch.testing.assert_close(parameter, expected)


def test_the_first_step_moves_every_alpha_by_the_rate() -> None:
    search = made(arch_rate=0.01, arch_decay=0.0)
    before = search.alpha.detach().clone()
    step(search)
    torch.testing.assert_close((search.alpha.detach() - before).abs(), torch.full((6, 5), 0.01), rtol=1e-3, atol=0)


def test_gradients_of_other_passes_are_not_added() -> None:
    """Of a selection that trains weights, e.g.; the step uses those of its own batch."""
    search, other = made(), made()
    for each in (search, other):
        each.supernet.train()
    search.alpha.grad = torch.ones(6, 5)
    for each in (search, other):
        step(each)
    assert torch.equal(search.alpha, other.alpha)


def test_validation_images_are_not_drawn() -> None:
    search = made()
    before = search.draws["validation"].get_state()
    search.train_epoch()
    assert torch.equal(search.draws["validation"].get_state(), before)


def test_all_images() -> None:
    search, half = made(images="all"), made()
    splits = tiny.TASK.dataset.splits
    train = search.task.dataset.split("train")
    assert torch.equal(train.images, torch.cat([splits["train"].images, splits["x-valid"].images]))
    assert torch.equal(train.labels, torch.cat([splits["train"].labels, splits["x-valid"].labels]))
    assert len(search.task.dataset.split("x-valid")) == len(splits["x-valid"])
    assert torch.equal(search.alpha, half.alpha)
    metrics = search.train_epoch()
    assert metrics.train_accuracy * 104 / 100 == pytest.approx(round(metrics.train_accuracy * 104 / 100))


@pytest.mark.parametrize("changes", [{"relaxation": "sigmoid"}, {"images": "all"}, {"arch_update": "exponentiated"}])
def test_options_in_a_stack(changes: dict[str, Any]) -> None:
    searches, others = ([tiny.make("single-darts", seed, **changes) for seed in (3, 4)] for _ in range(2))
    SearchStack(searches).train_epoch()
    for search, alone in zip(searches, others, strict=True):
        alone.train_epoch()
        torch.testing.assert_close(search.alpha, alone.alpha, rtol=0, atol=1e-4)
        assert search.metrics[0].architecture == alone.metrics[0].architecture
