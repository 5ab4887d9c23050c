"""The topology search space, with the names of `nats_bench.api_topology`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_api.nats.api_utils import ArchResults, NASBenchMetaAPI
from benchmark_api.nats.genotype_utils import Node, parse, topology_str2structure
from benchmark_api.nats.results import Shown, describe
from benchmark_api.spaces import OPERATIONS

__all__ = ["ALL_BASE_NAMES", "ArchResults", "NATStopology", "print_information", "topology_str2structure"]

ALL_BASE_NAMES = ["NATS-tss-v1_0-3ffb9"]

_SHOWN: Shown = {"cifar10-valid": (("valid", "x-valid"),), "cifar10": (("test ", "ori-test"),)}

print_information = partial(describe, shown=_SHOWN)


class NATStopology(NASBenchMetaAPI):
    """The topology search space; see `NASBenchMetaAPI` for arguments and methods."""

    search_space_name = "topology"
    is_topology = True
    full_train_epochs = full_epochs_in_paper = 200
    _all_base_names = ALL_BASE_NAMES
    _shown = _SHOWN

    def get_unique_str(self, arch: Any) -> str:
        """Return a string that isomorphic architectures share; `arch` as `query_index_by_arch` takes it."""
        return topology_str2structure(self.meta_archs[self.query_index_by_arch(arch)]).to_unique_str(consider_zero=True)

    @staticmethod
    def str2lists(arch_str: str) -> list[Node]:
        """Return the (operation, source) pairs of every node; InvalidArgument if the string is malformed."""
        return parse(arch_str)

    @staticmethod
    def str2matrix(arch_str: str, search_space: Sequence[str] = OPERATIONS) -> npt.NDArray[np.float64]:
        """Return the cell as a matrix [node, source] of positions in `search_space`, 0 where there is no edge.

        Raises a ValueError for an operation that is not in `search_space`, InvalidArgument for a malformed string.
        """
        nodes = parse(arch_str)
        matrix = np.zeros((len(nodes) + 1, len(nodes) + 1))
        for target, node in enumerate(nodes, start=1):
            for operation, source in node:
                if operation not in search_space:
                    raise ValueError(f"operation {operation!r} is not one of {', '.join(search_space)}")
                matrix[target, source] = search_space.index(operation)
        return matrix
