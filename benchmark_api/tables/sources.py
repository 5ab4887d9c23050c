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


def check_facts(metadata: Mapping[str, Any]) -> None:
    """Check the types of what a table's metadata need not have: "source", "metrics" and "merged".

    Raises:
        ValueError: one of them has another type than expected.
    """
    source, metrics, merged = (metadata.get(name, empty) for name, empty in (("source", {}), ("metrics", {}), ("merged", [])))
    if not (
        isinstance(source, dict) and isinstance(metrics, dict) and all(isinstance(about, dict) for about in metrics.values())
    ):
        raise ValueError("source and metrics must be JSON objects, and those of each metric")
    if not (isinstance(merged, list) and all(isinstance(table, dict) for table in merged)):
        raise ValueError("merged must be a list of JSON objects")
    for table in merged:
        texts = [table.get(name) for name in ("file", "title", "fingerprint")]
        parts = table.get("parts")
        if not (isinstance(parts, list) and all(isinstance(text, str) for text in (*texts, *parts))):
            raise ValueError("file, title, fingerprint and parts of a merged table must be texts")
        check_facts(table)
