"""Base class of search spaces: strings, official indices, sampling, mutation and neighbours of architectures.

An *architecture* is a hashable tuple of plain ints, one per decision. Strings and official indices exist at the border:
`SearchSpace.to_string` / `from_string` and `index` / `architecture` translate. Nothing here knows of accuracies.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Architecture = tuple[int, ...]


class SearchSpace(ABC):
    """A finite product of categorical or ordinal decisions.

    Attributes:
        name: "topology" or "size".
        cardinalities: number of choices of each decision.
        ordinal: whether neighbouring choices of a decision are alike (widths are, operations are not).
    """

    name: ClassVar[str]
    ordinal: ClassVar[bool]
    operation_colors: ClassVar[Mapping[str, str]] = {}

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
        from benchmark_api.spaces import space_from_spec

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

    @property
    def decision_names(self) -> tuple[str, ...]:
        """A short name for each decision."""
        return tuple(f"layer {layer}" for layer in range(len(self.cardinalities)))

    @property
    def drawable(self) -> bool:
        """Whether the space defines `draw`."""
        return type(self).draw is not SearchSpace.draw

    def draw(self, axes: Axes, architecture: Architecture) -> None:
        """Draw an architecture as a graph on empty axes."""
        raise NotImplementedError(f"{type(self).__name__} has no drawing")

    def is_connected(self, architecture: Architecture) -> bool:
        """Whether the output depends on the input."""
        return True


def all_architectures(space: SearchSpace) -> Iterator[Architecture]:
    """Every architecture, first decision slowest (for the size space this is the official order)."""
    return product(*(range(cardinality) for cardinality in space.cardinalities))


def below(n: int, rng: np.random.Generator) -> int:
    """A uniform integer in [0, n), to 2^-53; a third of the time of `Generator.integers`, which a search would notice."""
    return int(rng.random() * n)
