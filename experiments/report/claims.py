"""Claims of papers, tested with the stored runs: one search against another on the same data set, by seed where both have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from benchmark_api.types import FloatArray
from experiments.analysis.statistics import MIN_RUNS, bootstrap_mean_interval, difference_of_means
from experiments.report.numbers import DatasetReport, Row
from experiments.store import SAME_RESULT


@dataclass(frozen=True)
class Side:
    """A search with some of its hyperparameters, as stored."""

    algorithm: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def others(self, dataset: DatasetReport, row: Row) -> dict[str, Any] | None:
        """Return the settings of a row that are neither the default nor of this side; None for rows of another search."""
        if row.experiment.algorithm != self.algorithm:
            return None
        values = row.experiment.config_values()
        if any(values.get(name) != value for name, value in self.hyperparameters.items()):
            return None
        left_out = {*self.hyperparameters, *SAME_RESULT}
        return {name: value for name, value in row.experiment.deviations(dataset.table).items() if name not in left_out}


@dataclass(frozen=True)
class Claim:
    """What a paper says of two searches.

    Attributes:
        first: the search that is said to be better, or as good.
        second: the other.
        sentence: the claim in words.
        paper: its source.
        equal: whether they are said to be equally good.
    """

    first: Side
    second: Side
    sentence: str
    paper: str
    equal: bool = False


_DARTS = Side("darts-v1")
_PERTURBATION = "Wang et al., ICLR 2021, arXiv 2108.04392"

CLAIMS = (
    Claim(
        Side("darts-pt"),
        _DARTS,
        "choosing operations by perturbation of the supernet is better than choosing the largest architecture parameters",
        _PERTURBATION,
    ),
    Claim(
        Side("darts-pt-fixed"),
        Side("darts-pt"),
        "with perturbation, architecture parameters that are never trained are as good as trained ones",
        _PERTURBATION,
        equal=True,
    ),
    Claim(
        Side("gaea", {"level": "single"}),
        Side("gaea", {"level": "bilevel"}),
        "one split for weights and architecture is better than two on this space",
        "Li et al., ICLR 2021, arXiv 2004.07802",
    ),
    Claim(
        Side("gaea"),
        _DARTS,
        "exponentiated gradients are better than Adam on a softmax",
        "Li et al., ICLR 2021, arXiv 2004.07802",
    ),
    Claim(
        Side("single-darts"),
        _DARTS,
        "weights and architecture updated from the same batch are better than updated in turn from two splits",
        "Hou et al., ICCV workshops 2021, arXiv 2108.08128",
    ),
    Claim(Side("pc-darts"), _DARTS, "partial channels are better than all channels", "Xu et al., ICLR 2020, arXiv 1907.05737"),
    Claim(
        Side("sdarts-rs"),
        _DARTS,
        "random perturbation of the architecture in weight steps makes the search better",
        "Chen & Hsieh, ICML 2020, arXiv 2002.05283",
    ),
    Claim(
        Side("ms-darts"),
        Side("sdarts-rs"),
        "a perturbation shifted towards the mean is better than a random one",
        "Hsieh et al., 2021, arXiv 2108.09996",
    ),
    Claim(Side("ms-darts"), _DARTS, "mean-shift perturbation makes the search better", "Hsieh et al., 2021, arXiv 2108.09996"),
    Claim(
        Side("darts-sparsestmax"),
        _DARTS,
        "a sparse relaxation is better than a softmax",
        "Wu et al., 2021, arXiv 2101.06658",
    ),
)
"""Claims in the order of reports."""


@dataclass(frozen=True)
class Verdict:
    """A claim and what the runs on a data set say of it.

    Attributes:
        claim: the claim.
        first: row of its first search.
        second: row of the other.
        runs: numbers of compared runs of both, or the number of pairs twice.
        paired: whether runs of equal seeds are compared.
        effect: mean difference of the reported accuracies, points; above zero where the first is better.
        low: lower end of its 95 % interval; NaN for too few runs.
        high: upper end.
        wins: pairs in which the first is better, as good, worse; None without pairs.
    """

    claim: Claim
    first: Row
    second: Row
    runs: tuple[int, int]
    paired: bool
    effect: float
    low: float
    high: float
    wins: tuple[int, int, int] | None

    @property
    def held(self) -> str:
        """Whether the claim held, in words."""
        if np.isnan(self.low):
            return f"not tested: n < {MIN_RUNS}"
        if self.claim.equal:
            if self.low <= 0 <= self.high:
                return f"not contradicted: differences beyond {max(-self.low, self.high):.2f} points are excluded"
            return "did not hold"
        return "held" if self.low > 0 else "the opposite held" if self.high < 0 else "undecided"

    @property
    def result(self) -> str:
        """Verdict, effect, interval and n in one phrase."""
        interval = "" if np.isnan(self.low) else f" (95 % interval {self.low:+.2f} to {self.high:+.2f})"
        counts = f"n = {self.runs[0]} pairs of equal seeds" if self.paired else f"n = {self.runs[0]} and {self.runs[1]}, unpaired"
        if self.wins is not None:
            better, ties, worse = self.wins
            counts += f": better in {better}, equal in {ties}, worse in {worse}"
        return f"{self.held}; {self.effect:+.2f} points{interval}, {counts}"


def verdicts(dataset: DatasetReport) -> Iterator[Verdict]:
    """Test the claims whose two searches have runs on a data set with the same other settings."""
    for claim in CLAIMS:
        firsts, seconds = (
            [(row, others) for row in dataset.rows if (others := side.others(dataset, row)) is not None]
            for side in (claim.first, claim.second)
        )
        for (first, settings), (second, other_settings) in product(firsts, seconds):
            if first.experiment.dataset == second.experiment.dataset and settings == other_settings:
                yield _verdict(claim, first, second)


def _verdict(claim: Claim, first: Row, second: Row) -> Verdict:
    shared, places, others = np.intersect1d(first.experiment.seeds, second.experiment.seeds, return_indices=True)
    if len(shared) < MIN_RUNS:
        return _unpaired(claim, first, second)
    differences: FloatArray = first.finals[places] - second.finals[others]
    low, high = bootstrap_mean_interval(differences)
    wins = int((differences > 0).sum()), int((differences == 0).sum()), int((differences < 0).sum())
    runs = len(shared), len(shared)
    return Verdict(claim, first, second, runs, True, float(differences.mean()), float(low), float(high), wins)


def _unpaired(claim: Claim, first: Row, second: Row) -> Verdict:
    effect, low, high = difference_of_means(first.finals, second.finals)
    return Verdict(claim, first, second, (len(first.finals), len(second.finals)), False, effect, low, high, None)


def claim_lines(datasets: Sequence[DatasetReport]) -> list[tuple[str, str, str, str, str]]:
    """Rows of the table of claims: data set, claim, its source, what was compared, result."""
    return [
        (
            dataset.dataset,
            verdict.claim.sentence,
            verdict.claim.paper,
            f"{verdict.first.label} against {verdict.second.label}",
            verdict.result,
        )
        for dataset in datasets
        for verdict in verdicts(dataset)
    ]
