"""Archives from anybody: what an import may cost, and records that are no files."""

from __future__ import annotations

import bz2
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark_api.__main__ import main
from benchmark_api.importers import import_table
from benchmark_api.importers.official.read import META, record_path
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments.__main__ import main as experiments_main
from tests.helpers import official
from tests.helpers.hostile import Tries

ROOT = Path(__file__).resolve().parents[3]
SPACE = SizeSpace((1, 2), 7)  # 128 architectures
KEYS, TRIALS, EPOCHS = 4, 16, 1000
MEASURE = """
import resource, sys
from benchmark_api.importers import import_table
import_table(sys.argv[1], sys.argv[2], jobs=1, curves=False, progress=False)
print(max(resource.getrusage(of).ru_maxrss for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) >> 10)
"""


def dense(index: int) -> dict[str, Any]:
    """A record of many long trainings, all of which are the same objects: its pickle is small."""
    train, text = dict.fromkeys(range(EPOCHS), 50.0), SPACE.to_string(SPACE.architecture(index))
    evaluated = dict.fromkeys((f"ori-test@{epoch}" for epoch in range(EPOCHS)), 50.0)
    usual = {"train_acc1es": train, "train_losses": train, "train_times": train, "epochs": EPOCHS, "params": 1.0, "flop": 1.0}
    usual |= {"eval_names": ["ori-test"], "eval_acc1es": evaluated, "eval_losses": evaluated, "eval_times": evaluated}
    keys = [f"key{number}" for number in range(KEYS)]
    results = {(key, seed): {**usual, "name": key, "seed": str(seed)} for key in keys for seed in range(TRIALS)}
    seeds = {key: [*range(TRIALS)] for key in keys}
    return {str(EPOCHS): {"arch_index": index, "arch_str": text, "all_results": results, "dataset_seed": seeds}}


def test_small_records_of_long_curves_take_little_memory(tmp_path: Path, tries: Tries) -> None:
    """Their curves have 130 MB for each 16 records, 1 GB in all."""
    archive = tmp_path / "archive"
    archive.mkdir()
    strings = [SPACE.to_string(SPACE.architecture(index)) for index in range(len(SPACE))]
    meta = {"meta_archs": strings, "total_archs": len(strings), "arch2infos": None, "evaluated_indexes": set()}
    (archive / META).write_bytes(bz2.compress(pickle.dumps(meta, protocol=4)))
    for index in range(len(SPACE)):
        record_path(archive, index).write_bytes(bz2.compress(pickle.dumps(dense(index), protocol=4)))
    assert sum(path.stat().st_size for path in archive.iterdir()) < 3e6
    # The shell forks it: a process that this one starts directly begins with the peak memory of this one.
    shell = ["/bin/sh", "-c", '"$0" "$@"; exit $?']
    command = [*shell, sys.executable, "-c", MEASURE, str(archive), str(tmp_path / "t.safetensors")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    tries.inputs += len(SPACE)
    assert int(done.stdout) < 500, "MiB"


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a device"])
def test_records_that_are_no_files_are_refused(kind: str, tmp_path: Path, tries: Tries) -> None:
    archive = official.write_archive(tmp_path / "archive", SizeSpace((8, 16), 2), range(4), ["12"])
    for path in (record_path(archive, 2), archive / META):
        content = path.read_bytes()
        path.unlink()
        {"a FIFO": os.mkfifo, "a folder": Path.mkdir, "a device": lambda path: path.symlink_to("/dev/zero")}[kind](path)
        place = archive if path.name == META else path
        tries.refused(path, lambda: import_table(archive, tmp_path / "t", jobs=1, progress=False), place)
        path.rmdir() if kind == "a folder" else path.unlink()
        path.write_bytes(content)
    assert not (tmp_path / "t").exists()


def test_an_archive_without_times_has_no_clock(tmp_path: Path, tries: Tries, capsys: pytest.CaptureFixture[str]) -> None:
    space = SizeSpace((8, 16), 2)
    archive = official.write_archive(tmp_path / "archive", space, range(4), ["12"])
    for index in range(4):
        record = official.record(space, index, ["12"])
        for trial in record["12"]["all_results"].values():
            trial["train_times"], trial["eval_times"] = None, dict.fromkeys(trial["eval_times"], 0.0)
        record_path(archive, index).write_bytes(bz2.compress(pickle.dumps(record, protocol=4)))
    assert main(["import", str(archive), str(tmp_path / "t"), "--jobs", "1"]) == 0
    assert Table(tmp_path / "t").datasets
    capsys.readouterr()
    common = ["--table", str(tmp_path / "t"), "--dataset", "cifar100", "--results", str(tmp_path / "r"), "--jobs", "1"]
    assert experiments_main(["run", "random", *common, "--seeds", "2"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "second" in error
    tries.inputs += 1


def test_an_archive_in_a_folder_of_any_name_is_imported(tmp_path: Path, tries: Tries) -> None:
    for number, name in enumerate(("a\nb", "\x1b[2J", "\udcff", "%s {x}", "-x", "😀")):
        archive = official.write_archive(tmp_path / name, SizeSpace((8, 16), 2), range(4), ["12"])
        assert tries.expect(name, lambda: import_table(archive, tmp_path / f"t{number}", jobs=1, progress=False))  # noqa: B023
        single = official.write_single_file(tmp_path / name / "single", SizeSpace((8, 16), 2), range(4), ["12"])
        assert tries.expect(name, lambda: import_table(single, tmp_path / f"s{number}", jobs=1, progress=False))  # noqa: B023
