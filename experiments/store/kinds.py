"""Kinds of runs: black-box searches, one-shot searches, and rankings of architectures by a trained supernet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from algorithms.black_box import BLACK_BOX
from benchmark_api.tables.evaluator import Accounting, Noise
from benchmark_api.tables.metrics import limits_of
from benchmark_api.tables.table import Table
from benchmark_api.types import FloatArray
from experiments.settings import BUDGETS, RunSettings, default_budget, default_noise
from experiments.store.schema import KINDS, AnyCondition, AnyExperiment, Column, Kind, differences

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, kw_only=True)
class Condition(AnyCondition, RunSettings):
    """Everything a black-box run depends on besides its seed and the version of the code.

    Attributes:
        incumbent_rule: see `BlackBoxSearch.incumbent_rule`.
    """

    kind_name: ClassVar[str] = "black-box"
    later_fields: ClassVar[Mapping[str, Any]] = {"workers": 1, "charge_model_time": False}
    run_options = frozenset({"at_most", "at_least"})

    incumbent_rule: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        noise = row["noise"]  # a trial's seed is stored as text, as the other values are
        is_seed = isinstance(noise, str) and noise.isascii() and noise.isdigit() and len(noise) < 20
        charged = {"charge_model_time": True} if "charge_model_time" in row else {}  # text; only stored where it is true
        return super().from_row({**row, "noise": int(noise) if is_seed else noise, **charged})

    def search_class(self) -> type[Any] | None:
        return BLACK_BOX.get(self.algorithm)

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of metrics that the architectures of all queries have, by name; empty for none."""
        values = self.config_values()
        return limits_of(values.get("at_most", {}), values.get("at_least", {}))

    def settings(self) -> dict[str, Any]:
        names = ("schedule", *(field.name for field in fields(Accounting)), "incumbent_rule")
        facts = self.facts()
        return {name: facts[name] for name in names if facts.get(name) is not None}

    def deviations(self, table: Table | None) -> dict[str, Any]:
        if table is None:
            usual = BUDGETS.get((self.space, self.dataset, self.schedule), self.budget)
            return self._different(self._some_noise, self.schedule, usual)
        budget = default_budget(table, self.dataset, self.schedule)
        return self._different(default_noise(table, self.dataset), table.search_schedule, budget)

    @property
    def names(self) -> set[str]:
        of_no_default = self._different(self._some_noise, self.schedule, None)  # of a table with another default budget
        return super().names | {self._named(of_no_default)}

    @property
    def _some_noise(self) -> Noise:
        """Noise that is the default on some table: that of the runs if there is such a table."""
        return "once" if self.noise == "once" else "random"

    def _different(self, noise: Noise, schedule: str, budget: float | None) -> dict[str, Any]:
        """Return the deviations from some defaults, those that depend on the table."""
        usual = {name: value for name, value in asdict(Accounting()).items() if name != "budget"}
        usual |= {"noise": noise, "schedule": schedule, "budget": budget}
        changed = {name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value}
        changed |= super().deviations(None)
        for name, option in {"at_most": "max", "at_least": "min"}.items():
            if name in changed:
                changed[option] = " ".join(f"{metric}={value:g}" for metric, value in changed.pop(name).items())
        return changed


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment(Condition, AnyExperiment):
    """All stored black-box runs of one condition; an entry is an evaluation."""

    seconds = Column[FloatArray](np.float64, "s", "simulated clock after the evaluation, from the start of the run")
    epochs = Column[npt.NDArray[np.int16]](np.int16, "", "training epochs of the evaluation", lowest=1)
    accuracy = Column[FloatArray](np.float64, "%", "validation accuracy")
    curve = Column[FloatArray | None](
        np.float64, "%", "validation accuracy after each stored epoch", axis="epoch", ragged=True, optional=True
    )
    incumbent = Column[npt.NDArray[np.int32] | None](
        np.int32, "", "number in the run of the incumbent's evaluation, -1 for none", optional=True, lowest=-1
    )
    costs = Column[FloatArray | None](np.float64, "", "value of a metric of the table", by_metric=True, optional=True)
    trial = Column[npt.NDArray[np.int16] | None](
        np.int16, "", "column of the table's trial that answered, -1 for the mean", optional=True, lowest=-1
    )
    started = Column[FloatArray | None](
        np.float64, "s", "simulated clock when the evaluation began, of runs with several workers", optional=True
    )
    model_seconds = Column[FloatArray | None](
        np.float64, "s", "processor time of the search itself, where it is charged", optional=True, measured=True
    )

    @classmethod
    def check_entries(cls, columns: Mapping[str, npt.NDArray[Any]], lengths: npt.NDArray[Any]) -> None:
        ends, seconds = np.cumsum(lengths), columns["seconds"]
        within_run = np.ones(len(seconds), dtype=bool)
        within_run[ends - lengths] = False  # the first entry of each run
        if (np.diff(seconds, prepend=0.0)[within_run] < 0).any():
            raise ValueError("column seconds goes back within a run")
        if "started" in columns and (columns["started"] > seconds).any():
            raise ValueError("column started is later than seconds")
        if "incumbent" in columns and (columns["incumbent"] >= np.repeat(lengths, lengths)).any():
            raise ValueError("column incumbent has a number that no evaluation of the run has")

    @property
    def cost_names(self) -> tuple[str, ...]:
        """Names of the metrics in `costs`; empty where the search needs none."""
        return tuple(name.partition(":")[2] for name in self.columns if name.startswith("costs:"))

    @property
    def clock(self) -> FloatArray:
        return self.seconds

    @property
    def spent_seconds(self) -> FloatArray:
        return np.minimum(self.seconds[self.offsets[1:] - 1], self.budget)

    @property
    def starts(self) -> FloatArray:
        return super().starts if self.started is None else self.started


@dataclass(frozen=True, kw_only=True)
class OneShotCondition(AnyCondition):
    """Everything a one-shot run depends on besides its seed and the version of the code.

    Attributes:
        execution: device and precision (`algorithms.one_shot.task.Execution`), as JSON.
        setting: the images trained on and the skeleton (`benchmark_api.training.setting.Setting`), as JSON.
    """

    kind_name: ClassVar[str] = "one-shot"
    json_fields = ("hyperparameters", "execution", "setting")
    run_options = frozenset({"select"})
    schedule = ""
    budget = float("inf")
    incumbent_rule = "last"  # the architecture derived after an epoch

    execution: str
    setting: str

    def search_class(self) -> type[Any] | None:
        from algorithms.one_shot import ONE_SHOT  # PyTorch takes seconds to import: only reports of one-shot runs need it

        return ONE_SHOT.get(self.algorithm)

    def execution_values(self) -> dict[str, Any]:
        """Return the fields of `execution`."""
        values: dict[str, Any] = json.loads(self.execution)
        return values

    @property
    def unofficial(self) -> bool:
        """Whether the images trained on are not the official ones."""
        return "unofficial_images" in json.loads(self.setting)

    @property
    def caution(self) -> str:
        return "one-shot searches trained on unofficial images" if self.unofficial else ""

    def settings(self) -> dict[str, Any]:
        setting = json.loads(self.setting)
        return self.execution_values() | {f"trained on {name}": value for name, value in setting.items()}

    def deviations(self, table: Table | None) -> dict[str, Any]:
        from algorithms.one_shot.stack import chosen_stack
        from algorithms.one_shot.task import Execution
        from benchmark_api.training.setting import Setting

        images = {"images": "unofficial"} if self.unofficial else {}
        values = {"stack": 1, "graphs": False, **self.execution_values()}
        usual = asdict(Execution(stack=values["stack"]))
        if table is not None:
            automatic = replace(Execution(**values), stack=None)
            usual["stack"] = chosen_stack(automatic, table.space, Setting.from_json(self.setting))
        return super().deviations(table) | images | differences(values, usual)


@dataclass(frozen=True, kw_only=True, eq=False)
class OneShotExperiment(OneShotCondition, AnyExperiment):
    """All stored one-shot runs of one condition; an entry is an epoch, and its architecture the one derived after it.

    The other columns are the metrics of an epoch (`EPOCH_METRICS`), e.g. `columns["train_loss"]`.
    """

    @classmethod
    def declared_columns(cls) -> list[Column[Any]]:
        from algorithms.one_shot.metrics import EPOCH_METRICS

        return [*super().declared_columns(), *(Column(**vars(metric)) for metric in EPOCH_METRICS)]

    @property
    def clock(self) -> FloatArray:
        seconds = self.columns["train_seconds"] + self.columns["derive_seconds"]
        return np.concatenate([np.cumsum(seconds[start:stop]) for start, stop in pairwise(self.offsets)])

    @property
    def peak_memory(self) -> float:
        return float(self.columns["peak_memory"].max())


@dataclass(frozen=True, kw_only=True)
class RankingCondition(OneShotCondition):
    """A one-shot condition, and how architectures were ranked by its supernets.

    Attributes:
        architectures: size of the sample of architectures.
        sample_seed: seed of the sample.
        images: number of images of x-valid that each architecture was evaluated on; None for all.
        device: PyTorch's name of the device.
        drawn_from: what the sample is drawn from: all "architectures", or "classes", one architecture of each isomorphism class.
        batch_norm: statistics of the batch normalisations (`algorithms.one_shot.inherited.Normalization`).
        epoch: number of epochs after which the supernet was kept; None for the last.
    """

    kind_name: ClassVar[str] = "ranking"
    later_fields: ClassVar[Mapping[str, Any]] = {"drawn_from": "architectures", "batch_norm": "search", "epoch": None}

    architectures: int
    sample_seed: int
    images: int | None
    device: str
    drawn_from: str = "architectures"
    batch_norm: str = "search"
    epoch: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SupernetRanking(RankingCondition, AnyExperiment):
    """Rankings of one sample by the supernets of all stored runs of a condition; an entry is an architecture."""

    accuracy = Column[FloatArray](np.float64, "%", "validation accuracy with the supernet's weights")

    @property
    def clock(self) -> FloatArray:
        return np.repeat(self.wall_seconds, np.diff(self.offsets))


BLACK_BOX_RUNS = Kind("black-box", Condition, Experiment, simulated=True, job="experiments.runs.black_box:BlackBoxJob")
ONE_SHOT_RUNS = Kind("one-shot", OneShotCondition, OneShotExperiment, simulated=False, job="experiments.runs.one_shot:OneShotJob")
RANKINGS = Kind("ranking", RankingCondition, SupernetRanking, simulated=False, suffix="-ranking")
for _kind in (BLACK_BOX_RUNS, ONE_SHOT_RUNS, RANKINGS):
    KINDS.register(_kind)
