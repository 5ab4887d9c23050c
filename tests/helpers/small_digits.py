"""The first images of each split of the digits."""

from __future__ import annotations

from dataclasses import replace

from benchmark_api.training.datasets import Dataset, Split, load_dataset


def small_digits(images: int) -> Dataset:
    digits = load_dataset("digits")
    return replace(digits, splits={name: Split(x.images[:images], x.labels[:images]) for name, x in digits.splits.items()})
