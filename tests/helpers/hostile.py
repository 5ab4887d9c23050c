"""Files and arguments made to do harm: what is tried, and what is accepted as an answer."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from benchmark_api.text import ExplainedError

SECONDS = 30
"""Time after which a try counts as a hang."""

ODD_TEXTS = (
    "",
    " ",
    "..",
    "../../x",
    "/etc/passwd",
    "a\x00b",
    "\x1b[2J",
    "a\nb",
    "\ud800",
    "\u202e",
    "１２",
    "1_0",
    "-5",
    "9" * 4400,
)
ODD_NUMBERS = (0, -1, 2**31, 2**63, 10**30, -(10**30), 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"))
ODD = st.one_of(
    st.sampled_from((None, True, False, [], {}, [[[[]]]], {"a": {"a": {"a": 1}}})),
    st.sampled_from(ODD_NUMBERS),
    st.sampled_from(ODD_TEXTS),
    st.text(max_size=5),
    st.integers(),
    st.lists(st.integers(-2, 2), max_size=3),
)
"""Values that are not what a place expects."""


class Hang(BaseException):
    """A try took longer than it may."""


class Tries:
    """Tries of one test.

    Attributes:
        inputs: number of tries.
        faults: tries that ended in another way than by a correct answer or by one line.
    """

    def __init__(self) -> None:
        self.inputs = 0
        self.faults: list[str] = []

    def expect(self, what: object, call: Callable[[], object], *named: object) -> bool:
        """Try a call: it must return, or refuse by a line that has the names. Return whether it returned."""
        self.inputs += 1
        try:
            with _watched():
                call()
        except (ValueError, OSError) as error:
            text = str(error)
            lines = text.count("\n") if not isinstance(error, ExplainedError) else 0
            if not text or lines or not all(str(name) in text for name in named):
                self.faults.append(f"{what!r:.120}: not one line with {named}: {type(error).__name__}: {text!r:.300}")
            return False
        except (Exception, Hang) as error:
            self.faults.append(f"{what!r:.120}: {type(error).__name__}: {error!s:.300}")
            return False
        return True

    def refused(self, what: object, call: Callable[[], object], *named: object) -> None:
        """Try a call that must refuse."""
        if self.expect(what, call, *named):
            self.faults.append(f"{what!r:.120}: accepted")


@contextmanager
def _watched() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def many(examples: int) -> settings:
    """Settings of a mutation test: the same examples in every process, whatever the machine's speed."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=checks)


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value with one or two of its parts replaced, removed or added."""
    value = deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        places = [(None, None), *_places(value)]
        owner, key = draw(st.sampled_from(places))
        if owner is None:
            return draw(ODD) if draw(st.integers(0, 9)) == 0 else value
        match draw(st.sampled_from(("replace", "replace", "replace", "remove", "rename"))):
            case "remove":
                del owner[key]
            case "rename" if isinstance(owner, dict):
                owner[draw(st.sampled_from(ODD_TEXTS[:-1]))] = owner.pop(key)
            case _:
                owner[key] = draw(ODD)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(inner)


def dumped(value: Any) -> bytes:
    """A value as JSON, with what Python writes beyond the standard: NaN, and halves of surrogate pairs."""
    return json.dumps(value).encode()
