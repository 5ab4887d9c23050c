"""Reliability of a table: rank correlations between trials, splits, epochs and data sets, and spread against noise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from benchmark_api.tables.sources import source_of
from benchmark_api.tables.table import Table
from benchmark_api.tables.trials import nanmean


@dataclass(frozen=True)
class Reliability:
    """Statistics of last-epoch test accuracies, or validation accuracies where there are no others (see `rated_by`).

    Correlations are Spearman's, NaN for fewer than three values.

    Attributes:
        architectures: number compared: those with the most trials; of isomorphic ones that were trained once only one.
        trials: trials of each.
        sets: sizes of two disjoint sets of trials.
        between_sets: rank correlation between the mean accuracies of the two, mean over all ways to choose them.
        valid_test: rank correlation between validation and test accuracy, means over trials; NaN without test accuracies.
        early_epoch: the epoch (1-based) that ends the first third of the schedule.
        early: rank correlation between the accuracy at that epoch and at the end, means over trials; NaN if it is not stored.
        spread: standard deviation over architectures of the mean accuracy, percent.
        trial_spread: standard deviation between trials of an architecture (root mean square over architectures), percent.
    """

    architectures: int
    trials: int
    sets: tuple[int, int]
    between_sets: float
    valid_test: float
    early_epoch: int
    early: float
    spread: float
    trial_spread: float

    @property
    def between_all(self) -> float:
        """Expected rank correlation between the mean over all trials and the mean over as many others.

        By the formula of Spearman and of Brown (British Journal of Psychology 3, 1910), which holds for Pearson's correlation
        exactly and for ranks about; NaN for a single trial.
        """
        if self.trials < 2:
            return float("nan")
        longer = self.trials / self.sets[0]
        return longer * self.between_sets / (1 + (longer - 1) * self.between_sets)


def rated_by(table: Table, dataset: str, schedule: str) -> tuple[str, str]:
    """Return the dataset key and the split by which architectures are rated: test accuracies, or validation ones without any.

    Raises:
        ValueError: unknown dataset or schedule.
    """
    key = table.report_key(dataset)
    if schedule in table.schedules(key):
        for split in ("x-test", "ori-test"):
            if split in table.splits(key, schedule):
                return key, split
    key = table.search_key(dataset)
    table.splits(key, schedule)  # refuses an unknown schedule
    return key, "x-valid"


def between_datasets(table: Table) -> dict[tuple[str, str], float]:
    """Return Spearman's rank correlation between accuracies on two data sets, for each pair of those of the report schedule.

    Accuracies are those after the last epoch, means over trials, over the architectures that both have.
    """
    schedule = table.report_schedule
    means = {
        dataset: table.mean_accuracy(key, schedule, split)
        for dataset in table.datasets
        if schedule in table.schedules(table.search_key(dataset))
        for key, split in [rated_by(table, dataset, schedule)]
    }
    return {pair: _spearman(means[pair[0]], means[pair[1]]) for pair in combinations(means, 2)}


def reliability(table: Table, dataset: str, schedule: str) -> Reliability:
    """Return the reliability of a table's accuracies of a dataset and schedule.

    Raises:
        ValueError: unknown dataset or schedule, or one that was not validated.
    """
    key, split = rated_by(table, dataset, schedule)
    stem = f"{key}/{schedule}/{split}"
    counts = (table.seeds(key, schedule) >= 0).sum(axis=1)
    chosen = counts == counts.max(initial=1)
    if "trained" in source_of(table.metadata, f"{key}/{schedule}"):  # a table of `benchmark_api.training.build`
        space = table.space
        chosen &= [space.index(space.canonical(space.architecture(index))) == index for index in range(len(space))]
    indices = np.flatnonzero(chosen)
    trials = int(counts[indices[0]]) if len(indices) else 0
    curves = table.tensor(f"{stem}/accuracy")[indices, :trials].astype(np.float64)  # [architecture, trial, epoch], percent
    end = curves[:, :, -1]
    means = nanmean(end)
    early_epoch = max(1, round(int(schedule) / 3))
    stored = table.tensor(f"{stem}/epochs").tolist()
    early = nanmean(curves[:, :, stored.index(early_epoch - 1)]) if early_epoch - 1 in stored else np.full(len(means), np.nan)
    valid = table.mean_accuracy(table.search_key(dataset), schedule, "x-valid")[indices]
    pairs = combinations(combinations(range(trials), trials // 2), 2)  # 1 and 1 of two or three trials, 2 and 2 of four
    disjoint = [(list(first), list(second)) for first, second in pairs if not {*first} & {*second}]
    between = [_spearman(nanmean(end[:, first]), nanmean(end[:, second])) for first, second in disjoint]
    return Reliability(
        architectures=len(indices),
        trials=trials,
        sets=(trials // 2, trials // 2),
        between_sets=float(np.mean(between)) if between else float("nan"),
        valid_test=_spearman(valid, means) if split != "x-valid" else float("nan"),
        early_epoch=early_epoch,
        early=_spearman(early, means),
        spread=float(np.nanstd(means, ddof=1)) if len(means) > 1 else float("nan"),
        trial_spread=float(np.sqrt(np.nanmean(np.var(end, axis=1, ddof=1)))) if trials > 1 else float("nan"),
    )


def _spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return Spearman's rank correlation over the positions where both are known."""
    from scipy.stats import spearmanr  # half a second

    pairs = np.array((first, second), dtype=np.float64)
    a, b = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)
