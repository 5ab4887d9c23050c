"""The data sets: digits as they are and distorted, small files in the official formats, and files that are not what they seem."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import random
import struct
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.datasets import load_digits

from benchmark_api import unpickle
from benchmark_api.training import datasets
from benchmark_api.training.datasets import Dataset, DatasetError, Distortion, flip_and_crop, load_dataset

Bytes = npt.NDArray[np.uint8]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- files in the official formats -----------------------------------------------------------------------------------------


class Python2Pickler:
    """Writes data as Python 2's cPickle did with protocol 2: the format of the CIFAR files."""

    def __init__(self) -> None:
        self.memo = 0

    def put(self) -> bytes:
        self.memo += 1  # counted from 1
        return b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)

    def item(self, value: Any) -> bytes:
        match value:
            case bool() | None:
                return {True: b"\x88", False: b"\x89", None: b"N"}[value]
            case int():
                if 0 <= value < 256:
                    return b"K" + bytes([value])
                return b"M" + struct.pack("<H", value) if 0 <= value < 65536 else b"J" + struct.pack("<i", value)
            case str() | bytes():
                text = value.encode() if isinstance(value, str) else value
                size = b"U" + bytes([len(text)]) if len(text) < 256 else b"T" + struct.pack("<i", len(text))
                return size + text + self.put()
            case list():
                return b"]" + self.put() + b"(" + b"".join(map(self.item, value)) + b"e"
            case dict():
                start = b"}" + self.put() + b"("
                return start + b"".join(self.item(key) + self.item(entry) for key, entry in value.items()) + b"u"
            case np.ndarray():
                parts = [b"cnumpy.core.multiarray\n_reconstruct\n", self.put(), b"cnumpy\nndarray\n", self.put()]
                parts += [b"K\x00\x85", self.put(), b"U\x01b\x87", self.put(), b"R", self.put()]
                parts += [b"(K\x01", *map(self.item, value.shape), b"\x86", self.put()]
                parts += [b"cnumpy\ndtype\n", self.put(), b"U\x02u1K\x00K\x01\x87", self.put(), b"R", self.put()]
                parts += [b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"]
                return b"".join([*parts, b"\x89", self.item(value.tobytes()), b"tb"])
        raise TypeError(value)

    def dumps(self, value: Any) -> bytes:
        return b"\x80\x02" + self.item(value) + b"."


def make_images(count: int, size: int, seed: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, size, size), dtype=np.uint8)


def write_cifar10(root: Path, per_batch: int = 6) -> dict[str, tuple[Bytes, list[int]]]:
    """A small CIFAR-10; returns what is in each file."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    written = {}
    for seed, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        images, labels = make_images(per_batch, 32, seed), [(seed + k) % 10 for k in range(per_batch)]
        batch = {
            "batch_label": f"batch {seed}",
            "labels": labels,
            "data": images.reshape(per_batch, -1),
            "filenames": [f"image_{k}.png" for k in range(per_batch)],
        }
        (folder / name).write_bytes(Python2Pickler().dumps(batch))
        written[name] = (images, labels)
    return written


def write_cifar100(root: Path, train: int = 8, test: int = 6) -> dict[str, tuple[Bytes, list[int]]]:
    folder = root / "cifar-100-python"
    folder.mkdir()
    written = {}
    for seed, (name, count) in enumerate({"train": train, "test": test}.items()):
        images, labels = make_images(count, 32, seed), [(seed + 31 * k) % 100 for k in range(count)]
        batch = {
            "data": images.reshape(count, -1),
            "fine_labels": labels,
            "coarse_labels": [k % 20 for k in range(count)],
            "filenames": [f"{k}.png" for k in range(count)],
            "batch_label": "batch",
        }
        (folder / name).write_bytes(Python2Pickler().dumps(batch))
        written[name] = (images, labels)
    return written


def write_imagenet16(root: Path) -> dict[str, tuple[Bytes, list[int]]]:
    """A small ImageNet16, written with Python 3; labels are 1 to 1000, and every other image is of a class that is used."""
    folder = root / "ImageNet16"
    folder.mkdir()
    written = {}
    for seed, name in enumerate([*(f"train_data_batch_{number}" for number in range(1, 11)), "val_data"]):
        images, labels = make_images(8, 16, seed), [1, 1000, 120, 121, 60 + seed, 500, 2, 999]
        batch = {"data": images.reshape(8, -1), "labels": labels}
        if name != "val_data":
            batch["mean"] = images.reshape(8, -1).mean(0)
        content = pickle.dumps(batch, protocol=3).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
        (folder / name).write_bytes(content)
        written[name] = (images, labels)
    return written


def write_halves(path: Path, **lists: list[int]) -> None:
    path.write_text(json.dumps({name: ["int", [str(index) for index in indices]] for name, indices in lists.items()}, indent=2))


def raw(dataset: Dataset, split: str) -> Bytes:
    return dataset.split(split).images.numpy()


# -- digits ----------------------------------------------------------------------------------------------------------------


def test_digits_are_dealt_out_once() -> None:
    digits = load_dataset("digits")
    assert {name: len(split) for name, split in digits.splits.items()} == {"train": 899, "x-valid": 449, "x-test": 449}
    assert (digits.image_shape, digits.classes) == ((1, 8, 8), 10)
    every = np.concatenate([raw(digits, name).reshape(-1, 64) for name in digits.splits]) * 16
    labels = np.concatenate([split.labels.numpy() for split in digits.splits.values()])
    original = load_digits()
    dealt = sorted(zip(every.astype(int).tolist(), labels.tolist(), strict=True))
    assert dealt == sorted(zip(original.data.astype(int).tolist(), original.target.tolist(), strict=True))


def test_digits_splits_have_their_share_of_each_class() -> None:
    digits = load_dataset("digits")
    counts = np.array([np.bincount(split.labels.numpy()) for split in digits.splits.values()])
    assert np.abs(counts - np.array([[0.5], [0.25], [0.25]]) * counts.sum(0)).max() <= 1


def test_digits_are_the_same_for_everyone() -> None:
    """Published tables were trained on exactly these images: a change here makes them worthless."""
    digits = load_dataset("digits")
    content = b"".join((raw(digits, name) * 16).astype(np.uint8).tobytes() for name in ("train", "x-valid", "x-test"))
    assert hashlib.sha256(content).hexdigest()[:16] == "b9ad14d84b678dc8"
    distorted = load_dataset("digits", distortion=Distortion())
    sums = [float(raw(distorted, name).sum(dtype=np.float64)) for name in ("train", "x-valid", "x-test")]
    assert sums == pytest.approx([65746.100, 32385.593, 32710.702], abs=0.05)


def test_normalised_digits_have_mean_zero_and_deviation_one() -> None:
    for distortion in (None, Distortion()):
        images, labels = load_dataset("digits", distortion=distortion).batch("train")
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert images.mean().item() == pytest.approx(0.0, abs=1e-5)
        assert images.std().item() == pytest.approx(1.0, abs=1e-3)


def test_normalisation_does_not_depend_on_the_splits_asked_for() -> None:
    whole, part = load_dataset("digits"), load_dataset("digits", splits=["x-test"])
    assert list(part.splits) == ["x-test"]
    assert torch.equal(whole.batch("x-test")[0], part.batch("x-test")[0])


def test_distortions_of_no_extent_change_nothing() -> None:
    plain = load_dataset("digits")
    same = load_dataset("digits", distortion=Distortion(copies=3, rotation=0, scale=0, shift=0, noise=0))
    for name in plain.splits:
        np.testing.assert_allclose(raw(same, name), np.repeat(raw(plain, name), 3, axis=0), atol=1e-6)
        assert torch.equal(same.split(name).labels, plain.split(name).labels.repeat_interleave(3))


def test_distortions_follow_their_seed() -> None:
    first, again, other = (load_dataset("digits", distortion=Distortion(seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(raw(first, "train"), raw(again, "train"))
    assert not np.array_equal(raw(first, "train"), raw(other, "train"))


@pytest.mark.parametrize("field", ["rotation", "scale", "shift", "noise"])
def test_each_distortion_does_its_part(field: str) -> None:
    none = {"rotation": 0.0, "scale": 0.0, "shift": 0.0, "noise": 0.0}
    plain = raw(load_dataset("digits", splits=["x-test"]), "x-test")
    extent = {"rotation": 15.0, "scale": 0.2, "shift": 1.0, "noise": 0.1}[field]
    moved = raw(load_dataset("digits", splits=["x-test"], distortion=Distortion(copies=1, **{**none, field: extent})), "x-test")
    if field == "noise":
        assert (moved - plain).std() == pytest.approx(0.1, rel=0.02)
        assert abs((moved - plain).mean()) < 0.005
    else:
        changed = np.abs(moved - plain).mean()
        assert 0.01 < changed < 0.2


def test_distortions_move_turn_and_scale_as_said() -> None:
    """A blob left of the centre goes where the drawn angle, zoom and shift take it."""
    size = 33
    blob = np.zeros((1, 1, size, size), dtype=np.float32)
    y, x = np.mgrid[:size, :size] - 16.0
    blob[0, 0] = np.exp(-((x + 8) ** 2 + y**2) / 4)
    copies = 50
    by = Distortion(copies=copies, rotation=40.0, scale=0.3, shift=2.0, noise=0.0)
    moved = datasets._distort(blob, by, np.random.default_rng(5))[:, 0].astype(np.float64)
    mass = moved.sum((1, 2))
    centre = np.stack([(moved * y).sum((1, 2)) / mass, (moved * x).sum((1, 2)) / mass])  # [axis, copy]
    rng = np.random.default_rng(5)
    angle = np.deg2rad(rng.uniform(-40.0, 40.0, copies))
    zoom = rng.uniform(0.7, 1.3, copies)
    shift = rng.uniform(-2.0, 2.0, (2, copies))
    expected = shift + 8 * zoom * np.stack([np.sin(angle), -np.cos(angle)])
    np.testing.assert_allclose(centre, expected, atol=0.05)
    np.testing.assert_allclose(mass / blob.sum(), zoom**2, rtol=0.04)


def test_distortions_are_checked() -> None:
    for wrong in ({"copies": 0}, {"rotation": -1.0}, {"shift": -1.0}, {"noise": -0.1}, {"scale": 1.0}, {"scale": -0.1}):
        with pytest.raises(ValueError, match="expected at least 1 copy"):
            Distortion(**wrong)  # type: ignore[arg-type]


# -- batches and augmentation ----------------------------------------------------------------------------------------------


def test_batches_hold_every_image_once() -> None:
    digits = load_dataset("digits", splits=["x-valid"])
    images, labels = digits.batch("x-valid")
    in_order = list(digits.batches("x-valid", 100))
    assert [len(label) for _, label in in_order] == [100, 100, 100, 100, 49]
    assert torch.equal(torch.cat([batch for batch, _ in in_order]), images)
    assert torch.equal(torch.cat([label for _, label in in_order]), labels)
    shuffled = [torch.cat(parts) for parts in zip(*digits.batches("x-valid", 100, shuffle=generator()), strict=True)]
    order = torch.randperm(449, generator=generator())
    assert torch.equal(shuffled[0], images[order])
    assert torch.equal(shuffled[1], labels[order])
    with pytest.raises(ValueError, match="at least 1 image, got 0"):
        next(digits.batches("x-valid", 0))
    with pytest.raises(ValueError, match="loaded without 'train'; it has x-valid"):
        digits.batch("train")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_crops_and_mirror_images_are_those_of_the_plain_way(dtype: torch.dtype) -> None:
    images = torch.arange(300 * 2 * 5 * 4).reshape(300, 2, 5, 4).remainder(251).to(dtype)
    results = flip_and_crop(images, True, 2, generator())
    assert results.dtype == dtype
    found: dict[tuple[bool, int, int], int] = {}
    for image, result in zip(images, results, strict=True):
        padded = [torch.nn.functional.pad(original, (2, 2, 2, 2)) for original in (image, image.flip(-1))]
        matches = [
            (mirrored, row, column)
            for mirrored, row, column in product((False, True), range(5), range(5))
            if torch.equal(padded[mirrored][:, row : row + 5, column : column + 4], result)
        ]
        assert len(matches) == 1
        found[matches[0]] = found.get(matches[0], 0) + 1
    assert len(found) == 50  # all of them: with 300 draws each is missing with probability 0.2 %; the seed is fixed
    mirrored_share = sum(count for (mirrored, _, _), count in found.items() if mirrored) / 300
    assert mirrored_share == pytest.approx(0.5, abs=0.1)


def test_augmentation_can_be_nothing_and_follows_its_generator() -> None:
    images = torch.arange(10 * 3 * 8 * 8).reshape(10, 3, 8, 8)
    assert torch.equal(flip_and_crop(images, False, 0, generator()), images)
    first, again, other = (flip_and_crop(images, True, 2, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_training_batches_are_augmented_before_they_are_normalised(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    cifar = load_dataset("cifar10", tmp_path, splits=["train"], verify=False)
    chosen = torch.tensor([4, 2, 17])
    images, labels = cifar.batch("train", chosen, augment=generator(7))
    train = cifar.split("train")
    crops = flip_and_crop(train.images[chosen], True, 4, generator(7)).double()
    mean, std = torch.tensor([125.3, 123.0, 113.9]).double(), torch.tensor([63.0, 62.1, 66.7]).double()
    expected = (crops / 255 - mean[:, None, None] / 255) / (std[:, None, None] / 255)
    torch.testing.assert_close(images.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(labels, train.labels[chosen])


# -- local files -----------------------------------------------------------------------------------------------------------


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
    halves = datasets._seeded_halves(30)
    write_halves(tmp_path / "cifar-split.txt", train=[3, 1, 2], valid=[29, 0])
    listed = load_dataset("cifar10-valid", tmp_path, verify=False)
    for dataset, members in ((recomputed, halves), (listed, {"train": [3, 1, 2], "x-valid": [29, 0]})):
        for name, indices in members.items():
            assert np.array_equal(raw(dataset, name), raw(whole, "train")[indices])
            assert torch.equal(dataset.split(name).labels, whole.split("train").labels[indices])


def test_recomputed_halves_are_the_published_ones() -> None:
    halves = datasets._seeded_halves(50_000)
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
    source = dataclasses.replace(datasets._SOURCES["cifar100"], train={"train": md5["train"]}, test={"test": md5["test"]})
    monkeypatch.setitem(datasets._SOURCES, "cifar100", source)
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


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown data set 'mnist'; expected one of digits, .* a file mnist.npz"):
        load_dataset("mnist")
    with pytest.raises(ValueError, match="digits has the splits train, x-valid, x-test; got ori-test"):
        load_dataset("digits", splits=["ori-test"])
    with pytest.raises(ValueError, match="got none"):
        load_dataset("digits", splits=[])
    with pytest.raises(ValueError, match="distortions are for digits, not for cifar10"):
        load_dataset("cifar10", ".", distortion=Distortion())


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
    monkeypatch.setattr(datasets, "FILE_LIMIT", 1 << 10)
    with pytest.raises(DatasetError, match="larger than"):
        load_dataset("cifar10", tmp_path, verify=False)


# -- pickles with arrays ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "<i4", "<i8", "<f4", "<f8"])
def test_arrays_come_back(protocol: int, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, (3, 4, 2)).astype(dtype)
    data = pickle.dumps({"a": values, "b": values, "c": np.asfortranarray(values)}, protocol=protocol)
    if protocol == 2:  # bytes go through a codec there, in Python 3
        with pytest.raises(unpickle.UnsafePickleError, match=r"the global _codecs.encode; image files need only numpy.core"):
            unpickle.load_images(data)
        return
    content = unpickle.load_images(data)
    for array in content.values():
        assert array.dtype == values.dtype
        assert np.array_equal(array, values)
    assert content["b"] is content["a"]
    assert not content["a"].flags.writeable


def test_archives_still_admit_no_arrays() -> None:
    for values in (np.zeros(3), np.zeros((2, 2), dtype=np.uint8)):
        with pytest.raises(unpickle.UnsafePickleError, match="_reconstruct; official archives need only collections"):
            unpickle.loads(pickle.dumps(values, protocol=3))


def test_image_files_admit_nothing_else() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("run",)

    for value in (Evil(), {"data": Evil()}, np.float64(1.0), np.array([Evil()]), random.Random(), np.ma.zeros(3)):
        with pytest.raises(unpickle.UnsafePickleError):
            unpickle.load_images(pickle.dumps(value, protocol=3))


def array_pickle(shape: bytes = b"K\x02\x85", dtype: bytes = b"U\x02u1", order: bytes = b"|", content: bytes = b"ab") -> bytes:
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\n" + dtype + b"K\x00K\x01\x87R(K\x03U\x01" + order + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return b"\x80\x02}U\x01x" + empty + b"(K\x01" + shape + kind + b"\x89U" + bytes([len(content)]) + content + b"tbs."


def test_arrays_are_checked_before_they_are_made() -> None:
    assert unpickle.load_images(array_pickle())["x"].tolist() == [97, 98]
    nested = b")" + b"\x85" * 5000  # a tuple in a tuple in a tuple
    doubled = b")" + b"".join(b"q" + bytes([k]) + b"h" + bytes([k]) + b"\x86" for k in range(60))  # 2 to the 60 leaves
    for wrong in (
        array_pickle(shape=b"K\x03\x85"),
        array_pickle(shape=b"K\x00\x85", content=b""),
        array_pickle(shape=b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"),
        array_pickle(shape=b"\x88K\x02\x86"),
        array_pickle(shape=b"(" + b"K\x01" * 64 + b"K\x02t"),
        array_pickle(shape=b"\x8a\x09" + b"\x01" * 9 + b"\x85"),
        array_pickle(shape=nested),
        array_pickle(shape=doubled),
        array_pickle(shape=b"]"),
        array_pickle(dtype=b"U\x01O"),
        array_pickle(dtype=b"U\x02O8"),
        array_pickle(dtype=b"U\x02V2"),
        array_pickle(dtype=b"K\x01"),
        array_pickle(order=b">"),
    ):
        with pytest.raises(ValueError, match=r"pickle: (damaged|refused): "):
            unpickle.load_images(wrong)


def test_an_array_is_no_function_and_no_number() -> None:
    array = array_pickle()[6:-2]
    for wrong in (array + b")R", b"cnumpy\ndtype\nU\x02u1" + array + b"K\x01\x87R", array + b"K\x01b", array + array + b"b"):
        with pytest.raises(ValueError, match=r"pickle: (damaged|refused): "):
            unpickle.load_images(b"\x80\x02" + wrong + b".")


def test_no_damage_does_more_than_a_value_error() -> None:
    data = Python2Pickler().dumps({"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2, 300], "n": None})
    rng = random.Random(0)
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with suppress(ValueError):
            unpickle.load_images(bytes(damaged))


# -- a file of one's own -----------------------------------------------------------------------------------------------------


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
    loaded = datasets.load_dataset("faces", tmp_path)
    assert (loaded.key, loaded.classes, loaded.image_shape, loaded.flip, loaded.padding) == ("faces", 4, (3, 10, 9), True, 2)
    assert {name: len(split) for name, split in loaded.splits.items()} == {"train": 30, "x-valid": 12, "x-test": 9}
    assert np.array_equal(loaded.split("x-test").images.numpy(), arrays["x-test/images"])
    images, labels = loaded.batch("train")
    assert labels.tolist() == arrays["train/labels"].tolist()
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(images.std(dim=(0, 2, 3), correction=0), torch.ones(3))
    np.savez(tmp_path / "plain.npz", **arrays)
    plain = datasets.load_dataset("plain", tmp_path, splits=["x-valid"])
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
        ({"train/images": np.array([{}] * 30)}, "allow_pickle"),
        ({"padding": -1}, "padding is -1"),
    ],
)
def test_a_wrong_data_set_of_ones_own_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "faces.npz", **{name: array for name, array in (own_arrays() | change).items() if array is not None})
    with pytest.raises(datasets.DatasetError, match=message) as error:
        datasets.load_dataset("faces", tmp_path)
    assert str(tmp_path / "faces.npz") in str(error.value)


def test_a_missing_or_broken_data_set_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"faces.npz is missing: expected a NumPy file, .* with train/images"):
        datasets.load_dataset("faces", tmp_path)
    for content in (b"", b"PK\x03\x04", b"nothing", b"\x93NUMPY"):
        (tmp_path / "faces.npz").write_bytes(content)
        with pytest.raises(datasets.DatasetError, match="expected a NumPy file"):
            datasets.load_dataset("faces", tmp_path)
    with pytest.raises(ValueError, match=r"unknown data set .\.\./faces"):
        datasets.load_dataset("../faces", tmp_path)
