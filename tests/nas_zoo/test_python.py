"""The public API: sweeps, results as frames, arrays, architectures, comparisons and panels."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import nas_zoo
from algorithms.black_box import BLACK_BOX, RandomSearch
from algorithms.one_shot import ONE_SHOT, Rsps
from benchmark_api.tables.table import Table
from experiments import store
from experiments.report import aggregates
from experiments.runs.black_box import MissingEpochs
from nas_zoo.plotting import Plots
from tests.golden.make import RESULTS

ROOT = Path(__file__).resolve().parents[2]


class Mine(RandomSearch):
    """A search that is handed over as a class."""

    name, title, paper = "mine-of-tests", "Mine", "unpublished"


class MySupernet(Rsps):
    """A one-shot search that is handed over as a class."""

    name, title, paper = "my-supernet-of-tests", "My supernet", "unpublished"


@pytest.fixture(autouse=True, scope="module")
def registries() -> Iterator[None]:
    """Afterwards the registries are as before."""
    with pytest.MonkeyPatch.context() as patch:
        for registry in (BLACK_BOX, ONE_SHOT):
            patch.setattr(registry, "_entries", dict(registry))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def results(folder: Path) -> nas_zoo.Results:
    options = {"dataset": "cifar100", "results": folder, "jobs": 1, "quiet": True}
    nas_zoo.sweep(["rea"], seeds=8, **options)
    return nas_zoo.sweep([Mine, "rea", ("rea", {"population_size": 5})], seeds=6, **options)


def test_a_sweep_gives_the_runs_that_were_asked_for(results: nas_zoo.Results, folder: Path) -> None:
    assert [experiment.algorithm for experiment in results.experiments] == ["mine-of-tests", "rea", "rea"]
    assert [len(experiment.seeds) for experiment in results.experiments] == [6, 6, 6]
    (usual,) = (one for one in store.load(folder, algorithm="rea") if len(one.seeds) == 8)
    some = results.experiments[1]
    np.testing.assert_array_equal(some.columns["accuracy"], usual.columns["accuracy"][: usual.offsets[6]])
    np.testing.assert_array_equal(some.offsets, usual.offsets[:7])
    again = usual.of_seeds([7, 2])
    assert again.seeds.tolist() == [2, 7]
    np.testing.assert_array_equal(again.architecture[again.offsets[1] :], usual.architecture[usual.offsets[7] :])
    everything = nas_zoo.load(folder, dataset="cifar100")
    assert sorted(len(experiment.seeds) for experiment in everything.experiments) == [6, 6, 8]
    assert repr(everything.only("mine-of-tests")) == "Results: mine-of-tests on cifar100 (6 runs)"


def test_frames(results: nas_zoo.Results) -> None:
    runs, summary = results.runs(), results.summary()
    assert len(runs) == 18
    assert runs.groupby("title").size().to_dict() == {"Mine": 6, "REA": 6, "REA, population size 5": 6}
    table = Table("nats-topology")
    first = runs.iloc[0]
    assert table.space.index(table.space.from_string(first["architecture"])) == first["index"]
    assert first["flops"] == pytest.approx(table.metric("flops", "cifar100", "200")[first["index"]])
    means = runs.groupby("title")["accuracy"].mean()
    for _, row in summary.iterrows():
        assert row["held_out_mean"] == pytest.approx(means[row["title"]])
        assert row["held_out_regret"] == pytest.approx(runs[runs["title"] == row["title"]]["regret"].mean())
    assert not summary.isna().all().any()
    assert {one.index for one in results.found()} == set(summary["best_index"])


def test_a_comparison_is_of_one_search_with_each_other(results: nas_zoo.Results) -> None:
    compared = results.compare(against="mine-of-tests")
    assert compared["search"].tolist() == ["rea", "rea (population_size=5)"]
    means = results.runs().groupby("title")["accuracy"].mean()
    assert compared["difference"].tolist() == pytest.approx([means["Mine"] - means[name] for name in means.index[1:]])
    assert ((compared["low"] < compared["difference"]) & (compared["difference"] < compared["high"])).all()
    assert compared["p"].between(0, 1).all()
    with pytest.raises(ValueError, match="no row is named 'bohb'"):
        results.compare("bohb")


def test_curves(results: nas_zoo.Results) -> None:
    curves = {curve.title: curve for curve in results.anytime(points=50)}
    mine, rea = curves["Mine"], curves["REA"]
    assert (len(curves), mine.algorithm, mine.measure) == (3, "mine-of-tests", "held-out trials")
    assert mine.accuracy.shape == (6, 50)
    np.testing.assert_array_equal(mine.seconds, rea.seconds)
    assert mine.seconds[-1] == pytest.approx(730_000)
    finals = results.runs()
    assert mine.accuracy[:, -1].tolist() == pytest.approx(finals[finals["title"] == "Mine"]["accuracy"].tolist())
    assert mine.interval is not None
    assert mine.interval[0, -1] < mine.mean[-1] < mine.interval[1, -1]


def test_panels(results: nas_zoo.Results) -> None:
    figure, axes = plt.subplots(2, 2)
    assert results.plot.anytime(axes[0, 0]) is axes[0, 0]
    labels = {text.get_text() for text in axes[0, 0].get_legend().get_texts()}
    assert labels >= {"Mine, n = 6", "REA, n = 6"}
    results.plot.final(axes[0, 1])
    results.plot.ranks(axes[1, 0])
    results.plot.costs("params", axes[1, 1])
    assert all(panel.has_data() for panel in axes.flat)
    assert {text.get_text() for text in axes[1, 1].get_legend().get_texts()} == labels - {"optimum"}
    plt.close(figure)


def test_panels_over_all_datasets(results: nas_zoo.Results) -> None:
    iqm = results.plot.iqm()
    (report,) = results.reports
    drawn = {label.get_text(): float(line.get_xdata()[0]) for label, line in zip(iqm.get_yticklabels(), iqm.lines, strict=True)}
    assert drawn == {one.title: one.iqm.value for one in aggregates(report)}
    assert set(drawn) == {"Mine", "REA", "REA, population size 5"}
    profile = results.plot.profile(table="nats-topology")
    assert {text.get_text() for text in profile.get_legend().get_texts()} == set(drawn)
    shares = {str(line.get_label()): np.asarray(line.get_ydata()) for line in profile.lines}
    assert all((np.diff(values) <= 0).all() for values in shares.values())
    plt.close("all")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda plot: plot.costs("watts"), "unknown metric 'watts'; the table has params, flops, latency"),
        (lambda plot: plot.final(dataset="cifar10"), "no results for dataset='cifar10'; expected one of CIFAR-100"),
        (lambda plot: plot.iqm(table="mine"), "no results for table='mine'; expected one of nats-topology"),
        (lambda plot: plot.hypervolume(), "no fronts for dataset=None; expected one of no results"),
        (lambda plot: plot.attainment("params", "flops"), "of accuracy and one metric, got params, flops"),
        (lambda plot: plot.epochs("gdas"), "no one-shot results for search='gdas' on CIFAR-100; expected one of no results"),
    ],
)
def test_panels_that_cannot_be_drawn_make_no_figure(
    results: nas_zoo.Results, draw: Callable[[Plots], object], message: str
) -> None:
    before = plt.get_fignums()
    with pytest.raises(ValueError, match=message):
        draw(results.plot)
    assert plt.get_fignums() == before


def test_several_tables_or_searches_must_be_told_apart() -> None:
    stored = nas_zoo.load(RESULTS)
    with pytest.raises(ValueError, match="several results for table=None; expected one of digits-topology, digits-size"):
        stored.plot.iqm()
    assert stored.plot.iqm(table="digits-size").has_data()
    topology = nas_zoo.load(RESULTS, space="topology")
    with pytest.raises(ValueError, match=r"several one-shot results for search=None on digits; expected one of rsps.*gdas"):
        topology.plot.epochs()
    plt.close("all")


def test_panels_of_one_shot_searches() -> None:
    plot = nas_zoo.load(RESULTS, space="topology").plot
    (experiment,) = store.load(RESULTS, store.ONE_SHOT_RUNS, algorithm="gdas", space="topology")
    epochs = plot.epochs("gdas")
    assert epochs.get_xlim()[1] == experiment.config_values()["epochs"] + 0.5
    assert "GDAS" in epochs.get_title()
    assert [text.get_text().split(" ")[0] for text in epochs.get_legend().get_texts()] == ["optimum", "space", "RANDOM,"]
    operations, weights = plot.operations("gdas"), plot.weights("gdas")
    assert sum(bar.get_height() for bar in operations.patches) == pytest.approx(6 * experiment.config_values()["epochs"])
    assert weights.images[0].get_array().shape == (6, 5)
    with pytest.raises(ValueError, match=r"RSPS.* has no architecture weights"):
        plot.weights("rsps")
    with pytest.raises(ValueError, match="the size space has no operations to count"):
        nas_zoo.load(RESULTS, space="size").plot.operations()
    plt.close("all")


def test_fronts(folder: Path) -> None:
    found = nas_zoo.sweep(["nsga2"], dataset="cifar10", seeds=2, results=folder, jobs=1, quiet=True)
    assert len(found.runs()) == len(found.summary()) == 0
    fronts = found.fronts("params")
    assert fronts["algorithm"].tolist() == ["nsga2"]
    assert 0 <= fronts["hypervolume_regret_mean"].iloc[0] <= 100
    ((report,),) = found.front_reports("params")
    assert fronts["hypervolume_regret_mean"].tolist() == [row.reached.mean for row in report.rows]  # not rounded as in CSV
    hypervolume = found.plot.hypervolume("params", dataset="cifar10")
    last = 100 - fronts["hypervolume_regret_mean"].iloc[0]
    assert np.mean([line.get_ydata()[-1] for line in hypervolume.lines if len(line.get_xdata()) > 2]) == pytest.approx(last)
    attainment = found.plot.attainment("params")
    assert [text.get_text().split(",")[0] for text in attainment.get_legend().get_texts()][1:] == ["exact front", "NSGA-II"]
    plt.close("all")


@pytest.mark.parametrize(
    ("searches", "options", "error", "message"),
    [
        (["rae"], {}, ValueError, r"unknown black-box search 'rae'; .* \(did you mean 'rea'\?\)"),
        ([int], {}, ValueError, "int is no search"),
        (["rea", "hyperband"], {}, MissingEpochs, "hyperband needs validation accuracies after 2, 7, 22"),
        ([("rea", {"population": 5})], {}, TypeError, "population"),
        ([("rea", {"population_size": 0})], {}, ValueError, "population_size must be at least 1"),
        (["rea"], {"table": "nowhere"}, FileNotFoundError, "no table file nowhere"),
        (["rea"], {"dataset": "svhn"}, ValueError, "svhn"),
        (["rea"], {"budgets": 3}, TypeError, "budgets"),
    ],
)
def test_wrong_input_runs_nothing(
    searches: list[str], options: dict[str, object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        nas_zoo.sweep(searches, results=tmp_path / "none", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "none").exists()


def test_failed_runs_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise KeyError("broken")

    monkeypatch.setattr(Mine, "_propose", broken)
    with pytest.raises(RuntimeError, match=r"(?s)^3 of 3 runs failed; .* The first: .*KeyError: 'broken'"):
        nas_zoo.sweep([Mine], seeds=3, results=tmp_path, quiet=True)


@pytest.mark.slow
def test_supernets_in_processes_that_know_the_class(tmp_path: Path) -> None:
    short = {"epochs": 1, "batch": 450, "candidates": 3}
    options = {"results": tmp_path, "jobs": 2, "quiet": True}
    found = nas_zoo.train_one_shot([(MySupernet, short), ("rsps", short)], seeds=1, **options)  # type: ignore[arg-type, list-item]
    mine, usual = found.experiments
    np.testing.assert_array_equal(mine.architecture, usual.architecture)
    assert found.runs()["kind"].tolist() == ["one-shot"] * 2
    assert [one.of_runs for one in found.found()] == [1, 1]
    with pytest.raises(ValueError, match="one-shot searches spend no simulated time"):
        found.plot.anytime()


def test_an_architecture_is_taken_along() -> None:
    text = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    network = nas_zoo.network("digits-topology", text)
    assert isinstance(network, torch.nn.Module)
    assert network.architecture == text
    axes = nas_zoo.draw("digits-topology", network.index)
    assert axes.has_data()
    assert nas_zoo.draw("digits-topology", text, axes) is axes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["architectures", "results", "runs"])
def test_examples_in_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(import_module(f"nas_zoo.{name}"))
    assert failed == 0
    assert tried >= 1


def test_the_import_is_light_and_every_name_exists() -> None:
    code = "import sys, nas_zoo; print([name for name in ('numpy', 'torch', 'pandas', 'matplotlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    for name in nas_zoo.__all__:
        assert getattr(nas_zoo, name) is not None
    assert set(nas_zoo.__all__) == set(dir(nas_zoo))
    with pytest.raises(AttributeError, match="no attribute 'swep'"):
        nas_zoo.swep  # noqa: B018
