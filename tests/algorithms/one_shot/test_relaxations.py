"""Sparsemax and sparsestmax against their definitions, and relaxations as an option of searches that mix all choices."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.one_shot.relaxations import sparsemax, sparsestmax
from algorithms.one_shot.search import OneShotSearch
from tests.helpers import tiny

RADII = (0.0, 0.2, 0.4, 0.6, 0.8, 0.88)


def numbers(rows: int, choices: int, scale: float) -> Tensor:
    draw = torch.Generator().manual_seed(choices)
    return scale * torch.randn(rows, choices, generator=draw, dtype=torch.float64)


def sparsemax_by_definition(z: list[float]) -> list[float]:
    """Of the supports, the one whose point of the simplex is nearest."""
    best: tuple[float, list[float]] = (float("inf"), [])
    for count in range(1, len(z) + 1):
        for support in combinations(range(len(z)), count):
            shift = (sum(z[choice] for choice in support) - 1) / count
            p = [z[choice] - shift if choice in support else 0.0 for choice in range(len(z))]
            if min(p) >= 0:
                best = min(best, (sum((a - b) ** 2 for a, b in zip(p, z, strict=True)), p))
    return best[1]


def sparsestmax_by_steps(z: list[float], radius: float) -> list[float]:
    """The algorithm for one row, step by step."""
    centre, rho = [1 / len(z)] * len(z), radius
    for repeat in range(len(z)):
        w = sparsemax_by_definition(z)
        support = [value > 0 for value in w]
        if sum(support) == 1:
            return w
        if repeat:
            former, centre = centre, [inside / sum(support) for inside in support]
            rho = sqrt(max(rho**2 - sum((a - b) ** 2 for a, b in zip(centre, former, strict=True)), 0.0))
        distance = sqrt(sum((a - b) ** 2 for a, b in zip(w, centre, strict=True)))
        if distance >= rho:
            return w
        z = [b + rho * (a - b) / distance for a, b in zip(w, centre, strict=True)]
        if min(z) >= 0:
            return z
    raise AssertionError


def test_worked_examples() -> None:
    z = torch.tensor([0.5, 0.3, 0.1, 0, -0.2], dtype=torch.float64)
    assert sparsemax(z).tolist() == pytest.approx([0.525, 0.325, 0.125, 0.025, 0])
    expected = {
        0.0: [0.525, 0.325, 0.125, 0.025, 0],
        0.4: [0.525, 0.325, 0.125, 0.025, 0],
        0.6: [0.673205, 0.326795, 0, 0, 0],
        0.8: [0.912311, 0.087689, 0, 0, 0],
        0.85: [0.959619, 0.040381, 0, 0, 0],
        0.9: [1, 0, 0, 0, 0],
    }
    for radius, p in expected.items():
        assert sparsestmax(z, radius).tolist() == pytest.approx(p, abs=1e-6)
    z = torch.tensor([0.21, 0.2, 0.2, 0.2, 0.19], dtype=torch.float64)
    expected = {
        0.2236: [0.358109, 0.2, 0.2, 0.2, 0.041891],
        0.3: [0.423205, 0.192265, 0.192265, 0.192265, 0],
        0.5: [0.637298, 0.120901, 0.120901, 0.120901, 0],
        0.7: [0.824456, 0.058515, 0.058515, 0.058515, 0],
    }
    for radius, p in expected.items():
        assert sparsestmax(z, radius).tolist() == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize("choices", [2, 3, 5, 8])
@pytest.mark.parametrize("scale", [0.01, 0.5])
def test_values_of_the_definition(choices: int, scale: float) -> None:
    z = numbers(8, choices, scale)
    assert sparsemax(z).tolist() == [pytest.approx(sparsemax_by_definition(row), abs=1e-12) for row in z.tolist()]
    for radius in (*RADII, 0.95):
        expected = [pytest.approx(sparsestmax_by_steps(row, radius), abs=1e-9) for row in z.tolist()]
        assert sparsestmax(z, radius).tolist() == expected


def test_the_nearest_point_of_three_choices() -> None:
    """Against a fine grid of the part of the simplex that is far enough from its centre."""
    first, second = np.meshgrid(np.linspace(0, 1, 501), np.linspace(0, 1, 501))
    grid = np.stack([first, second, 1 - first - second], axis=-1).reshape(-1, 3)
    grid = grid[grid[:, 2] > -1e-12]
    for row in numbers(4, 3, 0.3):
        for radius in (0.3, 0.5, 0.7):
            allowed = grid[np.linalg.norm(grid - 1 / 3, axis=1) >= radius]
            nearest = np.linalg.norm(allowed - row.numpy(), axis=1).min()
            p = sparsestmax(row, radius).numpy()
            assert np.linalg.norm(p - 1 / 3) >= radius - 1e-9
            assert np.linalg.norm(p - row.numpy()) <= nearest + 1e-9  # no point of the grid is nearer


@pytest.mark.parametrize("choices", [3, 4, 5, 8])
def test_invariants(choices: int) -> None:
    z, last = numbers(20, choices, 0.2), torch.full((20,), choices)
    largest = sqrt((choices - 1) / choices)
    assert torch.equal(sparsestmax(z, 0.0), sparsemax(z))
    for radius in sorted({*RADII, largest - 1e-3}):
        p = sparsestmax(z, min(radius, largest - 1e-3))
        torch.testing.assert_close(p.sum(dim=1), torch.ones(20, dtype=torch.float64))
        assert (p >= 0).all()
        assert (p.gather(1, z.argsort(dim=1)).diff(dim=1) >= -1e-12).all()  # in the order of z
        torch.testing.assert_close(sparsestmax(z + 7, min(radius, largest - 1e-3)), p)
        distance = (p - 1 / choices).norm(dim=1)
        plain = (sparsemax(z) - 1 / choices).norm(dim=1)
        torch.testing.assert_close(distance, plain.clamp(min=min(radius, largest - 1e-3)))
        support = (p > 0).sum(dim=1)
        assert (support <= last).all()
        last = support
    one_hot = sparsestmax(z, largest)
    torch.testing.assert_close(one_hot, torch.nn.functional.one_hot(z.argmax(dim=1), choices).double())


def test_rows_do_not_influence_each_other_and_ties_have_no_direction() -> None:
    z = numbers(6, 5, 0.1)
    for radius in RADII:
        assert torch.equal(sparsestmax(z, radius), torch.stack([sparsestmax(row, radius) for row in z]))
    tied = torch.zeros(2, 5, requires_grad=True)
    p = sparsestmax(tied, 0.8)
    assert torch.equal(p, torch.full((2, 5), 0.2))
    (gradient,) = torch.autograd.grad(p[:, 0].sum(), tied)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("radius", RADII)
def test_gradients(radius: float) -> None:
    z = numbers(6, 5, 0.3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: sparsestmax(z, radius), (z,))


# -- as an option ----------------------------------------------------------------------------------------------------------------


def weights(search: OneShotSearch, alpha: Tensor) -> Tensor:
    return search.relax(alpha)


def test_each_relaxation_is_its_function() -> None:
    alpha = numbers(6, 5, 1.0)
    expected = {"softmax": alpha.softmax(dim=1), "sigmoid": 1 / (1 + (-alpha).exp()), "sparsemax": sparsemax(alpha)}
    for relaxation, value in expected.items():
        torch.testing.assert_close(weights(tiny.make("darts-v1", relaxation=relaxation), alpha), value)


def test_the_radius_rises_linearly_to_the_last_epoch() -> None:
    search, alpha = tiny.make("darts-v1", relaxation="sparsestmax", radius=0.8, epochs=5), numbers(6, 5, 0.01)
    for epoch, radius in enumerate((0.0, 0.2, 0.4, 0.6, 0.8, 0.8)):
        search.epoch = epoch
        torch.testing.assert_close(search.relax(alpha), sparsestmax(alpha, radius))


def test_logged_weights_are_those_of_the_epoch() -> None:
    """Not those of the next epoch's radius."""
    search = tiny.make("darts-v1", relaxation="sparsestmax", radius=0.8)
    first, second = search.train_epoch(), search.train_epoch()
    distance = np.linalg.norm(np.stack([first.arch_weights, second.arch_weights]) - 0.2, axis=2)  # [epoch, edge]
    assert distance[0].max() < 0.1
    assert distance[1] == pytest.approx(0.8)


@pytest.mark.parametrize("name", ["darts-v1", "setn"])
def test_scores_of_any_relaxation_are_in_the_order_of_alpha(name: str) -> None:
    for relaxation in ("sigmoid", "sparsemax", "sparsestmax"):
        search = tiny.make(name, relaxation=relaxation)
        with torch.no_grad():
            search.alpha.copy_(numbers(6, 5, 0.05))
        assert search.most_likely() == tuple(search.alpha.argmax(dim=1).tolist())
    if name == "setn":
        assert search.candidates()[0] == search.most_likely()


def test_setn_ranks_candidates_by_the_weights() -> None:
    """With sparse weights, the candidates of weight zero come last."""
    search = tiny.make("setn", relaxation="sparsemax")
    with torch.no_grad():
        search.alpha.copy_(torch.tensor([1.0, 0.8, 0, 0, 0]).repeat(6, 1))
    candidates = search.most_probable(65)
    assert all(set(candidate) <= {0, 1} for candidate in candidates[:64])
    assert not set(candidates[64]) <= {0, 1}


def test_settings_without_effect_are_refused() -> None:
    with pytest.raises(ValueError, match=r"radius is for the relaxation sparsestmax, got 0\.5 with softmax"):
        tiny.make("darts-v1", radius=0.5)
    with pytest.raises(
        ValueError, match="relaxation must be one of 'softmax', 'sigmoid', 'sparsemax', 'sparsestmax', got 'hard'"
    ):
        tiny.make("darts-v1", relaxation="hard")
    for name in ("gdas", "tas", "fbnetv2", "tunas", "rsps", "enas"):
        assert not hasattr(tiny.config(name), "relaxation")
