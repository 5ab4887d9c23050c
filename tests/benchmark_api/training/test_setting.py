"""Settings on official and on other images."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.training import image_files
from benchmark_api.training.datasets import DatasetError
from benchmark_api.training.digits import Distortion
from benchmark_api.training.image_files import unofficial_digest
from benchmark_api.training.setting import Setting
from tests.helpers.images import raw, write_cifar10, write_cifar100, write_halves

CIFAR = Setting("cifar10-valid", None, 16, 5)
SPLITS = ("train", "x-valid")


def make_official(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the files of CIFAR-10 in a folder for the official ones."""
    source = image_files._SOURCES["cifar10"]
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in (folder / source.folder).iterdir()}
    test = {"test_batch": md5.pop("test_batch")}
    monkeypatch.setitem(image_files._SOURCES, "cifar10", dataclasses.replace(source, train=dict(sorted(md5.items())), test=test))


def test_official_images_are_the_default_and_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path)
    with pytest.raises(DatasetError, match=r"data_batch_1: damaged, or not the official .*; --unofficial-images accepts other"):
        CIFAR.load(tmp_path, splits=SPLITS)
    make_official(tmp_path, monkeypatch)
    assert len(CIFAR.load(tmp_path, splits=SPLITS).split("train")) == 15
    assert CIFAR.on_images_in(tmp_path) == CIFAR
    assert CIFAR.describe() == {"dataset": "cifar10-valid", "distortion": None, "channels": 16, "cells": 5}


def test_other_images_are_part_of_the_setting(tmp_path: Path) -> None:
    written = write_cifar10(tmp_path)
    setting = CIFAR.on_images_in(tmp_path)
    assert setting.unofficial_images == unofficial_digest("cifar10-valid", tmp_path)
    assert setting.describe() == {**CIFAR.describe(), "unofficial_images": setting.unofficial_images}
    assert Setting.from_json(json.dumps(setting.describe())) == setting
    images = setting.load(tmp_path, splits=SPLITS)
    assert len(raw(images, "train")) + len(raw(images, "x-valid")) == sum(len(of) for of, _ in written.values()) - 6


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch"])
def test_images_that_have_changed_are_refused(name: str, tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    setting = CIFAR.on_images_in(tmp_path)
    path = tmp_path / "cifar-10-batches-py" / name
    path.write_bytes(pickle.dumps({"data": np.zeros((1, 3072), dtype=np.uint8), "labels": [0]}))
    other = CIFAR.on_images_in(tmp_path)
    assert other != setting
    found, expected = other.unofficial_images, setting.unofficial_images
    message = f"other images of cifar10-valid than before: their digest is {found}, expected {expected}"
    with pytest.raises(DatasetError, match=message):
        setting.load(tmp_path, splits=SPLITS)


def test_official_images_in_place_of_others_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path)
    setting = CIFAR.on_images_in(tmp_path)
    make_official(tmp_path, monkeypatch)
    with pytest.raises(DatasetError, match="their digest is that of the official files, expected"):
        setting.load(tmp_path, splits=SPLITS)


def test_the_split_file_counts(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    before = unofficial_digest("cifar10-valid", tmp_path)
    write_halves(tmp_path / "cifar-split.txt", train=[0, 1], valid=[2])
    assert unofficial_digest("cifar10-valid", tmp_path) != before
    assert unofficial_digest("cifar10", tmp_path) == before  # all training images: no split file
    write_cifar100(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"cifar100-test-split.txt is missing: put the file from configs/nas-benchmark"):
        unofficial_digest("cifar100", tmp_path)


def test_only_sets_with_official_files_have_others() -> None:
    for key in ("digits", "faces"):
        with pytest.raises(ValueError, match=f"unofficial images are of cifar10-valid, .*; {key} has no official files"):
            Setting(key, None, 2, 1).on_images_in(None)
    with pytest.raises(ValueError, match="name as root the folder that has cifar-10-batches-py in it"):
        CIFAR.on_images_in(None)


def test_digits_need_no_files() -> None:
    images = Setting("digits", Distortion(copies=1), 2, 1).load(None, splits=["x-valid"])
    assert {name: len(split) for name, split in images.splits.items()} == {"x-valid": 449}
