"""Rankings of architectures by supernets, compared with the table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from benchmark_api.tables.table import Table
from benchmark_api.types import FloatArray
from experiments.analysis.statistics import rank_correlation, summarize
from experiments.report.columns import spread
from experiments.report.measures import look_up
from experiments.report.numbers import reading_order
from experiments.report.text import TextTable, markdown, title_of
from experiments.store import SupernetRanking


def correlations(ranking: SupernetRanking, trained: FloatArray) -> list[tuple[float, float]]:
    """Kendall's tau and Spearman's rho between each supernet's accuracies and accuracies after full training [architecture]."""
    return [
        rank_correlation(ranking.accuracy[start:stop], trained[ranking.architecture[start:stop]])
        for start, stop in pairwise(ranking.offsets)
    ]


def ranking_table(table: Table, rankings: Sequence[SupernetRanking]) -> str:
    """Rank correlations of supernets with a table as Markdown, one row for each experiment."""
    lines = []
    measures: dict[str, None] = {}
    for ranking in sorted(rankings, key=reading_order):
        accuracies = look_up(table, ranking.dataset)
        measures[accuracies.measure.accuracy] = None
        tau, rho = (spread(summarize(values)) for values in np.array(correlations(ranking, accuracies.reported)).T)
        images = "all" if ranking.images is None else str(ranking.images)
        name, runs, wall = ranking.label(table), str(len(ranking.seeds)), f"{ranking.wall_seconds.mean():,.0f}"
        lines.append((ranking.dataset, name, runs, str(ranking.architectures), images, tau, rho, wall))
    note = (
        "Rank correlation between the accuracy on x-valid with the weights of a trained supernet and the table's "
        f"{' or '.join(measures)} after {table.report_schedule} epochs, over the same random architectures; mean ± standard "
        "deviation (ddof 1) over n supernets."
    )
    header = ("dataset", "algorithm", "n", "architectures", "images", "Kendall's τ", "Spearman's ρ", "wall time [s]")
    return markdown(TextTable(f"ranking by supernets, {title_of(table, rankings)}", header, lines, [note]))
