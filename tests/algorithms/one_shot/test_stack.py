"""Searches that are trained together are what they are alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.alpha import AlphaConfig, AlphaSearch
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.selection import Selection
from algorithms.one_shot.stack import SearchStack, chosen_stack
from algorithms.one_shot.task import Execution
from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.training.setting import Setting
from experiments.gpu_check import doubled
from tests.helpers import tiny
from tests.helpers.supernet_steps import by_definition

SEEDS = (0, 1, 2)
every_method = pytest.mark.parametrize("name", ONE_SHOT)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as runs are made: sums depend on it
    yield
    torch.set_num_threads(threads)


def make(search_class: type[OneShotSearch], seed: int, selection: type[Selection] | None = None, **changes: Any) -> OneShotSearch:
    config = tiny.small(search_class, {**tiny.SMALL, **changes})
    return search_class(tiny.task_for(search_class), config, seed=seed, selection=selection)


def made(name: str, seeds: Sequence[int] = SEEDS, **changes: Any) -> list[OneShotSearch]:
    return [make(ONE_SHOT[name], seed, **changes) for seed in seeds]


def in_double(searches: Sequence[OneShotSearch]) -> list[OneShotSearch]:
    """The searches in double precision: Adam makes steps of ordinary size of a gradient that is rounding noise."""
    return [doubled(search) for search in searches]


def train(searches: Sequence[OneShotSearch], epochs: int = 1) -> None:
    for _ in range(epochs):
        SearchStack(searches).train_epoch()


def assert_trained_as_alone(searches: Sequence[OneShotSearch], others: Sequence[OneShotSearch]) -> None:
    """After an epoch, draws, counters and derived architectures are equal, and all other numbers up to rounding."""
    train(in_double(searches))
    for search, alone in zip(searches, in_double(others), strict=True):
        alone.train_epoch()
        ours, theirs = tiny.state(search), tiny.state(alone)
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            if name.startswith("draws/") or array.dtype.kind in "iu":
                assert np.array_equal(array, theirs[name]), name
            else:
                np.testing.assert_allclose(array, theirs[name], rtol=0, atol=1e-7, err_msg=name)
        np.testing.assert_allclose(tiny.plain(search.metrics[0])[2:6], tiny.plain(alone.metrics[0])[2:6], atol=1e-6)
        assert search.metrics[0].architecture == alone.metrics[0].architecture


def assert_equal(search: OneShotSearch, other: OneShotSearch) -> None:
    ours, theirs = tiny.state(search), tiny.state(other)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert np.array_equal(array, theirs[name], equal_nan=array.dtype.kind == "f"), name
    assert repr(list(map(tiny.plain, search.metrics))) == repr(list(map(tiny.plain, other.metrics)))


@every_method
def test_a_stack_trains_each_search_as_it_is_trained_alone(name: str) -> None:
    assert SearchStack(made(name)).network is not None
    assert_trained_as_alone(made(name), made(name))


@pytest.mark.parametrize("name", ["rsps", "darts-v1", "gdas", "tas", "tunas"])
def test_weights_in_single_precision(name: str) -> None:
    searches, others = made(name), made(name)
    train(searches)
    for search, alone in zip(searches, others, strict=True):
        alone.train_epoch()
        for parameter, other in zip(search.supernet.parameters(), alone.supernet.parameters(), strict=True):
            torch.testing.assert_close(parameter, other, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, {"batch_norm": "running"}) for name in ("rsps", "darts-v1", "gdas", "fbnetv2")),
        *((name, {"warmup": 0.5}) for name in ("tas", "tunas")),
    ],
)
def test_other_settings(name: str, changes: dict[str, Any]) -> None:
    assert_trained_as_alone(made(name, **changes), made(name, **changes))


@every_method
def test_a_search_does_not_depend_on_the_others_and_resumes_in_any_stack(name: str, tmp_path: Path) -> None:
    """To the bit: in a stack of three, in a stack of its own, and from a checkpoint after each epoch."""
    together, (single,) = made(name), made(name, SEEDS[1:2])
    train(together)
    for search in together:
        search.save(tmp_path / str(search.seed))
    train(together)
    train([single], epochs=2)
    assert_equal(single, together[1])
    resumed = made(name, SEEDS[1:])
    for search in resumed:
        search.load(tmp_path / str(search.seed))
    train(resumed)
    for search, undisturbed in zip(resumed, together[1:], strict=True):
        assert_equal(search, undisturbed)


@pytest.mark.parametrize("name", ["gdas", "tunas"])
def test_after_several_epochs(name: str) -> None:
    searches, others = in_double(made(name, epochs=4)), in_double(made(name, epochs=4))
    train(searches, epochs=3)
    for search, alone in zip(searches, others, strict=True):
        for _ in range(3):
            alone.train_epoch()
        ours, theirs = tiny.state(search), tiny.state(alone)
        for key, array in ours.items():
            np.testing.assert_allclose(array, theirs[key], rtol=0, atol=1e-7, err_msg=key)
        assert search.metrics[-1].architecture == alone.metrics[-1].architecture


def test_searches_of_different_epochs_are_trained_together() -> None:
    searches, others = made("gdas"), made("gdas")
    train(searches[:1])
    train(others[:1])
    train(searches[:2])
    train(others[:1])
    train(others[1:2])
    for search, other in zip(searches[:2], others, strict=False):
        assert_equal(search, other)


def test_seconds_are_shared() -> None:
    searches = made("rsps")
    train(searches)
    assert len({search.metrics[0].train_seconds for search in searches}) == 1
    assert len({search.metrics[0].derive_seconds for search in searches}) == 1


# -- methods and supernets of others ---------------------------------------------------------------------------------------------


class Gates(AlphaSearch):
    """A method that no module of the project knows."""

    name, title, paper = "gates", "Gates", "none"
    Config = AlphaConfig

    def relax(self, alpha: Tensor) -> Tensor:
        return alpha.sigmoid()


class Retrained(Selection):
    """A selection that trains the weights for a step."""

    name = "retrained"
    trains = True

    def select(self, search: OneShotSearch) -> Architecture:
        search.supernet.train()
        search.weight_step(next(search.evaluation_batches()))
        search.supernet.eval()
        return search.most_likely()


@pytest.mark.parametrize("selection", [None, Retrained])
def test_a_method_of_others_is_stacked(selection: type[Selection] | None) -> None:
    searches, others = ([make(Gates, seed, selection) for seed in SEEDS] for _ in range(2))
    assert SearchStack(searches).network is not None
    assert_trained_as_alone(searches, others)


def test_an_unknown_cell_is_trained_alone() -> None:
    search_class = by_definition(ONE_SHOT["darts-v1"])
    searches, others = ([make(search_class, seed) for seed in SEEDS] for _ in range(2))
    assert SearchStack(searches).network is None
    train(searches)
    for search, alone in zip(searches, others, strict=True):
        alone.train_epoch()
        assert_equal(search, alone)


# -- the size of a stack ---------------------------------------------------------------------------------------------------------


def test_small_networks_on_a_cpu_are_stacked() -> None:
    def chosen(space: SearchSpace, images: str, channels: int | None, **execution: Any) -> int:
        setting = Setting(images, None, channels, None if channels is None else 1)
        return chosen_stack(Execution(**{"stack": None, **execution}), space, setting)

    topology, narrow = TopologySpace(), SizeSpace((1, 8))
    assert chosen(topology, "digits", 2) == chosen(topology, "digits", 16) == chosen(narrow, "digits", None) == 20
    assert chosen(topology, "digits", 17) == chosen(topology, "cifar10-valid", 16) == chosen(topology, "cifar10-valid", 2) == 1
    assert chosen(SizeSpace((1, 17)), "digits", None) == chosen(SizeSpace(), "cifar10-valid", None) == 1
    settings = {"channels_last": True}, {"compile": True}, {"graphs": True}, {"stack": 1}
    for other in ({"device": "cuda"}, {"precision": "bfloat16"}, *settings):
        assert chosen(topology, "digits", 2, **other) == 1
    assert chosen(topology, "cifar10-valid", 16, device="cuda", stack=3) == 3


# -- errors ----------------------------------------------------------------------------------------------------------------------


def test_searches_of_a_stack_differ_in_their_seeds_only() -> None:
    for searches in ([], [*made("rsps"), *made("setn")], [*made("rsps"), *made("rsps", rate=0.1)]):
        with pytest.raises(ValueError, match=r"must be equal but for their seeds, got [02] kinds of searches"):
            SearchStack(searches)


def test_a_stack_has_single_precision() -> None:
    assert Execution(stack=3).stack == 3
    with pytest.raises(
        ValueError, match="a stack of 3 without graphs has precision float32 or tf32, no channels_last, no compile"
    ):
        Execution(precision="bfloat16", stack=3)
    with pytest.raises(ValueError, match="stack"):
        Execution(stack=0)


def test_a_failing_search_ends_the_epoch_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = made("gdas")
    supernets = [search.supernet for search in searches]
    monkeypatch.setattr(searches[1], "_architecture_step", lambda batch: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(searches)
    assert [search.supernet for search in searches] == supernets
    for search in searches:
        with pytest.raises(RuntimeError, match="epoch 1 was interrupted; load the last checkpoint"):
            search.train_epoch()
