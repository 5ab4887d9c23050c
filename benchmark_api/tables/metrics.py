"""Named metrics of architectures: costs such as params or the latency on a device, with unit and direction.

A metric is one tensor [architecture] of a table. Its name says what it holds for:

    KEY/SCHEDULE/params     of the networks that were trained on a dataset key with a schedule: params, flops, latency
    KEY/metrics/NAME        of a dataset key, whatever the schedule
    metrics/NAME            of an architecture, whatever the dataset

Unit and direction stand in the table's metadata under "metrics", by the tensor's name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from benchmark_api.types import AnyArray, BoolArray, FloatArray

Direction = Literal["minimize", "maximize"]
Limits = Mapping[str, tuple[float, float]]
"""Lowest and highest value of metrics by name, both included; -inf and inf are none."""


@dataclass(frozen=True)
class Metric:
    """A metric of architectures.

    Attributes:
        name: e.g. "params", or "latency@pixel3".
        unit: e.g. "ms"; empty for none.
        direction: whether less or more is better.
        tensor: name of its tensor [architecture] in the table.
    """

    name: str
    unit: str
    direction: Direction
    tensor: str

    def text(self, value: float) -> str:
        """Return a value with name and unit, e.g. "latency@pixel3 12.5 ms"."""
        return f"{self.name} {value:.6g} {self.unit}".rstrip()

    def limits_text(self, lowest: float, highest: float) -> str:
        """Return limits as text, e.g. "latency@pixel3 of at most 20 ms"; an infinite one is none."""
        limits = {"at least": lowest, "at most": highest}
        found = " and ".join(f"{words} {limit:.6g}" for words, limit in limits.items() if math.isfinite(limit))
        return f"{self.name} of {found} {self.unit}".rstrip()


BUILT_IN = {"params": "M", "flops": "M", "latency": "s"}
"""Units of the metrics that trainings have: millions of parameters, millions of multiply-accumulates of one image, seconds of
one batch of 256 images. Less is better."""


def limits_of(at_most: Mapping[str, float], at_least: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return `Limits` of the largest and the smallest values that metrics may have, by name."""
    return {name: (at_least.get(name, -math.inf), at_most.get(name, math.inf)) for name in (*at_most, *at_least)}


def within(values: FloatArray, limit: tuple[float, float]) -> BoolArray:
    """Whether the values [architecture] of a metric are within a limit; those that are not measured (NaN) are not."""
    return np.asarray((values >= limit[0]) & (values <= limit[1]))


def is_attached(tensor: str) -> bool:
    """Whether the name of a tensor is that of a metric that holds whatever the schedule."""
    return "metrics" in tensor.split("/")[:-1]


def metrics_of(tensors: Mapping[str, AnyArray], metadata: Mapping[str, Any], key: str, schedule: str) -> dict[str, Metric]:
    """Return the metrics of a dataset key and schedule by name; where names are equal, those of the schedule come first.

    Raises:
        ValueError: the metadata of a metric are damaged.
    """
    described = metadata.get("metrics", {})
    found: dict[str, Metric] = {}
    for folder in (f"{key}/{schedule}", f"{key}/metrics", "metrics"):
        heads = {tensor: tensor.rpartition("/") for tensor, values in tensors.items() if values.ndim == 1}
        names = {name: tensor for tensor, (head, _, name) in heads.items() if head == folder}
        for name in (*(name for name in BUILT_IN if name in names), *sorted(names.keys() - BUILT_IN.keys())):
            about = described.get(names[name], {})
            direction = about.get("direction", "minimize")
            if direction not in get_args(Direction):
                raise ValueError(f"the direction of {names[name]} must be one of {get_args(Direction)}, got {direction!r}")
            found.setdefault(name, Metric(name, str(about.get("unit", BUILT_IN.get(name, ""))), direction, names[name]))
    return found
