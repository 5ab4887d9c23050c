"""Options and fixtures of the speed tests.

Counterparts are in one group. With `--benchmark-disable` everything runs once on small workloads: a test that it runs.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from algorithms.black_box import BLACK_BOX
from benchmark_api.importers.official.exporter import export_archive
from benchmark_api.tables.table import Table
from experiments.runs.black_box import condition_of
from experiments.settings import RunSettings
from tests.speed.subject import Subject, Workload, renamed

PACKAGE_DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
"""Datasets on which `nats_bench` simulates searches."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", default="digits-topology", help="table file; by default the embedded topology table")
    parser.addoption("--archive", type=Path, help="official archive folder of the table; by default the table is exported")
    parser.addoption("--device", default="cpu", help="device of the supernets")
    parser.addoption("--other", type=Path, help="another checkout, e.g. an earlier version, to measure epochs in too")
    parser.addoption("--cells", type=int, default=1, help="cells N of each stage of the supernets (NATS-Bench: 5)")


@pytest.fixture(scope="session")
def workload(request: pytest.FixtureRequest) -> Workload:
    if request.config.getoption("benchmark_disable"):
        return Workload(runs=50, records=10, queries=500, brackets=1, layers=4, stack=4, channels=2, size=8, batch=4, seeds=2)
    return Workload()


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The first dataset that the package knows, or otherwise the first one under the name cifar100."""
    table, archive = Table(request.config.getoption("--table")), request.config.getoption("--archive")
    folder = tmp_path_factory.mktemp("subject")
    dataset = next((dataset for dataset in table.datasets if dataset in PACKAGE_DATASETS), table.datasets[0])
    rea = BLACK_BOX["rea"]
    budget = RunSettings.of(table, dataset).budget
    if dataset not in PACKAGE_DATASETS:
        if archive is not None:
            known = ", ".join(PACKAGE_DATASETS)
            raise pytest.UsageError(f"nats_bench simulates searches on {known}, not on {dataset}; leave the archive out")
        table, dataset = renamed(table, dataset, "cifar100", folder / "renamed.safetensors"), "cifar100"
    condition = condition_of(rea, rea.Config(), table, RunSettings.of(table, dataset, budget=budget))
    return Subject(table, archive or export_archive(table, folder / "archive", progress=False), dataset, condition)


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Path:
    folder: Path | None = request.config.getoption("--other")
    if folder is None:
        pytest.skip("no other checkout: --other FOLDER")
    if not (folder / "algorithms").is_dir():
        raise pytest.UsageError(f"--other {folder} is no checkout of this project: it has no folder algorithms")
    return folder.absolute()


@pytest.fixture
def rounds(benchmark: BenchmarkFixture) -> Any:
    """Measures a few rounds of a call that takes long, after one warm-up round."""
    return partial(benchmark.pedantic, rounds=3, warmup_rounds=0 if benchmark.disabled else 1)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what the table of a group does not show: times of a search, and shares of arithmetic."""
    searches: dict[str, dict[str, float]] = {}
    operations: dict[str, dict[str, int]] = {}
    for measured in (benchmark for benchmark in config._benchmarksession.benchmarks if benchmark):  # type: ignore[attr-defined]
        kind = (re.search(r"-(slices|whole|stack|alone)\b|elsewhere", measured.name) or [""])[0].strip("-")
        group = measured.group or ""
        if group.startswith("epoch of "):
            searches.setdefault(group, {})[kind] = measured["median"] / measured.extra_info.get("searches", 1)
        elif group.startswith("slices of "):
            operations.setdefault(group, {})[kind] = measured.extra_info["operations"]
    for group, of in searches.items():
        for kind in sorted(of.keys() - {"stack"}) if "stack" in of else ():
            terminalreporter.write_line(f"{group}: {kind} takes {of[kind] / of['stack']:.1f} times a search of the stack")
    for group, counts in operations.items():
        if counts.keys() == {"slices", "whole"}:
            terminalreporter.write_line(f"{group}: {counts['slices'] / counts['whole']:.2f} of the multiplications and additions")
