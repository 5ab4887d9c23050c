"""Sources of a table's measurements, in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def source_of(metadata: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Return the facts about the source of a dataset key's measurements ("cifar10"), or of a schedule's ("cifar10/200").

    In a merged table they are those of the first table that had them (see `benchmark_api.tables.merge`).
    """
    for table in metadata.get("merged", ()):
        if any(f"{name}/".startswith(f"{part}/") for name in table["parts"]):
            return source_of(table, part)
    facts: Mapping[str, Any] = metadata.get("source", {})
    return facts
