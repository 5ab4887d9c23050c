"""Provenance of a result: version of the code that determines a run, and the machine and libraries it ran on."""

from __future__ import annotations

import ast
import hashlib
import inspect
import platform
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from benchmark_api.machine import processor_name

_PROJECT = Path(__file__).resolve().parent.parent
_PACKAGES = ("algorithms", "benchmark_api", "experiments")
_NEUTRAL = ("benchmark_api.jobs", "experiments.provenance", "experiments.runs.job", "experiments.settings", "experiments.store")
"""Packages and modules that schedule, describe and store runs: a change leaves every trajectory equal."""
_LIBRARIES = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]


@cache
def code_version(*parts: Any) -> str:
    """Return the project's version and eight hexadecimal digits of SHA-256 over the source that determines a run.

    That is the modules of some parts and of their base classes, and all modules that these import, directly or not. A name that
    is imported from a package stands for the module that defines it: a new file changes no version of others, though the
    package's `__init__` lists it. Modules of libraries do not count; `environment` records their versions.

    Of a script or a notebook, the compiled definitions of the parts count, and of what they use there: its other lines change no
    version.

    Args:
        *parts: classes and functions that determine the run: the search, the space, the loop that runs them, ...
    """
    sources = _Sources({part.__module__.partition(".")[0] for part in parts})
    modules = [base.__module__ for part in parts for base in (inspect.getmro(part) if inspect.isclass(part) else (part,))]
    digest = hashlib.sha256()
    for module, path in sorted(sources.closure(modules).items()):
        text = path.read_bytes()
        digest.update(f"{module} {len(text)}\n".encode() + text)
    for name, definition in sorted(_definitions_in_main(parts).items()):
        digest.update(f"{name} {definition}\n".encode())
    return f"{_version('nas-zoo')}+{digest.hexdigest()[:8]}"


def _definitions_in_main(parts: Iterable[Any]) -> dict[str, str]:
    """Return what the parts that are defined in the main module consist of, and the definitions there that they use, by name."""
    found: dict[str, str] = {}
    pending = [base for part in parts for base in (inspect.getmro(part) if inspect.isclass(part) else (part,))]
    while pending:
        part = pending.pop()
        if getattr(part, "__module__", "") != "__main__" or part.__qualname__ in found:
            continue
        members = vars(part).items() if inspect.isclass(part) else [("", part)]
        found[part.__qualname__] = repr(
            [(name, _constant(member)) for name, member in sorted(members) if name != "__firstlineno__"]
        )
        for _, member in members:
            code = getattr(inspect.unwrap(getattr(member, "__func__", member)), "__code__", None)
            pending += [member] if inspect.isclass(member) else []
            pending += [vars(sys.modules["__main__"]).get(name) for name in (code.co_names if code else ())]
    return found


def _constant(member: Any) -> Any:
    """Return what is equal in every process for the same definition: of functions their code, of others only constants."""
    code = member if inspect.iscode(member) else getattr(getattr(member, "__func__", member), "__code__", None)
    if code is not None:
        return code.co_code.hex(), code.co_names, [_constant(constant) for constant in code.co_consts]
    if isinstance(member, tuple | list):
        return [_constant(one) for one in member]
    return member if isinstance(member, str | bytes | int | float | None) else type(member).__qualname__


class _Sources:
    """Source files and import statements of the project's modules and of a user's.

    Args:
        tops: top-level modules or packages that are no libraries, wherever they lie.
    """

    def __init__(self, tops: set[str]) -> None:
        self._tops = tops
        self._folder, self._file = cache(self._find_folder), cache(self._find_file)

    def closure(self, modules: list[str]) -> dict[str, Path]:
        """Return the files of modules and of all that they import, without libraries and neutral modules."""
        found: dict[str, Path] = {}
        pending = [*modules]
        while pending:
            module = pending.pop()
            neutral = any(f"{module}.".startswith(f"{name}.") for name in _NEUTRAL)
            if module not in found and not neutral and (path := self._file(module)):
                found[module] = path
                pending += [self._definer(source, name) for source, name, _ in _imports(module, path)]
        return found

    def _find_file(self, module: str) -> Path | None:
        """Return the source file of a module; None for those of libraries."""
        top, *rest = module.split(".")
        folder = self._folder(top)
        if folder is None:
            return None
        path = folder.joinpath(top, *rest)
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        return path if path.exists() else None

    def _find_folder(self, top: str) -> Path | None:
        """Return the folder that holds a top-level module or package; None for those of libraries."""
        if top in _PACKAGES:
            return _PROJECT
        spec = None if top == "__main__" else find_spec(top)
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin)
        folder = path.parent.parent if path.name == "__init__.py" else path.parent
        return folder if top in self._tops or not any(map(folder.is_relative_to, _LIBRARIES)) else None

    def _definer(self, module: str, name: str) -> str:
        """Return the module that defines a name which can be imported from a module."""
        if name and self._file(f"{module}.{name}"):
            return f"{module}.{name}"
        path = self._file(module)
        if path and path.name == "__init__.py":
            for source, original, alias in _imports(module, path):
                if name and alias == name:
                    return self._definer(source, original)
        return module


def _imports(module: str, path: Path) -> list[tuple[str, str, str]]:
    """Return all imports of a module, also those inside functions: module, name and alias, the latter two empty for `import`."""
    found = []
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _import_statements(path.read_bytes()):
        if isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            found += [(source, alias.name, alias.asname or alias.name) for alias in node.names]
        else:
            found += [(alias.name, "", "") for alias in node.names]
    return found


@cache
def _import_statements(source: bytes) -> list[ast.Import | ast.ImportFrom]:
    """Return all import statements of a source; expressions are not visited, which takes a third of the time."""
    found: list[ast.Import | ast.ImportFrom] = []
    pending: list[Any] = ast.parse(source).body
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found.append(statement)
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            pending += getattr(statement, block, ())
    return found


@cache
def environment(*libraries: str) -> dict[str, str]:
    """Return interpreter, platform, processor and versions of libraries: those that all runs use, and some more."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": processor_name(),
        **{name: _version(name) for name in ("numpy", "pyarrow", "scipy", *libraries)},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
