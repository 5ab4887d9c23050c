"""Cells as graphs of named operations: `TopologyStructure`, with the interface of `nats_bench.genotype_utils`.

A structure is a list of nodes; a node is a tuple of (operation, source) pairs, where source 0 is the cell's input and source
i the i-th node. Any number of nodes and any names are allowed: `benchmark_api.spaces.TopologySpace` is the one of 4 nodes
and five operations that NATS-Bench measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark_api.spaces import isomorphism_string

Node = tuple[tuple[str, int], ...]


class InvalidArgument(ValueError, AssertionError):
    """A bad argument where the package has an `assert`: a ValueError, as everywhere here, that a script may catch as before."""


def parse(text: str) -> list[Node]:
    """Return the nodes of a string such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|`; InvalidArgument if malformed."""
    if not isinstance(text, str):
        raise InvalidArgument(f"expected the string of a structure, got {type(text).__name__}")
    nodes = []
    for node in text.split("+"):
        edges = [edge.split("~") for edge in node.split("|") if edge]
        for edge in edges:
            if len(edge) != 2:
                raise InvalidArgument(f"expected edges such as 'none~0', got {'~'.join(edge)!r} in {text!r}")
        nodes.append(tuple((operation, int(source)) for operation, source in edges))
    return nodes


class TopologyStructure:
    """A cell.

    Args:
        genotype: for every node its (operation, source) pairs.

    Raises:
        InvalidArgument: not lists or tuples of pairs, a node without inputs, or a source that does not precede its node.
    """

    def __init__(self, genotype: Sequence[Sequence[tuple[str, int]]]) -> None:
        if not isinstance(genotype, (list, tuple)):
            raise InvalidArgument(f"expected a list of nodes, got {type(genotype).__name__}")
        for index, node in enumerate(genotype):
            if not isinstance(node, (list, tuple)) or not node:
                raise InvalidArgument(f"node {index + 1}: expected a list of at least one (operation, source), got {node!r}")
            for edge in node:
                if not isinstance(edge, (list, tuple)) or len(edge) != 2 or edge[1] > index:
                    raise InvalidArgument(f"node {index + 1}: expected (operation, source of at most {index}), got {edge!r}")
        self.node_num = len(genotype) + 1
        self.node_N = [len(node) for node in genotype]
        self.nodes: list[Node] = [tuple(node) for node in genotype]

    def __len__(self) -> int:
        return self.node_num

    def __getitem__(self, index: int) -> Node:
        return self.nodes[index]

    def __repr__(self) -> str:
        return f"TopologyStructure({self.node_num} nodes with {self.tostr()})"

    def tolist(self, remove_str: str | None) -> tuple[list[Node] | None, bool]:
        """Return the nodes without the operation `remove_str`, their inputs in the order of their sources, and True.

        Return (None, False) if a node has no other input.
        """
        nodes = [
            tuple(edge for edge in sorted(node, key=lambda edge: (edge[1], edge[0])) if edge[0] != remove_str)
            for node in self.nodes
        ]
        return (nodes, True) if all(nodes) else (None, False)

    def tostr(self) -> str:
        """Return the string that `str2structure` reads."""
        return "+".join(f"|{'|'.join(f'{operation}~{source}' for operation, source in node)}|" for node in self.nodes)

    def check_valid(self) -> bool:
        """Whether the output depends on the input."""
        reached = [True]
        for node in self.nodes:
            reached.append(any(operation != "none" and reached[source] for operation, source in node))
        return reached[-1]

    def check_valid_op(self, op_names: Iterable[str]) -> bool:
        """Whether all operations are among these."""
        return {operation for node in self.nodes for operation, _ in node} <= set(op_names)

    def to_unique_str(self, consider_zero: bool | None = False) -> str:
        """Return the string that isomorphic cells share; see `isomorphism_string`."""
        return isomorphism_string(self.nodes, consider_zero)

    @staticmethod
    def str2structure(text: str | TopologyStructure) -> TopologyStructure:
        """Return the structure of a string (InvalidArgument if malformed); a structure is returned as it is."""
        return text if isinstance(text, TopologyStructure) else TopologyStructure(parse(text))


topology_str2structure = TopologyStructure.str2structure
