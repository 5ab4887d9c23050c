"""Setting of trainings, of candidates and of supernets: images and skeleton."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from benchmark_api.tables.sources import source_of
from benchmark_api.tables.table import Table
from benchmark_api.training.datasets import Dataset, Distortion
from benchmark_api.training.networks import Skeleton


@dataclass(frozen=True)
class Setting:
    """Images and skeleton of trainings. Tables and results store it as JSON, the fields under their names.

    Attributes:
        dataset: key of the images (`benchmark_api.training.datasets.KEYS`).
        distortion: distortion of the digits; None for none, and for other data sets.
        channels: width of the first stage; None for the default, or if the architectures decide it.
        cells: cells per stage; None as for `channels`.
    """

    dataset: str
    distortion: Distortion | None
    channels: int | None
    cells: int | None

    @classmethod
    def of(cls, table: Table, dataset: str) -> Setting:
        """Return the setting that the candidates of a table were trained in.

        Tables built here record it; others are assumed to be NATS-Bench with C = 16 and N = 5 (section 3.2 of arXiv 2009.00437).
        There cifar10 is searched on one half of its training images and validated on the other; for cifar100 and
        ImageNet16-120 x-valid is one half of the official test images, as in the reference.

        Raises:
            ValueError: the table has no such dataset to search on.
        """
        if dataset not in table.datasets:
            raise ValueError(f"{table.path} has no dataset {dataset!r} to search on; it has {', '.join(table.datasets)}")
        source = source_of(table.metadata, table.search_key(dataset))
        if "settings" in source:
            return cls.from_json(source["settings"])
        usual = table.space.skeleton_defaults
        return cls(table.search_key(dataset), None, usual.get("channels"), usual.get("cells"))

    @classmethod
    def from_json(cls, text: str) -> Setting:
        """Return the setting in a JSON object, which may have more entries, e.g. all settings of a table (`Plan`)."""
        facts = json.loads(text)
        distortion = facts["distortion"] and Distortion(**facts["distortion"])
        return cls(facts["dataset"], distortion, facts["channels"], facts["cells"])

    def describe(self) -> dict[str, Any]:
        """Return the setting in JSON types, which `from_json` reads."""
        return asdict(self)

    def skeleton(self, images: Dataset) -> Skeleton:
        """Return the parts of the networks that all candidates share."""
        return Skeleton(images.classes, images.image_shape[0], self.channels, self.cells)
