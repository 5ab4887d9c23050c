"""Training candidates in stacks, and building tables of them."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import benchmark_api.training.build as build_module
from benchmark_api.__main__ import main
from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.tables.evaluator import SimulatedEvaluator
from benchmark_api.tables.table import Table
from benchmark_api.training.build import StackPiece, build, measure_speed
from benchmark_api.training.costs import space_costs
from benchmark_api.training.datasets import Dataset, Distortion, Split, load_dataset
from benchmark_api.training.networks import CellNetwork, Skeleton, build_network
from benchmark_api.training.plan import Plan
from benchmark_api.training.pooling import mean_2x2, mean_3x3
from benchmark_api.training.stacks import Stack, _conv3x3
from benchmark_api.training.train import Recipe, initial_weights, train

TOPOLOGY = TopologySpace()
SIZE = SizeSpace((2, 3, 5), 5)
TINY = SizeSpace((1, 2), 2)  # four architectures: reduction blocks only
PLAN = Plan(TINY, "digits", Recipe(2, 128), trials=2, stack=2)
TINY_COMMAND = (
    *("build", "--space", "size", "--widths", "1", "2", "--layers", "2"),
    *("--epochs", "2", "--batch", "128", "--trials", "2", "--stack", "2"),
)
"""The plan as a command."""


def small_digits(images: int) -> Dataset:
    digits = load_dataset("digits")
    return replace(digits, splits={name: Split(x.images[:images], x.labels[:images]) for name, x in digits.splits.items()})


# -- the stacked form computes what the plain one does -------------------------------------------------------------------------


@pytest.mark.parametrize(("stride", "size"), [(1, (5, 4)), (2, (6, 4)), (2, (5, 7)), (1, (1, 2)), (2, (1, 1))])
def test_convolution(stride: int, size: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, *size, 3, dtype=torch.float64, generator=draw, requires_grad=True)  # [candidate, channel, y, x, image]
    weight = torch.randn(2, 3, 2, 3, 3, dtype=torch.float64, generator=draw, requires_grad=True)
    out = _conv3x3(x, weight, stride)
    for k in range(2):
        expected = torch.nn.functional.conv2d(x[k].permute(3, 0, 1, 2), weight[k], stride=stride, padding=1)
        torch.testing.assert_close(out[k].permute(3, 0, 1, 2), expected)
    assert torch.autograd.gradcheck(lambda a, b: _conv3x3(a, b, stride), (x, weight), fast_mode=True)


@pytest.mark.parametrize("size", [(8, 8), (5, 4), (1, 3)])
def test_pooling(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, 4, generator=torch.Generator().manual_seed(0))
    images = x.permute(4, 0, 1, 2, 3).flatten(1, 2)
    three = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(mean_3x3(x).permute(4, 0, 1, 2, 3).flatten(1, 2), three)
    two = torch.nn.functional.avg_pool2d(images, 2, 2, ceil_mode=True)
    torch.testing.assert_close(mean_2x2(x).permute(4, 0, 1, 2, 3).flatten(1, 2), two)
    double = torch.randn(1, 2, *size, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for pool in (mean_2x2, mean_3x3):
        assert torch.autograd.gradcheck(pool, (double,), fast_mode=True)


def _random(space: SearchSpace, count: int) -> list[Architecture]:
    rng = np.random.default_rng(1)
    return [space.sample(rng) for _ in range(count)]


STACKS: dict[str, tuple[SearchSpace, Skeleton, list[Architecture]]] = {
    "random topologies": (TOPOLOGY, Skeleton(10, 1, channels=3, cells=1), _random(TOPOLOGY, 9)),
    "odd topologies": (
        TOPOLOGY,
        Skeleton(10, 1, channels=2, cells=2),
        [(0,) * 6, (1,) * 6, (4,) * 6, (3,) * 6, (0, 3, 3, 0, 3, 0), (0, 0, 0, 0, 3, 1), (1, 1, 1, 0, 0, 2)],
    ),
    "equal topologies": (TOPOLOGY, Skeleton(10, 1, channels=2, cells=1), [(3, 1, 2, 4, 0, 3)] * 3),
    "no cells": (TOPOLOGY, Skeleton(10, 1, channels=2, cells=0), [(3,) * 6] * 2),
    "sizes": (SIZE, Skeleton(10, 1), [*_random(SIZE, 6), (1,) * 5, (0, 0, 0, 2, 2), (2, 2, 2, 0, 0), (0, 2, 2, 1, 1)]),
    "one size": (SIZE, Skeleton(10, 1), [(2, 0, 1, 1, 2)]),
}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_trains_as_the_plain_loop_does(name: str) -> None:
    """Same initial weights and batches, the whole trajectory. In double precision: training amplifies rounding errors."""
    space, skeleton, architectures = STACKS[name]
    dataset, recipe = small_digits(40), Recipe(2, 24)

    def networks() -> list[CellNetwork]:
        return [build_network(space, a, skeleton, torch.Generator().manual_seed(i)).double() for i, a in enumerate(architectures)]

    stacked = train(Stack(networks()), dataset, recipe, seed=3)
    for row, network in enumerate(networks()):
        plain = train(network, dataset, recipe, seed=3)
        for split in ("train", "x-valid", "x-test"):
            assert plain.loss[split].shape == (1, 2)
            np.testing.assert_allclose(stacked.loss[split][row], plain.loss[split][0], rtol=1e-6)
            np.testing.assert_allclose(stacked.accuracy[split][row], plain.accuracy[split][0], atol=1e-9)


def test_single_precision_is_as_near_as_it_can_be() -> None:
    space, skeleton, architectures = STACKS["random topologies"]
    connected = [a for a in architectures if space.is_connected(a)]
    dataset, recipe = small_digits(64), Recipe(1, 32)
    made = [build_network(space, a, skeleton, torch.Generator().manual_seed(0)) for a in connected]
    stacked = train(Stack(made), dataset, recipe, seed=3)
    plain = [train(network, dataset, recipe, seed=3).loss["train"][0] for network in made]
    np.testing.assert_allclose(stacked.loss["train"], plain, rtol=2e-3)  # sums in another order, and two steps that amplify it


def test_absent_channels_stay_zero() -> None:
    networks = [
        build_network(SIZE, a, Skeleton(10, 1), torch.Generator().manual_seed(0)) for a in [(0, 0, 0, 0, 0), (2, 2, 2, 2, 2)]
    ]
    stack = Stack(networks)
    train(stack, small_digits(64), Recipe(2, 32), seed=0)
    assert stack.stem.weight.shape == (2, 5, 1, 3, 3)
    assert torch.count_nonzero(stack.stem.weight[0, 2:]) == 0
    assert torch.count_nonzero(stack.weight[0, :, 2:]) == 0
    assert torch.count_nonzero(stack.weight[1]) == stack.weight[1].numel()


def test_a_candidate_that_diverges_disturbs_no_other() -> None:
    networks = [build_network(SIZE, (1,) * 5, Skeleton(10, 1), torch.Generator().manual_seed(i)) for i in range(2)]
    alone = train(Stack(networks[1:]), small_digits(64), Recipe(1, 32), seed=0)
    with torch.no_grad():
        networks[0].classifier.weight.fill_(float("nan"))
    curves = train(Stack(networks), small_digits(64), Recipe(1, 32), seed=0)
    assert np.isnan(curves.loss["train"][0]).all()
    np.testing.assert_allclose(curves.loss["train"][1], alone.loss["train"][0], rtol=2e-3)


def test_networks_that_do_not_fit_make_no_stack() -> None:
    def network(cells: int, classes: int, channels: int) -> CellNetwork:
        return build_network(TOPOLOGY, (3,) * 6, Skeleton(classes, channels, 2, cells), torch.Generator())

    for other in (network(2, 10, 1), network(1, 9, 1), network(1, 10, 3)):
        with pytest.raises(ValueError, match="same kinds of blocks"):
            Stack([network(1, 10, 1), other])
    with pytest.raises(ValueError, match="at least one"):
        Stack([])


# -- training --------------------------------------------------------------------------------------------------------------


def test_training_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    original = torch.optim.SGD.step

    def step(self: torch.optim.SGD) -> None:
        group = self.param_groups[0]
        rates.append(group["lr"])
        assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, True, 5e-4)
        original(self)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    network = build_network(TINY, (0, 0), Skeleton(10, 1), torch.Generator())
    curves = train(network, small_digits(40), Recipe(4, 16), seed=0)
    expected = [0.05 * (1 + np.cos(np.pi * epoch / 4)) for epoch in range(4) for _ in range(3)]
    np.testing.assert_allclose(rates, expected)
    assert set(curves.seconds) == {"train", "x-valid", "x-test"}
    assert all(value > 0 for value in curves.seconds.values())


def test_training_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    network = build_network(TINY, (0, 0), Skeleton(10, 1), initial_weights(1, 2))
    train(network, small_digits(40), Recipe(1, 16), seed=0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 0}, {"learning_rate": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}]
)
def test_a_recipe_must_make_sense(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} must be"):
        Recipe(**{"epochs": 1, **wrong})  # type: ignore[arg-type]


# -- tables ----------------------------------------------------------------------------------------------------------------


def figures(table: Table) -> dict[str, np.ndarray]:
    """All tensors but the measured seconds."""
    return {name: array for name, array in table._tensors.items() if not name.endswith("/seconds")}


def assert_same(table: Table, other: Table) -> None:
    assert figures(table).keys() == figures(other).keys()
    for name, array in figures(table).items():
        np.testing.assert_array_equal(array, figures(other)[name], err_msg=name)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return build(PLAN, tmp_path_factory.mktemp("build") / "tiny", jobs=1, progress=False)


def test_a_table_has_what_the_plain_loop_measures(tiny: Table) -> None:
    assert tiny.keys == tiny.datasets == ("digits",)
    assert tiny.splits("digits", "2") == ("train", "x-valid", "x-test")
    assert tiny.seeds("digits", "2").tolist() == [[777, 888]] * 4
    costs = space_costs(TINY, Skeleton(10, 1), 8)
    np.testing.assert_allclose(tiny.params("digits") * 1e6, costs.params)
    np.testing.assert_allclose(tiny.flops("digits") * 1e6, costs.flops)
    for split in ("train", "x-valid", "x-test"):
        assert (tiny.seconds("digits", "2", split) > 0).all()
    dataset = load_dataset("digits")
    for index, seed in ((1, 777), (2, 888)):
        network = build_network(TINY, TINY.architecture(index), Skeleton(10, 1), initial_weights(seed, index))
        curves = train(network, dataset, PLAN.recipe, seed)
        for epoch in range(2):
            for split in ("train", "x-valid", "x-test"):
                loss = tiny.loss(index, "digits", "2", split, epoch=epoch, seed=seed)
                assert loss == pytest.approx(curves.loss[split][0, epoch], rel=1e-3)
                accuracy = tiny.accuracy(index, "digits", "2", split, epoch=epoch, seed=seed)
                assert accuracy == pytest.approx(curves.accuracy[split][0, epoch], abs=0.5)


def test_a_table_says_where_it_is_from(tiny: Table) -> None:
    tiny.verify()
    assert tiny.title == "digits size, 2 epochs, 2 trials"
    assert tiny.notice == "trained by this project on digits; not NATS-Bench"
    source = tiny.metadata["source"]
    assert source["trained"] == 4
    assert json.loads(source["settings"])["protocol"]["epochs"] == 2
    assert source["total_seconds"] > 0


def test_a_search_runs_on_it(tiny: Table) -> None:
    evaluator = SimulatedEvaluator(tiny.search_view("digits"), budget=1e9)
    assert 5 < evaluator.evaluate((1, 1)) < 100
    assert evaluator.clock > 0


def test_the_table_does_not_depend_on_interruptions(tiny: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, runs = StackPiece.run, 0

    def interrupted(self: StackPiece) -> Iterator[int]:
        nonlocal runs
        runs += 1
        if runs == 2:
            (self.results / "000009.123.part").write_text("half a stack")
            raise KeyboardInterrupt
        return run(self)

    monkeypatch.setattr(StackPiece, "run", interrupted)
    out = tmp_path / "tiny"
    with pytest.raises(KeyboardInterrupt):
        build(PLAN, out, jobs=1, progress=False)
    assert not out.exists()
    assert len(list(tmp_path.glob("tiny.build/*.npz"))) == 1
    table = build(PLAN, out, jobs=1, progress=False)
    assert runs == 2 + len(PLAN.stacks(Skeleton(10, 1))) - 1
    assert_same(table, tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.slow
def test_a_killed_build_goes_on_with_any_number_of_processes(tiny: Table, tmp_path: Path) -> None:
    out = tmp_path / "tiny"
    command = [sys.executable, "-m", "benchmark_api", *TINY_COMMAND, "--out", str(out)]
    process = subprocess.Popen([*command, "--jobs", "1"])
    folder = tmp_path / "tiny.build"
    deadline = time.monotonic() + 60
    while not list(folder.glob("*.npz")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert list(folder.glob("*.npz"))
    subprocess.run([*command, "--jobs", "2"], check=True)
    assert_same(Table(out), tiny)


def test_finished_stacks_of_another_plan_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(StackPiece, "run", fail)
    with pytest.raises(KeyboardInterrupt):
        build(PLAN, tmp_path / "t", jobs=1, progress=False)
    with pytest.raises(ValueError, match=r"finished stacks of another build, see plan\.json"):
        build(replace(PLAN, trials=1), tmp_path / "t", jobs=1, progress=False)


def test_more_trials_are_added_to_a_table(tiny: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that it lacks are trained, and it is what a build of all of them makes."""
    out = tmp_path / "t"
    first = build(replace(PLAN, trials=1), out, jobs=1, progress=False, notice="mine")
    seconds, spent = first.seconds("digits", "2", "train").copy(), first.metadata["source"]["total_seconds"]
    seeds = []
    monkeypatch.setattr(build_module, "train", lambda *arguments: seeds.append(arguments[3]) or train(*arguments))
    table = build(PLAN, out, jobs=1, progress=False)
    assert set(seeds) == {888}
    assert_same(table, tiny)
    np.testing.assert_array_equal(table.seconds("digits", "2", "train")[:, :1], seconds)
    assert (table.seconds("digits", "2", "train")[:, 1] > 0).all()
    assert table.notice == "mine"
    assert table.title.endswith("2 trials")
    assert table.metadata["source"]["total_seconds"] > spent
    assert table.metadata["source"]["machine"].count("torch") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_a_finished_table_is_not_built_again(tiny: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the build was killed when it had written the table, and its stacks are still there."""
    monkeypatch.setattr(build_module, "train", None)
    left = tiny.path.with_name("tiny.build")
    left.mkdir()
    (left / "plan.json").write_text("whatever")
    assert build(PLAN, tiny.path, jobs=1, progress=False).fingerprint == tiny.fingerprint
    assert not left.exists()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (replace(PLAN, trials=1), "trials: 2, asked 1"),
        (replace(PLAN, half=True), "half: false, asked true"),
        (replace(PLAN, trials=3, recipe=Recipe(3, 128)), r'protocol: .*"epochs": 2.*, asked .*"epochs": 3.*'),
        (replace(PLAN, trials=3, space=SizeSpace((1, 3), 2)), r"widths: \[1, 2\], asked \[1, 3\]"),
    ],
)
def test_a_table_of_another_plan_is_not_overwritten(tiny: Table, plan: Plan, message: str) -> None:
    with pytest.raises(ValueError, match=rf"only more trials can be added to it \({message}\); remove it, or name another"):
        build(plan, tiny.path, jobs=1, progress=False)
    tiny.verify()
    assert [path.name for path in tiny.path.parent.iterdir()] == ["tiny"]


def test_isomorphic_topologies_are_trained_once(tmp_path: Path) -> None:
    plan = Plan(TOPOLOGY, "digits", Recipe(1, 256), trials=1, channels=1, cells=1, sample=12, half=True)
    table = build(plan, tmp_path / "t", jobs=1, progress=False)
    seeds = table.seeds("digits", "1")[:, 0]
    trained = {index for index in range(len(TOPOLOGY)) if seeds[index] == 777}
    canonical = {TOPOLOGY.index(TOPOLOGY.canonical(TOPOLOGY.architecture(index))) for index in trained}
    assert len(canonical) == table.metadata["source"]["trained"] == 12
    assert len(trained) > 12
    assert "once" in table.metadata["source"]["isomorphic"]
    accuracy = table.tensor("digits/1/x-test/accuracy")
    assert accuracy.dtype == np.float16
    for index in trained:
        of = TOPOLOGY.index(TOPOLOGY.canonical(TOPOLOGY.architecture(index)))
        assert accuracy[index] == accuracy[of]
    assert np.isnan(accuracy[seeds < 0]).all()


def test_all_candidates_are_in_one_stack_each() -> None:
    stacks = Plan(TOPOLOGY, "digits", Recipe(1), channels=4, cells=1).stacks(Skeleton(10, 1, 4, 1))
    indices = [index for stack in stacks for index in stack]
    assert len(indices) == len(set(indices)) == 6466
    assert max(map(len, stacks)) == 32
    space = SizeSpace(range(2, 17, 2))
    stacks = Plan(space, "digits", Recipe(1)).stacks(Skeleton(10, 1))
    assert sorted(index for stack in stacks for index in stack) == list(range(len(space)))
    for stack in stacks:
        assert len(stack) % 8 == 0
        widths = {space.channels(space.architecture(index))[0] for index in stack}
        assert len(widths) == 1
        assert len(stack) * widths.pop() <= 128


@pytest.mark.parametrize(
    ("wrong", "message"), [({"trials": 0}, "at least 1"), ({"sample": 0}, "at least 1"), ({"stack": 0}, "at least 1")]
)
def test_a_plan_must_make_sense(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PLAN, **wrong)  # type: ignore[arg-type]


def test_what_cannot_be_built(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder"):
        build(PLAN, tmp_path)
    with pytest.raises(ValueError, match="jobs must be"):
        build(PLAN, tmp_path / "t", jobs=0)
    with pytest.raises(ValueError, match="leave both"):
        build(replace(PLAN, channels=4), tmp_path / "t", jobs=1)
    with pytest.raises(ValueError, match="local files"):
        build(replace(PLAN, dataset="cifar10"), tmp_path / "t", jobs=1)
    assert not list(tmp_path.iterdir())


def test_speed_is_measured() -> None:
    speed = measure_speed(Plan(TINY, "digits", Recipe(1, 256), trials=1, distortion=Distortion(copies=1)), 1, 1)
    assert speed.stacked > speed.plain > 0


# -- stacks as pieces of work --------------------------------------------------------------------------------------------------


def test_a_piece_is_small(tiny: Table) -> None:
    """It goes to a worker without what its plan has worked out."""
    plan = Plan(TOPOLOGY, "digits", Recipe(1, 256), channels=1, cells=1)
    stacks = plan.stacks(Skeleton(10, 1, 1, 1))
    piece = StackPiece(plan, None, "cpu", 0, tuple(stacks[0]), 0, results=Path("t.build"))
    assert len(pickle.dumps(piece)) < 2_000
    assert pickle.loads(pickle.dumps(piece)) == piece


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_stack_is_reported_and_the_others_finish(
    jobs: int, tiny: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tiny"
    first = tmp_path / "tiny.build" / "000000.npz"
    first.mkdir(parents=True)  # where the file of the first stack belongs
    assert main([*TINY_COMMAND, "--out", str(out), "--jobs", str(jobs)]) == 1
    error = capsys.readouterr().err
    assert f"{first} failed:\nTraceback" in error
    assert error.endswith("error: 2 of 4 candidates failed; the same command tries them again\n")
    names = {"000000.failed", "000000.npz", "000001.npz", "000002.npz", "plan.json"}
    assert {path.name for path in first.parent.iterdir()} == names
    assert not out.exists()
    first.rmdir()
    assert main([*TINY_COMMAND, "--out", str(out), "--jobs", str(jobs)]) == 0
    assert_same(Table(out), tiny)
    assert not first.parent.exists()


# -- the command -------------------------------------------------------------------------------------------------------------


def test_build_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "digits.st"
    command = [
        "build",
        "--out",
        str(out),
        "--space",
        "size",
        "--widths",
        "1",
        "2",
        "--layers",
        "2",
        "--epochs",
        "1",
        "--trials",
        "1",
    ]
    assert main([*command, "--copies", "1", "--jobs", "1", "--half", "--notice", "a trial"]) == 0
    printed = capsys.readouterr().out
    table = Table(out)
    assert f"digits size, 1 epochs, 1 trial, 0.0 MB, fingerprint {table.fingerprint[:12]}" in printed
    assert json.loads(table.metadata["source"]["settings"])["distortion"]["copies"] == 1
    assert table.notice == "a trial"
    assert main(["info", str(out)]) == 0


def test_build_command_after_ctrl_c(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build_module, "build", interrupted)
    with pytest.raises(SystemExit) as stop:
        main(["build", "--out", str(tmp_path / "t"), "--space", "topology", "--epochs", "1"])
    assert stop.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err
