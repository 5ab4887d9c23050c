"""Query and Evaluation: a training that a search asks for, and its result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from benchmark_api.spaces import Architecture

Need = Literal["fidelities", "parts", "curves", "costs", "task"]
"""What a search may need besides accuracies: trainings of several lengths, trainings in parts (`Query.continues`), learning
curves, costs, a task with images."""


class Query(NamedTuple):
    """A training that a search asks for.

    Attributes:
        architecture: the architecture to train.
        epochs: length of the training in epochs; None for the whole schedule.
        continues: go on with the latest training of the architecture, if that is shorter, and pay the additional epochs only,
            whatever the accounting. For searches that need "parts".
    """

    architecture: Architecture
    epochs: int | None = None
    continues: bool = False


class Evaluation(NamedTuple):
    """Result of a query.

    Attributes:
        accuracy: validation accuracy after the last epoch, percent; NaN for a failed evaluation.
        seconds: simulated seconds charged; 0 for a repeat answered from memory.
        curve: validation accuracy after each stored epoch up to the last one paid, percent; empty unless a search needs curves.
        costs: metrics of the architecture by name, in the table's units; empty unless a search needs costs.
        trial: column of the table's trial that answered; -1 for the mean over trials, and where there is no table.
    """

    accuracy: float
    seconds: float = 0.0
    curve: tuple[float, ...] = ()
    costs: Mapping[str, float] = {}
    trial: int = -1

    @property
    def score(self) -> float:
        """Accuracy for comparisons, percent: -inf for a failed evaluation."""
        accuracy = self.accuracy
        return accuracy if accuracy == accuracy else -math.inf
