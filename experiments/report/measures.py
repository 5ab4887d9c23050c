"""Measures of reports: what is looked up of the architectures that runs chose, and how texts, columns and figures name it.

Only the reporter looks it up; by then every trajectory is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark_api.tables.table import Table
from benchmark_api.types import FloatArray, IntArray
from experiments.store import AnyExperiment


@dataclass(frozen=True)
class Measure:
    """What reports give of a chosen architecture after full training, in words.

    Attributes:
        name: of the measure, in CSV.
        prefix: of its columns in CSV.
        title: header of its column in text tables.
        accuracy: noun phrase of its values.
        where: phrase that says where a run is better than another.
        mark: end of the headers of columns that are computed from it; empty where the header alone is clear.
        best: the accuracy that regret is the distance to.
        below: what the percentile counts.
        convention: what the accuracies of a text table are.
        explanation: what else a reader must know of them; may be empty.
        of_space: what the accuracy of an architecture of the space is, in brackets; empty where it is as that of a chosen one.
        images: what the images are on which one-shot searches on cifar100 and ImageNet16-120 are reported.
        missing: what an architecture without a value lacks.
    """

    name: str
    prefix: str
    title: str
    accuracy: str
    where: str
    mark: str
    best: str
    below: str
    convention: str
    explanation: str
    of_space: str
    images: str
    missing: str


TEST = Measure(
    name="test accuracy",
    prefix="test",
    title="test",
    accuracy="test accuracy",
    where="on the test set",
    mark="",
    best="the best test accuracy of the space",
    below="that is not better on the test set than the chosen architecture",
    convention="mean over trials, of the architecture that each run chose by validation accuracy",
    explanation="",
    of_space="",
    images="the test accuracy is of the other half",
    missing="full-training accuracy",
)

HELD_OUT = Measure(
    name="held-out trials",
    prefix="held_out",
    title="held-out trials",
    accuracy="accuracy of held-out trials",
    where="in held-out trials",
    mark=", held-out trials",
    best="the best mean over all trials of an architecture, which is the best expectation of any fixed choice",
    below="whose mean over all trials is not higher than that of the held-out trials of the chosen architecture",
    convention="of the architecture that each run chose by validation accuracy",
    explanation="Valid: the trial that the run saw. Held-out trials: mean over the trials that the run did not see, on the same "
    "validation images; over all trials for one-shot searches, which see none. Optimum and space mean: of the means over all "
    "trials.",
    of_space=" (mean over all trials)",
    images="held-out trials are measured on the same images",
    missing="held-out trial",
)

MEASURES = (TEST, HELD_OUT)


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Accuracies after full training on one dataset of a table, percent; NaN where not measured.

    Attributes:
        dataset: the data set.
        measure: what is reported.
        valid: [architecture], validation accuracy of the training without the validation images (cifar10-valid for cifar10),
            mean over trials.
        reported: [architecture], by the measure, mean over trials.
    """

    dataset: str
    measure: Measure
    valid: FloatArray
    reported: FloatArray

    def valid_of(self, experiment: AnyExperiment) -> FloatArray:
        """Validation accuracy of the architecture of each entry [entry]."""
        return self.valid[experiment.architecture]

    def reported_of(self, experiment: AnyExperiment) -> FloatArray:
        """Reported accuracy of the architecture of each entry [entry]."""
        return self.reported[experiment.architecture]


@dataclass(frozen=True, eq=False)
class HeldOutTrials(Accuracies):
    """Accuracies where a table has no test accuracies: of the trials of an architecture that a run did not see.

    Attributes:
        schedule: schedule of the trials; runs on another schedule or data set saw none of them, nor did one-shot searches.
        seen: [architecture, trial], validation accuracy.
        others: [architecture, trial], mean over all other trials.
    """

    schedule: str
    seen: FloatArray
    others: FloatArray

    def valid_of(self, experiment: AnyExperiment) -> FloatArray:
        """Validation accuracy of the trial that each entry saw [entry]; NaN where it saw none."""
        if not self._sees_trials(experiment):
            return np.full(len(experiment.architecture), np.nan)
        return self.seen[experiment.architecture, seen_trials(experiment)]

    def reported_of(self, experiment: AnyExperiment) -> FloatArray:
        """Mean over the trials of each entry's architecture that the entry did not see [entry].

        Raises:
            ValueError: the runs did not see one and the same trial of an architecture, or did not note which.
        """
        if not self._sees_trials(experiment):
            return self.reported[experiment.architecture]
        return self.others[experiment.architecture, seen_trials(experiment)]

    def _sees_trials(self, experiment: AnyExperiment) -> bool:
        facts = experiment.schedule, experiment.dataset
        return experiment.kind.simulated and facts == (self.schedule, self.dataset)


def seen_trials(experiment: AnyExperiment) -> IntArray:
    """Column of the table's trial that answered each entry [entry].

    Raises:
        ValueError: the runs did not see one and the same trial of an architecture, or did not note which.
    """
    trials = experiment.columns.get("trial")
    if trials is None or (trials < 0).any():
        raise ValueError(
            f"{experiment.folder()}: no trial is left that the runs did not see, and {experiment.table_title} has no test "
            'accuracies; expected runs with noise "once" or a trial\'s seed'
        )
    return np.asarray(trials, dtype=np.int64)


def look_up(table: Table, dataset: str) -> Accuracies:
    """Accuracies after full training that are reported on a dataset: of the test set, or of held-out trials without one.

    Raises:
        ValueError: the table lacks them.
    """
    key, schedule = table.search_key(dataset), table.report_schedule
    valid = table.mean_accuracy(key, schedule, "x-valid")
    if table.has_test(dataset):
        return Accuracies(dataset, TEST, valid, table.mean_accuracy(dataset, schedule, table.test_split(dataset, schedule)))
    seen = table.tensor(f"{key}/{schedule}/x-valid/accuracy")[:, :, -1]
    return HeldOutTrials(dataset, HELD_OUT, valid, valid, schedule, seen, table.held_out_accuracy(key, schedule, "x-valid"))
