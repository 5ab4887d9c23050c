"""`python -m experiments.gpu_check`: what one-shot methods do on an accelerator: correctness, speed, memory, and a search.

It measures on random images of 32x32 pixels, at NATS-Bench's size unless told otherwise, until its time is up:

1. correctness: whole steps of each method on the device, eager and captured as a graph, against the same steps on the CPU from
   equal weights and draws, in double precision;
2. arithmetic: floating-point operations of an eager step, counted;
3. speed: steps per second and peak memory of each method, eager, captured and compiled, and for stacks of some seeds;
4. precision: how far two steps in another precision lead from those in float32, and how fast they are.

Every measurement is written to the folder as soon as it is made; the next call goes on where the last one stopped. With the time
left, `--search.method NAME` trains a real search by the code of `python -m experiments run`. It ends after an epoch, and the next
call goes on from its last checkpoint. The table of all measurements is printed last.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import tyro
from torch.utils.flop_counter import FlopCounterMode

from algorithms.one_shot import ONE_SHOT, OneShotSearch
from algorithms.one_shot.graphs import Captured
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.steps import EAGER, make_steps
from algorithms.one_shot.task import Execution, Task, peak_memory, wall_clock
from benchmark_api.jobs.files import whole_file
from benchmark_api.machine import processor_name
from benchmark_api.plugins import load_plugins
from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.training.datasets import Dataset, Split
from benchmark_api.training.devices import find_device
from benchmark_api.training.networks import Skeleton
from experiments.commands.one_shot import RunOneShot
from experiments.commands.run import Search
from experiments.runs.one_shot import OneShotJob

STEPS = 20
"""Steps of a measurement of speed, after as many to warm up as a tenth of them, at least three."""

COUNTED = 3
"""Steps whose operations are counted: those along a sampled path differ."""


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


@dataclass(frozen=True)
class RealSearch:
    """A search to train with the time left.

    Attributes:
        method: name of a one-shot method; None for no search.
        table: table in which derived architectures are looked up.
        dataset: dataset to search on; by default the table's only one, or cifar10.
        data: folder with the dataset's files; digits need none.
        unofficial_images: whether to accept files in the official format with other images.
        epochs: epochs of the search; None for the method's.
        execution: how it is computed, but for the device.
    """

    method: str | None = None
    table: Path = Path("digits-topology")
    dataset: str | None = None
    data: Path | None = None
    unofficial_images: bool = False
    epochs: int | None = None
    execution: Execution = field(default_factory=lambda: Execution(graphs=True))


SMALL = Size(channels=4, cells=1, batch=16, image=16)
"""Largest size of the networks whose steps are compared with those on the CPU."""

TOLERANCE = 1e-6
"""Largest relative difference from the CPU of a correct device, in double precision.

In single precision the weights differ by more where rounding has moved an input of a ReLU over its kink.
"""

Measure = Literal["correctness", "arithmetic", "speed", "precision"]
Network = Literal["eager", "graphs", "compiled", "compiled graphs"]


@dataclass(frozen=True)
class Case:
    """One measurement: a method, how many seeds are stacked, how its steps are started, precision and layout of its passes."""

    what: Measure
    method: str
    stack: int = 1
    network: Network = "eager"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    channels_last: bool = False

    @property
    def key(self) -> str:
        """Name of the case in the file of measurements."""
        of_case = (self.what, self.method, self.stack, self.network, self.precision)
        return " ".join(map(str, (*of_case, "channels_last") if self.channels_last else of_case))

    def execution(self, device: torch.device) -> Execution:
        """Return how the case is computed; raise ValueError if the device cannot."""
        return Execution(
            device=str(device),
            precision=self.precision,
            channels_last=self.channels_last,
            compile="compiled" in self.network,
            graphs="graphs" in self.network,
            stack=self.stack,
        )


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
    execution = case.execution(device)
    return [method(task, config, seed=seed, execution=execution) for seed in range(case.stack)]


def difference(case: Case, size: Size, device: torch.device, double: bool = True) -> dict[str, float]:
    """Make steps on the device and eager ones on the CPU; return the largest relative difference of any tensor of weights.

    They are two steps, or as many as a graph needs to be captured and repeated, of small networks, in double precision unless
    told otherwise.
    """
    small = Size(*(min(given, most) for given, most in zip(astuple(size), astuple(SMALL), strict=True)))
    steps = 2 if case.network == "eager" else EAGER + 2
    there = _weights(case, small, device, steps, double)
    here = _weights(replace(case, network="eager"), small, torch.device("cpu"), steps, double)
    return {"difference": _apart(there, here)}


def doubled(search: OneShotSearch) -> OneShotSearch:
    """Return the search, before its first step, in double precision."""
    data = search.task.dataset
    search.task = replace(search.task, dataset=replace(data, mean=data.mean.double(), std=data.std.double()))
    search.supernet.double()
    if hasattr(search, "alpha"):
        search.alpha.data = search.alpha.data.double()
    return search


def effect(case: Case, size: Size, device: torch.device) -> dict[str, float]:
    """Make two steps in a precision and in float32, both on the device and at full size; return the difference of weights."""
    found, reference = (_weights(other, size, device, 2) for other in (case, replace(case, precision="float32")))
    return {"difference": _apart(found, reference)}


def _weights(case: Case, size: Size, device: torch.device, steps: int, double: bool = False) -> dict[str, torch.Tensor]:
    """Return the weights after some steps, on the CPU; draws are made on the CPU, so they are equal on all devices."""
    (search,) = searches_of(case, size, device, steps)
    if double:
        doubled(search)
    search.train_epoch()
    return {name: value.detach().cpu().double() for name, value in search.supernet.named_parameters()}


def _apart(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """Return the norm of the difference over the norm, the largest of all tensors."""
    return max(float((found[name] - of).norm() / of.norm().clamp_min(1e-12)) for name, of in expected.items())


def arithmetic(case: Case, size: Size, device: torch.device) -> dict[str, float]:
    """Count the floating-point operations of an eager step: those of convolutions and matrix products, both passes, in GFLOP."""
    (search,) = searches_of(case, size, device, COUNTED)
    search.supernet.train()
    with (counter := FlopCounterMode(display=False)):
        make_steps(search)
    return {"GFLOP": counter.get_total_flops() / COUNTED / 1e9}


def speed(case: Case, size: Size, device: torch.device) -> dict[str, float]:
    """Measure steps after some to warm up; return steps per second and peak memory.

    Of captured steps, what is measured is their repetition.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if case.execution(device).graphs:
        rate = _captured_rate(case, size, device)
    else:
        _train_epoch(searches_of(case, size, device, max(3, size.steps // 10)))
        searches = searches_of(case, size, device, size.steps)
        _train_epoch(searches)
        rate = size.steps / sum(search.metrics[-1].train_seconds for search in searches)
    return {
        "steps per second": rate,
        "seed steps per second": case.stack * rate,
        "peak memory [GB]": peak_memory(device) / 1e9,
    }


def _train_epoch(searches: list[OneShotSearch]) -> None:
    SearchStack(searches).train_epoch() if len(searches) > 1 else searches[0].train_epoch()


def _captured_rate(case: Case, size: Size, device: torch.device) -> float:
    """Return the repetitions of captured steps per second, after one to warm up."""
    searches, rates = searches_of(case, size, device, EAGER + 1 + size.steps), []

    def timed(functions: Sequence[Callable[[], None]], times: int) -> None:
        captured = Captured(functions, device)
        captured(1)
        start = wall_clock(device)
        captured(times - 1)
        rates.append((times - 1) / (wall_clock(device) - start))

    trained = SearchStack(searches) if case.stack > 1 else searches[0]
    trained.repeat = timed
    trained.train_epoch()
    (rate,) = rates
    return rate


MEASURES: dict[Measure, Callable[[Case, Size, torch.device], dict[str, float]]] = {
    "correctness": difference,
    "arithmetic": arithmetic,
    "speed": speed,
    "precision": effect,
}


def cases(methods: tuple[str, ...], stacks: tuple[int, ...], networks: tuple[Network, ...]) -> Iterator[Case]:
    """Yield the measurements in their order: what matters first comes first.

    Stacks, and steps in other precisions, are captured if graphs are measured, and eager otherwise. In other precisions the
    channels of a pixel are side by side, as tensor cores take them.
    """
    alone: list[Network] = ["eager", *(network for network in networks if network == "graphs")]
    for network in alone:
        yield from (Case("correctness", method, network=network) for method in methods)
    yield from (Case("arithmetic", method) for method in methods)
    for network in alone:
        yield from (Case("speed", method, network=network) for method in methods if 1 in stacks)
    precisions: tuple[Literal["tf32", "bfloat16"], ...] = ("tf32", "bfloat16")
    for precision in precisions:
        yield from (Case("speed", method, 1, alone[-1], precision, channels_last=True) for method in methods)
        yield from (Case("precision", method, precision=precision) for method in methods)
    for stack in stacks:
        yield from (Case("speed", method, stack, alone[-1]) for method in methods if stack > 1)
    for network in networks:
        yield from (Case("speed", method, network=network) for method in methods if "compiled" in network)


def check(size: Size, device: torch.device, out: Path, end: float, todo: list[Case]) -> dict[str, dict[str, Any]]:
    """Make the measurements that the folder lacks, until the monotonic clock is at `end`; return all of them by their keys.

    Raises:
        ValueError: the folder has measurements of another size, device or version of PyTorch.
    """
    file = out / "gpu-check.json"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    setting = {"format": 3, "size": asdict(size), "device": name, "torch": torch.__version__}
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


def go_on(search: RealSearch, device: torch.device, out: Path, end: float) -> str:
    """Train a search from its last checkpoint on, an epoch at least, until the monotonic clock would pass `end` in the next one.

    Returns:
        How many epochs are finished.

    Raises:
        FileNotFoundError, ValueError: the search, its table or its images refuse, as for `run`.
    """
    method = ONE_SHOT.find(search.method or "")
    of_method = Search.of(method)
    if search.epochs is not None:
        of_method = replace(of_method, hyperparameters=replace(of_method.hyperparameters, given={"epochs": search.epochs}))
    jobs = RunOneShot(
        search=of_method,
        table=search.table,
        dataset=search.dataset,
        data=search.data,
        unofficial_images=search.unofficial_images,
        seeds=1,
        execution=replace(search.execution, device=str(device)),
        results=out / "results",
    ).plan()
    if not jobs:
        return f"{method.name}: all epochs are finished, see {out / 'results'}"
    (job,) = jobs
    assert isinstance(job, OneShotJob)
    loading, finished, longest, before = job.checkpoint.exists(), 0, 0.0, time.monotonic()
    running: Any = job.run()
    for epochs in running:
        finished, now = finished + epochs, time.monotonic()
        print(f"{method.name}: {finished} of {job.units} epochs", file=sys.stderr)
        if loading:  # these are the epochs of the checkpoint
            loading = False
        elif finished < job.units and now + (longest := max(longest, now - before)) > end:
            running.close()
            break
        before = now
    return f"{method.name}: {finished} of {job.units} epochs are finished, see {out / 'results'}"


COLUMNS = ("difference", "steps per second", "seed steps per second", "TFLOP/s", "peak memory [GB]")


def table(measured: dict[str, dict[str, Any]]) -> str:
    """Return the measurements as a Markdown table.

    TFLOP/s is the arithmetic of the method's eager steps in the time of these: what a graph computes in addition does not count.
    """
    head = ("measurement", "method", "seeds", "network", "precision", "channels", *COLUMNS)
    counted = {of["method"]: of["GFLOP"] for of in measured.values() if "GFLOP" in of}
    rows = []
    for found in measured.values():
        values = dict(found)
        if "seed steps per second" in found and found["method"] in counted:
            values["TFLOP/s"] = counted[found["method"]] * found["seed steps per second"] / 1e3
        if "GFLOP" in found:
            shown = [f"{found['GFLOP']:.3g} GFLOP a step", "", "", "", ""]
        elif "error" in found:
            shown = [found["error"], "", "", "", ""]
        else:
            shown = ["" if values.get(name) is None else f"{values[name]:.3g}" for name in COLUMNS]
        layout = "last" if found["channels_last"] else "first"
        names = (found["what"], found["method"], str(found["stack"]), found["network"], found["precision"], layout)
        rows.append((*names, *shown))
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def main(
    device: str = "cuda",
    limit: float = 600.0,
    out: Path = Path("results/gpu-check"),
    measures: tuple[Measure, ...] = get_args(Measure),
    methods: tuple[str, ...] = (),
    stacks: tuple[int, ...] = (1, 3, 16),
    networks: tuple[Network, ...] = ("eager", "graphs", "compiled"),
    size: Size = Size(),
    search: RealSearch = RealSearch(),
) -> None:
    """Measure one-shot methods on an accelerator, and print one table.

    Args:
        device: PyTorch's name of the device; "cpu" to try the command out.
        limit: seconds after which no further measurement, and no further epoch of the search, begins.
        out: folder of the measurements, and of the results of the search; a later call goes on there.
        measures: what is measured.
        methods: names of one-shot methods; all of the zoo unless given.
        stacks: numbers of seeds that are trained together.
        networks: how steps are started: operation by operation, as a graph, with compiled parts of the network, or both.
        size: of the networks and batches; NATS-Bench's unless given.
        search: search to train with the time left.
    """
    end = time.monotonic() + limit
    try:
        load_plugins()
        names = tuple(ONE_SHOT.find(name).name for name in methods or ONE_SHOT)
        found = find_device(device)
        todo = [case for case in cases(names, stacks, networks) if case.what in measures]
        measured = check(size, found, out, end, todo)
        if search.method is not None and time.monotonic() < end:
            print(go_on(search, found, out, end))
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    with whole_file(out / "gpu-check.md") as file:
        file.write(f"{table(measured)}\n".encode())
    print(table(measured))
    correct = [case for case in measured.values() if case["what"] == "correctness"]
    if wrong := [f"{case['method']} ({case['network']})" for case in correct if case.get("difference", 0.0) > TOLERANCE]:
        print(
            f"error: steps on {device} differ from those on the CPU by more than {TOLERANCE:g}: {', '.join(wrong)}",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    tyro.cli(main)
