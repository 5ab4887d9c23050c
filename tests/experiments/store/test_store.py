"""results/: what is written is read back, and what is damaged, foreign or out of place is refused by name."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import store
from experiments.runs.run import Run
from experiments.store import AnyExperiment, Column, Condition, Kind, MixedCodeWarning, StoreError

CONDITION = Condition(
    space="topology",
    dataset="cifar10",
    schedule="12",
    budget=1000.0,
    algorithm="rea",
    hyperparameters='{"population_size": 10}',
    incumbent_rule="highest-fidelity",
    table_fingerprint="f" * 64,
    table_title="a table",
    table_notice="",
)


def make_runs(seeds: range) -> list[Run]:
    """Runs of different lengths whose figures tell their seed."""
    runs = []
    for seed in seeds:
        n = 1 + seed % 4
        steps = np.arange(n)
        runs.append(
            Run(
                seed=seed,
                seconds=100.0 * (steps + 1) + seed,
                architecture=(10 * seed + steps).astype(np.int32),
                epochs=np.full(n, 12, dtype=np.int16),
                accuracy=50 + steps / 7 + seed,
                wall_seconds=0.5 + seed,
            )
        )
    return runs


def write(results: Path, seeds: range, condition: Condition = CONDITION, version: str = "1+abc") -> Path:
    return store.write_piece(results, condition, make_runs(seeds), version, "/somewhere/table")


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


def test_every_fact_is_in_the_file(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path, range(3)))
    kind = store.BLACK_BOX_RUNS
    columns = [name for name, column in kind.columns.items() if not column.optional]
    assert table.column_names == [*kind.fields, "seed", "code_version", "wall_seconds", *columns]
    manifest = table.schema.metadata[b"manifest"].decode()
    for fact in ("python", "platform", "cpu", "numpy", "schema_version", "table_path"):
        assert f'"{fact}"' in manifest


def test_files_lie_where_the_documentation_says(tmp_path: Path) -> None:
    path = write(tmp_path, range(25)).relative_to(tmp_path)
    assert path.parts[:2] == ("topology", "cifar10")
    assert path.parts[2].startswith("rea-")
    assert len(path.parts[2]) == len("rea-") + 8
    assert path.name == "seeds-00000-00024.parquet"


@pytest.mark.parametrize(
    "change",
    [
        {"budget": 1001.0},
        {"hyperparameters": "{}"},
        {"noise": 777},
        {"max_queries": 3},
        {"charge": "resume"},
        {"repeats": "free"},
        {"table_fingerprint": "0" * 64},
        {"schedule": "200"},
    ],
)
def test_another_condition_is_another_experiment(change: dict[str, object], tmp_path: Path) -> None:
    other = replace(CONDITION, **change)  # type: ignore[arg-type]
    write(tmp_path, range(2))
    write(tmp_path, range(3), other)
    found = {len(experiment.seeds): experiment for experiment in store.load(tmp_path)}
    assert sorted(found) == [2, 3]
    field, value = next(iter(change.items()))
    assert getattr(found[3], field) == value
    assert store.stored_seeds(tmp_path, CONDITION) == {0, 1}
    assert store.stored_seeds(tmp_path, other) == {0, 1, 2}


@dataclass(frozen=True, eq=False)
class RichRun(Run):
    """A run of a search that needs curves and costs, and has a rule of its own for the incumbent."""

    curve: list[np.ndarray] | None = None
    costs: np.ndarray | None = None
    cost_names: tuple[str, ...] = ()
    incumbent: np.ndarray | None = None


def enriched(run: Run) -> RichRun:
    entries = np.arange(len(run.seconds))
    more = {
        "curve": [run.accuracy[entry] + np.arange((run.seed + entry) % 3, dtype=np.float64) for entry in entries],
        "costs": np.stack([run.seconds / 7, run.accuracy / 3], axis=1),
        "cost_names": ("params", "latency of a chip"),
        "incumbent": np.maximum(entries - 1, 0).astype(np.int32),
    }
    return RichRun(**{**vars(run), **more})


def test_optional_columns_are_those_that_runs_have(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    (plain,) = store.load(tmp_path)
    assert (plain.curve, plain.costs, plain.cost_names, plain.incumbent) == (None, None, (), None)
    assert set(plain.columns) == {"seconds", "architecture", "epochs", "accuracy"}


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


@dataclass(frozen=True, kw_only=True)
class TuningCondition(Condition):
    """A condition of another kind."""

    kind_name = "tuning"

    trials: int
    rate: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuning(TuningCondition, AnyExperiment):
    """Stored runs of another kind."""

    loss = Column[np.ndarray](np.float32, "nats", "loss of a trial")

    @property
    def clock(self) -> np.ndarray:
        return np.zeros(len(self.loss))


@dataclass(frozen=True)
class TuningRun:
    seed: int
    wall_seconds: float
    architecture: np.ndarray
    loss: np.ndarray


def test_another_kind_is_declared_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind("tuning", TuningCondition, Tuning, simulated=False, suffix="-tuning")
    monkeypatch.setitem(store.KINDS._entries, "tuning", kind)
    condition = TuningCondition(**asdict(CONDITION), trials=3, rate=None)
    run = TuningRun(5, 1.5, np.array([1, 2], dtype=np.int32), np.array([0.5, 0.25], dtype=np.float32))
    path = store.write_piece(tmp_path, condition, [run], "1+abc", "/somewhere/table")
    assert path.parent.name.startswith("rea-tuning-")
    write(tmp_path, range(2))
    (experiment,) = store.load(tmp_path, kind, trials=3)
    assert (experiment.trials, experiment.rate, experiment.wall_seconds.tolist()) == (3, None, [1.5])
    assert (experiment.loss.tolist(), experiment.loss.dtype) == ([0.5, 0.25], np.float32)
    assert experiment.condition == condition
    assert (kind.order, experiment.kind) == (len(store.KINDS) - 1, kind)
    assert [found.seeds.tolist() for found in store.load(tmp_path)] == [[0, 1]]


def test_conditions_parse_their_columns() -> None:
    assert CONDITION.config_values() == {"population_size": 10}
    assert CONDITION.config().population_size == 10
    assert CONDITION.settings() == {
        "schedule": "12", "budget": 1000.0, "charge": "scratch", "repeats": "charged", "noise": "random",
        "incumbent_rule": "highest-fidelity",
    }  # fmt: skip
    assert CONDITION.label("12") == "rea (budget=1000.0, tournament_size=unknown, redraw=unknown)"
    assert replace(CONDITION, algorithm="other").label("200") == "other (schedule=12, budget=1000.0, population_size=10)"
    with pytest.raises(ValueError, match="other is not registered"):
        replace(CONDITION, algorithm="other").config()


def test_reading_black_box_results_needs_no_pytorch(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    program = (
        "import sys; from experiments import store; (e,) = store.load(sys.argv[1]); e.label('12'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "False\n"


def test_filters(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    write(tmp_path, range(3), replace(CONDITION, dataset="cifar100"))
    assert [len(experiment.seeds) for experiment in store.load(tmp_path, dataset="cifar100")] == [3]
    assert store.load(tmp_path, dataset="cifar100", algorithm="bohb") == []
    with pytest.raises(ValueError, match="nonsense"):
        store.load(tmp_path, nonsense=1)


def test_no_folder_and_empty_folder(tmp_path: Path) -> None:
    assert store.load(tmp_path) == []
    assert store.stored_seeds(tmp_path / "none", CONDITION) == set()
    with pytest.raises(FileNotFoundError, match="none"):
        store.load(tmp_path / "none")


def test_missing_pieces_are_aligned_blocks() -> None:
    assert store.missing_pieces([], range(60)) == [range(25), range(25, 50), range(50, 60)]
    assert store.missing_pieces(range(30), range(60)) == [range(30, 50), range(50, 60)]
    assert store.missing_pieces([3, 4, 26], range(30)) == [range(3), range(5, 25), range(25, 26), range(27, 30)]
    assert store.missing_pieces(range(60), range(60)) == []
    assert store.missing_pieces([], range(40, 60)) == [range(40, 50), range(50, 60)]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(table: pa.Table, file: object, **options: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pq, "write_table", full_disk)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path, range(2))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_killed_writer_left_is_never_read(tmp_path: Path) -> None:
    path = write(tmp_path, range(2))
    (path.parent / f".{path.name}.abc.part").write_bytes(path.read_bytes()[:100])
    assert store.stored_seeds(tmp_path, CONDITION) == {0, 1}
    assert len(store.load(tmp_path)) == 1


@pytest.mark.parametrize("keep", [0, 3, 500, -1])
def test_a_truncated_file_is_named(keep: int, tmp_path: Path) -> None:
    path = write(tmp_path, range(25))
    path.write_bytes(path.read_bytes()[:keep])
    for read in (lambda: store.load(tmp_path), lambda: store.stored_seeds(tmp_path, CONDITION)):
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
        store.stored_seeds(tmp_path, CONDITION)


def test_a_seed_stored_twice_is_named(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    second = write(tmp_path, range(4, 8))
    with pytest.raises(StoreError, match=rf"{second}: seed 4 "):
        store.load(tmp_path)
    with pytest.raises(StoreError, match="seed 4 "):
        store.stored_seeds(tmp_path, CONDITION)


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


def test_success_clears_the_note_of_a_failure(tmp_path: Path) -> None:
    note = store.failure_path(store.piece_path(tmp_path, CONDITION, range(5)))
    note.parent.mkdir(parents=True)
    note.write_text("Traceback ...")
    write(tmp_path, range(5))
    assert not note.exists()
