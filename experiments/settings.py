"""Settings of black-box runs, and facts about datasets: titles and default budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark_api.tables.evaluator import Accounting
from benchmark_api.tables.table import Table

TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
"""Names of datasets in figures, where they are not the key."""

BUDGETS = {
    ("topology", "cifar10"): 20_000.0,
    ("topology", "cifar100"): 40_000.0,
    ("topology", "ImageNet16-120"): 120_000.0,
    ("topology", "digits"): 50.0,
    ("size", "cifar10"): 20_000.0,
    ("size", "cifar100"): 40_000.0,
    ("size", "ImageNet16-120"): 60_000.0,
    ("size", "digits"): 24.0,
}
"""Default budgets by space and dataset, simulated seconds: those of the NATS-Bench paper, and 200 average evaluations of the
embedded tables. Other datasets need an explicit budget."""


def dataset_title(dataset: str) -> str:
    """Return the name of a dataset in figures."""
    return TITLES.get(dataset, dataset)


def default_config(search_class: Any, dataset: str) -> Any:
    """Return the default hyperparameters of a search, which depend on the dataset if it is a one-shot search."""
    by_dataset = getattr(search_class, "default_config", None)
    return by_dataset(dataset) if by_dataset else search_class.Config()


@dataclass(frozen=True, kw_only=True)
class RunSettings(Accounting):
    """Settings of a run. The budget may be infinite with `max_queries`.

    Attributes:
        space: name of the search space.
        dataset: the dataset searched on.
        schedule: the schedule whose validation accuracy is the objective, named by its epochs.

    Raises:
        ValueError: a value is out of range, or nothing would ever end the run.
    """

    space: str
    dataset: str
    schedule: str

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
        budget = BUDGETS.get((space, dataset)) if budget is None else budget
        if budget is None:
            raise ValueError(f"no default budget for {dataset} in the {space} space: give one in simulated seconds (--budget)")
        return cls(space=space, dataset=dataset, schedule=schedule or table.search_schedule, budget=budget, **accounting)
