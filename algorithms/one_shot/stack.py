"""Searches that are trained together: the passes of their supernets are computed as one.

    searches = [Rsps(task, seed=seed) for seed in (777, 888, 999)]
    stack = SearchStack(searches)
    for _ in range(searches[0].config.epochs):
        stack.train_epoch()                        # searches[i].metrics[-1] has the metrics of the epoch

Every search draws its own random numbers, has its own optimizers, and runs the code of its method unchanged: it is what it would
be alone, up to the rounding of its passes. During an epoch a `Member` replaces its supernet, and what several members ask for at
once is one pass, or one backward pass, of a stacked supernet. Rows of a pass do not influence each other.

Captured steps (`Execution.graphs`) need no stacked supernet: the graphs of all searches are repeated side by side.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor

from algorithms.one_shot.graphs import repeated
from algorithms.one_shot.member import Backward, Clock, Forward, Member, Repetition, Request, Row, membership
from algorithms.one_shot.metrics import EpochMetrics
from algorithms.one_shot.search import OneShotSearch, Repeat
from algorithms.one_shot.supernets.base import build_supernet
from algorithms.one_shot.supernets.stacked import STACKED, StackedSupernet, Values, stacked
from algorithms.one_shot.task import Execution, wall_clock
from algorithms.one_shot.turns import Ask, take_turns
from benchmark_api.spaces import SearchSpace, SizeSpace
from benchmark_api.training.setting import Setting

IMAGES = 1024
"""Most images of a joint pass, unless a single row has more: larger feature maps do not stay in the processor's cache."""

SEEDS = 20
"""Most searches of a stack where no number is asked for.

Five take 12 to 49 % more time for each search, ten 2 to 19 % (`gdas`, `tas` and `darts-v1` on digits).
"""

SMALL = 1024
"""Most features after the stem, channels times pixels, of networks that are stacked where no number is asked for.

Up to there a stack took at most 0.6 of the time of its searches alone on a CPU (`gdas`, `darts-v1` and `tunas`, images of 8 to 32
pixels); at four times as many, `tunas` took longer than alone.
"""

CAPTURED = 3
"""Searches of the size space whose captured steps are started side by side where no number is asked for.

On an H200 three took 0.7 of the time of each alone, eight 0.67 (`tunas`, NATS-Bench's size); a network of the topology space
fills the card by itself (`darts-v1`: three took 0.92, eight as much).
"""

DIGITS = 8 * 8
"""Pixels of the images of digits. All others count as 32 x 32, as large as CIFAR's."""


def chosen_stack(execution: Execution, space: SearchSpace, setting: Setting) -> int:
    """Return how many searches are trained together: what an execution says or, if it does not, several small networks on a CPU,
    and on a CUDA device several networks of the size space whose steps are captured.
    """
    if execution.stack is not None:
        return execution.stack
    if execution.graphs and execution.device.startswith("cuda"):
        return CAPTURED if isinstance(space, SizeSpace) else 1
    if execution.device != "cpu" or not execution.plain or build_supernet.dispatch(type(space)) not in STACKED:
        return 1
    widest = space.block_widths(space.architecture(len(space) - 1), setting.channels, setting.cells)[0]
    return SEEDS if widest * (DIGITS if setting.dataset == "digits" else 32 * 32) <= SMALL else 1


class SearchStack:
    """Searches of one method with different seeds, trained together.

    Supernets without a stacked counterpart (`algorithms.one_shot.supernets.stacked`) are trained one after another, unless their
    steps are captured.

    Attributes:
        repeat: computes captured steps of all searches some times, as `repeated` does.

    Raises:
        ValueError: there is no search, or they differ in more than their seeds.
    """

    def __init__(self, searches: Sequence[OneShotSearch]) -> None:
        kinds = {json.dumps({**search.identity(), **asdict(search.execution), "seed": None}) for search in searches}
        if len(kinds) != 1:
            raise ValueError(f"the searches of a stack must be equal but for their seeds, got {len(kinds)} kinds of searches")
        self.searches = list(searches)
        self.repeat: Repeat = partial(repeated, device=searches[0].device)
        self.network = None if searches[0].execution.graphs else stacked(searches[0].supernet)

    def train_epoch(self) -> list[EpochMetrics]:
        """Train an epoch of each search; return the metrics, as `OneShotSearch.train_epoch`, with equal shares of the seconds."""
        execution = self.searches[0].execution
        if self.network is None and not execution.graphs:
            return [search.train_epoch() for search in self.searches]
        with ExitStack() as stack:
            stack.enter_context(execution.arithmetic())
            functions: list[Callable[[Ask], None]]
            if self.network is None:
                functions = [partial(_train_captured, search) for search in self.searches]
            else:
                members = [stack.enter_context(membership(search, self.network)) for search in self.searches]
                functions = [partial(_train, search, member) for search, member in zip(self.searches, members, strict=True)]
            take_turns(functions, partial(self._answers, self.network))
        return [search.metrics[-1] for search in self.searches]

    def _answers(self, network: StackedSupernet | None, requests: Sequence[Request]) -> list[Any]:
        """Return the answers to requests; those that can be computed together are."""
        groups: dict[Hashable, list[int]] = {}
        for number, request in enumerate(requests):
            groups.setdefault(_group(request), []).append(number)
        answers: dict[int, Any] = {}
        for numbers in groups.values():
            answers |= dict(zip(numbers, self._answers_of(network, [requests[number] for number in numbers]), strict=True))
        return [answers[number] for number in range(len(requests))]

    def _answers_of(self, network: StackedSupernet | None, requests: Sequence[Any]) -> Sequence[Any]:
        """Return the answers to requests of one group."""
        match requests[0]:
            case Repetition(times=times):
                self.repeat([function for request in requests for function in request.functions], times)
                return [None] * len(requests)
            case Forward():
                assert network is not None
                return _passes(network, requests)
            case Backward():
                return requests[0].row.joint.backward(requests)  # type: ignore[no-any-return]
        return [wall_clock(self.searches[0].device) / len(self.searches)] * len(requests)


def _train(search: OneShotSearch, member: Member, ask: Ask) -> None:
    member.ask = ask
    search.train_epoch()


def _train_captured(search: OneShotSearch, ask: Ask) -> None:
    """Train an epoch; its repeated steps wait for those of the other searches."""
    former = search.repeat, search.clock
    search.repeat, search.clock = (lambda functions, times: ask(Repetition(functions, times))), (lambda: ask(Clock()))
    try:
        search.train_epoch()
    finally:
        search.repeat, search.clock = former


def _group(request: Request) -> Hashable:
    """Return what requests have in common that are answered together."""
    match request:
        case Forward():
            shape = None if request.numbers is None else request.numbers.shape
            return type(request.mode), request.images.shape, request.training, request.gradients, shape
        case Backward():
            return id(request.row.joint)
        case Repetition():
            return Repetition, request.times
    return Clock


def _passes(network: StackedSupernet, requests: Sequence[Forward]) -> list[Row]:
    """Return the passes of requests of one group."""
    size = max(1, IMAGES // len(requests[0].images))
    chunks = [requests[first : first + size] for first in range(0, len(requests), size)]
    return [row for chunk in chunks for row in _JointPass(network, chunk).rows]


class _JointPass:
    """A pass of the stacked supernet, with a row for each request.

    Attributes:
        rows: the answers.
    """

    def __init__(self, network: StackedSupernet, requests: Sequence[Forward]) -> None:
        first = requests[0]
        self.weights = torch.stack([request.weights for request in requests]).requires_grad_(first.gradients[0])
        self.numbers: Tensor | None = None
        if first.numbers is not None:
            given = [request.numbers for request in requests if request.numbers is not None]
            self.numbers = torch.stack(given).requires_grad_(first.gradients[1])
        statistics = torch.stack([request.statistics for request in requests])
        values = Values(network.weights.parts(self.weights), network.statistics.parts(statistics), first.training)
        images, modes = torch.stack([request.images for request in requests]), [request.mode for request in requests]
        with torch.set_grad_enabled(any(first.gradients)):
            self.logits = network.forward(images, modes, self.numbers, values)  # [row, image, class]
        if first.training:
            for request, row in zip(requests, statistics, strict=True):
                request.statistics.copy_(row)
                request.passes.add_(1)
        self.waiting = len(requests)
        joint = self if any(first.gradients) else None
        self.rows = [Row(logits, joint, number) for number, logits in enumerate(self.logits.detach())]

    def backward(self, requests: Sequence[Backward]) -> list[tuple[Tensor | None, Tensor | None]]:
        """Return the gradients of weights and numbers for some rows."""
        gradient = torch.zeros_like(self.logits)
        for request in requests:
            gradient[request.row.number] = request.gradient
        wanted = [any(request.gradients[place] for request in requests) for place in (0, 1)]
        inputs = [tensor for tensor, of in zip((self.weights, self.numbers), wanted, strict=True) if of and tensor is not None]
        self.waiting -= len(requests)
        found = iter(torch.autograd.grad(self.logits, inputs, gradient, retain_graph=self.waiting > 0))
        weights, numbers = (next(found) if of else None for of in wanted)
        return [
            (None if weights is None else weights[of.row.number], None if numbers is None else numbers[of.row.number])
            for of in requests
        ]
