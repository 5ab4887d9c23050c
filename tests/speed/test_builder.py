"""One epoch of candidates that are trained together in a stack, as the builder does, against one candidate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.training.build import Trainer
from benchmark_api.training.datasets import Distortion
from benchmark_api.training.devices import one_thread
from benchmark_api.training.networks import build_network
from benchmark_api.training.plan import Plan
from benchmark_api.training.stacks import Stack
from benchmark_api.training.train import Recipe, initial_weights, train
from tests.speed.subject import Workload

RECIPE, DISTORTION = Recipe(epochs=1, batch=32), Distortion(copies=2)
PLANS = {
    "topology, C = 2, N = 2": Plan(TopologySpace(), "digits", RECIPE, 1, 2, 2, DISTORTION),
    "size, widths 1 to 8": Plan(SizeSpace(range(1, 9)), "digits", RECIPE, 1, distortion=DISTORTION),
}


@pytest.mark.parametrize("stacked", [True, False], ids=["stack", "one candidate"])
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.benchmark(group=f"builder, {name}")) for name in PLANS])
def test_epoch(benchmark: BenchmarkFixture, rounds: Callable[..., Any], workload: Workload, name: str, stacked: bool) -> None:
    plan = replace(PLANS[name], stack=workload.stack)
    trainer, seed = Trainer(plan, None, "cpu"), plan.seeds[0]
    skeleton = trainer.skeleton
    indices = plan.stacks(skeleton)[0]
    benchmark.extra_info["candidates"] = len(indices) if stacked else 1

    def epoch() -> None:
        candidates = [
            build_network(plan.space, plan.space.architecture(index), skeleton, initial_weights(seed, index))
            for index in (indices if stacked else indices[:1])
        ]
        train(Stack(candidates) if stacked else candidates[0], trainer.dataset, plan.recipe, seed)

    with one_thread():
        rounds(epoch, rounds=2)
