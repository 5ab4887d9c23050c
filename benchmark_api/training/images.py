"""Data sets in memory: whole splits as tensors on one device, augmented there in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SEARCHED_SPLITS = ("train", "x-valid", "x-test")
"""Splits of digits and of NumPy files."""


class DatasetError(ValueError):
    """A file of a data set is damaged or not the official one; the message names the file and the remedy."""


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images.

    Attributes:
        images: raw images [image, channel, height, width]: uint8 from 0 to 255, or float32 from about 0 to 1 (digits).
        labels: class of each image [image], int64, from 0.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Splits of a data set, all on one device.

    Attributes:
        key: official key, e.g. "cifar10-valid".
        classes: number of classes.
        mean: mean of the training images [channel, 1, 1], in raw units.
        std: standard deviation of the training images [channel, 1, 1], in raw units.
        flip: whether augmentation mirrors training images.
        padding: zero pixels added on each side of a training image before a random crop to the original size.
        splits: splits by name.
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
        """Return a split by its name; raise ValueError if it was not loaded."""
        if name not in self.splits:
            raise ValueError(f"{self.key} was loaded without {name!r}; it has {', '.join(self.splits)}")
        return self.splits[name]

    def batch(
        self, split: str, indices: Tensor | slice = slice(None), augment: torch.Generator | Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return normalised images [batch, channel, height, width], float32, of a split and their labels [batch].

        Args:
            split: name of the split.
            indices: indices of the images; by default all.
            augment: generator for random flips and crops, or what `draw_crops` has drawn; None for no augmentation.
        """
        chosen = self.split(split)
        if isinstance(indices, Tensor):
            indices = indices.to(chosen.labels.device)
        images = chosen.images[indices]
        if isinstance(augment, torch.Generator):
            augment = draw_crops(len(images), self.flip, self.padding, augment)
        if augment is not None:
            images = crop(images, self.padding, augment)
        return (images.float() - self.mean) / self.std, chosen.labels[indices]

    def batches(
        self, split: str, size: int, shuffle: torch.Generator | None = None, augment: torch.Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images of a split once, as `batch` returns them, `size` at a time; the last batch may be smaller.

        The order is drawn from the generator `shuffle`, or is the stored one.
        """
        count = len(self.split(split))
        if size < 1:
            raise ValueError(f"batches must have at least 1 image, got {size}")
        order = torch.randperm(count, generator=shuffle, device=shuffle.device) if shuffle is not None else None
        for start in range(0, count, size):
            chosen = slice(start, start + size)
            yield self.batch(split, chosen if order is None else order[chosen], augment)


def flip_and_crop(images: Tensor, flip: bool, padding: int, generator: torch.Generator) -> Tensor:
    """Mirror each image with probability one half, then pad it with zeros and crop it to its size at a random position.

    Draws are made on the generator's device, hence equal for every device of the images [image, channel, height, width].
    """
    return crop(images, padding, draw_crops(len(images), flip, padding, generator))


def draw_crops(count: int, flip: bool, padding: int, generator: torch.Generator) -> Tensor:
    """Draw for each image whether it is mirrored, and first row and column of its crop [3, image], on the generator's device."""
    choices = 2 if flip else 1, 2 * padding + 1, 2 * padding + 1
    return torch.stack([torch.randint(many, (count,), generator=generator, device=generator.device) for many in choices])


def crop(images: Tensor, padding: int, drawn: Tensor) -> Tensor:
    """Mirror, pad and crop images [image, channel, height, width] as `draw_crops` has drawn."""
    count, channels, height, width = images.shape
    mirrored, row, column = drawn.to(images.device)[:, :, None]  # [image, 1] each
    rows = row + torch.arange(height, device=images.device)  # [image, row], in padded pixels
    columns = column + torch.arange(width, device=images.device)  # [image, column]
    columns = torch.where(mirrored.bool(), width + 2 * padding - 1 - columns, columns)
    padded = torch.nn.functional.pad(images, (padding,) * 4)  # [image, channel, height + 2 * padding, width + 2 * padding]
    image = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[:, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]  # [image, channel, height, width]


def split_of(images: npt.NDArray[Any], labels: npt.NDArray[np.int64], device: torch.device) -> Split:
    """Return a split of arrays on a device."""
    return Split(torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device))
