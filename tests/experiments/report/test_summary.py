"""Sentences of the summary, from runs made by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments.report import make_report
from experiments.report.summary import overall, summary, verdicts
from experiments.store import Experiment
from tests.helpers import held_out

SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
ACCURACY = np.array([[70.0, 70.0], [80.0, 80.0], [60.0, 60.0], [79.0, 79.0]])
CONFIG = '{"population_size": 10, "redraw": false, "tournament_size": 3}'


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return held_out.write_table(tmp_path_factory.mktemp("summary") / "table.safetensors", SPACE, ACCURACY)


def runs(table: Table, algorithm: str, chosen: list[int], **changes: str) -> Experiment:
    config = CONFIG if algorithm == "rea" else "{}"
    entries = [[(architecture, 0)] for architecture in chosen]
    return held_out.experiment(table, entries, budget=2.0, algorithm=algorithm, hyperparameters=config, **changes)


def sentences(table: Table, *experiments: Experiment) -> str:
    (finding,) = summary(make_report(table, experiments))
    return f"{finding.dataset}: {finding.best}, {' '.join(finding.sentences)}"


def test_the_best_is_named_with_its_lead_and_certainty(table: Table) -> None:
    text = sentences(table, runs(table, "rea", [1] * 8), runs(table, "random", [0] * 8), runs(table, "mine", [1] * 3))
    assert text.startswith(
        "CIFAR-10: REA, 80.00 % accuracy of held-out trials (best mean of 3 black-box searches, 95 % interval 80"
    )
    assert "0.00 points below the best of the space. Significantly better than RANDOM. Too few runs" in text
    assert text.endswith("Too few runs for a test: mine. Difference to RANDOM: +10.00 points (95 % interval +10.00 to +10.00).")


def test_few_runs_allow_no_test(table: Table) -> None:
    text = sentences(table, runs(table, "rea", [1] * 2), runs(table, "random", [0] * 2))
    assert "(best mean of 2 black-box searches, n = 2)" in text
    assert "No test: fewer than 5 runs" in text
    assert text.endswith("Difference to RANDOM: +10.00 points.")


def test_a_better_mean_of_mostly_worse_runs_is_told(table: Table) -> None:
    text = sentences(table, runs(table, "rea", [3] * 30), runs(table, "random", [1] * 20 + [2] * 10))
    assert text.startswith("CIFAR-10: REA, 79.00 %")
    assert "Run against run, however, significantly worse than RANDOM: some runs are far off." in text


def test_one_method_is_the_only_one_and_one_data_set_has_no_overall_sentence(table: Table) -> None:
    report = make_report(table, [runs(table, "rea", [1] * 6)])
    (finding,) = summary(report)
    assert "(the only one of black-box searches, 95 % interval" in finding.sentences[0]
    assert overall(report) == ""


def test_all_data_sets_are_summarised_together(table: Table) -> None:
    both = [runs(table, "rea", [1] * 6, dataset=dataset) for dataset in ("cifar10", "cifar100")]
    text = overall(make_report(table, both))
    assert text.startswith("Over CIFAR-10, CIFAR-100, interquartile mean of normalised accuracy")
    assert text.endswith(": REA 100.0 (100.0 to 100.0).")


def test_of_many_methods_the_number_is_given(table: Table) -> None:
    worse = [runs(table, f"worse-{number}", [0, 2] * 10) for number in range(7)]
    alike = [runs(table, f"alike-{number}", [1] * 19 + [3]) for number in range(7)]
    text = sentences(table, runs(table, "rea", [1] * 20), *worse, *alike)
    assert "Significantly better than 7 of the 14 others." in text
    assert "No significant difference to alike-0, alike-1, alike-2, alike-3, alike-4 and 2 more (p = 1)." in text
    text = sentences(table, runs(table, "rea", [1] * 20), *worse)
    assert "Significantly better than all 7 others." in text


def test_what_holds_on_every_data_set_comes_first(table: Table) -> None:
    def on(dataset: str, good: str, bad: str) -> list[Experiment]:
        chosen = {good: [1] * 12, bad: [3] * 12, "random": [0] * 12}
        return [runs(table, name, architectures, dataset=dataset) for name, architectures in chosen.items()]

    text = " ".join(verdicts(make_report(table, [*on("cifar10", "rea", "mine"), *on("cifar100", "mine", "rea")])))
    assert text == (
        "Best black-box search: REA on CIFAR-10; mine on CIFAR-100. "
        "Significantly better than random search on all 2 data sets (p < 0.05): 2 of 2: REA, mine."
    )
    some = [*on("cifar10", "rea", "mine"), runs(table, "random", [0] * 12, dataset="cifar100")]
    assert verdicts(make_report(table, some))[1].endswith("on all 2 data sets (p < 0.05): 0 of 2.")
    only_one = make_report(table, on("cifar10", "rea", "mine"))
    assert verdicts(only_one) == ["Significantly better than random search (p < 0.05): 2 of 2: REA, mine."]
    assert verdicts(make_report(table, [runs(table, "rea", [1] * 6)])) == []


def test_names_with_commas_are_told_apart(table: Table) -> None:
    other = replace(runs(table, "rea", [1] * 12), hyperparameters=CONFIG.replace('"tournament_size": 3', '"tournament_size": 5'))
    text = " ".join(verdicts(make_report(table, [runs(table, "rea", [1] * 12), other, runs(table, "random", [0] * 12)])))
    assert re.search(r": 2 of 2: REA; REA, tournament size \d+\.$|: 2 of 2: REA, tournament size \d+; REA, ", text)
