"""Steps of every one-shot method, its architecture step included, against a plainer computation of the same.

The counterpart of a method of the topology space is the method with cells computed by their definition, operation by operation;
that of a method of the size space is a step of its widest candidate alone. Peak memory is that of a process, PyTorch included.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.flop_counter import FlopCounterMode

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets import SizeSupernet
from benchmark_api.training.devices import one_thread
from tests.helpers.supernet_steps import JointStep, WidestStep, by_definition, on_random_images
from tests.speed.subject import Workload

ROUNDS = 3
WIDTHS = 8
COUNTED = 100
STEPS = [pytest.param(name, marks=pytest.mark.benchmark(group=f"step of {name}")) for name in ("joint", *ONE_SHOT)]
SIZE_STEPS = [pytest.param(name, marks=pytest.mark.benchmark(group=f"slices of {name}")) for name in ("tas", "tunas")]


def search_of(name: str, plain: bool) -> type[OneShotSearch]:
    """The method, or its counterpart."""
    search = {**ONE_SHOT, JointStep.name: JointStep}[name]
    if not plain:
        return search
    return by_definition(search) if search.space == "topology" else WidestStep


def peak_memory(name: str, plain: bool, sizes: tuple[int, int, int, int, str]) -> int:
    """Bytes that this process has used at most after one step."""
    with one_thread():
        return on_random_images(search_of(name, plain), *sizes).train_epoch().peak_memory


def in_new_process(*arguments: object) -> int:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # it imports PyTorch once for all
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(peak_memory, *arguments).result()  # type: ignore[arg-type]


@pytest.mark.parametrize("plain", [False, True], ids=["method", "counterpart"])
@pytest.mark.parametrize("name", STEPS)
def test_step(
    request: pytest.FixtureRequest,
    benchmark: BenchmarkFixture,
    rounds: Callable[..., Any],
    workload: Workload,
    tmp_path: Path,
    name: str,
    plain: bool,
) -> None:
    """Measures whole steps. Those of `rsps` follow sampled paths, those of `joint` compute all operations."""
    cells, device = request.config.getoption("--cells"), request.config.getoption("--device")
    sizes = (workload.channels, cells, workload.size, workload.batch, device)
    search = on_random_images(search_of(name, plain), *sizes, epochs=1 + ROUNDS)
    with one_thread():  # as runs are made
        rounds(search.train_epoch, rounds=ROUNDS)
    search.save(checkpoint := tmp_path / "checkpoint")
    benchmark.extra_info["checkpoint_MB"] = checkpoint.stat().st_size / 1e6
    if not benchmark.disabled:
        benchmark.extra_info["peak_memory_MB"] = in_new_process(name, plain, sizes) / 1e6


@pytest.mark.parametrize("sliced", [True, False], ids=["slices", "whole-modules"])
@pytest.mark.parametrize("name", SIZE_STEPS)
def test_step_in_slices(
    benchmark: BenchmarkFixture, rounds: Callable[..., Any], workload: Workload, name: str, sliced: bool
) -> None:
    """Measures steps on a CPU that compute the channels that are kept, or all. The widths differ between steps: compare means."""
    sizes = (workload.channels, 1, workload.size, workload.batch)
    search = on_random_images(ONE_SHOT[name], *sizes, epochs=1 + WIDTHS)
    assert isinstance(search.supernet, SizeSupernet)
    search.supernet.sliced = sliced
    with one_thread():
        rounds(search.train_epoch, rounds=WIDTHS)
    small = on_random_images(ONE_SHOT[name], workload.channels, 1, size=8, batch=2, epochs=COUNTED)
    assert isinstance(small.supernet, SizeSupernet)
    small.supernet.sliced = sliced
    with FlopCounterMode(display=False) as counter:
        for _ in range(1 if benchmark.disabled else COUNTED):
            small.train_epoch()
    benchmark.extra_info["operations"] = counter.get_total_flops()  # of small images: for the share that slices compute
