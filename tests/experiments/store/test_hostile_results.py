"""Results folders from anybody: each file is read as what it is, or refused by one line that names it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_api.tables.table import Table
from experiments import store
from experiments.__main__ import main
from experiments.report import make_report, tables_of
from experiments.report.text import FORMATS
from experiments.runs import black_box
from experiments.runs.run import run
from experiments.settings import RunSettings
from tests.helpers.hand import group, write
from tests.helpers.hostile import ODD_NUMBERS, ODD_TEXTS, Tries, dumped, many, mutated
from tests.helpers.synthetic import condition as one_shot_condition
from tests.helpers.synthetic import store_runs

Change = Callable[[pa.Table], pa.Table]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    tensors = group("digits/4", ("x-valid", "x-test"), start=20.0)
    tensors["digits/4/train/seconds"] = np.full((4, 2), 1.5)
    return write(tmp_path_factory.mktemp("table") / "t.safetensors", tensors)


@pytest.fixture(scope="module")
def piece(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of three runs of REA."""
    from algorithms.black_box import BLACK_BOX

    search = BLACK_BOX["rea"]
    condition = black_box.condition_of(search, search.Config(), table, RunSettings.of(table, "digits", budget=50.0))
    runs = [run(search, search.Config(), table.search_view("digits"), condition, seed) for seed in range(3)]
    return store.write_piece(tmp_path_factory.mktemp("results"), condition, runs, "1+abc", str(table.path))


def root_of(piece: Path) -> Path:
    return piece.parents[3]


def replaced(piece: Path, results: Path, change: Change, manifest: bytes | None = None) -> Path:
    """Write a changed file to the place where its rows belong, as a hostile author would."""
    changed = change(pq.read_table(piece))
    metadata = {b"manifest": pq.read_schema(piece).metadata[b"manifest"] if manifest is None else manifest}
    folder = _home(changed) or piece.parent.relative_to(root_of(piece))
    path = results / folder / piece.name
    shutil.rmtree(results, ignore_errors=True)
    path.parent.mkdir(parents=True)
    pq.write_table(changed.replace_schema_metadata(metadata), path)
    return path


def _home(changed: pa.Table) -> Path | None:
    """Return the folder that a file's own facts name, as far as there can be one."""
    fields = [name for name in store.BLACK_BOX_RUNS.fields if name in changed.column_names]
    try:
        folder = store.Condition(**changed.select(fields).slice(0, 1).to_pylist()[0]).folder()
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    parts = [re.sub(r"[\x00\n\ud800]|\.\.", "_", part)[:80] for part in folder.parts if part != "/"]
    return Path(*parts)


def column(name: str, values: Any) -> Change:
    """Another column of a number for each run, or of a list."""

    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(name).type
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array([values] * table.num_rows, kind)
        return table.set_column(table.column_names.index(name), name, array)

    return change


def entries(name: str, place: int, value: Any) -> Change:
    """Another entry of a column of lists."""

    def change(table: pa.Table) -> pa.Table:
        lists = table[name].to_pylist()
        lists[0][place % len(lists[0])] = value
        return table.set_column(table.column_names.index(name), name, pa.array(lists, table.schema.field(name).type))

    return change


LISTS = ("architecture", "epochs", "seconds", "accuracy")
DEEP = "[" * 100_000
NAMES = ("..", "../../x", "/etc", "a\x00b", "a/b", "\x1b[31m", "", "a\\b", "x" * 300)
NO_OBJECTS = ("", "x", "[]", "3", DEEP, "{", '{"a": NaN}')
ABSENT = ("max_queries", *store.Condition.later_fields)
"""Fields that a run with default settings does not store."""
EXAMPLES: dict[str, Change] = {
    **{f"{name} null": column(name, None) for name in store.BLACK_BOX_RUNS.fields if name not in ABSENT},
    **{f"{name} null": column(name, None) for name in ("seed", "code_version", "wall_seconds")},
    **{f"budget {value}": column("budget", value) for value in (float("nan"), -1.0, 0.0, float("inf"))},
    **{f"wall_seconds {value}": column("wall_seconds", value) for value in (float("nan"), -1.0, float("inf"))},
    **{f"{name} {value!r:.12}": column(name, value) for name in ("space", "dataset", "algorithm") for value in NAMES},
    **{
        f"hyperparameters {value:.12}": column("hyperparameters", value)
        for value in ("", "x", "[]", "3", DEEP, "{", '{"a": NaN}')
    },
    "charge unknown": column("charge", "gratis"),
    "repeats unknown": column("repeats", "never"),
    "noise unknown": column("noise", "loud"),
    "noise of other digits": column("noise", "１２"),
    "seeds negative": column("seed", -1),
    "max_queries 0": column("max_queries", 0),
    "architectures negative": entries("architecture", 0, -1),
    "epochs 0": entries("epochs", 0, 0),
    **{f"accuracy {value}": entries("accuracy", 1, value) for value in (float("nan"), float("inf"), None, -1.0, 101.0)},
    **{f"seconds {value}": entries("seconds", 1, value) for value in (float("nan"), float("inf"), None, -1.0, 0.0)},
    "no runs": lambda table: table.slice(0, 0),
    "a list null": column("accuracy", None),
    "runs without entries": lambda table: reduce(lambda found, name: column(name, [])(found), LISTS, table),
    "lists of several lengths": lambda table: column("accuracy", [1.0])(table),
    "texts of megabytes": column("hyperparameters", '{"a": "' + "x" * 3_000_000 + '"}'),
    "three million runs": lambda table: pa.concat_tables([table.slice(0, 1)] * 30_000),
}
BELONGING: dict[str, Change] = {
    "architecture 10^6": entries("architecture", 0, 10**6),
    "architecture of the next space": entries("architecture", 0, 4),
    "dataset unknown": column("dataset", "svhn"),
    "schedule unknown": column("schedule", "13"),
    "space unknown": column("space", "other"),
}
"""Changes that show where the table is known."""


@pytest.mark.parametrize("what", EXAMPLES)
def test_hostile_files_are_refused(what: str, piece: Path, tmp_path: Path, tries: Tries) -> None:
    path = replaced(piece, tmp_path / "r", EXAMPLES[what])
    tries.refused(what, lambda: store.load(tmp_path / "r"), path)


@pytest.mark.parametrize("what", BELONGING)
def test_runs_that_the_table_cannot_have_made(what: str, piece: Path, tmp_path: Path, tries: Tries) -> None:
    path = replaced(piece, tmp_path / "r", BELONGING[what])
    tries.refused(what, lambda: tables_of(store.load(tmp_path / "r"), None), path.parent.name)


MANIFESTS: dict[str, bytes] = {
    "deep": b'{"a": ' + DEEP.encode(),
    "a list": b"[]",
    "not UTF-8": b"\xff",
    "no version": b'{"table_path": "x"}',
    "a version of text": b'{"schema_version": "1", "table_path": "x"}',
    "a path of a number": b'{"schema_version": 1, "table_path": 3}',
    "another kind": b'{"schema_version": 1, "table_path": "x", "kind": "none"}',
    "a kind of a list": b'{"schema_version": 1, "table_path": "x", "kind": ["one-shot"]}',
    "empty": b"",
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_hostile_manifests_are_refused(what: str, piece: Path, tmp_path: Path, tries: Tries) -> None:
    path = replaced(piece, tmp_path / "r", lambda table: table, MANIFESTS[what])
    tries.refused(what, lambda: store.load(tmp_path / "r"), path)


OTHER_VERSIONS = ('{"population_size": "x"}', '{"population_size": 0}', '{"unheard": 1}', '{"population_size": null}')


@pytest.mark.parametrize("hyperparameters", OTHER_VERSIONS)
def test_hyperparameters_of_another_version_are_named(
    hyperparameters: str, piece: Path, tmp_path: Path, tries: Tries, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(piece, tmp_path / "r", column("hyperparameters", hyperparameters))
    (experiment,) = store.load(tmp_path / "r")
    tries.refused(hyperparameters, experiment.condition.config, "made by another version")
    assert main(["verify", "--results", str(tmp_path / "r")]) == 1
    captured = capsys.readouterr()
    assert "made by another version" in captured.out
    assert captured.err.count("\n") == 1


def test_a_search_that_nobody_knows_is_named(piece: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replaced(piece, tmp_path / "r", column("algorithm", "unheard"))
    assert main(["verify", "--results", str(tmp_path / "r")]) == 1
    assert "unheard is not registered here" in capsys.readouterr().out


def test_one_shot_settings_are_read_through_a_schema(digits_table: Table, tmp_path: Path, tries: Tries) -> None:
    of = one_shot_condition(digits_table, "digits", "rsps")
    store_runs(tmp_path / "good", digits_table, of, [[1, 2]])
    (path,) = (tmp_path / "good").rglob("*.parquet")
    stored = pq.read_table(path)
    for name in ("execution", "setting"):
        for text in (*NO_OBJECTS, None):
            pq.write_table(column(name, text)(stored), path)
            tries.refused((name, text), lambda: store.load(tmp_path / "good", store.ONE_SHOT_RUNS), path)
    numbers = (("train_seconds", -1.0), ("valid_accuracy", 101.0), ("valid_accuracy", float("nan")), ("peak_memory", -1))
    for name, value in numbers:
        pq.write_table(entries(name, 0, value)(stored), path)
        tries.refused((name, value), lambda: store.load(tmp_path / "good", store.ONE_SHOT_RUNS), path)


# -- what a file costs ------------------------------------------------------------------------------------------------------


def varint(number: int, length: int = 0) -> bytes:
    """A number as a footer of Parquet has it; a longer form of the same number for a length."""
    digits, left = [], number << 1
    while left or len(digits) < max(length, 1):
        digits.append(left & 0x7F)
        left >>= 7
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def forge(path: Path, number: int, instead: int) -> None:
    """Replace a number in the footer of a file."""
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer, true = content[start:-8], varint(number)
    assert true in footer
    path.write_bytes(content[:start] + footer.replace(true, varint(instead, len(true))) + content[-8:])


MEASURE = """
import resource, sys, time
from experiments import store
started = time.process_time()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    store.load(sys.argv[1])
except ValueError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10, time.process_time() - started, error, sep="|")
"""


def measured(results: Path) -> tuple[int, float, str]:
    """Memory (MiB) and processor time (seconds) of a process that reads a folder, and its refusal."""
    done = subprocess.run([sys.executable, "-c", MEASURE, str(results)], cwd=ROOT, capture_output=True, text=True, check=True)
    memory, seconds, error = done.stdout.split("|")
    return int(memory), float(seconds), error


def of_three_million(table: pa.Table) -> pa.Table:
    """Three million copies of some facts of the first run: what a file has beyond its footer is not looked at."""
    return pa.table({name: pa.repeat(table[name][0], 3_000_000) for name in ("seed", "dataset", "hyperparameters")})


def test_three_million_runs_are_refused_by_their_number(piece: Path, tmp_path: Path, tries: Tries) -> None:
    path = replaced(piece, tmp_path / "r", of_three_million)
    assert path.stat().st_size < 300_000
    memory, seconds, error = measured(tmp_path / "r")
    tries.inputs += 1
    assert f"{path}: 3,000,000 runs" in error
    assert memory < 50
    assert seconds < 2
    forge(path, 3_000_000, 1)  # the footer says one run, the pages have all
    tries.refused("a footer of one run", lambda: store.load(tmp_path / "r"), path)


LOAD = """
import sys
from experiments import store
store.checks.MAX_MEMORY = 32 << 20
try:
    store.load(sys.argv[1])
except store.StoreError as error:
    sys.exit(str(error))
"""


def loaded_by_another(results: Path) -> None:
    """Load results in a new process, which has no freed memory that it could use instead of growing."""
    done = subprocess.run([sys.executable, "-c", LOAD, str(results)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise store.StoreError(done.stderr.strip())


def test_pages_that_hold_more_than_the_footer_says_are_refused(piece: Path, tmp_path: Path, tries: Tries) -> None:
    """A text of 100 MB in 3 kB, whose size the footer hides; the limit is lowered to spare memory."""
    path = replaced(piece, tmp_path / "r", lambda table: table.slice(0, 1))
    text = json.dumps({"a": "x" * 100_000_000})
    large = column("hyperparameters", text)(pq.read_table(path))
    pq.write_table(large, path, compression="zstd", use_dictionary=False, write_statistics=False)
    names = pq.read_schema(path).names
    size = pq.read_metadata(path).row_group(0).column(names.index("hyperparameters")).total_uncompressed_size
    tries.refused("as the footer says", lambda: store.load(tmp_path / "r"), path, "bytes of hyperparameters")
    forge(path, size, 1000)
    if sys.platform == "linux":
        tries.refused("more than the footer says", lambda: loaded_by_another(tmp_path / "r"), path, "more than 32 MiB of memory")


# -- folders -----------------------------------------------------------------------------------------------------------------


def test_what_is_no_file_is_refused_at_once(piece: Path, tmp_path: Path, tries: Tries) -> None:
    path = replaced(piece, tmp_path / "r", lambda table: table)
    for make in (os.mkfifo, Path.mkdir):
        other = path.with_name("seeds-00025-00049.parquet")
        make(other)  # type: ignore[operator]
        if make is os.mkfifo:
            tries.refused(make, lambda: store.load(tmp_path / "r"), other)
        else:
            tries.expect(make, lambda: store.load(tmp_path / "r"))
        other.unlink() if make is os.mkfifo else other.rmdir()
    note = path.with_name("seeds-00050-00074.failed")
    os.mkfifo(note)
    tries.refused("a FIFO as a note", lambda: print(store.last_line(note)), note)


def test_linked_folders_are_read(piece: Path, tmp_path: Path, tries: Tries) -> None:
    replaced(piece, tmp_path / "elsewhere", lambda table: table)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "size").symlink_to(tmp_path / "elsewhere" / "size")
    (tmp_path / "elsewhere" / "size" / "loop").symlink_to(tmp_path / "elsewhere" / "size")
    (experiment,) = store.load(tmp_path / "r")
    assert experiment.seeds.tolist() == [0, 1, 2]
    tries.inputs += 1


def test_a_linked_folder_is_written_and_checked_as_it_is_read(table: Table, tmp_path: Path, tries: Tries) -> None:
    (tmp_path / "elsewhere" / "size").mkdir(parents=True)
    results = tmp_path / "r"
    results.mkdir()
    (results / "size").symlink_to(tmp_path / "elsewhere" / "size")
    command = ["run", "rea", "--table", str(table.path), "--budget", "50", "--jobs", "1", "--results", str(results)]
    for seeds in ("2", "2", "30"):
        assert main([*command, "--seeds", seeds]) == 0
        tries.inputs += 1
    (experiment,) = store.load(results)
    assert len(experiment.seeds) == 30
    (home,) = (tmp_path / "elsewhere" / "size" / "digits").iterdir()
    (home / "seeds-00050-00074.failed").write_text("the reason\n")
    (home / ".x.abcdefgh.part").write_text("")
    assert [note.name for note in store.failures(results)] == ["seeds-00050-00074.failed"]
    assert main(["status", "--results", str(results)]) == 0
    assert main(["verify", "--results", str(results)]) == 1
    (home / "seeds-00050-00074.failed").unlink()
    (home / ".x.abcdefgh.part").unlink()
    assert main(["verify", "--results", str(results)]) == 0


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\udcff", "😀 $x$ |", "-x", "%s {x}"])
def test_folders_of_any_name(name: str, table: Table, tmp_path: Path, tries: Tries, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / name
    command = ["run", "rea", "--table", str(table.path), "--budget", "50", "--jobs", "1", "--seeds", "2"]
    for words in (command, command, ["status"], ["verify"], ["table"], ["found"]):
        assert main([*words, "--results", str(results)]) == 0, words
        tries.inputs += 1
    (path,) = results.rglob("*.parquet")
    path.write_bytes(b"x")
    capsys.readouterr()
    assert main(["table", "--results", str(results)]) == 2
    error = capsys.readouterr().err
    assert error[:-1].isprintable()
    assert "seeds-00000-00001.parquet" in error


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"x" * 3_000_000])
def test_notes_of_any_content_are_shown(
    content: bytes, piece: Path, tmp_path: Path, tries: Tries, capsys: pytest.CaptureFixture[str]
) -> None:
    path = replaced(piece, tmp_path / "r", lambda table: table)
    path.with_name("seeds-00050-00074.failed").write_bytes(content)
    tries.expect(content, lambda: main(["status", "--results", str(tmp_path / "r")]))
    assert "failed: " in capsys.readouterr().out


# -- mutations ---------------------------------------------------------------------------------------------------------------


def report(results: Path) -> None:
    """Load a folder, and print its report in all formats."""
    for opened, found in tables_of(store.load(results), None):
        reports = [make_report(opened, found)]
        for text in FORMATS.values():
            assert text(reports)


def test_mutated_facts(piece: Path, tmp_path: Path, tries: Tries) -> None:
    names = [name for name in (*store.BLACK_BOX_RUNS.fields, *store.schema.RUN_COLUMNS) if name in pq.read_schema(piece).names]

    @many(170)
    @given(st.sampled_from(names), st.sampled_from((None, *ODD_NUMBERS)), st.sampled_from(ODD_TEXTS))
    def attempt(name: str, number: Any, text: str) -> None:
        kind = pq.read_schema(piece).field(name).type
        value: Any = None if number is None else text if pa.types.is_string(kind) else number
        try:
            pa.array([value], kind)
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):
            return
        replaced(piece, tmp_path / "r", column(name, value))
        tries.expect((name, value), lambda: report(tmp_path / "r"))

    attempt()


def test_mutated_entries(piece: Path, tmp_path: Path, tries: Tries) -> None:
    @many(150)
    @given(
        st.sampled_from(LISTS),
        st.integers(0, 9),
        st.sampled_from((None, *ODD_NUMBERS, 3, 7)),
    )
    def attempt(name: str, place: int, number: Any) -> None:
        try:
            replaced(piece, tmp_path / "r", entries(name, place, number))
        except (pa.ArrowException, OverflowError):
            return
        tries.expect((name, place, number), lambda: report(tmp_path / "r"))

    attempt()


def test_mutated_manifests(piece: Path, tmp_path: Path, tries: Tries) -> None:
    good = json.loads(pq.read_schema(piece).metadata[b"manifest"])

    @many(120)
    @given(mutated(good))
    def attempt(value: Any) -> None:
        replaced(piece, tmp_path / "r", lambda table: table, dumped(value))
        tries.expect(value, lambda: report(tmp_path / "r"))

    attempt()


def test_mutated_bytes(piece: Path, tmp_path: Path, tries: Tries) -> None:
    path = replaced(piece, tmp_path / "r", lambda table: table)
    content = path.read_bytes()

    @many(200)
    @given(st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=6))
    def attempt(start: int, inserted: bytes) -> None:
        path.write_bytes(content[:start] + inserted + content[start + len(inserted) :])
        tries.expect((start, inserted), lambda: report(tmp_path / "r"))

    attempt()
