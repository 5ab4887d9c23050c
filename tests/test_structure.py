"""The house keeps its order: which package may import which, no import cycles, and files and functions of readable size."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("benchmark_api", "algorithms", "experiments", "plots", "nas_zoo")  # each may import itself and those before it
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MAX_FILE, MAX_BODY = 450, 60  # lines


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """The project's modules that import statements name; a name imported from a package is a module where there is one."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= submodules if len(submodules) == len(node.names) else submodules | {node.module}
    return found & MODULES.keys()


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported; not those for type checkers, nor those inside of functions."""
    for statement in body:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        yield statement
        for inner in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from statements_at_import(getattr(statement, inner, []))


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_follow_the_order_of_packages(path: Path) -> None:
    allowed = PACKAGES[: PACKAGES.index(path.relative_to(ROOT).parts[0]) + 1]
    assert {name for name in imported(ast.walk(tree(path))) if name.split(".")[0] not in allowed} == set()


def test_there_is_no_import_cycle() -> None:
    graph = {name: imported(statements_at_import(tree(path).body)) - {name} for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


@pytest.mark.parametrize("path", FILES, ids=module)
def test_files_and_functions_are_of_readable_size(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0
            assert lines <= MAX_BODY, node.name
