"""Within an epoch the host does not wait for the device: nothing is read from it, and random numbers are copied to it ahead.

PyTorch's meta device has shapes and no values: whatever would read a value of it raises, as `.item()`, a truth value, a mask
as an index, or a copy to the CPU. Tensors that the CPU would copy to it in the loop are refused by `OneDevice`; lists are not
seen, as the meta device takes them without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from algorithms.one_shot import ONE_SHOT, draws, steps
from algorithms.one_shot.member import Member, membership
from algorithms.one_shot.relaxations import sparsemax, sparsestmax
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.steps import make_steps
from algorithms.one_shot.supernets import SizeSupernet
from algorithms.one_shot.task import Execution, Task, copied
from algorithms.one_shot.turns import Ask, take_turns
from tests.helpers import tiny

META = torch.device("meta")
WAITS = ["gdas"]
"""Methods that read a sample from the device in each step, unless steps are captured; docs/weight-sharing.md has the reason."""

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ONE_SHOT if name not in (*WAITS, "darts-pt")),  # which has the steps of darts-v1
    *((name, {"validation_pass": True}) for name in ("rsps", "enas")),
    *((name, {"validation_pass": True, "warmup": 0.5}) for name in ("tas", "fbnetv2")),
    *((name, {"warmup": 0.5}) for name in ("tunas", "pc-darts", "mdenas-one-shot")),
    *((name, {"batch_norm": "running"}) for name in ("rsps", "tas")),
    *(("darts-v1", {"relaxation": relaxation, "batch_norm": "running"}) for relaxation in ("sigmoid", "sparsestmax")),
    *((name, {"arch_update": "exponentiated"}) for name in ("darts-v1", "tunas")),
    ("gaea", {"level": "bilevel"}),
    ("single-darts", {"images": "all", "batch": 52}),
]


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors of the CPU and of another device, but for single numbers, which are arguments of a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = False

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        devices = {tensor.device.type for tensor in self.tensors((args, kwargs)) if tensor.dim()}
        devices |= {tensor.device.type for tensor in self.tensors(result)}
        if len(devices) > 1 and not self.allowed:
            raise AssertionError(f"{operation} copies between devices")
        return result

    @staticmethod
    def tensors(values: Any) -> Iterator[Tensor]:
        return (value for value in tree_leaves(values) if isinstance(value, Tensor))


def without_values(name: str, **changes: Any) -> OneShotSearch:
    """A search on the meta device, ready to make steps."""
    task = tiny.task_of(name)
    data = task.dataset
    splits = {of: replace(split, images=split.images.to(META), labels=split.labels.to(META)) for of, split in data.splits.items()}
    data = replace(data, mean=data.mean.to(META), std=data.std.to(META), splits=splits)
    task = Task(task.space, data, task.skeleton)
    task.__dict__["fingerprint"] = "there are no values"
    search = ONE_SHOT[name](task, tiny.config(name, **changes), execution=Execution("meta"))
    search.supernet.train()
    if isinstance(search.supernet, SizeSupernet):
        search.supernet.constants(search.alpha)  # copied in the first step of a search
    return search


def copies(search: OneShotSearch, monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Make the steps of an epoch; return the shapes of the copies to the device."""
    made = []
    mode = OneDevice()

    def counted(values: Tensor, device: torch.device) -> Tensor:
        made.append(values.shape)
        mode.allowed = True
        try:
            return copied(values, device)
        finally:
            mode.allowed = False

    monkeypatch.setattr(draws, "copied", counted)
    monkeypatch.setattr(steps, "copied", counted)
    with mode:
        assert make_steps(search).device == META
    return made


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_no_step_waits_for_the_device(name: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made = copies(without_values(name, **changes), monkeypatch)
    assert len(made) >= 3
    assert len(made) % 2 == 1  # the order of the images; then all numbers of the first step, and of the second


def test_copies_do_not_grow_with_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (copies(without_values("rsps", batch=batch), monkeypatch) for batch in (24, 5))  # 3 steps, 13 steps
    assert len(few) == len(many) == 4
    assert [shape[0] for shape in many] == [64, 3, 11, 3]  # images; then flips and crops: of one step, of 11 steps, of the last


@pytest.mark.parametrize("name", [name for name in ONE_SHOT if ONE_SHOT[name].graphs == "one-hot" or name in ("tas", "tunas")])
def test_steps_that_are_captured_read_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    search = without_values(name)
    search.supernet.capture()
    copies(search, monkeypatch)


@pytest.mark.parametrize("name", ["darts-v1", "gdas", "fbnetv2", "tas"])
def test_tuning_with_decisions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    search = without_values(name)
    search.decided[1] = 2
    if name in WAITS:
        search.supernet.capture()
    copies(search, monkeypatch)


@pytest.mark.parametrize("name", WAITS)
def test_methods_that_wait(name: str) -> None:
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        make_steps(without_values(name))


@pytest.mark.parametrize("name", ["rsps", "darts-v1", "tas", "fbnetv2", "pc-darts"])
def test_stacks_read_nothing(name: str) -> None:
    """One method of each kind of forward mode; paths are copied to the device in each pass, without waiting."""
    searches = [without_values(name) for _ in range(2)]
    together = SearchStack(searches)
    assert together.network is not None

    def train(search: OneShotSearch, member: Member, ask: Ask) -> None:
        member.ask = ask
        search.supernet.train()
        make_steps(search)

    with ExitStack() as stack:
        members = [stack.enter_context(membership(search, together.network)) for search in searches]
        functions = [partial(train, search, member) for search, member in zip(searches, members, strict=True)]
        take_turns(functions, partial(together._answers, together.network))


def test_waiting_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to wait for a device makes the tests of this file fail."""

    def fails(waits: Any, error: type[BaseException]) -> None:
        search = without_values("darts-v1")
        monkeypatch.setattr(search, "_architecture_step", lambda batch: waits(batch[0]))
        with pytest.raises(error):
            copies(search, monkeypatch)

    fails(lambda images: images.mean().item(), RuntimeError)
    fails(lambda images: bool((images > 0).any()), RuntimeError)
    fails(lambda images: images.cpu(), NotImplementedError)
    fails(lambda images: images.tolist(), NotImplementedError)
    fails(lambda images: images[images > 0], NotImplementedError)
    fails(lambda images: torch.zeros(3).to(images), AssertionError)


@pytest.mark.parametrize("radius", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_sparsestmax_without_a_look_at_the_points(radius: float) -> None:
    """The points are to the bit those of a loop that ends when no point is inside of its sphere."""

    def ending(z: Tensor) -> Tensor:
        choices, rounding = z.shape[-1], 8 * torch.finfo(z.dtype).eps
        p = sparsemax(z)
        support, centre, square = torch.ones_like(p), torch.full_like(p, 1 / choices), torch.full_like(p[..., :1], radius**2)
        for _ in range(choices - 1):
            direction = p - centre
            distance = direction.square().sum(dim=-1, keepdim=True)
            inside = (distance < square) & (distance > rounding**2)
            if not inside.any():
                break
            scale = (square / torch.where(inside, distance, 1)).clamp(min=0).sqrt()
            p = torch.where(inside, sparsemax(torch.where(support > 0, centre + scale * direction, -torch.inf)), p)
            support, former = (p > 0).to(p), centre
            centre = support / support.sum(dim=-1, keepdim=True)
            square = square - (centre - former).square().sum(dim=-1, keepdim=True)
        return p

    draw = torch.Generator().manual_seed(0)
    for scale in (1e-3, 0.1, 1.0):
        for _ in range(20):
            z = scale * torch.randn(6, 5, generator=draw)
            assert torch.equal(sparsestmax(z, radius), ending(z))
