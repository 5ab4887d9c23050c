"""Accuracy with inherited weights: many candidates at once equal each alone; statistics of the batch and estimated anew."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import update_bn

from algorithms.one_shot import OneShotSearch
from algorithms.one_shot.inherited import inherited_accuracy
from algorithms.one_shot.supernets.candidates import CANDIDATES
from benchmark_api.training.networks import build_network
from tests.helpers import tiny


@pytest.fixture(scope="module")
def search() -> OneShotSearch:
    """A search whose supernet has learnt something."""
    made = tiny.make("rsps", epochs=6, rate=0.1, eval_batch=16)
    tiny.run(made)
    return made


@pytest.mark.parametrize("name", ["rsps", "tas"])
@pytest.mark.parametrize("ascending", [True, False])
def test_candidates_that_share_their_beginning_have_the_logits_of_single_passes(name: str, ascending: bool) -> None:
    search = tiny.make(name)
    search.train_epoch()
    supernet, (images, _) = search.supernet.eval(), search.task.dataset.batch("x-valid", slice(0, 10))
    space = search.task.space
    indices = np.random.default_rng(0).choice(len(space), 120, replace=False).tolist()
    architectures = [space.architecture(index) for index in (sorted(indices) if ascending else indices)]
    with torch.no_grad():
        shared = CANDIDATES[type(supernet)](supernet, images)
        assert shared is not None
        for architecture in architectures:
            alone = supernet(images, supernet.along(architecture))
            assert torch.allclose(shared(architecture), alone, rtol=1e-4, atol=1e-4)


def test_cells_of_another_class_are_evaluated_one_by_one(search: OneShotSearch) -> None:
    other = copy.deepcopy(search.supernet)
    for block in other.blocks:
        if hasattr(block, "edges"):
            block.__class__ = type("OtherCell", (type(block),), {})
    images, _ = search.task.dataset.batch("x-valid", slice(0, 4))
    assert CANDIDATES[type(other)](other, images) is None


def test_statistics_of_the_batch_in_all_normalisations(search: OneShotSearch) -> None:
    before = copy.deepcopy(search.supernet.state_dict())
    architectures = [(3, 2, 4, 1, 0, 3), (2, 3, 3, 4, 1, 2)]
    found = inherited_accuracy(search, architectures, images=30, normalization="batch")
    twin = copy.deepcopy(search.supernet).train()
    for architecture, accuracy in zip(architectures, found, strict=True):
        correct = 0
        for part in (slice(0, 16), slice(16, 30)):
            images, labels = search.task.dataset.batch("x-valid", part)
            correct += int((twin(images, twin.along(architecture)).argmax(1) == labels).sum())
        assert accuracy == pytest.approx(100 * correct / 30)
    assert all(torch.equal(value, before[name]) for name, value in search.supernet.state_dict().items())


def test_estimated_statistics_are_those_that_pytorch_gives_to_the_candidate_alone(search: OneShotSearch) -> None:
    """The candidate's network has normalisations with running statistics; `update_bn` averages them over batches."""
    before = copy.deepcopy(search.supernet.state_dict())
    data, found = search.task.dataset, {}
    architectures = [(3, 2, 4, 1, 0, 3), (2, 3, 3, 4, 1, 2), (1, 1, 3, 1, 2, 1)]
    for architecture in architectures:
        candidate = build_network(tiny.TASK.space, architecture, tiny.TASK.skeleton, torch.Generator())
        for module, source in ((candidate.stem, search.supernet.stem), (candidate.classifier, search.supernet.classifier)):
            module.load_state_dict(source.state_dict())
        for block, shared in zip(candidate.cells, search.supernet.blocks, strict=True):
            if not hasattr(block, "layers"):
                block.load_state_dict(shared.state_dict())
                continue
            for edge, choice in enumerate(architecture):
                if choice in (2, 3):  # convolutions; their bias has no effect before a normalisation
                    block.layers[edge].op[1].weight.data = shared.edges[edge][choice].op[1].weight.data
        update_bn([data.batch("train", slice(start, start + 16))[0] for start in range(0, 64, 16)], candidate)
        candidate.eval()
        images, labels = data.batch("x-valid", slice(0, 40))
        found[architecture] = 100 * float((candidate(images)[1].argmax(1) == labels).float().mean())
    accuracies = inherited_accuracy(search, architectures, normalization="re-estimated")
    assert accuracies == pytest.approx([found[architecture] for architecture in architectures])
    assert len({*accuracies}) > 1
    assert not np.array_equal(accuracies, inherited_accuracy(search, architectures))
    assert all(torch.equal(value, before[name]) for name, value in search.supernet.state_dict().items())


@pytest.mark.parametrize("name", ["tas", "gdas"])
def test_any_supernet_can_be_normalised_otherwise(name: str) -> None:
    search = tiny.make(name, batch_norm="running")
    search.train_epoch()
    architecture = search.most_likely()
    for normalization in ("search", "batch", "re-estimated"):
        (accuracy,) = inherited_accuracy(search, [architecture], normalization=normalization)
        assert 0 <= accuracy <= 100
