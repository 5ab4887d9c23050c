"""The digits data set: 1,797 images of 8 x 8 pixels that come with scikit-learn, and distorted copies of them.

Source: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (the test images).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch

from benchmark_api.bounds import Bounded, at_least, between
from benchmark_api.training.images import SEARCHED_SPLITS, Dataset, split_of

_SPLIT_SEED = 1797


@dataclass(frozen=True)
class Distortion(Bounded):
    """Random distortions that make the digits harder: each image is replaced by distorted copies.

    All values are drawn with NumPy from one seed, so every machine has the same images.

    Attributes:
        copies: distorted copies of each image.
        rotation: largest absolute angle, in degrees.
        scale: largest relative change of size; 0.2 allows factors from 0.8 to 1.2.
        shift: largest absolute shift along each axis, in pixels.
        noise: standard deviation of the noise, relative to the range from black to white.
        seed: seed of all draws.
    """

    copies: Annotated[int, between(1, 1000)] = 4
    rotation: Annotated[float, at_least(0)] = 15.0
    scale: Annotated[float, between(0, 1, "[)")] = 0.2
    shift: Annotated[float, at_least(0)] = 1.0
    noise: Annotated[float, at_least(0)] = 0.1
    seed: Annotated[int, between(0, 2**62)] = 0


def load_digits(wanted: Sequence[str], distortion: Distortion | None, device: torch.device) -> Dataset:
    """Return splits of the digits on a device, distorted if asked for."""
    pixels, labels = _stored_digits()
    images = pixels.reshape(-1, 1, 8, 8) / np.float32(16.0)  # 0 to 1
    order = list(range(len(labels)))
    random.Random(_SPLIT_SEED).shuffle(order)
    order.sort(key=lambda index: int(labels[index]))  # stable: by class, in random order within a class
    # Every second and every fourth image: a half, a quarter and a quarter of each class.
    members = {"train": order[::2], "x-valid": order[1::4], "x-test": order[3::4]}
    arrays = {name: (images[sorted(indices)], labels[sorted(indices)]) for name, indices in members.items()}
    if distortion is not None:
        for number, name in enumerate(SEARCHED_SPLITS):
            rng = np.random.default_rng([distortion.seed, number])
            original, label = arrays[name]
            arrays[name] = (_distort(original, distortion, rng), np.repeat(label, distortion.copies))
    train = arrays["train"][0]
    return Dataset(
        key="digits",
        classes=10,
        mean=torch.full((1, 1, 1), float(train.mean(dtype=np.float64)), device=device),
        std=torch.full((1, 1, 1), float(train.std(dtype=np.float64)), device=device),
        flip=False,  # a mirrored digit is not a digit
        padding=0,
        splits={name: split_of(*arrays[name], device) for name in wanted},
    )


def _stored_digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return pixels from 0 to 16 [image, pixel], and labels [image], of scikit-learn's file; its import would take seconds."""
    package = find_spec("sklearn")
    file = Path(package.origin).parent / "datasets/data/digits.csv.gz" if package and package.origin else Path()
    if file.is_file():
        rows = np.loadtxt(file, dtype=np.float32, delimiter=",")
        return rows[:, :-1], rows[:, -1].astype(np.int64)
    from sklearn import datasets  # a version with another file

    data, target = datasets.load_digits(return_X_y=True)
    return data.astype(np.float32), target.astype(np.int64)


def _distort(images: npt.NDArray[np.float32], by: Distortion, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return distorted copies [image * copies, 1, height, width] of images [image, 1, height, width], grouped by image."""
    from scipy.ndimage import map_coordinates

    count, (height, width) = len(images) * by.copies, images.shape[2:]
    angle = np.deg2rad(rng.uniform(-by.rotation, by.rotation, (count, 1, 1)))
    zoom = rng.uniform(1.0 - by.scale, 1.0 + by.scale, (count, 1, 1))
    down, right = rng.uniform(-by.shift, by.shift, (2, count, 1, 1))
    noise = by.noise * rng.standard_normal((count, height, width))
    # Source position of each pixel in the original: shift, rotation and scaling around the centre are inverted.
    y = np.arange(height)[:, None] - (height - 1) / 2 - down  # [image, row, 1]
    x = np.arange(width) - (width - 1) / 2 - right  # [image, 1, column]
    rows = (np.cos(angle) * y + np.sin(angle) * x) / zoom + (height - 1) / 2
    columns = (np.cos(angle) * x - np.sin(angle) * y) / zoom + (width - 1) / 2
    image = np.broadcast_to(np.repeat(np.arange(len(images)), by.copies)[:, None, None], rows.shape)
    moved = map_coordinates(images[:, 0].astype(np.float64), [image, rows, columns], order=1, mode="grid-constant")  # bilinear
    return np.asarray(moved + noise, dtype=np.float32)[:, None]
