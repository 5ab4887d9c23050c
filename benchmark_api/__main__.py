"""The benchmark's command line: `python -m benchmark_api import|build|export|info|query|best`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from benchmark_api.jobs.options import ParallelOptions
from benchmark_api.plugins import load_plugins
from benchmark_api.spaces import SPACES

if TYPE_CHECKING:  # imported by the commands that need them: `--help` starts without NumPy and PyTorch
    from benchmark_api.tables.table import Table
    from benchmark_api.training.plan import Plan

TablePath = tyro.conf.Positional[
    Annotated[Path, tyro.conf.arg(metavar="TABLE", help="Table file, or digits-topology, digits-size.")]
]
OutPath = Annotated[Path, tyro.conf.arg(metavar="OUT")]


def _default(text: str, metavar: str) -> Any:
    """Return the mark of an option whose default, None, stands for something else."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {text})", metavar=metavar)


Jobs = Annotated[int | None, _default("one per core", "INT"), tyro.conf.arg(help="Number of processes.")]


@dataclass(frozen=True)
class Import:
    """Import measurements as a table: an official NATS-Bench archive, whose code is never run."""

    source: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="SOURCE")]]
    """Folder NATS-*-simple, or single file NATS-*.pickle.pbz2."""
    out: tyro.conf.Positional[OutPath]
    """Table file to write, e.g. nats-topology.safetensors."""
    jobs: Jobs = None
    curves: bool = True
    """Keep every epoch instead of the last one of each schedule."""
    notice: str = ""
    """Notice that all tables and figures made from the table repeat."""

    def __call__(self) -> None:
        from benchmark_api.importers import import_table

        show = sys.stderr.isatty()
        table = import_table(self.source, self.out, curves=self.curves, notice=self.notice, jobs=self.jobs, progress=show)
        records = f"{table.metadata['source']['records']:,} records"
        print(f"{self.out}: {table.title}, {records}, {_megabytes(self.out, 0)}, fingerprint {table.fingerprint[:12]}")


@dataclass(frozen=True)
class Export:
    """Export a table as a folder in the official format, for the nats_bench package (fast_mode=True)."""

    table: TablePath
    out: tyro.conf.Positional[OutPath]
    """Folder to make."""
    jobs: Jobs = None

    def __call__(self) -> None:
        from benchmark_api.importers.official.exporter import export_archive

        table = _open(self.table)
        export_archive(table, self.out, jobs=self.jobs, progress=sys.stderr.isatty())
        print(f"{self.out}: {table.title}")


@dataclass(frozen=True, kw_only=True)
class Build:
    """Train every candidate of a space and write a table. After an interruption the same command continues.

    With more trials than an existing table has, only the missing trials are trained.
    """

    out: OutPath
    """Table file to write, e.g. digits-topology.safetensors."""
    space: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Search space: topology, size, or the name of a plugin's space."""
    epochs: int
    """Length of the schedule."""
    dataset: Annotated[str, tyro.conf.arg(metavar="KEY")] = "digits"
    """Dataset key, e.g. digits or cifar10-valid."""
    data: Annotated[Path | None, _default("none, for digits", "FOLDER")] = None
    """Folder with the files of the data set."""
    unofficial_images: bool = False
    """Accept files in the official format with other images; the table's notice says so."""
    trials: int = 3
    """Trainings of each candidate, with seeds 777, 888, 999, ..."""
    channels: Annotated[int | None, _default("16", "INT")] = None
    """Topology: width of the first stage."""
    cells: Annotated[int | None, _default("5", "INT")] = None
    """Topology: cells per stage."""
    widths: Annotated[tuple[int, ...] | None, _default("8 16 24 32 40 48 56 64", "INT [INT ...]")] = None
    """Size: candidate widths."""
    layers: Annotated[int | None, _default("5", "INT")] = None
    """Size: number of layers, 3N + 2."""
    batch: int = 256
    """Images per batch."""
    learning_rate: Annotated[float, tyro.conf.arg(aliases=["--rate"])] = 0.1
    """Initial learning rate."""
    copies: int = 0
    """Digits: distorted copies of each image; 0 for the original digits."""
    noise: float = 0.1
    """Digits: standard deviation of the noise in distorted copies."""
    sample: Annotated[int | None, _default("all", "INT")] = None
    """Number of random candidates to train."""
    stack: int = 128
    """Largest number of channels of the first block that are trained together."""
    half: bool = False
    """Store accuracies and losses in half precision."""
    notice: str = ""
    """Notice that all tables and figures made from the table repeat."""
    device: str = "cpu"
    """PyTorch device of the trainings."""
    jobs: Jobs = None
    parallel: tyro.conf.OmitArgPrefixes[ParallelOptions] = field(default_factory=ParallelOptions)

    def __call__(self) -> None:
        from benchmark_api.training.build import BuildFailed, build

        try:
            table = build(
                self.plan(),
                self.out,
                root=self.data,
                device=self.device,
                jobs=self.jobs,
                engine=self.parallel.make_engine(),
                progress=sys.stderr.isatty(),
                notice=self.notice,
            )
        except BuildFailed as error:
            print("".join(f"\n{failure}" for failure in error.failures), file=sys.stderr, end="")
            raise
        except KeyboardInterrupt:
            print(f"interrupted; finished stacks are in {self.out}.build: the same command continues", file=sys.stderr)
            sys.exit(130)
        print(f"{self.out}: {table.title}, {_megabytes(self.out)}, fingerprint {table.fingerprint[:12]}")

    def plan(self) -> Plan:
        """Return the settings of the table."""
        from benchmark_api.training.datasets import Distortion
        from benchmark_api.training.plan import Plan
        from benchmark_api.training.train import Recipe

        try:
            space = SPACES.find(self.space)(**_given(widths=self.widths, layers=self.layers))
        except TypeError as error:
            raise ValueError(f"the {self.space} space does not have these parameters: {error}") from error
        plan = Plan(
            space=space,
            dataset=self.dataset,
            recipe=Recipe(self.epochs, self.batch, self.learning_rate),
            trials=self.trials,
            **{**space.skeleton_defaults, **_given(channels=self.channels, cells=self.cells)},
            distortion=Distortion(copies=self.copies, noise=self.noise) if self.copies else None,
            sample=self.sample,
            stack=self.stack,
            half=self.half,
        )
        if not self.unofficial_images:
            return plan
        return replace(plan, unofficial_images=plan.setting.on_images_in(self.data).unofficial_images)


@dataclass(frozen=True)
class Info:
    """Describe a table: datasets, schedules, trials, splits, best and worst architectures, and its reliability."""

    table: TablePath
    verify: bool = False
    """Read the whole file and compare it with its fingerprint."""

    def __call__(self) -> None:
        table = _open(self.table)
        if self.verify:
            table.verify()
        print(table.title)
        for name, text in _facts(table, self.verify).items():
            if text:
                print(f"  {name:<12} {text}")
        print("\ndataset keys (splits with their number of epochs)")
        _print_rows(["key", "schedule", "architectures", "trials", "seeds", "splits"], _contents(table))
        print("\nbest and worst architectures (mean over trials, last epoch)")
        _print_rows(["key", "schedule", "split", "", "accuracy", "index", "architecture"], _extremes(table))
        print("\nreliability (test accuracy after the last epoch; ρ is Spearman's rank correlation)")
        _print_rows(
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
    dataset: Annotated[str | None, _default("all", "KEY")] = None
    """Dataset key, e.g. cifar10-valid."""
    schedule: Annotated[str | None, _default("all", "EPOCHS")] = None
    """Schedule, e.g. 12."""
    epoch: Annotated[int | None, _default("the last", "INT")] = None
    """Epoch, counted from 0."""

    def __call__(self) -> None:
        table = _open(self.table)
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
                    _print_rows(header, _metrics(table, index, key, schedule, self.epoch))


@dataclass(frozen=True)
class Best:
    """Print the best architecture on a dataset, optionally within limits of FLOPs and parameters."""

    table: TablePath
    dataset: Annotated[str, tyro.conf.arg(metavar="KEY")] = field(kw_only=True)
    """Dataset key, e.g. cifar10."""
    split: Annotated[str | None, _default("the test split", "STR")] = None
    """Split of the accuracy."""
    schedule: Annotated[str | None, _default("the longest", "EPOCHS")] = None
    """Schedule, e.g. 200."""
    max_flops: Annotated[float | None, _default("none", "FLOAT")] = None
    """Upper limit on multiply-accumulates, in millions."""
    max_params: Annotated[float | None, _default("none", "FLOAT")] = None
    """Upper limit on parameters, in millions."""

    def __call__(self) -> None:
        table, key = _open(self.table), self.dataset
        schedule = self.schedule or table.schedules(key)[-1]
        split = self.split or table.test_split(key, schedule)
        index, accuracy = table.best(key, schedule, split, max_flops=self.max_flops, max_params=self.max_params)
        print(f"architecture {index}: {table.space.to_string(table.space.architecture(index))}")
        print(f"{accuracy:.4f} % on {split} of {key} after {schedule} epochs, {_costs(table, index, key, schedule)}")


# -- what the commands print -------------------------------------------------------------------------------------------------


def _open(path: Path) -> Table:
    from benchmark_api.tables.table import Table

    return Table(path)


def _megabytes(path: Path, digits: int = 1) -> str:
    return f"{path.stat().st_size / 1e6:,.{digits}f} MB"


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def _print_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below a header, with the cells of each column padded to the same width."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  " + "  ".join(map(str.ljust, line, widths)).rstrip())


def _facts(table: Table, verified: bool) -> dict[str, str]:
    space, source = table.space, table.metadata.get("source", {})
    return {
        "file": f"{table.path}, {_megabytes(table.path)}",
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


# -- the command line ----------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, 1 for a failed job, 2 for wrong input, 130 after Ctrl-C."""
    try:
        load_plugins()
        command: Callable[[], None] = tyro.cli(
            Import | Build | Export | Info | Query | Best,
            prog="python -m benchmark_api",
            description="Tables of measured architectures: import, build, export and inspect them.",
            args=arguments,
        )
        command()
    except BrokenPipeError:  # the reader, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
