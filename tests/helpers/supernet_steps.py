"""Counterparts of one-shot methods: steps of the weights alone, and cells computed by their definition; on random images."""

from __future__ import annotations

from dataclasses import fields
from functools import reduce
from typing import Any

import torch

from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.fbnetv2 import FBNetV2
from algorithms.one_shot.pc_darts import PartialCell
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets import MixedCell, WidthMasks
from algorithms.one_shot.task import Batch, Execution, Task
from benchmark_api.spaces import EDGES, Architecture, SizeSpace, TopologySpace
from benchmark_api.training.datasets import Dataset, Split
from benchmark_api.training.networks import Skeleton


class JointStep(DartsFirstOrder):
    """Steps of the weights with all operations, without steps of the architecture."""

    name = "joint"

    def _architecture_step(self, training: Batch) -> None:
        pass


class WidestStep(FBNetV2):
    """Steps of the weights at full width, without steps of the architecture."""

    name = "widest"

    def _weight_mode(self) -> WidthMasks:
        return WidthMasks(torch.ones(len(self.supernet.decisions), self.supernet.width))

    def _architecture_step(self, training: Batch) -> None:
        pass


class CellByDefinition(MixedCell):
    """A cell computed edge by edge, operation by operation."""

    def forward(self, x: torch.Tensor, weights: torch.Tensor | None = None, path: Architecture | None = None) -> torch.Tensor:
        """Return the last node [batch, channel, height, width]; arguments as for `MixedCell`."""
        nodes: list[torch.Tensor] = [x]
        for edge, ((target, source), operations) in enumerate(zip(EDGES, self.edges, strict=True)):
            assert isinstance(operations, torch.nn.ModuleList)
            chosen = range(len(operations)) if path is None else [path[edge]]
            terms = [operations[choice](nodes[source]) for choice in chosen]
            if weights is not None:
                terms = [weights[edge, choice] * term for choice, term in zip(chosen, terms, strict=True)]
                if path is not None:
                    terms.append(weights[edge].sum() - weights[edge, path[edge]])
            term = reduce(torch.add, terms)
            if target == len(nodes):
                nodes.append(term)
            else:
                nodes[target] = nodes[target] + term
        return nodes[-1]


class PartialCellByDefinition(PartialCell):
    """A cell with partial channels, computed edge by edge, operation by operation, channel by channel."""

    def forward(self, x: torch.Tensor, weights: torch.Tensor | None = None, path: Architecture | None = None) -> torch.Tensor:
        """Return the last node [batch, channel, height, width]; weights [edge, operation + 1], no path."""
        assert weights is not None
        assert path is None
        nodes: list[torch.Tensor] = [x]
        size = x.shape[1] // self.parts
        for edge, ((target, source), operations) in enumerate(zip(EDGES, self.edges, strict=True)):
            assert isinstance(operations, torch.nn.ModuleList)
            seen = nodes[source][:, :size]
            terms = [weights[edge, choice] * operation(seen) for choice, operation in enumerate(operations)]
            channels = [*reduce(torch.add, terms).unbind(dim=1), *nodes[source][:, size:].unbind(dim=1)]
            order = [part * size + place for place in range(size) for part in range(self.parts)]
            term = weights[edge, -1] * torch.stack([channels[channel] for channel in order], dim=1)
            if target == len(nodes):
                nodes.append(term)
            else:
                nodes[target] = nodes[target] + term
        return nodes[-1]


def by_definition(search: type[OneShotSearch]) -> type[OneShotSearch]:
    """Return the search with cells computed by their definition."""
    cell = PartialCellByDefinition if search.cell is PartialCell else CellByDefinition
    return type(search.__name__, (search,), {"cell": cell})


def on_random_images(
    search: type[OneShotSearch], channels: int, cells: int, size: int, batch: int, device: str = "cpu", epochs: int = 1
) -> OneShotSearch:
    """Make a search on one batch of random images; an epoch is one step.

    Args:
        search: the search.
        channels: width C of the first stage.
        cells: cells N of each stage of the topology space.
        size: height and width of an image.
        batch: images of the batch.
        device: device of the search.
        epochs: epochs of its schedule.
    """
    draw = torch.Generator().manual_seed(0)
    splits = {}
    for name in ("train", "x-valid"):
        images = torch.rand(batch, 3, size, size, generator=draw)
        splits[name] = Split(images.to(device), torch.randint(10, (batch,), generator=draw).to(device))
    mean, std = (torch.full((3, 1, 1), value, device=device) for value in (0.5, 0.3))
    data = Dataset("random", 10, mean, std, flip=True, padding=4, splits=splits)
    if search.space == "topology":
        task = Task(TopologySpace(), data, Skeleton(10, 3, channels, cells))
    else:  # as wide as the last stage
        task = Task(SizeSpace([max(1, channels // 2) * multiple for multiple in range(1, 9)]), data, Skeleton(10, 3))
    wanted: dict[str, Any] = {
        "epochs": epochs,
        "batch": batch,
        "candidates": 1,
        "updates": 1,
        "samples": 1,
        "parts": min(4, channels),
    }
    settings = {field.name: wanted[field.name] for field in fields(search.Config) if field.name in wanted}
    return search(task, search.Config(**settings), execution=Execution(device=device))
