"""Bounds declared on fields: what is refused, and what has no limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from benchmark_api.bounds import Bounded, at_least, between, limits, positive, stored_values, unstored_default


@dataclass(frozen=True)
class Settings(Bounded):
    count: Annotated[int, at_least(1)] = 3
    limit: Annotated[int, at_least(1)] | None = None
    scale: Annotated[float, positive] = 1.0
    decays: tuple[Annotated[float, between(0, 1, "[)")], ...] = (0.9, 0.999)
    kind: Literal["own", "other"] = "own"
    noise: Literal["random", "mean"] | int = "random"
    flag: bool = False


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("count", 0, "count must be at least 1, got 0"),
        ("count", math.nan, "count must be at least 1, got nan"),
        ("limit", 0, "limit must be at least 1, got 0"),
        ("count", 10**20, r"count must be at least 1 and at most 1e\+06, got 100000000000000000000"),
        ("scale", 0.0, "scale must be positive, got 0.0"),
        ("scale", math.inf, r"scale must be positive and at most 1e\+09, got inf"),
        ("scale", 1e308, r"scale must be positive and at most 1e\+09, got 1e\+308"),
        ("decays", (0.5, 1.0), r"decays must be in \[0, 1\), got \(0.5, 1.0\)"),
        ("kind", "none", "kind must be one of 'own', 'other', got 'none'"),
    ],
)
def test_values_out_of_range(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**{field: value})


def test_values_in_range() -> None:
    Settings(count=1, limit=None, scale=1e9, decays=(0.0,), kind="other", noise=777)
    assert set(limits(Settings)) == {"count", "limit", "scale", "decays", "kind"}  # a union of several types has none


def test_refused_values_are_refused() -> None:
    for name, limit in limits(Settings).items():
        for value in limit.bound.refused() if limit.bound else []:
            with pytest.raises(ValueError, match=name):
                Settings(**{name: (value,) if limit.each else value})


@dataclass(frozen=True)
class Later(Settings):
    added: Annotated[int, at_least(0), unstored_default] = 0


def test_a_field_added_later_is_stored_if_it_has_another_value_than_its_default() -> None:
    assert stored_values(Later()) == stored_values(Settings()) == vars(Settings())
    assert stored_values(Later(added=2)) == {**vars(Settings()), "added": 2}
    with pytest.raises(ValueError, match="added must be at least 0, got -1"):
        Later(added=-1)
