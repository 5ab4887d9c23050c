"""The command that trains a table: build."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from benchmark_api.bounds import at_least, between, positive
from benchmark_api.commands.options import Jobs, OutPath, default
from benchmark_api.commands.printing import megabytes, print_line
from benchmark_api.ending import tell
from benchmark_api.jobs.options import ParallelOptions
from benchmark_api.spaces import SPACES
from benchmark_api.spaces.size import MAX_WIDTH

if TYPE_CHECKING:  # imported by the command: `--help` starts without NumPy and PyTorch
    from benchmark_api.training.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Build:
    """Train every candidate of a space and write a table. After an interruption the same command continues.

    With more trials than an existing table has, only the missing trials are trained.
    """

    examples: ClassVar[tuple[str, ...]] = ("build --space size --widths 4 8 --epochs 2 --trials 2 --out small.safetensors",)

    out: OutPath
    """Table file to write, e.g. digits-topology.safetensors."""
    space: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Search space: topology, size, or the name of a plugin's space."""
    epochs: Annotated[int, between(1, 10_000)]
    """Length of the schedule."""
    dataset: Annotated[str, tyro.conf.arg(metavar="KEY")] = "digits"
    """Dataset key, e.g. digits or cifar10-valid."""
    data: Annotated[Path | None, default("none, for digits", "FOLDER")] = None
    """Folder with the files of the data set."""
    unofficial_images: bool = False
    """Accept files in the official format with other images; the table's notice says so."""
    trials: Annotated[int, between(1, 100)] = 3
    """Trainings of each candidate, with seeds 777, 888, 999, ..."""
    channels: Annotated[Annotated[int, between(1, MAX_WIDTH)] | None, default("16", "INT")] = None
    """Topology: width of the first stage."""
    cells: Annotated[Annotated[int, between(0, 100)] | None, default("5", "INT")] = None
    """Topology: cells per stage."""
    widths: Annotated[tuple[int, ...] | None, default("8 16 24 32 40 48 56 64", "INT [INT ...]")] = None
    """Size: candidate widths."""
    layers: Annotated[int | None, default("5", "INT")] = None
    """Size: number of layers, 3N + 2."""
    batch: Annotated[int, at_least(1)] = 256
    """Images per batch."""
    learning_rate: Annotated[float, positive, tyro.conf.arg(aliases=["--rate"])] = 0.1
    """Initial learning rate."""
    copies: Annotated[int, between(0, 1000)] = 0
    """Digits: distorted copies of each image; 0 for the original digits."""
    noise: Annotated[float, at_least(0)] = 0.1
    """Digits: standard deviation of the noise in distorted copies."""
    sample: Annotated[Annotated[int, at_least(1)] | None, default("all", "INT")] = None
    """Number of random candidates to train."""
    stack: Annotated[int, at_least(1)] = 128
    """Largest number of channels of the first block that are trained together."""
    half: bool = False
    """Store accuracies and losses in half precision."""
    notice: str = ""
    """Notice that all tables and figures made from the table repeat."""
    device: str = "cpu"
    """PyTorch device of the trainings."""
    jobs: Jobs = None
    parallel: tyro.conf.OmitArgPrefixes[ParallelOptions] = field(default_factory=ParallelOptions)

    def __call__(self) -> None:
        from benchmark_api.training.build import BuildFailed, build

        try:
            table = build(
                self.plan(),
                self.out,
                root=self.data,
                device=self.device,
                jobs=self.jobs,
                engine=self.parallel.make_engine(),
                progress=not self.parallel.quiet,
                notice=self.notice,
            )
        except BuildFailed as error:
            print("".join(f"\n{failure}" for failure in error.failures), file=sys.stderr, end="")
            raise
        except KeyboardInterrupt as error:
            tell(f"interrupted; finished stacks are in {self.out}.build: the same command continues")
            sys.exit(getattr(error, "status", 130))
        print_line(f"{self.out}: {table.title}, {megabytes(self.out)}, fingerprint {table.fingerprint[:12]}")

    def plan(self) -> Plan:
        """Return the settings of the table."""
        from benchmark_api.training.datasets import Distortion
        from benchmark_api.training.plan import Plan
        from benchmark_api.training.train import Recipe

        try:
            space = SPACES.find(self.space)(**_given(widths=self.widths, layers=self.layers))
        except TypeError as error:
            raise ValueError(f"the {self.space} space does not have these parameters: {error}") from error
        plan = Plan(
            space=space,
            dataset=self.dataset,
            recipe=Recipe(self.epochs, self.batch, self.learning_rate),
            trials=self.trials,
            **{**space.skeleton_defaults, **_given(channels=self.channels, cells=self.cells)},
            distortion=Distortion(copies=self.copies, noise=self.noise) if self.copies else None,
            sample=self.sample,
            stack=self.stack,
            half=self.half,
        )
        if not self.unofficial_images:
            return plan
        return replace(plan, unofficial_images=plan.setting.on_images_in(self.data).unofficial_images)


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}
