"""Kinds of runs and conditions: what makes an experiment, and what its columns say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.tables.table import Table
from experiments import store
from experiments.store import AnyExperiment, Column, Condition, Kind
from tests.helpers.stored import CONDITION, stored_seeds, write


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
        {"workers": 8},
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
    assert stored_seeds(tmp_path, CONDITION) == {0, 1}
    assert stored_seeds(tmp_path, other) == {0, 1, 2}


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
    assert experiment.kind is kind
    assert [found.seeds.tolist() for found in store.load(tmp_path)] == [[0, 1]]


def test_conditions_parse_their_columns() -> None:
    assert CONDITION.config_values() == {"population_size": 10}
    assert CONDITION.config().population_size == 10
    assert CONDITION.settings() == {
        "schedule": "12", "budget": 1000.0, "charge": "scratch", "repeats": "charged", "noise": "random",
        "incumbent_rule": "highest-fidelity",
    }  # fmt: skip
    with pytest.raises(ValueError, match="other is not registered"):
        replace(CONDITION, algorithm="other").config()


def test_labels_have_what_is_not_the_default(topology_table: Table) -> None:
    assert CONDITION.label(topology_table) == "rea (budget=1000.0, tournament_size=unknown, redraw=unknown)"
    other = replace(CONDITION, algorithm="other", schedule="200", noise="once")
    assert other.label(topology_table) == "other (noise=once, schedule=200, budget=1000.0, population_size=10)"
    assert replace(other, schedule="12", budget=20_000.0).label(topology_table) == "other (noise=once, population_size=10)"
    assert replace(other, budget=360_000.0, noise="random").label(topology_table) == "other (schedule=200, population_size=10)"


def test_labels_know_the_defaults_of_a_table_without_tests() -> None:
    real = Table("nats-topology")
    usual = replace(CONDITION, algorithm="other", schedule="200", budget=360_000.0, noise="once", hyperparameters="{}")
    assert usual.label(real) == usual.label(None) == "other"
    assert replace(usual, noise=1).label(real) == replace(usual, noise=1).label(None) == "other (noise=1)"
    assert replace(usual, budget=20_000.0).label(None) == "other (budget=20000.0)"


def test_reading_black_box_results_needs_no_pytorch(tmp_path: Path) -> None:
    write(tmp_path, range(2))
    program = (
        "import sys; from experiments import store; (e,) = store.load(sys.argv[1]); e.label(None); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "False\n"
