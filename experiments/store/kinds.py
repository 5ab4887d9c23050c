"""Kinds of runs: black-box searches on a table, one-shot searches, and rankings of architectures by a trained supernet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from algorithms.black_box import BLACK_BOX
from experiments.settings import RunSettings, default_budget
from experiments.store.schema import KINDS, AnyCondition, AnyExperiment, Column, Kind, differences, parsed

if TYPE_CHECKING:
    from typing_extensions import Self

FloatArray = npt.NDArray[np.float64]


# -- black-box runs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Condition(AnyCondition, RunSettings):
    """Everything a black-box run depends on besides its seed and the version of the code.

    Attributes:
        incumbent_rule: see `BlackBoxSearch.incumbent_rule`.
    """

    kind_name: ClassVar[str] = "black-box"

    incumbent_rule: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        noise = row["noise"]  # a trial's seed is stored as text, as the other values are
        return cls(**{**row, "noise": int(noise) if noise.isdigit() else noise})

    def search_class(self) -> type[Any] | None:
        return BLACK_BOX.get(self.algorithm)

    def default_config(self, search_class: type[Any]) -> Any:
        return search_class.Config()

    def settings(self) -> dict[str, Any]:
        names = [field.name for field in fields(RunSettings) if field.name not in ("space", "dataset")]
        return {name: value for name in (*names, "incumbent_rule") if (value := getattr(self, name)) is not None}

    def changed_settings(self, search_schedule: str) -> dict[str, Any]:
        defaults = {field.name: field.default for field in fields(RunSettings) if field.default is not MISSING}
        defaults.pop("budget", None)  # depends on the dataset
        usual = defaults | {"schedule": search_schedule, "budget": default_budget(self.space, self.dataset)}
        return {name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value}


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment(Condition, AnyExperiment):
    """All stored black-box runs of one condition; an entry is an evaluation."""

    seconds = Column[FloatArray](np.float64, "s", "simulated clock after the evaluation, from the start of the run")
    epochs = Column[npt.NDArray[np.int16]](np.int16, "", "training epochs of the evaluation")
    accuracy = Column[FloatArray](np.float64, "%", "validation accuracy")
    curve = Column[FloatArray | None](
        np.float64, "%", "validation accuracy after each stored epoch", axis="epoch", ragged=True, optional=True
    )
    incumbent = Column[npt.NDArray[np.int32] | None](
        np.int32, "", "number in the run of the incumbent's evaluation, -1 for none", optional=True
    )
    _costs = Column[None](np.float64, "", "value of a metric of the table", name="costs", by_metric=True, optional=True)

    @property
    def cost_names(self) -> tuple[str, ...]:
        """Names of the metrics in `costs`; empty where the search needs none."""
        return tuple(name.partition(":")[2] for name in self.columns if name.startswith("costs:"))

    @property
    def costs(self) -> FloatArray | None:
        """Costs of the evaluated architectures [evaluation, metric]; None where the search needs none."""
        return np.stack([self.columns[f"costs:{name}"] for name in self.cost_names], axis=1) if self.cost_names else None

    @property
    def clock(self) -> FloatArray:
        return self.seconds

    @property
    def spent_seconds(self) -> FloatArray:
        return np.minimum(self.seconds[self.offsets[1:] - 1], self.budget)


# -- one-shot runs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OneShotCondition(AnyCondition):
    """Everything a one-shot run depends on besides its seed and the version of the code.

    Attributes:
        execution: how it is computed (`algorithms.one_shot.task.Execution`), as JSON.
        setting: the images trained on and the skeleton (`benchmark_api.training.setting.Setting`), as JSON.
    """

    kind_name: ClassVar[str] = "one-shot"
    run_options = frozenset({"select"})
    schedule = ""
    budget = float("inf")
    incumbent_rule = "last"  # the architecture derived after an epoch

    execution: str
    setting: str

    def search_class(self) -> type[Any] | None:
        from algorithms.one_shot import ONE_SHOT  # PyTorch takes seconds to import: only reports of one-shot runs need it

        return ONE_SHOT.get(self.algorithm)

    def default_config(self, search_class: type[Any]) -> Any:
        return search_class.default_config(self.dataset)

    def execution_values(self) -> dict[str, Any]:
        """Parse how the run is computed."""
        return parsed(self.execution)

    def setting_values(self) -> dict[str, Any]:
        """Parse the images trained on and the skeleton."""
        return parsed(self.setting)

    def settings(self) -> dict[str, Any]:
        return self.execution_values() | {f"trained on {name}": value for name, value in self.setting_values().items()}

    def deviations(self, search_schedule: str) -> dict[str, Any]:
        from algorithms.one_shot.task import Execution

        return super().deviations(search_schedule) | differences(self.execution_values(), asdict(Execution()))


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
    def arch_weights(self) -> FloatArray:
        """Weights of the choices [epoch, choice], decision after decision."""
        return self.columns["arch_weights"]

    @property
    def clock(self) -> FloatArray:
        seconds = self.columns["train_seconds"] + self.columns["derive_seconds"]
        return np.concatenate([np.cumsum(seconds[start:stop]) for start, stop in pairwise(self.offsets)])

    @property
    def peak_memory(self) -> float:
        return float(self.columns["peak_memory"].max())


# -- rankings by supernets -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RankingCondition(OneShotCondition):
    """A one-shot condition, and how architectures were ranked by its supernets.

    Attributes:
        architectures: size of the sample.
        sample_seed: of the sample.
        images: how many images of x-valid each architecture was evaluated on; None for all.
        device: the device it is computed on.
    """

    kind_name: ClassVar[str] = "ranking"

    architectures: int
    sample_seed: int
    images: int | None
    device: str


@dataclass(frozen=True, kw_only=True, eq=False)
class SupernetRanking(RankingCondition, AnyExperiment):
    """Rankings of one sample by the supernets of all stored runs of a condition; an entry is an architecture."""

    accuracy = Column[FloatArray](np.float64, "%", "validation accuracy with the supernet's weights")

    @property
    def clock(self) -> FloatArray:
        return np.repeat(self.wall_seconds, np.diff(self.offsets))


BLACK_BOX_RUNS = Kind("black-box", Condition, Experiment, simulated=True, runs="experiments.runs.black_box")
ONE_SHOT_RUNS = Kind("one-shot", OneShotCondition, OneShotExperiment, simulated=False, runs="experiments.runs.one_shot")
RANKINGS = Kind("ranking", RankingCondition, SupernetRanking, simulated=False, suffix="-ranking")
for _kind in (BLACK_BOX_RUNS, ONE_SHOT_RUNS, RANKINGS):
    KINDS.register(_kind)
