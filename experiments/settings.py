"""Settings of black-box runs, and facts about datasets: titles and default budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from operator import index
from typing import Any

from benchmark_api.tables.evaluator import Accounting, Noise
from benchmark_api.tables.table import Table

TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
"""Names of datasets in figures, where they are not the key."""

BUDGETS = {
    ("topology", "cifar10", "12"): 20_000.0,
    ("topology", "cifar100", "12"): 40_000.0,
    ("topology", "ImageNet16-120", "12"): 120_000.0,
    ("topology", "cifar10", "200"): 360_000.0,
    ("topology", "cifar100", "200"): 730_000.0,
    ("topology", "ImageNet16-120", "200"): 2_200_000.0,
    ("topology", "digits", "4"): 50.0,
    ("size", "cifar10", "12"): 20_000.0,
    ("size", "cifar100", "12"): 40_000.0,
    ("size", "ImageNet16-120", "12"): 60_000.0,
    ("size", "digits", "3"): 24.0,
}
"""Default budgets by space, dataset and schedule, simulated seconds: those of the NATS-Bench paper, and about 200 average
evaluations of the embedded tables (docs/embedded.md has the means). Other tables: see `default_budget`."""

USUAL_QUERIES = 200
"""Average evaluations in the default budget of a table that `BUDGETS` does not have."""


MAX_SEEDS = 1_000_000
"""Largest number of runs of a command."""
LAST_SEED = 2**62
"""Largest seed: seeds are stored, and claimed, as 64-bit integers."""


def seeds_of(seeds: int | Iterable[int], usual: Callable[[int], Iterable[int]] = range) -> list[int]:
    """Return seeds, each once.

    Args:
        seeds: the seeds, or their number.
        usual: function from a number to so many seeds.

    Raises:
        ValueError: they are neither.
    """
    expected = f"seeds must be a number from 1 to {MAX_SEEDS:,}, or as many different integers from 0 to 2^62"
    if isinstance(seeds, int):
        if isinstance(seeds, bool) or not 1 <= seeds <= MAX_SEEDS:
            raise ValueError(f"{expected}, got {seeds!r:.100}")
        return [*usual(seeds)]
    try:
        found = [*dict.fromkeys(map(index, islice(seeds, MAX_SEEDS + 1)))]
    except TypeError as error:
        raise ValueError(f"{expected}, got {seeds!r:.100}") from error
    if not (0 < len(found) <= MAX_SEEDS and min(found) >= 0 and max(found) <= LAST_SEED):
        raise ValueError(f"{expected}, got {seeds!r:.100}")
    return found


def dataset_title(dataset: str) -> str:
    """Return the name of a dataset in figures."""
    return TITLES.get(dataset, dataset)


def default_dataset(table: Table) -> str:
    """Return the dataset of runs on a table where none is given: its only one, or cifar10.

    Raises:
        ValueError: the table has several others.
    """
    if len(table.datasets) != 1 and "cifar10" not in table.datasets:
        raise ValueError(f"{table.path.name} has several datasets: name one of {', '.join(table.datasets)} (--dataset)")
    return table.datasets[0] if len(table.datasets) == 1 else "cifar10"


def default_budget(table: Table, dataset: str, schedule: str) -> float | None:
    """Return the budget of runs on a table where none is given, simulated seconds; None where it has no training times.

    It is that of `BUDGETS`, else `USUAL_QUERIES` times the mean seconds of a full training and its evaluation, to two digits.

    Raises:
        ValueError: the table has no such dataset or schedule.
    """
    known = BUDGETS.get((table.space.name, dataset, schedule))
    if known is not None:
        return known
    budget = USUAL_QUERIES * table.search_view(dataset, schedule).mean_query
    return float(f"{budget:.2g}") if 0.0 < budget < math.inf else None


def default_config(search_class: Any, dataset: str) -> Any:
    """Return the default hyperparameters of a search, which depend on the dataset if it is a one-shot search."""
    by_dataset = getattr(search_class, "default_config", None)
    return by_dataset(dataset) if by_dataset else search_class.Config()


def configured(search_class: Any, dataset: str, given: Mapping[str, Any], preset: str | None = None) -> Any:
    """Return the hyperparameters of a search on a dataset: what is given replaces a preset, and this the defaults.

    Raises:
        TypeError: what is given is no hyperparameter.
        ValueError: a hyperparameter is out of range, or there is no such preset.
    """
    presets = getattr(search_class, "presets", {})
    if preset is not None and preset not in presets:
        raise ValueError(f"preset must be one of {search_class.name}'s ({', '.join(presets) or 'none'}), got {preset!r}")
    return replace(default_config(search_class, dataset), **{**presets.get(preset, {}), **given})


def default_noise(table: Table, dataset: str) -> Noise:
    """Return the noise of runs on a dataset where none is given.

    A report of a table without test accuracies takes the mean over the trials that a run did not see. Therefore one trial of an
    architecture, drawn once, answers all its queries there.
    """
    return "random" if table.has_test(dataset) else "once"


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
            budget: simulated seconds; None for `default_budget`.
            **accounting: other fields of `Accounting`.

        Raises:
            ValueError: the table has no such dataset or schedule, a value is out of range, there is no default budget, or a run
                would see all trials of a table without test accuracies.
        """
        space, schedule = table.space.name, table.search_schedule if schedule is None else schedule
        table.splits(table.search_key(dataset), schedule)
        budget = default_budget(table, dataset, schedule) if budget is None else budget
        if budget is None:
            what = f"{dataset} in the {space} space with schedule {schedule}"
            raise ValueError(
                f"no default budget for {what}, which has no training times: give one in simulated seconds (--budget)"
            )
        accounting = {"noise": default_noise(table, dataset), **accounting}
        settings = cls(space=space, dataset=dataset, schedule=schedule, budget=budget, **accounting)
        if not table.has_test(dataset):
            cls._check_held_out(table, settings)
        return settings

    @staticmethod
    def _check_held_out(table: Table, settings: RunSettings) -> None:
        """Raise ValueError if runs would see all trials of a table, so that none is left to report."""
        needed = (
            f"{table.path.name} has no test accuracies of {settings.dataset}, so its report needs trials that runs did not see"
        )
        if not settings.same_trial:
            raise ValueError(f"{needed}: noise must be once or a trial's seed, got {settings.noise}")
        accuracy = table.tensor(f"{table.search_key(settings.dataset)}/{settings.schedule}/x-valid/accuracy")
        if settings.schedule == table.report_schedule and accuracy.shape[1] == 1:  # [architecture, trial, epoch]
            raise ValueError(f"{needed}: expected two trials of an architecture or more, got one")
