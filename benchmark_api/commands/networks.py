"""Commands about the network of one architecture: network, draw."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from benchmark_api.commands.options import TablePath, default
from benchmark_api.commands.printing import architecture_index, open_table, print_line, print_rows

ArchitectureText = tyro.conf.Positional[
    Annotated[str, tyro.conf.arg(metavar="ARCHITECTURE", help="Official index, or string (in quotes).")]
]


@dataclass(frozen=True)
class Network:
    """Describe the network of an architecture, train it with the table's own recipe, or export it."""

    examples: ClassVar[tuple[str, ...]] = (
        "network digits-topology 1462 --train",
        "network nats-topology 1462 --dataset cifar100 --train --data cifar --export best.pt2",
    )

    table: TablePath
    architecture: ArchitectureText
    dataset: Annotated[str | None, default("the first", "KEY")] = None
    """Dataset key, e.g. cifar10."""
    train: bool = False
    """Train it, and print accuracy and loss after the last epoch."""
    epochs: Annotated[int | None, default("the table's", "INT")] = None
    """Length of the training."""
    data: Annotated[Path | None, default("none, for digits", "FOLDER")] = None
    """Folder with the files of the data set."""
    seed: Annotated[int | None, default("777", "INT")] = None
    """Seed of the training."""
    device: str = "cpu"
    """PyTorch device of the training."""
    export: Annotated[Path | None, default("none", "FILE.pt2")] = None
    """Write the network with its weights as a program of torch.export; it takes normalised images, and returns logits."""

    def __call__(self) -> None:
        import torch

        from benchmark_api.jobs.files import whole_file
        from benchmark_api.training.candidate import Candidate

        if self.epochs is not None and not self.train:
            raise ValueError("epochs are those of a training: add --train")
        table = open_table(self.table)
        index = architecture_index(table.space, self.architecture)
        candidate = Candidate.of(table, index, self.dataset, data=self.data, seed=self.seed)
        shape = " x ".join(map(str, candidate.image_shape))
        print(f"architecture {index}: {candidate.architecture}")
        costs = f"{candidate.params:,} parameters, {candidate.flops:,} multiply-accumulates"
        print(f"images of {candidate.setting.dataset}, {shape}; {costs}")
        if self.train:
            curves = candidate.fit(self.epochs, self.device)
            rows = [
                [split, f"{curves.accuracy[split][0, -1]:.2f}", f"{curves.loss[split][0, -1]:.4f}", f"{seconds:.3g}"]
                for split, seconds in curves.seconds.items()
            ]
            print_rows(["split", "accuracy", "loss", "seconds per epoch"], rows)
        if self.export is not None:
            buffer = io.BytesIO()  # PyTorch takes a name that ends in .pt2, or a buffer
            torch.export.save(candidate.export(), buffer)
            with whole_file(self.export) as file:
                file.write(buffer.getvalue())
            print_line(self.export)


@dataclass(frozen=True)
class Draw:
    """Draw an architecture as a graph."""

    examples: ClassVar[tuple[str, ...]] = ("draw nats-topology 1462 --out cell.pdf",)

    table: TablePath
    architecture: ArchitectureText
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("architecture.png")
    """Image file to write: .png, .pdf or .svg."""

    def __call__(self) -> None:
        from benchmark_api.jobs.files import whole_file
        from benchmark_api.spaces.drawing import architecture_figure

        if self.out.suffix not in (".png", ".pdf", ".svg"):
            raise ValueError(f"out must end in .png, .pdf or .svg, got {self.out}")
        space = open_table(self.table).space
        figure = architecture_figure(space, architecture_index(space, self.architecture))
        with whole_file(self.out) as file:
            figure.savefig(file, format=self.out.suffix[1:], dpi=200)
        print_line(self.out)
