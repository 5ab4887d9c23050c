"""Building tables."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tyro

import benchmark_api.training.build as build_module
from benchmark_api.__main__ import Build, main
from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.tables.attach import attach
from benchmark_api.tables.evaluation import Query
from benchmark_api.tables.evaluator import Accounting, simulated_evaluator
from benchmark_api.tables.table import Table
from benchmark_api.training.build import StackJob, Trainer, build
from benchmark_api.training.costs import space_costs
from benchmark_api.training.datasets import load_dataset
from benchmark_api.training.networks import Skeleton, build_network
from benchmark_api.training.plan import Plan
from benchmark_api.training.setting import Setting
from benchmark_api.training.train import Recipe, initial_weights, train
from tests.helpers.images import write_cifar10

TOPOLOGY = TopologySpace()
TINY = SizeSpace((1, 2), 2)  # four architectures: reduction blocks only
PLAN = Plan(TINY, "digits", Recipe(2, 128), trials=2, stack=2)
TINY_COMMAND = (
    *("build", "--space", "size", "--widths", "1", "2", "--layers", "2"),
    *("--epochs", "2", "--batch", "128", "--trials", "2", "--stack", "2"),
)
"""The plan as a command."""


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
    evaluator = simulated_evaluator(tiny.search_view("digits"), Accounting())
    assert 5 < evaluator.evaluate(Query((1, 1))).accuracy < 100
    assert evaluator.clock > 0


def test_the_table_does_not_depend_on_interruptions(tiny: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, runs = StackJob.run, 0

    def interrupted(self: StackJob) -> Iterator[int]:
        nonlocal runs
        runs += 1
        if runs == 2:
            (self.results / "000009.123.part").write_text("half a stack")
            raise KeyboardInterrupt
        return run(self)

    monkeypatch.setattr(StackJob, "run", interrupted)
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

    monkeypatch.setattr(StackJob, "run", fail)
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


def test_attached_metrics_stay_when_trials_are_added(tiny: Table, tmp_path: Path) -> None:
    first = build(replace(PLAN, trials=1), tmp_path / "t", jobs=1, progress=False)
    attach(first, {"energy": np.arange(float(len(first)))}, "made up", units={"energy": "mJ"})
    table = build(PLAN, tmp_path / "t", jobs=1, progress=False)
    assert table.seeds("digits", "2").shape[1] == 2
    assert table.metric("energy", "digits").tolist() == [*range(len(table))]
    assert table.metrics("digits")["energy"].unit == "mJ"


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
    assert table.title == "digits topology, 1 epochs, 1 trial of a sample of 12"
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


# -- stacks as jobs -------------------------------------------------------------------------------------------------------------


def test_a_job_is_small() -> None:
    """It goes to a worker without the data and the tables that its trainer has made; all jobs share one trainer there."""
    trainer = Trainer(Plan(TOPOLOGY, "digits", Recipe(1, 256), channels=1, cells=1), None, "cpu")
    stacks = trainer.plan.stacks(trainer.skeleton)
    jobs = [StackJob(trainer, number, tuple(stacks[number]), 0, results=Path("t.build")) for number in range(2)]
    assert len(pickle.dumps(jobs[0])) < 2_000
    first, second = (pickle.loads(pickle.dumps(job)) for job in jobs)
    assert [first, second] == jobs
    assert first.trainer is second.trainer


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_stack_is_reported_and_the_others_finish(
    jobs: int, tiny: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StackJob, "run", StackJob.run)  # restored after the test
    (tmp_path / f"unlucky_{jobs}.py").write_text(UNLUCKY)
    monkeypatch.setenv("NAS_ZOO_PLUGINS", str(tmp_path / f"unlucky_{jobs}.py"))  # in new processes, too
    monkeypatch.setenv("UNLUCKY", "yes")
    out = tmp_path / "tiny"
    first = tmp_path / "tiny.build" / "000000.npz"
    assert main([*TINY_COMMAND, "--out", str(out), "--jobs", str(jobs)]) == 1
    error = capsys.readouterr().err
    assert f"{first} failed:\nTraceback" in error
    assert error.endswith("error: 2 of 4 candidates failed; the same command tries them again\n")
    names = {"000000.failed", "000001.npz", "000002.npz", "plan.json"}
    assert {path.name for path in first.parent.iterdir()} == names
    assert not out.exists()
    monkeypatch.delenv("UNLUCKY")
    assert main([*TINY_COMMAND, "--out", str(out), "--jobs", str(jobs)]) == 0
    assert_same(Table(out), tiny)
    assert not first.parent.exists()


UNLUCKY = """
import os
from benchmark_api.training.build import StackJob

run = StackJob.run


def unlucky(self):
    if self.number == 0 and "UNLUCKY" in os.environ:
        raise RuntimeError("no luck")
    return run(self)


StackJob.run = unlucky
"""


@pytest.mark.parametrize("name", ["digits-topology", "digits-size"])
def test_the_embedded_tables_have_the_settings_of_their_commands(name: str) -> None:
    """Later versions accept the tables of earlier ones, to which trials can be added."""
    source = Table(name).metadata["source"]
    words = shlex.split(source["command"])
    command = tyro.cli(Build, args=words[words.index("build") + 1 :])
    settings = json.dumps(command.plan().describe(), sort_keys=True)
    assert settings == source["settings"]
    assert hashlib.sha256(settings.encode()).hexdigest() == source["fingerprint"]


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
    assert "the same command continues" in capsys.readouterr().err


def test_a_table_of_unofficial_images_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cifar10(tmp_path)
    out, command = tmp_path / "table", (*TINY_COMMAND[:8], "--epochs", "1", "--trials", "1", "--jobs", "1")
    words = [*command, "--dataset", "cifar10-valid", "--data", str(tmp_path), "--out", str(out)]
    assert main(words) != 0
    assert "--unofficial-images accepts other images" in capsys.readouterr().err
    assert main([*words, "--unofficial-images", "--notice", "mine"]) == 0
    table = Table(out)
    assert table.notice == "mine; unofficial images"
    setting = Setting.from_json(table.metadata["source"]["settings"])
    assert setting == Setting("cifar10-valid", None, None, None).on_images_in(tmp_path)
    assert setting.unofficial_images is not None
    assert main([*words, "--trials", "2"]) != 0  # more trials, on official images
    told = capsys.readouterr().err
    assert f'unofficial_images: "{setting.unofficial_images}", asked null' in told
    assert main([*words, "--trials", "2", "--unofficial-images"]) == 0
    assert Table(out).notice == "mine; unofficial images"
    assert Table(out).seeds("cifar10-valid", "1").tolist() == [[777, 888]] * 4
