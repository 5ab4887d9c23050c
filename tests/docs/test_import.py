"""The example of docs/import.md runs as printed, and its reference names all fields, formats and presets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.__main__ import main
from benchmark_api.importers.columns import PRESETS
from benchmark_api.importers.columns.architectures import FORMS
from benchmark_api.importers.columns.mapping import PLACE, VALUES
from benchmark_api.importers.columns.reading import ENDINGS
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables import Table
from tests.helpers.documents import blocks, commands, python, read

PAGE = "docs/import.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the example, as the working directory."""
    (tmp_path / "measurements.csv").write_text(*blocks(PAGE, "csv"))
    (tmp_path / "columns.toml").write_text(*blocks(PAGE, "toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example(folder: Path) -> None:
    statuses = [main(shlex.split(line)[3:]) for line in commands(PAGE)]
    assert statuses == [0, 0, 0, 2]  # the example is not the real size space
    table, space = Table(folder / "ours.safetensors"), SizeSpace()
    assert table.title == "Our measurements"
    assert table.keys == ("cifar100",)
    index = space.index(space.from_string("8:16:24:32:40"))
    assert table.seeds("cifar100", "12")[index].tolist() == [777, 888]
    assert table.seeds("cifar100", "90")[index].tolist() == [777]
    assert table.accuracy(index, "cifar100", "12", "x-valid", seed=888) == pytest.approx(54.8)
    assert table.accuracy(index, "cifar100", "90", "x-test") == pytest.approx(64.31)
    np.testing.assert_allclose(table.seconds("cifar100", "12", "train")[index], 180 / 12)
    assert table.metric("energy", "cifar100")[-1] == 19.5
    assert Table(folder / "short.safetensors").seconds("cifar100", "12", "train")[index, 0] == 1 / 12


def test_the_example_in_python(folder: Path) -> None:
    (script,) = blocks(PAGE, "python")
    python(["-c", script], folder)
    assert Table(folder / "ours.safetensors").title == "Our measurements"


def test_the_reference_is_complete() -> None:
    named = set(re.findall(r"`(?:… )?([\w.-]+)`", read(PAGE)))
    assert {*PLACE, *VALUES, *FORMS, *PRESETS, *ENDINGS} <= named
