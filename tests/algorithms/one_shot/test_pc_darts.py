"""PC-DARTS: partial channels and weights of edges against their definitions, its warm-up, its parent, and stacks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from algorithms.one_shot.pc_darts import PartialCell, PartialSupernet, PcDarts, shuffled
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.supernets import MixedCell, Mixture, TopologySupernet
from algorithms.one_shot.supernets.topology import total
from benchmark_api.training.networks import Skeleton
from tests.helpers import tiny
from tests.helpers.supernet_steps import PartialCellByDefinition, by_definition

WIDE = dataclasses.replace(tiny.TASK, skeleton=Skeleton(classes=3, input_channels=2, channels=8, cells=1))
NONE, SKIP = 0, 1


def made(seed: int = 0, wide: bool = False, search_class: type[PcDarts] = PcDarts, **changes: Any) -> PcDarts:
    config = tiny.small(PcDarts, {**tiny.SMALL, "warmup": 0.0, **changes})
    return search_class(WIDE if wide else tiny.TASK, config, seed=seed)


def ramp(channels: int) -> Tensor:
    """An image with its number in each channel [1, channel, 1, 1]."""
    return torch.arange(channels)[None, :, None, None]


def test_shuffles() -> None:
    assert shuffled(ramp(16), 4).flatten().tolist() == [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
    assert shuffled(ramp(8), 2).flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    assert torch.equal(shuffled(ramp(8), 1), ramp(8))


def cell_and_input(parts: int) -> tuple[PartialCell, Tensor]:
    draw = torch.Generator().manual_seed(parts)
    cell = PartialCell(parts, 8)
    for parameter in cell.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=draw)
    return cell, torch.randn(5, 8, 6, 6, generator=draw)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_edges_of_one_operation(parts: int) -> None:
    cell, x = cell_and_input(parts)
    weights = torch.zeros(6, 6)
    weights[:, SKIP], weights[:, -1] = 1, 1
    ((edge, terms),) = cell.mix(x, [2], weights, None).items()
    assert edge == 2
    assert torch.equal(total(terms, x), shuffled(x, parts))  # of skip: exactly the permutation
    weights[:, SKIP], weights[:, NONE] = 0, 1
    ((_, terms),) = cell.mix(x, [2], weights, None).items()
    rest = x.clone()
    rest[:, : 8 // parts] = 0
    assert torch.equal(total(terms, x), shuffled(rest, parts))  # of none: the other channels alone


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_cell_is_that_of_the_definition(parts: int) -> None:
    """Values, and gradients of input, weights and parameters."""
    cell, x = cell_and_input(parts)
    plain = PartialCellByDefinition(parts, 8)
    plain.load_state_dict(cell.state_dict())
    draw = torch.Generator().manual_seed(9)
    weights, factor = torch.rand(6, 6, generator=draw), torch.randn(5, 8, 6, 6, generator=draw)
    found = []
    for each in (cell.double(), plain.double()):
        inputs = [x.double().requires_grad_(), weights.double().requires_grad_()]
        y = each(*inputs)
        found.append((y, *torch.autograd.grad((y * factor).sum(), [*inputs, *each.parameters()])))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-8)


def test_convolutions_shrink_by_the_square() -> None:
    sizes = [PartialCell(parts, 16).edges[0][3].op[1].weight.numel() for parts in (1, 2, 4)]  # type: ignore[index, union-attr]
    assert sizes == [16 * 16 * 9, 8 * 8 * 9, 4 * 4 * 9]


def test_nodes_are_means_where_beta_is_equal() -> None:
    """With skip connections and without parts, node i is the mean of its i edges; its weights sum to one in any case."""
    search = made(parts=1)
    with torch.no_grad():
        for beta in search.beta:
            beta.zero_()
    weights = search.edge_weights()
    assert weights.tolist() == pytest.approx([1, 1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3])
    mode = search.supernet.along((SKIP,) * 6)
    x = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(search.supernet.blocks[0](x, mode.weights), x)
    with torch.no_grad():
        search.beta[2].copy_(torch.tensor([0.5, -1.0, 2.0]))
    assert search.edge_weights()[3:].tolist() == pytest.approx(torch.tensor([0.5, -1.0, 2.0]).softmax(dim=0).tolist())
    ones = made(edge_normalization=False)
    assert ones.edge_weights().tolist() == [1] * 6
    assert len(ones.beta) == 0


def test_without_parts_and_edge_weights_it_is_darts_to_the_bit() -> None:
    search = made(parts=1, edge_normalization=False, arch_rate=0.01)
    assert type(search.supernet) is TopologySupernet
    assert {type(block) for block in search.supernet.blocks} >= {MixedCell}
    assert tiny.run(search) == tiny.run(tiny.make("darts-v1", arch_rate=0.01))
    partial = made(parts=1, edge_normalization=True)
    assert type(partial.supernet) is PartialSupernet
    assert torch.equal(partial.alpha, tiny.make("darts-v1").alpha)  # beta is drawn after alpha


def test_gradients_of_alpha_and_beta() -> None:
    """Against autograd through the definition, and one step of Adam for both."""
    search, plain = made(wide=True, parts=4), made(wide=True, parts=4, search_class=by_definition(PcDarts))  # type: ignore[arg-type]
    batch = images, labels = WIDE.dataset.batch("x-valid", slice(0, 16))
    with torch.no_grad():
        search.beta[2].copy_(torch.tensor([0.5, -1.0, 2.0]))
    alpha, betas = (
        search.alpha.detach().clone().requires_grad_(),
        [beta.detach().clone().requires_grad_() for beta in search.beta],
    )
    p = torch.cat([alpha.softmax(dim=1), torch.cat([beta.softmax(dim=0) for beta in betas])[:, None]], dim=1)
    plain.supernet.train()
    expected = torch.autograd.grad(nn.functional.cross_entropy(plain.supernet(images, Mixture(p)), labels), [alpha, *betas])
    search.validation_batch = lambda size, split: batch  # type: ignore[method-assign]
    search.supernet.train()
    before = [parameter.detach().clone() for parameter in (search.alpha, *search.beta)]
    search._architecture_step(batch)
    for parameter, gradient, former in zip((search.alpha, *search.beta), expected, before, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
        assert float((parameter.detach() - former).abs().max()) == pytest.approx(3e-4, rel=0.05)


@pytest.mark.parametrize("arch_update", ["adam", "exponentiated"])
def test_warm_up(arch_update: str) -> None:
    search = made(epochs=4, warmup=0.5, arch_update=arch_update)
    parameters = [search.alpha, *search.beta]
    first = [parameter.detach().clone() for parameter in parameters]
    for _ in range(2):
        search.train_epoch()
        assert all(torch.equal(parameter, before) for parameter, before in zip(parameters, first, strict=True))
        assert not search.arch_optimizer.state
    search.train_epoch()
    moved = [not torch.equal(parameter, before) for parameter, before in zip(parameters, first, strict=True)]
    assert moved == [True, arch_update == "adam", True, True]  # the first node has one edge, so its beta has no gradient
    assert search.edge_weights()[0] == 1


def test_an_architecture_keeps_the_weights_of_edges_and_the_channels_of_none() -> None:
    search = made(wide=True, parts=4)
    with torch.no_grad():
        search.beta[2].copy_(torch.tensor([0.5, -1.0, 2.0]))
    mode = search.supernet.along((3, 0, 1, 2, 4, 0))
    expected = torch.zeros(6, 6)
    expected[torch.arange(6), torch.tensor([3, 0, 1, 2, 4, 0])] = 1
    expected[:, -1] = search.edge_weights().detach()
    torch.testing.assert_close(mode.weights.detach(), expected)
    search.supernet.eval()
    images = WIDE.dataset.batch("x-valid")[0]
    logits = search.logits(images, search.supernet.along((NONE,) * 6))
    assert not torch.equal(logits[0], logits[1])  # an image passes by


def test_a_decided_edge_keeps_its_weight_and_its_gradient() -> None:
    """Of a selection that makes decisions one by one."""
    search = made(wide=True, parts=4)
    mixed = search._mode("architecture")
    decided = search.supernet.decide(mixed, {1: 3, 5: NONE})
    expected = mixed.weights.detach().clone()
    expected[[1, 5], :-1] = torch.nn.functional.one_hot(torch.tensor([3, NONE]), 5).float()
    torch.testing.assert_close(decided.weights.detach(), expected)
    of_alpha, of_beta = torch.autograd.grad(decided.weights.square().sum(), [search.alpha, search.beta[2]])
    assert (of_alpha[[1, 5]] == 0).all()
    assert of_beta.abs().max() > 0


def test_parts_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="parts must divide the 2 channels of the first stage, got 4"):
        made(parts=4)


@pytest.mark.parametrize(
    "changes", [{"parts": 4}, {"edge_normalization": False}, {"batch_norm": "running"}, {"arch_update": "exponentiated"}]
)
def test_options_in_a_stack(changes: dict[str, Any]) -> None:
    searches, others = ([made(seed, wide=True, **changes) for seed in (3, 4)] for _ in range(2))
    assert SearchStack(searches).network is not None
    SearchStack(searches).train_epoch()
    for search, alone in zip(searches, others, strict=True):
        alone.train_epoch()
        for ours, theirs in zip((search.alpha, *search.beta), (alone.alpha, *alone.beta), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
        for ours, theirs in zip(search.supernet.state_dict().values(), alone.supernet.state_dict().values(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
