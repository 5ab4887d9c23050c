"""Inputs of a one-shot search: the task it searches on, and how it is computed."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from benchmark_api.bounds import Bounded, between, unstored_default
from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.safetensors import fingerprint
from benchmark_api.training.datasets import Dataset
from benchmark_api.training.networks import Skeleton

Batch = tuple[Tensor, Tensor]
"""Images of a data set [image, channel, height, width], and their labels [image]."""

VALIDATION = "x-valid"


@dataclass(frozen=True)
class Task:
    """A search space, and images to search on.

    Attributes:
        space: the search space.
        dataset: the splits train and x-valid, and no other: a search cannot read test.
        skeleton: layers around a candidate.

    Raises:
        ValueError: the data set has other splits, or the skeleton does not fit it.
    """

    space: SearchSpace
    dataset: Dataset
    skeleton: Skeleton

    def __post_init__(self) -> None:
        if set(self.dataset.splits) != {"train", VALIDATION}:
            raise ValueError(
                f"a search takes {self.dataset.key} with the splits train and {VALIDATION} alone, "
                f"got {', '.join(self.dataset.splits)}"
            )
        expected = self.dataset.classes, self.dataset.image_shape[0]
        if (self.skeleton.classes, self.skeleton.input_channels) != expected:
            raise ValueError(f"{self.dataset.key} has {expected[0]} classes and {expected[1]} channels, got {self.skeleton}")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the task; checkpoints are specific to it."""
        data = self.dataset
        facts = [self.space.spec(), asdict(self.skeleton), data.key, data.classes, data.flip, data.padding]
        arrays = {"facts": np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8)}
        arrays |= {"mean": data.mean.cpu().numpy(), "std": data.std.cpu().numpy()}
        for name, split in data.splits.items():
            arrays |= {f"{name}/images": split.images.cpu().numpy(), f"{name}/labels": split.labels.cpu().numpy()}
        return fingerprint(arrays)


@dataclass(frozen=True)
class Execution(Bounded):
    """How a search is computed. The result does not depend on it, up to rounding.

    Raises:
        ValueError: a value is out of range, the device does not have the precision, or graphs or a stack are combined with what
            they do not have.
    """

    device: str = "cpu"
    """PyTorch's name of the device. The task's images must be on it."""

    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Precision of passes; weights, losses and architecture parameters stay float32. tf32 is for CUDA devices."""

    channels_last: bool = False
    """Store the channels of a pixel contiguously in memory."""

    compile: bool = False
    """Compile the parts of the network that compute the same at every step, with `torch.compile`."""

    graphs: Annotated[bool, unstored_default] = False
    """Capture the steps of an epoch as a CUDA graph; methods that sample paths then compute all edges in the same way. With
    `compile`, the parts of the network are compiled before."""

    stack: Annotated[int | None, between(1, 1024), unstored_default] = 1
    """Searches that are trained together, each with its own seed: on a CPU, tiny networks take a fraction of the time. None:
    chosen by device and size of the network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision == "tf32" and not self.device.startswith("cuda"):
            raise ValueError(f"precision tf32 is for CUDA devices, got it with device {self.device}")
        if self.graphs and self.compile and not self.device.startswith("cuda"):
            raise ValueError(
                f"compiled parts are captured on CUDA devices only, got graphs and compile with device {self.device}"
            )
        if (self.stack or 1) > 1 and not (self.graphs or self.plain):
            raise ValueError(
                f"a stack of {self.stack} without graphs has precision float32 or tf32, no channels_last, no compile, got {self}"
            )

    @property
    def plain(self) -> bool:
        """Whether it has a precision and a layout that a stacked network has."""
        return self.precision != "bfloat16" and not (self.channels_last or self.compile or self.graphs)

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Let CUDA devices multiply in its precision, and convolve deterministically, while the context lasts.

        PyTorch's default is TF32 in convolutions and float32 in other products; here both are the same.
        """
        matmul, tf32 = torch.backends.cuda.matmul, self.precision == "tf32"
        before = matmul.allow_tf32, matmul.fp32_precision
        precision = "tf32" if tf32 else "ieee"
        flags = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": tf32, "fp32_precision": precision}
        try:
            with torch.backends.cudnn.flags(**flags):
                matmul.allow_tf32 = tf32  # the older name of the setting, which must not contradict the newer one
                try:
                    yield
                finally:
                    matmul.allow_tf32 = before[0]
        finally:
            matmul.fp32_precision = before[1]


def copied(values: Tensor, device: torch.device) -> Tensor:
    """Return values of the CPU on a device, without waiting for the copy."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def wall_clock(device: torch.device) -> float:
    """Return wall time in seconds, after all work queued on a device."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


def peak_memory(device: torch.device) -> int:
    """Return the peak memory since the start of the process, bytes: of a CUDA device, or else of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # KiB on Linux
