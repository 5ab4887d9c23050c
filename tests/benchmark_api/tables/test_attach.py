"""Metrics that are attached to a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_api.tables.attach import attach
from benchmark_api.tables.table import EMBEDDED, Table
from tests.helpers.hand import group, write

NAN = float("nan")
VALUES = {"energy": np.array([1.0, NAN, 3.0, 4.0]), "speed": np.arange(4.0)}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    params = {"cifar10-valid/200/params": np.ones(4)}
    return write(tmp_path / "t", group("cifar10-valid/200") | group("cifar100/200") | params)


def test_the_table_is_replaced_by_one_with_more_metrics(table: Table) -> None:
    changed = attach(table, VALUES, "costs.csv, SHA-256 0123", units={"energy": "mJ"}, maximize=["speed"])
    assert (changed.path, changed.fingerprint != table.fingerprint) == (table.path, True)
    changed.verify()
    for key in table.keys:
        np.testing.assert_array_equal(changed.metric("energy", key), VALUES["energy"])
        assert (changed.metrics(key)["energy"].unit, changed.metrics(key)["speed"].direction) == ("mJ", "maximize")
    about = {"unit": "mJ", "direction": "minimize", "source": "costs.csv, SHA-256 0123"}
    assert changed.metadata["metrics"]["metrics/energy"] == about
    kept = {name: tensor for name, tensor in changed.tensors.items() if not name.startswith("metrics/")}
    assert kept.keys() == table.tensors.keys()
    assert all(np.array_equal(tensor, table.tensors[name]) for name, tensor in kept.items())
    assert {**changed.metadata, "metrics": 0, "fingerprint": 0} == {**table.metadata, "metrics": 0, "fingerprint": 0}


def test_metrics_of_one_dataset(table: Table) -> None:
    changed = attach(table, VALUES, "s", table.path.with_name("new"), dataset="cifar10")
    assert {"energy", "speed"} <= changed.metrics("cifar10-valid").keys()
    assert not changed.metrics("cifar100")
    assert "energy" in changed.search_view("cifar10").costs
    assert not Table(table.path).metrics("cifar100")


def test_metrics_are_replaced_on_request_only(table: Table) -> None:
    changed = attach(table, VALUES, "s", units={"energy": "mJ"})
    with pytest.raises(ValueError, match="t has metrics/energy already; expected another name, or `replace`"):
        attach(changed, VALUES, "s")
    again = attach(changed, {"energy": np.full(4, 9.0)}, "later", replace=True)
    assert again.metric("energy", "cifar100").tolist() == [9.0] * 4
    assert again.metadata["metrics"]["metrics/energy"] == {"unit": "", "direction": "minimize", "source": "later"}
    assert again.metric("speed", "cifar100").tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({"a/b": np.ones(4)}, {}, "'a/b' cannot be the name of a metric; expected text without '/' and '='"),
        ({"": np.ones(4)}, {}, "'' cannot be the name"),
        ({"a=b": np.ones(4)}, {}, "'a=b' cannot be the name"),
        ({"seeds": np.ones(4)}, {}, "'seeds' cannot be the name"),
        ({"a": np.ones(3)}, {}, r"metric 'a' has shape \(3,\); expected \(4,\)"),
        ({"params": np.ones(4)}, {}, "cifar10-valid/200/params, of the trainings in t, would hide metrics/params"),
        ({"params": np.ones(4)}, {"dataset": "cifar10", "replace": True}, "would hide cifar10-valid/metrics/params"),
        (VALUES, {"units": {"power": "W"}}, "no metric 'power' is attached; expected one of energy, speed"),
        (VALUES, {"maximize": ["power"]}, "no metric 'power' is attached"),
        (VALUES, {"dataset": "mnist"}, "unknown dataset key 'mnist'"),
    ],
)
def test_what_cannot_be_attached(table: Table, values: Any, options: dict[str, Any], message: str) -> None:
    before = table.path.read_bytes()
    with pytest.raises(ValueError, match=message):
        attach(table, values, "s", **options)
    assert table.path.read_bytes() == before


def test_a_metric_that_only_another_dataset_measured_is_no_obstacle(table: Table) -> None:
    changed = attach(table, {"params": np.full(4, 2.0)}, "s", dataset="cifar100")
    assert (changed.metric("params", "cifar100")[0], changed.metric("params", "cifar10-valid")[0]) == (2.0, 1.0)


def test_files_that_are_there_stay(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="exists; expected the name of a new file"):
        attach(table, VALUES, "s", table.path)
    monkeypatch.setitem(EMBEDDED, "mine", table.path)
    with pytest.raises(ValueError, match="t comes with the project and stays as it is; expected the name of a file to write"):
        attach(Table("mine"), VALUES, "s")
