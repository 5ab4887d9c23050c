"""The supernet against a plain one, edge by edge, operation by operation, written from the definitions of its modes."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from algorithms.one_shot.supernets import ForwardMode, MixedCell, Mixture, Paths, TopologySupernet, build_supernet, initialized
from benchmark_api.spaces import EDGES, OPERATIONS, Architecture, SizeSpace, TopologySpace
from benchmark_api.training.networks import ReductionBlock, Skeleton, build_network, initialize, make_operation
from tests.helpers.counting import count_params
from tests.helpers.supernet_steps import CellByDefinition, JointStep, by_definition, on_random_images

SPACE = TopologySpace()
SKELETON = Skeleton(classes=3, input_channels=2, channels=3, cells=1)
ALL_NONE, ALL_SKIP = (0,) * 6, (1,) * 6
PATHS: dict[str, list[Architecture]] = {
    "one path": [(3, 2, 4, 1, 0, 3)] * 3,
    "a path for each cell": [(2, 2, 3, 1, 2, 2), (4, 3, 3, 4, 3, 0), (1, 4, 2, 2, 0, 4)],
    "none but one": [(0, 0, 0, 2, 0, 0)] * 3,
    "all skip": [ALL_SKIP] * 3,
    "all none": [ALL_NONE] * 3,
    "a cell of none": [(3, 3, 3, 3, 3, 3), ALL_NONE, (2, 3, 2, 3, 2, 3)],
}


class PlainSupernet(nn.Module):
    """The definition: C = 16 and N = 5 stand for any; all is computed edge by edge."""

    def __init__(self, channels: int, cells: int, classes: int, inputs: int, tracked: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(inputs, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.blocks = nn.ModuleList()
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                self.blocks.append(ReductionBlock(width // 2, width))
            for _ in range(cells):
                operations = [make_operation(name, width, width, False, tracked) for _ in EDGES for name in OPERATIONS]
                self.blocks.append(nn.ModuleList(operations))
        self.norm = nn.BatchNorm2d(4 * channels, affine=False, track_running_stats=tracked)
        self.classifier = nn.Linear(4 * channels, classes)

    def forward(self, images: Tensor, mode: Mixture | Paths) -> Tensor:
        x = self.stem(images)
        cell = 0
        for block in self.blocks:
            if isinstance(block, ReductionBlock):
                x = block(x)
                continue
            nodes = [x]
            for node in (1, 2, 3):
                total = torch.zeros_like(x)
                for source in range(node):
                    edge = EDGES.index((node, source))
                    total = total + self.edge(block, nodes[source], edge, mode, cell)
                nodes.append(total)
            x, cell = nodes[3], cell + 1
        x = torch.relu(self.norm(x))
        return self.classifier(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))

    def edge(self, block: nn.ModuleList, x: Tensor, edge: int, mode: Mixture | Paths, cell: int) -> Tensor:
        operations = block[5 * edge : 5 * edge + 5]
        if isinstance(mode, Mixture):
            return sum(mode.weights[edge, o] * operations[o](x) for o in range(5))
        k = mode.paths[cell][edge]
        if mode.weights is None:
            return operations[k](x)
        h = mode.weights[edge]
        return h[k] * operations[k](x) + sum(h[o] for o in range(5) if o != k)


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def both(tracked: bool = False, dtype: torch.dtype = torch.float64) -> tuple[TopologySupernet, PlainSupernet]:
    """The supernet and the plain one, initialised with the same seed and apart from each other."""
    supernet = initialized(lambda: build_supernet(SPACE, SKELETON, tracked), draw(1))
    plain = PlainSupernet(3, 1, 3, 2, tracked)
    initialize(plain, draw(1))
    return supernet.to(dtype), plain.to(dtype)


def images(count: int = 5, dtype: torch.dtype = torch.float64, size: int = 9) -> Tensor:
    return torch.randn(count, 2, size, size, generator=draw(2), dtype=torch.float64).to(dtype)


def weights(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(6, 5, generator=draw(3), dtype=torch.float64).to(dtype).requires_grad_()


MODES: dict[str, Callable[[Tensor], ForwardMode]] = {"joint": Mixture}
for _name, _paths in PATHS.items():
    MODES[_name] = lambda w, paths=_paths: Paths(paths)
    MODES[f"{_name}, weighted"] = lambda w, paths=_paths: Paths(paths, weights=w)


def results(net: nn.Module, mode: Callable[[Tensor], ForwardMode]) -> tuple[Tensor, list[Tensor]]:
    """Logits, and the gradients of a loss: of the images, of the weights of the mode, of every parameter."""
    dtype = next(net.parameters()).dtype
    x, w = images(dtype=dtype).requires_grad_(), weights(dtype)
    logits = net(x, mode(w))
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 1, 0]))
    inputs = [x, w, *net.parameters()]
    gradients = torch.autograd.grad(loss, inputs, allow_unused=True)
    return logits, [torch.zeros_like(a) if g is None else g for a, g in zip(inputs, gradients, strict=True)]


def compare(ours: tuple[Tensor, list[Tensor]], expected: tuple[Tensor, list[Tensor]], tolerance: float) -> None:
    torch.testing.assert_close(ours[0], expected[0], rtol=tolerance, atol=tolerance)
    for gradient, other in zip(ours[1], expected[1], strict=True):
        torch.testing.assert_close(gradient, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("tracked", [False, True], ids=["batch", "running"])
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())
def test_modes_equal_their_definitions(mode: Callable[[Tensor], ForwardMode], tracked: bool) -> None:
    nets = both(tracked)
    for training in (True, False):  # the second with the running statistics that the first leaves
        compare(*(results(net.train(training), mode) for net in nets), tolerance=1e-6)
    buffers, others = ([b for name, b in net.named_buffers() if "num_batches" not in name] for net in nets)
    for buffer, other in zip(buffers, others, strict=True):
        torch.testing.assert_close(buffer, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mode", ["joint", "one path", "a path for each cell, weighted"])
def test_modes_equal_their_definitions_in_single_precision(mode: str) -> None:
    compare(*(results(net, MODES[mode]) for net in both(dtype=torch.float32)), tolerance=1e-5)


def test_initial_weights_are_those_of_the_plain_form() -> None:
    supernet, plain = both()
    for parameter, other in zip(supernet.parameters(), plain.parameters(), strict=True):
        assert torch.equal(parameter, other)
    other_seed = initialized(lambda: build_supernet(SPACE, SKELETON), draw(2)).double()
    assert not torch.equal(next(other_seed.parameters()), next(supernet.parameters()))


def test_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    initialized(lambda: build_supernet(SPACE, SKELETON), draw())
    assert torch.equal(torch.get_rng_state(), before)


def test_parameters_of_the_official_size() -> None:
    """1,692,698 for C = 16, N = 5 and 10 classes, as published; and all but convolutions, stem and reductions have none."""
    with torch.device("meta"):
        supernet = build_supernet(SPACE, Skeleton(10))
    assert count_params(supernet) == 1_692_698
    assert supernet.cells == 15
    norms = [m for block in supernet.blocks if isinstance(block, MixedCell) for m in block.modules() if "Norm" in str(type(m))]
    assert len(norms) == 15 * 6 * 2
    assert not any(norm.affine or norm.track_running_stats for norm in (*norms, supernet.lastact[0]))
    assert supernet.stem[1].affine
    assert supernet.stem[1].track_running_stats


def flops(net: nn.Module, *arguments: object) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*arguments)
    return counter.get_total_flops()


@pytest.mark.parametrize("index", [1462, 1835, 1651, 11472, 9930, 284])
def test_a_path_costs_what_its_candidate_costs(index: int) -> None:
    supernet = initialized(lambda: build_supernet(SPACE, SKELETON), draw())
    architecture = SPACE.architecture(index)
    candidate = build_network(SPACE, architecture, SKELETON, draw())
    x = images(dtype=torch.float32)
    assert flops(supernet, x, supernet.along(architecture)) == flops(candidate, x)


def test_operations_on_a_node_are_computed_together() -> None:
    """All operations cost what those of all candidates cost, in two convolutions for each of the three nodes."""
    cell = MixedCell(4)
    x = torch.randn(2, 4, 8, 8, generator=draw())
    with torch.profiler.profile() as profile, torch.no_grad():
        cell(x, torch.ones(6, 5))
    assert sum(event.count for event in profile.key_averages() if event.key == "aten::conv2d") == 6


def test_without_running_statistics_evaluation_is_training() -> None:
    for tracked in (False, True):
        cell = MixedCell(4, tracked)
        x = torch.randn(2, 4, 8, 8, generator=draw())
        outputs = [cell.train(training)(x, None, (3,) * 6) for training in (True, False)]
        assert torch.equal(*outputs) is not tracked


def test_the_counterpart_of_the_benchmark_computes_the_same() -> None:
    cell = MixedCell(3).double()
    x, w = torch.randn(2, 3, 6, 6, generator=draw(), dtype=torch.float64), weights()
    for arguments in ((w, None), *((of, path) for of in (None, w) for path in ((3, 2, 4, 1, 0, 3), ALL_NONE, ALL_SKIP))):
        torch.testing.assert_close(CellByDefinition.forward(cell, x, *arguments), cell(x, *arguments))
    losses = [
        on_random_images(search, channels=2, cells=1, size=8, batch=4).train_epoch().train_loss
        for search in (JointStep, by_definition(JointStep))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_second_derivatives() -> None:
    """The exact second-order gradient, with which DARTS is compared, goes twice through every operation."""
    cell = MixedCell(2).double()
    x, w = (torch.randn(shape, generator=draw(), dtype=torch.float64, requires_grad=True) for shape in ((3, 2, 4, 4), (6, 5)))
    assert torch.autograd.gradgradcheck(lambda x, w: cell(x, w).sin(), (x, w), fast_mode=True, atol=1e-4)


def test_spaces_and_skeletons_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="no supernet for 'another space'"):
        build_supernet("another space", Skeleton(10))
    with pytest.raises(ValueError, match="decide channels and cells"):
        build_supernet(SizeSpace(), Skeleton(10, channels=2))
    with pytest.raises(ValueError, match="channels must be at least 1"):
        build_supernet(SPACE, Skeleton(10, channels=0))
    with pytest.raises(ValueError, match="at least one cell in each stage, got 0"):
        build_supernet(SPACE, Skeleton(10, cells=0))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_compiled_operations_compute_the_same() -> None:
    """All operations of the two edges that leave one node; a compiled search, with another backend, is in `test_one_shot`."""
    cell = MixedCell(2).double()
    x = torch.randn(4, 2, 4, 4, generator=draw(), dtype=torch.float64, requires_grad=True)
    outcomes = []
    for mix in (MixedCell.mix, torch.compile(MixedCell.mix, options={"compile_threads": 1})):
        weights = torch.full((6, 5), 0.2, dtype=torch.float64, requires_grad=True)
        out = torch.stack([sum(terms) for terms in mix(cell, x, (2, 4), weights, None).values()])
        outcomes.append((out, list(torch.autograd.grad(out.sin().sum(), (x, weights)))))
    compare(*outcomes, tolerance=1e-6)
