"""The size space: channel widths of the layers of a fixed cell.

Source: NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark_api.spaces.base import MAX_DECISIONS, SPACES, Architecture, SearchSpace, below

if TYPE_CHECKING:
    import numpy as np

NATS_WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
"""The eight candidate widths of the NATS-Bench size space, in channels."""

MAX_WIDTH = 10_000
"""Largest candidate width, in channels."""

SIZE_CELL: Architecture = (3, 3, 3, 1, 3, 3)
"""Cell of all networks of the size space: topology 9930, 3x3 convolutions and a skip from the input to the output."""


@SPACES.register
class SizeSpace(SearchSpace):
    """Channel widths of the layers of a fixed cell; 8^5 = 32,768 architectures with the NATS-Bench defaults.

    A decision is a layer, a choice an index into `widths`.

    Args:
        widths: candidate widths in channels, strictly increasing.
        layers: number of layers.

    Raises:
        ValueError: widths are not strictly increasing, or widths or layers are out of range.
        TypeError: a width or the number of layers is not an integer.
    """

    name = "size"
    ordinal = True

    def __init__(self, widths: Sequence[int] = NATS_WIDTHS, layers: int = 5) -> None:
        self.widths: tuple[int, ...] = tuple(operator.index(width) for width in widths)
        increasing = all(a < b for a, b in zip(self.widths, self.widths[1:], strict=False))
        if not (self.widths and increasing and self.widths[0] >= 1 and self.widths[-1] <= MAX_WIDTH):
            raise ValueError(f"widths must be strictly increasing, in [1, {MAX_WIDTH}], got {self.widths}")
        if not 1 <= operator.index(layers) <= MAX_DECISIONS:
            raise ValueError(f"layers must be in [1, {MAX_DECISIONS}], got {layers}")
        super().__init__([len(self.widths)] * layers)

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "widths": list(self.widths), "layers": len(self.cardinalities)}

    def choices(self, decision: int) -> tuple[str, ...]:
        return tuple(map(str, self.widths))

    @property
    def decision_names(self) -> tuple[str, ...]:
        return tuple(f"layer {layer}" for layer in range(len(self.cardinalities)))

    def channels(self, architecture: Architecture) -> tuple[int, ...]:
        """Return the width of each layer, in channels."""
        return tuple(self.widths[choice] for choice in architecture)

    def cell(self, architecture: Architecture) -> Architecture:
        return SIZE_CELL

    def block_widths(self, architecture: Architecture, channels: int | None = None, cells: int | None = None) -> tuple[int, ...]:
        if channels is not None or cells is not None:
            raise ValueError("the architectures of a size space decide channels and cells; leave both out")
        return self.channels(architecture)

    def to_string(self, architecture: Architecture) -> str:
        return ":".join(map(str, self.channels(architecture)))

    def from_string(self, text: str) -> Architecture:
        if not isinstance(text, str):
            raise ValueError(f"not a size string: expected a str, got {type(text).__name__}")
        names = self.choices(0)
        parts = text.split(":")
        for number, part in enumerate(parts):
            if part not in names:
                position = sum(len(earlier) + 1 for earlier in parts[:number])
                raise self._malformed(text, position, f"one of {', '.join(names)}", part)
        if len(parts) != len(self.cardinalities):
            raise ValueError(f"not a size string: expected {len(self.cardinalities)} widths, got {len(parts)}: {text!r}")
        return tuple(names.index(part) for part in parts)

    def mutate(self, architecture: Architecture, rng: np.random.Generator, redraw: bool = False) -> Architecture:
        widths = len(self.widths) - (not redraw)
        if widths == 0:  # a single candidate width: nothing else to choose
            return architecture
        layer, choice = divmod(below(len(self.cardinalities) * widths, rng), widths)
        if not redraw and choice >= architecture[layer]:
            choice += 1
        return (*architecture[:layer], choice, *architecture[layer + 1 :])
