"""`python -m experiments`: run searches, see what is stored, and print the published table beside it."""

from __future__ import annotations

import ast
import inspect
import os
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, make_dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import or_
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

from algorithms.black_box import BLACK_BOX, BlackBoxSearch
from benchmark_api.jobs.engines import Engine, Spread, carry_out, default_jobs
from benchmark_api.tables.evaluator import Charge, Noise, Repeats
from benchmark_api.tables.table import EMBEDDED, Table
from experiments import store
from experiments.analysis import Protocol
from experiments.report import FORMATS, label, make_report, ranking_table, tables_of
from experiments.runs.black_box import ResultsPiece, condition_of, plan
from experiments.store import AnyExperiment


@dataclass(frozen=True, kw_only=True)
class RunAlgorithm(Spread):
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
    """Simulated seconds; by default those of the NATS-Bench paper, and docs/embedded.md's on digits."""
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
        return _sweep(plan(condition, config, table, self.results, seeds), self.jobs, self.results, self.make_engine())


@dataclass(frozen=True, kw_only=True)
class RunOneShot(Spread):
    """What is searched, and where it goes."""

    search_class: ClassVar[Any]  # an `OneShotSearch`, which needs PyTorch: it takes a second to import
    config: Any  # each search has a subclass of this class, with its own hyperparameters here (`_one_shot_command`)
    execution: Any  # how it is computed
    table: Path
    """The table in which the architectures are looked up; it also tells what its candidates were trained on."""
    dataset: str | None = None
    """The dataset to search on; by default cifar10, or the table's only one."""
    data: Path | None = None
    """The folder of the dataset's files; digits need none."""
    seeds: int = 3
    """Number of runs; their seeds are 777, 888, 999, 1110, ..."""
    seed_list: tuple[int, ...] = ()
    """These seeds instead."""
    jobs: int | None = None
    """Processes, of one thread each; by default one per processor, or one alone on other devices than the CPU."""
    results: Path = Path("results")
    """The results folder."""

    def __call__(self) -> int:
        from experiments.runs import one_shot

        table = Table(self.table)
        dataset = self.dataset or (table.datasets[0] if len(table.datasets) == 1 else "cifar10")
        given = {name: value for name, value in asdict(self.config).items() if value is not None}
        config = replace(self.search_class.default_config(dataset), **given)
        condition = one_shot.condition_of(self.search_class, config, table, dataset, self.execution)
        if self.seeds < 1 or min(self.seed_list, default=0) < 0:
            raise ValueError(f"seeds must be at least 1, each of seed-list at least 0, got {self.seeds} and {self.seed_list}")
        seeds = self.seed_list or one_shot.seeds_of(self.seeds)
        pieces = one_shot.plan(condition, table, self.results, seeds, self.data)
        return _sweep(pieces, self.jobs or _one_shot_jobs(self.execution.device), self.results, self.make_engine())


@dataclass(frozen=True, kw_only=True)
class RankingCommand(Spread):
    """Print how supernets rank architectures: Kendall's tau and Spearman's rho between the accuracy with their weights and
    the table's after full training."""

    results: Path = Path("results")
    """The results folder; the supernets of all finished one-shot runs lie there."""
    table: Path | None = None
    """The table that the runs were made on; by default where it was then."""
    dataset: str | None = None
    """Only this dataset."""
    algorithm: str | None = None
    """Only this search."""
    architectures: int = 200
    """How many architectures to rank, drawn from the table."""
    sample_seed: int = 0
    """The seed of the sample."""
    images: int | None = None
    """Evaluate on so many validation images; by default on all."""
    data: Path | None = None
    """The folder of the dataset's files; digits need none."""
    device: str = "cpu"
    """Where to compute, as PyTorch names it."""
    jobs: int | None = None
    """Processes, of one thread each; by default one per processor, or one alone on other devices than the CPU."""

    def __call__(self) -> int:
        from experiments.runs.ranking import plan_ranking

        filters = {"dataset": self.dataset, "algorithm": self.algorithm}
        filters = {name: value for name, value in filters.items() if value is not None}
        tables = tables_of(store.load(self.results, store.ONE_SHOT_RUNS, **filters), self.table)
        if not tables:
            raise ValueError(f"{self.results} holds no such one-shot run")
        sample: dict[str, Any] = {"architectures": self.architectures, "sample_seed": self.sample_seed, "images": self.images}
        pieces: list[ResultsPiece] = []
        for table, experiments in tables:
            for experiment in experiments:
                pieces += plan_ranking(experiment, table, self.results, **sample, device=self.device, root=self.data)
        status = _sweep(pieces, self.jobs or _one_shot_jobs(self.device), self.results, self.make_engine())
        rankings = store.load(self.results, store.RANKINGS, **filters, **sample)
        for table, found in tables_of(rankings, self.table) if rankings else []:
            print(ranking_table(table, found))
        return status


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
        filters = {name: value for name, value in filters.items() if value is not None}
        experiments: list[AnyExperiment] = [
            *store.load(self.results, **filters),
            *store.load(self.results, store.ONE_SHOT_RUNS, **filters),
        ]
        if not experiments:
            raise ValueError(f"{self.results} holds no such run")
        reports = [make_report(table, group, self.protocol) for table, group in tables_of(experiments, self.table)]
        print(FORMATS[self.format](reports), end="")
        return 0


@dataclass(frozen=True)
class ListCommand:
    """List the algorithms with their hyperparameters' defaults."""

    def __call__(self) -> int:
        from algorithms.one_shot import ONE_SHOT

        kinds = dict.fromkeys(BLACK_BOX, "black-box, topology and size space")
        kinds |= {name: f"one-shot, {search.space} space" for name, search in ONE_SHOT.items()}
        searches: dict[str, Any] = {**BLACK_BOX, **ONE_SHOT}
        for name, search in searches.items():
            defaults = ", ".join(f"{option}={value}" for option, value in asdict(search.Config()).items())
            print(f"{name}\n  {search.title}, {kinds[name]}\n  {search.paper}\n  {defaults or 'no hyperparameters'}")
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
        for trained in store.load(self.results, store.ONE_SHOT_RUNS):
            seeds = ", ".join(map(str, trained.seeds))
            print(f"{trained.space} {trained.dataset} {label(trained, '')}: {len(trained.seeds)} runs, seeds {seeds}")
        for path in sorted(self.results.rglob(f"*{store.SUPERNET_SUFFIX}")):
            if not Path(str(path).removesuffix(store.SUPERNET_SUFFIX) + ".parquet").exists():
                print(f"under way: {path}")
        for path in store.failures(self.results):
            print(f"failed: {path}: {path.read_text().strip().splitlines()[-1]}")
        return 0


@dataclass(frozen=True, kw_only=True)
class VerifyCommand:
    """Check a results folder: read every file, make a sample of the runs again, and compare bit for bit."""

    results: Path = Path("results")
    """The results folder."""
    sample: int = 2
    """How many runs of each experiment are made again."""
    one_shot: bool = False
    """Make runs of weight-sharing searches again too, which trains supernets."""
    seed: int = 0
    """The seed of the sample."""
    table: Path | None = None
    """The table that the runs were made on; by default where it was then."""
    data: Path | None = None
    """The folder of the dataset's files, for weight-sharing searches; digits need none."""

    def __call__(self) -> int:
        from experiments.verify import verify

        problems = 0
        for finding in verify(self.results, self.sample, self.one_shot, self.seed, self.table, self.data):
            problems += bool(finding.problem)
            print(f"{finding.what}: {finding.problem or 'ok'}{f' ({finding.said})' if finding.said else ''}")
        if problems:
            print(f"error: {problems} problems in {self.results}", file=sys.stderr)
        return 1 if problems else 0


@dataclass(frozen=True, kw_only=True)
class ReproduceCommand(Spread):
    """Run every algorithm on every dataset of some tables, print the results and draw the figures."""

    table: tuple[Path, ...] = tuple(map(Path, EMBEDDED))
    """The table files; by default the tables that come with the project."""
    dataset: tuple[str, ...] = ()
    """Only these datasets; by default all of each table."""
    seeds: int = 500
    """Number of runs of each black-box algorithm on each dataset."""
    one_shot_seeds: int = 3
    """Number of runs of each weight-sharing search on each dataset; 0 for none."""
    budget: float | None = None
    """Simulated seconds of a black-box run; by default the paper's, and docs/embedded.md's on digits."""
    data: Path | None = None
    """The folder of the datasets' files, for weight sharing; digits need none, others are left out without it."""
    device: str = "cpu"
    """Where weight sharing computes, as PyTorch names it."""
    jobs: int | None = None
    """Processes; by default one per processor, or for weight sharing one alone on other devices than the CPU."""
    results: Path = Path("results")
    """The results folder."""
    figures: Path = Path("plots/figures")
    """The folder of the figures."""

    def __call__(self) -> int:
        if not self.table:
            raise ValueError(
                "no table: name one with --table (make reproduce TABLE=file); "
                "`python -m benchmark_api import` makes one from an official archive"
            )
        if self.seeds < 1 or self.one_shot_seeds < 0:
            raise ValueError(
                f"seeds must be at least 1 and one-shot-seeds at least 0, got {self.seeds} and {self.one_shot_seeds}"
            )
        tables = list(map(Table, self.table))
        known = sorted({dataset for table in tables for dataset in table.datasets})
        if unknown := sorted(set(self.dataset) - set(known)):
            raise ValueError(f"no table has a dataset {unknown[0]!r}; there is {', '.join(known)}")
        pairs = [(table, name) for table in tables for name in table.datasets if name in (self.dataset or known)]
        trained, one_shot = self._plan_one_shot(pairs)  # refuses now, not after the others, what cannot be trained
        pieces: list[ResultsPiece] = []
        for table, dataset in pairs:
            for search_class in BLACK_BOX.values():
                config = search_class.Config()
                condition = condition_of(search_class, config, table, dataset, budget=self.budget)
                pieces += plan(condition, config, table, self.results, range(self.seeds))
        status = _sweep(pieces, self.jobs, self.results, self.make_engine())
        if trained:
            jobs = self.jobs or _one_shot_jobs(self.device)
            status = max(status, _sweep(one_shot, jobs, self.results, self.make_engine()))
        for path, table in zip(self.table, tables, strict=True):
            TableCommand(results=self.results, table=path)()
            if table in trained and store.load(self.results, store.ONE_SHOT_RUNS, table_fingerprint=table.fingerprint):
                shared = ("engine", "address", "gpus", "data", "device", "jobs", "results")
                size = min(RankingCommand.architectures, len(table))
                rank = RankingCommand(table=path, architectures=size, **{name: getattr(self, name) for name in shared})
                status = max(status, rank())
        from plots.__main__ import draw  # Matplotlib takes a second to import

        print("\n".join(str(path) for path in draw(self.results, self.figures, self.table)))
        return status

    def _plan_one_shot(self, pairs: Sequence[tuple[Table, str]]) -> tuple[list[Table], list[ResultsPiece]]:
        """The tables for which supernets are trained, and the runs that are not stored yet.

        Args:
            pairs: tables and datasets.
        """
        if not self.one_shot_seeds:
            return [], []
        from algorithms.one_shot import ONE_SHOT
        from algorithms.one_shot.task import Execution
        from experiments.runs import one_shot

        trained: list[Table] = []
        pieces: list[ResultsPiece] = []
        execution = Execution(device=self.device)
        for table, dataset in pairs:
            images = one_shot.Setting.of(table, dataset).dataset
            if self.data is None and images != "digits":
                print(f"weight sharing on {dataset} is left out: it trains on images; name their folder: --data, or make DATA=")
                continue
            trained.append(table)
            for search in ONE_SHOT.values():
                if search.space == table.space.name:
                    config = search.default_config(dataset)
                    condition = one_shot.condition_of(search, config, table, dataset, execution)
                    seeds = one_shot.seeds_of(self.one_shot_seeds)
                    pieces += one_shot.plan(condition, table, self.results, seeds, self.data)
        return trained, pieces


def _one_shot_jobs(device: str) -> int:
    """As many processes as a device takes: those on one graphics card would share it, and its memory."""
    return default_jobs() if device == "cpu" else 1


def _sweep(pieces: Sequence[ResultsPiece], jobs: int | None, results: Path, engine: Engine | None) -> int:
    """Run pieces and say what became of them; the exit status."""
    started = time.perf_counter()
    failures = carry_out(pieces, default_jobs() if jobs is None else jobs, engine)
    runs = sum(len(piece.seeds) for piece in pieces)
    unfinished = {failure.piece.path for failure in failures}
    failed = sum(len(piece.seeds) for piece in pieces if piece.path in unfinished)
    for failure in failures:
        print(f"\n{failure}", file=sys.stderr, end="")
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


def _run_command(one_shot: bool) -> type:
    """The command `run`: one subcommand per algorithm, with the options of every run and its own hyperparameters.

    Args:
        one_shot: also for one-shot searches.
    """
    algorithms = [
        _algorithm_command(search, RunAlgorithm, [("config", _unchecked(search.Config))]) for search in BLACK_BOX.values()
    ]
    if one_shot:
        from algorithms.one_shot import ONE_SHOT
        from algorithms.one_shot.task import Execution

        for search in ONE_SHOT.values():
            usual, small, meaning = asdict(search.Config()), asdict(search.default_config("digits")), _meanings(search.Config)
            config = _unchecked(
                search.Config,
                *(
                    (
                        name,
                        Annotated[
                            type(small[name]) | None,
                            tyro.conf.arg(help=f"{meaning[name]} By default {value}, on digits {small[name]}."),
                        ],
                        field(default=None),
                    )
                    for name, value in usual.items()
                    if value != small[name]
                ),
            )
            algorithms.append(_algorithm_command(search, RunOneShot, [("config", config), ("execution", Execution)]))
    return make_dataclass(
        "Run",
        [("algorithm", reduce(or_, algorithms))],
        namespace={
            "__doc__": "Run one algorithm with many seeds; what is stored already is not run again.",
            "__call__": lambda self: self.algorithm(),
        },
    )


def _unchecked(config: type, *fields: Any) -> type:
    """Hyperparameters without their checks, which the run makes: a refused value is then an error like others.

    Args:
        config: an algorithm's `Config`.
        *fields: instead of its fields of the same names.
    """
    unchecked = make_dataclass(
        "Hyperparameters", fields, bases=(config,), namespace={"__post_init__": lambda self: None}, frozen=True
    )
    unchecked.__doc__ = config.__doc__
    return unchecked


def _meanings(config: type) -> dict[str, str]:
    """What the hyperparameters of a dataclass mean, by name: the texts under its fields and those of the classes above it."""
    meanings = {}
    for above in reversed(config.__mro__[:-1]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(above))).body
        assert isinstance(definition, ast.ClassDef)
        for line, below in pairwise(definition.body):
            match line, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    meanings[name] = text
    return meanings


def _algorithm_command(search: Any, base: type, fields: Sequence[tuple[str, type]]) -> Any:
    """A subcommand of `run`.

    Args:
        search: the algorithm.
        base: what all of its kind have in common.
        fields: what is its own, and can be made without arguments.
    """
    command = make_dataclass(
        search.__name__,
        [(name, kind, field(default=kind())) for name, kind in fields],
        bases=(base,),
        namespace={"search_class": search},
        frozen=True,
        kw_only=True,
    )
    about = tyro.conf.subcommand(search.name, prefix_name=False, description=f"{search.title}: {search.paper}")
    return Annotated[command, tyro.conf.OmitArgPrefixes, about]


def _commands(one_shot: bool) -> Any:
    commands = {
        "run": _run_command(one_shot),
        "table": TableCommand,
        "ranking": RankingCommand,
        "list": ListCommand,
        "status": StatusCommand,
        "verify": VerifyCommand,
        "reproduce": ReproduceCommand,
    }
    return reduce(or_, (Annotated[command, tyro.conf.subcommand(name)] for name, command in commands.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    one_shot = arguments[:1] == ["run"] and not set(arguments[1:2]) & BLACK_BOX.keys()
    warnings.formatwarning = lambda message, *_args, **_kwargs: f"warning: {message}\n"
    try:
        command: Callable[[], int] = tyro.cli(
            _commands(one_shot), args=arguments, prog="python -m experiments", description=__doc__
        )
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
