"""Batches and augmentation of data sets in memory."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch

from benchmark_api.training.datasets import flip_and_crop, load_dataset
from tests.helpers.images import generator, write_cifar10


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
