"""Fronts over time, hypervolumes and attainment surfaces: by hand, by slow definitions, and against moocore."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from experiments.analysis.fronts import AnyFront, Staircase, attainment_surfaces, front_steps, hypervolume
from experiments.store import Experiment
from tests.helpers import held_out

SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
ACCURACY = np.array([[70.0, 73.0], [80.0, 84.0], [60.0, 66.0], [75.0, 79.0]])
COSTS = np.array([2.0, 3.0, 1.0, 3.0])


@pytest.fixture
def runs(tmp_path: Path) -> Experiment:
    """Two runs, the second of which has a failed evaluation; one evaluation a second."""
    table = held_out.write_table(tmp_path / "table.safetensors", SPACE, ACCURACY)
    found = held_out.experiment(table, [[(3, 0), (0, 0), (1, 0), (3, 0)], [(2, 1), (1, 0), (2, 0)]])
    found.accuracy[4] = np.nan
    return found


def steps_of(experiment: Experiment) -> list[list[tuple[float, list[int]]]]:
    losses = np.stack((100 - experiment.accuracy, COSTS[experiment.architecture]), axis=1)
    return [[(seconds, entries.tolist()) for seconds, entries in steps] for steps in front_steps(experiment, losses)]


def test_fronts_by_hand(runs: Experiment) -> None:
    first = [(1.0, [0]), (2.0, [0, 1]), (3.0, [1, 2])]  # the fourth is dominated by the third
    second = [(2.0, [5]), (3.0, [5, 6])]
    assert steps_of(runs) == [first, second]
    assert steps_of(replace(runs, budget=2.0)) == [first[:2], second[:1]]


def test_only_the_longest_trainings_compete(runs: Experiment) -> None:
    runs.epochs[:] = [12, 200, 12, 200, 200, 12, 12]
    assert steps_of(runs) == [[(1.0, [0]), (2.0, [1]), (4.0, [1, 3])], [(2.0, [5]), (3.0, [5, 6])]]
    assert steps_of(replace(runs, incumbent_rule="any-fidelity"))[0] == [(1.0, [0]), (2.0, [0, 1]), (3.0, [1, 2])]


def test_hypervolume_by_hand() -> None:
    reference = np.array([10.0, 10.0])
    assert hypervolume(np.array([[2.0, 8.0], [6.0, 1.0]]), reference) == 8 * 2 + 4 * 7
    assert hypervolume(np.array([[6.0, 1.0], [2.0, 8.0], [7.0, 3.0], [6.0, 1.0]]), reference) == 44  # dominated, repeated
    assert hypervolume(np.array([[10.0, 0.0], [0.0, 11.0]]), reference) == 0
    assert hypervolume(np.empty((0, 2)), reference) == 0


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_is_that_of_moocore(objectives: int) -> None:
    moocore = pytest.importorskip("moocore")
    rng, reference = np.random.default_rng(objectives), np.full(objectives, 0.9)
    for points in (rng.random((25, objectives)), np.round(rng.random((25, objectives)), 1)):
        assert hypervolume(points, reference) == pytest.approx(moocore.hypervolume(points, ref=reference))


def test_many_objectives_need_moocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moocore", None)
    with pytest.raises(ValueError, match="the hypervolume of 3 objectives needs moocore"):
        hypervolume(np.zeros((1, 3)), np.ones(3))


def test_attainment_by_hand() -> None:
    fronts = [(np.array([3.0, 1.0]), np.array([90.0, 60.0])), (np.array([2.0]), np.array([80.0])), (np.empty(0), np.empty(0))]
    none = -np.inf
    assert attainment_surfaces(fronts, np.array([0.5, 1.0, 2.0, 2.5, 9.0]), (1 / 3, 0.5, 1)).tolist() == [
        [none, 60, 80, 80, 90],
        [none, none, 60, 60, 80],  # two of three runs are at least a half
        [none] * 5,
    ]


@pytest.mark.parametrize("runs", [4, 7])
def test_surfaces_are_those_of_moocore(runs: int) -> None:
    moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng(runs)
    fronts = [(rng.random(12), rng.random(12)) for _ in range(runs)]
    points = np.concatenate([np.stack((cost, -accuracy), axis=1) for cost, accuracy in fronts])
    for share in (0.25, 0.5, 0.75):
        sets = np.repeat(np.arange(runs) + 1, 12)
        corners = moocore.eaf(points, sets=sets, percentiles=[100 * share])  # [corner, cost, loss and percentile]
        (surface,) = attainment_surfaces(fronts, corners[:, 0], (share,))
        np.testing.assert_allclose(surface, -corners[:, 1])


@pytest.mark.parametrize("seed", range(5))
def test_a_staircase_holds_what_any_front_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stairs, front = Staircase(), AnyFront()
    points = rng.integers(0, 12, size=(200, 2)).astype(float)  # with ties and repetitions
    points[rng.random(200) < 0.05, 0] = np.inf
    for item, point in enumerate(points.tolist()):
        assert stairs.add(tuple(point), item) == front.add(tuple(point), item)
        assert sorted(stairs.items) == front.items
