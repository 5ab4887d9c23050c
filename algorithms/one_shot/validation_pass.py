"""The reference's passes over validation batches that update no parameter, as an option.

In each step of RSPS and ENAS, and of TAS and FBNetV2 in a warm-up, the reference computes a validation batch in training mode and
logs its loss. The batch normalisations with running statistics, those of the stem and of the reduction blocks, average it in; so
it changes the statistics under which candidates are evaluated.

Images and modes of the pass are drawn from the generator of validation batches: if images are not augmented, the weights are
trained as without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch

from algorithms.one_shot.config import OneShotConfig
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets.base import ForwardMode
from benchmark_api.bounds import unstored_default


@dataclass(frozen=True)
class ValidationPassConfig(OneShotConfig):
    """Hyperparameters of searches with steps in which the reference only looks at a validation batch."""

    validation_pass: Annotated[bool, unstored_default] = False
    """Compute a validation batch in training mode in each step, as the reference does: it moves running statistics."""


@torch.no_grad()
def validation_pass(search: OneShotSearch, mode: ForwardMode, size: int) -> None:
    """Compute a new validation batch for its effect on the running statistics of a network in training mode."""
    images, _ = search.validation_batch(size)
    search.logits(images, mode)
