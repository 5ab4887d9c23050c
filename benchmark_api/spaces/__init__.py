"""Search spaces: the architectures to choose from, and how they are written, numbered, sampled, mutated, compared and drawn."""

from benchmark_api.spaces.base import SPACES, Architecture, SearchSpace, all_architectures, space_from_spec
from benchmark_api.spaces.size import NATS_WIDTHS, SIZE_CELL, SizeSpace
from benchmark_api.spaces.topology import EDGES, OPERATIONS, TopologySpace, isomorphism_string

__all__ = [
    "EDGES",
    "NATS_WIDTHS",
    "OPERATIONS",
    "SIZE_CELL",
    "SPACES",
    "Architecture",
    "SearchSpace",
    "SizeSpace",
    "TopologySpace",
    "all_architectures",
    "isomorphism_string",
    "space_from_spec",
]
