"""Steps of an epoch: numbers are drawn ahead, nothing waits for the device, and a CUDA graph repeats the steps if asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from algorithms.one_shot.task import copied

if TYPE_CHECKING:
    from algorithms.one_shot.search import OneShotSearch

EAGER = 2
"""First steps of an epoch that are not captured: they make what later ones find, e.g. the momentum of the weights."""


def make_steps(search: OneShotSearch) -> Tensor:
    """Train weights and architecture on all training images once, in random order, in batches.

    Returns:
        Sum of the losses in nats and number of correct images [2], on the device.
    """
    size, count = search.config.batch, len(search.task.dataset.split("train"))
    order = copied(torch.randperm(count, generator=search.draws["shuffle"]), search.device)
    sums = torch.zeros(2, dtype=torch.float64, device=search.device)
    whole = count - count % size
    for images in (order[:whole].view(-1, size), order[whole:].view(-1, count - whole or 1)):  # [step, image]
        if len(images):
            _make_equal_steps(search, images, sums)
    return sums


def _make_equal_steps(search: OneShotSearch, images: Tensor, sums: Tensor) -> None:
    """Make steps on equally many images [step, image], and add losses and numbers of correct images to sums [2]."""
    with search.drawn.showing() as asked:
        sums += search.step(images[0])
    if not len(rest := images[1:]):
        return
    drawn = search.drawn.ahead(asked, len(rest))
    eager = min(EAGER - 1, len(rest)) if search.execution.graphs else len(rest)
    for number in range(eager):
        with search.drawn.given([(request, numbers[number]) for request, numbers in drawn]):
            sums += search.step(rest[number])
    if eager == len(rest):
        return
    number_of_step = torch.full((1,), eager, device=search.device)

    def step() -> None:
        """Make the next step: all that differs between steps is on the device, and so is the number of the step."""
        on_device = [(request, numbers) for request, numbers in drawn if not request.on_host]
        with search.drawn.given([(request, numbers.index_select(0, number_of_step)[0]) for request, numbers in on_device]):
            sums.add_(search.step(rest.index_select(0, number_of_step)[0]))
        number_of_step.add_(1)

    before = [draw.get_state() for draw in search.draws.values()]
    search.repeat([step], len(rest) - eager)
    if not all(map(torch.equal, before, (draw.get_state() for draw in search.draws.values()))):
        raise RuntimeError(f"{search.name} draws random numbers in a step without `drawn`: train it without graphs")
