"""Mappings of columns: the schema is strict, and every message says where and what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_api.importers.columns import load_mapping, parse_mapping
from benchmark_api.importers.columns.architectures import reader_of
from benchmark_api.importers.columns.mapping import Value, tomllib
from benchmark_api.spaces import SizeSpace, TopologySpace

GOOD = """
space = "size"
dataset = "cifar10"
schedule = 90
split = "ori-test"
accuracy = "acc"
[architecture]
widths = "arch"
"""


def test_a_mapping() -> None:
    mapping = parse_mapping(tomllib.loads(GOOD), "good")
    assert mapping.space == SizeSpace()
    (measurement,) = mapping.measurements
    assert measurement.values == {"accuracy": Value(column="acc")}
    assert measurement.place["trial"] == Value(constant=0)
    assert mapping.columns == {"arch": True, "acc": True}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('space = "size"', "", "space None: expected the name of a space"),
        ('space = "size"', 'space = "sise"', "unknown search space 'sise'; expected one of"),
        (
            'space = "size"',
            'space = { name = "size", widths = [8, 4], layers = 2 }',
            "widths must be strictly increasing",
        ),
        ('space = "size"', 'space = "size"\ntitle = 1', "good: title 1: expected text"),
        ('space = "size"', 'space = "size"\nformat = "xls"', "good: format 'xls': expected one of csv"),
        ('space = "size"', 'space = "size"\nsource.records = "1"', "good: source: records cannot be set"),
        ("accuracy =", "acuracy =", "good: unknown name 'acuracy'; did you mean 'accuracy'?"),
        ("accuracy =", "loss =", "a loss needs the accuracy of the same split"),
        ('accuracy = "acc"', "", "nothing is measured: expected one of accuracy"),
        ('accuracy = "acc"', "accuracy = 101", "good: accuracy 101: expected a finite number from 0 to 100"),
        ('accuracy = "acc"', "accuracy = true", "good: accuracy True: expected a finite number from 0 to 100"),
        ('accuracy = "acc"', "accuracy = nan", "good: accuracy nan: a finite number from 0 to 100 expected"),
        ('accuracy = "acc"', "accuracy = { scale = 100 }", "good: accuracy: column missing"),
        ('accuracy = "acc"', 'accuracy = { column = "acc", scale = -1 }', "good: accuracy: scale -1: expected a positive number"),
        ('accuracy = "acc"', 'accuracy = { column = "acc", first = 1 }', "good: accuracy: unknown name 'first'"),
        ('accuracy = "acc"', 'accuracy = "acc"\ntraining_seconds = 1\nepoch_seconds = 1', "exclude each other"),
        ('accuracy = "acc"', 'accuracy = "acc"\nepoch = { column = "e", first = 2 }', "good: epoch: first 2: expected 0 or 1"),
        ('dataset = "cifar10"', "", "good: dataset missing"),
        ('dataset = "cifar10"', "dataset = 10", "good: dataset 10: expected the key of a data set"),
        ("schedule = 90", "schedule = 90.5", "good: schedule 90.5: expected an integer from 1 to 10000"),
        ("schedule = 90", "schedule = 0", "good: schedule 0: expected an integer from 1 to 10000"),
        ('split = "ori-test"', 'split = "dev"', "good: split 'dev': expected one of train, x-valid"),
        ('"ori-test"', '{ column = "s", names = { dev = "x" } }', "good: split: name 'dev' 'x': expected one of train"),
        ('widths = "arch"', "", "good: architecture: expected a column for one of index"),
        ('widths = "arch"', "widths = 3", "good: architecture: widths 3: expected text"),
        ('widths = "arch"', 'width = "arch"', "good: architecture: unknown name 'width'; did you mean 'widths'?"),
        (
            'widths = "arch"',
            'widths = "arch"\n[[measurement]]\noptional = 1',
            "measurement 1: optional 1: expected true or false",
        ),
        ('widths = "arch"', 'widths = "arch"\n[measurement]', "good: measurement {}: expected [[measurement]] tables"),
        (
            'widths = "arch"',
            'widths = "arch"\n[[metric]]\nname = "params"\ncolumn = "p"',
            "metric 1: name 'params': expected",
        ),
        ('widths = "arch"', 'widths = "arch"\n[[metric]]\nname = "energy"', "good: metric 1: metric: column missing"),
        (
            'widths = "arch"',
            'widths = "arch"\n[[metric]]\nname = "e"\ncolumn = "e"\ndirection = "up"',
            "direction 'up': expected",
        ),
    ],
)
def test_wrong_mappings(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as error:
        parse_mapping(tomllib.loads(GOOD.replace(old, new)), "good")
    assert message in str(error.value)


@pytest.mark.parametrize(("space", "form"), [("topology", "widths"), ("size", "operations")])
def test_forms_of_another_space(space: str, form: str) -> None:
    with pytest.raises(ValueError, match=f"the {space} space has no {form}"):
        reader_of(form, TopologySpace() if space == "topology" else SizeSpace())


# -- files, presets and entries --------------------------------------------------------------------------------------------


def test_entries(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(GOOD)
    mapping = load_mapping(tmp_path / "good.toml", None, {"dataset": "cifar100", "schedule": "12", "accuracy.scale": "100"})
    (measurement,) = mapping.measurements
    assert measurement.place["dataset"].constant == "cifar100"
    assert measurement.place["schedule"].constant == 12
    assert measurement.values["accuracy"] == Value(column="acc", scale=100.0)
    assert mapping.name == "good.toml dataset=cifar100 schedule=12 accuracy.scale=100"
    entries = {"space": "size", "dataset": "cifar10", "schedule": "90", "split": "ori-test", "accuracy": "acc"}
    assert (
        load_mapping(entries={**entries, "architecture.widths": "arch"}).measurements
        == parse_mapping(tomllib.loads(GOOD), "good").measurements
    )


def test_wrong_places_of_mappings(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("space = ")
    with pytest.raises(ValueError, match=r"bad.toml: not a TOML file: "):
        load_mapping(tmp_path / "bad.toml")
    with pytest.raises(ValueError, match="unknown preset 'x'; expected one of nats-size-csv, nats-size-json, nats-size-pickles"):
        load_mapping(preset="x")
    with pytest.raises(ValueError, match="either a file or a preset, got both"):
        load_mapping(tmp_path / "bad.toml", "nats-size-csv")
    with pytest.raises(ValueError, match=r"schedule is no table; lists such as \[\[measurement\]\] need a file"):
        load_mapping(preset="nats-size-csv", entries={"schedule.column": "x"})
