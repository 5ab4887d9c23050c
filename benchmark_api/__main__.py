"""The benchmark's command line: `python -m benchmark_api import|build|export|info|query|best`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from benchmark_api.jobs.engines import Spread

if TYPE_CHECKING:  # imported by the commands that need them: `--help` answers at once
    from benchmark_api.tables.table import Table

TablePath = Annotated[Path, tyro.conf.arg(metavar="TABLE", help="a table file, or digits-topology, digits-size")]
_LOCAL = Spread()
Jobs = Annotated[int | None, tyro.conf.arg(help="processes; one per core unless told otherwise")]


def import_(
    source: Annotated[Path, tyro.conf.arg(metavar="SOURCE", help="folder NATS-*-simple, or single file NATS-*.pickle.pbz2")],
    out: Annotated[Path, tyro.conf.arg(metavar="OUT", help="the table to write, e.g. nats-topology.safetensors")],
    /,
    jobs: Jobs = None,
    curves: Annotated[bool, tyro.conf.arg(help="keep every epoch, not only the last ones")] = True,
    notice: Annotated[str, tyro.conf.arg(help="a caution that all tables and figures made from it repeat")] = "",
) -> None:
    """Make a table of an official NATS-Bench archive. Nothing in the archive is run."""
    from benchmark_api.importers import import_table
    from benchmark_api.plugins import load_plugins

    load_plugins()
    table = import_table(source, out, curves=curves, notice=notice, jobs=jobs, progress=sys.stderr.isatty())
    records = table.metadata["source"]["records"]
    print(f"{out}: {table.title}, {records:,} records, {out.stat().st_size / 1e6:,.0f} MB, fingerprint {table.fingerprint[:12]}")


def export(
    table: TablePath,
    out: Annotated[Path, tyro.conf.arg(metavar="OUT", help="the folder to make")],
    /,
    jobs: Jobs = None,
) -> None:
    """Write a table as a folder in the official format, for the nats_bench package (fast_mode=True)."""
    from benchmark_api.importers.official.exporter import export_archive
    from benchmark_api.tables.table import Table

    opened = Table(table)
    export_archive(opened, out, jobs=jobs, progress=sys.stderr.isatty())
    print(f"{out}: {opened.title}")


def build(
    out: Annotated[Path, tyro.conf.arg(name="out", metavar="OUT", help="the table to write, e.g. digits-topology.safetensors")],
    space: Annotated[Literal["topology", "size"], tyro.conf.arg(help="the search space")],
    epochs: Annotated[int, tyro.conf.arg(help="length of the schedule")],
    dataset: Annotated[str, tyro.conf.arg(metavar="KEY", help="dataset key, e.g. digits or cifar10-valid")] = "digits",
    data: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help="where the data set's files are; digits need none")] = None,
    trials: Annotated[int, tyro.conf.arg(help="trainings of each candidate, with seeds 777, 888, 999, ...")] = 3,
    channels: Annotated[int, tyro.conf.arg(help="topology: width of the first stage")] = 16,
    cells: Annotated[int, tyro.conf.arg(help="topology: cells of each stage")] = 5,
    widths: Annotated[tuple[int, ...], tyro.conf.arg(help="size: candidate widths")] = (8, 16, 24, 32, 40, 48, 56, 64),
    layers: Annotated[int, tyro.conf.arg(help="size: layers, 3N + 2")] = 5,
    batch: Annotated[int, tyro.conf.arg(help="images of a batch")] = 256,
    rate: Annotated[float, tyro.conf.arg(help="first learning rate")] = 0.1,
    copies: Annotated[int, tyro.conf.arg(help="digits: distorted copies of each image; 0 for the undistorted digits")] = 0,
    noise: Annotated[float, tyro.conf.arg(help="digits: standard deviation of the distorted copies' noise")] = 0.1,
    sample: Annotated[int | None, tyro.conf.arg(help="train so many random candidates only")] = None,
    stack: Annotated[int, tyro.conf.arg(help="channels of the first block that are trained together")] = 128,
    half: Annotated[bool, tyro.conf.arg(help="store accuracies and losses in half precision")] = False,
    notice: Annotated[str, tyro.conf.arg(help="what all tables and figures made from it repeat")] = "",
    device: Annotated[str, tyro.conf.arg(help="where to train, as PyTorch names it")] = "cpu",
    jobs: Jobs = None,
    spread: Annotated[Spread, tyro.conf.OmitArgPrefixes] = _LOCAL,
) -> None:
    """Train every candidate of a space, and make a table of it. After an interruption the same command goes on.

    With more trials than the table that is there already, only those that it lacks are trained.
    """
    from benchmark_api.spaces import SizeSpace, TopologySpace
    from benchmark_api.training.build import BuildFailed, Plan, Protocol
    from benchmark_api.training.build import build as build_table
    from benchmark_api.training.datasets import Distortion

    topology = space == "topology"
    plan = Plan(
        space=TopologySpace() if topology else SizeSpace(widths, layers),
        dataset=dataset,
        protocol=Protocol(epochs, batch, rate),
        trials=trials,
        channels=channels if topology else None,
        cells=cells if topology else None,
        distortion=Distortion(copies=copies, noise=noise) if copies else None,
        sample=sample,
        stack=stack,
        half=half,
    )
    try:
        table = build_table(
            plan,
            out,
            root=data,
            device=device,
            jobs=jobs,
            engine=spread.make_engine(),
            progress=sys.stderr.isatty(),
            notice=notice,
        )
    except BuildFailed as error:
        print("".join(f"\n{failure}" for failure in error.failures), file=sys.stderr, end="")
        raise
    except KeyboardInterrupt:
        print(f"interrupted; what is finished is in {out}.build: the same command goes on from there", file=sys.stderr)
        sys.exit(130)
    print(f"{out}: {table.title}, {out.stat().st_size / 1e6:,.1f} MB, fingerprint {table.fingerprint[:12]}")


def info(
    table: TablePath,
    /,
    verify: Annotated[bool, tyro.conf.arg(help="read the whole file and compare it with its fingerprint")] = False,
) -> None:
    """What is in a table: datasets, schedules, trials, splits, best and worst architectures, and how far its figures repeat."""
    from benchmark_api.tables.table import Table

    opened = Table(table)
    if verify:
        opened.verify()
    space, source = opened.space, opened.metadata.get("source", {})
    facts = {
        "file": f"{opened.path}, {opened.path.stat().st_size / 1e6:,.1f} MB",
        "notice": opened.notice,
        "space": f"{space.name}, {len(space):,} architectures, such as {space.to_string(space.architecture(0))}",
        "schedules": f"searches use {opened.search_schedule}, reports {opened.report_schedule} (epochs)",
        "source": ("\n" + " " * 15).join(f"{name}: {value}" for name, value in source.items()),
        "fingerprint": opened.fingerprint + (" (verified)" if verify else ""),
    }
    print(opened.title)
    for name, text in facts.items():
        if text:
            print(f"  {name:<12} {text}")
    print("\ndataset keys, and what was measured (epochs with figures)")
    _print_rows(["key", "schedule", "architectures", "trials", "seeds", "splits"], _contents(opened))
    print("\nbest and worst architectures (mean over trials, last epoch)")
    rows = [
        [key, schedule, split, *row]
        for key in opened.keys
        for schedule in opened.schedules(key)[-1:]
        for split in opened.splits(key, schedule)
        if split != "train"
        for row in _extreme_rows(opened, key, schedule, split)
    ]
    _print_rows(["key", "schedule", "split", "", "accuracy", "index", "architecture"], rows)
    print("\nhow far figures repeat (test accuracy after the last epoch; ρ is Spearman's rank correlation)")
    rows = [
        [dataset, schedule, *_reliability_row(opened, dataset, schedule)]
        for dataset in opened.datasets
        for schedule in opened.schedules(dataset)
        if "x-valid" in opened.splits(opened.search_key(dataset), schedule)
    ]
    header = [
        "dataset",
        "schedule",
        "architectures",
        "trials",
        "ρ between trials",
        "of all (expected)",
        "ρ valid, test",
        "ρ a third, the end",
    ]
    _print_rows([*header, "std of architectures", "of trials", "ratio"], rows)


def query(
    table: TablePath,
    architecture: Annotated[str, tyro.conf.arg(metavar="ARCHITECTURE", help="official index, or string (in quotes)")],
    /,
    dataset: Annotated[str | None, tyro.conf.arg(metavar="KEY", help="one dataset key only, e.g. cifar10-valid")] = None,
    schedule: Annotated[str | None, tyro.conf.arg(metavar="EPOCHS", help="one schedule only, e.g. 12")] = None,
    epoch: Annotated[int | None, tyro.conf.arg(help="0-based epoch; the last one unless told otherwise")] = None,
) -> None:
    """Everything measured of one architecture."""
    from benchmark_api.tables.table import Table

    opened = Table(table)
    space = opened.space
    index = int(architecture) if architecture.isdecimal() else space.index(space.from_string(architecture))
    decisions = space.architecture(index)
    print(f"architecture {index}: {space.to_string(decisions)}")
    canonical = space.index(space.canonical(decisions))
    if canonical != index:
        print(f"computes the same function as architecture {canonical}")
    for key in (dataset,) if dataset else opened.keys:
        for name in (schedule,) if schedule else opened.schedules(key):
            opened.splits(key, name)  # names what is unknown
            seeds = [seed for seed in opened.seeds(key, name)[index].tolist() if seed >= 0]
            print(f"\n{key}, {name} epochs: {_costs(opened, index, key, name) if seeds else 'no trial'}")
            if seeds:
                header = ["split", "epoch", "accuracy", "loss", "seconds", f"accuracy by seed {', '.join(map(str, seeds))}"]
                _print_rows(header, _figures(opened, index, key, name, epoch))


def best(
    table: TablePath,
    /,
    dataset: Annotated[str, tyro.conf.arg(metavar="KEY", help="dataset key, e.g. cifar10")],
    split: Annotated[str | None, tyro.conf.arg(help="split whose accuracy counts; the test split unless told otherwise")] = None,
    schedule: Annotated[str | None, tyro.conf.arg(metavar="EPOCHS", help="the longest one unless told otherwise")] = None,
    max_flops: Annotated[float | None, tyro.conf.arg(help="upper limit, millions")] = None,
    max_params: Annotated[float | None, tyro.conf.arg(help="upper limit, millions")] = None,
) -> None:
    """The best architecture of a dataset, if wanted within limits of FLOPs and parameters."""
    from benchmark_api.tables.table import Table

    opened = Table(table)
    schedule = schedule or opened.schedules(dataset)[-1]
    split = split or opened.test_split(dataset, schedule)
    index, accuracy = opened.best(dataset, schedule, split, max_flops=max_flops, max_params=max_params)
    print(f"architecture {index}: {opened.space.to_string(opened.space.architecture(index))}")
    print(f"{accuracy:.4f} % on {split} of {dataset} after {schedule} epochs, {_costs(opened, index, dataset, schedule)}")


def _contents(table: Table) -> list[list[str]]:
    """One row per dataset key and schedule."""
    rows = []
    for key in table.keys:
        for schedule in table.schedules(key):
            seeds = table.seeds(key, schedule)
            trials = sorted(set((seeds >= 0).sum(axis=1).tolist()) - {0})
            splits = (f"{split} {len(table.tensor(f'{key}/{schedule}/{split}/epochs'))}" for split in table.splits(key, schedule))
            rows.append(
                [
                    key,
                    schedule,
                    f"{(seeds >= 0).any(axis=1).sum():,}",
                    "-".join(map(str, {*trials[:1], *trials[-1:]})),
                    " ".join(str(seed) for seed in sorted(set(seeds.ravel().tolist())) if seed >= 0),
                    ", ".join(splits),
                ]
            )
    return rows


def _extreme_rows(table: Table, key: str, schedule: str, split: str) -> list[list[str]]:
    accuracy = table.mean_accuracy(key, schedule, split)
    known = [index for index in range(len(accuracy)) if accuracy[index] == accuracy[index]]
    if not known:
        return []
    ends = {"best": table.best(key, schedule, split)[0], "worst": min(known, key=lambda index: float(accuracy[index]))}
    return [
        [name, f"{accuracy[index]:.4f}", str(index), table.space.to_string(table.space.architecture(index))]
        for name, index in ends.items()
    ]


def _reliability_row(table: Table, dataset: str, schedule: str) -> list[str]:
    from benchmark_api.tables.reliability import reliability

    found = reliability(table, dataset, schedule)
    measured = f"{found.between_sets:.3f} ({found.sets[0]} against {found.sets[1]})" if found.trials > 1 else "one trial"
    expected = f"{found.between_all:.3f}" if found.trials > 1 else ""
    early = f"{found.early:.3f} (epoch {found.early_epoch})"
    noise = ["", ""] if found.trials < 2 else [f"{found.trial_spread:.2f}", f"{found.spread / found.trial_spread:.1f}"]
    spread = f"{found.spread:.2f}"
    return [f"{found.architectures:,}", str(found.trials), measured, expected, f"{found.valid_test:.3f}", early, spread, *noise]


def _costs(table: Table, index: int, key: str, schedule: str) -> str:
    latency = table.latency(key, schedule)[index]
    costs = f"{table.params(key, schedule)[index]:.6g} M params, {table.flops(key, schedule)[index]:.6g} MFLOPs"
    return costs + (f", latency {latency * 1e3:.4g} ms" if latency == latency else "")


def _figures(table: Table, index: int, key: str, schedule: str, epoch: int | None) -> list[list[str]]:
    """One row per split that has figures at the epoch."""
    rows = []
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
        rows.append([split, str(shown), f"{_mean(accuracy):.4f}", f"{_mean(loss):.4f}", f"{_mean(seconds):.4g}", trials])
    return rows


def _mean(values: Sequence[float]) -> float:
    """The mean of what is not NaN."""
    present = [value for value in values if value == value]
    return sum(present) / len(present) if present else float("nan")


def _print_rows(header: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        print("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


COMMANDS: dict[str, Callable[..., None]] = {
    "import": import_,
    "build": build,
    "export": export,
    "info": info,
    "query": query,
    "best": best,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0, 1 if the machine failed, 2 if the user's input is wrong, 130 after Ctrl-C."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="python -m benchmark_api",
            description="Tables of measured architectures: make them, look into them, export them.",
            args=arguments,
        )
    except BrokenPipeError:  # `... | head` has read enough
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
