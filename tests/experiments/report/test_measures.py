"""What reports give: test accuracies, or the trials that a run did not see where a table has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments.report import look_up, make_report
from experiments.report.measures import HELD_OUT, TEST
from experiments.store import ONE_SHOT_RUNS, load
from tests.helpers import held_out
from tests.helpers.synthetic import condition, store_runs

NAN = float("nan")
SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
ACCURACY = np.array([[70.0, 73.0, 76.0], [80.0, 84.0, NAN], [60.0, NAN, NAN], [50.0, 50.0, 50.0]])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return held_out.write_table(tmp_path_factory.mktemp("held-out") / "table.safetensors", SPACE, ACCURACY)


def test_a_table_with_test_accuracies_reports_them(topology_table: Table) -> None:
    accuracies = look_up(topology_table, "cifar10")
    assert accuracies.measure is TEST
    assert np.array_equal(accuracies.reported, topology_table.mean_accuracy("cifar10", "200", "ori-test"), equal_nan=True)
    assert np.array_equal(accuracies.valid, topology_table.mean_accuracy("cifar10-valid", "200", "x-valid"), equal_nan=True)


def test_an_entry_is_reported_by_the_trials_that_it_did_not_see(table: Table) -> None:
    accuracies = look_up(table, "cifar10")
    assert accuracies.measure is HELD_OUT
    experiment = held_out.experiment(table, [[(0, 0), (0, 2)], [(1, 0), (1, 1), (3, 1)]])
    assert accuracies.reported_of(experiment).tolist() == [74.5, 71.5, 84.0, 80.0, 50.0]
    assert accuracies.valid_of(experiment).tolist() == [70.0, 76.0, 80.0, 84.0, 50.0]
    assert accuracies.reported.tolist() == [73.0, 82.0, 60.0, 50.0]


def test_the_expectation_of_held_out_trials_is_the_mean_over_all(table: Table) -> None:
    """Whichever trial a fixed choice is seen by: the mean over the trials of the means over the others."""
    accuracies = look_up(table, "cifar10")
    for architecture, trials in ((0, 3), (1, 2)):
        runs = held_out.experiment(table, [[(architecture, trial)] for trial in range(trials)])
        assert accuracies.reported_of(runs).mean() == pytest.approx(accuracies.reported[architecture])


def test_runs_on_another_schedule_saw_no_trial(table: Table) -> None:
    accuracies = look_up(table, "cifar10")
    experiment = held_out.experiment(table, [[(0, 0), (1, 1)]], schedule="12")
    assert accuracies.reported_of(experiment).tolist() == [73.0, 82.0]
    assert np.isnan(accuracies.valid_of(experiment)).all()


def test_one_shot_searches_saw_no_trial(topology_table: Table, table: Table, tmp_path: Path) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[0, 1]])
    (experiment,) = load(tmp_path, ONE_SHOT_RUNS)
    accuracies = look_up(table, "cifar10")
    assert accuracies.reported_of(experiment).tolist() == [73.0, 82.0]
    assert np.isnan(accuracies.valid_of(experiment)).all()


@pytest.mark.parametrize("trials", [None, np.array([0, -1])])
def test_runs_that_saw_all_trials_are_refused(table: Table, trials: np.ndarray | None) -> None:
    experiment = held_out.experiment(table, [[(0, 0), (1, 1)]])
    columns = {name: values for name, values in experiment.columns.items() if name != "trial"}
    if trials is not None:
        columns["trial"] = trials
    with pytest.raises(ValueError, match=r'random-.*no trial is left .* expected runs with noise "once" or a trial\'s seed'):
        make_report(table, [replace(experiment, columns=columns)])


def test_a_chosen_architecture_with_a_single_trial_is_named(table: Table) -> None:
    experiment = held_out.experiment(table, [[(0, 0)], [(2, 0)]])
    with pytest.raises(ValueError, match="no held-out trial on cifar10 of architecture 2, chosen by random with seed 1"):
        make_report(table, [experiment])
