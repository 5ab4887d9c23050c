"""SimulatedEvaluator: one run's door to a table. It answers with validation accuracies and charges a simulated clock.

The accounting is that of NATS-Bench (`simulate_train_eval` of its package): a query costs the training epochs it asks for
plus exactly one pass over the validation set, and answers with one randomly chosen trial.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from benchmark_api.spaces import Architecture
from benchmark_api.tables.table import ValidationView, nanmean

Charge = Literal["scratch", "resume"]
Repeats = Literal["charged", "free"]
Noise = Literal["random", "mean"]

_MEAN = -1  # stands for the mean of all trials where a trial is expected

MAX_FREE_REPEATS = 10_000
"""Free repeats in a row after which a run counts as stalled: a converged search would otherwise never spend its budget."""


class BudgetExhausted(Exception):
    """The budget is spent: this evaluation was not made and not charged."""


class MissingValidation(ValueError):
    """The table has no validation accuracy for what was asked; nothing else is answered in its place."""


class SimulatedEvaluator:
    """Evaluates architectures from a table's validation figures under a simulated budget.

    Args:
        view: what the search may see of a table.
        budget: simulated seconds. A query is made while less has been spent; the last one may overshoot.
        seed: a seed or a generator for the choice of trials.
        charge: "scratch": every query is a new training that pays all its epochs, also when a shorter one of the same
            architecture was paid before (the reference). "resume": a query for more epochs than the latest training of the
            architecture had continues that trial and pays only the epochs in between; any other is a new training.
        repeats: "charged": asking again for the same architecture and epochs is a new training (the reference).
            "free": it is answered from memory.
        noise: "random": one trial drawn uniformly per training (the reference); "mean": the mean over the trials;
            an int: the trial with that seed.
        max_queries: at most this many charged queries; None for no limit.

    Attributes:
        clock: simulated seconds spent.
        queries: charged queries made.

    Raises:
        ValueError: an argument is not one of the above.
    """

    def __init__(
        self,
        view: ValidationView,
        budget: float = float("inf"),
        *,
        seed: int | np.random.Generator = 0,
        charge: Charge = "scratch",
        repeats: Repeats = "charged",
        noise: Noise | int = "random",
        max_queries: int | None = None,
    ) -> None:
        if not budget > 0:
            raise ValueError(f"budget must be a positive number of simulated seconds, got {budget}")
        if max_queries is not None and max_queries < 1:
            raise ValueError(f"max_queries must be at least 1, got {max_queries}")
        if charge not in get_args(Charge):
            raise ValueError(f"charge must be one of {get_args(Charge)}, got {charge!r}")
        if repeats not in get_args(Repeats):
            raise ValueError(f"repeats must be one of {get_args(Repeats)}, got {repeats!r}")
        if not isinstance(noise, int) and noise not in get_args(Noise):
            raise ValueError(f"noise must be one of {get_args(Noise)} or a trial's seed, got {noise!r}")
        self.view = view
        self.budget = budget
        self.clock = 0.0
        self.queries = 0
        self._max_queries = float("inf") if max_queries is None else max_queries
        self._resume = charge == "resume"
        self._free = repeats == "free"
        self._noise = noise
        self._random = np.random.default_rng(seed).random
        self._column_of = {epoch + 1: column for column, epoch in enumerate(view.epochs)}
        self._under_way: dict[int, tuple[int, int]] = {}  # index -> trial and epochs of its latest training, where they resume
        self._answers: dict[tuple[int, int], float] = {}  # (index, epochs) -> accuracy, where repeats are free
        self._free_in_a_row = 0

    @property
    def exhausted(self) -> bool:
        """Whether the next charged query would be refused."""
        return self.clock >= self.budget or self.queries >= self._max_queries

    def evaluate(self, architecture: Architecture, epochs: int | None = None) -> float:
        """Validation accuracy after `epochs` epochs of the schedule, in percent; charges the clock.

        Args:
            architecture: what to train.
            epochs: 1 to the schedule's length; None for the whole schedule.

        Raises:
            BudgetExhausted: the budget is spent.
            MissingValidation: the table has no such figure.
        """
        view = self.view
        if self.exhausted:
            raise BudgetExhausted(f"{self.clock:.0f} of {self.budget:.0f} simulated seconds and {self.queries} queries are spent")
        index = view.space.index(architecture)
        if epochs is None:
            epochs = view.schedule_epochs
        if self._free:
            answer = self._answers.get((index, epochs))
            if answer is not None:
                self._free_in_a_row += 1
                if self._free_in_a_row > MAX_FREE_REPEATS:
                    raise BudgetExhausted(f"stalled: the last {MAX_FREE_REPEATS} queries were free repeats")
                return answer
        column = self._column_of.get(epochs)
        if column is None:
            raise self._missing(index, epochs)
        trial, paid = self._under_way.get(index, (0, epochs)) if self._resume else (0, epochs)
        if paid >= epochs:
            trial, paid = self._pick_trial(index), 0
        accuracy, train_seconds, validation_seconds = self._figures(index, trial, column)
        if accuracy != accuracy:
            raise self._missing(index, epochs)
        if self._resume:
            self._under_way[index] = trial, epochs
        if self._free:
            self._answers[index, epochs] = accuracy
            self._free_in_a_row = 0
        self.clock += (epochs - paid) * train_seconds + validation_seconds
        self.queries += 1
        return accuracy

    def _figures(self, index: int, trial: int, column: int) -> tuple[float, float, float]:
        """Accuracy, seconds per training epoch and seconds per validation pass of a trial."""
        view = self.view
        if trial == _MEAN:
            return (
                float(nanmean(view.accuracy[index, :, column])),
                float(nanmean(view.train_seconds[index])),
                float(nanmean(view.validation_seconds[index])),
            )
        return (
            view.accuracy.item(index, trial, column),
            view.train_seconds.item(index, trial),
            view.validation_seconds.item(index, trial),
        )

    def _pick_trial(self, index: int) -> int:
        """The trial that a new training of an architecture is; `_MEAN` for the mean of all."""
        if self._noise == "mean":
            return _MEAN
        seeds = self.view.seeds
        trials = seeds.shape[1]
        if self._noise == "random":
            while trials and seeds.item(index, trials - 1) < 0:  # existing trials come first
                trials -= 1
            if trials:
                return int(self._random() * trials)
        else:
            found = np.flatnonzero(seeds[index] == self._noise)
            if found.size:
                return int(found[0])
        wanted = "no trial" if self._noise == "random" else f"no trial with seed {self._noise}"
        raise MissingValidation(
            f"architecture {index} has {wanted} for {self.view.key}/{self.view.schedule}; "
            f"{int((seeds >= 0).any(1).sum()):,} of {len(seeds):,} architectures have some"
        )

    def _missing(self, index: int, epochs: int) -> MissingValidation:
        stored = ", ".join(str(epoch + 1) for epoch in self.view.epochs[:12]) + (" ..." if len(self.view.epochs) > 12 else "")
        return MissingValidation(
            f"no validation accuracy of architecture {index} after {epochs} epochs of {self.view.key}/{self.view.schedule} "
            f"(epochs with one: {stored})"
        )
