"""The topology space: the cell of NAS-Bench-201, one of five operations on each of six edges.

Sources: NAS-Bench-201 (Dong & Yang, ICLR 2020, arXiv 2001.00326) and NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from benchmark_api.spaces.base import SPACES, Architecture, SearchSpace, below

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(len(OPERATIONS))
"""The five operations of the topology space, in the official order (the order is part of the index)."""

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""The six edges (target node, source node) of the topology cell, in the order of the decisions."""

# How a cell is drawn.
_NODES = ((0.0, 0.0), (1.5, 1.0), (1.5, -1.0), (3.0, 0.0))  # positions of input, both inner nodes and output
_LABELS = ("", "skip", "1×1", "3×3", "pool")  # on an edge, in the order of OPERATIONS
_LABEL_AT = {(3, 0): 0.3, (2, 1): 0.3}  # fraction of the edge where its label is, for the two edges that cross; others 0.5


@SPACES.register
class TopologySpace(SearchSpace):
    """The cell of NAS-Bench-201: one of five operations on each of six edges; 15,625 architectures.

    A decision is an edge in the order of `EDGES`, a choice an index into `OPERATIONS`.
    """

    name = "topology"
    ordinal = False
    skeleton_defaults: ClassVar = {"channels": 16, "cells": 5}  # NATS-Bench, section 3.2
    operation_colors: ClassVar = dict(zip(OPERATIONS, ("#c8c8c8", "#e69f00", "#56b4e9", "#0072b2", "#009e73"), strict=True))

    def __init__(self) -> None:
        super().__init__([len(OPERATIONS)] * len(EDGES))

    def choices(self, decision: int) -> tuple[str, ...]:
        return OPERATIONS

    @property
    def decision_names(self) -> tuple[str, ...]:
        return tuple(f"{target} ← {source}" for target, source in EDGES)

    # The official index is the position in a list that was shuffled once with a fixed seed: Python's own Mersenne Twister,
    # seed 88, over the product in which the last edge varies fastest.
    @cached_property
    def _code_of_index(self) -> list[int]:
        codes = list(range(len(self)))
        random.Random(88).shuffle(codes)
        return codes

    @cached_property
    def _index_of_code(self) -> list[int]:
        return sorted(range(len(self)), key=self._code_of_index.__getitem__)  # the inverse permutation

    def index(self, architecture: Architecture) -> int:
        a, b, c, d, e, f = architecture  # the hot path of every simulated evaluation
        return self._index_of_code[((((a * 5 + b) * 5 + c) * 5 + d) * 5 + e) * 5 + f]

    def _decode(self, code: int) -> Architecture:
        return super()._decode(self._code_of_index[code])

    def to_string(self, architecture: Architecture) -> str:
        ops = [OPERATIONS[choice] for choice in architecture]
        return f"|{ops[0]}~0|+|{ops[1]}~0|{ops[2]}~1|+|{ops[3]}~0|{ops[4]}~1|{ops[5]}~2|"

    def from_string(self, text: str) -> Architecture:
        if not isinstance(text, str):
            raise ValueError(f"not a topology string: expected a str, got {type(text).__name__}")
        position = 0

        def take(tokens: Sequence[str], expected: str) -> int:
            """Move past one of the tokens, and return which one it is."""
            nonlocal position
            found = next((number for number, token in enumerate(tokens) if text.startswith(token, position)), None)
            if found is None:
                raise self._malformed(text, position, expected, text[position : position + 16] or "the end")
            position += len(tokens[found])
            return found

        operations, architecture = [f"{operation}~" for operation in OPERATIONS], []
        for target, source in EDGES:
            opening, closing = "" if source else "|" if target == 1 else "+|", f"{source}|"
            take([opening], repr(opening))
            architecture.append(take(operations, f"one of {', '.join(OPERATIONS)} and '~'"))
            take([closing], repr(closing))
        if position < len(text):
            take([], "the end")
        return tuple(architecture)

    # A node is drawn uniformly, then one of its incoming edges: edge weights 1/3, 1/6, 1/6, 1/9, 1/9, 1/9 (reference code of
    # REA). One draw from the common denominator serves both steps.
    _EDGE_OF_SLOT: ClassVar[tuple[int, ...]] = (0,) * 6 + (1,) * 3 + (2,) * 3 + (3,) * 2 + (4,) * 2 + (5,) * 2

    def mutate(self, architecture: Architecture, rng: np.random.Generator, redraw: bool = False) -> Architecture:
        operations = len(OPERATIONS) - (not redraw)
        slot, choice = divmod(below(18 * operations, rng), operations)
        edge = self._EDGE_OF_SLOT[slot]
        if not redraw and choice >= architecture[edge]:
            choice += 1
        return (*architecture[:edge], choice, *architecture[edge + 1 :])

    def unique_string(self, architecture: Architecture, zero_aware: bool | None = True) -> str:
        """Return the `isomorphism_string` of an architecture; 6,466 (zero_aware True), 12,751 (False) or 15,625 (None) differ."""
        operations = [OPERATIONS[choice] for choice in architecture]
        edges = [(operation, source) for operation, (_, source) in zip(operations, EDGES, strict=True)]
        return isomorphism_string((edges[:1], edges[1:3], edges[3:]), zero_aware)

    @cached_property
    def _representatives(self) -> dict[str, Architecture]:
        representatives: dict[str, Architecture] = {}
        for architecture in map(self._decode, range(len(self))):
            representatives.setdefault(self.unique_string(architecture), architecture)
        return representatives

    def canonical(self, architecture: Architecture) -> Architecture:
        return self._representatives[self.unique_string(architecture)]

    def is_connected(self, architecture: Architecture) -> bool:
        reached = [True, False, False, False]
        for (target, source), choice in zip(EDGES, architecture, strict=True):
            reached[target] |= reached[source] and OPERATIONS[choice] != "none"
        return reached[3]

    def cell(self, architecture: Architecture) -> Architecture:
        return architecture

    def block_widths(self, architecture: Architecture, channels: int | None = None, cells: int | None = None) -> tuple[int, ...]:
        c = self.skeleton_defaults["channels"] if channels is None else channels
        n = self.skeleton_defaults["cells"] if cells is None else cells
        if c < 1 or n < 0:
            raise ValueError(f"channels must be at least 1 and cells at least 0, got {c} and {n}")
        return (c,) * n + (2 * c,) * (1 + n) + (4 * c,) * (1 + n)  # a reduction block precedes stages 2 and 3

    def draw(self, axes: Axes, architecture: Architecture) -> None:
        """Draw the four nodes, and each edge in the colour of its operation with a label; `none` is a dotted line.

        An edge on no path from the input to the output is pale, whatever its operation: it computes nothing that counts.
        """
        live = self._live_edges(architecture)
        for (target, source), choice in zip(EDGES, architecture, strict=True):
            (x0, y0), (x1, y1), name = _NODES[source], _NODES[target], OPERATIONS[choice]
            line = {"arrowstyle": "-|>", "linewidth": 1.8}
            if name == "none":
                line = {"arrowstyle": "-", "linestyle": (0, (1, 2.5)), "linewidth": 0.9}
            counts = name == "none" or (target, source) in live
            arrow = {"color": self.operation_colors[name], "shrinkA": 8, "shrinkB": 8, "alpha": 1.0 if counts else 0.25, **line}
            axes.annotate("", (x1, y1), (x0, y0), arrowprops=arrow)
            at = _LABEL_AT.get((target, source), 0.5)
            if _LABELS[choice]:
                axes.text(
                    x0 + at * (x1 - x0), y0 + at * (y1 - y0), _LABELS[choice], ha="center", va="center", fontsize="small",
                    color="#222222" if counts else "#9a9a9a", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
                )  # fmt: skip
        for (x, y), name in zip(_NODES, ("in", "1", "2", "out"), strict=True):
            axes.plot(x, y, "o", markersize=15, color="white", markeredgecolor="#6e6e6e")
            axes.text(x, y, name, ha="center", va="center", fontsize="x-small")
        axes.set(xlim=(-0.4, 3.4), ylim=(-1.4, 1.4))
        axes.set_axis_off()

    def _live_edges(self, architecture: Architecture) -> set[tuple[int, int]]:
        """Edges (target, source) on a path from the input to the output without `none`."""
        edges = [edge for edge, choice in zip(EDGES, architecture, strict=True) if OPERATIONS[choice] != "none"]
        reached, reaching = {0}, {len(_NODES) - 1}
        for target, source in sorted(edges):  # targets in ascending order: sources are known before
            if source in reached:
                reached.add(target)
        for target, source in sorted(edges, key=lambda edge: -edge[0]):
            if target in reaching:
                reaching.add(source)
        return {(target, source) for target, source in edges if source in reached and target in reaching}


def isomorphism_string(nodes: Iterable[Iterable[tuple[str, int]]], zero_aware: bool | None = True) -> str:
    """Return the isomorphism string of NAS-Bench-201: cells with equal strings compute the same function.

    Args:
        nodes: for each node after the input, its (operation, source node) pairs.
        zero_aware: True: skips are removed and zeros recognised; False: skips are removed, `none` is an ordinary operation;
            None: every operation is kept.

    Zero terms are not removed from sums (`#+#` is not `#`): the published count of 6,466 classes needs it.
    """
    texts = ["0"]
    for node in nodes:
        terms = []
        for operation, source in node:
            if zero_aware and (operation == "none" or texts[source] == "#"):
                terms.append("#")
            elif zero_aware is not None and operation == "skip_connect":
                terms.append(texts[source])
            else:
                terms.append(f"({texts[source]})@{operation}")
        texts.append("+".join(sorted(terms)))
    return texts[-1]
