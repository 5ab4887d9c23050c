"""GAEA: its step and its two levels, the operations of its supernet, the chosen epoch, and the preset."""

from __future__ import annotations

import math
from math import exp
from typing import Any

import pytest
import torch

from algorithms.one_shot.gaea import Gaea
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.supernets import Mixture
from tests.helpers import tiny


def made(**changes: Any) -> Gaea:
    search = tiny.make("gaea", **changes)
    assert isinstance(search, Gaea)
    return search


@pytest.mark.parametrize("choose_none", [False, True])
@pytest.mark.parametrize(("level", "split"), [("single", "train"), ("bilevel", "x-valid")])
def test_a_step_is_that_of_the_paper(choose_none: bool, level: str, split: str) -> None:
    """Literally, entry by entry, on the batch of the level: the gradient is by theta itself."""
    search = made(choose_none=choose_none, level=level)
    search.train_epoch()
    search.supernet.train()
    asked: list[str] = []
    batch = tiny.TASK.dataset.batch(split, slice(0, 16))
    search.validation_batch = lambda size, of: (asked.append(of), batch)[1]  # type: ignore[method-assign]
    theta = torch.zeros(6, 5)
    theta[:, 0 if choose_none else 1 :] = search.alpha.detach()
    theta.requires_grad_()
    loss = torch.nn.functional.cross_entropy(search.supernet(batch[0], Mixture(theta)), batch[1])
    (gradient,) = torch.autograd.grad(loss, theta)
    search._architecture_step(batch)
    assert asked == [split]
    expected = []
    for row, of_row in zip(theta.tolist(), gradient.tolist(), strict=True):
        raised = [max(p * exp(-0.1 * g), 1e-5) if p else 0.0 for p, g in zip(row, of_row, strict=True)]
        expected.append([value / sum(raised) for value in raised])
    assert search.architecture_weights().tolist() == [pytest.approx(row, rel=1e-5) for row in expected]


def test_without_none_there_are_four_operations() -> None:
    search, other = made(), made(choose_none=True)
    assert search.alpha.tolist() == [[0.25] * 4] * 6
    assert other.alpha.tolist() == [pytest.approx([0.2] * 5)] * 6
    for _ in range(2):
        weights = search.train_epoch().arch_weights
        assert (weights[:, 0] == 0).all()
        assert weights.sum(axis=1) == pytest.approx(1)
    assert all(0 not in candidate for candidate in search.candidates())


def test_the_supernet_tends_to_the_discrete_network() -> None:
    search, architecture = made(), (1, 2, 3, 4, 3, 1)
    search.train_epoch()
    with torch.no_grad():
        search.alpha.fill_(1e-9)
        for edge, choice in enumerate(architecture):
            search.alpha[edge, choice - 1] = 1.0
        search.supernet.eval()
        images = tiny.TASK.dataset.batch("x-valid")[0]
        mixed = search.logits(images, search._mode("evaluation"))
        torch.testing.assert_close(mixed, search.logits(images, search.supernet.along(architecture)), rtol=1e-4, atol=1e-4)


def test_it_is_darts_with_another_update() -> None:
    """Of two levels and with `none`, to the bit; only the derived architecture may be an earlier one."""
    ours = made(level="bilevel", choose_none=True)
    darts = tiny.make("darts-v1", arch_update="exponentiated", arch_rate=0.1)
    for _ in range(2):
        first, second = ours.train_epoch(), darts.train_epoch()
        assert first.arch_weights.tolist() == second.arch_weights.tolist()
        assert first.train_loss == second.train_loss


# -- the epoch of the derived architecture ---------------------------------------------------------------------------------------


def train_with(search: Gaea, accuracies: list[float], monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Train epochs with made-up validation accuracies; return the most probable operations of each."""
    left, own = iter(accuracies), []
    measure = type(search).__mro__[1]._validate
    monkeypatch.setattr(type(search).__mro__[1], "_validate", lambda self, of: (measure(self, of)[0], next(left)))
    for epoch in range(len(accuracies)):
        with torch.no_grad():  # alpha at the end of the epoch
            search._architecture_step = lambda batch, epoch=epoch: search.alpha.data.copy_(  # type: ignore[misc, method-assign]
                torch.nn.functional.one_hot(torch.tensor([epoch % 4] * 6), 4).float()
            )
        search.train_epoch()
        own.append((epoch % 4 + 1,) * 6)
    return own


def test_two_levels_choose_the_best_validated_epoch(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    accuracies = [40.0, 60.0, 50.0, 60.0]
    search = made(level="bilevel", epochs=4)
    own = train_with(search, accuracies, monkeypatch)
    assert [metrics.valid_accuracy for metrics in search.metrics] == accuracies
    assert [metrics.architecture for metrics in search.metrics] == [own[0], own[1], own[1], own[1]]  # the first on ties
    search.save(tmp_path / "saved")
    again = made(level="bilevel", epochs=4)
    again.load(tmp_path / "saved")
    assert again.derive() == own[1]


def test_one_level_chooses_the_last_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    search = made(level="single", epochs=3)
    own = train_with(search, [60.0, 40.0, 50.0], monkeypatch)
    assert [metrics.architecture for metrics in search.metrics] == own


def test_the_supernet_is_validated_once_an_epoch() -> None:
    for level in ("single", "bilevel"):
        search, batches = made(level=level), []
        mode = search._evaluation_mode
        search._evaluation_mode = lambda of: (batches.append(0), mode(of))[1]  # type: ignore[method-assign] # noqa: B023
        search.train_epoch()
        assert len(batches) == 3  # 40 images, 16 at a time


@pytest.mark.parametrize("level", ["single", "bilevel"])
def test_stacked_searches_choose_as_alone(level: str) -> None:
    searches, others = ([tiny.make("gaea", seed, level=level) for seed in (3, 4)] for _ in range(2))
    for _ in range(2):
        SearchStack(searches).train_epoch()
        for search, alone in zip(searches, others, strict=True):
            assert search.metrics[-1].architecture == alone.train_epoch().architecture
            torch.testing.assert_close(search.alpha, alone.alpha, rtol=0, atol=1e-3)  # two epochs of rounding, amplified


# -- the schedule -------------------------------------------------------------------------------------------------


def test_the_schedule_is_the_first_part_of_a_longer_one() -> None:
    search, rates = made(epochs=2, cosine_epochs=4), []
    step = search.optimizer.step
    search.optimizer.step = lambda: (rates.append(search.optimizer.param_groups[0]["lr"]), step())  # type: ignore[method-assign]
    tiny.run(search)
    assert rates == pytest.approx([0.001 + 0.012 * (1 + math.cos(math.pi * epoch / 4)) for epoch in (0, 0, 1, 1)])
    with pytest.raises(ValueError, match=r"cosine_epochs must be at least epochs \(5\), got 4"):
        made(epochs=5, cosine_epochs=4)
