"""Versions of the code: that which made stored runs, and that which would make them now."""

from __future__ import annotations

from benchmark_api.spaces import SearchSpace
from experiments.store import AnyExperiment


def version_of(experiment: AnyExperiment, space: SearchSpace) -> str:
    """Return the version of the code that would make the runs of an experiment now.

    Raises:
        ValueError: its search is not registered.
    """
    version: str = experiment.kind.job_class.version(experiment.condition, space)
    return version


def other_versions(experiment: AnyExperiment, space: SearchSpace) -> list[str]:
    """Return the versions that made runs of an experiment and are not the one that would make them now.

    There are none where nobody could make them now: the search is not registered, or the runs follow from others.
    """
    if not experiment.kind.job or experiment.search_class() is None:
        return []
    return sorted({*experiment.code_versions} - {version_of(experiment, space)})
