"""Search spaces: what a candidate is, how it is written, numbered, sampled, mutated and compared.

An *architecture* is a hashable tuple of plain ints, one per decision. Strings and official indices exist at the border:
`SearchSpace.to_string` / `from_string` and `index` / `architecture` translate. Nothing here knows of accuracies.

Sources: NAS-Bench-201 (Dong & Yang, ICLR 2020, arXiv 2001.00326) and NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437).
"""

from __future__ import annotations

import operator
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, ClassVar

import numpy as np

Architecture = tuple[int, ...]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The five operations of the topology space, in the official order (the order is part of the index)."""

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""The six edges (target node, source node) of the topology cell, in the order of the decisions."""

NATS_WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
"""The eight candidate widths of the NATS-Bench size space, in channels."""


SIZE_CELL: Architecture = (3, 3, 3, 1, 3, 3)
"""The cell of every network of the size space: topology 9930, all 3x3 convolutions but a skip from the input to the output."""


class SearchSpace(ABC):
    """A finite product of categorical or ordinal decisions.

    Attributes:
        name: "topology" or "size".
        cardinalities: number of choices of each decision.
        ordinal: whether neighbouring choices of a decision are alike (widths are, operations are not).
    """

    name: ClassVar[str]
    ordinal: ClassVar[bool]

    def __init__(self, cardinalities: Sequence[int]) -> None:
        self.cardinalities: tuple[int, ...] = tuple(int(c) for c in cardinalities)
        self._size = prod(self.cardinalities)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash((self.name, self.cardinalities))

    def __reduce__(self) -> tuple[Any, ...]:
        return space_from_spec, (self.spec(),)  # without what it has worked out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self):,} architectures)"

    # -- at the border: strings, indices, files ----------------------------------------------------------------------

    @abstractmethod
    def to_string(self, architecture: Architecture) -> str:
        """The official string of an architecture."""

    @abstractmethod
    def from_string(self, text: str) -> Architecture:
        """The architecture of an official string.

        Raises:
            ValueError: the string is malformed; the message shows where.
        """

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """A JSON-able description from which `space_from_spec` makes the same space again."""

    @abstractmethod
    def choices(self, decision: int) -> tuple[str, ...]:
        """The names of the choices of one decision, for tables and plots."""

    def index(self, architecture: Architecture) -> int:
        """The official index of an architecture, in [0, len(space))."""
        code = 0
        for choice, cardinality in zip(architecture, self.cardinalities, strict=True):
            code = code * cardinality + choice
        return code

    def architecture(self, index: int) -> Architecture:
        """The architecture with an official index.

        Raises:
            ValueError: the index is out of range.
        """
        if not 0 <= index < self._size:
            raise ValueError(f"architecture index {index} is out of range: {self!r} has indices 0 to {self._size - 1}")
        return self._decode(int(index))

    def _decode(self, code: int) -> Architecture:
        """Mixed-radix digits of a code, first decision slowest."""
        digits = []
        for cardinality in reversed(self.cardinalities):
            code, digit = divmod(code, cardinality)
            digits.append(digit)
        return tuple(reversed(digits))

    def check(self, architecture: Sequence[int]) -> Architecture:
        """The architecture as a tuple of plain ints.

        Raises:
            ValueError: wrong number of decisions, or a choice that is no integer or out of range.
        """
        try:
            plain = tuple(operator.index(choice) for choice in architecture)
        except TypeError as error:
            raise ValueError(f"architecture {tuple(architecture)}: choices must be integers") from error
        if len(plain) != len(self.cardinalities):
            raise ValueError(f"architecture {plain} has {len(plain)} decisions; {self!r} has {len(self.cardinalities)}")
        for decision, (choice, cardinality) in enumerate(zip(plain, self.cardinalities, strict=True)):
            if not 0 <= choice < cardinality:
                raise ValueError(f"architecture {plain}: decision {decision} is {choice}, expected 0 to {cardinality - 1}")
        return plain

    # -- for searches ------------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Architecture:
        """An architecture with every decision drawn uniformly and independently."""
        draws = rng.random(len(self.cardinalities)).tolist()
        return tuple([int(draw * cardinality) for draw, cardinality in zip(draws, self.cardinalities, strict=True)])

    @abstractmethod
    def mutate(self, architecture: Architecture, rng: np.random.Generator, redraw: bool = False) -> Architecture:
        """The architecture with one decision changed.

        Args:
            architecture: the parent.
            rng: the run's generator.
            redraw: draw the new choice from all choices, so that it may equal the old one. False: from the others.
        """

    def neighbors(self, architecture: Architecture) -> Iterator[Architecture]:
        """All architectures that differ in exactly one decision, in the order of decisions, then choices."""
        for decision, cardinality in enumerate(self.cardinalities):
            for choice in range(cardinality):
                if choice != architecture[decision]:
                    yield (*architecture[:decision], choice, *architecture[decision + 1 :])

    def canonical(self, architecture: Architecture) -> Architecture:
        """The representative of the architecture's isomorphism class: the member with the lowest official index."""
        return architecture

    def is_connected(self, architecture: Architecture) -> bool:
        """Whether the output depends on the input."""
        return True


class TopologySpace(SearchSpace):
    """The cell of NAS-Bench-201: one of five operations on each of six edges; 15,625 architectures.

    A decision is an edge in the order of `EDGES`, a choice an index into `OPERATIONS`.
    """

    name = "topology"
    ordinal = False

    def __init__(self) -> None:
        super().__init__([len(OPERATIONS)] * len(EDGES))

    def spec(self) -> dict[str, Any]:
        return {"space": self.name}

    def choices(self, decision: int) -> tuple[str, ...]:
        return OPERATIONS

    # The official index is the position in a list that was shuffled once with a fixed seed: Python's own Mersenne Twister,
    # seed 88, over the product in which the last edge varies fastest.
    @cached_property
    def _code_of_index(self) -> list[int]:
        codes = list(range(len(self)))
        random.Random(88).shuffle(codes)
        return codes

    @cached_property
    def _index_of_code(self) -> list[int]:
        indices = [0] * len(self)
        for index, code in enumerate(self._code_of_index):
            indices[code] = index
        return indices

    def index(self, architecture: Architecture) -> int:
        a, b, c, d, e, f = architecture  # the hot path of every simulated evaluation
        return self._index_of_code[((((a * 5 + b) * 5 + c) * 5 + d) * 5 + e) * 5 + f]

    def _decode(self, code: int) -> Architecture:
        return super()._decode(self._code_of_index[code])

    def to_string(self, architecture: Architecture) -> str:
        ops = [OPERATIONS[choice] for choice in architecture]
        return f"|{ops[0]}~0|+|{ops[1]}~0|{ops[2]}~1|+|{ops[3]}~0|{ops[4]}~1|{ops[5]}~2|"

    def from_string(self, text: str) -> Architecture:
        position = 0

        def fail(expected: str) -> ValueError:
            return ValueError(
                f"not a topology string: expected {expected} at position {position}, got "
                f"{text[position : position + 16] or 'the end'!r}\n  {text}\n  {' ' * position}^"
            )

        def expect(token: str) -> None:
            nonlocal position
            if not text.startswith(token, position):
                raise fail(repr(token))
            position += len(token)

        if not isinstance(text, str):
            raise ValueError(f"not a topology string: expected a str, got {type(text).__name__}")
        architecture = []
        for node in (1, 2, 3):
            expect("|" if node == 1 else "+|")
            for source in range(node):
                operation = next((op for op in OPERATIONS if text.startswith(op + "~", position)), None)
                if operation is None:
                    raise fail(f"one of {', '.join(OPERATIONS)} and '~'")
                expect(f"{operation}~")
                expect(f"{source}|")
                architecture.append(OPERATIONS.index(operation))
        if position != len(text):
            raise fail("the end")
        return tuple(architecture)

    # A node is drawn uniformly, then one of its incoming edges: edge weights 1/3, 1/6, 1/6, 1/9, 1/9, 1/9 (reference code of
    # REA). One draw from the common denominator serves both steps.
    _EDGE_OF_SLOT: ClassVar[tuple[int, ...]] = (0,) * 6 + (1,) * 3 + (2,) * 3 + (3,) * 2 + (4,) * 2 + (5,) * 2

    def mutate(self, architecture: Architecture, rng: np.random.Generator, redraw: bool = False) -> Architecture:
        operations = len(OPERATIONS) - (not redraw)
        slot, choice = divmod(_below(18 * operations, rng), operations)
        edge = self._EDGE_OF_SLOT[slot]
        if not redraw and choice >= architecture[edge]:
            choice += 1
        return (*architecture[:edge], choice, *architecture[edge + 1 :])

    def unique_string(self, architecture: Architecture, zero_aware: bool | None = True) -> str:
        """The `isomorphism_string` of an architecture; there are 6,466 (zero_aware True), 12,751 (False) or 15,625 (None)."""
        operations = [OPERATIONS[choice] for choice in architecture]
        edges = [(operation, source) for operation, (_, source) in zip(operations, EDGES, strict=True)]
        return isomorphism_string((edges[:1], edges[1:3], edges[3:]), zero_aware)

    @cached_property
    def _representatives(self) -> dict[str, Architecture]:
        representatives: dict[str, Architecture] = {}
        for index in range(len(self)):
            architecture = self._decode(index)
            representatives.setdefault(self.unique_string(architecture), architecture)
        return representatives

    def canonical(self, architecture: Architecture) -> Architecture:
        return self._representatives[self.unique_string(architecture)]

    def is_connected(self, architecture: Architecture) -> bool:
        reached = [True, False, False, False]
        for (target, source), choice in zip(EDGES, architecture, strict=True):
            reached[target] |= reached[source] and OPERATIONS[choice] != "none"
        return reached[3]


class SizeSpace(SearchSpace):
    """Channel widths of the layers of a fixed cell; 8^5 = 32,768 architectures with the NATS-Bench defaults.

    A decision is a layer, a choice an index into `widths`.

    Args:
        widths: candidate widths in channels, strictly increasing.
        layers: number of layers.

    Raises:
        ValueError: widths are not positive and strictly increasing, or there is no layer.
        TypeError: a width is not an integer.
    """

    name = "size"
    ordinal = True

    def __init__(self, widths: Sequence[int] = NATS_WIDTHS, layers: int = 5) -> None:
        self.widths: tuple[int, ...] = tuple(operator.index(width) for width in widths)
        if not self.widths or self.widths[0] < 1 or any(a >= b for a, b in zip(self.widths, self.widths[1:], strict=False)):
            raise ValueError(f"widths must be positive and strictly increasing, got {self.widths}")
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        super().__init__([len(self.widths)] * layers)

    def spec(self) -> dict[str, Any]:
        return {"space": self.name, "widths": list(self.widths), "layers": len(self.cardinalities)}

    def choices(self, decision: int) -> tuple[str, ...]:
        return tuple(str(width) for width in self.widths)

    def channels(self, architecture: Architecture) -> tuple[int, ...]:
        """The width of each layer, in channels."""
        return tuple(self.widths[choice] for choice in architecture)

    def to_string(self, architecture: Architecture) -> str:
        return ":".join(str(self.widths[choice]) for choice in architecture)

    def from_string(self, text: str) -> Architecture:
        if not isinstance(text, str):
            raise ValueError(f"not a size string: expected a str, got {type(text).__name__}")
        names = self.choices(0)
        parts = text.split(":")
        position = 0
        for part in parts:
            if part not in names:
                raise ValueError(
                    f"not a size string: expected one of {', '.join(names)} at position {position}, got {part!r}"
                    f"\n  {text}\n  {' ' * position}^"
                )
            position += len(part) + 1
        if len(parts) != len(self.cardinalities):
            raise ValueError(f"not a size string: expected {len(self.cardinalities)} widths, got {len(parts)}: {text!r}")
        return tuple(names.index(part) for part in parts)

    def mutate(self, architecture: Architecture, rng: np.random.Generator, redraw: bool = False) -> Architecture:
        widths = len(self.widths) - (not redraw)
        if widths == 0:  # a single candidate width: nothing else to choose
            return architecture
        layer, choice = divmod(_below(len(self.cardinalities) * widths, rng), widths)
        if not redraw and choice >= architecture[layer]:
            choice += 1
        return (*architecture[:layer], choice, *architecture[layer + 1 :])


def isomorphism_string(nodes: Iterable[Iterable[tuple[str, int]]], zero_aware: bool | None = True) -> str:
    """The isomorphism string of NAS-Bench-201: cells with equal strings compute the same function.

    Args:
        nodes: for each node after the input, its (operation, source node) pairs.
        zero_aware: True: skips vanish and zeros are known; False: skips vanish, `none` is an operation like others; None:
            every operation is kept.

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


def _below(n: int, rng: np.random.Generator) -> int:
    """A uniform integer in [0, n), to 2^-53; a third of the time of `Generator.integers`, which a search would notice."""
    return int(rng.random() * n)


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


def all_architectures(space: SearchSpace) -> Iterator[Architecture]:
    """Every architecture, first decision slowest (for the size space this is the official order)."""
    return product(*(range(cardinality) for cardinality in space.cardinalities))
