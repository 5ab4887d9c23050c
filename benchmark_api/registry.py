"""Registry of named classes: searches, spaces, importers and whatever else a file adds by being imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from benchmark_api.text import is_plain_name

NamedT = TypeVar("NamedT")


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not among those known, with the one that is probably meant."""
    near = get_close_matches(name, known, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {kind} {name!r}; expected one of {', '.join(known)}{meant}"


class Registry(Mapping[str, NamedT]):
    """Named entries in the order of their registration.

    Args:
        kind: noun for one entry, used in error messages, e.g. "black-box search".
        texts: attributes of an entry, besides `name`, that must be texts.
    """

    def __init__(self, kind: str, texts: Sequence[str] = ()) -> None:
        self.kind = kind
        self._texts = ("name", *texts)
        self._entries: dict[str, NamedT] = {}
        self._derived: dict[str, Callable[[NamedT], NamedT]] = {}

    def register(self, entry: NamedT) -> NamedT:
        """Add an entry under its `name`; usable as a class decorator.

        A class that is defined again, as in a notebook's cell that is run again, takes the place of the former one.

        Raises:
            ValueError: another entry has the same name, the name cannot be a part of a path, or a text is missing.
        """
        for attribute in self._texts:
            if not isinstance(text := getattr(entry, attribute, None), str):
                raise ValueError(f"the {self.kind} {_called(entry)} has the {attribute} {text!r:.80}; expected a text")
        name: str = entry.name  # type: ignore[attr-defined]
        if not is_plain_name(name):
            raise ValueError(f"the {self.kind} {_called(entry)} has the name {name!r:.80}; expected one that can be a file's")
        former = self._entries.get(name, entry)
        if former is not entry and _definition(former) != _definition(entry):
            raise ValueError(f"two entries are named as the {self.kind} {name!r}: {former} and {entry}")
        self._entries[name] = entry
        return entry

    def derive(self, suffix: str, make: Callable[[NamedT], NamedT]) -> None:
        """Let a name with a suffix stand for what `make` returns for the entry without it, unless it is registered itself."""
        self._derived[suffix] = make

    def find(self, name: str) -> NamedT:
        """Return the entry with a name.

        Raises:
            ValueError: no entry has it; the message names the nearest one and lists those that exist.
        """
        if name not in self:
            raise ValueError(unknown(self.kind, name, self._entries))
        return self[name]

    def __getitem__(self, name: str) -> NamedT:
        if name not in self._entries:
            for suffix, make in self._derived.items():
                if name.endswith(suffix) and name.removesuffix(suffix) in self._entries:
                    return make(self._entries[name.removesuffix(suffix)])
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _definition(entry: object) -> object:
    """Return where a class is defined; for anything else, the thing itself."""
    return (entry.__module__, entry.__qualname__) if isinstance(entry, type) else entry


def _called(entry: object) -> str:
    """Return what an entry is called in the code."""
    return entry.__qualname__ if isinstance(entry, type) else type(entry).__qualname__
