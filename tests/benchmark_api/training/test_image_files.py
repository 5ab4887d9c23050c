"""Data sets in local files: small files in the official formats, NumPy files, and damaged ones."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark_api import unpickle
from benchmark_api.training import image_files
from benchmark_api.training.datasets import DatasetError, load_dataset
from tests.helpers.images import Python2Pickler, raw, write_cifar10, write_cifar100, write_halves, write_imagenet16

# -- official files ----------------------------------------------------------------------------------------------------------


def test_test_files_are_what_python_reads(tmp_path: Path) -> None:
    written = write_cifar10(tmp_path)
    data = (tmp_path / "cifar-10-batches-py" / "data_batch_2").read_bytes()
    expected = pickle.loads(data, encoding="bytes")
    content = unpickle.load_images(data)
    assert content["labels"] == expected[b"labels"] == written["data_batch_2"][1]
    assert content["filenames"] == expected[b"filenames"]
    assert np.array_equal(content["data"], expected[b"data"])
    assert np.array_equal(content["data"].reshape(-1, 3, 32, 32), written["data_batch_2"][0])


def test_cifar10(tmp_path: Path) -> None:
    written = write_cifar10(tmp_path)
    cifar = load_dataset("cifar10", tmp_path, verify=False)
    assert list(cifar.splits) == ["train", "ori-test"]
    assert (cifar.classes, cifar.image_shape, cifar.flip, cifar.padding) == (10, (3, 32, 32), True, 4)
    batches = [written[f"data_batch_{number}"] for number in range(1, 6)]
    assert np.array_equal(raw(cifar, "train"), np.concatenate([images for images, _ in batches]))
    assert cifar.split("train").labels.tolist() == [label for _, labels in batches for label in labels]
    assert np.array_equal(raw(cifar, "ori-test"), written["test_batch"][0])
    assert cifar.split("ori-test").labels.tolist() == written["test_batch"][1]


def test_halves_of_cifar10(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    whole = load_dataset("cifar10", tmp_path, verify=False)
    recomputed = load_dataset("cifar10-valid", tmp_path, verify=False)
    assert list(recomputed.splits) == ["train", "x-valid", "ori-test"]
    halves = image_files._seeded_halves(30)
    write_halves(tmp_path / "cifar-split.txt", train=[3, 1, 2], valid=[29, 0])
    listed = load_dataset("cifar10-valid", tmp_path, verify=False)
    for dataset, members in ((recomputed, halves), (listed, {"train": [3, 1, 2], "x-valid": [29, 0]})):
        for name, indices in members.items():
            assert np.array_equal(raw(dataset, name), raw(whole, "train")[indices])
            assert torch.equal(dataset.split(name).labels, whole.split("train").labels[indices])


def test_recomputed_halves_are_the_published_ones() -> None:
    halves = image_files._seeded_halves(50_000)
    assert halves["train"][:10] == [0, 5, 7, 11, 13, 15, 16, 17, 20, 24]
    assert halves["x-valid"][:10] == [1, 2, 3, 4, 6, 8, 9, 10, 12, 14]
    assert sorted(halves["train"] + halves["x-valid"]) == list(range(50_000))
    assert {len(half) for half in halves.values()} == {25_000}


def test_cifar100(tmp_path: Path) -> None:
    written = write_cifar100(tmp_path)
    write_halves(tmp_path / "cifar100-test-split.txt", xvalid=[5, 0, 2], xtest=[1, 3, 4])
    cifar = load_dataset("cifar100", tmp_path, verify=False)
    assert list(cifar.splits) == ["train", "x-valid", "x-test", "ori-test"]
    assert cifar.classes == 100
    assert np.array_equal(raw(cifar, "train"), written["train"][0])
    assert cifar.split("train").labels.tolist() == written["train"][1]
    images, labels = written["test"]
    assert np.array_equal(raw(cifar, "ori-test"), images)
    assert np.array_equal(raw(cifar, "x-valid"), images[[5, 0, 2]])
    assert cifar.split("x-test").labels.tolist() == [labels[index] for index in (1, 3, 4)]


def test_imagenet16(tmp_path: Path) -> None:
    written = write_imagenet16(tmp_path)
    write_halves(tmp_path / "imagenet-16-120-test-split.txt", xvalid=[3, 0], xtest=[1, 2])
    imagenet = load_dataset("ImageNet16-120", tmp_path, verify=False)
    assert (imagenet.classes, imagenet.image_shape, imagenet.padding) == (120, (3, 16, 16), 2)
    assert len(imagenet.split("train")) == 40
    images, _ = written["val_data"]
    assert imagenet.split("ori-test").labels.tolist() == [0, 119, 69, 1]
    assert np.array_equal(raw(imagenet, "ori-test"), images[[0, 2, 4, 6]])
    assert np.array_equal(raw(imagenet, "x-valid"), images[[6, 0]])
    assert imagenet.split("train").labels.tolist()[:4] == [0, 119, 59, 1]
    assert np.array_equal(raw(imagenet, "train")[36:], written["train_data_batch_10"][0][[0, 2, 4, 6]])


def test_only_what_is_needed_is_read(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    (tmp_path / "cifar-100-python" / "train").unlink()
    assert len(load_dataset("cifar100", tmp_path, splits=["ori-test"], verify=False).split("ori-test")) == 6


def test_checksums_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar100(tmp_path)
    with pytest.raises(DatasetError, match=r"train: damaged, or not the official file \(MD5 .*, expected 16019d7e3df5f"):
        load_dataset("cifar100", tmp_path, splits=["train"])
    folder = tmp_path / "cifar-100-python"
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in ("train", "test")}
    source = dataclasses.replace(image_files._SOURCES["cifar100"], train={"train": md5["train"]}, test={"test": md5["test"]})
    monkeypatch.setitem(image_files._SOURCES, "cifar100", source)
    assert len(load_dataset("cifar100", tmp_path, splits=["train", "ori-test"]).split("train")) == 8
    write_halves(tmp_path / "cifar100-test-split.txt", xvalid=[5, 0, 2], xtest=[1, 3, 4])
    with pytest.raises(DatasetError, match=r"cifar100-test-split.txt: damaged.*expected 16f51963f0ccd95c"):
        load_dataset("cifar100", tmp_path)


def test_missing_data_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name as root the folder that has cifar-10-batches-py in it"):
        load_dataset("cifar10")
    with pytest.raises(FileNotFoundError, match=r"data_batch_1 is missing: in .*, unpack cifar-10-python.tar.gz"):
        load_dataset("cifar10", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"imagenet-16-120-test-split.txt is missing: put the file from"):
        load_dataset("ImageNet16-120", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"train_data_batch_1 is missing: in .*, put the folder ImageNet16"):
        load_dataset("ImageNet16-120", tmp_path, splits=["train"])
    write_cifar100(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"cifar100-test-split.txt is missing: .* or load only .* train and ori-test"):
        load_dataset("cifar100", tmp_path, splits=["train", "x-valid"], verify=False)


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[1, 2]",
        '{"xvalid": ["int", ["1"]]}',
        '{"xvalid": ["int", ["one"]], "xtest": ["int", ["2"]]}',
        '{"xvalid": ["int", ["1", "2"]], "xtest": ["int", ["2"]]}',
        '{"xvalid": ["int", ["-1"]], "xtest": ["int", ["2"]]}',
        '{"xvalid": ["int", []], "xtest": ["int", ["2"]]}',
        '{"xvalid": ["int", ["1"]], "xtest": ["int", ["6"]]}',
        "[" * 100_000,
    ],
)
def test_damaged_split_files(tmp_path: Path, content: str) -> None:
    write_cifar100(tmp_path)
    (tmp_path / "cifar100-test-split.txt").write_text(content)
    with pytest.raises(DatasetError, match=r"cifar100-test-split.txt: .*put the file from"):
        load_dataset("cifar100", tmp_path, verify=False)


def replace_batch(**changes: Any) -> bytes:
    batch = {"data": np.zeros((2, 3072), dtype=np.uint8), "labels": [3, 9]}
    return Python2Pickler().dumps({**batch, **changes})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        replace_batch()[:-1],
        replace_batch() + b"x",
        replace_batch(labels=[3]),
        replace_batch(labels=[3, 10]),
        replace_batch(labels=[3, True]),
        replace_batch(labels="39"),
        replace_batch(data=np.zeros((2, 3071), dtype=np.uint8)),
        replace_batch(data="no array"),
        Python2Pickler().dumps([1, 2]),
        Python2Pickler().dumps({"data": np.zeros((2, 3072), dtype=np.uint8)}),
        pickle.dumps({"data": np.zeros((2, 3072), dtype=np.int32), "labels": [3, 9]}, protocol=3),
    ],
)
def test_damaged_batches(tmp_path: Path, content: bytes) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    with pytest.raises(DatasetError, match=r"(?s)test_batch.*unpack cifar-10-python.tar.gz"):
        load_dataset("cifar10", tmp_path, splits=["ori-test"], verify=False)


def test_files_that_are_far_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path)
    monkeypatch.setattr(image_files, "FILE_LIMIT", 1 << 10)
    with pytest.raises(DatasetError, match="larger than"):
        load_dataset("cifar10", tmp_path, verify=False)


# -- NumPy files -------------------------------------------------------------------------------------------------------------


def own_arrays() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 30), ("x-valid", 12), ("x-test", 9)):
        arrays[f"{split}/images"] = draw.integers(0, 256, (count, 3, 10, 9), dtype=np.uint8)
        arrays[f"{split}/labels"] = np.arange(count, dtype=np.int32) % 4
    return arrays


def test_a_data_set_of_ones_own(tmp_path: Path) -> None:
    arrays = own_arrays()
    np.savez(tmp_path / "faces.npz", **arrays, flip=True, padding=2)
    loaded = load_dataset("faces", tmp_path)
    assert (loaded.key, loaded.classes, loaded.image_shape, loaded.flip, loaded.padding) == ("faces", 4, (3, 10, 9), True, 2)
    assert {name: len(split) for name, split in loaded.splits.items()} == {"train": 30, "x-valid": 12, "x-test": 9}
    assert np.array_equal(loaded.split("x-test").images.numpy(), arrays["x-test/images"])
    images, labels = loaded.batch("train")
    assert labels.tolist() == arrays["train/labels"].tolist()
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(images.std(dim=(0, 2, 3), correction=0), torch.ones(3))
    np.savez(tmp_path / "plain.npz", **arrays)
    plain = load_dataset("plain", tmp_path, splits=["x-valid"])
    assert (plain.flip, plain.padding, list(plain.splits)) == (False, 0, ["x-valid"])
    assert torch.equal(plain.mean, loaded.mean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train/images": None}, "train/images"),
        ({"x-test/labels": np.zeros(8, dtype=np.int64)}, r"one for each of 9 images, got int64 \[8\]"),
        ({"x-test/labels": np.full(9, 4)}, "labels up to 4, train .* up to 3"),
        ({"train/labels": np.full(30, -1)}, "integers from 0"),
        ({"x-valid/images": np.zeros((12, 3, 8, 8), dtype=np.uint8)}, "expected equal shapes"),
        ({"train/images": np.zeros((30, 3, 10, 9))}, "uint8 or float32"),
        ({"train/images": np.full((30, 3, 10, 9), np.nan, dtype=np.float32)}, "not a finite number"),
        ({"train/images": np.array([{}] * 30)}, r"uint8 or float32, got object \[30\]"),
        ({"padding": -1}, "padding is -1"),
    ],
)
def test_a_wrong_data_set_of_ones_own_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "faces.npz", **{name: array for name, array in (own_arrays() | change).items() if array is not None})
    with pytest.raises(DatasetError, match=message) as error:
        load_dataset("faces", tmp_path)
    assert str(tmp_path / "faces.npz") in str(error.value)


def test_a_missing_or_broken_data_set_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"faces.npz is missing: expected a NumPy file, .* with train/images"):
        load_dataset("faces", tmp_path)
    for content in (b"", b"PK\x03\x04", b"nothing", b"\x93NUMPY"):
        (tmp_path / "faces.npz").write_bytes(content)
        with pytest.raises(DatasetError, match="expected a NumPy file"):
            load_dataset("faces", tmp_path)
    with pytest.raises(ValueError, match=r"unknown data set .\.\./faces"):
        load_dataset("../faces", tmp_path)
