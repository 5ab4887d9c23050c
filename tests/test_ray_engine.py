"""Sweeps on Ray: the same results as local ones, also when workers die."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_sweep import assert_same, condition_of, pieces_of

from benchmark_api.table import Table
from experiments import store, sweep
from experiments.__main__ import main
from experiments.store import Experiment

ray = pytest.importorskip("ray")
engine_module = pytest.importorskip("experiments.ray_engine")
RayEngine = engine_module.RayEngine
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this file


@dataclass(frozen=True)
class Troubled(sweep.Piece):
    """A piece that gets into trouble half-way, as often as there are files in a folder."""

    troubles: Path | None = None
    how: str = "killed"

    def run(self) -> Iterator[int]:
        assert self.troubles is not None
        yield 1
        if waiting := sorted(self.troubles.iterdir()):
            waiting[0].unlink()
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("something is wrong")
        for units in super().run():
            yield units - 1


def troubled(pieces: list[sweep.Piece], number: int, folder: Path, times: int, how: str) -> list[sweep.Work]:
    """The pieces, one of them in trouble so many times."""
    folder.mkdir()
    for time in range(times):
        (folder / str(time)).touch()
    settings = {field.name: getattr(pieces[number], field.name) for field in fields(sweep.Piece)}
    return [*pieces[:number], Troubled(**settings, troubles=folder, how=how), *pieces[number + 1 :]]


@pytest.fixture
def pieces(topology_table: Table, tmp_path: Path) -> list[sweep.Piece]:
    return pieces_of(condition_of("rea", topology_table), topology_table, tmp_path / "ray", range(60))


@pytest.fixture
def local(topology_table: Table, tmp_path: Path) -> Experiment:
    condition = condition_of("rea", topology_table)
    assert sweep.sweep(pieces_of(condition, topology_table, tmp_path / "local", range(60)), jobs=1) == []
    (experiment,) = store.load(tmp_path / "local")
    return experiment


@pytest.mark.slow
def test_ray_gives_what_local_processes_give(pieces: list[sweep.Piece], local: Experiment, tmp_path: Path) -> None:
    """One of the workers is killed half-way."""
    work = troubled(pieces, 1, tmp_path / "troubles", 1, "killed")
    events: list[sweep.Event] = []

    def engine(some: Any, jobs: int) -> Any:
        for event in RayEngine()(some, jobs):
            events.append(event)
            yield event

    assert sweep.sweep(work, 2, engine) == []
    (experiment,) = store.load(tmp_path / "ray")
    assert_same(experiment, local)
    for piece in work:  # what the killed worker had told is not told again
        assert sum(event for other, event in events if other.path == piece.path and isinstance(event, int)) == piece.units
    assert {path.suffix or path.name for path in (tmp_path / "ray").rglob("*") if path.is_file()} == {".parquet", ".lock"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "times", "message"), [("killed", 9, "its worker died 2 times"), ("wrong", 1, "something is wrong")]
)
def test_a_failing_piece_is_reported_and_the_others_finish(
    how: str, times: int, message: str, pieces: list[sweep.Piece], tmp_path: Path
) -> None:
    work = troubled(pieces, 0, tmp_path / "troubles", times, how)
    (failure,) = sweep.sweep(work, 2, RayEngine(retries=1))
    assert failure.piece is work[0]
    assert message in failure.reason
    assert store.failure_path(work[0].path).read_text() == failure.reason
    assert list((tmp_path / "ray").rglob("*.parquet")) == sorted(piece.path for piece in work[1:])


@pytest.mark.slow
def test_the_command_line(topology_table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "random", "--table", str(topology_table.path), "--seeds", "3", "--results", str(tmp_path)]
    assert main([*arguments, "--engine", "ray", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.startswith(f"3 new runs in {tmp_path} (")
    assert main(["verify", "--results", str(tmp_path)]) == 0


# -- what a worker does that does not see the driver's files, without Ray ------------------------------------------------------


def test_a_worker_without_the_results_folder_sends_its_files(pieces: list[sweep.Piece]) -> None:
    *units, files, last = engine_module._work(pieces[0], "a marker that is nowhere", [])
    assert (units, last) == ([25], None)
    assert not pieces[0].results.exists()
    ((path, content),) = files.contents.items()
    assert pieces[0].results / path == pieces[0].path
    pieces[0].path.parent.mkdir(parents=True)
    pieces[0].path.write_bytes(content)
    (experiment,) = store.load(pieces[0].results)
    assert experiment.seeds.tolist() == list(range(25))


def test_a_worker_without_the_table_asks_for_it(
    pieces: list[sweep.Piece], topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = replace(pieces[0], table_path=tmp_path / "not here")
    pieces[0].results.mkdir()
    (pieces[0].results / "marker").touch()
    assert list(engine_module._work(elsewhere, "marker", [])) == [engine_module._Table()]
    monkeypatch.setattr(engine_module.tempfile, "gettempdir", lambda: str(tmp_path / "node"))
    monkeypatch.setattr(engine_module, "TABLE_COPIES", sweep.TABLE_COPIES)
    monkeypatch.setattr(engine_module.ray, "get", lambda reference: np.fromfile(reference, dtype=np.uint8))
    try:
        assert list(engine_module._work(elsewhere, "marker", [topology_table.path])) == [25, None]
        (copy,) = (tmp_path / "node").rglob("*.safetensors")
        assert copy.read_bytes() == topology_table.path.read_bytes()
        monkeypatch.setattr(engine_module.ray, "get", lambda reference: pytest.fail("the node has a copy"))
        shutil.rmtree(elsewhere.path.parent)
        assert list(engine_module._work(elsewhere, "marker", [topology_table.path])) == [25, None]
    finally:
        sweep.TABLE_COPIES.clear()
    (experiment,) = store.load(pieces[0].results)
    assert experiment.table_path == str(elsewhere.table_path)
