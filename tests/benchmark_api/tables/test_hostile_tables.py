"""Table files from anybody: each is read as what it is, or refused by one line that names it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.black_box import BLACK_BOX
from benchmark_api.spaces import space_from_spec
from benchmark_api.tables.evaluation import Query
from benchmark_api.tables.evaluator import Accounting, simulated_evaluator
from benchmark_api.tables.table import Table
from experiments.runs.black_box import condition_of
from experiments.settings import RunSettings
from tests.helpers.hand import group, write
from tests.helpers.hostile import ODD_NUMBERS, Tries, dumped, many, mutated

TEXTS = ("title", "notice", "fingerprint", "search_schedule", "report_schedule")
ROOT = Path(__file__).resolve().parents[3]
STEM = "digits/4"
Header = dict[str, Any]


def tensors() -> dict[str, Any]:
    """Tensors of a small table with training times."""
    found = group(STEM, ("x-valid", "x-test"), start=20.0)
    for split in ("train", "x-valid"):
        found[f"{STEM}/{split}/seconds"] = np.full((4, 2), 1.5)
    return found | {"metrics/energy": np.arange(4.0)}


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Header, Header, bytes]:
    """Header, metadata and data of a good table."""
    content = write(tmp_path / "good", tensors()).path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    return header, json.loads(header["__metadata__"]["table"]), content[start:]


def save(path: Path, header: bytes, data: bytes) -> Path:
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def whole(header: Header, metadata: Any) -> Header:
    text = metadata if isinstance(metadata, str) else dumped(metadata).decode()
    return {**header, "__metadata__": {"table": text}}


def use(path: Path) -> None:
    """Open a table and do what commands do with it."""
    table = Table(path)
    table.verify()
    for dataset in table.datasets:
        key, schedule = table.search_key(dataset), table.search_schedule
        table.best(key, schedule, "x-valid")
        view = table.search_view(dataset)
        view.check()
        evaluator = simulated_evaluator(view, Accounting(budget=5.0))
        evaluator.evaluate(Query(table.space.architecture(0)))
        assert evaluator.clock > 0


def test_a_good_table_is_used(parts: tuple[Header, Header, bytes], tmp_path: Path) -> None:
    header, metadata, data = parts
    use(save(tmp_path / "t", dumped(whole(header, metadata)), data))


def headers(header: Header, metadata: Header) -> dict[str, bytes]:
    """Headers that are refused."""
    text = json.dumps(whole(header, metadata))
    accuracy, seeds = f"{STEM}/x-valid/accuracy", f"{STEM}/seeds"

    def entry(name: str, **changes: Any) -> bytes:
        return dumped({**whole(header, metadata), name: {**header[name], **changes}})

    shape, (begin, end) = header[accuracy]["shape"], header[accuracy]["data_offsets"]
    named: dict[str, bytes] = {
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32"),
        "byte-order mark": b"\xef\xbb\xbf" + text.encode(),
        "shape of floats": entry(accuracy, shape=[float(size) for size in shape]),
        "shape of texts": entry(accuracy, shape=[str(size) for size in shape]),
        "shape of truth values": entry(accuracy, shape=[4, 2, True]),
        "offsets of floats": entry(accuracy, data_offsets=[float(begin), float(end)]),
        "a name twice": (text[:-1] + f', "{accuracy}": ' + json.dumps(header[accuracy]) + "}").encode(),
        "overlapping offsets": entry(accuracy, data_offsets=header[f"{STEM}/x-test/accuracy"]["data_offsets"]),
        "integers as accuracies": entry(accuracy, dtype="I64"),
        "65 dimensions": entry(accuracy, shape=shape + [1] * 62),
        "seeds of one row": entry(seeds, shape=[8]),
        "epochs of two axes": entry(f"{STEM}/x-valid/epochs", shape=[1, 1]),
    }
    for key in ("..", ".", "a\x00b", "\x1b[31m", "$\\frac{$", "a\\b", " a", "-a", "\ud800", "x" * 300):
        renamed = {name.replace("digits/", f"{key}/", 1): value for name, value in header.items()}
        named[f"dataset key {key!r:.20}"] = dumped(whole(renamed, metadata))
    for schedule in ("abc", "-5", "0", "４", "1_0", "9" * 4400, ""):
        renamed = {name.replace("/4/", f"/{schedule}/", 1): value for name, value in header.items()}
        named[f"schedule {schedule!r:.20}"] = dumped(whole(renamed, metadata))
    return named


def descriptions(metadata: Header) -> dict[str, Any]:
    """Metadata that are refused."""
    named: dict[str, Any] = {
        f"{name} is {value!r:.12}": {**metadata, name: value}
        for name in (
            "title",
            "notice",
            "fingerprint",
            "search_schedule",
            "report_schedule",
            "source",
            "space",
            "metrics",
            "merged",
        )
        for value in ([1], None, 3, {"a": {"b": 1}} if name not in ("source", "space") else "text")
        if not (name == "metrics" and value == {"a": {"b": 1}})
    }
    for value in (float("nan"), -1, 0, True, "1", 1.5, None, 10**30):
        named[f"format {value!r}"] = {**metadata, "format": value}
    for schedule in ("abc", "-5", "0", "４", "1_0", "9" * 4400):
        named[f"search schedule {schedule!r:.12}"] = {**metadata, "search_schedule": schedule}
    for spec in (
        {"space": "size", "widths": [8, 16, 24, 32, 40, 48, 56, 64], "layers": 22},
        {"space": "size", "widths": [8, 16], "layers": 10**9},
        {"space": "size", "widths": [8, 16], "layers": 2.0},
        {"space": "size", "widths": [8, 10**9], "layers": 2},
        {"space": "none"},
        {"space": ["size"]},
    ):
        named[f"space {spec}"] = {**metadata, "space": spec}
    named["a title with half a surrogate pair"] = {**metadata, "title": "\ud800"}
    named["JSON that is deep"] = '{"a": ' + "[" * 100_000
    named["no object"] = "[]"
    named["a title of megabytes"] = {**metadata, "title": "x" * 2_000_000}
    return named


def test_headers_are_refused(parts: tuple[Header, Header, bytes], tmp_path: Path, tries: Tries) -> None:
    header, metadata, data = parts
    for what, text in headers(header, metadata).items():
        path = save(tmp_path / "t", text, data)
        tries.refused(what, lambda path=path: use(path), path)  # type: ignore[misc]


def test_metadata_are_refused(parts: tuple[Header, Header, bytes], tmp_path: Path, tries: Tries) -> None:
    header, metadata, data = parts
    for what, value in descriptions(metadata).items():
        path = save(tmp_path / "t", dumped(whole(header, value)), data)
        tries.refused(what, lambda path=path: use(path), path)  # type: ignore[misc]


def changed(name: str, change: Callable[[Any], object]) -> Callable[[Path], Path]:
    """A table with another tensor."""

    def make(path: Path) -> Path:
        of_all = tensors()
        of_all[name] = change(of_all[name])
        write(path, of_all)
        return path

    return make


NUMBERS = {
    **{
        f"{quantity} {value}": changed(f"{STEM}/{quantity}", lambda values, value=value: np.full_like(values, value))
        for quantity, odd in {
            "train/seconds": (np.nan, 0.0, -1.0, 1e-30, np.inf, 1e300),
            "x-valid/seconds": (-1.0, np.inf),
            "x-valid/accuracy": (-1.0, 101.0, np.inf, -np.inf),
        }.items()
        for value in odd
    },
    "seeds after a gap": changed(f"{STEM}/seeds", lambda seeds: np.array([[-1, 888]] * 4, dtype=np.int32)),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_numbers_that_no_clock_or_mean_stands(what: str, tmp_path: Path, tries: Tries) -> None:
    def plan() -> None:
        table = Table(NUMBERS[what](tmp_path / "t"))
        table.best("digits", "4", "x-valid")
        settings = RunSettings.of(table, "digits", budget=100.0)
        condition_of(BLACK_BOX["random"], BLACK_BOX["random"].Config(), table, settings)

    tries.refused(what, plan)


def test_a_budget_that_no_clock_reaches_is_refused(tmp_path: Path, tries: Tries) -> None:
    search, table = BLACK_BOX["random"], write(tmp_path / "t", tensors())

    def plan(**accounting: Any) -> None:
        condition_of(search, search.Config(), table, RunSettings.of(table, "digits", **accounting))

    for budget in (1e15, 1e308, float("inf"), float("nan"), 0.0, -1.0):
        tries.refused(f"budget {budget}", lambda budget=budget: plan(budget=budget))  # type: ignore[misc]
    for queries in (0, -1, 10**20):
        tries.refused(f"queries {queries}", lambda queries=queries: plan(budget=float("inf"), max_queries=queries))  # type: ignore[misc]


def test_spaces_are_bounded(tries: Tries) -> None:
    for layers in (0, -1, 30, 70, 10**9, 10**30, 2.5, "3", None):
        spec = {"space": "size", "widths": [8, 16, 24, 32, 40, 48, 56, 64], "layers": layers}
        tries.refused(spec, lambda spec=spec: space_from_spec(spec))  # type: ignore[misc]


# -- mutations ---------------------------------------------------------------------------------------------------------------


def test_mutated_headers(parts: tuple[Header, Header, bytes], tmp_path: Path, tries: Tries) -> None:
    header, metadata, data = parts

    @many(350)
    @given(mutated(whole(header, metadata)))
    def attempt(value: Any) -> None:
        path = save(tmp_path / "t", dumped(value), data)
        tries.expect(value, lambda: use(path))

    attempt()


def test_mutated_metadata(parts: tuple[Header, Header, bytes], tmp_path: Path, tries: Tries) -> None:
    header, metadata, data = parts
    fuller = {
        **metadata,
        "metrics": {"metrics/energy": {"unit": "J", "direction": "minimize", "source": "s"}},
        "merged": [{"file": "f", "title": "t", "fingerprint": "0", "parts": [STEM], "source": {"name": "n"}}],
    }

    @many(350)
    @given(mutated(fuller))
    def attempt(value: Any) -> None:
        path = save(tmp_path / "t", dumped(whole(header, value)), data)
        tries.expect(value, lambda: use(path))

    attempt()


def test_mutated_numbers(tmp_path: Path, tries: Tries) -> None:
    names = sorted(name for name, values in tensors().items() if values.dtype.kind == "f")

    @many(150)
    @given(
        st.sampled_from(names),
        st.integers(0, 7),
        st.sampled_from([*map(float, ODD_NUMBERS)]),
    )
    def attempt(name: str, place: int, number: float) -> None:
        of_all = tensors()
        of_all[name].flat[place % of_all[name].size] = number
        write(tmp_path / "t", of_all)
        tries.expect((name, number), lambda: use(tmp_path / "t"))

    attempt()


def test_mutated_bytes(parts: tuple[Header, Header, bytes], tmp_path: Path, tries: Tries) -> None:
    header, metadata, data = parts
    content = save(tmp_path / "t", dumped(whole(header, metadata)), data).read_bytes()

    @many(250)
    @given(st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=9), st.integers(0, len(content)))
    def attempt(start: int, inserted: bytes, length: int) -> None:
        spoiled = content[:start] + inserted + content[start + len(inserted) :]
        (tmp_path / "t").write_bytes(spoiled if length % 3 else spoiled[:length])
        tries.expect((start, inserted, length), lambda: use(tmp_path / "t"))

    attempt()


# -- files that change while they are mapped ---------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="no bus errors here")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_table_that_is_truncated_ends_a_sweep_in_one_line(jobs: str, topology_table: Table, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(topology_table.path.read_bytes())
    command = ["run", "random", "--table", str(path), "--results", str(tmp_path / "r"), "--budget", "20000", "--seeds", "100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *command, "--jobs", jobs],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "r").rglob("*.parquet")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    with open(path, "r+b") as file:
        file.truncate(4096)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (1, 2)
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert "truncated" in errors
