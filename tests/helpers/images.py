"""Small image files in the official formats of CIFAR and ImageNet16, and access to raw images."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark_api.training.datasets import Dataset

Bytes = npt.NDArray[np.uint8]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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
