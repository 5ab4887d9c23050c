"""The published results of NATS-Bench: Dong, Liu, Musial, Gabrys, "NATS-Bench: Benchmarking NAS Algorithms for Architecture
Topology and Size", IEEE TPAMI 2021 (arXiv 2009.00437), Table 4: topology space, accuracy in percent after full training.

Weight-sharing rows are means over 3 runs, the others over 500. The paper's seeds were drawn in a chain that can repeat
itself, so that its 500 runs need not be distinct; ours are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SOURCE = "NATS-Bench, arXiv 2009.00437, Table 4"

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")

SEARCH_SCHEDULE, REPORT_SCHEDULE = "12", "200"
"""Schedules of the evaluations of black-box searches, and of the published accuracies."""


class Accuracy(NamedTuple):
    """Mean and standard deviation (over runs, ddof 0) of validation and test accuracy, percent."""

    valid_mean: float
    valid_std: float
    test_mean: float
    test_std: float


# fmt: off
TOPOLOGY: Mapping[str, tuple[int, tuple[Accuracy, Accuracy, Accuracy]]] = {
    "random": (500, (
        Accuracy(91.07, 0.26, 93.86, 0.23), Accuracy(71.46, 0.97, 71.55, 0.97), Accuracy(45.03, 0.91, 45.28, 0.97))),
    "rea": (500, (
        Accuracy(91.25, 0.31, 94.02, 0.31), Accuracy(72.28, 0.95, 72.23, 0.84), Accuracy(45.71, 0.77, 45.77, 0.80))),
    "reinforce": (500, (
        Accuracy(91.12, 0.25, 93.90, 0.26), Accuracy(71.80, 0.94, 71.86, 0.89), Accuracy(45.37, 0.74, 45.64, 0.78))),
    "bohb-reference": (500, (
        Accuracy(91.17, 0.27, 93.94, 0.28), Accuracy(72.04, 0.93, 72.00, 0.86), Accuracy(45.55, 0.79, 45.70, 0.86))),
    "rsps": (3, (
        Accuracy(87.60, 0.61, 91.05, 0.66), Accuracy(68.27, 0.72, 68.26, 0.96), Accuracy(39.73, 0.34, 40.69, 0.36))),
    "darts-v1": (3, (
        Accuracy(49.27, 13.44, 59.84, 7.84), Accuracy(61.08, 4.37, 61.26, 4.43), Accuracy(38.07, 2.90, 37.88, 2.91))),
    "darts-v2": (3, (
        Accuracy(58.78, 13.44, 65.38, 7.84), Accuracy(59.48, 5.13, 60.49, 4.95), Accuracy(37.56, 7.10, 36.79, 7.59))),
    "gdas": (3, (
        Accuracy(89.68, 0.72, 93.23, 0.58), Accuracy(68.35, 2.71, 68.17, 2.50), Accuracy(39.55, 0.00, 39.40, 0.00))),
    "setn": (3, (
        Accuracy(90.00, 0.97, 92.72, 0.73), Accuracy(69.19, 1.42, 69.36, 1.72), Accuracy(39.77, 0.33, 39.51, 0.33))),
    "enas": (3, (
        Accuracy(90.20, 0.00, 93.76, 0.00), Accuracy(70.21, 0.71, 70.67, 0.62), Accuracy(40.78, 0.00, 41.44, 0.00))),
}
"""Number of runs, and an accuracy for each of `DATASETS`, by the registry name of our search."""
# fmt: on

OPTIMUM: Mapping[tuple[str, str], tuple[float, float]] = {
    ("topology", "cifar10"): (91.61, 94.37),
    ("topology", "cifar100"): (73.49, 73.51),
    ("topology", "ImageNet16-120"): (46.77, 47.31),
}
"""Published best validation and best test accuracy by space and dataset, each by itself, percent."""

TOPOLOGY_CELLS: Mapping[tuple[str, str], tuple[int, ...]] = {
    ("darts-v1", "cifar10"): (1835, 1835, 1835),
    ("darts-v1", "cifar100"): (3521, 3521, 12830),
    ("darts-v1", "ImageNet16-120"): (12686, 12686, 4771),
    ("darts-v2", "cifar10"): (1835, 1835, 1835),
    ("darts-v2", "cifar100"): (12669, 561, 2057),
    ("darts-v2", "ImageNet16-120"): (1728,),
    ("gdas", "cifar10"): (3928, 138, 6168),
    ("gdas", "cifar100"): (12218, 3203, 12940),
    ("gdas", "ImageNet16-120"): (6960, 6960, 6960),
}
"""Official indices of the cells that runs found, as the README of the NATS-Bench repository lists them."""


def find(space: str, dataset: str, algorithm: str, *, searched: str, reported: str) -> tuple[Accuracy, int] | None:
    """Return the published accuracies of a registered algorithm and their number of runs; None where there are none.

    Args:
        space: name of the search space.
        dataset: the dataset searched on.
        algorithm: registry name.
        searched: schedule of the evaluations; empty for one-shot searches, which have none.
        reported: schedule of the reported accuracies.
    """
    same = searched in (SEARCH_SCHEDULE, "") and reported == REPORT_SCHEDULE
    if space != "topology" or dataset not in DATASETS or algorithm not in TOPOLOGY or not same:
        return None
    runs, accuracies = TOPOLOGY[algorithm]
    return accuracies[DATASETS.index(dataset)], runs


class Row(NamedTuple):
    """A published row of a weight-sharing search on one data set.

    Attributes:
        source: where it is published.
        accuracy: NaN for what is not published.
        runs: number of runs; None if it is not stated.
        protocol: how its protocol differs from the one here; empty for the same.
    """

    source: str
    accuracy: Accuracy
    runs: int | None
    protocol: str


_NAN = float("nan")
_GAEA = "GAEA, arXiv 2004.07802"
_DRNAS = "PC-DARTS as run for DrNAS, arXiv 2006.10355"
_DARTS_PT = "DARTS-PT, arXiv 2108.04392, Table 4"

SUCCESSORS: Mapping[str, tuple[str, int | None, str, Mapping[str, Accuracy]]] = {
    "gaea": (
        *(_GAEA, None, "25 of 50 epochs, 24 channels"),
        {
            "cifar10": Accuracy(_NAN, _NAN, 94.10, _NAN),
            "cifar100": Accuracy(_NAN, _NAN, 73.43, _NAN),
            "ImageNet16-120": Accuracy(_NAN, _NAN, 46.36, _NAN),
        },
    ),
    "pc-darts": (
        *(_DRNAS, 4, "other hyperparameters"),
        {
            "cifar10": Accuracy(89.96, 0.15, 93.41, 0.30),
            "cifar100": Accuracy(67.12, 0.39, 67.48, 0.89),
            "ImageNet16-120": Accuracy(40.83, 0.08, 41.31, 0.22),
        },
    ),
    "darts-pt": (*(_DARTS_PT, None, "other hyperparameters"), {"cifar10": Accuracy(_NAN, _NAN, 88.11, _NAN)}),
    "darts-pt-fixed": (*(_DARTS_PT, None, "other hyperparameters"), {"cifar10": Accuracy(_NAN, _NAN, 93.80, _NAN)}),
}
"""Rows of the successors of DARTS on the topology space: source, number of runs, protocol, and accuracies by data set.

None was made under the protocol of NATS-Bench.
"""


def weight_sharing(space: str, dataset: str, algorithm: str) -> list[Row]:
    """Return the published rows of a one-shot search on a data set; empty where there are none."""
    if space != "topology":
        return []
    found = find(space, dataset, algorithm, searched="", reported=REPORT_SCHEDULE)
    rows = [] if found is None else [Row(SOURCE, *found, "")]
    if algorithm in SUCCESSORS:
        source, runs, protocol, accuracies = SUCCESSORS[algorithm]
        if dataset in accuracies:
            rows.append(Row(source, accuracies[dataset], runs, protocol))
    return rows


def optimum(space: str, dataset: str, *, reported: str) -> tuple[float, float] | None:
    """Return the published best validation and best test accuracy of a space after a schedule; None where there is none."""
    return OPTIMUM.get((space, dataset)) if reported == REPORT_SCHEDULE else None
