"""GDAS: the estimator, the distribution of what is drawn, and the temperature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from algorithms.one_shot.gdas import Gdas, gumbel_noise
from algorithms.one_shot.search import OneShotSearch
from tests.helpers import tiny


def search_with_alpha(scale: float = 1.0, **changes: object) -> OneShotSearch:
    search = tiny.make("gdas", **changes)
    search.alpha.data = scale * torch.randn(6, 5, generator=torch.Generator().manual_seed(7))
    return search


def test_temperature_falls_linearly_from_the_first_epoch_to_the_last() -> None:
    search = tiny.make("gdas", epochs=100)
    taus = []
    for search.epoch in range(100):
        taus.append(search.config.tau(search.epoch))
    assert taus == pytest.approx(np.linspace(10, 0.1, 100))
    assert tiny.config("gdas", epochs=1).tau(0) == 10


def test_sample_equals_its_definition() -> None:
    """g = -log E, p = softmax((log softmax(alpha) + g) / tau), h = onehot(argmax p) with the gradient of p."""
    search = search_with_alpha(tau_max=3.0)
    noise = gumbel_noise(torch.Size((6, 5)), tiny.make("gdas").draws["architecture"])
    alpha = search.alpha.detach().clone().requires_grad_()
    p = torch.softmax((torch.log_softmax(alpha, 1) + noise) / 3.0, dim=1)
    k = p.argmax(dim=1)
    mode = search._weight_mode()
    assert mode.paths == [tuple(k.tolist())] * 3  # one sample for all cells
    torch.testing.assert_close(mode.weights, nn.functional.one_hot(k, 5).float())
    outer = torch.randn(6, 5, generator=torch.Generator().manual_seed(8))
    (found,) = torch.autograd.grad((mode.weights * outer).sum(), search.alpha)
    (expected,) = torch.autograd.grad((p * outer).sum(), alpha)
    torch.testing.assert_close(found, expected)
    assert expected.abs().max() > 0.01


def test_each_pass_draws_anew() -> None:
    search = search_with_alpha(scale=0.0)
    assert len({search._weight_mode().paths[0] for _ in range(20)}) == 20
    assert len({search._evaluation_mode((0,) * 6).paths[0] for _ in range(20)}) == 20


def test_choices_are_drawn_with_their_probabilities() -> None:
    """Whatever the temperature (Gumbel-max). Chi-square of each edge: with other seeds one of six fails once in 1,700 cases."""
    search = search_with_alpha()
    drawn = np.array([search._weight_mode().paths[0] for _ in range(3000)])
    for edge, probabilities in enumerate(search.architecture_weights()):
        assert stats.chisquare(np.bincount(drawn[:, edge], minlength=5), 3000 * probabilities).pvalue > 1e-4


def test_noise_is_gumbel_and_finite() -> None:
    noise = gumbel_noise(torch.Size((200, 100)), torch.Generator().manual_seed(0)).flatten().numpy()
    assert stats.kstest(noise, "gumbel_r").pvalue > 1e-3

    class Zeros(torch.Tensor):
        draws = 0

        def exponential_(self, *, generator: torch.Generator) -> torch.Tensor:
            Zeros.draws += 1
            return torch.zeros(6, 5) if Zeros.draws < 3 else torch.ones(6, 5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "empty", lambda shape: torch.Tensor.as_subclass(torch.zeros(shape), Zeros))
        assert torch.equal(gumbel_noise(torch.Size((6, 5)), torch.Generator()), torch.zeros(6, 5))
    assert Zeros.draws == 3


def test_gradient_reaches_the_probabilities_of_operations_that_are_not_computed() -> None:
    search = search_with_alpha()
    training = tiny.TASK.dataset.batch("train", slice(0, 8))
    gradient = search._architecture_gradient(training, tiny.TASK.dataset.batch("x-valid", slice(0, 8)))
    assert (gradient != 0).all(dim=1).any()
    assert gradient.sum(dim=1).abs().max() < 1e-5 * max(1.0, float(gradient.abs().max()))  # rows of a softmax's gradient


def test_temperatures_are_checked_together() -> None:
    with pytest.raises(ValueError, match=r"tau_min must be at most tau_max, got 2\.0 and 1\.0"):
        Gdas.Config(tau_min=2.0, tau_max=1.0)
