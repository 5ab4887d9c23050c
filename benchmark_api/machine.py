"""The machine that a process runs on: its processor, and a setting of the C library. Imports no other package."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path


def processor_name() -> str:
    """Return the name of the processor, e.g. "AMD EPYC"."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def keep_freed_memory_for_good() -> None:
    """Let the C library keep the memory of freed tensors, until this process ends.

    Returning it to the system and requesting it again for every tensor costs a third of the time of a training.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not the GNU C library
        return
    for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 64 << 20)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD of malloc.h
        mallopt(option, value)
