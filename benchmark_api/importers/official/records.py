"""Records of official archives: the checks that each must pass, and its trials.

A record is {schedule: state of an `ArchResults`} with the states of its trials (`ResultsCount`) inside.

A trial's times are the same at every epoch in official archives, so a table has one number per trial and split. Where a file's
times differ between epochs, that number is their mean: the total over the whole training stays right.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmark_api.importers.measurements import Trial, Trials, constant
from benchmark_api.schema import named
from benchmark_api.types import FloatArray

ValueT = TypeVar("ValueT")

EVALUATION_SPLITS = ("x-valid", "x-test", "ori-test")

# Limits of a record, so that a made-up one cannot ask for a table of terabytes. Official: 8 groups, 3 trials, 200 epochs.
_MAX_GROUPS = 32
_MAX_TRIALS = 16
_MAX_EPOCHS = 1000
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCHEDULE = re.compile(r"[0-9]{1,4}")


def _expect(content: Any, name: str, kind: type[ValueT] | tuple[type[ValueT], ...]) -> ValueT:
    """Return an item of a dict that must have it, of the right type."""
    if not isinstance(content, dict) or name not in content:
        raise ValueError(f"no {name!r}")
    value = content[name]
    if not isinstance(value, kind):
        raise ValueError(f"{name!r} is a {type(value).__name__}")
    return value


def _show(value: object) -> str:
    """Return a short text for a value that anybody may have made."""
    return repr(value)[:80] if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"


def check_identity(record: Any, index: int, text: str | None) -> None:
    """Check that a record belongs to the architecture with this index and, unless None, string; ValueError if not."""
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__} instead of the record of architecture {index}")
    for schedule, state in record.items():
        if not (isinstance(schedule, str) and _SCHEDULE.fullmatch(schedule) and 1 <= int(schedule) <= _MAX_EPOCHS):
            raise ValueError(f"{_show(schedule)} is not a schedule: expected a number of epochs up to {_MAX_EPOCHS}, as text")
        found_index, found_text = _expect(state, "arch_index", int), _expect(state, "arch_str", str)
        if found_index != index:
            raise ValueError(f"the record of architecture {_show(found_index)}, expected that of {index}")
        if text is not None and found_text != text:
            raise ValueError(f"architecture {index} is {found_text[:120]!r}, expected {text!r}")


def _numbers(
    values: Collection[Any], what: str, low: float = 0.0, high: float = 1e12, nan: bool = False
) -> npt.NDArray[np.float64]:
    """Return values as an array; they must be numbers within limits."""
    kinds = set(map(type, values))
    if not kinds <= {float, int}:
        raise ValueError(f"{what} are not all numbers")
    if int in kinds and not all(-(1 << 62) < value < 1 << 62 for value in values if type(value) is int):
        raise ValueError(f"{what} are too large")
    array = np.array(list(values), dtype=np.float64)
    if array.size and not (array.min() >= low and array.max() <= high):  # also where there is a NaN
        bad = array[~((array >= low) & (array <= high) | (nan & np.isnan(array)))]
        if bad.size:
            raise ValueError(f"{what} of {bad[0]:g}, expected {low:g} to {high:g}")
    return array


@lru_cache(maxsize=256)
def _positions(trained: tuple[Any, ...], evaluated: tuple[Any, ...], splits: tuple[str, ...]) -> npt.NDArray[np.intp]:
    """Return the positions in an array [split, epoch] of 0-based training epochs and of keys such as "x-valid@11".

    `splits` are "train", the evaluation splits, and the number of epochs as text.
    """
    *names, length = splits
    epochs = int(length)
    if not all(type(epoch) is int and 0 <= epoch < epochs for epoch in trained):
        raise ValueError(f"epochs other than 0 to {epochs - 1}")
    position = {f"{split}@{epoch}": row * epochs + epoch for row, split in enumerate(names) if row for epoch in range(epochs)}
    for key in evaluated:
        if key not in position:
            raise ValueError(f"figures for {_show(key)}, expected {', '.join(names[1:])} at epochs 0 to {epochs - 1}")
    return np.array([*trained, *(position[key] for key in evaluated)], dtype=np.intp)


def _measurements(state: Any, splits: tuple[str, ...], epochs: int) -> FloatArray:
    """Return accuracy (percent), loss (nats) and seconds [quantity, split, epoch] of a trial, NaN where not measured."""
    measured = np.full((3, len(splits) * epochs), np.nan)
    places = []
    for row, (what, stored_as, high, nan) in enumerate(
        (("accuracies", "acc1es", 100.0, False), ("losses", "losses", np.inf, True), ("times", "times", 1e12, False))
    ):
        untimed = what == "times" and state.get("train_times") is None
        trained = {} if untimed else _expect(state, f"train_{stored_as}", dict)
        evaluated = _expect(state, f"eval_{stored_as}", dict)
        values = _numbers((*trained.values(), *evaluated.values()), what, 0.0, high, nan)
        places.append(_positions(tuple(trained), tuple(evaluated), (*splits, str(epochs))))
        measured[row, places[row]] = values
    if not (places[0] is places[1] or set(places[0].tolist()) == set(places[1].tolist())):
        raise ValueError("accuracies and losses are of different epochs")
    by_split = measured.reshape(3, len(splits), epochs)
    for split, last in zip(splits, by_split[0, :, -1].tolist(), strict=True):
        if last != last:
            raise ValueError(f"no accuracy of {split} at the last epoch, {epochs - 1}")
    return by_split


def _trial(state: Any, key: str, seed: int, epochs: int) -> Trial:
    """Return a trial from the state of a `ResultsCount`, checked."""
    if _expect(state, "name", str) != key or _expect(state, "seed", str) not in (str(seed), f"{seed:04d}"):
        raise ValueError(f"holds the trial {_show(state['name'])} with seed {_show(state['seed'])}")
    if _expect(state, "epochs", int) != epochs:
        raise ValueError(f"trained for {_show(state['epochs'])} epochs")
    names = tuple(_expect(state, "eval_names", list))
    if not set(map(type, names)) <= {str} or len(set(names)) != len(names) or not set(names) <= set(EVALUATION_SPLITS):
        raise ValueError(
            f"evaluation splits are {', '.join(map(_show, names[:5]))}; expected some of {', '.join(EVALUATION_SPLITS)}"
        )
    splits = ("train", *names)
    measured = _measurements(state, splits, epochs)
    costs = (_expect(state, "params", (int, float)), _expect(state, "flop", (int, float)))
    params, flops = _numbers(costs, "params or FLOPs").tolist()
    latencies = _numbers(() if state.get("latency") is None else _expect(state, "latency", list), "latencies", low=-1.0)
    return Trial(
        seed,
        params,
        flops,
        float(latencies.mean()) if latencies.size else float("nan"),
        {split: measured[:2, row] for row, split in enumerate(splits)},
        {split: constant(measured[2, row]) for row, split in enumerate(splits)},
    )


def _listed_trials(seeds: Mapping[Any, Any]) -> list[tuple[str, int]]:
    """Return (dataset key, seed) of all trials that a record lists, with ascending seeds for each key."""
    listed = []
    for key, of_key in seeds.items():
        if not (isinstance(key, str) and _KEY.fullmatch(key)):
            raise ValueError(f"{_show(key)} is not a dataset key")
        if not isinstance(of_key, list) or len(of_key) > _MAX_TRIALS or not set(map(type, of_key)) <= {int}:
            raise ValueError(f"seeds of {key} are not a list of at most {_MAX_TRIALS} integers")
        if len(set(of_key)) != len(of_key) or not all(0 <= seed < 1 << 31 for seed in of_key):
            raise ValueError(f"seeds of {key} are {', '.join(map(_show, of_key))}, expected different ones from 0 on")
        listed += [(key, seed) for seed in sorted(of_key)]
    return listed


def read_trials(record: Any, index: int, text: str | None) -> Trials:
    """Return the trials of a record, checked.

    Raises:
        ValueError: the record is inconsistent, or of another architecture; the message says where.
    """
    check_identity(record, index, text)
    trials: Trials = {}
    for schedule, state in record.items():
        with named(f"schedule {schedule}"):
            results = _expect(state, "all_results", dict)
            listed = _listed_trials(_expect(state, "dataset_seed", dict))
            if results.keys() != set(listed):
                raise ValueError(f"results of {len(results)} trials do not match the {len(listed)} listed seeds")
            for key, seed in listed:
                with named(f"{key}, seed {seed}"):
                    trial = _trial(results[key, seed], key, seed, int(schedule))
                trials.setdefault((key, schedule), []).append(trial)
    if len(trials) > _MAX_GROUPS:
        raise ValueError(f"more than {_MAX_GROUPS} dataset keys and schedules")
    return trials
