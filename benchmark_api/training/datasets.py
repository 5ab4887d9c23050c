"""The data sets that candidates are trained on: whole splits as tensors on one device, augmented there in batches.

The keys are the official ones, and so are the splits:

    cifar10-valid    train (25,000: one half of the training images), x-valid (the other half), ori-test (10,000)
    cifar10          train (50,000), ori-test
    cifar100         train (50,000), ori-test (10,000), x-valid and x-test (5,000 each: the halves of ori-test)
    ImageNet16-120   train (151,700), ori-test (6,000), x-valid and x-test (3,000 each: the halves of ori-test)
    digits           train (899), x-valid (449), x-test (449), or so many distorted copies of each; needs no files
    any other        train, x-valid, x-test, from a file of one's own, KEY.npz

All but the digits are read from local copies in their original formats; nothing of a file is run (`pickles.load_arrays`).
`load_dataset` tells what it needs where. A data set of one's own is a NumPy file with the arrays "SPLIT/images" [image, channel,
height, width], uint8 or float32, and "SPLIT/labels" [image], integers from 0, for each of the three splits; and, if training
images may be mirrored or shifted, "flip" (true) and "padding" (pixels).

Sources: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437), sections 3.3 and 4; Krizhevsky, Learning Multiple Layers of
Features from Tiny Images, 2009; Chrabaszcz et al., A Downsampled Variant of ImageNet, 2017, arXiv 1707.08819; Alpaydin &
Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (the 1,797 test images, as scikit-learn has them).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark_api import unpickle

KEYS = ("digits", "cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")

FILE_LIMIT = 256 << 20
"""Bytes that a file may have: the largest official one has 155 million."""

OWN_LIMIT = 16 << 30
"""Bytes that the arrays of a data set of one's own may have."""


class DatasetError(ValueError):
    """A file of a data set that is damaged or not the official one; the message names it and says what to put there."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Attributes:
        images: [image, channel, height, width], raw: uint8 of 0 to 255, or float32 of about 0 to 1 (digits).
        labels: [image], int64, from 0.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Splits of a data set, all on one device.

    Attributes:
        key: the official key.
        classes: number of classes.
        mean: of the training images [channel, 1, 1], in raw units.
        std: of the training images [channel, 1, 1], in raw units.
        flip: whether training images may be mirrored.
        padding: black pixels around a training image before it is cropped to its size at random.
        splits: the splits by name.
    """

    key: str
    classes: int
    mean: Tensor
    std: Tensor
    flip: bool
    padding: int
    splits: Mapping[str, Split]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = next(iter(self.splits.values())).images.shape[1:]
        return channels, height, width

    def split(self, name: str) -> Split:
        """A split by its name.

        Raises:
            ValueError: it was not loaded.
        """
        if name not in self.splits:
            raise ValueError(f"{self.key} was loaded without {name!r}; it has {', '.join(self.splits)}")
        return self.splits[name]

    def batch(
        self, split: str, indices: Tensor | slice = slice(None), augment: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Some images of a split, as a network takes them.

        Args:
            split: the split's name.
            indices: which images; all of them unless told otherwise.
            augment: mirror and crop them at random, drawn from this generator; None: as they are.

        Returns:
            Images [batch, channel, height, width], float32, normalised, and labels [batch].

        Raises:
            ValueError: there is no such split.
        """
        chosen = self.split(split)
        if isinstance(indices, Tensor):
            indices = indices.to(chosen.labels.device)
        images = chosen.images[indices]
        if augment is not None:
            images = flip_and_crop(images, self.flip, self.padding, augment)
        return (images.float() - self.mean) / self.std, chosen.labels[indices]

    def batches(
        self, split: str, size: int, shuffle: torch.Generator | None = None, augment: torch.Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """All images of a split once, in batches; the last may be smaller.

        Args:
            split: the split's name.
            size: images of a batch.
            shuffle: draw the order from this generator; None: as they are stored.
            augment: as for `batch`.

        Raises:
            ValueError: there is no such split, or batches would be empty.
        """
        count = len(self.split(split))
        if size < 1:
            raise ValueError(f"batches must have at least 1 image, got {size}")
        order = torch.randperm(count, generator=shuffle, device=shuffle.device) if shuffle is not None else None
        for start in range(0, count, size):
            chosen = slice(start, start + size)
            yield self.batch(split, chosen if order is None else order[chosen], augment)


def flip_and_crop(images: Tensor, flip: bool, padding: int, generator: torch.Generator) -> Tensor:
    """Images, each mirrored with probability one half, then padded with zeros and cropped to its size at a random place.

    Args:
        images: [image, channel, height, width].
        flip: whether to mirror at all.
        padding: pixels on every side.
        generator: where the choices are drawn; if it is on another device, they are the same for every device of the images.
    """
    count, channels, height, width = images.shape

    def draw(choices: int) -> Tensor:
        drawn = torch.randint(choices, (count, 1), generator=generator, device=generator.device)
        return drawn.to(images.device)

    mirrored = draw(2 if flip else 1)
    rows = draw(2 * padding + 1) + torch.arange(height, device=images.device)  # [image, row], in padded pixels
    columns = draw(2 * padding + 1) + torch.arange(width, device=images.device)
    columns = torch.where(mirrored.bool(), width + 2 * padding - 1 - columns, columns)
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    image = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[:, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


# -- loading ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Distortion:
    """Random distortions that make the digits harder: each image is replaced by distorted copies.

    They are drawn with NumPy from a seed: everyone has the same images.

    Attributes:
        copies: distorted copies of each image.
        rotation: limit of the angle, in degrees.
        scale: limit of the relative change of size; 0.2 is 0.8 to 1.2 times.
        shift: limit of the shift, in pixels, along each axis.
        noise: standard deviation of the noise, relative to the range from black to white.
        seed: seed of them all.

    Raises:
        ValueError: there are no copies, a limit is negative, or images could shrink to nothing.
    """

    copies: int = 4
    rotation: float = 15.0
    scale: float = 0.2
    shift: float = 1.0
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.copies < 1 or min(self.rotation, self.shift, self.noise) < 0 or not 0 <= self.scale < 1:
            raise ValueError(f"expected at least 1 copy, limits of 0 and more, and scale below 1, got {self}")


def load_dataset(
    key: str,
    root: str | os.PathLike[str] | None = None,
    *,
    splits: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    distortion: Distortion | None = None,
    verify: bool = True,
) -> Dataset:
    """A data set, or some splits of it.

    Args:
        key: one of `KEYS`, or the name of a file KEY.npz in root.
        root: the folder with the local copies; not needed for digits. CIFAR-10 is looked for in its folder
            cifar-10-batches-py, CIFAR-100 in cifar-100-python, ImageNet16 in ImageNet16, and the split files of NATS-Bench
            (cifar-split.txt, cifar100-test-split.txt, imagenet-16-120-test-split.txt) in root itself. Only x-valid and x-test
            of cifar100 and ImageNet16-120 need theirs; that of CIFAR-10 is recomputed where it is missing.
        splits: the splits to load; all official ones unless told otherwise.
        device: where they shall be.
        distortion: makes the digits harder; for digits only.
        verify: check files against the official checksums. False takes files of the same formats with other content.

    Raises:
        FileNotFoundError: a file is missing; the message says which, and where to put it.
        DatasetError: a file is damaged, or not the official one.
        ValueError: unknown key or split, no root where one is needed, or a distortion of something else than digits.
    """
    if key not in KEYS and (root is None or Path(key).name != key):
        raise ValueError(
            f"unknown data set {key!r}; expected one of {', '.join(KEYS)}, or name as root the folder that has a file {key}.npz"
        )
    if distortion is not None and key != "digits":
        raise ValueError(f"distortions are for digits, not for {key}")
    official = _SPLITS.get(key, _OWN_SPLITS)
    wanted = tuple(official if splits is None else splits)
    if not wanted or not set(wanted) <= set(official):
        raise ValueError(f"{key} has the splits {', '.join(official)}; got {', '.join(wanted) or 'none'}")
    if key == "digits":
        return _load_digits(wanted, distortion, torch.device(device))
    if key not in KEYS:
        return _load_own(key, Path(root or ""), wanted, torch.device(device))
    if root is None:
        raise ValueError(
            f"{key} is read from local files: name as root the folder that has {_SOURCES[_SOURCE_OF[key]].folder} in it"
        )
    return _load_files(key, Path(root), wanted, torch.device(device), verify)


# -- digits ----------------------------------------------------------------------------------------------------------------

_OWN_SPLITS = ("train", "x-valid", "x-test")
_DIGITS_SEED = 1797


def _load_digits(wanted: Sequence[str], distortion: Distortion | None, device: torch.device) -> Dataset:
    from sklearn.datasets import load_digits  # half a second

    digits = load_digits()
    images = np.asarray(digits.images, dtype=np.float32)[:, None] / 16.0  # [image, 1, 8, 8], 0 to 1
    labels = np.asarray(digits.target, dtype=np.int64)
    order = list(range(len(labels)))
    random.Random(_DIGITS_SEED).shuffle(order)
    order.sort(key=lambda index: int(labels[index]))  # stable: class by class, at random within one
    # Dealt out one after another, so that each split has its share of each class: half, a quarter, a quarter.
    members = {"train": order[::2], "x-valid": order[1::4], "x-test": order[3::4]}
    arrays = {name: (images[sorted(indices)], labels[sorted(indices)]) for name, indices in members.items()}
    if distortion is not None:
        for number, name in enumerate(_OWN_SPLITS):
            rng = np.random.default_rng([distortion.seed, number])
            original, label = arrays[name]
            arrays[name] = (_distort(original, distortion, rng), np.repeat(label, distortion.copies))
    train = arrays["train"][0]
    return Dataset(
        key="digits",
        classes=10,
        mean=torch.full((1, 1, 1), float(train.mean(dtype=np.float64)), device=device),
        std=torch.full((1, 1, 1), float(train.std(dtype=np.float64)), device=device),
        flip=False,  # a mirrored digit is none
        padding=0,
        splits={name: _split(*arrays[name], device) for name in wanted},
    )


def _distort(images: npt.NDArray[np.float32], by: Distortion, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Distorted copies [image * copies, 1, height, width] of images [image, 1, height, width]; copies of one stay together."""
    from scipy.ndimage import map_coordinates

    count, (height, width) = len(images) * by.copies, images.shape[2:]
    angle = np.deg2rad(rng.uniform(-by.rotation, by.rotation, (count, 1, 1)))
    zoom = rng.uniform(1.0 - by.scale, 1.0 + by.scale, (count, 1, 1))
    down, right = rng.uniform(-by.shift, by.shift, (2, count, 1, 1))
    noise = by.noise * rng.standard_normal((count, height, width))
    # Where in the original each pixel comes from: shifted back, turned back and scaled back around the centre.
    y = np.arange(height)[:, None] - (height - 1) / 2 - down  # [image, row, 1]
    x = np.arange(width) - (width - 1) / 2 - right  # [image, 1, column]
    rows = (np.cos(angle) * y + np.sin(angle) * x) / zoom + (height - 1) / 2
    columns = (np.cos(angle) * x - np.sin(angle) * y) / zoom + (width - 1) / 2
    image = np.broadcast_to(np.repeat(np.arange(len(images)), by.copies)[:, None, None], rows.shape)
    moved = map_coordinates(images[:, 0].astype(np.float64), [image, rows, columns], order=1, mode="grid-constant")  # bilinear
    return np.asarray(moved + noise, dtype=np.float32)[:, None]


# -- a file of one's own -----------------------------------------------------------------------------------------------------


def _load_own(key: str, root: Path, wanted: Sequence[str], device: torch.device) -> Dataset:
    path = root / f"{key}.npz"
    needed = ", ".join(f"{split}/{part}" for split in _OWN_SPLITS for part in ("images", "labels"))
    hint = f"expected a NumPy file, as np.savez writes it, with {needed}"
    try:
        with np.load(path) as file:  # NumPy refuses pickles unless told otherwise
            if (size := sum(member.file_size for member in file.zip.infolist())) > OWN_LIMIT:
                raise DatasetError(
                    f"{path}: {size >> 30} GiB of arrays, more than {OWN_LIMIT >> 30}; a whole data set is kept in memory"
                )
            arrays = {name: _own_split(file[f"{name}/images"], file[f"{name}/labels"]) for name in {*wanted, "train"}}
            flip, padding = (bool(file["flip"]) if "flip" in file else False), (int(file["padding"]) if "padding" in file else 0)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: {hint}") from None
    except DatasetError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: {error}: {hint}") from error
    images, labels = arrays["train"]
    classes = int(labels.max()) + 1
    for name, (of_split, its_labels) in arrays.items():
        if of_split.shape[1:] != images.shape[1:] or its_labels.max() >= classes or padding < 0:
            raise DatasetError(
                f"{path}: {name} has images {of_split.shape[1:]} and labels up to {its_labels.max()}, train {images.shape[1:]} "
                f"and up to {classes - 1}, padding is {padding}; expected equal shapes, no other labels, and padding of 0 or more"
            )
    mean, std = (getattr(images, name)(axis=(0, 2, 3), dtype=np.float64).reshape(-1, 1, 1) for name in ("mean", "std"))
    return Dataset(
        key=key,
        classes=classes,
        mean=torch.tensor(mean, dtype=torch.float32, device=device),
        std=torch.tensor(np.where(std > 0, std, 1.0), dtype=torch.float32, device=device),
        flip=flip,
        padding=padding,
        splits={name: _split(*arrays[name], device) for name in wanted},
    )


def _own_split(images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """The arrays of a split, checked.

    Raises:
        ValueError: they are not images and their labels.
    """
    if images.ndim != 4 or images.dtype not in (np.uint8, np.float32) or min(images.shape) < 1 or min(images.shape[2:]) < 8:
        raise ValueError(
            f"images must be [image, channel, height, width], uint8 or float32, 8 pixels and more, got {_kind(images)}"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ValueError(f"labels must be integers from 0, one for each of {len(images)} images, got {_kind(labels)}")
    if not np.isfinite(images).all():
        raise ValueError("an image has a pixel that is not a finite number")
    return images, labels.astype(np.int64)


def _kind(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"


# -- local files -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """The files of a data set: name and official MD5 of each."""

    folder: str
    origin: str
    train: Mapping[str, str]
    test: Mapping[str, str]
    label_key: str
    labels: tuple[int, int]  # first and last
    used: tuple[int, int]  # first and last of those that are used; the first becomes 0
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: int


@dataclass(frozen=True)
class _SplitFile:
    """A split file of NATS-Bench: its name, its official MD5, and which of its lists is which split."""

    name: str
    md5: str
    lists: Mapping[str, str]


# The checksums of CIFAR are also torchvision's, those of ImageNet16 the NATS-Bench authors' (AutoDL-Projects). Means, standard
# deviations and padding are what NATS-Bench was trained with.
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
        labels=(0, 9),
        used=(0, 9),
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
        labels=(0, 99),
        used=(0, 99),
        size=32,
        mean=(129.3, 124.1, 112.4),
        std=(68.2, 65.4, 70.4),
        padding=4,
    ),
    "ImageNet16": _Source(
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
        labels=(1, 1000),
        used=(1, 120),
        size=16,
        mean=(122.68, 116.66, 104.01),
        std=(63.22, 61.26, 65.09),
        padding=2,
    ),
}
_SOURCE_OF = {"cifar10-valid": "cifar10", "cifar10": "cifar10", "cifar100": "cifar100", "ImageNet16-120": "ImageNet16"}
_SPLITS = {
    "cifar10-valid": ("train", "x-valid", "ori-test"),
    "cifar10": ("train", "ori-test"),
    "cifar100": ("train", "x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("train", "x-valid", "x-test", "ori-test"),
}
_TEST_HALVES = {"x-valid": "xvalid", "x-test": "xtest"}
_HALVES = {
    "cifar10-valid": _SplitFile("cifar-split.txt", "2da7627956f17981dc0b841ab8385f37", {"train": "train", "x-valid": "valid"}),
    "cifar100": _SplitFile("cifar100-test-split.txt", "16f51963f0ccd95cb6c08c33ca4c1665", _TEST_HALVES),
    "ImageNet16-120": _SplitFile("imagenet-16-120-test-split.txt", "670c7749b090d2e937e20d10e811be22", _TEST_HALVES),
}

_Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]  # images [image, 3, size, size], labels [image]


def _load_files(key: str, root: Path, wanted: Sequence[str], device: torch.device, verify: bool) -> Dataset:
    source = _SOURCES[_SOURCE_OF[key]]
    halves = _read_halves(key, root, wanted, verify)
    parts: dict[str, _Arrays] = {}
    splits = {}
    for name in wanted:
        part = "train" if name == "train" or (key, name) == ("cifar10-valid", "x-valid") else "test"
        if part not in parts:
            parts[part] = _read_images(root, source, source.train if part == "train" else source.test, verify)
        images, labels = parts[part]
        if key == "cifar10-valid" and part == "train" and not halves:
            halves = _seeded_halves(len(labels))
        if name in halves:
            if max(halves[name]) >= len(labels):
                raise DatasetError(
                    f"{root / _HALVES[key].name}: has image {max(halves[name])}, but there are only {len(labels)}: {_hint(key)}"
                )
            images, labels = images[halves[name]], labels[halves[name]]
        splits[name] = _split(images, labels, device)
    return Dataset(
        key=key,
        classes=source.used[1] - source.used[0] + 1,
        mean=torch.tensor(source.mean, device=device)[:, None, None],
        std=torch.tensor(source.std, device=device)[:, None, None],
        flip=True,
        padding=source.padding,
        splits=splits,
    )


def _split(images: npt.NDArray[Any], labels: npt.NDArray[np.int64], device: torch.device) -> Split:
    return Split(torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device))


def _seeded_halves(count: int) -> dict[str, list[int]]:
    """The halves that cifar-split.txt has for the 50,000 training images of CIFAR-10."""
    order = list(range(count))
    random.Random(1021).shuffle(order)
    return {"train": sorted(order[: count // 2]), "x-valid": sorted(order[count // 2 :])}


def _read_halves(key: str, root: Path, wanted: Sequence[str], verify: bool) -> dict[str, list[int]]:
    """The images of each split that is listed in the key's split file; none of them if that file is not needed."""
    file = _HALVES.get(key)
    if file is None or not set(file.lists) & set(wanted):
        return {}
    path = root / file.name
    if key == "cifar10-valid" and not path.exists():
        return {}
    try:
        content = json.loads(_read_file(path, file.md5, verify, _hint(key)))
        halves = {split: [int(index) for index in content[name][1]] for split, name in file.lists.items()}
    except DatasetError:
        raise
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise DatasetError(f"{path}: not a split file of NATS-Bench ({error!r}): {_hint(key)}") from error
    indices = [index for half in halves.values() for index in half]
    if min(map(len, halves.values())) == 0 or min(indices) < 0 or len(set(indices)) < len(indices):
        raise DatasetError(f"{path}: a list is empty, or has an image twice or below 0: {_hint(key)}")
    return halves


def _hint(key: str) -> str:
    """What to do about a key's split file."""
    if key == "cifar10-valid":
        return "take the file from configs/nas-benchmark of the AutoDL-Projects repository, or remove it: it can be recomputed"
    return (
        "put the file from configs/nas-benchmark of the AutoDL-Projects repository there, or load only splits that do not need "
        "it: train and ori-test"
    )


def _read_images(root: Path, source: _Source, files: Mapping[str, str], verify: bool) -> _Arrays:
    """The images and labels that are used of some files, in their order."""
    pixels = 3 * source.size**2
    (first, last), (first_used, last_used) = source.labels, source.used
    images, labels = [], []
    for name, md5 in files.items():
        path = root / source.folder / name
        hint = f"in {root}, {source.origin}"
        data = _read_file(path, md5, verify, hint)
        try:
            content = unpickle.load_images(data, str(path))
        except ValueError as error:
            raise DatasetError(f"{error}\nExpected {path} as its authors made it: {hint}") from error
        match content:
            case {"data": np.ndarray() as values, source.label_key: list() as numbers}:
                fits = values.dtype == np.uint8 and values.shape == (len(numbers), pixels)
                if fits and all(type(number) is int and first <= number <= last for number in numbers):
                    label = np.array(numbers, dtype=np.int64)
                    used = (label >= first_used) & (label <= last_used)
                    images.append(values[used].reshape(-1, 3, source.size, source.size))
                    labels.append(label[used] - first_used)
                    continue
        raise DatasetError(
            f"{path}: expected uint8 'data' of {pixels} columns and as many {source.label_key!r} of {first} to {last}: {hint}"
        )
    return np.concatenate(images), np.concatenate(labels)


def _read_file(path: Path, md5: str, verify: bool, hint: str) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: there is none.
        DatasetError: it is too large, or not the official one.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path} is missing: {hint}") from None
    if len(content) > FILE_LIMIT:
        raise DatasetError(f"{path}: larger than {FILE_LIMIT >> 20} MiB, which no official file is: {hint}")
    if verify and (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5:
        raise DatasetError(f"{path}: damaged, or not the official file (MD5 {found}, expected {md5}): {hint}")
    return content
