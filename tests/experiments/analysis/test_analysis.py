"""Incumbents, summaries, intervals and tests against values worked out by hand and against statistics' own promises."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import scipy.stats

from algorithms.black_box import BlackBoxSearch, Query
from benchmark_api.spaces import SizeSpace
from experiments import analysis
from experiments.store import Experiment

HIGHEST, ANY = "highest-fidelity", "any-fidelity"


def make_experiment(runs: list[list[tuple[float, int, int, float]]], rule: str = HIGHEST, budget: float = 100.0) -> Experiment:
    """An experiment from runs of (seconds, architecture, epochs, accuracy)."""
    rows = [row for run in runs for row in run]
    seconds, architecture, epochs, accuracy = (np.array([row[i] for row in rows]) for i in range(4))
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
        seeds=np.arange(len(runs)),
        offsets=np.cumsum([0] + [len(run) for run in runs]),
        wall_seconds=np.zeros(len(runs)),
        code_versions=("1",),
        machines=(),
        table_path="t",
        columns={
            "seconds": seconds.astype(np.float64),
            "architecture": architecture.astype(np.int32),
            "epochs": epochs.astype(np.int16),
            "accuracy": accuracy.astype(np.float64),
        },
    )


# Two runs. In the first the only full trainings are the second and the last, and the last is a tie; in the second run an
# evaluation fails.
TWO_RUNS = [
    [(10.0, 1, 4, 70.0), (30.0, 2, 12, 60.0), (40.0, 3, 4, 90.0), (120.0, 4, 12, 60.0)],
    [(20.0, 5, 12, float("nan")), (60.0, 6, 12, 50.0), (100.0, 7, 12, 55.0)],
]


def test_incumbents_by_hand() -> None:
    assert analysis.incumbent_steps(make_experiment(TWO_RUNS, HIGHEST)).tolist() == [0, 1, 1, 1, 4, 5, 6]
    assert analysis.incumbent_steps(make_experiment(TWO_RUNS, ANY)).tolist() == [0, 0, 2, 2, 4, 5, 6]


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
            assert search.incumbent is not None
            expected.append(space.index(search.incumbent))
        runs.append(
            [
                (i + 1.0, space.index(q.architecture), q.epochs or 12, a)
                for i, (q, a) in enumerate(zip(queries, accuracies, strict=True))
            ]
        )
    experiment = make_experiment(runs, rule)
    assert experiment.architecture[analysis.incumbent_steps(experiment)].tolist() == expected


def test_step_functions_are_right_continuous_and_not_extrapolated() -> None:
    experiment = make_experiment(TWO_RUNS, HIGHEST)
    values = 10.0 * np.arange(8)
    curve = analysis.anytime(experiment, [0, 9.999, 10, 29.9, 30, 60, 100, 100.1, 120, 121], values)
    nan = float("nan")
    np.testing.assert_array_equal(
        curve,
        [[nan, nan, 10, 10, 20, 20, 20, 20, 20, nan], [nan, nan, nan, 50, 50, 60, 70, nan, nan, nan]],
    )


def test_at_equal_times_the_later_evaluation_counts() -> None:
    """Free repeats cost nothing, so that evaluations can end at the same time."""
    experiment = make_experiment([[(10, 1, 12, 50.0), (10, 2, 12, 60.0)]])
    assert analysis.at_times(experiment, [10.0]).tolist() == [[1]]


def test_final_architectures_are_those_at_the_budget() -> None:
    assert analysis.final_architectures(make_experiment(TWO_RUNS, ANY, budget=100)).tolist() == [3, 7]
    assert analysis.final_architectures(make_experiment(TWO_RUNS, ANY, budget=99.9)).tolist() == [3, 6]
    assert analysis.final_architectures(make_experiment(TWO_RUNS, HIGHEST, budget=100)).tolist() == [2, 7]
    # The second run ended before this budget and keeps its last incumbent.
    assert analysis.final_architectures(make_experiment(TWO_RUNS, ANY, budget=1000)).tolist() == [3, 7]


def test_a_run_without_an_evaluation_in_its_budget_is_named() -> None:
    with pytest.raises(ValueError, match="seed 1 "):
        analysis.final_architectures(make_experiment(TWO_RUNS, budget=15))


def test_reference_protocol_by_hand() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
    # First run: nearest to 100 are 120 and 40, incumbents 3 and 3. Second: 100 itself and 60.
    experiment = make_experiment(TWO_RUNS, ANY, budget=100)
    assert analysis.final_values(experiment, values, "reference").tolist() == [3.0, 8.0]
    # At 75: 40 and 120 are 35 and 45 away. Between 60 (value 6) and 100 (8): 6 + 15 / 40 * 2.
    experiment = make_experiment(TWO_RUNS, ANY, budget=75)
    assert analysis.final_values(experiment, values, "reference")[1] == pytest.approx(6.75)
    # At 10: nearest are 20 (5) and 60 (6); the line is followed beyond them: 5 - 10 / 40.
    experiment = make_experiment(TWO_RUNS[1:], ANY, budget=10)
    assert analysis.final_values(experiment, values, "reference").tolist() == [pytest.approx(4.75)]
    one = make_experiment([[(50, 7, 12, 1.0)]])
    assert analysis.final_values(one, values, "reference").tolist() == [8.0]


def test_step_protocol_and_unknown_protocol() -> None:
    experiment = make_experiment(TWO_RUNS, ANY)
    assert analysis.final_values(experiment, np.arange(8.0)).tolist() == [3.0, 7.0]
    with pytest.raises(ValueError, match="protocol"):
        analysis.final_values(experiment, np.arange(8.0), "nearest")  # type: ignore[arg-type]


def test_summary_by_hand() -> None:
    summary = analysis.summarize([1.0, 2.0, 3.0, 4.0])
    assert (summary.runs, summary.mean, summary.std) == (4, 2.5, pytest.approx(np.sqrt(5 / 3)))
    assert np.isnan([summary.low, summary.high]).all()  # too few runs for an interval
    assert analysis.summarize([1.0, 2.0, 3.0, 4.0], ddof=0).std == pytest.approx(np.sqrt(5 / 4))
    assert np.isnan(analysis.summarize([3.0]).std)
    constant = analysis.summarize([2.0] * 6)
    assert (constant.std, constant.low, constant.high) == (0.0, pytest.approx(2.0), pytest.approx(2.0))


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    """2,000 samples of 50 normal figures. Coverage has a standard error of 0.5 %; the percentile interval is known to fall
    short by about 1 % at this n."""
    values = np.random.default_rng(2).normal(5.0, 2.0, (50, 2000))
    low, high = analysis.bootstrap_mean_interval(values)
    assert 0.92 < np.mean((low <= 5.0) & (high >= 5.0)) < 0.965
    narrow_low, narrow_high = analysis.bootstrap_mean_interval(values, level=0.5)
    assert 0.45 < np.mean((narrow_low <= 5.0) & (narrow_high >= 5.0)) < 0.55


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).exponential(1.0, 200)
    theirs = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0))
    low, high = analysis.bootstrap_mean_interval(values, resamples=5000)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.05 * width)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.05 * width)


def test_interval_axes_seeds_and_gaps() -> None:
    values = np.random.default_rng(4).normal(size=(3, 20, 4))
    low, high = analysis.bootstrap_mean_interval(values, axis=1)
    assert low.shape == high.shape == (3, 4)
    alone = analysis.bootstrap_mean_interval(values[2, :, 3])
    np.testing.assert_allclose((low[2, 3], high[2, 3]), alone)
    again, _ = analysis.bootstrap_mean_interval(values, axis=1)
    other, _ = analysis.bootstrap_mean_interval(values, axis=1, seed=1)
    assert np.array_equal(low, again)
    assert not np.array_equal(low, other)
    values[0, 5, 0] = np.nan
    gap, _ = analysis.bootstrap_mean_interval(values, axis=1)
    assert np.isnan(gap[0, 0])
    assert not np.isnan(gap[0, 1:]).any()


def test_interquartile_mean_by_hand() -> None:
    assert analysis.interquartile_mean([1, 2, 3, 100]) == 2.5
    assert analysis.interquartile_mean([7]) == 7
    # Six runs: 1.5 are cut off at either end, so the second and the fifth count half.
    assert analysis.interquartile_mean([6, 1, 2, 3, 4, 9]) == pytest.approx((0.5 * 2 + 3 + 4 + 0.5 * 6) / 3)
    values = np.random.default_rng(5).normal(size=400)
    assert analysis.interquartile_mean(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25))


def test_standard_errors_by_hand() -> None:
    # Errors 3 / sqrt(9) = 1 and 4 / sqrt(16) = 1: the difference of 2 is 2 / sqrt(2) of them.
    assert analysis.standard_errors_apart(12, 3, 9, 10, 4, 16) == pytest.approx(np.sqrt(2))
    assert analysis.standard_errors_apart(10, 4, 16, 12, 3, 9) == pytest.approx(-np.sqrt(2))
    assert np.isnan(analysis.standard_errors_apart(1, 0, 5, 2, 0, 5))


def test_holm_by_hand() -> None:
    assert analysis.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert analysis.holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert analysis.holm([]).tolist() == []


def test_probability_of_improvement_counts_ties_half() -> None:
    # Of the pairs (3, 1), (3, 3), (4, 1), (4, 3), three are won and one is a tie.
    assert analysis.mann_whitney([3, 4], [1, 3])[0] == pytest.approx(3.5 / 4)
    assert analysis.mann_whitney([1, 3], [3, 4])[0] == pytest.approx(0.5 / 4)


def test_identical_data_are_not_different() -> None:
    values = np.random.default_rng(6).normal(size=50).round(1)
    assert analysis.mann_whitney(values, values) == (pytest.approx(0.5), pytest.approx(1.0))
    assert analysis.mann_whitney([1.0] * 9, [1.0] * 7) == (0.5, 1.0)


def test_p_values_are_honest_and_a_shift_is_found() -> None:
    """Of 400 tests of samples of one distribution, 5 % are expected below 0.05: 20, standard deviation 4.4."""
    rng = np.random.default_rng(7)
    p = [analysis.mann_whitney(rng.normal(size=30), rng.normal(size=30))[1] for _ in range(400)]
    assert 5 <= sum(value < 0.05 for value in p) <= 35
    assert analysis.mann_whitney(rng.normal(size=50), rng.normal(1.0, size=50))[1] < 0.001


def test_compare_all_corrects_over_tested_pairs_and_names_small_samples() -> None:
    rng = np.random.default_rng(8)
    samples = [("a", rng.normal(0, 1, 40)), ("b", rng.normal(2, 1, 40)), ("c", rng.normal(0, 1, 40)), ("few", [9.0, 9.0, 9.0])]
    found = {(pair.first, pair.second): pair for pair in analysis.compare_all(samples)}
    assert list(found) == [("a", "b"), ("a", "c"), ("a", "few"), ("b", "c"), ("b", "few"), ("c", "few")]
    assert found["a", "b"].p < 0.001
    assert found["a", "b"].improvement < 0.2
    assert found["a", "c"].p > 0.05
    for pair in (("a", "few"), ("b", "few"), ("c", "few")):
        assert np.isnan(found[pair].p)
        assert found[pair].improvement == 0.0
    assert [pair.p for pair in analysis.compare_all(samples[:2])] == [analysis.mann_whitney(samples[0][1], samples[1][1])[1]]
    assert analysis.compare_all(samples[:1]) == []


def test_many_runs_keep_apart() -> None:
    rng = np.random.default_rng(9)
    runs, length = 1000, 100
    base = make_experiment([[(1.0, 0, 12, 0.0)]])
    experiment = Experiment(
        **{
            **vars(base),
            "seeds": np.arange(runs),
            "offsets": np.arange(0, (runs + 1) * length, length),
            "columns": {
                "seconds": np.tile(np.arange(1.0, length + 1), runs),
                "architecture": rng.integers(0, 100, runs * length).astype(np.int32),
                "epochs": np.full(runs * length, 12, dtype=np.int16),
                "accuracy": rng.random(runs * length),
            },
        }
    )
    best = experiment.accuracy.reshape(runs, length).argmax(1)
    expected = experiment.architecture.reshape(runs, length)[np.arange(runs), best]
    assert np.array_equal(analysis.final_architectures(experiment), expected)


# -- ranks and times -----------------------------------------------------------------------------------------------------------


def test_ranks_by_hand() -> None:
    """Blocks (a, b, c): three times 3 > 2 > 1, once 1 < 2 = 2, once all equal."""
    a, b, c = [1, 1, 1, 1, 5], [2, 2, 2, 2, 5], [3, 3, 3, 2, 5]
    ranking = analysis.rank_all([("a", a), ("b", b), ("c", c)])
    assert ranking.labels == ("c", "b", "a")
    assert ranking.ranks == pytest.approx(((3 * 1 + 1.5 + 2) / 5, (3 * 2 + 1.5 + 2) / 5, (4 * 3 + 2) / 5))
    assert ranking.blocks == 5
    assert ranking.p == pytest.approx(scipy.stats.friedmanchisquare(a, b, c).pvalue)
    assert ranking.critical_distance == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 5)), abs=1e-3)  # Demšar 2006, table 5(a)


@pytest.mark.parametrize(("samples", "quantile"), [(2, 1.960), (4, 2.569), (7, 2.949), (10, 3.164)])
def test_critical_distances_of_the_literature(samples: int, quantile: float) -> None:
    ranking = analysis.rank_all([(str(i), np.arange(20.0) + i) for i in range(samples)])
    assert ranking.critical_distance == pytest.approx(quantile * np.sqrt(samples * (samples + 1) / 120), abs=1e-3)
    assert np.isnan(ranking.p) == (samples == 2)


def test_samples_that_do_not_differ_form_series() -> None:
    def series(*ranks: float) -> list[tuple[int, int]]:
        return analysis.Ranking(tuple("abcdef"[: len(ranks)]), ranks, 10, 0.01, 1.0).alike()

    assert series(1.0, 1.5, 3.0) == [(0, 1)]
    assert series(1.0, 1.8, 2.6, 5.0) == [(0, 1), (1, 2)]
    assert series(1.0, 1.5, 2.0) == [(0, 2)]
    assert series(1.0, 3.0, 5.0) == []


def test_equal_samples_share_their_rank() -> None:
    ranking = analysis.rank_all([(name, [7.0] * 6) for name in "abc"])
    assert ranking.ranks == (2.0, 2.0, 2.0)
    assert ranking.p == 1.0
    assert ranking.alike() == [(0, 2)]


def test_ranks_need_runs() -> None:
    with pytest.raises(ValueError, match=r"5 runs and more, got \[6, 3\] runs"):
        analysis.rank_all([("a", [1.0] * 6), ("b", [1.0] * 3)])
    with pytest.raises(ValueError, match="2 samples"):
        analysis.rank_all([("a", [1.0] * 6)])


def test_first_time_of_a_median() -> None:
    nan = float("nan")
    curves = [[nan, 50.0, 80.0, 80.0], [nan, nan, 60.0, 90.0], [10.0, 70.0, 70.0, 60.0]]
    times = [1.0, 2.0, 4.0, 8.0]  # medians: nothing, 50, 70, 80
    assert [analysis.first_reaching(curves, times, target) for target in (50.0, 51.0, 70.0, 80.0)] == [2.0, 4.0, 4.0, 8.0]
    assert analysis.first_reaching(curves, times, 80.5) == float("inf")


def test_time_to_reach_by_hand() -> None:
    values = np.array([0.0, 50.0, 80.0, 0.0, 0.0, 0.0, 60.0, 70.0])
    reached = [analysis.seconds_to_reach(make_experiment(TWO_RUNS), values, target) for target in (25.0, 40.0, 70.0, 75.0, 76.0)]
    assert reached == [20.0, 30.0, 60.0, 100.0, float("inf")]
    late = make_experiment(TWO_RUNS, budget=90.0)
    assert analysis.seconds_to_reach(late, values, 75.0) == float("inf")


def test_a_run_that_has_ended_keeps_its_incumbent() -> None:
    early = make_experiment([[(10.0, 1, 12, 50.0)], [(20.0, 2, 12, 50.0), (90.0, 3, 12, 60.0)]])
    assert analysis.seconds_to_reach(early, [0.0, 80.0, 60.0, 80.0], 80.0) == 90.0
