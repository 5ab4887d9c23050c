"""The plan of a table: its settings, and the stacks in which its candidates are trained."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from benchmark_api.bounds import Bounded, at_least
from benchmark_api.spaces import Architecture, SearchSpace
from benchmark_api.training.devices import trial_seeds
from benchmark_api.training.digits import Distortion
from benchmark_api.training.networks import Skeleton
from benchmark_api.training.setting import Setting
from benchmark_api.training.train import Recipe


@dataclass(frozen=True)
class Plan(Bounded):
    """Settings that determine the content of a table.

    Attributes:
        space: search space.
        dataset: key of the data set.
        recipe: hyperparameters of the trainings.
        trials: trainings of each candidate, with seeds 777, 888, 999, 1110, ...
        channels: width of the first stage; None for the default, or if the architectures decide it.
        cells: cells per stage; None as for `channels`.
        distortion: distortion of the digits; None for other data sets.
        sample: number of random architectures to train; None for all.
        stack: largest number of channels of the first block that are trained together.
        half: whether accuracies and losses are stored in half precision (steps of at most 0.06 percent), else in single.
        unofficial_images: as for `Setting`.
    """

    space: SearchSpace
    dataset: str
    recipe: Recipe
    trials: Annotated[int, at_least(1)] = 3
    channels: int | None = None
    cells: int | None = None
    distortion: Distortion | None = None
    sample: Annotated[int, at_least(1)] | None = None
    stack: Annotated[int, at_least(1)] = 128
    half: bool = False
    unofficial_images: str | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trials."""
        return trial_seeds(self.trials)

    @property
    def schedule(self) -> str:
        """Name of the schedule in the table."""
        return str(self.recipe.epochs)

    @property
    def setting(self) -> Setting:
        """Images and skeleton."""
        return Setting(self.dataset, self.distortion, self.channels, self.cells, self.unofficial_images)

    @property
    def representatives(self) -> npt.NDArray[np.int64]:
        """Index of the architecture that is trained in place of each architecture [architecture]."""
        space = self.space
        return np.array([space.index(space.canonical(space.architecture(index))) for index in range(len(space))])

    def stacks(self, skeleton: Skeleton) -> list[list[int]]:
        """Return the indices of the trained architectures of each stack.

        Architectures in a stack agree in their first decisions, so they share operations and widths. The stacks are in random
        order, so the first ones predict the time of all.
        """
        classes = np.unique(self.representatives)
        if self.sample is not None:
            classes = np.random.default_rng(0).permutation(classes)[: self.sample]
        of_width: dict[int, list[Architecture]] = {}
        for architecture in sorted(self.space.architecture(int(index)) for index in classes):
            of_width.setdefault(skeleton.widths(self.space, architecture)[0], []).append(architecture)
        stacks = []
        for width, members in of_width.items():
            size = max(1, self.stack // width)
            size -= size % 8 if size > 8 else 0  # all choices of the last decision, if it has eight
            stacks += [members[start : start + size] for start in range(0, len(members), size)]
        random.Random(0).shuffle(stacks)
        return [[self.space.index(architecture) for architecture in stack] for stack in stacks]

    def describe(self) -> dict[str, Any]:
        """Return all settings in JSON types, under the names that tables store."""
        settings = {name: getattr(self, name) for name in ("trials", "sample", "stack", "half")}
        return {**self.space.spec(), **self.setting.describe(), **settings, "protocol": self.recipe.settings()}
