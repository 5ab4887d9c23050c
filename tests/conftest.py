"""Shared tables: small, synthetic, the same in every session; a landscape on which a search can improve on random choice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmark_api.jobs.options import available_processors
from benchmark_api.spaces import EDGES, OPERATIONS, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.tables import Table, TableWriter
from experiments.__main__ import main
from tests.helpers.hostile import Tries

os.environ["OMP_NUM_THREADS"] = "1"  # in this process, where PyTorch is imported later, and in those that tests start
for of_make in ("MAKEFLAGS", "MFLAGS", "ARGS", "VENV"):  # of `make test ARGS=…`: a make that a test starts would read them
    os.environ.pop(of_make, None)


@pytest.hookimpl(optionalhook=True)  # pytest-xdist may not be installed
def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than there are processors: tests wait for the processes that they start, and for Ray."""
    return available_processors() + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules of slow tests: the short ones at the end keep all processes of pytest-xdist busy."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many hostile inputs were tried."""
    reports = [report for of_kind in terminalreporter.stats.values() for report in of_kind]
    ended = [report for report in reports if getattr(report, "when", "") == "teardown"]
    inputs = sum(number for report in ended for name, number in report.user_properties if name == "inputs")
    if inputs:
        terminalreporter.write_line(f"{inputs:,} hostile inputs tried")


@pytest.fixture
def tries(request: pytest.FixtureRequest) -> Iterator[Tries]:
    """Counts hostile inputs; the test fails at its end if one of them did harm."""
    found = Tries()
    yield found
    request.node.user_properties.append(("inputs", found.inputs))
    assert not found.faults, f"{len(found.faults)} of {found.inputs}:\n" + "\n".join(found.faults[:40])


SPLITS = {
    "cifar10-valid": ("train", "x-valid", "ori-test"),
    "cifar10": ("train", "ori-test"),
    "cifar100": ("train", "x-valid", "x-test", "ori-test"),
}
TRIALS = (777, 888, 999)


def write_table(
    path: Path,
    space: SearchSpace,
    quality: npt.NDArray[np.float64],
    epochs: Mapping[str, Sequence[int]],
    missing: npt.NDArray[np.bool_],
    splits_of: Mapping[str, Sequence[str]] = SPLITS,
    settings: str | None = None,
) -> Table:
    """Write a synthetic table in the layout of NATS-Bench.

    Args:
        path: the file to make.
        space: its search space.
        quality: [architecture], 0 (does not learn) to 1 (best).
        epochs: the 0-based epochs that are stored, by schedule.
        missing: [architecture], those whose last trial (seed 999) does not exist.
        splits_of: the dataset keys and their splits.
        settings: those that the builder of a table would note in it.
    """
    rng = np.random.default_rng(0)
    n = len(space)
    seeds = np.where(np.arange(3) < 3 - missing[:, None], TRIALS, -1)  # [architecture, trial]
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for key, splits in splits_of.items():
        chance, ceiling = (1.0, 72.0) if key == "cifar100" else (10.0, 92.0)  # percent
        for schedule, stored in epochs.items():
            stem = f"{key}/{schedule}"
            length = int(schedule)
            arrays[f"{stem}/seeds"] = seeds.astype(np.int16)
            arrays[f"{stem}/params"] = 0.1 + quality
            arrays[f"{stem}/flops"] = 10.0 + 100.0 * quality
            arrays[f"{stem}/latency"] = 0.01 + 0.02 * quality
            progress = 1.0 - np.exp(-3.0 * (np.asarray(stored) + 1) / length)  # [epoch]
            for split in splits:
                shape = (n, len(TRIALS), len(stored))
                noise = rng.standard_normal((n, len(TRIALS), 1)) + 0.3 * rng.standard_normal(shape, dtype=np.float32)
                final = chance + (ceiling - chance) * quality[:, None, None] + (2.0 if split == "train" else 0.0)
                accuracy = np.clip(chance + (final - chance) * progress + 0.5 * noise, 0.0, 100.0)
                accuracy[seeds < 0] = np.nan
                seconds = (4.0 + 10.0 * quality[:, None]) * (1.0 if split == "train" else 0.1)
                arrays[f"{stem}/{split}/accuracy"] = accuracy.astype(np.float32)
                arrays[f"{stem}/{split}/loss"] = (-np.log(np.maximum(accuracy, 0.5) / 100.0)).astype(np.float32)
                arrays[f"{stem}/{split}/epochs"] = np.asarray(stored, dtype=np.int32)
                arrays[f"{stem}/{split}/seconds"] = np.where(seeds >= 0, seconds, np.nan).astype(np.float32)
    metadata = {
        "space": space.spec(),
        "title": f"synthetic {space.name} table",
        "notice": "made up for tests",
        "source": {"name": "tests", "fingerprint": "none", **({"settings": settings} if settings else {})},
        "search_schedule": min(epochs, key=int),
        "report_schedule": max(epochs, key=int),
    }
    with TableWriter(path, {name: (array.dtype, array.shape) for name, array in arrays.items()}, metadata) as writer:
        for name, array in arrays.items():
            writer.write(name, array)
    return Table(path)


def topology_quality(space: TopologySpace) -> npt.NDArray[np.float64]:
    """A made-up quality [architecture], 0 to 1: convolutions help, more so on late edges; disconnected cells do not learn."""
    worth = np.array([0.0, 0.55, 0.8, 1.0, 0.3])  # in the order of OPERATIONS
    weight = np.linspace(0.7, 1.3, len(EDGES))
    weight /= weight.sum()
    quality = np.zeros(len(space))
    residual, convolution = OPERATIONS.index("skip_connect"), OPERATIONS.index("nor_conv_3x3")
    for index in range(len(space)):
        architecture = space.architecture(index)
        if space.is_connected(architecture):
            bonus = 0.05 * (architecture[3] == residual) + 0.05 * (architecture[5] == convolution)
            quality[index] = 0.9 * np.sqrt(weight @ worth[list(architecture)]) + bonus
    return quality


@pytest.fixture(scope="session")
def topology_table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The whole topology space; schedules "12" (all epochs) and "200" (the last one); every third architecture lacks seed 999."""
    space = TopologySpace()
    missing = np.arange(len(space)) % 3 == 2
    path = tmp_path_factory.mktemp("tables") / "topology.safetensors"
    return write_table(path, space, topology_quality(space), {"12": range(12), "200": (199,)}, missing)


@pytest.fixture(scope="session")
def size_table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """27 architectures of three widths; schedules "12" (all epochs) and "90" (the last one); every trial exists."""
    space = SizeSpace(widths=(4, 8, 12), layers=3)
    widths = np.array([space.channels(space.architecture(index)) for index in range(len(space))])
    quality = (widths @ np.array([1.0, 1.5, 2.0]) / (12 * 4.5)) ** 0.3
    path = tmp_path_factory.mktemp("tables") / "size.safetensors"
    return write_table(path, space, quality, {"12": range(12), "90": (89,)}, np.zeros(len(space), dtype=bool))


@pytest.fixture(scope="session")
def digits_table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The whole topology space on undistorted digits, as if built with C = 2 and N = 1; schedule "3" (all epochs)."""
    space = TopologySpace()
    settings = {"dataset": "digits", "channels": 2, "cells": 1, "distortion": None, **space.spec()}
    path = tmp_path_factory.mktemp("tables") / "digits.safetensors"
    splits = {"digits": ("train", "x-valid", "x-test")}
    missing = np.zeros(len(space), dtype=bool)
    return write_table(path, space, topology_quality(space), {"3": range(3)}, missing, splits, json.dumps(settings))


@pytest.fixture
def experiments(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process: exit status, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # the argument parser's
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run
