"""Black-box experiments: runs in jobs of consecutive seeds; stored runs are skipped."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from algorithms.black_box.base import BLACK_BOX, BlackBoxSearch
from benchmark_api.bounds import between, stored_values
from benchmark_api.jobs.job import JobError
from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.evaluator import MAX_QUERIES
from benchmark_api.tables.table import Table
from benchmark_api.tables.view import ValidationView, listed
from experiments import store
from experiments.provenance import code_version, environment
from experiments.runs.job import ResultsJob
from experiments.runs.run import check_workers, run
from experiments.settings import RunSettings, configured
from experiments.store import Condition


@dataclass(frozen=True)
class BlackBoxJob(ResultsJob):
    """Runs of a black-box search."""

    unit = "run"
    forked = True

    condition: Condition

    @classmethod
    def version(cls, condition: Condition, space: SearchSpace) -> str:
        return code_version(run, BLACK_BOX.find(condition.algorithm), type(space))

    @property
    def units(self) -> int:
        return len(self.seeds)

    def make(self) -> Iterator[int]:
        table = self.open_table()
        view = table.search_view(self.condition.dataset, self.condition.schedule)
        search_class = BLACK_BOX[self.condition.algorithm]
        task = task_of(search_class, table, self.condition.dataset, self.data)
        limits = self.condition.limits
        runs = [run(search_class, self.config, view, self.condition, seed, task, limits) for seed in self.seeds]
        for made in runs:
            if len(made.seconds) and made.seconds[0] > self.condition.budget:
                taken = f"the first evaluation of seed {made.seed} takes {made.seconds[0]:.4g} simulated seconds"
                raise JobError(f"{taken}, more than the budget of {self.condition.budget:g}: give more (--budget)")
        machine = environment(*search_class.libraries)
        store.write_piece(self.results, self.condition, runs, self.code_version, str(self.table_path), machine)
        yield len(self.seeds)


def task_of(search_class: type[BlackBoxSearch], table: Table, dataset: str, data: Path | None) -> Any:
    """Return the task on which a table's candidates were trained; None for a search that needs no images.

    Raises:
        FileNotFoundError: a file of the dataset is missing.
        ValueError: the dataset has other files than expected, or no folder is given where one is needed.
    """
    return _load_task(table, dataset, data) if "task" in search_class.needs else None


@lru_cache(maxsize=1)
def _load_task(table: Table, dataset: str, data: Path | None) -> Any:
    from benchmark_api.training.setting import Setting  # they need PyTorch
    from experiments.runs.one_shot import load_task

    return load_task(Setting.of(table, dataset), table.space, data)


class MissingEpochs(ValueError):
    """A table lacks accuracies after trainings that a search asks for; the message has their epochs.

    Attributes:
        fact: the message without the options that help.
    """

    def __init__(self, fact: str, remedy: str = "") -> None:
        self.fact = fact
        super().__init__(fact + remedy)


def lacks_epochs(search_class: type[BlackBoxSearch], config: Any, view: ValidationView) -> bool:
    """Whether a view has no accuracies after some training that a search may ask for."""
    return not set(search_class.training_epochs(config, view.schedule_epochs)) <= set(view.lengths)


def fit_config(search_class: type[BlackBoxSearch], config: Any, view: ValidationView, given: Collection[str]) -> Any:
    """Return hyperparameters with which a search asks for no training that a view lacks, where there are such.

    Args:
        search_class: the search.
        config: its hyperparameters.
        view: the search's view of a table.
        given: names of hyperparameters that stay as they are.

    Returns:
        `config`, or the same without fidelities (`BlackBoxSearch.without_fidelities`).
    """
    changes = search_class.without_fidelities(view.schedule_epochs)
    if changes is None or changes.keys() & set(given) or not lacks_epochs(search_class, config, view):
        return config
    return replace(config, **changes)


def _remedy(search_class: type[BlackBoxSearch], config: Any, view: ValidationView) -> str:
    """Return which rungs a search of brackets can have on a view, as the end of a message; nothing for other searches.

    The options given are those nearest to the configuration: with its `eta` if that leaves several rungs, then with the smallest
    other one, then a single rung of full trainings.
    """
    if not {"eta", "min_epochs"} <= {field.name for field in fields(config)}:
        return ""
    full = view.schedule_epochs
    for etas, fewest in (([config.eta], 2), (range(2, full + 1), 2), ([config.eta], 1)):
        for eta, shortest in product(etas, view.lengths):
            fitted = replace(config, eta=eta, min_epochs=shortest)
            rungs = search_class.training_epochs(fitted, full)
            if len(rungs) >= fewest and not lacks_epochs(search_class, fitted, view):
                other = f"--eta {eta} " if eta != config.eta else ""
                what = f"trains for {listed(rungs)} epochs" if len(rungs) > 1 else "makes full trainings only"
                return f"; {other}--min-epochs {shortest} {what}"
    return ""


class FullTrainingsWarning(UserWarning):
    """A search that lives on shorter trainings finds none in a table."""


class GapsWarning(UserWarning):
    """A table has trials of some architectures only."""


def condition_with_defaults(
    table: Table,
    search_class: type[BlackBoxSearch],
    hyperparameters: Mapping[str, Any],
    settings: RunSettings,
    data: Path | None = None,
    **limits: Mapping[str, float] | None,
) -> Condition:
    """Return the condition of runs on a table, with the default hyperparameters for it where none are given.

    Args:
        table: the table to search on.
        search_class: the search.
        hyperparameters: values of fields of the search's `Config`.
        settings: budget and accounting.
        data: folder with the dataset's files, for a search that needs images.
        **limits: as for `condition_of`, with its errors.

    Raises:
        TypeError: a hyperparameter is no field of the search's `Config`.

    Warns:
        FullTrainingsWarning: the table has only full trainings for a search that lives on shorter ones.
        GapsWarning: the table has trials of some architectures only.
    """
    view = table.search_view(settings.dataset, settings.schedule)
    config = configured(search_class, settings.dataset, hyperparameters)
    config = fit_config(search_class, config, view, hyperparameters)
    condition = condition_of(search_class, config, table, settings, data, **limits)
    full = view.schedule_epochs
    if search_class.without_fidelities(full) is None and {*search_class.training_epochs(config, full)} == {full}:
        text = (
            f"{search_class.name} finds no shorter trainings than the {full} epochs of {table.path.name}: it makes full ones only"
        )
        warnings.warn(text, FullTrainingsWarning, stacklevel=2)
    if view.gaps:
        warnings.warn(f"{table.path.name}: {view.gaps}", GapsWarning, stacklevel=2)
    return condition


def check_clock(view: ValidationView, settings: RunSettings) -> None:
    """Check that the clock of runs on a view reaches their budget, in a number of queries that memory can hold.

    Raises:
        ValueError: it may not; or a number of the view cannot be a measurement.
    """
    view.check()
    queries = settings.budget / view.shortest_query * settings.workers
    if settings.max_queries is None and queries > MAX_QUERIES:
        raise ValueError(
            f"a budget of {settings.budget:g} simulated seconds allows {queries:.2g} queries, the shortest of which takes "
            f"{view.shortest_query:.2g} s; expected at most {MAX_QUERIES:g}: a smaller budget, or a limit (--max-queries)"
        )


def _finite(name: str, limits: Mapping[str, float]) -> dict[str, float]:
    """Return limits of metrics by name; raise ValueError if one is no finite number."""
    if not isinstance(limits, Mapping):
        raise ValueError(f"{name} must be numbers by the names of metrics, got {limits!r:.100}")
    for metric, value in limits.items():
        if not between(-1e300, 1e300).allows(value):
            raise ValueError(f"{name} of {metric!r:.100} must be a finite number, got {value!r:.100}")
    return {str(metric): float(value) for metric, value in limits.items()}


def condition_of(
    search_class: type[BlackBoxSearch],
    config: Any,
    table: Table,
    settings: RunSettings,
    data: Path | None = None,
    *,
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
) -> Condition:
    """Return the condition of runs on a table, checked by making a search and a view of it once.

    Args:
        search_class: the search.
        config: its hyperparameters.
        table: the table to search on.
        settings: budget and accounting.
        data: folder with the dataset's files, for a search that needs images.
        at_most: the largest value that each of some metrics may have, by name.
        at_least: the smallest value.

    Raises:
        FileNotFoundError: a file of the dataset is missing.
        MissingEpochs: the table lacks accuracies after trainings that the search asks for.
        MissingMetric: an objective of the search is no metric of the table.
        ValueError: the table has no such dataset, schedule, metric or trial, no architecture is within the limits, the search
            refuses, or it cannot use all workers.
    """
    check_workers(search_class, settings.workers)
    view = table.search_view(settings.dataset, settings.schedule)
    check_clock(view, settings)
    if isinstance(settings.noise, int) and not (view.seeds == settings.noise).any():
        raise ValueError(f"noise is {settings.noise}, but no trial of {view.key}/{view.schedule} has that seed")
    task = task_of(search_class, table, settings.dataset, data)
    search_class(view.space, config, max_epochs=view.schedule_epochs, task=task, directions=view.directions)
    if lacks_epochs(search_class, config, view):
        wanted = search_class.training_epochs(config, view.schedule_epochs)
        raise MissingEpochs(
            f"{search_class.name} needs validation accuracies after {listed(wanted)} epochs; "
            f"{table.path.name} has them after {listed(view.lengths)} epochs of schedule {view.schedule}",
            _remedy(search_class, config, view),
        )
    limits = {name: _finite(name, values) for name, values in (("at_most", at_most), ("at_least", at_least)) if values}
    condition = Condition(
        **{**asdict(settings), "budget": float(settings.budget)},  # 20000 and 20000.0 are one experiment
        algorithm=search_class.name,
        hyperparameters=json.dumps(stored_values(config) | limits, sort_keys=True),
        incumbent_rule=search_class.incumbent_rule,
        table_fingerprint=table.fingerprint,
        table_title=table.title,
        table_notice=table.notice,
    )
    view.allowed(condition.limits)
    return condition
