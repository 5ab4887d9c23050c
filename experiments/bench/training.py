"""Rows of the bench: the builder of tables and weight-sharing searches, beside plainer ways to compute the same."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from functools import reduce
from pathlib import Path
from typing import Any

import torch

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.fbnetv2 import FBNetV2
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets import MixedCell, WidthMasks
from algorithms.one_shot.task import Batch, Execution, Task
from benchmark_api.spaces import EDGES, Architecture, SizeSpace, TopologySpace
from benchmark_api.training.build import Plan, Protocol, measure_speed, one_thread
from benchmark_api.training.datasets import Dataset, Distortion, Split
from benchmark_api.training.networks import Skeleton
from experiments.bench.rows import Effort, Figure, Row


def bench_builder(effort: Effort) -> Iterator[Row]:
    """CPU time of a candidate's training in a stack, as a build trains, beside the loop that trains one after the other."""
    protocol, distortion = Protocol(epochs=1, batch=32), Distortion(copies=2)
    plans = {
        "topology, C = 2, N = 2": Plan(TopologySpace(), "digits", protocol, 1, 2, 2, distortion, stack=effort.stack),
        "size, widths 1 to 8": Plan(SizeSpace(range(1, 9)), "digits", protocol, 1, distortion=distortion, stack=effort.stack),
    }
    for name, planned in plans.items():
        speeds = [measure_speed(planned) for _ in range(min(effort.repeats, 3))]
        stacked, plain = (Figure.of([getattr(speed, of) for speed in speeds]) for of in ("stacked", "plain"))
        yield Row(f"builder, one epoch of candidates, {name}", "candidates/min", stacked, plain, "one candidate at a time")


@dataclass(frozen=True)
class Supernets:
    """What the steps of weight-sharing searches are measured on: random images, the size of CIFAR-10's unless told otherwise."""

    channels: int = 16
    """Width C of the first stage."""
    cells: int = 5
    """Cells N of each stage."""
    size: int = 32
    """Height and width of an image."""
    batch: int = 64
    """Images of a batch."""
    steps: int = 3
    """Steps that are measured, after one that is not."""
    execution: Execution = field(default_factory=Execution)
    """How they are computed."""

    def measure(self, search: type[OneShotSearch], plain: bool = False) -> Steps:
        """Steps of a search in a process of its own, whose peak memory is that of the search."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])  # it imports PyTorch once for all
        with ProcessPoolExecutor(1, context) as own:
            return own.submit(self.measure_here, search, plain).result()

    def measure_here(self, search: type[OneShotSearch], plain: bool = False) -> Steps:
        """The same in this process. An epoch is one step.

        Args:
            search: the search.
            plain: compute its cells by their definition.
        """
        if plain:
            search = type(search.__name__, (search,), {"cell": CellByDefinition})
        draw, device = torch.Generator().manual_seed(0), self.execution.device
        splits = {}
        for name in ("train", "x-valid"):
            images = torch.rand(self.batch, 3, self.size, self.size, generator=draw)
            splits[name] = Split(images.to(device), torch.randint(10, (self.batch,), generator=draw).to(device))
        mean, std = (torch.full((3, 1, 1), value, device=device) for value in (0.5, 0.3))
        data = Dataset("random", 10, mean, std, flip=True, padding=4, splits=splits)
        if search.space == "topology":
            task = Task(TopologySpace(), data, Skeleton(10, 3, self.channels, self.cells))
        else:  # as wide as the last stage
            widths = [max(1, self.channels // 2) * multiple for multiple in range(1, 9)]
            task = Task(SizeSpace(widths), data, Skeleton(10, 3))
        wanted: dict[str, Any] = {"epochs": 1 + self.steps, "batch": self.batch, "candidates": 1, "updates": 1, "samples": 1}
        settings = {x.name: wanted[x.name] for x in fields(search.Config) if x.name in wanted}
        running = search(task, search.Config(**settings), execution=self.execution)
        with one_thread():  # as runs are made
            figures = [running.train_epoch() for _ in range(1 + self.steps)]
        with tempfile.TemporaryDirectory() as folder:
            running.save(checkpoint := Path(folder, "checkpoint"))
            return Steps([epoch.train_seconds for epoch in figures[1:]], figures[-1].peak_memory, checkpoint.stat().st_size)


@dataclass(frozen=True)
class Steps:
    """What was measured of a search.

    Attributes:
        seconds: of each step of the weights with what goes with it.
        peak_memory: bytes.
        checkpoint: bytes.
    """

    seconds: list[float]
    peak_memory: int
    checkpoint: int

    def and_then(self, later: Steps) -> Steps:
        """With what was measured of the same search later."""
        seconds, peak_memory = self.seconds + later.seconds, max(self.peak_memory, later.peak_memory)
        return Steps(seconds, peak_memory, self.checkpoint)

    @property
    def rate(self) -> Figure:
        """Steps a second."""
        return Figure.of([1 / step for step in self.seconds])

    @property
    def step(self) -> Figure:
        """Milliseconds of a step."""
        return Figure.of([1e3 * step for step in self.seconds])

    @property
    def memory(self) -> Figure:
        """Peak memory, MB."""
        return Figure.of([self.peak_memory / 1e6])


class JointStep(DartsFirstOrder):
    """Steps of the weights with all operations, and nothing else."""

    name = "joint"

    def _architecture_step(self, training: Batch) -> None:
        pass


class WidestStep(FBNetV2):
    """Steps of the weights at full width, and nothing else."""

    name = "widest"

    def _weight_mode(self) -> WidthMasks:
        return WidthMasks(torch.ones(len(self.supernet.decisions), self.supernet.width))

    def _architecture_step(self, training: Batch) -> None:
        pass


class CellByDefinition(MixedCell):
    """A cell computed edge by edge, operation by operation."""

    def forward(self, x: torch.Tensor, weights: torch.Tensor | None = None, path: Architecture | None = None) -> torch.Tensor:
        """Return the last node; arguments as for `MixedCell`."""
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


def bench_supernets(supernets: Supernets) -> Iterator[Row]:
    """Steps of supernets, together and apart, with all operations and along one path; then those of every method."""
    definition = "cells by their definition, operation by operation"
    joint, plain = (supernets.measure(JointStep, apart) for apart in (False, True))
    for _ in range(2):  # in turn, so that a noisy minute meets both
        joint, plain = joint.and_then(supernets.measure(JointStep)), plain.and_then(supernets.measure(JointStep, plain=True))
    yield Row("supernet, joint training step", "ms", joint.step, plain.step, definition)
    yield Row("supernet, peak memory of joint training", "MB", joint.memory, plain.memory, definition)
    widest: Steps | None = None
    for name, search in ONE_SHOT.items():
        steps = supernets.measure(search)
        if search.space == "topology":
            other, counterpart = supernets.measure(search, plain=True), definition
        else:
            other, counterpart = (widest := widest or supernets.measure(WidestStep)), "its widest candidate alone"
        if name == "rsps":
            yield Row("supernet, training step along sampled paths", "ms", steps.step, joint.step, "joint training step")
        yield Row(f"{name}, architecture included", "steps/s", steps.rate, other.rate, counterpart)
        yield Row(f"{name}, peak memory", "MB", steps.memory, other.memory, counterpart)
        yield Row(f"{name}, checkpoint", "MB", Figure.of([steps.checkpoint / 1e6]))
