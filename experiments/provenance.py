"""Where a result comes from: the version of the code, and the machine and libraries it ran on."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

_ROOT = Path(__file__).resolve().parent.parent
_DETERMINING = {
    "black-box": (
        "algorithms/black_box/*.py",
        "benchmark_api/spaces/*.py",
        "benchmark_api/tables/table.py",
        "benchmark_api/bounds.py",
        "benchmark_api/tables/evaluation.py",
        "benchmark_api/tables/evaluator.py",
        "experiments/runs/run.py",
    ),
    "one-shot": (
        "algorithms/one_shot/**/*.py",
        "benchmark_api/spaces/*.py",
        "benchmark_api/training/networks.py",
        "benchmark_api/training/datasets.py",
        "experiments/runs/one_shot.py",
    ),
    "bench": ("algorithms/**/*.py", "benchmark_api/**/*.py", "experiments/**/*.py"),
}
"""The sources that determine a run, by its kind; a change elsewhere leaves every trajectory as it was."""


@cache
def code_version(kind: Literal["black-box", "one-shot", "bench"] = "black-box") -> str:
    """The package's version and eight hexadecimal digits of SHA-256 over the sources that determine a run."""
    digest = hashlib.sha256()
    for pattern in _DETERMINING[kind]:
        for path in sorted(_ROOT.glob(pattern)):
            digest.update(f"{path.relative_to(_ROOT).as_posix()} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return f"{_version('nas-zoo')}+{digest.hexdigest()[:8]}"


@cache
def environment(*libraries: str) -> dict[str, str]:
    """Interpreter, platform, processor and libraries of this process: those that all runs use, and some more."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _processor(),
        **{name: _version(name) for name in ("numpy", "pyarrow", "scipy", *libraries)},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
