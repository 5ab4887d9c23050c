"""SDARTS-RS: the perturbed mixture of the weight step, and the clipping of its authors written out."""

from __future__ import annotations

import pytest
import torch

from algorithms.one_shot.sdarts_rs import SdartsRs, on_simplex, uniform
from tests.helpers import tiny


def by_the_authors(x: torch.Tensor) -> torch.Tensor:
    """The clipping of SmoothDARTS, row by row, written out."""
    x = x.clone()
    for row in x:
        highest = row.argmax()
        row.clamp_(0, 1)
        if row.sum() == 0:
            row[highest] = 1
        row.div_(row.sum())
    return x


def test_clipping_equals_the_authors() -> None:
    x = 0.2 + uniform(torch.Size((200, 5)), 1.0, torch.Generator().manual_seed(0))
    x[:3] = torch.tensor([[-0.1, -0.3, -0.1, -0.2, -0.4], [0.1, -0.5, 0.3, 0.0, 0.0], [1.5, 0.5, 0.0, 0.0, 0.0]])
    clipped = on_simplex(x)
    assert torch.equal(clipped, by_the_authors(x))
    expected = torch.tensor([[1.0, 0, 0, 0, 0], [0.25, 0, 0.75, 0, 0], [2 / 3, 1 / 3, 0, 0, 0]])
    torch.testing.assert_close(clipped[:3], expected)


def test_perturbations_are_uniform_within_epsilon() -> None:
    drawn = uniform(torch.Size((10_000,)), 0.3, torch.Generator().manual_seed(0))
    assert drawn.abs().max() <= 0.3
    assert drawn.abs().max() > 0.299
    assert abs(drawn.mean()) < 5 * 0.3 / 3**0.5 / 100  # five standard errors


def test_weights_see_a_perturbed_mixture_and_alpha_its_own() -> None:
    search = tiny.make("sdarts-rs", epochs=4)
    assert isinstance(search, SdartsRs)
    tiny.run(search)
    for epoch, epsilon in ((0, 0.03), (2, 0.165), (4, 0.3)):
        search.epoch = epoch
        draw = torch.Generator().set_state(search.draws["architecture"].get_state())
        p = search.alpha.detach().softmax(dim=1)
        expected = by_the_authors(p + epsilon * (2 * torch.rand(6, 5, generator=draw) - 1))
        torch.testing.assert_close(search._weight_mode().weights, expected)
        assert torch.equal(search._mode("architecture").weights, p)


def test_a_tuning_has_the_final_epsilon() -> None:
    searches = [tiny.make("sdarts-rs", epochs=4) for _ in range(2)]
    searches[0].epoch = 4
    searches[1].decided[2] = 3
    modes = [search._weight_mode() for search in searches]
    assert torch.equal(modes[0].weights, modes[1].weights)


def test_without_perturbation_it_is_darts() -> None:
    """To the bit: the rows of a softmax sum to one only up to rounding, so this compares with their quotients."""
    search = tiny.make("sdarts-rs", epsilon=0.0, epsilon_min=0.0)
    plain = tiny.make("darts-v1")
    plain._weight_mode = lambda: plain.supernet.mixture(on_simplex(plain.alpha.softmax(dim=1)))
    assert tiny.run(search) == tiny.run(plain)


def test_epsilon_does_not_fall() -> None:
    with pytest.raises(ValueError, match=r"epsilon_min must be at most epsilon \(0.3\), got 0.5"):
        SdartsRs.Config(epsilon_min=0.5)
