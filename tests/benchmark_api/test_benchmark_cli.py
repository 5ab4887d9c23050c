"""The benchmark's command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_api.__main__ import main
from benchmark_api.importers import import_table
from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.tables.table import Table
from tests.helpers import official

SMALL = SizeSpace((8, 16), 2)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return official.write_archive(tmp_path_factory.mktemp("cli") / "NATS-small", SMALL, [0, 1, 3], ["12"])


@pytest.fixture(scope="module")
def table(archive: Path) -> Table:
    return import_table(archive, archive.parent / "table.safetensors", jobs=1, progress=False, partial=True)


def test_import_and_export(archive: Path, table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "t.safetensors"
    assert main(["import", str(archive), str(out), "--partial", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "NATS-Bench size (NATS-small), 3 records (1 of 4 architectures missing), " in printed
    assert table.fingerprint[:12] in printed
    assert Table(out).fingerprint == table.fingerprint
    assert main(["export", str(out), str(tmp_path / "folder"), "--jobs", "1"]) == 0
    assert len(os.listdir(tmp_path / "folder")) == 4


def test_an_incomplete_source_is_refused(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(archive), str(tmp_path / "t"), "--jobs", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {archive} is incomplete: 1 of the 4 architectures of the size space are missing; ")
    assert "--partial" in error
    assert error.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_import_without_curves(archive: Path, tmp_path: Path) -> None:
    assert main(["import", str(archive), str(tmp_path / "t"), "--partial", "--no-curves", "--jobs", "1"]) == 0
    assert Table(tmp_path / "t").tensor("cifar10/12/train/epochs").tolist() == [11]


def test_import_with_a_notice(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(archive), str(tmp_path / "t"), "--partial", "--notice", "partly surrogate", "--jobs", "1"]) == 0
    assert main(["info", str(tmp_path / "t")]) == 0
    assert "notice       partly surrogate\n" in capsys.readouterr().out


def test_info(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(table.path), "--verify"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("NATS-Bench size (NATS-small)\n")
    assert f"{table.fingerprint} (verified)" in printed
    assert "notice" not in printed
    assert "cifar10-valid   12        3              3       777 888 999  train 12, x-valid 12, ori-test 12" in printed
    index, accuracy = table.best("cifar100", "12", "x-test")
    assert f"x-test    best   {accuracy:.4f}   {index}      {SMALL.to_string(SMALL.architecture(index))}\n" in printed


def test_info_of_a_damaged_table(table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(table.path.read_bytes())
    data[-1] ^= 1
    (tmp_path / "t").write_bytes(data)
    assert main(["info", str(tmp_path / "t")]) == 0
    assert main(["info", str(tmp_path / "t"), "--verify"]) == 2
    assert "does not match its fingerprint" in capsys.readouterr().err


def test_query_by_index_and_string(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", str(table.path), "3"]) == 0
    by_index = capsys.readouterr().out
    assert main(["query", str(table.path), "16:16"]) == 0
    assert capsys.readouterr().out == by_index
    assert by_index.startswith("architecture 3: 16:16\n")
    for key in table.keys:
        for split in table.splits(key, "12"):
            assert f"{split:<8}  11     {table.accuracy(3, key, '12', split):.4f}" in by_index
    assert f"{table.accuracy(3, 'cifar10', '12', 'train', seed=888):.2f}" in by_index


def test_query_of_one_key_schedule_and_epoch(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", str(table.path), "0", "--dataset", "cifar10", "--schedule", "12", "--epoch", "4"]) == 0
    printed = capsys.readouterr().out
    assert f"ori-test  4      {table.accuracy(0, 'cifar10', '12', 'ori-test', epoch=4):.4f}" in printed
    assert "cifar100" not in printed


def test_query_of_an_architecture_without_trials(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", str(table.path), "2", "--dataset", "cifar10"]) == 0
    assert capsys.readouterr().out == "architecture 2: 16:8\n\ncifar10, 12 epochs: no trial\n"


def test_query_names_isomorphic_architectures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = TopologySpace()
    index = next(index for index in range(100) if space.index(space.canonical(space.architecture(index))) != index)
    official.write_archive(tmp_path / "archive", space, [index])
    table = import_table(tmp_path / "archive", tmp_path / "t", curves=False, jobs=1, progress=False, partial=True)
    assert main(["query", str(table.path), space.to_string(space.architecture(index))]) == 0
    canonical = space.index(space.canonical(space.architecture(index)))
    assert f"the same function as architecture {canonical}\n" in capsys.readouterr().out


def test_best(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", str(table.path), "--dataset", "cifar100"]) == 0
    index, accuracy = table.best("cifar100", "12", "x-test")
    printed = capsys.readouterr().out
    assert printed.startswith(f"architecture {index}: ")
    assert f"{accuracy:.4f} % on x-test of cifar100 after 12 epochs" in printed
    limit = sorted(table.flops("cifar100", "12")[[0, 1, 3]])[0] + 1e-6
    options = ["--dataset", "cifar100", "--split", "x-valid", "--schedule", "12", "--max-flops", str(limit)]
    assert main(["best", str(table.path), *options]) == 0
    index, accuracy = table.best("cifar100", "12", "x-valid", max_flops=limit)
    assert f"architecture {index}: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "TABLE-that-is-not-there"], "no table file TABLE-that"),
        (["info", __file__], "not a table"),
        (["import", "nowhere", "t"], "no archive at nowhere"),
        (["import", str(ROOT), "t"], "has no meta.pickle.pbz2"),
        (["import", "ARCHIVE", "t", "--jobs", "0"], "jobs must be at least 1"),
        (["export", "TABLE", str(ROOT)], "exists"),
        (["query", "TABLE", "4"], "out of range"),
        (["query", "TABLE", "8:9"], "not a size string"),
        (["query", "TABLE", "0", "--dataset", "mnist"], "unknown dataset key 'mnist'"),
        (["query", "TABLE", "0", "--schedule", "13"], "no schedule '13'"),
        (["query", "TABLE", "0", "--epoch", "12"], "epoch 12 is outside schedule '12'"),
        (["best", "TABLE", "--dataset", "mnist"], "unknown dataset key 'mnist'"),
        (["best", "TABLE", "--dataset", "cifar10", "--split", "x-test"], "its splits are"),
        (["best", "TABLE", "--dataset", "cifar10", "--max-params", "1e-9"], "at most"),
    ],
)
def test_wrong_input_is_explained_without_a_traceback(
    arguments: list[str], message: str, archive: Path, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"TABLE": str(table.path), "ARCHIVE": str(archive)}
    assert main([names.get(argument, argument) for argument in arguments]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert message in printed


def test_an_interrupt_is_not_an_error_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark_api.importers.import_table", interrupted)
    assert main(["import", "a", "b"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"


def test_a_dead_worker_is_not_the_users_mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def died(*_: object, **__: object) -> None:
        raise RuntimeError("a worker process died")

    monkeypatch.setattr("benchmark_api.importers.import_table", died)
    assert main(["import", "a", "b"]) == 1
    assert capsys.readouterr().err == "error: a worker process died\n"


def test_help_answers_at_once_and_names_every_command() -> None:
    code = (
        "import sys; from benchmark_api.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    for command in ("import", "export", "info", "query", "best"):
        assert command in done.stdout
    assert done.stdout.endswith("False\n")


def test_a_reader_that_stops_early_is_no_error(table: Table) -> None:
    command = f"'{sys.executable}' -m benchmark_api info '{table.path}' | head -1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "NATS-Bench size (NATS-small)\n"
    assert done.stderr == ""
