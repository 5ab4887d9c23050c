"""Names and shapes of a table's tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmark_api.tables.metrics import BUILT_IN, is_attached
from benchmark_api.tables.safetensors import FormatError
from benchmark_api.types import AnyArray


def splits_of(tensors: Iterable[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the splits of each (dataset key, schedule), in the order in which they are listed and shown."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in tensors:
        match name.split("/"):
            case [key, schedule, split, "accuracy"]:
                found.setdefault((key, schedule), []).append(split)
    order = {"train": 0, "x-valid": 1, "x-test": 2, "ori-test": 3}
    return {
        stem: tuple(sorted(splits, key=lambda split: (order.get(split, 9), split)))
        for stem, splits in sorted(found.items(), key=lambda item: item[0][0].casefold())
    }


def check_shapes(tensors: Mapping[str, AnyArray], architectures: int) -> None:
    """Check that the tensors of a table of so many architectures fit together.

    Raises:
        FormatError: a tensor is missing, or has another shape than expected.
    """
    for (key, schedule), splits in splits_of(tensors).items():
        stem = f"{key}/{schedule}"
        try:
            seeds = tensors[f"{stem}/seeds"].shape
            expected: dict[str, tuple[int, ...]] = dict.fromkeys(("seeds", "train/seconds"), (architectures, seeds[1]))
            for split in splits:
                shape = (architectures, seeds[1], len(tensors[f"{stem}/{split}/epochs"]))
                expected |= {f"{split}/accuracy": shape, f"{split}/loss": shape, f"{split}/seconds": shape[:2]}
        except (KeyError, IndexError) as error:
            raise FormatError(f"incomplete, {error} of {stem} is missing") from error
        expected |= dict.fromkeys(BUILT_IN, (architectures,))
        for name, wanted in expected.items():
            _check_shape(tensors, f"{stem}/{name}", wanted)
    for name in tensors:
        if is_attached(name):
            _check_shape(tensors, name, (architectures,))


def _check_shape(tensors: Mapping[str, AnyArray], name: str, expected: tuple[int, ...]) -> None:
    tensor = tensors.get(name)
    if tensor is not None and tensor.shape != expected:
        raise FormatError(f"{name} has shape {tensor.shape}, expected {expected}")
