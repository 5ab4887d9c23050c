"""Objects of an official archive: `ArchResults` (an architecture under one schedule) and `ResultsCount` (one training).

Their attributes are the state that official files hold, so `state_dict` and `create_from_state_dict` are plain copies of it.
Names, arguments, return keys and exceptions are those of the package.
"""

from __future__ import annotations

import copy
import random
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmark_api.nats.errors import InvalidArgument
from benchmark_api.nats.files import pickle_load


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean."""
    return sum(values) / len(values)


def _mean_or_none(values: Sequence[Any]) -> Any:
    return None if None in values else mean(values)


def chosen_seeds(seeds: Sequence[int], is_random: object) -> Sequence[int]:
    """Return the seeds of the trials that an `is_random` argument selects.

    Args:
        seeds: the trials' seeds.
        is_random: True for one drawn uniformly, False for all, an int for the trial with that seed.

    Raises:
        ValueError: no trial has that seed, or `is_random` is none of these.
    """
    if isinstance(is_random, bool):
        # Python's global generator is part of this interface: scripts seed it with random.seed and expect the package's draws.
        return [seeds[random.randint(0, len(seeds) - 1)]] if is_random else seeds
    if not isinstance(is_random, int):
        raise ValueError(f"is_random must be a bool or a trial's seed, got {is_random!r}")
    if is_random not in seeds:
        raise ValueError(f"no trial has seed {is_random}; the seeds are {list(seeds)}")
    return [is_random]


class ResultsCount:
    """One training of one architecture: accuracies in percent, times and latency in seconds, params and flop in millions."""

    def __init__(
        self,
        name: Any,
        state_dict: Any,
        train_accs: Any,
        train_losses: Any,
        params: Any,
        flop: Any,
        arch_config: Any,
        seed: Any,
        epochs: Any,
        latency: Any,
    ) -> None:
        self.name = name
        self.net_state_dict = state_dict
        self.train_acc1es = copy.deepcopy(train_accs)
        self.train_acc5es: Any = None
        self.train_losses = copy.deepcopy(train_losses)
        self.train_times: Any = None
        self.arch_config = copy.deepcopy(arch_config)
        self.params = params
        self.flop = flop
        self.seed = seed
        self.epochs = epochs
        self.latency = latency
        self.reset_eval()

    def __repr__(self) -> str:
        return (
            f"ResultsCount({self.name}, arch={self.arch_config['arch_str']}, FLOP={self.flop:.2f}M, Param={self.params:.3f}MB, "
            f"seed={self.seed}, {len(self.eval_names)} eval-sets: [{', '.join(self.eval_names)}])"
        )

    def update_train_info(self, train_acc1es: Any, train_acc5es: Any, train_losses: Any, train_times: Any) -> None:
        """Replace the training metrics, each {epoch: value}."""
        self.train_acc1es = train_acc1es
        self.train_acc5es = train_acc5es
        self.train_losses = train_losses
        self.train_times = train_times

    def reset_pseudo_train_times(self, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every training epoch."""
        self.train_times = OrderedDict.fromkeys(range(self.epochs), estimated_per_epoch_time)

    def reset_pseudo_eval_times(self, eval_name: str, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every pass over an evaluation set; ValueError if there is no such set."""
        if eval_name not in self.eval_names:
            raise ValueError(f"no evaluation set {eval_name!r}; there are {self.eval_names}")
        self.eval_times.update({f"{eval_name}@{epoch}": estimated_per_epoch_time for epoch in range(self.epochs)})

    def reset_eval(self) -> None:
        """Remove all evaluations."""
        self.eval_names: list[str] = []
        self.eval_acc1es: dict[str, float] = {}
        self.eval_times: dict[str, float] = {}
        self.eval_losses: dict[str, float] = {}

    def update_latency(self, latency: Any) -> None:
        """Replace the latency measurements."""
        self.latency = copy.deepcopy(latency)

    def update_eval(self, accs: Mapping[str, float], losses: Mapping[str, float], times: Mapping[str, float]) -> None:
        """Add evaluations of every epoch, each {"set@epoch": value}; ValueError if a set has evaluations already."""
        for name in dict.fromkeys(key.split("@")[0] for key in accs):
            if name in self.eval_names:
                raise ValueError(f"{name!r} has evaluations already")
            self.eval_names.append(name)
            for key in (f"{name}@{epoch}" for epoch in range(self.epochs)):
                self.eval_acc1es[key] = accs[key]
                self.eval_losses[key] = losses[key]
                self.eval_times[key] = times[key]

    def update_OLD_eval(self, name: str, accs: Mapping[int, float], losses: Mapping[int, float]) -> None:
        """Add evaluations of one set without times, {epoch: value}; InvalidArgument if it has evaluations already."""
        if name in self.eval_names:
            raise InvalidArgument(f"{name!r} has evaluations already")
        self.eval_names.append(name)
        for epoch in range(self.epochs):
            if epoch in accs:
                self.eval_acc1es[f"{name}@{epoch}"] = accs[epoch]
                self.eval_losses[f"{name}@{epoch}"] = losses[epoch]

    def get_total_epoch(self) -> int:
        """Return the length of the training in epochs."""
        return int(self.epochs)

    def get_eval_set(self) -> list[str]:
        """Return the names of the evaluation sets."""
        return self.eval_names

    def get_latency(self) -> float:
        """Return the mean latency in seconds; -1 if there is no measurement."""
        return -1.0 if self.latency is None else mean(self.latency)

    def get_times(self) -> dict[str, float | None]:
        """Return seconds of the mean epoch or pass and of all together, for each set; None where unknown."""
        epochs = range(self.epochs)
        series = {"train": list(self.train_times.values()) if isinstance(self.train_times, dict) else []}
        for name in self.eval_names:
            complete = all(f"{name}@{epoch}" in self.eval_times for epoch in epochs)
            series[name] = [self.eval_times[f"{name}@{epoch}"] for epoch in epochs] if complete else []
        times: dict[str, float | None] = {}
        for name, seconds in series.items():
            times[f"T-{name}@epoch"] = mean(seconds) if seconds else None
            times[f"T-{name}@total"] = sum(seconds) if seconds else None
        return times

    def judge_valid(self, iepoch: int) -> None:
        """Raise a ValueError unless `iepoch` is a 0-based epoch of the training."""
        if not 0 <= iepoch < self.epochs:
            raise ValueError(f"iepoch must be 0 to {self.epochs - 1}, got {iepoch}")

    def get_train(self, iepoch: int | None = None) -> dict[str, Any]:
        """Return loss, accuracy, seconds of this epoch and of all epochs so far, in training; None for the last epoch.

        Raises:
            ValueError: no such epoch.
        """
        iepoch = self._epoch(iepoch)
        current = total = None
        if self.train_times is not None:
            current = self.train_times[iepoch]
            total = sum([self.train_times[epoch] for epoch in range(iepoch + 1)])
        accuracy, loss = self.train_acc1es[iepoch], self.train_losses[iepoch]
        return {"iepoch": iepoch, "loss": loss, "accuracy": accuracy, "cur_time": current, "all_time": total}

    def get_eval(self, name: str, iepoch: int | None = None) -> dict[str, Any]:
        """Return loss, accuracy, seconds of this pass and of one pass per epoch so far, on "x-valid", "x-test" or "ori-test".

        Raises:
            ValueError: no such epoch, or no such set.
            KeyError: the set was not evaluated at this epoch.
        """
        iepoch = self._epoch(iepoch)
        name = "x-valid" if name == "valid" else name
        key = f"{name}@{iepoch}"
        current = total = None
        if self.eval_times:
            if key not in self.eval_times:
                raise ValueError(f"no evaluation set {name!r}; there are {self.eval_names}")
            current = self.eval_times[key]
            total = sum([self.eval_times[f"{name}@{epoch}"] for epoch in range(iepoch + 1)])
        loss, accuracy = self.eval_losses[key], self.eval_acc1es[key]
        return {"iepoch": iepoch, "loss": loss, "accuracy": accuracy, "cur_time": current, "all_time": total}

    def _epoch(self, iepoch: int | None) -> int:
        if iepoch is None:
            return int(self.epochs) - 1
        self.judge_valid(iepoch)
        return iepoch

    def get_net_param(self, clone: bool = False) -> Any:
        """Return the trained weights, or a copy of them; None if there are none."""
        return copy.deepcopy(self.net_state_dict) if clone else self.net_state_dict

    def get_config(self, str2structure: Callable[[str], Any] | None) -> dict[str, Any]:
        """Return the arguments of the network; the cell as a string, or as `str2structure` parses it."""
        config = self.arch_config
        if config.get("name") == "infer.shape.tiny":
            genotype = str2structure(config["genotype"]) if str2structure else config["genotype"]
            shape = {"name": "infer.shape.tiny", "channels": config["channels"], "genotype": genotype}
            return {**shape, "num_classes": config["class_num"]}
        cell = config["arch_str"]
        structure = {"genotype": str2structure(cell)} if str2structure else {"arch_str": cell}
        size = {"name": "infer.tiny", "C": config["channel"], "N": config["num_cells"]}
        return {**size, **structure, "num_classes": config["class_num"]}

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return dict(vars(self))

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Replace attributes."""
        vars(self).update(state_dict)

    @staticmethod
    def create_from_state_dict(state_dict: Mapping[str, Any]) -> ResultsCount:
        """Return the training with these attributes."""
        result = ResultsCount(None, None, None, None, None, None, None, None, None, None)
        result.load_state_dict(state_dict)
        return result


class Results:
    """Trials of one architecture under one schedule: `query` gives each, as a ResultsCount or as a row of a table does."""

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        """Return the seeds of the trials on a dataset key (KeyError if there is no such key)."""
        raise NotImplementedError

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """Return one trial, or {seed: trial} of all. KeyError if there is none."""
        raise NotImplementedError

    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        """Return FLOPs and parameters (millions), latency (seconds) and the times of `get_times`, means over trials.

        Where trials disagree in FLOPs or parameters by more than 1e-5, the value is that of seed 888: an early version of
        the training code miscounted the others.

        Raises:
            KeyError: there is no trial on this dataset key.
        """
        trials: dict[int, Any] = self.query(dataset)

        def agreed(values: list[float]) -> float:
            if len(set(values)) > 1 and len({f"{value:.5f}" for value in values}) > 1:
                return values[list(trials).index(888)]
            return mean(values)

        times = defaultdict(list)
        for trial in trials.values():
            for name, seconds in trial.get_times().items():
                times[name].append(seconds)
        return {
            "flops": agreed([trial.flop for trial in trials.values()]),
            "params": agreed([trial.params for trial in trials.values()]),
            "latency": self.known_latency(dataset),
            **{name: _mean_or_none(seconds) for name, seconds in times.items()},
        }

    def known_latency(self, dataset: str) -> float | None:
        """Return the mean of the measured latencies, seconds; None if there is none."""
        latencies = [latency for latency in (trial.get_latency() for trial in self.query(dataset).values()) if latency > 0]
        return mean(latencies) if latencies else None

    def get_metrics(self, dataset: str, setname: str, iepoch: int | None = None, is_random: Any = False) -> dict[str, Any]:
        """Return loss, accuracy (percent) and seconds on a set.

        Args:
            dataset: dataset key.
            setname: "train", or a set of `ResultsCount.get_eval`.
            iepoch: 0-based epoch; None for the last.
            is_random: True for a random trial, False for the mean over trials, an int for the trial with that seed.

        Returns:
            iepoch, loss, accuracy, cur_time (seconds of this epoch or pass), all_time (of all so far).

        Raises:
            KeyError: there is no trial on this dataset key, or the set was not evaluated at this epoch.
            ValueError: no such epoch, set or seed.
        """
        trials: dict[int, Any] = self.query(dataset)
        chosen = [trials[seed] for seed in chosen_seeds(list(trials), is_random)]
        infos = [trial.get_train(iepoch) if setname == "train" else trial.get_eval(setname, iepoch) for trial in chosen]
        if is_random is False:
            return {
                name: _mean_or_none(values) for name, *values in zip(infos[0], *(info.values() for info in infos), strict=True)
            }
        info: dict[str, Any] = infos[0]
        return info


class ArchResults(Results):
    """The trainings of one architecture under one schedule.

    Attributes:
        all_results: {(dataset key, seed): ResultsCount}.
        dataset_seed: {dataset key: ascending seeds}.
        clear_net_done: whether the weights have been dropped.
    """

    def __init__(self, arch_index: int, arch_str: Any) -> None:
        self.arch_index = int(arch_index)
        self.arch_str = copy.deepcopy(arch_str)
        self.all_results: dict[tuple[str, int], ResultsCount] = {}
        self.dataset_seed: dict[str, list[int]] = {}
        self.clear_net_done = False

    def __repr__(self) -> str:
        runs = f"{len(self.all_results)} runs, clear={self.clear_net_done}"
        return f"ArchResults(arch-index={self.arch_index}, arch={self.arch_str}, {runs})"

    def get_dataset_names(self) -> list[str]:
        """Return the dataset keys."""
        return list(self.dataset_seed)

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        """Return the seeds of the trials on a dataset key (KeyError if there is no such key)."""
        return list(self.dataset_seed[dataset])

    def arch_idx_str(self) -> str:
        """Return the index with six digits, as in file names."""
        return f"{self.arch_index:06d}"

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """Return the ResultsCount of one trial, or {seed: ResultsCount} of all. KeyError if there is none."""
        if seed is None:
            return {seed: self.all_results[dataset, seed] for seed in self.dataset_seed[dataset]}
        return self.all_results[dataset, seed]

    def get_latency(self, dataset: str) -> float:
        """Return the mean latency over trials, seconds; KeyError without a trial, ValueError if one has no latency."""
        latencies = [result.get_latency() for result in self.query(dataset).values()]
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
        lengths: set[int] = {result.get_total_epoch() for key in keys for result in self.query(key).values()}
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

    def debug_test(self) -> None:
        """Print latency, trials and times of every dataset key."""
        for dataset in self.dataset_seed:
            print(f"{dataset}: latency {self.get_latency(dataset)} s")
            for result in self.query(dataset).values():
                print(f"  {result}\n  {result.get_times()}")

    def update(self, dataset_name: str, seed: int, result: ResultsCount) -> None:
        """Add a trial; ValueError if there is one with this seed."""
        seeds = self.dataset_seed.setdefault(dataset_name, [])
        if seed in seeds:
            raise ValueError(f"architecture {self.arch_index} has a trial with seed {seed} on {dataset_name} already")
        self.dataset_seed[dataset_name] = sorted([*seeds, seed])
        self.all_results[dataset_name, seed] = result
        self.clear_net_done = False

    def reset_latency(self, dataset: str, seed: int | None, latency: float) -> None:
        """Replace the latency of one trial, or of all (seed None)."""
        for result in self._trials(dataset, seed):
            result.update_latency([latency])

    def reset_pseudo_train_times(self, dataset: str, seed: int | None, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every training epoch of one trial, or of all."""
        for result in self._trials(dataset, seed):
            result.reset_pseudo_train_times(estimated_per_epoch_time)

    def reset_pseudo_eval_times(self, dataset: str, seed: int | None, eval_name: str, estimated_per_epoch_time: float) -> None:
        """Set the seconds of every pass over an evaluation set of one trial, or of all."""
        for result in self._trials(dataset, seed):
            result.reset_pseudo_eval_times(eval_name, estimated_per_epoch_time)

    def _trials(self, dataset: str, seed: int | None) -> Iterable[ResultsCount]:
        return self.query(dataset).values() if seed is None else (self.query(dataset, seed),)

    def clear_params(self) -> None:
        """Drop the weights of all trials."""
        for result in self.all_results.values():
            result.net_state_dict = None
        self.clear_net_done = True

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes by name, with the states of the trials in their place."""
        return {**vars(self), "all_results": {key: result.state_dict() for key, result in self.all_results.items()}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Replace attributes by those of a state; ValueError if "all_results" is not a dict."""
        state = dict(state_dict)
        if "all_results" in state:
            results = state["all_results"]
            if not isinstance(results, dict):
                raise ValueError(f"all_results must be a dict, got {type(results).__name__}")
            state["all_results"] = {key: ResultsCount.create_from_state_dict(result) for key, result in results.items()}
        vars(self).update(state)

    @staticmethod
    def create_from_state_dict(state_dict_or_file: Mapping[str, Any] | str) -> ArchResults:
        """Return the object of a state, or of the file with one; ValueError if it is neither a dict nor a path."""
        if isinstance(state_dict_or_file, str):
            state_dict_or_file = pickle_load(state_dict_or_file)
        if not isinstance(state_dict_or_file, dict):
            raise ValueError(f"expected a state dict or the path of one, got {type(state_dict_or_file).__name__}")
        results = ArchResults(-1, "")
        results.load_state_dict(state_dict_or_file)
        return results
