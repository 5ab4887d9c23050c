"""Official archives in and out: every figure arrives, nothing inconsistent does, and a failure leaves nothing behind."""

from __future__ import annotations

import bz2
import os
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark_api.importers import base, import_table, measurements
from benchmark_api.importers.measurements import tensors_of
from benchmark_api.importers.official import exporter, importer
from benchmark_api.importers.official.exporter import export_archive, record
from benchmark_api.importers.official.read import read_meta, read_record, recognise_space
from benchmark_api.importers.official.records import read_trials
from benchmark_api.jobs.calls import WorkerDied, in_parallel
from benchmark_api.spaces import SearchSpace, SizeSpace, TopologySpace
from benchmark_api.tables import Table, TableWriter
from benchmark_api.unpickle import UnsafePickleError, loads
from tests.helpers import hand, official

SMALL = SizeSpace((8, 16), 2)  # four architectures, so that tables with all epochs are small
SCHEDULES = ("12", "200")  # of the topology space: "200" has splits that were measured at the last epoch only


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of architectures 0, 2 and 3, that of architecture 1 is missing."""
    return official.write_archive(tmp_path_factory.mktemp("archives") / "NATS-small", SMALL, [3, 0, 2], SCHEDULES)


@pytest.fixture(scope="module")
def table(folder: Path) -> Table:
    return import_table(folder, folder.parent / "small.safetensors", jobs=1, progress=False, partial=True)


def trials(indices: Iterable[int], space: SearchSpace = SMALL) -> Iterable[tuple[int, str, str, int, dict[str, Any]]]:
    """Index, key, schedule, seed and state of every trial of a made-up archive."""
    for index in indices:
        for schedule, state in official.record(space, index, SCHEDULES).items():
            for (key, seed), trial in state["all_results"].items():
                yield index, key, schedule, seed, trial


def loaded(space: SearchSpace, index: int, schedules: Iterable[str] | None = None) -> Any:
    """A made-up record as it comes from a file."""
    return loads(official.dumps(official.record(space, index, schedules)))


# -- import --------------------------------------------------------------------------------------------------------------


def test_every_figure_of_every_trial_arrives(table: Table) -> None:
    count = 0
    for index, key, schedule, seed, trial in trials([0, 2, 3]):
        column = table.seeds(key, schedule)[index].tolist().index(seed)
        assert table.seconds(key, schedule, "train")[index, column] == trial["train_times"][0]
        for epoch, accuracy in trial["train_acc1es"].items():
            assert table.accuracy(index, key, schedule, "train", epoch=epoch, seed=seed) == accuracy
            assert table.loss(index, key, schedule, "train", epoch=epoch, seed=seed) == trial["train_losses"][epoch]
        for place, accuracy in trial["eval_acc1es"].items():
            split, _, epoch = place.partition("@")
            assert table.accuracy(index, key, schedule, split, epoch=int(epoch), seed=seed) == accuracy
            assert table.loss(index, key, schedule, split, epoch=int(epoch), seed=seed) == trial["eval_losses"][place]
            assert table.seconds(key, schedule, split)[index, column] == trial["eval_times"][place]
            count += 1
    stored = sum(
        int((~np.isnan(table.tensor(f"{key}/{schedule}/{split}/accuracy"))).sum())
        for key in table.keys
        for schedule in table.schedules(key)
        for split in table.splits(key, schedule)
        if split != "train"
    )
    assert stored == count


def test_only_epochs_that_exist_are_stored(table: Table) -> None:
    for key, splits in official.SPLITS.items():
        for schedule in SCHEDULES:
            for split in splits:
                stored = table.tensor(f"{key}/{schedule}/{split}/epochs").tolist()
                assert stored == list(official.epochs_of(key, schedule, split))


def test_missing_architectures_and_trials_stay_empty(table: Table) -> None:
    for key in table.keys:
        for schedule in table.schedules(key):
            assert (table.seeds(key, schedule)[1] == -1).all()
            assert np.isnan(table.params(key, schedule)[1])
            for split in table.splits(key, schedule):
                assert np.isnan(table.tensor(f"{key}/{schedule}/{split}/accuracy")[1]).all()
                assert np.isnan(table.seconds(key, schedule, split)[1]).all()
    with pytest.raises(ValueError, match="architecture 1 has no accuracy"):
        table.accuracy(1, "cifar10", "200", "ori-test")


def test_trials_are_packed_to_the_left_with_ascending_seeds(tmp_path: Path) -> None:
    unsorted = official.record(SMALL, 0, ["12"])
    state = unsorted["12"]
    state["dataset_seed"]["cifar10"] = [888, 777]
    del state["all_results"]["cifar10", 999]
    official.write_archive(tmp_path / "a", SMALL, [1], ["12"])
    official.write(tmp_path / "a" / "000000.pickle.pbz2", unsorted)
    seeds = import_table(tmp_path / "a", tmp_path / "t", jobs=1, progress=False, partial=True).seeds("cifar10", "12")
    assert seeds.tolist() == [[777, 888, -1], [777, 888, 999], [-1, -1, -1], [-1, -1, -1]]


def test_costs_that_disagree_are_those_of_seed_888(tmp_path: Path) -> None:
    block = {}
    for index in (3, 4):  # in architecture 3, the other trials are wrong
        block[index] = read_trials(loaded(TopologySpace(), index), index, None)
    tensors = tensors_of(block, curves=False)
    for row, index in enumerate((3, 4)):
        state = official.trial(TopologySpace(), index, "cifar10", "200", 888)
        assert tensors["cifar10/200/params"][row] == state["params"]
        assert tensors["cifar10/200/flops"][row] == state["flop"]
        assert tensors["cifar10/200/latency"][row] == state["latency"][0]
    wrong = official.trial(TopologySpace(), 3, "cifar10", "200", 777)
    assert wrong["params"] != tensors["cifar10/200/params"][0]


def test_costs_that_disagree_without_seed_888_are_averaged() -> None:
    given = loaded(SMALL, 0, ["12"])
    results = given["12"]["all_results"]
    for seed, flops, latency in ((777, 10.0, 0.5), (888, 20.0, -1.0), (999, 60.0, 1.0)):
        results["cifar10", seed] |= {"flop": flops, "latency": [latency]}
        results["cifar100", seed] |= {"flop": flops, "latency": None}
    given["12"]["dataset_seed"]["cifar10"] = [777, 999]
    del results["cifar10", 888]
    block = {0: read_trials(given, 0, None)}
    tensors = tensors_of(block, curves=True)
    assert tensors["cifar10/12/flops"] == [35.0]
    assert tensors["cifar100/12/flops"] == [20.0]
    assert tensors["cifar10/12/latency"] == [0.75]
    assert np.isnan(tensors["cifar100/12/latency"]).all()


def test_latencies_that_were_not_measured_do_not_count() -> None:
    given = loaded(SMALL, 0, ["12"])
    for seed, latency in ((777, 0.5), (888, -1.0), (999, 0.5)):
        given["12"]["all_results"]["cifar10", seed]["latency"] = [latency]
    block = {0: read_trials(given, 0, None)}
    assert tensors_of(block, curves=True)["cifar10/12/latency"] == [0.5]


def test_times_that_differ_between_epochs_are_averaged_and_missing_ones_are_nan() -> None:
    given = loaded(SMALL, 0, ["12"])
    given["12"]["all_results"]["cifar10", 777]["train_times"] = {epoch: float(epoch) for epoch in range(12)}
    given["12"]["all_results"]["cifar10", 888] |= {"train_times": None, "eval_times": {}}
    block = {0: read_trials(given, 0, None)}
    tensors = tensors_of(block, curves=True)
    assert tensors["cifar10/12/train/seconds"][0, 0] == 5.5
    assert np.isnan(tensors["cifar10/12/train/seconds"][0, 1])
    assert np.isnan(tensors["cifar10/12/ori-test/seconds"][0, 1])


def test_the_table_says_where_it_comes_from(table: Table) -> None:
    assert table.space == SMALL
    assert table.title == "NATS-Bench size (NATS-small)"
    assert table.notice == ""
    assert (table.search_schedule, table.report_schedule) == ("12", "200")
    source = table.metadata["source"]
    assert (source["name"], source["records"], source["curves"]) == ("NATS-small", 3, True)
    assert len(source["fingerprint"]) == 64
    table.verify()


@pytest.mark.parametrize(
    ("space", "schedules"), [(TopologySpace(), ("12", "200")), (SizeSpace(), ("12", "90"))], ids=["topology", "size"]
)
def test_partial_official_archives_without_curves(space: SearchSpace, schedules: tuple[str, str], tmp_path: Path) -> None:
    indices = [0, 7, len(space) - 1]
    folder = official.write_archive(tmp_path / f"{official.archive_name(space)}-simple", space, indices)
    table = import_table(folder, tmp_path / "table", curves=False, jobs=1, progress=False, partial=True)
    assert table.space == space
    assert (table.search_schedule, table.report_schedule) == schedules
    assert (table.seeds("cifar10", "12")[:, 0] >= 0).nonzero()[0].tolist() == indices
    for schedule, state in official.record(space, 7).items():
        for (key, seed), trial in state["all_results"].items():
            for split in official.SPLITS[key]:
                epochs = int(schedule)
                assert table.tensor(f"{key}/{schedule}/{split}/epochs").tolist() == [epochs - 1]
                assert table.accuracy(7, key, schedule, split, seed=seed) == trial["eval_acc1es"][f"{split}@{epochs - 1}"]


def test_the_table_does_not_depend_on_the_number_of_processes(
    folder: Path, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurements, "BLOCK", 1)
    again = import_table(folder, tmp_path / "t", jobs=3, progress=False, partial=True)
    assert again.path.read_bytes() == table.path.read_bytes()


@pytest.mark.parametrize("block", [1, 2, 125])
def test_a_single_file_makes_the_same_table(table: Table, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "BLOCK", block)
    path = official.write_single_file(tmp_path / "NATS-small.pickle.pbz2", SMALL, [3, 0, 2], SCHEDULES)
    single = import_table(path, tmp_path / "t", progress=False, partial=True)
    assert single.fingerprint == table.fingerprint
    assert single.title == table.title


def test_importing_again_replaces_the_table(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "t"
    out.write_bytes(b"old")
    import_table(folder, out, jobs=1, progress=False, partial=True)
    Table(out).verify()


def test_progress_is_shown(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_table(folder, tmp_path / "t", jobs=1, progress=True, partial=True)
    assert "3/3" in capsys.readouterr().err
    import_table(folder, tmp_path / "t", jobs=1, progress=False, partial=True)
    assert capsys.readouterr().err == ""


def test_records_are_read_lazily(folder: Path) -> None:
    meta = read_meta(folder / "meta.pickle.pbz2")
    assert meta["meta_archs"] == ["8:8", "8:16", "16:8", "16:16"]
    assert read_record(folder, 2)["12"]["arch_str"] == "16:8"
    with pytest.raises(FileNotFoundError):
        read_record(folder, 1)
    (folder / "000000.pickle.pbz2").rename(folder / "0.pickle.pbz2")  # the package knows this spelling, too
    try:
        assert read_record(folder, 0)["12"]["arch_index"] == 0
    finally:
        (folder / "0.pickle.pbz2").rename(folder / "000000.pickle.pbz2")


@pytest.mark.parametrize("space", [TopologySpace(), SizeSpace(), SMALL, SizeSpace((1, 3, 1000), 4)], ids=repr)
def test_spaces_are_recognised(space: SearchSpace) -> None:
    strings = official.meta(space)["meta_archs"]
    assert recognise_space(strings) == space
    strings[1], strings[2] = strings[2], strings[1]
    with pytest.raises(ValueError, match=r"architecture 1 is .*in the official order"):
        recognise_space(strings)
    with pytest.raises(ValueError, match="neither"):
        recognise_space(strings[:-1])


# -- what is refused -----------------------------------------------------------------------------------------------------


def trial_of(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["12"]["all_results"]["cifar10", 777]
    return found


def changed(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: trial_of(content).update(fields)


def changed_figures(field: str, key: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: trial_of(content)[field].update({key: value})


def without(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for step in path[:-1]:
            content = content[step]
        del content[path[-1]]

    return change


def with_state(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["12"].update(fields)


def without_last_epoch(content: dict[str, Any]) -> None:
    del trial_of(content)["eval_acc1es"]["ori-test@11"], trial_of(content)["eval_losses"]["ori-test@11"]


INCONSISTENT = {
    "other index": (with_state(arch_index=2), "record of architecture 2, expected that of 0"),
    "other string": (with_state(arch_str="16:8"), "architecture 0 is '16:8', expected '8:8'"),
    "no results": (without("12", "all_results"), "no 'all_results'"),
    "results of another type": (with_state(all_results=[]), "'all_results' is a list"),
    "seeds without results": (with_state(dataset_seed={"cifar10": [777]}), "do not match the 1 listed"),
    "missing result": (without("12", "all_results", ("cifar10", 777)), "results of 11 trials do not match the 12"),
    "seed twice": (with_state(dataset_seed={"cifar10": [777, 777]}), "expected different ones"),
    "negative seed": (with_state(dataset_seed={"cifar10": [-777]}), "from 0 on"),
    "seed as text": (with_state(dataset_seed={"cifar10": ["777"]}), "not a list of at most 16 integers"),
    "too many seeds": (with_state(dataset_seed={"cifar10": list(range(17))}), "not a list of at most 16 integers"),
    "key with a slash": (with_state(dataset_seed={"../cifar10": [777]}), "'../cifar10' is not a dataset key"),
    "schedule in words": (lambda content: content.update(twelve=content["12"]), "'twelve' is not a schedule"),
    "endless schedule": (lambda content: content.update({"9999": content["12"]}), "'9999' is not a schedule"),
    "schedule of another length": (lambda content: content.update({"13": content["12"]}), "schedule 13: .*trained for 12 epochs"),
    "other key": (changed(name="cifar100"), "holds the trial 'cifar100'"),
    "other seed": (changed(seed="0778"), "with seed '0778'"),
    "other epochs": (changed(epochs=11), "trained for 11 epochs"),
    "accuracy too high": (changed_figures("eval_acc1es", "ori-test@3", 100.1), "accuracies of 100.1, expected 0 to 100"),
    "accuracy too low": (changed_figures("train_acc1es", 3, -0.5), "accuracies of -0.5, expected 0 to 100"),
    "accuracy not a number": (changed_figures("train_acc1es", 3, float("nan")), "accuracies of nan"),
    "accuracy as text": (changed_figures("train_acc1es", 3, "50.0"), "accuracies are not all numbers"),
    "accuracy beyond floats": (changed_figures("train_acc1es", 3, 1 << 1500), "accuracies are too large"),
    "negative loss": (changed_figures("eval_losses", "ori-test@3", -1.0), "losses of -1"),
    "negative time": (changed_figures("train_times", 3, -1.0), "times of -1"),
    "endless time": (changed_figures("eval_times", "ori-test@3", float("inf")), "times of inf"),
    "epoch outside": (changed_figures("train_times", 12, 1.0), "epochs other than 0 to 11"),
    "loss of another epoch": (without("12", "all_results", ("cifar10", 777), "train_losses", 3), "of different epochs"),
    "loss without accuracy": (without("12", "all_results", ("cifar10", 777), "eval_acc1es", "ori-test@3"), "of different epochs"),
    "unknown split": (changed(eval_names=["ori-test", "y-test"]), "evaluation splits are 'ori-test', 'y-test'"),
    "figures of an unknown split": (changed_figures("eval_times", "x-test@3", 1.0), "figures for 'x-test@3', expected ori-test"),
    "figures of an epoch outside": (changed_figures("eval_times", "ori-test@12", 1.0), "figures for 'ori-test@12'"),
    "no last epoch": (without_last_epoch, "no accuracy of ori-test at the last epoch, 11"),
    "negative params": (changed(params=-1.0), "params or FLOPs of -1"),
    "params as text": (changed(params="1.5"), "'params' is a str"),
    "latency as text": (changed(latency="fast"), "'latency' is a str"),
    "no times": (without("12", "all_results", ("cifar10", 777), "eval_times"), "no 'eval_times'"),
}


@pytest.mark.parametrize(("change", "message"), INCONSISTENT.values(), ids=INCONSISTENT.keys())
def test_inconsistent_records_are_named(change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path) -> None:
    folder = official.write_archive(tmp_path / "archive", SMALL, [1], ["12"])
    content = official.record(SMALL, 0, ["12"])
    change(content)
    official.write(folder / "000000.pickle.pbz2", content)
    with pytest.raises(ValueError, match=rf"000000\.pickle\.pbz2: .*{message}"):
        import_table(folder, tmp_path / "t", jobs=1, progress=False, partial=True)
    assert os.listdir(tmp_path) == ["archive"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a bz2 file but an empty file"),
        (b"nothing", "corrupt"),
        (bz2.compress(b"\x80\x04cos\nsystem\n."), r"the global os\.system"),
        (bz2.compress(b"\x80\x04N."), "a NoneType instead of the record"),
    ],
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_damaged_records_are_named(
    content: bytes, message: str, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurements, "BLOCK", 1)
    folder = official.write_archive(tmp_path / "archive", SMALL, [0, 1, 3], ["12"])
    (folder / "000002.pickle.pbz2").write_bytes(content)
    old = tmp_path / "t"
    old.write_bytes(b"an older table")
    with pytest.raises(ValueError, match=rf"000002\.pickle\.pbz2: .*{message}") as caught:
        import_table(folder, old, jobs=jobs, progress=False, partial=True)
    assert isinstance(caught.value, UnsafePickleError) == ("global" in message)
    assert old.read_bytes() == b"an older table"
    assert sorted(os.listdir(tmp_path)) == ["archive", "t"]


def test_archives_with_weights_are_told_from_those_without(tmp_path: Path) -> None:
    """A record of an official "-full" archive holds the trained weights: PyTorch's tensors."""
    folder = official.write_archive(tmp_path / "NATS-tss-v1_0-3ffb9-full", SMALL, [0], ["12"])
    content = official.record(SMALL, 0, ["12"])
    content["12"]["all_results"]["cifar10", 777]["net_state_dict"] = {"weight": torch.zeros(2)}
    (folder / "000000.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(content)))
    with pytest.raises(UnsafePickleError, match=r"global torch\._utils\._rebuild_tensor_v2; .*take the one that ends in -simple"):
        import_table(folder, tmp_path / "t", jobs=1, progress=False, partial=True)


def test_records_of_other_architectures_are_refused(tmp_path: Path) -> None:
    folder = official.write_archive(tmp_path / "archive", SMALL, [1])
    (folder / "000001.pickle.pbz2").rename(folder / "000002.pickle.pbz2")
    with pytest.raises(ValueError, match=r"000002\.pickle\.pbz2: .*architecture 1, expected that of 2"):
        import_table(folder, tmp_path / "t", jobs=1, progress=False, partial=True)
    with pytest.raises(ValueError, match=r"000002\.pickle\.pbz2: .*architecture 1, expected that of 2"):
        read_record(folder, 2)
    (folder / "000002.pickle.pbz2").rename(folder / "000004.pickle.pbz2")
    with pytest.raises(ValueError, match=r"000004\.pickle\.pbz2: .*no such index"):
        import_table(folder, tmp_path / "t", jobs=1, progress=False, partial=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "no list 'meta_archs'"),
        ([], "no list 'meta_archs'"),
        ({"meta_archs": [1, 2]}, "no list 'meta_archs'"),
        ({"meta_archs": []}, "neither"),
        ({"meta_archs": ["8:8", "8:16", "16:8"]}, "neither"),
        ({"meta_archs": ["8:16", "8:8", "16:8", "16:16"]}, "architecture 0 is '8:16'"),
    ],
)
def test_other_meta_data_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    folder = official.write_archive(tmp_path / "archive", SMALL, [0])
    official.write(folder / "meta.pickle.pbz2", content)
    with pytest.raises(ValueError, match=rf"meta\.pickle\.pbz2: .*{message}"):
        import_table(folder, tmp_path / "t", jobs=1, progress=False, partial=True)
    assert os.listdir(tmp_path) == ["archive"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no list 'meta_archs'"),
        ({"arch2infos": {0: {"12": 3}}}, "the record of architecture 0: no 'arch_index'"),
        ({**official.meta(SMALL), "arch2infos": {}}, "no record of any architecture"),
        ({**official.meta(SMALL), "arch2infos": {1: official.record(SMALL, 0)}}, "record of architecture 0, expected that of 1"),
        ({**official.meta(SMALL), "arch2infos": {9: official.record(SizeSpace(), 9)}}, "architecture 9 is of '8:8:8:16:16'"),
        ({**official.meta(SMALL), "arch2infos": {2: official.record(SizeSpace(), 2)}}, "architecture 2 is of '8:8:8:8:24'"),
    ],
)
def test_inconsistent_single_files_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = official.write(tmp_path / "single.pickle.pbz2", content)
    with pytest.raises(ValueError, match=rf"single\.pickle\.pbz2: .*{message}"):
        import_table(path, tmp_path / "t", progress=False, partial=True)
    assert os.listdir(tmp_path) == ["single.pickle.pbz2"]


@pytest.mark.parametrize("form", ["folder", "single file"])
def test_incomplete_archives_are_refused_unless_wanted(
    form: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder before its records are read, which takes long; of a single file nobody knows the number before."""
    source = folder if form == "folder" else official.write_single_file(tmp_path / "single", SMALL, [0, 2, 3], ["12"])
    if form == "folder":
        monkeypatch.setattr(importer, "in_parallel", lambda *_: pytest.fail("records were read"))
    old = tmp_path / "t"
    old.write_bytes(b"an older table")
    with pytest.raises(ValueError, match=f"{source} is incomplete: 1 of the 4 architectures of the size space are missing"):
        import_table(source, old, jobs=1, progress=False)
    assert old.read_bytes() == b"an older table"
    assert set(os.listdir(tmp_path)) <= {"single", "t"}
    monkeypatch.undo()
    assert import_table(source, old, jobs=1, progress=False, partial=True).metadata["source"]["records"] == 3


@pytest.mark.parametrize("form", ["folder", "single file"])
def test_complete_archives_are_taken(form: str, tmp_path: Path) -> None:
    write = official.write_archive if form == "folder" else official.write_single_file
    table = import_table(write(tmp_path / "archive", SMALL, range(4), ["12"]), tmp_path / "t", jobs=1, progress=False)
    assert table.metadata["source"]["records"] == len(table) == 4


def test_wrong_arguments(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no archive at"):
        import_table(tmp_path / "none", tmp_path / "t")
    with pytest.raises(ValueError, match=r"no importer recognises .*it has no meta\.pickle\.pbz2"):
        import_table(tmp_path, tmp_path / "t")
    with pytest.raises(ValueError, match="is a folder"):
        import_table(folder, tmp_path)
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        import_table(folder, tmp_path / "t", jobs=0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_leaves_nothing(folder: Path, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measurements, "BLOCK", 1)
    monkeypatch.setattr(base, "write_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        import_table(folder, tmp_path / "t", jobs=jobs, progress=False, partial=True)
    assert os.listdir(tmp_path) == []


def test_a_dead_worker_is_an_error_and_does_not_hang() -> None:
    with pytest.raises(WorkerDied, match="a worker process died"):
        list(in_parallel(os._exit, [(1,), (1,), (1,)], 2))


# -- export --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_export_is_the_inverse_of_import(table: Table, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "BLOCK", 1)
    folder = export_archive(table, tmp_path / "made" / "exported", jobs=jobs, progress=False)
    assert sorted(os.listdir(folder)) == [f"00000{index}.pickle.pbz2" for index in (0, 2, 3)] + ["meta.pickle.pbz2"]
    assert os.listdir(tmp_path / "made") == ["exported"]
    again = import_table(folder, tmp_path / "t", jobs=1, progress=False, partial=True)
    assert again.fingerprint == table.fingerprint


def test_records_are_those_of_the_archive(table: Table) -> None:
    assert record(table, 1) == {}
    for index in (0, 2, 3):
        given, made = official.record(SMALL, index, SCHEDULES), record(table, index)
        assert list(made) == list(given)
        for schedule, state in made.items():
            assert list(state) == list(given[schedule])
            for trial in given[schedule]["all_results"].values():
                trial["train_acc5es"] = None  # top-5 accuracies are not in a table
            assert state == given[schedule]


def test_tables_without_curves_keep_their_last_epochs(folder: Path, tmp_path: Path) -> None:
    last = import_table(folder, tmp_path / "last", curves=False, jobs=1, progress=False, partial=True)
    exported = export_archive(last, tmp_path / "exported", jobs=1, progress=False)
    trial = read_record(exported, 0)["200"]["all_results"]["cifar100", 777]
    assert list(trial["train_acc1es"]) == [199]
    assert list(trial["eval_acc1es"]) == ["x-valid@199", "x-test@199", "ori-test@199"]
    assert len(trial["train_times"]) == 200
    assert import_table(exported, tmp_path / "again", jobs=1, progress=False, partial=True).fingerprint == last.fingerprint


def test_a_table_of_ones_own_is_exported_under_its_own_keys(tmp_path: Path) -> None:
    space = SizeSpace((4, 8), 1)
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {"digits/3/seeds": ("<i2", (2, 2))}
    shapes |= {f"digits/3/{name}": ("<f4", (2,)) for name in ("params", "flops", "latency")}
    for split in ("train", "x-valid"):
        shapes |= {f"digits/3/{split}/{name}": ("<f4", (2, 2, 3)) for name in ("accuracy", "loss")}
        shapes |= {f"digits/3/{split}/seconds": ("<f4", (2, 2)), f"digits/3/{split}/epochs": ("<i2", (3,))}
    metadata = {"space": space.spec(), "title": "own", "notice": "", "search_schedule": "3", "report_schedule": "3"}
    with TableWriter(tmp_path / "own", shapes, metadata) as writer:
        writer.write("digits/3/seeds", [[0, 1], [5, -1]])
        for name, values in (("params", [1.5, 2.5]), ("flops", [3.0, 4.0])):
            writer.write(f"digits/3/{name}", values)
        for split in ("train", "x-valid"):
            writer.write(f"digits/3/{split}/epochs", range(3))
            writer.write(f"digits/3/{split}/accuracy", [[[10.0, 20.0, 30.5]] * 2, [[1.0, 2.0, 3.25], [np.nan] * 3]])
            writer.write(f"digits/3/{split}/loss", [[[3.0, np.nan, 1.0]] * 2, [[1.0, 2.0, 3.0], [np.nan] * 3]])
    own = Table(tmp_path / "own")
    again = import_table(export_archive(own, tmp_path / "out", jobs=1, progress=False), tmp_path / "t", jobs=1, progress=False)
    assert again.space == space
    assert again.keys == ("digits",)
    for name in shapes:
        np.testing.assert_array_equal(again.tensor(name), own.tensor(name))


def test_a_failed_export_leaves_nothing(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="exists"):
        export_archive(table, tmp_path)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporter, "_save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        export_archive(table, tmp_path / "out", jobs=1, progress=False)
    assert os.listdir(tmp_path) == []


def test_an_export_names_what_the_table_lacks(tmp_path: Path) -> None:
    table = hand.write(tmp_path / "t", hand.group("cifar10/90", ("x-valid", "x-test")))
    lacking = "cifar10/90/x-valid/loss, cifar10/90/x-valid/seconds, cifar10/90/x-test/loss and 3 more"
    with pytest.raises(ValueError, match=f"^t has no {lacking}; the official format states losses, seconds, params and FLOPs$"):
        export_archive(table, tmp_path / "out", jobs=1, progress=False)
    assert os.listdir(tmp_path) == ["t"]


# -- beside the nats_bench package ---------------------------------------------------------------------------------------


def package_answers(folder: Path, space: SearchSpace, indices: Iterable[int], schedule: str) -> list[dict[str, Any]]:
    nats_bench = pytest.importorskip("nats_bench")
    name = "tss" if isinstance(space, TopologySpace) else "sss"
    api = nats_bench.create(str(folder), name, fast_mode=True, verbose=False)
    answers = []
    for index in indices:
        for key in official.SPLITS:
            answers.append(api.get_cost_info(index, key, hp=schedule))
            for seed in (False, *official.seeds_of(space, index, key, schedule)):
                epochs = {0, int(schedule) // 2, int(schedule) - 1}
                answers += [api.get_more_info(index, key, iepoch=epoch, hp=schedule, is_random=seed) for epoch in sorted(epochs)]
    return answers


@pytest.mark.parametrize(("space", "schedule"), [(TopologySpace(), "12"), (SizeSpace(), "01")], ids=["topology", "size"])
def test_the_package_reads_an_export_like_the_original(space: SearchSpace, schedule: str, tmp_path: Path) -> None:
    indices = (0, 4, 13)
    original = official.write_archive(tmp_path / "original", space, indices, [schedule])
    table = import_table(original, tmp_path / "t", jobs=1, progress=False, partial=True)
    exported = export_archive(table, tmp_path / "exported", jobs=1, progress=False)
    given, made = (package_answers(folder, space, indices, schedule) for folder in (original, exported))
    assert len(given) > 20
    assert made == given
