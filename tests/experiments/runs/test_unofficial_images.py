"""One-shot runs on images that are not the official ones: an experiment of its own, whose notice goes everywhere."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments import store
from experiments.commands.reproduce import ReproduceCommand
from experiments.store import ONE_SHOT_RUNS
from tests.conftest import write_table
from tests.helpers.images import write_cifar10

Command = Callable[..., tuple[int, str, str]]
NOTICE = "one-shot searches trained on unofficial images"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Four networks of two narrow layers, as if trained on CIFAR-10."""
    settings = {"dataset": "cifar10-valid", "distortion": None, "channels": None, "cells": None}
    space, quality = SizeSpace((1, 2), 2), np.linspace(0.4, 0.7, 4)
    missing = np.zeros(4, dtype=bool)
    return write_table(tmp_path / "small", space, quality, {"2": range(2)}, missing, settings=json.dumps(settings))


@pytest.fixture
def run(table: Table, tmp_path: Path, experiments: Command) -> Command:
    """Runs FBNetV2 for an epoch on a small CIFAR-10 in other files than the official ones."""
    data = tmp_path / "data"
    data.mkdir()
    write_cifar10(data)
    for path in (data / "cifar-10-batches-py").iterdir():  # as other versions of Python write them
        protocol = 2 + int(path.name[-1], 36) % 4
        path.write_bytes(pickle.dumps(pickle.loads(path.read_bytes(), encoding="latin1"), protocol))
    common = ("--table", table.path, "--dataset", "cifar10", "--results", tmp_path / "results", "--jobs", 1)

    def command(*more: object) -> tuple[int, str, str]:
        return experiments("run", "fbnetv2", *common, "--epochs", 1, "--seeds", 1, *more)

    return command


def test_they_are_refused_without_the_flag(run: Command, tmp_path: Path) -> None:
    status, _, error = run("--data", tmp_path / "data")
    assert status == 2
    assert "data_batch_1: damaged, or not the official file" in error
    assert error.endswith("; --unofficial-images accepts other images in the same format, and every result says so\n")
    status, _, error = run("--data", tmp_path / "nowhere", "--unofficial-images")
    assert (status, "data_batch_1 is missing" in error) == (2, True)


def test_the_notice_is_in_every_table(run: Command, tmp_path: Path, experiments: Command, table: Table) -> None:
    data, results = tmp_path / "data", tmp_path / "results"
    assert run("--data", data, "--unofficial-images")[0] == 0
    (experiment,) = store.load(results, ONE_SHOT_RUNS)
    assert experiment.label(table) == "fbnetv2 (epochs=1, images=unofficial)"
    assert len(experiment.settings()["trained on unofficial_images"]) == 32
    title = f"{table.title} ({table.notice}; {NOTICE})"
    for form, times in (("markdown", 2), ("latex", 2)):
        out = experiments("table", "--results", results, "--format", form)[1]
        assert out.count(title) == times
    assert '""unofficial_images""' in experiments("table", "--results", results, "--format", "csv")[1]
    status, out, _ = experiments("ranking", "--results", results, "--data", data, "--architectures", 2, "--jobs", 1)
    assert status == 0
    assert f"ranking by supernets, {title}" in out
    assert experiments("verify", "--results", results, "--data", data, "--one-shot")[0] == 0


def test_runs_on_different_images_never_mix(run: Command, tmp_path: Path) -> None:
    assert run("--data", tmp_path / "data", "--unofficial-images")[0] == 0
    assert run("--data", tmp_path / "data", "--unofficial-images")[1].startswith("0 new runs")
    changed = tmp_path / "data" / "cifar-10-batches-py" / "data_batch_2"
    changed.write_bytes(pickle.dumps({"data": np.zeros((6, 3072), dtype=np.uint8), "labels": [1] * 6}))
    assert run("--data", tmp_path / "data", "--unofficial-images")[1].startswith("1 new runs")
    first, second = store.load(tmp_path / "results", ONE_SHOT_RUNS)
    settings = [json.loads(experiment.setting) for experiment in (first, second)]
    assert settings[0].pop("unofficial_images") != settings[1].pop("unofficial_images")
    assert settings[0] == settings[1] == {"dataset": "cifar10-valid", "distortion": None, "channels": None, "cells": None}


def test_digits_have_no_other_images(experiments: Command, digits_table: Table, tmp_path: Path) -> None:
    common = ("--table", digits_table.path, "--results", tmp_path)
    status, _, error = experiments("run", "rsps", *common, "--unofficial-images")
    assert (status, error.count("\n")) == (2, 1)
    assert "digits has no official files" in error


def test_reproduce_passes_the_flag_on(table: Table, digits_table: Table, tmp_path: Path, experiments: Command) -> None:
    write_cifar10(tmp_path)
    command = ReproduceCommand(table=(table.path,), data=tmp_path, unofficial_images=True, one_shot_seeds=1)
    _, jobs = command._plan_one_shot([(table, "cifar10")])
    assert [job.condition.algorithm for job in jobs] == ["tas", "fbnetv2", "tunas"]
    assert all(job.condition.unofficial for job in jobs)
    status, _, error = experiments("reproduce", "--table", digits_table.path, "--unofficial-images", "--results", tmp_path)
    assert (status, error.count("\n")) == (2, 1)
    assert error.endswith("the tables have digits\n")
