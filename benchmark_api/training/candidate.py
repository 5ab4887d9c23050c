"""The network of an architecture of a table: its costs, training with the table's own recipe, and export.

candidate = Candidate.of(Table("digits-topology"), 1462)
print(candidate.params, candidate.flops)
curves = candidate.fit()                       # as the table's first trial
program = candidate.export()                   # torch.export
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark_api.bounds import between
from benchmark_api.schema import named
from benchmark_api.tables.sources import source_of
from benchmark_api.tables.table import Table
from benchmark_api.training.costs import costs_of
from benchmark_api.training.datasets import shape_of
from benchmark_api.training.devices import find_device, one_thread, trial_seeds
from benchmark_api.training.networks import Skeleton, build_network
from benchmark_api.training.setting import Setting, parse_settings
from benchmark_api.training.train import Curves, Recipe, initial_weights, train

if TYPE_CHECKING:
    from typing_extensions import Self


class Candidate(nn.Module):
    """Network of an architecture, as the candidates of a table were trained: images [batch, channel, height, width] to logits
    [batch, class]. The images are those of `Setting.load(...).batch`, normalised by mean and deviation of the training images.

    Attributes:
        index: official index of the architecture.
        architecture: its official string.
        setting: the images that it is trained on, and its skeleton.
        recipe: the table's hyperparameters of trainings.
        seed: seed of the trial: of initial weights, order of images and augmentation.
        image_shape: channels, height and width of an image.
        params: trainable parameters.
        flops: multiply-accumulates of convolutions and linear layers for one image.
    """

    def __init__(self, table: Table, index: int, setting: Setting, recipe: Recipe, data: Path | None, seed: int) -> None:
        super().__init__()
        space, choices = table.space, table.space.architecture(index)
        classes, self.image_shape = shape_of(setting.dataset, data)
        skeleton = Skeleton(classes, self.image_shape[0], setting.channels, setting.cells)
        costs = costs_of(space, [choices], skeleton, self.image_shape[1])
        self.index, self.architecture, self.setting, self.recipe = index, space.to_string(choices), setting, recipe
        self.data, self.seed, self.params, self.flops = data, seed, int(costs.params[0]), int(costs.flops[0])
        self.network = build_network(space, choices, skeleton, initial_weights(seed, index))

    @classmethod
    def of(
        cls, table: Table, index: int, dataset: str | None = None, *, data: Path | None = None, seed: int | None = None
    ) -> Self:
        """Return the network of an architecture with the initial weights of a trial.

        Args:
            table: the table.
            index: official index of the architecture.
            dataset: dataset key that the table reports; by default the first of its datasets.
            data: folder of the data set's files, which are read by `fit`; digits need none.
            seed: seed of the trial; None for that of the first (777).

        Raises:
            FileNotFoundError: the NumPy file of a data set of one's own is missing.
            ValueError: unknown index or dataset, no seed, or the space defines no networks.
        """
        if not (seed is None or (isinstance(seed, int) and between(0, 2**62).allows(seed))):
            raise ValueError(f"seed must be an integer from 0 to 2^62, got {seed!r:.100}")
        if not (known := [*table.datasets, *table.keys]):
            raise ValueError(f"{table.path} has accuracies of no data set")
        dataset = known[0] if dataset is None else str(dataset)
        key = table.report_key(dataset)
        setting = Setting.of(table, dataset.removesuffix("-valid") if dataset not in table.datasets else dataset)
        setting = replace(setting, dataset=key)
        with named(table.path):
            settings = parse_settings(source_of(table.metadata, key).get("settings", "{}"))
            recipe = Recipe.from_settings(settings.get("protocol", {"epochs": int(table.report_schedule)}))
        return cls(table, index, setting, recipe, data, trial_seeds(1)[0] if seed is None else seed)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)[1]  # [batch, class]
        return logits

    def fit(self, epochs: int | None = None, device: str = "cpu") -> Curves:
        """Train the network as the table's candidates were, in one thread, and evaluate every split after every epoch.

        Initial weights and the order of images are those of the trial with the seed. The first call repeats the trial but for
        rounding, since tables are built from stacks of candidates; training amplifies it to some points of accuracy.

        Args:
            epochs: length of the schedule; by default the table's.
            device: PyTorch's name of the device; the network stays there.

        Returns:
            Accuracy and loss of each split [1, epoch].

        Raises:
            FileNotFoundError: a file of the data set is missing.
            ValueError: the device cannot be used, no folder is given where one is needed, or `epochs` is out of range.
        """
        recipe = self.recipe if epochs is None else replace(self.recipe, epochs=epochs)
        if self.data is None and self.setting.needs_files:
            raise ValueError(f"{self.setting.dataset} is read from local files: name the folder that has them (data)")
        images = self.setting.load(self.data, device=str(find_device(device)))
        self.to(device)
        with one_thread():
            return train(self.network, images, recipe, self.seed)

    def export(self) -> torch.export.ExportedProgram:
        """Return the network in evaluation mode as a program for batches of any size (`torch.export`)."""
        example = next(self.parameters()).new_zeros(2, *self.image_shape)
        training = self.training
        try:
            return torch.export.export(self.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        finally:
            self.train(training)
