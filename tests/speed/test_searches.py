"""Runs of every black-box search, against the same search evaluated by the `nats_bench` package; BOHB against hpbandster.

Regressions of learning curves against those of scikit-learn.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import loguniform, uniform
from sklearn.model_selection import LeaveOneOut, RandomizedSearchCV, cross_val_predict
from sklearn.svm import NuSVR

from algorithms.black_box import BLACK_BOX, BlackBoxSearch, SearchFinished
from algorithms.black_box.curve_regressors import FOLDS, regression
from experiments.runs.run import run
from tests.speed.subject import Subject, Workload


def runs_of(subject: Subject, search: type[BlackBoxSearch], **hyperparameters: Any) -> Callable[[], object]:
    """A function that makes one run, with the next seed at each call."""
    view, config, seeds = subject.table.search_view(subject.dataset), search.Config(**hyperparameters), count()
    return lambda: run(search, config, view, subject.condition, next(seeds))


def package_run(subject: Subject, search_class: type[BlackBoxSearch], api: Any, seed: int) -> None:
    """Make the same run with evaluations by the package; records that it has read stay in its memory."""
    random.seed(seed)  # the package draws its trials from Python's global generator
    view, spent = subject.table.search_view(subject.dataset), 0.0
    search = search_class(view.space, seed=seed, max_epochs=view.schedule_epochs)
    api.reset_time()
    with contextlib.suppress(SearchFinished):
        while spent < subject.condition.budget:
            query = search.ask()
            text, last = view.space.to_string(query.architecture), (query.epochs or view.schedule_epochs) - 1
            accuracy, _, _, spent = api.simulate_train_eval(text, view.dataset, iepoch=last, hp=view.schedule)
            search.tell(query, accuracy)


COUNTERPARTS = [
    pytest.param(name, by, marks=pytest.mark.benchmark(group=f"run of {name}"))
    for name, search in BLACK_BOX.items()
    for by in ("table", "nats_bench")
    if by == "table" or not (search.ignores_budget or search.needs & {"curves", "costs"})
]


@pytest.mark.parametrize(("name", "by"), COUNTERPARTS)
def test_run(benchmark: BenchmarkFixture, rounds: Callable[..., Any], subject: Subject, name: str, by: str) -> None:
    """The package's records are in its memory: each of its runs is measured at its second time."""
    if by == "table":
        benchmark(runs_of(subject, BLACK_BOX[name]))
        return
    api, seeds = subject.package(), count()

    def seed_in_memory() -> tuple[tuple[int], dict[str, Any]]:
        seed = next(seeds)
        package_run(subject, BLACK_BOX[name], api, seed)
        return (seed,), {}

    rounds(lambda seed: package_run(subject, BLACK_BOX[name], api, seed), setup=seed_in_memory, warmup_rounds=0)


@pytest.mark.benchmark(group="ν-SVR of 50 learning curves, chosen of 10 draws, and its leave-one-out residuals")
@pytest.mark.parametrize("by", ["own", "sklearn"])
def test_regression(benchmark: BenchmarkFixture, by: str) -> None:
    """The counterpart is scikit-learn's own search and cross-validation: the same number of fits."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 11))  # features of 4 epochs, 2 attributes
    y = x[:, 0] + 0.5 * rng.standard_normal(50)
    if by == "own":
        benchmark(lambda: regression("nu-svr", 10, x, y, np.random.default_rng(1)))
        return
    grid = {"C": loguniform(1e-2, 10), "gamma": loguniform(1e-3, 1), "nu": uniform(0.05, 0.95)}
    search = RandomizedSearchCV(NuSVR(), grid, n_iter=10, cv=FOLDS, random_state=0)
    benchmark(lambda: cross_val_predict(search.fit(x, y).best_estimator_, x, y, cv=LeaveOneOut()))


@pytest.mark.benchmark(group="run of rea")
def test_run_from_disk(rounds: Callable[..., Any], subject: Subject) -> None:
    """The package reads the records of each run from the disk."""
    seeds = count()
    rounds(lambda: package_run(subject, BLACK_BOX["rea"], subject.package(), next(seeds)))


@pytest.mark.benchmark(group="bohb-reference, brackets")
@pytest.mark.parametrize("backend", ["own", "hpbandster"])
def test_backend(rounds: Callable[..., Any], subject: Subject, workload: Workload, backend: str) -> None:
    if backend == "hpbandster":
        pytest.importorskip("hpbandster")
    rounds(runs_of(subject, BLACK_BOX["bohb-reference"], brackets=workload.brackets, backend=backend))
