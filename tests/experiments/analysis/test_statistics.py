"""Summaries, intervals, tests, ranks and correlations against values worked out by hand and against statistics' own promises."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from experiments.analysis import statistics
from experiments.analysis.statistics import rank_correlations

NAN = float("nan")


def test_summary_by_hand() -> None:
    summary = statistics.summarize([1.0, 2.0, 3.0, 4.0])
    assert (summary.runs, summary.mean, summary.std) == (4, 2.5, pytest.approx(np.sqrt(5 / 3)))
    assert np.isnan([summary.low, summary.high]).all()  # too few runs for an interval
    assert statistics.summarize([1.0, 2.0, 3.0, 4.0], ddof=0).std == pytest.approx(np.sqrt(5 / 4))
    assert np.isnan(statistics.summarize([3.0]).std)
    constant = statistics.summarize([2.0] * 6)
    assert (constant.std, constant.low, constant.high) == (0.0, pytest.approx(2.0), pytest.approx(2.0))


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    """2,000 samples of 50 normal numbers. Coverage has a standard error of 0.5 %; the percentile interval falls
    short by about 1 % at this n."""
    values = np.random.default_rng(2).normal(5.0, 2.0, (50, 2000))
    low, high = statistics.bootstrap_mean_interval(values)
    assert 0.92 < np.mean((low <= 5.0) & (high >= 5.0)) < 0.965
    narrow_low, narrow_high = statistics.bootstrap_mean_interval(values, level=0.5)
    assert 0.45 < np.mean((narrow_low <= 5.0) & (narrow_high >= 5.0)) < 0.55


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).exponential(1.0, 200)
    theirs = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0))
    low, high = statistics.bootstrap_mean_interval(values, resamples=5000)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.05 * width)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.05 * width)


def test_interval_shapes_seeds_and_gaps() -> None:
    values = np.random.default_rng(4).normal(size=(20, 3, 4))
    low, high = statistics.bootstrap_mean_interval(values)
    assert low.shape == high.shape == (3, 4)
    alone = statistics.bootstrap_mean_interval(values[:, 2, 3])
    np.testing.assert_allclose((low[2, 3], high[2, 3]), alone)
    again, _ = statistics.bootstrap_mean_interval(values)
    other, _ = statistics.bootstrap_mean_interval(values, seed=1)
    assert np.array_equal(low, again)
    assert not np.array_equal(low, other)
    values[5, 0, 0] = np.nan
    gap, _ = statistics.bootstrap_mean_interval(values)
    assert np.isnan(gap[0, 0])
    assert not np.isnan(gap[0, 1:]).any()


def test_interquartile_mean_by_hand() -> None:
    assert statistics.interquartile_mean([1, 2, 3, 100]) == 2.5
    assert statistics.interquartile_mean([7]) == 7
    # Six runs: 1.5 are cut off at either end, so the second and the fifth count half.
    assert statistics.interquartile_mean([6, 1, 2, 3, 4, 9]) == pytest.approx((0.5 * 2 + 3 + 4 + 0.5 * 6) / 3)
    values = np.random.default_rng(5).normal(size=400)
    assert statistics.interquartile_mean(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25))


def test_standard_errors_by_hand() -> None:
    # Errors 3 / sqrt(9) = 1 and 4 / sqrt(16) = 1: the difference of 2 is 2 / sqrt(2) of them.
    assert statistics.standard_errors_apart((12, 3, 9), (10, 4, 16)) == pytest.approx(np.sqrt(2))
    assert statistics.standard_errors_apart((10, 4, 16), (12, 3, 9)) == pytest.approx(-np.sqrt(2))
    assert np.isnan(statistics.standard_errors_apart((1, 0, 5), (2, 0, 5)))


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert statistics.holm([]).tolist() == []


def test_probability_of_improvement_counts_ties_half() -> None:
    # Of the pairs (3, 1), (3, 3), (4, 1), (4, 3), three are won and one is a tie.
    assert statistics.mann_whitney([3, 4], [1, 3])[0] == pytest.approx(3.5 / 4)
    assert statistics.mann_whitney([1, 3], [3, 4])[0] == pytest.approx(0.5 / 4)


def test_identical_data_are_not_different() -> None:
    values = np.random.default_rng(6).normal(size=50).round(1)
    assert statistics.mann_whitney(values, values) == (pytest.approx(0.5), pytest.approx(1.0))
    assert statistics.mann_whitney([1.0] * 9, [1.0] * 7) == (0.5, 1.0)


def test_p_values_are_honest_and_a_shift_is_found() -> None:
    """Of 400 tests of samples of one distribution, 5 % are expected below 0.05: 20, standard deviation 4.4."""
    rng = np.random.default_rng(7)
    p = [statistics.mann_whitney(rng.normal(size=30), rng.normal(size=30))[1] for _ in range(400)]
    assert 5 <= sum(value < 0.05 for value in p) <= 35
    assert statistics.mann_whitney(rng.normal(size=50), rng.normal(1.0, size=50))[1] < 0.001


def test_compare_all_corrects_over_tested_pairs_and_names_small_samples() -> None:
    rng = np.random.default_rng(8)
    samples = [("a", rng.normal(0, 1, 40)), ("b", rng.normal(2, 1, 40)), ("c", rng.normal(0, 1, 40)), ("few", [9.0, 9.0, 9.0])]
    found = {(pair.first, pair.second): pair for pair in statistics.compare_all(samples)}
    assert list(found) == [("a", "b"), ("a", "c"), ("a", "few"), ("b", "c"), ("b", "few"), ("c", "few")]
    assert found["a", "b"].p < 0.001
    assert found["a", "b"].improvement < 0.2
    assert found["a", "c"].p > 0.05
    for pair in (("a", "few"), ("b", "few"), ("c", "few")):
        assert np.isnan(found[pair].p)
        assert found[pair].improvement == 0.0
    assert [pair.p for pair in statistics.compare_all(samples[:2])] == [statistics.mann_whitney(samples[0][1], samples[1][1])[1]]
    assert statistics.compare_all(samples[:1]) == []


def test_ranks_by_hand() -> None:
    """Blocks (a, b, c): three times 3 > 2 > 1, once 1 < 2 = 2, once all equal."""
    a, b, c = [1, 1, 1, 1, 5], [2, 2, 2, 2, 5], [3, 3, 3, 2, 5]
    ranking = statistics.rank_all([("a", a), ("b", b), ("c", c)])
    assert ranking.labels == ("c", "b", "a")
    assert ranking.ranks == pytest.approx(((3 * 1 + 1.5 + 2) / 5, (3 * 2 + 1.5 + 2) / 5, (4 * 3 + 2) / 5))
    assert ranking.blocks == 5
    assert ranking.p == pytest.approx(scipy.stats.friedmanchisquare(a, b, c).pvalue)
    assert ranking.critical_distance == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 5)), abs=1e-3)  # Demšar 2006, table 5(a)


@pytest.mark.parametrize(("samples", "quantile"), [(2, 1.960), (4, 2.569), (7, 2.949), (10, 3.164)])
def test_critical_distances_of_the_literature(samples: int, quantile: float) -> None:
    ranking = statistics.rank_all([(str(i), np.arange(20.0) + i) for i in range(samples)])
    assert ranking.critical_distance == pytest.approx(quantile * np.sqrt(samples * (samples + 1) / 120), abs=1e-3)
    assert np.isnan(ranking.p) == (samples == 2)


def test_samples_that_do_not_differ_form_series() -> None:
    def series(*ranks: float) -> list[tuple[int, int]]:
        return statistics.Ranking(tuple("abcdef"[: len(ranks)]), ranks, 10, 0.01, 1.0).alike()

    assert series(1.0, 1.5, 3.0) == [(0, 1)]
    assert series(1.0, 1.8, 2.6, 5.0) == [(0, 1), (1, 2)]
    assert series(1.0, 1.5, 2.0) == [(0, 2)]
    assert series(1.0, 3.0, 5.0) == []


def test_equal_samples_share_their_rank() -> None:
    ranking = statistics.rank_all([(name, [7.0] * 6) for name in "abc"])
    assert ranking.ranks == (2.0, 2.0, 2.0)
    assert ranking.p == 1.0
    assert ranking.alike() == [(0, 2)]


def test_ranks_need_runs() -> None:
    with pytest.raises(ValueError, match=r"5 runs and more, got \[6, 3\] runs"):
        statistics.rank_all([("a", [1.0] * 6), ("b", [1.0] * 3)])
    with pytest.raises(ValueError, match="2 samples"):
        statistics.rank_all([("a", [1.0] * 6)])


def test_rank_correlations_by_hand() -> None:
    accuracies = np.array(
        [
            [1.0, 2.0, 3.0, 4.0, NAN],
            [1.0, 3.0, 2.0, 4.0, 0.0],
            [9.0, 7.0, 5.0, NAN, 1.0],
            [5.0, 5.0, 5.0, 5.0, 5.0],
        ]
    )
    correlations = rank_correlations(accuracies)
    assert correlations[1, 0] == pytest.approx(0.8)  # 1 - 6·2 / (4·15)
    assert correlations[0, 1] == pytest.approx(4 / 6)  # five pairs in order, one not
    assert correlations[2, 0] == pytest.approx(-1.0)
    assert correlations[0, 2] == pytest.approx(-1.0)
    assert np.isnan(np.diag(correlations)).all()
    assert np.isnan(correlations[3]).all()  # all tied
    assert np.isnan(correlations[:, 3]).all()


def test_a_distribution_has_an_interval_where_every_run_has_a_value() -> None:
    values = np.random.default_rng(1).normal(size=(statistics.MIN_RUNS, 4))
    values[2, 0] = NAN
    curves = statistics.Distribution.of(values)
    assert curves.interval is not None
    np.testing.assert_array_equal(curves.mean, values.mean(axis=0))
    np.testing.assert_array_equal(curves.interval[:, 1:], statistics.bootstrap_mean_interval(values[:, 1:]))
    assert np.isnan(curves.interval[:, 0]).all()
    finals = statistics.Distribution.of(values[:, 1])
    assert finals.interval is not None
    np.testing.assert_array_equal(finals.interval, statistics.bootstrap_mean_interval(values[:, 1]))
    np.testing.assert_array_equal(finals.quartiles, np.percentile(values[:, 1], [25, 50, 75]))
    assert statistics.Distribution.of(values[1:]).interval is None


def test_percentiles_by_hand() -> None:
    population = np.array([10.0, NAN, 20.0, 20.0, 40.0])
    assert statistics.percentiles_of(np.array([5.0, 10.0, 20.0, 30.0, 99.0]), population).tolist() == [
        0.0,
        25.0,
        75.0,
        75.0,
        100.0,
    ]
