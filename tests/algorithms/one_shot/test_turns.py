"""Functions that take turns."""

from __future__ import annotations

from typing import Any

import pytest

from algorithms.one_shot.turns import Ask, take_turns


def test_all_functions_that_have_not_ended_are_answered_at_once_and_in_order() -> None:
    asked: list[list[Any]] = []
    received: dict[int, list[Any]] = {}

    def counts(number: int) -> Any:
        def function(ask: Ask) -> None:
            received[number] = [ask((number, step)) for step in range(number)]

        return function

    def answer(requests: list[Any]) -> list[Any]:
        asked.append(requests)
        return [10 * number + step for number, step in requests]

    take_turns([counts(number) for number in (2, 0, 3, 1)], answer)
    assert asked == [[(2, 0), (3, 0), (1, 0)], [(2, 1), (3, 1)], [(3, 2)]]
    assert received == {0: [], 1: [10], 2: [20, 21], 3: [30, 31, 32]}


@pytest.mark.parametrize("culprit", ["function", "answer"])
def test_an_error_ends_the_other_functions_and_is_raised(culprit: str) -> None:
    ended = []

    def waits(ask: Ask) -> None:
        try:
            while True:
                ask(None)
        finally:
            ended.append("waits")

    def fails(ask: Ask) -> None:
        ask(None)
        if culprit == "function":
            raise KeyError("of the function")
        ask("fail")

    def answer(requests: list[Any]) -> list[Any]:
        if "fail" in requests:
            raise KeyError("of the answer")
        return requests

    with pytest.raises(KeyError, match=f"of the {culprit}"):
        take_turns([waits, fails, waits], answer)
    assert ended == ["waits", "waits"]
