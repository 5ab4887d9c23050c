"""Perturbation-based selection (DARTS-PT): a choice is as good as the supernet without it is bad.

Wang et al., Rethinking Architecture Selection in Differentiable NAS, ICLR 2021, arXiv 2108.04392, algorithm 1; "code" is that of
its authors, ruocwang/darts-pt, for NAS-Bench-201.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.selection import SELECTIONS, Selection
from algorithms.one_shot.steps import make_steps
from algorithms.one_shot.task import VALIDATION
from benchmark_api.bounds import Bounded, between
from benchmark_api.spaces import Architecture

TUNING_RATE = 0.1
"""Learning rate of the weights in the tuning, constant, as a share of the search's initial one: 0.0025 of 0.025 in the code."""


@dataclass(frozen=True)
class PerturbationConfig(Bounded):
    """Hyperparameters of the perturbation-based selection. Methods that have it as their default have them among theirs."""

    criterion: Literal["accuracy", "loss"] = "accuracy"
    """Which validation metric of the supernet without a choice decides: the lowest accuracy or the highest loss."""

    tuning: Annotated[float, between(0, 1)] = 0.05
    """Epochs of training between two decisions, as a share of those of the search, rounded up: 5 of 100 in the paper."""

    def decided_after(self, decisions: int, epochs: int) -> list[int]:
        """Return the epochs of tuning that are finished before each decision, e.g. 0, 5, 10, 15, 20 and 24 for six decisions.

        There are I (decisions - 1) epochs for an interval of I, the last decision being made before the last of them, as in the
        code. That epoch changes no decision, and is left out.

        Args:
            decisions: number of decisions.
            epochs: epochs of the search.
        """
        interval = ceil(round(self.tuning * epochs, 9))  # 0.07 * 100 is 7, not 7.000000000000001
        return [max(0, min(interval * number, interval * (decisions - 1) - 1)) for number in range(decisions)]


@SELECTIONS.register
class Perturbation(Selection):
    """Make one decision after the other, in random order, with training of the supernet in between.

    Each is the choice whose removal harms the supernet most. The training is that of the method, with the decisions so far made.
    The method's hyperparameters apply if they are a `PerturbationConfig`, and the defaults otherwise.
    """

    name = "perturbation"
    every_epoch = False
    trains = True

    def select(self, search: OneShotSearch) -> Architecture:
        config = search.config if isinstance(search.config, PerturbationConfig) else PerturbationConfig()
        count = len(search.task.space.cardinalities)
        order = torch.randperm(count, generator=search.draws["evaluation"]).tolist()  # "randomly select an edge"
        optimizer = search.sgd(list(search.supernet.parameters()))  # a new one, without momentum, as in the code
        optimizer.param_groups[0]["lr"] = TUNING_RATE * search.config.rate
        search.supernet.train()  # the code evaluates with the statistics of the batch, too
        tuned = 0
        with search.trained_with(search.supernet, optimizer, search.clock):
            for decision, due in zip(order, config.decided_after(count, search.config.epochs), strict=True):
                for _ in range(due - tuned):
                    make_steps(search)
                tuned = due
                search.decided[decision] = self._most_missed(search, decision, config.criterion)
        search.supernet.eval()
        return tuple(search.decided[decision] for decision in range(count))

    def _most_missed(self, search: OneShotSearch, decision: int, criterion: str) -> int:
        """Return the choice without which the accuracy is lowest, or the loss highest; the first one on ties."""
        choices = search.selectable(decision)
        correct, losses = self._without(search, decision, choices)
        return choices[int(correct.argmin() if criterion == "accuracy" else losses.argmax())]

    @torch.no_grad()
    def _without(self, search: OneShotSearch, decision: int, choices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the number of correct validation images, and the sum of their losses in nats, without each choice [choice]."""
        like = next(search.supernet.parameters())
        p = torch.from_numpy(search.architecture_weights()).to(like)  # [decision, choice]
        modes = []
        for choice in choices:
            rest = p.clone()
            rest[decision, choice] = 0.0  # the others stay as they are, so the row no longer sums to one
            modes.append(search.supernet.mixture(rest))
        correct, losses = torch.zeros(2, len(choices), dtype=torch.float64, device=search.device)
        batches = search.task.dataset.batches(VALIDATION, search.config.eval_batch, search.draws["evaluation"])
        for images, labels in batches:  # the same ones for all choices
            for number, mode in enumerate(modes):
                logits = search.logits(images, mode)
                correct[number] += (logits.argmax(dim=1) == labels).sum()
                losses[number] += cross_entropy(logits, labels, reduction="sum")
        return correct, losses
