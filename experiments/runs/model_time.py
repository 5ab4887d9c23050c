"""The time that a search takes itself, charged to the simulated clock."""

from __future__ import annotations

import time

from algorithms.black_box.base import AskTell, Evaluation, Query
from benchmark_api.tables.evaluator import BudgetedEvaluator


class ChargedSearch:
    """A search whose processor time moves an evaluator's clock.

    Args:
        search: the search.
        evaluator: the evaluator of its queries, one at a time.

    Attributes:
        seconds: [evaluation], processor seconds of `ask` and `tell`.
    """

    def __init__(self, search: AskTell, evaluator: BudgetedEvaluator) -> None:
        self._search, self._evaluator = search, evaluator
        self._asking = 0.0  # processor seconds of the last `ask`
        self.seconds: list[float] = []

    @property
    def incumbent_number(self) -> int | None:
        """Number of the incumbent's evaluation, see `BlackBoxSearch`."""
        return self._search.incumbent_number

    def ask(self) -> Query:
        """Return the next query, as `BlackBoxSearch.ask` does, and charge the time."""
        started = time.process_time()
        query = self._search.ask()
        self._asking = time.process_time() - started
        self._evaluator.clock += self._asking
        return query

    def tell(self, query: Query, evaluation: Evaluation) -> None:
        """Report the result of a query, as to `BlackBoxSearch.tell`, and charge the time."""
        started = time.process_time()
        self._search.tell(query, evaluation)
        telling = time.process_time() - started
        self._evaluator.clock += telling
        self.seconds.append(self._asking + telling)
