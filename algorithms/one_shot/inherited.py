"""Inherited accuracy: accuracy of candidates with the weights of a trained supernet, with a choice of normalisation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.supernets.base import Supernet, initialized
from algorithms.one_shot.supernets.candidates import CANDIDATES
from algorithms.one_shot.task import VALIDATION
from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray

Normalization = Literal["search", "batch", "re-estimated"]
"""Statistics of the batch normalisations of a candidate.

search: as the search evaluates. With `batch_norm=batch`, cells use those of the evaluated batch, stem and reduction blocks their
running statistics; with `batch_norm=running`, all use their running statistics.
batch: all normalisations use the statistics of the evaluated batch.
re-estimated: all use statistics of the candidate on `ESTIMATION_IMAGES` training images (Guo et al., ECCV 2020, arXiv 1904.00420,
section 3.4).
"""

ESTIMATION_IMAGES = 2000
"""Training images, the first ones, from which statistics are estimated anew, unless there are fewer."""


@torch.no_grad()
def inherited_accuracy(
    search: OneShotSearch,
    architectures: Iterable[Architecture],
    images: int | None = None,
    normalization: Normalization = "search",
) -> FloatArray:
    """Return the accuracy of candidates with the weights of the supernet [architecture], percent.

    Candidates are evaluated in ascending order, so that successive ones share what `CANDIDATES` can share.

    Args:
        search: a search, whose weights and draws stay as they are.
        architectures: the candidates.
        images: number of validation images to evaluate on, the first ones; None for all.
        normalization: statistics of the batch normalisations.

    Raises:
        ValueError: an architecture is not of the space, or there are fewer images.
    """
    candidates = [search.task.space.check(architecture) for architecture in architectures]
    available = len(search.task.dataset.split(VALIDATION))
    count = available if images is None else images
    if not 1 <= count <= available:
        raise ValueError(f"{VALIDATION} has {available} images, expected 1 to {available} of them, got {images}")
    order = sorted(range(len(candidates)), key=candidates.__getitem__)
    ascending = [candidates[number] for number in order]
    search.supernet.eval()
    with search.execution.arithmetic():
        if normalization == "re-estimated":
            correct = _with_statistics_of_each(search, ascending, count)
        elif normalization == "batch":
            with _replaced(search, copy.deepcopy(search.supernet)):
                search.supernet.train()  # no candidate reads the running statistics, which change from one to the next
                correct = _correct(search, ascending, count)
        else:
            correct = _correct(search, ascending, count)
    accuracies = np.empty(len(candidates))
    accuracies[order] = 100.0 * correct.cpu().numpy() / count
    return accuracies


def _correct(search: OneShotSearch, candidates: Sequence[Architecture], count: int) -> Tensor:
    """Return the number of correctly classified images of the first `count` [candidate]."""
    correct = torch.zeros(len(candidates), dtype=torch.int64, device=search.device)
    for images, labels in _batches(search, VALIDATION, count):
        logits_of = _logits_of(search, images)
        for number, candidate in enumerate(candidates):
            correct[number] += (logits_of(candidate).argmax(dim=1) == labels).sum()
    return correct


def _batches(search: OneShotSearch, split: str, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the first `count` images of a split in evaluation batches."""
    size = search.config.eval_batch
    for begin in range(0, count, size):
        yield search.task.dataset.batch(split, slice(begin, min(begin + size, count)))


def _logits_of(search: OneShotSearch, images: Tensor) -> Callable[[Architecture], Tensor]:
    """Return the function from a candidate to its logits [image, class]."""
    supernet = search.supernet
    make = CANDIDATES.get(type(supernet)) if search.execution.precision == "float32" else None
    found = None if make is None else make(supernet, images)
    return found or (lambda candidate: search.logits(images, supernet.along(candidate)))


# -- other normalisation -----------------------------------------------------------------------------------------------------


@contextmanager
def _replaced(search: OneShotSearch, supernet: Supernet) -> Iterator[None]:
    with search.trained_with(supernet, search.optimizer, search.clock):
        yield


def _with_statistics_of_each(search: OneShotSearch, candidates: Sequence[Architecture], count: int) -> Tensor:
    """Return the number of correctly classified images [candidate], with statistics estimated for each candidate."""
    supernet = _tracking(search)
    norms = [module for module in supernet.modules() if isinstance(module, nn.BatchNorm2d)]
    known = min(ESTIMATION_IMAGES, len(search.task.dataset.split("train")))
    training = [images for images, _ in _batches(search, "train", known)]
    correct = []
    with _replaced(search, supernet):
        for candidate in candidates:
            supernet.train()
            for number, images in enumerate(training, start=1):
                for norm in norms:
                    norm.momentum = 1 / number  # the running statistics are the means of those of the batches so far
                search.logits(images, supernet.along(candidate))
            supernet.eval()
            correct.append(_correct(search, [candidate], count))
    return torch.cat(correct)


def _tracking(search: OneShotSearch) -> Supernet:
    """Return a supernet with the weights of a search's whose normalisations all track running statistics."""
    other: Any = copy.copy(search)
    other.config = replace(search.config, batch_norm="running")
    supernet: Supernet = initialized(other.make_supernet, torch.Generator().manual_seed(0), search.device)
    supernet.load_state_dict(search.supernet.state_dict(), strict=False)  # the running statistics of cells may be missing
    return supernet
