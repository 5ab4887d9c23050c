"""Types and bounds declared on the fields of a dataclass, checked when an instance is made.

    @dataclass(frozen=True)
    class Config(Bounded):
        population_size: Annotated[int, at_least(1)] = 10
        temperature: Annotated[float, positive] = 1.0
        betas: tuple[Annotated[float, between(0, 1, "[)")], ...] = (0.9, 0.999)

The command line prints the bounds in its help, and the contract tests derive refused values from them.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from numbers import Real
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

LARGEST = {int: 10**6, float: 1e9}
"""Largest number, by type, where a bound has no upper end: no hyperparameter is larger, and a count that is ends in no time."""


SMALLEST = 1e-12
"""Smallest number that counts as positive: what is divided by a smaller one is no number any more."""


@dataclass(frozen=True)
class Bound:
    """An interval of numbers; an open end is not in it. It may only have an infinite number that its declaration names."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    infinite: bool = False

    def allows(self, value: Any) -> bool:
        """Whether a number lies in the interval; NaN, and what is no number, does not."""
        if not _is_number(value):
            return False
        if value == math.inf:
            return self.infinite
        above = value > self.low if self.low_open else value >= self.low
        above &= not (self.low_open and self.low == 0 and value < SMALLEST)
        below = value < self.high if self.high_open else value <= self.high
        return bool(above and below)

    def __str__(self) -> str:
        if self.low == -math.inf:
            return f"at most {self.high:g}"
        if self.high == math.inf:
            return (
                "positive"
                if (self.low, self.low_open) == (0, True)
                else f"{'above' if self.low_open else 'at least'} {self.low:g}"
            )
        return f"in {'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"

    def refused(self) -> list[float]:
        """Return numbers just outside the interval, for tests."""
        below = self.low if self.low_open else self.low - 1
        above = self.high if self.high_open else self.high + 1
        ends = [value for value in (math.nan, below, above) if not math.isinf(value)]
        return ends if self.infinite else [*ends, math.inf]


positive = Bound(low=0, low_open=True)
positive_or_infinite = Bound(low=0, low_open=True, infinite=True)


def at_least(low: float) -> Bound:
    """Return the interval from `low` on."""
    return Bound(low=low)


def at_most(high: float) -> Bound:
    """Return the interval up to `high`."""
    return Bound(high=high)


def between(low: float, high: float, ends: Literal["[]", "[)", "(]", "()"] = "[]") -> Bound:
    """Return the interval between two ends; a round bracket in `ends` excludes the end."""
    return Bound(low, high, ends[0] == "(", ends[1] == ")")


class Limit(NamedTuple):
    """A declared restriction of one field: to an interval or, without one, to choices."""

    bound: Bound | None
    choices: tuple[Any, ...]
    each: bool
    """Whether the field is a tuple whose elements are restricted."""
    largest: float = math.inf
    """Largest number where the interval has no upper end."""

    def __str__(self) -> str:
        return str(self.bound) if self.bound else "one of " + ", ".join(map(repr, self.choices))

    def allows(self, value: Any) -> bool:
        """Whether a field may have a value. None is allowed where the annotation names it."""
        if value is None:
            return True
        if self.each and not isinstance(value, tuple | list):
            return False
        values = value if self.each else (value,)
        if not self.bound:
            return all(any(item is choice or item == choice for choice in self.choices) for item in values)
        return all(self.bound.allows(item) and not self._too_large(item) for item in values)

    def refusal(self, value: Any) -> str:
        """Return what a value that is not allowed must be."""
        values = value if self.each and isinstance(value, tuple | list) else (value,)
        if not all(map(_is_number, values)):
            return str(self)
        if self.bound and any(0 < item < SMALLEST for item in values):
            return f"{self} and at least {SMALLEST:g}"
        return f"{self} and at most {self.largest:g}" if any(map(self._too_large, values)) else str(self)

    def _too_large(self, value: Any) -> bool:
        """Whether a number is beyond the largest of its type, where the interval has no upper end."""
        capped = self.bound is not None and self.bound.high == math.inf and not self.bound.infinite
        return capped and bool(value > self.largest)


@cache
def limits(config: type) -> dict[str, Limit]:
    """Return the restrictions that a dataclass declares, by field."""
    hints = get_type_hints(config, include_extras=True)
    found = {field.name: next(_limits_of(hints[field.name]), None) for field in fields(config)}
    return {name: limit for name, limit in found.items() if limit}


def _limits_of(hint: Any, each: bool = False) -> Iterator[Limit]:
    arguments = get_args(hint)
    if get_origin(hint) is Annotated:
        kinds = get_args(arguments[0]) or arguments[:1]  # of `int | None`, or of `int`
        largest = min((LARGEST[kind] for kind in kinds if kind in LARGEST), default=math.inf)
        yield from (Limit(item, (), each, largest) for item in arguments[1:] if isinstance(item, Bound))
        yield from _limits_of(arguments[0], each)
    elif get_origin(hint) is Literal:
        yield Limit(None, arguments, each)
    elif get_origin(hint) is tuple:
        yield from _limits_of(arguments[0], each=True)
    elif get_origin(hint) in (Union, types.UnionType):
        members = [argument for argument in arguments if argument is not types.NoneType]
        if len(members) == 1:  # a union of several types has no limits
            yield from _limits_of(members[0], each)


class _Unstored:
    """Type of the mark `unstored_default`."""


unstored_default = _Unstored()
"""Mark of a field that was added after results had been stored: `Annotated[bool, unstored_default] = False`.

`stored_values` leaves it out at its default, so the default must mean what code without the field did. Conditions, labels and
checkpoints of earlier versions stay as they are.
"""


def stored_values(config: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as `asdict` does, without those marked `unstored_default` that have their default."""
    hints = get_type_hints(type(config), include_extras=True)
    marked = {field.name for field in fields(config) if unstored_default in get_args(hints[field.name])}
    left_out = {field.name for field in fields(config) if field.name in marked and getattr(config, field.name) == field.default}
    return {name: value for name, value in asdict(config).items() if name not in left_out}


@dataclass(frozen=True)
class Bounded:
    """Base class of dataclasses whose fields are checked against their declared bounds, choices and types.

    Raises:
        ValueError: a value is out of range, or of another type; the message names the field, the range and the value.
    """

    def __post_init__(self) -> None:
        check_fields(self)
        for name, hint in _hints(type(self)).items():  # type: ignore[arg-type]
            if not _fits(value := getattr(self, name), hint):
                raise ValueError(f"{name} must be {_named(hint)}, got {value!r:.100}")


def check_fields(values: Any) -> None:
    """Check the fields of a dataclass, and of dataclasses in its fields, against their declared bounds and choices.

    Raises:
        ValueError: as `Bounded` does.
    """
    for name, limit in limits(type(values)).items():  # type: ignore[arg-type]
        if not limit.allows(value := getattr(values, name)):
            shown = repr(value)
            raise ValueError(f"{name} must be {limit.refusal(value)}, got {shown if len(shown) < 100 else f'{shown[:100]}...'}")
    for field in fields(values):
        if is_dataclass(value := getattr(values, field.name)) and not isinstance(value, type):
            check_fields(value)


@cache
def _hints(config: type) -> dict[str, Any]:
    """Return the declared types of fields, without bounds."""
    hints = get_type_hints(config)
    return {field.name: hints[field.name] for field in fields(config)}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type of numbers, texts, truth values, choices or tuples; others are not checked."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if get_origin(hint) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if get_origin(hint) is tuple:
        each = arguments[:1] * len(value) if isinstance(value, tuple) and arguments[1:] == (...,) else arguments
        return isinstance(value, tuple) and len(each) == len(value) and all(map(_fits, value, each))
    if hint is int:
        return isinstance(value, int) and _is_number(value)
    if hint is float:
        return isinstance(value, float) or (_fits(value, int) and abs(value) < 10**308)
    return hint not in (bool, str, types.NoneType) or isinstance(value, hint)


def _named(hint: Any) -> str:
    """Return a declared type for a message."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(map(_named, get_args(hint)))
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"a tuple of {' and '.join(_named(argument) for argument in get_args(hint) if argument is not ...)}"
    return "None" if hint is types.NoneType else str(getattr(hint, "__name__", hint))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
