"""Calls from Python with any arguments: each does what it says, or is refused by one line before any work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import nas_zoo
from algorithms.black_box import BLACK_BOX, RandomSearch
from algorithms.one_shot.task import Execution
from benchmark_api.tables.table import Table
from experiments import store
from tests.helpers.hostile import Tries

NAN, INF = float("nan"), float("inf")
HUGE = 10**400
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "seeds": ("x", 3.5, -1, 0, [-1], ["a"], [1.5], [2**63], 10**20, None, True, [None], [NAN], {}, "12", [10**30], [], 10**6 + 1),
    "budget": ("x", NAN, INF, -1, 0, True, [1], 1e308, HUGE, b"x"),
    "jobs": ("x", 0, -1, 1.5, 10**9, True, [1], NAN),
    "searches": ("random", ["rae"], [3], [None], [("rea",)], [("rea", 3)], [("rea", {}, 1)], [int], [object()], [], None, 3),
    "dataset": (3, "nothing", "..", "", b"x", "a\x00"),
    "schedule": (3, "x", "4 ", "0", "", 4.0, "9" * 5000, "４"),
    "at_most": (
        3,
        "x",
        ["params"],
        {"": 1},
        {1: 2},
        *({"params": value} for value in (NAN, INF, -INF, "x", None, True, -1, HUGE)),
    ),
    "at_least": ({"params": NAN}, {"params": INF}, {"params": 1e9}, {"params": -INF}, {"nothing": 0}),
    "noise": (3, "loud", "", -1, None, NAN, [1], "777", "1e3", "９"),
    "charge": ("gratis", None, 3),
    "repeats": ("x", None, 1),
    "max_queries": (0, -1, 1.5, NAN, "x", 10**20, True, INF),
    "workers": (0, -1, 1.5, "x", 10**9, NAN, True),
    "charge_model_time": ("x", 1, None),
    "table": ("nothing", "/", "/dev/zero", "a\x00b", "x" * 5000),
    "results": ("/dev/null", "/proc/x", "a\x00b"),
}
HYPERPARAMETERS = ("x", -1, 2.5, True, None, NAN, [1], HUGE)


def sweep(folder: Path, **arguments: Any) -> Any:
    usual = {"searches": ["random"], "table": "digits-topology", "seeds": 2, "budget": 5.0, "results": folder, "jobs": 1}
    return nas_zoo.sweep(**{**usual, "quiet": True, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_sweeps(name: str, tmp_path: Path, tries: Tries) -> None:
    for value in ARGUMENTS[name]:
        tries.refused((name, value), lambda value=value: sweep(tmp_path, **{name: value}))  # type: ignore[misc]
    assert list(tmp_path.rglob("*.parquet")) == []


def test_hyperparameters_of_any_type(tmp_path: Path, tries: Tries) -> None:
    for value in HYPERPARAMETERS:
        of_rea = [("rea", {"population_size": value})]
        tries.refused(value, lambda of_rea=of_rea: sweep(tmp_path, searches=of_rea), "population_size")  # type: ignore[misc]
    assert list(tmp_path.rglob("*.parquet")) == []


@dataclass(frozen=True)
class Loose:
    """A configuration that declares no bounds, as a user may write it."""

    number: float = 0.0


def test_what_could_not_be_read_again_is_not_stored(tmp_path: Path, tries: Tries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BLACK_BOX, "_entries", dict(BLACK_BOX))
    mine = type("Mine", (RandomSearch,), {"name": "mine", "title": "Mine", "paper": "none", "Config": Loose})
    for value in (NAN, INF, "x", None, [1]):
        tries.refused(value, lambda value=value: sweep(tmp_path, searches=[(mine, {"number": value})]))  # type: ignore[misc]
    assert list(tmp_path.rglob("*.parquet")) == []
    assert len(sweep(tmp_path, searches=[(mine, {"number": 1.0})]).runs()) == 2
    assert len(store.load(tmp_path)) == 1


def test_searches_and_seeds_that_are_named_twice_are_run_once(tmp_path: Path) -> None:
    assert len(sweep(tmp_path, searches=["random", "random"], seeds=[1, 1, 0]).runs()) == 2


def test_arguments_of_one_shot_searches(tmp_path: Path, tries: Tries) -> None:
    usual = {"searches": [("rsps", {"epochs": 1})], "table": "digits-topology", "results": tmp_path, "jobs": 1, "quiet": True}
    arguments: dict[str, tuple[Any, ...]] = {
        "seeds": ("x", -1, [2**63], [1.5], []),
        "preset": ("x", "", 3),
        "select": ("x", ""),
        "execution": (3, "x", object(), *(Execution(device=name, stack=None) for name in ("meta", "", "x", "cuda:99"))),
        "searches": (["rea"], [("gdas", {"epochs": 1.5})], [("gdas", {"rate": NAN})], [("gdas", {"arch_betas": (1, 2)})]),
        "table": ("digits-size", "nats-topology", "nothing"),
        "unofficial_images": (True,),
    }
    for name, values in arguments.items():
        for value in values:
            wrong = {**usual, "searches": [("gdas", {"epochs": 1})], name: value} if name == "table" else {**usual, name: value}
            tries.refused((name, value), lambda wrong=wrong: nas_zoo.train_one_shot(**wrong))  # type: ignore[misc]
    for values in ({"device": 3}, {"precision": "x"}, {"stack": "x"}, {"stack": 0}, {"compile": 1}, {"channels_last": "no"}):
        tries.refused(values, lambda values=values: Execution(**values))  # type: ignore[misc]
    assert list(tmp_path.rglob("*.parquet")) == []


def test_results_of_anything(tmp_path: Path, tries: Tries) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "nothing", "/dev/null", "a\0b"):
        tries.refused(path, lambda path=path: nas_zoo.load(path))  # type: ignore[misc]
    results = sweep(tmp_path / "r", searches=["random", "rea"], seeds=6)
    wrong: list[Callable[[], object]] = [
        *(lambda name=name: results.compare(name) for name in ("x", "", 3, None)),  # type: ignore[misc]
        *(lambda name=name: results.only(name) for name in ("x", "", 3)),  # type: ignore[misc]
        *(lambda points=points: results.anytime(points) for points in (0, -1, 1.5, "x", 10**9, None, True)),  # type: ignore[misc]
        *(lambda name=name: results.plot.anytime(dataset=name) for name in ("x", 3, "")),  # type: ignore[misc]
        *(lambda name=name: results.plot.costs(name) for name in ("x", 3, "")),  # type: ignore[misc]
        *(lambda name=name: results.fronts(name) for name in ("x", "")),  # type: ignore[misc]
        lambda: nas_zoo.load(tmp_path / "r", nothing=1),  # type: ignore[arg-type]
        lambda: nas_zoo.load(tmp_path / "r", table="nothing"),
        lambda: nas_zoo.load(tmp_path / "r", table="digits-size"),
    ]
    for number, call in enumerate(wrong):
        tries.refused(number, call)


def test_nothing_is_no_error(tries: Tries) -> None:
    empty = nas_zoo.Results([])
    for call in (empty.summary, empty.runs, empty.found, empty.anytime):
        assert tries.expect(call, call)
    tries.refused("a panel", empty.plot.anytime)
    tries.refused("a comparison", lambda: empty.compare("rea"))


def test_architectures_of_any_index(tries: Tries) -> None:
    for index in (-1, 15625, 10**30, 1.5, True, None, "x", "", "|a|", "９", "9" * 5000, NAN, [1], "|" * 1000, "x" * 10**5):
        tries.refused(index, lambda index=index: nas_zoo.network("digits-topology", index))  # type: ignore[misc]
        tries.refused(index, lambda index=index: nas_zoo.draw("digits-topology", index))  # type: ignore[misc]
    for dataset in ("x", "", "..", 3):
        tries.refused(dataset, lambda dataset=dataset: nas_zoo.network("digits-topology", 3, dataset))  # type: ignore[misc]


def test_queries_of_anything(tries: Tries) -> None:
    table = Table("digits-topology")
    where = ("digits", "4", "x-valid")
    wrong: list[Callable[[], object]] = [
        *(lambda index=index: table.accuracy(index, *where) for index in (1.5, -1, [10**9], "a", 10**30, None)),  # type: ignore[misc]
        *(lambda epoch=epoch: table.accuracy(1, *where, epoch=epoch) for epoch in (9, -1, 10**30)),  # type: ignore[misc]
        *(lambda seed=seed: table.accuracy(1, *where, seed=seed) for seed in (1, -1, 10**30)),  # type: ignore[misc]
        *(lambda name=name: table.tensor(name) for name in ("x", "", "digits", "digits/4", "digits/4/x", "/", "////")),  # type: ignore[misc]
        *(lambda limit=limit: table.best(*where, max_params=limit) for limit in (NAN, -1.0, -INF)),  # type: ignore[misc]
        *(lambda name=name: table.metric(name, "digits") for name in ("x", "", "metrics/x")),  # type: ignore[misc]
        lambda: table.schedules("x"),
        lambda: table.search_view("x"),
        lambda: table.rank_percentile(-1, *where),
        lambda: table.space.architecture(10**30),
        lambda: table.space.index((1, 2)),
    ]
    for number, call in enumerate(wrong):
        tries.refused(number, call)
