"""Commands that read a table: info, query, best, front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from benchmark_api.commands.options import CheckName, Pairs, TablePath, default, numbers_of
from benchmark_api.commands.printing import architecture_index, megabytes, open_table, print_check, print_line, print_rows

if TYPE_CHECKING:  # imported by the commands that need it: `--help` starts without NumPy
    from benchmark_api.tables.metrics import Metric
    from benchmark_api.tables.table import Table


Split = Annotated[str | None, default("the test split, or x-valid", "STR"), tyro.conf.arg(help="Split of the accuracy.")]
Schedule = Annotated[str | None, default("the longest", "EPOCHS"), tyro.conf.arg(help="Schedule, e.g. 200.")]


@dataclass(frozen=True)
class Info:
    """Describe a table: datasets, schedules, trials, splits, best and worst architectures, and its reliability."""

    examples: ClassVar[tuple[str, ...]] = ("info nats-topology",)

    table: TablePath
    verify: bool = False
    """Read the whole file and compare it with its fingerprint."""
    check: CheckName = None

    def __call__(self) -> None:
        from benchmark_api.tables.checks import CHECKS
        from benchmark_api.tables.reliability import between_datasets

        table = open_table(self.table)
        if self.verify:
            table.verify()
        if self.check is not None:
            print_check(table, CHECKS.find(self.check))
            return
        print_line(table.title)
        for name, texts in _facts(table, self.verify).items():
            for heading, text in zip((name, *[""] * len(texts)), filter(None, texts), strict=False):
                print_line(f"  {heading:<12} {text}")
        print("\ndataset keys (splits with their number of epochs)")
        print_rows(["key", "schedule", "architectures", "trials", "seeds", "splits"], _contents(table))
        print("\nbest and worst architectures (mean over trials, last epoch)")
        print_rows(["key", "schedule", "split", "", "accuracy", "index", "architecture"], _extremes(table))
        print("\nmetrics (of how many architectures)")
        print_rows(["metric", "unit", "better", "architectures", "of"], _metrics(table))
        print(f"\nreliability ({_measure(table)} after the last epoch; ρ is Spearman's rank correlation)")
        print_rows(
            [
                *("dataset", "schedule", "architectures", "trials", "ρ between trials", "of all (expected)", "ρ valid, test"),
                *("ρ a third, the end", "std of architectures", "of trials", "ratio"),
            ],
            _reliabilities(table),
        )
        if pairs := between_datasets(table):
            print(f"\nbetween data sets (the same after {table.report_schedule} epochs, mean over trials)")
            print_rows(["dataset", "dataset", "ρ"], [[first, second, f"{rho:.3f}"] for (first, second), rho in pairs.items()])


@dataclass(frozen=True)
class Query:
    """Print all metrics of one architecture."""

    examples: ClassVar[tuple[str, ...]] = ("query nats-topology 1462 --dataset cifar100",)

    table: TablePath
    architecture: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="ARCHITECTURE")]]
    """Official index, or string (in quotes)."""
    dataset: Annotated[str | None, default("all", "KEY")] = None
    """Dataset key, e.g. cifar10-valid."""
    schedule: Annotated[str | None, default("all", "EPOCHS")] = None
    """Schedule, e.g. 12."""
    epoch: Annotated[int | None, default("the last", "INT")] = None
    """Epoch, counted from 0."""

    def __call__(self) -> None:
        table = open_table(self.table)
        space = table.space
        index = architecture_index(space, self.architecture)
        architecture = space.architecture(index)
        print(f"architecture {index}: {space.to_string(architecture)}")
        canonical = space.index(space.canonical(architecture))
        if canonical != index:
            print(f"computes the same function as architecture {canonical}")
        if rows := list(_attached(table, index)):
            print_rows(["metric", "of", "value"], rows)
        for key in (table.report_key(self.dataset),) if self.dataset else table.keys:
            for schedule in (self.schedule,) if self.schedule else table.schedules(key):
                table.splits(key, schedule)  # refuses unknown names
                seeds = [seed for seed in table.seeds(key, schedule)[index].tolist() if seed >= 0]
                print()
                print_line(f"{key}, {schedule} epochs: {_costs(table, index, key, schedule) if seeds else 'no trial'}")
                if seeds:
                    header = ["split", "epoch", "accuracy", "loss", "seconds", f"accuracy by seed {', '.join(map(str, seeds))}"]
                    print_rows(header, _measured(table, index, key, schedule, self.epoch))


@dataclass(frozen=True)
class Best:
    """Print the best architecture on a dataset, optionally within limits of its metrics."""

    examples: ClassVar[tuple[str, ...]] = ("best digits-topology --dataset digits --max-params 0.005",)

    table: TablePath
    dataset: Annotated[str, tyro.conf.arg(metavar="KEY")] = field(kw_only=True)
    """Dataset key, e.g. cifar10."""
    split: Split = None
    schedule: Schedule = None
    max_flops: Annotated[float | None, default("none", "FLOAT")] = None
    """Upper limit on multiply-accumulates, in millions."""
    max_params: Annotated[float | None, default("none", "FLOAT")] = None
    """Upper limit on parameters, in millions."""
    at_most: Annotated[Pairs, tyro.conf.arg(name="max")] = ()
    """Upper limits on metrics, in their units, e.g. latency@pixel3=20."""
    at_least: Annotated[Pairs, tyro.conf.arg(name="min")] = ()
    """Lower limits on metrics."""

    def __call__(self) -> None:
        from benchmark_api.tables.metrics import limits_of

        table = open_table(self.table)
        key, schedule, split = _rated(table, self.dataset, self.schedule, self.split)
        limits = limits_of(numbers_of(self.at_most, "--max"), numbers_of(self.at_least, "--min"))
        options = {"max_flops": self.max_flops, "max_params": self.max_params}
        index, accuracy = table.best(key, schedule, split, limits=limits, **options)
        print(f"architecture {index}: {table.space.to_string(table.space.architecture(index))}")
        found = (f"{accuracy:.4f} % on {split} of {key} after {schedule} epochs", _costs(table, index, key, schedule))
        print_line(", ".join(filter(None, found)))
        if rows := list(_attached(table, index, key)):
            print_rows(["metric", "of", "value"], rows)


@dataclass(frozen=True, kw_only=True)
class Front:
    """Print the Pareto front of accuracy against a metric: the architectures that no other one dominates."""

    examples: ClassVar[tuple[str, ...]] = ("front digits-topology --dataset digits --metric params",)

    table: TablePath
    dataset: Annotated[str, tyro.conf.arg(metavar="KEY")]
    """Dataset key, e.g. cifar10."""
    metric: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Metric, e.g. params; `info` lists them."""
    split: Split = None
    schedule: Schedule = None

    def __call__(self) -> None:
        from benchmark_api.tables.fronts import pareto_front

        table = open_table(self.table)
        key, schedule, split = _rated(table, self.dataset, self.schedule, self.split)
        accuracy, values = table.mean_accuracy(key, schedule, split), table.metric(self.metric, key, schedule)
        metric = table.metrics(key, schedule)[self.metric]
        front = pareto_front(-values if metric.direction == "maximize" else values, accuracy).tolist()
        compared = int(((accuracy == accuracy) & (values == values)).sum())
        print_line(f"{len(front)} of {compared:,} architectures: {split} of {key} after {schedule} epochs against {self.metric}")
        texts = (table.space.to_string(table.space.architecture(index)) for index in front)
        rows = [[f"{values[i]:.6g}", f"{accuracy[i]:.4f}", str(i), text] for i, text in zip(front, texts, strict=True)]
        print_rows([f"{self.metric} {metric.unit}".rstrip(), "accuracy", "index", "architecture"], rows)


# -- what the commands print -------------------------------------------------------------------------------------------------


def _rated(table: Table, dataset: str, schedule: str | None, split: str | None) -> tuple[str, str, str]:
    """Return dataset key, schedule and split of the accuracies that are asked for, or those that rate architectures."""
    from benchmark_api.tables.reliability import rated_by

    key = table.report_key(dataset)
    schedule = schedule or table.schedules(key)[-1]
    if split is None:
        key, split = rated_by(table, dataset, schedule)
    return key, schedule, split


def _facts(table: Table, verified: bool) -> dict[str, list[str]]:
    """Return lines about a table by their heading."""
    space, source = table.space, table.metadata.get("source", {})
    untested = _untested(table)
    return {
        "file": [f"{table.path}, {megabytes(table.path)}"],
        "notice": [table.notice],
        "space": [f"{space.name}, {len(space):,} architectures, such as {space.to_string(space.architecture(0))}"],
        "schedules": [f"searches use {table.search_schedule}, reports {table.report_schedule} (epochs)"],
        "test": [f"no test accuracies of {', '.join(untested)}"] if untested else [],
        "source": [f"{name}: {value}" for name, value in source.items()],
        "merged": [*_merged(table)],
        "fingerprint": [table.fingerprint + (" (verified)" if verified else "")],
    }


def _untested(table: Table) -> list[str]:
    """Return the datasets without test accuracies after their longest schedule."""
    from benchmark_api.tables.reliability import rated_by

    longest = {dataset: table.schedules(table.search_key(dataset))[-1] for dataset in table.datasets}
    return [dataset for dataset, schedule in longest.items() if rated_by(table, dataset, schedule)[1] == "x-valid"]


def _measure(table: Table) -> str:
    """Return by what architectures are rated."""
    untested = len(_untested(table))
    if 0 < untested < len(table.datasets):
        return "test accuracy, or validation accuracy where there is no other,"
    return "validation accuracy" if untested else "test accuracy"


def _merged(table: Table) -> Iterator[str]:
    """Yield a line for each table of which a merged one was made."""
    for part in table.metadata.get("merged", ()):
        yield f"{', '.join(part['parts'])}: from {part['file']} ({part['title']}, fingerprint {part['fingerprint'][:12]})"


def _metrics(table: Table) -> Iterator[list[str]]:
    """Yield a row for each metric; one for all datasets and schedules that have it of equally many architectures."""
    groups = [(key, schedule) for key in table.keys for schedule in table.schedules(key)]
    found = {metric.tensor: metric for group in groups for metric in table.metrics(*group).values()}
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for tensor, metric in found.items():
        values = table.tensor(tensor)
        row = (
            metric.name,
            metric.unit,
            {"minimize": "less", "maximize": "more"}[metric.direction],
            f"{(values == values).sum():,}",
        )
        rows.setdefault(row, []).append(_holder(metric))
    yield from ([*row, ", ".join(holders)] for row, holders in rows.items())


def _holder(metric: Metric) -> str:
    """Return for what a metric holds: a dataset key, one with a schedule, or all."""
    return metric.tensor.removesuffix(metric.name).removesuffix("metrics/").rstrip("/") or "all"


def _attached(table: Table, index: int, *keys: str) -> Iterator[list[str]]:
    """Yield a row for each metric of an architecture that does not depend on the schedule, of some dataset keys or all."""
    from benchmark_api.tables.metrics import is_attached

    found = {metric.tensor: metric for key in keys or table.keys for metric in table.metrics(key).values()}
    for tensor, metric in found.items():
        value = table.tensor(tensor).item(index)
        if is_attached(tensor) and value == value:
            yield [metric.name, _holder(metric), f"{value:.6g} {metric.unit}".rstrip()]


def _contents(table: Table) -> Iterator[list[str]]:
    """Yield one row per dataset key and schedule."""
    for key in table.keys:
        for schedule in table.schedules(key):
            seeds = table.seeds(key, schedule)
            trials = sorted(set((seeds >= 0).sum(axis=1).tolist()) - {0})
            splits = (f"{split} {len(table.tensor(f'{key}/{schedule}/{split}/epochs'))}" for split in table.splits(key, schedule))
            yield [
                key,
                schedule,
                f"{(seeds >= 0).any(axis=1).sum():,}",
                "-".join(map(str, dict.fromkeys((*trials[:1], *trials[-1:])))),
                " ".join(str(seed) for seed in sorted(set(seeds.ravel().tolist())) if seed >= 0),
                ", ".join(splits),
            ]


def _extremes(table: Table) -> Iterator[list[str]]:
    """Yield a row for the best and one for the worst architecture of each key's longest schedule, by evaluated split."""
    import numpy as np

    for key in table.keys:
        schedule = table.schedules(key)[-1]
        for split in table.splits(key, schedule):
            accuracy = table.mean_accuracy(key, schedule, split)
            if split == "train" or np.isnan(accuracy).all():
                continue
            ends = {"best": table.best(key, schedule, split)[0], "worst": int(np.nanargmin(accuracy))}
            for name, index in ends.items():
                text = table.space.to_string(table.space.architecture(index))
                yield [key, schedule, split, name, f"{accuracy[index]:.4f}", str(index), text]


def _reliabilities(table: Table) -> Iterator[list[str]]:
    """Yield one row per dataset and schedule with a validation split."""
    from benchmark_api.tables.reliability import reliability

    for dataset in table.datasets:
        key = table.search_key(dataset)
        for schedule in table.schedules(key):
            if "x-valid" not in table.splits(key, schedule):
                continue
            found = reliability(table, dataset, schedule)
            sets, several = f" ({found.sets[0]} against {found.sets[1]})", found.trials > 1
            yield [
                *(dataset, schedule, f"{found.architectures:,}", str(found.trials)),
                _known(found.between_sets, ".3f", sets) if several else "one trial",
                _known(found.between_all, ".3f"),
                _known(found.valid_test, ".3f"),
                _known(found.early, ".3f", f" (epoch {found.early_epoch})"),
                _known(found.spread, ".2f"),
                _known(found.trial_spread, ".2f"),
                _known(found.spread / found.trial_spread, ".1f") if found.trial_spread else "",
            ]


def _costs(table: Table, index: int, key: str, schedule: str) -> str:
    """Return the metrics of an architecture's trainings that are known, e.g. params and FLOPs."""
    metrics = [metric for metric in table.metrics(key, schedule).values() if _holder(metric) == f"{key}/{schedule}"]
    values = [table.tensor(metric.tensor).item(index) for metric in metrics]
    return ", ".join(metric.text(value) for metric, value in zip(metrics, values, strict=True) if value == value)


def _measured(table: Table, index: int, key: str, schedule: str, epoch: int | None) -> Iterator[list[str]]:
    """Yield one row per split with measurements at the epoch; fields are empty where the table has none."""
    splits = table.splits(key, schedule)
    if "train" not in splits and (seconds := _trials(table, f"{key}/{schedule}/train/seconds", index)):
        yield ["train", "", "", "", _mean(seconds, ".4g"), ""]
    stored = {split: table.tensor(f"{key}/{schedule}/{split}/epochs").tolist() for split in splits}
    if epoch is not None and not any(epoch in epochs for epochs in stored.values()):
        table.epoch_column(key, schedule, splits[0], epoch)  # says which are stored
    for split, epochs in stored.items():
        stem = f"{key}/{schedule}/{split}"
        shown = epochs[-1] if epoch is None else epoch
        if shown not in epochs:  # measured at other epochs only
            continue
        column = table.epoch_column(key, schedule, split, shown)
        accuracy, loss = (_trials(table, f"{stem}/{name}", index, column) for name in ("accuracy", "loss"))
        seconds = _trials(table, f"{stem}/seconds", index)
        trials = ", ".join(f"{value:.2f}" for value in accuracy)
        yield [split, str(shown), _mean(accuracy, ".4f"), _mean(loss, ".4f"), _mean(seconds, ".4g"), trials]


def _trials(table: Table, tensor: str, index: int, column: int | None = None) -> list[float]:
    """Return an architecture's values of the trials that have one, at a column of the epoch axis if the tensor has that axis."""
    if tensor not in table.tensors:
        return []
    values = table.tensors[tensor][index]  # [trial] or [trial, epoch]
    return [value for value in (values if column is None else values[:, column]).tolist() if value == value]


def _mean(values: Sequence[float], form: str) -> str:
    return _known(sum(values) / len(values), form) if values else ""


def _known(value: float, form: str, after: str = "") -> str:
    """Return a number as text, empty for NaN."""
    return f"{value:{form}}{after}" if value == value else ""
