"""DARTS: the gradients of the architecture, first and second order, against autograd through the definition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from algorithms.one_shot.darts import DartsSecondOrder
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets import Mixture
from tests.helpers import tiny

Batch = tuple[Tensor, Tensor]


def batches(dtype: torch.dtype) -> tuple[Batch, Batch]:
    draw = torch.Generator().manual_seed(5)
    return tuple(
        (torch.randn(6, 2, 8, 8, generator=draw, dtype=torch.float64).to(dtype), torch.randint(3, (6,), generator=draw))
        for _ in range(2)
    )


def double(name: str, **changes: object) -> OneShotSearch:
    """A search in double precision, with architecture parameters that differ, after two steps of the weights."""
    search = tiny.make(name, rate=0.1, **changes)
    search.supernet.double()
    search.alpha.data = torch.randn(6, 5, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    for parameter in search.supernet.parameters():
        parameter.grad = torch.zeros_like(parameter)
    images, labels = batches(torch.float64)[0]
    for _ in range(2):
        search.optimizer.zero_grad(set_to_none=False)
        torch.nn.functional.cross_entropy(search.supernet(images, search._weight_mode()), labels).backward()
        search.optimizer.step()
    return search


def loss(search: OneShotSearch, weights: dict[str, Tensor], alpha: Tensor, batch: Batch) -> Tensor:
    state = {**weights, **{name: buffer.clone() for name, buffer in search.supernet.named_buffers()}}
    logits = functional_call(search.supernet, state, (batch[0], Mixture(torch.softmax(alpha, dim=1))))
    return torch.nn.functional.cross_entropy(logits, batch[1])


def exact_gradient(search: OneShotSearch, training: Batch, validation: Batch) -> Tensor:
    """d L_valid(w'(alpha), alpha) / d alpha by autograd through w' = w - xi (0.9 buffer + dL_train(w, alpha)/dw + 5e-4 w)."""
    alpha = search.alpha.detach().clone().requires_grad_()
    w = {name: parameter.detach().clone().requires_grad_() for name, parameter in search.supernet.named_parameters()}
    gradient = torch.autograd.grad(loss(search, w, alpha, training), list(w.values()), create_graph=True)
    buffers = [search.optimizer.state[parameter]["momentum_buffer"] for parameter in search.supernet.parameters()]
    ahead = {
        name: value - 0.1 * (0.9 * buffer + of_value + 5e-4 * value)
        for (name, value), of_value, buffer in zip(w.items(), gradient, buffers, strict=True)
    }
    return torch.autograd.grad(loss(search, ahead, alpha, validation), alpha)[0]


def test_second_order_gradient_equals_the_exact_one() -> None:
    search = double("darts-v2", perturbation=1e-4)
    training, validation = batches(torch.float64)
    exact = exact_gradient(search, training, validation)
    found = search._architecture_gradient(training, validation)
    torch.testing.assert_close(found, exact, rtol=1e-5, atol=1e-7 * float(exact.abs().max()))
    first_order = super(DartsSecondOrder, search)._architecture_gradient(training, validation)
    assert (first_order - exact).abs().max() > 0.01 * exact.abs().max()  # so the test tells them apart


def test_second_order_without_a_learning_rate_is_first_order() -> None:
    search = double("darts-v2")
    search.optimizer.param_groups[0]["lr"] = 0.0
    training, validation = batches(torch.float64)
    first_order = super(DartsSecondOrder, search)._architecture_gradient(training, validation)
    torch.testing.assert_close(search._architecture_gradient(training, validation), first_order)


def test_first_order_gradient_equals_its_definition() -> None:
    search = double("darts-v1")
    training, validation = batches(torch.float64)
    alpha = search.alpha.detach().clone().requires_grad_()
    expected = torch.autograd.grad(loss(search, dict(search.supernet.named_parameters()), alpha, validation), alpha)[0]
    torch.testing.assert_close(search._architecture_gradient(training, validation), expected)


@pytest.mark.parametrize("batch_norm", ["batch", "running"])
def test_looking_ahead_leaves_weights_gradients_and_statistics(batch_norm: str) -> None:
    search = tiny.make("darts-v2", batch_norm=batch_norm)
    search.train_epoch()
    search.supernet.train()
    before = {name: value.clone() for name, value in search.supernet.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in search.supernet.parameters()]
    search._architecture_gradient(*batches(torch.float32))
    for name, value in search.supernet.state_dict().items():
        assert torch.equal(value, before[name]), name
    for parameter, gradient in zip(search.supernet.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient)


def test_architecture_step_is_one_of_adam_after_that_of_the_weights() -> None:
    search, calls = tiny.make("darts-v1", arch_rate=0.01), []
    weights_step, architecture_step = search.optimizer.step, search.arch_optimizer.step
    search.optimizer.step = lambda: (calls.append("weights"), weights_step())
    search.arch_optimizer.step = lambda: (calls.append("architecture"), architecture_step())
    before = search.alpha.detach().clone()
    search._train()
    assert calls == ["weights", "architecture"] * 2
    moved = (search.alpha.detach() - before).abs()
    assert 0.005 < moved.max() < 0.025  # two steps of at most about the rate each
    assert all(parameter is not search.alpha for group in search.optimizer.param_groups for parameter in group["params"])


def test_most_probable_operations_are_chosen_none_included() -> None:
    search = tiny.make("darts-v1")
    with torch.no_grad():
        search.alpha.zero_()
        for edge, choice in enumerate((0, 3, 1, 4, 2, 0)):
            search.alpha[edge, choice] = 1e-3
    assert search.derive() == (0, 3, 1, 4, 2, 0)
    expected = [1 / (4 + torch.e**1e-3)] * 5
    expected[0] *= torch.e**1e-3
    assert search.architecture_weights()[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_none_is_left_out_if_wanted() -> None:
    """Section 2.4 of the paper: the strongest of the other operations."""
    for choose_none, expected in ((True, (0, 0, 2, 3, 4, 1)), (False, (4, 1, 2, 3, 4, 1))):
        search = tiny.make("darts-v1", choose_none=choose_none)
        search.alpha.data = torch.tensor(
            [
                [9.0, 1, 2, 3, 4],
                [9.0, 4, 3, 2, 1],
                [0.0, 0, 1, 0, 0],
                [0.0, 0, 0, 1, 0],
                [0.0, 0, 0, 0, 1],
                [-9.0, -1, -2, -3, -4],
            ]
        )
        assert search.derive() == expected
        assert any(0 in candidate for candidate in search.candidates()) is choose_none
        assert search.alpha[0, 0] == 9
