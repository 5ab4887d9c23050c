"""Names, types and shapes of a table's tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmark_api.tables.metrics import BUILT_IN, is_attached
from benchmark_api.tables.safetensors import FormatError
from benchmark_api.tables.schema import check_epochs, check_name
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


_KINDS = {"iu": "integers", "f": "floats"}  # NumPy's letters of kinds
_EXPECTED = dict.fromkeys(("seeds", "epochs"), "iu") | dict.fromkeys(("accuracy", "loss", "seconds", *BUILT_IN), "f")


def check_dtypes(tensors: Mapping[str, AnyArray]) -> None:
    """Check that seeds and epochs are integers and that measurements are floats, which alone can be missing (NaN).

    Raises:
        FormatError: a tensor has another type; the message names it.
        ValueError: a tensor has a name of another form.
    """
    for name, array in tensors.items():
        check_name(name)
        kinds = "f" if is_attached(name) else _EXPECTED.get(name.rpartition("/")[2], array.dtype.kind)
        if array.dtype.kind not in kinds:
            raise FormatError(f"{name} has the type {array.dtype}, expected {_KINDS[kinds]}")


def check_shapes(tensors: Mapping[str, AnyArray], architectures: int) -> None:
    """Check that the tensors of a table of so many architectures fit together.

    Raises:
        FormatError: a tensor is missing, or has another shape than expected.
        ValueError: the epochs of a split are none.
    """
    for (key, schedule), splits in splits_of(tensors).items():
        stem = f"{key}/{schedule}"
        try:
            seeds = tensors[f"{stem}/seeds"].shape
            if not seeds[1]:
                raise FormatError(f"{stem}/seeds has shape {seeds}, expected one trial or more")
            expected: dict[str, tuple[int, ...]] = dict.fromkeys(("seeds", "train/seconds"), (architectures, seeds[1]))
            for split in splits:
                check_epochs(f"{stem}/{split}/epochs", tensors[f"{stem}/{split}/epochs"])
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
