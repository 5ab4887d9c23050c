"""Small archives in the official NATS-Bench format, made up but true to form: what the tests import, export and query.

Every figure is a function of (space, index, dataset key, schedule, seed), so two calls agree and no two trials do. As in the
real files:

- seeds: topology "12" has 111 and 777 for cifar10-valid and 111 elsewhere, "200" has 777, 888, 999 with gaps (below);
  size has 777, and 777, 888, 999 for "12";
- topology "200" has some splits at the last epoch only, but their times at every epoch;
- times are constant over epochs, trials and schedules; params and latency are NumPy float64 scalars, pickled under the
  module name of NumPy 1; a trial's own seed is zero-padded text;
- gaps: every third architecture lacks seed 999 on ImageNet16-120, every fourth has one trial of "200" on cifar100;
- every fifth architecture has FLOPs and params that disagree between its "200" trials: seed 888 is right.
"""

from __future__ import annotations

import bz2
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_api.spaces import SearchSpace, TopologySpace

SPLITS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
SCHEDULES = {"topology": ("12", "200"), "size": ("01", "12", "90")}
SIZE_GENOTYPE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def archive_name(space: SearchSpace) -> str:
    """The name of the official archive of a space, without "-simple"."""
    return "NATS-tss-v1_0-3ffb9" if isinstance(space, TopologySpace) else "NATS-sss-v1_0-50262"


def seeds_of(space: SearchSpace, index: int, key: str, schedule: str) -> list[int]:
    """The seeds of an architecture's trials."""
    if not isinstance(space, TopologySpace):
        return [777, 888, 999] if schedule == "12" else [777]
    if schedule == "12":
        return [111, 777] if key == "cifar10-valid" else [111]
    if key == "ImageNet16-120" and index % 3 == 1:
        return [777, 888]
    if key == "cifar100" and index % 4 == 2:
        return [777]
    return [777, 888, 999]


def epochs_of(key: str, schedule: str, split: str) -> range:
    """The 0-based epochs at which a split was measured."""
    epochs = int(schedule)
    dense = "x-valid" if key == "cifar10-valid" else "ori-test"
    if schedule == "200" and split != dense:
        return range(epochs - 1, epochs)
    return range(epochs)


def trial(space: SearchSpace, index: int, key: str, schedule: str, seed: int) -> dict[str, Any]:
    """One training, as the state of a `ResultsCount`."""
    rng = _generator(space.name, index, key, schedule, seed)
    per_architecture = _generator(space.name, index, key)
    text, epochs, topology = space.to_string(space.architecture(index)), int(schedule), isinstance(space, TopologySpace)
    seconds, params, flops, latency = per_architecture.uniform([5.0, 0.07, 4.0, 0.01], [30.0, 1.5, 220.0, 0.03]).tolist()
    if schedule == "200" and index % 5 == 3 and seed != 888:
        params, flops = params * 1.25, flops * 0.75
    eval_seconds = {split: float(per_architecture.uniform(0.2, 2.0)) for split in SPLITS[key]}
    final = per_architecture.uniform(20.0, 90.0)

    def curve(scale: float) -> list[float]:
        rise = 1.0 - np.exp(-4.0 * np.arange(1, epochs + 1) / epochs)
        values: list[float] = np.clip(final * scale * rise + rng.normal(0.0, 0.8, epochs), 0.0, 100.0).tolist()
        return values

    train = curve(1.1)
    accuracies = {
        f"{split}@{epoch}": values[epoch]
        for split in SPLITS[key]
        for values in [curve(1.0)]
        for epoch in epochs_of(key, schedule, split)
    }
    config: dict[str, Any] = {"channel": 16, "num_cells": 5, "arch_str": text, "class_num": CLASSES[key]}
    if not topology:
        config = {
            "name": "infer.shape.tiny",
            "channels": text,
            "arch_str": text,
            "genotype": SIZE_GENOTYPE,
            "class_num": CLASSES[key],
        }
    return {
        "name": key,
        "train_acc1es": dict(enumerate(train)),
        "train_acc5es": None if topology and schedule == "200" else {e: min(100.0, a + 5.0) for e, a in enumerate(train)},
        "train_losses": {e: 4.0 - a / 30.0 for e, a in enumerate(train)},
        "train_times": OrderedDict((e, seconds) for e in range(epochs)),
        "arch_config": config,
        "params": np.float64(params),
        "flop": flops,
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [np.float64(latency)],
        "eval_names": list(SPLITS[key]),
        "eval_acc1es": accuracies,
        "eval_times": {f"{split}@{e}": s for split, s in eval_seconds.items() for e in range(epochs)},
        "eval_losses": {where: 4.0 - a / 40.0 for where, a in accuracies.items()},
        "net_state_dict": None,
    }


def record(space: SearchSpace, index: int, schedules: Iterable[str] | None = None) -> OrderedDict[str, dict[str, Any]]:
    """Everything about one architecture: {schedule: state of an `ArchResults`}, of the space's own schedules by default."""
    return OrderedDict(
        (
            schedule,
            {
                "arch_index": index,
                "arch_str": space.to_string(space.architecture(index)),
                "all_results": {
                    (key, seed): trial(space, index, key, schedule, seed)
                    for key in SPLITS
                    for seed in seeds_of(space, index, key, schedule)
                },
                "dataset_seed": {key: seeds_of(space, index, key, schedule) for key in SPLITS},
                "clear_net_done": True,
            },
        )
        for schedule in schedules or SCHEDULES[space.name]
    )


def meta(space: SearchSpace) -> dict[str, Any]:
    """The content of `meta.pickle.pbz2`."""
    return {
        "meta_archs": [space.to_string(space.architecture(index)) for index in range(len(space))],
        "total_archs": len(space),
        "arch2infos": None,
        "evaluated_indexes": set(),
    }


def dumps(content: object) -> bytes:
    """A pickle of protocol 4 that looks as if NumPy 1 had written it, as the official files do."""
    data = pickle.dumps(content, protocol=4)
    new, old = b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray"
    out, position = data[:2], 2
    while data[position : position + 1] == pickle.FRAME:  # the shorter name shortens the frame that holds it
        end = position + 9 + int.from_bytes(data[position + 1 : position + 9], "little")
        body = data[position + 9 : end].replace(new, old)
        out += pickle.FRAME + len(body).to_bytes(8, "little") + body
        position = end
    return out + data[position:]


def write(path: Path, content: object) -> Path:
    """Pickle and compress into a file."""
    path.write_bytes(bz2.compress(dumps(content), compresslevel=1))
    return path


def write_archive(folder: Path, space: SearchSpace, indices: Iterable[int], schedules: Iterable[str] | None = None) -> Path:
    """A folder with `meta.pickle.pbz2` and the records of some architectures."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "meta.pickle.pbz2", meta(space))
    for index in indices:
        write(folder / f"{index:06d}.pickle.pbz2", record(space, index, schedules))
    return folder


def write_single_file(path: Path, space: SearchSpace, indices: Iterable[int], schedules: Iterable[str] | None = None) -> Path:
    """A single file with everything of some architectures."""
    records = {index: record(space, index, schedules) for index in indices}
    return write(path, {**meta(space), "arch2infos": records, "evaluated_indexes": set(records)})


def _generator(*parts: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(parts).encode()))
