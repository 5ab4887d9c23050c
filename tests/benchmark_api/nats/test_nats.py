"""The drop-in for `nats_bench` against the package itself: the same questions, the same answers and exceptions.

The archives are small ones of `official.py`; where NATS_ARCHIVE names a folder in the official format, that one as well.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import random
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import nats_bench
import nats_bench.api_size
import nats_bench.api_topology
import nats_bench.api_utils
import nats_bench.genotype_utils
import numpy as np
import pytest

import benchmark_api.nats as ours
from benchmark_api.importers import import_table
from benchmark_api.nats import api_size, api_topology, api_utils, sources
from benchmark_api.nats.genotype_utils import TopologyStructure, topology_str2structure
from benchmark_api.spaces import SearchSpace, SizeSpace, TopologySpace
from benchmark_api.tables.table import Table
from tests.helpers import official

ROOT = Path(__file__).resolve().parents[3]
TOPOLOGY = TopologySpace()
SIZE = SizeSpace(widths=(8, 16, 24), layers=5)  # 243 architectures: a table of them with all curves is small
INDICES = {"topology": [0, 2, 6, 11, 13, 18, 23, 284], "size": [0, 1, 11, 42, 100, 101, 242]}
DATASETS = ["cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"]


def records_of(space: SearchSpace) -> dict[int, Any]:
    """The records of the archives. Of the size space, one dataset of one schedule was validated at the last epoch only."""
    records = {index: official.record(space, index) for index in INDICES[space.name]}
    if space.name == "size":
        for record in records.values():
            for (key, _), trial in record["90"]["all_results"].items():
                for where in [where for where in trial["eval_acc1es"] if key == "cifar100" and re.match("x-.*@(?!89)", where)]:
                    del trial["eval_acc1es"][where], trial["eval_losses"][where]
    return records


@dataclass
class Archive:
    """The same measurements in every form."""

    space: SearchSpace
    content: dict[str, Any]  # of the single file
    folder: Path
    file: Path
    home: Path

    def table(self, schedules: Sequence[str], curves: bool) -> tuple[dict[str, Any], Table]:
        """The content and the table of some schedules."""
        records = {i: {hp: record[hp] for hp in schedules} for i, record in self.content["arch2infos"].items()}
        content = {**self.content, "arch2infos": records}
        name = f"{'-'.join(schedules)}.pickle.pbz2"
        table = self.home / f"{name}.safetensors"
        if not table.exists():
            import_table(official.write(self.home / name, content), table, curves=curves, progress=False, partial=True)
        return content, Table(table)


@pytest.fixture(scope="module", params=[TOPOLOGY, SIZE], ids=["topology", "size"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    space: SearchSpace = request.param
    home = tmp_path_factory.mktemp(space.name)
    records = records_of(space)
    folder = official.write_archive(home / official.archive_name(space), space, ())
    for index, record in records.items():
        # The package falls back to names without zeros.
        official.write(folder / (f"{index}.pickle.pbz2" if index == 11 else f"{index:06d}.pickle.pbz2"), record)
    content = {**official.meta(space), "arch2infos": records, "evaluated_indexes": set(records)}
    return Archive(space, content, folder, official.write(home / "all.pickle.pbz2", content), home)


@dataclass
class Pair:
    """The package and the facade over the same measurements."""

    theirs: Any
    ours: Any
    space: str
    indices: Sequence[int]
    schedules: Sequence[str]
    epochs: Mapping[str, Sequence[int | None]]  # of a schedule, the epochs to ask for
    ignored: frozenset[str] = frozenset()  # attributes of a ResultsCount that a table does not keep
    load_all: Sequence[bool | None] = (None, False, False, False, True)  # what find_best is asked to load

    @property
    def strings(self) -> list[str]:
        return [self.theirs.meta_archs[index] for index in self.indices]


ALL_EPOCHS = {hp: [None, None, 0, 3, int(hp) // 2, int(hp) - 1, 0, 2, int(hp), -1] for hp in ("01", "12", "90", "200")}
LAST_EPOCHS = {hp: [None, None, int(hp) - 1, int(hp), -1] for hp in ("01", "12", "90", "200")}
# A table has one figure of params and FLOPs for all trials of an architecture, and no top-5 accuracy.
NOT_IN_TABLES = frozenset({"train_acc5es", "params", "flop"})
CURVES = frozenset({"train_acc1es", "train_losses", "eval_acc1es", "eval_losses"})


def pair_of(archive: Archive, form: str) -> Pair:
    space = archive.space.name
    schedules, epochs, ignored = official.SCHEDULES[space], ALL_EPOCHS, frozenset[str]()
    fast = form == "folder"
    theirs = mine = {"folder": str(archive.folder), "file": str(archive.file), "dict": archive.content}.get(form)
    if form == "table":  # all curves, but for the 200 epochs of the topology space: they would make a gigabyte
        schedules = ("12",) if space == "topology" else schedules
        theirs, mine = archive.table(schedules, curves=True)
        ignored = NOT_IN_TABLES
    elif form == "table of last epochs":
        epochs = LAST_EPOCHS
        theirs, mine = archive.table(schedules, curves=False)
        ignored = NOT_IN_TABLES | CURVES
    name = {"topology": "tss", "size": "sss"}[space]
    with quiet():
        their_api = nats_bench.create(theirs, name, fast, False)
    indices = INDICES[space]
    return Pair(their_api, ours.create(mine, name, fast, False), space, indices, schedules, epochs, ignored)


@pytest.fixture(params=["folder", "file", "dict", "table", "table of last epochs"])
def pair(archive: Archive, request: pytest.FixtureRequest) -> Pair:
    return pair_of(archive, request.param)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# -- comparing ---------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What a call returned or raised, what it printed, and where it left the generator."""

    value: Any
    printed: str
    draw: float


def answer(api: Any, method: str, arguments: Mapping[str, Any], seed: int = 0) -> Answer:
    random.seed(seed)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        value = outcome(getattr(api, method), **arguments)
    return Answer(value, printed.getvalue(), random.random())


def outcome(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What a call returns, or the exception that it raises."""
    try:
        with quiet():
            return call(*arguments, **named)
    except Exception as error:  # whatever it is, the other one must raise it too
        return error


def assert_same(theirs: Any, mine: Any, ignored: frozenset[str] = frozenset(), where: str = "answer") -> None:
    """Equal to 1e-6, or objects of the same name with equal attributes."""
    if type(theirs).__name__ in ("ArchResults", "ResultsCount", "TopologyStructure"):
        assert type(mine).__name__ == type(theirs).__name__, where
        theirs, mine = vars(theirs), vars(mine)
        assert list(theirs) == list(mine) or set(theirs) == set(mine), where
        theirs, mine = ({k: v for k, v in state.items() if k not in ignored} for state in (theirs, mine))
    if isinstance(theirs, Mapping):
        assert set(mine) == set(theirs), where
        for key, value in theirs.items():
            if key == "comment":
                assert str(mine[key]) != ""
            else:
                assert_same(value, mine[key], ignored, f"{where}[{key!r}]")
    elif isinstance(theirs, (list, tuple)):
        assert len(mine) == len(theirs), where
        for i, (a, b) in enumerate(zip(theirs, mine, strict=True)):
            assert_same(a, b, ignored, f"{where}[{i}]")
    elif isinstance(theirs, np.ndarray):
        np.testing.assert_array_equal(mine, theirs)
    elif isinstance(theirs, float):
        assert math.isclose(mine, theirs, rel_tol=1e-6), f"{where}: {mine} instead of {theirs}"
    else:
        assert mine == theirs, f"{where}: {mine} instead of {theirs}"


def assert_same_answer(
    apis: tuple[Any, Any], method: str, arguments: Mapping[str, Any], *, seed: int = 0, **options: Any
) -> None:
    """Ask the package and the facade the same."""
    theirs, mine = (answer(api, method, arguments, seed) for api in apis)
    question = f"{method}({arguments})"
    if isinstance(theirs.value, Exception):
        assert isinstance(mine.value, type(theirs.value)), f"{question}: {mine.value!r} instead of {theirs.value!r}"
        return
    assert not isinstance(mine.value, Exception), f"{question}: {mine.value!r} instead of an answer"
    assert_same(theirs.value, mine.value, **options, where=question)
    assert mine.draw == theirs.draw, question
    assert mine.printed == theirs.printed, question


# -- hundreds of questions ---------------------------------------------------------------------------------------------


class Cell:
    """An architecture as searches hand it over."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Cell({self.text!r})"

    def tostr(self) -> str:
        return self.text


def questions(pair: Pair, rng: random.Random) -> dict[str, Callable[[], dict[str, Any]]]:
    """For every method, how to draw arguments: mostly good ones, some unknown names, some out of range."""

    def index() -> int:
        return rng.choice([*pair.indices * 6, 5, -1, 99_999])

    def arch() -> Any:
        text = rng.choice(pair.strings)
        good = [index(), index(), index(), text, Cell(text)]
        return rng.choice([*good * 4, "|none~0|", Cell("8:8"), 3.5, None])

    def dataset() -> str:
        return rng.choice([*DATASETS * 6, "svhn"])

    def hp() -> str | int:
        good = rng.choice(pair.schedules)
        return rng.choice(
            [good] * 10 + [good if good == "01" else int(good)] * 2 + ["90" if pair.space == "topology" else "200", 7]
        )

    def text_hp() -> str:  # where the package knows no int
        return str(hp())

    def epoch(hp: str | int) -> int | None:
        return rng.choice(pair.epochs.get(str(hp), [None]))

    def trial() -> Any:
        return rng.choice([True] * 9 + [False] * 9 + [777] * 4 + [888, 999, 111, 5, None, "777", 1.0])

    def metric() -> dict[str, Any]:
        chosen = hp()
        return {"index": arch(), "dataset": dataset(), "iepoch": epoch(chosen), "hp": chosen, "is_random": trial()}

    def simulation() -> dict[str, Any]:
        chosen, name = hp(), rng.choice([*DATASETS[1:] * 6, "cifar10-valid"])
        accounted = rng.choice([True, False])
        return {"arch": arch(), "dataset": name, "iepoch": epoch(chosen), "hp": chosen, "account_time": accounted}

    def best() -> dict[str, Any]:
        return {
            "dataset": dataset(),
            "metric_on_set": rng.choice(["train", "valid", "valid", "test", "test", "x-valid", "x-test", "ori-test", "other"]),
            "flop_max": rng.choice([None, None, 60.0, 120.0, 1.0]),
            "param_max": rng.choice([None, None, 0.5, 1.0, 0.01]),
            "hp": text_hp(),
            "enforce_all": rng.choice(pair.load_all),
        }

    def nothing() -> dict[str, Any]:
        return {}

    common: dict[str, Callable[[], dict[str, Any]]] = {
        "get_more_info": metric,
        "simulate_train_eval": simulation,
        "get_cost_info": lambda: {"index": index(), "dataset": dataset(), "hp": hp()},
        "get_latency": lambda: {"index": index(), "dataset": dataset(), "hp": hp()},
        "find_best": best,
        "query_by_index": lambda: {"arch_index": index(), "dataname": rng.choice([None, dataset()]), "hp": hp()},
        "query_meta_info_by_index": lambda: {"arch_index": index(), "hp": hp()},
        "query_info_str_by_arch": lambda: {"arch": arch(), "hp": text_hp()},
        "query_by_arch": lambda: {"arch": arch(), "hp": text_hp()},
        "query_index_by_arch": lambda: {"arch": arch()},
        "get_net_config": lambda: {"index": index(), "dataset": dataset()},
        "get_net_param": lambda: {"index": index(), "dataset": dataset(), "seed": rng.choice([None, 777, 888, 5]), "hp": hp()},
        "clear_params": lambda: {"index": index(), "hp": rng.choice([None, hp()])},
        "statistics": lambda: {"dataset": dataset(), "hp": hp()},
        "show": lambda: {"index": rng.choice(pair.indices)},
        "arch": lambda: {"index": index()},
        "__getitem__": lambda: {"index": index()},
        "__len__": nothing,
        "random": nothing,
        "reset_time": nothing,
    }
    if pair.space == "topology":
        common["get_unique_str"] = lambda: {"arch": arch()}
        common["str2lists"] = lambda: {"arch_str": rng.choice([*pair.strings, "|none~0|none~0|+|x~1|", "|none|"])}
        common["str2matrix"] = lambda: {"arch_str": rng.choice([*pair.strings, "|none~0|+|x~1|none~0|", "|none|", "|none~a|"])}
    return common


PROPERTIES = (
    *("used_time", "search_space_name", "fast_mode", "archive_dir", "full_train_epochs", "full_epochs_in_paper"),
    *("is_size", "is_topology", "evaluated_indexes", "meta_archs", "archstr2index"),
)


def ask(pair: Pair, seed: int, rounds: int) -> None:
    rng = random.Random(seed)
    for number in range(rounds):
        for method, arguments in questions(pair, rng).items():
            assert_same_answer((pair.theirs, pair.ours), method, arguments(), seed=number, ignored=pair.ignored)
    for name in PROPERTIES:
        assert_same(getattr(pair.theirs, name), getattr(pair.ours, name), where=name)
    assert set(pair.ours.avaliable_hps) == set(pair.theirs.avaliable_hps)


def test_answers_are_those_of_the_package(pair: Pair) -> None:
    ask(pair, seed=0, rounds=12)


def test_a_sequence_of_draws_is_that_of_the_package(pair: Pair) -> None:
    # A script that seeds once and then simulates a search.
    traces = []
    for api in (pair.theirs, pair.ours):
        random.seed(7)
        api.reset_time()
        trace = []
        while api.used_time < 5000.0 and len(trace) < 100:
            index = pair.indices[api.random() % len(pair.indices)]
            trace.append((index, *api.simulate_train_eval(index, random.choice(DATASETS[1:]), hp=pair.schedules[0])))
        traces.append(trace)
    assert_same(*traces)
    assert len(traces[0]) > 10


@pytest.mark.skipif("NATS_ARCHIVE" not in os.environ, reason="NATS_ARCHIVE names no folder in the official format")
def test_answers_over_a_real_archive() -> None:
    folder = Path(os.environ["NATS_ARCHIVE"])
    name, space = ("tss", "topology") if "tss" in folder.name else ("sss", "size")
    apis = [create(str(folder), name, True, False) for create in (nats_bench.create, ours.create)]
    indices = random.Random(0).sample(range(len(apis[0])), 40)
    ask(Pair(*apis, space, indices, official.SCHEDULES[space], ALL_EPOCHS, load_all=(False,)), seed=1, rounds=30)


# -- construction ------------------------------------------------------------------------------------------------------


def test_create_refuses_what_the_package_refuses(archive: Archive, tmp_path: Path) -> None:
    name = {"topology": "tss", "size": "sss"}[archive.space.name]
    twice = {**archive.content, "meta_archs": ["a", "b", "a"]}
    for arguments in product(
        (str(archive.folder), str(archive.file), str(tmp_path / "absent"), {"meta_archs": []}, twice, 3),
        (name, "darts"),
        (True, False),
    ):
        theirs, mine = (outcome(create, *arguments, verbose=False) for create in (nats_bench.create, ours.create))
        failed = isinstance(theirs, Exception)
        assert type(mine) is type(theirs) if failed else repr(mine) == repr(theirs), arguments


def test_default_paths(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, base = {"topology": "tss", "size": "sss"}[archive.space.name], official.archive_name(archive.space)
    (tmp_path / f"{base}-simple").symlink_to(archive.folder)
    (tmp_path / f"{base}.pickle.pbz2").symlink_to(archive.file)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert ours.create(None, name, fast_mode=True, verbose=False).archive_dir == str(tmp_path / f"{base}-simple")
    assert len(ours.create(None, name, verbose=False).evaluated_indexes) == len(INDICES[archive.space.name])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "elsewhere"))
    for fast_mode in (True, False):
        with pytest.raises(ValueError, match="elsewhere"):
            ours.create(None, name, fast_mode, verbose=False)
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.delenv("HOME")
    with pytest.raises(ValueError, match="set TORCH_HOME"):
        ours.create(None, name)


def test_a_table_opens_by_object_and_by_path_in_either_mode(size_table: Table) -> None:
    for given, fast_mode in product((size_table, size_table.path, str(size_table.path)), (True, False)):
        api = ours.create(given, "size", fast_mode, verbose=False)
        assert repr(api) == f"NATSsize(27/27 architectures, fast_mode={fast_mode}, file=size.safetensors)"
        expected = size_table.accuracy(5, "cifar100", "90", "x-test")
        assert api.get_more_info(5, "cifar100", hp="90", is_random=False)["test-accuracy"] == expected
        assert api.find_best("cifar100", "test", hp="90") == size_table.best("cifar100", "90", "x-test")
    with pytest.raises(ValueError, match="of the size space, expected topology"):
        ours.create(size_table, "tss")


def test_a_dict_is_copied(archive: Archive) -> None:
    api = ours.create(archive.content, archive.space.name, verbose=False)
    hp, index = official.SCHEDULES[archive.space.name][0], INDICES[archive.space.name][0]
    api.arch2infos_dict[index][hp].get_dataset_names().clear()
    api.arch2infos_dict[index][hp].dataset_seed.clear()
    assert archive.content["arch2infos"][index][hp]["dataset_seed"]


def test_verbose_tells_every_call(size_table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    api = ours.create(size_table, "sss")
    assert "NATSsize(27/27" in capsys.readouterr().out
    api.get_more_info(3, "cifar10", hp=12)
    assert "get_more_info: index=3, dataset=cifar10, iepoch=None, hp=12, is_random=True" in capsys.readouterr().out
    api.verbose = False
    api.get_more_info(3, "cifar10", hp=12)
    assert capsys.readouterr().out == ""


# -- records -----------------------------------------------------------------------------------------------------------


def test_memory_holds_only_the_latest_records(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CACHED_RECORDS", 2)
    api = ours.create(archive.folder, archive.space.name, True, False)
    whole = ours.create(archive.content, archive.space.name, False, False)
    for index in INDICES[archive.space.name] * 2:
        assert_same(whole.get_cost_info(index, "cifar10"), api.get_cost_info(index, "cifar10"))
        assert len(api.arch2infos_dict._recent) <= 2
    assert sorted(api.arch2infos_dict) == INDICES[archive.space.name] == sorted(api.evaluated_indexes)
    assert api.find_best("cifar10", "valid", enforce_all=False) == whole.find_best("cifar10", "valid")


def test_reload(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, index = {"topology": "tss", "size": "sss"}[archive.space.name], INDICES[archive.space.name][0]
    other = archive.content["arch2infos"][index].copy()
    hp = next(iter(other))
    other[hp] = {**other[hp], "arch_str": "another"}
    folder = tmp_path / f"{official.archive_name(archive.space)}-full"
    folder.mkdir()
    official.write(folder / f"{index}.pickle.pbz2", other)
    for create, given in product((nats_bench.create, ours.create), (archive.folder, archive.content)):
        with quiet():
            api = create(str(given) if given is archive.folder else given, name, given is archive.folder, False)
            monkeypatch.setenv("TORCH_HOME", str(tmp_path))
            api.reload(index=index)
            assert api.query_meta_info_by_index(index, hp).arch_str == "another"
            with pytest.raises(AssertionError):
                api.reload(str(folder), INDICES[archive.space.name][1])
            for bad in (-1, len(api)):
                with pytest.raises(ValueError):
                    api.reload(str(folder), bad)
            with pytest.raises(ValueError):
                api.reload(str(tmp_path / "absent"), index)
            monkeypatch.setenv("TORCH_HOME", str(tmp_path / "absent"))
            if given is archive.folder:
                api.reload(index=index)  # from the folder it was opened on
                assert api.query_meta_info_by_index(index, hp).arch_str == api.arch(index)
            else:
                with pytest.raises(ValueError):
                    api.reload(index=index)


def test_a_reloaded_record_replaces_that_of_a_table(archive: Archive, tmp_path: Path) -> None:
    _, table = archive.table(("12",), curves=True)
    index, untouched = INDICES[archive.space.name][:2]
    api = ours.create(table, archive.space.name, verbose=False)
    before = api.get_more_info(untouched, "cifar100", is_random=False)
    record = official.record(archive.space, index)
    for trial in record["12"]["all_results"].values():
        trial["train_acc1es"] = dict.fromkeys(range(12), 12.5)
    official.write(tmp_path / f"{index:06d}.pickle.pbz2", record)
    api.reload(str(tmp_path), index)
    assert api.get_more_info(index, "cifar100", is_random=False)["train-accuracy"] == 12.5
    assert_same(before, api.get_more_info(untouched, "cifar100", is_random=False))


def test_returned_objects_are_copies(pair: Pair) -> None:
    hp, index = pair.schedules[0], pair.indices[0]
    before = pair.ours.get_more_info(index, "cifar10", hp=hp, is_random=777 if pair.space == "size" else 111)
    result = next(iter(pair.ours.query_by_index(index, "cifar10", hp).values()))
    result.train_acc1es.clear()
    pair.ours.query_meta_info_by_index(index, hp).dataset_seed.clear()
    pair.ours.get_cost_info(index, "cifar10", hp).clear()
    assert pair.ours.get_more_info(index, "cifar10", hp=hp, is_random=777 if pair.space == "size" else 111) == before


class Danger:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("danger",))


def test_nothing_in_a_file_is_run(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ours.pickle_save({**archive.content, "arch2infos": {0: Danger()}}, tmp_path / "file.pickle")
    folder = official.write_archive(tmp_path / "folder", archive.space, ())
    ours.pickle_save({"12": Danger()}, folder / "000000.pickle")
    with pytest.raises(ValueError, match=r"file\.pickle\.pbz2.*mkdir"):
        ours.create(tmp_path / "file.pickle.pbz2", archive.space.name, verbose=False)
    api = ours.create(folder, archive.space.name, True, False)
    for _ in range(2):  # also when asked again
        with pytest.raises(ValueError, match=r"000000\.pickle\.pbz2.*mkdir"):
            api.get_more_info(0, "cifar10")
    assert api.evaluated_indexes == set()
    assert not (tmp_path / "danger").exists()


def test_pickles_go_both_ways(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, None, True], "arch2infos": {3: {"12": {"x": 1.0}}}, "s": {1, 2}}
    nats_bench.pickle_save(content, tmp_path / "theirs")
    ours.pickle_save(content, str(tmp_path / "ours"))
    for name in ("theirs", "ours"):
        for given in (tmp_path / name, str(tmp_path / f"{name}.pbz2")):
            assert nats_bench.pickle_load(given) == ours.pickle_load(given) == content
    with pytest.raises(FileNotFoundError):
        ours.pickle_load(tmp_path / "absent")


def test_the_lowest_index_wins_ties(tmp_path: Path) -> None:
    twins = {}
    for index in (4, 5, 6):
        record = official.record(SIZE, 4)
        for state in record.values():
            state |= {"arch_index": index, "arch_str": SIZE.to_string(SIZE.architecture(index))}
            for trial in state["all_results"].values():
                trial["arch_config"] |= {"channels": state["arch_str"], "arch_str": state["arch_str"]}
        twins[index] = record
    content = {**official.meta(SIZE), "arch2infos": twins, "evaluated_indexes": set(twins)}
    table = import_table(
        official.write(tmp_path / "twins.pickle.pbz2", content), tmp_path / "t.safetensors", progress=False, partial=True
    )
    for create, given in ((nats_bench.create, content), (ours.create, content), (ours.create, table)):
        assert create(given, "sss", False, False).find_best("cifar100", "test", hp="90")[0] == 4


# -- where the package is odd ------------------------------------------------------------------------------------------


def test_an_int_schedule_is_known_everywhere(pair: Pair) -> None:
    index = pair.indices[0]
    assert pair.ours.find_best("cifar10", "test", hp=12, enforce_all=False) == pair.ours.find_best(
        "cifar10", "test", hp="12", enforce_all=False
    )
    assert pair.ours.query_by_arch(index, 12) == pair.theirs.query_by_arch(index, "12")


def test_show_all(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    for index in pair.indices:
        pair.ours.show(index)
    each = capsys.readouterr().out
    pair.ours.show(-1)
    everything = capsys.readouterr().out
    assert everything.startswith(repr(pair.ours))
    assert set(each.splitlines()) <= set(everything.splitlines())
    assert everything.count("Architecture 0") == len(pair.indices)
    pair.ours.show(99_999)
    assert "no architecture 99999" in capsys.readouterr().out


# -- results and structures --------------------------------------------------------------------------------------------


def both_results(archive: Archive, hp: str) -> tuple[Any, Any]:
    index = {"topology": 13, "size": 42}[archive.space.name]  # 13: trials disagree in FLOPs
    state = archive.content["arch2infos"][index][hp]
    return nats_bench.ArchResults.create_from_state_dict(state), ours.ArchResults.create_from_state_dict(state)


def test_arch_results_has_the_methods_of_the_package(archive: Archive, tmp_path: Path) -> None:
    for hp in official.SCHEDULES[archive.space.name]:
        theirs, mine = both_results(archive, hp)
        assert_same(theirs, mine)
        assert_same(theirs.state_dict(), mine.state_dict())
        ours.pickle_save(mine.state_dict(), tmp_path / "state")
        assert_same(theirs, ours.ArchResults.create_from_state_dict(str(tmp_path / "state")))
        for method, arguments in [
            *product(
                ["get_latency", "get_dataset_seeds", "get_compute_costs", "query"], [{"dataset": key} for key in (*DATASETS, "x")]
            ),
            *product(["get_net_param", "query"], [{"dataset": "cifar10", "seed": seed} for seed in (None, 777, 5)]),
            *product(["get_total_epoch"], [{}, {"dataset": "cifar10"}, {"dataset": 3}, {"dataset": "x"}]),
            *product(["arch_idx_str", "get_dataset_names", "__repr__"], [{}]),
            *product(
                ["get_metrics"],
                [
                    {"dataset": dataset, "setname": name, "iepoch": epoch, "is_random": trial}
                    for dataset, name, epoch, trial in product(
                        ("cifar10-valid", "cifar100", "x"),
                        ("train", "valid", "x-test", "no"),
                        (None, 3, 999),
                        (True, False, 777),
                    )
                ],
            ),
            ("clear_params", {}),
        ]:
            assert_same_answer((theirs, mine), method, arguments)
        assert_same(theirs, mine)


def test_results_count_has_the_methods_of_the_package(archive: Archive) -> None:
    structures = (nats_bench.genotype_utils.topology_str2structure, topology_str2structure)
    for hp in official.SCHEDULES[archive.space.name]:
        theirs, mine = (next(iter(results.query("cifar100").values())) for results in both_results(archive, hp))
        for method, arguments in [
            *product(["get_train"], [{"iepoch": epoch} for epoch in (None, 0, int(hp) - 1, int(hp), -1)]),
            *product(
                ["get_eval"],
                [{"name": name, "iepoch": epoch} for name in ("valid", "x-valid", "ori-test", "no") for epoch in (None, 0, 999)],
            ),
            *product(["get_latency", "get_times", "get_eval_set", "get_total_epoch", "state_dict", "__repr__"], [{}]),
            *product(["get_net_param"], [{}, {"clone": True}]),
            ("get_config", {"str2structure": None}),
        ]:
            assert_same_answer((theirs, mine), method, arguments)
        assert_same(theirs.get_config(structures[0]), mine.get_config(structures[1]))
        assert_same(theirs, mine)


def test_states_that_are_none() -> None:
    for module, bad in product((nats_bench, ours), (3, {"all_results": []})):
        with pytest.raises(ValueError):
            module.ArchResults.create_from_state_dict(bad)


def test_structures_are_those_of_the_package() -> None:
    for index in range(0, 15625, 5):
        text = TOPOLOGY.to_string(TOPOLOGY.architecture(index))
        theirs, mine = nats_bench.genotype_utils.topology_str2structure(text), topology_str2structure(text)
        assert_same(theirs, mine)
        for zero in (None, True, False):
            assert (
                mine.to_unique_str(zero)
                == theirs.to_unique_str(zero)
                == TOPOLOGY.unique_string(TOPOLOGY.architecture(index), zero)
            )
        assert mine.check_valid() == theirs.check_valid() == TOPOLOGY.is_connected(TOPOLOGY.architecture(index))
        assert mine.tostr() == text
        assert mine.tolist("none") == theirs.tolist("none")
        assert mine.check_valid_op(["none", "skip_connect"]) == theirs.check_valid_op(["none", "skip_connect"])
        assert (repr(mine), len(mine), mine[1]) == (repr(theirs), len(theirs), theirs[1])
    assert topology_str2structure(mine) is mine


@pytest.mark.parametrize(
    "call",
    [
        *(lambda s, g=g: s(g) for g in (3, [3], [[]], [[("a",)]], [[("a", 1)]], [["a"]])),
        *(lambda s, t=t: s.str2structure(t) for t in ("|a|", "a~b~c", "|a~x|", 3)),
    ],
)
def test_bad_structures(call: Callable[[Any], Any]) -> None:
    theirs, mine = (outcome(call, s) for s in (nats_bench.genotype_utils.TopologyStructure, TopologyStructure))
    if isinstance(theirs, Exception):
        assert isinstance(mine, type(theirs))
        assert mine.args
    else:
        assert mine == theirs


# -- standing in for the package ---------------------------------------------------------------------------------------


def test_the_package_level() -> None:
    assert ours.version() == nats_bench.version()
    for tags in product(("nats-bench", "nas-bench-201", "x"), ("tss", "topology", "sss", "size", None, "x")):
        theirs, mine = (outcome(module.search_space_info, *tags) for module in (nats_bench, ours))
        assert mine == theirs or type(mine) is type(theirs) is ValueError
    assert api_topology.ALL_BASE_NAMES == nats_bench.api_topology.ALL_BASE_NAMES
    assert api_size.ALL_BASE_NAMES == nats_bench.api_size.ALL_BASE_NAMES
    for names in product((*DATASETS, "x"), ("train", "valid", "test", "x-test")):
        assert api_utils.remap_dataset_set_names(*names) == nats_bench.api_utils.remap_dataset_set_names(*names)


SCRIPT = """
import sys
from nats_bench import create
from nats_bench.api_size import ALL_BASE_NAMES, NATSsize
from nats_bench.api_topology import NATStopology
from nats_bench.api_utils import ArchResults, pickle_load
from nats_bench.genotype_utils import topology_str2structure
import nats_bench, random, helper
random.seed(3)
api = create(sys.argv[1], "sss", fast_mode=False, verbose=False)
print([api.simulate_train_eval(api.random(), "cifar10", hp="12")[0] for _ in range(5)], isinstance(api, NATSsize))
print(nats_bench.__name__, __name__, helper.VALUE)
"""


def test_scripts_run_unchanged(size_table: Table, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "helper.py").write_text("VALUE = 'beside the script'")
    command = [sys.executable, "-m", "benchmark_api.nats", str(tmp_path / "script.py"), str(size_table.path)]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    random.seed(3)
    api = ours.create(size_table, "sss", verbose=False)
    expected = [api.simulate_train_eval(api.random(), "cifar10", hp="12")[0] for _ in range(5)]
    assert ran == [f"{expected} True", "benchmark_api.nats __main__ beside the script"]


def test_install_is_only_for_this_process() -> None:
    program = "from benchmark_api.nats import install; install(); import nats_bench.api_utils as u; print(u.__name__)"
    for before, name in (("", "benchmark_api.nats.api_utils"), ("import nats_bench.api_utils\n", "benchmark_api.nats.api_utils")):
        command = [sys.executable, "-c", before + program]
        output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        assert output.strip() == name
    assert nats_bench.create.__module__ == "nats_bench"
