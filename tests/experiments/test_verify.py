"""`experiments verify`: whole results pass, every defect is named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.spaces import TopologySpace
from benchmark_api.tables.table import Table
from experiments import store
from experiments.__main__ import main
from experiments.runs import black_box as sweep
from experiments.runs.run import Run, run
from experiments.settings import RunSettings
from experiments.verify import verify


@pytest.fixture(scope="module")
def made(topology_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    for name in ("rea", "bohb"):
        search = BLACK_BOX[name]
        condition = sweep.condition_of(
            search, search.Config(), topology_table, RunSettings.of(topology_table, "cifar10", budget=2_000, noise=777)
        )
        assert run_jobs(sweep.BlackBoxJob.plan(condition, topology_table, folder, range(55)), processes=1) == []
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def test_whole_results_pass(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--results", str(results), "--sample", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.endswith(": ok (55 runs read, 3 made again)") for line in lines)


def test_a_changed_run_is_found(results: Path, topology_table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is well-formed, but whose runs are not those of its seeds."""
    (experiment,) = store.load(results, algorithm="rea")
    runs = []
    for number, seed in enumerate(experiment.seeds.tolist()[:25]):
        part = slice(experiment.offsets[number], experiment.offsets[number + 1])
        accuracy = experiment.accuracy[part] + (1e-9 if seed == 7 else 0.0)
        runs.append(Run(seed, experiment.seconds[part], experiment.architecture[part], experiment.epochs[part], accuracy, 0.0))
    store.write_piece(results, experiment.condition, runs, experiment.code_versions[0], experiment.table_path)
    assert main(["verify", "--results", str(results), "--sample", "55"]) == 1
    captured = capsys.readouterr()
    assert "repeated runs differ, seeds [7]" in captured.out
    assert captured.err == f"error: 1 problems in {results}\n"


def test_what_else_is_wrong_is_named(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = sorted(results.rglob("*.parquet"))
    (first,) = [piece for piece in pieces if "rea-" in str(piece) and "00025" in piece.name]
    first.unlink()
    first.with_suffix(".failed").write_text("why")
    (first.parent / f".{first.name}.x.part").touch()
    ours = sweep.code_version
    monkeypatch.setattr(sweep, "code_version", lambda *parts: "another")
    problems = [finding.problem for finding in verify(results, 0) if finding.problem]
    assert "a failed job that was not run again" in problems
    assert "temporary file of a killed or running writer" in problems
    assert "25 seeds from 0 to 54 are missing" in problems
    assert [problem for problem in problems if problem.startswith("made by other code")] == [
        f"made by other code than this (another): {ours(run, BLACK_BOX[name], TopologySpace)}" for name in ("bohb", "rea")
    ]


def test_runs_that_begin_at_a_later_seed_are_complete(topology_table: Table, tmp_path: Path) -> None:
    search = BLACK_BOX["random"]
    settings = RunSettings.of(topology_table, "cifar10", budget=2_000)
    condition = sweep.condition_of(search, search.Config(), topology_table, settings)
    assert run_jobs(sweep.BlackBoxJob.plan(condition, topology_table, tmp_path, range(20, 30)), processes=1) == []
    assert [(found.problem, found.checked) for found in verify(tmp_path, 1)] == [("", "10 runs read, 1 made again")]


def test_runs_of_a_search_that_is_not_registered_are_read_alone(results: Path) -> None:
    (experiment,) = store.load(results, algorithm="rea")
    condition = replace(experiment.condition, algorithm="elsewhere")
    part = slice(*experiment.offsets[:2])
    first = Run(
        0, experiment.seconds[part], experiment.architecture[part], experiment.epochs[part], experiment.accuracy[part], 0.0
    )
    store.write_piece(results, condition, [first], "1", experiment.table_path)
    (found,) = [finding for finding in verify(results, 1) if "elsewhere" in finding.what]
    assert found.problem == "elsewhere is not registered here, so its runs cannot be repeated"


def test_a_damaged_file_is_an_error(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    piece = next(results.rglob("*.parquet"))
    data = bytearray(piece.read_bytes())
    data[len(data) // 2] ^= 1
    piece.write_bytes(data)
    assert main(["verify", "--results", str(results)]) == 2
    assert str(piece) in capsys.readouterr().err


def test_supernets_are_trained_again_where_asked(digits_table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--epochs", "1", "--batch", "450", "--candidates", "3", "--seed-list", "5", "--jobs", "1"]
    assert main(["run", "rsps", "--table", str(digits_table.path), "--results", str(tmp_path), *small]) == 0
    capsys.readouterr()
    assert main(["verify", "--results", str(tmp_path)]) == 0
    assert "1 runs read, 0 made again" in capsys.readouterr().out
    assert main(["verify", "--results", str(tmp_path), "--one-shot"]) == 0
    assert "1 runs read, 1 made again" in capsys.readouterr().out
