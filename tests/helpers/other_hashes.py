"""Another process, in which strings have other hashes: what depends on the order of sets differs there."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def another_process(first: Callable[..., object], *arguments: Any) -> Iterator[Executor]:
    """Yield a process with other hashes, which has computed `first` already."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONHASHSEED", "7")
            executor.submit(first, *arguments).result()  # starts it
        yield executor
