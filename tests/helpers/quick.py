"""Hyperparameters with which searches that fit models take little time."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from algorithms.black_box import BlackBoxSearch

QUICK: dict[str, Any] = {"fit_epochs": 2, "pool": "mutations", "pool_size": 30}


def quick(search_class: type[BlackBoxSearch]) -> Any:
    """Return the default configuration of a search but for those of these hyperparameters that it has."""
    known = {field.name for field in fields(search_class.Config)}
    return search_class.Config(**{name: value for name, value in QUICK.items() if name in known})
