"""The reporter: looks up the full-training accuracy of what the searches chose, and sets it beside the published table.

Only here, and in the figures, are test accuracies read; by then every trajectory is stored.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from algorithms.black_box import BLACK_BOX
from benchmark_api.spaces import OPERATIONS
from benchmark_api.tables.table import EMBEDDED, Table
from experiments.analysis import (
    MIN_RUNS,
    Comparison,
    FloatArray,
    Protocol,
    Summary,
    compare_all,
    final_architectures,
    final_values,
    interquartile_mean,
    operation_counts,
    parameter_free,
    rank_all,
    rank_correlation,
    seconds_to_reach,
    standard_errors_apart,
    summarize,
)
from experiments.report import published
from experiments.settings import RunSettings, default_budget
from experiments.store import AnyCondition, AnyExperiment, Experiment, OneShotCondition, OneShotExperiment, SupernetRanking


@dataclass(frozen=True)
class Row:
    """One experiment in a report; accuracies in percent.

    Attributes:
        experiment: its runs.
        label: the algorithm and, in brackets, every setting that is not the default.
        valid: full-training validation accuracy of the chosen architectures.
        test: their test accuracy.
        test_iqm: interquartile mean of the test accuracy.
        regret: points that the mean test accuracy lies below the best of the space.
        percentile: share of the space that is not better on the test set than the chosen architecture, mean over runs.
        relative_improvement: of the mean test accuracy over the space's, in percent of the space's (Yang et al., ICLR 2020,
            arXiv 1912.12522, section 3; the space mean is what a random architecture reaches).
        rank: average rank among the black-box rows with at least `MIN_RUNS` runs, see `rank_all`; NaN for others.
        seconds_to_best: when the median run first chose an architecture with the best row's final median test accuracy, see
            `seconds_to_reach`; the best row is that of the same kind, black-box or one-shot.
        flops: of the chosen architectures, millions of multiply-accumulates, mean over runs.
        published: the paper's figures and number of runs, where it ran this algorithm with these settings.
        simulated_seconds: what a black-box run spent of its budget, mean over runs; NaN for one-shot runs.
        wall_seconds: measured time of a one-shot run, mean over runs; NaN for black-box runs, which train nothing.
    """

    experiment: AnyExperiment
    label: str
    valid: Summary
    test: Summary
    test_iqm: float
    regret: float
    percentile: float
    relative_improvement: float
    rank: float
    seconds_to_best: float
    flops: float
    published: tuple[published.Accuracy, int] | None
    simulated_seconds: float
    wall_seconds: float

    def standard_errors(self) -> tuple[float, float]:
        """How far the validation and the test mean lie above the published ones, in standard errors of the difference."""
        if self.published is None:
            return float("nan"), float("nan")
        paper, runs = self.published
        return (
            standard_errors_apart(self.valid.mean, self.valid.std, self.valid.runs, paper.valid_mean, paper.valid_std, runs),
            standard_errors_apart(self.test.mean, self.test.std, self.test.runs, paper.test_mean, paper.test_std, runs),
        )


@dataclass(frozen=True)
class DatasetReport:
    """All experiments on one dataset of one table.

    Attributes:
        dataset: its name.
        rows: one per experiment, those of the published table first.
        optimum: best validation and best test accuracy of the space, each on its own.
        average: mean validation and test accuracy over the space.
        comparisons: of the test accuracies, every pair of rows.
    """

    dataset: str
    rows: tuple[Row, ...]
    optimum: tuple[float, float]
    average: tuple[float, float]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Report:
    """All experiments on one table.

    Attributes:
        table: the table.
        protocol: how the final value of a run was read off, see `final_values`.
        datasets: one for each dataset with results, in the table's order.
    """

    table: Table
    protocol: Protocol
    datasets: tuple[DatasetReport, ...]


def full_training_accuracy(table: Table, dataset: str) -> tuple[FloatArray, FloatArray]:
    """Validation and test accuracy [architecture] after full training, mean over trials, percent; NaN where not measured.

    Validation is of the training that left the validation images out (cifar10-valid for cifar10), test of the one that is
    reported.

    Raises:
        ValueError: the table lacks one of them.
    """
    schedule = table.report_schedule
    valid = table.mean_accuracy(table.search_key(dataset), schedule, "x-valid")
    test = table.mean_accuracy(dataset, schedule, table.test_split(dataset, schedule))
    return np.asarray(valid, dtype=np.float64), np.asarray(test, dtype=np.float64)


LookedUp = TypeVar("LookedUp", Experiment, OneShotExperiment, AnyExperiment, SupernetRanking)


def tables_of(experiments: Sequence[LookedUp], table: Path | None) -> list[tuple[Table, list[LookedUp]]]:
    """The tables behind experiments, each with its experiments.

    Args:
        experiments: what was loaded.
        table: use this file and leave out experiments of other tables; None: every table, where it was when they were run.

    Raises:
        FileNotFoundError: a table is not where it was.
        ValueError: nothing was run on the given table, or a table has changed.
    """
    groups: dict[str, list[LookedUp]] = {}
    for experiment in experiments:
        groups.setdefault(experiment.table_fingerprint, []).append(experiment)
    if table is not None:
        opened = Table(table)
        if opened.fingerprint not in groups:
            raise ValueError(f"no stored run was made on {table}")
        return [(opened, groups[opened.fingerprint])]
    found = []
    for fingerprint, group in groups.items():
        path = Path(group[-1].table_path)
        if not path.exists():  # the project may have moved, and its tables with it
            embedded = [table for table in map(Table, EMBEDDED) if table.fingerprint == fingerprint]
            if not embedded:
                raise FileNotFoundError(f"the table of {group[-1].folder()} is no longer at {path}; name it with --table")
            path = embedded[0].path
        opened = Table(path)
        if opened.fingerprint != fingerprint:
            raise ValueError(f"{path} is not the table that {group[-1].folder()} was run on; name that one with --table")
        found.append((opened, group))
    return found


def make_report(table: Table, experiments: Sequence[AnyExperiment], protocol: Protocol = "step") -> Report:
    """Report experiments of one table.

    Raises:
        ValueError: the table lacks a full-training accuracy of a chosen architecture, or as for `final_values`.
    """
    datasets = []
    for dataset in table.datasets:
        here = sorted((e for e in experiments if e.dataset == dataset), key=_reading_order)
        if here:
            datasets.append(_dataset_report(table, dataset, here, protocol))
    return Report(table, protocol, tuple(datasets))


def _reading_order(condition: AnyCondition) -> tuple[bool, int, str, str]:
    """Black-box before one-shot, and of each kind the published ones first."""
    order = [row.algorithm for row in published.TOPOLOGY]
    known = order.index(condition.algorithm) if condition.algorithm in order else len(order)
    return isinstance(condition, OneShotCondition), known, condition.algorithm, condition.hyperparameters


def _dataset_report(table: Table, dataset: str, experiments: Sequence[AnyExperiment], protocol: Protocol) -> DatasetReport:
    valid, test = full_training_accuracy(table, dataset)
    ddof = 0 if protocol == "reference" else 1
    split = table.test_split(dataset, table.report_schedule)
    finals = [final_values(experiment, test, protocol) for experiment in experiments]  # [experiment][run]
    average = float(np.nanmean(test))
    ranks = _ranks(experiments, finals)
    bests = _best_medians(experiments, finals)
    rows, samples = [], []
    for experiment, test_values, rank in zip(experiments, finals, ranks, strict=True):
        default = deviations(experiment, table.search_schedule).keys() <= _SAME_RESULT
        chosen = final_architectures(experiment)
        valid_values = final_values(experiment, valid, protocol)  # [run]
        unknown = np.isnan(valid_values) | np.isnan(test_values)
        if unknown.any():
            raise ValueError(
                f"{table.path}: no full-training accuracy on {dataset} of architecture {chosen[unknown][0]}, "
                f"chosen by {experiment.algorithm} with seed {experiment.seeds[unknown][0]}"
            )
        summary = summarize(test_values, ddof)
        rows.append(
            Row(
                experiment=experiment,
                label=label(experiment, table.search_schedule),
                valid=summarize(valid_values, ddof),
                test=summary,
                test_iqm=interquartile_mean(test_values),
                regret=float(np.nanmax(test)) - summary.mean,
                percentile=float(table.rank_percentile(chosen, dataset, table.report_schedule, split).mean()),
                relative_improvement=100 * (summary.mean / average - 1),
                rank=rank,
                seconds_to_best=seconds_to_reach(experiment, test, bests[type(experiment)]),
                flops=float(table.flops(dataset)[chosen].mean()),
                published=published.find(table.space.name, dataset, experiment.algorithm) if default else None,
                **_costs(experiment),
            )
        )
        samples.append((rows[-1].label, test_values))
    return DatasetReport(
        dataset=dataset,
        rows=tuple(rows),
        optimum=(float(np.nanmax(valid)), float(np.nanmax(test))),
        average=(float(np.nanmean(valid)), average),
        comparisons=tuple(compare_all(samples)),
    )


def _ranks(experiments: Sequence[AnyExperiment], finals: Sequence[FloatArray]) -> list[float]:
    """Average ranks among the black-box experiments with enough runs; NaN for the others."""
    samples = [
        (str(number), values)
        for number, (experiment, values) in enumerate(zip(experiments, finals, strict=True))
        if isinstance(experiment, Experiment) and len(values) >= MIN_RUNS
    ]
    ranks = [float("nan")] * len(experiments)
    if len(samples) > 1:
        ranking = rank_all(samples)
        for number, rank in zip(ranking.labels, ranking.ranks, strict=True):
            ranks[int(number)] = rank
    return ranks


def _best_medians(experiments: Sequence[AnyExperiment], finals: Sequence[FloatArray]) -> dict[type[AnyExperiment], float]:
    """The highest median of final values among the experiments of each kind."""
    bests: dict[type[AnyExperiment], float] = {}
    for experiment, values in zip(experiments, finals, strict=True):
        bests[type(experiment)] = max(float(np.median(values)), bests.get(type(experiment), -np.inf))
    return bests


def _costs(experiment: AnyExperiment) -> dict[str, float]:
    """The two costs of a `Row`."""
    if isinstance(experiment, OneShotExperiment):
        return {"simulated_seconds": float("nan"), "wall_seconds": float(experiment.wall_seconds.mean())}
    spent = np.minimum(experiment.seconds[experiment.offsets[1:] - 1], experiment.budget)
    return {"simulated_seconds": float(spent.mean()), "wall_seconds": float("nan")}


_SAME_RESULT = {"device", "channels_last", "compile"}
"""Settings that change how a result is computed, not what it stands for."""


def deviations(condition: AnyCondition, search_schedule: str) -> dict[str, object]:
    """The settings and hyperparameters that are not the defaults, by name; `search_schedule` is the table's."""
    if isinstance(condition, OneShotCondition):
        return _one_shot_deviations(condition)
    usual = {field.name: field.default for field in fields(RunSettings) if field.default is not MISSING}
    del usual["budget"]  # it depends on space and dataset
    usual["schedule"] = search_schedule
    usual["budget"] = default_budget(condition.space, condition.dataset)
    search = BLACK_BOX.get(condition.algorithm)
    return {
        **{name: getattr(condition, name) for name, value in usual.items() if getattr(condition, name) != value},
        **_others(json.loads(condition.hyperparameters), asdict(search.Config()) if search else {}),
    }


def _one_shot_deviations(condition: OneShotCondition) -> dict[str, object]:
    from algorithms.one_shot import ONE_SHOT
    from algorithms.one_shot.search import Execution  # PyTorch takes seconds to import: only reports of one-shot runs pay
    from experiments.runs.one_shot import default_config

    search = ONE_SHOT.get(condition.algorithm)
    defaults = asdict(default_config(search, condition.dataset)) if search else {}
    return _others(json.loads(condition.hyperparameters), defaults) | _others(
        json.loads(condition.execution), asdict(Execution())
    )


def _others(values: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """The values that are not the defaults; values come from JSON. Those that an older version did not have are unknown."""
    plain = json.loads(json.dumps(defaults))
    different = {name: value for name, value in values.items() if name not in plain or plain[name] != value}
    return different | {name: "unknown" for name in plain if name not in values}


def label(condition: AnyCondition, search_schedule: str) -> str:
    """The algorithm's registry name and, in brackets, what is not the default."""
    different = ", ".join(f"{name}={value}" for name, value in deviations(condition, search_schedule).items())
    return f"{condition.algorithm} ({different})" if different else condition.algorithm


# -- text ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextTable:
    """A table of texts, before it has a format."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def without_empty_columns(self) -> TextTable:
        """The same without columns in which no row says anything."""
        kept = [column for column in range(len(self.header)) if any(row[column] for row in self.rows)]
        rows = tuple(tuple(row[column] for column in kept) for row in self.rows)
        return TextTable(self.title, tuple(self.header[column] for column in kept), rows, self.notes)


def to_markdown(report: Report) -> str:
    """The report as Markdown: the table of results, then one matrix of comparisons per dataset."""
    return "\n".join(_markdown(table) for table in text_tables(report))


def to_latex(report: Report) -> str:
    """The report as LaTeX tables (package booktabs)."""
    return "\n".join(_latex(table) for table in text_tables(report))


def to_csv(reports: Sequence[Report]) -> str:
    """Reports as one CSV table with a row per experiment; an empty field where there is no figure."""
    buffer = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for report in reports:
        for dataset in report.datasets:
            for row in dataset.rows:
                record = _record(report, dataset, row)
                if writer is None:
                    writer = csv.DictWriter(buffer, list(record), lineterminator="\n")
                    writer.writeheader()
                writer.writerow(record)
    return buffer.getvalue()


def _record(report: Report, dataset: DatasetReport, row: Row) -> dict[str, str]:
    paper = row.published[0] if row.published else published.Accuracy(*[float("nan")] * 4)
    valid_apart, test_apart = row.standard_errors()
    figures = {
        "valid_mean": row.valid.mean,
        "valid_std": row.valid.std,
        "test_mean": row.test.mean,
        "test_std": row.test.std,
        "valid_low": row.valid.low,
        "valid_high": row.valid.high,
        "test_low": row.test.low,
        "test_high": row.test.high,
        "test_iqm": row.test_iqm,
        "test_regret": row.regret,
        "test_percentile": row.percentile,
        "test_relative_improvement": row.relative_improvement,
        "average_rank": row.rank,
        "seconds_to_best_median": row.seconds_to_best,
        "mflops": row.flops,
        **{f"published_{name}": value for name, value in paper._asdict().items()},
        "valid_standard_errors": valid_apart,
        "test_standard_errors": test_apart,
        "valid_optimum": dataset.optimum[0],
        "test_optimum": dataset.optimum[1],
        "simulated_seconds": row.simulated_seconds,
        "wall_seconds": row.wall_seconds,
        "peak_memory": float(row.experiment.peak_memory.max()) if isinstance(row.experiment, OneShotExperiment) else float("nan"),
    }
    experiment = row.experiment
    return {
        "space": experiment.space,
        "dataset": experiment.dataset,
        "algorithm": experiment.algorithm,
        "seeds": str(row.test.runs),
        **{name: "" if np.isnan(value) else f"{value:.4f}" for name, value in figures.items()},
        "protocol": report.protocol,
        **{
            name: "" if (value := getattr(experiment, name, None)) is None else str(value)
            for name in (
                "schedule",
                "budget",
                "charge",
                "repeats",
                "noise",
                "max_queries",
                "hyperparameters",
                "incumbent_rule",
                "execution",
                "setting",
            )
        },
        **{name: getattr(experiment, name) for name in ("table_title", "table_notice", "table_fingerprint")},
    }


def text_tables(report: Report) -> list[TextTable]:
    """The table of accuracies, that of merits and costs, then one matrix of comparisons per dataset."""
    table, about = report.table, _about(report.table)
    tables = [
        TextTable(
            f"{table.space.name} space: {about}",
            (
                "dataset", "algorithm", "n", "valid", "published (Δ/s.e.)", "test", "95 % of the mean", "published (Δ/s.e.)",
            ),
            tuple(line for dataset in report.datasets for line in _accuracies(dataset)),
            _notes(report),
        ).without_empty_columns(),
        TextTable(
            f"{table.space.name} space, merits and costs: {about}",
            (
                "dataset", "algorithm", "regret", "percentile", "over random %", "average rank",
                "best's median after", "MFLOPs", "simulated s", "wall s",
            ),
            tuple(line for dataset in report.datasets for line in _merits(dataset)),
            _merit_notes(report),
        ).without_empty_columns(),
    ]  # fmt: skip
    return tables + [_comparison_matrix(dataset, about) for dataset in report.datasets if len(dataset.rows) > 1]


def _about(table: Table) -> str:
    return f"{table.title} ({table.notice})" if table.notice else table.title


def _accuracies(dataset: DatasetReport) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for row in dataset.rows:
        valid_paper = test_paper = ""
        if row.published:
            paper, _ = row.published
            valid_apart, test_apart = (f" ({_signed(apart)})" for apart in row.standard_errors())
            valid_paper = f"{paper.valid_mean:.2f} ± {paper.valid_std:.2f}{valid_apart}"
            test_paper = f"{paper.test_mean:.2f} ± {paper.test_std:.2f}{test_apart}"
        interval = f"{row.test.low:.2f} to {row.test.high:.2f}" if row.test.runs >= MIN_RUNS else f"n < {MIN_RUNS}"
        accuracy = (_spread(row.valid), valid_paper, _spread(row.test), interval, test_paper)
        lines.append((dataset.dataset, row.label, str(row.test.runs), *accuracy))
    paper_optimum = published.TOPOLOGY_OPTIMUM.get(dataset.dataset) if dataset.rows[0].experiment.space == "topology" else None
    valid_best, test_best = (f"{value:.2f}" for value in paper_optimum) if paper_optimum else ("", "")
    valid, test = dataset.optimum
    lines.append((dataset.dataset, "optimum", "", f"{valid:.2f}", valid_best, f"{test:.2f}", "", test_best))
    valid, test = dataset.average
    lines.append((dataset.dataset, "space mean", "", f"{valid:.2f}", "", f"{test:.2f}", "", ""))
    return lines


def _merits(dataset: DatasetReport) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for row in dataset.rows:
        one_shot = isinstance(row.experiment, OneShotExperiment)
        reached = "never" if np.isinf(row.seconds_to_best) else f"{row.seconds_to_best:,.0f} {'wall s' if one_shot else 's'}"
        rank = "" if np.isnan(row.rank) else f"{row.rank:.2f}"
        merit = (
            f"{row.regret:.2f}",
            f"{row.percentile:.2f}",
            f"{row.relative_improvement:+.2f}",
            rank,
            reached,
            f"{row.flops:.3g}",
        )
        costs = ("" if np.isnan(cost) else f"{cost:,.0f}" for cost in (row.simulated_seconds, row.wall_seconds))
        lines.append((dataset.dataset, row.label, *merit, *costs))
    best, mean = dataset.optimum[1], dataset.average[1]
    lines.append((dataset.dataset, "optimum", "0.00", "100.00", f"{100 * (best / mean - 1):+.2f}", "", "", "", "", ""))
    lines.append((dataset.dataset, "space mean", f"{best - mean:.2f}", "", "+0.00", "", "", "", "", ""))
    return lines


def _merit_notes(report: Report) -> tuple[str, ...]:
    rows = [row for dataset in report.datasets for row in dataset.rows]
    notes = [
        "Of the test accuracy: regret of the mean to the optimum, in points; mean share of the space that is not better; "
        "improvement of the mean over the space mean, which is what a random architecture reaches, in percent of it.",
        "Best's median after: when the median over runs first was as good as the final median of the best row of its kind. "
        "MFLOPs: millions of multiply-accumulates of one image through the chosen architectures, mean.",
    ]
    if any(not np.isnan(row.rank) for row in rows):
        notes.append("Average rank: among the black-box rows of the data set; a block is one run of each; 1 is best.")
    if any(isinstance(row.experiment, OneShotExperiment) for row in rows):
        notes.append(
            "The cost of weight sharing is measured wall time of training the supernet and deriving; that of the others is "
            "simulated, what training every candidate would take. The two are not to be compared."
        )
    return tuple(notes)


def _spread(summary: Summary) -> str:
    return f"{summary.mean:.2f}" if np.isnan(summary.std) else f"{summary.mean:.2f} ± {summary.std:.2f}"


def _signed(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:+.1f}"


def _notes(report: Report) -> tuple[str, ...]:
    ddof = 0 if report.protocol == "reference" else 1
    notes = [
        f"Accuracy in percent after {report.table.report_schedule} epochs, mean over trials, of the architecture that each run "
        f"chose by validation accuracy; mean ± standard deviation (ddof {ddof}) over n seeds; 95 % percentile bootstrap "
        "interval of the test mean.",
    ]
    if report.protocol == "reference":
        notes.append("Protocol of the paper's table: the line through the two times nearest to the budget, taken at the budget.")
    if any(row.published for dataset in report.datasets for row in dataset.rows):
        notes.append(
            f"Published: {published.SOURCE}, with ours minus theirs in standard errors of the difference. "
            "Its BOHB row is bohb-reference; bohb is the corrected algorithm and has no published row."
        )
    trained = [
        dataset for dataset in report.datasets if any(isinstance(row.experiment, OneShotExperiment) for row in dataset.rows)
    ]
    if trained:
        notes.append("Weight sharing: the architecture derived after the last epoch.")
    if any(dataset.dataset in ("cifar100", "ImageNet16-120") for dataset in trained):
        notes.append(
            "On cifar100 and ImageNet16-120, weight sharing validates on x-valid, one half of the official test images, and "
            "trains on all training images, as in the reference; the test accuracy is of the other half."
        )
    for dataset in report.datasets:
        notes += _verdicts(dataset)
        notes += _cells(report.table, dataset)
    return tuple(notes)


def _verdicts(dataset: DatasetReport) -> list[str]:
    """Who is better than random search and than the mean of the space, by the mean test accuracy."""
    references = [("the space mean", dataset.average[1])]
    references += [(row.label, row.test.mean) for row in dataset.rows if row.experiment.algorithm == "random"]
    verdicts = []
    for name, accuracy in references:
        others = [row for row in dataset.rows if row.label != name]
        sides = {
            "above": [row.label for row in others if row.test.mean > accuracy],
            "not above": [row.label for row in others if not row.test.mean > accuracy],
        }
        said = "; ".join(f"{side}: {', '.join(labels)}" for side, labels in sides.items() if labels)
        if said:
            verdicts.append(f"{dataset.dataset}, mean test accuracy against {name} ({accuracy:.2f}): {said}.")
    return verdicts


def _cells(table: Table, dataset: DatasetReport) -> list[str]:
    """The operations of the cells that weight sharing chose, and which of them have collapsed or compute nothing."""
    if table.space.name != "topology":
        return []
    notes = []
    for row in dataset.rows:
        if not isinstance(row.experiment, OneShotExperiment):
            continue
        chosen = final_architectures(row.experiment)
        cells = [table.space.architecture(int(index)) for index in chosen]
        shares = operation_counts(cells).mean(axis=0) / len(cells[0])
        mix = ", ".join(f"{name} {share:.0%}" for name, share in zip(OPERATIONS, shares, strict=True) if share)
        collapsed = parameter_free(cells) == 1
        text = f"{dataset.dataset}, {row.label}: the operations of the chosen cells are {mix}"
        if collapsed.any():
            text += f"; COLLAPSED to nothing but skip_connect and none in {collapsed.sum()} of {len(cells)} runs"
            text += f" ({_listed(chosen[collapsed])})"
            text += _collapsed_in_the_literature(table, dataset.dataset, row.experiment.algorithm)
        cut = np.array([not table.space.is_connected(cell) for cell in cells])
        if cut.any():
            text += f"; NO PATH from input to output in {cut.sum()} of {len(cells)} runs ({_listed(chosen[cut])})"
        notes.append(f"{text}.")
    return notes


def _listed(indices: npt.NDArray[np.integer[Any]]) -> str:
    return ", ".join(map(str, np.unique(indices)))


def _collapsed_in_the_literature(table: Table, dataset: str, algorithm: str) -> str:
    """What the published runs of an algorithm ended in."""
    said = []
    for (of_algorithm, of_dataset), indices in published.TOPOLOGY_CELLS.items():
        if of_algorithm == algorithm and (of_dataset == dataset or dataset not in published.DATASETS):
            free = parameter_free([table.space.architecture(index) for index in indices]) == 1
            said.append(f"{free.sum()} of {len(indices)} on {of_dataset}")
    return (
        f"; of the published runs of {algorithm}, {', '.join(said)} did so too"
        if said
        else "; no published cells to compare with"
    )


def ranking_table(table: Table, rankings: Sequence[SupernetRanking]) -> str:
    """The rank correlations of supernets with a table as Markdown, one row for each experiment."""
    lines = []
    for ranking in sorted(rankings, key=_reading_order):
        correlations = np.array([of_run for _, _, of_run in ranked(table, ranking)])  # [run, tau or rho]
        tau, rho = (_spread(summarize(column)) for column in correlations.T)
        images = "all" if ranking.images is None else str(ranking.images)
        seconds = f"{ranking.wall_seconds.mean():,.0f}"
        name = label(ranking, table.search_schedule)
        lines.append((ranking.dataset, name, str(len(ranking.seeds)), str(ranking.architectures), images, tau, rho, seconds))
    return _markdown(
        TextTable(
            f"ranking by supernets, {_about(table)}",
            ("dataset", "algorithm", "n", "architectures", "images", "Kendall's τ", "Spearman's ρ", "wall s"),
            tuple(lines),
            (
                "Rank correlation between the accuracy on x-valid with the weights of a trained supernet and the table's test "
                f"accuracy after {table.report_schedule} epochs, over the same random architectures; mean ± standard deviation "
                "(ddof 1) over n supernets.",
            ),
        )
    )


def ranked(table: Table, ranking: SupernetRanking) -> list[tuple[FloatArray, FloatArray, tuple[float, float]]]:
    """For each supernet: its accuracies [architecture], the table's test accuracies, and the correlation of both (tau, rho)."""
    _, test = full_training_accuracy(table, ranking.dataset)
    found = []
    for start, stop in pairwise(ranking.offsets):
        ours, theirs = ranking.accuracy[start:stop], test[ranking.architecture[start:stop]]
        found.append((ours, theirs, rank_correlation(ours, theirs)))
    return found


def _comparison_matrix(dataset: DatasetReport, about: str) -> TextTable:
    labels = [row.label for row in dataset.rows]
    cells: dict[tuple[str, str], str] = {}
    for pair in dataset.comparisons:
        mark = f"n < {MIN_RUNS}" if np.isnan(pair.p) else _stars(pair.p)
        cells[pair.first, pair.second] = f"{pair.improvement:.2f} {mark}".strip()
        cells[pair.second, pair.first] = f"{1 - pair.improvement:.2f} {mark}".strip()
    return TextTable(
        f"{dataset.dataset}: probability that a run of the row beats one of the column on the test set ({about})",
        ("", *labels),
        tuple((first, *(cells.get((first, second), "") for second in labels)) for first in labels),
        (
            "Ties count half. Mann-Whitney U, two-sided, Holm's correction over all pairs of the data set: "
            "* p < 0.05, ** p < 0.01, *** p < 0.001.",
        ),
    )


def _stars(p: float) -> str:
    return "*" * sum(p < threshold for threshold in (0.05, 0.01, 0.001))


def _markdown(table: TextTable) -> str:
    lines = [table.header, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    padded = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    text = [f"### {table.title}", "", padded[0], rule, *padded[1:], ""]
    for note in table.notes:
        text += [note.replace("*", "\\*"), ""]
    return "\n".join(text)


_LATEX: Mapping[int, str] = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "±": r"$\pm$",
        "Δ": r"$\Delta$",
        "<": "$<$",
        ">": "$>$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def _latex(table: TextTable) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{' '.join((table.title + '.', *table.notes)).translate(_LATEX)}}}",
            rf"\begin{{tabular}}{{{'l' * len(table.header)}}}",
            r"\toprule",
            line(table.header),
            r"\midrule",
            *(line(row) for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


FORMATS: Mapping[str, Callable[[Sequence[Report]], str]] = {
    "markdown": lambda reports: "\n".join(map(to_markdown, reports)),
    "latex": lambda reports: "\n".join(map(to_latex, reports)),
    "csv": to_csv,
}
"""How reports can be written."""
