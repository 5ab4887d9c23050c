"""The records of official archives: what must be in one, and what a table keeps of it.

A record is {schedule: state of an `ArchResults`} with the states of its trials (`ResultsCount`) inside. Its *form* is all of it
but the numbers: which trials it has, and which number is the loss of which split at which epoch. Checking a record means to find
its form, then to check the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmark_api.importers.official import pickles

FloatArray = npt.NDArray[np.float64]
_T = TypeVar("_T")

EVALUATION_SPLITS = ("x-valid", "x-test", "ori-test")

# What a record may hold, so that a made-up one cannot ask for a table of terabytes. Official: 8 groups, 3 trials, 200 epochs.
_MAX_GROUPS = 32
_MAX_TRIALS = 16
_MAX_EPOCHS = 1000
_MAX_FORMS = 8  # pickles of one size that are remembered
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCHEDULE = re.compile(r"[0-9]{1,4}")


@contextmanager
def named(where: object) -> Iterator[None]:
    """Errors about what was read say where it was."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


@dataclass
class Trial:
    """What a table keeps of one training."""

    seed: int
    params: float  # millions
    flops: float  # millions
    latency: float  # seconds, NaN if there is none
    figures: dict[str, FloatArray]  # split -> [accuracy (percent), loss (nats); epoch of the schedule], NaN where not measured
    seconds: dict[str, float]  # split -> per epoch or pass


Trials = dict[tuple[str, str], list[Trial]]  # by dataset key and schedule, with ascending seeds


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

    def fill(self, numbers: FloatArray) -> Trial:
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
        return Trial(
            self.seed,
            params,
            flops,
            float(latencies.mean()) if latencies.size else float("nan"),
            {split: figures[:2, row] for row, split in enumerate(self.splits)},
            {split: constant(figures[2, row]) for row, split in enumerate(self.splits)},
        )


def _expect(content: Any, name: str, kind: type[_T] | tuple[type[_T], ...]) -> _T:
    """An item of a dict that must have it, of the right type."""
    if not isinstance(content, dict) or name not in content:
        raise ValueError(f"no {name!r}")
    value = content[name]
    if not isinstance(value, kind):
        raise ValueError(f"{name!r} is a {type(value).__name__}")
    return value


def check_identity(record: Any, index: int, text: str | None) -> None:
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


def constant(values: FloatArray) -> float:
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
        with named(f"schedule {schedule}"):
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
                with named(f"{key}, seed {seed}"):
                    form = _trial_form(results[key, seed], key, seed, int(schedule), numbers)
                forms.setdefault((key, schedule), []).append(form)
    if len(forms) > _MAX_GROUPS:
        raise ValueError(f"more than {_MAX_GROUPS} dataset keys and schedules")
    return forms


def _fill(forms: Mapping[tuple[str, str], list[_TrialForm]], numbers: FloatArray) -> Trials:
    trials: Trials = {}
    for (key, schedule), of_group in forms.items():
        for form in of_group:
            with named(f"schedule {schedule}: {key}, seed {form.seed}"):
                trials.setdefault((key, schedule), []).append(form.fill(numbers))
    return trials


def read_trials(content: Any, index: int, text: str | None) -> Trials:
    """The trials of a record, checked.

    Raises:
        ValueError: the record is inconsistent, or of another architecture; the message says where.
    """
    check_identity(content, index, text)
    numbers = _Numbers()
    forms = _trial_forms(content, numbers)
    return _fill(forms, np.array(numbers.values, dtype=np.float64))


class RecordReader:
    """Reads the records of an archive, which are few pickles with many numbers.

    The pickles of most records are equal byte for byte, except for their floats and for the architecture's index and string.
    Of such a record only the floats need be fetched: what they mean is what they mean in the first record of that form, which
    was decoded in full.
    """

    def __init__(self) -> None:
        self._forms: dict[int, list[_RecordForm]] = {}  # by the size of the pickle

    def read(self, data: bytes, index: int, text: str, name: str) -> Trials:
        """The trials of the record of an architecture. Raises ValueError as `pickles.loads` and `read_trials` do."""
        known = self._forms.setdefault(len(data), [])
        for form in known:
            numbers = form.numbers(data, index, text)
            if numbers is not None:
                with named(name):
                    return _fill(form.trials, numbers)
        content = pickles.loads(data, name)
        with named(name):
            trials = read_trials(content, index, text)
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
