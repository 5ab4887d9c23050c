"""Perturbation-based selection: its schedule, its choices, the training in between, and algorithm 1 of the paper written out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from algorithms.one_shot import ONE_SHOT, perturbation
from algorithms.one_shot.perturbation import Perturbation, PerturbationConfig
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.supernets import ForwardMode, Mixture, Paths, WidthMasks, WidthPairs
from benchmark_api.spaces import Architecture
from experiments.gpu_check import doubled
from tests.helpers import tiny
from tests.helpers.supernet_steps import by_definition


def make(name: str, seed: int = 0, **changes: Any) -> OneShotSearch:
    """Return the small search of a method with the selection."""
    return ONE_SHOT[name](tiny.task_of(name), tiny.config(name, **changes), seed=seed, selection=Perturbation)


# -- the schedule and the choices ------------------------------------------------------------------------------------------------


def test_projections_at_the_epochs_of_the_code() -> None:
    config = PerturbationConfig()
    assert config.decided_after(6, 100) == [0, 5, 10, 15, 20, 24]
    assert config.decided_after(5, 100) == [0, 5, 10, 15, 19]  # of the size space
    assert config.decided_after(6, 12) == [0, 1, 2, 3, 4, 4]
    assert PerturbationConfig(tuning=0.07).decided_after(3, 100) == [0, 7, 13]
    assert PerturbationConfig(tuning=0.0).decided_after(6, 100) == [0] * 6


class Table(Perturbation):
    """The selection with given accuracies and losses of the supernet without a choice [decision, choice], and a log."""

    def __init__(self, correct: Sequence[Sequence[float]], losses: Sequence[Sequence[float]]) -> None:
        self.tables, self.log = (torch.tensor(correct), torch.tensor(losses)), []

    def select(self, search: OneShotSearch) -> Architecture:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(perturbation, "make_steps", self.tune)
            return super().select(search)

    def tune(self, search: OneShotSearch) -> None:
        assert search.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * search.config.rate)
        assert search.supernet.training
        self.log.append("tuned")

    def _without(self, search: OneShotSearch, decision: int, choices: Sequence[int]) -> tuple[Tensor, Tensor]:
        assert decision not in search.decided
        self.log.append(decision)
        correct, losses = (table[decision][list(choices)] for table in self.tables)
        return correct, losses


CORRECT = [[5, 4, 3, 9, 8], [7, 7, 7, 7, 7], [0, 1, 2, 3, 4], [9, 8, 7, 6, 5], [3, 2, 2, 3, 4], [6, 6, 6, 1, 6]]
LOSSES = [[1, 2, 3, 4, 5], [1, 1, 1, 1, 1], [5, 4, 3, 2, 1], [1, 3, 1, 3, 1], [2, 1, 2, 1, 2], [0, 0, 0, 0, 1]]


@pytest.mark.parametrize(("criterion", "expected"), [("accuracy", (2, 0, 0, 4, 1, 3)), ("loss", (4, 0, 0, 1, 0, 4))])
def test_choices_by_given_numbers(criterion: str, expected: Architecture) -> None:
    """Each edge once, in an order drawn from the seed, with tuning between; the first choice on ties."""
    orders = set()
    for seed in range(3):
        search, selection = tiny.make("darts-pt", seed=seed, epochs=100, tuning=0.05, criterion=criterion), Table(CORRECT, LOSSES)
        search.selection = selection
        draw = torch.Generator().set_state(search.draws["evaluation"].get_state())
        assert search.derive() == expected
        order = [entry for entry in selection.log if entry != "tuned"]
        assert order == torch.randperm(6, generator=draw).tolist()
        assert [selection.log[: selection.log.index(decision)].count("tuned") for decision in order] == [0, 5, 10, 15, 20, 24]
        assert search.decided == {}
        orders.add(tuple(order))
    assert len(orders) > 1


def test_the_largest_weights_without_tuning_are_the_choices_of_darts() -> None:
    """Perturbation replaced by magnitude, and no tuning: the derivation of DARTS."""
    search = tiny.make("darts-pt")
    search.train_epoch()
    p = search.architecture_weights()
    search.selection = Table((1 - p).tolist(), p.tolist())
    assert search.derive() == search.most_likely()


# -- what is evaluated -----------------------------------------------------------------------------------------------------------


def test_the_supernet_without_none_is_the_supernet() -> None:
    """The output of `none` is zero whatever its weight; rows are not divided by what is left."""
    search = make("darts-v1")
    search.train_epoch()
    search.alpha.data = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    search.supernet.train()
    mode = search._weight_mode()
    for edge in range(6):
        state = search.draws["evaluation"].get_state()
        correct, losses = Perturbation()._without(search, edge, range(5))
        search.draws["evaluation"].set_state(state)
        baseline = torch.zeros(2, dtype=torch.float64)
        for images, labels in search.task.dataset.batches("x-valid", search.config.eval_batch, search.draws["evaluation"]):
            logits = search.logits(images, mode)
            loss = nn.functional.cross_entropy(logits, labels, reduction="sum")
            baseline += torch.stack([(logits.argmax(dim=1) == labels).sum(), loss.detach()])
        assert correct[0] == baseline[0]
        assert losses[0] == pytest.approx(float(baseline[1]), rel=1e-6)
        assert len(set(losses.tolist())) == 5


def test_choices_that_the_method_excludes_are_not_tried() -> None:
    table = Table([[0, 4, 3, 2, 1]] * 6, [[0] * 5] * 6)
    for choose_none, expected in ((True, 0), (False, 4)):
        search = tiny.make("darts-v1", choose_none=choose_none)
        assert table.select(search) == (expected,) * 6
        search.decided.clear()


def test_a_target_of_flops_holds() -> None:
    """The widths that the accuracies ask for, 4 in every layer, exceed it; 2, 2, 2, 2, 2 and others do not."""
    search = tiny.make("tunas")
    table = Table([[2, 1, 0]] * 5, [[0] * 3] * 5)
    for seed in range(5):
        search.draws["evaluation"].manual_seed(seed)
        chosen = table.select(search)
        assert search.cost[chosen] <= 1
        last = next(entry for entry in reversed(table.log) if entry != "tuned")
        wider = (*chosen[:last], chosen[last] + 1, *chosen[last + 1 :])
        assert chosen[last] == 2 or search.cost[wider] > 1
        assert 2 in chosen
        search.decided.clear()


# -- decisions that are made ---------------------------------------------------------------------------------------------------


def test_a_decided_row_is_one_hot_and_has_no_gradient() -> None:
    search = make("darts-v1")
    search.decided |= {1: 3, 4: 0}
    mode = search.supernet.decide(search._weight_mode(), search.decided)
    p = search.alpha.detach().softmax(dim=1)
    expected = p.clone()
    expected[[1, 4]] = torch.eye(5)[[3, 0]]
    assert torch.equal(mode.weights, expected)
    gradient = search._architecture_gradient(*(search.validation_batch(16) for _ in range(2)))
    assert (gradient[[1, 4]] == 0).all()
    assert (gradient[[0, 2, 3, 5]] != 0).any(dim=1).all()


def modes(name: str, draw: torch.Generator) -> list[ForwardMode]:
    """Return a mode of each kind that a space has, whose numbers need gradients."""
    if name == "topology":
        weights = torch.rand(6, 5, generator=draw, requires_grad=True)
        paths = [tuple(torch.randint(5, (6,), generator=draw).tolist()) for _ in range(3)]
        return [Mixture(weights), Paths(paths), Paths(paths, weights)]
    pairs = WidthPairs(torch.tensor([(0, 2)] * 6), torch.rand(6, 2, generator=draw, requires_grad=True))
    return [WidthMasks(torch.rand(6, 4, generator=draw, requires_grad=True)), pairs]


@pytest.mark.parametrize("task", [tiny.TASK, tiny.SIZE_TASK], ids=["topology", "size"])
def test_after_all_decisions_every_mode_computes_the_architecture(task: Any) -> None:
    search = make("darts-v1" if task is tiny.TASK else "fbnetv2")
    draw = torch.Generator().manual_seed(0)
    images = task.dataset.batch("train", slice(0, 8))[0]
    for mode in modes(task.space.name, draw):
        architecture = tuple(int(torch.randint(count, (), generator=draw)) for count in task.space.cardinalities)
        choices = dict(enumerate(architecture))
        decided = search.supernet.decide(mode, choices)
        assert type(decided) is type(mode)
        expected = search.supernet(images, search.supernet.along(architecture))
        torch.testing.assert_close(search.supernet(images, decided), expected)
        some = search.supernet.decide(search.supernet.decide(mode, {2: architecture[2]}), choices)
        torch.testing.assert_close(search.supernet(images, some), expected)


def test_decided_edges_keep_the_weights_of_edges() -> None:
    search = tiny.make("pc-darts", parts=2)
    search.decided |= {0: 3, 1: 0, 2: 1, 3: 4, 4: 2, 5: 3}
    images = tiny.TASK.dataset.batch("train", slice(0, 8))[0]
    expected = search.supernet(images, search.supernet.along((3, 0, 1, 4, 2, 3)))
    torch.testing.assert_close(search.logits(images, search._weight_mode()), expected)
    edges = search.supernet.decide(search._weight_mode(), {2: 1}).weights[:, -1]
    assert torch.equal(edges, search.edge_weights())


def test_a_supernet_without_decisions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    search, supernet = make("fbnetv2"), type(make("fbnetv2").supernet)
    monkeypatch.delattr(supernet, "decide")
    search.train_epoch()
    with pytest.raises(ValueError, match="makes decisions one by one needs the method `decide` of SizeSupernet"):
        search.train_epoch()


# -- the whole algorithm -------------------------------------------------------------------------------------------------------


def by_the_paper(search: OneShotSearch) -> Architecture:
    """Algorithm 1, written out: with the cells of the definition, masks, and an optimizer of its own."""
    data, draws, config = search.task.dataset, search.draws, search.config
    chosen: dict[int, int] = {}
    adam = search._parts["adam"]
    weights = list(search.supernet.parameters())
    sgd = torch.optim.SGD(weights, 0.1 * config.rate, 0.9, weight_decay=5e-4, nesterov=True)
    search.supernet.train()

    def p() -> Tensor:
        rows = [torch.eye(5).double()[chosen[e]] if e in chosen else search.alpha[e].softmax(dim=0) for e in range(6)]
        return torch.stack(rows)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(search.supernet(batch[0], Mixture(p())), batch[1])

    def tune() -> None:
        for batch in data.batches("train", config.batch, draws["shuffle"], draws["augment"]):
            sgd.zero_grad()
            loss(batch).backward()
            sgd.step()
            (search.alpha.grad,) = torch.autograd.grad(loss(search.validation_batch(len(batch[1]))), search.alpha)
            adam.step()

    tuned = 0
    for number, edge in enumerate(torch.randperm(6, generator=draws["evaluation"]).tolist()):
        while tuned < (0, 1, 2, 3, 4, 4)[number]:
            tune()
            tuned += 1
        correct = torch.zeros(5)
        order = torch.randperm(40, generator=draws["evaluation"])
        for begin in range(0, 40, config.eval_batch):
            images, labels = data.batch("x-valid", order[begin : begin + config.eval_batch])
            for operation in range(5):
                masked = p().detach()
                masked[edge, operation] = 0
                with torch.no_grad():
                    correct[operation] += (search.supernet(images, Mixture(masked)).argmax(dim=1) == labels).sum()
        chosen[edge] = min(range(5), key=lambda operation: correct[operation])
    return tuple(chosen[edge] for edge in range(6))


@pytest.mark.parametrize("seed", [0, 1])
def test_algorithm_1_written_out(seed: int) -> None:
    """The architecture, and the weights and alpha at the end of the tuning, in double precision."""
    settings = tiny.config("darts-pt", epochs=2, tuning=0.05, rate=0.05, arch_rate=0.05)
    search_class = ONE_SHOT["darts-pt"]
    search = doubled(search_class(tiny.TASK, settings, seed=seed))
    other = doubled(by_definition(search_class)(tiny.TASK, settings, seed=seed))
    for each in (search, other):
        each._train()
        each.epoch = 1
    selected = Perturbation().select(search)
    assert selected == by_the_paper(other)
    assert len(set(selected)) > 1
    ours, theirs = ((each.alpha, *each.supernet.parameters()) for each in (search, other))
    for parameter, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", ["darts-v1", "gdas", "tas"])
def test_the_search_is_as_it_was_afterwards(name: str) -> None:
    search, plain = make(name), tiny.make(name)
    first = search.train_epoch()
    assert first.architecture == search.most_likely()
    search.train_epoch()
    tiny.run(plain)
    ours, theirs = tiny.state(search), tiny.state(plain)
    for array in ours.keys() - {"draws/evaluation"}:
        assert np.array_equal(ours[array], theirs[array]), array


@pytest.mark.parametrize("name", ["rsps", "gdas", "tas", "fbnetv2"])  # of each kind of forward mode
def test_any_method_selects_by_perturbation_in_a_stack_as_alone(name: str) -> None:
    searches, others = ([doubled(make(name, seed, epochs=1)) for seed in (0, 1)] for _ in range(2))
    SearchStack(searches).train_epoch()
    for search, alone in zip(searches, others, strict=True):
        alone.train_epoch()
        assert search.metrics[0].architecture == alone.metrics[0].architecture
        ours, theirs = tiny.state(search), tiny.state(alone)
        assert all(np.array_equal(ours[draw], theirs[draw]) for draw in ours if draw.startswith("draws/"))
