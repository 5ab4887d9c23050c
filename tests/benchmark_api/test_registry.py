"""Registries: entries by name, and names that stand for what is made of an entry."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from benchmark_api.registry import Registry


@dataclass(frozen=True)
class Entry:
    name: str


def test_derived_entries_are_found_but_not_listed() -> None:
    registry: Registry[Entry] = Registry("thing")
    for name in ("a", "b", "b+x"):
        registry.register(Entry(name))
    registry.derive("+x", lambda entry: Entry(f"made of {entry.name}"))
    assert registry["a+x"] == registry.find("a+x") == registry.get("a+x") == Entry("made of a")
    assert registry["b+x"] == Entry("b+x")  # registered itself
    assert "a+x" in registry
    assert list(registry) == ["a", "b", "b+x"]
    for name in ("c+x", "+x", "a+y", "a+x+x"):
        assert name not in registry
        with pytest.raises(ValueError, match=r"unknown thing .*; expected one of a, b"):
            registry.find(name)
        with pytest.raises(KeyError):
            registry[name]


def test_the_probable_name_is_named() -> None:
    registry: Registry[Entry] = Registry("search")
    for name in ("random", "rea"):
        registry.register(Entry(name))
    with pytest.raises(ValueError, match=r"^unknown search 'rae'; expected one of random, rea \(did you mean 'rea'\?\)$"):
        registry.find("rae")
