"""The networks: their operations, blocks and costs, against the published figures, closed forms and plain recomputation."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmark_api.spaces import EDGES, OPERATIONS, SIZE_CELL, Architecture, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.training.costs import space_costs
from benchmark_api.training.networks import (
    Cell,
    CellNetwork,
    ReductionBlock,
    ReLUConvBN,
    Skeleton,
    build_network,
    initialize,
    make_operation,
)
from tests.helpers.counting import count_flops, count_params

TOPOLOGY, SIZE = TopologySpace(), SizeSpace()
cached_costs = cache(space_costs)
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"


def build(space: SearchSpace, architecture: Architecture, skeleton: Skeleton, seed: int = 0) -> CellNetwork:
    return build_network(space, architecture, skeleton, torch.Generator().manual_seed(seed))


def images(channels: int = 3, size: int = 8, count: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(seed))


def randomize(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter and running statistic a value of its own, so that no mistake hides behind ones and zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in module.parameters():
            values.copy_(torch.randn(values.shape, generator=generator))
        for name, values in module.named_buffers():
            if name.endswith("running_mean"):
                values.copy_(torch.randn(values.shape, generator=generator))
            elif name.endswith("running_var"):
                values.copy_(0.5 + torch.rand(values.shape, generator=generator))


# -- costs -----------------------------------------------------------------------------------------------------------------

# (space, index, classes, image size): params and FLOPs in millions, as published for C = 16, N = 5.
PUBLISHED = [
    (TOPOLOGY, 1462, 10, 32, 1.531546, 220.11969),
    (TOPOLOGY, 1462, 100, 32, 1.537396, 220.12554),
    (TOPOLOGY, 1462, 120, 16, 1.538696, 55.03756),
    (TOPOLOGY, 1651, 10, 32, 0.073306, 7.78305),
    (TOPOLOGY, 1835, 10, 32, 0.073306, 7.78305),
    (TOPOLOGY, 11472, 10, 32, 0.559386, 78.56193),
    (TOPOLOGY, 9930, 10, 32, 1.288506, 184.73025),
    (SIZE, 32767, 10, 32, 0.713674, 274.399882),
    (SIZE, 32767, 100, 32, 0.719524, 274.405732),
    (SIZE, 32767, 120, 16, 0.720824, 68.607608),
    (SIZE, 0, 10, 32, 0.011714, 4.481114),
    (SIZE, 0, 100, 32, 0.012524, 4.481924),
    (SIZE, 0, 120, 16, 0.012704, 1.121336),
    (SIZE, 12, 10, 32, 0.067378, 7.991706),
]


@pytest.mark.parametrize(("space", "index", "classes", "size", "params", "flops"), PUBLISHED)
def test_published_costs(space: SearchSpace, index: int, classes: int, size: int, params: float, flops: float) -> None:
    skeleton = Skeleton(classes)
    network = build(space, space.architecture(index), skeleton)
    costs = cached_costs(space, skeleton, size)
    assert count_params(network) == costs.params[index] == round(params * 1e6)
    assert count_flops(network, (3, size, size)) == costs.flops[index] == round(flops * 1e6)


def test_named_architectures_are_the_published_ones() -> None:
    assert TOPOLOGY.index(SIZE_CELL) == 9930
    assert TOPOLOGY.index(TOPOLOGY.from_string(RESNET)) == 11472
    assert [set(TOPOLOGY.architecture(index)) for index in (1462, 1651, 1835)] == [{3}, {0}, {1}]


@pytest.mark.parametrize(("classes", "size"), [(10, 32), (100, 32), (120, 16)])
def test_closed_form_of_the_topology_space(classes: int, size: int) -> None:
    architectures = np.array([TOPOLOGY.architecture(index) for index in range(len(TOPOLOGY))])
    n3 = (architectures == OPERATIONS.index("nor_conv_3x3")).sum(1)
    n1 = (architectures == OPERATIONS.index("nor_conv_1x1")).sum(1)
    costs = cached_costs(TOPOLOGY, Skeleton(classes), size)
    assert (costs.params == 73_306 + 243_040 * n3 + 28_000 * n1 + 65 * (classes - 10)).all()
    if size == 32:
        assert (costs.flops == 7_783_050 + 35_389_440 * n3 + 3_932_160 * n1 + 65 * (classes - 10)).all()
    else:
        assert (costs.flops == 1_953_400 + 8_847_360 * n3 + 983_040 * n1).all()


@pytest.mark.parametrize("size", [8, 15, 30])
@pytest.mark.parametrize(
    ("space", "skeleton"),
    [
        (TOPOLOGY, Skeleton(10, 1, 4, 1)),
        (TOPOLOGY, Skeleton(7, 3, 5, 2)),
        (TOPOLOGY, Skeleton(2, 2, 3, 0)),
        (SizeSpace((2, 3, 6)), Skeleton(10, 1)),
        (SizeSpace((1, 4), layers=8), Skeleton(5)),
        (SizeSpace((3, 5), layers=2), Skeleton(5)),
    ],
    ids=["topology-1", "topology-2", "topology-0", "size-5", "size-8", "size-2"],
)
def test_formula_equals_count(space: SearchSpace, skeleton: Skeleton, size: int) -> None:
    costs = space_costs(space, skeleton, size)
    assert costs.params.shape == costs.flops.shape == (len(space),)
    for index in np.random.default_rng(size).integers(len(space), size=4).tolist():
        network = build(space, space.architecture(index), skeleton)
        assert count_params(network) == costs.params[index]
        assert count_flops(network, (skeleton.input_channels, size, size)) == costs.flops[index]


def test_count_agrees_with_pytorchs_counter() -> None:
    network = build(TOPOLOGY, (3, 2, 4, 1, 3, 0), Skeleton(10, channels=4, cells=1)).eval()
    with FlopCounterMode(display=False) as counter:
        network(images(count=1))
    # PyTorch counts a multiplication and an addition as two, and no bias; here only the classifier has one.
    assert counter.get_total_flops() == 2 * (count_flops(network, (3, 8, 8)) - 10)


def test_counting_leaves_the_network_as_it_was() -> None:
    network = build(TOPOLOGY, (3,) * 6, Skeleton(10, channels=4, cells=1)).train()
    network.lastact.eval()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    count_flops(network, (3, 8, 8))
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())


def test_supernet_sizes() -> None:
    """The published numbers of weights of the two supernets are what their parts here have."""

    def norm(channels: int) -> int:
        return 2 * channels

    blocks = [ReductionBlock(16, 32), ReductionBlock(32, 64)]
    cells = [
        make_operation(name, c, c, affine=False, track_running_stats=False)
        for c in (16, 32, 64)
        for _ in range(5 * len(EDGES))
        for name in OPERATIONS
    ]
    stem_and_head = 3 * 16 * 9 + norm(16) + 65 * 10
    assert stem_and_head + sum(map(count_params, [*blocks, *cells])) == 1_692_698

    parts = [Cell(SIZE_CELL, 64, 64, affine=False, track_running_stats=False) for _ in range(3)]
    reductions = [ReductionBlock(64, 64) for _ in range(2)]
    assert (3 * 64 * 9 + 64) + 65 * 10 + sum(map(count_params, [*parts, *reductions])) == 712_522


# -- operations ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize(("c_in", "c_out"), [(4, 4), (4, 7), (7, 4)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_have_the_shape_asked_for(name: str, c_in: int, c_out: int, size: int) -> None:
    assert make_operation(name, c_in, c_out)(images(c_in, size)).shape == (4, c_out, size, size)


@pytest.mark.parametrize(("c_in", "c_out"), [(4, 4), (4, 6)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_options_of_normalisations_and_biases(name: str, c_in: int, c_out: int) -> None:
    for affine in (True, False):
        for track in (True, False):
            for module in make_operation(name, c_in, c_out, affine, track).modules():
                if isinstance(module, nn.Conv2d):
                    assert (module.bias is None) == affine
                if isinstance(module, nn.BatchNorm2d):
                    assert module.affine == affine
                    assert module.track_running_stats == track
                    assert (module.eps, module.momentum) == (1e-5, 0.1)


def test_none_is_zero_with_a_gradient() -> None:
    x = images().requires_grad_()
    out = make_operation("none", 3, 3)(x)
    assert not out.any()
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert not gradient.any()
    assert not make_operation("none", 3, 5)(x).any()


def test_skip_is_the_identity() -> None:
    x = images()
    assert make_operation("skip_connect", 3, 3)(x) is x


def test_skip_to_other_channels_has_no_relu() -> None:
    operation = make_operation("skip_connect", 3, 5).eval()
    randomize(operation)
    values = operation.state_dict()
    x = images()
    plain = nn.functional.conv2d(x, values["conv.weight"])
    expected = nn.functional.batch_norm(
        plain, values["bn.running_mean"], values["bn.running_var"], values["bn.weight"], values["bn.bias"]
    )
    torch.testing.assert_close(operation(x), expected)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_are_relu_convolution_normalisation(kernel_size: int, stride: int) -> None:
    operation = ReLUConvBN(3, 5, kernel_size, stride).eval()
    randomize(operation)
    values = operation.state_dict()
    plain = nn.functional.conv2d(images().relu(), values["op.1.weight"], stride=stride, padding=kernel_size // 2)
    expected = nn.functional.batch_norm(
        plain, values["op.2.running_mean"], values["op.2.running_var"], values["op.2.weight"], values["op.2.bias"]
    )
    torch.testing.assert_close(operation(images()), expected)


def test_pooling_does_not_count_the_padding() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    out = make_operation("avg_pool_3x3", 1, 1)(x)
    assert out[0, 0, 0, 0] == (0 + 1 + 4 + 5) / 4
    assert out[0, 0, 0, 1] == (0 + 1 + 2 + 4 + 5 + 6) / 6
    assert out[0, 0, 1, 1] == x[0, 0, :3, :3].mean()


def test_pooling_of_other_channels_starts_with_a_convolution() -> None:
    operation: Any = make_operation("avg_pool_3x3", 3, 5).eval()
    assert isinstance(operation.preprocess, ReLUConvBN)
    randomize(operation)
    expected = nn.functional.avg_pool2d(operation.preprocess(images()), 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(operation(images()), expected)


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown operation 'max_pool_3x3'; expected one of none"):
        make_operation("max_pool_3x3", 4, 4)


# -- blocks and networks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("c_in", "c_out"), [(4, 4), (3, 5)])
def test_cell_is_the_sum_of_its_edges(c_in: int, c_out: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(8):
        topology = TOPOLOGY.sample(rng)
        cell = Cell(topology, c_in, c_out).eval()
        randomize(cell)
        layer_of = dict(zip(EDGES, cell.layers, strict=True))
        nodes = [images(c_in)]
        for target in (1, 2, 3):
            terms = [layer_of[target, source](nodes[source]) for source in range(target)]
            nodes.append(torch.stack(terms).sum(0))
        torch.testing.assert_close(cell(images(c_in)), nodes[3])


@pytest.mark.parametrize("size", [8, 9])
def test_reduction_block(size: int) -> None:
    block = ReductionBlock(3, 5).eval()
    randomize(block)
    x = images(3, size)
    pooled = torch.stack(
        [torch.stack([x[..., i : i + 2, j : j + 2].mean((2, 3)) for j in range(0, size, 2)], 2) for i in range(0, size, 2)], 2
    )
    shortcut = nn.functional.conv2d(pooled, block.state_dict()["downsample.1.weight"])
    torch.testing.assert_close(block(x), shortcut + block.conv_b(block.conv_a(x)))
    assert block(x).min() < 0  # no ReLU after the sum
    assert (block.conv_a.op[1].stride, block.conv_b.op[1].stride) == ((2, 2), (1, 1))


def test_skeleton_of_the_topology_space() -> None:
    network = build(TOPOLOGY, (3,) * 6, Skeleton(10))
    assert [type(block).__name__ for block in network.cells] == [
        *["Cell"] * 5, "ReductionBlock", *["Cell"] * 5, "ReductionBlock", *["Cell"] * 5,
    ]  # fmt: skip
    sizes: list[torch.Size] = []
    for block in network.cells:
        block.register_forward_hook(lambda _module, _inputs, out: sizes.append(out.shape[1:]))
    features, logits = network.eval()(images(size=32, count=2))
    assert sizes == [(16, 32, 32)] * 5 + [(32, 16, 16)] * 6 + [(64, 8, 8)] * 6
    assert (features.shape, logits.shape) == ((2, 64), (2, 10))
    torch.testing.assert_close(logits, features @ network.classifier.weight.T + network.classifier.bias)
    assert features.min() >= 0


def test_skeleton_of_the_size_space() -> None:
    space = SizeSpace()
    network = build(space, space.from_string("8:24:40:64:16"), Skeleton(10))
    assert network.stem[0].weight.shape == (8, 3, 3, 3)
    sizes: list[torch.Size] = []
    for block in network.cells:
        block.register_forward_hook(lambda _module, _inputs, out: sizes.append(out.shape[1:]))
    features, _ = network.eval()(images(size=32, count=2))
    assert sizes == [(8, 32, 32), (24, 16, 16), (40, 16, 16), (64, 8, 8), (16, 8, 8)]
    assert features.shape == (2, 16)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [*range(8, 18), 28, 32])
def test_any_image_size(channels: int, size: int) -> None:
    for space, skeleton in ((TOPOLOGY, Skeleton(10, channels, 2, 1)), (SizeSpace((2, 3)), Skeleton(10, channels))):
        network = build(space, space.architecture(5), skeleton)
        _, logits = network(images(channels, size))
        assert logits.shape == (4, 10)
        assert logits.isfinite().all()


def test_disconnected_cells_ignore_the_image() -> None:
    rng = np.random.default_rng(1)
    skeleton = Skeleton(10, channels=2, cells=1)
    seen = set()
    for architecture in [(0,) * 6, (3, 3, 3, 0, 0, 0)] + [TOPOLOGY.sample(rng) for _ in range(20)]:
        network = build(TOPOLOGY, architecture, skeleton).eval()
        randomize(network)
        _, logits = network(images())
        connected = TOPOLOGY.is_connected(architecture)
        assert torch.allclose(logits[0], logits[1]) != connected
        seen.add(connected)
    assert seen == {True, False}


def test_every_weight_of_a_connected_cell_learns() -> None:
    network = build(TOPOLOGY, (3, 2, 3, 2, 3, 3), Skeleton(10, channels=4, cells=1))
    _, logits = network(images(count=16))
    nn.functional.cross_entropy(logits, torch.arange(16) % 10).backward()
    assert all(values.grad is not None and values.grad.any() for values in network.parameters())


def test_weights_have_the_official_names() -> None:
    names = set(build(TOPOLOGY, (3, 2, 1, 4, 0, 0), Skeleton(10, channels=4, cells=1)).state_dict())
    norm = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    expected = {"stem.0.weight", "classifier.weight", "classifier.bias"}
    expected |= {f"{stem}.{value}" for stem in ("stem.1", "lastact.0") for value in norm}
    for cell in (0, 2, 4):
        for layer in (0, 1):
            expected |= {f"cells.{cell}.layers.{layer}.op.1.weight"}
            expected |= {f"cells.{cell}.layers.{layer}.op.2.{value}" for value in norm}
    for block in (1, 3):
        expected |= {f"cells.{block}.downsample.1.weight"}
        for part in ("conv_a", "conv_b"):
            expected |= {f"cells.{block}.{part}.op.1.weight"} | {f"cells.{block}.{part}.op.2.{value}" for value in norm}
    assert names == expected


# -- initial weights -------------------------------------------------------------------------------------------------------


def test_weights_are_drawn_from_the_generator_alone() -> None:
    skeleton = Skeleton(10, channels=4, cells=1)
    state = torch.get_rng_state()
    first, again, other = (build(TOPOLOGY, (3, 2, 4, 1, 3, 0), skeleton, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])


def test_initial_weights_are_pytorchs_default() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        default = CellNetwork((3, 2, 4, 1, 3, 0), (2, 3, 4, 5, 6), classes=10)
    network = CellNetwork((3, 2, 4, 1, 3, 0), (2, 3, 4, 5, 6), classes=10)
    randomize(network)
    initialize(network, torch.Generator().manual_seed(3))
    for name, values in default.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], values)


# -- errors ----------------------------------------------------------------------------------------------------------------


def test_skeletons_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="decide channels and cells"):
        build(SIZE, (0,) * 5, Skeleton(10, channels=16))
    with pytest.raises(ValueError, match=r"3N \+ 2 blocks .* got 3"):
        build(SizeSpace((4, 8), layers=3), (0,) * 3, Skeleton(10))
    with pytest.raises(ValueError, match="channels must be at least 1"):
        build(TOPOLOGY, (0,) * 6, Skeleton(10, channels=0))
    with pytest.raises(ValueError, match="must be positive"):
        build(TOPOLOGY, (0,) * 6, Skeleton(0))
    with pytest.raises(ValueError, match="has 5 decisions"):
        build(TOPOLOGY, (0,) * 5, Skeleton(10))
    with pytest.raises(ValueError, match="at least 8 pixels a side, got 7"):
        space_costs(TOPOLOGY, Skeleton(10), 7)


def test_tables_and_searches_do_not_import_torch() -> None:
    modules = ("spaces", "tables.table", "tables.evaluator", "unpickle")
    code = f"import sys; {'; '.join(f'import benchmark_api.{name}' for name in modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
