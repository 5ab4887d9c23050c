"""Additions to the one-shot searches, each one file on the Python path, with the contract of every search."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from algorithms.one_shot import ONE_SHOT, SELECTIONS
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.selection import Selection
from algorithms.one_shot.supernets import WidthMasks
from algorithms.one_shot.task import Task
from benchmark_api.plugins import VARIABLE, load_plugins
from benchmark_api.training.networks import Skeleton
from tests.contracts.one_shot import OneShotContract
from tests.helpers import tiny

GATES = '''
"""DARTS with an independent gate for each operation, in whatever space."""

from torch import Tensor

from algorithms.one_shot.alpha import AlphaConfig, AlphaSearch
from algorithms.one_shot.search import register_one_shot


@register_one_shot
class Gates(AlphaSearch):
    """Joint training with sigmoids instead of a softmax."""

    name, title, paper = "gates", "Gates", "none"
    Config = AlphaConfig
    digits = {"epochs": 5}

    def relax(self, alpha: Tensor) -> Tensor:
        return alpha.sigmoid()
'''

PARTIAL = '''
"""DARTS on half of the channels (after PC-DARTS)."""

import torch

from algorithms.one_shot.darts import DartsFirstOrder
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.supernets.topology import MixedCell, total

PARTS = 2


class PartialCell(MixedCell):
    """A cell whose operations see the first channels; the others bypass them, and all are shuffled."""

    def __init__(self, channels, track_running_stats=False):
        super().__init__(channels // PARTS, track_running_stats)

    def mix(self, x, edges, weights, path):
        seen, bypass = x.tensor_split([x.shape[1] // PARTS], dim=1)
        mixed = super().mix(seen, edges, weights, path)
        return {edge: [shuffled(torch.cat([total(terms, seen), bypass], dim=1))] for edge, terms in mixed.items()}


def shuffled(x):
    """Interleave the channels of the parts [batch, channel, height, width]."""
    return x.unflatten(1, (PARTS, -1)).transpose(1, 2).flatten(1, 2)


@register_one_shot
class PartialDarts(DartsFirstOrder):
    """DARTS with partial channels."""

    name, title = "partial-darts", "Partial DARTS"
    cell = PartialCell
'''

REMOVAL = '''
"""Selection by removing one operation at a time (after DARTS-PT), with a step of the weights after each decision."""

import torch
from torch.nn import functional

from algorithms.one_shot.selection import SELECTIONS, Selection


@SELECTIONS.register
class Removal(Selection):
    """Choose the operation of each decision whose removal raises the validation loss most."""

    name = "removal"
    every_epoch = False
    trains = True

    def select(self, search):
        weights = torch.from_numpy(search.architecture_weights()).float()  # [decision, choice]
        batches = search.evaluation_batches()
        for decision, choices in enumerate(search.task.space.cardinalities):
            batch = next(batches)
            losses = torch.stack([loss_without(search, weights, decision, choice, batch) for choice in range(choices)])
            weights[decision] = functional.one_hot(losses.argmax(), weights.shape[1])
            search.supernet.train()
            search.weight_step(next(batches))
            search.supernet.eval()
        return tuple(weights.argmax(dim=1).tolist())


@torch.no_grad()
def loss_without(search, weights, decision, choice, batch):
    """Return the loss of the mixture without one choice."""
    rest = weights.clone()
    rest[decision, choice] = 0.0
    return functional.cross_entropy(search.logits(batch[0], search.supernet.mixture(rest)), batch[1])
'''

CHAIN = '''
"""A chain of layers with a choice of kernels, its supernet, and a search of it."""

import torch
from torch import nn

from algorithms.one_shot.alpha import AlphaConfig, AlphaSearch
from algorithms.one_shot.search import register_one_shot
from algorithms.one_shot.supernets import Mixture, Supernet, build_supernet
from benchmark_api.spaces import SearchSpace

KERNELS = 1, 3, 5
WIDTH = 4


class ChainSpace(SearchSpace):
    """The kernel size of each of four layers."""

    name = "chain"
    ordinal = True

    def __init__(self):
        super().__init__((len(KERNELS),) * 4)

    def spec(self):
        return {"space": self.name}

    def __reduce__(self):
        return ChainSpace, ()

    def to_string(self, architecture):
        return "-".join(self.choices(0)[choice] for choice in architecture)

    def from_string(self, text):
        return tuple(self.choices(0).index(kernel) for kernel in text.split("-"))

    def choices(self, decision):
        return tuple(map(str, KERNELS))

    def mutate(self, architecture, rng, redraw=False):
        raise NotImplementedError


class ChainSupernet(Supernet):
    """All kernels in every layer."""

    def __init__(self, layers, classes, input_channels):
        super().__init__()
        self.stem = nn.Conv2d(input_channels, WIDTH, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, kernel, padding=kernel // 2) for kernel in KERNELS) for _ in range(layers)
        )
        self.classifier = nn.Linear(WIDTH, classes)

    def forward(self, images, mode):
        x = self.stem(images)  # [batch, channel, height, width]
        for kernels, weights in zip(self.layers, mode.weights):
            x = x + sum(weight * kernel(x.relu()) for kernel, weight in zip(kernels, weights))
        return self.classifier(x.mean(dim=(2, 3)))

    def along(self, architecture):
        return Mixture(torch.eye(len(KERNELS))[list(architecture)])

    def mixture(self, weights):
        return Mixture(weights)


@build_supernet.register
def _(space: ChainSpace, skeleton, track_running_stats=False):
    return ChainSupernet(len(space.cardinalities), skeleton.classes, skeleton.input_channels)


@register_one_shot
class ChainSearch(AlphaSearch):
    """Joint training of a chain."""

    name, title, paper, space = "chain-search", "Chain", "none", "chain"
    Config = AlphaConfig
'''

FILES = {"gates": GATES, "partial": PARTIAL, "removal": REMOVAL, "chain": CHAIN}


@pytest.fixture(scope="module", autouse=True)
def additions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The files in a folder on the Python path, imported as plugins; afterwards the registries are as before."""
    folder = tmp_path_factory.mktemp("additions")
    names = [f"addition_{name}" for name in FILES]
    for name, text in zip(names, FILES.values(), strict=True):
        (folder / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        for registry in (ONE_SHOT, SELECTIONS):
            patch.setattr(registry, "_entries", dict(registry))
        patch.syspath_prepend(folder)
        patch.setenv(VARIABLE, ",".join(names))
        load_plugins()
        yield
    for name in names:
        del sys.modules[name]


class TestGates(OneShotContract):
    @pytest.fixture
    def search_class(self) -> type[OneShotSearch]:
        return ONE_SHOT["gates"]

    def test_scores_are_no_probabilities(self, search_class: type[OneShotSearch]) -> None:
        metrics = self.make(search_class).train_epoch()
        assert metrics.arch_weights == pytest.approx(0.5, abs=0.01)
        assert np.isnan(metrics.entropy)

    def test_a_method_for_any_space_searches_sizes_too(self, search_class: type[OneShotSearch]) -> None:
        search = search_class(tiny.SIZE_TASK, tiny.small(search_class, tiny.SMALL))
        assert isinstance(search._weight_mode(), WidthMasks)
        assert tiny.SIZE_TASK.space.check(search.train_epoch().architecture)

    def test_the_digits_preset(self, search_class: type[OneShotSearch]) -> None:
        assert search_class.default_config("digits").epochs == 5


class TestPartialChannels(OneShotContract):
    without_effect = ("choose_none", "radius")

    @pytest.fixture
    def search_class(self) -> type[OneShotSearch]:
        return ONE_SHOT["partial-darts"]

    @pytest.mark.parametrize("compiled", [False, True])
    def test_its_cell_is_used_in_joint_training_and_along_paths(
        self, search_class: type[OneShotSearch], compiled: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        search, calls = self.make(search_class), []
        mix = search_class.cell.mix
        monkeypatch.setattr(search_class.cell, "mix", lambda *arguments: calls.append(0) or mix(*arguments))
        monkeypatch.setattr(torch, "compile", lambda function, **_: function)
        monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **_: None)
        if compiled:
            search.supernet.compile_parts()
        images = tiny.TASK.dataset.batch("train", slice(0, 4))[0]
        for mode in (search._weight_mode(), search.supernet.along((3,) * 6)):
            calls.clear()
            search.logits(images, mode)
            assert len(calls) == 3 * 3  # three nodes of three cells

    def test_channels_are_shuffled(self, search_class: type[OneShotSearch]) -> None:
        """With skip connections alone an edge is the permutation 0, 2, 1, 3 of four channels."""
        cell = search_class.cell(4)
        x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
        ((edge, terms),) = cell.mix(x, [0], None, (1,) * 6).items()
        assert edge == 0
        assert torch.equal(terms[0], x[:, [0, 2, 1, 3]])


@pytest.mark.parametrize("search_class", [ONE_SHOT["darts-v1"], ONE_SHOT["rsps"], ONE_SHOT["tunas"]])
class TestRemoval(OneShotContract):
    without_effect = ("choose_none", "candidates", "radius")  # rules of other selections, and of another relaxation

    @property
    def selection(self) -> type[Selection]:
        return SELECTIONS["removal"]

    def test_it_runs_after_the_last_epoch_and_leaves_the_search_as_it_was(self, search_class: type[OneShotSearch]) -> None:
        search, plain = self.make(search_class), search_class(self.task(search_class), tiny.small(search_class, tiny.SMALL))
        first = search.train_epoch()
        assert first.architecture == search.most_likely()
        search.train_epoch()
        tiny.run(plain)
        ours, theirs = tiny.state(search), tiny.state(plain)
        for name in ours.keys() - {"draws/evaluation"}:
            assert np.array_equal(ours[name], theirs[name]), name

    def test_a_checkpoint_of_another_selection_is_refused(self, search_class: type[OneShotSearch], tmp_path: Path) -> None:
        self.make(search_class).save(tmp_path / "saved")
        plain = search_class(self.task(search_class), tiny.small(search_class, tiny.SMALL))
        with pytest.raises(ValueError, match="its select is removal, this one's is None"):
            plain.load(tmp_path / "saved")


class TestChain(OneShotContract):
    without_effect = ("batch_norm",)  # its supernet has none

    @pytest.fixture
    def search_class(self) -> type[OneShotSearch]:
        return ONE_SHOT["chain-search"]

    def task(self, search_class: type[OneShotSearch]) -> Task:
        space = sys.modules[search_class.__module__].ChainSpace()
        return Task(space, tiny.TASK.dataset, Skeleton(classes=3, input_channels=2))

    def test_other_methods_refuse_its_space(self, search_class: type[OneShotSearch]) -> None:
        with pytest.raises(ValueError, match="rsps searches the topology space, got ChainSpace"):
            ONE_SHOT["rsps"](self.task(search_class))
