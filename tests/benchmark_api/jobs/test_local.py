"""Local engines: what worker processes import, and how jobs end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark_api.jobs.files import WriteError, whole_file
from benchmark_api.jobs.job import Failed, Finished, Job, JobError, Progress, SharedFailure, events_of
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.plugins import VARIABLE

PLUGIN = "plugin_of_test_local"


@dataclass(frozen=True)
class Example(Job):
    """A job that fails as told, or writes whether this process has imported the plugin."""

    unit = "example"
    forked = False

    name: str = "a"
    error: Exception | None = None

    @property
    def path(self) -> Path:
        return self.results / self.name

    @property
    def units(self) -> int:
        return 2

    def run(self) -> Iterator[int]:
        yield 1
        if self.error is not None:
            raise self.error
        with whole_file(self.path) as file:
            file.write(str(PLUGIN in sys.modules).encode())
        yield 1


def test_new_processes_load_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{PLUGIN}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(VARIABLE, PLUGIN)
    jobs = [Example("a", results=tmp_path), Example("b", results=tmp_path)]
    assert run_jobs(jobs, 2) == []
    assert [job.path.read_text() for job in jobs] == ["True", "True"]
    assert PLUGIN not in sys.modules


def test_a_job_ends_with_one_event(tmp_path: Path) -> None:
    done = Example(results=tmp_path)
    assert list(events_of(done)) == [Progress(done, 1), Progress(done, 1), Finished(done)]
    expected = Example(error=JobError("out of memory: take less"), results=tmp_path)
    assert list(events_of(expected)) == [Progress(expected, 1), Failed(expected, "out of memory: take less\n")]
    _, failed = events_of(Example(error=ValueError("wrong"), results=tmp_path))
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("Traceback")
    assert failed.reason.endswith("ValueError: wrong\n")
    assert not failed.unwritable


@pytest.mark.parametrize("processes", [1, 2])
def test_the_driver_stops_where_nothing_can_be_written(processes: int, tmp_path: Path) -> None:
    full = Example("a", WriteError("cannot write in there"), results=tmp_path)
    with pytest.raises(WriteError, match=r"^cannot write in there$"):
        run_jobs([full, *(Example(f"b{number}", results=tmp_path) for number in range(2000))], processes)
    assert len(list(tmp_path.iterdir())) < 2000
    assert not (tmp_path / "a.failed").exists()


def failing(folder: Path, name: str, error: Exception) -> Example:
    (folder / name).parent.mkdir(exist_ok=True)
    return Example(name, error, results=folder)


def test_a_failure_that_all_jobs_share_ends_the_work(tmp_path: Path) -> None:
    jobs = [failing(tmp_path, f"{number}", KeyError(f"architecture {number}")) for number in range(9)]
    with pytest.raises(
        SharedFailure, match=r"(?s)^/.*/0 failed:\nTraceback.*KeyError: 'architecture 0'\nthe first 2 of 9 jobs failed from one"
    ):
        run_jobs(jobs, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.failed", "1.failed"]


def test_other_failures_end_nothing(tmp_path: Path) -> None:
    """Not those of one folder where there are others, not those of different causes, and none after a success."""
    broken = [failing(tmp_path, f"a/{number}", KeyError()) for number in range(3)]
    sound = [Example(f"b{number}", results=tmp_path) for number in range(2)]
    assert len(run_jobs([*broken, *sound], 1)) == 3
    mixed = [failing(tmp_path, f"c{number}", error) for number, error in enumerate((KeyError(), OSError()))]
    assert len(run_jobs([*mixed, *sound], 1)) == 2
    alike = [failing(tmp_path, f"d{number}", JobError("full")) for number in range(2)]
    assert len(run_jobs([sound[0], *alike, sound[1]], 1)) == 2
    assert all(job.path.exists() for job in sound)


def test_a_log_has_a_line_for_each_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = count(step=25)
    monkeypatch.setattr("benchmark_api.jobs.run_jobs.time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert run_jobs([Example(f"{number}", results=tmp_path) for number in range(4)], 1) == []
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "2 of 8 examples, 01:15 so far, about 03:45 to go"
    assert len(lines) == 4
    run_jobs([Example("x", results=tmp_path)], 1, progress=False)
    assert capsys.readouterr().err == ""
