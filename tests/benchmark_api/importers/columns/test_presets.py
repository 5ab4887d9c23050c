"""Presets of public sources, on small files of their form."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.__main__ import main
from benchmark_api.importers.columns import PRESETS, load_mapping
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables import Table

SPACE = SizeSpace()
INDICES = (0, 1, 668, 32767)
WIDTHS = {index: SPACE.to_string(SPACE.architecture(index)) for index in INDICES}


def imported(source: Path, preset: str, *options: str) -> Table:
    assert main(["import", str(source), str(source.parent / "t"), "--preset", preset, "--partial", *options]) == 0
    return Table(source.parent / "t")


def test_all_presets_are_mappings_of_the_whole_space() -> None:
    assert list(PRESETS) == ["nats-size-csv", "nats-size-json", "nats-size-pickles"]
    assert {load_mapping(preset=name).space for name in PRESETS} == {SPACE}


@pytest.mark.parametrize("form", ["index", "widths"])
def test_csv(tmp_path: Path, form: str) -> None:
    rows = [f"{index if form == 'index' else widths},{80 + index / 10000},{widths}" for index, widths in WIDTHS.items()]
    (tmp_path / "cifar10.csv").write_text("\n".join(["config,acc,arch", *rows]))
    table = imported(tmp_path / "cifar10.csv", "nats-size-csv")
    assert [table.accuracy(index, "cifar10", "90", "ori-test") for index in INDICES] == [80.0, 80.0001, 80.0668, 83.2767]
    assert table.seeds("cifar10", "90")[668].tolist() == [777]
    table = imported(tmp_path / "cifar10.csv", "nats-size-csv", "--set", "dataset=cifar100", "--set", "accuracy.scale=0.5")
    assert table.accuracy(0, "cifar100", "90", "x-test") == 40.0


def test_csv_that_contradicts_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cifar10.csv").write_text("config,acc,arch\n0,80,8:8:8:8:16\n")
    assert main(["import", str(tmp_path / "cifar10.csv"), str(tmp_path / "t"), "--preset", "nats-size-csv"]) == 2
    assert "row 1: config is architecture 0, arch architecture 1" in capsys.readouterr().err


def test_stream_of_pickles(tmp_path: Path) -> None:
    """As MeCo's script for zero-cost proxies writes it: one dict after the other, with values that are not read."""
    with open(tmp_path / "nb2_sss_cf10.p", "wb") as file:
        for index, widths in WIDTHS.items():
            accuracies = {"trainacc": 99.0, "valacc": 85.0, "testacc": np.float64(80 + index / 10000)}
            pickle.dump({"i": index, "arch": widths, "logmeasures": {"snip": np.float64(3)}, **accuracies}, file)
    table = imported(tmp_path / "nb2_sss_cf10.p", "nats-size-pickles")
    assert table.splits("cifar10-valid", "90") == ("train", "x-valid", "ori-test")
    assert table.accuracy(668, "cifar10-valid", "90", "ori-test") == 80.0668
    assert table.accuracy(668, "cifar10-valid", "90", "x-valid") == 85.0
    table = imported(tmp_path / "nb2_sss_cf10.p", "nats-size-pickles", "--set", "dataset=cifar100")
    assert table.splits("cifar100", "90") == ("train", "x-valid", "x-test")


@pytest.mark.parametrize("shortest", ["01", "1"])
def test_json(tmp_path: Path, shortest: str) -> None:
    document = {}
    for index, widths in WIDTHS.items():
        metrics = {"train-accuracy": 99.0, "train-loss": 0.5, "test-accuracy": 80 + index / 10000, "test-loss": 0.75}
        times = {"train-per-time": 2.0, "test-per-time": 0.25}
        document[widths if index else "0"] = {
            hp: {**metrics, **times, "train-all-time": 2.0 * int(hp)} for hp in (shortest, "12", "90")
        }
    (tmp_path / "cifar10.json").write_text(json.dumps(document))
    table = imported(tmp_path / "cifar10.json", "nats-size-json")
    assert table.schedules("cifar10") == ("1", "12", "90")
    for schedule in ("1", "12", "90"):
        assert table.splits("cifar10", schedule) == ("train", "ori-test")
        assert table.accuracy(32767, "cifar10", schedule, "ori-test") == 83.2767
        assert table.loss(668, "cifar10", schedule, "ori-test") == 0.75
        assert table.seconds("cifar10", schedule, "train")[1, 0] == 2.0
        assert table.seconds("cifar10", schedule, "ori-test")[1, 0] == 0.25
