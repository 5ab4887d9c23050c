"""Base class of one-shot searches: train a supernet epoch by epoch, then derive an architecture.

    search = Rsps(Task(TopologySpace(), dataset, skeleton), seed=777)
    while search.epoch < search.config.epochs:
        metrics = search.train_epoch()             # metrics.architecture is the architecture derived after the epoch
        search.save("rsps.safetensors")            # `load` resumes from there, with the identical result

The loop is written once, here. A method defines the supernet's forward mode, the architecture update and how the result is
derived. It has access to the training and the validation images of a task, and to no others.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from algorithms.one_shot import checkpoint
from algorithms.one_shot.config import OneShotConfig
from algorithms.one_shot.draws import StepDraws
from algorithms.one_shot.graphs import repeated
from algorithms.one_shot.metrics import EpochMetrics, mean_entropy
from algorithms.one_shot.selection import Argmax, Selection
from algorithms.one_shot.steps import make_steps
from algorithms.one_shot.supernets.base import ForwardMode, Supernet, build_supernet, initialized
from algorithms.one_shot.task import VALIDATION, Batch, Execution, Task, peak_memory, wall_clock
from benchmark_api.bounds import stored_values
from benchmark_api.registry import Registry
from benchmark_api.spaces import Architecture, SearchSpace
from benchmark_api.training.devices import generator
from benchmark_api.training.images import draw_crops
from benchmark_api.types import FloatArray

PURPOSES = ("weights", "shuffle", "augment", "validation", "architecture", "evaluation")
"""Purposes of the independent random generators of a search."""

Repeat = Callable[[Sequence[Callable[[], None]], int], None]
"""Computes functions some times."""

CANDIDATES = 100
"""Architectures that compete in a best-of-n selection, unless the method says otherwise."""


class OneShotSearch(ABC):
    """A one-shot search.

    A subclass sets the class attributes, implements `_weight_mode` and `architecture_weights`, overrides those of the other hooks
    that it changes, and is registered with `register_one_shot`. Each hook's default is the simplest behaviour.

    Args:
        task: space and images to search on.
        config: the method's hyperparameters, an instance of `Config`; None for the defaults.
        seed: source of all randomness. Numbers are drawn on the CPU, so they are equal on every device.
        execution: how it is computed.
        selection: how an architecture is derived; None for the method's `default_selection`.

    Attributes:
        epoch: number of finished epochs.
        metrics: metrics of every finished epoch.
        decided: choice of each decision that a running selection has made; passes compute no other choice of it.
        drawn: random numbers of steps.
        clock: returns wall time in seconds.
        repeat: computes functions some times, as `repeated` does.

    Raises:
        ValueError: the method does not search the space, the seed is negative, the images are on another device, or steps cannot
            be captured.
        TypeError: `config` is not an instance of the method's `Config`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    space: ClassVar[str]
    """Name of the space that the method searches, or "any" if it needs no more than the interface of `Supernet`."""
    Config: ClassVar[type[OneShotConfig]]
    registry: ClassVar[Registry[Any]]
    """The registry of all one-shot searches."""
    digits: ClassVar[Mapping[str, Any]] = {"epochs": 18, "batch": 32, "rate": 0.1}
    """Hyperparameters with other defaults on digits, where three seeds take minutes on two processors. A method that sets
    none has those of its base class.

    With the reference's batch and learning rate a supernet hardly learns in so few steps, so most methods train it as the
    embedded table's candidates were trained. Adam moves an architecture parameter by about its step size in each step:
    39,000 steps of the reference's 0.0003 move it as far as 1,200 of 0.01.
    """
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Other sets of hyperparameters by name, e.g. those of the paper; `--preset NAME` puts one in place of the defaults."""
    cell: ClassVar[type[nn.Module] | None] = None
    """Class of the supernet's cells, for spaces whose supernet has cells; None for the space's default."""
    default_selection: ClassVar[type[Selection]] = Argmax
    graphs: ClassVar[Literal["", "mixed", "one-hot"]] = ""
    """How steps are captured with `Execution.graphs`: as they are, or with paths as one-hot weights of all operations; or not."""

    config: OneShotConfig
    supernet: Supernet

    def __init__(
        self,
        task: Task,
        config: OneShotConfig | None = None,
        *,
        seed: int = 0,
        execution: Execution | None = None,
        selection: type[Selection] | None = None,
    ) -> None:
        config = self.Config() if config is None else config
        if type(config) is not self.Config:
            raise TypeError(f"{self.name} takes a {self.Config.__qualname__}, got {type(config).__qualname__}")
        if not self.searches(task.space):
            raise ValueError(f"{self.name} searches the {self.space} space, got {task.space!r}")
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.task, self.config, self.seed = task, config, seed
        self.execution = Execution() if execution is None else execution
        self.selection = (self.default_selection if selection is None else selection)()
        self.device = torch.device(self.execution.device)
        if task.dataset.mean.device.type != self.device.type:
            raise ValueError(f"the images must be on {self.device}, got them on {task.dataset.mean.device}")
        if self.execution.graphs:
            self._require_graphs()
        self.epoch = 0
        self.metrics: list[EpochMetrics] = []
        self.decided: dict[int, int] = {}
        self._interrupted = False
        self.draws = {purpose: generator(seed, number) for number, purpose in enumerate(PURPOSES)}
        self.drawn = StepDraws(self.draws, self.device)
        self._augment = self.draws["augment"] if task.dataset.flip or task.dataset.padding else None
        self._prepare_supernet()
        self.clock: Callable[[], float] = partial(wall_clock, self.device)
        self.repeat: Repeat = partial(repeated, device=self.device)
        self._parts: dict[str, checkpoint.Part] = {"supernet": self.supernet, "sgd": self.optimizer}
        self._start()

    def _require_graphs(self) -> None:
        if not self.graphs:
            raise ValueError(f"{self.name} does not say that its steps have the same operations each time, as graphs need")
        if self.graphs == "one-hot" and self.config.batch_norm == "running":
            raise ValueError(f"graphs of {self.name} compute all operations, and would update the running statistics of all")

    def _prepare_supernet(self) -> None:
        self.supernet = initialized(self.make_supernet, self.draws["weights"], self.device)
        if self.execution.channels_last:
            self.supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.execution.compile:
            self.supernet.compile_parts()
        if self.execution.graphs:
            self.supernet.capture()
        self.optimizer = self.sgd(list(self.supernet.parameters()))

    def sgd(self, parameters: Sequence[nn.Parameter]) -> torch.optim.SGD:
        """Return the optimizer of the weights.

        Gradients are never None, so that momentum and decay reach also the weights off a step's path, as in the reference under
        PyTorch 1 (where a weight is exempt until a path has met it once). Since PyTorch 2 `zero_grad` sets gradients to None, and
        the reference skips the weights off a step's path.
        """
        config = self.config
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        fused = self.device.type == "cuda"
        rates = (config.rate, config.momentum)
        return torch.optim.SGD(parameters, *rates, weight_decay=config.decay, nesterov=True, foreach=not fused, fused=fused)

    @contextmanager
    def trained_with(self, supernet: Supernet, optimizer: torch.optim.SGD, clock: Callable[[], float]) -> Iterator[None]:
        """Use another supernet that has the weights of this search's, their optimizer, and a clock, while the context lasts."""
        former = self.supernet, self.optimizer, self.clock, self._parts
        self.supernet, self.optimizer, self.clock = supernet, optimizer, clock
        self._parts = {**self._parts, "supernet": supernet, "sgd": optimizer}
        try:
            yield
        finally:
            self.supernet, self.optimizer, self.clock, self._parts = former

    @classmethod
    def default_config(cls, dataset: str) -> Any:
        """Return the default hyperparameters on a dataset."""
        return replace(cls.Config(), **(cls.digits if dataset == "digits" else {}))

    @classmethod
    def searches(cls, space: SearchSpace) -> bool:
        """Return whether the method searches a space."""
        return cls.space in ("any", space.name)

    @property
    def progress(self) -> float:
        """Share of the epochs that are finished, in [0, 1]."""
        return self.epoch / self.config.epochs

    # -- hooks of a method -----------------------------------------------------------------------------------------------------

    def make_supernet(self) -> Supernet:
        """Build the supernet, without initial weights (see `initialized`)."""
        options = {} if self.cell is None else {"cell": self.cell}
        return build_supernet(self.task.space, self.task.skeleton, self.config.batch_norm == "running", **options)

    def _start(self) -> None:  # noqa: B027 (a search without state needs none)
        """Create the state of the method; modules and optimizers added to `_parts` are saved in checkpoints."""

    @abstractmethod
    def _weight_mode(self) -> ForwardMode:
        """Forward mode (e.g. a sampled path) for the next training batch; called once per batch."""

    def _evaluation_mode(self, architecture: Architecture) -> ForwardMode:
        """Forward mode for the next validation batch, given the architecture derived after the epoch; called once per batch."""
        return self.supernet.along(architecture)

    def _architecture_step(self, training: Batch) -> None:  # noqa: B027 (some have none)
        """Update the architecture parameters, after the update of the weights on a training batch."""

    def _end_epoch(self) -> None:  # noqa: B027 (some have none)
        """Make the updates that are made once per epoch (e.g. ENAS's controller). The network is in evaluation mode."""

    @abstractmethod
    def architecture_weights(self) -> FloatArray:
        """Return the scores of the choices [decision, choice], e.g. probabilities. Rows need not sum to one."""

    def selectable_weights(self) -> FloatArray:
        """Return the scores that selections use [decision, choice]; zero for choices that the method excludes."""
        return self.architecture_weights()

    def selectable(self, decision: int) -> list[int]:
        """Return the choices of a decision that the method allows, given the decisions that a selection has made."""
        return [choice for choice, score in enumerate(self.selectable_weights()[decision]) if score > 0]

    def most_likely(self) -> Architecture:
        """Return the architecture with the highest scores, of those that the method allows."""
        return tuple(self.selectable_weights().argmax(axis=1).tolist())

    def candidates(self) -> list[Architecture]:
        """Return the architectures that compete in a best-of-n selection; by default drawn in proportion to scores >= 0."""
        scores = torch.from_numpy(self.selectable_weights())  # [decision, choice]
        drawn = torch.multinomial(scores, CANDIDATES, replacement=True, generator=self.draws["evaluation"])  # [decision, draw]
        return [tuple(architecture) for architecture in drawn.T.tolist()]

    # -- the loop --------------------------------------------------------------------------------------------------------------

    def train_epoch(self) -> EpochMetrics:
        """Train one epoch, derive an architecture, and measure.

        Raises:
            RuntimeError: all epochs are finished, or one was interrupted: `load` a checkpoint then.
        """
        if self.epoch == self.config.epochs:
            raise RuntimeError(f"{self.name}: all {self.epoch} epochs are finished")
        self._check_whole()
        self._interrupted = True
        with self.execution.arithmetic():
            start = self.clock()
            train_loss, train_accuracy = self._train()
            self.supernet.eval()
            self._end_epoch()
            trained = self.clock()
            last = self.epoch + 1 == self.config.epochs
            architecture = self.derive() if last or self.selection.every_epoch else self.most_likely()
            derived = self.clock()
            valid_loss, valid_accuracy = self._validate(architecture)
        weights = self.architecture_weights()
        self.epoch += 1
        metrics = EpochMetrics(
            epoch=self.epoch,
            architecture=architecture,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            valid_loss=valid_loss,
            valid_accuracy=valid_accuracy,
            arch_weights=weights,
            entropy=mean_entropy(weights),
            train_seconds=trained - start,
            derive_seconds=derived - trained,
            peak_memory=peak_memory(self.device),
        )
        self.metrics.append(metrics)
        self._interrupted = False
        return metrics

    def _train(self) -> tuple[float, float]:
        """Train weights and architecture for an epoch; return mean loss in nats and accuracy in percent."""
        config = self.config
        cosine = math.cos(math.pi * self.epoch / config.horizon)
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate_min + (config.rate - config.rate_min) / 2 * (1 + cosine)  # constant within an epoch
        self.supernet.train()
        return self._means(make_steps(self), "train")

    def step(self, indices: Tensor) -> Tensor:
        """Train weights and architecture on some training images; return sum of losses in nats and number of correct images [2].

        Nothing in it waits for the device, unless the method says so.
        """
        batch = self._augmented("train", indices)
        sums = self.weight_step(batch)
        self._architecture_step(batch)
        return sums

    def weight_step(self, batch: Batch) -> Tensor:
        """Update the weights on a training batch; return the sum of losses in nats and the number of correct images [2]."""
        images, labels = batch
        logits = self.logits(images, self._weight_mode())
        loss = nn.functional.cross_entropy(logits, labels)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return torch.stack([loss.detach() * len(labels), _correct(logits, labels)])

    @torch.no_grad()
    def _validate(self, architecture: Architecture) -> tuple[float, float]:
        """Return mean loss in nats and accuracy in percent on the validation images."""
        self.supernet.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)  # of losses and of correct images
        for images, labels in self.task.dataset.batches(VALIDATION, self.config.eval_batch, self.draws["evaluation"]):
            logits = self.logits(images, self._evaluation_mode(architecture))
            sums += torch.stack([nn.functional.cross_entropy(logits, labels, reduction="sum"), _correct(logits, labels)])
        return self._means(sums, VALIDATION)

    def _means(self, sums: Tensor, split: str) -> tuple[float, float]:
        loss, accuracy = (sums / len(self.task.dataset.split(split))).tolist()
        return loss, 100.0 * accuracy

    # -- deriving and measuring ------------------------------------------------------------------------------------------------

    def derive(self) -> Architecture:
        """Derive the current architecture by the selection. Stochastic selections sample afresh on every call."""
        self.supernet.eval()
        before = checkpoint.state(self.draws, self._parts) if self.selection.trains else None
        try:
            return self.task.space.check(self.selection.select(self))
        finally:
            self.decided.clear()
            if before is not None:  # all but the draws for evaluation, which go on
                draws = {purpose: draw for purpose, draw in self.draws.items() if purpose != "evaluation"}
                checkpoint.restore(before, draws, self._parts)

    # -- for methods and selections --------------------------------------------------------------------------------------------

    def logits(self, images: Tensor, mode: ForwardMode, state: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the logits [image, class].

        Args:
            images: [image, channel, height, width], as in the data set.
            mode: forward mode of the supernet.
            state: weights and statistics to use instead of the network's, by name.
        """
        if self.execution.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        mode = self.supernet.decide(mode, self.decided) if self.decided else mode
        half = self.execution.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16) if half else nullcontext():
            if state is None:
                logits: Tensor = self.supernet(images, mode)
            else:
                logits = torch.func.functional_call(self.supernet, dict(state), (images, mode))
        return logits.float() if half else logits

    def validation_batch(self, size: int, split: str = VALIDATION) -> Batch:
        """Return images for an architecture step, of validation by default: drawn with replacement, augmented like training's."""
        count = len(self.task.dataset.split(split))
        indices = self.drawn("validation", lambda draw: torch.randint(count, (size,), generator=draw))
        return self._augmented(split, indices)

    def _augmented(self, split: str, indices: Tensor) -> Batch:
        data, count = self.task.dataset, len(indices)
        if self._augment is None:
            return data.batch(split, indices)
        return data.batch(split, indices, self.drawn("augment", lambda draw: draw_crops(count, data.flip, data.padding, draw)))

    def evaluation_batches(self) -> Iterator[Batch]:
        """Yield batches of validation images without augmentation, in endless passes of random order."""
        while True:
            yield from self.task.dataset.batches(VALIDATION, self.config.eval_batch, self.draws["evaluation"])

    @torch.no_grad()
    def accuracies(self, candidates: Sequence[Architecture], batches: Iterator[Batch]) -> Tensor:
        """Return the accuracy of candidates with the supernet's weights [candidate], in [0, 1], each on the next batch."""
        accuracies = []
        for candidate, (images, labels) in zip(candidates, batches, strict=False):
            accuracies.append(_correct(self.logits(images, self.supernet.along(candidate)), labels) / len(labels))
        return torch.stack(accuracies).cpu()

    # -- checkpoints -----------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the complete state of the search. An existing file is replaced only once the new one is complete.

        Raises:
            RuntimeError: an epoch was interrupted, so the state is that of no epoch.
        """
        self._check_whole()
        facts = {**self.identity(), "epoch": self.epoch, "metrics": [epoch.to_json() for epoch in self.metrics]}
        checkpoint.write(path, checkpoint.state(self.draws, self._parts), facts)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Resume from a checkpoint of the same search.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no checkpoint, a damaged one, or that of another search; the message names the difference.
        """
        arrays, facts = checkpoint.read(path)
        epoch = facts.pop("epoch")
        metrics = facts.pop("metrics", None) or facts.pop("figures", [])  # the first version called them figures
        checkpoint.require_same(path, facts, self.identity())
        with checkpoint.refusing(path):
            of_epochs = [EpochMetrics.from_json(values) for values in metrics]
            if not len(of_epochs) == epoch <= self.config.epochs:
                raise ValueError(f"epoch {epoch} of {self.config.epochs} with the metrics of {len(of_epochs)}")
            checkpoint.restore(arrays, self.draws, self._parts)
        self.epoch, self.metrics = epoch, of_epochs
        self._interrupted = False

    def identity(self) -> dict[str, Any]:
        """Return facts that are equal, as JSON, for all checkpoints of this search."""
        config = json.loads(json.dumps(stored_values(self.config)))
        other = {} if isinstance(self.selection, self.default_selection) else {"select": self.selection.name}
        facts = {"format": checkpoint.FORMAT, "method": self.name, "config": config, "seed": self.seed}
        return {**facts, **other, "task": self.task.fingerprint}

    def _check_whole(self) -> None:
        if self._interrupted:
            raise RuntimeError(f"{self.name}: epoch {self.epoch + 1} was interrupted; load the last checkpoint to go on")


def _correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the number of correctly classified images."""
    return (logits.argmax(dim=1) == labels).sum()


ONE_SHOT: Registry[type[OneShotSearch]] = Registry("one-shot search", texts=("title", "paper"))
"""Every registered one-shot search by its name, in the order of tables, legends and help."""

OneShotSearch.registry = ONE_SHOT
register_one_shot = ONE_SHOT.register
