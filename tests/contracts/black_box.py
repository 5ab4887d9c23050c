"""Contract of black-box searches, to be run on any search.

    # test_greedy.py, with the project's root on the Python path
    import pytest
    from greedy import Greedy
    from tests.contracts.black_box import BlackBoxContract

    @pytest.mark.parametrize("search_class", [Greedy])
    class TestGreedy(BlackBoxContract):
        other_values = {"temperature": [0.1]}  # only where the values chosen from the bounds do not suit

The search must be importable by its module's name, since one test repeats its runs in another process.
"""

from __future__ import annotations

import dataclasses
import math
import random
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from fractions import Fraction
from functools import cache
from itertools import product, zip_longest
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, ResultsPending, SearchFinished
from benchmark_api.bounds import Limit, limits
from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace
from tests.helpers.other_hashes import another_process

SPACES: tuple[SearchSpace, ...] = (TopologySpace(), SizeSpace())
TINY_SPACES = [SizeSpace(widths=(8,), layers=1), SizeSpace(widths=(8, 16), layers=1), SizeSpace(widths=(8, 16), layers=3)]
MAX_EPOCHS = 12

NO_NUMBERS: tuple[Any, ...] = ("93.2", None, 1j, True, [93.2], np.array([93.2]), np.array("93.2"), np.True_, torch.zeros(2))
NUMBERS: tuple[Callable[[float], Any], ...] = (int, np.float64, np.float32, np.array, Fraction, torch.tensor)
"""Constructors of numbers that `tell` takes."""

Search = type[BlackBoxSearch]
Training = tuple[Architecture, int | None]
"""An architecture and its epochs."""
Trajectory = list[Training]
every_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)


def toy_accuracy(query: Query) -> float:
    """Return an accuracy of a rugged landscape, percent; the same in every process."""
    waves = [math.sin(1.7 * decision + 2.3 * choice) for decision, choice in enumerate(query.architecture)]
    return 60.0 + 2.5 * (query.epochs or MAX_EPOCHS) * sum(waves) / len(waves) + 3.0 * math.sin(sum(query.architecture) ** 2)


def evaluation_of(query: Query, accuracy: float) -> Evaluation:
    """Return an evaluation with all parts: a curve that rises to the accuracy, and the costs of all tables.

    Parameters and FLOPs rank architectures alike, latency does not.
    """
    epochs = query.epochs or MAX_EPOCHS
    curve = tuple(accuracy * (epoch + 1) / epochs for epoch in range(epochs))
    size = 1.0 + sum(query.architecture)
    latency = 0.01 * (1.0 + sum(decision * choice for decision, choice in enumerate(query.architecture)))
    return Evaluation(accuracy, float(epochs), curve, {"params": 0.1 * size, "flops": 10.0 * size, "latency": latency})


def answered(search: BlackBoxSearch, evaluations: int, accuracy: Callable[[Query], float] = toy_accuracy) -> Iterator[Training]:
    """Iterate over the queries of at most that many evaluations, each of which is answered."""
    for _ in range(evaluations):
        try:
            query = search.ask()
        except SearchFinished:
            break
        search.tell(query, evaluation_of(query, accuracy(query)))
        yield query.architecture, query.epochs


def run(search: BlackBoxSearch, evaluations: int, accuracy: Callable[[Query], float] = toy_accuracy) -> Trajectory:
    """Return the queries of at most that many evaluations."""
    return list(answered(search, evaluations, accuracy))


def run_in_spaces(search_class: Search, config: Any) -> list[Trajectory]:
    """Return the queries of a run in each of the spaces."""
    return [run(search_class(space, config, seed=5), 80) for space in SPACES]


def other_numbers(value: float, limit: Limit | None) -> Iterator[float]:
    """Iterate over allowed numbers that differ from a value and have its type."""
    for other in (value * 3, value * 1.5 + 0.2, value + 1, value / 2, value - 1):
        plain = type(value)(other)
        if plain != value and (limit is None or limit.allows(plain)):
            yield plain


class BlackBoxContract:
    """Tests of one search; a subclass parametrises them by `search_class`.

    Attributes:
        other_values: values to compare with the default, by hyperparameter, where those chosen from type and bounds do not suit.
        defaults: values to use instead of the default in that comparison, by hyperparameter.
        shared: values in all of these comparisons, by hyperparameter; a search takes those that it has.
        quick: values in all tests that keep a slow search fast, by hyperparameter; a search takes those that it has.
        without_effect: hyperparameters that do not change the queries.
        is_random: whether runs with different seeds differ.
        task: images and skeleton for searches that need a task.
    """

    other_values: ClassVar[Mapping[str, Sequence[Any]]] = {}
    defaults: ClassVar[Mapping[str, Any]] = {}
    shared: ClassVar[Mapping[str, Any]] = {}
    quick: ClassVar[Mapping[str, Any]] = {}
    without_effect: ClassVar[Collection[str]] = ()
    is_random: ClassVar[bool] = True
    task: ClassVar[Any] = None

    def make(
        self,
        search_class: Search,
        space: SearchSpace,
        config: object | None = None,
        *,
        seed: Any = 0,
        max_epochs: int = MAX_EPOCHS,
    ) -> BlackBoxSearch:
        config = self.config(search_class) if config is None else config
        return search_class(space, config, seed=seed, max_epochs=max_epochs, task=self.task)

    def config(self, search_class: Search, **values: Any) -> Any:
        """Return the default configuration but for `quick` and other values, of those hyperparameters that the search has."""
        default = search_class.Config()
        known = {field.name for field in dataclasses.fields(default)}
        return dataclasses.replace(default, **{name: value for name, value in {**self.quick, **values}.items() if name in known})

    # -- determinism -------------------------------------------------------------------------------------------------------

    @every_space
    def test_the_seed_determines_the_run(self, search_class: Search, space: SearchSpace) -> None:
        first = run(self.make(search_class, space, seed=1), 60)
        assert run(self.make(search_class, space, seed=1), 60) == first
        assert run(self.make(search_class, space, seed=np.random.default_rng(1)), 60) == first
        assert (run(self.make(search_class, space, seed=2), 60) != first) == self.is_random

    @pytest.fixture(scope="class")
    @classmethod
    def another_process(cls) -> Iterator[Executor]:
        """A process with other hashes of strings."""
        with another_process(int) as executor:
            yield executor

    def test_another_process_makes_the_same_runs(self, search_class: Search, another_process: Executor) -> None:
        if self.task is not None:
            pytest.skip("the task is only in this process")
        again = another_process.submit(run_in_spaces, search_class, self.config(search_class)).result()
        assert again == run_in_spaces(search_class, self.config(search_class))

    def test_global_random_state_is_neither_used_nor_changed(self, search_class: Search) -> None:
        def state() -> tuple[Any, Any]:
            return random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002

        trajectories = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            before = state()
            trajectories.append(run(self.make(search_class, SPACES[0], seed=3), 60))
            np.testing.assert_equal(state(), before)
        assert trajectories[0] == trajectories[1]

    def test_interleaved_runs_do_not_affect_each_other(self, search_class: Search) -> None:
        searches = [self.make(search_class, SPACES[0], seed=seed) for seed in (4, 5)]
        interleaved: list[Trajectory] = [[], []]
        for _ in range(50):
            for search, trajectory in zip(searches, interleaved, strict=True):
                trajectory.extend(run(search, 1))
        assert interleaved == [run(self.make(search_class, SPACES[0], seed=seed), 50) for seed in (4, 5)]

    # -- queries -----------------------------------------------------------------------------------------------------------

    @every_space
    def test_queries_are_valid_and_plain(self, search_class: Search, space: SearchSpace) -> None:
        for architecture, epochs in run(self.make(search_class, space), 200):
            assert space.check(architecture) == architecture
            assert type(architecture) is tuple
            assert all(type(choice) is int for choice in architecture)
            assert epochs is None or (type(epochs) is int and 1 <= epochs <= MAX_EPOCHS)
            assert epochs in (None, MAX_EPOCHS) or "fidelities" in search_class.needs

    @every_space
    def test_trainings_are_of_the_lengths_that_are_declared(self, search_class: Search, space: SearchSpace) -> None:
        config = self.config(search_class)
        asked = {epochs or MAX_EPOCHS for _, epochs in run(self.make(search_class, space, config), 200)}
        assert asked <= set(search_class.training_epochs(config, MAX_EPOCHS)) <= set(range(1, MAX_EPOCHS + 1))

    def test_full_trainings_are_enough_where_the_search_says_so(self, search_class: Search) -> None:
        changes = search_class.without_fidelities(MAX_EPOCHS)
        if changes is None:
            assert "fidelities" in search_class.needs
            return
        config = self.config(search_class, **changes)
        assert set(search_class.training_epochs(config, MAX_EPOCHS)) == {MAX_EPOCHS}
        trajectory = run(self.make(search_class, SPACES[0], config), 100)
        assert {epochs or MAX_EPOCHS for _, epochs in trajectory} == {MAX_EPOCHS}

    @pytest.mark.parametrize("max_epochs", [1, 5, 12, 90])
    def test_longest_trainings_are_those_of_the_schedule(self, search_class: Search, max_epochs: int) -> None:
        trajectory = run(self.make(search_class, SPACES[1], max_epochs=max_epochs), 250)
        assert max(epochs or max_epochs for _, epochs in trajectory) == max_epochs

    @pytest.mark.parametrize("space", TINY_SPACES, ids=len)
    def test_tiny_spaces_are_survived(self, search_class: Search, space: SearchSpace) -> None:
        trajectory = run(self.make(search_class, space), 150)  # fewer only where the search is finished
        assert trajectory
        assert all(space.check(architecture) == architecture for architecture, _ in trajectory)

    # -- results -----------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "accuracy",
        [
            lambda query: 50.0,
            lambda query: float("nan"),
            lambda query: float("nan") if sum(query.architecture) % 3 else toy_accuracy(query),
            lambda query: 0.0,
            lambda query: float(sum(query.architecture) % 2),
        ],
        ids=["all equal", "all failed", "some failed", "all zero", "two values"],
    )
    @every_space
    def test_ties_and_failures_are_survived(
        self, search_class: Search, space: SearchSpace, accuracy: Callable[[Query], float]
    ) -> None:
        search = self.make(search_class, space)
        trajectory = run(search, 150, accuracy)
        assert trajectory
        succeeded = [query for query in trajectory if accuracy(Query(*query)) == accuracy(Query(*query))]
        if search.incumbent is not None:
            assert search.incumbent in [architecture for architecture, _ in succeeded]
            assert search.incumbent_accuracy > -math.inf
        elif search_class.incumbent_rule != "own":
            assert not succeeded

    @every_space
    def test_incumbent_is_the_first_best_of_the_history(self, search_class: Search, space: SearchSpace) -> None:
        search = self.make(search_class, space, seed=6)
        rule = search_class.incumbent_rule
        history: list[tuple[tuple[int, float], Query]] = []
        for _ in range(120):
            query = search.ask()
            accuracy = toy_accuracy(query)
            search.tell(query, evaluation_of(query, accuracy))
            history.append(((0 if rule == "any-fidelity" else query.epochs or MAX_EPOCHS, accuracy), query))
            number = search.incumbent_number
            if rule == "own":
                if number is None:
                    continue
            else:
                assert number == max(range(len(history)), key=lambda entry: history[entry][0])  # the first one on ties
            assert search.incumbent == history[number][1].architecture
            assert search.incumbent_accuracy == history[number][0][1]

    def test_a_failed_evaluation_competes_at_no_fidelity(self, search_class: Search) -> None:
        """Longer trainings than the first one diverge: the incumbent is the best of those that did not."""
        if "fidelities" not in search_class.needs or search_class.incumbent_rule == "own":
            pytest.skip("all trainings have one length, or the search has a rule of its own")
        search = self.make(search_class, SPACES[0], seed=7)
        if self.make(search_class, SPACES[0], seed=7).ask().epochs in (None, MAX_EPOCHS):
            pytest.skip("the first training is the longest")
        trained: list[tuple[float, Architecture]] = []
        lengths: list[int] = []
        for _ in range(60):
            query = search.ask()
            lengths.append(query.epochs or MAX_EPOCHS)
            accuracy = toy_accuracy(query) if lengths[-1] <= lengths[0] else math.nan
            search.tell(query, evaluation_of(query, accuracy))
            if accuracy == accuracy:
                trained.append((accuracy, query.architecture))
            best, architecture = max(trained, key=lambda result: result[0])  # the first one on ties
            assert (search.incumbent, search.incumbent_accuracy) == (architecture, best)
        assert max(lengths) > lengths[0]

    def test_an_accuracy_alone_is_enough(self, search_class: Search) -> None:
        if search_class.needs & {"curves", "costs"}:
            pytest.skip("the search needs more than accuracies")
        searches = [self.make(search_class, SPACES[0], seed=8) for _ in range(2)]
        for _ in range(60):
            first, second = (search.ask() for search in searches)
            assert first == second
            searches[0].tell(first, toy_accuracy(first))
            searches[1].tell(second, evaluation_of(second, toy_accuracy(second)))

    @pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.__name__)
    def test_numbers_of_any_library_are_kept_as_floats(self, search_class: Search, number: Callable[[float], Any]) -> None:
        search, twin = (self.make(search_class, SPACES[0], seed=9) for _ in range(2))
        for _ in range(60):
            query = search.ask()
            assert query == twin.ask()
            accuracy = float(round(toy_accuracy(query)))  # percent; all of these types hold whole numbers
            twin.tell(query, evaluation_of(query, accuracy))
            search.tell(query, evaluation_of(query, accuracy)._replace(accuracy=number(accuracy)))
            assert type(search.incumbent_accuracy) is float
            assert (search.incumbent, search.incumbent_accuracy) == (twin.incumbent, twin.incumbent_accuracy)

    # -- the order of calls ------------------------------------------------------------------------------------------------

    def test_wrong_calls_are_refused_and_change_nothing(self, search_class: Search) -> None:
        search, twin = (self.make(search_class, SPACES[0], seed=3) for _ in range(2))
        with pytest.raises(RuntimeError, match="nothing was asked for"):
            search.tell(Query((0,) * 6), 50.0)
        for _ in range(40):
            query = search.ask()
            assert query == twin.ask()
            with pytest.raises(RuntimeError, match=r"tell\(\) got"):
                search.tell(Query((4,) * 6, 99), 50.0)
            for wrong in (*NO_NUMBERS, *map(Evaluation, NO_NUMBERS)):
                with pytest.raises(TypeError, match="accuracy must be a number, percent, or an Evaluation, got"):
                    search.tell(query, wrong)
            for infinite in (math.inf, np.float32(-math.inf), Evaluation(-math.inf)):
                with pytest.raises(ValueError, match="accuracy must be finite"):
                    search.tell(query, infinite)
            evaluation = evaluation_of(query, toy_accuracy(query))
            search.tell(query, evaluation)
            twin.tell(query, evaluation)
            with pytest.raises(RuntimeError, match=r"tell\(\) got"):
                search.tell(query, evaluation)

    def test_pending_queries(self, search_class: Search) -> None:
        """As many as are allowed, or until the next one depends on their results; these arrive in any order."""
        search = self.make(search_class, SPACES[0], seed=3)
        limit = search_class.max_pending
        queries: list[Query] = []
        for _ in range(10):
            with suppress(ResultsPending, SearchFinished):
                while len(queries) < (20 if limit is None else limit):
                    queries.append(search.ask())
            if limit is not None and len(queries) == limit:
                with pytest.raises(RuntimeError, match="sequential" if limit == 1 else "may be pending"):
                    search.ask()
            while queries:
                query = queries.pop()
                search.tell(query, evaluation_of(query, toy_accuracy(query)))
        assert run(search, 50)

    @pytest.mark.parametrize("workers", [2, 7, 100])
    def test_results_of_many_workers_arrive_in_any_order(self, search_class: Search, workers: int) -> None:
        """Queries are valid, and a search that waits goes on with some result."""
        if search_class.max_pending is not None and search_class.max_pending < workers:
            pytest.skip(f"at most {search_class.max_pending} queries may be pending")
        search, order = self.make(search_class, SPACES[1], seed=4), np.random.default_rng(5)
        pending: list[Query] = []
        lengths = set(search_class.training_epochs(search.config, MAX_EPOCHS))
        for _ in range(300):
            try:
                while len(pending) < workers:
                    pending.append(search.ask())
                    assert SPACES[1].check(pending[-1].architecture) == pending[-1].architecture
                    assert (pending[-1].epochs or MAX_EPOCHS) in lengths
            except ResultsPending:
                assert pending, "the search waits for nothing"
            except SearchFinished:
                if not pending:
                    break
            query = pending.pop(int(order.integers(len(pending))))
            search.tell(query, evaluation_of(query, toy_accuracy(query)))
        assert search.incumbent is not None or search_class.incumbent_rule == "own"

    # -- hyperparameters ---------------------------------------------------------------------------------------------------

    def test_every_hyperparameter_changes_the_run(self, search_class: Search) -> None:
        def start(config: Any, seed: int) -> Iterator[Training]:
            return answered(self.make(search_class, SPACES[1], config, seed=seed), 150)

        runs = cache(lambda config, seed: list(start(config, seed)))
        for field in dataclasses.fields(search_class.Config):
            if field.name in self.without_effect:
                continue
            own = {name: value for name, value in self.defaults.items() if name == field.name}
            default = self.config(search_class, **self.shared, **own)
            pairs = (
                zip_longest(start(config, seed), runs(default, seed))
                for config, seed in product(self._others(default, field.name), (0, 1))
            )
            assert any(ours != theirs for pair in pairs for ours, theirs in pair), f"{field.name} changes nothing"

    def _others(self, default: Any, name: str) -> Iterator[Any]:
        """Iterate over configurations that differ from the default in one hyperparameter."""
        value, limit = getattr(default, name), limits(type(default)).get(name)
        values: Any = self.other_values.get(name)
        if values is None and isinstance(value, bool):
            values = [not value]
        elif values is None and limit and limit.choices:
            values = [choice for choice in limit.choices if choice != value]
        elif values is None:
            assert isinstance(value, int | float), f"name values of {name} in `other_values`"
            values = other_numbers(value, limit)
        return (dataclasses.replace(default, **{name: other}) for other in values)

    def test_declared_bounds_refuse(self, search_class: Search) -> None:
        config = search_class.Config
        for name, limit in limits(config).items():
            wrong: list[Any] = limit.bound.refused() if limit.bound else ["no such choice"]
            for value in wrong:
                with pytest.raises(ValueError, match=f"{name} must be .*, got"):
                    config(**{name: (value,) if limit.each else value})

    def test_configurations_are_frozen_and_of_the_right_class(self, search_class: Search) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            search_class.Config().anything = 1
        with pytest.raises(TypeError, match=f"{re.escape(search_class.name)} takes a"):
            self.make(search_class, SPACES[1], object())

    def test_it_is_described(self, search_class: Search) -> None:
        assert search_class.name
        assert search_class.title
        assert search_class.paper
        assert search_class.__doc__
