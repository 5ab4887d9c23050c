"""Types of a table's tensors: what counts is whole numbers, what was measured is floats."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_api.tables.safetensors import FormatError
from benchmark_api.types import AnyArray

_KINDS = {"iu": "integers", "f": "floats"}  # NumPy's letters of kinds
_EXPECTED = dict.fromkeys(("seeds", "epochs"), "iu") | dict.fromkeys(
    ("accuracy", "loss", "seconds", "params", "flops", "latency"), "f"
)


def check_dtypes(tensors: Mapping[str, AnyArray]) -> None:
    """Check that seeds and epochs are integers and that figures are floats, which alone can be missing (NaN).

    Args:
        tensors: arrays by their names in a table; those of other names may have any type.

    Raises:
        FormatError: a tensor has another type; the message names it.
    """
    for name, array in tensors.items():
        kinds = _EXPECTED.get(name.rpartition("/")[2], array.dtype.kind)
        if array.dtype.kind not in kinds:
            raise FormatError(f"{name} has the type {array.dtype}, expected {_KINDS[kinds]}")
