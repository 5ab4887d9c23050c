"""The reference's validation pass, against a transcription of its loop."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.rsps import Rsps
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.size_search import SizeSearch
from algorithms.one_shot.supernets.base import ForwardMode
from algorithms.one_shot.validation_pass import validation_pass
from tests.helpers import tiny

METHODS = [name for name, search in ONE_SHOT.items() if "validation_pass" in search.Config.__dataclass_fields__]
every_method = pytest.mark.parametrize("name", METHODS)


def make(name: str, on: bool) -> OneShotSearch:
    """A small search whose first epoch has steps with the pass if it is on."""
    return tiny.make(name, validation_pass=on, warmup=0.5)


def mode_of_pass(search: OneShotSearch, of_step: ForwardMode) -> ForwardMode:
    """A new sample; ENAS keeps the path of the step."""
    match search:
        case Rsps():
            return search._random_paths("validation")
        case SizeSearch():
            return search._mode("validation")
    return of_step


def train_as_the_reference(search: OneShotSearch) -> None:
    """Train the weights for an epoch; after each update compute a validation batch in training mode."""
    data, draws, network, optimizer = search.task.dataset, search.draws, search.supernet, search.optimizer
    network.train()
    for images, labels in data.batches("train", search.config.batch, draws["shuffle"], draws["augment"]):
        mode = search._weight_mode()
        optimizer.zero_grad(set_to_none=False)
        nn.functional.cross_entropy(network(images, mode), labels).backward()
        optimizer.step()
        mode = mode_of_pass(search, mode)
        drawn = torch.randint(len(data.split("x-valid")), (len(labels),), generator=draws["validation"])
        with torch.no_grad():
            network(data.batch("x-valid", drawn, draws["augment"])[0], mode)


def test_methods_with_the_pass() -> None:
    assert METHODS == ["rsps", "enas", "tas", "fbnetv2"]


@every_method
def test_an_epoch_is_the_references(name: str) -> None:
    ours, reference, without = make(name, True), make(name, False), make(name, False)
    ours._train()
    train_as_the_reference(reference)
    without._train()
    found, expected, off = (search.supernet.state_dict() for search in (ours, reference, without))
    torch.testing.assert_close(found, expected)
    assert all(torch.equal(draw.get_state(), reference.draws[of].get_state()) for of, draw in ours.draws.items())
    statistics = [of for of in found if of.endswith(("running_mean", "running_var"))]
    assert statistics
    assert all((found[of] - off[of]).abs().max() > 1e-4 for of in statistics)
    assert torch.equal(without.draws["validation"].get_state(), make(name, False).draws["validation"].get_state())


@every_method
def test_without_augmentation_the_weights_are_trained_as_without_it(name: str) -> None:
    searches = [make(name, on) for on in (True, False)]
    for search in searches:
        search._augment = None
        search._train()
    found, expected = (dict(search.supernet.named_parameters()) for search in searches)
    assert all(torch.equal(found[of], expected[of]) for of in expected)


@every_method
def test_the_pass_moves_running_statistics_alone(name: str) -> None:
    search = make(name, True)
    search.train_epoch()
    search.supernet.train()
    before = {of: value.clone() for of, value in search.supernet.state_dict().items()}
    seen = torch.Generator()
    seen.set_state(search.draws["validation"].get_state())
    search._augment = None
    validation_pass(search, search._weight_mode(), 16)
    after = search.supernet.state_dict()
    assert all(torch.equal(after[of], before[of]) for of, _ in search.supernet.named_parameters())
    images = search.task.dataset.batch("x-valid", torch.randint(40, (16,), generator=seen))[0]
    stem, norm = search.supernet.stem
    if norm.track_running_stats:  # the stem of the topology space
        mean = 0.9 * before["stem.1.running_mean"] + 0.1 * stem(images).mean(dim=(0, 2, 3))
        torch.testing.assert_close(after["stem.1.running_mean"], mean)


@pytest.mark.parametrize("name", ["tas", "fbnetv2"])
def test_it_takes_the_place_of_the_architecture_step_in_a_warm_up(name: str) -> None:
    search = make(name, True)
    before = search.alpha.detach().clone()
    search.train_epoch()
    assert torch.equal(search.alpha, before)
    search.train_epoch()  # after the warm-up
    assert not torch.equal(search.alpha, before)
    with pytest.raises(ValueError, match=r"validation_pass is for the steps of a warm-up: warmup must be above 0, got 0\.0"):
        tiny.make(name, validation_pass=True)
