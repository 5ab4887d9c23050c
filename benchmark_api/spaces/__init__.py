"""Search spaces: the architectures that can be chosen, and how they are written, numbered, sampled, mutated and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark_api.spaces.base import Architecture, SearchSpace, all_architectures
from benchmark_api.spaces.size import NATS_WIDTHS, SIZE_CELL, SizeSpace
from benchmark_api.spaces.topology import EDGES, OPERATIONS, TopologySpace, isomorphism_string

__all__ = [
    "EDGES",
    "NATS_WIDTHS",
    "OPERATIONS",
    "SIZE_CELL",
    "Architecture",
    "SearchSpace",
    "SizeSpace",
    "TopologySpace",
    "all_architectures",
    "isomorphism_string",
    "space_from_spec",
]


def space_from_spec(spec: Mapping[str, Any]) -> SearchSpace:
    """The space that `SearchSpace.spec` described.

    Raises:
        ValueError: the description is not one of a known space.
    """
    match dict(spec):
        case {"space": "topology", **rest} if not rest:
            return TopologySpace()
        case {"space": "size", "widths": [*widths], "layers": int(layers), **rest} if not rest:
            return SizeSpace(widths, layers)
    raise ValueError(f"unknown search space {dict(spec)!r}; expected {{'space': 'topology'}} or size with widths and layers")
