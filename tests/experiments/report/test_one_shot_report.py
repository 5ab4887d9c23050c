"""One-shot runs in reports: next to black-box rows, what collapsed, and their costs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from algorithms.one_shot.search import Execution
from benchmark_api.spaces import OPERATIONS
from benchmark_api.tables.table import Table
from experiments import store
from experiments.analysis.cells import operation_counts, parameter_free
from experiments.analysis.trajectories import by_epoch, final_architectures, final_values
from experiments.report import look_up, make_report
from experiments.report.checklist import checklist
from experiments.store import ONE_SHOT_RUNS
from tests.helpers.one_shot_runs import only
from tests.helpers.synthetic import condition, store_runs

Command = Callable[..., tuple[int, str, str]]

ALL_SKIP, ALL_NONE, LARGEST = 1835, 1651, 1462


def test_the_last_architecture_is_the_result(topology_table: Table, tmp_path: Path) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[5, 6, 7], [8, 9, 10]])
    experiment = only(tmp_path)
    assert by_epoch(experiment).tolist() == [[5, 6, 7], [8, 9, 10]]
    assert final_architectures(experiment).tolist() == [7, 10]
    values = experiment.architecture / 100
    for protocol in ("step", "reference"):
        assert final_values(experiment, values, protocol).tolist() == [0.07, 0.10]


def test_operations_are_counted(topology_table: Table) -> None:
    cells = [topology_table.space.architecture(index) for index in (ALL_SKIP, ALL_NONE, LARGEST)]
    expected = [[6 * (name == of) for name in OPERATIONS] for of in ("skip_connect", "none", "nor_conv_3x3")]
    assert operation_counts(cells).tolist() == expected
    assert parameter_free([*cells, (0, 1, 2, 3, 4, 1)]).tolist() == [1.0, 1.0, 0.0, 0.5]


@pytest.fixture
def mixed(topology_table: Table, tmp_path: Path, experiments: Command) -> Path:
    """Random search beside GDAS, which found the largest cell, and DARTS, which collapsed in two of three runs."""
    common = ("--table", topology_table.path, "--results", tmp_path, "--seeds", 6, "--jobs", 1)
    assert experiments("run", "random", *common)[0] == 0
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[ALL_SKIP, LARGEST]] * 3)
    device = Execution(device="cuda")
    darts = condition(topology_table, "cifar10", "darts-v1", device)
    store_runs(tmp_path, topology_table, darts, [[LARGEST, ALL_SKIP], [LARGEST, ALL_NONE], [1, LARGEST]])
    return tmp_path


def test_one_shot_rows_stand_in_the_same_table(mixed: Path, experiments: Command, topology_table: Table) -> None:
    status, out, _ = experiments("table", "--results", mixed)
    assert status == 0
    found = [line for line in out.splitlines() if line.startswith(("| cifar10", "| dataset"))]
    lines = [[cell.strip() for cell in line.split("|")] for line in found]
    assert len(lines) == 12 + 5  # accuracies, merits, and two searches beside their published validation and test accuracy
    rows = {line[2]: line for line in lines[1:6]}
    merits = {line[2]: dict(zip(lines[6], line, strict=True)) for line in lines[7:12]}
    assert list(rows) == list(merits) == ["random", "darts-v1 (device=cuda)", "gdas", "optimum", "space mean"]
    gdas = dict(zip(lines[0], rows["gdas"], strict=True))
    test = topology_table.accuracy(LARGEST, "cifar10", "200", "ori-test")
    assert gdas["test"] == f"{test:.2f} ± 0.00"
    assert (gdas["n"], gdas["95 % interval of the mean"]) == ("3", "n < 5")
    assert (merits["gdas"]["simulated time [s]"], merits["gdas"]["wall time [s]"]) == ("", "101")
    assert (merits["random"]["simulated time [s]"] > "19,000", merits["random"]["wall time [s]"]) == (True, "")
    mean = np.nanmean(look_up(topology_table, "cifar10").reported)
    assert merits["gdas"]["gain over space mean [%]"] == f"{100 * (test / mean - 1):+.2f}"
    assert "93.23 ± 0.58" in rows["gdas"][rows["gdas"].index(gdas["test"]) + 2]
    assert "59.84 ± 7.84" in "".join(rows["darts-v1 (device=cuda)"])  # where it was computed does not matter


def test_the_report_says_who_is_better_and_what_collapsed(mixed: Path, experiments: Command, topology_table: Table) -> None:
    _, out, _ = experiments("table", "--results", mixed)
    test = look_up(topology_table, "cifar10").reported
    against = f"cifar10, mean test accuracy against the space mean ({np.nanmean(test):.2f}), by the means alone: "
    assert f"{against}above: random, gdas; not above: darts-v1 (device=cuda).\n" in out
    assert "cifar10, mean test accuracy against random (" in out
    assert "the operations of the chosen cells are nor_conv_3x3 100%." in out
    assert "COLLAPSED to nothing but skip_connect and none in 2 of 3 runs (1651, 1835); of the published runs " in out
    assert "runs of darts-v1, 3 of 3 on cifar10 did so too; " in out
    assert "so too; NO PATH from input to output in 1 of 3 runs (1651)." in out
    assert "none 33%, skip_connect 33%, nor_conv_3x3 33%" in out
    assert "x-valid, one half of the official test images" not in out
    assert "measured wall time" in out


def test_a_reader_is_told_what_validation_is_on_cifar100(topology_table: Table, tmp_path: Path, experiments: Command) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar100", "gdas"), [[LARGEST]])
    assert "x-valid, one half of the official test images" in experiments("table", "--results", tmp_path)[1]


def test_runs_of_an_older_version_are_told_apart(topology_table: Table) -> None:
    today = condition(topology_table, "cifar10", "darts-v1")
    known = {name: value for name, value in json.loads(today.hyperparameters).items() if name != "choose_none"}
    former = replace(today, hyperparameters=json.dumps(known))
    assert [of.label(topology_table) for of in (today, former)] == ["darts-v1", "darts-v1 (choose_none=unknown)"]


def test_a_hyperparameter_added_later_leaves_stored_runs_as_they_are(topology_table: Table) -> None:
    off, on = (condition(topology_table, "cifar10", "rsps", validation_pass=value) for value in (False, True))
    assert "validation_pass" not in json.loads(off.hyperparameters)
    assert [of.label(topology_table) for of in (off, on)] == ["rsps", "rsps (validation_pass=True)"]
    assert [of.config().validation_pass for of in (off, on)] == [False, True]
    assert off.folder() != on.folder()


def test_unofficial_images_stand_next_to_the_published_numbers(topology_table: Table, tmp_path: Path) -> None:
    gdas = condition(topology_table, "cifar10", "gdas")
    other = replace(gdas, setting=json.dumps({**json.loads(gdas.setting), "unofficial_images": "0123"}))
    for of in (gdas, other):
        store_runs(tmp_path, topology_table, of, [[LARGEST]])
    (dataset,) = make_report(topology_table, store.load(tmp_path, ONE_SHOT_RUNS)).datasets
    assert sorted(row.label for row in dataset.rows) == ["gdas", "gdas (images=unofficial)"]
    assert all(row.published is not None for row in dataset.rows)


def test_csv_keeps_costs_apart(mixed: Path, experiments: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(experiments("table", "--results", mixed, "--format", "csv")[1])))
    costs = {row["algorithm"]: (bool(row["simulated_seconds"]), row["wall_seconds"]) for row in rows}
    assert costs == {"random": (True, ""), "darts-v1": (False, "101.0000"), "gdas": (False, "101.0000")}
    assert [row["peak_memory"] for row in rows] == ["", "1000000000.0000", "1000000000.0000"]
    assert json.loads(rows[1]["execution"])["device"] == "cuda"
    assert rows[1]["budget"] == rows[0]["setting"] == ""


def test_no_published_cells_are_made_up(digits_table: Table, tmp_path: Path, experiments: Command) -> None:
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "enas"), [[ALL_NONE]])
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "gdas"), [[ALL_NONE]])
    _, out, _ = experiments("table", "--results", tmp_path)
    assert "1 of 1 runs (1651); no published cells to compare with; NO PATH" in out
    assert "1 of 1 runs (1651); of the published runs of gdas, 0 of 3 on cifar10, 0 of 3 on cifar100, 1 of 3" not in out
    assert "of the published runs of gdas, 0 of 3 on cifar10, 0 of 3 on cifar100, 0 of 3 on ImageNet16-120 did so too" in out
    assert "did so too; NO PATH from input to output in 1 of 1 runs (1651)." in out


def test_the_checklist_says_that_digits_have_other_settings(digits_table: Table, tmp_path: Path) -> None:
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "gdas"), [[LARGEST]])
    evidence = {item.practice: item.evidence for item in checklist([make_report(digits_table, [only(tmp_path)])])}
    (text,) = (text for practice, text in evidence.items() if practice.startswith("Hyperparameters stated"))
    assert "chosen on other seeds" in text
