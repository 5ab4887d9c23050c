"""Training of one network by the recipe of NATS-Bench."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark_api.spaces import SizeSpace
from benchmark_api.training.networks import Skeleton, build_network
from benchmark_api.training.train import Recipe, initial_weights, train
from tests.helpers.small_digits import small_digits

TINY = SizeSpace((1, 2), 2)  # four architectures: reduction blocks only


def test_training_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    original = torch.optim.SGD.step

    def step(self: torch.optim.SGD) -> None:
        group = self.param_groups[0]
        rates.append(group["lr"])
        assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, True, 5e-4)
        original(self)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    network = build_network(TINY, (0, 0), Skeleton(10, 1), torch.Generator())
    curves = train(network, small_digits(40), Recipe(4, 16), seed=0)
    expected = [0.05 * (1 + np.cos(np.pi * epoch / 4)) for epoch in range(4) for _ in range(3)]
    np.testing.assert_allclose(rates, expected)
    assert set(curves.seconds) == {"train", "x-valid", "x-test"}
    assert all(value > 0 for value in curves.seconds.values())


def test_training_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    network = build_network(TINY, (0, 0), Skeleton(10, 1), initial_weights(1, 2))
    train(network, small_digits(40), Recipe(1, 16), seed=0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 0}, {"learning_rate": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}]
)
def test_a_recipe_must_make_sense(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} must be"):
        Recipe(**{"epochs": 1, **wrong})  # type: ignore[arg-type]
