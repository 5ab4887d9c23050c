"""Pickles and copies of a table: its path, or the name of an embedded one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmark_api.tables import Table


@pytest.mark.parametrize("copied", [lambda table: pickle.loads(pickle.dumps(table)), copy.copy, copy.deepcopy])
def test_a_copy_is_the_table_opened_again(size_table: Table, copied: Callable[[Any], Any]) -> None:
    again = copied(size_table)
    assert (repr(again), again.fingerprint) == (repr(size_table), size_table.fingerprint)
    means = [table.mean_accuracy("cifar100", "90", "x-test") for table in (again, size_table)]
    np.testing.assert_array_equal(*means)


def test_a_pickle_is_small_and_has_an_absolute_path(size_table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    size_table.mean_accuracy("cifar100", "90", "x-test")
    monkeypatch.chdir(size_table.path.parent)
    data = pickle.dumps(Table(size_table.path.name))
    assert len(data) < 500
    monkeypatch.chdir("/")
    assert pickle.loads(data).fingerprint == size_table.fingerprint


def test_an_embedded_table_is_opened_by_its_name() -> None:
    data = pickle.dumps(Table("digits-topology"))
    assert b"digits-topology" in data
    assert b".safetensors" not in data
    assert pickle.loads(data).fingerprint == Table("digits-topology").fingerprint
