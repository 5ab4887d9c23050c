"""Captions and text alternatives of the page's figures."""

from __future__ import annotations

from experiments.report.names import full_title, same_for_all
from experiments.report.numbers import Report
from experiments.settings import dataset_title

_CAPTIONS = {
    "anytime": "Accuracy of the incumbent over simulated time: mean over runs and 95 % bootstrap interval of the mean.",
    "final": "Accuracy when the budget is spent: every run, quartiles, and the mean with its 95 % bootstrap interval.",
    "ranks": "Average ranks; a bar joins searches that do not differ significantly (Friedman and Nemenyi tests).",
    "profiles": "All data sets together: interquartile mean of normalised accuracy, and share of runs above each value.",
    "correlation": "Rank correlation between the accuracies of the table: Spearman's ρ below, Kendall's τ above the diagonal.",
    "hypervolume": "Hypervolume of the fronts found, relative to the exact front, over simulated time.",
    "attainment": "Accuracy that a quarter to three quarters of the runs attained at no more than a cost, and the exact front.",
    "flops": "Accuracy against multiply-accumulates: all architectures, the Pareto front, and those that runs chose.",
    "params": "Accuracy against parameters: all architectures, the Pareto front, and those that runs chose.",
    "fronts": "Accuracy against each measured cost, with the Pareto front, and medians and quartiles of what runs chose.",
    "epochs": "Looked-up accuracy of the architecture derived after each epoch of one-shot searches.",
    "operations": "Operations of the cell derived after each epoch of one-shot searches.",
    "weights": "Architecture weights after the last epoch, mean over runs; dots: runs that chose the operation.",
    "cells": "Cells found by one-shot searches; pale edges are on no path from input to output.",
    "ranking-measures": "How well supernets rank architectures: each measure of the literature, a point for each supernet.",
    "ranking-agreement": "Agreement of supernets of different seeds (S-Tau): Kendall's tau between the rankings by two of them.",
    "ranking-epochs": "Measures of the rankings by supernets against the epoch of the supernet.",
    "ranking": "Accuracy with the supernet's weights against the table's.",
}
"""What figures show, by the ends of their names."""

_RANKED = ("anytime", "final", "ranks", "profiles")
"""Figures whose text alternative has the accuracies of all methods."""


def caption(what: str) -> str:
    """Return the caption of a figure by its name, e.g. "cifar10-flops"."""
    known = max((name for name in _CAPTIONS if f"-{what}".endswith(f"-{name}")), key=len, default="")
    if not known:
        return what.replace("-", " ").capitalize() + "."
    about = what.removesuffix(known).removesuffix("-")
    return f"{dataset_title(about)}: {_CAPTIONS[known]}" if about else _CAPTIONS[known]


def alternative(what: str, report: Report | None = None) -> str:
    """Return the text alternative of a figure: its caption and, where it compares methods of a report, their mean accuracies."""
    text = caption(what)
    if report is None or what not in _RANKED:
        return text
    hidden = same_for_all(report)
    for dataset in report.datasets:
        rows = sorted(dataset.rows, key=lambda row: -row.reached.mean)
        values = ", ".join(f"{full_title(row.experiment, report.table, hidden)} {row.reached.mean:.2f}" for row in rows)
        text += f" {dataset_title(dataset.dataset)}, final means in percent: {values}."
    return text
