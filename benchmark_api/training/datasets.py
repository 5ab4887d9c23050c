"""The data sets on which networks are trained, by key:

    cifar10-valid    train (25,000: one half of the training images), x-valid (the other half), ori-test (10,000)
    cifar10          train (50,000), ori-test
    cifar100         train (50,000), ori-test (10,000), x-valid and x-test (5,000 each: the halves of ori-test)
    ImageNet16-120   train (151,700), ori-test (6,000), x-valid and x-test (3,000 each: the halves of ori-test)
    digits           train (899), x-valid (449), x-test (449), multiplied by the number of distorted copies; needs no files
    any other        train, x-valid, x-test, from a NumPy file KEY.npz (see `benchmark_api.training.numpy_files`)

Keys and splits are the official ones of NATS-Bench.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmark_api.training.digits import Distortion, load_digits
from benchmark_api.training.image_files import OFFICIAL_SPLITS, load_official_files, official_shape
from benchmark_api.training.images import SEARCHED_SPLITS, Dataset, DatasetError, Split, flip_and_crop
from benchmark_api.training.numpy_files import load_numpy_file

__all__ = ["KEYS", "Dataset", "DatasetError", "Distortion", "Split", "flip_and_crop", "load_dataset", "shape_of"]

KEYS = ("digits", *OFFICIAL_SPLITS)


def shape_of(key: str, root: str | os.PathLike[str] | None = None) -> tuple[int, tuple[int, int, int]]:
    """Return the number of classes of a data set, and channels, height and width of its images; files are read for a NumPy file.

    Raises:
        FileNotFoundError: the NumPy file is missing.
        ValueError: as for `load_dataset`.
    """
    if key in OFFICIAL_SPLITS:
        return official_shape(key)
    dataset = load_dataset(key, root)
    return dataset.classes, dataset.image_shape


def load_dataset(
    key: str,
    root: str | os.PathLike[str] | None = None,
    *,
    splits: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    distortion: Distortion | None = None,
    verify: bool = True,
) -> Dataset:
    """Return a data set, or some of its splits.

    Args:
        key: one of `KEYS`, or the name of a file KEY.npz in `root`.
        root: folder of the local copies; not needed for digits. It contains the folders cifar-10-batches-py, cifar-100-python
            and ImageNet16, and the split files of NATS-Bench: cifar-split.txt (recomputed if it is missing),
            cifar100-test-split.txt and imagenet-16-120-test-split.txt (needed for x-valid and x-test only).
        splits: splits to load; by default all.
        device: device of the images.
        distortion: distortions of the digits; None for the original digits and for other data sets.
        verify: check files against the official checksums; False accepts other content in the same formats.

    Raises:
        FileNotFoundError: a file is missing; the message names the file and its folder.
        DatasetError: a file is damaged, or not the official one.
        ValueError: unknown key or split, no `root` where one is needed, or a distortion of another data set than digits.
    """
    if key not in KEYS and (root is None or Path(key).name != key):
        raise ValueError(
            f"unknown data set {key!r}; expected one of {', '.join(KEYS)}, or name as root the folder that has a file {key}.npz"
        )
    if distortion is not None and key != "digits":
        raise ValueError(f"distortions are for digits, not for {key}")
    official = OFFICIAL_SPLITS.get(key, SEARCHED_SPLITS)
    wanted = tuple(official if splits is None else splits)
    if not wanted or not set(wanted) <= set(official):
        raise ValueError(f"{key} has the splits {', '.join(official)}; got {', '.join(wanted) or 'none'}")
    place = torch.device(device)
    if key == "digits":
        return load_digits(wanted, distortion, place)
    if key in OFFICIAL_SPLITS:
        return load_official_files(key, None if root is None else Path(root), wanted, place, verify)
    return load_numpy_file(key, Path(root or ""), wanted, place)
