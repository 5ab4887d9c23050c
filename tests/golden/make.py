"""Make the golden files: what the code of one version did, which later code is compared with.

    python -m tests.golden.make                    # all files that `FILES` lists; read the diff before committing it
    python -m tests.golden.make list.txt           # one of them
    python -m tests.golden.make results FOLDER     # a results folder such as tests/golden/results

The folder `results` was written once. It stands for the results of earlier versions: never make it again, only add others.
`table_path` in its manifests must name no existing file, so that the embedded tables are found wherever the project lies:
a results folder is made from a copy of the project that is deleted afterwards.

Only this module knows where the code keeps things: whoever moves something changes the imports below, and no golden file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from algorithms.one_shot.inherited import inherited_accuracy
from benchmark_api.spaces import SearchSpace, SizeSpace, TopologySpace
from benchmark_api.tables.table import Table
from experiments.gpu_check import doubled
from tests.helpers import official, tiny

GOLDEN = Path(__file__).resolve().parent
ROOT = GOLDEN.parent.parent
RESULTS = GOLDEN / "results"
WIDTH = 120  # columns of the help texts


def command(program: str, *arguments: object) -> tuple[int, str, str]:
    """Run `python -m PROGRAM ARGUMENTS` in this process: exit status, standard output and standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err), _terminal(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # stored runs of two versions of the code
        shown = warnings.formatwarning
        try:
            status = import_module(f"{program}.__main__").main([str(argument) for argument in arguments])
        except SystemExit as end:  # the argument parser's
            status = int(end.code or 0)
        finally:
            warnings.formatwarning = shown
    return status, _text(out), _text(err)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def output(program: str, *arguments: object) -> str:
    """The standard output of a command that succeeds."""
    status, out, err = command(program, *arguments)
    assert status == 0, err
    return out


def plots(*arguments: object) -> str:
    """The standard output of `python -m plots`, in a process: the command has no function that takes arguments."""
    words = [sys.executable, "-W", "ignore", "-m", "plots", *map(str, arguments)]
    with _terminal():
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace(f"{ROOT}/plots/__main__.py", "python -m plots")


@contextmanager
def _terminal() -> Iterator[None]:
    """A terminal of `WIDTH` columns without colours."""
    former = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ.update(COLUMNS=str(WIDTH), NO_COLOR="1")
    try:
        yield
    finally:
        for name, value in former.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


# -- black-box searches ----------------------------------------------------------------------------------------------------------

BLACK_BOX = ("random", "rea", "reinforce", "local-search", "successive-halving", "hyperband", "bohb", "bohb-reference")
CUT = {"bohb-reference": "--max-queries 400"}  # it ignores budgets
OTHER_SETTINGS = (
    *("random --noise mean", "random --noise 777", "random --budget inf --max-queries 20"),
    *("rea --repeats free", "rea --max-queries 50", "rea --noise 777", "rea --population-size 20 --tournament-size 5 --redraw"),
    *("reinforce --noise mean", "reinforce --learning-rate 0.1 --repeats free"),
    *("local-search --repeats free", "local-search --first-improvement"),
    *("successive-halving --charge resume", "successive-halving --eta 2 --min-epochs 2"),
    *("hyperband --charge resume", "hyperband --max-queries 50", "hyperband --charge resume --repeats free --noise mean"),
    *("bohb --charge resume", "bohb --repeats free", "bohb --noise mean", "bohb --random-fraction 0 --num-samples 8"),
    *("bohb-reference --brackets 12", "bohb-reference --brackets 12 --charge resume --repeats free"),
)
SEARCHES = [
    f"{search} --table {table}"
    for table in ("digits-topology", "digits-size")
    for search in (*(f"{name} {CUT.get(name, '')}".strip() for name in BLACK_BOX), *OTHER_SETTINGS)
]
"""Options of `python -m experiments run`."""

COLUMNS = {"architecture": np.int32, "epochs": np.int16, "accuracy": np.float64, "seconds": np.float64}


def trajectories(options: str) -> list[dict[str, Any]]:
    """The runs of a search with seeds 0, 1 and 2: number of evaluations, SHA-256 of all of them, and the first and the last."""
    with TemporaryDirectory() as folder:
        words = options.split()
        output("experiments", "run", *words, "--dataset", "digits", "--seeds", 3, "--jobs", 1, "--results", folder)
        return [_run(row) for row in stored_rows(Path(folder))]


def stored_rows(results: Path) -> list[dict[str, Any]]:
    """All rows of a folder's Parquet files, by path and seed."""
    return [row for path in sorted(results.rglob("*.parquet")) for row in pq.ParquetFile(path).read().to_pylist()]


def _run(row: Mapping[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for column, kind in COLUMNS.items():
        digest.update(np.array(row[column], dtype=np.dtype(kind).newbyteorder("<")).tobytes())
    evaluations = [list(values) for values in zip(*(row[column] for column in COLUMNS), strict=True)]
    ends = {"first": evaluations[:3], "last": evaluations[-1]}
    return {"seed": row["seed"], "evaluations": len(evaluations), "sha256": digest.hexdigest(), **ends}


# -- one-shot searches -----------------------------------------------------------------------------------------------------------

ONE_SHOT: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("rsps", "darts-v1", "darts-v2", "gdas", "setn", "enas", "tas", "fbnetv2", "tunas")},
    **{f"{name} without target": (name, {"flops_target": None}) for name in ("tas", "fbnetv2", "tunas")},
    **{f"{name} warm": (name, {"warmup": 0.5}) for name in ("tas", "fbnetv2", "tunas")},
    **{f"{name} running": (name, {"batch_norm": "running"}) for name in ("rsps", "darts-v2", "fbnetv2")},
    "darts-v1 without none": ("darts-v1", {"choose_none": False}),
}
"""Method and hyperparameters, with those of `tests.tiny`."""


def one_shot(case: str) -> dict[str, Any]:
    """A tiny run in double precision: every epoch, sums over the trained weights, and accuracies of two architectures with them.

    In single precision, processors differ by ReLUs at their kinks.
    """
    name, changes = ONE_SHOT[case]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        search = doubled(tiny.make(name, seed=5, **changes))
        epochs = [_epoch(search.train_epoch()) for _ in range(search.config.epochs)]
        architectures = [tiny.some_architecture(name), tuple(epochs[-1]["architecture"])]
        inherited = inherited_accuracy(search, architectures, images=33).tolist()
    finally:
        torch.set_num_threads(threads)
    weights = [tensor.detach().double() for tensor in search.supernet.state_dict().values()]
    sums = {"numbers": sum(w.numel() for w in weights)}
    sums |= {"absolute": sum(float(w.abs().sum()) for w in weights), "squares": sum(float((w * w).sum()) for w in weights)}
    return {"epochs": epochs, "weights": sums, "inherited_accuracy": inherited}


def _epoch(metrics: Any) -> dict[str, Any]:
    return {
        "epoch": metrics.epoch,
        "architecture": list(metrics.architecture),
        "train_loss": metrics.train_loss,
        "train_accuracy": metrics.train_accuracy,
        "valid_loss": metrics.valid_loss,
        "valid_accuracy": metrics.valid_accuracy,
        "entropy": metrics.entropy,
        "arch_weights": metrics.arch_weights.tolist(),
    }


# -- the importer ----------------------------------------------------------------------------------------------------------------

SPACES: dict[str, SearchSpace] = {"topology": TopologySpace(), "size": SizeSpace(), "small size": SizeSpace((8, 16), 2)}
ARCHIVES = {
    "topology folder": ("topology", "folder", ()),
    "topology file": ("topology", "file", ()),
    "topology folder without curves": ("topology", "folder", ("--no-curves",)),
    "size folder without curves": ("size", "folder", ("--no-curves",)),
    "size file without curves": ("size", "file", ("--no-curves",)),
    "small size folder": ("small size", "folder", ()),
    "small size file": ("small size", "file", ()),
}
"""Space, form, and options of `python -m benchmark_api import`. With curves of all 32,768 sizes a table has gigabytes."""


def imported(case: str) -> str:
    """The fingerprint of a table imported from a made-up official archive."""
    name, form, options = ARCHIVES[case]
    space = SPACES[name]
    schedules = ("12", "200") if name == "small size" else official.SCHEDULES[space.name]
    records = {index: _rounded(official.record(space, index, schedules)) for index in (0, 2, 3)}
    with TemporaryDirectory() as folder:
        if form == "folder":
            source = official.write_archive(Path(folder, "NATS-made-up-simple"), space, ())
            for index, record in records.items():
                official.write(source / f"{index:06d}.pickle.pbz2", record)
        else:
            content = {**official.meta(space), "arch2infos": records, "evaluated_indexes": set(records)}
            source = official.write(Path(folder, "NATS-made-up.pickle.pbz2"), content)
        out = Path(folder, "table.safetensors")
        output("benchmark_api", "import", source, out, "--jobs", 1, "--partial", *options)
        return Table(out).fingerprint


def _rounded(content: Any) -> Any:
    """The same with floats of six decimals: processors differ in the last bit of an exponential."""
    if isinstance(content, dict):
        return type(content)((key, _rounded(value)) for key, value in content.items())
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return round(content, 6) if isinstance(content, float) else content


# -- what is printed -------------------------------------------------------------------------------------------------------------


PROGRAMS = ("experiments", "benchmark_api", "plots")


def help_texts(program: str) -> str:
    """What `--help` prints of a program and all its subcommands, each after the command."""
    if program == "plots":
        return f"$ python -m plots --help\n{plots('--help')}"
    return "\n".join(_help_texts(program))


def _help_texts(program: str, *words: str) -> Iterator[str]:
    text = output(program, *words, "--help")
    yield f"$ {' '.join(('python -m', program, *words))} --help\n{text}"
    own = [] if words else import_module(f"{program}.__main__").COMMAND_LINE.names
    for subcommand in own or re.findall(r"^│   • (\S+)", text, re.MULTILINE):
        yield from _help_texts(program, *words, subcommand)


def options(texts: str) -> dict[str, dict[str, dict[str, Any]]]:
    """What the commands of a help text accept, whatever its wording: {command: {option or argument: default and choices}}."""
    return {line: _options(text) for line, text in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", texts, re.MULTILINE)}


def _options(text: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for title, box in re.findall(r"^╭─ (.*?) ─+╮\n((?:│.*│\n)*)", text, re.MULTILINE):
        for entry in _entries(title, box):
            shown = entry.split("  ")[0]
            default = re.search(r"\(default: ([^()]*)\)|\((required)\)", re.sub(r"\s+", " ", entry))
            choices = re.search(r"\{([^ {}]*,[^ {}]*)\}", shown)
            found[", ".join(re.findall(r"(?<!\S)--?[a-z][\w.-]*", shown)) or shown] = {
                "default": (default[1] or default[2] or "").strip() if default else None,
                "choices": sorted({*choices[1].split(",")} - {"None"}) if choices else None,
            }
    return found


def _entries(title: str, box: str) -> list[str]:
    """The options, arguments or subcommands of a box of a help text, each with its text on one line."""
    begins = {"positional arguments": r"\S", "subcommands": r"  • "}.get(title, "-")
    entries: list[str] = []
    for line in re.findall(r"^│ (.*) │$", box, re.MULTILINE):
        if re.match(begins, line):
            entries.append(line.strip())
        elif entries:
            entries[-1] += "  " + line.strip()
    return entries


def listing() -> str:
    """What `list` prints."""
    return output("experiments", "list")


FORMATS = {"csv": "csv", "md": "markdown", "tex": "latex"}


def report(form: str, results: Path = RESULTS) -> str:
    """What `table` prints of a results folder."""
    return output("experiments", "table", "--results", results, "--format", form)


def figure_names(results: Path = RESULTS) -> str:
    """The files that `python -m plots` draws of a results folder, one a line; the page is written into the folder."""
    with TemporaryDirectory() as folder:
        copy = shutil.copytree(results, Path(folder, "results"))
        printed = plots("--results", copy, "--out", Path(folder, "figures"))
        paths = [Path(line) for line in printed.splitlines()]
        assert all(path.stat().st_size for path in paths)
        return "".join(f"{path.name}\n" for path in paths)


# -- a results folder ------------------------------------------------------------------------------------------------------------

RUNS = (
    "rea --table digits-topology --dataset digits --seeds 5",
    "rea --table digits-topology --dataset digits --seeds 5 --population-size 20",
    "random --table digits-topology --dataset digits --seeds 10",
    "bohb --table digits-topology --dataset digits --seeds 10 --noise mean",
    "bohb-reference --table digits-topology --dataset digits --seeds 5 --brackets 10",
    "rea --table digits-size --dataset digits --seeds 5",
    "hyperband --table digits-size --dataset digits --seeds 5 --charge resume",
    "reinforce --table digits-size --dataset digits --seeds 5 --max-queries 100",
    "local-search --table digits-size --dataset digits --seeds 5",
    "rsps --table digits-topology --epochs 2 --batch 64 --seeds 2",
    "gdas --table digits-topology --epochs 2 --batch 64 --seeds 1",
    "tas --table digits-size --epochs 2 --batch 64 --seeds 1",
)
RANKING = ("--algorithm", "rsps", "--architectures", 20, "--images", 200)
KEPT_SUPERNET = "topology/digits/rsps-*/seeds-00777-00777.supernet.safetensors"  # the others are left out: they are large


def write_results(folder: Path) -> None:
    """Write a results folder: black-box and one-shot runs on the embedded tables, a ranking, and one supernet."""
    for run in RUNS:
        output("experiments", "run", *run.split(), "--jobs", 1, "--results", folder)
    output("experiments", "ranking", "--results", folder, "--jobs", 1, *RANKING)
    (kept,) = folder.glob(KEPT_SUPERNET)
    for path in [*folder.rglob("*.supernet.*"), *folder.rglob(".lock")]:
        if path.with_suffix("") != kept.with_suffix("") or path.name == ".lock":
            path.unlink()


# -- the files -------------------------------------------------------------------------------------------------------------------


def _json(function: Callable[[str], Any], cases: Iterable[str]) -> Callable[[], str]:
    """A file with what a function makes of each case; lists of numbers are on one line. Floats are exact."""

    def text() -> str:
        made = json.dumps({case: function(case) for case in cases}, indent=1)
        return re.sub(r"\[[^][{}]*\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), made) + "\n"

    return text


FILES: dict[str, Callable[[], str]] = {
    "trajectories.json": _json(trajectories, SEARCHES),
    "one_shot.json": _json(one_shot, ONE_SHOT),
    "imported.json": _json(imported, ARCHIVES),
    "list.txt": listing,
    **{f"help-{program}.txt": partial(help_texts, program) for program in PROGRAMS},
    **{f"table.{end}": partial(report, form) for end, form in FORMATS.items()},
    "figures.txt": figure_names,
}


def read(name: str) -> str:
    """A golden file."""
    return (GOLDEN / name).read_text()


if __name__ == "__main__":
    if sys.argv[1:2] == ["results"]:
        write_results(Path(sys.argv[2]))
    else:
        for name in sys.argv[1:] or FILES:
            (GOLDEN / name).write_text(FILES[name]())
