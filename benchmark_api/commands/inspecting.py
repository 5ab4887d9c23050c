"""Commands that read a table: info, query, best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import tyro

from benchmark_api.commands.options import TablePath, default
from benchmark_api.commands.printing import megabytes, open_table, print_rows

if TYPE_CHECKING:  # imported by the commands that need it: `--help` starts without NumPy
    from benchmark_api.tables.table import Table


@dataclass(frozen=True)
class Info:
    """Describe a table: datasets, schedules, trials, splits, best and worst architectures, and its reliability."""

    table: TablePath
    verify: bool = False
    """Read the whole file and compare it with its fingerprint."""

    def __call__(self) -> None:
        table = open_table(self.table)
        if self.verify:
            table.verify()
        print(table.title)
        for name, text in _facts(table, self.verify).items():
            if text:
                print(f"  {name:<12} {text}")
        print("\ndataset keys (splits with their number of epochs)")
        print_rows(["key", "schedule", "architectures", "trials", "seeds", "splits"], _contents(table))
        print("\nbest and worst architectures (mean over trials, last epoch)")
        print_rows(["key", "schedule", "split", "", "accuracy", "index", "architecture"], _extremes(table))
        print("\nreliability (test accuracy after the last epoch; ρ is Spearman's rank correlation)")
        print_rows(
            [
                *("dataset", "schedule", "architectures", "trials", "ρ between trials", "of all (expected)", "ρ valid, test"),
                *("ρ a third, the end", "std of architectures", "of trials", "ratio"),
            ],
            _reliabilities(table),
        )


@dataclass(frozen=True)
class Query:
    """Print all metrics of one architecture."""

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
        space, text = table.space, self.architecture
        index = int(text) if text.isdecimal() else space.index(space.from_string(text))
        architecture = space.architecture(index)
        print(f"architecture {index}: {space.to_string(architecture)}")
        canonical = space.index(space.canonical(architecture))
        if canonical != index:
            print(f"computes the same function as architecture {canonical}")
        for key in (self.dataset,) if self.dataset else table.keys:
            for schedule in (self.schedule,) if self.schedule else table.schedules(key):
                table.splits(key, schedule)  # refuses unknown names
                seeds = [seed for seed in table.seeds(key, schedule)[index].tolist() if seed >= 0]
                print(f"\n{key}, {schedule} epochs: {_costs(table, index, key, schedule) if seeds else 'no trial'}")
                if seeds:
                    header = ["split", "epoch", "accuracy", "loss", "seconds", f"accuracy by seed {', '.join(map(str, seeds))}"]
                    print_rows(header, _metrics(table, index, key, schedule, self.epoch))


@dataclass(frozen=True)
class Best:
    """Print the best architecture on a dataset, optionally within limits of FLOPs and parameters."""

    table: TablePath
    dataset: Annotated[str, tyro.conf.arg(metavar="KEY")] = field(kw_only=True)
    """Dataset key, e.g. cifar10."""
    split: Annotated[str | None, default("the test split", "STR")] = None
    """Split of the accuracy."""
    schedule: Annotated[str | None, default("the longest", "EPOCHS")] = None
    """Schedule, e.g. 200."""
    max_flops: Annotated[float | None, default("none", "FLOAT")] = None
    """Upper limit on multiply-accumulates, in millions."""
    max_params: Annotated[float | None, default("none", "FLOAT")] = None
    """Upper limit on parameters, in millions."""

    def __call__(self) -> None:
        table, key = open_table(self.table), self.dataset
        schedule = self.schedule or table.schedules(key)[-1]
        split = self.split or table.test_split(key, schedule)
        index, accuracy = table.best(key, schedule, split, max_flops=self.max_flops, max_params=self.max_params)
        print(f"architecture {index}: {table.space.to_string(table.space.architecture(index))}")
        print(f"{accuracy:.4f} % on {split} of {key} after {schedule} epochs, {_costs(table, index, key, schedule)}")


# -- what the commands print -------------------------------------------------------------------------------------------------


def _facts(table: Table, verified: bool) -> dict[str, str]:
    space, source = table.space, table.metadata.get("source", {})
    return {
        "file": f"{table.path}, {megabytes(table.path)}",
        "notice": table.notice,
        "space": f"{space.name}, {len(space):,} architectures, such as {space.to_string(space.architecture(0))}",
        "schedules": f"searches use {table.search_schedule}, reports {table.report_schedule} (epochs)",
        "source": ("\n" + " " * 15).join(f"{name}: {value}" for name, value in source.items()),
        "fingerprint": table.fingerprint + (" (verified)" if verified else ""),
    }


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
        for schedule in table.schedules(dataset):
            if "x-valid" not in table.splits(table.search_key(dataset), schedule):
                continue
            found = reliability(table, dataset, schedule)
            several = found.trials > 1
            yield [
                *(dataset, schedule, f"{found.architectures:,}", str(found.trials)),
                f"{found.between_sets:.3f} ({found.sets[0]} against {found.sets[1]})" if several else "one trial",
                f"{found.between_all:.3f}" if several else "",
                f"{found.valid_test:.3f}",
                f"{found.early:.3f} (epoch {found.early_epoch})",
                f"{found.spread:.2f}",
                f"{found.trial_spread:.2f}" if several else "",
                f"{found.spread / found.trial_spread:.1f}" if several else "",
            ]


def _costs(table: Table, index: int, key: str, schedule: str) -> str:
    latency = table.latency(key, schedule)[index]
    costs = f"{table.params(key, schedule)[index]:.6g} M params, {table.flops(key, schedule)[index]:.6g} MFLOPs"
    return costs + (f", latency {latency * 1e3:.4g} ms" if latency == latency else "")


def _metrics(table: Table, index: int, key: str, schedule: str, epoch: int | None) -> Iterator[list[str]]:
    """Yield one row per split with metrics at the epoch."""
    for split in table.splits(key, schedule):
        epochs = table.tensor(f"{key}/{schedule}/{split}/epochs").tolist()
        shown = epochs[-1] if epoch is None else epoch
        if shown not in epochs and split != "train":  # measured at other epochs only
            continue
        column = table.epoch_column(key, schedule, split, shown)
        accuracy, loss = (
            table.tensor(f"{key}/{schedule}/{split}/{name}")[index, :, column].tolist() for name in ("accuracy", "loss")
        )
        seconds = table.seconds(key, schedule, split)[index].tolist()
        trials = ", ".join(f"{value:.2f}" for value in accuracy if value == value)
        yield [split, str(shown), f"{_mean(accuracy):.4f}", f"{_mean(loss):.4f}", f"{_mean(seconds):.4g}", trials]


def _mean(values: Sequence[float]) -> float:
    """Return the mean without NaN."""
    present = [value for value in values if value == value]
    return sum(present) / len(present) if present else float("nan")
