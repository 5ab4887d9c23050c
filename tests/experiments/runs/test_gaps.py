"""Searches on a table that has trials of some architectures only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables import Table
from benchmark_api.tables.view import ValidationView
from benchmark_api.tables.writer import write_table
from experiments.report.numbers import make_report
from experiments.report.text import text_tables
from experiments.runs.black_box import GapsWarning, condition_with_defaults, task_of
from experiments.runs.run import run
from experiments.settings import RunSettings
from tests.helpers import held_out

SETTINGS = RunSettings(space="topology", dataset="digits", schedule="4", budget=2.5)  # about ten trainings


@pytest.fixture(scope="module")
def sample() -> ValidationView:
    """Every fifth architecture of the digits."""
    view = Table("digits-topology").search_view("digits")
    kept = np.arange(len(view.space)) % 5 == 0
    return replace(
        view,
        seeds=np.where(kept[:, None], view.seeds, -1),
        accuracy=np.where(kept[:, None, None], view.accuracy, np.nan),
    )


@pytest.mark.parametrize("name", BLACK_BOX)
def test_every_search_trains_architectures_of_the_table_only(sample: ValidationView, name: str) -> None:
    task = task_of(BLACK_BOX[name], Table("digits-topology"), "digits", None)
    made = run(BLACK_BOX[name], None, sample, SETTINGS, seed=3, task=task)
    assert len(made.seconds) >= 5
    assert (made.architecture % 5 == 0).all()
    assert np.diff(made.seconds, prepend=0.0).min() > 0.0  # a rejected proposal is no evaluation
    assert made.seconds[-2] < SETTINGS.budget or BLACK_BOX[name].ignores_budget


def test_random_search_draws_what_it_draws_from_all_but_for_those_that_are_missing(sample: ValidationView) -> None:
    whole = run(BLACK_BOX["random"], None, Table("digits-topology").search_view("digits"), replace(SETTINGS, budget=50.0), seed=1)
    kept = whole.architecture[whole.architecture % 5 == 0]
    of_sample = run(BLACK_BOX["random"], None, sample, replace(SETTINGS, budget=50.0), seed=1).architecture
    assert 10 < len(kept) < len(of_sample)
    assert of_sample[: len(kept)].tolist() == kept.tolist()


def test_limits_and_gaps_together(sample: ValidationView) -> None:
    middle = float(np.median(sample.costs["flops"]))
    limits = {"flops": (-np.inf, middle)}
    made = run(BLACK_BOX["rea"], None, sample, SETTINGS, seed=0, limits=limits)
    assert (made.architecture % 5 == 0).all()
    assert (sample.costs["flops"][made.architecture] <= middle).all()
    allowed = sample.allowed(limits)
    assert allowed.sum() == (sample.measured & (sample.costs["flops"] <= middle)).sum() < sample.measured.sum()


def test_plans_and_reports_say_that_trials_are_missing(tmp_path: Path) -> None:
    accuracy = np.array([[50.0, 52.0], [np.nan, np.nan], [60.0, 61.0], [np.nan, np.nan]])
    table = held_out.write_table(tmp_path / "part.safetensors", SizeSpace(widths=(4, 8), layers=2), accuracy)
    text = "2 of 4 architectures have a trial of cifar10-valid/200; proposals of others are rejected, free of charge"
    assert table.search_view("cifar10").gaps == text
    experiment = held_out.experiment(table, [[(0, 0), (2, 1)], [(2, 0)]])
    shown = "\n".join(note for part in text_tables(make_report(table, [experiment])) for note in part.notes)
    assert f"cifar10, black-box searches: {text}." in shown


def test_a_plan_warns_of_gaps(tmp_path: Path, size_table: Table) -> None:
    tensors = {name: np.array(values) for name, values in size_table.tensors.items()}
    tensors["cifar10-valid/12/seeds"][1::2] = -1
    write_table(tmp_path / "part.safetensors", tensors, size_table.metadata)
    part = Table(tmp_path / "part.safetensors")
    settings = RunSettings.of(part, "cifar10")
    with pytest.warns(GapsWarning, match=r"part.safetensors: 14 of 27 architectures have a trial of cifar10-valid/12; proposals"):
        condition_with_defaults(part, BLACK_BOX["random"], {}, settings)


def test_a_table_of_all_has_no_gaps() -> None:
    view = Table("digits-topology").search_view("digits")
    assert view.gaps == ""
    assert view.measured.all()
