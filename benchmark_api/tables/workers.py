"""Several workers on one simulated clock: an event-driven simulation of a search whose trainings run side by side.

A worker has one query at a time. The clock goes from the end of one query to the end of the next; of those that end at the same
time, the one that began first comes first.
"""

from __future__ import annotations

from heapq import heappop, heappush

from benchmark_api.tables.evaluation import Evaluation, Query
from benchmark_api.tables.evaluator import BudgetedEvaluator


class Workers:
    """Workers that share the clock and the budget of an evaluator.

    Attributes:
        idle: number of workers without a query.
        starts: simulated clock at the start of each query that has ended, seconds, in the order of their ends.
    """

    def __init__(self, evaluator: BudgetedEvaluator, workers: int) -> None:
        self._evaluator = evaluator
        self._begun = 0  # queries
        self._running: list[tuple[float, int, float, Query, Evaluation]] = []  # a heap: end, number, start, query, result
        self.idle = workers
        self.starts: list[float] = []

    @property
    def busy(self) -> bool:
        """Whether any worker has a query."""
        return bool(self._running)

    def start(self, query: Query) -> None:
        """Give a query to an idle worker.

        Raises:
            BudgetExhausted: the budget is spent.
            MissingValidation: the table has no answer.
        """
        now, evaluation = self._evaluator.clock, self._evaluator.begin(query)
        heappush(self._running, (now + evaluation.seconds, self._begun, now, query, evaluation))
        self._begun += 1
        self.idle -= 1

    def finish(self) -> tuple[Query, Evaluation]:
        """Advance the clock to the end of the query that ends next; return it with its result. Some worker must be busy."""
        self._evaluator.clock, _, start, query, evaluation = heappop(self._running)
        self._evaluator.end(query, evaluation)
        self.starts.append(start)
        self.idle += 1
        return query, evaluation
