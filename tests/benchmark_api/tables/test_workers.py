"""Workers on one clock: a schedule worked out by hand, the budget, and what is remembered while a training still runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.evaluation import Query
from benchmark_api.tables.evaluator import Accounting, BudgetExhausted, MissingValidation, simulated_evaluator
from benchmark_api.tables.view import ValidationView
from benchmark_api.tables.workers import Workers

SPACE = SizeSpace(widths=(4, 8), layers=2)  # four architectures
A, B, C, D = (SPACE.architecture(index) for index in range(4))

# Two trials of A, whose epochs take 10 and 20 s; one of B, C and D (3, 5, 8 s); a validation pass takes 1 s. D has no accuracy.
VIEW = ValidationView(
    space=SPACE,
    dataset="cifar10",
    key="cifar10-valid",
    schedule="12",
    schedule_epochs=12,
    epochs=(0, 3, 11),
    accuracy=np.array(
        [
            [[10.0, 50.0, 70.0], [20.0, 60.0, 80.0]],
            [[30.0, 40.0, 75.0], [np.nan, np.nan, np.nan]],
            [[11.0, 21.0, 61.0], [np.nan, np.nan, np.nan]],
            [[np.nan, np.nan, np.nan], [np.nan, np.nan, np.nan]],
        ]
    ),
    seeds=np.array([[777, 888], [777, -1], [777, -1], [777, -1]]),
    train_seconds=np.array([[10.0, 20.0], [3.0, np.nan], [5.0, np.nan], [8.0, np.nan]]),
    validation_seconds=np.ones((4, 2)),
)


class Simulation:
    """Workers of an evaluator that name queries by architecture and epochs."""

    def __init__(self, number: int, *, seed: Any = 0, **accounting: Any) -> None:
        self.evaluator = simulated_evaluator(VIEW, Accounting(workers=number, **accounting), seed=seed)
        self.workers = Workers(self.evaluator, number)

    def start(self, *queries: tuple[Any, int]) -> None:
        for architecture, epochs in queries:
            self.workers.start(Query(architecture, epochs))

    def finish(self) -> tuple[tuple[Any, int | None], float]:
        """The query that ends next, and the clock."""
        query, _ = self.workers.finish()
        return (query.architecture, query.epochs), self.evaluator.clock


def test_queries_end_in_the_order_of_the_clock() -> None:
    simulation = Simulation(3, noise=777)
    simulation.start((A, 4), (B, 12), (C, 4))
    assert (simulation.workers.idle, simulation.evaluator.clock) == (0, 0.0)
    assert simulation.finish() == ((C, 4), 21.0)
    assert simulation.workers.idle == 1
    simulation.start((C, 1))
    assert simulation.finish() == ((C, 1), 21.0 + 6.0)
    simulation.start((B, 4))
    assert simulation.finish() == ((B, 12), 37.0)
    assert simulation.finish() == ((B, 4), 27.0 + 13.0)
    assert simulation.finish() == ((A, 4), 41.0)
    assert not simulation.workers.busy
    assert simulation.workers.starts == [0.0, 21.0, 0.0, 27.0, 0.0]
    assert simulation.evaluator.queries == 5


def test_of_two_that_end_together_the_one_that_began_first_comes_first() -> None:
    simulation = Simulation(4, noise=777)
    simulation.start((B, 4), (A, 4))
    assert simulation.finish() == ((B, 4), 13.0)
    simulation.start((B, 4), (B, 4), (B, 4))
    ends = [simulation.workers.finish()[0].architecture for _ in range(4)]
    assert (ends, simulation.workers.starts) == ([B, B, B, A], [0.0, 13.0, 13.0, 13.0, 0.0])


def test_no_query_begins_past_the_budget_and_those_that_run_end() -> None:
    simulation = Simulation(2, noise=777, budget=30)
    simulation.start((B, 4), (B, 12))
    assert simulation.finish() == ((B, 4), 13.0)
    simulation.start((A, 4))
    assert simulation.finish() == ((B, 12), 37.0)
    with pytest.raises(BudgetExhausted, match="37 of 30 simulated seconds and 3 queries are spent"):
        simulation.start((A, 1))
    assert (simulation.workers.idle, simulation.evaluator.queries) == (1, 3)
    assert simulation.finish() == ((A, 4), 54.0)


def test_at_most_max_queries_begin() -> None:
    simulation = Simulation(4, noise=777, max_queries=2)
    simulation.start((A, 1), (B, 1))
    with pytest.raises(BudgetExhausted, match="0 of inf simulated seconds and 2 queries are spent"):
        simulation.start((C, 1))


def test_a_query_without_an_answer_keeps_its_worker_idle() -> None:
    simulation = Simulation(2)
    with pytest.raises(MissingValidation, match="architecture 3"):
        simulation.start((D, 12))
    assert (simulation.workers.idle, simulation.workers.busy, simulation.evaluator.queries) == (2, False, 0)


def test_trials_are_drawn_in_the_order_in_which_queries_begin() -> None:
    draw = np.random.default_rng(6)
    trials = [int(draw.random() * 2) for _ in range(20)]
    assert len(set(trials)) == 2
    simulation = Simulation(20, seed=6)
    simulation.start(*[(A, 12)] * 20)
    found = [simulation.workers.finish()[1].trial for _ in range(20)]
    assert found == sorted(trials)  # the second trial takes twice as long


def test_one_trial_of_an_architecture_answers_all_workers() -> None:
    simulation = Simulation(20, seed=6, noise="once")
    simulation.start(*[(A, 12)] * 20)
    assert len({simulation.workers.finish()[1].trial for _ in range(20)}) == 1


def test_only_a_training_that_has_ended_is_continued() -> None:
    simulation = Simulation(3, noise=777, charge="resume")
    simulation.start((A, 4), (A, 12))  # the second begins from scratch: the first still runs
    assert simulation.finish() == ((A, 4), 41.0)
    simulation.start((A, 12))  # continues the first one
    assert simulation.finish() == ((A, 12), 121.0)
    assert simulation.workers.starts[-1] == 0.0
    assert simulation.finish() == ((A, 12), 41.0 + 81.0)


def test_two_workers_continue_one_training() -> None:
    simulation = Simulation(2, noise=777, charge="resume")
    simulation.start((A, 4))
    simulation.finish()
    simulation.start((A, 12), (A, 12))
    assert simulation.finish() == simulation.finish() == ((A, 12), 41.0 + 81.0)


def test_a_repeat_is_free_where_the_first_one_has_ended() -> None:
    simulation = Simulation(3, seed=0, repeats="free")  # draws the slow trial, then the fast one
    simulation.start((A, 4), (A, 4))  # two trainings: the first still runs when the second begins
    assert simulation.evaluator.queries == 2
    _, first = simulation.workers.finish()
    assert first.trial == 0
    for _ in range(5):  # the other one goes on meanwhile
        simulation.start((A, 4))
        query, repeat = simulation.workers.finish()
        assert (query, repeat) == (Query(A, 4), first._replace(seconds=0.0))
    assert simulation.evaluator.clock == first.seconds
    assert simulation.workers.finish()[1].trial == 1
    simulation.start((A, 4))
    assert simulation.workers.finish()[1] == first._replace(seconds=0.0)  # not the one that ended last
    assert simulation.evaluator.queries == 2


def test_an_answer_from_memory_is_no_training_to_continue() -> None:
    simulation = Simulation(2, noise=777, charge="resume", repeats="free")
    ends = []
    for epochs in (1, 4, 1, 12):  # the last one continues the training of four epochs
        simulation.start((A, epochs))
        ends.append(simulation.finish()[1])
    assert ends == [11.0, 11.0 + 31.0, 42.0, 42.0 + 81.0]


@pytest.mark.parametrize("workers", [0, 257, -1])
def test_bounds(workers: int) -> None:
    with pytest.raises(ValueError, match=r"workers must be in \[1, 256\], got"):
        Accounting(workers=workers)
