"""Objects of an official archive: `ArchResults` (an architecture under one schedule) and `ResultsCount` (one training).

Their attributes are the state that official files hold, so `state_dict` and `create_from_state_dict` are plain copies of it.
Names, arguments, return keys and exceptions are those of the package, without the methods by which its authors built records.
"""

from __future__ import annotations

import copy
import random
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmark_api.nats.files import pickle_load

METRICS = ("iepoch", "loss", "accuracy", "cur_time", "all_time")
Metrics = tuple[Any, Any, Any, Any, Any]
"""Values of METRICS: 0-based epoch, loss, accuracy (percent), seconds of this epoch or pass and of all so far (None: unknown)."""

Shown = Mapping[str, tuple[tuple[str, str], ...]]
"""For dataset keys, the sets that `describe` shows after the training set: pairs of a label and a split."""


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean."""
    return sum(values) / len(values)


def _mean_or_none(values: Sequence[Any]) -> Any:
    return None if None in values else sum(values) / len(values)


def missing_epoch(setname: str, iepoch: int, known: Collection[int]) -> KeyError:
    """Return the error for an epoch at which a set has no value; `known` are the epochs at which it has one."""
    if len(known) > 1:
        values = f"{len(known)} values, at epochs {min(known)} to {max(known)}"
    else:
        values = "".join(f"a value at epoch {epoch} only" for epoch in known) or "no value at any"
    return KeyError(f"{setname!r} has no value at epoch {iepoch}; it has {values}")


def missing_dataset(dataset: str, known: Iterable[str]) -> KeyError:
    """Return the error for a dataset key without a training; `known` are those with one."""
    return KeyError(f"no training on {dataset!r}; there are {', '.join(known)}")


def _chosen(seeds: Sequence[int], is_random: object) -> Sequence[int]:
    """Return the positions of the trials that an `is_random` argument of `Results.get_metrics` selects."""
    if isinstance(is_random, (bool, np.bool_)):
        # Python's global generator is part of this interface: scripts seed it with random.seed and expect the package's draws.
        return [random.randint(0, len(seeds) - 1)] if is_random else range(len(seeds))
    if not isinstance(is_random, (int, np.integer)):
        raise ValueError(f"is_random must be a bool or a trial's seed, got {is_random!r}")
    if is_random not in seeds:
        raise ValueError(f"no trial has seed {is_random}; the seeds are {list(seeds)}")
    return [seeds.index(int(is_random))]


class ResultsCount:
    """One training of one architecture: accuracies in percent, times and latency in seconds, params and flop in millions."""

    name: str
    net_state_dict: Any
    train_acc1es: dict[int, float]
    train_acc5es: dict[int, float] | None
    train_losses: dict[int, float]
    train_times: dict[int, float] | None
    arch_config: dict[str, Any]
    params: float
    flop: float
    seed: str
    epochs: int
    latency: list[float] | None
    eval_names: list[str]
    eval_acc1es: dict[str, float]
    eval_times: dict[str, float]
    eval_losses: dict[str, float]

    def __repr__(self) -> str:
        return (
            f"ResultsCount({self.name}, arch={self.arch_config['arch_str']}, FLOP={self.flop:.2f}M, Param={self.params:.3f}MB, "
            f"seed={self.seed}, {len(self.eval_names)} eval-sets: [{', '.join(self.eval_names)}])"
        )

    def get_total_epoch(self) -> int:
        """Return the length of the training in epochs."""
        return int(self.epochs)

    def get_eval_set(self) -> list[str]:
        """Return the names of the evaluation sets."""
        return self.eval_names

    def get_latency(self) -> float:
        """Return the mean latency in seconds; -1 if there is no measurement."""
        return -1.0 if self.latency is None else mean(self.latency)

    def update_latency(self, latency: list[float] | None) -> None:
        """Set the latency's measurements, seconds; None for none."""
        self.latency = copy.copy(latency)

    def reset_pseudo_train_times(self, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every training epoch."""
        self.train_times = OrderedDict.fromkeys(range(self.epochs), estimated_per_epoch_time)

    def reset_pseudo_eval_times(self, eval_name: str, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every pass over an evaluation set. ValueError if there is no such set."""
        if eval_name not in self.eval_names:
            raise ValueError(f"no evaluation set {eval_name!r}; there are {self.eval_names}")
        self.eval_times.update({f"{eval_name}@{epoch}": estimated_per_epoch_time for epoch in range(self.epochs)})

    def get_times(self) -> dict[str, float | None]:
        """Return seconds of the mean epoch or pass and of all together, for each set; None where unknown."""
        series = {"train": list((self.train_times or {}).values())}
        for name in self.eval_names:
            keys = [f"{name}@{epoch}" for epoch in range(self.epochs)]
            series[name] = [self.eval_times[key] for key in keys] if all(key in self.eval_times for key in keys) else []
        times: dict[str, float | None] = {}
        for name, seconds in series.items():
            times[f"T-{name}@epoch"] = mean(seconds) if seconds else None
            times[f"T-{name}@total"] = sum(seconds) if seconds else None
        return times

    def metrics(self, setname: str, iepoch: int | None = None) -> Metrics:
        """Return metrics on "train", "x-valid", "x-test" or "ori-test" at an epoch, None for the last.

        Raises:
            ValueError: no such epoch, or no such set.
            KeyError: the set was not evaluated at this epoch.
        """
        if iepoch is None:
            iepoch = self.epochs - 1
        elif not 0 <= iepoch < self.epochs:
            raise ValueError(f"iepoch must be 0 to {self.epochs - 1}, got {iepoch}")
        iepoch = int(iepoch)
        keys: Sequence[Any] = range(iepoch + 1)
        times: Mapping[Any, float] | None = self.train_times
        losses: Mapping[Any, float] = self.train_losses
        accuracies: Mapping[Any, float] = self.train_acc1es
        if setname != "train":
            name = "x-valid" if setname == "valid" else setname
            keys = [f"{name}@{epoch}" for epoch in keys]
            times, losses, accuracies = self.eval_times or None, self.eval_losses, self.eval_acc1es
            if times is not None and keys[-1] not in times:
                raise ValueError(f"no evaluation set {name!r}; there are {self.eval_names}")
        if keys[-1] not in losses or keys[-1] not in accuracies:
            known = [epoch for epoch in range(self.epochs) if (epoch if setname == "train" else f"{name}@{epoch}") in accuracies]
            raise missing_epoch(setname, iepoch, known)
        current, total = (None, None) if times is None else (times[keys[-1]], sum([times[key] for key in keys]))
        return iepoch, losses[keys[-1]], accuracies[keys[-1]], current, total

    def get_train(self, iepoch: int | None = None) -> dict[str, Any]:
        """Return the training metrics of an epoch, None for the last, by name. Raises as `metrics`."""
        return dict(zip(METRICS, self.metrics("train", iepoch), strict=True))

    def get_eval(self, name: str, iepoch: int | None = None) -> dict[str, Any]:
        """Return the metrics of an evaluation set after an epoch, None for the last, by name. Raises as `metrics`."""
        return dict(zip(METRICS, self.metrics(name, iepoch), strict=True))

    def get_net_param(self, clone: bool = False) -> Any:
        """Return the trained weights, or a copy of them; None if there are none."""
        return copy.deepcopy(self.net_state_dict) if clone else self.net_state_dict

    def get_config(self, str2structure: Callable[[str], Any] | None) -> dict[str, Any]:
        """Return the arguments of the network; the cell as a string, or as `str2structure` parses it."""
        config = self.arch_config
        if config.get("name") == "infer.shape.tiny":
            genotype = str2structure(config["genotype"]) if str2structure else config["genotype"]
            network = {"name": "infer.shape.tiny", "channels": config["channels"], "genotype": genotype}
        else:
            cell = config["arch_str"]
            structure = {"genotype": str2structure(cell)} if str2structure else {"arch_str": cell}
            network = {"name": "infer.tiny", "C": config["channel"], "N": config["num_cells"], **structure}
        return {**network, "num_classes": config["class_num"]}

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return dict(vars(self))

    @staticmethod
    def create_from_state_dict(state_dict: Mapping[str, Any]) -> ResultsCount:
        """Return the training with these attributes."""
        result = ResultsCount()
        vars(result).update(state_dict)
        return result


class Results(ABC):
    """Trials of one architecture under one schedule. All methods raise a KeyError if there is none on the dataset key."""

    @abstractmethod
    def get_dataset_names(self) -> list[str]:
        """Return the dataset keys."""

    @abstractmethod
    def get_dataset_seeds(self, dataset: str) -> list[int]:
        """Return the seeds of the trials on a dataset key, ascending."""

    @abstractmethod
    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        """Return FLOPs and parameters (millions), latency (seconds) and the times of `get_times`, means over trials."""

    @abstractmethod
    def known_latency(self, dataset: str) -> float | None:
        """Return the mean of the measured latencies, seconds; None if there is none."""

    @abstractmethod
    def mean_metrics(self, dataset: str, setname: str, iepoch: int | None, trials: Sequence[int]) -> Metrics:
        """Return the metrics on a set, mean over the trials at these positions."""

    def metrics(self, dataset: str, setname: str, iepoch: int | None, is_random: object) -> Metrics:
        """Return the values of `get_metrics`."""
        return self.mean_metrics(dataset, setname, iepoch, _chosen(self.get_dataset_seeds(dataset), is_random))

    def get_metrics(self, dataset: str, setname: str, iepoch: int | None = None, is_random: Any = False) -> dict[str, Any]:
        """Return loss, accuracy (percent) and seconds on a set.

        Args:
            dataset: dataset key.
            setname: "train", "x-valid" (also "valid"), "x-test" or "ori-test".
            iepoch: 0-based epoch; None for the last.
            is_random: True for a random trial, False for the mean over trials, an int for the trial with that seed.

        Returns:
            iepoch, loss, accuracy, cur_time (seconds of this epoch or pass), all_time (of all so far).

        Raises:
            KeyError: there is no trial on this dataset key, or the set was not evaluated at this epoch.
            ValueError: no such epoch, set or seed.
        """
        return dict(zip(METRICS, self.metrics(dataset, setname, iepoch, is_random), strict=True))


class ArchResults(Results):
    """The trainings of one architecture under one schedule, from an archive.

    Attributes:
        all_results: {(dataset key, seed): ResultsCount}.
        dataset_seed: {dataset key: ascending seeds}.
        clear_net_done: whether the weights have been dropped.
    """

    arch_index: int
    arch_str: str
    all_results: dict[tuple[str, int], ResultsCount]
    dataset_seed: dict[str, list[int]]
    clear_net_done: bool

    def __repr__(self) -> str:
        runs = f"{len(self.all_results)} runs, clear={self.clear_net_done}"
        return f"ArchResults(arch-index={self.arch_index}, arch={self.arch_str}, {runs})"

    def get_dataset_names(self) -> list[str]:
        return list(self.dataset_seed)

    def arch_idx_str(self) -> str:
        """Return the index with six digits, as in file names."""
        return f"{self.arch_index:06d}"

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        if dataset not in self.dataset_seed:
            raise missing_dataset(dataset, self.dataset_seed)
        return list(self.dataset_seed[dataset])

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """Return the ResultsCount of one trial, or {seed: ResultsCount} of all. KeyError if there is none."""
        if seed is None:
            return {seed: self.all_results[dataset, seed] for seed in self.get_dataset_seeds(dataset)}
        return self.all_results[dataset, seed]

    def _trials(self, dataset: str) -> list[ResultsCount]:
        return list(self.query(dataset).values())

    def mean_metrics(self, dataset: str, setname: str, iepoch: int | None, trials: Sequence[int]) -> Metrics:
        every = self._trials(dataset)
        epoch, *means = map(_mean_or_none, zip(*(every[trial].metrics(setname, iepoch) for trial in trials), strict=True))
        loss, accuracy, current, total = means
        return int(epoch), loss, accuracy, current, total

    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        """Return FLOPs and parameters (millions), latency (seconds) and the times of `get_times`, means over trials.

        Where trials disagree in FLOPs or parameters by more than 1e-5, the value is that of seed 888: an early version of
        the training code miscounted the others.
        """
        trials = self._trials(dataset)

        def agreed(values: list[float]) -> float:
            if len({f"{value:.5f}" for value in values}) > 1:
                return values[self.dataset_seed[dataset].index(888)]
            return mean(values)

        times = [trial.get_times() for trial in trials]
        return {
            "flops": agreed([trial.flop for trial in trials]),
            "params": agreed([trial.params for trial in trials]),
            "latency": self.known_latency(dataset),
            **{name: _mean_or_none([of_trial[name] for of_trial in times]) for name in times[0]},
        }

    def known_latency(self, dataset: str) -> float | None:
        latencies = [latency for trial in self._trials(dataset) if (latency := trial.get_latency()) > 0]
        return mean(latencies) if latencies else None

    def get_latency(self, dataset: str) -> float:
        """Return the mean latency over trials, seconds; KeyError without a trial, ValueError if one has no latency."""
        latencies = [result.get_latency() for result in self._trials(dataset)]
        if not all(latency > 0 for latency in latencies):
            raise ValueError(f"some trial of architecture {self.arch_index} has no latency on {dataset}: {latencies}")
        return mean(latencies)

    def get_total_epoch(self, dataset: str | None = None) -> int:
        """Return the length of the trainings in epochs, on one dataset key or all.

        Raises:
            ValueError: they differ, or `dataset` is neither a str nor None.
        """
        if dataset is not None and not isinstance(dataset, str):
            raise ValueError(f"dataset must be a dataset key or None, got {dataset!r}")
        keys = self.dataset_seed if dataset is None else (dataset,)
        lengths = {result.get_total_epoch() for key in keys for result in self._trials(key)}
        if len(lengths) > 1:
            raise ValueError(f"trainings of architecture {self.arch_index} differ in length: {sorted(lengths)} epochs")
        return lengths.pop()

    def get_net_param(self, dataset: str, seed: int | None = None) -> Any:
        """Return the trained weights of one trial (ValueError if there is none), or {seed: weights} of all."""
        if seed is None:
            return {seed: result.get_net_param() for seed, result in self.query(dataset).items()}
        if (dataset, seed) not in self.all_results:
            raise ValueError(f"no trial {(dataset, seed)}; there are {list(self.all_results)}")
        return self.all_results[dataset, seed].get_net_param()

    def _chosen_trials(self, dataset: str, seed: int | None) -> list[ResultsCount]:
        return self._trials(dataset) if seed is None else [self.query(dataset, seed)]

    def reset_latency(self, dataset: str, seed: int | None, latency: float) -> None:
        """Set the latency of one trial, or of all (seed None), seconds. KeyError if there is none."""
        for trial in self._chosen_trials(dataset, seed):
            trial.update_latency([latency])

    def reset_pseudo_train_times(self, dataset: str, seed: int | None, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every training epoch of one trial, or of all (seed None). KeyError if there is none."""
        for trial in self._chosen_trials(dataset, seed):
            trial.reset_pseudo_train_times(estimated_per_epoch_time)

    def reset_pseudo_eval_times(self, dataset: str, seed: int | None, eval_name: str, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every pass over an evaluation set of one trial, or of all (seed None).

        Raises:
            KeyError: there is no such trial.
            ValueError: a trial has no such set.
        """
        for trial in self._chosen_trials(dataset, seed):
            trial.reset_pseudo_eval_times(eval_name, estimated_per_epoch_time)

    def clear_params(self) -> None:
        """Drop the weights of all trials."""
        for result in self.all_results.values():
            result.net_state_dict = None
        self.clear_net_done = True

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes by name, with the states of the trials in their place."""
        return {**vars(self), "all_results": {key: result.state_dict() for key, result in self.all_results.items()}}

    @staticmethod
    def create_from_state_dict(state_dict_or_file: Mapping[str, Any] | str) -> ArchResults:
        """Return the object of a state, or of the file with one; ValueError if it is neither."""
        state = pickle_load(state_dict_or_file) if isinstance(state_dict_or_file, str) else state_dict_or_file
        if not isinstance(state, dict) or not isinstance(state.get("all_results"), dict):
            raise ValueError(f"expected a state dict with a dict all_results, or the path of one, got {type(state).__name__}")
        results = ArchResults()
        trials = {key: ResultsCount.create_from_state_dict(trial) for key, trial in state["all_results"].items()}
        vars(results).update({**state, "all_results": trials})
        return results


def describe(information: ArchResults, extra_info: object = None, show: bool = False, *, shown: Shown) -> list[str]:
    """Return lines about one architecture under one schedule, as the package prints them, and print them if `show`."""

    def metric(setname: str) -> str:
        info = information.get_metrics(dataset, setname)
        return f"loss = {info['loss']:.3f} & top1 = {info['accuracy']:.2f}%"

    lines = [information.arch_str, f"datasets : {information.get_dataset_names()}, extra-info : {extra_info}"]
    for dataset in information.get_dataset_names():
        costs = information.get_compute_costs(dataset)
        latency = costs["latency"]
        milliseconds = None if latency is None else f"{latency * 1000:.2f}"
        lines.append(f"{dataset:14s} FLOP={costs['flops']:6.2f} M, Params={costs['params']:.3f} MB, latency={milliseconds} ms.")
        sets = (("train", "train"), *shown.get(dataset, (("valid", "x-valid"), ("test", "x-test"))))
        lines.append(f"{dataset:14s} " + ", ".join(f"{label} : [{metric(setname)}]" for label, setname in sets))
    if show:
        print("\n".join(lines))
    return lines
