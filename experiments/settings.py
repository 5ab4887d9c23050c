"""Facts about datasets: titles."""

from __future__ import annotations

_TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}


def dataset_title(dataset: str) -> str:
    """Return the name of a dataset in figures: its key where nothing else is known."""
    return _TITLES.get(dataset, dataset)
