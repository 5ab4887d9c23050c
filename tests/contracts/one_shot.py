"""Contract of one-shot searches, to be run on any method, selection or space.

    # test_gated.py, with the project's root on the Python path
    import pytest
    from gated import Gated
    from tests.contracts.one_shot import OneShotContract

    @pytest.mark.parametrize("search_class", [Gated])
    class TestGated(OneShotContract):
        other_values = {"temperature": [0.1]}  # only where the values chosen from type and bounds do not suit

The search must be importable by its module's name, since one test repeats its run in another process.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from algorithms.one_shot.inherited import inherited_accuracy
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.selection import Selection
from algorithms.one_shot.task import Task
from benchmark_api.bounds import Limit, limits
from tests.helpers import tiny
from tests.helpers.other_hashes import another_process

Search = type[OneShotSearch]


class OneShotContract:
    """Tests of one search; a subclass parametrises them by `search_class`.

    Attributes:
        settings: hyperparameters of the small runs; those that a search does not have are ignored.
        other_values: values to compare with the small run's, by hyperparameter, where those chosen from type and bounds do not
            suit.
        without_effect: hyperparameters that need not change a small run.
        selection: how architectures are derived; None for the method's selection.
    """

    settings: ClassVar[Mapping[str, Any]] = tiny.SMALL
    other_values: ClassVar[Mapping[str, Sequence[Any]]] = {}
    without_effect: ClassVar[Collection[str]] = ()
    selection: ClassVar[type[Selection] | None] = None

    def task(self, search_class: Search) -> Task:
        """Return a small task in the search's space."""
        return tiny.task_for(search_class)

    def make(self, search_class: Search, seed: int = 0, **changes: Any) -> OneShotSearch:
        """Return a search of the small run, with some hyperparameters changed."""
        config = self.config(search_class, **changes)
        return search_class(self.task(search_class), config, seed=seed, selection=self.selection)

    def config(self, search_class: Search, **changes: Any) -> Any:
        """Return the hyperparameters of the small run, some of them changed."""
        return tiny.small(search_class, {**self.settings, **changes})

    # -- determinism -------------------------------------------------------------------------------------------------------

    def test_the_seed_determines_the_run_whatever_the_global_random_state(self, search_class: Search) -> None:
        def state() -> list[Any]:
            return [random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state().tolist()]  # noqa: NPY002

        expected = reference(type(self), search_class)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)
        before = state()
        assert_equal(tiny.run(self.make(search_class)), expected)
        np.testing.assert_equal(state(), before)
        other = tiny.plain(self.make(search_class, seed=1).train_epoch())
        assert other[2:] != expected[0][2:]

    @pytest.fixture(scope="class")
    @classmethod
    def another_process(cls) -> Iterator[Executor]:
        """A process with other hashes of strings."""
        with another_process(torch.set_num_threads, torch.get_num_threads()) as executor:
            yield executor

    def test_another_process_makes_the_same_run(self, search_class: Search, another_process: Executor) -> None:
        search = self.make(search_class)
        arguments = search_class, search.task, search.config, self.selection
        again = another_process.submit(run_pickled, pickle.dumps(arguments)).result()
        assert_equal(again, reference(type(self), search_class))

    def test_a_resumed_search_is_bit_identical(self, search_class: Search, tmp_path: Path) -> None:
        """From a checkpoint before the first epoch, after every epoch, and after the last."""
        search = self.make(search_class)
        for epoch in range(search.config.epochs + 1):
            search.save(tmp_path / "saved")
            resumed = self.make(search_class)
            resumed.load(tmp_path / "saved")
            assert resumed.epoch == epoch
            assert_equal(tiny.run(resumed), reference(type(self), search_class))
            if epoch < search.config.epochs:
                search.train_epoch()
        states = [{name: array.tolist() for name, array in tiny.state(each).items()} for each in (search, resumed)]
        np.testing.assert_equal(*states)

    def test_a_checkpoint_of_another_configuration_is_refused(self, search_class: Search, tmp_path: Path) -> None:
        self.make(search_class).save(tmp_path / "saved")
        for other in (self.make(search_class, momentum=0.5), self.make(search_class, seed=1)):
            with pytest.raises(ValueError, match=r"is of another search: its (config|seed) is"):
                other.load(tmp_path / "saved")
            assert other.epoch == 0

    def test_looking_does_not_change_what_is_learnt(self, search_class: Search) -> None:
        """Neither `derive` nor `inherited_accuracy` draws from the generators of training, or changes weights."""
        search = self.make(search_class)
        architecture = search.task.space.architecture(len(search.task.space) - 1)
        for _ in range(search.config.epochs):
            search.derive()
            inherited_accuracy(search, [architecture], images=8)
            search.train_epoch()
        expected = [epoch[2:4] for epoch in reference(type(self), search_class)]  # loss and accuracy of training
        assert [epoch[2:4] for epoch in map(tiny.plain, search.metrics)] == expected

    # -- the metrics of an epoch -------------------------------------------------------------------------------------------

    def test_metrics_are_in_range_and_architectures_valid(self, search_class: Search) -> None:
        search = self.make(search_class)
        metrics = [search.train_epoch() for _ in range(search.config.epochs)]
        assert search.metrics == metrics
        assert [epoch.epoch for epoch in metrics] == list(range(1, search.config.epochs + 1))
        cardinalities = search.task.space.cardinalities
        sizes = [len(search.task.dataset.split(split)) for split in ("train", "x-valid")]
        for epoch in metrics:
            assert search.task.space.check(epoch.architecture) == epoch.architecture
            assert all(type(choice) is int for choice in epoch.architecture)
            for accuracy, size in zip((epoch.train_accuracy, epoch.valid_accuracy), sizes, strict=True):
                assert 0 <= accuracy <= 100
                assert accuracy * size / 100 == pytest.approx(round(accuracy * size / 100))  # of whole images
            assert 0 < epoch.train_loss < 5
            assert 0 < epoch.valid_loss < 5
            assert epoch.arch_weights.shape == (len(cardinalities), max(cardinalities))
            assert np.isfinite(epoch.arch_weights).all()
            if epoch.arch_weights.sum(axis=1) == pytest.approx(1):
                by_row = [-sum(p * math.log(p) for p in row if p) for row in epoch.arch_weights.tolist()]
                assert epoch.entropy == pytest.approx(sum(by_row) / len(cardinalities))
            else:
                assert math.isnan(epoch.entropy)
            assert epoch.train_seconds > 0
            assert epoch.derive_seconds > 0
            assert epoch.peak_memory > 50 << 20
        with pytest.raises(RuntimeError, match=f"{search.name}: all {search.config.epochs} epochs are finished"):
            search.train_epoch()

    def test_a_search_sees_no_test_images(self, search_class: Search) -> None:
        task = self.task(search_class)
        assert set(task.dataset.splits) == {"train", "x-valid"}
        seen = {**task.dataset.splits, "x-test": task.dataset.splits["x-valid"]}
        with pytest.raises(ValueError, match="with the splits train and x-valid alone"):
            dataclasses.replace(task, dataset=dataclasses.replace(task.dataset, splits=seen))

    # -- hyperparameters ---------------------------------------------------------------------------------------------------

    def test_every_hyperparameter_changes_the_search(self, search_class: Search) -> None:
        names = {field.name for field in dataclasses.fields(search_class.Config)} - set(self.without_effect)
        without = [name for name in sorted(names) if not self._matters(search_class, name)]
        assert not without

    def _matters(self, search_class: Search, name: str) -> bool:
        """Return whether another value of a hyperparameter changes an epoch of the small run."""
        value = getattr(self.config(search_class), name)
        expected = reference(type(self), search_class)
        for other in self.other_values.get(name) or other_values(value, limits(search_class.Config).get(name)):
            try:
                search = self.make(search_class, **{name: other})
            except ValueError:  # it does not go with the others
                continue
            for epoch in expected[: search.config.epochs]:
                if not equal(tiny.plain(search.train_epoch()), epoch):
                    return True
        return False

    def test_every_declared_bound_refuses(self, search_class: Search) -> None:
        declared = limits(search_class.Config)
        assert {"epochs", "batch", "rate", "momentum"} <= declared.keys()
        for name, limit in declared.items():
            for value in refused_values(limit, getattr(self.config(search_class), name)):
                with pytest.raises(ValueError) as error:
                    self.make(search_class, **{name: value})
                assert name in str(error.value)
                assert str(value) in str(error.value)

    def test_configurations_are_frozen_and_of_the_right_class(self, search_class: Search) -> None:
        config = self.config(search_class)
        with pytest.raises(dataclasses.FrozenInstanceError):
            config.epochs = 1
        impostor = dataclasses.dataclass(frozen=True)(type("Impostor", (search_class.Config,), {}))
        with pytest.raises(TypeError, match=f"{search_class.name} takes a"):
            search_class(self.task(search_class), impostor())
        assert search_class.default_config("cifar10") == search_class.Config()
        search_class.default_config("digits")  # its values are within the bounds


@cache
def reference(contract: type[OneShotContract], search_class: Search) -> list[list[Any]]:
    """Return the metrics of a search's small run with seed 0."""
    return tiny.run(contract().make(search_class))


def run_pickled(arguments: bytes) -> list[list[Any]]:
    """Return the metrics of a run, in another process."""
    search_class, task, config, selection = pickle.loads(arguments)
    return tiny.run(search_class(task, config, selection=selection))


def equal(first: object, second: object) -> bool:
    """Return whether two lists are equal; NaN equals NaN."""
    return repr(first) == repr(second)


def assert_equal(first: object, second: object) -> None:
    """Check that two lists are equal; NaN equals NaN."""
    np.testing.assert_equal(first, second)


def other_values(value: Any, limit: Limit | None) -> Iterator[Any]:
    """Iterate over allowed values that differ from a value and have its type, the most different ones first."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, tuple):
        yield tuple(0.6 * item + 1e-3 for item in value)
    elif limit is not None and limit.choices:
        yield from (choice for choice in limit.choices if choice != value)
    elif isinstance(value, int | float):
        for other in (12 * value, 0.6 * value + 1e-3, value + 1, 1e-6 * value):
            plain = type(value)(other)
            if plain != value and (limit is None or limit.allows(plain)):
                yield plain


def refused_values(limit: Limit, value: Any) -> Iterator[Any]:
    """Iterate over values that a declared restriction must refuse."""
    outside = limit.bound.refused() if limit.bound else ["no such choice"]
    for item in outside:
        yield (*value[:-1], item) if limit.each else item
