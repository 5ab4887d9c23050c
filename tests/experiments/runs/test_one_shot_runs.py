"""One-shot runs: what is stored, how they resume after anything, what the report says of them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.metrics import EPOCH_METRICS
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.task import Execution
from benchmark_api.spaces import OPERATIONS
from benchmark_api.tables.table import Table
from benchmark_api.training.datasets import Distortion
from experiments import report, store
from experiments.__main__ import main
from experiments.analysis import by_epoch, final_architectures, final_values, operation_counts, parameter_free
from experiments.report import make_report, published
from experiments.report.checklist import checklist
from experiments.runs import one_shot
from experiments.runs.one_shot import Setting
from experiments.store import ONE_SHOT_RUNS, OneShotExperiment, StoreError
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


def only(results: Path) -> OneShotExperiment:
    (experiment,) = store.load(results, ONE_SHOT_RUNS)
    return experiment


DETERMINED = ("architecture", *(metric.name for metric in EPOCH_METRICS if not metric.measured))


def assert_same(first: OneShotExperiment, second: OneShotExperiment) -> None:
    for name in ("seeds", "offsets", *DETERMINED):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


@pytest.fixture(scope="module")
def finished(digits_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of RSPS, four epochs each, made at once in this process."""
    results = tmp_path_factory.mktemp("finished")
    assert main(run_rsps(digits_table, results, "--seeds", 2, epochs=4)) == 0
    return results


# -- runs ----------------------------------------------------------------------------------------------------------------------


def test_a_run_is_what_the_search_does(finished: Path, digits_table: Table) -> None:
    experiment = only(finished)
    assert experiment.seeds.tolist() == [777, 888]
    config = ONE_SHOT["rsps"].Config(**json.loads(experiment.hyperparameters))
    assert (config.epochs, config.batch) == (4, 450)
    task = Setting.of(digits_table, "digits").task(digits_table.space, None, "cpu")
    search = ONE_SHOT["rsps"](task, config, seed=888)
    with one_shot.one_thread():
        metrics = [search.train_epoch() for _ in range(4)]
    second = slice(*experiment.offsets[1:])
    assert experiment.architecture[second].tolist() == [digits_table.space.index(epoch.architecture) for epoch in metrics]
    for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "entropy"):
        assert getattr(experiment, name)[second].tolist() == [getattr(epoch, name) for epoch in metrics]
    assert np.array_equal(experiment.arch_weights[second], [epoch.arch_weights.ravel() for epoch in metrics])
    assert (experiment.train_seconds > 0).all()
    assert (experiment.peak_memory > 1e7).all()
    total = experiment.train_seconds + experiment.derive_seconds
    assert experiment.wall_seconds == pytest.approx(total.reshape(2, 4).sum(axis=1))


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
    (piece,) = one_shot.plan(other, digits_table, tmp_path, [777])
    assert list(piece.run()) == [1, 1]
    assert only(tmp_path).architecture.tolist() == 2 * [digits_table.space.index((0,) * 6)]  # the scores are all equal
    assert one_shot.config_of(only(tmp_path)) == config


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
    process = start(digits_table, tmp_path, "--seeds", 3, jobs=2)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: the whole group gets it
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode() == "interrupted: finished pieces are stored; the same command continues\n"
    assert list(tmp_path.rglob("*.part")) == []
    assert main(run_rsps(digits_table, tmp_path, "--seeds", 2, epochs=4, jobs=2)) == 0
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
    command = run_rsps(digits_table, tmp_path, "--seeds", 1, epochs=4)
    status, _, error = experiments(*command)
    assert status == 1
    assert "RuntimeError: out of luck" in error
    (checkpoint,) = tmp_path.rglob(f"*{store.SUPERNET_SUFFIX}")
    said = status_of(experiments, tmp_path)
    assert f"under way: {checkpoint}\n" in said
    assert "out of luck" in said
    trained.clear()
    monkeypatch.setattr(one_shot, "code_version", lambda kind: "0+changed")
    monkeypatch.setattr(search, "train_epoch", lambda self: trained.append(self.epoch) or train_epoch(self))
    assert experiments(*command)[0] == 0
    assert trained == [2, 3]
    with pytest.warns(store.MixedCodeWarning, match=r"0\+changed, "):
        continued = only(tmp_path)
    assert continued.code_versions == ("0+changed", *only(finished).code_versions)
    for name in DETERMINED:
        assert np.array_equal(getattr(continued, name), getattr(only(finished), name)[:4])


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
    assert Setting.from_json(distorted.to_json()) == distorted


def test_a_search_gets_no_test_images(digits_table: Table) -> None:
    task = Setting("digits", Distortion(copies=2), 2, 1).task(digits_table.space, None, "cpu")
    assert {name: len(split) for name, split in task.dataset.splits.items()} == {"train": 1798, "x-valid": 898}
    assert (task.skeleton.channels, task.skeleton.cells) == (2, 1)


def test_defaults_are_smaller_on_digits_alone() -> None:
    for search in ONE_SHOT.values():
        assert search.default_config("cifar10") == search.Config()
        assert search.default_config("digits").epochs <= 24
    assert one_shot.seeds_of(4) == [777, 888, 999, 1110]


# -- the command line ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ONE_SHOT))
def test_every_search_has_a_subcommand_with_its_hyperparameters(name: str, experiments: Command) -> None:
    status, out, _ = experiments("run", name, "--help")
    assert status == 0
    for field in (*ONE_SHOT[name].Config.__dataclass_fields__, *Execution.__dataclass_fields__):
        assert "--" + field.replace("_", "-") in out
    said = " ".join(out.replace("│", " ").split())
    assert f"Length of the search E. By default 100, on digits {ONE_SHOT[name].digits['epochs']}." in said


def test_list_names_every_search(experiments: Command) -> None:
    _, out, _ = experiments("list")
    for name, search in ONE_SHOT.items():
        assert f"{name}\n  {search.title}, one-shot, {search.space} space\n  {search.paper}\n  epochs=100, " in out


def test_published_rows_have_registered_names() -> None:
    assert {row.algorithm for row in published.TOPOLOGY} <= BLACK_BOX.keys() | ONE_SHOT.keys()
    assert published.find("topology", "cifar10", "gdas") == ((89.68, 0.72, 93.23, 0.58), 3)


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
    for name in ONE_SHOT_RUNS.lists:
        joined = np.concatenate([getattr(run, name) for run in runs])
        assert np.array_equal(getattr(experiment, name), joined)
        assert getattr(experiment, name).dtype == joined.dtype
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
    assert store.stored_seeds(tmp_path, of) == {777}


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


# -- analysis and report -------------------------------------------------------------------------------------------------------

ALL_SKIP, ALL_NONE, LARGEST = 1835, 1651, 1462


def test_the_last_architecture_is_the_result(topology_table: Table, tmp_path: Path) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[5, 6, 7], [8, 9, 10]])
    experiment = only(tmp_path)
    assert by_epoch(experiment).tolist() == [[5, 6, 7], [8, 9, 10]]
    assert final_architectures(experiment).tolist() == [7, 10]
    values = np.arange(len(topology_table)) / 100
    for protocol in ("step", "reference"):
        assert final_values(experiment, values, protocol).tolist() == [0.07, 0.10]


def test_operations_are_counted(topology_table: Table) -> None:
    cells = [topology_table.space.architecture(index) for index in (ALL_SKIP, ALL_NONE, LARGEST)]
    expected = [[6 * (name == of) for name in OPERATIONS] for of in ("skip_connect", "none", "nor_conv_3x3")]
    assert operation_counts(cells).tolist() == expected
    assert parameter_free([*cells, (0, 1, 2, 3, 4, 1)]).tolist() == [1.0, 1.0, 0.0, 0.5]


@pytest.fixture
def mixed(topology_table: Table, tmp_path: Path) -> Path:
    """Random search beside GDAS, which found the largest cell, and DARTS, which collapsed in two of three runs."""
    run_random(topology_table, tmp_path)
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[ALL_SKIP, LARGEST]] * 3)
    device = Execution(device="cuda")
    darts = condition(topology_table, "cifar10", "darts-v1", device)
    store_runs(tmp_path, topology_table, darts, [[LARGEST, ALL_SKIP], [LARGEST, ALL_NONE], [1, LARGEST]])
    return tmp_path


def test_one_shot_rows_stand_in_the_same_table(mixed: Path, experiments: Command, topology_table: Table) -> None:
    status, out, _ = experiments("table", "--results", mixed)
    assert status == 0
    found = [line for line in out.splitlines() if line.startswith(("| cifar10", "| dataset"))]
    lines = [[cell.strip() for cell in line.split("|")] for line in found]
    assert len(lines) == 12
    rows = {line[2]: line for line in lines[1:6]}
    merits = {line[2]: dict(zip(lines[6], line, strict=True)) for line in lines[7:]}
    assert list(rows) == list(merits) == ["random", "darts-v1 (device=cuda)", "gdas", "optimum", "space mean"]
    gdas = dict(zip(lines[0], rows["gdas"], strict=True))
    test = topology_table.accuracy(LARGEST, "cifar10", "200", "ori-test")
    assert gdas["test"] == f"{test:.2f} ± 0.00"
    assert (gdas["n"], gdas["95 % of the mean"]) == ("3", "n < 5")
    assert (merits["gdas"]["simulated s"], merits["gdas"]["wall s"]) == ("", "101")
    assert (merits["random"]["simulated s"] > "19,000", merits["random"]["wall s"]) == (True, "")
    mean = np.nanmean(report.full_training_accuracy(topology_table, "cifar10")[1])
    assert merits["gdas"]["over random %"] == f"{100 * (test / mean - 1):+.2f}"
    assert "93.23 ± 0.58" in rows["gdas"][rows["gdas"].index(gdas["test"]) + 2]
    assert "59.84 ± 7.84" in "".join(rows["darts-v1 (device=cuda)"])  # where it was computed does not matter


def test_the_report_says_who_is_better_and_what_collapsed(mixed: Path, experiments: Command, topology_table: Table) -> None:
    _, out, _ = experiments("table", "--results", mixed)
    _, test = report.full_training_accuracy(topology_table, "cifar10")
    against = f"cifar10, mean test accuracy against the space mean ({np.nanmean(test):.2f}): "
    assert f"{against}above: random, gdas; not above: darts-v1 (device=cuda).\n" in out
    assert "cifar10, mean test accuracy against random (" in out
    assert "the operations of the chosen cells are nor_conv_3x3 100%." in out
    assert "COLLAPSED to nothing but skip_connect and none in 2 of 3 runs (1651, 1835); of the published runs " in out
    assert "runs of darts-v1, 3 of 3 on cifar10 did so too; " in out
    assert "so too; NO PATH from input to output in 1 of 3 runs (1651)." in out
    assert "none 33%, skip_connect 33%, nor_conv_3x3 33%" in out
    assert "x-valid, one half of the official test images" not in out
    assert "measured wall time" in out


def test_a_reader_is_told_what_validation_is_on_cifar100(topology_table: Table, tmp_path: Path, experiments: Command) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar100", "gdas"), [[LARGEST]])
    assert "x-valid, one half of the official test images" in experiments("table", "--results", tmp_path)[1]


def test_runs_of_an_older_version_are_told_apart(topology_table: Table) -> None:
    today = condition(topology_table, "cifar10", "darts-v1")
    known = {name: value for name, value in json.loads(today.hyperparameters).items() if name != "choose_none"}
    former = replace(today, hyperparameters=json.dumps(known))
    assert [report.label(of, "12") for of in (today, former)] == ["darts-v1", "darts-v1 (choose_none=unknown)"]


def test_csv_keeps_costs_apart(mixed: Path, experiments: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(experiments("table", "--results", mixed, "--format", "csv")[1])))
    costs = {row["algorithm"]: (bool(row["simulated_seconds"]), row["wall_seconds"]) for row in rows}
    assert costs == {"random": (True, ""), "darts-v1": (False, "101.0000"), "gdas": (False, "101.0000")}
    assert [row["peak_memory"] for row in rows] == ["", "1000000000.0000", "1000000000.0000"]
    assert json.loads(rows[1]["execution"])["device"] == "cuda"
    assert rows[1]["budget"] == rows[0]["setting"] == ""


def test_no_published_cells_are_made_up(digits_table: Table, tmp_path: Path, experiments: Command) -> None:
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "enas"), [[ALL_NONE]])
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "gdas"), [[ALL_NONE]])
    _, out, _ = experiments("table", "--results", tmp_path)
    assert "1 of 1 runs (1651); no published cells to compare with; NO PATH" in out
    assert "1 of 1 runs (1651); of the published runs of gdas, 0 of 3 on cifar10, 0 of 3 on cifar100, 1 of 3" not in out
    assert "of the published runs of gdas, 0 of 3 on cifar10, 0 of 3 on cifar100, 0 of 3 on ImageNet16-120 did so too" in out
    assert "did so too; NO PATH from input to output in 1 of 1 runs (1651)." in out


def test_the_checklist_says_that_digits_have_settings_of_their_own(finished: Path, digits_table: Table) -> None:
    evidence = {item.practice: item.evidence for item in checklist([make_report(digits_table, [only(finished)])])}
    (told,) = (text for practice, text in evidence.items() if practice.startswith("Hyperparameters stated"))
    assert "chosen on other seeds" in told
