"""Simulated evaluation: its ledger by hand, its noise, its budget, curves and costs, and what it cannot see."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from benchmark_api.spaces import Architecture, SizeSpace
from benchmark_api.tables import TableWriter
from benchmark_api.tables import evaluator as evaluator_module
from benchmark_api.tables.evaluation import Query
from benchmark_api.tables.evaluator import Accounting, BudgetedEvaluator, BudgetExhausted, MissingValidation, simulated_evaluator
from benchmark_api.tables.table import Table
from benchmark_api.tables.view import ValidationView

NAN = float("nan")
SPACE = SizeSpace(widths=(4, 8), layers=2)  # four architectures
A, B, C, D = (SPACE.architecture(index) for index in range(4))

# Two trials of A and B, one of C, none of D. Validation after 1, 4 and 12 epochs; B's second trial was not validated at the end.
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
            [[30.0, 40.0, 75.0], [40.0, 50.0, NAN]],
            [[10.0, 20.0, 60.0], [NAN, NAN, NAN]],
            [[NAN, NAN, NAN], [NAN, NAN, NAN]],
        ]
    ),
    seeds=np.array([[777, 888], [777, 888], [777, -1], [-1, -1]]),
    train_seconds=np.array([[10.0, 20.0], [3.0, 3.0], [5.0, NAN], [NAN, NAN]]),
    validation_seconds=np.array([[1.0, 2.0], [0.5, 0.5], [0.25, NAN], [NAN, NAN]]),
)


class Evaluations:
    """A simulated evaluator by architecture and epochs, which answers with the accuracy alone."""

    def __init__(self, view: ValidationView, budget: float = float("inf"), *, seed: Any = 0, **accounting: Any) -> None:
        self.evaluator: BudgetedEvaluator = simulated_evaluator(view, Accounting(budget=budget, **accounting), seed=seed)

    def evaluate(self, architecture: Architecture, epochs: int | None = None) -> float:
        return self.evaluator.evaluate(Query(architecture, epochs)).accuracy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.evaluator, name)


# -- the ledger --------------------------------------------------------------------------------------------------------


def test_a_query_costs_its_epochs_and_one_validation_pass() -> None:
    evaluator = Evaluations(VIEW, noise=777)
    assert (evaluator.clock, evaluator.queries) == (0.0, 0)
    assert evaluator.evaluate(A) == 70.0
    assert evaluator.clock == 12 * 10 + 1
    assert evaluator.evaluate(A, 4) == 50.0
    assert evaluator.clock == 121 + 4 * 10 + 1
    assert evaluator.evaluate(C, 1) == 10.0
    assert evaluator.clock == 162 + 1 * 5 + 0.25
    assert evaluator.evaluate(A, 12) == 70.0  # again: charged again
    assert evaluator.clock == 167.25 + 121
    assert evaluator.queries == 4


def test_the_drawn_trial_is_the_one_that_is_paid() -> None:
    evaluator = Evaluations(VIEW, seed=0)
    costs = {70.0: 121.0, 80.0: 242.0}
    seen = set()
    for _ in range(30):
        before = evaluator.clock
        accuracy = evaluator.evaluate(A)
        assert evaluator.clock - before == costs[accuracy]
        seen.add(accuracy)
    assert seen == set(costs)


def test_resuming_pays_the_epochs_in_between() -> None:
    evaluator = Evaluations(VIEW, noise=888, charge="resume")
    assert evaluator.evaluate(A, 1) == 20.0
    assert evaluator.clock == 1 * 20 + 2
    assert evaluator.evaluate(A, 4) == 60.0
    assert evaluator.clock == 22 + 3 * 20 + 2
    assert evaluator.evaluate(B, 1) == 40.0  # another architecture starts from scratch
    assert evaluator.clock == 84 + 3 + 0.5
    assert evaluator.evaluate(A) == 80.0
    assert evaluator.clock == 87.5 + 8 * 20 + 2
    assert evaluator.evaluate(A, 4) == 60.0  # not longer than the latest training: a new one
    assert evaluator.clock == 249.5 + 4 * 20 + 2
    assert evaluator.evaluate(A) == 80.0  # which is continued
    assert evaluator.clock == 331.5 + 8 * 20 + 2
    assert evaluator.evaluate(A) == 80.0  # a repeated query is a new training too
    assert evaluator.clock == 493.5 + 12 * 20 + 2


@pytest.mark.parametrize("seed", range(10))
def test_a_resumed_training_stays_with_its_trial(seed: int) -> None:
    evaluator = Evaluations(VIEW, seed=seed, charge="resume")
    curve = tuple(evaluator.evaluate(A, epochs) for epochs in (1, 4, 12))
    assert curve in {(10.0, 50.0, 70.0), (20.0, 60.0, 80.0)}


@pytest.mark.parametrize("charge", ["scratch", "resume"])
def test_a_training_in_parts_pays_each_epoch_once_and_a_pass_for_each_part(charge: Any) -> None:
    evaluator = simulated_evaluator(VIEW, Accounting(charge=charge, noise=777), needs={"parts"})
    for query, clock in (
        (Query(A, 1), 1 * 10 + 1),
        (Query(A, 4, continues=True), 11 + 3 * 10 + 1),
        (Query(B, 1), 42 + 3.5),
        (Query(A, None, continues=True), 45.5 + 8 * 10 + 1),
        (Query(A, 4, continues=True), 126.5 + 4 * 10 + 1),  # the latest training is longer: a new one
    ):
        evaluator.evaluate(query)
        assert evaluator.clock == clock


def test_parts_stay_with_their_trial_and_nothing_else_does() -> None:
    """The accuracies of A's trials differ after all epochs."""
    trials: dict[str, set[tuple[int, int]]] = {"continued": set(), "anew": set()}
    for seed in range(30):
        for kind, of_kind in trials.items():
            evaluator = simulated_evaluator(VIEW, Accounting(), seed=seed, needs={"parts"})
            first = evaluator.evaluate(Query(A, 1)).trial
            of_kind.add((first, evaluator.evaluate(Query(A, 4, continues=kind == "continued")).trial))
    assert trials["continued"] == {(0, 0), (1, 1)}
    assert trials["anew"] == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_only_a_search_that_needs_parts_may_continue() -> None:
    evaluator = simulated_evaluator(VIEW, Accounting(noise=777))
    evaluator.evaluate(Query(A, 1))
    evaluator.evaluate(Query(A, 4, continues=True))
    assert evaluator.clock == 11 + 4 * 10 + 1


def test_ledgers_of_successive_halving_add_up(topology_table: Table) -> None:
    view = topology_table.search_view("cifar10")
    rungs = [(1, range(9)), (4, range(3)), (12, range(1))]
    per_epoch, per_pass = view.train_seconds[:, 0], view.validation_seconds[:, 0]
    scratch = Evaluations(view, noise=777)
    resumed = Evaluations(view, noise=777, charge="resume")
    for epochs, indices in rungs:
        for index in indices:
            for evaluator in (scratch, resumed):
                evaluator.evaluate(view.space.architecture(index), epochs)
    passes = sum(float(per_pass[list(indices)].sum(dtype=np.float64)) for _, indices in rungs)
    paid_scratch = sum(epochs * float(per_epoch[list(indices)].sum(dtype=np.float64)) for epochs, indices in rungs)
    longest = [12, 4, 4, *[1] * 6]  # epochs that each of the nine reached
    paid_resumed = sum(epochs * float(per_epoch[index]) for index, epochs in enumerate(longest))
    assert scratch.clock == pytest.approx(paid_scratch + passes)
    assert resumed.clock == pytest.approx(paid_resumed + passes)
    assert scratch.queries == resumed.queries == 13


def test_free_repeats_are_answered_from_memory() -> None:
    evaluator = Evaluations(VIEW, seed=3, repeats="free")
    first = evaluator.evaluate(A)
    ledger = (evaluator.clock, evaluator.queries)
    assert {evaluator.evaluate(A, epochs) for epochs in [12, None] * 10} == {first}
    assert (evaluator.clock, evaluator.queries) == ledger
    evaluator.evaluate(A, 4)  # another fidelity is another training
    assert evaluator.queries == 2


def test_a_run_of_free_repeats_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator_module, "MAX_FREE_REPEATS", 5)
    evaluator = Evaluations(VIEW, repeats="free")
    for epochs in (1, 4, 12):  # a charged query in between starts the count again
        for _ in range(6):
            evaluator.evaluate(A, epochs)
    with pytest.raises(BudgetExhausted, match="the last 5 queries were free repeats"):
        evaluator.evaluate(A)


# -- the budget --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [1.0, 121.0, 121.1, 1000.0])
def test_only_the_last_query_overshoots(budget: float) -> None:
    evaluator = Evaluations(VIEW, budget, noise=777)
    while not evaluator.exhausted:
        before = evaluator.clock
        evaluator.evaluate(A)
        assert before < budget
    spent = (evaluator.clock, evaluator.queries)
    assert budget <= evaluator.clock < budget + 121
    with pytest.raises(BudgetExhausted, match=f"of {budget:.0f} simulated seconds"):
        evaluator.evaluate(C, 1)
    assert (evaluator.clock, evaluator.queries) == spent  # not made, not charged


def test_at_most_max_queries() -> None:
    evaluator = Evaluations(VIEW, max_queries=2)
    evaluator.evaluate(A)
    evaluator.evaluate(C)
    assert evaluator.exhausted
    with pytest.raises(BudgetExhausted, match="2 queries are spent"):
        evaluator.evaluate(A)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 0}, "budget must be positive, got 0"),
        ({"budget": NAN}, "budget must be positive, got nan"),
        ({"max_queries": 0}, "max_queries must be in"),
        ({"charge": "twice"}, "charge must be one of.*'scratch'.*got 'twice'"),
        ({"repeats": "cached"}, "repeats must be one of.*'free'.*got 'cached'"),
        ({"noise": "median"}, "noise must be 'random' or .*'mean'.* or int, got 'median'"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Evaluations(VIEW, **arguments)


# -- noise, trials that are missing, epochs that are missing -----------------------------------------------------------


def test_noise_drawn_once_for_each_architecture_in_a_run() -> None:
    seen = set()
    for seed in range(20):
        evaluator = simulated_evaluator(VIEW, Accounting(noise="once"), seed=seed)
        answers = [evaluator.evaluate(Query(architecture)) for architecture in (A, C, A, A, C)]
        assert {answer.trial for answer in answers[1::3]} == {0}  # C has one trial
        (trial,) = {answers[i].trial for i in (0, 2, 3)}
        assert answers[0].accuracy == (70.0, 80.0)[trial]
        seen.add(trial)
    assert seen == {0, 1}


def test_the_trial_that_answers() -> None:
    assert simulated_evaluator(VIEW, Accounting(noise=888)).evaluate(Query(A)).trial == 1
    assert simulated_evaluator(VIEW, Accounting(noise="mean")).evaluate(Query(A)).trial == -1
    evaluator = simulated_evaluator(VIEW, Accounting(noise="random"), seed=3)
    assert {(answer.trial, answer.accuracy) for answer in (evaluator.evaluate(Query(A)) for _ in range(30))} == {
        (0, 70.0),
        (1, 80.0),
    }


def test_mean_noise() -> None:
    evaluator = Evaluations(VIEW, noise="mean")
    assert evaluator.evaluate(A) == 75.0
    assert evaluator.clock == 12 * 15 + 1.5
    assert evaluator.evaluate(B) == 75.0  # over the trials that have a figure
    assert evaluator.evaluate(C, 4) == 20.0


def test_every_existing_trial_is_equally_likely(topology_table: Table) -> None:
    view = topology_table.search_view("cifar100")
    evaluator = Evaluations(view, seed=0)
    for index, trials in ((0, 3), (2, 2)):  # every third architecture lacks its last trial
        answers = [evaluator.evaluate(view.space.architecture(index)) for _ in range(3000)]
        counts = [answers.count(float(accuracy)) for accuracy in view.accuracy[index, :trials, -1]]
        assert sum(counts) == 3000
        assert chisquare(counts).pvalue > 1e-6  # a correct evaluator and a fresh seed fail once in a million runs


def test_trials_are_those_of_single_draws() -> None:
    evaluator, rng = Evaluations(VIEW, seed=5), np.random.default_rng(5)
    assert [evaluator.evaluate(A) for _ in range(600)] == [(70.0, 80.0)[int(rng.random() * 2)] for _ in range(600)]


def test_a_fixed_trial_that_is_missing_is_named_and_not_charged() -> None:
    evaluator = Evaluations(VIEW, noise=888)
    with pytest.raises(MissingValidation, match=r"architecture 2 has no trial with seed 888.*3 of 4 architectures"):
        evaluator.evaluate(C)
    assert (evaluator.clock, evaluator.queries) == (0.0, 0)


@pytest.mark.parametrize("noise", ["random", "mean", 777])
def test_an_architecture_without_trials(noise: Any) -> None:
    evaluator = Evaluations(VIEW, noise=noise)
    with pytest.raises(MissingValidation, match="architecture 3"):
        evaluator.evaluate(D)
    assert (evaluator.clock, evaluator.queries) == (0.0, 0)


def test_a_figure_that_is_missing_is_not_replaced() -> None:
    with pytest.raises(MissingValidation, match="no validation accuracy of architecture 1 after 12 epochs"):
        Evaluations(VIEW, noise=888).evaluate(B)
    only = replace(VIEW, accuracy=np.full((4, 2, 3), NAN))
    for noise in ("random", "mean", 777):
        evaluator = Evaluations(only, noise=noise)
        with pytest.raises(MissingValidation, match="architecture 0 after 12 epochs"):
            evaluator.evaluate(A)
        assert evaluator.clock == 0.0


@pytest.mark.parametrize("epochs", [-1, 0, 2, 11, 13])
def test_an_epoch_without_validation_is_refused(epochs: int) -> None:
    evaluator = Evaluations(VIEW)
    with pytest.raises(MissingValidation, match=rf"after {epochs} epochs of cifar10-valid/12 \(epochs with one: 1, 4, 12\)"):
        evaluator.evaluate(A, epochs)
    assert (evaluator.clock, evaluator.queries) == (0.0, 0)


def test_a_partial_epoch_of_the_long_schedule_is_refused(topology_table: Table) -> None:
    # The package answers here with the accuracy on validation and test images together.
    evaluator = Evaluations(topology_table.search_view("cifar100", "200"))
    architecture = topology_table.space.architecture(0)
    assert evaluator.evaluate(architecture) > 0.0
    with pytest.raises(MissingValidation, match="epochs with one: 200"):
        evaluator.evaluate(architecture, 100)


def test_a_training_time_that_is_missing_is_refused() -> None:
    for seconds in (np.zeros((4, 2)), np.full((4, 2), NAN)):  # nothing would ever end such a run
        evaluator = Evaluations(replace(VIEW, train_seconds=seconds, validation_seconds=seconds))
        with pytest.raises(MissingValidation, match="no training time of architecture 0"):
            evaluator.evaluate(A)


# -- curves and costs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charge", ["scratch", "resume"])
def test_curves_end_with_the_epochs_paid(charge: Any) -> None:
    evaluator = simulated_evaluator(VIEW, Accounting(noise=888, charge=charge), needs={"curves"})
    short, long = evaluator.evaluate(Query(A, 4)), evaluator.evaluate(Query(A))
    assert (short.accuracy, short.curve) == (60.0, (20.0, 60.0))
    assert (long.accuracy, long.curve) == (80.0, (20.0, 60.0, 80.0))
    assert (short.costs, long.costs) == ({}, {})


def test_mean_curves() -> None:
    evaluator = simulated_evaluator(VIEW, Accounting(noise="mean"), needs={"curves"})
    assert evaluator.evaluate(Query(A)).curve == (15.0, 55.0, 75.0)
    assert evaluator.evaluate(Query(B)).curve == (35.0, 45.0, 75.0)  # over the trials that have one


def test_costs_are_all_metrics_of_the_table() -> None:
    costs = {"energy": np.array([1.0, 2.0, 3.0, 4.0]), "params": np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32)}
    evaluator = simulated_evaluator(replace(VIEW, costs=costs), Accounting(repeats="free", noise=777), needs={"costs"})
    first, again = evaluator.evaluate(Query(B)), evaluator.evaluate(Query(B))
    assert first.costs == {"energy": 2.0, "params": pytest.approx(0.2)}
    assert first.curve == ()
    assert first.seconds == 12 * 3 + 0.5
    assert again == first._replace(seconds=0.0)


def test_metrics_that_were_not_measured_are_no_costs() -> None:
    table = Table("digits-topology")
    assert np.isnan(table.latency("digits")).all()
    assert list(table.search_view("digits").costs) == ["flops", "params"]


def test_nothing_is_gathered_that_is_not_needed() -> None:
    for needs in (frozenset(), {"fidelities", "task"}):
        evaluation = simulated_evaluator(VIEW, Accounting(), needs=needs).evaluate(Query(A))
        assert (evaluation.curve, evaluation.costs) == ((), {})


# -- determinism -------------------------------------------------------------------------------------------------------


def answers(view: ValidationView, seed: int, **options: Any) -> list[float]:
    """Accuracies and clock of 200 queries of every fidelity."""
    evaluator = Evaluations(view, seed=seed, **options)
    rng = np.random.default_rng(0)
    trace = []
    for _ in range(200):
        architecture = view.space.architecture(int(rng.integers(min(len(view.space), 30))))
        trace += [evaluator.evaluate(architecture, int(rng.choice([1, 4, 12]))), evaluator.clock]
    return trace


def test_same_seed_same_answers(size_table: Table) -> None:
    view = size_table.search_view("cifar10")
    random.seed(0)
    first, state = answers(view, 1), random.getstate()
    random.seed(1)
    assert answers(view, 1) == first != answers(view, 2)
    random.seed(0)
    assert random.getstate() == state


def test_same_answers_in_another_process(size_table: Table) -> None:
    program = (
        "import sys; from benchmark_api.tables.table import Table\n"
        "from tests.benchmark_api.tables.test_evaluator import Evaluations\n"
        "view = Table(sys.argv[1]).search_view('cifar10'); evaluator = Evaluations(view, seed=5)\n"
        "print([evaluator.evaluate(view.space.architecture(index)) for index in range(27)])"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", program, str(size_table.path)]
    output = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    view = size_table.search_view("cifar10")
    evaluator = Evaluations(view, seed=5)
    assert output.strip() == str([evaluator.evaluate(view.space.architecture(index)) for index in range(27)])


# -- what a search cannot see ------------------------------------------------------------------------------------------


@pytest.fixture
def retested(topology_table: Table, tmp_path: Path) -> Table:
    """The topology table with every figure of every test split replaced by another."""
    names = [
        f"{key}/{schedule}/{name}"
        for key in topology_table.keys
        for schedule in topology_table.schedules(key)
        for name in (
            *("seeds", "params", "flops", "latency"),
            *(
                f"{split}/{quantity}"
                for split in topology_table.splits(key, schedule)
                for quantity in ("accuracy", "loss", "epochs", "seconds")
            ),
        )
    ]
    tensors = {name: topology_table.tensor(name) for name in names}
    rng = np.random.default_rng(9)
    metadata = {name: value for name, value in topology_table.metadata.items() if name not in ("format", "fingerprint")}
    with TableWriter(tmp_path / "retested", {n: (t.dtype, t.shape) for n, t in tensors.items()}, metadata) as writer:
        for name, tensor in tensors.items():
            is_test_figure = "-test/" in name and not name.endswith("/epochs")
            writer.write(name, 100 * rng.random(tensor.shape, dtype=np.float32) if is_test_figure else tensor)
    return Table(tmp_path / "retested")


@pytest.mark.parametrize("options", [{}, {"charge": "resume"}, {"repeats": "free"}, {"noise": "mean"}], ids=str)
def test_changing_every_test_figure_changes_no_answer(topology_table: Table, retested: Table, options: dict[str, Any]) -> None:
    assert retested.fingerprint != topology_table.fingerprint
    assert retested.accuracy(0, "cifar100", "200", "x-test") != topology_table.accuracy(0, "cifar100", "200", "x-test")
    for dataset in topology_table.datasets:
        before = answers(topology_table.search_view(dataset), 0, **options)
        assert answers(retested.search_view(dataset), 0, **options) == before


def arrays_in(view: ValidationView) -> Iterator[np.ndarray[Any, Any]]:
    for value in [*vars(view).values(), *view.costs.values()]:
        if isinstance(value, np.ndarray):
            yield value


def test_the_view_has_no_test_figures(topology_table: Table) -> None:
    assert {field.name for field in fields(ValidationView)} == {
        *("space", "dataset", "key", "schedule", "schedule_epochs", "epochs", "seeds"),
        *("accuracy", "train_seconds", "validation_seconds", "costs", "directions"),
    }
    for dataset in topology_table.datasets:
        view = topology_table.search_view(dataset)
        seen = list(arrays_in(view))
        assert list(view.costs) == list(view.directions) == ["flops", "latency", "params"]
        assert len(seen) == 4 + len(view.costs)
        for split in topology_table.splits(dataset, "12"):
            for quantity in ("accuracy", "loss", "seconds"):
                tensor = topology_table.tensor(f"{dataset}/12/{split}/{quantity}")
                is_seen = any(np.shares_memory(tensor, array) for array in seen)
                assert not (is_seen and split.endswith("-test"))
        np.testing.assert_array_equal(view.accuracy, topology_table.tensor(f"{view.key}/12/x-valid/accuracy"))


def test_the_view_cannot_be_changed(topology_table: Table) -> None:
    view = topology_table.search_view("cifar10")
    with pytest.raises(AttributeError):
        view.key = "cifar10"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        view.accuracy[0] = 100.0
