"""Read files: what was written is read back; damaged, foreign or misplaced files are refused by name."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import store
from experiments.store import MixedCodeWarning, StoreError
from tests.helpers.stored import CONDITION, enriched, make_runs, stored_seeds, write


def test_round_trip_over_pieces(tmp_path: Path) -> None:
    write(tmp_path, range(25, 30))  # pieces may come in any order
    write(tmp_path, range(25))
    (experiment,) = store.load(tmp_path)
    expected = make_runs(range(30))
    for field in store.BLACK_BOX_RUNS.fields:
        assert getattr(experiment, field) == getattr(CONDITION, field)
    assert experiment.seeds.tolist() == list(range(30))
    assert np.diff(experiment.offsets).tolist() == [len(run.seconds) for run in expected]
    for name in ("seconds", "architecture", "epochs", "accuracy"):
        joined = np.concatenate([getattr(run, name) for run in expected])
        assert np.array_equal(getattr(experiment, name), joined)
        assert getattr(experiment, name).dtype == joined.dtype
    assert experiment.wall_seconds.tolist() == [run.wall_seconds for run in expected]
    assert experiment.code_versions == ("1+abc",)
    assert experiment.table_path == "/somewhere/table"


def test_optional_columns_are_read_back(tmp_path: Path) -> None:
    runs = [enriched(run) for run in make_runs(range(30))]
    for some in (runs[:25], runs[25:]):
        path = store.write_piece(tmp_path, CONDITION, some, "1+abc", "/somewhere/table")
    assert {"curve", "incumbent", "costs:params", "costs:latency of a chip"} <= set(pq.read_schema(path).names)
    (experiment,) = store.load(tmp_path)
    assert experiment.cost_names == ("params", "latency of a chip")
    assert np.array_equal(experiment.costs, np.concatenate([run.costs for run in runs]))
    assert np.array_equal(experiment.incumbent, np.concatenate([run.incumbent for run in runs]))
    curves = [curve for run in runs for curve in run.curve or []]
    assert experiment.curve is not None
    assert experiment.curve.shape == (len(curves), 2)
    for stored, curve in zip(experiment.curve, curves, strict=True):
        assert np.array_equal(stored, np.append(curve, [np.nan] * (2 - len(curve))), equal_nan=True)


def test_a_column_that_some_files_lack_is_missing(tmp_path: Path) -> None:
    write(tmp_path, range(25))
    store.write_piece(tmp_path, CONDITION, [enriched(run) for run in make_runs(range(25, 30))], "1+abc", "/somewhere/table")
    (experiment,) = store.load(tmp_path)
    assert experiment.incumbent is None
    assert len(experiment.seeds) == 30


def test_a_missing_required_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, range(2))
    table = pq.read_table(path)
    pq.write_table(table.drop_columns("seconds"), path)
    with pytest.raises(StoreError, match=rf"{path}: damaged, its columns are"):
        store.load(tmp_path)


def test_the_order_of_columns_does_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path, range(2))
    table = pq.read_table(path)
    pq.write_table(table.select(sorted(table.column_names)), path)
    (experiment,) = store.load(tmp_path)
    assert experiment.condition == CONDITION


def test_filters(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    write(tmp_path, range(3), replace(CONDITION, dataset="cifar100"))
    assert [len(experiment.seeds) for experiment in store.load(tmp_path, dataset="cifar100")] == [3]
    assert store.load(tmp_path, dataset="cifar100", algorithm="bohb") == []
    with pytest.raises(ValueError, match="nonsense"):
        store.load(tmp_path, nonsense=1)


def test_no_folder_and_empty_folder(tmp_path: Path) -> None:
    assert store.load(tmp_path) == []
    assert stored_seeds(tmp_path / "none", CONDITION) == set()
    with pytest.raises(FileNotFoundError, match="none"):
        store.load(tmp_path / "none")


def test_what_a_killed_writer_left_is_never_read(tmp_path: Path) -> None:
    path = write(tmp_path, range(2))
    (path.parent / f".{path.name}.abc.part").write_bytes(path.read_bytes()[:100])
    assert stored_seeds(tmp_path, CONDITION) == {0, 1}
    assert len(store.load(tmp_path)) == 1


@pytest.mark.parametrize("keep", [0, 3, 500, -1])
def test_a_truncated_file_is_named(keep: int, tmp_path: Path) -> None:
    path = write(tmp_path, range(25))
    path.write_bytes(path.read_bytes()[:keep])
    for read in (lambda: store.load(tmp_path), lambda: stored_seeds(tmp_path, CONDITION)):
        with pytest.raises(StoreError, match=rf"{path}.*damaged"):
            read()


def test_a_changed_byte_is_found_or_means_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, range(25))
    (whole,) = store.load(tmp_path)
    data = path.read_bytes()
    refused = 0
    for position in range(0, len(data), 29):
        path.write_bytes(data[:position] + bytes([data[position] ^ 255]) + data[position + 1 :])
        try:
            (experiment,) = store.load(tmp_path)
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
        else:
            for name in ("seeds", "offsets", "seconds", "architecture", "epochs", "accuracy"):
                assert np.array_equal(getattr(experiment, name), getattr(whole, name))
    assert refused > 50


def test_a_foreign_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "topology" / "mine.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"x": [1, 2]}), path)
    with pytest.raises(StoreError, match=rf"{path}: not a results file"):
        store.load(tmp_path)


def test_a_misplaced_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, range(5))
    renamed = path.with_name("seeds-00000-00009.parquet")
    path.rename(renamed)
    with pytest.raises(StoreError, match=rf"{renamed}.*wrong place"):
        store.load(tmp_path)
    renamed.rename(path)
    other = path.parent.with_name("rea-00000000")
    path.parent.rename(other)
    with pytest.raises(StoreError, match=rf"{other}.*wrong place.*{path.parent}"):
        store.load(tmp_path)


def test_a_file_of_another_experiment_in_the_folder_is_refused_before_running(tmp_path: Path) -> None:
    foreign = write(tmp_path, range(5), replace(CONDITION, budget=2000.0))
    here = tmp_path / CONDITION.folder()
    here.mkdir()
    shutil.copy(foreign, here)
    with pytest.raises(StoreError, match="wrong place"):
        stored_seeds(tmp_path, CONDITION)


def test_a_seed_stored_twice_is_named(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    second = write(tmp_path, range(4, 8))
    with pytest.raises(StoreError, match=rf"{second}: seed 4 "):
        store.load(tmp_path)
    with pytest.raises(StoreError, match="seed 4 "):
        stored_seeds(tmp_path, CONDITION)


def test_mixed_code_versions_are_said_once(tmp_path: Path) -> None:
    write(tmp_path, range(25))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.load(tmp_path)
    write(tmp_path, range(25, 30), version="2+def")
    with pytest.warns(MixedCodeWarning, match=r"rea-.*1\+abc, 2\+def") as caught:
        (experiment,) = store.load(tmp_path)
    assert len(caught) == 1
    assert experiment.code_versions == ("1+abc", "2+def")
