"""ENAS: the controller and its training against the formulas, written out one sample at a time."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from algorithms.one_shot.enas import Controller, Enas
from tests.helpers import tiny


def controller(seed: int = 0, hidden: int = 8) -> Controller:
    made = Controller(hidden, 5.0, 2.5, torch.Generator().manual_seed(seed))
    for parameter in made.parameters():  # so that its decisions are far from uniform
        parameter.data *= 6
    return made


def by_the_formulas(of: Controller, architecture: tuple[int, ...]) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Log-probability, entropy and the probabilities of each decision, by an LSTM of two layers from PyTorch."""
    hidden = of.start.shape[1]
    lstm = nn.LSTM(hidden, hidden, num_layers=2)
    values = {f"{name}_l{layer}": value for layer, cell in enumerate(of.cells) for name, value in cell.named_parameters()}
    x, state = of.start[None], None
    log_probability, entropy, probabilities = torch.zeros(()), torch.zeros(()), []
    for choice in architecture:
        arguments = (x,) if state is None else (x, state)
        output, state = torch.func.functional_call(lstm, values, arguments)
        logits = 2.5 * torch.tanh((output[0, 0] @ of.linear.weight.T + of.linear.bias) / 5.0)
        p = torch.exp(logits) / torch.exp(logits).sum()
        log_probability = log_probability + torch.log(p[choice])
        entropy = entropy - (p * torch.log(p)).sum()
        probabilities.append(p)
        x = of.embedding.weight[choice][None, None]
    return log_probability, entropy, probabilities


def test_samples_equal_the_formulas() -> None:
    of = controller()
    sample = of.sample(7, torch.Generator().manual_seed(1))
    assert len(set(sample.architectures)) > 3
    for architecture, log_probability, entropy in zip(sample.architectures, sample.log_probability, sample.entropy, strict=True):
        expected = by_the_formulas(of, architecture)
        torch.testing.assert_close(log_probability, expected[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(entropy, expected[1], rtol=1e-5, atol=1e-5)


def test_gradients_equal_those_of_the_formulas() -> None:
    of = controller()
    sample = of.sample(3, torch.Generator().manual_seed(1))
    found = torch.autograd.grad((sample.log_probability * sample.entropy).sum(), list(of.parameters()))
    of_formulas = [by_the_formulas(of, architecture) for architecture in sample.architectures]
    expected = torch.autograd.grad(sum(log_p * entropy for log_p, entropy, _ in of_formulas), list(of.parameters()))
    for gradient, other in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-4)


def test_samples_follow_the_probabilities_and_marginals_are_exact() -> None:
    """Marginals by brute force over all prefixes; chi-square of 5,000 samples, which other seeds fail once in 1,700 cases."""
    of = controller(hidden=4)
    marginals = of.marginals()
    assert marginals.shape == (6, 5)
    assert marginals.sum(axis=1) == pytest.approx(1, abs=1e-6)
    brute = np.zeros((3, 5))
    with torch.no_grad():
        for prefix in itertools.product(range(5), repeat=2):
            p = [row.numpy() for row in by_the_formulas(of, (*prefix, 0))[2]]
            brute[2] += p[0][prefix[0]] * p[1][prefix[1]] * p[2]
            brute[1] += p[0][prefix[0]] * p[1] / 5
        brute[0] = p[0]
    np.testing.assert_allclose(marginals[:3], brute, rtol=1e-5)
    assert marginals.max() > 0.3
    drawn = np.array(of.sample(5000, torch.Generator().manual_seed(3)).architectures)
    for edge in range(6):
        assert (
            stats.chisquare(np.bincount(drawn[:, edge], minlength=5), 5000 * marginals[edge] / marginals[edge].sum()).pvalue
            > 1e-4
        )


def test_initial_weights() -> None:
    """Uniform on 0.1 where the reference says so, on PyTorch's default 1 / sqrt(32) elsewhere."""
    of = Controller(32, 5.0, 2.5, torch.Generator().manual_seed(0))
    bounds = {name: float(parameter.detach().abs().max()) for name, parameter in of.named_parameters()}
    narrow = {"start", "cells.0.weight_ih", "cells.0.weight_hh", "embedding.weight", "linear.weight"}
    assert narrow < bounds.keys()
    for name, bound in bounds.items():
        limit = 0.1 if name in narrow else 1 / math.sqrt(32)
        assert (0.7 if name == "linear.bias" else 0.9) * limit < bound <= limit, name
    assert (
        sum(parameter.numel() for parameter in of.parameters()) == 32 + 2 * (2 * 4 * 32 * 32 + 2 * 4 * 32) + 5 * 32 + 5 * 32 + 5
    )


@pytest.mark.parametrize("first", [True, False])
def test_training_equals_the_formulas(first: bool) -> None:
    """r = a + w H; b = a in the first epoch, then B - (1 - d)(B - r); the loss is the mean of -log p (r - b)."""
    changes = {"samples": 4, "updates": 3, "entropy_weight": 0.05, "baseline_decay": 0.9, "clip": 0.02, "arch_rate": 0.05}
    search, twin = tiny.make("enas", **changes), tiny.make("enas", **changes)
    previous = float("nan") if first else 0.3
    search.controller.baseline.fill_(previous)
    of, images = twin.controller, twin.evaluation_batches()
    adam = torch.optim.Adam(of.parameters(), lr=0.05, betas=(0.5, 0.999), eps=1e-3)
    baselines, norms = [], []
    search.supernet.eval()
    twin.supernet.eval()
    for _ in range(3):
        architectures = copy.deepcopy(of).sample(4, twin.draws["architecture"]).architectures
        adam.zero_grad()
        for architecture in architectures:
            x, labels = next(images)
            with torch.no_grad():
                a = (twin.supernet(x, twin.supernet.along(architecture)).argmax(1) == labels).float().mean()
            log_p, entropy, _ = by_the_formulas(of, architecture)
            r = a + 0.05 * entropy
            b = a if first else previous - (1 - 0.9) * (previous - r)
            (-log_p * (r - b) / 4).backward()
            baselines.append(float(b))
        norm = math.sqrt(sum(float(parameter.grad.square().sum()) for parameter in of.parameters()))
        norms.append(norm)
        if norm > 0.02:
            for parameter in of.parameters():
                parameter.grad *= 0.02 / norm
        adam.step()
    search._end_epoch()
    assert max(norms) > 0.02
    for (name, parameter), other in zip(search.controller.named_parameters(), of.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-3, atol=1e-5, msg=name)
    assert float(search.controller.baseline) == pytest.approx(np.mean(baselines), rel=1e-5)


def test_the_official_numbers_of_updates_and_samples() -> None:
    config = Enas.Config()
    assert (config.updates, config.samples, config.candidates, config.hidden) == (50, 20, 100, 32)
    assert (config.temperature, config.tanh_scale, config.clip) == (5.0, 2.5, 5.0)
    assert (config.entropy_weight, config.baseline_decay) == (1e-4, 0.99)


def test_it_learns_what_is_rewarded() -> None:
    """With a network whose accuracy is the share of 3x3 convolutions, the controller comes to choose them."""
    search = tiny.make("enas", samples=20, updates=40, arch_rate=0.02)

    def accuracies(candidates: list[tuple[int, ...]], batches: object) -> Tensor:
        return torch.tensor([candidate.count(3) / 6 for candidate in candidates])

    search.accuracies = accuracies
    before = search.architecture_weights()[:, 3].mean()
    for _ in range(3):
        search._end_epoch()
    after = search.architecture_weights()[:, 3].mean()
    assert before < 0.3 < 0.5 < after
    assert search.derive() == (3,) * 6


def test_the_controller_learns_while_the_weights_rest() -> None:
    """The network is evaluated as it will be when candidates are compared, and neither its weights nor statistics change."""
    search = tiny.make("enas", batch_norm="running")
    search._train()
    search.supernet.eval()
    before = {name: value.clone() for name, value in search.supernet.state_dict().items()}
    search._end_epoch()
    assert not search.supernet.training
    for name, value in search.supernet.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_weights_learn_along_one_drawn_path_for_all_cells() -> None:
    search = tiny.make("enas")
    modes = [search._weight_mode() for _ in range(50)]
    assert all(mode.weights is None and len(set(mode.paths)) == 1 for mode in modes)
    assert len({mode.paths[0] for mode in modes}) > 40
    assert search._evaluation_mode((1,) * 6) == search.supernet.along((1,) * 6)
