"""`python -m experiments.gpu_check`: what one-shot methods do on an accelerator: correctness, speed, memory.

It measures on random images of 32x32 pixels, at NATS-Bench's size unless told otherwise, until its time is up:

1. correctness: two whole steps of each method on the device, against the same steps on the CPU from equal weights and draws;
2. speed: steps per second and peak memory of each method, for stacks of some seeds, eager and compiled.

Every measurement is written to the folder as soon as it is made; the next call goes on where the last one stopped. The table of
all measurements is printed last. A real search is another command, which also goes on from its last checkpoint:
`python -m experiments run gdas --table … --data … --device cuda`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from algorithms.one_shot import ONE_SHOT, OneShotSearch
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.task import Execution, Task, wall_clock
from benchmark_api.jobs.files import whole_file
from benchmark_api.machine import processor_name
from benchmark_api.plugins import load_plugins
from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.training.datasets import Dataset, Split
from benchmark_api.training.devices import find_device
from benchmark_api.training.networks import Skeleton

STEPS = 20
"""Steps of a measurement of speed, after as many to warm up as a tenth of them, at least three."""


@dataclass(frozen=True)
class Size:
    """Size of the networks and batches.

    Attributes:
        channels: width C of the first stage of the topology space; the size space has widths up to 4 C.
        cells: cells N of each stage.
        batch: images of a batch.
        image: height and width of an image, pixels.
        steps: steps of a measurement of speed.
    """

    channels: int = 16
    cells: int = 5
    batch: int = 64
    image: int = 32
    steps: int = STEPS


SMALL = Size(channels=4, cells=1, batch=16, image=16)
"""Largest size of the networks whose steps are compared with those on the CPU."""

TOLERANCE = 1e-4
"""Largest relative difference from the CPU of a correct device."""


@dataclass(frozen=True)
class Case:
    """One measurement: a method, how many seeds are stacked, and whether the network is compiled."""

    what: str
    method: str
    stack: int = 1
    compiled: bool = False

    @property
    def key(self) -> str:
        """Name of the case in the file of measurements."""
        return f"{self.what} {self.method} {self.stack}{' compiled' if self.compiled else ''}"


def searches_of(case: Case, size: Size, device: torch.device, steps: int) -> list[OneShotSearch]:
    """Make the searches of a case, one for each seed; an epoch is `steps` steps on random images."""
    method, draw = ONE_SHOT[case.method], torch.Generator().manual_seed(0)
    splits = {}
    for name in ("train", "x-valid"):
        count = size.batch * (steps if name == "train" else 1)
        images = torch.rand(count, 3, size.image, size.image, generator=draw)
        splits[name] = Split(images.to(device), torch.randint(10, (count,), generator=draw).to(device))
    mean, std = (torch.full((3, 1, 1), value, device=device) for value in (0.5, 0.3))
    data = Dataset("random", 10, mean, std, flip=True, padding=4, splits=splits)
    if method.searches(TopologySpace()):
        task = Task(TopologySpace(), data, Skeleton(10, 3, size.channels, size.cells))
    else:
        task = Task(SizeSpace([max(1, size.channels // 2) * multiple for multiple in range(1, 9)]), data, Skeleton(10, 3))
    few: dict[str, Any] = {"epochs": 100, "batch": size.batch, "eval_batch": size.batch, "candidates": 1, "updates": 1}
    config = replace(method.Config(), **{f.name: few[f.name] for f in fields(method.Config) if f.name in few})
    execution = Execution(device=str(device), stack=case.stack, compile=case.compiled)
    return [method(task, config, seed=seed, execution=execution) for seed in range(case.stack)]


def difference(case: Case, size: Size, device: torch.device) -> dict[str, float]:
    """Train two steps on the device and on the CPU; return the largest relative difference of any tensor of weights.

    Of a tensor it is the norm of the difference over the norm; draws are made on the CPU, so both have the same. The networks are
    small, with `SMALL` as the largest size: in deep ones of single precision, rounding moves inputs of a ReLU over its kink.
    """
    states, small = [], Size(*(min(given, most) for given, most in zip(astuple(size), astuple(SMALL), strict=True)))
    for where in (device, torch.device("cpu")):
        (search,) = searches_of(case, small, where, steps=2)
        search.train_epoch()
        states.append({name: value.detach().cpu().double() for name, value in search.supernet.named_parameters()})
    there, here = states
    apart = [float((there[name] - here[name]).norm() / here[name].norm().clamp_min(1e-12)) for name in here]
    return {"difference": max(apart)}


def speed(case: Case, size: Size, device: torch.device) -> dict[str, float]:
    """Train an epoch of a few steps to warm up, then one that is measured; return steps per second and peak memory."""
    warm = max(3, size.steps // 10)
    _epoch_of(searches_of(case, size, device, warm), case)
    searches = searches_of(case, size, device, size.steps)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start = wall_clock(device)
    _epoch_of(searches, case)
    seconds = wall_clock(device) - start
    last = searches[0].metrics[-1]
    per_step = (last.train_seconds * case.stack if case.stack > 1 else last.train_seconds) / size.steps
    return {
        "steps per second": 1 / per_step,
        "seed steps per second": case.stack / per_step,
        "peak memory [GB]": last.peak_memory / 1e9,
        "seconds": seconds,
    }


def _epoch_of(searches: list[OneShotSearch], case: Case) -> None:
    SearchStack(searches).train_epoch() if case.stack > 1 else searches[0].train_epoch()


MEASURES: dict[str, Callable[[Case, Size, torch.device], dict[str, float]]] = {"correctness": difference, "speed": speed}


def cases(methods: tuple[str, ...], stacks: tuple[int, ...], compiled: bool) -> Iterator[Case]:
    """Yield the measurements in their order: what matters first comes first."""
    yield from (Case("correctness", method) for method in methods)
    for stack in stacks:
        yield from (Case("speed", method, stack) for method in methods)
    if compiled:
        yield from (Case("speed", method, compiled=True) for method in methods)


def check(size: Size, device: torch.device, out: Path, limit: float, todo: list[Case]) -> dict[str, dict[str, Any]]:
    """Make the measurements that the folder lacks, until the time is up; return all of them by their keys.

    Raises:
        ValueError: the folder has measurements of another size, device or version of PyTorch.
    """
    end, file = time.monotonic() + limit, out / "gpu-check.json"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    setting = {"size": asdict(size), "device": name, "torch": torch.__version__}
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"setting": setting, "measured": {}}
    if kept["setting"] != setting:
        raise ValueError(f"{file} has measurements of {kept['setting']}, these are of {setting}: choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    for case in todo:
        if case.key in kept["measured"] or time.monotonic() > end:
            continue
        try:
            found: dict[str, Any] = MEASURES[case.what](case, size, device)
        except (RuntimeError, ValueError) as error:  # of one case, such as too little memory: the others go on
            found = {"error": str(error).splitlines()[0]}
        kept["measured"][case.key] = {**asdict(case), **found}
        print(f"{case.key}: {found}", file=sys.stderr)
        with whole_file(file) as whole:
            whole.write(json.dumps(kept, indent=1).encode())
    measured: dict[str, dict[str, Any]] = kept["measured"]
    return measured


def table(measured: dict[str, dict[str, Any]]) -> str:
    """Return the measurements as a Markdown table with a row for each method and stack."""
    head = ("method", "seeds", "network", "difference to CPU", "steps/s", "seed steps/s", "peak memory [GB]")
    rows = []
    for found in measured.values():
        network = "compiled" if found["compiled"] else "eager"
        values = [found.get(name) for name in ("difference", "steps per second", "seed steps per second", "peak memory [GB]")]
        shown = [found["error"], "", "", ""] if "error" in found else ["" if v is None else f"{v:.3g}" for v in values]
        rows.append((found["method"], str(found["stack"]), network, *shown))
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def main(
    device: str = "cuda",
    limit: float = 600.0,
    out: Path = Path("results/gpu-check"),
    methods: tuple[str, ...] = (),
    stacks: tuple[int, ...] = (1, 3, 16),
    compiled: bool = True,
    size: Size = Size(),
) -> None:
    """Measure one-shot methods on an accelerator, and print one table.

    Args:
        device: PyTorch's name of the device; "cpu" to try the command out.
        limit: seconds after which no further measurement begins.
        out: folder of the measurements; a later call goes on there.
        methods: names of one-shot methods; all of the zoo unless given.
        stacks: numbers of seeds that are trained together.
        compiled: whether to measure compiled networks too.
        size: of the networks and batches; NATS-Bench's unless given.
    """
    try:
        load_plugins()
        names = tuple(ONE_SHOT.find(name).name for name in methods or ONE_SHOT)
        found = find_device(device)
        measured = check(size, found, out, limit, list(cases(names, stacks, compiled)))
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(table(measured))
    if wrong := [case["method"] for case in measured.values() if case.get("difference", 0.0) > TOLERANCE]:
        print(
            f"error: steps on {device} differ from those on the CPU by more than {TOLERANCE:g}: {', '.join(wrong)}",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    tyro.cli(main)
