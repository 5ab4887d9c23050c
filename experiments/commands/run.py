"""`run NAME`: the runs of one black-box search; options of its hyperparameters are made from the fields of its `Config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.constructors import MISSING_NONPROP, ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from algorithms.black_box import BLACK_BOX
from benchmark_api.bounds import Limit, limits
from benchmark_api.tables.evaluator import Charge, Noise, Repeats
from benchmark_api.tables.table import Table
from experiments.commands.options import JobOptions, ResultsOptions
from experiments.runs import black_box

OPTIONS = ConstructorRegistry()
"""Rules by which tyro makes options of types."""


@dataclass(frozen=True)
class Search:
    """A search and the hyperparameters given on the command line; the others have their defaults for the dataset."""

    search_class: Any  # type[BlackBoxSearch] or type[OneShotSearch]; the latter needs PyTorch
    given: Mapping[str, Any] = field(default_factory=dict)

    def config(self, dataset: str) -> Any:
        """Return the search's configuration on a dataset.

        Raises:
            ValueError: a hyperparameter is out of range.
        """
        return replace(_default_config(self.search_class, dataset), **self.given)


def _default_config(search_class: Any, dataset: str) -> Any:
    if search_class.name in BLACK_BOX:
        return search_class.Config()
    from experiments.runs import one_shot

    return one_shot.default_config(search_class, dataset)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Objective, budget and cost accounting."""

    schedule: str | None = None
    """Training schedule whose validation accuracy is the objective, named by its epochs; by default the table's."""
    budget: float | None = None
    """Simulated seconds; by default those of the NATS-Bench paper, or of docs/embedded.md on digits."""
    charge: Charge = "scratch"
    """Cost of training an architecture for more epochs: from `scratch`, or only the additional epochs (`resume`)."""
    repeats: Repeats = "charged"
    """Cost of a repeated query: that of another training (`charged`), or none (`free`)."""
    noise: Noise | int = "random"
    """Trial that answers a query: a random one, the mean of all, or the one with this seed."""
    max_queries: int | None = None
    """Maximum number of charged queries per run; by default no limit."""


@dataclass(frozen=True, kw_only=True)
class RunBlackBox(ResultsOptions):
    """Runs of a black-box search."""

    table: Path
    """Table file, or the name of an embedded table (digits-topology, digits-size)."""
    dataset: str = "cifar10"
    """Dataset to search on."""
    space: str | None = None
    """Search space that the table must have (topology, size); by default any."""
    seeds: int = 500
    """Number of runs."""
    first_seed: int = 0
    """Seed of the first run; the others follow."""
    search: Search
    objective: Objective = field(default_factory=Objective)
    parallel: JobOptions = field(default_factory=JobOptions)

    def __call__(self) -> int:
        return self.parallel.run(self.plan(), self.results)

    def plan(self) -> list[black_box.Piece]:
        """Return the jobs of the runs that are not stored."""
        table = Table(self.table)
        if self.space is not None and table.space.name != self.space:
            raise ValueError(f"{self.table} is a table of the {table.space.name} space, not of {self.space}")
        if self.seeds < 1 or self.first_seed < 0:
            raise ValueError(f"seeds must be at least 1 and first-seed at least 0, got {self.seeds} and {self.first_seed}")
        search_class, config = self.search.search_class, self.search.config(self.dataset)
        condition = black_box.condition_of(search_class, config, table, self.dataset, **vars(self.objective))
        return black_box.plan(condition, config, table, self.results, range(self.first_seed, self.first_seed + self.seeds))


# -- the command line of a search ----------------------------------------------------------------------------------------------


def subcommands(command: type, searches: Mapping[str, Any]) -> list[Any]:
    """Return the subcommands of `run`, one for each search: a type with name, defaults and description for tyro."""
    return [
        Annotated[
            command,
            tyro.conf.subcommand(
                name,
                default=command(search=Search(search), table=tyro.MISSING),
                description=f"{search.title}: {search.paper}",
            ),
        ]
        for name, search in searches.items()
    ]


@OPTIONS.struct_rule
def search_options(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Return the options of a `Search`, one for each field of the configuration; None for any other type."""
    if info.type is not Search:
        return None
    search_class = info.default.search_class
    usual, digits = (asdict(_default_config(search_class, dataset)) for dataset in ("cifar10", "digits"))
    on_digits = {name: value for name, value in digits.items() if value != usual[name]}
    config = ConstructorRegistry.get_struct_spec(StructTypeInfo.make(search_class.Config, MISSING_NONPROP, False))
    assert isinstance(config, StructConstructorSpec)
    bounds = limits(search_class.Config)

    def search(**values: Any) -> Search:
        return Search(search_class, {name: v for name, v in values.items() if v is not None or name not in on_digits})

    return StructConstructorSpec(search, tuple(_option(each, bounds.get(each.name), on_digits) for each in config.fields))


def _option(option: StructFieldSpec, limit: Limit | None, on_digits: Mapping[str, Any]) -> StructFieldSpec:
    """Add the bounds to the help text. Where digits have another default, show both; None is then for "not given"."""
    text = option.helptext() if callable(option.helptext) else option.helptext
    if limit and limit.bound:
        text = f"{text or ''} {'Each must' if limit.each else 'Must'} be {limit}.".strip()
    if option.name not in on_digits:
        return replace(option, helptext=text)
    hint = f"(default: {option.default}; on digits: {on_digits[option.name]})"
    kind: Any = Annotated[option.type | None, tyro.conf.DisallowNone, tyro.conf.arg(help_behavior_hint=hint)]
    return replace(option, type=kind, default=None, helptext=text)
