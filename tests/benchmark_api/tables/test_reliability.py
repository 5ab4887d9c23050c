"""How well a table tells architectures apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmark_api.__main__ import main
from benchmark_api.spaces import SearchSpace, SizeSpace, TopologySpace
from benchmark_api.tables import Table, TableWriter
from benchmark_api.tables.reliability import between_datasets, rated_by, reliability
from benchmark_api.tables.writer import write_table

SPACE = SizeSpace((4, 8), 2)  # four architectures


def write(path: Path, accuracy: np.ndarray, space: SearchSpace = SPACE, source: dict[str, object] | None = None) -> Table:
    """A table of one dataset, its test accuracies given [architecture, trial, epoch], validation accuracies in reverse order."""
    n, trials, epochs = accuracy.shape
    stem = f"digits/{epochs}"
    arrays: dict[str, np.ndarray] = {f"{stem}/{name}": np.ones(n) for name in ("params", "flops", "latency")}
    seeds = np.where(np.isnan(accuracy).all(axis=2), -1, 777 + 111 * np.arange(trials))
    arrays[f"{stem}/seeds"] = seeds.astype(np.int32)
    for split, values in {"train": accuracy, "x-valid": 100 - accuracy, "x-test": accuracy}.items():
        arrays |= {
            f"{stem}/{split}/accuracy": values,
            f"{stem}/{split}/loss": values,
            f"{stem}/{split}/epochs": np.arange(epochs),
            f"{stem}/{split}/seconds": np.ones((n, trials)),
        }
    schedules = {"search_schedule": str(epochs), "report_schedule": str(epochs)}
    metadata = {"space": space.spec(), "title": "t", "notice": "", "source": source or {}, **schedules}
    with TableWriter(path, {name: (array.dtype, array.shape) for name, array in arrays.items()}, metadata) as writer:
        for name, array in arrays.items():
            writer.write(name, array)
    return Table(path)


def test_by_hand(tmp_path: Path) -> None:
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 4.0, 3.0, 2.0])  # ρ = 1 - 6 · 8 / (4 · 15)
    end = np.stack([first, second, first], axis=1)  # [architecture, trial]
    start = np.broadcast_to([[2.0], [1.0], [3.0], [4.0]], end.shape)
    found = reliability(write(tmp_path / "t", np.stack([start, end], axis=2)), "digits", "2")
    assert (found.architectures, found.trials, found.sets) == (4, 3, (1, 1))
    assert found.between_sets == pytest.approx((0.2 + 1.0 + 0.2) / 3)
    r = found.between_sets
    assert found.between_all == pytest.approx(3 * r / (1 + 2 * r))
    assert found.valid_test == pytest.approx(-1.0)
    means = end.mean(axis=1)  # 1, 8/3, 3, 10/3
    assert (found.early_epoch, found.early) == (1, pytest.approx(0.8))
    assert found.spread == pytest.approx(np.std(means, ddof=1))
    variances = [0.0, 4 / 3, 0.0, 4 / 3]
    assert found.trial_spread == pytest.approx(np.sqrt(np.mean(variances)))


def test_four_trials_make_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    accuracy = 50 + rng.normal(size=(4, 4, 1))
    found = reliability(write(tmp_path / "t", accuracy), "digits", "1")
    pairs = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    end = accuracy[:, :, 0]
    expected = [spearmanr(end[:, list(a)].mean(axis=1), end[:, list(b)].mean(axis=1)).statistic for a, b in pairs]
    assert found.sets == (2, 2)
    assert found.between_sets == pytest.approx(np.mean(expected))
    assert found.between_all == pytest.approx(2 * found.between_sets / (1 + found.between_sets))


def test_architectures_with_fewer_trials_are_left_out(tmp_path: Path) -> None:
    accuracy = np.array([[1.0, 1.0], [2.0, 2.0], [9.0, np.nan], [3.0, 3.0]])[:, :, None]
    found = reliability(write(tmp_path / "t", accuracy), "digits", "1")
    assert (found.architectures, found.trials, found.between_sets) == (3, 2, pytest.approx(1.0))
    assert found.spread == pytest.approx(1.0)


def test_one_trial(tmp_path: Path) -> None:
    found = reliability(write(tmp_path / "t", np.arange(4.0)[:, None, None]), "digits", "1")
    assert (found.trials, found.sets) == (1, (0, 0))
    assert np.isnan([found.between_sets, found.between_all, found.trial_spread]).all()
    assert found.early == pytest.approx(1.0)


def test_isomorphic_architectures_trained_once_count_once(tmp_path: Path) -> None:
    space = TopologySpace()
    accuracy = np.zeros((len(space), 1, 1))
    assert reliability(write(tmp_path / "a", accuracy, space, {"trained": 6466}), "digits", "1").architectures == 6466
    assert reliability(write(tmp_path / "b", accuracy, space), "digits", "1").architectures == 15625


def write_validation(path: Path, **accuracy: np.ndarray) -> Table:
    """A table of validation accuracies after the last epoch only, by dataset key [architecture, trial]."""
    arrays: dict[str, np.ndarray] = {}
    for key, values in accuracy.items():
        arrays |= {
            f"{key}/200/seeds": np.where(np.isnan(values), -1, np.arange(values.shape[1])).astype(np.int32),
            f"{key}/200/x-valid/accuracy": values[:, :, None],
            f"{key}/200/x-valid/epochs": np.array([199], dtype=np.int32),
        }
    schedules = {"search_schedule": "200", "report_schedule": "200"}
    write_table(path, arrays, {"space": SPACE.spec(), "title": "t", "notice": "", "source": {}, **schedules})
    return Table(path)


def test_a_table_without_test_accuracies_is_rated_by_validation(tmp_path: Path) -> None:
    values = np.array([[1.0, 2.0], [2.0, 3.0], [4.0, 3.0], [3.0, 4.0]])
    table = write_validation(tmp_path / "t", digits=values)
    assert rated_by(table, "digits", "200") == ("digits", "x-valid")
    found = reliability(table, "digits", "200")
    assert found.between_sets == pytest.approx(spearmanr(*values.T).statistic)
    assert found.spread == pytest.approx(np.std(values.mean(axis=1), ddof=1))
    assert np.isnan([found.valid_test, found.early]).all()
    with pytest.raises(ValueError, match="no schedule '12' for 'digits'"):
        rated_by(table, "digits", "12")


def test_between_datasets_compares_means_over_trials(tmp_path: Path) -> None:
    first = np.array([[1.0, 3.0], [3.0, np.nan], [8.0, 0.0], [np.nan, np.nan]])  # means 2, 3, 4, none
    second = np.array([[1.0], [3.0], [2.0], [9.0]])
    third = 100 - second
    table = write_validation(tmp_path / "t", **{"cifar10-valid": first, "b": second, "c": third})
    assert between_datasets(table) == {
        ("b", "c"): pytest.approx(-1.0),
        ("b", "cifar10"): pytest.approx(0.5),
        ("c", "cifar10"): pytest.approx(-0.5),
    }


def test_info_of_equal_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_validation(tmp_path / "t", digits=np.repeat(np.arange(4.0)[:, None], 2, axis=1))
    assert main(["info", str(table.path)]) == 0
    printed = capsys.readouterr().out
    assert "  digits   200       4              2       1.000 (1 against 1)  1.000" in printed
    assert "nan" not in printed


def test_info_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = np.array([[1.0, 1.5], [2.0, 2.5], [4.0, 3.5], [3.0, 3.5]])[:, :, None]
    table = write(tmp_path / "t", accuracy, source={"name": "tests", "machine": "none"})
    assert main(["info", str(table.path)]) == 0
    printed = capsys.readouterr().out
    assert "  source       name: tests\n               machine: none\n" in printed
    assert "digits   1         4              2       0.949 (1 against 1)  0.974              -1.000" in printed
    extremes = [line.split() for line in printed.splitlines() if line.startswith("  digits") and "st  " in line]
    assert [words for words in extremes if "best" in words] == [
        ["digits", "1", "x-valid", "best", "98.7500", "0", "4:4"],
        ["digits", "1", "x-test", "best", "3.7500", "2", "8:4"],
    ]
    assert [words for words in extremes if "worst" in words] == [
        ["digits", "1", "x-valid", "worst", "96.2500", "2", "8:4"],
        ["digits", "1", "x-test", "worst", "1.2500", "0", "4:4"],
    ]
