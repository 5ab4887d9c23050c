"""Random numbers of steps, drawn on the CPU: those of all steps of an epoch at once, which are copied to the device once.

    search.drawn("architecture", draw)             # in a step: numbers that `draw` draws from a generator

Within an epoch all steps on equally many images ask for the same numbers in the same order. The first of them shows which; the
numbers of the others are then drawn in that order, so each generator gives the numbers that it gives to steps that draw for
themselves. Outside of an epoch, and in the first step, numbers are drawn when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from algorithms.one_shot.task import copied

Draw = Callable[[torch.Generator], Tensor]
"""Draws numbers from a generator. Within an epoch they do not depend on the training."""


class Request(NamedTuple):
    """Numbers that a step asks for.

    Attributes:
        purpose: purpose of the generator.
        draw: draws them.
        on_host: whether the step reads them on the CPU.
    """

    purpose: str
    draw: Draw
    on_host: bool


class StepDraws:
    """Random numbers of a search's steps.

    Args:
        generators: generators on the CPU, by purpose.
        device: device of the search.
    """

    def __init__(self, generators: Mapping[str, torch.Generator], device: torch.device) -> None:
        self.generators, self.device = generators, device
        self._asked: list[Request] | None = None  # by the step that shows what steps ask for
        self._given: Iterator[tuple[Request, Tensor]] | None = None  # numbers of a step that were drawn before it

    def __call__(self, purpose: str, draw: Draw, on_host: bool = False) -> Tensor:
        """Return random numbers, on the device or on the CPU.

        Raises:
            RuntimeError: they were drawn before the step, and the first step of the epoch asked for others.
        """
        if self._given is not None:
            request, numbers = next(self._given, (None, torch.empty(0)))
            if request is None or (request.purpose, request.on_host) != (purpose, on_host):
                raise RuntimeError(f"a step asks for other random numbers ({purpose}) than the first step of its epoch")
            return numbers
        if self._asked is not None:
            self._asked.append(Request(purpose, draw, on_host))
        numbers = draw(self.generators[purpose])
        return numbers if on_host else copied(numbers, self.device)

    @contextmanager
    def showing(self) -> Iterator[list[Request]]:
        """Let a step show what it asks for, in the list, while the context lasts."""
        asked: list[Request] = []
        self._asked = asked
        try:
            yield asked
        finally:
            self._asked = None

    def ahead(self, asked: Sequence[Request], steps: int) -> list[tuple[Request, Tensor]]:
        """Draw the numbers of steps, each of which asks for the same; return those of each request [step, ...]."""
        numbers = [[request.draw(self.generators[request.purpose]) for request in asked] for _ in range(steps)]
        together = [torch.stack(of_steps) for of_steps in zip(*numbers, strict=True)]
        return [
            (request, of_steps if request.on_host else copied(of_steps, self.device))
            for request, of_steps in zip(asked, together, strict=True)
        ]

    @contextmanager
    def given(self, numbers: Sequence[tuple[Request, Tensor]]) -> Iterator[None]:
        """Give a step its numbers while the context lasts.

        Raises:
            RuntimeError: the step did not ask for all of them.
        """
        self._given = iter(numbers)
        try:
            yield
            if left := [request.purpose for request, _ in self._given]:
                raise RuntimeError(f"a step asks for fewer random numbers than the first step of its epoch, left: {left}")
        finally:
            self._given = None
