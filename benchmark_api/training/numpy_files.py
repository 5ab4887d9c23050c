"""Data sets of one's own, in NumPy files.

A file KEY.npz has the arrays "SPLIT/images" [image, channel, height, width], uint8 or float32, and "SPLIT/labels" [image],
integers from 0, for each of the splits train, x-valid and x-test; and optionally "flip" (true if training images may be mirrored)
and "padding" (pixels by which training images may be shifted). No pickle in it is read.

`np.load` allocates what the header of an array declares before it has seen its data. Here the declared shape must be that of the
data, and all of them together within a limit, before anything is allocated.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib import format as npy

from benchmark_api.jobs.files import regular
from benchmark_api.training.images import SEARCHED_SPLITS, Dataset, DatasetError, split_of

SIZE_LIMIT = 1 << 30
"""Largest size of the arrays that are read from a file, in bytes."""
MEMBER_LIMIT = 1000
"""Largest number of arrays in a file."""

_Split = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]  # images [image, channel, height, width], labels [image]


class _Form(NamedTuple):
    """Declared form of an array."""

    kinds: tuple[str, ...]  # dtypes
    axes: int
    text: str  # for messages


_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_FORMS = {
    "images": _Form(("uint8", "float32"), 4, "[image, channel, height, width], uint8 or float32"),
    "labels": _Form(_INTEGERS, 1, "integers from 0, one for each image"),
    "flip": _Form(("bool",), 0, "one truth value"),
    "padding": _Form(_INTEGERS, 0, "one integer"),
}
"""Schema of a file, by the last part of an array's name."""


class _Place(NamedTuple):
    """Where an array is, and what its header declares."""

    member: zipfile.ZipInfo
    start: int  # first byte of the data
    shape: tuple[int, ...]
    column_major: bool
    dtype: np.dtype[Any]


def load_numpy_file(key: str, root: Path, wanted: Sequence[str], device: torch.device) -> Dataset:
    """Return splits of the data set in a file KEY.npz on a device.

    Raises:
        FileNotFoundError: the file is missing.
        DatasetError: the file has other content than described above.
    """
    path = root / f"{key}.npz"
    needed = ", ".join(f"{split}/{part}" for split in SEARCHED_SPLITS for part in ("images", "labels"))
    hint = f"expected a NumPy file, as np.savez writes it, with {needed}"
    splits = dict.fromkeys((*wanted, "train"))
    required = [f"{split}/{part}" for split in splits for part in ("images", "labels")]
    try:
        arrays = _read(path, required, ["flip", "padding"])
        of_split = {split: _checked(split, arrays[f"{split}/images"], arrays[f"{split}/labels"]) for split in splits}
        classes = _check_together(of_split, padding := int(arrays.get("padding", 0)))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: {hint}") from None
    except (ValueError, LookupError, EOFError, OSError, RuntimeError, MemoryError, zlib.error, zipfile.BadZipFile) as error:
        if getattr(error, "filename", None):  # the system's answer, not the file's content
            raise
        # RuntimeError: encrypted, or compressed in an unknown way; MemoryError: of the parser of a header nested too deeply
        raise DatasetError(f"{path}: {(str(error) or type(error).__name__).splitlines()[0]:.300}: {hint}") from error
    images = of_split["train"][0]
    mean, std = (getattr(images, name)(axis=(0, 2, 3), dtype=np.float64).reshape(-1, 1, 1) for name in ("mean", "std"))
    return Dataset(
        key=key,
        classes=classes,
        mean=torch.tensor(mean, dtype=torch.float32, device=device),
        std=torch.tensor(np.where(std > 0, std, 1.0), dtype=torch.float32, device=device),
        flip=bool(arrays.get("flip", False)),
        padding=padding,
        splits={name: split_of(*of_split[name], device) for name in wanted},
    )


def _read(path: Path, required: Sequence[str], optional: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return arrays of a file, of the declared forms; raise ValueError, or an error of the reader, if they are others."""
    with zipfile.ZipFile(regular(path)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) < len(archive.infolist()) or len(members) > MEMBER_LIMIT:
            raise ValueError(f"an array is there twice, or there are more than {MEMBER_LIMIT}")
        if missing := [name for name in required if f"{name}.npy" not in members]:
            raise ValueError(f"there is no {missing[0]}")
        present = [*required, *(name for name in optional if f"{name}.npy" in members)]
        places = {name: _place(archive, members[f"{name}.npy"], name) for name in present}
        if (size := sum(place.member.file_size for place in places.values())) > SIZE_LIMIT:
            raise ValueError(f"{size >> 20:,} MiB of arrays, more than {SIZE_LIMIT >> 20:,}; a whole data set is kept in memory")
        return {name: _array(archive, place) for name, place in places.items()}


def _place(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> _Place:
    """Return the place of an array, whose header must declare the form of the schema and the size of its data."""
    with archive.open(member) as file:
        shape, column_major, dtype = _header(file)
        start = file.tell()
    form = _FORMS[name.rpartition("/")[2]]
    if dtype.name not in form.kinds or len(shape) != form.axes:
        raise ValueError(f"{name} must be {form.text}, got {dtype} {list(shape)}")
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != member.file_size - start:
        raise ValueError(f"{name} is declared as {dtype} {list(shape)}, but has {member.file_size - start:,} bytes")
    return _Place(member, start, shape, column_major, dtype)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the first axis varies fastest, and dtype."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array of NumPy's format {version}, expected (1, 0) or (2, 0)")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, column_major, dtype = read(file)
    except (RecursionError, SyntaxError, TypeError, TokenError) as error:
        raise ValueError(f"the header of an array is none: {error}") from error
    return shape, column_major, dtype


def _array(archive: zipfile.ZipFile, place: _Place) -> npt.NDArray[Any]:
    with archive.open(place.member) as file:
        content = bytearray(file.read())  # the length is checked, and the checksum
    order: Any = "F" if place.column_major else "C"
    values = np.frombuffer(content, place.dtype, offset=place.start).reshape(place.shape, order=order)
    return values.astype(place.dtype.newbyteorder("="), order="C", copy=False)


def _checked(split: str, images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> _Split:
    """Return the arrays of a split; raise ValueError if they are not images and their labels."""
    if min(images.shape) < 1 or min(images.shape[2:]) < 8:
        raise ValueError(f"{split}/images must be at least one, of 8 pixels and more, got {list(images.shape)}")
    if labels.shape != images.shape[:1] or labels.min() < 0:
        raise ValueError(
            f"{split}/labels must be integers from 0, one for each of {len(images)} images, got {labels.dtype} "
            f"{list(labels.shape)} from {labels.min(initial=0)}"
        )
    if labels.max() >= 1 << 31:
        raise ValueError(f"{split}/labels has the class {labels.max()}, more than any data set")
    if not np.isfinite(images).all():
        raise ValueError(f"{split}/images has a pixel that is not a finite number")
    return images, labels.astype(np.int64)


def _check_together(splits: Mapping[str, _Split], padding: int) -> int:
    """Return the number of classes; raise ValueError if the splits are not of one data set, or the padding does not fit."""
    images, labels = splits["train"]
    if (classes := int(labels.max()) + 1) > len(images):
        raise ValueError(
            f"train/labels has the class {classes - 1}, for {len(images)} images; expected no more classes than images"
        )
    for name, (of_split, its_labels) in splits.items():
        if of_split.shape[1:] != images.shape[1:] or its_labels.max() >= classes:
            raise ValueError(
                f"{name} has images {of_split.shape[1:]} and labels up to {its_labels.max()}, train {images.shape[1:]} "
                f"and up to {classes - 1}; expected equal shapes and no other labels"
            )
    if not 0 <= padding <= min(images.shape[2:]):
        raise ValueError(f"padding is {padding}; expected 0 to the size of the images, {min(images.shape[2:])} pixels")
    return classes
