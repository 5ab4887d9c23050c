"""The search spaces against the official facts, and their contracts."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import chisquare

from benchmark_api.spaces import (
    NATS_WIDTHS,
    OPERATIONS,
    Architecture,
    SearchSpace,
    SizeSpace,
    TopologySpace,
    all_architectures,
    space_from_spec,
)

TOPOLOGY = TopologySpace()
SIZE = SizeSpace()
SMALL = SizeSpace(widths=(4, 8, 12), layers=3)
EVERY_SPACE = pytest.mark.parametrize("space", [TOPOLOGY, SIZE, SMALL], ids=["topology", "size", "small"])

# A chi-square test fails below this p-value: for a correct sampler and a fresh seed, once in a million runs. The seeds here
# are fixed, so a test that passes once passes always.
FALSE_FAILURE_RATE = 1e-6

# From the reference's own assertions and the published architectures.
TOPOLOGY_INDICES = {
    0: "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    1: "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    9: "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    123: "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|",
    857: "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    1462: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    1651: "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    1835: "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|",
    9930: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    10676: "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    11472: "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|",
    13714: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|",
    15624: "|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|",
}
SIZE_INDICES = {
    0: "8:8:8:8:8",
    1: "8:8:8:8:16",
    12: "8:8:8:16:40",
    668: "8:16:24:32:40",
    751: "8:16:32:48:64",
    14711: "32:40:48:56:64",
    32767: "64:64:64:64:64",
}


@pytest.mark.parametrize(
    ("space", "index", "text"),
    [(TOPOLOGY, index, text) for index, text in TOPOLOGY_INDICES.items()]
    + [(SIZE, index, text) for index, text in SIZE_INDICES.items()],
)
def test_official_indices(space: SearchSpace, index: int, text: str) -> None:
    assert space.to_string(space.architecture(index)) == text
    assert space.index(space.from_string(text)) == index


@EVERY_SPACE
def test_every_string_and_index_round_trips(space: SearchSpace) -> None:
    strings = set()
    for index in range(len(space)):
        architecture = space.architecture(index)
        text = space.to_string(architecture)
        assert space.from_string(text) == architecture
        assert space.index(architecture) == index
        strings.add(text)
    assert len(strings) == len(space)


@EVERY_SPACE
def test_all_architectures_lists_each_one_once(space: SearchSpace) -> None:
    listed = list(all_architectures(space))
    assert len(listed) == len(set(listed)) == len(space)
    assert all(space.check(architecture) == architecture for architecture in listed)


def test_the_official_order_of_the_size_space_is_the_product() -> None:
    assert [SIZE.index(architecture) for architecture in all_architectures(SIZE)] == list(range(32768))


def test_published_counts_of_the_topology_space() -> None:
    architectures = [TOPOLOGY.architecture(index) for index in range(15625)]
    assert len({TOPOLOGY.unique_string(a) for a in architectures}) == 6466
    assert len({TOPOLOGY.unique_string(a, zero_aware=False) for a in architectures}) == 12751
    assert len({TOPOLOGY.unique_string(a, zero_aware=None) for a in architectures}) == 15625
    assert sum(TOPOLOGY.is_connected(a) for a in architectures) == 15284


def test_unique_string_of_the_published_example() -> None:
    assert TOPOLOGY.unique_string(TOPOLOGY.architecture(284)) == "#+#+(0)@nor_conv_1x1"


def test_canonical_is_the_lowest_index_of_the_class() -> None:
    lowest: dict[str, int] = {}
    for index in range(len(TOPOLOGY)):
        architecture = TOPOLOGY.architecture(index)
        representative = TOPOLOGY.canonical(architecture)
        assert TOPOLOGY.index(representative) == lowest.setdefault(TOPOLOGY.unique_string(architecture), index)
        assert TOPOLOGY.is_connected(representative) == TOPOLOGY.is_connected(architecture)
    assert len(lowest) == 6466


def test_each_width_is_its_own_class() -> None:
    assert all(SMALL.canonical(a) == a and SMALL.is_connected(a) for a in all_architectures(SMALL))


def test_is_connected_follows_the_edges() -> None:
    none, skip, conv = (OPERATIONS.index(name) for name in ("none", "skip_connect", "nor_conv_3x3"))
    assert TOPOLOGY.is_connected((none, none, none, skip, none, none))
    assert TOPOLOGY.is_connected((conv, none, skip, none, none, conv))
    assert not TOPOLOGY.is_connected((none, none, conv, none, conv, conv))  # nothing leaves the input
    assert not TOPOLOGY.is_connected((conv, conv, conv, none, none, none))  # nothing enters the output


@EVERY_SPACE
def test_neighbors_are_all_that_differ_in_one_decision(space: SearchSpace) -> None:
    architecture = space.architecture(len(space) // 3)
    neighbors = list(space.neighbors(architecture))
    assert len(neighbors) == len(set(neighbors)) == sum(cardinality - 1 for cardinality in space.cardinalities)
    for neighbor in neighbors:
        assert sum(a != b for a, b in zip(space.check(neighbor), architecture, strict=True)) == 1
    changed = [next(i for i, (a, b) in enumerate(zip(n, architecture, strict=True)) if a != b) for n in neighbors]
    assert changed == sorted(changed)


def expected_mutations(space: SearchSpace, parent: Architecture, redraw: bool) -> dict[Architecture, float]:
    """The distribution of mutations by hand: a node, one of its edges, an operation; or a layer and a width."""
    if space is TOPOLOGY:
        decisions = [1 / 3, 1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9]
    else:
        decisions = [1 / len(space.cardinalities)] * len(space.cardinalities)
    expected: dict[Architecture, float] = defaultdict(float)
    for decision, probability in enumerate(decisions):
        choices = [c for c in range(space.cardinalities[decision]) if redraw or c != parent[decision]]
        for choice in choices:
            expected[(*parent[:decision], choice, *parent[decision + 1 :])] += probability / len(choices)
    return expected


@EVERY_SPACE
@pytest.mark.parametrize("redraw", [False, True])
def test_mutations_have_the_reference_distribution(space: SearchSpace, redraw: bool) -> None:
    parent, draws = space.architecture(7), 20_000
    rng = np.random.default_rng(1)
    seen = Counter(space.mutate(parent, rng, redraw) for _ in range(draws))
    expected = expected_mutations(space, parent, redraw)
    assert set(seen) <= set(expected)
    assert (parent in seen) == redraw
    observed = [seen[child] for child in expected]
    assert chisquare(observed, [draws * p for p in expected.values()]).pvalue > FALSE_FAILURE_RATE


@EVERY_SPACE
def test_samples_are_uniform_in_every_decision(space: SearchSpace) -> None:
    rng = np.random.default_rng(2)
    samples = [space.check(space.sample(rng)) for _ in range(10_000)]
    for column, cardinality in zip(zip(*samples, strict=True), space.cardinalities, strict=True):
        assert chisquare(np.bincount(column, minlength=cardinality)).pvalue > FALSE_FAILURE_RATE


def test_samples_are_uniform_over_architectures() -> None:
    rng = np.random.default_rng(3)
    counts = np.bincount([SMALL.index(SMALL.sample(rng)) for _ in range(10_000)], minlength=len(SMALL))
    assert chisquare(counts).pvalue > FALSE_FAILURE_RATE


@EVERY_SPACE
def test_same_seed_same_draws_and_no_global_state(space: SearchSpace) -> None:
    def draws(seed: int) -> list[Architecture]:
        rng = np.random.default_rng(seed)
        sampled = [space.sample(rng) for _ in range(50)]
        return sampled + [space.mutate(architecture, rng) for architecture in sampled]

    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    first, state = draws(0), random.getstate()
    random.seed(6)
    np.random.seed(6)  # noqa: NPY002
    assert draws(0) == first != draws(1)
    random.seed(5)
    assert random.getstate() == state
    TopologySpace().architecture(0)  # shuffles the official order
    assert random.getstate() == state


@EVERY_SPACE
def test_architectures_are_tuples_of_plain_ints(space: SearchSpace) -> None:
    rng = np.random.default_rng(4)
    sampled = space.sample(rng)
    made = [
        sampled,
        space.mutate(sampled, rng),
        space.architecture(np.int64(3)),  # type: ignore[arg-type]
        space.from_string(space.to_string(sampled)),
        space.canonical(sampled),
        space.check(np.array(sampled)),  # type: ignore[arg-type]
        next(space.neighbors(sampled)),
    ]
    for architecture in made:
        assert type(architecture) is tuple
        assert {type(choice) for choice in architecture} == {int}


GOOD = TOPOLOGY_INDICES[9]


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "'|'"),
        ("nor_conv_3x3~0|", 0, "'|'"),
        (GOOD.replace("|none~0|none~1|", "|none~0|none~1"), 30, "'1|'"),
        (GOOD.replace("none~1|+|skip", "conv_5x5~1|+|skip"), 25, "one of none"),
        (GOOD.replace("avg_pool_3x3~0", "avg_pool_3x3~1"), 14, "'0|'"),
        (GOOD.replace("+|skip", "|skip"), 32, "'+|'"),
        (GOOD[:20], 18, "one of none"),
        (GOOD + " ", len(GOOD), "the end"),
        ("8:8:8:8:8", 0, "'|'"),
    ],
)
def test_malformed_topology_strings_show_where(text: str, position: int, expected: str) -> None:
    with pytest.raises(ValueError) as error:
        TOPOLOGY.from_string(text)
    assert f"expected {expected}" in str(error.value)
    assert f"at position {position}," in str(error.value)
    shown, caret = str(error.value).splitlines()[-2:]
    assert (shown, caret) == (f"  {text}", f"  {' ' * position}^")


@pytest.mark.parametrize(
    ("text", "position"),
    [("", 0), ("8:8:8:8:9", 8), ("8:8:08:8:8", 4), ("8:8: 8:8:8", 4), ("16:64:-8:8:8", 6), ("8:8:8:8:8:", 10), (GOOD, 0)],
)
def test_malformed_size_strings_show_where(text: str, position: int) -> None:
    with pytest.raises(ValueError, match=f"at position {position},") as error:
        SIZE.from_string(text)
    assert str(error.value).splitlines()[-1] == f"  {' ' * position}^"


@pytest.mark.parametrize("text", ["8:8:8:8", "8:8:8:8:8:8"])
def test_wrong_number_of_widths(text: str) -> None:
    with pytest.raises(ValueError, match=f"expected 5 widths, got {text.count(':') + 1}"):
        SIZE.from_string(text)


@EVERY_SPACE
@pytest.mark.parametrize("text", [None, 3, b"8:8:8", ("8",)])
def test_strings_must_be_str(space: SearchSpace, text: object) -> None:
    with pytest.raises(ValueError, match=f"expected a str, got {type(text).__name__}"):
        space.from_string(text)  # type: ignore[arg-type]


@EVERY_SPACE
def test_out_of_range(space: SearchSpace) -> None:
    for index in (-1, len(space)):
        with pytest.raises(ValueError, match=f"index {index} is out of range"):
            space.architecture(index)
    with pytest.raises(ValueError, match=f"has {len(space.cardinalities)}"):
        space.check(space.architecture(0)[1:])
    for choice in (-1, space.cardinalities[-1]):
        with pytest.raises(ValueError, match=f"decision {len(space.cardinalities) - 1} is {choice}"):
            space.check((*space.architecture(0)[:-1], choice))


def test_size_space_takes_widths_and_layers() -> None:
    assert len(SMALL) == 27
    assert SMALL.to_string((0, 1, 2)) == "4:8:12"
    assert SMALL.channels((0, 1, 2)) == (4, 8, 12)
    assert SMALL.choices(0) == ("4", "8", "12")
    assert SIZE.widths == NATS_WIDTHS
    assert SIZE.ordinal
    assert not TOPOLOGY.ordinal


@pytest.mark.parametrize("widths", [(), (8, 8), (16, 8), (0, 8), (-8, 8)])
def test_bad_widths(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        SizeSpace(widths=widths)


def test_bad_number_of_layers() -> None:
    with pytest.raises(ValueError, match=r"layers must be in \[1, 64\], got 0"):
        SizeSpace(layers=0)


def test_a_single_width_has_nothing_to_mutate_to() -> None:
    space = SizeSpace(widths=(8,), layers=2)
    assert space.mutate((0, 0), np.random.default_rng(0)) == (0, 0)
    assert list(space.neighbors((0, 0))) == []


@EVERY_SPACE
def test_spec_round_trips(space: SearchSpace) -> None:
    again = space_from_spec(space.spec())
    assert again == space
    assert hash(again) == hash(space)
    assert again.spec() == space.spec()


def test_spaces_with_different_choices_differ() -> None:
    assert len({TOPOLOGY, SIZE, SMALL, SizeSpace(widths=(4, 8, 16), layers=3), SizeSpace(widths=(4, 8, 12), layers=4)}) == 5


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"space": "darts"},
        {"space": "topology", "nodes": 5},
        {"space": "size", "widths": [8]},
        {"space": "size", "widths": [8], "layers": "5"},
        {"space": "size", "widths": [8], "layers": 5, "more": 1},
    ],
)
def test_unknown_spec(spec: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="unknown search space"):
        space_from_spec(spec)


def test_an_unknown_space_may_be_one_of_the_users() -> None:
    with pytest.raises(ValueError, match=r"unknown search space 'mine'; .*; one of your own needs its file \(--module\)$"):
        space_from_spec({"space": "mine"})


# -- networks and figures ------------------------------------------------------------------------------------------------------


def test_the_networks_of_a_space() -> None:
    assert TOPOLOGY.cell((3, 0, 2, 1, 4, 0)) == (3, 0, 2, 1, 4, 0)
    assert TOPOLOGY.block_widths((0,) * 6, channels=2, cells=1) == (2, 4, 4, 8, 8)
    assert TOPOLOGY.block_widths((0,) * 6) == TOPOLOGY.block_widths((1,) * 6, **TOPOLOGY.skeleton_defaults)
    assert TOPOLOGY.index(SMALL.cell((0, 1, 2))) == 9930
    assert SMALL.block_widths((0, 1, 2)) == (4, 8, 12)
    with pytest.raises(ValueError, match="decide channels and cells"):
        SMALL.block_widths((0, 1, 2), cells=1)
    with pytest.raises(ValueError, match="channels must be at least 1"):
        TOPOLOGY.block_widths((0,) * 6, channels=0)


def test_decisions_have_names() -> None:
    assert TOPOLOGY.decision_names == ("1 ← 0", "2 ← 0", "2 ← 1", "3 ← 0", "3 ← 1", "3 ← 2")
    assert SMALL.decision_names == ("layer 0", "layer 1", "layer 2")


def test_a_cell_is_drawn_as_a_graph() -> None:
    axes = Figure().subplots()
    TOPOLOGY.draw(axes, (3, 0, 2, 1, 4, 0))
    written = [text.get_text() for text in axes.texts if text.get_text()]
    assert written == ["3×3", "1×1", "skip", "pool", "in", "1", "2", "out"]
    arrows = [text.arrow_patch for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
    colors = [to_hex(arrow.get_edgecolor()) for arrow in arrows]
    assert colors == [TOPOLOGY.operation_colors[OPERATIONS[choice]] for choice in (3, 0, 2, 1, 4, 0)]
    assert TOPOLOGY.drawable
    assert not SIZE.drawable
