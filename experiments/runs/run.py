"""One run: a search, an evaluator and a seed, until the budget is spent.

The protocol is that of NATS-Bench (arXiv 2009.00437, section 5): validation accuracy of a short training as the objective,
a budget of simulated seconds, checked before every query.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from algorithms.black_box.base import BlackBoxSearch, SearchFinished
from benchmark_api.tables.evaluator import BudgetExhausted, Charge, Noise, Repeats, SimulatedEvaluator
from benchmark_api.tables.table import ValidationView

DEFAULT_BUDGETS = {
    ("topology", "cifar10"): 20_000.0,
    ("topology", "cifar100"): 40_000.0,
    ("topology", "ImageNet16-120"): 120_000.0,
    ("size", "cifar10"): 20_000.0,
    ("size", "cifar100"): 40_000.0,
    ("size", "ImageNet16-120"): 60_000.0,
    ("topology", "digits"): 50.0,
    ("size", "digits"): 24.0,
}
"""Budgets by space and dataset, in simulated seconds: the NATS-Bench paper's, and 200 average evaluations of embedded tables."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run is told, besides its algorithm and seed.

    Attributes:
        space: "topology" or "size".
        dataset: the dataset searched on.
        schedule: the schedule whose validation accuracy is the objective, named by its epochs.
        budget: simulated seconds; infinite is allowed where `max_queries` ends the run.
        charge: see `SimulatedEvaluator`, as for the next three.
        repeats: what a repeated query costs.
        noise: which trial answers a query.
        max_queries: at most this many charged queries.

    Raises:
        ValueError: the budget is not positive, or nothing would ever end the run.
    """

    space: str
    dataset: str
    schedule: str
    budget: float
    charge: Charge = "scratch"
    repeats: Repeats = "charged"
    noise: Noise | int = "random"
    max_queries: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", float(self.budget))  # 20000 and 20000.0 are one experiment
        if not self.budget > 0:
            raise ValueError(f"budget must be a positive number of simulated seconds, got {self.budget}")
        if self.budget == float("inf") and self.max_queries is None:
            raise ValueError("an infinite budget needs max_queries to end the run")


@dataclass(frozen=True, eq=False)
class Run:
    """The trajectory of one run, one entry per evaluation in the order they were made.

    Attributes:
        seed: the run's seed.
        seconds: [evaluation], float64, the simulated clock after the evaluation.
        architecture: [evaluation], int32, official index.
        epochs: [evaluation], int16, training epochs of the evaluation.
        accuracy: [evaluation], float64, the validation accuracy that the search was told, percent.
        wall_seconds: real time the run took.
    """

    seed: int
    seconds: npt.NDArray[np.float64]
    architecture: npt.NDArray[np.int32]
    epochs: npt.NDArray[np.int16]
    accuracy: npt.NDArray[np.float64]
    wall_seconds: float


def run(search_class: type[BlackBoxSearch], config: object | None, view: ValidationView, settings: RunSettings, seed: int) -> Run:
    """Search until the budget is spent or the search has nothing left to ask.

    The seed makes two independent generators, one for the search and one for the choice of trials, so that the noise of
    the table and the decisions of the search never share a stream.

    A search that ignores budgets runs to its own end; whoever reports it cuts the trajectory at the budget.

    Args:
        search_class: the algorithm.
        config: its hyperparameters; None for the defaults.
        view: what the search may know of a table.
        settings: budget and accounting; must name the space, dataset and schedule of the view.
        seed: a non-negative integer.

    Raises:
        ValueError: settings and view do not belong together, or an argument is out of range.
        MissingValidation: the table cannot answer a query of the search.
    """
    expected = (view.space.name, view.dataset, view.schedule)
    if (settings.space, settings.dataset, settings.schedule) != expected:
        raise ValueError(
            f"the settings are for {settings.space}, {settings.dataset}, {settings.schedule}; the view is {expected}"
        )
    started = time.perf_counter()
    search_seed, trial_seed = np.random.SeedSequence(seed).spawn(2)
    search = search_class(view.space, config, seed=np.random.default_rng(search_seed), max_epochs=view.schedule_epochs)
    evaluator = SimulatedEvaluator(
        view,
        float("inf") if search_class.ignores_budget else settings.budget,
        seed=np.random.default_rng(trial_seed),
        charge=settings.charge,
        repeats=settings.repeats,
        noise=settings.noise,
        max_queries=settings.max_queries,
    )
    ask, tell, evaluate = search.ask, search.tell, evaluator.evaluate
    queries, seconds, accuracies = [], [], []
    while True:
        try:
            query = ask()
            accuracy = evaluate(query.architecture, query.epochs)
        except (BudgetExhausted, SearchFinished):
            break
        tell(query, accuracy)
        queries.append(query)
        seconds.append(evaluator.clock)
        accuracies.append(accuracy)
    index = view.space.index
    return Run(
        seed=seed,
        seconds=np.array(seconds, dtype=np.float64),
        architecture=np.array([index(query.architecture) for query in queries], dtype=np.int32),
        epochs=np.array([query.epochs or view.schedule_epochs for query in queries], dtype=np.int16),
        accuracy=np.array(accuracies, dtype=np.float64),
        wall_seconds=time.perf_counter() - started,
    )
