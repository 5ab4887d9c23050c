"""One-shot methods on a CUDA device: steps equal those on the CPU; a stack equals its searches alone."""

from __future__ import annotations

import pytest
import torch

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.stack import SearchStack
from experiments.gpu_check import SMALL, TOLERANCE, Case, difference, searches_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
CUDA = torch.device("cuda")


@pytest.mark.parametrize("name", ONE_SHOT)
def test_steps_equal_those_on_the_cpu(name: str) -> None:
    assert difference(Case("correctness", name), SMALL, CUDA)["difference"] < TOLERANCE


@pytest.mark.parametrize("name", ONE_SHOT)
def test_a_stack_equals_its_searches_alone(name: str) -> None:
    together = searches_of(Case("speed", name, stack=3), SMALL, CUDA, steps=2)
    SearchStack(together).train_epoch()
    for alone, stacked in zip(searches_of(Case("speed", name, stack=3), SMALL, CUDA, steps=2), together, strict=True):
        alone.train_epoch()
        for mine, other in zip(alone.supernet.parameters(), stacked.supernet.parameters(), strict=True):
            assert float((mine - other).norm()) < TOLERANCE * float(mine.norm().clamp_min(1e-6))
