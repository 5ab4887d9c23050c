"""What every weight-sharing search is: one network that holds all candidates, trained an epoch at a time.

    search = Rsps(Task(TopologySpace(), dataset, skeleton), seed=777)
    while search.epoch < search.config.epochs:
        figures = search.train_epoch()             # figures.architecture is what the search would choose now
        search.save("rsps.safetensors")            # `load` goes on from there, to the identical result

The loop is written once, here. A method tells by which rule the network computes, how the architecture's parameters learn, and
what is chosen. It sees the training and the validation images of a task; there are no others in it.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from algorithms.one_shot import checkpoint
from algorithms.one_shot.supernets.topology import Rule, WidthRule, build_supernet
from benchmark_api.registry import Registry
from benchmark_api.spaces import Architecture, SearchSpace
from benchmark_api.tables.safetensors import fingerprint
from benchmark_api.training.datasets import Dataset
from benchmark_api.training.devices import generator
from benchmark_api.training.networks import Skeleton

FloatArray = npt.NDArray[np.float64]
Batch = tuple[Tensor, Tensor]
"""Images as a data set gives them, and their labels."""

VALIDATION = "x-valid"
CHECKPOINT_FORMAT = 1


# -- what a search is given ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """What is searched, and on which images.

    Attributes:
        space: the search space.
        dataset: the splits train and x-valid, and no other: a search cannot read test.
        skeleton: what surrounds a candidate.

    Raises:
        ValueError: the data set has other splits, or the skeleton does not fit it.
    """

    space: SearchSpace
    dataset: Dataset
    skeleton: Skeleton

    def __post_init__(self) -> None:
        if set(self.dataset.splits) != {"train", VALIDATION}:
            raise ValueError(
                f"a search takes {self.dataset.key} with the splits train and {VALIDATION} alone, "
                f"got {', '.join(self.dataset.splits)}"
            )
        expected = self.dataset.classes, self.dataset.image_shape[0]
        if (self.skeleton.classes, self.skeleton.input_channels) != expected:
            raise ValueError(f"{self.dataset.key} has {expected[0]} classes and {expected[1]} channels, got {self.skeleton}")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the task: two searches with different ones cannot be compared."""
        data = self.dataset
        facts = [self.space.spec(), asdict(self.skeleton), data.key, data.classes, data.flip, data.padding]
        arrays = {"facts": np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8)}
        arrays |= {"mean": data.mean.cpu().numpy(), "std": data.std.cpu().numpy()}
        for name, split in data.splits.items():
            arrays |= {f"{name}/images": split.images.cpu().numpy(), f"{name}/labels": split.labels.cpu().numpy()}
        return fingerprint(arrays)


@dataclass(frozen=True)
class Execution:
    """How a search is computed; what it searches does not depend on it, but for rounding.

    Attributes:
        device: where, as PyTorch names it. The task's images must be there.
        precision: of the network's passes; weights, losses and architecture parameters are in single precision always.
        channels_last: keep the channels of a pixel together in memory.
        compile: compile the parts of the network that compute the same at every step, with `torch.compile`.

    Raises:
        ValueError: unknown precision.
    """

    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be float32 or bfloat16, got {self.precision!r}")


@dataclass(frozen=True)
class OneShotConfig:
    """Hyperparameters that all weight-sharing searches have; the defaults are those of NATS-Bench.

    Raises:
        ValueError: a value is out of range.
    """

    epochs: int = 100
    """Length of the search E."""

    batch: int = 64
    """Images of a training batch, and of the validation batch that goes with it; the last of an epoch may be smaller."""

    eval_batch: int = 512
    """Images of a batch on which the network is evaluated."""

    rate: float = 0.025
    """The first learning rate; that of epoch e is rate_min + (rate - rate_min) / 2 * (1 + cos(pi * e / E))."""

    rate_min: float = 0.001
    """The learning rate to which it falls."""

    momentum: float = 0.9
    """Nesterov momentum."""

    decay: float = 5e-4
    """Weight decay, of all weights."""

    batch_norm: Literal["batch", "running"] = "batch"
    """By what cells normalise when they are evaluated: the statistics of the batch, or running ones. Results hinge on it."""

    def __post_init__(self) -> None:
        _check_at_least(self, 1, "epochs", "batch", "eval_batch")
        _check_positive(self, "rate")
        if not 0 <= self.rate_min <= self.rate:
            raise ValueError(f"rate_min must be from 0 to rate ({self.rate}), got {self.rate_min}")
        if not 0 < self.momentum < 1:
            raise ValueError(f"momentum must be in (0, 1), got {self.momentum}")
        _check_at_least(self, 0, "decay")
        if self.batch_norm not in ("batch", "running"):
            raise ValueError(f"batch_norm must be batch or running, got {self.batch_norm!r}")


def _check_at_least(config: object, bound: float, *names: str) -> None:
    for name in names:
        if not getattr(config, name) >= bound:
            raise ValueError(f"{name} must be at least {bound}, got {getattr(config, name)}")


def _check_positive(config: object, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise ValueError(f"{name} must be positive, got {getattr(config, name)}")


@dataclass(frozen=True, eq=False)
class EpochFigures:
    """What is known after an epoch.

    Attributes:
        epoch: how many are finished, from 1.
        architecture: what the search would choose now.
        train_loss: mean over the epoch's training images as they were trained on, nats.
        train_accuracy: likewise, percent.
        valid_loss: mean over the validation images after the epoch, nats, under the rule that the method evaluates by.
        valid_accuracy: likewise, percent.
        arch_weights: probabilities of the choices [decision, choice].
        entropy: of `arch_weights`, mean over decisions, nats.
        seconds: wall time of the training, that of a controller included.
        derive_seconds: wall time of choosing the architecture.
        peak_memory: bytes; of the device since the start of the process, on a CPU of the whole process.
    """

    epoch: int
    architecture: Architecture
    train_loss: float
    train_accuracy: float
    valid_loss: float
    valid_accuracy: float
    arch_weights: FloatArray
    entropy: float
    seconds: float
    derive_seconds: float
    peak_memory: int


# -- the search ----------------------------------------------------------------------------------------------------------------


class OneShotSearch(ABC):
    """A weight-sharing search.

    A subclass sets the class attributes, implements `_weight_rule`, `_evaluation_rule`, `architecture_weights` and `_choose`,
    where it has them also `_start`, `_architecture_step` and `_end_epoch`, and is listed with `register_one_shot`.

    Args:
        task: what is searched, on which images.
        config: the method's hyperparameters, an instance of `Config`; None for the defaults.
        seed: all randomness of the search comes from it. It is drawn on the CPU, so it is the same on every device.
        execution: how it is computed.

    Attributes:
        epoch: finished epochs.
        figures: those of every finished epoch.

    Raises:
        ValueError: a hyperparameter is out of range, the space is another than the method's, or the images are elsewhere.
        TypeError: `config` is not an instance of the method's `Config`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    space: ClassVar[Literal["topology", "size"]]
    Config: ClassVar[type[OneShotConfig]]

    config: Any

    def __init__(
        self, task: Task, config: OneShotConfig | None = None, *, seed: int = 0, execution: Execution | None = None
    ) -> None:
        if config is None:
            config = self.Config()
        if type(config) is not self.Config:
            raise TypeError(f"{self.name} takes a {self.Config.__qualname__}, got {type(config).__qualname__}")
        if task.space.name != self.space:
            raise ValueError(f"{self.name} searches the {self.space} space, got {task.space!r}")
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.task, self.config, self.seed = task, config, seed
        self.execution = Execution() if execution is None else execution
        self.device = torch.device(self.execution.device)
        if task.dataset.mean.device.type != self.device.type:
            raise ValueError(f"the images must be on {self.device}, got them on {task.dataset.mean.device}")
        self.epoch = 0
        self.figures: list[EpochFigures] = []
        purposes = ("weights", "shuffle", "augment", "validation", "architecture", "evaluation")
        self.draws = {purpose: generator(seed, number) for number, purpose in enumerate(purposes)}
        self.supernet: Any = build_supernet(  # of the method's space
            task.space, task.skeleton, self.draws["weights"], self.device, config.batch_norm == "running"
        )
        if self.execution.channels_last:
            self.supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.execution.compile:
            self.supernet.compile_parts()
        self.optimizer = torch.optim.SGD(
            self.supernet.parameters(), config.rate, config.momentum, weight_decay=config.decay, nesterov=True, foreach=True
        )
        # Gradients are there from the start and never None, so that momentum and decay reach also the weights that a step's path
        # leaves out, as in the reference (where a weight is exempt until a path has met it once).
        for parameter in self.supernet.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self._parts: dict[str, nn.Module | torch.optim.Optimizer] = {"supernet": self.supernet, "sgd": self.optimizer}
        self._interrupted = False
        self._start()

    def _start(self) -> None:  # noqa: B027 (a search without state of its own needs none)
        """Make the state of the method; what is to be in checkpoints goes to `_parts`, as modules and optimizers."""

    # -- what a method is ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def _weight_rule(self) -> Rule | WidthRule:
        """By which rule the next training batch is computed; drawn anew for each."""

    @abstractmethod
    def _evaluation_rule(self, architecture: Architecture) -> Rule | WidthRule:
        """By which rule the next validation batch is computed, to log what the network reaches after an epoch.

        Args:
            architecture: what was chosen after the epoch.
        """

    @abstractmethod
    def architecture_weights(self) -> FloatArray:
        """Probabilities of the choices [decision, choice]; rows sum to 1."""

    @abstractmethod
    def _choose(self) -> Architecture:
        """What the search would choose now. The network is in evaluation mode, gradients are off."""

    def _architecture_step(self, training: Batch) -> None:  # noqa: B027 (some have none)
        """Learn the architecture's parameters, after the step of the weights on a training batch."""

    def _end_epoch(self) -> None:  # noqa: B027 (some have none)
        """Learn what is learnt once after each epoch. The network is in evaluation mode."""

    # -- the loop ------------------------------------------------------------------------------------------------------------

    def train_epoch(self) -> EpochFigures:
        """Train one epoch, choose an architecture, and measure.

        Raises:
            RuntimeError: all epochs are finished, or one was interrupted: `load` a checkpoint then.
        """
        if self.epoch == self.config.epochs:
            raise RuntimeError(f"{self.name}: all {self.epoch} epochs are finished")
        self._check_whole()
        self._interrupted = True
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            start = self._clock()
            train_loss, train_accuracy = self._train()
            self.supernet.eval()
            self._end_epoch()
            trained = self._clock()
            architecture = self.derive()
            derived = self._clock()
            valid_loss, valid_accuracy = self._validate(architecture)
        self.epoch += 1
        weights = self.architecture_weights()
        figures = EpochFigures(
            epoch=self.epoch,
            architecture=architecture,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            valid_loss=valid_loss,
            valid_accuracy=valid_accuracy,
            arch_weights=weights,
            entropy=float(-(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1).mean()),
            seconds=trained - start,
            derive_seconds=derived - trained,
            peak_memory=self._peak_memory(),
        )
        self.figures.append(figures)
        self._interrupted = False
        return figures

    def derive(self) -> Architecture:
        """What the search would choose now; where candidates are drawn or compared on some images, each call draws anew."""
        self.supernet.eval()
        with torch.no_grad():
            return self._choose()

    def inherited_accuracy(
        self, architectures: Iterable[Architecture], split: str = VALIDATION, images: int | None = None
    ) -> FloatArray:
        """Accuracy of candidates with the weights of the supernet [architecture], percent.

        Args:
            architectures: the candidates.
            split: "x-valid", or "train".
            images: on how many images, the first ones; None for all.

        Raises:
            ValueError: an architecture is not of the space, there is no such split, or there are not so many images.
        """
        data, size = self.task.dataset, self.config.eval_batch
        total = len(data.split(split))
        count = total if images is None else images
        if not 1 <= count <= total:
            raise ValueError(f"{split} has {total} images, expected 1 to {total} of them, got {images}")
        self.supernet.eval()
        accuracies = []
        with torch.no_grad():
            for architecture in architectures:
                rule = self.supernet.along(self.task.space.check(architecture))
                correct = torch.zeros((), device=self.device)
                for begin in range(0, count, size):
                    batch, labels = data.batch(split, slice(begin, min(begin + size, count)))
                    correct += _correct(self._logits(batch, rule), labels)
                accuracies.append(100.0 * float(correct) / count)
        return np.array(accuracies)

    def _train(self) -> tuple[float, float]:
        """Train the weights and the architecture for an epoch; mean loss in nats and accuracy in percent."""
        config, data = self.config, self.task.dataset
        cosine = math.cos(math.pi * self.epoch / config.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate_min + (config.rate - config.rate_min) / 2 * (1 + cosine)  # constant within an epoch
        self.supernet.train()
        figures = torch.zeros(2, dtype=torch.float64, device=self.device)  # sum of losses, correct images
        for images, labels in data.batches("train", config.batch, self.draws["shuffle"], self._augment):
            logits = self._logits(images, self._weight_rule())
            loss = nn.functional.cross_entropy(logits, labels)
            self.optimizer.zero_grad(set_to_none=False)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            figures += torch.stack([loss.detach() * len(labels), _correct(logits, labels)])
            self._architecture_step((images, labels))
        return self._means(figures, "train")

    @torch.no_grad()
    def _validate(self, architecture: Architecture) -> tuple[float, float]:
        """Mean loss in nats and accuracy in percent on the validation images."""
        self.supernet.eval()
        figures = torch.zeros(2, dtype=torch.float64, device=self.device)
        for images, labels in self.task.dataset.batches(VALIDATION, self.config.eval_batch, self.draws["evaluation"]):
            logits = self._logits(images, self._evaluation_rule(architecture))
            figures += torch.stack([nn.functional.cross_entropy(logits, labels, reduction="sum"), _correct(logits, labels)])
        return self._means(figures, VALIDATION)

    def _means(self, figures: Tensor, split: str) -> tuple[float, float]:
        loss, accuracy = (figures / len(self.task.dataset.split(split))).tolist()
        return loss, 100.0 * accuracy

    # -- for the methods -----------------------------------------------------------------------------------------------------

    def _logits(self, images: Tensor, rule: Rule | WidthRule, state: Mapping[str, Tensor] | None = None) -> Tensor:
        """The logits [image, class].

        Args:
            images: as a data set gives them.
            rule: by which rule.
            state: weights and statistics to compute with instead of the network's, by their names.
        """
        if self.execution.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        half = self.execution.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            arguments = (images, rule)
            logits: Tensor = (
                self.supernet(*arguments) if state is None else torch.func.functional_call(self.supernet, dict(state), arguments)
            )
        return logits.float() if half else logits

    @property
    def _augment(self) -> torch.Generator | None:
        return self.draws["augment"] if self.task.dataset.flip or self.task.dataset.padding else None

    def _validation_batch(self, size: int) -> Batch:
        """Validation images for an architecture step: independent, with replacement, augmented as training images are."""
        count = len(self.task.dataset.split(VALIDATION))
        indices = torch.randint(count, (size,), generator=self.draws["validation"])
        return self.task.dataset.batch(VALIDATION, indices, self._augment)

    def _evaluation_batches(self) -> Iterator[Batch]:
        """Batches of validation images as they are, in passes of random order, without end."""
        while True:
            yield from self.task.dataset.batches(VALIDATION, self.config.eval_batch, self.draws["evaluation"])

    def _accuracies(self, candidates: Sequence[Architecture], batches: Iterator[Batch]) -> Tensor:
        """Accuracy [candidate] from 0 to 1 with the weights of the network, each on the next batch."""
        correct = []
        for candidate in candidates:
            images, labels = next(batches)
            correct.append(_correct(self._logits(images, self.supernet.along(candidate)), labels) / len(labels))
        return torch.stack(correct).cpu()

    def _best(self, candidates: Sequence[Architecture]) -> Architecture:
        """The candidate with the highest accuracy, each on one batch of validation images; the first on ties."""
        return candidates[int(self._accuracies(candidates, self._evaluation_batches()).numpy().argmax())]

    # -- checkpoints ---------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of the search's state; a file that was there stays until the new one is complete.

        Raises:
            RuntimeError: an epoch was interrupted, so the state is that of no epoch.
        """
        self._check_whole()
        arrays = {f"draws/{name}": drawn.get_state().numpy() for name, drawn in self.draws.items()}
        for name, part in self._parts.items():
            state = part.state_dict() if isinstance(part, nn.Module) else _flat(part)
            arrays |= {f"{name}/{key}": tensor.cpu().numpy() for key, tensor in state.items()}
        figures = [{**asdict(epoch), "arch_weights": epoch.arch_weights.tolist()} for epoch in self.figures]
        checkpoint.write(path, arrays, {**self._identity(), "epoch": self.epoch, "figures": figures})

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint of the same search.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no checkpoint, a damaged one, or that of another search; the message tells what differs.
        """
        arrays, facts = checkpoint.read(path)
        for fact, ours in self._identity().items():
            if (theirs := facts.get(fact)) != ours:
                raise ValueError(f"{path} is of another search: its {fact} is {_shown(theirs, ours)}")
        for name, drawn in self.draws.items():
            drawn.set_state(torch.from_numpy(arrays[f"draws/{name}"].copy()))
        for name, part in self._parts.items():
            prefix = f"{name}/"
            state = {key[len(prefix) :]: torch.from_numpy(a.copy()) for key, a in arrays.items() if key.startswith(prefix)}
            part.load_state_dict(state if isinstance(part, nn.Module) else _nested(part, state))
        self.epoch = facts["epoch"]
        self.figures = [
            EpochFigures(
                **{
                    **epoch,
                    "architecture": tuple(epoch["architecture"]),
                    "arch_weights": np.array(epoch["arch_weights"], dtype=np.float64),
                }
            )
            for epoch in facts["figures"]
        ]
        self._interrupted = False

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to be this search's, as JSON has it."""
        config = json.loads(json.dumps(asdict(self.config)))
        facts = {"format": CHECKPOINT_FORMAT, "method": self.name, "config": config, "seed": self.seed}
        return {**facts, "task": self.task.fingerprint}

    def _check_whole(self) -> None:
        if self._interrupted:
            raise RuntimeError(f"{self.name}: epoch {self.epoch + 1} was interrupted; load the last checkpoint to go on")

    # -- measuring -----------------------------------------------------------------------------------------------------------

    def _clock(self) -> float:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        return time.perf_counter()

    def _peak_memory(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak  # KiB on Linux


def _correct(logits: Tensor, labels: Tensor) -> Tensor:
    """How many images are classified correctly."""
    return (logits.argmax(dim=1) == labels).sum()


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimizer, by "PARAMETER/NAME"; its rate and the like are the configuration's."""
    state = optimizer.state_dict()["state"]
    return {f"{number}/{name}": value for number, values in state.items() for name, value in values.items()}


def _nested(optimizer: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> dict[str, Any]:
    """The state dict of an optimizer from what `_flat` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}


def _shown(theirs: Any, ours: Any) -> str:
    """A fact of a checkpoint beside ours; of configurations only what differs."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        names = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
        theirs, ours = ({name: values.get(name) for name in names} for values in (theirs, ours))
    return f"{theirs}, this one's is {ours}"


# -- searches with one softmax for each decision -------------------------------------------------------------------------------


@dataclass(frozen=True)
class AlphaConfig(OneShotConfig):
    """Hyperparameters of searches whose architecture's parameters learn by Adam.

    Raises:
        ValueError: a value is out of range.
    """

    arch_rate: float = 3e-4
    """Step size of Adam."""

    arch_betas: tuple[float, float] = (0.5, 0.999)
    """Decays of Adam's averages of the gradients and of the squared gradients."""

    arch_decay: float = 1e-3
    """Weight decay of the architecture's parameters."""

    arch_eps: float = 1e-8
    """What Adam adds to the root of the squared gradients."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "arch_rate", "arch_eps")
        _check_at_least(self, 0, "arch_decay")
        if not all(0 <= beta < 1 for beta in self.arch_betas):
            raise ValueError(f"arch_betas must be in [0, 1), got {self.arch_betas}")

    def adam(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
        """The optimizer of the architecture's parameters; its decay is part of the gradient."""
        rate, betas, eps, decay = self.arch_rate, self.arch_betas, self.arch_eps, self.arch_decay
        return torch.optim.Adam(parameters, rate, betas, eps, decay)


@dataclass(frozen=True)
class TemperedConfig(AlphaConfig):
    """Hyperparameters of searches with a softmax that grows sharper.

    Raises:
        ValueError: a value is out of range.
    """

    tau_max: float = 10.0
    """Temperature of the softmax in the first epoch."""

    tau_min: float = 0.1
    """Temperature in the last epoch; in between it falls linearly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.tau_min <= self.tau_max:
            raise ValueError(f"tau_min must be positive and tau_max not below it, got {self.tau_min} and {self.tau_max}")

    def tau(self, epoch: int) -> float:
        """The temperature of an epoch, from 0."""
        return self.tau_max - (self.tau_max - self.tau_min) * epoch / max(self.epochs - 1, 1)


class AlphaSearch(OneShotSearch):
    """A search whose architecture's parameters are alpha [decision, choice], of which a softmax gives the probabilities.

    Unless a subclass tells otherwise, alpha descends the gradient of the loss of a validation batch, computed with all choices
    weighted by their probabilities; what is chosen are the most probable choices.
    """

    def _start(self) -> None:
        cardinalities = self.task.space.cardinalities
        start = 1e-3 * torch.randn(len(cardinalities), max(cardinalities), generator=self.draws["weights"])
        self.alpha = nn.Parameter(start.to(self.device))
        self.adam = self.config.adam([self.alpha])
        self._parts |= {"alpha": nn.ParameterList([self.alpha]), "adam": self.adam}

    def _architecture_rule(self) -> Rule | WidthRule:
        """By which rule the next validation batch is computed for the architecture step."""
        return Rule(weights=self.alpha.softmax(dim=1))

    def _architecture_gradient(self, training: Batch, validation: Batch) -> Tensor:
        """The gradient that alpha descends.

        Args:
            training: the batch on which the weights have just made their step.
            validation: the batch that goes with it.
        """
        images, labels = validation
        loss = nn.functional.cross_entropy(self._logits(images, self._architecture_rule()), labels)
        return torch.autograd.grad(loss, self.alpha)[0]

    def _architecture_step(self, training: Batch) -> None:
        self.alpha.grad = self._architecture_gradient(training, self._validation_batch(len(training[1])))
        self.adam.step()

    def architecture_weights(self) -> FloatArray:
        weights: FloatArray = self.alpha.detach().double().softmax(dim=1).cpu().numpy()
        return weights

    def _choose(self) -> Architecture:
        return tuple(self.alpha.argmax(dim=1).tolist())


# -- the registry --------------------------------------------------------------------------------------------------------------

ONE_SHOT: Registry[type[OneShotSearch]] = Registry("one-shot search")
"""Every registered one-shot search by its name."""

register_one_shot = ONE_SHOT.register
