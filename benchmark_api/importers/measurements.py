"""Measurements on their way from an importer to a table: trials, blocks of them on disk, and the table's layout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.writer import TableWriter
from benchmark_api.types import AnyArray, FloatArray

BLOCK = 125
"""Architectures converted at a time, by one process: the work that is lost when an import is interrupted."""

BLOCK_NUMBERS = 4_000_000
"""Numbers of curves after which a block ends early; 125 architectures of official archives have fewer."""

DENSE_NUMBERS = 64_000_000
"""Largest number of numbers in the tensors of a block, which take 512 MB."""

TABLE_BYTES = 64 << 30
"""Largest size of an imported table; NATS-Bench with all curves has 4 GB."""

TensorLayout = dict[str, tuple[str, tuple[int, ...]]]
"""Tensor name -> dtype and shape."""

OPTIONAL = ("loss", "seconds", "params", "flops", "latency")
"""Last parts of the names of tensors that a table need not have."""


@dataclass
class Trial:
    """One training of an architecture.

    Attributes:
        seed: 0 or greater.
        params: millions; NaN if unknown.
        flops: multiply-accumulates of one image, millions; NaN if unknown.
        latency: seconds, one batch of 256 images; NaN if unknown.
        curves: split -> [accuracy (percent), loss (nats); epoch of the schedule], NaN where not measured.
        seconds: split -> seconds of one training epoch or one evaluation pass; NaN if unknown. A split may have seconds only.
    """

    seed: int
    params: float
    flops: float
    latency: float
    curves: dict[str, FloatArray]
    seconds: dict[str, float]


Trials = dict[tuple[str, str], list[Trial]]
"""All trials of an architecture by dataset key and schedule, with ascending seeds."""


def constant(values: FloatArray) -> float:
    """Return the value that all have, or their mean; NaN if there is none."""
    if np.isnan(values).any():
        values = values[~np.isnan(values)]
    if not values.size:
        return float("nan")
    return float(values[0] if (values == values[0]).all() else values.mean())


def _agreed(trials: list[Trial], values: list[float]) -> float:
    """Return one number for all trials.

    In some official records the trials disagree; the one with seed 888 is right (a fix in version 1.6 of the package). Without
    such a trial, where the package fails, it is the mean.
    """
    if len({f"{value:.5f}" for value in values}) > 1:
        for trial, value in zip(trials, values, strict=True):
            if trial.seed == 888:
                return value
    return constant(np.array(values))


def _tensors(trials_of_row: Mapping[int, list[Trial]], rows: int, epochs: int, curves: bool) -> dict[str, AnyArray]:
    """Return the tensors [row, ...] of one dataset key and schedule, and the stored epochs of every split."""
    width = max(map(len, trials_of_row.values()))
    splits = dict.fromkeys(name for trials in trials_of_row.values() for trial in trials for name in trial.curves)
    timed = dict.fromkeys(name for trials in trials_of_row.values() for trial in trials for name in trial.seconds)
    tensors: dict[str, AnyArray] = {"seeds": np.full((rows, width), -1, dtype=np.int32)}
    tensors |= {name: np.full(rows, np.nan) for name in ("params", "flops", "latency")}
    measured = {name: np.full((2, rows, width, epochs), np.nan) for name in splits}  # [quantity, row, trial, epoch]
    seconds = {name: np.full((rows, width), np.nan) for name in timed}
    for row, trials in trials_of_row.items():
        tensors["params"][row] = _agreed(trials, [trial.params for trial in trials])
        tensors["flops"][row] = _agreed(trials, [trial.flops for trial in trials])
        tensors["latency"][row] = constant(np.array([t.latency if t.latency > 0 else np.nan for t in trials]))
        for column, trial in enumerate(trials):
            tensors["seeds"][row, column] = trial.seed
            for name in trial.curves:
                measured[name][:, row, column] = trial.curves[name]
            for name in trial.seconds:
                seconds[name][row, column] = trial.seconds[name]
    for name, (accuracy, loss) in measured.items():
        stored = np.flatnonzero(~np.isnan(accuracy).all(axis=(0, 1))) if curves else np.array([epochs - 1])
        tensors[f"{name}/epochs"] = stored.astype(np.int32)
        tensors[f"{name}/accuracy"] = accuracy[:, :, stored]
        tensors[f"{name}/loss"] = loss[:, :, stored]
    return tensors | {f"{name}/seconds": of_split for name, of_split in seconds.items()}


def _dense(trials_of_row: Mapping[int, list[Trial]], rows: int, epochs: int) -> int:
    """Return the number of numbers in the tensors that `_tensors` makes."""
    splits = {name for trials in trials_of_row.values() for trial in trials for name in trial.curves}
    return 2 * len(splits) * rows * max(map(len, trials_of_row.values())) * epochs


def tensors_of(block: Mapping[int, Trials], curves: bool, only_measured: bool = False) -> dict[str, AnyArray]:
    """Return the tensors of some architectures, [row, ...], by their names in a table, and the stored epochs of every split.

    With `only_measured`, optional tensors without any value are left out.
    """
    groups: dict[tuple[str, str], dict[int, list[Trial]]] = {}
    for row, trials in enumerate(block.values()):
        for group, of_group in trials.items():
            groups.setdefault(group, {})[row] = of_group
    if (dense := sum(_dense(of_row, len(block), int(schedule)) for (_, schedule), of_row in groups.items())) > DENSE_NUMBERS:
        raise ValueError(f"the trainings of {len(block)} architectures differ so much that their tensors have {dense:,} numbers")
    return {
        f"{key}/{schedule}/{name}": tensor
        for (key, schedule), trials_of_row in groups.items()
        for name, tensor in _tensors(trials_of_row, len(block), int(schedule), curves).items()
        if not (only_measured and name.rpartition("/")[2] in OPTIONAL and np.isnan(tensor).all())
    }


class Part(NamedTuple):
    """A converted block on disk, until the shape of the whole table is known."""

    path: Path  # an .npz file of `tensors_of`
    indices: list[int]  # the architectures, one per row
    shapes: dict[str, tuple[int, ...]]  # of all tensors
    epochs: dict[str, list[int]]  # of all splits, by the name of their tensor


class Spool:
    """Measurements on disk, in blocks, until the shape of the whole table is known.

    Args:
        folder: an empty folder.
        curves: keep every epoch; False: the last one of each training.
        prefix: first part of the names of files: processes that share a folder use different ones.
        only_measured: leave out optional tensors without any value.
        partial: whether a source may lack architectures of its space.

    Attributes:
        parts: what is on disk.
    """

    def __init__(
        self, folder: Path, curves: bool, prefix: str = "", *, partial: bool = False, only_measured: bool = False
    ) -> None:
        self.folder = folder
        self.curves = curves
        self.only_measured = only_measured
        self.partial = partial
        self.parts: list[Part] = []
        self._prefix = prefix
        self._block: dict[int, Trials] = {}
        self._numbers = 0  # in the block

    def check_complete(self, source: Path, measured: int, space: SearchSpace) -> None:
        """Refuse a source with some architectures of its space only, unless those are wanted.

        The import calls it after reading; an importer that knows the number before spares its user the reading.

        Raises:
            ValueError: architectures are missing; the message says how many.
        """
        missing = len(space) - measured
        if missing and not self.partial:
            raise ValueError(
                f"{source} is incomplete: {missing:,} of the {len(space):,} architectures of the {space.name} space are missing; "
                "to import those that are there: --partial, or partial=True"
            )

    def add(self, index: int, trials: Trials) -> None:
        """Add an architecture."""
        self._block[index] = trials
        self._numbers += sum(curve.size for of_group in trials.values() for trial in of_group for curve in trial.curves.values())
        if len(self._block) == BLOCK or self._numbers > BLOCK_NUMBERS:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last block."""
        if not self._block:
            return
        tensors = tensors_of(self._block, self.curves, self.only_measured)
        path = self.folder / f"{self._prefix}{len(self.parts):08d}.npz"
        np.savez(path, allow_pickle=False, **tensors)
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        epochs = {name: tensor.tolist() for name, tensor in tensors.items() if name.endswith("/epochs")}
        self.parts.append(Part(path, list(self._block), shapes, epochs))
        self._block, self._numbers = {}, 0


def layout_of(
    parts: Iterable[Part], architectures: int, number: str = "<f8", seed: str = "<i4"
) -> tuple[TensorLayout, dict[str, list[int]]]:
    """Return dtype and shape of every tensor of the table, and the epochs of every split, so that every part fits in.

    `number` and `seed` are the dtypes of measurements and of the trials' seeds.
    """
    trials: dict[str, int] = {}
    epochs: dict[str, list[int]] = {}
    measured: set[str] = set()
    for part in parts:
        measured |= part.shapes.keys()
        for name, shape in part.shapes.items():
            if name.endswith("/seeds"):
                stem = name.removesuffix("/seeds")
                trials[stem] = max(trials.get(stem, 0), shape[1])
        for name, stored in part.epochs.items():
            epochs[name] = sorted({*epochs.get(name, ()), *stored})
    layout: TensorLayout = {}
    for stem, width in trials.items():
        layout[f"{stem}/seeds"] = (seed, (architectures, width))
        layout |= {f"{stem}/{name}": (number, (architectures,)) for name in ("params", "flops", "latency")}
    for name, stored in epochs.items():
        split = name.removesuffix("/epochs")
        width = trials[split.rpartition("/")[0]]
        layout[name] = ("<i4", (len(stored),))
        layout |= {f"{split}/{quantity}": (number, (architectures, width, len(stored))) for quantity in ("accuracy", "loss")}
    for name in measured:
        if name.endswith("/seconds"):
            layout[name] = (number, (architectures, trials[name.rsplit("/", 2)[0]]))
    layout = {name: place for name, place in layout.items() if name in measured}
    if (size := sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in layout.values())) > TABLE_BYTES:
        raise ValueError(f"the table would have {size >> 30:,} GiB, expected at most {TABLE_BYTES >> 30}")
    return layout, epochs


def write_part(writer: TableWriter, part: Part, layout: TensorLayout, epochs: Mapping[str, list[int]]) -> None:
    """Write the rows of a part into the table."""
    order = np.argsort(part.indices)
    indices = np.array(part.indices)[order]
    bounds = [0, *(np.flatnonzero(np.diff(indices) != 1) + 1).tolist(), len(indices)]
    with np.load(part.path) as tensors:
        for name, tensor in tensors.items():
            if name not in epochs:
                fitted = _fitted(name, tensor, layout[name][1], part, epochs)
                for start, stop in pairwise(bounds):
                    writer.write(name, fitted[order[start:stop]], int(indices[start]))


def _fitted(name: str, tensor: AnyArray, shape: tuple[int, ...], part: Part, epochs: Mapping[str, list[int]]) -> AnyArray:
    """Return a part's tensor with the trials and epochs of the whole table; blank where the part has none."""
    wanted = (len(part.indices), *shape[1:])
    if tensor.shape == wanted:
        return tensor
    fitted = np.full(wanted, -1 if tensor.dtype.kind == "i" else np.nan, dtype=tensor.dtype)
    if tensor.ndim == 3:  # [row, trial, epoch]
        split = name.rpartition("/")[0] + "/epochs"
        fitted[:, : tensor.shape[1], np.searchsorted(epochs[split], part.epochs[split])] = tensor
    else:  # [row, trial]
        fitted[:, : tensor.shape[1]] = tensor
    return fitted
