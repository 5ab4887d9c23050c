"""ENAS: a controller, trained by the policy gradient, draws the paths along which the weights learn."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from algorithms.one_shot.search import AlphaConfig, FloatArray, OneShotSearch, register_one_shot
from algorithms.one_shot.supernets.topology import Rule, Supernet
from benchmark_api.spaces import EDGES, OPERATIONS, Architecture

State = list[tuple[Tensor, Tensor]]
"""Hidden state and cell state [row, unit] of each layer of a controller."""


@register_one_shot
class Enas(OneShotSearch):
    """Section 2.2 of the paper on the cell of NATS-Bench: after each epoch of the weights, the controller has one of its own.

    The controller is on the CPU, wherever the network is: its steps are too small for another device, and its draws are the same.
    """

    name = "enas"
    title = "ENAS"
    paper = "Pham et al., Efficient Neural Architecture Search via Parameter Sharing, ICML 2018, arXiv 1802.03268"
    space = "topology"

    @dataclass(frozen=True)
    class Config(AlphaConfig):
        """Hyperparameters of ENAS; the settings of Adam are those that the reference states for it, not those of the others.

        Raises:
            ValueError: a value is out of range.
        """

        arch_rate: float = 1e-3
        """Step size of Adam."""

        arch_decay: float = 0.0
        """Weight decay of the controller."""

        arch_eps: float = 1e-3
        """What Adam adds to the root of the squared gradients."""

        hidden: int = 32
        """Units of each layer of the controller, and of its inputs."""

        temperature: float = 5.0
        """Divides the controller's logits before tanh."""

        tanh_scale: float = 2.5
        """Multiplies them after it: the largest logit there is."""

        updates: int = 50
        """Steps of the controller after each epoch."""

        samples: int = 20
        """Architectures that are drawn for each of them."""

        entropy_weight: float = 1e-4
        """Weight of the entropy in the reward; the accuracy is from 0 to 1."""

        baseline_decay: float = 0.99
        """Weight of the mean baseline of the epoch before in the baseline."""

        clip: float = 5.0
        """Norm to which the controller's gradient is cut."""

        candidates: int = 100
        """Architectures drawn from the controller, of which the best on a batch each is chosen."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for field in ("hidden", "updates", "samples", "candidates"):
                if getattr(self, field) < 1:
                    raise ValueError(f"{field} must be at least 1, got {getattr(self, field)}")
            for field in ("temperature", "tanh_scale", "clip"):
                if not getattr(self, field) > 0:
                    raise ValueError(f"{field} must be positive, got {getattr(self, field)}")
            if not self.entropy_weight >= 0:
                raise ValueError(f"entropy_weight must be at least 0, got {self.entropy_weight}")
            if not 0 <= self.baseline_decay <= 1:
                raise ValueError(f"baseline_decay must be in [0, 1], got {self.baseline_decay}")

    config: Config
    supernet: Supernet

    def _start(self) -> None:
        config = self.config
        self.controller = Controller(config.hidden, config.temperature, config.tanh_scale, self.draws["weights"])
        self.adam = config.adam(self.controller.parameters())
        self._parts |= {"controller": self.controller, "adam": self.adam}

    def _weight_rule(self) -> Rule:
        return self.supernet.along(self._draw(1)[0])

    def _evaluation_rule(self, architecture: Architecture) -> Rule:
        return self.supernet.along(architecture)

    def _draw(self, count: int, purpose: str = "architecture") -> list[Architecture]:
        with torch.no_grad():
            return self.controller.sample(count, self.draws[purpose]).architectures

    def _end_epoch(self) -> None:
        config, batches = self.config, self._evaluation_batches()
        previous = self.controller.baseline.item()  # mean of the epoch before; NaN after the first
        baselines = []
        for _ in range(config.updates):
            # All samples of a step are drawn at once: the controller is the same for them.
            drawn = self.controller.sample(config.samples, self.draws["architecture"])
            with torch.no_grad():
                accuracy = self._accuracies(drawn.architectures, batches)
            # The gradient also goes through the entropy in reward and baseline: a quirk of the reference, which is kept.
            reward = accuracy + config.entropy_weight * drawn.entropy
            baseline = accuracy if previous != previous else previous - (1 - config.baseline_decay) * (previous - reward)
            loss = (-drawn.log_probability * (reward - baseline)).mean()  # REINFORCE
            self.adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.controller.parameters(), config.clip)
            self.adam.step()
            baselines.append(baseline.detach())
        self.controller.baseline.copy_(torch.stack(baselines).mean())

    def architecture_weights(self) -> FloatArray:
        return self.controller.marginals()

    def _choose(self) -> Architecture:
        return self._best(self._draw(self.config.candidates, "evaluation"))


@dataclass(frozen=True, eq=False)
class Sample:
    """Architectures from a controller.

    Attributes:
        architectures: what was drawn.
        log_probability: of each [architecture].
        entropy: sum over its decisions of the entropy of each, given the ones before [architecture].
    """

    architectures: list[Architecture]
    log_probability: Tensor
    entropy: Tensor


class Controller(nn.Module):
    """A recurrent network of two layers that decides edge by edge; what it decided is its next input.

    Args:
        hidden: units of each layer, and of the inputs.
        temperature: divides the logits before tanh.
        tanh_scale: multiplies them after it.
        generator: where initial weights are drawn.
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
        """Log-probabilities of the next decision [row, operation] from its input [row, unit], and the state after it."""
        after = []
        for cell, (h, c) in zip(self.cells, state, strict=True):
            x, c = cell(x, (h, c))
            after.append((x, c))
        logits = self.tanh_scale * torch.tanh(self.linear(x) / self.temperature)
        return logits.log_softmax(dim=1), after

    def blank(self, rows: int) -> tuple[Tensor, State]:
        """The first input and the state before it."""
        zeros = self.start.new_zeros(rows, self.start.shape[1])
        return self.start.expand(rows, -1), [(zeros, zeros)] * len(self.cells)

    def sample(self, count: int, generator: torch.Generator) -> Sample:
        """Draw so many architectures."""
        x, state = self.blank(count)
        choices, log_probabilities, entropies = [], [], []
        for _ in EDGES:
            log_p, state = self(x, state)
            p = log_p.exp()
            choice = torch.multinomial(p.detach(), 1, generator=generator)  # [row, 1]
            choices.append(choice)
            log_probabilities.append(log_p.gather(1, choice))
            entropies.append(-(p * log_p).sum(dim=1))
            x = self.embedding(choice[:, 0])
        return Sample(
            architectures=[tuple(row) for row in torch.cat(choices, dim=1).tolist()],
            log_probability=torch.cat(log_probabilities, dim=1).sum(dim=1),
            entropy=torch.stack(entropies).sum(dim=0),
        )

    @torch.no_grad()
    def marginals(self) -> FloatArray:
        """The probability of each operation on each edge [edge, operation], over all that may have been decided before."""
        x, state = self.blank(1)
        prefixes, rows = torch.ones(1, dtype=torch.float64), []  # probability of everything that may precede
        for _ in EDGES:
            log_p, state = self(x, state)
            joint = prefixes[:, None] * log_p.double().exp()  # [prefix, operation]
            rows.append(joint.sum(dim=0))
            prefixes = joint.flatten()
            x = self.embedding.weight.repeat(len(joint), 1)
            state = [(h.repeat_interleave(len(OPERATIONS), 0), c.repeat_interleave(len(OPERATIONS), 0)) for h, c in state]
        marginals: FloatArray = torch.stack(rows).numpy()
        return marginals
