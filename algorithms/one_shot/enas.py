"""ENAS: a recurrent controller, trained by the policy gradient, samples the paths along which the weights are trained."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, sqrt
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from algorithms.one_shot.alpha import AlphaConfig
from algorithms.one_shot.search import OneShotSearch, register_one_shot
from algorithms.one_shot.selection import BestOfN
from algorithms.one_shot.supernets import Paths, TopologySupernet
from algorithms.one_shot.task import Batch
from algorithms.one_shot.validation_pass import ValidationPassConfig, validation_pass
from benchmark_api.bounds import at_least, between, positive
from benchmark_api.spaces import EDGES, OPERATIONS, Architecture
from benchmark_api.types import FloatArray

State = list[tuple[Tensor, Tensor]]
"""Hidden state and cell state [row, unit] of each layer of a controller."""


@register_one_shot
class Enas(OneShotSearch):
    """Section 2.2 of the paper on the cell of NATS-Bench: an epoch of the weights and updates of the controller alternate.

    The controller is always on the CPU: its steps are too small for another device, and its draws stay equal.
    """

    name = "enas"
    title = "ENAS"
    paper = "Pham et al., Efficient Neural Architecture Search via Parameter Sharing, ICML 2018, arXiv 1802.03268"
    space = "topology"
    default_selection = BestOfN
    graphs = "one-hot"
    digits: ClassVar = {"epochs": 10, "updates": 5, "batch": 32, "rate": 0.1}

    @dataclass(frozen=True)
    class Config(AlphaConfig, ValidationPassConfig):
        """Hyperparameters of ENAS. The settings of Adam are the reference's for ENAS; other methods have other ones."""

        arch_rate: Annotated[float, positive] = 1e-3
        """Step size of Adam."""

        arch_decay: Annotated[float, at_least(0)] = 0.0
        """Weight decay of the controller."""

        arch_eps: Annotated[float, positive] = 1e-3
        """Added by Adam to the root of the squared gradients."""

        hidden: Annotated[int, at_least(1)] = 32
        """Units of each layer of the controller, and of its inputs."""

        temperature: Annotated[float, positive] = 5.0
        """Divisor of the controller's logits before tanh."""

        tanh_scale: Annotated[float, positive] = 2.5
        """Factor of the logits after tanh, and so the largest possible logit."""

        updates: Annotated[int, at_least(1)] = 50
        """Steps of the controller after each epoch."""

        samples: Annotated[int, at_least(1)] = 20
        """Architectures sampled for each step of the controller."""

        entropy_weight: Annotated[float, at_least(0)] = 1e-4
        """Weight of the entropy in the reward, relative to an accuracy in [0, 1]."""

        baseline_decay: Annotated[float, between(0, 1)] = 0.99
        """Decay of the reward baseline, applied to the previous epoch's mean baseline."""

        clip: Annotated[float, positive] = 5.0
        """Largest norm of the controller's gradient; a longer one is scaled down."""

        candidates: Annotated[int, at_least(1)] = 100
        """Architectures sampled from the controller, each evaluated on one batch; the best is chosen."""

    config: Config
    supernet: TopologySupernet

    def _start(self) -> None:
        config = self.config
        self.controller = Controller(config.hidden, config.temperature, config.tanh_scale, self.draws["weights"])
        self.adam = config.optimizer(self.controller.parameters())
        self._parts |= {"controller": self.controller, "adam": self.adam}

    def _weight_mode(self) -> Paths:
        path = self.drawn("architecture", self._one, on_host=not self.supernet.one_hot)  # eq. 1 with M = 1: [1, edge]
        self._path = self.supernet.sampled(path)
        return self._path

    @torch.no_grad()
    def _one(self, draw: torch.Generator) -> Tensor:
        return torch.tensor(self.controller.sample(1, draw).architectures)

    def _architecture_step(self, training: Batch) -> None:
        if self.config.validation_pass:
            validation_pass(self, self._path, len(training[1]))

    def _end_epoch(self) -> None:
        config, batches = self.config, self.evaluation_batches()
        previous = self.controller.baseline.item()  # mean of the epoch before; NaN after the first
        baselines = []
        for _ in range(config.updates):
            drawn = self.controller.sample(config.samples, self.draws["architecture"])
            accuracy = self.accuracies(drawn.architectures, batches)  # [sample], in [0, 1]
            # Reward and baseline are not detached from the entropy, as in the reference.
            reward = accuracy + config.entropy_weight * drawn.entropy  # [sample]
            baseline = accuracy if isnan(previous) else previous - (1 - config.baseline_decay) * (previous - reward)  # [sample]
            loss = (-drawn.log_probability * (reward - baseline)).mean()  # REINFORCE, section 2.2
            self.adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.controller.parameters(), config.clip)
            self.adam.step()
            baselines.append(baseline.detach())
        self.controller.baseline.copy_(torch.stack(baselines).mean())

    def architecture_weights(self) -> FloatArray:
        return self.controller.marginals()

    @torch.no_grad()
    def candidates(self) -> list[Architecture]:
        return self.controller.sample(self.config.candidates, self.draws["evaluation"]).architectures


class Sample(NamedTuple):
    """Architectures sampled from a controller."""

    architectures: list[Architecture]
    log_probability: Tensor
    """Log-probability of each architecture [architecture]."""
    entropy: Tensor
    """Sum of the entropies of an architecture's decisions, each given the previous ones [architecture], nats."""


class Controller(nn.Module):
    """Recurrent network of two layers that decides edge by edge; each decision is its next input.

    Its arguments are hyperparameters of `Enas.Config`, and the source of the initial weights.
    """

    baseline: Tensor

    def __init__(self, hidden: int, temperature: float, tanh_scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.temperature, self.tanh_scale = temperature, tanh_scale
        with torch.device("meta"):  # so that no weights are drawn from the global generator
            self.start = nn.Parameter(torch.empty(1, hidden))
            self.cells = nn.ModuleList(nn.LSTMCell(hidden, hidden) for _ in range(2))
            self.embedding = nn.Embedding(len(OPERATIONS), hidden)
            self.linear = nn.Linear(hidden, len(OPERATIONS))
        self.to_empty(device="cpu")
        self.register_buffer("baseline", torch.tensor(torch.nan))
        narrow = ("start", "cells.0.weight_ih", "cells.0.weight_hh", "embedding.weight", "linear.weight")
        for name, parameter in self.named_parameters():
            bound = 0.1 if name in narrow else 1 / sqrt(hidden)  # the latter is PyTorch's default
            nn.init.uniform_(parameter, -bound, bound, generator)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the log-probabilities of a decision [row, operation], given its input x [row, unit], and the state after it."""
        after = []
        for cell, (h, c) in zip(self.cells, state, strict=True):
            x, c = cell(x, (h, c))  # [row, unit] each
            after.append((x, c))
        logits = self.tanh_scale * torch.tanh(self.linear(x) / self.temperature)  # [row, operation]
        return logits.log_softmax(dim=1), after

    def blank(self, rows: int) -> tuple[Tensor, State]:
        """Return the first input [row, unit] and the initial state."""
        zeros = self.start.new_zeros(rows, self.start.shape[1])
        return self.start.expand(rows, -1), [(zeros, zeros)] * len(self.cells)

    def sample(self, count: int, generator: torch.Generator) -> Sample:
        """Sample `count` architectures."""
        x, state = self.blank(count)  # [sample, unit]
        choices, log_probabilities, entropies = [], [], []
        for _ in EDGES:
            log_p, state = self(x, state)  # [sample, operation]
            p = log_p.exp()
            choice = torch.multinomial(p.detach(), 1, generator=generator)  # [sample, 1]
            choices.append(choice)
            log_probabilities.append(log_p.gather(1, choice))
            entropies.append(-(p * log_p).sum(dim=1))
            x = self.embedding(choice[:, 0])  # [sample, unit]
        architectures = [tuple(row) for row in torch.cat(choices, dim=1).tolist()]  # of [sample, edge]
        return Sample(architectures, torch.cat(log_probabilities, dim=1).sum(dim=1), torch.stack(entropies).sum(dim=0))

    @torch.no_grad()
    def marginals(self) -> FloatArray:
        """Return the exact marginal probabilities [edge, operation]."""
        x, state = self.blank(1)  # [prefix, unit]
        prefixes, rows = torch.ones(1, dtype=torch.float64), []  # probability of each sequence of earlier decisions [prefix]
        for _ in EDGES:
            log_p, state = self(x, state)
            joint = prefixes[:, None] * log_p.double().exp()  # [prefix, operation]
            rows.append(joint.sum(dim=0))
            prefixes = joint.flatten()
            x = self.embedding.weight.repeat(len(joint), 1)  # [prefix * operation, unit]
            state = [(h.repeat_interleave(len(OPERATIONS), 0), c.repeat_interleave(len(OPERATIONS), 0)) for h, c in state]
        marginals: FloatArray = torch.stack(rows).numpy()  # [edge, operation]
        return marginals
