"""Computing with PyTorch in a worker process: seeds and random streams, threads, memory, devices and their clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from benchmark_api.jobs.job import JobError
from benchmark_api.machine import keep_freed_memory_for_good


def trial_seeds(count: int) -> tuple[int, ...]:
    """Return the first seeds of trainings: 777, 888 and 999 as in NATS-Bench, then 1110, 1221, ..."""
    return tuple(777 + 111 * trial for trial in range(count))


def generator(*key: int) -> torch.Generator:
    """Return the generator of one purpose, on the CPU, seeded with a key of non-negative integers."""
    made = torch.Generator()
    made.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return made


def find_device(name: str) -> torch.device:
    """Return a device by its PyTorch name; raise ValueError if it does not exist or cannot be used."""
    try:
        tried = torch.zeros(1, device=name)
        tried.item()  # not on the device meta, which only knows shapes
        return tried.device
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from error


def clock(device: torch.device) -> float:
    """Return seconds: on a CPU, the CPU time of this process, which other processes hardly change; else elapsed time.

    On other devices, all queued work is finished first.
    """
    if device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize(device)
    return time.perf_counter()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread; freed memory is kept until the process ends."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory_for_good()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Raise a `JobError` with the remedy, e.g. "take smaller batches (--batch)", if memory is exhausted."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if type(error) is RuntimeError and "allocate memory" not in reason:  # PyTorch's error if the CPU has no memory left
            raise
        raise JobError(f"out of memory ({reason}): {remedy}, then run the same command again") from error
