"""The zoo. Every module of this folder is imported here, so an algorithm joins by being a file that calls `register`."""

import pkgutil
from importlib import import_module

from algorithms.base import REGISTRY, BlackBoxSearch, Query, SearchFinished, register

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")

__all__ = ["REGISTRY", "BlackBoxSearch", "Query", "SearchFinished", "register"]
