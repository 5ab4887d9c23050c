"""Speed-up of one search over another, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.analysis.speedup import equal_trainings, speedup, training_ends
from experiments.store import Experiment
from tests.experiments.analysis.test_trajectories import make_experiment

# Seconds, architecture, epochs and accuracy. The second search trains in parts, of which two go on to the end.
BASELINE = [[(30.0, 1, 4, 50.0), (60.0, 2, 4, 60.0), (90.0, 3, 4, 70.0), (120.0, 4, 4, 80.0)]] * 6
IN_PARTS = [
    [(30.0, 1, 4, 50.0), (40.0, 2, 1, 20.0), (50.0, 3, 1, 30.0), (70.0, 3, 4, 70.0), (75.0, 3, 1, 30.0), (110.0, 5, 4, 90.0)]
] * 6


def values(experiment: Experiment) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The accuracy of each entry at the end of its training."""
    return np.array([0.0, 50.0, 60.0, 70.0, 80.0, 90.0])[experiment.architecture]


def test_time_to_the_final_mean_of_the_baseline() -> None:
    baseline, ours = make_experiment(BASELINE), make_experiment(IN_PARTS)
    found = speedup(ours, values(ours), baseline, values(baseline))
    assert (found.target, found.baseline_seconds, found.seconds) == (70.0, 90.0, 70.0)
    assert found.ratio == found.low == found.high == pytest.approx(90 / 70)  # all runs are alike


def test_a_target_that_is_not_reached() -> None:
    baseline, ours = make_experiment(BASELINE), make_experiment([[(30.0, 1, 4, 50.0), (110.0, 2, 4, 60.0)]] * 6)
    found = speedup(ours, values(ours), baseline, values(baseline))
    assert found.seconds == np.inf
    assert found.ratio == found.low == found.high == 0.0


def test_the_interval_covers_what_the_runs_differ_in() -> None:
    rng = np.random.default_rng(0)
    runs = [[(float(t), 1, 4, 50.0), (100.0, 1, 4, 50.0)] for t in rng.uniform(20, 60, 40)]
    baseline, ours = make_experiment(runs), make_experiment([[(10.0, 1, 4, 50.0)]] * 40)
    found = speedup(ours, values(ours), baseline, values(baseline))
    assert found.seconds == 10.0
    assert 3.0 < found.low <= found.ratio <= found.high <= 6.0  # the last of the 40 runs starts at up to 60 s
    assert found.low < found.high


def test_ends_of_trainings() -> None:
    """The third training goes on to 4 epochs; the fourth begins anew with 1; the last ended after the budget."""
    ends = training_ends(make_experiment([*IN_PARTS[:1], *BASELINE[:1]]))
    assert [run.tolist() for run in ends] == [[0, 1, 3, 4], [6, 7, 8]]


def test_equal_trainings() -> None:
    baseline, ours = make_experiment(BASELINE), make_experiment(IN_PARTS)
    found = equal_trainings(ours, values(ours), baseline, values(baseline))
    assert found.seconds[:, 0].tolist() == [70.0, 90.0]  # three trainings
    assert found.accuracy[:, 0].tolist() == [70.0, 70.0]


def test_equal_trainings_after_the_first_ones() -> None:
    baseline, ours = make_experiment(BASELINE), make_experiment(IN_PARTS)
    found = equal_trainings(ours, values(ours), baseline, values(baseline), after=1)
    assert found.seconds[:, 0].tolist() == [40.0, 60.0]  # the second and the third
    assert found.accuracy[:, 0].tolist() == [70.0, 70.0]
    with pytest.raises(
        ValueError, match="3 trainings of seed 0 had ended by 100 simulated seconds; expected more than the first 3"
    ):
        equal_trainings(ours, values(ours), baseline, values(baseline), after=3)


def test_seeds_are_paired_and_must_have_trainings() -> None:
    baseline, ours = make_experiment(BASELINE), make_experiment(IN_PARTS)
    baseline.seeds[:] = [4, 5, 6, 7, 8, 9]
    assert equal_trainings(ours, values(ours), baseline, values(baseline)).seconds.shape == (2, 2)
    baseline.seeds[:] += 10
    with pytest.raises(ValueError, match="no seed has runs of both x and x"):
        equal_trainings(ours, values(ours), baseline, values(baseline))
    late = make_experiment([[(101.0, 1, 4, 50.0)]] * 6)
    with pytest.raises(ValueError, match="no training of seed 0 had ended by 100 simulated seconds"):
        equal_trainings(late, values(late), ours, values(ours))


def test_budgets_must_be_equal() -> None:
    baseline, ours = make_experiment(BASELINE), make_experiment(IN_PARTS, budget=50.0)
    with pytest.raises(ValueError, match="budgets must be equal, got 50 and 100 simulated seconds"):
        speedup(ours, values(ours), baseline, values(baseline))
