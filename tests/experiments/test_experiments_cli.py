"""`python -m experiments`, and the report it prints."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import algorithms.one_shot
from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from benchmark_api.tables.table import EMBEDDED, Table
from experiments import store
from experiments.__main__ import COMMAND_LINE, COMMANDS, main
from experiments.commands.ranking import RankingCommand
from experiments.commands.reproduce import ReproduceCommand
from experiments.commands.results import FrontsCommand, TableCommand
from experiments.commands.run import Search
from experiments.report import numbers, published, tables_of
from experiments.runs import one_shot as one_shot_runs
from experiments.runs.run import Run
from experiments.settings import BUDGETS
from experiments.store import Experiment

FIRST_COLUMNS = ["space", "dataset", "algorithm", "seeds", "valid_mean", "valid_std", "test_mean", "test_std"]
ROOT = Path(__file__).resolve().parents[2]

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def results(topology_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 runs each of random search and REA on cifar10, 6 of bohb and 3 of a REA with another population."""
    folder = tmp_path_factory.mktemp("results")
    common = ["--table", str(topology_table.path), "--results", str(folder), "--jobs", "1"]
    assert main(["run", "random", *common, "--seeds", "30"]) == 0
    assert main(["run", "rea", *common, "--seeds", "30"]) == 0
    assert main(["run", "bohb", *common, "--seeds", "6"]) == 0
    assert main(["run", "rea", *common, "--seeds", "3", "--population-size", "20"]) == 0
    return folder


def test_run_goes_to_the_store_and_is_not_repeated(experiments: Command, topology_table: Table, tmp_path: Path) -> None:
    command = ("run", "rea", "--space", "topology", "--dataset", "cifar100", "--table", topology_table.path)
    options = ("--results", tmp_path, "--budget", 2000, "--tournament-size", 5, "--jobs", 1, "--charge", "resume")
    status, out, _ = experiments(*command, *options, "--seeds", 3)
    assert status == 0
    assert out.startswith("3 new runs ")
    status, out, _ = experiments(*command, *options, "--seeds", 5)
    assert out.startswith("2 new runs ")
    assert experiments(*command, *options, "--seeds", 2, "--first-seed", 4)[1].startswith("1 new runs ")
    (experiment,) = store.load(tmp_path)
    assert experiment.seeds.tolist() == [0, 1, 2, 3, 4, 5]
    assert (experiment.budget, experiment.charge, experiment.dataset) == (2000, "resume", "cifar100")
    assert experiment.hyperparameters == '{"population_size": 10, "redraw": false, "tournament_size": 5}'
    assert experiment.table_fingerprint == topology_table.fingerprint
    assert experiment.table_path == str(topology_table.path)


@pytest.mark.parametrize("name", list(BLACK_BOX))
def test_every_algorithm_has_a_subcommand_with_its_hyperparameters(name: str, experiments: Command) -> None:
    status, out, _ = experiments("run", name, "--help")
    assert status == 0
    for field in BLACK_BOX[name].Config.__dataclass_fields__:
        assert "--" + field.replace("_", "-") in out


def test_the_overview_has_every_command_under_a_heading(experiments: Command) -> None:
    status, out, _ = experiments("--help")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if re.match(r"  [a-z]+  ", line)] == COMMAND_LINE.names
    assert set(COMMAND_LINE.names) == {"run", *COMMANDS}
    assert experiments("--version")[1].startswith("nas-zoo 0.")
    assert experiments()[0] == 2


def test_list_names_every_algorithm(experiments: Command) -> None:
    _, out, _ = experiments("list")
    for name, search in BLACK_BOX.items():
        assert f"{name}\n  {search.title}, black-box, topology and size space\n  {search.paper}" in out
    assert "population_size=10, tournament_size=3" in out


def test_names_for_the_makefile(experiments: Command) -> None:
    assert experiments("list", "--names", "black-box")[1].split() == list(BLACK_BOX)
    full = [name for name, search in BLACK_BOX.items() if search.without_fidelities(200) is not None]
    assert full[:6] == ["random", "rea", "reinforce", "local-search", "bohb", "bohb-reference"]
    assert experiments("list", "--names", "full-training")[1].split() == full
    assert experiments("list", "--names", "one-shot")[1].split() == list(ONE_SHOT)
    assert experiments("list", "--names", "size")[1].split() == ["tas", "fbnetv2", "tunas"]
    assert experiments("list", "--names", "sizes")[2].startswith("error: names must be black-box, full-training, one-shot or ")


def test_help_shows_both_defaults_of_a_one_shot_search(experiments: Command) -> None:
    text = re.sub(r"[\s│]+", " ", experiments("run", "gdas", "--help")[1])
    assert "--epochs INT Length of the search" in text
    assert "(default: 100; on digits: 18)" in text
    assert "--arch-betas FLOAT FLOAT" in text
    assert "(default: 0.5 0.999)" in text


def test_given_hyperparameters_replace_defaults_of_the_dataset() -> None:
    def configured(name: str, dataset: str, **given: Any) -> Any:
        search = Search.of(ONE_SHOT[name])
        return replace(search, hyperparameters=replace(search.hyperparameters, given=given)).config(dataset)

    assert (configured("gdas", "digits").epochs, configured("gdas", "cifar10").epochs) == (18, 100)
    assert configured("gdas", "digits", epochs=100) == replace(configured("gdas", "digits"), epochs=100)
    assert configured("tas", "digits", flops_target=None).flops_target is None


def test_options_that_are_not_given_have_defaults_of_the_dataset(
    experiments: Command, digits_table: Table, tmp_path: Path
) -> None:
    """Also where an option is given that equals the default of other datasets."""
    command = ("run", "gdas", "--table", digits_table.path, "--results", tmp_path, "--jobs", 1, "--seeds", 1)
    assert experiments(*command, "--epochs", 1, "--batch", 64, "--eval-batch", 16)[0] == 0
    (found,) = store.load(tmp_path, store.ONE_SHOT_RUNS)
    hyperparameters = json.loads(found.hyperparameters)
    assert [hyperparameters[name] for name in ("epochs", "batch", "eval_batch", "rate")] == [1, 64, 16, 0.1]


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a new process, as a user does."""
    variables = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "rea", "--help"], ["list", "--names", "black-box"]])
def test_commands_that_need_no_pytorch_import_none(arguments: list[str]) -> None:
    code = f"""
import sys
from experiments.__main__ import COMMAND_LINE, COMMANDS, main
try:
    main({arguments})
finally:
    print([name for name in ("torch", "scipy", "matplotlib", "plots") if name in sys.modules], file=sys.stderr)
"""
    done = python("-c", code)
    assert done.returncode == 0
    assert done.stderr == "[]\n"


PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated

from algorithms.black_box import BLACK_BOX, RandomSearch
from benchmark_api.bounds import Bounded, at_least, between, positive


@dataclass(frozen=True)
class WideConfig(Bounded):
    """Hyperparameters of wide search."""

    width: Annotated[int, at_least(1)] = 4
    """Candidates per step."""
    shares: tuple[Annotated[float, between(0, 1, "[)")], ...] = (0.5, 0.25)
    """Shares of the steps."""
    scale: Annotated[float | None, positive] = None
    """Scale; by default none."""


@BLACK_BOX.register
class WideSearch(RandomSearch):
    name = "wide"
    title = "WIDE"
    paper = "of nobody"
    Config = WideConfig
'''


def test_a_plugin_is_a_subcommand_with_its_bounds(topology_table: Table, tmp_path: Path) -> None:
    (tmp_path / "wide_search.py").write_text(PLUGIN)
    environment = {"NAS_ZOO_PLUGINS": "wide_search", "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    done = python("-m", "experiments", "run", "wide", "--help", **environment)
    for text in (
        "WIDE: of nobody",
        "--width INT Candidates per step. Must be at least 1. (default: 4)",
        "--shares [FLOAT [FLOAT ...]] Shares of the steps. Each must be in [0, 1). (default: 0.5 0.25)",
        "--scale {None}|FLOAT Scale; by default none. Must be positive. (default: None)",
    ):
        assert text in re.sub(r"[\s│]+", " ", done.stdout)
    command = ("-m", "experiments", "run", "wide", "--table", str(topology_table.path), "--results", str(tmp_path))
    refused = python(*command, "--width", "0", **environment)
    assert (refused.returncode, refused.stderr) == (2, "error: width must be at least 1, got 0\n")
    by_file = python("-m", "experiments", "run", "wide", "--help", "--module", str(tmp_path / "wide_search.py"))
    assert by_file.stdout == done.stdout
    missing = python("-m", "experiments", "list", NAS_ZOO_PLUGINS="no_such_module")
    assert (missing.returncode, missing.stderr) == (2, "error: No module named 'no_such_module'\n")


def test_status_tells_complete_missing_and_failed(results: Path, experiments: Command, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "copy")
    note = next((tmp_path / "copy").rglob("bohb-*")) / "seeds-00006-00024.failed"
    note.write_text("Traceback\nRuntimeError: no luck\n")
    status, out, _ = experiments("status", "--results", tmp_path / "copy", "--seeds", 30)
    assert status == 0
    assert "topology cifar10 random: 30 runs, complete\n" in out
    assert "topology cifar10 bohb: 6 runs, missing 6-29\n" in out
    assert "topology cifar10 rea (population_size=20): 3 runs, missing 3-29\n" in out
    assert out.endswith(f"failed: {note}: RuntimeError: no luck\n")


def test_csv(results: Path, experiments: Command, topology_table: Table) -> None:
    status, out, _ = experiments("table", "--results", results, "--format", "csv")
    assert status == 0
    assert out.splitlines()[0].split(",")[: len(FIRST_COLUMNS)] == FIRST_COLUMNS
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["algorithm"], row["seeds"]) for row in rows] == [("random", "30"), ("rea", "30"), ("rea", "3"), ("bohb", "6")]
    (experiment,) = (e for e in store.load(results, algorithm="random"))
    chosen = best_by_hand(experiment)
    valid = topology_table.accuracy(chosen, "cifar10-valid", "200", "x-valid")
    test = topology_table.accuracy(chosen, "cifar10", "200", "ori-test")
    figures = [valid.mean(), valid.std(ddof=1), test.mean(), test.std(ddof=1)]
    assert [float(rows[0][name]) for name in FIRST_COLUMNS[4:]] == pytest.approx(figures, abs=1e-4)
    best = topology_table.best("cifar10", "200", "ori-test")[1]
    assert float(rows[0]["test_regret"]) == pytest.approx(best - test.mean(), abs=1e-4)
    assert float(rows[0]["test_low"]) < test.mean() < float(rows[0]["test_high"])
    assert rows[2]["test_low"] == ""  # three runs have no interval
    assert float(rows[0]["published_test_mean"]) == 93.86
    assert rows[2]["published_test_mean"] == rows[3]["published_test_mean"] == ""


def best_by_hand(experiment: Experiment) -> list[int]:
    """The architecture with the highest accuracy among those evaluated within the budget, run by run."""
    chosen = []
    for start, stop in zip(experiment.offsets[:-1], experiment.offsets[1:], strict=True):
        within = range(start, start + int((experiment.seconds[start:stop] <= experiment.budget).sum()))
        chosen.append(int(experiment.architecture[max(within, key=lambda i: (experiment.accuracy[i], -i))]))
    return chosen


def test_markdown_says_what_must_be_known(results: Path, experiments: Command) -> None:
    _, out, _ = experiments("table", "--results", results)
    first = out.splitlines()[0]
    assert "topology space" in first
    assert "made up for tests" in first  # the table's notice is in the title
    for text in ("optimum", "space mean", "rea (population_size=20)", "93.86 ± 0.23", "n < 5", "Its BOHB row is bohb-reference"):
        assert text in out
    accuracies, merits, comparisons = out.split("\n### ")
    for table in (accuracies, merits):
        assert len({len(line) for line in table.splitlines() if line.startswith("| cifar10")}) == 1  # aligned
    assert "average rank" in merits
    assert "probability that a run" in comparisons
    assert "Mann-Whitney" in out
    assert "***" in next(line for line in out.splitlines() if line.startswith("| rea ") and "cifar10" not in line)


def test_latex_is_escaped(results: Path, experiments: Command) -> None:
    _, out, _ = experiments("table", "--results", results, "--format", "latex")
    assert out.count(r"\begin{table}") == out.count(r"\end{table}") == 3
    assert r"population\_size" in out
    assert "±" not in out
    body = [line for line in out.splitlines() if line.startswith("cifar10 &")]
    assert {line.count("&") for line in body} == {7, 8}  # accuracies; merits without wall time: nothing was trained


def test_reference_protocol_is_said_and_uses_its_spread(results: Path, experiments: Command) -> None:
    _, step, _ = experiments("table", "--results", results, "--format", "csv")
    _, reference, _ = experiments("table", "--results", results, "--format", "csv", "--protocol", "reference")
    ours, theirs = (next(csv.DictReader(io.StringIO(text))) for text in (step, reference))
    assert (ours["protocol"], theirs["protocol"]) == ("step", "reference")
    assert float(theirs["valid_std"]) < float(ours["valid_std"])  # ddof 0
    assert "line through the two times" in experiments("table", "--results", results, "--protocol", "reference")[1]


def test_the_table_can_have_moved(
    results: Path, experiments: Command, topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = shutil.copy(topology_table.path, tmp_path / "moved.safetensors")
    _, expected, _ = experiments("table", "--results", results)
    assert experiments("table", "--results", results, "--table", moved)[:2] == (0, expected)
    common = ("--results", tmp_path / "own", "--seeds", 2, "--jobs", 1, "--budget", 500)
    assert experiments("run", "random", "--table", moved, *common)[0] == 0
    Path(moved).unlink()
    status, _, error = experiments("table", "--results", tmp_path / "own")
    assert status == 2
    assert "--table" in error
    monkeypatch.setitem(EMBEDDED, "mine", topology_table.path)  # the project's own tables are known by their fingerprints
    assert experiments("table", "--results", tmp_path / "own")[0] == 0
    monkeypatch.delitem(EMBEDDED, "mine")
    assert experiments("run", "random", "--table", "nats-topology", *common[:-2])[0] == 0  # in the same folder
    with pytest.warns(UserWarning, match=r"left out: the table of .* is no longer at .*; name it with --table"):
        status, out, _ = experiments("table", "--results", tmp_path / "own")
    assert (status, "NATS-Bench topology" in out) == (0, True)
    shutil.copy(topology_table.path, moved)
    assert experiments("table", "--results", tmp_path / "own")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "rea", "--table", "nowhere"], "no table file nowhere"),
        (["run", "rea", "--table", "TABLE", "--dataset", "svhn"], "svhn"),
        (["run", "rea", "--table", "TABLE", "--space", "size"], "topology"),
        (["run", "rea", "--table", "TABLE", "--population-size", "0"], "population_size"),
        (["run", "rea", "--table", "TABLE", "--budget", "-1"], "budget"),
        (["run", "rea", "--table", "TABLE", "--budget", "inf"], "max_queries"),
        (["run", "rea", "--table", "TABLE", "--schedule", "13"], "13"),
        (["run", "rea", "--table", "TABLE", "--seeds", "0"], "seeds"),
        (["run", "rea", "--table", "TABLE", "--jobs", "0"], "jobs"),
        (["run", "rea", "--table", "TABLE", "--gpus", "0.5"], "--engine ray"),
        (["run", "rea", "--table", "TABLE", "--noise", "5"], "noise"),
        (["run", "rea", "--table", "README"], "not a table"),
        (["run", "rea", "--table", "nats-topology", "--noise", "mean"], "noise must be once or a trial's seed, got mean"),
        (
            ["run", "hyperband", "--table", "nats-topology"],
            "hyperband needs validation accuracies after 2, 7, 22, 66, 200 epochs",
        ),
        (["run", "bohb", "--table", "nats-topology", "--min-epochs", "1"], "bohb needs validation accuracies after 2, 7, 22, 66"),
        (["table", "--results", "nowhere"], "no results folder nowhere"),
        (["table", "--results", "RESULTS", "--dataset", "cifar100"], "no such run"),
        (["table", "--results", "RESULTS", "--table", "SIZE"], "no stored run"),
        (["status", "--results", "nowhere"], "no results folder nowhere"),
        (["status", "--results", "EMPTY"], "holds no run"),
        (["verify", "--results", "EMPTY"], "holds no run to verify"),
        (["tabel"], "unknown command 'tabel'; expected one of run, reproduce, "),
        (["run", "rae", "--table", "TABLE"], "(did you mean 'rea'?)"),
        (["run", "rea", "--module"], "--module has no value"),
        (["reproduce", "--table", "nowhere"], "no table file nowhere"),
        (["reproduce", "--table"], "no table: "),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], message: str, experiments: Command, topology_table: Table, size_table: Table, results: Path
) -> None:
    paths = {"TABLE": topology_table.path, "SIZE": size_table.path, "RESULTS": results, "README": Path(__file__)}
    paths["EMPTY"] = results.parent / "empty"
    paths["EMPTY"].mkdir(exist_ok=True)
    status, out, error = experiments(*[paths.get(argument, argument) for argument in arguments])
    assert (status, out) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


def test_an_algorithm_that_fails_fails_the_command(
    experiments: Command, topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object) -> None:
        raise RuntimeError("broken algorithm")

    monkeypatch.setattr(BLACK_BOX["random"], "_propose", broken)
    status, out, error = experiments("run", "random", "--table", topology_table.path, "--results", tmp_path, "--seeds", 30)
    assert status == 1
    assert out.startswith("0 new runs")
    assert error.count("RuntimeError: broken algorithm") == 1
    assert "(1 more jobs failed from this cause)" in error
    assert error.endswith("error: 30 of 30 runs failed; the same command tries them again\n")


def test_a_budget_below_one_evaluation_stores_nothing(experiments: Command, topology_table: Table, tmp_path: Path) -> None:
    run = ("run", "random", "--table", topology_table.path, "--results", tmp_path, "--seeds", 50, "--jobs", 1)
    status, _, error = experiments(*run, "--budget", 0.001)
    assert status == 1
    assert "simulated seconds, more than the budget of 0.001: give more (--budget)" in error
    assert not list(tmp_path.rglob("*.parquet"))


def test_mixed_code_versions_warn_in_one_line(results: Path, topology_table: Table, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(results, folder)
    (experiment,) = store.load(folder, algorithm="random")
    condition = store.Condition(**{name: getattr(experiment, name) for name in store.BLACK_BOX_RUNS.fields})
    (path,) = (path for path in folder.rglob("random-*/*.parquet") if path.name == "seeds-00025-00029.parquet")
    piece = [Run(s, np.array([9.0]), np.zeros(1, "i4"), np.full(1, 12, "i2"), np.ones(1), 0.1) for s in range(25, 30)]
    path.unlink()
    store.write_piece(folder, condition, piece, "0.0.0+older", str(topology_table.path))
    done = python("-m", "experiments", "status", "--results", str(folder))
    assert done.returncode == 0
    assert done.stderr.startswith("warning: topology/cifar10/random-")
    assert done.stderr.count("\n") == 1


def test_a_figure_that_the_table_lacks_is_named(results: Path, topology_table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = numbers.look_up(topology_table, "cifar10")
    loaded = store.load(results, algorithm="random")
    test = accuracies.reported.copy()
    test[best_by_hand(loaded[0])[4]] = np.nan
    monkeypatch.setattr(numbers, "look_up", lambda table, dataset: replace(accuracies, reported=test))
    with pytest.raises(ValueError, match=r"no full-training accuracy on cifar10 of architecture \d+, chosen by random"):
        numbers.make_report(topology_table, loaded)


def test_published_rows_are_found_by_registry_name() -> None:
    paper = {"searched": "12", "reported": "200"}
    assert published.find("topology", "cifar100", "rea", **paper) == ((72.28, 0.95, 72.23, 0.84), 500)
    assert published.find("topology", "ImageNet16-120", "bohb-reference", **paper) == ((45.55, 0.79, 45.70, 0.86), 500)
    for unknown in (("size", "cifar10", "rea"), ("topology", "digits", "rea"), ("topology", "cifar10", "bohb")):
        assert published.find(*unknown, **paper) is None


def test_published_rows_are_of_the_schedules_of_the_paper() -> None:
    for schedules in ({"searched": "200", "reported": "200"}, {"searched": "12", "reported": "12"}):
        assert published.find("topology", "cifar10", "rea", **schedules) is None
    assert published.optimum("topology", "cifar10", reported="200") == (91.61, 94.37)
    assert published.optimum("topology", "cifar10", reported="12") is None


def test_reproduce(experiments: Command, size_table: Table, tmp_path: Path) -> None:
    status, out, _ = experiments(
        "reproduce", "--table", size_table.path, "--budget", 4_000, "--seeds", 2, "--jobs", 2, "--results", tmp_path
    )
    assert status == 0
    for name in BLACK_BOX:
        for dataset in ("cifar10", "cifar100"):
            (experiment,) = store.load(tmp_path, dataset=dataset, algorithm=name)
            assert experiment.seeds.tolist() == [0, 1]
            assert any(line.startswith(f"| {dataset} ") and f" {name} " in line for line in out.splitlines())
    assert "### size space" in out
    assert out.startswith("left out: one-shot searches on cifar10, cifar100: they need its images; name their folder: --data")
    assert not store.load(tmp_path, store.ONE_SHOT_RUNS)


def test_runs_on_a_table_of_full_trainings_without_tests(experiments: Command, tmp_path: Path) -> None:
    options = ("--table", "nats-topology", "--dataset", "cifar100", "--seeds", 2, "--jobs", 1, "--results", tmp_path)
    assert [experiments("run", name, *options)[0] for name in ("rea", "bohb")] == [0, 0]
    bohb, rea = store.load(tmp_path)
    assert (rea.noise, rea.schedule, rea.budget) == ("once", "200", 730_000)
    assert rea.trial is not None
    accuracy = Table("nats-topology").tensor("cifar100/200/x-valid/accuracy")[:, :, -1]  # [architecture, trial]
    np.testing.assert_array_equal(rea.accuracy, accuracy[rea.architecture, rea.trial])
    assert set(bohb.epochs.tolist()) == {200}
    out = experiments("status", "--results", tmp_path)[1]
    assert "topology cifar100 rea: 2 runs" in out
    assert "topology cifar100 bohb (min_epochs=200): 2 runs" in out
    status, out, _ = experiments("verify", "--results", tmp_path)
    assert (status, out.count("2 runs read, 2 made again")) == (0, 2)


def test_stored_columns_of_other_runs_are_as_before(results: Path) -> None:
    (random,) = store.load(results, algorithm="random")
    assert sorted(random.columns) == ["accuracy", "architecture", "epochs", "seconds"]
    assert random.trial is None


def test_several_workers(experiments: Command, tmp_path: Path) -> None:
    options = ("--table", "digits-topology", "--dataset", "digits", "--seeds", 10, "--jobs", 1, "--results", tmp_path)
    for workers in (1, 8):
        status, _, err = experiments("run", "asha", *options, "--workers", workers)
        assert status == 0, err
    status, _, err = experiments("run", "reinforce", *options, "--workers", 2)
    assert (status, err) == (2, "error: reinforce is sequential: workers must be at most 1, got 2\n")
    status, out, _ = experiments("table", "--results", tmp_path)
    merits = out[out.index("worker time [s]") :].splitlines()  # the rest of the header, then the rows
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in merits if line.startswith("| digits")]
    times = {row[1]: row[-1] for row in rows[:2]}
    assert times == {"asha": "50", "asha (workers=8)": "400"}
    assert experiments("verify", "--results", tmp_path)[1].count("10 runs read, ") == 2


def test_reproduce_says_what_it_leaves_out(experiments: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (TableCommand, FrontsCommand):
        monkeypatch.setattr(command, "__call__", lambda self: 0)
    status, out, err = experiments(
        *("reproduce", "--table", "nats-topology", "--dataset", "cifar10", "cifar100"),
        *("--seeds", 1, "--jobs", 1, "--results", tmp_path),
    )
    assert status == 0, err
    images, *epochs, done = out.splitlines()
    assert images.startswith("left out: one-shot searches on cifar10, cifar100: they need its images")
    needed = "needs validation accuracies after 2, 7, 22, 66, 200 epochs; nats-topology.safetensors has them after 200 epochs"
    left_out = [name for name, search in BLACK_BOX.items() if search.without_fidelities(200) is None]
    assert [line.split()[2] for line in epochs] == left_out
    assert [line.partition(" of ")[0] for line in epochs[:2]] == [f"left out: {name} {needed}" for name in left_out[:2]]
    kept = BLACK_BOX.keys() - set(left_out)
    assert done.startswith(f"{2 * len(kept)} new runs ")
    assert {e.algorithm for e in store.load(tmp_path)} == kept


def test_reproduce_gives_slow_searches_fewer_seeds(topology_table: Table, tmp_path: Path) -> None:
    def planned(seeds: int | None) -> dict[str, int]:
        options: dict[str, Any] = {"searches": ("random", "f-hyperband"), "results": tmp_path, "seeds": seeds}
        command = ReproduceCommand(table=(topology_table.path,), dataset=("cifar10",), **options)
        jobs = command._plan_black_box(command._pairs())
        return {
            name: sum(len(job.seeds) for job in jobs if job.condition.algorithm == name) for name in ("random", "f-hyperband")
        }

    assert planned(None) == {"random": 500, "f-hyperband": 100}
    assert planned(7) == {"random": 7, "f-hyperband": 7}


def test_a_quick_version_says_so_in_every_title(experiments: Command, digits_table: Table, tmp_path: Path) -> None:
    few = ("--table", digits_table.path, "--searches", "random", "--budget", 20_000, "--jobs", 1, "--results", tmp_path / "quick")
    status, out, err = experiments("reproduce", "--quick", *few, "--one-shot-seeds", 0)
    assert status == 0, err
    caution = f"quick version: 1 of {len(BLACK_BOX)} black-box searches with 20 seeds, too few for conclusions"
    assert out.startswith(f"{caution}\n20 new runs ")
    assert f"{digits_table.title} ({digits_table.notice}; {caution})" in out
    assert experiments("reproduce", "--quick", *few, "--one-shot-seeds", 0)[1].startswith(f"{caution}\n0 new runs ")
    for form in ("markdown", "latex", "csv"):
        assert caution in experiments("table", "--results", tmp_path / "quick", "--format", form)[1]
    ((opened, _),) = tables_of(store.load(tmp_path / "quick"), None)
    assert opened.notice.endswith(f"; {caution}")  # which figures and the page repeat
    status, _, err = experiments("reproduce", *few, "--one-shot-seeds", 0)
    assert (status, err) == (2, f"error: {few[-1]} holds runs with a caution ({caution}): name another folder (--results)\n")


def test_a_quick_version_is_kept_apart(experiments: Command, results: Path) -> None:
    status, _, err = experiments("reproduce", "--quick", "--one-shot-seeds", 0, "--results", results)
    assert status == 2
    assert err.startswith(f"error: {results} holds other runs, whose titles would say that they are cut: name another folder")


def test_a_caution_is_a_line_of_text(tmp_path: Path) -> None:
    assert store.read_caution(tmp_path) == ""
    (tmp_path / "caution.txt").write_bytes(b"a\x1b[31m\n<b>\xff" + 1000 * b"c")
    text = store.read_caution(tmp_path)
    assert (len(text), text[:12]) == (400, "a [31m <b>\ufffdc")


def test_reproduce_makes_more_runs_of_small_supernets(
    digits_table: Table, topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ReproduceCommand(table=(digits_table.path,), results=tmp_path, one_shot_searches=("rsps", "gdas"))
    _, jobs = command._plan_one_shot(command._pairs())
    assert [job.runs for job in jobs] == [20, 20]
    monkeypatch.setattr(one_shot_runs, "find_device", torch.device)  # there is no other device that can compute
    _, jobs = replace(command, device="meta")._plan_one_shot(command._pairs())
    assert [job.runs for job in jobs] == 6 * [1]


def test_reproduce_trains_supernets_where_there_are_images(
    experiments: Command, digits_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert one_shot_runs.ONE_SHOT is ONE_SHOT  # imported before the registry is replaced for `reproduce`
    monkeypatch.setattr(algorithms.one_shot, "ONE_SHOT", {name: ONE_SHOT[name] for name in ("gdas", "tas")})
    monkeypatch.setattr(ONE_SHOT["gdas"], "digits", {"epochs": 1, "eval_batch": 16})
    monkeypatch.setitem(BUDGETS, ("topology", "digits", "3"), 3_000.0)
    monkeypatch.setattr(RankingCommand, "architectures", 20)
    options = ("--seeds", 2, "--one-shot-seeds", 1, "--jobs", 1, "--results", tmp_path)
    status, out, err = experiments("reproduce", "--table", digits_table.path, *options)
    assert status == 0, err
    (found,) = store.load(tmp_path, store.ONE_SHOT_RUNS)
    (ranking,) = store.load(tmp_path, store.RANKINGS)
    assert (found.algorithm, found.seeds.tolist()) == (ranking.algorithm, ranking.seeds.tolist()) == ("gdas", [777])
    for name in (*BLACK_BOX, "gdas"):
        assert any(line.startswith("| digits ") and f" {name} " in line for line in out.splitlines())
    assert "### ranking by supernets" in out
    again = experiments("reproduce", "--table", digits_table.path, *options)[1]
    assert again.count("0 new runs") == 3
    remade: list[bool] = []
    monkeypatch.setattr(RankingCommand, "__call__", lambda command: remade.append(command.again) or 0)
    assert experiments("reproduce", "--table", digits_table.path, *options, "--again")[0] == 0
    assert remade == [True]  # of supernets that are trained anew


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--dataset", "cifar100"), "no table has a dataset 'cifar100'; there is digits"),
        (("--seeds", "0"), "seeds must be at least 1"),
        (("--one-shot-seeds", "-1"), "one-shot-seeds at least 0"),
        (("--device", "cuda:99"), "device 'cuda:99' cannot be used"),
    ],
)
def test_reproduce_refuses_before_it_works(
    flags: tuple[str, str], message: str, experiments: Command, digits_table: Table, tmp_path: Path
) -> None:
    status, _, error = experiments("reproduce", "--table", digits_table.path, "--results", tmp_path / "results", *flags)
    assert status == 2
    assert message in error
    assert not (tmp_path / "results").exists()
