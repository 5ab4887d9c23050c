"""Simulated evaluation: answer the queries of a run from a table and advance a simulated clock.

Every evaluator has one method, `evaluate(query) -> Evaluation`. `simulated_evaluator` composes them, from the outside:

    BudgetedEvaluator   keeps the clock and refuses queries past the budget
    RepeatingEvaluator  answers a repeated query from memory, free of charge       (repeats="free")
    ResumingEvaluator   charges only the additional epochs of a longer training    (charge="resume", or `Query.continues`)
    TableEvaluator      answers with a new training of one trial                   (noise)

The accounting is that of NATS-Bench (`simulate_train_eval` of its package): a query costs its training epochs plus exactly one
pass over the validation set (none in a table that did not measure it), and is answered with one randomly chosen trial.

Trials are drawn in the order in which queries begin. Evaluators remember what has ended (`end`): a training that still runs on
another worker (`benchmark_api.tables.workers`) can be neither continued nor answered from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, get_args

import numpy as np

from benchmark_api.bounds import Bounded, between, positive_or_infinite
from benchmark_api.spaces import Architecture
from benchmark_api.tables.evaluation import Evaluation, Need, Query
from benchmark_api.tables.trials import nanmean
from benchmark_api.tables.view import ValidationView, listed

Charge = Literal["scratch", "resume"]
Repeats = Literal["charged", "free"]
Noise = Literal["random", "once", "mean"]
Trial = int | None
"""Column of a trial in the table; None for the mean over all trials."""
Training = tuple[Trial, int]
"""Trial of a training, and the epochs charged so far."""


MAX_QUERIES = 10_000_000
"""Largest number of charged queries of a run: their trajectory takes some hundred MB."""

MAX_FREE_REPEATS = 10_000
"""Free repeats in a row after which a run counts as stalled: a converged search would otherwise never spend its budget."""


class BudgetExhausted(Exception):
    """The budget is spent: this evaluation was not made and not charged."""


class MissingValidation(ValueError):
    """The table lacks the requested validation accuracy or its training time; no other value is substituted."""


@dataclass(frozen=True, kw_only=True)
class Accounting(Bounded):
    """Budget and cost accounting of a run; the defaults are those of the reference."""

    budget: Annotated[float, positive_or_infinite] = float("inf")
    """Simulated seconds. A query is answered while less has been spent; the last one may overshoot."""

    charge: Charge = "scratch"
    """Cost of training an architecture for more epochs than its latest training: `scratch`: a new training, all epochs;
    `resume`: the same trial goes on, only the additional epochs."""

    repeats: Repeats = "charged"
    """Cost of a repeated query: `charged`: a new training; `free`: answered from memory."""

    noise: Noise | int = "random"
    """Trial that answers a query: drawn uniformly for each training (`random`) or once for each architecture in a run (`once`),
    the mean over all (`mean`), or that of a seed."""

    max_queries: Annotated[int, between(1, MAX_QUERIES)] | None = None
    """Largest number of charged queries per run; None for no limit."""

    workers: Annotated[int, between(1, 256)] = 1
    """Simulated workers, each with one query at a time. The budget is time on the clock that they share."""

    charge_model_time: bool = False
    """Charge the processor time that a search takes itself, of one worker. Such runs differ from machine to machine."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.charge_model_time and self.workers > 1:
            raise ValueError(
                f"charge_model_time is for one worker, whose trainings wait for the model; workers is {self.workers}"
            )

    @property
    def same_trial(self) -> bool:
        """Whether one trial of an architecture answers all its queries in a run."""
        return self.noise not in ("random", "mean")


class Evaluator(Protocol):
    """Interface of all evaluators."""

    def evaluate(self, query: Query) -> Evaluation:
        """Return the result of a training that begins now.

        Raises:
            BudgetExhausted: the budget is spent.
            MissingValidation: the table has no answer.
        """


End = Callable[[Query, Evaluation], None]
"""Method of an evaluator that remembers trainings: notes that one has ended."""


class TableEvaluator:
    """Answers every query with a new training: one trial, all its epochs, one validation pass.

    Attributes:
        choose_trial: function from an architecture's index to the trial of a new training.
    """

    def __init__(self, view: ValidationView, choose_trial: Callable[[int], Trial], needs: Set[Need]) -> None:
        self._view = view
        self._needs = needs & {"curves", "costs"}
        self._columns = {epochs: column for column, epochs in enumerate(view.lengths)}
        self._index, self._epochs = view.space.index, view.schedule_epochs
        self._accuracy, self._train, self._validation = (
            values.item for values in (view.accuracy, view.train_seconds, view.validation_seconds)
        )
        self.choose_trial = choose_trial

    def evaluate(self, query: Query, going_on: Training | None = None) -> Evaluation:
        """Return the result of a training: of the one to continue, or of a new one."""
        architecture, epochs, _ = query
        index = self._index(architecture)
        if epochs is None:
            epochs = self._epochs
        column = self._columns.get(epochs)
        if column is None:
            raise self._missing(index, epochs)
        trial, paid = going_on or (self.choose_trial(index), 0)
        if trial is None:
            accuracy, per_epoch, per_pass = self._means(index, column)
        else:
            accuracy = self._accuracy(index, trial, column)
            per_epoch, per_pass = self._train(index, trial), self._validation(index, trial)
        if accuracy != accuracy:
            raise self._missing(index, epochs)
        seconds = (epochs - paid) * per_epoch + per_pass
        if not seconds > 0.0:
            raise MissingValidation(f"no training time of architecture {index} for {self._view.key}/{self._view.schedule}")
        number = -1 if trial is None else trial
        if not self._needs:
            return Evaluation(accuracy, seconds, trial=number)
        curve = self._curve(index, trial, column) if "curves" in self._needs else ()
        costs = self._view.costs if "costs" in self._needs else {}
        return Evaluation(accuracy, seconds, curve, {name: float(values[index]) for name, values in costs.items()}, number)

    def _means(self, index: int, column: int) -> tuple[float, float, float]:
        """Return accuracy, seconds per training epoch and seconds per validation pass, means over the trials."""
        view = self._view
        accuracy, train, validation = view.accuracy[index, :, column], view.train_seconds[index], view.validation_seconds[index]
        return float(nanmean(accuracy)), float(nanmean(train)), float(nanmean(validation))

    def _curve(self, index: int, trial: Trial, column: int) -> tuple[float, ...]:
        """Return the accuracies after the stored epochs up to a column, percent."""
        curves = self._view.accuracy[index, :, : column + 1]  # [trial, epoch]
        curve = nanmean(curves.T) if trial is None else curves[trial]
        return tuple(curve.tolist())

    def _missing(self, index: int, epochs: int) -> MissingValidation:
        view = self._view
        return MissingValidation(
            f"no validation accuracy of architecture {index} after {epochs} epochs of {view.key}/{view.schedule} "
            f"(epochs with one: {listed(view.lengths)})"
        )


class ResumingEvaluator:
    """Continues the training of an architecture that ended last where a query asks for more epochs; charges only these.

    Args:
        view: the search's view of a table.
        table: evaluator of trainings.
        charge: `resume`: every query for more epochs continues; `scratch`: only those that say so (`Query.continues`).
    """

    def __init__(self, view: ValidationView, table: TableEvaluator, charge: Charge) -> None:
        self._view, self._table, self._always = view, table, charge == "resume"
        self._latest: dict[Architecture, Training] = {}

    def evaluate(self, query: Query) -> Evaluation:
        training = self._latest.get(query.architecture) if self._always or query.continues else None
        if training is None or training[1] >= self._epochs(query):
            training = self._table.choose_trial(self._view.space.index(query.architecture)), 0
        return self._table.evaluate(query, training)

    def end(self, query: Query, evaluation: Evaluation) -> None:
        """Note that a training has ended: it is the one to continue."""
        trial = None if evaluation.trial < 0 else evaluation.trial
        self._latest[query.architecture] = trial, self._epochs(query)

    def _epochs(self, query: Query) -> int:
        return self._view.schedule_epochs if query.epochs is None else query.epochs


class RepeatingEvaluator:
    """Answers a repeated query from memory, free of charge; another evaluator answers the others."""

    def __init__(self, view: ValidationView, inner: Evaluator, end: End | None) -> None:
        self._view, self._evaluate, self._end = view, inner.evaluate, end
        self._answers: dict[tuple[Architecture, int], Evaluation] = {}
        self._in_a_row = 0  # free repeats

    def evaluate(self, query: Query) -> Evaluation:
        if answer := self._answers.get(self._key(query)):
            self._in_a_row += 1
            if self._in_a_row > MAX_FREE_REPEATS:
                raise BudgetExhausted(f"stalled: the last {MAX_FREE_REPEATS} queries were free repeats")
            return answer
        evaluation = self._evaluate(query)
        self._in_a_row = 0
        return evaluation

    def end(self, query: Query, evaluation: Evaluation) -> None:
        """Note that a training has ended: the first of a query answers its repeats. An answer from memory is none."""
        if evaluation.seconds:
            self._answers.setdefault(self._key(query), evaluation._replace(seconds=0.0))
            if self._end:
                self._end(query, evaluation)

    def _key(self, query: Query) -> tuple[Architecture, int]:
        return query.architecture, self._view.schedule_epochs if query.epochs is None else query.epochs


class BudgetedEvaluator:
    """Charges a simulated clock; refuses queries past a budget in seconds, or a number of charged queries.

    Attributes:
        clock: simulated seconds spent.
        queries: charged queries begun.
    """

    def __init__(self, inner: Evaluator, end: End | None, budget: float, max_queries: int | None) -> None:
        self._evaluate, self._end = inner.evaluate, end
        self._max_queries = float("inf") if max_queries is None else max_queries
        self.budget = budget
        self.clock = 0.0
        self.queries = 0

    @property
    def exhausted(self) -> bool:
        """Whether the next query would be refused."""
        return self.clock >= self.budget or self.queries >= self._max_queries

    def begin(self, query: Query) -> Evaluation:
        """Return the result of a training that begins now, as `evaluate` does; the clock stays, and `end` must follow."""
        if self.exhausted:
            raise self._refusal()
        evaluation = self._evaluate(query)
        if evaluation.seconds:
            self.queries += 1
        return evaluation

    def end(self, query: Query, evaluation: Evaluation) -> None:
        """Note that a training has ended which `begin` began."""
        if self._end:
            self._end(query, evaluation)

    def evaluate(self, query: Query) -> Evaluation:
        if self.clock >= self.budget or self.queries >= self._max_queries:  # `begin` and `end` without calls
            raise self._refusal()
        evaluation = self._evaluate(query)
        if seconds := evaluation.seconds:
            self.clock += seconds
            self.queries += 1
        if self._end:
            self._end(query, evaluation)
        return evaluation

    def _refusal(self) -> BudgetExhausted:
        spent = f"{self.clock:.0f} of {self.budget:.0f} simulated seconds and {self.queries} queries are spent"
        return BudgetExhausted(spent)


def simulated_evaluator(
    view: ValidationView,
    accounting: Accounting,
    *,
    seed: int | np.random.Generator = 0,
    needs: Set[Need] = frozenset(),
    ignores_budget: bool = False,
) -> BudgetedEvaluator:
    """Compose the evaluator of one run.

    Args:
        view: the search's view of a table.
        accounting: budget and cost accounting.
        seed: a seed or a generator for the choice of trials; numbers are drawn ahead.
        needs: what the search needs: "curves" and "costs" are parts of its evaluations, "parts" those of trainings.
        ignores_budget: never refuse a query because of the clock.

    Raises:
        ValueError: the noise is neither a known kind nor a trial's seed.
    """
    table = TableEvaluator(view, _trial_chooser(view, accounting.noise, np.random.default_rng(seed)), needs)
    inner: Evaluator = table
    end: End | None = None
    if accounting.charge == "resume" or "parts" in needs:
        inner = resuming = ResumingEvaluator(view, table, accounting.charge)
        end = resuming.end
    if accounting.repeats == "free":
        inner = repeating = RepeatingEvaluator(view, inner, end)
        end = repeating.end
    budget = float("inf") if ignores_budget else accounting.budget
    return BudgetedEvaluator(inner, end, budget, accounting.max_queries)


def _trial_chooser(view: ValidationView, noise: Noise | int, rng: np.random.Generator) -> Callable[[int], Trial]:
    """Return the function `choose_trial` of `TableEvaluator`."""
    trials, random = view.trials, _uniform(rng).__next__

    def drawn(index: int) -> int:
        if count := trials[index]:
            return int(random() * count)  # existing trials come first
        raise missing(index, "no trial")

    def fixed(index: int) -> int:
        found = np.flatnonzero(view.seeds[index] == noise)
        if not found.size:
            raise missing(index, f"no trial with seed {noise}")
        return int(found[0])

    def missing(index: int, wanted: str) -> MissingValidation:
        return MissingValidation(
            f"architecture {index} has {wanted} for {view.key}/{view.schedule}; "
            f"{np.count_nonzero(trials):,} of {len(trials):,} architectures have some"
        )

    drawn_before: dict[int, int] = {}

    def once(index: int) -> int:
        trial = drawn_before.get(index)
        if trial is None:
            trial = drawn_before[index] = drawn(index)
        return trial

    if isinstance(noise, int):
        return fixed
    if noise not in get_args(Noise):
        raise ValueError(f"noise must be one of {get_args(Noise)} or a trial's seed, got {noise!r}")
    choosers: dict[Noise, Callable[[int], Trial]] = {"random": drawn, "once": once, "mean": lambda index: None}
    return choosers[noise]


def _uniform(rng: np.random.Generator) -> Iterator[float]:
    """Yield the numbers that calls of `rng.random()` would return, drawn in blocks: a third of the time."""
    while True:
        yield from rng.random(256).tolist()
