"""MdeNAS with shared weights: what an epoch trains, and what it teaches the distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from algorithms.multinomial import Multinomial, MultinomialConfig
from algorithms.one_shot.mdenas import MdeNasOneShot
from tests.helpers import tiny


def test_an_epoch_trains_one_path_and_learns_from_its_accuracy_on_all_validation_images() -> None:
    search = tiny.make("mdenas-one-shot", epochs=4, step=0.05)
    assert isinstance(search, MdeNasOneShot)
    twin = Multinomial((5,) * 6, MultinomialConfig(step=0.05))
    draw = torch.Generator().set_state(search.draws["architecture"].get_state())
    weight_mode, trained = search._weight_mode, []
    search._weight_mode = lambda: trained.append(weight_mode()) or trained[-1]
    for _ in range(4):
        trained.clear()
        search.train_epoch()
        path = twin.at(torch.rand(6, dtype=torch.float64, generator=draw).numpy())
        assert [mode.paths for mode in trained] == [[path] * 3] * 2  # two batches, three cells
        correct = 0
        for begin in range(0, 40, search.config.eval_batch):
            images, labels = tiny.TASK.dataset.batch("x-valid", slice(begin, begin + search.config.eval_batch))
            correct += int((search.logits(images, search.supernet.along(path)).argmax(dim=1) == labels).sum())
        twin.learn(path, correct / 40)
        assert np.array_equal(search.architecture_weights(), twin.theta)
        assert search.metrics[-1].architecture == twin.most_likely()


def test_a_warm_up_trains_every_operation_once_in_five_epochs() -> None:
    search = tiny.make("mdenas-one-shot", epochs=20, warmup=0.5)
    paths: list[tuple[int, ...]] = []
    for epoch in range(11):
        search.train_epoch()
        paths.append(tuple(search.path.tolist()))
        assert search.distribution.counts.sum() == 6 * max(0, epoch - 9)
    for first in (0, 5):
        assert all(sorted(choices) == [0, 1, 2, 3, 4] for choices in zip(*paths[first : first + 5], strict=True))
    assert paths[:5] != paths[5:10]


@pytest.mark.parametrize("epochs", [1, 3])  # trained before the checkpoint
def test_a_warm_up_resumes_in_its_round(epochs: int, tmp_path: object) -> None:
    searches = [tiny.make("mdenas-one-shot", epochs=6, warmup=0.9) for _ in range(2)]
    for _ in range(epochs):
        searches[0].train_epoch()
    searches[0].save(f"{tmp_path}/saved")
    searches[1].load(f"{tmp_path}/saved")
    assert tiny.run(searches[1]) == tiny.run(searches[0])
