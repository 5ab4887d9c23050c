"""Nothing is lost: processes killed, disks full, folders read-only, several commands at once; then the same as if undisturbed."""

from __future__ import annotations

import ctypes
import fcntl
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from errno import ENOLCK
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot.checkpoint import read as read_checkpoint
from benchmark_api.__main__ import main as benchmark_main
from benchmark_api.importers import import_table
from benchmark_api.jobs.files import discard_parts, whole_file
from benchmark_api.jobs.job import Failed, Finished, Progress
from benchmark_api.jobs.local import in_processes
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments import store
from experiments.__main__ import main as experiments_main
from experiments.runs import black_box as sweep
from experiments.settings import RunSettings
from plots.__main__ import draw
from tests.helpers import official
from tests.helpers.processes import group_is_gone
from tests.helpers.stored import stored_seeds

ROOT = Path(__file__).resolve().parents[2]
MEASURED = {"wall_seconds", "train_seconds", "derive_seconds", "peak_memory"}  # differ from run to run
SEEDS = 300

Main = Callable[[Sequence[str]], int]


def sweep_command(table: Table, results: Path, *more: object, jobs: int = 2) -> list[str]:
    common = ("--table", table.path, "--results", results, "--budget", 5000, "--jobs", jobs)
    return [str(argument) for argument in ("run", "rea", *common, *(more or ("--seeds", SEEDS)))]


def search_command(table: Table, results: Path, *more: object, jobs: int = 1) -> list[str]:
    tiny = ("--epochs", 4, "--batch", 450, "--candidates", 3, "--seeds", 2)  # two steps an epoch
    common = ("--table", table.path, "--results", results, "--jobs", jobs)
    return [str(argument) for argument in ("run", "rsps", *common, *tiny, *more)]


@pytest.fixture(scope="module")
def undisturbed(topology_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of regularized evolution, made at once."""
    results = tmp_path_factory.mktemp("undisturbed")
    assert experiments_main(sweep_command(topology_table, results, jobs=1)) == 0
    return results


@pytest.fixture(scope="module")
def undisturbed_search(digits_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of RSPS, made at once."""
    results = tmp_path_factory.mktemp("search")
    assert experiments_main(search_command(digits_table, results)) == 0
    return results


def assert_same(results: Path, expected: Path) -> None:
    """Every expected file is there with the same content but for measured values, and no other but whole pieces."""
    files = {path.relative_to(results) for path in results.rglob("*") if path.is_file()}
    wanted = {path.relative_to(expected) for path in expected.rglob("*") if path.is_file()}
    assert wanted <= files
    assert {path.suffix for path in files - wanted} <= {".parquet"}
    for kind in (store.BLACK_BOX_RUNS, store.ONE_SHOT_RUNS):
        store.load(results, kind)  # all pieces are whole, in their place, and without a seed twice
    for path in wanted:
        if path.suffix == ".parquet":
            ours, theirs = (pq.read_table(folder / path) for folder in (results, expected))
            kept = [name for name in ours.column_names if name not in MEASURED]
            assert ours.select(kept).equals(theirs.select(kept), check_metadata=True), path
        elif path.suffix == ".safetensors":
            (ours, facts), (theirs, _) = (read_checkpoint(folder / path) for folder in (results, expected))
            assert facts["epoch"] == 4
            assert ours.keys() == theirs.keys()
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours), path
        else:
            assert (results / path).read_bytes() == (expected / path).read_bytes(), path


def pieces_in(results: Path) -> int:
    return len(list(results.rglob("*.parquet")))


def wait_until(happened: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def start(module: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """A command in a new process group."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- killed processes ----------------------------------------------------------------------------------------------------------


def test_a_killed_driver_loses_nothing(undisturbed: Path, topology_table: Table, tmp_path: Path) -> None:
    """Killed alone or with its workers, after a number of further pieces has been stored, and a moment later."""
    draw = random.Random(0)
    for number, (more, kill) in enumerate([(0, os.kill), (1, os.killpg), (3, os.kill), (2, os.killpg)]):
        before = pieces_in(tmp_path)
        process = start("experiments", sweep_command(topology_table, tmp_path, "--seeds", 20_000))
        wait_until(lambda: list(tmp_path.rglob(".lock")) and pieces_in(tmp_path) >= before + more, process)  # noqa: B023
        time.sleep(draw.uniform(0, 0.03))
        assert process.poll() is None
        kill(process.pid, signal.SIGKILL)
        process.communicate()
        if number % 2:  # the next one comes while the workers of this one finish what they are at
            wait_until(lambda: group_is_gone(process.pid))  # noqa: B023
    dead = next(tmp_path.rglob("*.parquet")).parent / ".seeds-00025-00049.parquet.abc.part"
    dead.write_bytes(b"half a piece")
    assert experiments_main(sweep_command(topology_table, tmp_path)) == 0
    wait_until(lambda: group_is_gone(process.pid))
    assert pieces_in(tmp_path) < 20_000 / store.PIECE_SEEDS
    (dead.parent / "seeds-00000-00024.parquet").unlink()
    assert experiments_main(sweep_command(topology_table, tmp_path)) == 0
    assert_same(tmp_path, undisturbed)


@pytest.mark.slow
def test_a_killed_search_goes_on_from_its_checkpoint(undisturbed_search: Path, digits_table: Table, tmp_path: Path) -> None:
    process = start("experiments", search_command(digits_table, tmp_path))
    wait_until(lambda: list(tmp_path.rglob(f"*{store.SUPERNET_SUFFIX}")), process)
    process.kill()
    process.communicate()
    (checkpoint,) = tmp_path.rglob(f"*{store.SUPERNET_SUFFIX}")
    assert read_checkpoint(checkpoint)[1]["epoch"] < 4
    (checkpoint.parent / f".{checkpoint.name}.abc.part").write_bytes(b"half a checkpoint")
    assert experiments_main(search_command(digits_table, tmp_path)) == 0
    assert_same(tmp_path, undisturbed_search)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
def test_a_killed_worker_loses_its_piece_and_no_other(undisturbed: Path, topology_table: Table, tmp_path: Path) -> None:
    process = start("experiments", sweep_command(topology_table, tmp_path))
    draw = random.Random(0)
    wait_until(lambda: list(tmp_path.rglob(".lock")), process)
    for stored in (0, 2, 5):
        wait_until(lambda: pieces_in(tmp_path) >= stored or process.poll() is not None)  # noqa: B023
        time.sleep(draw.uniform(0, 0.02))
        with suppress(OSError, IndexError):  # at the end of the sweep there are no workers any more
            worker = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
            os.kill(int(worker), signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    failed = store.failures(tmp_path)
    assert process.returncode == 1
    assert 1 <= len(failed) <= 3
    assert [note.read_text() for note in failed] == ["the process died with exit code -9\n"] * len(failed)
    assert errors.count("the process died with exit code -9\n") == 1
    assert errors.endswith(f"error: {25 * len(failed)} of {SEEDS} runs failed; the same command tries them again\n")
    assert pieces_in(tmp_path) == SEEDS / store.PIECE_SEEDS - len(failed)
    assert experiments_main(sweep_command(topology_table, tmp_path)) == 0
    assert_same(tmp_path, undisturbed)


def test_a_worker_may_be_killed_between_two_pieces(topology_table: Table, tmp_path: Path) -> None:
    rea = BLACK_BOX["rea"]
    condition = sweep.condition_of(rea, rea.Config(), topology_table, RunSettings.of(topology_table, "cifar10", budget=1000))
    pieces = sweep.BlackBoxJob.plan(condition, topology_table, tmp_path, range(75))
    ended = []
    for event in in_processes(pieces, 1):
        if isinstance(event, Progress):
            continue
        ended.append(event)
        if len(ended) == 1:
            (worker,) = multiprocessing.active_children()
            worker.kill()
            worker.join()
    died = Failed(pieces[1], "the process died with exit code -9\n", died=True)
    assert ended == [Finished(pieces[0]), died, Finished(pieces[2])]
    assert stored_seeds(tmp_path, condition) == {*range(25), *range(50, 75)}


def test_workers_of_a_killed_import_end(tmp_path: Path) -> None:
    space = SizeSpace((1, 2, 3), 6)
    archive = official.write_archive(tmp_path / "archive", space, range(500), ["01"])
    process = start("benchmark_api", ["import", str(archive), str(tmp_path / "out" / "t"), "--jobs", "2", "--partial"])
    wait_until(lambda: list(tmp_path.rglob("*.npz")), process)
    process.kill()
    process.communicate()
    wait_until(lambda: group_is_gone(process.pid))
    assert not (tmp_path / "out" / "t").exists()


# -- full disks and read-only folders ------------------------------------------------------------------------------------------


class Disk:
    """A folder with little room: a small file system where one may be mounted, else a limit to the size of files.

    Attributes:
        path: the folder.
        mounted: whether it is a separate file system.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.mounted = sys.platform == "linux" and self._mount("-t", "tmpfs", "tmpfs")

    def _mount(self, *arguments: str) -> bool:
        try:
            return subprocess.run(["mount", *arguments, str(self.path)], capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def make_room(self, kilobytes: int) -> None:
        """From now on there is so much room, or files may be so long."""
        if self.mounted:
            assert self._mount("-o", f"remount,size={kilobytes}k")
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    def make_read_only(self) -> None:
        if not self.mounted:
            pytest.skip("no file system may be mounted here")
        assert self._mount("-o", "remount,ro")

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)
        else:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


def repeat_with_more_room(disk: Disk, first: int, main: Main, command: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command with ever more room, from some kilobytes on, until it succeeds; it must have failed, and cleanly."""
    failures, kilobytes = 0, first
    while True:
        disk.make_room(kilobytes)
        capsys.readouterr()
        if (status := main(command)) == 0:
            break
        failures, kilobytes = failures + 1, 2 * kilobytes
        assert_one_line(status, capsys.readouterr().err, disk.path, "make room there, then run the same command again")
        assert [path for path in disk.path.rglob("*") if path.suffix in (".part", ".spool", ".failed")] == []
    assert failures > 0


def assert_one_line(status: int, error: str, folder: Path, remedy: str) -> None:
    assert status == 2
    assert error.startswith(f"error: cannot write in {folder}")
    assert error.endswith(f"; {remedy}\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_meets_a_full_disk(
    jobs: int, undisturbed: Path, topology_table: Table, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    command = sweep_command(topology_table, disk.path / "results", jobs=jobs)
    repeat_with_more_room(disk, 4, experiments_main, command, capsys)
    assert_same(disk.path / "results", undisturbed)


def test_a_search_meets_a_full_disk(
    undisturbed_search: Path, digits_table: Table, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    command = search_command(digits_table, disk.path / "results")
    repeat_with_more_room(disk, 16, experiments_main, command, capsys)
    assert_same(disk.path / "results", undisturbed_search)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return official.write_archive(tmp_path_factory.mktemp("archive") / "NATS-small", SizeSpace((8, 16), 2), range(4), ["12"])


def test_an_import_meets_a_full_disk(archive: Path, tmp_path: Path, disk: Disk, capsys: pytest.CaptureFixture[str]) -> None:
    expected = import_table(archive, tmp_path / "expected", jobs=1, progress=False)
    repeat_with_more_room(disk, 8, benchmark_main, ["import", str(archive), str(disk.path / "t"), "--jobs", "1"], capsys)
    assert (disk.path / "t").read_bytes() == expected.path.read_bytes()
    assert [path.name for path in disk.path.iterdir()] == ["t"]


BUILD = ["--space", "size", "--widths", "1", "2", "--layers", "2", "--epochs", "1", "--batch", "512", "--trials", "1"]
BUILD += ["--stack", "2", "--jobs", "1"]


def test_a_build_meets_a_full_disk(tmp_path: Path, disk: Disk, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark_main(["build", "--out", str(tmp_path / "expected"), *BUILD]) == 0
    repeat_with_more_room(disk, 1, benchmark_main, ["build", "--out", str(disk.path / "t"), *BUILD], capsys)
    ours, theirs = Table(disk.path / "t"), Table(tmp_path / "expected")
    ours.verify()
    for split in ("train", "x-valid", "x-test"):
        name = f"digits/1/{split}/accuracy"
        assert np.array_equal(ours.tensor(name), theirs.tensor(name))
    assert [path.name for path in disk.path.iterdir()] == ["t"]


@pytest.mark.slow
def test_a_report_meets_a_full_disk(topology_table: Table, tmp_path: Path, disk: Disk) -> None:
    disk.make_room(10_000)
    results, figures = disk.path / "results", disk.path / "figures"
    assert experiments_main(sweep_command(topology_table, results, "--seeds", 6, jobs=1)) == 0
    expected = {path.name: path.read_bytes() for path in draw(results, figures)}
    large = max(expected, key=lambda name: len(expected[name]))
    for path in (*figures.iterdir(), results / "report.html"):
        path.unlink()
    used = sum(path.stat().st_blocks for path in disk.path.rglob("*")) // 2
    disk.make_room(used + len(expected[large]) // 1024 // 2 if disk.mounted else len(expected[large]) // 1024 // 2)
    with pytest.raises(OSError, match=f"cannot write in {disk.path}.*; make room there") as error:
        draw(results, figures)
    assert "\n" not in str(error.value)
    for path in (*figures.iterdir(), *results.glob("report.html")):
        assert path.read_bytes() == expected[path.name]
    disk.make_room(10_000)
    assert {path.name: path.read_bytes() for path in draw(results, figures)} == expected


def test_a_read_only_disk_is_named_before_any_work(
    archive: Path,
    digits_table: Table,
    topology_table: Table,
    undisturbed: Path,
    disk: Disk,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk.make_read_only()
    monkeypatch.setattr(sweep, "run", lambda *_: pytest.fail("a run was made"))
    out = str(disk.path / "out")
    commands: list[tuple[Main, list[str]]] = [
        (experiments_main, sweep_command(topology_table, disk.path / "out", jobs=1)),
        (experiments_main, sweep_command(topology_table, disk.path / "out", jobs=2)),
        (experiments_main, search_command(digits_table, disk.path / "out")),
        (benchmark_main, ["import", str(archive), out, "--jobs", "1"]),
        (benchmark_main, ["build", "--out", out, *BUILD]),
        (benchmark_main, ["export", str(topology_table.path), out, "--jobs", "1"]),
    ]
    for main, command in commands:
        capsys.readouterr()
        status = main(command)
        remedy = "make it writable or name another one, then run the same command again"
        assert_one_line(status, capsys.readouterr().err, disk.path, remedy)
    with pytest.raises(OSError, match=f"cannot write in {disk.path}/figures: Read-only file system"):
        draw(undisturbed, disk.path / "figures")


def without_privileges() -> None:
    """Let permissions hold for the superuser too, in a process that is about to become another program."""
    if sys.platform == "linux" and os.geteuid() == 0:
        drop_from_bounding_set, override_permissions = 24, 1
        ctypes.CDLL(None).prctl(drop_from_bounding_set, override_permissions, 0, 0, 0)


def test_a_folder_without_permission_is_named(undisturbed: Path, topology_table: Table, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    results.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-m", "experiments", *sweep_command(topology_table, results)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=without_privileges,
    )
    if done.returncode == 0:
        pytest.skip("permissions do not hold for this user")
    remedy = "make it writable or name another one, then run the same command again"
    assert_one_line(done.returncode, done.stderr, results, remedy)
    assert list(results.iterdir()) == []


# -- several commands at once --------------------------------------------------------------------------------------------------


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert (process.returncode, errors) == (0, "")


def test_two_sweeps_at_once(undisturbed: Path, topology_table: Table, tmp_path: Path) -> None:
    finish(*(start("experiments", sweep_command(topology_table, tmp_path)) for _ in range(2)))
    assert_same(tmp_path, undisturbed)
    assert pieces_in(tmp_path) == SEEDS / store.PIECE_SEEDS


def test_sweeps_of_overlapping_seeds_at_once(undisturbed: Path, topology_table: Table, tmp_path: Path) -> None:
    ranges = [("--seeds", 190), ("--first-seed", 10, "--seeds", 290)]
    finish(*(start("experiments", sweep_command(topology_table, tmp_path, *seeds)) for seeds in ranges))
    (ours,), (theirs,) = store.load(tmp_path), store.load(undisturbed)
    for name in ("seeds", "offsets", "seconds", "architecture", "epochs", "accuracy"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


@pytest.mark.slow
def test_two_searches_at_once(undisturbed_search: Path, digits_table: Table, tmp_path: Path) -> None:
    finish(*(start("experiments", search_command(digits_table, tmp_path)) for _ in range(2)))
    assert_same(tmp_path, undisturbed_search)
    assert pieces_in(tmp_path) == 2


CONDITION = store.Condition(
    space="topology",
    dataset="cifar10",
    schedule="12",
    budget=1000,
    algorithm="rea",
    hyperparameters="{}",
    incumbent_rule="highest-fidelity",
    table_fingerprint="",
    table_title="",
    table_notice="",
)


def _hold(results: Path, seeds: range, connection: Any) -> None:
    with store.claim(results, CONDITION, seeds) as missing:
        connection.send(missing)
        connection.recv()
        if missing:
            store.piece_path(results, CONDITION, seeds).touch()


def test_a_claim_waits_for_those_who_share_a_seed(tmp_path: Path) -> None:
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")

    def hold(seeds: range) -> Any:
        ours, theirs = context.Pipe()
        context.Process(target=_hold, args=(tmp_path, seeds, theirs), daemon=True).start()
        return ours

    first = hold(range(10, 20))
    assert first.recv() == [range(10, 20)]
    apart, sharing = hold(range(20, 25)), hold(range(5, 25))
    assert apart.recv() == [range(20, 25)]
    assert not sharing.poll(0.2)
    first.send(None)
    assert not sharing.poll(0.2)
    apart.send(None)
    assert sharing.recv() == [range(5, 10)]
    sharing.send(None)


def test_without_locks_a_warning_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(ENOLCK, os.strerror(ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(RuntimeWarning, match="only one command may write"), store.claim(tmp_path, CONDITION, range(3)) as missing:
        assert missing == [range(3)]
    with whole_file(tmp_path / "a") as file:
        file.write(b"a")
        discard_parts(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"a"


def test_only_what_dead_writers_left_is_discarded(tmp_path: Path) -> None:
    dead = tmp_path / ".b.xyz.part"
    with whole_file(tmp_path / "a") as file:
        file.write(b"a")
        dead.touch()
        discard_parts(tmp_path)
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        assert not dead.exists()
    dead.touch()
    with whole_file(tmp_path / "b") as file:
        assert not dead.exists()
        file.write(b"b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
