"""`experiments verify`: what is whole passes, what is not is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api.jobs.engines import carry_out
from benchmark_api.tables.table import Table
from experiments import provenance, store
from experiments import verify as verify_module
from experiments.__main__ import main
from experiments.runs import black_box as sweep
from experiments.runs.run import Run
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
        assert carry_out(sweep.plan(condition, topology_table, folder, range(30)), jobs=1) == []
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def test_whole_results_pass(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--results", str(results), "--sample", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.endswith(": ok (30 runs read, 3 made again)") for line in lines)


def test_a_changed_run_is_found(results: Path, topology_table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is well-formed, but whose runs are not those of its seeds."""
    (experiment,) = store.load(results, algorithm="rea")
    condition = store.Condition(**{name: getattr(experiment, name) for name in store.BLACK_BOX.fields})
    runs = []
    for number, seed in enumerate(experiment.seeds.tolist()[:25]):
        part = slice(experiment.offsets[number], experiment.offsets[number + 1])
        accuracy = experiment.accuracy[part] + (1e-9 if seed == 7 else 0.0)
        runs.append(Run(seed, experiment.seconds[part], experiment.architecture[part], experiment.epochs[part], accuracy, 0.0))
    store.write_piece(results, condition, runs, experiment.code_versions[0], experiment.table_path)
    assert main(["verify", "--results", str(results), "--sample", "30"]) == 1
    captured = capsys.readouterr()
    assert "made again, these seeds differ: [7]" in captured.out
    assert captured.err == f"error: 1 problems in {results}\n"


def test_what_else_is_wrong_is_named(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = sorted(results.rglob("*.parquet"))
    (first,) = [piece for piece in pieces if "rea-" in str(piece) and "00000" in piece.name]
    first.unlink()
    first.with_suffix(".failed").write_text("why")
    (first.parent / f".{first.name}.x.part").touch()
    monkeypatch.setattr(verify_module, "code_version", lambda kind="black-box": "another")
    problems = [finding.problem for finding in verify(results, 0) if finding.problem]
    assert "a failed piece that was not run again" in problems
    assert "left by a writer that was killed, or is at work" in problems
    assert "25 seeds below 29 are missing" in problems
    assert problems.count(f"made by other code than this (another): {provenance.code_version()}") == 2


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
