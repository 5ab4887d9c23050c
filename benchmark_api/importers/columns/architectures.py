"""Architectures in files of columns: official indices, strings, widths and lists of operations."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmark_api.importers.columns.kinds import Kind
from benchmark_api.spaces import OPERATIONS, SearchSpace, SizeSpace, TopologySpace

_WIDTHS = re.compile(r"[(\[]?\s*(\d+(?:\s*[:,;|/_x-]\s*\d+|\s+\d+)*)\s*[)\]]?")


def reader_of(form: str, space: SearchSpace) -> Callable[[object], int]:
    """Return the function from a cell to an official index; it raises a ValueError of one line for unknown architectures.

    Raises:
        ValueError: the space has no architectures of this form.
    """
    if form == "widths" and not isinstance(space, SizeSpace):
        raise ValueError(f"the {space.name} space has no widths; expected one of index, string, operations, name")
    if form == "operations" and not isinstance(space, TopologySpace):
        raise ValueError(f"the {space.name} space has no operations; expected one of index, string, widths, name")
    convert = {"index": _by_index, "string": _by_string, "widths": _by_widths, "operations": _by_operations, "name": _by_name}[
        form
    ]
    known: dict[object, int] = {}

    def read(cell: object) -> int:
        key = type(cell), tuple(cell) if isinstance(cell, list) else cell
        try:
            return known[key]
        except (KeyError, TypeError):
            pass
        try:
            index = convert(space, cell)
        except ValueError as error:
            raise ValueError(str(error).split("\n")[0]) from None
        known[key] = index
        return index

    return read


def _by_index(space: SearchSpace, cell: object) -> int:
    index = Kind(0, len(space) - 1, whole=True).convert(cell)
    if index != index:
        raise ValueError("no architecture is named")
    return int(index)


def _by_string(space: SearchSpace, cell: object) -> int:
    return space.index(space.from_string(str(cell).strip()))


def _by_widths(space: SearchSpace, cell: object) -> int:
    """Read a list, or text with any separator: "8:16:24:32:40", "8-16-24-32-40", "[8, 16, 24, 32, 40]"."""
    text = ":".join(map(str, cell)) if isinstance(cell, list | tuple) else str(cell).strip()
    found = _WIDTHS.fullmatch(text)
    if not found:
        raise ValueError("expected widths such as 8:16:24:32:40")
    return space.index(space.from_string(":".join(re.findall(r"\d+", found[1]))))


def _by_operations(space: SearchSpace, cell: object) -> int:
    """Read digits of the official list, as text, number or list, or a list of names; a number may lack zeros in front."""
    edges = len(space.cardinalities)
    items: list[object]
    if isinstance(cell, list | tuple):
        items = list(cell)
    elif isinstance(cell, str | int) and str(cell).strip().isdecimal():
        items = list(str(cell).strip().zfill(edges))
    else:
        items = re.findall(r"\w+", str(cell))
    names = {name: choice for choice, name in enumerate(OPERATIONS)} | {str(choice): choice for choice in range(len(OPERATIONS))}
    choices = [names.get(str(item)) for item in items]
    if len(choices) != edges or None in choices:
        raise ValueError(f"expected {edges} operations: digits 0 to {len(OPERATIONS) - 1}, or names of {', '.join(OPERATIONS)}")
    return space.index(tuple(choice for choice in choices if choice is not None))


def _by_name(space: SearchSpace, cell: object) -> int:
    if isinstance(cell, int | float) or str(cell).strip().isdecimal():
        return _by_index(space, cell)
    return (_by_widths if isinstance(space, SizeSpace) else _by_string)(space, cell)


_READERS = {"index": _by_index, "string": _by_string, "widths": _by_widths, "operations": _by_operations, "name": _by_name}
FORMS = tuple(_READERS)
"""Forms of architectures that a mapping may name a column for; "name" is an index, the widths, or an official string."""
