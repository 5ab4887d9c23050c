"""Files of columns become tables: every figure arrives in its place, nothing inconsistent does, and a failure leaves nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_api.importers import ColumnsImporter, import_table
from benchmark_api.importers.columns import parse_mapping
from benchmark_api.importers.columns.mapping import tomllib
from benchmark_api.spaces import OPERATIONS, TopologySpace
from benchmark_api.tables import Table
from benchmark_api.tables.evaluation import Query
from benchmark_api.tables.evaluator import Accounting, simulated_evaluator

SPACE = 'space = { name = "size", widths = [8, 16], layers = 2 }\n'
WIDE = (
    SPACE
    + """
dataset = "cifar100"
schedule = 3
accuracy = "acc"
split = "test"
[architecture]
widths = "arch"
"""
)
"""Mapping of a file with the columns arch and acc."""


def imported(folder: Path, content: str, mapping: str, name: str = "small.csv", **options: Any) -> Table:
    """The table of a file and a mapping in TOML."""
    (folder / name).write_text(content)
    importer = ColumnsImporter(parse_mapping(tomllib.loads(mapping), "columns.toml"))
    return import_table(folder / name, folder / "t.safetensors", importer=importer, partial=True, progress=False, **options)


def refusal(folder: Path, content: str, mapping: str) -> str:
    """The message by which an import is refused; it leaves nothing behind."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as error:
        imported(folder, content, mapping)
    assert os.listdir(folder) == ["small.csv"]
    return str(error.value).replace(f"{folder}/", "")


# -- what arrives --------------------------------------------------------------------------------------------------------------

LONG = """arch,data,epochs,set,epoch,seed,top1,nll,train_s,eval_s,size,power
8:8,c10,2,train,1,5,0.25,2.0,4.0,,0.5,7
8:8,c10,2,train,2,5,0.5,1.5,4.0,,0.5,7
8:8,c10,2,valid,2,5,0.375,1.75,4.0,0.5,0.5,7
8:8,c10,2,valid,2,4,0.125,,6.0,0.25,0.5,7
16:8,c10,2,valid,2,4,0.75,,,,,
16:16,c10,2,valid,2,4,,,,,,9
"""
LONG_MAPPING = (
    SPACE
    + """
title = "Long"
notice = "made up"
dataset = { column = "data", names = { c10 = "cifar10-valid" } }
schedule = "epochs"
split = { column = "set" }
epoch = { column = "epoch", first = 1 }
trial = "seed"
accuracy = { column = "top1", scale = 100 }
loss = "nll"
training_seconds = "train_s"
pass_seconds = "eval_s"
params = { column = "size", scale = 0.5 }
[source]
licence = "MIT"
[architecture]
widths = "arch"
[[metric]]
name = "power"
column = "power"
unit = "W"
[[metric]]
name = "power of a set"
column = "power"
direction = "maximize"
dataset = { column = "data" }
"""
)


def test_rows_of_measurements(tmp_path: Path) -> None:
    """The long form: one row for each split and epoch; what is missing stays missing."""
    table = imported(tmp_path, LONG, LONG_MAPPING)
    table.verify()
    key, nan = "cifar10-valid", np.nan
    assert table.keys == (key,)
    assert (table.title, table.notice) == ("Long", "made up")
    assert table.metadata["source"]["licence"] == "MIT"
    assert table.seeds(key, "2").tolist() == [[4, 5], [-1, -1], [4, -1], [-1, -1]]
    stem = f"{key}/2"
    np.testing.assert_array_equal(table.tensor(f"{stem}/train/accuracy")[0], [[nan, nan], [25.0, 50.0]])
    np.testing.assert_array_equal(table.tensor(f"{stem}/train/loss")[0], [[nan, nan], [2.0, 1.5]])
    np.testing.assert_array_equal(table.tensor(f"{stem}/x-valid/epochs"), [1])
    valid = table.tensor(f"{stem}/x-valid/accuracy")[:, :, 0]
    np.testing.assert_array_equal(valid, [[12.5, 37.5], [nan, nan], [75.0, nan], [nan, nan]])
    np.testing.assert_array_equal(table.seconds(key, "2", "train"), [[3.0, 2.0], [nan] * 2, [nan] * 2, [nan] * 2])
    np.testing.assert_array_equal(table.seconds(key, "2", "x-valid")[0], [0.25, 0.5])
    np.testing.assert_array_equal(table.params(key), [0.25, nan, nan, nan])
    np.testing.assert_array_equal(table.metric("power", key), [7.0, nan, nan, 9.0])
    assert table.metrics(key)["power"].unit == "W"
    assert table.tensor("c10/metrics/power of a set")[3] == 9.0
    with pytest.raises(ValueError, match=r"the source of .* did not have it"):
        table.flops(key)


def test_columns_of_measurements(tmp_path: Path) -> None:
    """The wide form: several schedules and splits in one row; constants for what the file does not say."""
    mapping = (
        SPACE
        + """
dataset = "cifar100"
training_seconds = 1.5
[architecture]
index = "i"
[[measurement]]
schedule = 1
split = "valid"
accuracy = "a1"
[[measurement]]
schedule = 3
split = "valid"
accuracy = "a3"
[[measurement]]
schedule = 3
split = "test"
accuracy = "t3"
[[measurement]]
optional = true
schedule = 9
split = "test"
accuracy = "t9"
"""
    )
    table = imported(tmp_path, "i,a1,a3,t3\n1,10,20,30\n3,40,50,\n", mapping)
    assert table.schedules("cifar100") == ("1", "3")
    assert table.splits("cifar100", "3") == ("x-valid", "x-test")
    np.testing.assert_array_equal(table.mean_accuracy("cifar100", "1", "x-valid"), [np.nan, 10, np.nan, 40])
    np.testing.assert_array_equal(table.mean_accuracy("cifar100", "3", "x-test"), [np.nan, 30, np.nan, np.nan])
    assert table.seconds("cifar100", "3", "train")[1, 0] == 0.5  # of an epoch, though the train split has no accuracies
    assert "cifar100/9" not in table.path.read_bytes().decode("latin-1")


def test_a_search_runs_on_such_a_table(tmp_path: Path) -> None:
    mapping = WIDE.replace('"test"', '"valid"') + '\n[source]\nlicence = "MIT"'
    table = imported(tmp_path, "arch,acc\n8:8,10\n16:8,20\n", "training_seconds = 1.0\n" + mapping)
    evaluator = simulated_evaluator(table.search_view("cifar100"), Accounting())
    evaluation = evaluator.evaluate(Query((1, 0)))
    assert (evaluation.accuracy, evaluation.seconds) == (20.0, 1.0)


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("string", "{text}"),
        ("name", "{text}"),
        ("name", "{index}"),
        ("operations", "{digits}"),
        ("operations", "{names}"),
        ("index", "{index}.0"),
    ],
)
def test_forms_of_topologies(tmp_path: Path, form: str, cells: str) -> None:
    space = TopologySpace()
    rows = ""
    for index in (9, 123):
        cell = space.architecture(index)
        names = " ".join(OPERATIONS[choice] for choice in cell)
        text = cells.format(text=space.to_string(cell), index=index, digits="".join(map(str, cell)), names=names)
        rows += f"{text},{index / 10}\n"
    mapping = WIDE.replace(SPACE, 'space = "topology"\n').replace("widths", form)
    table = imported(tmp_path, f"arch,acc\n{rows}", mapping)
    assert table.accuracy(9, "cifar100", "3", "x-test") == 0.9
    assert table.accuracy(123, "cifar100", "3", "x-test") == 12.3


@pytest.mark.parametrize("widths", ["16:8", "16-8", '"[16, 8]"', '"(16,8)"', "16 8", "16x8", " 16 : 8 "])
def test_forms_of_widths(tmp_path: Path, widths: str) -> None:
    assert imported(tmp_path, f"arch,acc\n{widths},20\n", WIDE).accuracy(2, "cifar100", "3", "x-test") == 20.0


def test_the_last_epoch_only(tmp_path: Path) -> None:
    table = imported(tmp_path, LONG, LONG_MAPPING, curves=False)
    assert table.tensor("cifar10-valid/2/train/epochs").tolist() == [1]


def test_blocks_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = imported(tmp_path, LONG, LONG_MAPPING).fingerprint
    monkeypatch.setattr("benchmark_api.importers.columns.reading.ROWS", 1)
    assert imported(tmp_path, LONG, LONG_MAPPING).fingerprint == whole


# -- what is refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("arch,top1\n8:8,1\n", "no column 'acc'; it has arch, top1"),
        ("arch,acc,acc\n8:8,1,2\n", "two columns are named 'acc'"),
        ("arch,acc\n8:8,1\n8:16\n", "row 2: expected 2 cells, got 1"),
        (
            "arch,acc\n8:8,1\n8:8,2\n",
            "rows 1, 2: the same measurement twice: architecture 0, cifar100, 3 epochs, x-test, epoch 2",
        ),
        ("arch,acc\n8:8,1\n9:8,2\n", "row 2: arch '9:8': not a size string: expected one of 8, 16 at position 0, got '9'"),
        ("arch,acc\n8:8:8,1\n", "row 1: arch '8:8:8': not a size string: expected 2 widths, got 3"),
        ("arch,acc\n8;x,1\n", "row 1: arch '8;x': expected widths such as 8:16:24:32:40"),
        ("arch,acc\n,1\n", "row 1: arch '': expected widths"),
        ("arch,acc\n8:8,100.5\n", "row 1: acc '100.5': expected a finite number from 0 to 100"),
        ("arch,acc\n8:8,-1\n", "row 1: acc '-1': expected a finite number from 0 to 100"),
        ("arch,acc\n8:8,inf\n", "row 1: acc 'inf': expected a finite number from 0 to 100"),
        ("arch,acc\n8:8,high\n", "row 1: acc 'high': expected a finite number from 0 to 100"),
        ("arch,acc\n" + "8:8,high\n" * 9, "rows 1, 2, 3, 4, 5 and 4 more: acc 'high'"),
        ("arch,acc\n8:8,\n", "no accuracy of any architecture"),
        ("arch,acc\n", "no accuracy of any architecture"),
        ("", "no column 'arch'; it has none"),
        ('arch,acc\n"8:8,1\n', "damaged: unexpected end of data"),
    ],
)
def test_wrong_files(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(tmp_path, content, WIDE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("8:8,c10,2,train,2", "8:8,c10,2,train,3", "row 2: epoch 3 of a schedule of 2: expected 1 to 2"),
        ("8:8,c10,2,train,2", "8:8,c10,2,train,0", "row 2: epoch 0 of a schedule of 2: expected 1 to 2"),
        ("8:8,c10,2,train,2", "8:8,c10,2,train,1.5", "row 2: epoch '1.5': expected an integer"),
        ("8:8,c10,2,train,2", "8:8,c10,,train,2", "row 2: schedule missing in epochs"),
        (
            "8:8,c10,2,train,2",
            "8:8,c10,2,dev,2",
            "row 2: set 'dev': expected one of train, x-valid, x-test, ori-test",
        ),
        ("8:8,c10,2,train,2", "8:8,a/b,2,train,2", "row 2: data 'a/b': expected the key of a data set"),
        ("0.5,1.5,4.0", "0.5,1.5,5.0", "rows 1, 2, 3: training_seconds 4 and 5 of the same trial of architecture 0"),
        ("0.5,1.5,4.0", "0.5,1.5,-4.0", "row 2: train_s '-4.0': expected a finite number, at least 0"),
        ("0.5,1.5,4.0", "0.5,nan,inf", "row 2: train_s 'inf': expected a finite number, at least 0"),
        ("0.5,1.5,4.0", ",1.5,4.0", "row 2: a loss without an accuracy"),
        ("0.5,1.5,4.0,,", "0.5,1.5,4.0,1,", "row 1: pass_seconds of split train: expected training_seconds or epoch_seconds"),
        (",0.5,7\n8:8,c10,2,valid,2,4", ",0.5,8\n8:8,c10,2,valid,2,4", "two values of metrics/power for architecture 0"),
    ],
)
def test_wrong_rows(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert LONG.count(old) == 1
    assert message in refusal(tmp_path, LONG.replace(old, new), LONG_MAPPING)


def test_two_columns_that_name_different_architectures(tmp_path: Path) -> None:
    message = refusal(tmp_path, "i,arch,acc\n0,8:8,1\n1,16:8,1\n", WIDE + 'index = "i"')
    assert "row 2: arch is architecture 2, i architecture 1" in message


def test_too_many_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark_api.importers.columns.trials.TRIALS_LIMIT", 6)
    rows = "".join(f"8:8,{seed},1\n" for seed in range(3))
    message = refusal(tmp_path, f"arch,seed,acc\n{rows}", 'trial = "seed"\n' + WIDE)
    assert "more than 2 trials of architecture 0 for cifar100" in message


def test_without_a_mapping_the_way_to_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("arch,acc\n8:8,1\n")
    with pytest.raises(ValueError, match=r"a file of columns: --columns FILE.toml or --preset NAME .*nats-size-csv"):
        import_table(tmp_path / "small.csv", tmp_path / "t")
    (tmp_path / "a.txt").write_text("arch,acc\n8:8,1\n")
    with pytest.raises(ValueError, match=r"for columns, its name ends in none of \.csv, "):
        import_table(tmp_path / "a.txt", tmp_path / "t")
    importer = ColumnsImporter(parse_mapping(tomllib.loads(WIDE), "m"))
    with pytest.raises(ValueError, match="expected a file and a mapping"):
        import_table(tmp_path, tmp_path / "t", importer=importer)
    (tmp_path / "small.xls").write_text("arch,acc\n8:8,1\n")
    with pytest.raises(ValueError, match="unknown ending; format in m must name the format"):
        import_table(tmp_path / "small.xls", tmp_path / "t", importer=importer)
