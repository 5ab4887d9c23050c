"""Search spaces: the architectures to choose from, and how they are written, numbered, sampled, mutated, compared and drawn."""

from benchmark_api.spaces.base import SPACES, Architecture, SearchSpace, all_architectures, space_from_spec
from benchmark_api.spaces.size import NATS_WIDTHS, SIZE_CELL, SizeSpace
from benchmark_api.spaces.topology import (
    CONV_1X1,
    CONV_3X3,
    EDGES,
    NONE,
    OPERATIONS,
    POOL,
    SKIP,
    TopologySpace,
    isomorphism_string,
)

__all__ = [
    "CONV_1X1",
    "CONV_3X3",
    "EDGES",
    "NATS_WIDTHS",
    "NONE",
    "OPERATIONS",
    "POOL",
    "SIZE_CELL",
    "SKIP",
    "SPACES",
    "Architecture",
    "SearchSpace",
    "SizeSpace",
    "TopologySpace",
    "all_architectures",
    "isomorphism_string",
    "space_from_spec",
]
