"""Base class of search spaces: strings, official indices, sampling, mutation and neighbours of architectures.

An *architecture* is a hashable tuple of plain ints, one per decision. Strings and official indices exist at the border:
`SearchSpace.to_string` / `from_string` and `index` / `architecture` translate. A space knows its networks' cells and widths,
and how to draw them, but no accuracies.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark_api.registry import Registry, unknown
from benchmark_api.text import ExplainedError

if TYPE_CHECKING:  # annotations only: a command line that lists the spaces starts without NumPy and matplotlib
    import numpy as np
    from matplotlib.axes import Axes

Architecture = tuple[int, ...]

MAX_SIZE = 2**31 - 1
"""Largest number of architectures: official indices are stored as 32-bit integers."""
MAX_DECISIONS = 64
"""Largest number of decisions of a space whose parameters say how many."""


class SearchSpace(ABC):
    """A finite product of categorical or ordinal decisions.

    A subclass is made from the parameters in its `spec`, by name. `SPACES.register` lets tables and command lines find it.

    Attributes:
        name: unique name in specs, tables and results, e.g. "topology".
        registry: the registry of all spaces.
        cardinalities: number of choices of each decision.
        ordinal: whether neighbouring choices of a decision are similar (widths are, operations are not).
        skeleton_defaults: default width `channels` of the first stage and number `cells` per stage, if the architectures of the
            space do not decide them.
        operation_colors: colour in figures of each operation of a cell, in the order of the choices; empty if the decisions are
            not operations.
    """

    name: ClassVar[str]
    registry: ClassVar[Registry[Any]]
    ordinal: ClassVar[bool]
    skeleton_defaults: ClassVar[Mapping[str, int]] = {}
    operation_colors: ClassVar[Mapping[str, str]] = {}

    def __init__(self, cardinalities: Sequence[int]) -> None:
        self.cardinalities: tuple[int, ...] = tuple(int(c) for c in cardinalities)
        self._size = prod(self.cardinalities)
        if self._size > MAX_SIZE:
            raise ValueError(f"a space of {len(self.cardinalities)} decisions has more than {MAX_SIZE:,} architectures")

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash((self.name, self.cardinalities))

    def __reduce__(self) -> tuple[Any, ...]:
        parameters = self.spec()
        del parameters["space"]
        return partial(type(self), **parameters), ()  # without cached tables

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self):,} architectures)"

    # -- at the border: strings, indices, files ----------------------------------------------------------------------

    @abstractmethod
    def to_string(self, architecture: Architecture) -> str:
        """Return the official string of an architecture."""

    @abstractmethod
    def from_string(self, text: str) -> Architecture:
        """Return the architecture of an official string.

        Raises:
            ValueError: the string is malformed; the message shows where.
        """

    def spec(self) -> dict[str, Any]:
        """Return the name and the parameters in JSON types; `space_from_spec` makes an equal space of them."""
        return {"space": self.name}

    @abstractmethod
    def choices(self, decision: int) -> tuple[str, ...]:
        """Return the names of the choices of one decision."""

    @property
    def decision_names(self) -> tuple[str, ...]:
        """Short names of the decisions."""
        return tuple(f"decision {decision}" for decision in range(len(self.cardinalities)))

    def index(self, architecture: Architecture) -> int:
        """Return the official index of an architecture, in [0, len(space))."""
        code = 0
        for choice, cardinality in zip(architecture, self.cardinalities, strict=True):
            code = code * cardinality + choice
        return code

    def architecture(self, index: int) -> Architecture:
        """Return the architecture with an official index.

        Raises:
            ValueError: the index is out of range.
        """
        if not 0 <= index < len(self):
            raise ValueError(f"architecture index {index} is out of range: {self!r} has indices 0 to {len(self) - 1}")
        return self._decode(int(index))

    def _malformed(self, text: str, position: int, expected: str, got: str) -> ValueError:
        """Return the error of a malformed string, with a caret under the position."""
        error = f"not a {self.name} string: expected {expected} at position {position}, got {got!r:.100}"
        if not text.isprintable() or len(text) > 500:
            return ValueError(error)
        return ExplainedError(f"{error}\n  {text}\n  {' ' * position}^")

    def _decode(self, code: int) -> Architecture:
        """Return the mixed-radix digits of a code, first decision slowest."""
        digits = []
        for cardinality in reversed(self.cardinalities):
            code, digit = divmod(code, cardinality)
            digits.append(digit)
        return tuple(reversed(digits))

    def check(self, architecture: Sequence[int]) -> Architecture:
        """Return the architecture as a tuple of plain ints.

        Raises:
            ValueError: wrong number of decisions, or a choice that is not an integer or out of range.
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
        """Draw every decision uniformly and independently."""
        draws = rng.random(len(self.cardinalities)).tolist()
        return tuple(map(int, map(operator.mul, draws, self.cardinalities)))

    @abstractmethod
    def mutate(self, architecture: Architecture, rng: np.random.Generator, redraw: bool = False) -> Architecture:
        """Return the architecture with one decision changed.

        Args:
            architecture: parent.
            rng: generator of the run.
            redraw: draw the new choice from all choices, so that it may equal the old one; False: from the others.
        """

    def neighbors(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield all architectures that differ in exactly one decision, in the order of decisions, then choices."""
        for decision, cardinality in enumerate(self.cardinalities):
            for choice in range(cardinality):
                if choice != architecture[decision]:
                    yield (*architecture[:decision], choice, *architecture[decision + 1 :])

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the member of the architecture's isomorphism class with the lowest official index."""
        return architecture

    def is_connected(self, architecture: Architecture) -> bool:
        """Return whether the output depends on the input."""
        return True

    # -- networks and figures ----------------------------------------------------------------------------------------

    def cell(self, architecture: Architecture) -> Architecture:
        """Return the operation of each edge of all cells of an architecture's network, as a topology architecture.

        Raises:
            ValueError: the networks of this space are not made of such cells.
        """
        raise ValueError(f"no network for {self!r}: the space defines no cells")

    def block_widths(self, architecture: Architecture, channels: int | None = None, cells: int | None = None) -> tuple[int, ...]:
        """Return the number of channels of each block of an architecture's network.

        Args:
            architecture: an architecture of the space.
            channels: width C of the first stage; None for the default, or if the architecture decides it.
            cells: number N of cells per stage; None as for `channels`.

        Raises:
            ValueError: C or N is given but the architecture decides it, or is out of range.
        """
        raise ValueError(f"no network for {self!r}: the space defines no widths")

    @property
    def drawable(self) -> bool:
        """Whether the space defines `draw`."""
        return type(self).draw is not SearchSpace.draw

    def draw(self, axes: Axes, architecture: Architecture) -> None:
        """Draw an architecture as a graph on empty axes."""
        raise NotImplementedError(f"{type(self).__name__} has no drawing")


SPACES: Registry[type[SearchSpace]] = Registry("search space")
"""All search spaces by name."""

SearchSpace.registry = SPACES


def space_from_spec(spec: Mapping[str, Any]) -> SearchSpace:
    """Return the space that `SearchSpace.spec` described.

    Raises:
        ValueError: no registered space has this name and these parameters.
    """
    parameters = dict(spec)
    name = str(parameters.pop("space", None))
    if name not in SPACES:
        raise ValueError(f"{unknown(SPACES.kind, name, SPACES)}; one of your own needs its file (--module)")
    try:
        space = SPACES[name](**parameters)
    except TypeError as error:
        raise ValueError(f"unknown search space {dict(spec)!r}: {error}") from error
    if space.spec() != dict(spec):
        raise ValueError(f"unknown search space {dict(spec)!r}: it is described by {space.spec()!r}")
    return space


def all_architectures(space: SearchSpace) -> Iterator[Architecture]:
    """Yield every architecture, first decision slowest (for the size space this is the official order)."""
    return product(*(range(cardinality) for cardinality in space.cardinalities))


def below(n: int, rng: np.random.Generator) -> int:
    """Draw a uniform integer in [0, n), to 2^-53, in a third of the time of `Generator.integers`."""
    return int(rng.random() * n)
