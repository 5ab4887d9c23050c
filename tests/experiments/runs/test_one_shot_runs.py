"""One-shot runs: what is stored, how they resume after anything, what the report says of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.alpha import AlphaConfig, AlphaSearch
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.task import Execution
from benchmark_api.spaces import TopologySpace
from benchmark_api.tables.table import Table
from benchmark_api.training.datasets import Distortion
from benchmark_api.training.devices import trial_seeds
from benchmark_api.training.plan import Plan
from benchmark_api.training.setting import Setting
from benchmark_api.training.train import Recipe
from experiments import store
from experiments.__main__ import main
from experiments.report import published
from experiments.runs import one_shot
from experiments.runs.one_shot import load_task
from experiments.store import ONE_SHOT_RUNS, StoreError
from tests.helpers.one_shot_runs import DETERMINED, assert_same, only
from tests.helpers.stored import stored_seeds
from tests.helpers.synthetic import condition, store_ranking, store_runs

ROOT = Path(__file__).resolve().parents[3]
TINY = ("--batch", "450", "--candidates", "3")  # two steps an epoch

Command = Callable[..., tuple[int, str, str]]


def run_rsps(table: Table, results: Path, *more: object, epochs: int = 3, jobs: int = 1) -> list[str]:
    common = ("--table", table.path, "--results", results, "--epochs", epochs, "--jobs", jobs)
    return [str(argument) for argument in ("run", "rsps", *common, *TINY, *more)]


def run_random(table: Table, results: Path) -> None:
    common = ("--table", table.path, "--results", results, "--seeds", 6, "--jobs", 1)
    assert main(["run", "random", *map(str, common)]) == 0


@pytest.fixture(scope="module")
def finished(digits_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of RSPS, four epochs each, made at once in this process."""
    results = tmp_path_factory.mktemp("finished")
    assert main(run_rsps(digits_table, results, "--seeds", 2, "--stack", 1, epochs=4)) == 0
    return results


# -- runs ----------------------------------------------------------------------------------------------------------------------


def test_a_run_is_what_the_search_does(finished: Path, digits_table: Table) -> None:
    experiment = only(finished)
    assert experiment.seeds.tolist() == [777, 888]
    config = ONE_SHOT["rsps"].Config(**json.loads(experiment.hyperparameters))
    assert (config.epochs, config.batch) == (4, 450)
    task = load_task(Setting.of(digits_table, "digits"), digits_table.space, None)
    search = ONE_SHOT["rsps"](task, config, seed=888)
    with one_shot.one_thread():
        metrics = [search.train_epoch() for _ in range(4)]
    second = slice(*experiment.offsets[1:])
    assert experiment.architecture[second].tolist() == [digits_table.space.index(epoch.architecture) for epoch in metrics]
    for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "entropy"):
        assert experiment.columns[name][second].tolist() == [getattr(epoch, name) for epoch in metrics]
    assert np.array_equal(experiment.columns["arch_weights"][second], [epoch.arch_weights.ravel() for epoch in metrics])
    assert (experiment.columns["train_seconds"] > 0).all()
    assert (experiment.columns["peak_memory"] > 1e7).all()
    assert experiment.wall_seconds == pytest.approx(experiment.clock[experiment.offsets[1:] - 1])


def test_another_selection_is_another_condition(digits_table: Table, tmp_path: Path) -> None:
    method, execution = ONE_SHOT["rsps"], Execution()
    config = replace(method.default_config("digits"), epochs=2, batch=900)

    def condition(select: str | None) -> store.OneShotCondition:
        return one_shot.condition_of(method, config, digits_table, "digits", execution, select)

    usual, other = condition(None), condition("argmax")
    assert condition("best-of-n") == usual
    assert "select" not in json.loads(usual.hyperparameters)
    assert json.loads(other.hyperparameters) == {**json.loads(usual.hyperparameters), "select": "argmax"}
    with pytest.raises(ValueError, match="unknown selection 'none'; expected one of argmax, best-of-n"):
        condition("none")
    (piece,) = one_shot.OneShotJob.plan(other, digits_table, tmp_path, [777])
    assert list(piece.run()) == [1, 1]
    assert only(tmp_path).architecture.tolist() == 2 * [digits_table.space.index((0,) * 6)]  # the scores are all equal
    assert only(tmp_path).config() == config


def test_what_is_stored_is_not_run_again(experiments: Command, digits_table: Table, tmp_path: Path) -> None:
    def run(*more: object) -> str:
        return experiments(*run_rsps(digits_table, tmp_path, *more, epochs=1))[1]

    assert run("--seeds", 1).startswith("1 new runs ")
    assert run("--seeds", 2).startswith("1 new runs ")
    assert run("--seed-list", 888, 5).startswith("1 new runs ")
    assert only(tmp_path).seeds.tolist() == [5, 777, 888]
    assert run("--seeds", 1, "--precision", "bfloat16").startswith("1 new runs ")
    assert len(store.load(tmp_path, ONE_SHOT_RUNS)) == 2
    said = status_of(experiments, tmp_path)
    assert "rsps (batch=450, candidates=3, epochs=1): 3 runs, seeds 5, 777, 888\n" in said
    assert "under way" not in said


def status_of(experiments: Command, results: Path) -> str:
    return experiments("status", "--results", results)[1]


def test_every_fact_is_in_the_file(finished: Path, digits_table: Table) -> None:
    path = sorted(finished.rglob("*.parquet"))[0]
    assert path.relative_to(finished).parts[:2] == ("topology", "digits")
    assert path.name == "seeds-00777-00777.parquet"
    (row,) = pq.read_table(path).to_pylist()
    assert row["table_fingerprint"] == digits_table.fingerprint
    assert json.loads(row["setting"]) == {"dataset": "digits", "channels": 2, "cells": 1, "distortion": None}
    assert json.loads(row["execution"])["device"] == "cpu"
    assert [len(weights) for weights in row["arch_weights"]] == [30] * 4
    manifest = json.loads(pq.read_schema(path).metadata[b"manifest"])
    assert {"torch", "device", "python", "cpu"} <= manifest.keys()
    assert manifest["kind"] == "one-shot"


def start(table: Table, results: Path, *more: object, jobs: int = 1) -> subprocess.Popen[bytes]:
    """Four epochs on the command line, in a process group of their own; returns when the first one has its checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *run_rsps(table, results, *more, epochs=4, jobs=jobs)],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job inherits "ignore"
    )
    deadline = time.monotonic() + 120
    while not list(results.rglob(f"*{store.SUPERNET_SUFFIX}")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process


@pytest.mark.slow
def test_interrupt_is_clean_and_processes_give_the_same(finished: Path, digits_table: Table, tmp_path: Path) -> None:
    process = start(digits_table, tmp_path, "--seeds", 3, "--stack", 1, jobs=2)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: the whole group gets it
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode() == "interrupted: finished jobs are stored; the same command continues\n"
    assert list(tmp_path.rglob("*.part")) == []
    assert main(run_rsps(digits_table, tmp_path, "--seeds", 2, "--stack", 1, epochs=4, jobs=2)) == 0
    assert_same(only(tmp_path), only(finished))


def test_a_checkpoint_is_continued_not_repeated(
    finished: Path, digits_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiments: Command
) -> None:
    search = ONE_SHOT["rsps"]
    train_epoch, trained = search.train_epoch, []

    def fails_after_two(self: object) -> object:
        if len(trained) == 2:
            raise RuntimeError("out of luck")
        trained.append(0)
        return train_epoch(self)

    monkeypatch.setattr(search, "train_epoch", fails_after_two)
    command = run_rsps(digits_table, tmp_path, "--seeds", 1, "--stack", 1, epochs=4)
    status, _, error = experiments(*command)
    assert status == 1
    assert "RuntimeError: out of luck" in error
    (checkpoint,) = tmp_path.rglob(f"*{store.SUPERNET_SUFFIX}")
    said = status_of(experiments, tmp_path)
    assert f"under way: {checkpoint}\n" in said
    assert "out of luck" in said
    trained.clear()
    monkeypatch.setattr(one_shot, "code_version", lambda *parts: "0+changed")
    monkeypatch.setattr(search, "train_epoch", lambda self: trained.append(self.epoch) or train_epoch(self))
    assert experiments(*command)[0] == 0
    assert trained == [2, 3]
    with pytest.warns(store.MixedCodeWarning, match=r"0\+changed, "):
        continued = only(tmp_path)
    assert continued.code_versions == ("0+changed", *only(finished).code_versions)
    for name in DETERMINED:
        assert np.array_equal(continued.columns[name], only(finished).columns[name][:4])


def test_a_damaged_checkpoint_is_named(digits_table: Table, tmp_path: Path, experiments: Command) -> None:
    command = run_rsps(digits_table, tmp_path, "--seeds", 1, epochs=1)
    assert experiments(*command)[0] == 0
    next(tmp_path.rglob("*.parquet")).unlink()
    (checkpoint,) = tmp_path.rglob(f"*{store.SUPERNET_SUFFIX}")
    data = bytearray(checkpoint.read_bytes())
    data[-5] ^= 255
    checkpoint.write_bytes(data)
    status, _, error = experiments(*command)
    assert status == 1
    assert f"{checkpoint} is damaged" in error


# -- what is trained on ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_is_told_in_a_line(
    error: RuntimeError, digits_table: Table, tmp_path: Path, experiments: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_epoch(search: OneShotSearch) -> None:
        raise error

    monkeypatch.setattr(OneShotSearch, "train_epoch", train_epoch)
    command = ("run", "rsps", "--table", digits_table.path, "--results", tmp_path, "--seeds", 1, "--jobs", 1)
    status, _, told = experiments(*command)
    assert status == 1
    assert f"out of memory ({error}): take smaller batches (--batch, " in told
    assert "then run the same command again" in told
    assert "Traceback" not in told
    error.args = ("something else",)
    assert "Traceback" in experiments(*command)[2] or isinstance(error, torch.OutOfMemoryError)


def test_the_setting_is_the_tables(digits_table: Table, topology_table: Table, size_table: Table) -> None:
    assert Setting.of(digits_table, "digits") == Setting("digits", None, 2, 1)
    assert Setting.of(topology_table, "cifar10") == Setting("cifar10-valid", None, 16, 5)
    assert Setting.of(topology_table, "cifar100") == Setting("cifar100", None, 16, 5)
    assert Setting.of(size_table, "cifar10") == Setting("cifar10-valid", None, None, None)
    with pytest.raises(ValueError, match="no dataset 'svhn' to search on; it has cifar10, cifar100"):
        Setting.of(topology_table, "svhn")
    distorted = Setting("digits", Distortion(copies=2, noise=0.3), 2, 1)
    assert Setting.from_json(json.dumps(distorted.describe())) == distorted
    plan = Plan(TopologySpace(), recipe=Recipe(1), **vars(distorted))
    assert Setting.from_json(json.dumps(plan.describe())) == distorted  # also among the settings of a table


def test_a_search_gets_no_test_images(digits_table: Table) -> None:
    task = load_task(Setting("digits", Distortion(copies=2), 2, 1), digits_table.space, None)
    assert {name: len(split) for name, split in task.dataset.splits.items()} == {"train": 1798, "x-valid": 898}
    assert (task.skeleton.channels, task.skeleton.cells) == (2, 1)


def test_defaults_are_smaller_on_digits_alone() -> None:
    for search in ONE_SHOT.values():
        assert search.default_config("cifar10") == search.Config()
        smaller = search.default_config("digits")
        assert smaller != search.Config()
        assert smaller.epochs <= 24 or search.name == "mdenas-one-shot"  # which trains a single path in each epoch
    assert trial_seeds(4) == (777, 888, 999, 1110)


def test_a_method_without_a_preset_has_that_of_its_base_class() -> None:
    class Mine(AlphaSearch):
        name, title, paper, Config = "mine", "Mine", "none", AlphaConfig

    assert asdict(Mine.default_config("digits")).items() >= ONE_SHOT["darts-v1"].digits.items()
    assert Mine.default_config("cifar10") == AlphaConfig()


# -- the command line ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ONE_SHOT))
def test_every_search_has_a_subcommand_with_its_hyperparameters(name: str, experiments: Command) -> None:
    status, out, _ = experiments("run", name, "--help")
    assert status == 0
    for field in (*ONE_SHOT[name].Config.__dataclass_fields__, *Execution.__dataclass_fields__):
        assert "--" + field.replace("_", "-") in out
    said = " ".join(out.replace("│", " ").split())
    epochs = ONE_SHOT[name].digits["epochs"]
    assert (f"(default: 100; on digits: {epochs}" if epochs != 100 else "(default: 100") in said


def test_list_names_every_search(experiments: Command) -> None:
    _, out, _ = experiments("list")
    for name, search in ONE_SHOT.items():
        assert f"{name}\n  {search.title}, one-shot, {search.space} space\n  {search.paper}\n  epochs=100, " in out


def test_published_rows_have_registered_names() -> None:
    assert published.TOPOLOGY.keys() <= BLACK_BOX.keys() | ONE_SHOT.keys()
    assert published.find("topology", "cifar10", "gdas", searched="", reported="200") == ((89.68, 0.72, 93.23, 0.58), 3)


def test_black_box_commands_do_without_torch(topology_table: Table, tmp_path: Path) -> None:
    """It would double their time."""
    arguments = ["run", "random", "--table", str(topology_table.path), "--results", str(tmp_path), "--seeds", "1"]
    program = (
        "import sys; from experiments.__main__ import main; "
        f"sys.exit(main({arguments!r}) or main(['table', '--results', {str(tmp_path)!r}]) or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def tables(digits_table: Table, topology_table: Table, size_table: Table) -> dict[str, Path]:
    return {"DIGITS": digits_table.path, "TOPOLOGY": topology_table.path, "SIZE": size_table.path}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "nowhere"], "nowhere"),
        (["--table", "SIZE"], "rsps searches the topology space"),
        (["--table", "DIGITS", "--dataset", "cifar10"], "no dataset 'cifar10'"),
        (["--table", "TOPOLOGY"], "name the folder that has them (--data)"),
        (["--table", "TOPOLOGY", "--data", "nowhere"], "nowhere"),
        (["--table", "DIGITS", "--device", "abacus"], "device 'abacus' cannot be used"),
        (["--table", "DIGITS", "--epochs", "0"], "epochs must be at least 1, got 0"),
        (["--table", "DIGITS", "--momentum", "2"], "momentum"),
        (["--table", "DIGITS", "--seeds", "0"], "seeds must be at least 1"),
        (["--table", "DIGITS", "--seed-list", "-1"], "seed-list"),
        (["--table", "DIGITS", "--jobs", "-1"], "jobs must be at least 1"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str],
    message: str,
    experiments: Command,
    tables: dict[str, Path],
    tmp_path: Path,
) -> None:
    status, out, error = experiments("run", "rsps", "--results", tmp_path, *[tables.get(word, word) for word in arguments])
    assert (status, out) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == []


# -- the store -----------------------------------------------------------------------------------------------------------------


def test_round_trip(topology_table: Table, tmp_path: Path) -> None:
    of = condition(topology_table, "cifar10", "gdas", epochs=3)
    runs = store_runs(tmp_path, topology_table, of, [[5, 6, 7], [8, 9, 10]])
    experiment = only(tmp_path)
    assert experiment.offsets.tolist() == [0, 3, 6]
    for name in ONE_SHOT_RUNS.columns:
        joined = np.concatenate([getattr(run, name) for run in runs])
        assert np.array_equal(experiment.columns[name], joined)
        assert experiment.columns[name].dtype == joined.dtype
    assert experiment.wall_seconds.tolist() == [100.0, 101.0]
    for name in ONE_SHOT_RUNS.fields:
        assert getattr(experiment, name) == getattr(of, name)


def test_kinds_lie_in_one_folder_and_do_not_mix(topology_table: Table, tmp_path: Path) -> None:
    of = condition(topology_table, "cifar10", "gdas")
    store_runs(tmp_path, topology_table, of, [[1, 2]])
    store_ranking(tmp_path, topology_table, of, [3, 4], [50.0, 60.0])
    run_random(topology_table, tmp_path)
    assert [e.algorithm for e in store.load(tmp_path)] == ["random"]
    assert [e.algorithm for e in store.load(tmp_path, ONE_SHOT_RUNS)] == ["gdas"]
    (ranking,) = store.load(tmp_path, store.RANKINGS, architectures=2)
    assert (ranking.architecture.tolist(), ranking.accuracy.tolist(), ranking.images) == ([3, 4], [50.0, 60.0], None)
    assert store.load(tmp_path, store.RANKINGS, sample_seed=1) == []
    with pytest.raises(ValueError, match="unknown filters \\['budget'\\]"):
        store.load(tmp_path, ONE_SHOT_RUNS, budget=3)


@pytest.mark.parametrize(
    "change",
    [{"setting": "{}"}, {"execution": "{}"}, {"hyperparameters": "{}"}, {"table_fingerprint": "0"}],
)
def test_another_condition_is_another_experiment(change: dict[str, str], topology_table: Table, tmp_path: Path) -> None:
    of = condition(topology_table, "cifar10", "gdas")
    store_runs(tmp_path, topology_table, of, [[1]])
    store_runs(tmp_path, topology_table, replace(of, **change), [[1], [2]])
    assert sorted(len(e.seeds) for e in store.load(tmp_path, ONE_SHOT_RUNS)) == [1, 2]
    assert stored_seeds(tmp_path, of) == {777}


def test_damage_is_named(topology_table: Table, tmp_path: Path) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[1, 2, 3]])
    (path,) = tmp_path.rglob("*.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(StoreError, match=rf"{path}.*damaged"):
        store.load(tmp_path, ONE_SHOT_RUNS)
    path.write_bytes(whole)
    table = pq.read_table(path)
    for name, values in {"entropy": [[1.0, 2.0]], "arch_weights": [[[1.0], [1.0, 2.0], [1.0]]]}.items():
        column = pa.array(values, table.schema.field(name).type)
        pq.write_table(table.set_column(table.schema.get_field_index(name), name, column), path)
        with pytest.raises(StoreError, match=rf"{path}: the lists of a \w+ differ in length"):
            store.load(tmp_path, ONE_SHOT_RUNS)
    manifest = {**json.loads(table.schema.metadata[b"manifest"]), "kind": "unknown"}
    pq.write_table(table.replace_schema_metadata({"manifest": json.dumps(manifest)}), path)
    with pytest.raises(StoreError, match="not a results file"):
        store.load(tmp_path)
