"""Incumbents, curves, final values and times to a target against values worked out by hand."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from algorithms.black_box import BlackBoxSearch, Query
from benchmark_api.spaces import SizeSpace
from experiments.analysis import trajectories
from experiments.store import Experiment

HIGHEST, ANY = "highest-fidelity", "any-fidelity"


def make_experiment(runs: list[list[tuple[float, int, int, float]]], rule: str = HIGHEST, budget: float = 100.0) -> Experiment:
    """An experiment from runs of (seconds, architecture, epochs, accuracy)."""
    rows = [row for run in runs for row in run]
    seconds, architecture, epochs, accuracy = (np.array([row[i] for row in rows]) for i in range(4))
    offsets = np.cumsum([0] + [len(run) for run in runs])
    lists = {"seconds": seconds, "architecture": architecture, "epochs": epochs, "accuracy": accuracy}
    return from_lists(offsets, lists, rule, budget)


DTYPES = {"seconds": np.float64, "architecture": np.int32, "epochs": np.int16, "accuracy": np.float64, "incumbent": np.int64}


def from_lists(
    offsets: npt.NDArray[np.int64], lists: dict[str, npt.NDArray[Any]], rule: str = HIGHEST, budget: float = 100.0
) -> Experiment:
    """An experiment from its columns; run i has the entries offsets[i] to offsets[i + 1]."""
    return Experiment(
        space="size",
        dataset="cifar10",
        schedule="12",
        budget=budget,
        algorithm="x",
        hyperparameters="{}",
        incumbent_rule=rule,
        table_fingerprint="f",
        table_title="t",
        table_notice="",
        seeds=np.arange(len(offsets) - 1),
        offsets=offsets,
        wall_seconds=np.zeros(len(offsets) - 1),
        code_versions=("1",),
        machines=(),
        table_path="t",
        columns={name: values.astype(DTYPES[name]) for name, values in lists.items()},
    )


# Two runs. In the first the only full trainings are the second and the last, and the last is a tie; in the second run an
# evaluation fails.
TWO_RUNS = [
    [(10.0, 1, 4, 70.0), (30.0, 2, 12, 60.0), (40.0, 3, 4, 90.0), (120.0, 4, 12, 60.0)],
    [(20.0, 5, 12, float("nan")), (60.0, 6, 12, 50.0), (100.0, 7, 12, 55.0)],
]


def test_incumbents_by_hand() -> None:
    assert trajectories.incumbent_steps(make_experiment(TWO_RUNS, HIGHEST)).tolist() == [0, 1, 1, 1, -1, 5, 6]
    assert trajectories.incumbent_steps(make_experiment(TWO_RUNS, ANY)).tolist() == [0, 0, 2, 2, -1, 5, 6]


class Scripted(BlackBoxSearch):
    """Asks for what it is given."""

    name = "scripted"

    def script(self, queries: list[Query]) -> None:
        self.queries = iter(queries)

    def _propose(self) -> Query:
        return next(self.queries)

    def _observe(self, query: Query, accuracy: float) -> None: ...


@pytest.mark.parametrize("rule", [HIGHEST, ANY])
def test_incumbents_are_those_of_the_search(rule: Literal["highest-fidelity", "any-fidelity"], monkeypatch: Any) -> None:
    """The analysis of a stored trajectory and `tell` agree after every evaluation, with ties and failures."""
    monkeypatch.setattr(Scripted, "incumbent_rule", rule)
    space = SizeSpace()
    rng = np.random.default_rng(1)
    runs, expected = [], []
    for _ in range(60):
        search = Scripted(space)
        n = int(rng.integers(1, 30))
        queries = [Query(space.sample(rng), [1, 4, None][rng.integers(3)]) for _ in range(n)]
        accuracies = np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 8, n)).tolist()
        search.script(queries)
        for accuracy in accuracies:
            search.tell(search.ask(), accuracy)
            expected.append(-1 if search.incumbent is None else space.index(search.incumbent))
        runs.append(
            [
                (i + 1.0, space.index(q.architecture), q.epochs or 12, a)
                for i, (q, a) in enumerate(zip(queries, accuracies, strict=True))
            ]
        )
    experiment = make_experiment(runs, rule)
    steps = trajectories.incumbent_steps(experiment)
    assert np.where(steps < 0, -1, experiment.architecture[steps]).tolist() == expected


def test_step_functions_are_right_continuous_and_not_extrapolated() -> None:
    experiment = make_experiment(TWO_RUNS, HIGHEST)
    values = 10.0 * np.arange(8)
    curve = trajectories.anytime(experiment, [0, 9.999, 10, 29.9, 30, 60, 100, 100.1, 120, 121], values[experiment.architecture])
    nan = float("nan")
    np.testing.assert_array_equal(
        curve,
        [[nan, nan, 10, 10, 20, 20, 20, 20, 20, nan], [nan, nan, nan, nan, nan, 60, 70, nan, nan, nan]],
    )


def test_at_equal_times_the_later_evaluation_counts() -> None:
    """Free repeats cost nothing, so that evaluations can end at the same time."""
    experiment = make_experiment([[(10, 1, 12, 50.0), (10, 2, 12, 60.0)]])
    assert trajectories.anytime(experiment, [10.0], [1.0, 2.0]).tolist() == [[experiment.architecture[1]]]


def test_final_architectures_are_those_at_the_budget() -> None:
    assert trajectories.final_architectures(make_experiment(TWO_RUNS, ANY, budget=100)).tolist() == [3, 7]
    assert trajectories.final_architectures(make_experiment(TWO_RUNS, ANY, budget=99.9)).tolist() == [3, 6]
    assert trajectories.final_architectures(make_experiment(TWO_RUNS, HIGHEST, budget=100)).tolist() == [2, 7]
    # The second run ended before this budget and keeps its last incumbent.
    assert trajectories.final_architectures(make_experiment(TWO_RUNS, ANY, budget=1000)).tolist() == [3, 7]


def test_a_run_without_an_evaluation_in_its_budget_is_named() -> None:
    for budget in (15, 20):  # before the first evaluation has ended, and when only a failed one has
        with pytest.raises(ValueError, match="no successful evaluation of seed 1 "):
            trajectories.final_architectures(make_experiment(TWO_RUNS, budget=budget))


def test_reference_protocol_by_hand() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
    # First run: nearest to 100 are 120 and 40, incumbents 3 and 3. Second: 100 itself and 60.
    experiment = make_experiment(TWO_RUNS, ANY, budget=100)
    assert trajectories.final_values(experiment, values[experiment.architecture], "reference").tolist() == [3.0, 8.0]
    # At 75: 40 and 120 are 35 and 45 away. Between 60 (value 6) and 100 (8): 6 + 15 / 40 * 2.
    experiment = make_experiment(TWO_RUNS, ANY, budget=75)
    assert trajectories.final_values(experiment, values[experiment.architecture], "reference")[1] == pytest.approx(6.75)
    # At 10: nearest are 20 (5) and 60 (6); the line is followed beyond them: 5 - 10 / 40.
    experiment = make_experiment([[(20.0, 5, 12, 40.0), *TWO_RUNS[1][1:]]], ANY, budget=10)
    assert trajectories.final_values(experiment, values[experiment.architecture], "reference").tolist() == [pytest.approx(4.75)]
    one = make_experiment([[(50, 7, 12, 1.0)]])
    assert trajectories.final_values(one, [8.0], "reference").tolist() == [8.0]


def test_step_protocol_and_unknown_protocol() -> None:
    experiment = make_experiment(TWO_RUNS, ANY)
    assert trajectories.final_values(experiment, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).tolist() == [3.0, 7.0]
    with pytest.raises(ValueError, match="protocol"):
        trajectories.final_values(experiment, np.arange(8.0), "nearest")  # type: ignore[arg-type]


def test_many_runs_keep_apart() -> None:
    rng = np.random.default_rng(9)
    runs, length = 1000, 100
    experiment = from_lists(
        np.arange(0, (runs + 1) * length, length),
        {
            "seconds": np.tile(np.arange(1.0, length + 1), runs),
            "architecture": rng.integers(0, 100, runs * length),
            "epochs": np.full(runs * length, 12),
            "accuracy": rng.random(runs * length),
        },
    )
    best = experiment.accuracy.reshape(runs, length).argmax(1)
    expected = experiment.architecture.reshape(runs, length)[np.arange(runs), best]
    assert np.array_equal(trajectories.final_architectures(experiment), expected)


def test_incumbents_that_the_search_named_are_those_of_the_report() -> None:
    """A search with a rule of its own, e.g. one that weighs accuracy against latency: the stored column counts."""
    lists = {
        "seconds": np.array([10.0, 20.0, 30.0, 15.0, 25.0]),
        "architecture": np.array([5, 6, 7, 8, 9]),
        "epochs": np.full(5, 12),
        "accuracy": np.array([90.0, 80.0, 95.0, 60.0, 70.0]),
        "incumbent": np.array([-1, 1, 1, 0, 0]),
    }
    experiment = from_lists(np.array([0, 3, 5]), lists, rule="own")
    assert trajectories.incumbent_steps(experiment).tolist() == [-1, 1, 1, 3, 3]
    assert trajectories.final_architectures(experiment).tolist() == [6, 8]
    assert trajectories.final_architectures(from_lists(np.array([0, 3, 5]), lists)).tolist() == [7, 9]


def test_first_time_of_a_median() -> None:
    nan = float("nan")
    curves = [[nan, 50.0, 80.0, 80.0], [nan, nan, 60.0, 90.0], [10.0, 70.0, 70.0, 60.0]]
    times = [1.0, 2.0, 4.0, 8.0]  # medians: nothing, 50, 70, 80
    assert [trajectories.first_reaching(curves, times, target) for target in (50.0, 51.0, 70.0, 80.0)] == [2.0, 4.0, 4.0, 8.0]
    assert trajectories.first_reaching(curves, times, 80.5) == float("inf")


def test_time_to_reach_by_hand() -> None:
    values = np.array([0.0, 50.0, 80.0, 0.0, 0.0, 0.0, 60.0, 70.0])
    experiment = make_experiment(TWO_RUNS)
    of_entries = values[experiment.architecture]
    reached = [trajectories.seconds_to_reach(experiment, of_entries, target) for target in (25.0, 40.0, 70.0, 75.0, 76.0)]
    assert reached == [60.0, 60.0, 60.0, 100.0, float("inf")]  # the second run has no incumbent before 60
    late = make_experiment(TWO_RUNS, budget=90.0)
    assert trajectories.seconds_to_reach(late, of_entries, 75.0) == float("inf")


def test_a_run_that_has_ended_keeps_its_incumbent() -> None:
    early = make_experiment([[(10.0, 1, 12, 50.0)], [(20.0, 2, 12, 50.0), (90.0, 3, 12, 60.0)]])
    assert trajectories.seconds_to_reach(early, [80.0, 60.0, 80.0], 80.0) == 90.0
