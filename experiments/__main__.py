"""`python -m experiments`: run searches, see what is stored, and print the published table beside it."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, make_dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

from algorithms import REGISTRY, BlackBoxSearch
from benchmark_api.evaluator import Charge, Noise, Repeats
from benchmark_api.table import EMBEDDED, Table
from experiments import store
from experiments.analysis import Protocol
from experiments.report import FORMATS, label, make_report, tables_of
from experiments.sweep import Piece, condition_of, default_jobs, plan, sweep


@dataclass(frozen=True, kw_only=True)
class RunAlgorithm:
    """What is run, and where it goes."""

    search_class: ClassVar[type[BlackBoxSearch]]
    config: Any  # each algorithm has a subclass of this class, with its own hyperparameters here (`_run_command`)
    table: Path
    """The table: a file, or the name of a table that comes with the project (digits-topology, digits-size)."""
    dataset: str = "cifar10"
    """The dataset to search on."""
    space: Literal["topology", "size"] | None = None
    """The table's search space, if it is to be checked."""
    seeds: int = 500
    """Number of runs."""
    first_seed: int = 0
    """The seed of the first run; the others follow."""
    budget: float | None = None
    """Simulated seconds; by default those of the NATS-Bench paper."""
    schedule: str | None = None
    """The schedule whose validation accuracy is the objective, by its epochs; by default the table's."""
    charge: Charge = "scratch"
    """Whether a longer training of an architecture pays all its epochs or continues the shorter one."""
    repeats: Repeats = "charged"
    """Whether asking again is a new training or free."""
    noise: Noise | int = "random"
    """Which trial answers a query: a random one, the mean of all, or the one with this seed."""
    max_queries: int | None = None
    """At most this many charged queries per run."""
    jobs: int | None = None
    """Processes; by default one per processor."""
    results: Path = Path("results")
    """The results folder."""

    def __call__(self) -> int:
        table = Table(self.table)
        if self.space is not None and table.space.name != self.space:
            raise ValueError(f"{self.table} is a table of the {table.space.name} space, not of {self.space}")
        if self.seeds < 1 or self.first_seed < 0:
            raise ValueError(f"seeds must be at least 1 and first-seed at least 0, got {self.seeds} and {self.first_seed}")
        config = self.search_class.Config(**asdict(self.config))
        condition = condition_of(
            self.search_class,
            config,
            table,
            self.dataset,
            schedule=self.schedule,
            budget=self.budget,
            charge=self.charge,
            repeats=self.repeats,
            noise=self.noise,
            max_queries=self.max_queries,
        )
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return _sweep(plan(condition, config, table, self.results, seeds), self.jobs, self.results)


@dataclass(frozen=True, kw_only=True)
class TableCommand:
    """Print what was found beside the published table, with intervals and significance."""

    results: Path = Path("results")
    """The results folder."""
    space: Literal["topology", "size"] | None = None
    """Only this search space."""
    dataset: str | None = None
    """Only this dataset."""
    format: Literal["markdown", "latex", "csv"] = "markdown"
    """How the table is written."""
    protocol: Protocol = "step"
    """The incumbent at the budget, or what the paper's script read off (see `experiments.analysis.final_values`)."""
    table: Path | None = None
    """The table that the runs were made on; by default where it was then."""

    def __call__(self) -> int:
        filters = {"space": self.space, "dataset": self.dataset}
        experiments = store.load(self.results, **{name: value for name, value in filters.items() if value is not None})
        if not experiments:
            raise ValueError(f"{self.results} holds no such run")
        reports = [make_report(table, group, self.protocol) for table, group in tables_of(experiments, self.table)]
        print(FORMATS[self.format](reports), end="")
        return 0


@dataclass(frozen=True)
class ListCommand:
    """List the algorithms with their hyperparameters' defaults."""

    def __call__(self) -> int:
        for name, search in REGISTRY.items():
            defaults = ", ".join(f"{option}={value}" for option, value in asdict(search.Config()).items())
            print(f"{name}\n  {search.title}, black-box\n  {search.paper}\n  {defaults or 'no hyperparameters'}")
        return 0


@dataclass(frozen=True, kw_only=True)
class StatusCommand:
    """Show which seeds of which experiments are stored, missing or failed."""

    results: Path = Path("results")
    """The results folder."""
    seeds: int = 500
    """The seeds wanted are 0 to this number, exclusive."""

    def __call__(self) -> int:
        for experiment in store.load(self.results):
            missing = store.missing_pieces(experiment.seeds.tolist(), range(self.seeds))
            state = f"missing {_ranges(missing)}" if missing else "complete"
            # The table may be elsewhere: the schedule counts as the default.
            name = label(experiment, experiment.schedule)
            print(f"{experiment.space} {experiment.dataset} {name}: {len(experiment.seeds)} runs, {state}")
        for path in sorted(self.results.rglob("*.failed")):
            print(f"failed: {path}: {path.read_text().strip().splitlines()[-1]}")
        return 0


@dataclass(frozen=True, kw_only=True)
class ReproduceCommand:
    """Run every algorithm on every dataset of some tables, print the results and draw the figures."""

    table: tuple[Path, ...] = tuple(map(Path, EMBEDDED))
    """The table files; by default the tables that come with the project."""
    seeds: int = 500
    """Number of runs of each algorithm on each dataset."""
    jobs: int | None = None
    """Processes; by default one per processor."""
    results: Path = Path("results")
    """The results folder."""
    figures: Path = Path("plots/figures")
    """The folder of the figures."""

    def __call__(self) -> int:
        if not self.table:
            raise ValueError("no table: name at least one with --table")
        pieces: list[Piece] = []
        for table in map(Table, self.table):
            for dataset in table.datasets:
                for search_class in REGISTRY.values():
                    config = search_class.Config()
                    condition = condition_of(search_class, config, table, dataset)
                    pieces += plan(condition, config, table, self.results, range(self.seeds))
        status = _sweep(pieces, self.jobs, self.results)
        for path in self.table:
            TableCommand(results=self.results, table=path)()
        from plots.__main__ import draw  # Matplotlib takes a second to import

        for path in self.table:
            print("\n".join(str(figure) for figure in draw(self.results, self.figures, path)))
        return status


def _sweep(pieces: Sequence[Piece], jobs: int | None, results: Path) -> int:
    """Run pieces and say what became of them; the exit status."""
    started = time.perf_counter()
    failures = sweep(pieces, default_jobs() if jobs is None else jobs)
    runs = sum(len(piece.seeds) for piece in pieces)
    failed = sum(len(failure.piece.seeds) for failure in failures)
    for failure in failures:
        print(f"\n{failure.piece.path} failed:\n{failure.reason}", file=sys.stderr, end="")
    if failures:
        print(f"error: {failed} of {runs} runs failed; the same command tries them again", file=sys.stderr)
    print(f"{runs - failed} new runs in {results} ({time.perf_counter() - started:.1f} s)")
    return 1 if failures else 0


def _ranges(pieces: Sequence[range]) -> str:
    """Consecutive seeds as text: "25-99, 200-224"."""
    merged: list[range] = []
    for piece in pieces:
        if merged and merged[-1].stop == piece.start:
            merged[-1] = range(merged[-1].start, piece.stop)
        else:
            merged.append(piece)
    return ", ".join(f"{seeds.start}-{seeds.stop - 1}" if len(seeds) > 1 else f"{seeds.start}" for seeds in merged)


def _run_command() -> type:
    """The command `run`: one subcommand per algorithm, with the options of every run and its own hyperparameters."""
    algorithms = []
    for search in REGISTRY.values():
        # The hyperparameters without their checks, which `RunAlgorithm` makes: a refused value is then an error like others.
        unchecked = make_dataclass(
            "Hyperparameters", [], bases=(search.Config,), namespace={"__post_init__": lambda self: None}, frozen=True
        )
        unchecked.__doc__ = search.Config.__doc__
        command = make_dataclass(
            search.__name__,
            [("config", unchecked, field(default=unchecked()))],
            bases=(RunAlgorithm,),
            namespace={"search_class": search},
            frozen=True,
            kw_only=True,
        )
        about = tyro.conf.subcommand(search.name, prefix_name=False, description=f"{search.title}: {search.paper}")
        algorithms.append(Annotated[command, tyro.conf.OmitArgPrefixes, about])
    return make_dataclass(
        "Run",
        [("algorithm", reduce(or_, algorithms))],
        namespace={
            "__doc__": "Run one algorithm with many seeds; what is stored already is not run again.",
            "__call__": lambda self: self.algorithm(),
        },
    )


def _commands() -> Any:
    commands = {
        "run": _run_command(),
        "table": TableCommand,
        "list": ListCommand,
        "status": StatusCommand,
        "reproduce": ReproduceCommand,
    }
    return reduce(or_, (Annotated[command, tyro.conf.subcommand(name)] for name, command in commands.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    warnings.formatwarning = lambda message, *_args, **_kwargs: f"warning: {message}\n"
    try:
        command: Callable[[], int] = tyro.cli(_commands(), args=arguments, prog="python -m experiments", description=__doc__)
        return command()
    except KeyboardInterrupt:
        print("interrupted: finished pieces are stored; the same command continues", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
