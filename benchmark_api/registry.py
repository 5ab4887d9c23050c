"""Registry of named classes: searches, spaces, importers and whatever else a file adds by being imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

NamedT = TypeVar("NamedT")


class Registry(Mapping[str, NamedT]):
    """Named entries in the order of their registration.

    Args:
        kind: noun for one entry, used in error messages, e.g. "black-box search".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, NamedT] = {}

    def register(self, entry: NamedT) -> NamedT:
        """Add an entry under its `name`; usable as a class decorator.

        Raises:
            ValueError: another entry has the same name.
        """
        name: str = entry.name  # type: ignore[attr-defined]
        if self._entries.setdefault(name, entry) is not entry:
            raise ValueError(f"two entries of the registry of {self.kind}s are named {name!r}: {self._entries[name]} and {entry}")
        return entry

    def find(self, name: str) -> NamedT:
        """Return the entry with a name.

        Raises:
            ValueError: no entry has it; the message lists those that exist.
        """
        if name not in self._entries:
            raise ValueError(f"unknown {self.kind} {name!r}; expected one of {', '.join(self._entries)}")
        return self._entries[name]

    def __getitem__(self, name: str) -> NamedT:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
