"""Tables of measured architectures: search spaces, queries, imports, and training of new tables."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark_api.spaces import SizeSpace, TopologySpace
    from benchmark_api.tables.evaluator import simulated_evaluator
    from benchmark_api.tables.table import Table

__all__ = ["SizeSpace", "Table", "TopologySpace", "simulated_evaluator"]

_MODULES = {"SizeSpace": "spaces", "TopologySpace": "spaces", "simulated_evaluator": "tables.evaluator", "Table": "tables.table"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `python -m benchmark_api --help` needs none, and answers at once."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
