"""Settings that a table keeps of its trainings: read through one schema, or refused by one line that names the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from benchmark_api.tables.table import Table
from benchmark_api.training.candidate import Candidate
from benchmark_api.training.setting import Setting
from tests.helpers.hand import group, write
from tests.helpers.hostile import Tries, many, mutated

PROTOCOL = {"epochs": 4, "batch": 256, "rate": 0.1, "momentum": 0.9, "decay": 5e-4}
GOOD: dict[str, Any] = {"dataset": "digits", "channels": None, "cells": None, "distortion": None, "protocol": PROTOCOL}
CHANGES: dict[str, tuple[Any, ...]] = {
    "dataset": ("..", "/etc", 3, None, "a\x00b", "", "x" * 300),
    "channels": (10**9, 0, -1, "x", 1.5, True),
    "cells": (10**9, -1, "x", 0.5),
    "distortion": (3, [], {"copies": 10**9}, {"copies": 0}, {"scale": 5}, {"noise": 1e308}, {"seed": -1}, {"rotation": -1}),
    "protocol": (3, None, [], {}, {"epochs": "x"}, {"epochs": 0}, {"epochs": 10**30}, {"epochs": 4, "batch": 0}),
}
TEXTS = ("", "x", "[]", "3", 3, None, ["x"], {"a": 1}, "[" * 9000, '{"dataset": NaN}', '{"dataset": "digits"')


def table_with(path: Path, settings: Any) -> Table:
    tensors = group("digits/4", ("x-valid", "x-test"), start=20.0)
    tensors["digits/4/train/seconds"] = np.full((4, 2), 1.5)
    return write(path, tensors, source={"name": "n", "settings": settings})


def use(table: Table) -> None:
    Setting.of(table, "digits")
    assert Candidate.of(table, 1).params > 0


def test_good_settings_are_used(tmp_path: Path) -> None:
    use(table_with(tmp_path / "t", json.dumps(GOOD)))


def test_hostile_settings_are_refused(tmp_path: Path, tries: Tries) -> None:
    path = tmp_path / "t"
    changed = [json.dumps({**GOOD, name: value}) for name, values in CHANGES.items() for value in values]
    for settings in (*TEXTS, *changed):
        table = table_with(path, settings)
        tries.refused(settings, lambda table=table: use(table), path)  # type: ignore[misc]


def test_mutated_settings(tmp_path: Path, tries: Tries) -> None:
    @many(80)
    @given(mutated({**GOOD, "distortion": {"copies": 2, "noise": 0.1, "seed": 0}}))
    def attempt(value: Any) -> None:
        table = table_with(tmp_path / "t", json.dumps(value))
        tries.expect(value, lambda: use(table))

    attempt()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "x", True, float("nan")])
def test_seeds_of_networks_are_checked(seed: Any, tmp_path: Path, tries: Tries) -> None:
    table = table_with(tmp_path / "t", json.dumps(GOOD))
    tries.refused(seed, lambda: Candidate.of(table, 1, seed=seed), "seed must be")
