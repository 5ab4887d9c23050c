"""Rankings of architectures by supernets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from algorithms.one_shot.inherited import inherited_accuracy
from benchmark_api.tables.table import Table
from experiments import store
from experiments.__main__ import main
from experiments.analysis.statistics import rank_correlation
from experiments.report import ranked, ranking_tables
from experiments.runs import one_shot
from experiments.runs.ranking import population, sample_architectures
from tests.helpers.synthetic import condition, store_ranking, store_runs


def test_correlations_by_hand() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx((1.0, 1.0))
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx((-1.0, -1.0))
    tau, rho = rank_correlation([1, 2, 3, 4], [1, 3, 2, 4])  # one of six pairs is out of order: (5 - 1) / 6; 1 - 6 · 2 / 60
    assert (tau, rho) == pytest.approx((2 / 3, 0.8))
    for first, second in (([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [5, 5, 5]), ([1], [2])):
        assert np.isnan(rank_correlation(first, second)).all()


def test_the_sample_is_seeded_and_without_repeats(digits_table: Table) -> None:
    sample = sample_architectures(digits_table, "digits", 500, seed=3)
    assert np.array_equal(sample, sample_architectures(digits_table, "digits", 500, seed=3))
    assert not np.array_equal(sample, sample_architectures(digits_table, "digits", 500, seed=4))
    assert len(set(sample.tolist())) == 500
    for wrong in (1, len(digits_table) + 1):
        with pytest.raises(ValueError, match=f"2 to the 15,625 .* got {wrong}"):
            sample_architectures(digits_table, "digits", wrong, seed=0)


@pytest.fixture(scope="module")
def results(digits_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of RSPS, one epoch each."""
    folder = tmp_path_factory.mktemp("results")
    command = ["run", "rsps", "--table", digits_table.path, "--results", folder, "--epochs", 1, "--batch", 450, "--candidates", 2]
    assert main([str(word) for word in (*command, "--seeds", 2, "--jobs", 1)]) == 0
    return folder


def rank(results: Path, *more: object) -> int:
    return main([str(word) for word in ("ranking", "--results", results, "--architectures", 6, "--jobs", 1, *more)])


def test_the_command(results: Path, digits_table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert rank(results, "--images", 100) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 new runs ")
    (experiment,) = store.load(results, store.ONE_SHOT_RUNS)
    (ranking,) = store.load(results, store.RANKINGS)
    assert (ranking.seeds.tolist(), ranking.images) == ([777, 888], 100)

    piece = one_shot.OneShotJob.of(experiment, range(888, 889), digits_table, results)
    search = piece.search()
    search.load(piece.checkpoint)
    indices = sample_architectures(digits_table, "digits", 6, 0)
    with one_shot.one_thread():
        inherited = inherited_accuracy(search, [digits_table.space.architecture(int(i)) for i in indices], images=100)
    assert np.array_equal(ranking.architecture, [*indices, *indices])  # the same for both supernets
    assert np.array_equal(ranking.accuracy[6:], inherited)

    test = digits_table.accuracy(indices, "digits", "3", "x-test")
    (one,) = ranked(digits_table, [ranking])
    tau, rho, _ = (values[1] for values in one.correlations.values())
    assert (tau, rho) == pytest.approx((kendalltau(inherited, test).statistic, spearmanr(inherited, test).statistic))
    assert "| digits  | rsps (batch=450, candidates=2, epochs=1) | 2 | 6             | 100    | " in out

    assert rank(results, "--images", 100) == 0  # what is stored is not computed again
    assert capsys.readouterr().out.startswith("0 new runs ")
    assert rank(results, "--images", 100, "--sample-seed", 1) == 0
    assert capsys.readouterr().out.startswith("2 new runs ")


def test_correlations_are_averaged_over_supernets(digits_table: Table, tmp_path: Path) -> None:
    of = condition(digits_table, "digits", "gdas")
    architectures = [10, 20, 30, 40]
    test = digits_table.accuracy(np.array(architectures), "digits", "3", "x-test")
    store_ranking(tmp_path, digits_table, of, architectures, test)
    store_ranking(tmp_path, digits_table, of, architectures, 100 - test, seed=888)
    text = ranking_tables(digits_table, store.load(tmp_path, store.RANKINGS))
    line = next(line for line in text.splitlines() if line.startswith("| digits"))
    assert "| gdas " in line
    assert line.count("0.00 ± 1.41 (0.00 to 0.00)") == 3
    assert digits_table.notice in text


def test_a_supernet_that_gives_all_the_same_accuracy_ranks_nothing(digits_table: Table, tmp_path: Path) -> None:
    of = condition(digits_table, "digits", "gdas")
    architectures = [10, 20, 30, 40]
    test = digits_table.accuracy(np.array(architectures), "digits", "3", "x-test")
    store_ranking(tmp_path, digits_table, of, architectures, test)
    store_ranking(tmp_path, digits_table, of, architectures, np.full(4, 10.0), seed=888)
    (one,) = ranked(digits_table, store.load(tmp_path, store.RANKINGS))
    assert [values.tolist() for values in one.correlations.values()] == [[1.0, 0.0]] * 3
    assert one.agreement[0, 1] == one.agreement[1, 0] == 0.0
    assert np.isnan(np.diag(one.agreement)).all()
    assert all(0.0 <= low <= high <= 0.5 for low, high in one.intervals)
    assert "nan" not in ranking_tables(digits_table, [one.ranking])


def test_a_sample_of_classes_has_one_architecture_of_each(digits_table: Table) -> None:
    space = digits_table.space
    known = population(digits_table, "digits", "classes")
    assert len(known) == 6466
    assert all(space.index(space.canonical(space.architecture(index))) == index for index in known[::50].tolist())
    sample = sample_architectures(digits_table, "digits", 6466, 0, "classes")
    assert sorted(sample) == known.tolist()
    with pytest.raises(ValueError, match="2 to the 6,466 classes that the table has on digits, got 6467"):
        sample_architectures(digits_table, "digits", 6467, 0, "classes")


def test_a_class_is_represented_by_a_measured_architecture(digits_table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    space = digits_table.space
    canonical = [space.index(space.canonical(space.architecture(index))) for index in range(40)]
    hidden, shown = next((first, index) for index, first in enumerate(canonical) if first != index)
    seeds = digits_table.seeds("digits", digits_table.report_schedule).copy()
    seeds[hidden] = -1
    monkeypatch.setattr(Table, "seeds", lambda *_: seeds)
    population.cache_clear()
    known = population(digits_table, "digits", "classes")
    population.cache_clear()
    assert hidden not in known
    assert shown in known


def test_supernets_of_the_last_epochs(digits_table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A kept supernet is that of a search that stopped there; the tables compare epochs and seeds."""
    command = [
        "run",
        "rsps",
        "--table",
        digits_table.path,
        "--results",
        tmp_path,
        "--epochs",
        3,
        "--batch",
        450,
        "--candidates",
        2,
    ]
    assert main([str(word) for word in (*command, "--seeds", 2, "--jobs", 1, "--keep-epochs", 2)]) == 0
    kept = sorted(path.name for path in tmp_path.rglob("*.epoch-*"))
    assert kept == [f"seeds-{seed:05d}-{seed:05d}.epoch-0002.safetensors" for seed in (777, 888)]
    assert main(["status", "--results", str(tmp_path)]) == 0
    assert "under way" not in capsys.readouterr().out
    assert rank(tmp_path, "--epochs", 2) == 0
    out = capsys.readouterr().out
    assert out.startswith("4 new runs ")
    assert "### rankings over the last epochs" in out
    assert "| 2 | 2 to 3 " in out
    earlier, last = sorted(store.load(tmp_path, store.RANKINGS), key=lambda ranking: ranking.epoch is None)
    assert (earlier.epoch, last.epoch) == (2, None)

    (experiment,) = store.load(tmp_path, store.ONE_SHOT_RUNS)
    search = one_shot.OneShotJob.of(experiment, range(777, 778), digits_table, tmp_path).search()
    with one_shot.one_thread():
        for _ in range(2):
            search.train_epoch()
        sample = [digits_table.space.architecture(int(index)) for index in earlier.architecture[:6]]
        assert np.array_equal(earlier.accuracy[:6], inherited_accuracy(search, sample))
    assert rank(tmp_path, "--epochs", 3) == 0  # the first was not kept
    assert capsys.readouterr().out.startswith("0 new runs ")
    assert rank(tmp_path, "--epochs", 4) == 2
    assert "epochs must be 1 to the 3 of rsps" in capsys.readouterr().err


def test_normalisation_and_classes_are_conditions_of_their_own(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rank(results, "--images", 60, "--classes", "--batch-norm", "batch") == 0
    out = capsys.readouterr().out
    assert "| 6 classes " in out
    assert "statistics of the evaluated batch in all of them" in out
    assert "### agreement of supernets" in out
    (ranking,) = store.load(results, store.RANKINGS, images=60)
    assert (ranking.drawn_from, ranking.batch_norm, ranking.epoch) == ("classes", "batch", None)
    assert rank(results, "--images", 60) == 0
    assert capsys.readouterr().out.startswith("2 new runs ")
    (usual,) = (ranking for ranking in store.load(results, store.RANKINGS, images=60) if ranking.batch_norm == "search")
    assert not {"drawn_from", "batch_norm", "epoch"} & set(usual.condition.facts())  # as in files of earlier versions


def test_errors_are_one_line(digits_table: Table, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (("--results", tmp_path / "empty"), "no such one-shot run"),
        (("--results", tmp_path / "none"), "no results folder"),
        (("--algorithm", "gdas"), "no such one-shot run"),
        (("--architectures", 1), "architectures must be"),
        (("--device", "abacus"), "device 'abacus'"),
    ):
        capsys.readouterr()
        assert rank(results, *arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert message in error


def test_a_supernet_that_is_gone_is_left_out(digits_table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "gdas"), [[1, 2]])
    assert rank(tmp_path) == 0
    assert capsys.readouterr().out.startswith("0 new runs ")
