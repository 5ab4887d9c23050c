"""Setting of trainings, of candidates and of supernets: images and skeleton."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch

from benchmark_api.bounds import Bounded, between, stored_values, unstored_default
from benchmark_api.schema import checked, named, parse_json
from benchmark_api.spaces.size import MAX_WIDTH
from benchmark_api.tables.sources import source_of
from benchmark_api.tables.table import Table
from benchmark_api.text import is_plain_name
from benchmark_api.training.datasets import Dataset, DatasetError, Distortion, load_dataset
from benchmark_api.training.image_files import unofficial_digest
from benchmark_api.training.networks import Skeleton

if TYPE_CHECKING:
    from typing_extensions import Self


def parse_settings(text: Any) -> dict[str, Any]:
    """Return the settings that a table or a run keeps as JSON; raise ValueError if they are none."""
    found: dict[str, Any] = checked(parse_json(checked(text, str, "its settings")), dict[str, Any], "its settings")
    return found


@dataclass(frozen=True)
class Setting(Bounded):
    """Images and skeleton of trainings. Tables and results store it as JSON, the fields under their names.

    Attributes:
        dataset: key of the images (`benchmark_api.training.datasets.KEYS`).
        distortion: distortion of the digits; None for none, and for other data sets.
        channels: width of the first stage; None for the default, or if the architectures decide it.
        cells: cells per stage; None as for `channels`.
        unofficial_images: digest of the data set's files if they are not the official ones (`unofficial_digest`); else None.
    """

    dataset: str
    distortion: Distortion | None
    channels: Annotated[int, between(1, MAX_WIDTH)] | None
    cells: Annotated[int, between(0, 100)] | None
    unofficial_images: Annotated[str | None, unstored_default] = None

    @classmethod
    def of(cls, table: Table, dataset: str) -> Setting:
        """Return the setting that the candidates of a table were trained in.

        Tables built here record it; others are assumed to be NATS-Bench with C = 16 and N = 5 (section 3.2 of arXiv 2009.00437).
        There cifar10 is searched on one half of its training images and validated on the other; for cifar100 and
        ImageNet16-120 x-valid is one half of the official test images, as in the reference.

        Raises:
            ValueError: the table has no such dataset to search on, or its settings are none.
        """
        if dataset not in table.datasets:
            raise ValueError(f"{table.path} has no dataset {dataset!r} to search on; it has {', '.join(table.datasets)}")
        source = source_of(table.metadata, table.search_key(dataset))
        if "settings" in source:
            with named(table.path):
                return cls.from_json(source["settings"])
        usual = table.space.skeleton_defaults
        return cls(table.search_key(dataset), None, usual.get("channels"), usual.get("cells"))

    @classmethod
    def from_json(cls, text: str) -> Setting:
        """Return the setting in a JSON object, which may have more entries, e.g. all settings of a table (`Plan`).

        Raises:
            ValueError: the text is another one.
        """
        setting = checked(parse_settings(text), cls, "its settings")
        if not is_plain_name(setting.dataset):
            raise ValueError(f"its settings: the dataset is {setting.dataset!r:.80}, which cannot name a file")
        return setting

    def describe(self) -> dict[str, Any]:
        """Return the setting in JSON types, which `from_json` reads."""
        return stored_values(self)

    def on_images_in(self, root: Path | None) -> Self:
        """Return the setting on the images in a folder, official or not.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: the data set has no official files, or no folder is given.
        """
        return replace(self, unofficial_images=unofficial_digest(self.dataset, root))

    @property
    def needs_files(self) -> bool:
        """Whether the images are read from files, and not part of an installed package."""
        return self.dataset != "digits"

    def load(self, root: Path | None, *, splits: Sequence[str] | None = None, device: torch.device | str = "cpu") -> Dataset:
        """Return the images of the setting, or some of their splits, from a folder; the arguments are those of `load_dataset`.

        Raises:
            FileNotFoundError: a file is missing.
            DatasetError: a file is damaged, or not the one of the setting.
            ValueError: as for `load_dataset`.
        """
        official = self.unofficial_images is None
        if not official and (found := unofficial_digest(self.dataset, root)) != self.unofficial_images:
            raise DatasetError(
                f"{root}: other images of {self.dataset} than before: their digest is {found or 'that of the official files'}, "
                f"expected {self.unofficial_images}"
            )
        return load_dataset(self.dataset, root, splits=splits, device=device, distortion=self.distortion, verify=official)

    def skeleton(self, images: Dataset) -> Skeleton:
        """Return the parts of the networks that all candidates share."""
        return Skeleton(images.classes, images.image_shape[0], self.channels, self.cells)
