"""Export of a table as a folder in the official format, which the `nats_bench` package opens."""

from __future__ import annotations

import bz2
import os
import pickle
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmark_api.importers import measurements
from benchmark_api.importers.official.read import META, record_path
from benchmark_api.jobs.calls import in_parallel
from benchmark_api.jobs.files import DISK_ERRORS, scratch_folder, writing_in
from benchmark_api.spaces import SIZE_CELL, SearchSpace, TopologySpace
from benchmark_api.tables.table import Table

CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120, "digits": 10}
"""Number of classes of the known dataset keys, in the order in which records list them."""


def record(table: Table, index: int) -> OrderedDict[str, dict[str, Any]]:
    """Return the official record of an architecture: {schedule: state of an `ArchResults`}, of the epochs that the table has.

    Schedules and dataset keys without a trial are left out. Numbers are plain floats, where official files have a NumPy scalar
    for params and latency: such a file can be read with any version of NumPy.

    Raises:
        ValueError: the index is out of range.
    """
    text = table.space.to_string(table.space.architecture(index))
    schedules = sorted({schedule for key in table.keys for schedule in table.schedules(key)}, key=lambda name: (int(name), name))
    states: OrderedDict[str, dict[str, Any]] = OrderedDict()
    for schedule in schedules:
        results: dict[tuple[str, int], dict[str, Any]] = {}
        listed: dict[str, list[int]] = {}
        for key in sorted(table.keys, key=lambda key: (list(CLASSES).index(key) if key in CLASSES else len(CLASSES), key)):
            if schedule not in table.schedules(key):
                continue
            seeds = [seed for seed in table.seeds(key, schedule)[index].tolist() if seed >= 0]
            for column, seed in enumerate(seeds):
                results[key, seed] = _trial_state(table, index, text, key, schedule, column, seed)
            if seeds:
                listed[key] = seeds
        if results:
            states[schedule] = {
                "arch_index": index,
                "arch_str": text,
                "all_results": results,
                "dataset_seed": listed,
                "clear_net_done": True,
            }
    return states


def _trial_state(table: Table, index: int, text: str, key: str, schedule: str, column: int, seed: int) -> dict[str, Any]:
    """Return one trial as the state of a `ResultsCount`."""
    stem, length = f"{key}/{schedule}", int(schedule)
    measured: dict[str, tuple[dict[int, float], dict[int, float], dict[int, float]]] = {}  # accuracy, loss, seconds by epoch
    for split in table.splits(key, schedule):
        accuracy, loss = (table.tensor(f"{stem}/{split}/{name}")[index, column] for name in ("accuracy", "loss"))
        stored = np.flatnonzero(~np.isnan(accuracy))
        epochs = table.tensor(f"{stem}/{split}/epochs")[stored].tolist()
        seconds = table.seconds(key, schedule, split).item(index, column)
        if epochs:
            measured[split] = (
                dict(zip(epochs, accuracy[stored].tolist(), strict=True)),
                dict(zip(epochs, loss[stored].tolist(), strict=True)),
                dict.fromkeys(range(length), seconds) if seconds == seconds else {},
            )
    train_accuracies, train_losses, train_times = measured.pop("train", ({}, {}, {}))
    accuracies, losses, times = (
        {f"{split}@{epoch}": value for split, of_split in measured.items() for epoch, value in of_split[quantity].items()}
        for quantity in range(3)
    )
    latency = table.tensors[f"{stem}/latency"].item(index) if f"{stem}/latency" in table.tensors else float("nan")
    return {
        "name": key,
        "train_acc1es": train_accuracies,
        "train_acc5es": None,
        "train_losses": train_losses,
        "train_times": OrderedDict(train_times) if train_times else None,
        "arch_config": _architecture_config(table.space, text, key),
        "params": table.params(key, schedule).item(index),
        "flop": table.flops(key, schedule).item(index),
        "seed": f"{seed:04d}",
        "epochs": length,
        "latency": [latency] if latency == latency else None,
        "eval_names": list(measured),
        "eval_acc1es": accuracies,
        "eval_times": times,
        "eval_losses": losses,
        "net_state_dict": None,
    }


def _architecture_config(space: SearchSpace, text: str, key: str) -> dict[str, Any]:
    if isinstance(space, TopologySpace):
        return {"channel": 16, "num_cells": 5, "arch_str": text, "class_num": CLASSES.get(key)}
    return {
        "name": "infer.shape.tiny",
        "channels": text,
        "arch_str": text,
        "genotype": TopologySpace().to_string(SIZE_CELL),
        "class_num": CLASSES.get(key),
    }


def export_archive(table: Table, out: str | os.PathLike[str], *, jobs: int | None = None, progress: bool = True) -> Path:
    """Write a table as a folder in the official format, which the `nats_bench` package opens (`fast_mode=True`).

    The folder appears when all is done, and importing it gives the same tensors again. Architectures without any trial get no
    file. `jobs` processes write it; None for one per core.

    Raises:
        ValueError: the folder exists, or the table lacks what the format states of every trial.
        RuntimeError: a worker process died.
    """
    out = Path(out)
    if os.path.lexists(out):
        raise ValueError(f"{out} exists; expected the name of a new folder")
    _check_complete(table)
    groups = [(key, schedule) for key in table.keys for schedule in table.schedules(key)]
    indices = np.flatnonzero(np.any([(table.seeds(*group) >= 0).any(axis=1) for group in groups], axis=0)).tolist()
    with writing_in(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with writing_in(out.parent):
            part = stack.enter_context(scratch_folder(out.parent, out.name, ".part"))
        strings = [table.space.to_string(table.space.architecture(index)) for index in range(len(table))]
        meta = {"meta_archs": strings, "total_archs": len(strings), "arch2infos": None, "evaluated_indexes": set()}
        size = measurements.BLOCK
        blocks = [(table.path, part, indices[start : start + size]) for start in range(0, len(indices), size)]
        bar = tqdm(total=len(indices), desc="exporting", unit="record", disable=not progress)
        with writing_in(out.parent, *DISK_ERRORS), bar:
            _save(meta, part / META)
            for count in in_parallel(_export_records, blocks, jobs):
                bar.update(count)
        part.chmod(0o755)
        part.rename(out)
    return out


def _check_complete(table: Table) -> None:
    """Refuse a table without losses, seconds, params or FLOPs; a latency may be missing."""
    groups = [(f"{key}/{schedule}", table.splits(key, schedule)) for key in table.keys for schedule in table.schedules(key)]
    stated = [f"{stem}/{split}/{name}" for stem, splits in groups for split in splits for name in ("loss", "seconds")]
    stated += [f"{stem}/{name}" for stem, _ in groups for name in ("params", "flops")]
    missing = [name for name in stated if name not in table.tensors]
    if missing:
        named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise ValueError(f"{table.path.name} has no {named}; the official format states losses, seconds, params and FLOPs")


def _export_records(table_path: Path, folder: Path, indices: list[int]) -> int:
    table = Table(table_path)
    for index in indices:
        _save(record(table, index), record_path(folder, index))
    return len(indices)


def _save(content: object, path: Path) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))
