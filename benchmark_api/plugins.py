"""Modules of a user that add searches, spaces, importers or report columns by being imported."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import entry_points

VARIABLE = "NAS_ZOO_PLUGINS"
"""Environment variable with the names of modules to import, separated by commas. Worker processes inherit it."""

GROUP = "nas_zoo.plugins"
"""Entry-point group with which an installed package adds its modules."""


def load_plugins() -> None:
    """Import the modules named in the environment variable and in installed packages' entry points; a repetition costs nothing.

    Raises:
        ModuleNotFoundError: a named module is not on the Python path.
    """
    for name in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        import_module(name)
    for entry in entry_points(group=GROUP):
        entry.load()
