"""Metrics logged after each search epoch: the one list of their names, types and units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray


@dataclass(frozen=True)
class Metric:
    """How a metric is stored.

    Attributes:
        dtype: NumPy type of an entry.
        unit: unit of an entry.
        description: noun phrase.
        measured: whether it differs between equal runs, as times do.
        optional: whether stored runs may lack it; True for every metric added later, so that old files stay readable.
        axis: "" for one number per epoch, "choice" for one number per choice of each decision.
        name: field of `EpochMetrics`, and column of stored runs.
    """

    dtype: type[np.generic]
    unit: str
    description: str
    measured: bool = False
    optional: bool = False
    axis: Literal["", "choice"] = ""
    name: str = ""


@dataclass(frozen=True, eq=False)
class EpochMetrics:
    """Metrics logged after one search epoch.

    `epoch` counts finished epochs from 1; `architecture` is the one derived after the epoch. Scores have the shape [decision,
    choice], as stored [choice].
    """

    epoch: int
    architecture: Architecture
    train_loss: Annotated[float, Metric(np.float64, "nats", "mean over the epoch's training images, as they were trained on")]
    train_accuracy: Annotated[float, Metric(np.float64, "percent", "of the epoch's training images, as they were trained on")]
    valid_loss: Annotated[float, Metric(np.float64, "nats", "mean over validation images, in the method's evaluation mode")]
    valid_accuracy: Annotated[float, Metric(np.float64, "percent", "of validation images, in the method's evaluation mode")]
    arch_weights: Annotated[FloatArray, Metric(np.float64, "1", "scores of all choices, decision by decision", axis="choice")]
    entropy: Annotated[float, Metric(np.float64, "nats", "mean over decisions; NaN if the scores are no probabilities")]
    train_seconds: Annotated[float, Metric(np.float64, "seconds", "wall time of training, controller included", measured=True)]
    derive_seconds: Annotated[float, Metric(np.float64, "seconds", "wall time of deriving the architecture", measured=True)]
    peak_memory: Annotated[int, Metric(np.int64, "bytes", "of the device, or on a CPU of the process", measured=True)]

    def to_json(self) -> dict[str, Any]:
        """Return the metrics as plain values; None for NaN, which JSON does not have."""
        plain = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(self).items()}
        return {**plain, "arch_weights": self.arch_weights.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EpochMetrics:
        """Return the metrics that `to_json` wrote; the first version called `train_seconds` "seconds".

        Raises:
            KeyError, TypeError, ValueError: they are others.
        """
        plain: dict[str, Any] = {
            "train_seconds" if name == "seconds" else name: math.nan if value is None else value for name, value in values.items()
        }
        arrays = {"arch_weights": np.array(plain["arch_weights"], dtype=np.float64)}
        metrics = cls(**{**plain, **arrays, "architecture": tuple(plain["architecture"])})
        for name, value in plain.items():
            if name not in ("arch_weights", "architecture") and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise TypeError(f"{name} of an epoch is {value!r:.80}, expected a number")
        return metrics


EPOCH_METRICS = tuple(
    replace(get_args(hint)[1], name=name)
    for name, hint in get_type_hints(EpochMetrics, include_extras=True).items()
    if get_origin(hint) is Annotated
)
"""Every per-epoch metric but the architecture, in the order of stored columns."""


def mean_entropy(weights: FloatArray) -> float:
    """Return the mean entropy over decisions, nats, of probabilities [decision, choice]; NaN if rows do not sum to one."""
    if (weights < 0).any() or not np.allclose(weights.sum(axis=1), 1.0, rtol=0.0, atol=1e-4):
        return float("nan")
    return float(-(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1).mean())
