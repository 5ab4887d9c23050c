"""Data sets in local files: CIFAR-10, CIFAR-100 and ImageNet16 in their original formats.

The files are read as data; no code in them is run.

Sources: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437), sections 3.3 and 4; Krizhevsky, Learning Multiple Layers of
Features from Tiny Images, 2009; Chrabaszcz et al., A Downsampled Variant of ImageNet, 2017, arXiv 1707.08819.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmark_api import unpickle
from benchmark_api.jobs.files import regular
from benchmark_api.training.images import Dataset, DatasetError, split_of

FILE_LIMIT = 256 << 20
"""Largest size of an official file, in bytes; the largest one has 155 million."""

UNOFFICIAL_FLAG = "--unofficial-images accepts other images in the same format, and every result says so"
"""Remedy for files that are readable and not official."""


# -- official files ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """Official files of a data set; mean, standard deviation and padding are those of NATS-Bench."""

    folder: str
    origin: str  # where to get the folder
    train: Mapping[str, str]  # MD5 of each file with training images, by name
    test: Mapping[str, str]  # MD5 of each file with test images, by name
    label_key: str  # name of the labels in a file
    labels: range  # labels in the files
    classes: int  # number of labels whose images are used; the first label becomes class 0
    size: int  # height and width of the images, in pixels
    mean: tuple[float, float, float]  # of the training images, per channel
    std: tuple[float, float, float]  # of the training images, per channel
    padding: int  # zero pixels on each side for random crops


# The checksums of CIFAR are those of torchvision, the checksums of ImageNet16 those of the NATS-Bench authors (AutoDL-Projects).
_SOURCES = {
    "cifar10": _Source(
        folder="cifar-10-batches-py",
        origin="unpack cifar-10-python.tar.gz (the Python version of CIFAR-10, from its home page)",
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        label_key="labels",
        labels=range(10),
        classes=10,
        size=32,
        mean=(125.3, 123.0, 113.9),
        std=(63.0, 62.1, 66.7),
        padding=4,
    ),
    "cifar100": _Source(
        folder="cifar-100-python",
        origin="unpack cifar-100-python.tar.gz (the Python version of CIFAR-100, from its home page)",
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        label_key="fine_labels",
        labels=range(100),
        classes=100,
        size=32,
        mean=(129.3, 124.1, 112.4),
        std=(68.2, 65.4, 70.4),
        padding=4,
    ),
    "ImageNet16-120": _Source(
        folder="ImageNet16",
        origin="put the folder ImageNet16 (ImageNet at 16x16 pixels, as the authors of NATS-Bench share it)",
        train={
            "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
            "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
            "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
            "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
            "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
            "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
            "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
            "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
            "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
            "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
        },
        test={"val_data": "3410e3017fdaefba8d5073aaa65e4bd6"},
        label_key="labels",
        labels=range(1, 1001),
        classes=120,
        size=16,
        mean=(122.68, 116.66, 104.01),
        std=(63.22, 61.26, 65.09),
        padding=2,
    ),
}
OFFICIAL_SPLITS = {
    "cifar10-valid": ("train", "x-valid", "ori-test"),
    "cifar10": ("train", "ori-test"),
    "cifar100": ("train", "x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("train", "x-valid", "x-test", "ori-test"),
}


def official_shape(key: str) -> tuple[int, tuple[int, int, int]]:
    """Return the number of classes of an official data set, and channels, height and width of its images."""
    source = _SOURCES[key.removesuffix("-valid")]
    return source.classes, (3, source.size, source.size)


_TEST_HALVES = {"x-valid": "xvalid", "x-test": "xtest"}
_HALVES = {  # split files of NATS-Bench: name, MD5, and name of the list of each split
    "cifar10-valid": ("cifar-split.txt", "2da7627956f17981dc0b841ab8385f37", {"train": "train", "x-valid": "valid"}),
    "cifar100": ("cifar100-test-split.txt", "16f51963f0ccd95cb6c08c33ca4c1665", _TEST_HALVES),
    "ImageNet16-120": ("imagenet-16-120-test-split.txt", "670c7749b090d2e937e20d10e811be22", _TEST_HALVES),
}

_Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]  # images [image, 3, size, size], labels [image]


def load_official_files(key: str, root: Path | None, wanted: Sequence[str], device: torch.device, verify: bool) -> Dataset:
    """Return splits of CIFAR or ImageNet16 from local copies of the official files.

    Raises:
        FileNotFoundError: a file is missing.
        DatasetError: a file is damaged or not the official one.
        ValueError: no folder is given.
    """
    source, root = _source(key, root)
    halves = _read_halves(key, root, wanted, verify)
    read = cache(lambda part: _read_images(root, source, getattr(source, part), verify))
    splits = {}
    for name in wanted:
        part = "train" if name == "train" or (key, name) == ("cifar10-valid", "x-valid") else "test"
        images, labels = read(part)
        if key == "cifar10-valid" and part == "train" and not halves:
            halves = _seeded_halves(len(labels))
        if name in halves:
            if (last := max(halves[name])) >= len(labels):
                raise DatasetError(f"{root / _HALVES[key][0]}: has image {last}, but there are only {len(labels)}: {_hint(key)}")
            images, labels = images[halves[name]], labels[halves[name]]
        splits[name] = split_of(images, labels, device)
    return Dataset(
        key=key,
        classes=source.classes,
        mean=torch.tensor(source.mean, device=device)[:, None, None],
        std=torch.tensor(source.std, device=device)[:, None, None],
        flip=True,
        padding=source.padding,
        splits=splits,
    )


def unofficial_digest(key: str, root: Path | None) -> str | None:
    """Return a digest of all files of a data set if some differ from the official ones; None if all are official.

    Returns:
        The first half of a SHA-256, in hexadecimal.

    Raises:
        FileNotFoundError: a file is missing; the split file of CIFAR-10 may be.
        ValueError: the data set has no official files, or no folder is given.
    """
    if key not in OFFICIAL_SPLITS:
        raise ValueError(f"unofficial images are of {', '.join(OFFICIAL_SPLITS)}; {key} has no official files")
    source, root = _source(key, root)
    official = {f"{source.folder}/{name}": md5 for name, md5 in {**source.train, **source.test}.items()}
    found = {name: _md5(_read_file(root / name, f"in {root}, {source.origin}")) for name in official}
    halves, md5, _ = _HALVES.get(key, ("", "", {}))
    if halves and (key != "cifar10-valid" or (root / halves).exists()):
        official[halves], found[halves] = md5, _md5(_read_file(root / halves, _hint(key)))
    return None if found == official else hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:32]


def _source(key: str, root: Path | None) -> tuple[_Source, Path]:
    """Return the official files of a data set and their folder; raise ValueError where none is given."""
    source = _SOURCES[key.removesuffix("-valid")]
    if root is None:
        raise ValueError(f"{key} is read from local files: name as root the folder that has {source.folder} in it")
    return source, root


def _seeded_halves(count: int) -> dict[str, list[int]]:
    """Return the halves of the 50,000 training images of CIFAR-10 in cifar-split.txt."""
    order = list(range(count))
    random.Random(1021).shuffle(order)
    return {"train": sorted(order[: count // 2]), "x-valid": sorted(order[count // 2 :])}


def _read_halves(key: str, root: Path, wanted: Sequence[str], verify: bool) -> dict[str, list[int]]:
    """Return the image indices of each split in the key's split file; empty if the file is not needed."""
    file_name, md5, lists = _HALVES.get(key, ("", "", {}))
    path = root / file_name
    if not set(lists) & set(wanted) or (key == "cifar10-valid" and not path.exists()):
        return {}
    data = _read_file(path, _hint(key), md5 if verify else None)
    try:
        content = json.loads(data)
        halves = {split: [int(index) for index in content[name][1]] for split, name in lists.items()}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise DatasetError(f"{path}: not a split file of NATS-Bench ({error!r}): {_hint(key)}") from error
    indices = [index for half in halves.values() for index in half]
    if min(map(len, halves.values())) == 0 or min(indices) < 0 or len(set(indices)) < len(indices):
        raise DatasetError(f"{path}: a list is empty, or has an image twice or below 0: {_hint(key)}")
    return halves


def _hint(key: str) -> str:
    """Return the remedy for a missing or damaged split file."""
    if key == "cifar10-valid":
        return "take the file from configs/nas-benchmark of the AutoDL-Projects repository, or remove it: it can be recomputed"
    return (
        "put the file from configs/nas-benchmark of the AutoDL-Projects repository there, or load only splits that do not need "
        "it: train and ori-test"
    )


def _read_images(root: Path, source: _Source, files: Mapping[str, str], verify: bool) -> _Arrays:
    """Return the used images [image, 3, size, size] and labels [image] of several files, in order."""
    pixels = 3 * source.size**2
    first, last = source.labels[0], source.labels[-1]
    images, labels = [], []
    for name, md5 in files.items():
        path = root / source.folder / name
        hint = f"in {root}, {source.origin}"
        data = _read_file(path, hint, md5 if verify else None)
        try:
            content = unpickle.load_images(data, str(path))
        except ValueError as error:
            raise DatasetError(f"{error}; expected the file as its authors made it: {hint}") from error
        match content:
            case {"data": np.ndarray() as values, source.label_key: list() as numbers}:
                fits = values.dtype == np.uint8 and values.shape == (len(numbers), pixels)
                if fits and all(type(number) is int and number in source.labels for number in numbers):
                    label = np.array(numbers, dtype=np.int64) - first
                    used = label < source.classes
                    images.append(values[used].reshape(-1, 3, source.size, source.size))  # [image, channel, row, column]
                    labels.append(label[used])
                    continue
        raise DatasetError(
            f"{path}: expected uint8 'data' of {pixels} columns and as many {source.label_key!r} of {first} to {last}: {hint}"
        )
    return np.concatenate(images), np.concatenate(labels)


def _read_file(path: Path, hint: str, md5: str | None = None) -> bytes:
    """Return the content of a file; with an MD5, only if it has that."""
    try:
        with open(regular(path), "rb") as file:
            content = file.read(FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path} is missing: {hint}") from None
    if len(content) > FILE_LIMIT:
        raise DatasetError(f"{path}: larger than {FILE_LIMIT >> 20} MiB, which no official file is: {hint}")
    if md5 is not None and (found := _md5(content)) != md5:
        raise DatasetError(f"{path}: damaged, or not the official file (MD5 {found}, expected {md5}): {hint}; {UNOFFICIAL_FLAG}")
    return content


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
