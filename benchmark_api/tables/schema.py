"""Schema of a table: its metadata, and the names, types and shapes of its tensors, and the numbers that they may hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from benchmark_api.schema import Text, checked, is_schedule, parse_json
from benchmark_api.text import is_plain_name
from benchmark_api.types import AnyArray, FloatArray

FORMAT_VERSION = 1

Fact = str | int | float | bool | list[Any] | dict[str, Any] | None
"""A fact about a source, as the importer of its kind notes it; only shown."""


class MetricFacts(msgspec.Struct):
    """What is known of a metric besides its values."""

    unit: Annotated[str, msgspec.Meta(max_length=100)] = ""
    direction: Literal["minimize", "maximize"] = "minimize"
    source: Text = ""


class Part(msgspec.Struct):
    """What a merged table knows of one of its tables."""

    file: Text
    title: Text
    fingerprint: Text
    parts: list[Text]
    source: dict[str, Fact] = {}
    merged: list[Part] = []


class Metadata(msgspec.Struct):
    """Metadata of a table. Names that are not declared here are those of other programs, and left alone."""

    format: Annotated[int, msgspec.Meta(ge=1, le=FORMAT_VERSION)]
    space: dict[str, Fact]
    title: Text
    notice: Text
    fingerprint: Text
    search_schedule: str
    report_schedule: str
    source: dict[str, Fact] = {}
    metrics: dict[str, MetricFacts] = {}
    merged: list[Part] = []


def read_metadata(text: str) -> dict[str, Any]:
    """Return the metadata of a table, the JSON text "table" of its file.

    Raises:
        ValueError: they are others than declared.
    """
    value = parse_json(text)
    version = value.get("format") if isinstance(value, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        raise ValueError(f"table format {version}; this program reads up to {FORMAT_VERSION}: update it")
    found: Metadata = checked(value, Metadata, "its metadata")
    for name in ("search_schedule", "report_schedule"):
        if not is_schedule(schedule := getattr(found, name)):
            raise ValueError(f"its metadata: {name} is {schedule!r:.80}, expected epochs, 1 to 999999")
    metadata: dict[str, Any] = value
    return metadata


@lru_cache(maxsize=4096)
def check_name(tensor: str) -> None:
    """Check the name of a tensor: KEY/SCHEDULE/SPLIT/QUANTITY, KEY/SCHEDULE/QUANTITY, KEY/metrics/NAME or metrics/NAME.

    Raises:
        ValueError: it has another form, or a part that cannot be a name in a path.
    """
    parts = tensor.split("/")
    if not 2 <= len(parts) <= 4 or not all(map(is_plain_name, parts)):
        raise ValueError(f"tensor {tensor!r:.200} is not named KEY/SCHEDULE/SPLIT/QUANTITY of plain names")
    if len(parts) > 2 and parts[1] != "metrics" and not is_schedule(parts[1]):
        raise ValueError(f"tensor {tensor!r:.200}: schedule {parts[1]!r:.80}, expected epochs, 1 to 999999")


def check_epochs(name: str, epochs: AnyArray) -> None:
    """Check the stored epochs of a split: [epoch], at least one, ascending, within the schedule.

    Raises:
        ValueError: they are others.
    """
    length = int(name.split("/")[1])
    if epochs.ndim != 1 or not len(epochs):
        raise ValueError(f"{name} has shape {epochs.shape}, expected one axis of one epoch or more")
    first, last = epochs.item(0), epochs.item(-1)
    if first < 0 or last >= length or (len(epochs) > 1 and (epochs[1:] <= epochs[:-1]).any()):
        raise ValueError(f"{name} must be ascending epochs from 0 to {length - 1}, got {first} to {last}")


def check_numbers(name: str, values: FloatArray) -> None:
    """Check the numbers of a measurement: accuracies in percent, positive seconds, nothing infinite; NaN where not measured.

    Raises:
        ValueError: a number is none of these.
    """
    quantity = "train/seconds" if name.endswith("/train/seconds") else name.rpartition("/")[2]
    if quantity == "loss":  # infinite after a training that diverged
        return
    low, high = _RANGES.get(quantity, (-1e300, 1e300))
    if not values.size or math.isnan(lowest := float(np.fmin.reduce(values, axis=None))):
        return
    highest = float(np.fmax.reduce(values, axis=None))
    if lowest < low or highest > high:
        found = lowest if lowest < low else highest
        raise ValueError(f"{name} has the number {found:g}, expected {low:g} to {high:g}, or NaN")


_RANGES: Mapping[str, tuple[float, float]] = {"accuracy": (0.0, 100.0), "seconds": (0.0, 1e9), "train/seconds": (1e-9, 1e9)}
"""Lowest and highest number by quantity: percent, seconds of an evaluation pass, seconds of an epoch of training."""
