"""Running searches from Python: `sweep` and `train_one_shot`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algorithms.black_box import BLACK_BOX, BlackBoxSearch
from benchmark_api.bounds import between
from benchmark_api.jobs.options import MAX_JOBS, available_processors
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.plugins import known_to_workers, load_plugins, register_class
from experiments import store
from experiments.runs import black_box
from experiments.runs.job import RunsJob
from experiments.settings import RunSettings, configured, default_dataset, seeds_of
from experiments.store import AnyCondition, Kind
from nas_zoo.architectures import AnyTable, open_table
from nas_zoo.results import Results

if TYPE_CHECKING:
    from algorithms.one_shot import OneShotSearch
    from algorithms.one_shot.task import Execution

Hyperparameters = Mapping[str, Any]


def sweep(
    searches: Sequence[str | type[BlackBoxSearch] | tuple[str | type[BlackBoxSearch], Hyperparameters]],
    *,
    table: AnyTable = "nats-topology",
    dataset: str | None = None,
    seeds: int | Iterable[int] = 100,
    budget: float | None = None,
    schedule: str | None = None,
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    data: Path | str | None = None,
    results: Path | str = "results",
    jobs: int | None = None,
    again: bool = False,
    quiet: bool = False,
    **accounting: Any,
) -> Results:
    """Run black-box searches with many seeds, and return these runs. Runs that the results folder has are not made again.

    >>> results = sweep(["random", ("rea", {"population_size": 5})], dataset="cifar100", seeds=8, quiet=True)
    >>> list(results.summary()["algorithm"])
    ['random', 'rea']

    Args:
        searches: names, classes of your own, or either with hyperparameters.
        table: the table, its file, or the name of an embedded one: nats-topology, digits-topology or digits-size.
        dataset: dataset to search on; by default the table's only one, or cifar10.
        seeds: number of runs of each search, or their seeds.
        budget: simulated seconds of a run; by default those of the NATS-Bench paper, on other tables 200 average trainings.
        schedule: training schedule whose validation accuracy is the objective, named by its epochs; by default the table's.
        at_most: largest values of metrics that searches may choose, by name, in their units.
        at_least: smallest values.
        data: folder of the data set's files, for searches that need images.
        results: results folder, which the command line shares.
        jobs: number of processes; by default one per processor.
        again: make stored runs of other code anew; they are removed first.
        quiet: show no progress.
        **accounting: other fields of `benchmark_api.tables.evaluator.Accounting`: charge, repeats, noise, max_queries, workers.

    Raises:
        FileNotFoundError: there is no such table.
        RuntimeError: runs failed; the others are stored.
        TypeError: a hyperparameter or an option does not exist.
        ValueError: unknown search or dataset, a value is out of range, or the table cannot serve a search. Nothing has run then.

    Warns:
        OtherCodeWarning: stored runs are of other code.
    """
    opened, folder, files = open_table(table), Path(results), None if data is None else Path(data)
    dataset = default_dataset(opened) if dataset is None else dataset
    wanted = seeds_of(seeds)
    settings = RunSettings.of(opened, dataset, schedule=schedule, budget=budget, **accounting)
    load_plugins()
    conditions: list[Any] = []
    planned: list[Any] = []
    limits = {"at_most": at_most, "at_least": at_least}
    for search, hyperparameters in _chosen(searches, BLACK_BOX):
        conditions.append(black_box.condition_with_defaults(opened, search, hyperparameters, settings, files, **limits))
    conditions = [*dict.fromkeys(conditions)]
    for condition in conditions:
        planned += black_box.BlackBoxJob.plan(condition, opened, folder, wanted, files, again=again)
    _run(planned, searches, jobs, quiet)
    return _stored(folder, store.BLACK_BOX_RUNS, conditions, wanted)


def train_one_shot(
    searches: Sequence[str | type[OneShotSearch] | tuple[str | type[OneShotSearch], Hyperparameters]],
    *,
    table: AnyTable = "digits-topology",
    dataset: str | None = None,
    seeds: int | Iterable[int] = 3,
    preset: str | None = None,
    select: str | None = None,
    data: Path | str | None = None,
    unofficial_images: bool = False,
    execution: Execution | None = None,
    results: Path | str = "results",
    jobs: int | None = None,
    again: bool = False,
    quiet: bool = False,
) -> Results:
    """Train the supernets of one-shot searches, and return these runs. Runs that the results folder has are not made again.

    >>> results = train_one_shot([("rsps", {"epochs": 1, "candidates": 5})], table="digits-topology", seeds=1, quiet=True)
    >>> results.found()[0].of_runs
    1

    Args:
        searches: names, classes of your own, or either with hyperparameters.
        table: table in which the derived architectures are looked up; supernets are trained on its dataset and skeleton.
        dataset: as for `sweep`.
        seeds: number of runs, whose seeds are 777, 888, 999, ..., or their seeds.
        preset: set of hyperparameters in place of the defaults, e.g. "paper" of gaea.
        select: name of the selection that derives the architecture; by default the search's.
        data: folder of the data set's files; digits need none.
        unofficial_images: accept files in the official format with other images; every title says so.
        execution: device, precision and other choices that are no hyperparameters; by default as the command line does.
        results: results folder, which the command line shares.
        jobs: number of processes; by default one per processor, or one on another device than the CPU.
        again: as for `sweep`.
        quiet: show no progress.

    Raises and warns as `sweep`.
    """
    from algorithms.one_shot import ONE_SHOT
    from algorithms.one_shot.task import Execution
    from benchmark_api.training.devices import trial_seeds
    from benchmark_api.training.setting import Setting
    from experiments.runs import one_shot

    opened, folder, files = open_table(table), Path(results), None if data is None else Path(data)
    dataset = default_dataset(opened) if dataset is None else dataset
    execution = Execution(stack=None) if execution is None else execution
    wanted = seeds_of(seeds, trial_seeds)
    if not isinstance(execution, Execution):
        raise ValueError(f"execution must be an Execution, got {execution!r:.100}")
    setting = Setting.of(opened, dataset)
    if unofficial_images:
        setting = setting.on_images_in(files)
    load_plugins()
    conditions, planned = [], []
    for search, hyperparameters in _chosen(searches, ONE_SHOT):
        config = configured(search, dataset, hyperparameters, preset)
        conditions.append(one_shot.condition_of(search, config, opened, dataset, execution, select, setting))
    conditions = [*dict.fromkeys(conditions)]
    for condition in conditions:
        planned += one_shot.in_stacks(one_shot.OneShotJob.plan(condition, opened, folder, wanted, files, again=again))
    _run(planned, searches, jobs if execution.device == "cpu" else jobs or 1, quiet)
    return _stored(folder, store.ONE_SHOT_RUNS, conditions, wanted)


def _chosen(searches: Any, registry: Any) -> list[tuple[Any, Hyperparameters]]:
    """Return the classes of searches, registered, and their hyperparameters.

    Raises:
        ValueError: there is no such search, or these are no searches.
    """
    expected = "names or classes of searches, or pairs of one and its hyperparameters by name"
    if isinstance(searches, str | bytes | Mapping) or not isinstance(searches, Iterable):
        raise ValueError(f"searches is {searches!r:.100}; expected a list of {expected}")
    found: list[tuple[Any, Hyperparameters]] = []
    for search in searches:
        match search if isinstance(search, tuple) else (search, {}):
            case type() as named, Mapping() as hyperparameters:
                register_class(named)
                found.append((registry.find(named.name), hyperparameters))  # type: ignore[attr-defined]
            case str(named), Mapping() as hyperparameters:
                found.append((registry.find(named), hyperparameters))
            case _:
                raise ValueError(f"{search!r:.100} is no search; expected {expected}")
    if not found:
        raise ValueError(f"no search is named; expected {expected}")
    return found


def _run(jobs: Sequence[RunsJob], searches: Sequence[Any], processes: int | None, quiet: bool) -> None:
    """Run jobs in processes that know the searches; in this process where it alone can know them.

    Raises:
        RuntimeError: runs failed.
    """
    if processes is not None and not (isinstance(processes, int) and between(1, MAX_JOBS).allows(processes)):
        raise ValueError(f"jobs must be {between(1, MAX_JOBS)}, got {processes!r:.100}")
    named = [search[0] if isinstance(search, tuple) else search for search in searches]
    own = [search for search in named if isinstance(search, type)]
    with known_to_workers(own) as importable:
        alone = len(jobs) < 2 or not (importable or all(job.forked for job in jobs))
        failures = run_jobs(jobs, 1 if alone else processes or available_processors(), progress=not quiet)
    if failures:
        failed = sum(failure.job.runs for failure in failures if isinstance(failure.job, RunsJob))
        runs = sum(job.runs for job in jobs)
        raise RuntimeError(f"{failed} of {runs} runs failed; the same call tries them again. The first: {failures[0]}")


def _stored(folder: Path, kind: Kind[Any], conditions: Sequence[AnyCondition], seeds: Sequence[int]) -> Results:
    """Return the runs of some conditions with some seeds, in the order of the conditions."""
    first = conditions[0]
    found = store.load(folder, kind, dataset=first.dataset, table_fingerprint=first.table_fingerprint)
    by_condition = {experiment.condition: experiment for experiment in found}
    return Results([by_condition[condition].of_seeds(seeds) for condition in conditions])
