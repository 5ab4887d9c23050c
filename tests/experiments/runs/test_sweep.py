"""Sweeps: the same results for any number of processes, resumed after anything, and failures that stay where they happen."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX, BlackBoxSearch, Evaluation, Query
from benchmark_api.jobs import run_jobs as driver
from benchmark_api.jobs.job import Event, Failed, Finished, Progress, SharedFailure
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.tables.table import Table
from experiments import store
from experiments.runs import black_box as sweep
from experiments.settings import RunSettings
from experiments.store import Condition, Experiment
from tests.helpers.processes import group_is_gone
from tests.helpers.stored import stored_seeds

ROOT = Path(__file__).resolve().parents[3]
needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="the workers must inherit an algorithm of this file")


class Failing(BlackBoxSearch):
    """Asks for architecture 0 and falls into `trouble` in about one run of fifty."""

    name = "failing"
    title = "FAILING"
    trouble: Callable[[], None]

    def _propose(self) -> Query:
        if self.incumbent is None and self.rng.random() < 0.02:
            type(self).trouble()
        return Query(self.space.architecture(0))

    def _observe(self, query: Query, evaluation: Evaluation) -> None: ...


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[Failing]:
    monkeypatch.setitem(BLACK_BOX._entries, "failing", Failing)
    return Failing


def raise_error() -> None:
    raise RuntimeError("something is wrong")


def condition_of(name: str, table: Table, **settings: Any) -> Condition:
    of = RunSettings.of(table, "cifar10", **{"budget": 1_000, **settings})
    return sweep.condition_of(BLACK_BOX[name], BLACK_BOX[name].Config(), table, of)


def pieces_of(condition: Condition, table: Table, results: Path, seeds: range) -> list[sweep.BlackBoxJob]:
    return sweep.BlackBoxJob.plan(condition, table, results, seeds)


def assert_same(first: Experiment, second: Experiment) -> None:
    for name in ("seeds", "offsets", "seconds", "architecture", "epochs", "accuracy"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


@pytest.fixture
def uninterrupted(topology_table: Table, tmp_path: Path) -> Experiment:
    """60 runs of regularized evolution, made at once in this process."""
    results = tmp_path / "uninterrupted"
    condition = condition_of("rea", topology_table)
    assert run_jobs(pieces_of(condition, topology_table, results, range(60)), processes=1) == []
    (experiment,) = store.load(results)
    return experiment


@pytest.mark.parametrize("jobs", [2, 5])
def test_any_number_of_processes_gives_the_same(
    jobs: int, uninterrupted: Experiment, topology_table: Table, tmp_path: Path
) -> None:
    condition = condition_of("rea", topology_table)
    assert run_jobs(pieces_of(condition, topology_table, tmp_path / "other", range(60)), jobs) == []
    (experiment,) = store.load(tmp_path / "other")
    assert_same(experiment, uninterrupted)
    names = [path.name for path in sorted((tmp_path / "other").rglob("*.parquet"))]
    assert names == ["seeds-00000-00024.parquet", "seeds-00025-00049.parquet", "seeds-00050-00059.parquet"]


def test_only_missing_seeds_are_run(uninterrupted: Experiment, topology_table: Table, tmp_path: Path) -> None:
    results = tmp_path / "results"
    condition = condition_of("rea", topology_table)
    run_jobs(pieces_of(condition, topology_table, results, range(30)), processes=1)
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.parquet")}
    following = pieces_of(condition, topology_table, results, range(60))
    assert [piece.seeds for piece in following] == [range(30, 50), range(50, 60)]
    run_jobs(following, processes=1)
    assert before.items() <= {path: path.stat().st_mtime_ns for path in results.rglob("*.parquet")}.items()
    (experiment,) = store.load(results)
    assert_same(experiment, uninterrupted)
    assert pieces_of(condition, topology_table, results, range(60)) == []


@needs_fork
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_piece_is_reported_and_the_others_finish(
    jobs: int, failing: type[Failing], topology_table: Table, tmp_path: Path
) -> None:
    failing.trouble = staticmethod(raise_error)
    condition = condition_of("failing", topology_table)
    failures = run_jobs(pieces_of(condition, topology_table, tmp_path, range(100)), jobs)
    failed = {failure.job.path for failure in failures}
    stored = set(tmp_path.rglob("*.parquet"))
    assert 0 < len(failed) < 4
    assert len(stored) == 4 - len(failed)
    assert not stored & failed
    for failure in failures:
        assert "Traceback" in failure.reason
        assert "something is wrong" in failure.reason
        assert store.failure_path(failure.job.path).read_text() == failure.reason

    failing.trouble = staticmethod(lambda: None)  # repaired: the same sweep again does what is left
    left = pieces_of(condition, topology_table, tmp_path, range(100))
    assert {piece.path for piece in left} == failed
    assert run_jobs(left, jobs) == []
    assert list(tmp_path.rglob("*.failed")) == []
    assert stored_seeds(tmp_path, condition) == set(range(100))


@needs_fork
def test_a_worker_killed_while_writing_leaves_nothing(
    topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, fsync = os.getpid(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: fsync(file) if os.getpid() == driver else os.kill(os.getpid(), signal.SIGKILL))
    condition = condition_of("random", topology_table)
    failures = run_jobs(pieces_of(condition, topology_table, tmp_path, range(30)), processes=2)
    assert len(failures) == 2
    assert {path.suffix or path.name for path in tmp_path.rglob("*") if path.is_file()} == {".failed", ".lock"}


@needs_fork
def test_a_worker_that_dies_takes_only_its_piece(failing: type[Failing], topology_table: Table, tmp_path: Path) -> None:
    failing.trouble = staticmethod(lambda: os.kill(os.getpid(), signal.SIGKILL))
    condition = condition_of("failing", topology_table)
    failures = run_jobs(pieces_of(condition, topology_table, tmp_path, range(100)), processes=2)
    assert 0 < len(failures) < 4
    assert all("exit code -9" in failure.reason for failure in failures)
    assert len(list(tmp_path.rglob("*.parquet"))) == 4 - len(failures)


def test_a_changed_table_is_refused(topology_table: Table, size_table: Table, tmp_path: Path) -> None:
    (piece,) = pieces_of(condition_of("random", topology_table), topology_table, tmp_path, range(2))
    other = replace(piece, table_path=size_table.path)
    with pytest.raises(SharedFailure, match="has changed"):
        list(other.run())
    with pytest.raises(SharedFailure, match="has changed"):
        run_jobs([other, other], processes=1)
    gone = replace(piece, table_path=tmp_path / "gone")
    with pytest.raises(SharedFailure, match="gone"):
        run_jobs([gone, gone], processes=1)


def test_any_engine_will_do(topology_table: Table, tmp_path: Path) -> None:
    """A piece is a value with a method: here they are run backwards, as something remote might."""

    def backwards(pieces: Any, jobs: int) -> Iterator[Event]:
        for piece in reversed(pieces):
            assert sum(pickle.loads(pickle.dumps(piece)).run()) == len(piece.seeds)
            yield Finished(piece)

    condition = condition_of("random", topology_table)
    assert run_jobs(pieces_of(condition, topology_table, tmp_path, range(60)), 3, backwards) == []
    assert stored_seeds(tmp_path, condition) == set(range(60))


def test_the_bar_ends_where_all_work_is_done(topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether pieces tell of progress, fail on the way, or neither."""
    updates: list[int] = []

    class Log(driver._Log):
        def update(self, units: int) -> None:
            updates.append(units)

    monkeypatch.setattr(driver, "_Log", Log)
    first, second, third = pieces_of(condition_of("random", topology_table), topology_table, tmp_path, range(75))

    def engine(pieces: Any, jobs: int) -> Iterator[Event]:
        yield from [Progress(first, 20), Progress(second, 10), Failed(second, "no luck")]
        yield from [Progress(first, 5), Finished(first), Finished(third)]

    (failure,) = run_jobs([first, second, third], 1, engine)
    assert failure == Failed(second, "no luck")
    assert updates == [20, 10, 15, 5, 0, 25]


def test_conditions_are_checked_before_anything_runs(topology_table: Table, size_table: Table) -> None:
    with pytest.raises(ValueError, match="nope"):
        condition_of("rea", topology_table, schedule="nope")
    with pytest.raises(ValueError, match="seed"):
        condition_of("rea", topology_table, noise=5)
    assert condition_of("rea", topology_table, noise=999).noise == 999
    with pytest.raises(ValueError, match="budget"):
        condition_of("rea", topology_table, budget=-1)
    with pytest.raises(ValueError, match="jobs"):
        run_jobs([], 0)


def test_default_budgets_are_the_papers(topology_table: Table, size_table: Table) -> None:
    assert RunSettings.of(topology_table, "cifar10").budget == 20_000
    assert RunSettings.of(topology_table, "cifar100").budget == RunSettings.of(size_table, "cifar100").budget == 40_000


def start(table: Table, results: Path, seeds: int) -> subprocess.Popen[bytes]:
    """A sweep on the command line, in a process group of its own; returns when some pieces are stored."""
    command = [sys.executable, "-m", "experiments", "run", "rea", "--table", str(table.path), "--results", str(results)]
    process = subprocess.Popen(
        [*command, "--seeds", str(seeds), "--budget", "1000", "--jobs", "2"],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job inherits "ignore"
    )
    deadline = time.monotonic() + 60
    while len(list(results.rglob("*.parquet"))) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def assert_resumes(results: Path, uninterrupted: Experiment, table: Table) -> None:
    """What is stored is whole, and a second call completes it to what an uninterrupted one makes."""
    condition = condition_of("rea", table)
    some = len(stored_seeds(results, condition))
    assert 75 <= some < 20_000
    assert some % store.PIECE_SEEDS == 0
    assert run_jobs(pieces_of(condition, table, results, range(60)), processes=1) == []
    (experiment,) = store.load(results)
    end = experiment.offsets[60]
    assert np.array_equal(experiment.seeds[:60], uninterrupted.seeds)
    for name in ("seconds", "architecture", "epochs", "accuracy"):
        assert np.array_equal(getattr(experiment, name)[:end], getattr(uninterrupted, name)), name


def test_interrupt_is_clean(uninterrupted: Experiment, topology_table: Table, tmp_path: Path) -> None:
    results = tmp_path / "interrupted"
    process = start(topology_table, results, seeds=20_000)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: the whole group gets it
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.decode() == "interrupted: finished jobs are stored; the same command continues\n"
    assert group_is_gone(process.pid)
    assert list(results.rglob("*.part")) == []
    assert_resumes(results, uninterrupted, topology_table)
