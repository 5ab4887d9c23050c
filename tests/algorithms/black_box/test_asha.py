"""ASHA: a run of one worker by hand, and any order of results against Algorithm 2 of the paper written out."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from algorithms.black_box import ASHA, Query
from benchmark_api.spaces import SizeSpace, TopologySpace

NAN = float("nan")


def test_a_run_of_one_worker_by_hand() -> None:
    """Eta 3, rungs of 1, 4 and 12 epochs; the letters are the architectures in the order of their first trainings."""
    expected = [
        *(("a", 1, 50.0), ("b", 1, 60.0), ("c", 1, 55.0)),
        ("b", 4, 70.0),  # the best of three
        *(("d", 1, 40.0), ("e", 1, 65.0)),
        ("e", 4, 72.0),  # already the best of five: it needs not wait for the sixth
        *(("f", 1, 58.0), ("g", 1, 30.0), ("h", 1, 62.0)),
        ("h", 4, 68.0),  # the second of eight; of these e and h are candidates, e is promoted
        ("e", 12, 80.0),  # the best of three in the second rung: higher rungs come first
        ("i", 1, 10.0),  # of nine, e, h and b are candidates, and all are promoted
        *(("j", 1, 70.0),),
        ("j", 4, NAN),  # failed: it counts in its rung, but is never promoted
        *(("k", 1, NAN), ("l", 1, 59.0)),  # of twelve, four are candidates: j, e, h and b
        *(("m", 1, 61.0),),  # of thirteen these are j, e, h and m
        ("m", 4, 71.0),  # of five in the second rung, e is the only candidate
        ("n", 1, 20.0),
    ]
    search = ASHA(TopologySpace(), seed=0)
    names: dict[tuple[int, ...], str] = {}
    for name, epochs, accuracy in expected:
        query = search.ask()
        if epochs == 1:
            names[query.architecture] = name
        assert (names[query.architecture], query.epochs) == (name, epochs)
        search.tell(query, accuracy)
    assert search.incumbent is not None
    assert names[search.incumbent] == "e"
    assert search.incumbent_accuracy == 80.0


class AsWritten:
    """Algorithm 2 as it is written: rungs are lists, sorted for every job."""

    def __init__(self, eta: int, epochs: list[int]) -> None:
        self.eta, self.epochs = eta, epochs
        self.rungs: list[list[tuple[float, int]]] = [[] for _ in epochs]  # loss and number of a configuration
        self.promoted: list[set[int]] = [set() for _ in epochs]
        self.drawn = 0

    def get_job(self) -> tuple[int, int]:
        for k in reversed(range(len(self.rungs) - 1)):
            ranking = sorted(self.rungs[k], key=lambda result: result[0])  # the first result stays first on ties
            candidates = ranking[: len(ranking) // self.eta]
            promotable = [t for loss, t in candidates if t not in self.promoted[k] and loss < math.inf]
            if promotable:
                self.promoted[k].add(promotable[0])
                return promotable[0], k + 1
        self.drawn += 1
        return self.drawn - 1, 0


@pytest.mark.parametrize("workers", [1, 5, 40])
@pytest.mark.parametrize(("eta", "min_epochs", "epochs"), [(3, 1, [1, 4, 12]), (2, 3, [3, 6, 12]), (4, 1, [3, 12])])
def test_any_order_of_results_against_the_algorithm_as_written(
    workers: int, eta: int, min_epochs: int, epochs: list[int]
) -> None:
    search = ASHA(SizeSpace(), ASHA.Config(eta=eta, min_epochs=min_epochs), seed=1)
    written, draw = AsWritten(eta, epochs), np.random.default_rng(2)
    configurations: list[tuple[int, ...]] = []  # by number; an architecture may be drawn twice
    pending: list[tuple[Query, int, int]] = []
    for _ in range(600):
        while len(pending) < workers:
            query, (number, k) = search.ask(), written.get_job()
            if k == 0:
                configurations.append(query.architecture)
            assert query == Query(configurations[number], epochs[k])
            pending.append((query, number, k))
        query, number, k = pending.pop(int(draw.integers(len(pending))))
        accuracy = NAN if draw.random() < 0.1 else float(draw.integers(20))  # failures, and many ties
        search.tell(query, accuracy)
        written.rungs[k].append((math.inf if math.isnan(accuracy) else -accuracy, number))
    sizes = [len(rung) for rung in written.rungs]
    assert all(low > high > 0 for low, high in pairwise(sizes))


def test_no_worker_waits() -> None:
    """However many queries are pending, there is a next one: at first of the lowest rung."""
    search = ASHA(TopologySpace(), seed=3)
    assert [search.ask().epochs for _ in range(256)] == [1] * 256


def test_the_lowest_rung_must_fit_into_the_schedule() -> None:
    with pytest.raises(ValueError, match="at most the schedule's 12 epochs, got 13"):
        ASHA(TopologySpace(), ASHA.Config(min_epochs=13), max_epochs=12)


def test_full_trainings_alone_are_random_search() -> None:
    """One rung: nothing to promote. Therefore tables without shorter trainings refuse the search."""
    search = ASHA(TopologySpace(), ASHA.Config(min_epochs=12), seed=4)
    rng = np.random.default_rng(4)
    for _ in range(30):
        query = search.ask()
        assert query == Query(TopologySpace().sample(rng), 12)
        search.tell(query, 50.0)
    assert ASHA.without_fidelities(12) is None
