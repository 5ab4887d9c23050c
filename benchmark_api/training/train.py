"""Training of one network, or of a stack of candidates, as in NATS-Bench.

Source: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437), table 2: SGD with Nesterov momentum and a cosine learning rate
per epoch. Every split is evaluated after every epoch; metrics of the training split are means over the batches of the epoch,
computed while training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from benchmark_api.bounds import Bounded, at_least, between, positive
from benchmark_api.schema import checked
from benchmark_api.training.datasets import Dataset
from benchmark_api.training.devices import clock, generator
from benchmark_api.types import FloatArray

EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Recipe(Bounded):
    """Hyperparameters of a training; the defaults are those of NATS-Bench.

    Attributes:
        epochs: length E of the schedule; epoch e has the learning rate learning_rate / 2 * (1 + cos(pi * e / E)).
        batch: images per batch; the last batch of an epoch may be smaller.
        learning_rate: initial learning rate.
        momentum: Nesterov momentum.
        weight_decay: weight decay of all parameters.
    """

    epochs: Annotated[int, at_least(1)]
    batch: Annotated[int, at_least(1)] = 256
    learning_rate: Annotated[float, positive] = 0.1
    momentum: Annotated[float, between(0, 1, "()")] = 0.9
    weight_decay: Annotated[float, at_least(0)] = 5e-4

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        return self.learning_rate / 2 * (1 + math.cos(math.pi * epoch / self.epochs))

    def settings(self) -> dict[str, Any]:
        """Return the hyperparameters under the names that tables store."""
        return {_STORED.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_settings(cls, settings: Any) -> Recipe:
        """Return the recipe that `settings` described; raise ValueError if that are none."""
        stored, fields = checked(settings, dict[str, Any], "its protocol"), {given: name for name, given in _STORED.items()}
        return checked({fields.get(name, name): value for name, value in stored.items()}, cls, "its protocol")


_STORED = {"learning_rate": "rate", "weight_decay": "decay"}
"""Names of hyperparameters in tables, where they are others."""


@dataclass(frozen=True)
class Curves:
    """Metrics of candidates that were trained together.

    Attributes:
        accuracy: accuracy of each split [candidate, epoch], percent.
        loss: cross-entropy of each split [candidate, epoch], nats.
        seconds: seconds of one training epoch ("train") or evaluation pass of each split, for all candidates together.
    """

    accuracy: Mapping[str, FloatArray]
    loss: Mapping[str, FloatArray]
    seconds: Mapping[str, float]


def initial_weights(seed: int, index: int) -> torch.Generator:
    """Return the generator of the initial weights of one architecture in one trial."""
    return generator(seed, 2, index)


def train(network: nn.Module, dataset: Dataset, recipe: Recipe, seed: int) -> Curves:
    """Train a `CellNetwork`, or a `Stack` of candidates, from its current weights on "train"; evaluate all other splits.

    Args:
        network: network on the device of the data set; training uses its precision.
        dataset: images.
        recipe: hyperparameters.
        seed: seed of the order of the images and of their augmentation.
    """
    device = next(network.parameters()).device
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True, foreach=True
    )
    shuffle, augment = generator(seed, 0), generator(seed, 1) if dataset.flip or dataset.padding else None
    splits = ["train", *(name for name in dataset.splits if name != "train")]
    totals: dict[str, list[Tensor]] = {name: [] for name in splits}  # per epoch [correct images or sum of losses, candidate]
    seconds = dict.fromkeys(splits, 0.0)
    for epoch in range(recipe.epochs):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(epoch)
        for name in splits:
            start = clock(device)
            if name == "train":
                totals[name].append(_run(network, dataset.batches(name, recipe.batch, shuffle, augment), optimizer))
            else:
                totals[name].append(_run(network, dataset.batches(name, EVALUATION_BATCH)))
            seconds[name] += clock(device) - start
    means = {name: torch.stack(of, dim=2).cpu().numpy() / len(dataset.split(name)) for name, of in totals.items()}
    return Curves(
        accuracy={name: 100.0 * mean[0] for name, mean in means.items()},  # [candidate, epoch]
        loss={name: mean[1] for name, mean in means.items()},
        seconds={name: total / recipe.epochs for name, total in seconds.items()},
    )


def _run(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], optimizer: torch.optim.Optimizer | None = None) -> Tensor:
    """Return correct images and sums of losses [2, candidate] over all batches; with an optimizer, take a step for each."""
    network.train(optimizer is not None)
    dtype = next(network.parameters()).dtype
    of_batches = []
    with torch.set_grad_enabled(optimizer is not None):
        for images, labels in batches:
            logits: Tensor = network(images.to(dtype))[1]
            logits = logits.reshape(-1, *logits.shape[-2:])  # [candidate, image, class]
            losses = nn.functional.cross_entropy(
                logits.flatten(0, 1), labels.expand(logits.shape[:2]).flatten(), reduction="none"
            ).view(logits.shape[:2])  # [candidate, image]
            if optimizer is not None:
                optimizer.zero_grad()
                losses.mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            correct = (logits.detach().argmax(dim=2) == labels).sum(dim=1)
            of_batches.append(torch.stack([correct.double(), losses.detach().double().sum(dim=1)]))  # [2, candidate]
    return sum(of_batches[1:], start=of_batches[0])
