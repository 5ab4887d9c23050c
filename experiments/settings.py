"""Settings of black-box runs, and facts about datasets: titles and default budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmark_api.tables.evaluator import Accounting
from benchmark_api.tables.table import Table


class DatasetFacts(NamedTuple):
    """Facts about a dataset.

    Attributes:
        title: name in figures.
        budgets: default budgets by space, simulated seconds: those of the NATS-Bench paper, and 200 average evaluations of the
            embedded tables.
    """

    title: str
    budgets: Mapping[str, float]


DATASETS = {
    "cifar10": DatasetFacts("CIFAR-10", {"topology": 20_000.0, "size": 20_000.0}),
    "cifar100": DatasetFacts("CIFAR-100", {"topology": 40_000.0, "size": 40_000.0}),
    "ImageNet16-120": DatasetFacts("ImageNet16-120", {"topology": 120_000.0, "size": 60_000.0}),
    "digits": DatasetFacts("digits", {"topology": 50.0, "size": 24.0}),
}
"""Known datasets by key. A table may have others, which need an explicit budget."""


def dataset_title(dataset: str) -> str:
    """Return the name of a dataset in figures: its key where nothing else is known."""
    return DATASETS[dataset].title if dataset in DATASETS else dataset


def default_budget(space: str, dataset: str) -> float | None:
    """Return the default budget in simulated seconds; None where there is none."""
    return DATASETS[dataset].budgets.get(space) if dataset in DATASETS else None


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a black-box run maximises: validation accuracy after a schedule.

    Attributes:
        space: name of the search space.
        dataset: the dataset searched on.
        schedule: the schedule, named by its epochs.
    """

    space: str
    dataset: str
    schedule: str


@dataclass(frozen=True, kw_only=True)
class RunSettings(Accounting, Objective):  # in this order of bases the fields of the objective come first, as in stored files
    """Settings of a run: space, dataset, schedule, budget and cost accounting. The budget may be infinite with `max_queries`.

    Raises:
        ValueError: a value is out of range, or nothing would ever end the run.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.budget == float("inf") and self.max_queries is None:
            raise ValueError("an infinite budget needs max_queries to end the run")

    @classmethod
    def of(
        cls, table: Table, dataset: str, *, schedule: str | None = None, budget: float | None = None, **accounting: Any
    ) -> RunSettings:
        """Return the settings of runs on a table.

        Args:
            table: the table to search on.
            dataset: the dataset to search on.
            schedule: the schedule; None for the table's search schedule.
            budget: simulated seconds; None for the default of space and dataset.
            **accounting: other fields of `Accounting`.

        Raises:
            ValueError: a value is out of range, or there is no default budget.
        """
        space = table.space.name
        if budget is None:
            budget = default_budget(space, dataset)
        if budget is None:
            raise ValueError(f"no default budget for {dataset} in the {space} space: give one in simulated seconds (--budget)")
        return cls(space=space, dataset=dataset, schedule=schedule or table.search_schedule, budget=budget, **accounting)
