"""`run NAME`: runs of one search, here of a black-box search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from algorithms.black_box.base import BLACK_BOX, BlackBoxSearch
from benchmark_api.bounds import at_most
from benchmark_api.commands.options import Option, Pairs, numbers_of
from benchmark_api.tables.evaluator import Accounting
from benchmark_api.tables.table import Table
from experiments.commands.fields import FieldOptions
from experiments.commands.options import AgainOptions, JobOptions, SeedCount
from experiments.runs import black_box
from experiments.settings import LAST_SEED, RunSettings, configured, default_config, default_dataset


@dataclass(frozen=True)
class Search:
    """A search and its hyperparameters."""

    search_class: tyro.conf.SuppressFixed[Any]  # type[BlackBoxSearch] or type[OneShotSearch]; the latter needs PyTorch
    hyperparameters: FieldOptions

    @classmethod
    def of(cls, search_class: Any) -> Search:
        """Return a search with the default hyperparameters, which may depend on the dataset, on the table and on a preset."""
        usual, digits = (asdict(default_config(search_class, dataset)) for dataset in ("cifar10", "digits"))
        defaults = {name: f"{usual[name]}; on digits: {value}" for name, value in digits.items() if value != usual[name]}
        for preset, values in getattr(search_class, "presets", {}).items():
            defaults |= {name: f"{defaults.get(name, usual[name])}; {preset}: {value}" for name, value in values.items()}
        if issubclass(search_class, BlackBoxSearch):
            changes = search_class.without_fidelities(1) or {}
            defaults |= {name: f"{usual[name]}; or for full trainings, where the table has no others" for name in changes}
        return cls(search_class, FieldOptions(search_class.Config, defaults))

    def config(self, dataset: str, preset: str | None = None) -> Any:
        """Return the search's configuration on a dataset, as `configured` does."""
        return configured(self.search_class, dataset, self.hyperparameters.given, preset)


ACCOUNTING = FieldOptions(
    Accounting,
    {
        "budget": "that of the NATS-Bench paper; on other tables 200 average trainings",
        "noise": "random; once where the table has no test accuracies",
    },
)


@dataclass(frozen=True, kw_only=True)
class RunBlackBox(AgainOptions):
    """Runs of a black-box search."""

    table: Path
    """Table file, or the name of an embedded table (nats-topology, digits-topology, digits-size)."""
    dataset: Option[str] = None
    """Dataset to search on; by default the table's only one, or cifar10."""
    data: Option[Path] = None
    """Folder with the dataset's files, for a search that needs images; digits need none."""
    schedule: Option[str] = None
    """Training schedule whose validation accuracy is the objective, named by its epochs; by default the table's."""
    space: Option[str] = None
    """Search space that the table must have (topology, size); by default any."""
    seeds: SeedCount = 500
    """Number of runs."""
    first_seed: Annotated[int, at_most(LAST_SEED)] = 0
    """Seed of the first run; the others follow."""
    at_most: Annotated[Pairs, tyro.conf.arg(name="max")] = ()
    """Search only among architectures whose metrics are at most so large, in their units, e.g. latency@pixel3=20."""
    at_least: Annotated[Pairs, tyro.conf.arg(name="min")] = ()
    """Search only among architectures whose metrics are at least so large."""
    search: Annotated[Search, tyro.conf.arg(name="")]
    early_stopping: Option[Literal["srm"]] = None
    """Stop trainings early, by sequential regression models with their defaults; `run NAME+srm` has them as options."""
    accounting: FieldOptions = ACCOUNTING
    parallel: JobOptions = field(default_factory=JobOptions)

    def __call__(self) -> int:
        return self.parallel.run(self.plan(), self.results, hint=True)

    def plan(self) -> list[black_box.BlackBoxJob]:
        """Return the jobs of the runs that are not stored."""
        table = Table(self.table)
        if self.space is not None and table.space.name != self.space:
            raise ValueError(f"{self.table} is a table of the {table.space.name} space, not of {self.space}")
        if self.seeds < 1 or self.first_seed < 0:
            raise ValueError(f"seeds must be at least 1 and first-seed at least 0, got {self.seeds} and {self.first_seed}")
        dataset = default_dataset(table) if self.dataset is None else self.dataset
        settings = RunSettings.of(table, dataset, schedule=self.schedule, **self.accounting.given)
        search = self.search.search_class
        if self.early_stopping:
            search = BLACK_BOX.find(f"{search.name}+{self.early_stopping}")
        limits = {"at_most": numbers_of(self.at_most, "--max"), "at_least": numbers_of(self.at_least, "--min")}
        condition = black_box.condition_with_defaults(
            table, search, self.search.hyperparameters.given, settings, self.data, **limits
        )
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return black_box.BlackBoxJob.plan(condition, table, self.results, seeds, self.data, again=self.again)


def subcommands(command: type, searches: Mapping[str, Any]) -> list[Any]:
    """Return the subcommands of `run`, one for each search: a type with name, defaults and description for tyro."""
    found: list[Any] = []
    for name, search in searches.items():
        example = f"nas-zoo run {name} --table digits-topology --seeds {3 if command is not RunBlackBox else 100}"
        default, text = command(search=Search.of(search), table=tyro.MISSING), f"{search.title}: {search.paper}"
        text += f"\n\nexamples:\n  {example}"
        found.append(Annotated[command, tyro.conf.subcommand(name, default=default, description=text)])
    return found
