"""Tables that are merged: which part comes from which table."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.attach import attach
from benchmark_api.tables.merge import merge
from benchmark_api.tables.sources import source_of
from benchmark_api.tables.table import Table
from benchmark_api.training.setting import Setting
from tests.helpers.hand import group, write


def check(merged: Table, **expected: Table) -> None:
    """Tensors whose names, with "_" for "/", begin so are those of a table."""
    for begin, table in expected.items():
        names = [name for name in merged.tensors if name.replace("/", "_").startswith(begin)]
        assert names
        for name in names:
            np.testing.assert_array_equal(merged.tensors[name], table.tensors[name], err_msg=name)


def test_groups_and_metrics_of_all_tables(tmp_path: Path) -> None:
    first = write(tmp_path / "first", group("cifar10/90"), notice="surrogate")
    second = write(tmp_path / "second", group("cifar10/12") | group("cifar100/90", start=5), notice="short")
    second = attach(second, {"energy": np.arange(4.0)}, "costs.csv", units={"energy": "mJ"})
    merged, lines = merge([first, second], tmp_path / "out")
    merged.verify()
    assert lines == [
        "cifar10/90: from first",
        "cifar10/12: from second",
        "cifar100/90: from second",
        "metrics/energy: from second",
    ]
    assert merged.tensors.keys() == first.tensors.keys() | second.tensors.keys()
    check(merged, cifar10_90=first, cifar10_12=second, cifar100_90=second, metrics=second)
    assert (merged.search_schedule, merged.report_schedule) == ("12", "90")
    assert (merged.title, merged.notice) == ("first + second", "surrogate; short")
    assert merged.metrics("cifar10")["energy"].unit == "mJ"
    assert source_of(merged.metadata, "cifar10/90") == {"name": "first"}
    assert source_of(merged.metadata, "cifar100") == {"name": "second"}


def test_what_several_have_is_taken_from_the_first(tmp_path: Path) -> None:
    metric = {"metrics/e": np.zeros(4)}
    first = write(tmp_path / "first", group("cifar10/90") | metric)
    second = write(tmp_path / "second", group("cifar10/90", start=50) | {"metrics/e": np.ones(4)})
    merged, lines = merge([first, second], tmp_path / "out")
    assert lines[2:] == [
        "cifar10/90 of second: left out, that of first is taken",
        "metrics/e of second: left out, that of first is taken",
    ]
    assert merged.fingerprint == first.fingerprint
    assert (merged.title, merged.metadata["source"]["name"]) == ("first", "merged from first")


def test_splits_are_added_where_the_trials_are_the_same(tmp_path: Path) -> None:
    first = write(tmp_path / "first", group("cifar10/90"))
    costs = {"cifar10/90/params": np.ones(4), "cifar10/90/x-valid/seconds": np.ones((4, 2))}
    second = write(tmp_path / "second", group("cifar10/90", ("x-valid", "x-test"), start=50) | costs)
    merged, lines = merge([first, second], tmp_path / "out")
    assert sorted(lines[1:]) == [
        "cifar10/90/params: from second",
        "cifar10/90/x-test: from second",
        "cifar10/90/x-valid/seconds: from second",
    ]
    check(merged, **{"cifar10_90_x-valid_accuracy": first, "cifar10_90_x-test": second, "cifar10_90_params": second})
    assert merged.splits("cifar10", "90") == ("x-valid", "x-test")


def test_splits_of_other_trials_are_left_out(tmp_path: Path) -> None:
    first = write(tmp_path / "first", group("cifar10/90"))
    for name, seeds in {"second": (777, 999), "third": (777,)}.items():
        other = write(tmp_path / name, group("cifar10/90", ("x-test",), seeds) | {"cifar10/90/params": np.ones(4)})
        merged, lines = merge([first, other], tmp_path / f"out-{name}")
        reason = "left out, the trials are not those of first: other seeds"
        assert sorted(lines[1:]) == [f"cifar10/90/params: from {name}", f"cifar10/90/x-test of {name}: {reason}"]
        assert merged.splits("cifar10", "90") == ("x-valid",)


def test_losses_of_other_epochs_are_left_out(tmp_path: Path) -> None:
    first = write(tmp_path / "first", group("cifar10/90"))
    epochs = {"cifar10/90/x-valid/epochs": np.array([0], dtype=np.int32), "cifar10/90/x-valid/loss": np.ones((4, 2, 1))}
    second = write(tmp_path / "second", group("cifar10/90") | epochs)
    _, lines = merge([first, second], tmp_path / "out")
    assert lines[1:] == ["cifar10/90/x-valid of second: left out, the epochs are not those of first"]


def test_a_merged_table_is_merged_again(tmp_path: Path) -> None:
    first, second, third = (write(tmp_path / name, group(f"{name}/90")) for name in ("a", "b", "c"))
    pair, _ = merge([first, second], tmp_path / "pair")
    merged, _ = merge([third, pair], tmp_path / "out")
    assert merged.title == "c + a + b"
    assert [source_of(merged.metadata, key)["name"] for key in "abc"] == ["a", "b", "c"]


def test_tables_are_copied_from_file_to_file(tmp_path: Path) -> None:
    first, second = write(tmp_path / "first", group("cifar10/90")), tmp_path / "second"
    tensors = group("cifar100/900000", seeds=(1, 2, 3, 4)) | {
        "cifar100/900000/x-valid/epochs": np.arange(750_000, dtype=np.int32)
    }
    tensors["cifar100/900000/x-valid/accuracy"] = np.zeros((4, 4, 750_000))  # 96 MB
    tables = [first, write(second, tensors)]
    tracemalloc.start()
    try:
        merge(tables, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6


def test_datasets_keep_the_settings_of_their_trainings(tmp_path: Path) -> None:
    trained = Setting("digits", None, 2, 1)
    digits = write(tmp_path / "digits", group("digits/4"), source={"settings": json.dumps(trained.describe())})
    official = write(tmp_path / "official", group("cifar100/90"))
    for number, tables in enumerate(([digits, official], [official, digits])):
        merged, _ = merge(tables, tmp_path / f"out{number}")
        assert Setting.of(merged, "digits") == trained
        assert Setting.of(merged, "cifar100").dataset == "cifar100"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"source": []}, "Expected object, got array, at source"),
        ({"metrics": {"metrics/e": 1}}, r"Expected object, got int, at metrics\[\.\.\.\]"),
        ({"merged": {}}, "Expected array, got object, at merged"),
        (
            {"merged": [{"file": "f", "title": "t", "fingerprint": "0", "parts": [1]}]},
            r"Expected str, got int, at merged\[0\]\.parts\[0\]",
        ),
        (
            {"merged": [{"file": "f", "title": "t", "fingerprint": "0", "parts": [], "merged": 1}]},
            r"Expected array, got int, at merged\[0\]\.merged",
        ),
    ],
)
def test_metadata_of_other_types_are_refused(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):  # by the writer: what could not be read again is not written
        write(tmp_path / "t", group("cifar10/90"), **facts)


def test_what_cannot_be_merged(tmp_path: Path) -> None:
    table = write(tmp_path / "t", group("cifar10/90"))
    other = write(tmp_path / "other", group("cifar10/90"), SizeSpace((4, 16), 2))
    for tables, out, message in [
        ([table], "out", "1 table to merge; expected two or more, and then the name of the file to write"),
        ([table, table], "t", "t exists; expected the name of a new file"),
        ([table, other], "out", r"other is of the space .*; expected .*'widths': \[4, 8\].*, as in t"),
    ]:
        with pytest.raises(ValueError, match=message):
            merge(tables, tmp_path / out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "t"]
