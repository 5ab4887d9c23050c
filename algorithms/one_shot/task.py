"""Inputs of a one-shot search: the task it searches on, and how it is computed."""

from __future__ import annotations

import json
import resource
import sys
import time
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
        ValueError: a value is out of range, or a stack is combined with a precision or layout that it does not have.
    """

    device: str = "cpu"
    """PyTorch's name of the device. The task's images must be on it."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of forward and backward passes; weights, losses and architecture parameters stay float32."""

    channels_last: bool = False
    """Store the channels of a pixel contiguously in memory."""

    compile: bool = False
    """Compile the parts of the network that compute the same at every step, with `torch.compile`."""

    stack: Annotated[int | None, between(1, 1024), unstored_default] = 1
    """Searches that are trained together, each with its own seed: on a CPU, tiny networks take a fraction of the time. None:
    chosen by device and size of the network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.stack or 1) > 1 and not self.plain:
            raise ValueError(f"a stack of {self.stack} has float32 precision, no channels_last and no compile, got {self}")

    @property
    def plain(self) -> bool:
        """Whether it has the precision and the layout that a stack has."""
        return (self.precision, self.channels_last, self.compile) == ("float32", False, False)


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
