"""The benchmark's command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.__main__ import main
from benchmark_api.importers import import_table
from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.tables.table import Table
from tests.helpers import hand, official

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
    data[len(data) // 2] ^= 1
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


# -- metrics, and tables without test accuracies, losses and times --------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path) -> Table:
    """A table of validation accuracies only: of architecture i [10 i, 10 i + 5]."""
    tensors = hand.group("cifar10-valid/90") | hand.group("cifar100/90", start=40)
    tensors["cifar10-valid/90/x-valid/accuracy"][:] = 10.0 * np.arange(4)[:, None, None] + [[0.0], [5.0]]
    return hand.write(tmp_path / "bare", tensors | {"cifar10-valid/90/train/seconds": np.full((4, 2), 2.5)})


def attach(table: Table, *options: str) -> None:
    costs = table.path.with_name("costs.csv")
    costs.write_text("index,latency,energy,device\n3,9,-1,x\n2,4,6,x\n1,5,7,x\n0,8,1,x\n")
    assert main(["attach", str(table.path), str(costs), "--missing", "-1", *options]) == 0


def test_attach(bare: Table, capsys: pytest.CaptureFixture[str]) -> None:
    attach(
        bare, "--columns", "latency=latency@phone", "energy", "--unit", "latency@phone=ms", "energy=mJ", "--maximize", "energy"
    )
    printed = capsys.readouterr().out
    assert "  latency@phone  ms    4 of 4\n  energy         mJ    3 of 4\n" in printed
    table = Table(bare.path)
    assert table.fingerprint[:12] in printed
    assert table.metric("latency@phone", "cifar100").tolist() == [8.0, 5.0, 4.0, 9.0]
    assert (table.metrics("cifar100")["energy"].unit, table.metrics("cifar100")["energy"].direction) == ("mJ", "maximize")


def test_attach_to_a_new_file_and_a_dataset(bare: Table, capsys: pytest.CaptureFixture[str]) -> None:
    attach(bare, "--out", str(bare.path.with_name("new")), "--dataset", "cifar10")
    assert "left out: device, which has no numbers\n" in capsys.readouterr().out
    assert Table(bare.path.with_name("new")).metrics("cifar10-valid").keys() == {"energy", "latency"}
    assert not Table(bare.path).metrics("cifar10-valid")


def test_info_of_a_bare_table(bare: Table, capsys: pytest.CaptureFixture[str]) -> None:
    attach(bare, "--unit", "latency=ms", "--maximize", "energy")
    capsys.readouterr()
    assert main(["info", str(bare.path)]) == 0
    printed = capsys.readouterr().out
    assert "  test         no test accuracies of cifar10, cifar100\n" in printed
    assert "  latency  ms    less    4              all\n  energy         more    3              all\n" in printed
    assert "reliability (validation accuracy after the last epoch;" in printed
    assert "  cifar10   90        4              2       1.000 (1 against 1)" in printed
    assert "  cifar10  cifar100  1.000\n" in printed
    assert "nan" not in printed


def test_query_of_a_bare_table(bare: Table, capsys: pytest.CaptureFixture[str]) -> None:
    attach(bare, "--unit", "latency=ms")
    capsys.readouterr()
    assert main(["query", str(bare.path), "3", "--dataset", "cifar10"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["latency", "all", "9", "ms"] in lines
    assert not [line for line in lines if line[:1] == ["energy"]]  # not measured
    assert ["train", "2.5"] in lines
    assert ["x-valid", "89", "32.5000", "30.00,", "35.00"] in lines
    assert main(["query", str(bare.path), "3", "--epoch", "5"]) == 2
    assert "epoch 5 of x-valid is not stored for cifar10-valid/90" in capsys.readouterr().err


def test_best_within_limits_of_a_bare_table(bare: Table, capsys: pytest.CaptureFixture[str]) -> None:
    attach(bare, "--unit", "latency=ms")
    for limits, index in ([], 3), (["--max", "latency=8"], 2), (["--max", "latency=8", "energy=9", "--min", "energy=6.5"], 1):
        capsys.readouterr()
        assert main(["best", str(bare.path), "--dataset", "cifar10", *limits]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"architecture {index}: ")
        assert f"{10 * index + 2.5:.4f} % on x-valid of cifar10-valid after 90 epochs\n" in printed
    assert main(["best", str(bare.path), "--dataset", "cifar10", "--max", "latency=3"]) == 2
    assert "no measured architecture of cifar10-valid/90 has latency of at most 3 ms" in capsys.readouterr().err


def test_front(bare: Table, capsys: pytest.CaptureFixture[str]) -> None:
    attach(bare, "--unit", "latency=ms", "--maximize", "energy")
    for metric, indices, compared in ("latency", [2, 3], 4), ("energy", [1, 2], 3):  # less latency, more energy
        capsys.readouterr()
        assert main(["front", str(bare.path), "--dataset", "cifar10", "--metric", metric]) == 0
        title, header, *rows = capsys.readouterr().out.splitlines()
        assert title == f"2 of {compared} architectures: x-valid of cifar10-valid after 90 epochs against {metric}"
        assert header.split()[-3:] == ["accuracy", "index", "architecture"]
        assert [int(row.split()[2]) for row in rows] == indices


def test_merge(bare: Table, table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = hand.write(tmp_path / "other", hand.group("digits/12"))
    assert main(["merge", str(bare.path), str(other.path), str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("cifar10-valid/90: from bare\ncifar100/90: from bare\ndigits/12: from other\n")
    merged = Table(tmp_path / "out")
    assert merged.fingerprint[:12] in printed
    assert main(["info", str(merged.path)]) == 0
    assert (
        f"  merged       cifar10-valid/90, cifar100/90: from bare (bare, fingerprint {bare.fingerprint[:12]})"
        in capsys.readouterr().out
    )
    assert main(["merge", str(bare.path), str(table.path), str(tmp_path / "more")]) == 2
    assert "is of the space" in capsys.readouterr().err


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
        (["best", "TABLE", "--dataset", "cifar10", "--max", "power=1"], "no metric 'power' for cifar10"),
        (["best", "TABLE", "--dataset", "cifar10", "--max", "params"], "--max params; expected NAME=VALUE"),
        (["best", "TABLE", "--dataset", "cifar10", "--min", "params=x"], "--min params=x; expected a number after '='"),
        (["best", "TABLE", "--dataset", "cifar10", "--max", "flops=1", "--max", "flops=2"], "--max has flops twice"),
        (["front", "TABLE", "--dataset", "cifar10", "--metric", "power"], "no metric 'power' for cifar10"),
        (["attach", "TABLE", "nowhere.csv"], "no file nowhere.csv"),
        (["attach", "TABLE", "TABLE"], "neither Parquet nor CSV"),
        (["merge", "TABLE", "out"], "1 table to merge"),
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
    code = "import sys; from benchmark_api.__main__ import main\nmain(['--help']); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    for command in ("import", "build", "export", "attach", "merge", "info", "query", "best", "front"):
        assert command in done.stdout
    assert done.stdout.endswith("False\n")


def test_a_reader_that_stops_early_is_no_error(table: Table) -> None:
    command = f"'{sys.executable}' -m benchmark_api info '{table.path}' | head -1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "NATS-Bench size (NATS-small)\n"
    assert done.stderr == ""
