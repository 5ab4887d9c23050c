"""Operations in chosen cells, and their collapse to parameter-free operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark_api.spaces import OPERATIONS, Architecture
from benchmark_api.types import FloatArray, IntArray

PARAMETER_FREE = ("none", "skip_connect")
"""Operations that compute nothing: a cell that has no other has collapsed."""


def operation_counts(cells: Sequence[Architecture], operations: Sequence[str] = OPERATIONS) -> IntArray:
    """Number of edges with each operation [cell, operation]; each decision of a cell is the number of an operation."""
    counts: IntArray = (np.asarray(cells)[:, :, None] == np.arange(len(operations))).sum(axis=1)
    return counts


def parameter_free(cells: Sequence[Architecture], operations: Sequence[str] = OPERATIONS) -> FloatArray:
    """Share of `PARAMETER_FREE` operations in cells [cell]; 1 for a collapsed cell."""
    counts = operation_counts(cells, operations)
    free = [number for number, name in enumerate(operations) if name in PARAMETER_FREE]
    return np.asarray(counts[:, free].sum(axis=1) / counts.sum(axis=1))
