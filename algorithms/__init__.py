"""The zoo. Every module of this folder is imported here, so an algorithm joins by being a file that calls `register`.

Weight-sharing searches join by `register_one_shot`. They need PyTorch, which takes a second to import, so the modules listed in
`ONE_SHOT_MODULES` are imported only when `ONE_SHOT`, or another of the names that `__getattr__` knows, is asked for.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

from algorithms.base import REGISTRY, BlackBoxSearch, Query, SearchFinished, register

if TYPE_CHECKING:
    from algorithms.one_shot import ONE_SHOT, OneShotSearch, register_one_shot

ONE_SHOT_MODULES = {
    "rsps": "rsps",
    "darts-v1": "darts",
    "darts-v2": "darts",
    "gdas": "gdas",
    "setn": "setn",
    "enas": "enas",
    "tas": "tas",
    "fbnetv2": "fbnetv2",
    "tunas": "tunas",
}
"""The module of each weight-sharing search by the search's name."""

_LATER = {"one_shot", "size_search", "supernet", *ONE_SHOT_MODULES.values()}

for _module in sorted({module.name for module in pkgutil.iter_modules(__path__)} - _LATER):
    import_module(f"{__name__}.{_module}")


def __getattr__(name: str) -> Any:
    if name not in ("ONE_SHOT", "OneShotSearch", "register_one_shot"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in dict.fromkeys(ONE_SHOT_MODULES.values()):
        import_module(f"{__name__}.{module}")
    one_shot = import_module(f"{__name__}.one_shot")
    listed = one_shot.ONE_SHOT
    if [search for search in listed if search in ONE_SHOT_MODULES] != list(ONE_SHOT_MODULES):  # one was imported by itself first
        for search in ONE_SHOT_MODULES:
            listed[search] = listed.pop(search)
    return getattr(one_shot, name)


__all__ = [
    "ONE_SHOT",
    "ONE_SHOT_MODULES",
    "REGISTRY",
    "BlackBoxSearch",
    "OneShotSearch",
    "Query",
    "SearchFinished",
    "register",
    "register_one_shot",
]
