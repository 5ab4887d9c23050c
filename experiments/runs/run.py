"""One black-box run: a search, an evaluator and a seed, until the budget is spent.

The protocol is that of NATS-Bench (arXiv 2009.00437, section 5): validation accuracy of a short training as the objective,
a budget of simulated seconds, checked before every query. Several workers share the clock that the budget is of.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from algorithms.black_box.base import AskTell, BlackBoxSearch, Evaluation, Query, ResultsPending, SearchFinished
from algorithms.black_box.constrained import ConstrainedSearch
from benchmark_api.tables.evaluator import BudgetedEvaluator, BudgetExhausted, simulated_evaluator
from benchmark_api.tables.metrics import Limits
from benchmark_api.tables.view import ValidationView
from benchmark_api.tables.workers import Workers
from experiments.runs.model_time import ChargedSearch
from experiments.settings import RunSettings


@dataclass(frozen=True, eq=False)
class Run:
    """Trajectory of one run, one entry per evaluation in the order in which they ended.

    Attributes:
        seed: the run's seed.
        seconds: [evaluation], float64, simulated clock after the evaluation.
        architecture: [evaluation], int32, official index.
        epochs: [evaluation], int16, training epochs of the evaluation.
        accuracy: [evaluation], float64, validation accuracy, percent.
        wall_seconds: real time of the run.
        curve: [evaluation][stored epoch], validation accuracies of the training, percent; None for a search that needs no curves.
        costs: [evaluation, metric], float64, costs of the architecture; None for a search that needs no costs.
        cost_names: names of the metrics in `costs`.
        incumbent: [evaluation], int32, number of the incumbent's evaluation after each evaluation, -1 for none; None for a
            search whose incumbent follows from epochs and accuracies.
        trial: [evaluation], int16, column of the table's trial that answered; None unless one trial of an architecture answers
            all its queries (`Accounting.same_trial`).
        started: [evaluation], float64, simulated clock when the evaluation began; None for one worker, whose evaluations begin
            where the previous one ended.
        model_seconds: [evaluation], float64, processor time of the search, part of `seconds`; None where it is not charged.
    """

    seed: int
    seconds: npt.NDArray[np.float64]
    architecture: npt.NDArray[np.int32]
    epochs: npt.NDArray[np.int16]
    accuracy: npt.NDArray[np.float64]
    wall_seconds: float
    curve: list[npt.NDArray[np.float64]] | None = None
    costs: npt.NDArray[np.float64] | None = None
    cost_names: tuple[str, ...] = ()
    incumbent: npt.NDArray[np.int32] | None = None
    trial: npt.NDArray[np.int16] | None = None
    started: npt.NDArray[np.float64] | None = None
    model_seconds: npt.NDArray[np.float64] | None = None


def run(
    search_class: type[BlackBoxSearch],
    config: object | None,
    view: ValidationView,
    settings: RunSettings,
    seed: int,
    task: Any = None,
    limits: Limits | None = None,
) -> Run:
    """Search until the budget is spent or the search is finished.

    The seed makes two independent generators, one for the search and one for the choice of trials, so that the noise of
    the table and the decisions of the search never share a stream.

    A search that ignores budgets runs to its own end; reports cut the trajectory at the budget.

    Args:
        search_class: the search.
        config: its hyperparameters; None for the defaults.
        view: the search's view of a table.
        settings: budget and accounting; must name the space, dataset and schedule of the view.
        seed: a non-negative integer.
        task: images and skeleton, for a search that needs them.
        limits: those that the costs of all architectures must keep; None for none. A proposal outside of them, or of an
            architecture without a trial, is rejected (`ConstrainedSearch`).

    Raises:
        ValueError: settings and view do not belong together, an argument is out of range, or nothing is within the limits.
        MissingValidation: the table cannot answer a query of the search.
    """
    check_workers(search_class, settings.workers)
    expected = (view.space.name, view.dataset, view.schedule)
    if (settings.space, settings.dataset, settings.schedule) != expected:
        raise ValueError(
            f"the settings are for {settings.space}, {settings.dataset}, {settings.schedule}; the view is {expected}"
        )
    started = time.perf_counter()
    search_rng, trial_rng = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    evaluator = simulated_evaluator(
        view, settings, seed=trial_rng, needs=search_class.needs, ignores_budget=search_class.ignores_budget
    )
    search = _made(search_class, config, view, search_rng, task, limits)
    workers = Workers(evaluator, settings.workers) if settings.workers > 1 else None
    charged = ChargedSearch(search, evaluator) if settings.charge_model_time else None
    search = charged or search
    keeps_details = search_class.incumbent_rule == "own" or bool(search_class.needs & {"curves", "costs"}) or settings.same_trial
    queries, seconds, accuracies = [], [], []
    details: list[tuple[Evaluation, int | None]] = []
    tell = search.tell
    for query, evaluation in _side_by_side(search, workers) if workers else _in_turn(search, evaluator):
        tell(query, evaluation)
        queries.append(query)
        seconds.append(evaluator.clock)
        accuracies.append(evaluation.accuracy)
        if keeps_details:
            details.append((evaluation, search.incumbent_number))
    return Run(
        seed=seed,
        seconds=np.array(seconds, dtype=np.float64),
        architecture=np.array([view.space.index(query.architecture) for query in queries], dtype=np.int32),
        epochs=np.array([query.epochs or view.schedule_epochs for query in queries], dtype=np.int16),
        accuracy=np.array(accuracies, dtype=np.float64),
        wall_seconds=time.perf_counter() - started,
        started=np.array(workers.starts, dtype=np.float64) if workers else None,
        model_seconds=np.array(charged.seconds, dtype=np.float64) if charged else None,
        **_details(search_class, view, settings, details),
    )


def _made(
    search_class: type[BlackBoxSearch],
    config: object | None,
    view: ValidationView,
    rng: np.random.Generator,
    task: Any,
    limits: Limits | None,
) -> AskTell:
    """Return the search of a run, confined to the architectures that the table has and the limits allow where that is not all."""
    facts: dict[str, Any] = {"max_epochs": view.schedule_epochs, "task": task, "directions": view.directions}
    search = search_class(view.space, config, seed=rng, **facts)
    if not limits and view.measured.all():
        return search
    allowed, index = view.allowed(limits or {}).tolist(), view.space.index
    return ConstrainedSearch(search, lambda architecture: allowed[index(architecture)])


def check_workers(search_class: type[BlackBoxSearch], workers: int) -> None:
    """Raise ValueError where a search allows fewer pending queries than there are workers."""
    most = search_class.max_pending
    if most is not None and workers > most:
        which = "is sequential" if most == 1 else f"allows {most} pending queries"
        raise ValueError(f"{search_class.name} {which}: workers must be at most {most}, got {workers}")


def _in_turn(search: AskTell, evaluator: BudgetedEvaluator) -> Iterator[tuple[Query, Evaluation]]:
    """Yield the queries of one worker with their results."""
    ask, evaluate = search.ask, evaluator.evaluate
    with suppress(BudgetExhausted, SearchFinished):
        while True:
            query = ask()
            yield query, evaluate(query)


def _side_by_side(search: AskTell, workers: Workers) -> Iterator[tuple[Query, Evaluation]]:
    """Yield the queries of several workers with their results, as they end; the search must be told each before the next."""
    ask, start, finish = search.ask, workers.start, workers.finish
    asking = True
    while asking or workers.busy:
        try:
            while asking and workers.idle:
                start(ask())
        except ResultsPending:
            if not workers.busy:
                raise
        except (BudgetExhausted, SearchFinished):
            asking = False
            continue
        yield finish()


def _details(
    search_class: type[BlackBoxSearch],
    view: ValidationView,
    settings: RunSettings,
    details: Sequence[tuple[Evaluation, int | None]],
) -> dict[str, Any]:
    """Return the fields of a `Run` that only some runs have, from the evaluations and the incumbents' numbers after them."""
    fields: dict[str, Any] = {}
    if "curves" in search_class.needs:
        fields["curve"] = [np.array(evaluation.curve, dtype=np.float64) for evaluation, _ in details]
    if "costs" in search_class.needs:
        names = tuple(view.costs)
        costs = [[evaluation.costs[name] for name in names] for evaluation, _ in details]
        fields |= {"cost_names": names, "costs": np.array(costs, dtype=np.float64).reshape(len(costs), len(names))}
    if search_class.incumbent_rule == "own":
        fields["incumbent"] = np.array([-1 if number is None else number for _, number in details], dtype=np.int32)
    if settings.same_trial:
        fields["trial"] = np.array([evaluation.trial for evaluation, _ in details], dtype=np.int16)
    return fields
