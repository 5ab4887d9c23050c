"""Ray as an engine: the same results as local ones, also when workers and nodes die, and where nodes do not see the files."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_api.jobs.job import Engine, Event, Finished, Job, Progress, Source, failure_path
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.tables.table import Table
from benchmark_api.training.build import build
from experiments import store
from experiments.runs import black_box as sweep
from experiments.store import Experiment
from tests.benchmark_api.training import test_build
from tests.experiments.runs.test_sweep import assert_same, condition_of, pieces_of
from tests.helpers.ray_nodes import ENVIRONMENT, RayNodes, alone

ray = pytest.importorskip("ray")
ray_engine = pytest.importorskip("benchmark_api.jobs.ray")
RayEngine = ray_engine.RayEngine
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this file


class Cluster(RayNodes):
    """A head, where drivers are, that takes no work, and nodes of one processor that do.

    Args:
        hidden: a folder of which nodes see nothing if the system can do that; the head sees it.
    """

    def __init__(self, hidden: Path) -> None:
        self.hidden = hidden
        unshare = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--mount"]
        blind = [*unshare, "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hidden)]
        self.hides = bool(shutil.which("unshare")) and not subprocess.run([*blind, "true"], check=False).returncode
        self._before = blind if self.hides else []

    def add_node(self) -> None:
        self.start(f"--address={self.address}", "--num-cpus=1", before=self._before)


@pytest.fixture(scope="module", autouse=True)
def without_tokens() -> Iterator[None]:
    with alone(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", ENVIRONMENT["RAY_AUTH_MODE"])
        yield


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("hidden")) as started:
        started.start("--head", "--port=0", "--num-cpus=0")
        started.add_node()
        started.add_node()
        yield started


# -- pieces of work in trouble -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Troubled(Job):
    """A piece that gets into trouble half-way, as often as there are files in a folder."""

    unit = "piece"
    forked = False

    piece: Job
    troubles: Path
    how: str

    @property
    def path(self) -> Path:
        return replace(self.piece, results=self.results).path

    @property
    def units(self) -> int:
        return self.piece.units

    @property
    def source(self) -> Source | None:
        return self.piece.source

    def run(self) -> Iterator[int]:
        yield 1
        if waiting := sorted(self.troubles.iterdir()):
            waiting[0].unlink()
            match self.how:
                case "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "raylet killed":
                    os.kill(os.getppid(), signal.SIGKILL)
                    time.sleep(3600)  # it takes its workers with it
            raise RuntimeError("something is wrong")
        for units in replace(self.piece, results=self.results, source_copy=self.source_copy).run():
            yield units - 1


def troubled(pieces: Sequence[Job], number: int, folder: Path, times: int, how: str) -> list[Job]:
    """The pieces, one of them in trouble so many times."""
    folder.mkdir()
    for time_ in range(times):
        (folder / str(time_)).touch()
    piece = Troubled(piece=pieces[number], results=pieces[number].results, troubles=folder, how=how)
    return [*pieces[:number], piece, *pieces[number + 1 :]]


@pytest.fixture
def pieces(topology_table: Table, tmp_path: Path) -> list[sweep.BlackBoxJob]:
    return pieces_of(condition_of("rea", topology_table), topology_table, tmp_path / "ray", range(60))


@pytest.fixture(scope="module")
def local(topology_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    folder = tmp_path_factory.mktemp("local")
    assert run_jobs(pieces_of(condition_of("rea", topology_table), topology_table, folder, range(60)), processes=1) == []
    (experiment,) = store.load(folder)
    return experiment


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return build(test_build.PLAN, tmp_path_factory.mktemp("built") / "tiny", jobs=2, progress=False)


def files_in(folder: Path) -> set[str]:
    """Their names, but for those that commands lock; the marker of a driver that was ended is called ".driver"."""
    return {re.sub(r"^\.driver-.*", ".driver", path.name) for path in folder.rglob("*") if path.is_file()} - {".lock"}


# -- sweeps ------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "raylet killed"])
def test_a_piece_is_tried_again_where_its_worker_or_node_dies(
    how: str, pieces: list[sweep.BlackBoxJob], local: Experiment, tmp_path: Path, cluster: Cluster
) -> None:
    work = troubled(pieces, 1, tmp_path / "troubles", 1, how)
    events: list[Event] = []

    def engine(some: Any, jobs: int) -> Any:
        for event in RayEngine(cluster.address)(some, jobs):
            events.append(event)
            yield event

    assert run_jobs(work, 2, engine) == []
    (experiment,) = store.load(tmp_path / "ray")
    assert_same(experiment, local)
    for piece in work:  # what the killed worker had told is not told again
        assert sum(event.units for event in events if isinstance(event, Progress) and event.job.path == piece.path) == piece.units
    assert files_in(tmp_path / "ray") == {piece.path.name for piece in pieces}
    assert not list((tmp_path / "troubles").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "times", "message"), [("killed", 9, "its worker died 2 times"), ("wrong", 1, "something is wrong")]
)
def test_a_failing_piece_is_reported_and_the_others_finish(
    how: str, times: int, message: str, pieces: list[sweep.BlackBoxJob], tmp_path: Path, cluster: Cluster
) -> None:
    work = troubled(pieces, 0, tmp_path / "troubles", times, how)
    (failure,) = run_jobs(work, 2, RayEngine(cluster.address, retries=1))
    assert failure.job is work[0]
    assert message in failure.reason
    assert failure_path(work[0].path).read_text() == failure.reason
    assert list((tmp_path / "ray").rglob("*.parquet")) == sorted(piece.path for piece in work[1:])


@pytest.mark.slow
def test_nodes_that_see_neither_table_nor_results(
    pieces: list[sweep.BlackBoxJob], local: Experiment, topology_table: Table, cluster: Cluster
) -> None:
    if not cluster.hides:
        pytest.skip("this system does not let a process hide a folder from itself")
    table = cluster.hidden / "table"
    shutil.copyfile(topology_table.path, table)
    results = cluster.hidden / "results"
    work = [replace(piece, table_path=table, results=results) for piece in pieces]
    failure_path(work[0].path).parent.mkdir(parents=True)
    failure_path(work[0].path).write_text("of an earlier time")
    assert run_jobs(work, 2, RayEngine(cluster.address)) == []
    (experiment,) = store.load(results)
    assert_same(experiment, local)
    assert experiment.table_path == str(table)
    assert files_in(results) == {piece.path.name for piece in pieces}
    ray_engine.place_of_copy(work[0].source).unlink()


# -- the table builder -------------------------------------------------------------------------------------------------------


def in_trouble(engine: Engine, folder: Path, how: str) -> Engine:
    """An engine that brings the second piece into trouble once."""
    return lambda pieces, jobs: engine(troubled(pieces, 1, folder, 1, how), jobs)


@pytest.mark.slow
def test_a_table_built_on_ray_is_that_of_local_processes(tmp_path: Path, built: Table, cluster: Cluster) -> None:
    """A worker is killed half-way; none sees the folder of finished stacks, if the system can do that."""
    out = cluster.hidden / "tiny"
    engine = in_trouble(RayEngine(cluster.address), tmp_path / "troubles", "killed")
    test_build.assert_same(build(test_build.PLAN, out, jobs=2, engine=engine, progress=False), built)
    assert not list((tmp_path / "troubles").iterdir())
    assert not out.with_name("tiny.build").exists()


# -- a Ray that the driver starts --------------------------------------------------------------------------------------------


def end_of_driver(function: Callable[..., object], *arguments: object) -> BaseException | None:
    """What a driver in a process of its own ends with: Ray may end a driver that has lost its node before the driver can."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).exception()


def build_in_trouble(out: Path, troubles: Path) -> None:
    build(test_build.PLAN, out, jobs=1, engine=in_trouble(RayEngine(), troubles, "raylet killed"), progress=False)


def assert_told(error: BaseException | None) -> None:
    if not isinstance(error, BrokenProcessPool):
        assert isinstance(error, ConnectionError)
        assert re.match(r"the Ray node of this machine has died; .* the same command goes on$", str(error))


@pytest.mark.slow
def test_a_sweep_goes_on_after_the_death_of_the_drivers_node(
    pieces: list[sweep.BlackBoxJob], local: Experiment, topology_table: Table, tmp_path: Path
) -> None:
    work = troubled(pieces, 1, tmp_path / "troubles", 1, "raylet killed")
    assert_told(end_of_driver(run_jobs, work, 1, RayEngine()))
    assert files_in(tmp_path / "ray") - {".driver"} == {pieces[0].path.name}
    left = pieces_of(condition_of("rea", topology_table), topology_table, tmp_path / "ray", range(60))
    assert left == pieces[1:]
    assert run_jobs(left, 1, RayEngine()) == []
    (experiment,) = store.load(tmp_path / "ray")
    assert_same(experiment, local)


@pytest.mark.slow
def test_a_build_goes_on_after_the_death_of_the_drivers_node(tmp_path: Path, built: Table) -> None:
    out = tmp_path / "tiny"
    assert_told(end_of_driver(build_in_trouble, out, tmp_path / "troubles"))
    assert files_in(tmp_path) - {".driver"} == {"000000.npz", "plan.json"}
    test_build.assert_same(build(test_build.PLAN, out, jobs=1, progress=False), built)
    assert files_in(tmp_path) == {"tiny"}


@pytest.mark.slow
def test_more_graphics_cards_than_there_are(pieces: list[sweep.BlackBoxJob], cluster: Cluster) -> None:
    with pytest.raises(ValueError, match=r"^gpus is 0\.5 for each job, but all of Ray has 0$"):
        run_jobs(pieces, 1, RayEngine(cluster.address, gpus=0.5))
    assert files_in(pieces[0].results) == set()


# -- what a worker does that does not see the driver's files, without Ray ------------------------------------------------------


def test_a_worker_without_the_results_folder_sends_its_files(pieces: list[sweep.BlackBoxJob]) -> None:
    *units, files, last = ray_engine._work(pieces[0], "a marker that is nowhere", [])
    assert [event.units for event in units] == [25]
    assert isinstance(last, Finished)
    assert not pieces[0].results.exists()
    ((path, content),) = files.contents.items()
    assert pieces[0].results / path == pieces[0].path
    pieces[0].path.parent.mkdir(parents=True)
    pieces[0].path.write_bytes(content)
    (experiment,) = store.load(pieces[0].results)
    assert experiment.seeds.tolist() == list(range(25))


def test_a_worker_without_the_table_asks_for_it(
    pieces: list[sweep.BlackBoxJob], topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = replace(pieces[0], table_path=tmp_path / "not here")
    pieces[0].results.mkdir()
    (pieces[0].results / "marker").touch()
    assert list(ray_engine._work(elsewhere, "marker", [])) == [ray_engine._SourceWanted()]
    monkeypatch.setattr(ray_engine.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    monkeypatch.setattr(ray_engine.ray, "get", lambda reference: np.fromfile(reference, dtype=np.uint8))
    copy = tmp_path / "node" / f"nas-zoo-{os.getuid()}" / topology_table.fingerprint
    expected = [Progress(copied := replace(elsewhere, source_copy=copy), 25), Finished(copied)]
    assert list(ray_engine._work(elsewhere, "marker", [topology_table.path])) == expected
    assert copy.read_bytes() == topology_table.path.read_bytes()
    monkeypatch.setattr(ray_engine.ray, "get", lambda reference: pytest.fail("the node has a copy"))
    shutil.rmtree(elsewhere.path.parent)
    assert list(ray_engine._work(elsewhere, "marker", [topology_table.path])) == expected
    (experiment,) = store.load(pieces[0].results)
    assert experiment.table_path == str(elsewhere.table_path)


def test_a_worker_loads_plugins(pieces: list[sweep.BlackBoxJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin_of_test_ray.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NAS_ZOO_PLUGINS", "plugin_of_test_ray")
    list(ray_engine._work(pieces[0], "marker", []))
    assert sys.modules.pop("plugin_of_test_ray")


# -- a Ray that is started here ----------------------------------------------------------------------------------------------


def processes_of(session: str) -> dict[int, set[str]]:
    """Inodes of the sockets of each process of a Ray session."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if session in (path / "cmdline").read_bytes().decode(errors="replace"):
                links = [os.readlink(link) for link in (path / "fd").iterdir()]
                found[int(path.name)] = {link[8:-1] for link in links if link.startswith("socket:")}
    return found


def listening() -> dict[str, str]:
    """Addresses, in hexadecimal, on which the system listens, by the inode of the socket."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {words[9]: words[1].partition(":")[0] for words in lines if words[3] == "0A"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for sockets in /proc")
def test_a_local_ray_listens_on_loopback_only_and_leaves_no_process(topology_table: Table, tmp_path: Path) -> None:
    pieces = pieces_of(condition_of("random", topology_table), topology_table, tmp_path, range(50))
    events = RayEngine()(pieces, 1)
    next(events)
    session = Path(ray._private.worker._global_node.get_session_dir_path()).name
    processes, addresses = processes_of(session), listening()
    assert processes
    open_to = {addresses[inode] for inodes in processes.values() for inode in inodes if inode in addresses}
    loopback = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
    assert open_to
    assert open_to <= loopback
    events.close()
    deadline = time.monotonic() + 30
    while processes_of(session) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of(session)
