"""Table and TableWriter: figures against a table worked out by hand, damage, fingerprints, and what a failure leaves behind."""

from __future__ import annotations

import json
import time
import tracemalloc
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors
import safetensors.numpy

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.safetensors import fingerprint
from benchmark_api.tables.table import Table, TableError
from benchmark_api.tables.trials import mean_of_others
from benchmark_api.tables.writer import FORMAT_VERSION, TableWriter

NAN = float("nan")
SPACE = SizeSpace(widths=(4, 8), layers=2)  # four architectures
METADATA = {
    "space": SPACE.spec(),
    "title": "by hand",
    "notice": "",
    "source": {},
    "search_schedule": "12",
    "report_schedule": "12",
}

# Trials of the four architectures: two, two of which one stopped early, one, none.
SEEDS = [[777, 888], [777, 888], [777, -1], [-1, -1]]
VALID = [  # [architecture, trial, epoch]: epochs 0, 5 and 11
    [[10.0, 50.0, 70.0], [20.0, 60.0, 80.0]],
    [[30.0, 40.0, 75.0], [40.0, 50.0, NAN]],
    [[10.0, 20.0, 60.0], [NAN, NAN, NAN]],
    [[NAN, NAN, NAN], [NAN, NAN, NAN]],
]
PARAMS = [1.0, 0.5, 0.25, 2.0]
FLOPS = [100.0, 80.0, 10.0, 5.0]


def arrays() -> dict[str, npt.NDArray[Any]]:
    valid = np.array(VALID)
    figures: dict[str, npt.NDArray[Any]] = {}
    for key, splits in {"cifar10-valid": ("train", "x-valid"), "cifar10": ("train", "ori-test")}.items():
        stem = f"{key}/12"
        figures[f"{stem}/seeds"] = np.array(SEEDS, dtype=np.int16)
        figures[f"{stem}/params"] = np.array(PARAMS)
        figures[f"{stem}/flops"] = np.array(FLOPS)
        figures[f"{stem}/latency"] = np.array([0.01, 0.02, 0.03, NAN])
        for split in splits:
            figures[f"{stem}/{split}/accuracy"] = valid
            figures[f"{stem}/{split}/loss"] = valid / 10
            figures[f"{stem}/{split}/epochs"] = np.array([0, 5, 11], dtype=np.int32)
            figures[f"{stem}/{split}/seconds"] = np.where(np.array(SEEDS) < 0, NAN, 3.0)
    return figures


def write(path: Path, figures: dict[str, npt.NDArray[Any]], **metadata: object) -> Path:
    layout = {name: (array.dtype, array.shape) for name, array in figures.items()}
    with TableWriter(path, layout, {**METADATA, **metadata}) as writer:
        for name, array in figures.items():
            writer.write(name, array)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "hand.safetensors", arrays())


@pytest.fixture
def table(path: Path) -> Table:
    return Table(path)


# -- figures -----------------------------------------------------------------------------------------------------------


def test_what_is_in_it(table: Table) -> None:
    assert (table.space, len(table), table.title) == (SPACE, 4, "by hand")
    assert set(table.keys) == {"cifar10-valid", "cifar10"}
    assert table.datasets == ("cifar10",)
    assert (table.search_key("cifar10"), table.search_key("cifar100")) == ("cifar10-valid", "cifar100")
    assert table.schedules("cifar10") == ("12",)
    assert table.splits("cifar10-valid", "12") == ("train", "x-valid")
    assert table.test_split("cifar10", "12") == "ori-test"
    assert table.seeds("cifar10", "12").tolist() == SEEDS
    assert table.params("cifar10").tolist() == PARAMS
    assert table.flops("cifar10", "12").tolist() == FLOPS


def test_what_the_source_did_not_measure_is_missing(tmp_path: Path) -> None:
    figures = {
        name: array
        for name, array in arrays().items()
        if name.startswith("cifar10-valid") and not name.endswith(("params", "loss", "x-valid/seconds"))
    }
    table = Table(write(tmp_path / "t", figures))
    assert table.datasets == ("cifar10",)
    assert (table.report_key("cifar10"), table.has_test("cifar10")) == ("cifar10-valid", False)
    for ask in (lambda: table.params("cifar10-valid"), lambda: table.loss(0, "cifar10-valid", "12", "x-valid")):
        with pytest.raises(ValueError, match=r"no .* for cifar10-valid/12: the source of t did not have it"):
            ask()
    with pytest.raises(ValueError, match="no test accuracies of cifar10-valid/12; its splits are train, x-valid"):
        table.test_split("cifar10-valid", "12")
    view = table.search_view("cifar10")
    assert view.validation_seconds.tolist() == [[0.0, 0.0]] * 4
    assert set(view.costs) == {"flops", "latency"}


def test_accuracy_of_the_trials_that_a_run_did_not_see(table: Table) -> None:
    expected = [[80.0, 70.0], [NAN, NAN], [NAN, NAN], [NAN, NAN]]  # the others have one trial with a value, or none
    np.testing.assert_array_equal(table.held_out_accuracy("cifar10-valid", "12", "x-valid"), expected)
    np.testing.assert_array_equal(
        mean_of_others(np.array([[1.0, 2.0, 6.0], [1.0, NAN, 3.0]])), [[4.0, 3.5, 1.5], [3.0, NAN, 1.0]]
    )


def test_metrics(tmp_path: Path) -> None:
    figures = arrays() | {"metrics/latency@pixel3": np.array([1.0, 2, 3, 4]), "cifar10/metrics/energy": np.full(4, 7.0)}
    about = {"metrics/latency@pixel3": {"unit": "ms"}, "cifar10/metrics/energy": {"unit": "", "direction": "maximize"}}
    table = Table(write(tmp_path / "t", figures, metrics=about))
    assert list(table.metrics("cifar10")) == ["params", "flops", "latency", "energy", "latency@pixel3"]
    metric = table.metrics("cifar10-valid")["latency@pixel3"]
    assert (metric.unit, metric.direction, metric.text(2.5)) == ("ms", "minimize", "latency@pixel3 2.5 ms")
    assert table.metrics("cifar10")["energy"].direction == "maximize"
    assert table.metrics("cifar10")["params"].unit == "M"
    assert table.metric("latency@pixel3", "cifar10").tolist() == [1.0, 2.0, 3.0, 4.0]
    assert table.search_view("cifar10").costs["energy"].tolist() == [7.0] * 4
    with pytest.raises(ValueError, match="no metric 'speed' for cifar10; t has params, flops, latency, energy, latency@pixel3"):
        table.metric("speed", "cifar10")
    with pytest.raises(TableError, match=r"metrics/energy has shape \(3,\), expected \(4,\)"):
        Table(write(tmp_path / "t", arrays() | {"metrics/energy": np.zeros(3)}))


def test_the_test_split_is_x_test_where_there_is_one(topology_table: Table) -> None:
    assert topology_table.test_split("cifar100", "200") == "x-test"
    assert topology_table.test_split("cifar10", "200") == "ori-test"
    assert topology_table.datasets == ("cifar10", "cifar100")
    assert topology_table.schedules("cifar10") == ("12", "200")


@pytest.mark.parametrize(
    ("index", "epoch", "seed", "expected"),
    [
        (0, None, None, 75.0),
        (0, None, 888, 80.0),
        (0, 0, None, 15.0),
        (0, 5, 777, 50.0),
        (1, None, None, 75.0),  # only one trial got that far
        (1, 5, None, 45.0),
        (1, 5, 888, 50.0),
        (2, 11, None, 60.0),
    ],
)
def test_accuracy_by_hand(table: Table, index: int, epoch: int | None, seed: int | None, expected: float) -> None:
    accuracy = table.accuracy(index, "cifar10-valid", "12", "x-valid", epoch=epoch, seed=seed)
    assert type(accuracy) is float
    assert accuracy == expected
    assert table.loss(index, "cifar10-valid", "12", "x-valid", epoch=epoch, seed=seed) == pytest.approx(expected / 10)


@pytest.mark.parametrize(("index", "epoch", "seed"), [(1, None, 888), (2, None, 888), (3, None, None), (3, 0, None), (3, 0, 777)])
def test_a_missing_figure_is_an_error_for_one_and_nan_among_many(table: Table, index: int, epoch: int | None, seed: int) -> None:
    with pytest.raises(ValueError, match=f"architecture {index} has no"):
        table.accuracy(index, "cifar10-valid", "12", "x-valid", epoch=epoch, seed=seed)
    both = table.accuracy([0, index], "cifar10-valid", "12", "x-valid", epoch=epoch, seed=seed)
    assert np.isnan(both).tolist() == [False, True]


def test_arrays_keep_their_shape(table: Table) -> None:
    got = table.accuracy([[0, 1, 2], [2, 0, 0]], "cifar10-valid", "12", "x-valid")
    assert got.tolist() == [[75.0, 75.0, 60.0], [60.0, 75.0, 75.0]]
    none = np.empty((0,), dtype=int)
    assert table.accuracy(none, "cifar10-valid", "12", "x-valid").shape == (0,)
    assert table.accuracy(none, "cifar10-valid", "12", "x-valid", seed=777).shape == (0,)


def test_scalar_queries_equal_vectorised_ones(topology_table: Table) -> None:
    rng = np.random.default_rng(0)
    indices = rng.integers(len(topology_table), size=30)
    for key in topology_table.keys:
        for schedule in topology_table.schedules(key):
            for split, quantity, seed in product(
                topology_table.splits(key, schedule), (topology_table.accuracy, topology_table.loss), (None, 777, 999)
            ):
                epoch = int(rng.integers(12)) if schedule == "12" else None
                vector = quantity(indices, key, schedule, split, epoch=epoch, seed=seed)
                for index, value in zip(indices.tolist(), vector.tolist(), strict=True):
                    if value == value:
                        assert quantity(index, key, schedule, split, epoch=epoch, seed=seed) == pytest.approx(value, rel=1e-12)
                    else:
                        assert seed == 999
                        with pytest.raises(ValueError, match=f"{index} has no trial with seed 999"):
                            quantity(index, key, schedule, split, epoch=epoch, seed=seed)


def test_mean_accuracy_is_the_mean_over_trials(topology_table: Table) -> None:
    means = topology_table.mean_accuracy("cifar100", "200", "x-test")
    expected = np.nanmean(topology_table.tensor("cifar100/200/x-test/accuracy")[:, :, -1].astype(np.float64), axis=1)
    np.testing.assert_allclose(means, expected, rtol=1e-12)
    assert topology_table.mean_accuracy("cifar100", "200", "x-test") is means
    with pytest.raises(ValueError, match="read-only"):
        means[0] = 100.0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ((0, "svhn", "12", "x-valid"), "unknown dataset key 'svhn'.*cifar10"),
        ((0, "cifar10", "200", "ori-test"), "no schedule '200' for 'cifar10'.*12"),
        ((0, "cifar10", "12", "x-valid"), "no x-valid/accuracy for cifar10/12.*train, ori-test"),
        ((4, "cifar10", "12", "ori-test"), "index 4 is out of range 0 to 3"),
        ((-1, "cifar10", "12", "ori-test"), "index -1 is out of range"),
        (([0, 4], "cifar10", "12", "ori-test"), "0 to 4 are out of range"),
        (([-1, 0], "cifar10", "12", "ori-test"), "-1 to 0 are out of range"),
        ((0.0, "cifar10", "12", "ori-test"), "must be integers, got float64"),
        (([True], "cifar10", "12", "ori-test"), "must be integers, got bool"),
    ],
)
def test_unknown_names_and_indices(table: Table, query: tuple[Any, str, str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table.accuracy(*query)


@pytest.mark.parametrize("index", [0, [0, 1]])
def test_unknown_epochs_and_seeds(table: Table, index: Any) -> None:
    for epoch in (-1, 12):
        with pytest.raises(ValueError, match=f"epoch {epoch} is outside schedule '12': expected 0 to 11"):
            table.accuracy(index, "cifar10", "12", "ori-test", epoch=epoch)
    with pytest.raises(ValueError, match=r"epoch 3 of ori-test is not stored.*3 epochs from 0 to 11"):
        table.accuracy(index, "cifar10", "12", "ori-test", epoch=3)
    for seed in (111, -1):
        with pytest.raises(ValueError, match=f"trial with seed {seed} for cifar10/12"):
            table.accuracy(index, "cifar10", "12", "ori-test", seed=seed)


def test_a_table_of_last_epochs_says_so(topology_table: Table) -> None:
    with pytest.raises(ValueError, match="the table holds epoch 199 only"):
        topology_table.accuracy(0, "cifar10", "200", "ori-test", epoch=11)


# -- best and ranks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, (0, 75.0)),  # a tie with 1: the lower index
        ({"max_flops": 99.9}, (1, 75.0)),
        ({"max_flops": 80.0}, (1, 75.0)),  # the limit is included
        ({"max_params": 0.4}, (2, 60.0)),
        ({"max_flops": 80.0, "max_params": 0.25}, (2, 60.0)),
    ],
)
def test_best_within_limits(table: Table, limits: dict[str, float], expected: tuple[int, float]) -> None:
    assert table.best("cifar10-valid", "12", "x-valid", **limits) == expected


def test_nothing_within_limits(table: Table) -> None:
    with pytest.raises(ValueError, match=r"cifar10-valid/12 has flops of at most 5 M$"):
        table.best("cifar10-valid", "12", "x-valid", max_flops=5.0)  # the only one is not measured


@pytest.mark.parametrize(
    ("limits", "expected"),
    [({"energy": (2.0, np.inf)}, 1), ({"energy": (2.0, 3.0), "params": (-np.inf, 0.25)}, 2), ({"params": (0.5, 0.5)}, 1)],
)
def test_best_within_limits_of_any_metric(tmp_path: Path, limits: dict[str, tuple[float, float]], expected: int) -> None:
    table = Table(write(tmp_path / "t", arrays() | {"metrics/energy": np.array([NAN, 2.0, 3.0, 9.0])}))
    assert table.best("cifar10-valid", "12", "x-valid", limits=limits)[0] == expected
    with pytest.raises(ValueError, match=r"energy of at least 4 and at most 8 and flops of at most 1 M$"):
        table.best("cifar10", "12", "ori-test", limits={"energy": (4.0, 8.0), "flops": (-np.inf, 1.0)})
    with pytest.raises(ValueError, match="no metric 'power' for cifar10; t has params, flops, latency, energy"):
        table.best("cifar10", "12", "ori-test", limits={"power": (0.0, 1.0)})


def test_best_is_the_maximum(topology_table: Table) -> None:
    index, accuracy = topology_table.best("cifar100", "200", "x-test")
    means = topology_table.accuracy(np.arange(15625), "cifar100", "200", "x-test")
    assert (index, accuracy) == (int(means.argmax()), float(means.max()))


def test_rank_percentile_counts_those_not_better(table: Table, topology_table: Table) -> None:
    ranks = table.rank_percentile([0, 1, 2, 3], "cifar10-valid", "12", "x-valid")
    np.testing.assert_allclose(ranks, [100.0, 100.0, 100 / 3, NAN])
    best, _ = topology_table.best("cifar10", "200", "ori-test")
    assert topology_table.rank_percentile(best, "cifar10", "200", "ori-test") == 100.0
    means = topology_table.mean_accuracy("cifar10", "200", "ori-test")
    expected = 100 * np.mean(means <= means[5])
    assert topology_table.rank_percentile(5, "cifar10", "200", "ori-test") == pytest.approx(expected)


# -- the search's view -------------------------------------------------------------------------------------------------


def test_search_view(table: Table) -> None:
    view = table.search_view("cifar10")
    assert (view.key, view.schedule, view.schedule_epochs, view.epochs) == ("cifar10-valid", "12", 12, (0, 5, 11))
    np.testing.assert_array_equal(view.accuracy, np.array(VALID))
    assert view.train_seconds[0].tolist() == view.validation_seconds[0].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("dataset", "schedule"), [("cifar100", None), ("cifar10", "200")])
def test_no_view_of_what_is_not_there(table: Table, dataset: str, schedule: str | None) -> None:
    with pytest.raises(ValueError):
        table.search_view(dataset, schedule)


def test_no_view_without_validation(tmp_path: Path) -> None:
    only_test = {name: array for name, array in arrays().items() if not name.startswith("cifar10-valid")}
    table = Table(write(tmp_path / "t", only_test))
    assert table.datasets == ()
    with pytest.raises(ValueError, match=r"no validation split.*ori-test"):
        table.search_view("cifar10")


# -- the file ----------------------------------------------------------------------------------------------------------


def test_any_safetensors_reader_reads_it(path: Path) -> None:
    table, expected = Table(path), arrays()
    with safetensors.safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == set(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(file.get_tensor(name), array)
            np.testing.assert_array_equal(table.tensor(name), array)
            assert table.tensor(name).dtype == array.dtype
        metadata = json.loads(file.metadata()["table"])
    assert metadata == {**METADATA, "format": FORMAT_VERSION, "fingerprint": table.fingerprint}


def test_opening_copies_nothing_and_is_fast(topology_table: Table) -> None:
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        Table(topology_table.path)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.010
    tracemalloc.start()
    table = Table(topology_table.path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 < topology_table.path.stat().st_size / 40
    tensor = table.tensor("cifar10/12/ori-test/accuracy")
    assert not tensor.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        tensor[0] = 0.0


def test_tensors_are_aligned(topology_table: Table) -> None:
    for key, schedule in product(topology_table.keys, ("12", "200")):
        for name in ("seeds", "params", "train/accuracy", "train/epochs"):
            assert topology_table.tensor(f"{key}/{schedule}/{name}").flags.aligned


def test_what_was_not_written_is_missing(tmp_path: Path) -> None:
    figures = arrays()
    layout = {name: (array.dtype, array.shape) for name, array in figures.items()}
    with TableWriter(tmp_path / "t", layout, METADATA) as writer:
        for name, array in figures.items():
            if name.endswith("/epochs"):
                writer.write(name, array)
        writer.write("cifar10/12/seeds", [SEEDS[1]], start=1)
        writer.write("cifar10/12/ori-test/accuracy", [VALID[1]], start=1)
    table = Table(tmp_path / "t")
    assert table.seeds("cifar10", "12").tolist() == [[-1, -1], SEEDS[1], [-1, -1], [-1, -1]]
    last = table.accuracy(np.arange(4), "cifar10", "12", "ori-test")
    np.testing.assert_array_equal(last, [NAN, 75.0, NAN, NAN])
    assert np.isnan(table.params("cifar10")).all()


def test_fingerprint_is_of_the_content(path: Path, tmp_path: Path) -> None:
    table = Table(path)
    table.verify()
    assert table.fingerprint == fingerprint(arrays())
    assert Table(write(tmp_path / "again", dict(reversed(arrays().items())), title="other")).fingerprint == table.fingerprint
    changed = arrays()
    changed["cifar10/12/ori-test/accuracy"] = np.array(VALID) + 1e-9
    assert Table(write(tmp_path / "changed", changed)).fingerprint != table.fingerprint
    renamed = {name.replace("ori-test", "x-test"): array for name, array in arrays().items()}
    assert Table(write(tmp_path / "renamed", renamed)).fingerprint != table.fingerprint


def test_verify_sees_a_changed_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"hand\.safetensors.*damaged"):
        Table(path).verify()


def test_every_truncation_is_refused(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in (*range(100), *range(100, len(content), 13), len(content) - 1):
        cut.write_bytes(content[:length])
        with pytest.raises(TableError, match=r"cut\.safetensors"):
            Table(cut)


def test_a_damaged_header_is_refused_or_harmless(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    damaged, rng = tmp_path / "damaged.safetensors", np.random.default_rng(0)
    refused = 0
    for position in range(header):
        byte = int(rng.choice([b for b in b'"[]{}0129,:x\x00\xff' if b != content[position]]))
        damaged.write_bytes(content[:position] + bytes([byte]) + content[position + 1 :])
        try:
            Table(damaged)
        except TableError:  # and nothing else
            refused += 1
    assert refused > header / 2


HOSTILE_HEADERS = {
    "not JSON": b"{'a': 1}",
    "not text": b"\xff\xfe\xfd",
    "not an object": b"[1, 2]",
    "deeper than any parser goes": b"[" * 200_000,
    "a number of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "entry is no object": b'{"a": 3}',
    "unknown dtype": b'{"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}',
    "negative shape": b'{"a": {"dtype": "U8", "shape": [-1, -2], "data_offsets": [0, 2]}}',
    "negative offset": b'{"a": {"dtype": "U8", "shape": [2], "data_offsets": [-2, 0]}}',
    "past the end": b'{"a": {"dtype": "U8", "shape": [99], "data_offsets": [0, 99]}}',
    "a huge empty shape": b'{"a": {"dtype": "U8", "shape": [0, 1000000000000000000000], "data_offsets": [0, 0]}}',
    "metadata is no object": b'{"__metadata__": 3}',
    "metadata is not of a table": b'{"__metadata__": {"table": "7"}}',
}


@pytest.mark.parametrize("header", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS.keys())
def test_hostile_headers(tmp_path: Path, header: bytes) -> None:
    file = tmp_path / "hostile.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"1234")
    with pytest.raises(TableError, match=r"hostile\.safetensors"):
        Table(file)


def test_foreign_files(tmp_path: Path) -> None:
    file = tmp_path / "foreign"
    safetensors.numpy.save_file({"weights": np.zeros(3)}, file)
    with pytest.raises(TableError, match="not a table of this project"):
        Table(file)
    file.write_bytes(b"anything else" + bytes(100))
    with pytest.raises(TableError, match="no safetensors header"):
        Table(file)
    file.write_bytes(b"")
    with pytest.raises(TableError, match="0 bytes"):
        Table(file)
    with pytest.raises(FileNotFoundError):
        Table(tmp_path / "absent")


def test_a_newer_format_is_refused(path: Path) -> None:
    content = path.read_bytes()
    version = rb"\"format\": %d" % FORMAT_VERSION
    assert content.count(version) == 1
    path.write_bytes(content.replace(version, rb"\"format\": 9"))
    with pytest.raises(TableError, match=r"table format 9.*update"):
        Table(path)


@pytest.mark.parametrize("name", ["seeds", "x-valid/epochs"])
def test_an_incomplete_table_is_refused(tmp_path: Path, name: str) -> None:
    figures = arrays()
    del figures[f"cifar10-valid/12/{name}"]
    with pytest.raises(TableError, match=r"incomplete.*cifar10-valid/12"):
        Table(write(tmp_path / "t", figures))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("params", (3,)), ("x-valid/loss", (4, 2, 2)), ("train/seconds", (4, 3)), ("seeds", (4, 1)), ("x-valid/epochs", (2,))],
)
def test_inconsistent_shapes_are_refused(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    figures = arrays()
    name = f"cifar10-valid/12/{name}"
    figures[name] = np.zeros(shape, dtype=figures[name].dtype)
    with pytest.raises(TableError, match="cifar10-valid/12"):
        Table(write(tmp_path / "t", figures))


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [
        ("x-valid/accuracy", np.int32, "floats"),
        ("x-valid/loss", np.uint8, "floats"),
        ("train/seconds", np.int64, "floats"),
        ("flops", np.int16, "floats"),
        ("seeds", np.float32, "integers"),
        ("x-valid/epochs", np.float64, "integers"),
    ],
)
def test_other_types_are_refused(tmp_path: Path, name: str, dtype: npt.DTypeLike, expected: str) -> None:
    figures = arrays()
    name = f"cifar10-valid/12/{name}"
    figures[name] = np.zeros_like(figures[name], dtype=dtype)
    with pytest.raises(TableError, match=f"{name} has the type {np.dtype(dtype)}, expected {expected}"):
        Table(write(tmp_path / "t", figures))


def test_seconds_of_training_may_be_there_without_accuracies(tmp_path: Path) -> None:
    figures = arrays()
    for name in ("accuracy", "loss", "epochs"):
        del figures[f"cifar10-valid/12/train/{name}"]
    table = Table(write(tmp_path / "t", figures))
    assert table.splits("cifar10-valid", "12") == ("x-valid",)
    np.testing.assert_array_equal(table.search_view("cifar10").train_seconds, figures["cifar10-valid/12/train/seconds"])
    figures["cifar10-valid/12/train/seconds"] = np.zeros((4, 3))
    with pytest.raises(TableError, match=r"cifar10-valid/12/train/seconds has shape \(4, 3\), expected \(4, 2\)"):
        Table(write(tmp_path / "t", figures))


# -- the writer --------------------------------------------------------------------------------------------------------


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    figures = arrays()
    layout = {name: (array.dtype, array.shape) for name, array in figures.items()}

    def interrupted() -> None:
        with TableWriter(tmp_path / "t", layout, METADATA) as writer:
            writer.write("cifar10/12/params", PARAMS)
            assert not (tmp_path / "t").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(KeyError):
        TableWriter(tmp_path / "t", {**layout, "metrics/complex": (np.complex64, (1,))}, METADATA)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_table_that_was_there(path: Path) -> None:
    before = path.read_bytes()
    layout = {name: (array.dtype, array.shape) for name, array in arrays().items()}
    with pytest.raises(ValueError, match="do not fit"), TableWriter(path, layout, METADATA) as writer:
        writer.write("cifar10/12/params", [1.0] * 5)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("block", "start"), [([1.0], 4), ([1.0], -1), ([[1.0]], 0), ([1.0] * 5, 0)], ids=["after", "before", "shape", "long"]
)
def test_blocks_must_fit(tmp_path: Path, block: Any, start: int) -> None:
    with (
        pytest.raises(ValueError, match="params: rows"),
        TableWriter(tmp_path / "t", {"cifar10/12/params": (np.float64, (4,))}, METADATA) as writer,
    ):
        writer.write("cifar10/12/params", block, start)


def test_a_finished_table_replaces_the_old_one_under_its_readers(path: Path) -> None:
    old = Table(path)
    figures = arrays()
    figures["cifar10/12/ori-test/accuracy"] = np.zeros((4, 2, 3))
    write(path, figures)
    assert Table(path).accuracy(0, "cifar10", "12", "ori-test") == 0.0
    assert old.accuracy(0, "cifar10", "12", "ori-test") == 75.0  # its map keeps the old content
