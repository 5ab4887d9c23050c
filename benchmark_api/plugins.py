"""Plugins: a user's modules and classes that add searches, spaces, importers or report columns, wherever they lie.

A plugin is named by a module on the Python path (`my_search`) or by a file (`folder/my_search.py`). The classes that it defines
under names of their own are registered, with or without a decorator; `my_search.py:MySearch` names one of them.
"""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

VARIABLE = "NAS_ZOO_PLUGINS"
"""Environment variable with the names of plugins, separated by commas. Worker processes inherit it."""

GROUP = "nas_zoo.searches"
"""Entry-point group with which an installed package adds its modules or classes."""


class PluginError(ImportError):
    """A plugin cannot be imported. The message names it, the line of it that fails, and the error."""


def load_plugins() -> None:
    """Load the plugins named in the environment variable and those of installed packages; a repetition costs nothing.

    Raises:
        PluginError: an error in a module, or in one of an installed package.
        FileNotFoundError: a named file does not exist.
        ModuleNotFoundError: a named module is not on the Python path.
        ValueError: as for `add_plugin`.
    """
    for name in _named():
        _load(name)
    for entry in entry_points(group=GROUP):
        with _errors_placed(f"the entry point {entry.name} = {entry.value}"):
            found = entry.load()
            if isinstance(found, type):
                register_class(found)
            else:
                _register_classes(found)


def add_plugin(name: str) -> None:
    """Load a plugin in this process and in all worker processes that it starts from now on.

    Raises:
        PluginError: an error in the module.
        FileNotFoundError: the file does not exist.
        ModuleNotFoundError: the module is not on the Python path.
        ValueError: the name has a comma, the file has the name of another module, or its class cannot be registered.
    """
    if "," in name:
        raise ValueError(f"module {name!r}: expected a module or a file without a comma in its name")
    path, colon, attribute = name.partition(":")
    if path.endswith(".py"):
        name = f"{Path(path).absolute()}{colon}{attribute}"
    _load(name)
    os.environ[VARIABLE] = ",".join(dict.fromkeys((*_named(), name)))


def module_options() -> str:
    """Return the options with which a command in this folder has the named plugins, each after a blank; empty for none."""
    home = f"{Path.cwd()}{os.sep}"
    return "".join(f" --module {shlex.quote(name.removeprefix(home))}" for name in _named())


@contextmanager
def known_to_workers(entries: Iterable[type]) -> Iterator[bool]:
    """Name registered classes for the worker processes that are started while the context lasts.

    The value is whether these processes can import all of them. They can import neither a class that is defined inside of a
    function, nor one of a notebook.
    """
    modules = {entry: sys.modules.get(entry.__module__) for entry in entries}
    importable = all(
        hasattr(module, "__file__") and getattr(module, entry.__name__, None) is entry for entry, module in modules.items()
    )
    names = [f"{entry.__module__}:{entry.__name__}" for entry in modules] if importable else []
    former = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = ",".join(dict.fromkeys((*_named(), *names)))
    try:
        yield importable
    finally:
        if former is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = former


def register_class(entry: type) -> None:
    """Add a class to the registry that its base class names; one that is registered already stays.

    Raises:
        ValueError: its base class names no registry, or another class there has its name.
    """
    registry: Any = getattr(entry, "registry", None)
    if registry is None:
        raise ValueError(f"{entry.__qualname__} is no search, selection or space: expected a subclass of such a base class")
    registry.register(entry)


def _named() -> list[str]:
    return [name for name in map(str.strip, os.environ.get(VARIABLE, "").split(",")) if name]


def _load(name: str) -> None:
    path, colon, attribute = name.partition(":")
    if path.endswith(".py"):
        module = _module_of_file(Path(path))
    elif not all(path.split(".")):
        raise ValueError(f"module {name!r}: expected the name of a module, or a file that ends in .py")
    else:
        with _errors_placed(path):
            module = import_module(path)
    if colon:
        if not isinstance(found := getattr(module, attribute, None), type):
            raise ValueError(f"{path} has no class {attribute!r}")
        register_class(found)
    else:
        _register_classes(module)


def _register_classes(module: ModuleType) -> None:
    """Register the searches, selections and spaces that a module itself defines under names of their own.

    Raises:
        ValueError: another class has the name of one.
    """
    for entry in [*vars(module).values()]:
        defined = isinstance(entry, type) and entry.__module__ == module.__name__ and not inspect.isabstract(entry)
        if defined and isinstance(vars(entry).get("name"), str) and hasattr(entry, "registry"):
            register_class(entry)


@contextmanager
def _errors_placed(plugin: str) -> Iterator[None]:
    """Name a plugin, and its line that fails, in the message of whatever error its import raises."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a plugin may raise anything, and end the program
        if isinstance(error, ModuleNotFoundError) and f"{plugin}.".startswith(f"{error.name}."):  # there is no such plugin
            raise
        text = " ".join(str(error).split())[:300]
        raise PluginError(f"{plugin}{_line_of(error, plugin)}: {type(error).__name__}{text and ': '}{text}") from error


def _line_of(error: BaseException, plugin: str) -> str:
    """Return the line where an error was raised in a plugin or in what it imports; nothing where there is none."""
    if isinstance(error, SyntaxError):  # its message has the line
        return ""
    machinery = (str(Path(__file__).parent), str(Path(import_module.__code__.co_filename).parent), "<frozen")
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(machinery)]
    if not frames:
        return ""
    file, line = frames[-1].filename, frames[-1].lineno
    return f", line {line}" if file == plugin else f" ({file}, line {line})"


def _module_of_file(path: Path) -> ModuleType:
    """Import a file as the module of its name; the modules in its folder can be imported from it."""
    path, name = path.absolute(), path.stem
    if "." in name:
        raise ValueError(f"{path}: expected a file with no dot in its name but that of .py")
    spec = find_spec(name)
    if spec is not None and Path(spec.origin or "") != path:
        raise ValueError(f"{path} has the name of another module ({spec.origin}): rename the file")
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise FileNotFoundError(f"no module file {path}")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last: it hides no other module
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _errors_placed(str(path)):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
