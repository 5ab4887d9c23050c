"""Figures of rankings by supernets, read back from the axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from benchmark_api.tables.table import Table
from experiments import store
from experiments.report import make_report
from experiments.runs.ranking import RankingRun
from plots.figures.groups import Group, groups_of
from plots.figures.rankings import ranking_figures
from tests.helpers.synthetic import condition, store_runs

SIZE, SEEDS = 40, (777, 888, 999)


def estimates(seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).random(SIZE) * 100


@pytest.fixture(scope="module")
def stored(digits_table: Table, tmp_path_factory: pytest.TempPathFactory) -> tuple[Group, list[store.SupernetRanking]]:
    """Three runs of GDAS of three epochs, ranked after the last two, one of DARTS, ranked after the last; some others too."""
    folder = tmp_path_factory.mktemp("results")
    gdas = condition(digits_table, "digits", "gdas", epochs=3)
    darts = condition(digits_table, "digits", "darts-v1")
    store_runs(folder, digits_table, gdas, [[1, 2, 3]] * 3)
    store_runs(folder, digits_table, darts, [[1]])
    for of, seeds in ((gdas, SEEDS), (darts, SEEDS[:1])):
        facts = {name: getattr(of, name) for name in store.ONE_SHOT_RUNS.fields}
        last = store.RankingCondition(**facts, architectures=SIZE, sample_seed=0, images=None, device="cpu")
        for seed in seeds:
            for ranking, epoch in ((last, 3), (replace(last, epoch=2), 2), (replace(last, batch_norm="batch"), 9)):
                if of is gdas or epoch == 3:
                    run = RankingRun(seed, 1.0, np.arange(SIZE, dtype=np.int32), estimates(seed, epoch))
                    store.write_piece(folder, ranking, [run], "1", str(digits_table.path))
        smaller = replace(last, architectures=2)
        run = RankingRun(777, 1.0, np.arange(2, dtype=np.int32), np.array([1.0, 2.0]))
        store.write_piece(folder, smaller, [run], "1", str(digits_table.path))
    (group,) = groups_of(make_report(digits_table, store.load(folder, store.ONE_SHOT_RUNS)))
    return group, store.load(folder, store.RANKINGS)


def test_measures_are_those_of_the_largest_sample_with_the_own_normalisation(
    stored: tuple[Group, list[store.SupernetRanking]],
) -> None:
    group, rankings = stored
    figures = ranking_figures(group, rankings)
    assert list(figures) == ["ranking", "ranking-measures", "ranking-agreement", "ranking-epochs"]
    truth = group.report.accuracies.reported[:SIZE]
    measures = figures["ranking-measures"]
    names = [axes.get_xlabel() for axes in measures.axes]
    assert names[:2] == ["Kendall's τ", "sparse τ"]
    assert "S-Tau, mean with the other seeds" not in names  # DARTS has a single supernet
    labels = [label.get_text() for label in measures.axes[0].get_yticklabels()]
    assert labels == ["DARTS (1st), n = 1", "GDAS, epochs 3, n = 3"]
    drawn = measures.axes[0].collections[1].get_offsets()[:, 0]
    np.testing.assert_allclose(drawn, [kendalltau(estimates(seed, 3), truth).statistic for seed in SEEDS])
    assert len(figures["ranking"].axes) == 2


def test_agreement_is_a_symmetric_heat_map(stored: tuple[Group, list[store.SupernetRanking]]) -> None:
    axes, _ = ranking_figures(*stored)["ranking-agreement"].axes  # the second is the bar of colours
    matrix = np.asarray(axes.images[0].get_array().filled(np.nan))
    expected = kendalltau(estimates(777, 3), estimates(888, 3)).statistic
    assert matrix[0, 1] == matrix[1, 0] == pytest.approx(expected)
    assert np.isnan(np.diag(matrix)).all()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["777", "888", "999"]


def test_development_over_the_kept_epochs(stored: tuple[Group, list[store.SupernetRanking]]) -> None:
    group, _ = stored
    truth = group.report.accuracies.reported[:SIZE]
    axes = ranking_figures(*stored)["ranking-epochs"].axes[0]
    runs = [line for line in axes.lines if len(line.get_xdata()) == 2]
    assert [line.get_xdata().tolist() for line in runs] == [[2, 3]] * 3
    expected = [kendalltau(estimates(777, epoch), truth).statistic for epoch in (2, 3)]
    np.testing.assert_allclose(runs[0].get_ydata(), expected)


def test_without_rankings_there_is_no_figure(stored: tuple[Group, list[store.SupernetRanking]]) -> None:
    group, rankings = stored
    assert ranking_figures(group, []) == {}
    assert ranking_figures(group, [one for one in rankings if one.batch_norm == "batch" or one.epoch == 2]) == {}
