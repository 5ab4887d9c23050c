"""Build a table: train every candidate of a space on a data set, and write the metrics.

A trial is a training with one seed, which decides the order of the images and, with the index of the architecture, the initial
weights. Of isomorphic architectures only the one with the lowest index is trained; its metrics are copied to the others.

Candidates are trained in stacks (`benchmark_api.training.stacks`), which depend on the settings alone. So the table, except for
the measured seconds, does not depend on the number of processes and interruptions.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark_api.jobs.files import check_replaceable, regular, whole_file, writing_in
from benchmark_api.jobs.job import Engine, Failed, Job
from benchmark_api.jobs.options import available_processors
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.machine import processor_name
from benchmark_api.schema import checked, parse_json
from benchmark_api.tables.metrics import is_attached
from benchmark_api.tables.table import Table
from benchmark_api.tables.writer import write_table
from benchmark_api.text import is_plain_name
from benchmark_api.training.costs import Costs, space_costs
from benchmark_api.training.datasets import Dataset
from benchmark_api.training.devices import enough_memory, one_thread
from benchmark_api.training.networks import Skeleton, build_network, initialize
from benchmark_api.training.plan import Plan
from benchmark_api.training.stacks import Stack
from benchmark_api.training.train import initial_weights, train
from benchmark_api.types import AnyArray, BoolArray

# -- jobs --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trainer:
    """Training of the candidates of a plan. A process that unpickles it several times gets one instance, so it loads data once.

    Attributes:
        plan: the plan.
        root: folder of the data set's files.
        device: device of the trainings.
    """

    plan: Plan
    root: Path | None
    device: str

    def __reduce__(self) -> tuple[Any, ...]:
        return _trainer, (self.plan, self.root, self.device)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set, on the device."""
        return self.plan.setting.load(self.root, device=self.device)

    @cached_property
    def skeleton(self) -> Skeleton:
        """Parts of the networks that all candidates share."""
        return self.plan.setting.skeleton(self.dataset)

    @cached_property
    def costs(self) -> Costs:
        """Costs of every architecture."""
        return space_costs(self.plan.space, self.skeleton, self.dataset.image_shape[1])

    def train(self, indices: Sequence[int], seeds: Sequence[int]) -> dict[str, AnyArray]:
        """Train architectures, one trial per seed.

        Returns:
            Metrics by "SPLIT/QUANTITY" [architecture, trial, epoch], seconds [architecture, trial], and the indices.
        """
        space = self.plan.space
        networks = [
            build_network(space, space.architecture(index), self.skeleton, torch.Generator(), self.device) for index in indices
        ]
        trials: dict[str, list[AnyArray]] = {}
        # A stack is timed as a whole; its seconds are divided among the candidates by multiply-accumulates.
        share = self.costs.flops[list(indices)] / self.costs.flops[list(indices)].sum()  # [architecture]
        for seed in seeds:
            for index, network in zip(indices, networks, strict=True):
                initialize(network, initial_weights(seed, index))
            curves = train(Stack(networks), self.dataset, self.plan.recipe, seed)
            for split in curves.seconds:
                trials.setdefault(f"{split}/accuracy", []).append(curves.accuracy[split])
                trials.setdefault(f"{split}/loss", []).append(curves.loss[split])
                trials.setdefault(f"{split}/seconds", []).append(curves.seconds[split] * share)
        metrics = {name: np.stack(values, axis=1) for name, values in trials.items()}
        return {"indices": np.array(indices), **metrics}


@lru_cache(maxsize=1)
def _trainer(plan: Plan, root: Path | None, device: str) -> Trainer:
    return Trainer(plan, root, device)


@dataclass(frozen=True)
class StackJob(Job):
    """Training of one stack; its file has the arrays of `Trainer.train`.

    Attributes:
        trainer: trainer of the plan.
        number: number of the stack.
        indices: indices of its architectures.
        kept: number of trials that the table has already; the other trials of the plan are trained.
    """

    unit = "candidate"
    forked = False  # a forked process can use neither CUDA nor the threads of its parent

    trainer: Trainer
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
            arrays = self.trainer.train(self.indices, self.trainer.plan.seeds[self.kept :])
        with whole_file(self.path) as file:
            np.savez(file, allow_pickle=False, **arrays)
        yield self.units


# -- the build ---------------------------------------------------------------------------------------------------------------


class BuildFailed(RuntimeError):
    """Some stacks failed, for the reasons in `failures`; the finished ones are kept."""

    def __init__(self, failures: Sequence[Failed], candidates: int) -> None:
        failed = sum(failure.job.units for failure in failures)
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
    """Train all candidates of a plan and write the table.

    Args:
        plan: settings of the table.
        out: table file to write. Finished stacks are kept in the folder `OUT.build` until all are done. An existing table of the
            same plan is extended by its missing trials.
        root: folder of the data set's files, on every machine; digits need none.
        device: device of the trainings.
        jobs: number of processes with one thread each; None for one per core.
        engine: engine that runs the stacks; see `run_jobs`.
        progress: whether to show a progress bar.
        notice: notice that all tables and figures made from the table repeat; by default who trained it on what, or the notice
            of the existing table. "unofficial images" is added where they are.

    Raises:
        BuildFailed: some stacks failed; the others are finished.
        FileNotFoundError: a file of the data set is missing.
        ValueError: plan and data set do not fit, or `out` or its folder belongs to another plan.
    """
    out = Path(out)
    if out.is_dir():
        raise ValueError(f"{out} is a folder; expected the name of the table file to write")
    check_replaceable(out)
    if not is_plain_name(plan.dataset):
        raise ValueError(f"dataset {plan.dataset!r:.80} cannot be the name of a file and of a table's part")
    jobs = available_processors() if jobs is None else jobs
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    folder = out.with_name(f"{out.name}.build")
    trainer = _trainer(plan, None if root is None else Path(root).absolute(), device)
    earlier = _earlier(out, plan)
    kept = 0 if earlier is None else earlier.seeds(plan.dataset, plan.schedule).shape[1]
    if earlier is not None and kept == plan.trials:
        shutil.rmtree(folder, ignore_errors=True)  # left by a build that was killed after it had written the table
        return earlier
    stacks = [
        StackJob(trainer, number, tuple(indices), kept, results=folder)
        for number, indices in enumerate(plan.stacks(trainer.skeleton))
    ]
    # Before any work: whether there are such networks.
    build_network(plan.space, plan.space.architecture(0), trainer.skeleton, torch.Generator(), "meta")
    _open_folder(folder, plan, device, kept)
    todo = [stack for stack in stacks if not stack.path.is_file()]
    candidates, missing = (sum(stack.units for stack in some) for some in (stacks, todo))
    if failures := run_jobs(todo, jobs, engine, done=candidates - missing, progress=progress):
        raise BuildFailed(failures, candidates)
    _write(trainer, stacks, out, notice, earlier)
    shutil.rmtree(folder)
    return Table(out)


def _earlier(out: Path, plan: Plan) -> Table | None:
    """Return the existing table of all or some of the plan's trials, if any; refuse a table with other settings."""
    if not out.exists():
        return None
    table = Table(out)
    settings = table.metadata.get("source", {}).get("settings", "{}")
    there = checked(parse_json(settings), dict[str, Any], f"{out}: the settings of its trainings")
    asked = json.loads(json.dumps(plan.describe()))
    more = there.get("trials", 0) < plan.trials
    differing = [
        f"{name}: {json.dumps(there.get(name), sort_keys=True)}, asked {json.dumps(asked.get(name), sort_keys=True)}"
        for name in dict.fromkeys((*asked, *there))
        if there.get(name) != asked.get(name) and not (more and name in ("trials", "half"))
    ]
    if differing:
        raise ValueError(
            f"{out} exists, and only more trials can be added to it ({'; '.join(differing)}); remove it, or name another file"
        )
    return table


def _open_folder(folder: Path, plan: Plan, device: str, kept: int) -> None:
    """Make the folder of finished stacks, or check that it belongs to the same plan."""
    note = folder / "plan.json"
    facts = {**plan.describe(), "kept": kept, "device": device, "torch": torch.__version__}
    text = json.dumps(facts, indent=1, sort_keys=True)
    with writing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not note.exists():
        with whole_file(note) as file:
            file.write(text.encode())
    elif regular(note).read_text() != text:
        raise ValueError(f"{folder} has finished stacks of another build, see {note.name}; remove it, or take the same settings")


# -- the table ---------------------------------------------------------------------------------------------------------------


def _write(trainer: Trainer, stacks: Sequence[StackJob], out: Path, notice: str, earlier: Table | None) -> None:
    """Write the table of all finished stacks; the trials of an earlier table come first."""
    metrics: dict[str, AnyArray] = {}  # as `Trainer.train` returns them, of all architectures; NaN for those without training
    for stack in stacks:
        with np.load(regular(stack.path)) as arrays:
            for name in arrays.files[1:]:  # the first is "indices"
                values = arrays[name]
                of_all = metrics.setdefault(name, np.full((len(trainer.plan.space), *values.shape[1:]), np.nan))
                of_all[arrays["indices"]] = values
    trained = np.isfinite(metrics["train/seconds"][:, 0])  # [architecture]
    tensors = _tensors(trainer, metrics, trained, earlier)
    seconds = sum(float(np.nansum(values)) for name, values in metrics.items() if name.endswith("/seconds"))
    metadata = _metadata(trainer, int(trained.sum()), seconds * trainer.plan.recipe.epochs, notice, earlier)
    write_table(out, tensors, metadata)


def _tensors(trainer: Trainer, metrics: dict[str, AnyArray], trained: BoolArray, earlier: Table | None) -> dict[str, AnyArray]:
    """Return the tensors of the table, with the metrics of each representative copied to its isomorphism class."""
    plan, of = trainer.plan, trainer.plan.representatives
    stem = f"{plan.dataset}/{plan.schedule}"
    attached = {} if earlier is None else {name: values for name, values in earlier.tensors.items() if is_attached(name)}
    tensors: dict[str, AnyArray] = {
        **attached,
        f"{stem}/seeds": np.where(trained[of, None], plan.seeds, -1).astype(np.int32),  # [architecture, trial]
        f"{stem}/params": trainer.costs.params / 1e6,
        f"{stem}/flops": trainer.costs.flops / 1e6,
        f"{stem}/latency": np.full(len(of), np.nan, dtype=np.float32),
    }
    for name, values in metrics.items():
        trials = [] if earlier is None else [earlier.tensor(f"{stem}/{name}")]
        merged = np.concatenate([*trials, values[of]], axis=1)
        tensors[f"{stem}/{name}"] = merged.astype(np.float16 if plan.half and not name.endswith("/seconds") else np.float32)
        tensors[f"{stem}/{name.split('/')[0]}/epochs"] = np.arange(plan.recipe.epochs, dtype=np.int32)
    return tensors


def _metadata(trainer: Trainer, trained: int, seconds: float, notice: str, earlier: Table | None) -> dict[str, Any]:
    plan, space = trainer.plan, trainer.plan.space
    settings = json.dumps(plan.describe(), sort_keys=True)
    machines = [f"{processor_name()}, {os.cpu_count()} cores, {trainer.device}, torch {torch.__version__}"]
    unofficial = "" if plan.unofficial_images is None else "; unofficial images"
    usual_notice = f"trained by this project on {plan.dataset}; not NATS-Bench"
    if earlier is not None:
        usual_notice, before = earlier.notice, earlier.metadata["source"]
        machines, seconds = [before["machine"], *machines], seconds + before["total_seconds"]
    all_differ = (plan.representatives == np.arange(len(space))).all()
    trials = f"{plan.trials} {'trial' if plan.trials == 1 else 'trials'}"
    if plan.sample is not None:
        trials += f" of a sample of {trained:,}"
    return {
        "space": space.spec(),
        "title": f"{plan.dataset} {space.name}, {plan.recipe.epochs} epochs, {trials}",
        "notice": (notice or usual_notice).removesuffix(unofficial) + unofficial,
        "source": {
            "name": f"{plan.dataset}-{space.name}",
            "trained": trained,
            "isomorphic": "none" if all_differ else "trained once, as the member with the lowest index",
            "command": shlex.join(["python", *sys.orig_argv[1:]]),
            "settings": settings,
            "seconds": "CPU time of a stack, divided by multiply-accumulates",
            "total_seconds": round(seconds, 1),
            "machine": "; ".join(dict.fromkeys(machines)),
            "fingerprint": hashlib.sha256(settings.encode()).hexdigest(),
        },
        "metrics": {} if earlier is None else earlier.metadata.get("metrics", {}),
        "search_schedule": plan.schedule,
        "report_schedule": plan.schedule,
    }
