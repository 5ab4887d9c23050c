"""Signals, closed streams and narrow limits: a command ends in one line, and what it had finished is kept."""

from __future__ import annotations

import importlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments import store
from experiments.__main__ import main
from tests.helpers import official
from tests.helpers.processes import group_is_gone

ROOT = Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(module: str, *arguments: str, limit: Callable[[], object] | None = None, **environment: str) -> subprocess.Popen[str]:
    """A command in its own group of processes."""

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job inherits "ignore"
        if limit is not None:
            limit()

    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=prepare,
    )


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def sweep(results: Path, seeds: int, *more: str) -> list[str]:
    common = ["--table", "digits-topology", "--dataset", "digits", "--results", str(results), "--seeds", str(seeds)]
    return ["run", "random", *common, *more]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts_a_sweep(number: signal.Signals, tmp_path: Path) -> None:
    """The whole group gets it, as from a terminal that is closed or a scheduler that ends a job."""
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored, as under nohup")
    process = start("experiments", *sweep(tmp_path, 100_000, "--jobs", "2"))
    wait_for(lambda: len(list(tmp_path.rglob("*.parquet"))) > 2, process)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert errors == "interrupted: finished jobs are stored; the same command continues\n"
    deadline = time.monotonic() + 60
    while not group_is_gone(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert group_is_gone(process.pid)
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".part", ".failed")] == []
    (experiment,) = store.load(tmp_path)
    stored = len(experiment.seeds)
    assert main(sweep(tmp_path, 50, "--jobs", "1")) == 0
    assert len(store.load(tmp_path)[0].seeds) >= stored


def handles(process: subprocess.Popen[str]) -> bool:
    """Whether a process has its own handler of SIGTERM, which Python alone does not install."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the handler in /proc")
@pytest.mark.parametrize("module", ["experiments", "plots", "benchmark_api"])
def test_an_interrupt_while_a_command_is_imported_is_one_line(module: str) -> None:
    arguments = {"experiments": ["table"], "plots": [], "benchmark_api": ["info", "digits-size"]}[module]
    for delay in (0.0, 0.05):
        process = start(module, *arguments)
        wait_for(lambda: handles(process), process)  # noqa: B023
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert errors.count("\n") == 1, errors
        assert process.returncode in (2, 130)


MOMENTS = 2
"""Interrupts of each command."""
COMMANDS = {
    "table": ["table"],
    "report": ["report"],
    "plots": ["plots", "--out", "figures"],
    "verify": ["verify", "--sample", "50"],
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a results folder of three searches."""
    folder = tmp_path_factory.mktemp("stored")
    for name in ("random", "rea", "local-search"):
        common = ["--table", "digits-topology", "--dataset", "digits", "--results", str(folder / "r")]
        assert main(["run", name, *common, "--seeds", "50", "--budget", "20", "--jobs", "1"]) == 0
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has PyArrow and matplotlib")
@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupt_at_any_moment_is_one_line(command: str, stored: Path) -> None:
    """The process is forked where everything is imported, and gets the signal while it works."""
    from nas_zoo.__main__ import main as every_command

    importlib.import_module("plots.__main__")
    draw, seconds, interrupted = random.Random(command), 0.0, 0
    words = [*COMMANDS[command], "--results", str(stored / "r")]
    for share in (None, *(draw.random() * 0.9 for _ in range(MOMENTS))):  # the first one is left alone, for its time
        read, write = os.pipe()
        begun, begins = os.pipe()
        child = os.fork()
        if not child:
            os.chdir(stored)
            os.dup2(write, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.write(begins, b"x")
            status = 99
            try:
                status = every_command(words)
            finally:
                sys.stderr.flush()
                os._exit(status)
        os.close(write)
        os.read(begun, 1)
        started = time.monotonic()
        if share is not None:
            time.sleep(0.02 + share * seconds)
            os.kill(child, signal.SIGINT)
        with open(read, "rb") as errors:
            text = errors.read().decode()
        seconds = seconds or time.monotonic() - started
        for descriptor in (begun, begins):
            os.close(descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert (status, text.count("\n")) in ((128 + signal.SIGINT, 1), (0, 0)), text
        assert "Traceback" not in text
        interrupted += status != 0
    assert interrupted
    assert [path for path in stored.rglob("*") if path.name.endswith((".part", ".spool"))] == []


def test_a_second_signal_does_not_disturb_an_import(tmp_path: Path) -> None:
    archive = official.write_archive(tmp_path / "archive", SizeSpace((1, 2, 3), 6), range(500), ["01"])
    process = start("benchmark_api", "import", str(archive), str(tmp_path / "out" / "t"), "--jobs", "2", "--partial")
    wait_for(lambda: list(tmp_path.rglob("*.npz")), process)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert errors == "interrupted; nothing was written\n"
    assert process.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


REDIRECTIONS = ("| true", ">&-", "| head -1", "2>&-", ">/dev/full")
LEFT = [
    ("experiments", ["list"], REDIRECTIONS[:2]),
    ("benchmark_api", ["info", "digits-size"], REDIRECTIONS),
    ("plots", ["--help"], REDIRECTIONS[:2]),
]


@pytest.mark.parametrize(("module", "arguments", "redirections"), LEFT)
def test_a_reader_that_leaves_is_no_error(module: str, arguments: list[str], redirections: Sequence[str]) -> None:
    for redirection in redirections:
        command = f"{sys.executable} -m {module} {' '.join(arguments)} {redirection}"
        done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.stderr.count("\n") <= 1, (redirection, done.stderr)
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_a_sweep_needs_few_descriptors(tmp_path: Path) -> None:
    process = start(
        "experiments", *sweep(tmp_path, 100, "--jobs", "2"), limit=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    )
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, ""), out
    assert len(store.load(tmp_path)[0].seeds) == 100


@pytest.mark.parametrize("locale", ["C", "tr_TR.UTF-8", "en_US.ISO-8859-1"])
def test_any_locale_gives_the_same(locale: str, tmp_path: Path) -> None:
    environment = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    here, there = tmp_path / "here", tmp_path / "there"
    process = start("experiments", *sweep(there, 25, "--jobs", "1"), **environment)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, ""), out
    process = start("benchmark_api", "info", "digits-size", **environment)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, ""), out
    assert "digits size" in out
    main(sweep(here, 25, "--jobs", "1"))
    (ours,), (theirs,) = store.load(here), store.load(there)
    assert ours.folder() == theirs.folder()
    assert np.array_equal(ours.accuracy, theirs.accuracy)


def test_a_clock_that_goes_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    assert main(sweep(tmp_path, 30, "--jobs", "1")) == 0
    (experiment,) = store.load(tmp_path)
    assert len(experiment.seeds) == 30
    assert (experiment.wall_seconds >= 0).all()


@pytest.mark.slow
def test_four_drivers_at_once(tmp_path: Path) -> None:
    processes = [start("experiments", *sweep(tmp_path / "r", 200, "--jobs", "1")) for _ in range(4)]
    for process in processes:
        out, errors = process.communicate(timeout=300)
        assert (process.returncode, errors) == (0, ""), out
    assert main(sweep(tmp_path / "alone", 200, "--jobs", "1")) == 0
    (ours,), (theirs,) = store.load(tmp_path / "r"), store.load(tmp_path / "alone")
    for name in ("seeds", "offsets", "seconds", "architecture", "accuracy"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    assert len(list((tmp_path / "r").rglob("*.parquet"))) == 200 / store.PIECE_SEEDS


def test_little_memory_is_one_line(tmp_path: Path) -> None:
    for module, megabytes in (("experiments", 350), ("experiments", 700), ("plots", 350), ("plots", 700)):
        limit = partial(resource.setrlimit, resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        words = ["table"] if module == "experiments" else []
        process = start(module, *words, "--results", str(tmp_path), limit=limit)
        _, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors, errors
        assert process.returncode != 0


def test_a_failure_of_all_jobs_stops_at_the_first_ones(tmp_path: Path, topology_table: Table) -> None:
    copy = tmp_path / "t.safetensors"
    copy.write_bytes(topology_table.path.read_bytes())
    (tmp_path / "plugin.py").write_text(
        "from algorithms.black_box import register\nfrom algorithms.black_box.random_search import RandomSearch\n\n\n@register\n"
        "class Broken(RandomSearch):\n    name = 'broken'\n    title = 'Broken'\n    paper = 'none'\n\n"
        "    def _propose(self):\n        raise ZeroDivisionError('always')\n"
    )
    environment = {"NAS_ZOO_PLUGINS": "plugin", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = ["run", "broken", "--table", str(copy), "--results", str(tmp_path / "r"), "--seeds", "500", "--jobs", "2"]
    process = start("experiments", *command, **environment)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "ZeroDivisionError: always\nthe first 2 of " in errors
    assert errors.count("Traceback") == 1
    assert len(store.failures(tmp_path / "r")) == 2


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_little_shared_memory_is_enough_or_one_line(tmp_path: Path) -> None:
    archive = official.write_archive(tmp_path / "archive", SizeSpace((8, 16), 2), range(4), ["12"])
    small = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=4k tmpfs /dev/shm && exec "$@"', "sh"]
    if subprocess.run([*small, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    command = [sys.executable, "-m", "benchmark_api", "import", str(archive), str(tmp_path / "t"), "--jobs", "2"]
    done = subprocess.run([*small, *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr.count("\n") == (done.returncode != 0), done.stderr
    command = [sys.executable, "-m", "experiments", *sweep(tmp_path / "r", 50, "--jobs", "2")]
    done = subprocess.run([*small, *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
