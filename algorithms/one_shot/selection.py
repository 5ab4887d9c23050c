"""Selections: rules that derive an architecture from a trained supernet. `--select NAME` applies one to any method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark_api.registry import Registry
from benchmark_api.spaces import Architecture

if TYPE_CHECKING:
    from algorithms.one_shot.search import OneShotSearch


class Selection(ABC):
    """A rule that derives an architecture from a search's supernet, scores and task."""

    name: ClassVar[str]
    registry: ClassVar[Registry[Any]]
    """The registry of all selections."""

    every_epoch: ClassVar[bool] = True
    """Whether it runs after every epoch. False: after the last; earlier epochs log the choices with the highest scores."""

    trains: ClassVar[bool] = False
    """Whether it changes weights, architecture parameters or optimizers. The search restores them afterwards."""

    @abstractmethod
    def select(self, search: OneShotSearch) -> Architecture:
        """Return the derived architecture.

        The supernet is in evaluation mode, gradients are enabled. Randomness comes from `search.draws["evaluation"]`, so that a
        resumed search gives the identical result.
        """


SELECTIONS: Registry[type[Selection]] = Registry("selection")
"""Every selection by its name."""

Selection.registry = SELECTIONS


@SELECTIONS.register
class Argmax(Selection):
    """Choose the highest score of each decision, within the constraints of the method."""

    name = "argmax"

    def select(self, search: OneShotSearch) -> Architecture:
        return search.most_likely()


@SELECTIONS.register
class BestOfN(Selection):
    """Choose the method's candidate with the highest accuracy, each on one batch of validation images; the first on ties."""

    name = "best-of-n"

    def select(self, search: OneShotSearch) -> Architecture:
        candidates = search.candidates()
        return candidates[int(search.accuracies(candidates, search.evaluation_batches()).numpy().argmax())]
