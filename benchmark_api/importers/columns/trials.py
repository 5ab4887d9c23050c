"""Trials of architectures, made of the measured rows of a file: duplicates and contradictions are refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmark_api.importers.columns.kinds import refusal
from benchmark_api.importers.columns.measured import WHERE, Columns, Measured
from benchmark_api.importers.measurements import Spool, Trial, Trials
from benchmark_api.types import FloatArray, IntArray

TRIALS_LIMIT = 200_000
"""Largest product of an architecture's trials and the epochs of their schedule."""


def add_trials(source: str, measured: Measured, spool: Spool) -> None:
    """Add the trials of all architectures to a spool. A trial without any accuracy is none.

    Raises:
        ValueError: a measurement is there twice, values of a trial contradict each other, or there are no accuracies; the
            message has the numbers of the rows.
    """
    if "accuracy" not in measured.columns or np.isnan(measured.columns["accuracy"]).all():
        raise ValueError(f"{source}: no accuracy of any architecture")
    rows = _sorted(measured.columns)
    _refuse_duplicates(source, measured, rows)
    splits = _Segments(source, rows, 4)
    trials = _Segments(source, rows, 3)
    first_split = np.searchsorted(splits.starts, [*trials.starts, len(rows["row"])])
    per_pass = splits.means("pass_seconds")
    _refuse_passes_of_train(source, measured, splits, per_pass)
    of_trial = {name: trials.agreed(name) for name in ("training_seconds", "params", "flops", "latency")}
    of_trial["epoch_seconds"] = trials.means("epoch_seconds")
    found: Trials = {}
    for number, (begin, end) in enumerate(pairwise(first_split)):
        index, group, seed = (int(rows[name][trials.starts[number]]) for name in WHERE[:3])
        key, schedule = measured.groups[group]
        curves, seconds = {}, {}
        for segment in range(begin, end):
            start, stop = splits.bounds[segment], splits.bounds[segment + 1]
            curve = _curve(rows, start, stop, schedule)
            if not np.isnan(curve[0]).all():
                split = measured.splits[rows["split"][start]]
                curves[split], seconds[split] = curve, float(per_pass[segment])
        total, per_epoch = of_trial["training_seconds"][number], of_trial["epoch_seconds"][number]
        seconds["train"] = float(per_epoch if np.isnan(total) else total / schedule)
        if curves:
            params, flops, latency = (float(of_trial[name][number]) for name in ("params", "flops", "latency"))
            of_group = found.setdefault((key, str(schedule)), [])
            of_group.append(Trial(seed, params, flops, latency, curves, seconds))
            if len(of_group) * schedule > TRIALS_LIMIT:
                raise ValueError(f"{source}: more than {TRIALS_LIMIT // schedule} trials of architecture {index} for {key}")
        last = number + 1 == len(trials.starts)
        if found and (last or rows["index"][trials.starts[number + 1]] != index):
            spool.add(index, found)
            found = {}


def _sorted(columns: Columns) -> Columns:
    order = np.lexsort([columns[name] for name in ("row", *reversed(WHERE))])
    return {name: values[order] for name, values in columns.items()}


def _changes(rows: Columns, keys: int) -> IntArray:
    """Return the positions of sorted rows where one of the first `keys` numbers of `WHERE` changes, and 0."""
    differs = np.zeros(len(rows["row"]), dtype=bool)
    differs[:1] = True
    for name in WHERE[:keys]:
        differs[1:] |= rows[name][1:] != rows[name][:-1]
    return np.flatnonzero(differs)


def _refuse_duplicates(source: str, measured: Measured, rows: Columns) -> None:
    valued = {name: values[~np.isnan(rows["accuracy"])] for name, values in rows.items()}
    first = np.zeros(len(valued["row"]), dtype=bool)
    first[_changes(valued, len(WHERE))] = True
    if not first.all():
        again = np.flatnonzero(~first)
        index, group, trial, split, epoch = (int(valued[name][again[0]]) for name in WHERE)
        key, schedule = measured.groups[group]
        place = f"architecture {index}, {key}, {schedule} epochs, {measured.splits[split]}, epoch {epoch}, trial {trial}"
        numbers = sorted({*valued["row"][again].tolist(), *valued["row"][again - 1].tolist()})
        raise refusal(source, numbers, f"the same measurement twice: {place} (epochs count from 0)")


def _refuse_passes_of_train(source: str, measured: Measured, splits: _Segments, per_pass: FloatArray) -> None:
    if "train" in measured.splits:
        of_train = splits.rows["split"][splits.starts] == measured.splits.index("train")
        if len(wrong := np.flatnonzero(of_train & ~np.isnan(per_pass))):
            numbers = splits.rows["row"][splits.starts[wrong]].tolist()
            raise refusal(source, numbers, "pass_seconds of split train: expected training_seconds or epoch_seconds")


def _curve(rows: Columns, start: int, stop: int, schedule: int) -> FloatArray:
    """Return accuracy and loss [2, epoch] of the rows of a trial and split."""
    curve = np.full((2, schedule), np.nan)
    valued = np.flatnonzero(~np.isnan(rows["accuracy"][start:stop])) + start
    curve[0, rows["epoch"][valued]] = rows["accuracy"][valued]
    if "loss" in rows:
        curve[1, rows["epoch"][valued]] = rows["loss"][valued]
    return curve


class _Segments:
    """Runs of sorted rows that have the first `keys` numbers of `WHERE` in common.

    Attributes:
        rows: all rows.
        starts: first row of each segment.
        bounds: the same, and the number of rows.
    """

    def __init__(self, source: str, rows: Columns, keys: int) -> None:
        self._source = source
        self.rows = rows
        self.starts = _changes(rows, keys)
        self.bounds: list[int] = [*self.starts.tolist(), len(rows["row"])]

    def means(self, name: str) -> FloatArray:
        """Return the mean of a value [segment]: the value itself where all rows have the same; NaN where it is missing."""
        if name not in self.rows:
            return np.full(len(self.starts), np.nan)
        values = self.rows[name]
        valued = ~np.isnan(values)
        counts = np.add.reduceat(valued, self.starts, dtype=np.int64)
        sums = np.add.reduceat(np.where(valued, values, 0.0), self.starts)
        low, high = (bound.reduceat(values, self.starts) for bound in (np.fmin, np.fmax))
        return np.where(low == high, low, sums / np.where(counts, counts, np.nan))

    def agreed(self, name: str) -> FloatArray:
        """Return the value that all rows of a segment have [segment], to rounding.

        Raises:
            ValueError: two rows contradict each other.
        """
        if name not in self.rows:
            return np.full(len(self.starts), np.nan)
        low, high = (bound.reduceat(self.rows[name], self.starts) for bound in (np.fmin, np.fmax))
        if len(wrong := np.flatnonzero(high - low > 1e-9 * high)):
            start, stop = self.bounds[wrong[0]], self.bounds[wrong[0] + 1]
            valued = self.rows["row"][start:stop][~np.isnan(self.rows[name][start:stop])]
            both = f"{name} {low[wrong[0]]:g} and {high[wrong[0]]:g}"
            what = f"{both} of the same trial of architecture {self.rows['index'][start]}"
            raise refusal(self._source, valued.tolist(), what)
        return low


def metric_values(source: str, tensor: str, found: Columns, architectures: int) -> FloatArray:
    """Return the values [architecture] of a named metric, NaN where there is none.

    Raises:
        ValueError: two rows contradict each other.
    """
    order = np.lexsort((found["row"], found["index"]))
    index, values, rows = (found[name][order] for name in ("index", "value", "row"))
    wrong = np.flatnonzero((index[1:] == index[:-1]) & (values[1:] != values[:-1]))
    if len(wrong):
        numbers = sorted({*rows[wrong].tolist(), *rows[wrong + 1].tolist()})
        raise refusal(source, numbers, f"two values of {tensor} for architecture {index[wrong[0]]}")
    filled = np.full(architectures, np.nan)
    filled[index] = values
    return filled
