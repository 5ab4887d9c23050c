"""Cells as graphs of named operations: `TopologyStructure`, with the interface of `nats_bench.genotype_utils`.

A structure is a list of nodes; a node is a tuple of (operation, source) pairs, where source 0 is the cell's input and source
i the i-th node. Any number of nodes and any names are allowed: `benchmark_api.spaces.TopologySpace` is the one of 4 nodes
and five operations that NATS-Bench measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from benchmark_api.nats.errors import InvalidArgument
from benchmark_api.spaces import isomorphism_string

Node = tuple[tuple[str, int], ...]


def parse(text: str) -> list[Node]:
    """Return the nodes of a string such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|`.

    Raises:
        InvalidArgument: not a str, or an edge is not an operation and a number with `~` between them.
    """
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


def topology_str2structure(text: str | TopologyStructure) -> TopologyStructure:
    """Return the structure of a string; a structure is returned as it is."""
    return TopologyStructure.str2structure(text)


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

    def node(self, index: int) -> Node:
        """Return the inputs of a node. As in the package, `index` is the position in `nodes`, yet 0 is refused.

        Raises:
            InvalidArgument: `index` is not 1 to the number of nodes.
            IndexError: there is no such position.
        """
        if not 0 < index <= len(self):
            raise InvalidArgument(f"node must be 1 to {len(self)}, got {index}")
        return self.nodes[index]

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

    @staticmethod
    def str2fullstructure(text: str, default_name: str = "none") -> TopologyStructure:
        """Return the structure of a string that may leave out edges, with `default_name` on those that are missing.

        As in the package, a missing edge from the node right before is not filled in.
        """
        nodes = []
        for index, node in enumerate(parse(text)):
            present = {source for _, source in node}
            missing = tuple((default_name, source) for source in range(index) if source not in present)
            nodes.append(tuple(sorted(node + missing, key=lambda edge: (edge[1], edge[0]))))
        return TopologyStructure(nodes)

    @staticmethod
    def gen_all(search_space: Sequence[str], num: int, return_ori: bool) -> list[TopologyStructure] | list[list[Node]]:
        """Return every cell of `num` nodes (the input is one of them) with an operation of `search_space` on every edge.

        In the package this is a NameError.

        Args:
            search_space: operations.
            num: number of nodes, at least 2.
            return_ori: return lists of nodes instead of structures.

        Raises:
            InvalidArgument: not a list or tuple of operations, or fewer than 2 nodes.
        """
        if not isinstance(search_space, (list, tuple)):
            raise InvalidArgument(f"expected a list of operations, got {type(search_space).__name__}")
        if num < 2:
            raise InvalidArgument(f"a cell has at least 2 nodes, got {num}")
        choices = [
            [tuple(zip(operations, range(sources), strict=True)) for operations in product(search_space, repeat=sources)]
            for sources in range(1, num)
        ]
        cells = [list(nodes) for nodes in product(*choices)]
        return cells if return_ori else [TopologyStructure(nodes) for nodes in cells]
