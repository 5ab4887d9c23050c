"""Proposals of the hpbandster package, in process: the test oracle and the alternative backend of `bohb-reference`.

Only the package's generator of configurations is used; brackets, budget and incumbent are ours. The package is unmaintained,
draws from NumPy's global generator and warns at every call with current NumPy and ConfigSpace; this file contains all of that.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmark_api.spaces import Architecture


class HpbandsterGenerator:
    """hpbandster's BOHB generator over unordered decisions.

    Args:
        cardinalities: number of choices of each decision.
        rng: the run's generator; it seeds hpbandster's own draws.
        options: arguments of hpbandster's generator.

    Raises:
        ModuleNotFoundError: hpbandster or one of its dependencies is not installed.
    """

    def __init__(self, cardinalities: Sequence[int], rng: np.random.Generator, **options: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace
                from hpbandster.optimizers.config_generators.bohb import BOHB
            except ModuleNotFoundError as error:
                raise ModuleNotFoundError(
                    f"the hpbandster backend needs the package {error.name!r}: install it with `make hpbandster`, "
                    "or choose the backend 'own'"
                ) from error
            space = ConfigurationSpace(seed=int(rng.integers(2**31)))
            for decision, cardinality in enumerate(cardinalities):
                space.add(CategoricalHyperparameter(f"decision-{decision:03}", list(range(cardinality))))
            silent = logging.getLogger(__name__)
            silent.disabled = True
            self.generator = BOHB(space, logger=silent, **options)
        self._rng = rng
        self._names = list(space)

    def propose(self) -> Architecture:
        """Return hpbandster's next architecture."""
        with _contained(self._rng):
            configuration, _ = self.generator.get_config(None)  # it ignores the budget
        return tuple(int(configuration[name]) for name in self._names)

    def tell(self, architecture: Architecture, epochs: int, score: float) -> None:
        """Report a score in percent, -inf for a failed evaluation."""
        job = SimpleNamespace(
            kwargs={"budget": float(epochs), "config": dict(zip(self._names, architecture, strict=True))},
            result={"loss": 100.0 - score},
            exception=None,
        )
        with _contained(self._rng):
            self.generator.new_result(job)


@contextmanager
def _contained(rng: np.random.Generator) -> Iterator[None]:
    """Seed NumPy's global generator from `rng`, silence warnings, and restore the global state afterwards."""
    state: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002
    np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
