"""Official NATS-Bench archives in and out: `import_archive` makes a `Table` of one, `export_archive` makes one of a `Table`.

An archive is a folder with `meta.pickle.pbz2` and one `NNNNNN.pickle.pbz2` per architecture, or a single file with all of it.
Both are read by `benchmark_api.pickles`, which runs nothing of them. Everything a table holds is checked on the way in.

A trial's times are the same at every epoch in official archives, so a table has one number per trial and split. Where a file's
times differ between epochs, that number is their mean: the total over the whole training stays right.
"""

from __future__ import annotations

import bz2
import gc
import hashlib
import os
import pickle
import re
import shutil
import signal
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmark_api import pickles
from benchmark_api.spaces import SearchSpace, SizeSpace, TopologySpace
from benchmark_api.table import Table, TableWriter

FloatArray = npt.NDArray[np.float64]
_T = TypeVar("_T")

EXTENSION = ".pickle.pbz2"
META = f"meta{EXTENSION}"
EVALUATION_SPLITS = ("x-valid", "x-test", "ori-test")
SIZE_CELL = 9930
"""The topology index of the cell that all architectures of the size space share."""

CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120, "digits": 10}

_BLOCK = 125  # records converted at a time, by one process: what is under way when an import is interrupted
# What a record may hold, so that a made-up one cannot ask for a table of terabytes. Official: 8 groups, 3 trials, 200 epochs.
_MAX_GROUPS = 32
_MAX_TRIALS = 16
_MAX_EPOCHS = 1000
_MAX_FORMS = 8  # pickles of one size that are remembered
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCHEDULE = re.compile(r"[0-9]{1,4}")


@contextmanager
def _named(where: object) -> Iterator[None]:
    """Errors about what was read say where it was."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


# -- reading files -----------------------------------------------------------------------------------------------------


def record_path(folder: str | os.PathLike[str], index: int) -> Path:
    """Where a folder has the record of an architecture: `NNNNNN.pickle.pbz2`, or without the zeros if only that is there."""
    padded = Path(folder) / f"{index:06d}{EXTENSION}"
    plain = Path(folder) / f"{index}{EXTENSION}"
    return plain if plain.exists() and not padded.exists() else padded


def read_record(folder: str | os.PathLike[str], index: int) -> OrderedDict[str, dict[str, Any]]:
    """The record of one architecture, {schedule: state}, as plain Python objects.

    Raises:
        FileNotFoundError: the folder has no record of it.
        ValueError: the file is not a record of this architecture, or `pickles.load` refuses it.
    """
    path = record_path(folder, index)
    content = pickles.load(path)
    with _named(path):
        _check_identity(content, index, None)
    record: OrderedDict[str, dict[str, Any]] = content
    return record


def read_meta(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of an archive folder's `meta.pickle.pbz2`: "meta_archs", the strings of all architectures, and more.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is something else, or `pickles.load` refuses it.
    """
    meta = pickles.load(path)
    _strings_of(meta, str(path))
    content: dict[str, Any] = meta
    return content


def _strings_of(meta: Any, name: str) -> list[str]:
    strings = meta.get("meta_archs") if isinstance(meta, dict) else None
    if not isinstance(strings, list) or not all(type(text) is str for text in strings):
        raise ValueError(f"{name}: not the meta data of an archive: no list 'meta_archs' of architecture strings")
    return strings


def recognise_space(strings: Sequence[str]) -> SearchSpace:
    """The search space whose architectures, in official index order, are written like this.

    Raises:
        ValueError: none is.
    """
    space: SearchSpace | None = None
    if strings and re.fullmatch(r"[0-9]{1,4}(:[0-9]{1,4}){0,15}", strings[0]):
        rows = [text.split(":") for text in strings]
        widths = sorted({int(width) for row in rows for width in row if width.isascii() and width.isdecimal() and len(width) < 5})
        layers = len(rows[0])
        if widths and widths[0] > 0 and len(widths) ** layers == len(strings):
            space = SizeSpace(widths, layers)
    else:
        space = TopologySpace()
    if space is None or len(strings) != len(space):
        raise ValueError(
            f"{len(strings)} architectures are neither the {len(TopologySpace()):,} of the topology space nor all of a size space"
        )
    for index, text in enumerate(strings):
        expected = space.to_string(space.architecture(index))
        if text != expected:
            raise ValueError(
                f"architecture {index} is {text[:120]!r}; in the official order of the {space.name} space it is {expected!r}"
            )
    return space


# -- what is in a record -------------------------------------------------------------------------------------------------


@dataclass
class _Trial:
    """What a table keeps of one training."""

    seed: int
    params: float  # millions
    flops: float  # millions
    latency: float  # seconds, NaN if there is none
    figures: dict[str, FloatArray]  # split -> [accuracy (percent), loss (nats); epoch of the schedule], NaN where not measured
    seconds: dict[str, float]  # split -> per epoch or pass


_Trials = dict[tuple[str, str], list[_Trial]]  # by dataset key and schedule, with ascending seeds


class _Numbers:
    """The numbers of a record, one after another."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.only_floats = True

    def add(self, values: Iterable[Any], what: str) -> slice:
        """Where the values are now, which must be numbers."""
        added = list(values)
        kinds = set(map(type, added))
        if not kinds <= {float, int}:
            raise ValueError(f"{what} are not all numbers")
        if int in kinds:
            self.only_floats = False
            if not all(-(1 << 62) < value < 1 << 62 for value in added if type(value) is int):
                raise ValueError(f"{what} are too large")
        self.values += added
        return slice(len(self.values) - len(added), len(self.values))


@dataclass(frozen=True)
class _TrialForm:
    """A trial without its numbers: where in the numbers of the record they are, and what they are."""

    seed: int
    epochs: int
    splits: tuple[str, ...]
    numbers: tuple[slice, slice, slice]  # accuracies, losses, times,
    places: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]  # and where they go in [split, epoch]
    costs: slice  # params and FLOPs
    latencies: slice

    def fill(self, numbers: FloatArray) -> _Trial:
        """The trial with the numbers of a record.

        Raises:
            ValueError: a number is out of its range.
        """
        array = np.full((3, len(self.splits) * self.epochs), np.nan)
        for row, (what, high, nan) in enumerate((("accuracies", 100.0, False), ("losses", np.inf, True), ("times", 1e12, False))):
            array[row, self.places[row]] = _checked(numbers[self.numbers[row]], what, 0.0, high, nan)
        figures = array.reshape(3, len(self.splits), self.epochs)
        params, flops = _checked(numbers[self.costs], "params or FLOPs").tolist()
        latencies = _checked(numbers[self.latencies], "latencies", low=-1.0)
        return _Trial(
            self.seed,
            params,
            flops,
            float(latencies.mean()) if latencies.size else float("nan"),
            {split: figures[:2, row] for row, split in enumerate(self.splits)},
            {split: _constant(figures[2, row]) for row, split in enumerate(self.splits)},
        )


def _expect(content: Any, name: str, kind: type[_T] | tuple[type[_T], ...]) -> _T:
    """An item of a dict that must have it, of the right type."""
    if not isinstance(content, dict) or name not in content:
        raise ValueError(f"no {name!r}")
    value = content[name]
    if not isinstance(value, kind):
        raise ValueError(f"{name!r} is a {type(value).__name__}")
    return value


def _check_identity(record: Any, index: int, text: str | None) -> None:
    """Check that a record is one of an architecture, and all of the same.

    Args:
        record: what was read.
        index: the index it must have.
        text: the string it must have; None for any.
    """
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__} instead of the record of architecture {index}")
    for schedule, state in record.items():
        if not (isinstance(schedule, str) and _SCHEDULE.fullmatch(schedule) and 1 <= int(schedule) <= _MAX_EPOCHS):
            raise ValueError(f"{_show(schedule)} is not a schedule: expected a number of epochs up to {_MAX_EPOCHS}, as text")
        found_index, found_text = _expect(state, "arch_index", int), _expect(state, "arch_str", str)
        if found_index != index:
            raise ValueError(f"the record of architecture {found_index}, expected that of {index}")
        if text is not None and found_text != text:
            raise ValueError(f"architecture {index} is {found_text[:120]!r}, expected {text!r}")


def _show(value: object) -> str:
    """A short text for a value that anybody may have made."""
    return repr(value)[:80] if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"


def _checked(values: FloatArray, what: str, low: float = 0.0, high: float = 1e12, nan: bool = False) -> FloatArray:
    """The values, which must be within limits."""
    if values.size and not (values.min() >= low and values.max() <= high):  # also where there is a NaN
        bad = values[~((values >= low) & (values <= high) | (nan & np.isnan(values)))]
        if bad.size:
            raise ValueError(f"{what} of {bad[0]:g}, expected {low:g} to {high:g}")
    return values


@lru_cache(maxsize=256)
def _epochs(keys: tuple[Any, ...], epochs: int) -> npt.NDArray[np.intp]:
    """Positions of epochs, which must be 0-based and within the schedule."""
    if not all(type(key) is int and 0 <= key < epochs for key in keys):
        raise ValueError(f"epochs other than 0 to {epochs - 1}")
    return np.array(keys, dtype=np.intp)


@lru_cache(maxsize=256)
def _places(keys: tuple[Any, ...], splits: tuple[str, ...], epochs: int) -> npt.NDArray[np.intp]:
    """Positions of "split@epoch" keys in an array [split, epoch]."""
    position = {f"{split}@{epoch}": row * epochs + epoch for row, split in enumerate(splits) for epoch in range(epochs)}
    for key in keys:
        if key not in position:
            raise ValueError(f"figures for {_show(key)}, expected {', '.join(splits)} at epochs 0 to {epochs - 1}")
    return np.array([position[key] for key in keys], dtype=np.intp)


def _constant(values: FloatArray) -> float:
    """The value that all have, or their mean; NaN if there is none."""
    if np.isnan(values).any():
        values = values[~np.isnan(values)]
    if not values.size:
        return float("nan")
    return float(values[0] if (values == values[0]).all() else values.mean())


def _trial_form(state: Any, key: str, seed: int, epochs: int, numbers: _Numbers) -> _TrialForm:
    """The form of a trial, whose numbers are added to those of the record."""
    if _expect(state, "name", str) != key or _expect(state, "seed", str) not in (str(seed), f"{seed:04d}"):
        raise ValueError(f"holds the trial {_show(state['name'])} with seed {_show(state['seed'])}")
    if _expect(state, "epochs", int) != epochs:
        raise ValueError(f"trained for {_show(state['epochs'])} epochs")
    names = tuple(_expect(state, "eval_names", list))
    if not set(map(type, names)) <= {str} or len(set(names)) != len(names) or not set(names) <= set(EVALUATION_SPLITS):
        raise ValueError(
            f"evaluation splits are {', '.join(map(_show, names[:5]))}; expected some of {', '.join(EVALUATION_SPLITS)}"
        )
    slices, places = [], []
    for quantity, stored_as in (("accuracies", "acc1es"), ("losses", "losses"), ("times", "times")):
        untimed = quantity == "times" and state.get("train_times") is None
        trained = {} if untimed else _expect(state, f"train_{stored_as}", dict)
        evaluated = _expect(state, f"eval_{stored_as}", dict)
        slices.append(numbers.add((*trained.values(), *evaluated.values()), quantity))
        places.append(np.concatenate((_epochs(tuple(trained), epochs), _places(tuple(evaluated), names, epochs) + epochs)))
    if set(places[0].tolist()) != set(places[1].tolist()):
        raise ValueError("accuracies and losses are of different epochs")
    for row, split in enumerate(("train", *names)):
        if (row + 1) * epochs - 1 not in places[0]:
            raise ValueError(f"no accuracy of {split} at the last epoch, {epochs - 1}")
    costs = numbers.add((_expect(state, "params", (int, float)), _expect(state, "flop", (int, float))), "params and FLOPs")
    latencies = () if state.get("latency") is None else _expect(state, "latency", list)
    return _TrialForm(
        seed,
        epochs,
        ("train", *names),
        (slices[0], slices[1], slices[2]),
        (places[0], places[1], places[2]),
        costs,
        numbers.add(latencies, "latencies"),
    )


def _trial_forms(record: Mapping[str, Any], numbers: _Numbers) -> dict[tuple[str, str], list[_TrialForm]]:
    """(dataset key, schedule) -> the forms of its trials by ascending seed."""
    forms: dict[tuple[str, str], list[_TrialForm]] = {}
    for schedule, state in record.items():
        with _named(f"schedule {schedule}"):
            results, seeds = _expect(state, "all_results", dict), _expect(state, "dataset_seed", dict)
            listed: dict[tuple[str, int], None] = {}
            for key, of_key in seeds.items():
                if not (isinstance(key, str) and _KEY.fullmatch(key)):
                    raise ValueError(f"{_show(key)} is not a dataset key")
                if not isinstance(of_key, list) or len(of_key) > _MAX_TRIALS or not set(map(type, of_key)) <= {int}:
                    raise ValueError(f"seeds of {key} are not a list of at most {_MAX_TRIALS} integers")
                if len(set(of_key)) != len(of_key) or not all(0 <= seed < 1 << 31 for seed in of_key):
                    raise ValueError(f"seeds of {key} are {of_key}, expected different ones from 0 on")
                listed.update(((key, seed), None) for seed in sorted(of_key))
            if results.keys() != listed.keys():
                raise ValueError(f"results of {len(results)} trials do not match the {len(listed)} listed seeds")
            for key, seed in listed:
                with _named(f"{key}, seed {seed}"):
                    form = _trial_form(results[key, seed], key, seed, int(schedule), numbers)
                forms.setdefault((key, schedule), []).append(form)
    if len(forms) > _MAX_GROUPS:
        raise ValueError(f"more than {_MAX_GROUPS} dataset keys and schedules")
    return forms


def _fill(forms: Mapping[tuple[str, str], list[_TrialForm]], numbers: FloatArray) -> _Trials:
    trials: _Trials = {}
    for (key, schedule), of_group in forms.items():
        for form in of_group:
            with _named(f"schedule {schedule}: {key}, seed {form.seed}"):
                trials.setdefault((key, schedule), []).append(form.fill(numbers))
    return trials


def _read(content: Any, index: int, text: str | None) -> _Trials:
    """The trials of a record, checked.

    Raises:
        ValueError: the record is inconsistent, or of another architecture; the message says where.
    """
    _check_identity(content, index, text)
    numbers = _Numbers()
    forms = _trial_forms(content, numbers)
    return _fill(forms, np.array(numbers.values, dtype=np.float64))


class _RecordReader:
    """Reads the records of an archive, which are few pickles with many numbers.

    The pickles of most records are equal byte for byte, except for their floats and for the architecture's index and string.
    Of such a record only the floats need be fetched: what they mean is what they mean in the first record of that form, which
    was decoded in full.
    """

    def __init__(self) -> None:
        self._forms: dict[int, list[_RecordForm]] = {}  # by the size of the pickle

    def read(self, data: bytes, index: int, text: str, name: str) -> _Trials:
        """The trials of the record of an architecture. Raises ValueError as `pickles.loads` and `_read` do."""
        known = self._forms.setdefault(len(data), [])
        for form in known:
            numbers = form.numbers(data, index, text)
            if numbers is not None:
                with _named(name):
                    return _fill(form.trials, numbers)
        content = pickles.loads(data, name)
        with _named(name):
            trials = _read(content, index, text)
        if len(known) < _MAX_FORMS:
            known += _record_forms(data, index, text)
        return trials


@dataclass(frozen=True)
class _RecordForm:
    """A record's pickle without its numbers.

    Attributes:
        mask: [byte], 255 where all records of the form have the same byte, 0 elsewhere.
        masked: [byte], the bytes that all have.
        text_size: bytes of the architecture's string,
        text_places: and where it stands.
        index_places: position and size of the architecture's index.
        float_bytes: [number, 8], where the bytes of the numbers stand, most significant first.
        trials: what the numbers mean.
    """

    mask: npt.NDArray[np.uint8]
    masked: npt.NDArray[np.uint8]
    text_size: int
    text_places: list[int]
    index_places: list[tuple[int, int]]
    float_bytes: npt.NDArray[np.intp]
    trials: dict[tuple[str, str], list[_TrialForm]]

    def numbers(self, data: bytes, index: int, text: str) -> FloatArray | None:
        """The numbers of a record of this architecture in this form; None if it is not in this form."""
        array = np.frombuffer(data, dtype=np.uint8)
        encoded = text.encode()
        if (
            len(encoded) != self.text_size
            or ((array & self.mask) != self.masked).any()
            or not all(data.startswith(encoded, at) for at in self.text_places)
            or not all(int.from_bytes(data[at : at + size], "little") == index for at, size in self.index_places)
        ):
            return None
        return array[self.float_bytes].view(">f8").ravel().astype(np.float64)


def _record_forms(data: bytes, index: int, text: str) -> list[_RecordForm]:
    """The form of a record that is known to be good; none if its numbers cannot be told from the rest."""
    trace = pickles.trace(data)
    index_places = [(at, size) for value, at, size in trace.ints if value == index]
    numbers = _Numbers()
    forms = _trial_forms(trace.content, numbers)
    if len(index_places) != len(trace.content) or not numbers.only_floats:
        return []  # the index is also a seed, a number of epochs, ...; or a figure is an integer
    size = len(text.encode())
    text_places = [at for found, at in trace.texts if found == text]
    mask = np.full(len(data), 255, dtype=np.uint8)
    mask[trace.float_bytes.ravel()] = 0
    for at, length in (*index_places, *((at, size) for at in text_places)):
        mask[at : at + length] = 0
    masked = np.frombuffer(data, dtype=np.uint8) & mask
    float_bytes = trace.float_bytes[np.array(numbers.values, dtype=np.intp)]
    return [_RecordForm(mask, masked, size, text_places, index_places, float_bytes, forms)]


def _agreed(trials: list[_Trial], values: list[float]) -> float:
    """One number for all trials.

    [Q] In some official records the trials disagree; that with seed 888 is right (the package's fix in v1.6). Without such a
    trial, where the package fails, it is the mean.
    """
    if len({f"{value:.5f}" for value in values}) > 1:
        for trial, value in zip(trials, values, strict=True):
            if trial.seed == 888:
                return value
    return _constant(np.array(values))


# -- from records to arrays -----------------------------------------------------------------------------------------------


@dataclass
class _Block:
    """Some architectures' records, converted.

    Attributes:
        indices: the architectures.
        groups: (dataset key, schedule) -> row of the architecture -> trials.
    """

    indices: list[int] = field(default_factory=list)
    groups: dict[tuple[str, str], dict[int, list[_Trial]]] = field(default_factory=dict)

    def add(self, index: int, trials: _Trials) -> None:
        """Add an architecture."""
        row = len(self.indices)
        self.indices.append(index)
        for group, of_group in trials.items():
            self.groups.setdefault(group, {})[row] = of_group

    def tensors(self, curves: bool) -> dict[str, npt.NDArray[Any]]:
        """The block of every tensor of a table, [row, ...], and the epochs of every split."""
        tensors: dict[str, npt.NDArray[Any]] = {}
        rows = len(self.indices)
        for (key, schedule), trials_of_row in self.groups.items():
            stem, epochs = f"{key}/{schedule}", int(schedule)
            width = max(map(len, trials_of_row.values()))
            tensors[f"{stem}/seeds"] = seeds = np.full((rows, width), -1, dtype=np.int32)
            for name in ("params", "flops", "latency"):
                tensors[f"{stem}/{name}"] = np.full(rows, np.nan)
            splits = dict.fromkeys(name for trials in trials_of_row.values() for trial in trials for name in trial.figures)
            figures = {name: np.full((2, rows, width, epochs), np.nan) for name in splits}
            seconds = {name: np.full((rows, width), np.nan) for name in splits}
            for row, trials in trials_of_row.items():
                tensors[f"{stem}/params"][row] = _agreed(trials, [trial.params for trial in trials])
                tensors[f"{stem}/flops"][row] = _agreed(trials, [trial.flops for trial in trials])
                tensors[f"{stem}/latency"][row] = _constant(np.array([t.latency if t.latency > 0 else np.nan for t in trials]))
                for column, trial in enumerate(trials):
                    seeds[row, column] = trial.seed
                    for name in trial.figures:
                        figures[name][:, row, column] = trial.figures[name]
                        seconds[name][row, column] = trial.seconds[name]
            for name, (accuracy, loss) in figures.items():
                stored = np.flatnonzero(~np.isnan(accuracy).all(axis=(0, 1))) if curves else np.array([epochs - 1])
                tensors[f"{stem}/{name}/epochs"] = stored.astype(np.int32)
                tensors[f"{stem}/{name}/accuracy"] = accuracy[:, :, stored]
                tensors[f"{stem}/{name}/loss"] = loss[:, :, stored]
                tensors[f"{stem}/{name}/seconds"] = seconds[name]
        return tensors


@dataclass(frozen=True)
class _Part:
    """A converted block on disk, until the shape of the whole table is known.

    Attributes:
        path: an .npz file of `_Block.tensors`.
        indices: the architectures, one per row.
        shapes: the shape of every tensor.
        epochs: the epochs of every split, by the name of their tensor.
    """

    path: Path
    indices: list[int]
    shapes: dict[str, tuple[int, ...]]
    epochs: dict[str, list[int]]


def _spool(block: _Block, path: Path, curves: bool) -> _Part:
    tensors = block.tensors(curves)
    np.savez(path, allow_pickle=False, **tensors)
    return _Part(
        path,
        block.indices,
        {name: tensor.shape for name, tensor in tensors.items()},
        {name: tensor.tolist() for name, tensor in tensors.items() if name.endswith("/epochs")},
    )


def _layout(parts: Iterable[_Part], architectures: int) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, list[int]]]:
    """Dtype and shape of every tensor of the table, and the epochs of every split, so that every part fits in."""
    trials: dict[str, int] = {}
    epochs: dict[str, list[int]] = {}
    for part in parts:
        for name, shape in part.shapes.items():
            if name.endswith("/seeds"):
                stem = name.removesuffix("/seeds")
                trials[stem] = max(trials.get(stem, 0), shape[1])
        for name, stored in part.epochs.items():
            epochs[name] = sorted({*epochs.get(name, ()), *stored})
    layout: dict[str, tuple[str, tuple[int, ...]]] = {}
    for stem, width in trials.items():
        layout[f"{stem}/seeds"] = ("<i4", (architectures, width))
        layout |= {f"{stem}/{name}": ("<f8", (architectures,)) for name in ("params", "flops", "latency")}
    for name, stored in epochs.items():
        split = name.removesuffix("/epochs")
        width = trials[split.rpartition("/")[0]]
        layout[name] = ("<i4", (len(stored),))
        layout |= {f"{split}/{quantity}": ("<f8", (architectures, width, len(stored))) for quantity in ("accuracy", "loss")}
        layout[f"{split}/seconds"] = ("<f8", (architectures, width))
    return layout, epochs


def _write_part(
    writer: TableWriter, part: _Part, layout: Mapping[str, tuple[str, tuple[int, ...]]], epochs: Mapping[str, list[int]]
) -> None:
    order = np.argsort(part.indices)
    indices = np.array(part.indices)[order]
    bounds = [0, *(np.flatnonzero(np.diff(indices) != 1) + 1).tolist(), len(indices)]
    with np.load(part.path) as tensors:
        for name, tensor in tensors.items():
            if name in epochs:
                continue
            wanted = (len(indices), *layout[name][1][1:])
            if tensor.shape != wanted:
                fitted = np.full(wanted, -1 if tensor.dtype.kind == "i" else np.nan, dtype=tensor.dtype)
                if tensor.ndim == 3:
                    split = name.rpartition("/")[0] + "/epochs"
                    fitted[:, : tensor.shape[1], np.searchsorted(epochs[split], part.epochs[split])] = tensor
                else:
                    fitted[:, : tensor.shape[1]] = tensor
                tensor = fitted
            for start, stop in pairwise(bounds):
                writer.write(name, tensor[order[start:stop]], int(indices[start]))


# -- import ---------------------------------------------------------------------------------------------------------------


def import_archive(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    space: SearchSpace | None = None,
    curves: bool = True,
    jobs: int | None = None,
    progress: bool = True,
) -> Table:
    """Make a table of an official archive.

    Architectures without a record, and trials that are not in it, stay empty (seed -1, NaN). Accuracies, losses and times are
    kept as float64, so that a table answers as the archive does. The table does not depend on `jobs`.

    Args:
        source: a folder such as `NATS-tss-v1_0-3ffb9-simple`, complete or with some records only, or a single file such as
            `NATS-tss-v1_0-3ffb9.pickle.pbz2`.
        out: the table to write; replaced when all is done, left alone if anything fails.
        space: the space that the archive must be of; None for whichever its meta data show.
        curves: keep every epoch; False: the last one of each training.
        jobs: processes; None for one per core. A single file is read by one process.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: no such archive.
        ValueError: a file is truncated, corrupt, inconsistent, of another architecture than its name says, or asks for more
            than data (`pickles.UnsafePickleError`); the message names the file. The records are of no known space.
        RuntimeError: a worker process died.
    """
    source, out = Path(source), Path(out)
    if not source.exists():
        raise FileNotFoundError(f"no archive at {source}")
    if out.is_dir():
        raise ValueError(f"{out} is a folder; expected the name of the table file to write")
    workers = _workers(jobs)
    spool_home = next(folder for folder in out.absolute().parents if folder.is_dir())
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".spool", dir=spool_home) as spool:
        if source.is_dir():
            found, parts, fingerprint = _import_folder(source, Path(spool), curves, workers, progress)
        else:
            found, parts, fingerprint = _import_single_file(source, Path(spool), curves, progress)
        if space is not None and found != space:
            raise ValueError(f"{source} is an archive of {found!r}, expected {space!r}")
        layout, epochs = _layout(parts, len(found))
        if not layout:
            raise ValueError(f"{source}: no record of any architecture")
        name = source.name.removesuffix(EXTENSION)
        schedules = sorted({stem.split("/")[1] for stem in layout}, key=int)
        metadata = {
            "space": found.spec(),
            "title": f"NATS-Bench {found.name} ({name})",
            "notice": "",
            "source": {
                "name": name,
                "records": sum(len(part.indices) for part in parts),
                "fingerprint": fingerprint,
                "curves": curves,
            },
            "search_schedule": "12" if "12" in schedules else schedules[0],
            "report_schedule": schedules[-1],
        }
        with TableWriter(out, layout, metadata) as writer:
            for tensor, stored in epochs.items():
                writer.write(tensor, stored)
            for part in tqdm(parts, desc="writing", unit="block", disable=not progress, leave=False):
                _write_part(writer, part, layout, epochs)
    return Table(out)


def _import_folder(source: Path, spool: Path, curves: bool, workers: int, progress: bool) -> tuple[SearchSpace, list[_Part], str]:
    """Convert the records of a folder. The fingerprint is SHA-256 over the SHA-256 of each record's file, in index order."""
    if not (source / META).is_file():
        raise FileNotFoundError(f"{source} is not an official archive: it has no {META}")
    strings = read_meta(source / META)["meta_archs"]
    with _named(source / META):
        space = recognise_space(strings)
    records = sorted((index, record_path(source, index)) for index in _indices_in(source))
    if records and records[-1][0] >= len(space):
        raise ValueError(f"{records[-1][1]}: {space!r} has no such index")
    named = [(index, path, strings[index]) for index, path in records]
    blocks = [(named[start : start + _BLOCK], curves, spool / f"{start:08d}.npz") for start in range(0, len(named), _BLOCK)]
    parts: list[_Part] = []
    digest = hashlib.sha256()
    with tqdm(total=len(named), desc="importing", unit="record", disable=not progress) as bar:
        for part, digests in _in_parallel(_convert_records, blocks, workers):
            parts.append(part)
            digest.update(digests)
            bar.update(len(part.indices))
    return space, parts, digest.hexdigest()


def _indices_in(folder: Path) -> set[int]:
    return {
        int(name.removesuffix(EXTENSION))
        for name in os.listdir(folder)
        if name.endswith(EXTENSION) and re.fullmatch("[0-9]{1,9}", name.removesuffix(EXTENSION))
    }


def _convert_records(records: list[tuple[int, Path, str]], curves: bool, part: Path) -> tuple[_Part, bytes]:
    """Convert records (index, file, architecture string) into a part; also the SHA-256 digests of the files, joined."""
    block, reader, digests = _Block(), _RecordReader(), b""
    for index, path, text in records:
        with open(path, "rb") as file:
            hashed = _Hashed(file)
            data = pickles.unpack_whole(hashed, str(path))
        block.add(index, reader.read(data, index, text, str(path)))
        digests += hashed.digest.digest()
    return _spool(block, part, curves), digests


def _import_single_file(source: Path, spool: Path, curves: bool, progress: bool) -> tuple[SearchSpace, list[_Part], str]:
    """Convert the records of a single file as they arrive. The fingerprint is the file's SHA-256."""
    parts: list[_Part] = []
    texts: dict[int, str] = {}
    block = _Block()

    def flush() -> None:
        nonlocal block
        if block.indices:
            parts.append(_spool(block, spool / f"{len(parts):08d}.npz", curves))
            block = _Block()

    def consume(index: int, record: Any) -> None:
        with _named(f"{source}: the record of architecture {index}"):
            if index in texts:
                raise ValueError("it is there twice")
            block.add(index, _read(record, index, None))
            texts[index] = next((state["arch_str"] for state in record.values()), "")
        if len(block.indices) == _BLOCK:
            flush()

    with (
        open(source, "rb") as file,
        tqdm(total=source.stat().st_size, desc="importing", unit="B", unit_scale=True, disable=not progress) as bar,
    ):
        hashed = _Hashed(file, bar)
        content = pickles.load_records_file(hashed, str(source), consume)
    flush()
    strings = _strings_of(content, str(source))
    with _named(source):
        space = recognise_space(strings)
        for index, text in texts.items():
            if not 0 <= index < len(space) or text not in ("", strings[index]):
                raise ValueError(f"the record of architecture {index} is of {text[:120]!r}")
    return space, parts, hashed.digest.hexdigest()


class _Hashed:
    """A file whose bytes are hashed, and counted by a progress bar, as they are read."""

    def __init__(self, file: BinaryIO, bar: tqdm[Any] | None = None) -> None:
        self._file = file
        self._bar = bar
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        if self._bar is not None:
            self._bar.update(len(data))
        return data

    def tell(self) -> int:
        return self._file.tell()


# -- export ---------------------------------------------------------------------------------------------------------------


def record(table: Table, index: int) -> OrderedDict[str, dict[str, Any]]:
    """The official record of an architecture: {schedule: state of an `ArchResults`}, of the epochs that the table has.

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
    """One trial as the state of a `ResultsCount`."""
    stem, length = f"{key}/{schedule}", int(schedule)
    figures: dict[str, tuple[dict[int, float], dict[int, float], dict[int, float]]] = {}  # accuracy, loss, seconds by epoch
    for split in table.splits(key, schedule):
        accuracy, loss = (table.tensor(f"{stem}/{split}/{name}")[index, column] for name in ("accuracy", "loss"))
        stored = np.flatnonzero(~np.isnan(accuracy))
        epochs = table.tensor(f"{stem}/{split}/epochs")[stored].tolist()
        seconds = table.seconds(key, schedule, split).item(index, column)
        if epochs:
            figures[split] = (
                dict(zip(epochs, accuracy[stored].tolist(), strict=True)),
                dict(zip(epochs, loss[stored].tolist(), strict=True)),
                dict.fromkeys(range(length), seconds) if seconds == seconds else {},
            )
    train_accuracies, train_losses, train_times = figures.pop("train", ({}, {}, {}))
    accuracies, losses, times = (
        {f"{split}@{epoch}": value for split, of_split in figures.items() for epoch, value in of_split[quantity].items()}
        for quantity in range(3)
    )
    latency = table.latency(key, schedule).item(index)
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
        "eval_names": list(figures),
        "eval_acc1es": accuracies,
        "eval_times": times,
        "eval_losses": losses,
        "net_state_dict": None,
    }


def _architecture_config(space: SearchSpace, text: str, key: str) -> dict[str, Any]:
    if isinstance(space, TopologySpace):
        return {"channel": 16, "num_cells": 5, "arch_str": text, "class_num": CLASSES.get(key)}
    genotype = TopologySpace()
    return {
        "name": "infer.shape.tiny",
        "channels": text,
        "arch_str": text,
        "genotype": genotype.to_string(genotype.architecture(SIZE_CELL)),
        "class_num": CLASSES.get(key),
    }


def export_archive(table: Table, out: str | os.PathLike[str], *, jobs: int | None = None, progress: bool = True) -> Path:
    """Write a table as a folder in the official format, which the `nats_bench` package opens (`fast_mode=True`).

    Importing the folder gives the same tensors again. Architectures without any trial get no file.

    Args:
        table: the table.
        out: the folder to make; it appears when all is done.
        jobs: processes; None for one per core.
        progress: show a progress bar.

    Raises:
        ValueError: the folder exists.
        RuntimeError: a worker process died.
    """
    out = Path(out)
    if out.exists():
        raise ValueError(f"{out} exists; expected the name of a new folder")
    workers = _workers(jobs)
    has_trials = np.zeros(len(table), dtype=bool)
    for key in table.keys:
        for schedule in table.schedules(key):
            has_trials |= (table.seeds(key, schedule) >= 0).any(axis=1)
    indices = np.flatnonzero(has_trials).tolist()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        strings = [table.space.to_string(table.space.architecture(index)) for index in range(len(table))]
        _save({"meta_archs": strings, "total_archs": len(strings), "arch2infos": None, "evaluated_indexes": set()}, part / META)
        blocks = [(table.path, part, indices[start : start + _BLOCK]) for start in range(0, len(indices), _BLOCK)]
        with tqdm(total=len(indices), desc="exporting", unit="record", disable=not progress) as bar:
            for count in _in_parallel(_export_records, blocks, workers):
                bar.update(count)
        part.chmod(0o755)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return out


def _export_records(table_path: Path, folder: Path, indices: list[int]) -> int:
    table = Table(table_path)
    for index in indices:
        _save(record(table, index), record_path(folder, index))
    return len(indices)


def _save(content: object, path: Path) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))


# -- processes -------------------------------------------------------------------------------------------------------------


def _workers(jobs: int | None) -> int:
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    return jobs or os.cpu_count() or 1


def _in_parallel(function: Callable[..., _T], calls: Sequence[tuple[Any, ...]], workers: int) -> Iterator[_T]:
    """The results of the calls, in their order.

    Raises:
        RuntimeError: a worker process died.
    """
    if workers == 1 or len(calls) == 1:
        for arguments in calls:
            yield function(*arguments)
        return
    with ProcessPoolExecutor(min(workers, max(len(calls), 1)), initializer=_prepare_worker) as pool:
        try:
            for future in [pool.submit(function, *arguments) for arguments in calls]:
                yield future.result()
        except BrokenProcessPool as error:
            raise RuntimeError("a worker process died, perhaps for lack of memory; try fewer jobs") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    gc.disable()  # thousands of live dicts per record and no cycles among them: collecting takes a sixth of the time
