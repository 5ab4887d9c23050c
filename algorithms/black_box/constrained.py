"""Constrained search: any black-box search among some architectures of a space: those within limits, or those of a sample."""

from __future__ import annotations

from collections.abc import Callable

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, SearchFinished
from benchmark_api.spaces import Architecture

MAX_REJECTED = 10_000
"""Proposals that are rejected in a row after which the search ends: it has converged where nothing is allowed."""

REJECTED = Evaluation(float("nan"))


class ConstrainedSearch:
    """A search that asks only for architectures that are allowed.

    Costs such as a latency are known without training, as is whether a table has an architecture. So a proposal is rejected
    before anything is paid, and the search is told of a failed evaluation: it is worse than any that is allowed (rule 1 of Deb,
    Computer Methods in Applied Mechanics and Engineering 186, 2000, section 3), and never the incumbent. All that are not allowed
    are alike: a search is not told by how much they miss the limits. Guo et al. (ECCV 2020, arXiv 1904.00420) and Cai et al.
    (ICLR 2020, arXiv 1908.09791) reject candidates before their evaluation as well.

    Args:
        search: the search, which has made no proposal yet.
        allows: whether an architecture is allowed.

    Attributes:
        incumbent_number: number of the incumbent's evaluation among those that were not rejected, counted from 0; None for none.
    """

    def __init__(self, search: BlackBoxSearch, allows: Callable[[Architecture], bool]) -> None:
        self._search, self._allows = search, allows
        self._told = 0
        self.incumbent_number: int | None = None

    def ask(self) -> Query:
        """Return the next query that is allowed.

        Raises:
            RuntimeError: as many queries as allowed are pending.
            SearchFinished: the search is over, or proposes nothing that is allowed any more.
        """
        for _ in range(MAX_REJECTED):
            query = self._search.ask()
            if self._allows(query.architecture):
                return query
            self._search.tell(query, REJECTED)
        raise SearchFinished(
            f"{self._search.name}: the last {MAX_REJECTED} proposals were not within the limits, or not in the table"
        )

    def tell(self, query: Query, evaluation: Evaluation | float) -> None:
        """Report the result of a query, as to `BlackBoxSearch.tell`."""
        before = self._search.incumbent_number
        self._search.tell(query, evaluation)
        if self._search.incumbent_number != before:
            self.incumbent_number = self._told
        self._told += 1
