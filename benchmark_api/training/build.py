"""Trains every candidate of a space on a data set, and makes a `Table` of what it measured.

The protocol is that of NATS-Bench (Dong et al., TPAMI 2021, arXiv 2009.00437, table 2): SGD with Nesterov momentum, cosine
learning rate per epoch, all splits evaluated after every epoch; figures of the training split are averages over the epoch's
batches, as they were trained on. A trial is a seed: it decides the order of the images, and with the architecture's index the
initial weights. Of isomorphic architectures the one with the lowest index is trained, and its figures are those of all.

Candidates are trained in stacks (`benchmark_api.training.stacks`). A finished stack is a file in the folder `OUT.build`; a
build that was interrupted, even killed, goes on from there when it is started again. Which candidates form a stack depends on the
settings alone, so all but the measured seconds are the same for any number of processes and interruptions. A table that is
there already keeps its trials: with more of them in the plan, only those that it lacks are trained.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import os
import platform
import random
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmark_api.jobs.engines import Engine, Failure, PieceError, Work, carry_out, default_jobs
from benchmark_api.jobs.files import whole_file, writing_in
from benchmark_api.spaces import Architecture, SearchSpace, TopologySpace
from benchmark_api.tables import Table, TableWriter
from benchmark_api.training.datasets import Dataset, Distortion, load_dataset
from benchmark_api.training.networks import CellNetwork, Skeleton, build_network, initialize, space_costs
from benchmark_api.training.stacks import Stack

FloatArray = npt.NDArray[np.float64]

EVALUATION_BATCH = 256


# -- one training ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Protocol:
    """How a candidate is trained; the defaults are those of NATS-Bench.

    Attributes:
        epochs: length of the schedule E; the learning rate of epoch e is rate / 2 * (1 + cos(pi * e / E)).
        batch: images of a batch; the last one of an epoch may be smaller.
        rate: the first learning rate.
        momentum: Nesterov momentum.
        decay: weight decay, of all parameters.

    Raises:
        ValueError: there is no epoch, batches would be empty, or a number is out of range.
    """

    epochs: int
    batch: int = 256
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 5e-4

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch) < 1 or not (self.rate > 0 and 0 < self.momentum < 1 and self.decay >= 0):
            raise ValueError(f"expected at least 1 epoch, batches of 1 and more, a rate and a momentum in (0, 1), got {self}")


@dataclass(frozen=True)
class Curves:
    """What was measured of some candidates that were trained together.

    Attributes:
        accuracy: of each split [candidate, epoch], percent.
        loss: of each split [candidate, epoch], nats.
        seconds: of each split, one training epoch ("train") or evaluation pass of all candidates together.
    """

    accuracy: Mapping[str, FloatArray]
    loss: Mapping[str, FloatArray]
    seconds: Mapping[str, float]


def train(network: nn.Module, dataset: Dataset, protocol: Protocol, seed: int) -> Curves:
    """Train a `CellNetwork`, or a `Stack` of them, from the weights it has.

    Args:
        network: where the data set is; its precision is that of the training.
        dataset: has a split "train"; all others are evaluated.
        protocol: how to train.
        seed: decides the order of the images, and their augmentation.
    """
    device, dtype = (getattr(next(network.parameters()), name) for name in ("device", "dtype"))
    optimizer = torch.optim.SGD(
        network.parameters(), protocol.rate, protocol.momentum, weight_decay=protocol.decay, nesterov=True, foreach=True
    )
    shuffle, augment = generator(seed, 0), generator(seed, 1)
    splits = ["train", *(name for name in dataset.splits if name != "train")]
    figures: dict[str, list[FloatArray]] = {name: [] for name in splits}  # [epoch][accuracy or loss, candidate]
    seconds = dict.fromkeys(splits, 0.0)
    for epoch in range(protocol.epochs):
        for group in optimizer.param_groups:
            group["lr"] = protocol.rate / 2 * (1 + math.cos(math.pi * epoch / protocol.epochs))
        for name in splits:
            start = _clock(device)
            training = name == "train"
            network.train(training)
            total: Tensor | None = None  # [correct images or sum of losses, candidate]
            batches = (
                dataset.batches(name, protocol.batch, shuffle, augment if dataset.flip or dataset.padding else None)
                if training
                else dataset.batches(name, EVALUATION_BATCH)
            )
            with torch.set_grad_enabled(training):
                for images, labels in batches:
                    logits: Tensor = network(images.to(dtype))[1]
                    logits = logits.reshape(-1, *logits.shape[-2:])  # [candidate, image, class]
                    losses = nn.functional.cross_entropy(
                        logits.flatten(0, 1), labels.expand(logits.shape[:2]).flatten(), reduction="none"
                    ).view(logits.shape[:2])
                    if training:
                        optimizer.zero_grad()
                        losses.mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
                        optimizer.step()
                    correct = (logits.detach().argmax(dim=2) == labels).sum(dim=1)
                    of_batch = torch.stack([correct.double(), losses.detach().double().sum(dim=1)])
                    total = of_batch if total is None else total + of_batch
            assert total is not None
            figures[name].append(total.cpu().numpy() / len(dataset.split(name)))
            seconds[name] += _clock(device) - start
    arrays = {name: np.stack(of_split, axis=2) for name, of_split in figures.items()}  # [accuracy or loss, candidate, epoch]
    return Curves(
        accuracy={name: array[0] * 100.0 for name, array in arrays.items()},
        loss={name: array[1] for name, array in arrays.items()},
        seconds={name: total_seconds / protocol.epochs for name, total_seconds in seconds.items()},
    )


def generator(*key: int) -> torch.Generator:
    """The generator of one purpose: a key of integers from 0 on."""
    made = torch.Generator()
    made.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return made


def initial_weights(seed: int, index: int) -> torch.Generator:
    """Where the initial weights of an architecture's trial are drawn."""
    return generator(seed, 2, index)


def _clock(device: torch.device) -> float:
    """Seconds of computing by this process, which others change little; on other devices than CPUs seconds that passed."""
    if device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize(device)
    return time.perf_counter()


# -- what to build -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A table to build: all that decides what is in it.

    Attributes:
        space: the space.
        dataset: key of the data set.
        protocol: how candidates are trained.
        trials: trainings of each candidate; their seeds are 777, 888, 999, 1110, ...
        channels: topology space: width of the first stage; None for 16.
        cells: topology space: cells of each stage; None for 5.
        distortion: makes the digits harder; for digits only.
        sample: train so many architectures only, drawn at random; None for all.
        stack: candidates are stacked up to so many channels of their first block together.
        half: store accuracies and losses in half precision (steps of 0.06 percent at most) instead of single.

    Raises:
        ValueError: a number is out of range.
    """

    space: SearchSpace
    dataset: str
    protocol: Protocol
    trials: int = 3
    channels: int | None = None
    cells: int | None = None
    distortion: Distortion | None = None
    sample: int | None = None
    stack: int = 128
    half: bool = False

    def __post_init__(self) -> None:
        if min(self.trials, self.stack, 1 if self.sample is None else self.sample) < 1:
            raise ValueError(
                f"trials, sample and stack must be at least 1, got {self.trials}, {self.sample} and {self.stack} channels"
            )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The trials' seeds; the first three are those of NATS-Bench."""
        return tuple(777 + 111 * trial for trial in range(self.trials))

    @property
    def schedule(self) -> str:
        """What the table calls the schedule."""
        return str(self.protocol.epochs)

    def skeleton(self, dataset: Dataset) -> Skeleton:
        """What surrounds a candidate."""
        return Skeleton(dataset.classes, dataset.image_shape[0], self.channels, self.cells)

    @property
    def representatives(self) -> npt.NDArray[np.int64]:
        """The index whose training serves for each architecture [architecture]."""
        space = self.space
        return np.array([space.index(space.canonical(space.architecture(index))) for index in range(len(space))])

    def stacks(self, skeleton: Skeleton) -> list[list[int]]:
        """The indices of the architectures that are trained, by stack.

        Neighbours in a stack have their first decisions in common, so that they share operations and widths. The stacks are in
        random order, so that the first ones tell how long all of them take.
        """
        classes = np.unique(self.representatives)
        if self.sample is not None:
            classes = np.random.default_rng(0).permutation(classes)[: self.sample]
        architectures = sorted(self.space.architecture(int(index)) for index in classes)
        of_width: dict[int, list[Architecture]] = {}
        for architecture in architectures:
            of_width.setdefault(skeleton.widths(self.space, architecture)[0], []).append(architecture)
        stacks = []
        for width, members in of_width.items():
            size = max(1, self.stack // width)
            size -= size % 8 if size > 8 else 0  # whole runs of the last decision, where it has eight choices
            stacks += [members[start : start + size] for start in range(0, len(members), size)]
        random.Random(0).shuffle(stacks)
        return [[self.space.index(architecture) for architecture in stack] for stack in stacks]

    def describe(self) -> dict[str, Any]:
        """All settings, as JSON has them."""
        settings = {name: getattr(self, name) for name in ("dataset", "trials", "channels", "cells", "sample", "stack", "half")}
        distortion = None if self.distortion is None else asdict(self.distortion)
        return {**self.space.spec(), **settings, "protocol": asdict(self.protocol), "distortion": distortion}


@dataclass(frozen=True)
class Trainer:
    """Trains candidates of a plan; the same in every process.

    Attributes:
        plan: the plan.
        root: where the data set's files are.
        device: where to train.
        dataset: the data set, there.
    """

    plan: Plan
    root: Path | None
    device: str
    dataset: Dataset = field(init=False)

    def __post_init__(self) -> None:
        loaded = load_dataset(self.plan.dataset, self.root, device=self.device, distortion=self.plan.distortion)
        object.__setattr__(self, "dataset", loaded)

    @cached_property
    def flops(self) -> npt.NDArray[np.int64]:
        """Multiply-accumulates of every architecture."""
        return space_costs(self.plan.space, self.plan.skeleton(self.dataset), self.dataset.image_shape[1]).flops

    def train(self, indices: Sequence[int], seeds: Sequence[int]) -> dict[str, npt.NDArray[Any]]:
        """The figures of some architectures, by "SPLIT/QUANTITY": [architecture, trial, epoch], seconds without epoch.

        Args:
            indices: the architectures.
            seeds: of the trials.
        """
        plan, space = self.plan, self.plan.space
        skeleton = plan.skeleton(self.dataset)
        networks = [
            build_network(space, space.architecture(index), skeleton, torch.Generator(), self.device) for index in indices
        ]
        trials: dict[str, list[FloatArray]] = {}
        # A stack is timed as a whole. Each candidate's part of the time is that of its multiply-accumulates.
        share = self.flops[list(indices)] / self.flops[list(indices)].sum()
        for seed in seeds:
            for index, network in zip(indices, networks, strict=True):
                initialize(network, initial_weights(seed, index))
            curves = train(Stack(networks), self.dataset, plan.protocol, seed)
            for split in curves.seconds:
                trials.setdefault(f"{split}/accuracy", []).append(curves.accuracy[split])
                trials.setdefault(f"{split}/loss", []).append(curves.loss[split])
                trials.setdefault(f"{split}/seconds", []).append(curves.seconds[split] * share)
        figures: dict[str, npt.NDArray[Any]] = {name: np.stack(values, axis=1) for name, values in trials.items()}
        return {"indices": np.array(indices), **figures}


@lru_cache(maxsize=1)
def _trainer(plan: Plan, root: Path | None, device: str) -> Trainer:
    return Trainer(plan, root, device)


@dataclass(frozen=True)
class StackPiece(Work):
    """A stack to train; its file has what `Trainer.train` gives.

    Attributes:
        plan: the plan.
        root: where the data set's files are.
        device: where to train.
        number: of the stack.
        indices: of its architectures.
        kept: how many of the plan's trials are known already; the others are trained.
    """

    unit = "candidate"
    forked = False  # a forked process can use neither the parent's CUDA nor the threads it may have started

    plan: Plan
    root: Path | None
    device: str
    number: int
    indices: tuple[int, ...]
    kept: int

    @property
    def path(self) -> Path:
        return self.results / f"{self.number:06d}.npz"

    @property
    def units(self) -> int:
        return len(self.indices)

    def run(self) -> Iterator[int]:
        with one_thread(), enough_memory("train fewer candidates at once (--stack), or in fewer processes (--jobs)"):
            figures = _trainer(self.plan, self.root, self.device).train(self.indices, self.plan.seeds[self.kept :])
        with whole_file(self.path) as file:
            np.savez(file, allow_pickle=False, **figures)
        yield self.units


# -- the build ---------------------------------------------------------------------------------------------------------------


class BuildFailed(RuntimeError):
    """Stacks were not trained; what is finished is kept.

    Attributes:
        failures: the stacks, and why.
    """

    def __init__(self, failures: Sequence[Failure], candidates: int) -> None:
        failed = sum(failure.piece.units for failure in failures)
        super().__init__(f"{failed} of {candidates} candidates failed; the same command tries them again")
        self.failures = failures


def build(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    jobs: int | None = None,
    engine: Engine | None = None,
    progress: bool = True,
    notice: str = "",
) -> Table:
    """Train all candidates of a plan, and write the table.

    Args:
        plan: what to build.
        out: the table to write, when all is done. Finished stacks wait for that in the folder `OUT.build` beside it. A table of
            the same plan that lies there is extended by the trials that it lacks.
        root: where the data set's files are, on every machine; digits need none.
        device: where to train.
        jobs: processes, with one thread each; None for one per core.
        engine: what trains the stacks; see `carry_out`.
        progress: show a progress bar.
        notice: what all tables and figures made from the table repeat; empty for who trained it on what, or as it was before.

    Raises:
        BuildFailed: some stacks failed; the others are finished.
        FileNotFoundError: a file of the data set is missing.
        ValueError: plan and data set do not fit, or what lies at `out` or in the folder is of another plan.
    """
    out = Path(out)
    if out.is_dir():
        raise ValueError(f"{out} is a folder; expected the name of the table file to write")
    jobs = default_jobs() if jobs is None else jobs
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    folder = out.with_name(f"{out.name}.build")
    place = None if root is None else Path(root).absolute()
    trainer = _trainer(plan, place, device)
    earlier = _earlier(out, plan)
    kept = 0 if earlier is None else earlier.seeds(plan.dataset, plan.schedule).shape[1]
    if earlier is not None and kept == plan.trials:
        shutil.rmtree(folder, ignore_errors=True)  # a build that was killed at its very end has not removed it
        return earlier
    stacks = plan.stacks(plan.skeleton(trainer.dataset))
    pieces = [StackPiece(plan, place, device, number, tuple(stack), kept, results=folder) for number, stack in enumerate(stacks)]
    _open_folder(folder, plan, device, kept)
    todo = [piece for piece in pieces if not piece.path.is_file()]
    candidates, missing = (sum(piece.units for piece in some) for some in (pieces, todo))
    if failures := carry_out(todo, jobs, engine, done=candidates - missing, progress=progress):
        raise BuildFailed(failures, candidates)
    usual = f"trained by this project on {plan.dataset}; not NATS-Bench" if earlier is None else earlier.notice
    _write(trainer, pieces, out, notice or usual, earlier)
    shutil.rmtree(folder)
    return Table(out)


def _earlier(out: Path, plan: Plan) -> Table | None:
    """The table of all or some of the plan's trials, if there is one.

    Raises:
        ValueError: a table is there that the plan does not extend.
    """
    if not out.exists():
        return None
    table = Table(out)
    there = json.loads(table.metadata.get("source", {}).get("settings", "{}"))
    asked = json.loads(json.dumps(plan.describe()))
    more = there.get("trials", 0) < plan.trials
    differing = [
        f"{name}: {json.dumps(there.get(name), sort_keys=True)}, asked {json.dumps(value, sort_keys=True)}"
        for name, value in asked.items()
        if there.get(name) != value and not (more and name in ("trials", "half"))
    ]
    if differing:
        raise ValueError(
            f"{out} exists, and only more trials can be added to it ({'; '.join(differing)}); remove it, or name another file"
        )
    return table


def _open_folder(folder: Path, plan: Plan, device: str, kept: int) -> None:
    """Make the folder of finished stacks, or check that it is of the same plan.

    Args:
        folder: the folder.
        plan: the plan.
        device: where it is trained.
        kept: trials that are not trained again.
    """
    note = folder / "plan.json"
    facts = {**plan.describe(), "kept": kept, "device": device, "torch": torch.__version__}
    text = json.dumps(facts, indent=1, sort_keys=True)
    with writing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if note.exists():
        if note.read_text() != text:
            raise ValueError(
                f"{folder} has finished stacks of another build, see {note.name}; remove it, or take the same settings"
            )
    else:
        with whole_file(note) as file:
            file.write(text.encode())


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Say what to do when a device has too little memory.

    Args:
        remedy: what needs less.

    Raises:
        PieceError: instead of PyTorch's error.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        if type(error) is RuntimeError and "allocate memory" not in told:  # so PyTorch says that the CPU has none left
            raise
        raise PieceError(f"out of memory ({told}): {remedy}, then run the same command again") from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread, and let this process keep the memory of freed tensors (from then on)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _keep_memory()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _keep_memory() -> None:
    """Let the C library keep the memory of freed tensors: to get it anew from the system for each costs a third of the time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not the GNU C library
        return
    for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 64 << 20)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD of malloc.h
        mallopt(option, value)


def _write(trainer: Trainer, pieces: Sequence[StackPiece], out: Path, notice: str, earlier: Table | None) -> None:
    """Make the table of all finished stacks.

    Args:
        trainer: what trained them.
        pieces: the stacks.
        out: the table to write.
        notice: what it repeats in all titles.
        earlier: a table whose trials come first.
    """
    plan, space = trainer.plan, trainer.plan.space
    epochs, architectures = plan.protocol.epochs, len(space)
    stem = f"{plan.dataset}/{plan.schedule}"
    figures: dict[str, npt.NDArray[Any]] = {}
    trained = np.zeros(architectures, dtype=bool)
    total = 0.0
    for piece in pieces:
        with np.load(piece.path) as part:
            indices = part["indices"]
            trained[indices] = True
            for name in part.files:
                if name != "indices":
                    values = part[name]
                    figures.setdefault(name, np.full((architectures, *values.shape[1:]), np.nan))[indices] = values
                    total += float(values.sum()) * epochs if name.endswith("/seconds") else 0.0
    costs = space_costs(space, plan.skeleton(trainer.dataset), trainer.dataset.image_shape[1])
    of = plan.representatives
    curve = np.float16 if plan.half else np.float32
    tensors: dict[str, npt.NDArray[Any]] = {
        f"{stem}/seeds": np.where(trained[of, None], plan.seeds, -1).astype(np.int32),
        f"{stem}/params": costs.params / 1e6,
        f"{stem}/flops": costs.flops / 1e6,
        f"{stem}/latency": np.full(architectures, np.nan, dtype=np.float32),
    }
    for name, values in figures.items():
        trials = [] if earlier is None else [earlier.tensor(f"{stem}/{name}")]
        merged = np.concatenate([*trials, values[of]], axis=1)
        tensors[f"{stem}/{name}"] = merged.astype(np.float32 if name.endswith("/seconds") else curve)
        tensors[f"{stem}/{name.split('/')[0]}/epochs"] = np.arange(epochs, dtype=np.int32)
    settings = json.dumps(plan.describe(), sort_keys=True)
    machines = [f"{_processor()}, {os.cpu_count()} cores, {trainer.device}, torch {torch.__version__}"]
    if earlier is not None:
        total += earlier.metadata["source"]["total_seconds"]
        machines.insert(0, earlier.metadata["source"]["machine"])
    metadata = {
        "space": space.spec(),
        "title": f"{plan.dataset} {space.name}, {epochs} epochs, {plan.trials} {'trial' if plan.trials == 1 else 'trials'}",
        "notice": notice,
        "source": {
            "name": f"{plan.dataset}-{space.name}",
            "trained": int(trained.sum()),
            "isomorphic": "trained once, as the member with the lowest index" if isinstance(space, TopologySpace) else "none",
            "command": shlex.join(["python", *sys.orig_argv[1:]]),
            "settings": settings,
            "seconds": "CPU time of a stack, divided by multiply-accumulates",
            "total_seconds": round(total, 1),
            "machine": "; ".join(dict.fromkeys(machines)),
            "fingerprint": hashlib.sha256(settings.encode()).hexdigest(),
        },
        "search_schedule": plan.schedule,
        "report_schedule": plan.schedule,
    }
    with TableWriter(out, {name: (array.dtype, array.shape) for name, array in tensors.items()}, metadata) as writer:
        for name, array in tensors.items():
            writer.write(name, array)


def _processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


# -- how fast it is ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speed:
    """Candidates per minute of CPU time, of one process.

    Attributes:
        stacked: trained as in a build.
        plain: trained one at a time, with `networks.CellNetwork`.
    """

    stacked: float
    plain: float


def measure_speed(plan: Plan, stacks: int = 1, candidates: int = 2, root: str | os.PathLike[str] | None = None) -> Speed:
    """Train the first stacks of a plan (they are in random order), and some of their candidates one at a time; one trial each.

    Args:
        plan: what would be built.
        stacks: how many stacks to train.
        candidates: how many candidates of each to train one at a time.
        root: where the data set's files are; digits need none.
    """
    trainer = Trainer(plan, None if root is None else Path(root), "cpu")
    skeleton, seed = plan.skeleton(trainer.dataset), plan.seeds[0]
    stacked = plain = 0.0
    trained = alone = 0

    def candidate(index: int) -> CellNetwork:
        return build_network(plan.space, plan.space.architecture(index), skeleton, initial_weights(seed, index))

    with one_thread():
        for indices in plan.stacks(skeleton)[:stacks]:
            start = time.process_time()
            train(Stack([candidate(index) for index in indices]), trainer.dataset, plan.protocol, seed)
            stacked, trained = stacked + time.process_time() - start, trained + len(indices)
            for index in indices[:: max(1, len(indices) // candidates)][:candidates]:
                start = time.process_time()
                train(candidate(index), trainer.dataset, plan.protocol, seed)
                plain, alone = plain + time.process_time() - start, alone + 1
    return Speed(60 * trained / stacked, 60 * alone / plain)
